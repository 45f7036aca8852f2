//! A clock that a test sets.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Cmd;
use crate::rig::skipped;

/// What libfaketime, which Debian has as `faketime`, tells a program of the clock that people set. The clock that nobody sets
/// stays as it is.
#[derive(Debug)]
pub struct Clock {
    preload: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// Shows `now`, such as `@2026-01-01 12:00:00`: to each program that from its start on (or from the moment of `set` on);
    /// without `@` it stands still. Kept in the file `clock` in `dir`. `None`, after a line that says so, without libfaketime.
    #[must_use]
    pub fn new(dir: &Path, now: &str) -> Option<Clock> {
        const PLACES: [&str; 2] =
            ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"];
        let preload =
            PLACES.iter().map(|dir| Path::new(dir).join("libfaketime.so.1")).find(|path| path.exists());
        let Some(preload) = preload else {
            skipped("there is no libfaketime");
            return None;
        };
        let clock = Clock { preload, file: dir.join("clock") };
        clock.set(now);
        Some(clock)
    }

    /// It shows this from now on.
    ///
    /// # Panics
    ///
    /// Where the directory cannot be written.
    pub fn set(&self, now: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, now).expect("own directory");
        fs::rename(new, &self.file).expect("own directory");
    }

    /// Lets a program see this clock, and its children.
    #[must_use]
    pub fn shown_to(&self, cmd: Cmd) -> Cmd {
        let cmd = cmd.env("LD_PRELOAD", &self.preload).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        cmd.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC")
    }
}
