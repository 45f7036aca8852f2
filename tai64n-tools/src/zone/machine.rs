//! The zone of this machine, which may change while a program runs.

use super::{DEFAULT, Zone};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// Its file is looked at no more often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Looks whether the file of the zone is another one.
///
/// Original: `localtime`, which looks at each call where `TZ` is unset, and never where it is set.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Device, inode and time of change of the file, where it is there.
    file: Option<(u64, u64, i64, i64)>,
    looked: Instant,
}

impl Machine {
    /// As it is now; its zone is to be read after this.
    pub fn new() -> Self {
        Machine { file: file(), looked: Instant::now() }
    }

    /// The zone, if it is another one.
    pub fn news(&mut self) -> Option<Zone> {
        if self.looked.elapsed() < LOOK_AGAIN {
            return None;
        }
        self.looked = Instant::now();
        let now = file();
        (std::mem::replace(&mut self.file, now) != now).then(|| Zone::named(None, None))
    }
}

impl Default for Machine {
    fn default() -> Self {
        Machine::new()
    }
}

fn file() -> Option<(u64, u64, i64, i64)> {
    let meta = std::fs::metadata(DEFAULT).ok()?;
    Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec()))
}
