//! A line on standard error that tells how far a long read has come.

use super::stat::size;
use std::io::{Write, stderr};
use std::time::{Duration, Instant};

/// Nothing is shown before.
const PATIENCE: Duration = Duration::from_secs(1);

/// It is shown anew this often.
const EVERY: Duration = Duration::from_millis(200);

/// The line.
#[derive(Debug)]
pub struct Progress {
    /// When it is shown next; `None` is never.
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Begins to wait.
    pub fn new(is_wanted: bool) -> Self {
        Progress { next: is_wanted.then(|| Instant::now() + PATIENCE), is_shown: false }
    }

    /// Shows that so many bytes are read, if it is time.
    pub fn show(&mut self, bytes: impl FnOnce() -> u64) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now >= next {
            // When nobody reads standard error it is dropped.
            let _ = stderr().write_all(format!("\rmlog: {} read\x1b[K", size(bytes())).as_bytes());
            (self.next, self.is_shown) = (Some(now + EVERY), true);
        }
    }

    /// Takes it away, before something else is written.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = stderr().write_all(b"\r\x1b[K");
        }
    }
}
