//! Waiting for a log to grow: inotify on its directory, and a look now and then for file systems that do not tell.

use crate::descriptor::{GONE, asked};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// A look now and then: network file systems tell nothing of what other machines write.
const EVERY_MILLIS: i64 = 1000;
/// The same where inotify cannot be had: still soon enough for a reader.
const ALONE_MILLIS: i64 = 20;

/// Directories that are watched.
#[derive(Debug)]
pub struct Watch {
    inotify: Option<OwnedFd>,
    /// Something is not watched.
    is_blind: bool,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        Watch { is_blind: inotify.is_none(), inotify }
    }

    /// Watches a directory, or the nearest one above it that is there. Twice is as good as once.
    pub fn add(&mut self, dir: &Path) {
        let Some(inotify) = &self.inotify else { return };
        let flags = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let whole = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        self.is_blind |= !whole.ancestors().any(|dir| inotify::add_watch(inotify, dir, flags).is_ok());
    }

    /// Waits until something has changed, or may have. False: nobody reads `output` any more.
    pub fn wait(&self, output: &impl AsFd) -> bool {
        let millis = if self.is_blind { ALONE_MILLIS } else { EVERY_MILLIS };
        let limit = Timespec { tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000 };
        let mut polled = vec![PollFd::new(output, asked(output))];
        polled.extend(self.inotify.as_ref().map(|inotify| PollFd::new(inotify, PollFlags::IN)));
        // Interrupted or not, everything is looked at again.
        let _ = poll(&mut polled, Some(&limit));
        let is_gone = polled[0].revents().intersects(GONE);
        if let Some(inotify) = &self.inotify {
            // What happened is seen by looking.
            while rustix::io::read(inotify, &mut [0; 4096]).is_ok_and(|len| len > 0) {}
        }
        !is_gone
    }
}

impl Default for Watch {
    fn default() -> Self {
        Watch::new()
    }
}
