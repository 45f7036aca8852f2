//! Changes of the scan directory, reported by inotify(7).

use logcore::strerr::Errno;
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Room for many events; a longer name than any comes with one of them.
const BUFFER_BYTES: usize = 8192;

/// The reports of one directory.
#[derive(Debug)]
pub struct Changes {
    inotify: OwnedFd,
    moved: HashSet<Vec<u8>>,
}

/// What has been reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Something has changed, or too much to report it.
    pub changed: bool,
    /// Nothing more will be reported: the directory is gone.
    pub over: bool,
}

impl Changes {
    /// Reports names that come to the directory at `path`, go from it, and its own end. Errors: those of inotify_init(2) and
    /// inotify_add_watch(2).
    pub fn new(path: &str) -> Result<Changes, Errno> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let own = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
        add_watch(&inotify, path, names | own)?;
        Ok(Changes { inotify, moved: HashSet::new() })
    }

    /// Takes all that has been reported, without waiting.
    pub fn take(&mut self) -> Report {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        let mut report = Report::default();
        loop {
            match events.next() {
                Ok(event) => {
                    report.changed = true;
                    report.over |= event.events().contains(ReadFlags::IGNORED);
                    let Some(name) = event.file_name().map(|name| name.to_bytes().to_vec()) else { continue };
                    if event.events().contains(ReadFlags::MOVED_TO) {
                        self.moved.insert(name);
                    } else {
                        self.moved.remove(&name);
                    }
                }
                Err(Errno::INTR) => (),
                Err(Errno::AGAIN) => return report,
                Err(_) => return Report { over: true, ..report },
            }
        }
    }

    /// The names that were moved here since this was last asked: they came complete.
    pub fn moved(&mut self) -> HashSet<Vec<u8>> {
        std::mem::take(&mut self.moved)
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_comes_moves_and_goes_is_reported() {
        let scratch = tempfile::tempdir().expect("a directory");
        let (here, there) = (scratch.path().join("here"), scratch.path().join("there"));
        fs::create_dir(&here).expect("own directory");
        fs::create_dir(&there).expect("own directory");
        let mut changes = Changes::new(here.to_str().expect("text")).expect("inotify");
        assert_eq!(changes.take(), Report::default());
        let changed = Report { changed: true, over: false };
        fs::create_dir(here.join("made")).expect("own directory");
        assert_eq!(changes.take(), changed);
        assert!(changes.moved().is_empty());
        // What happens inside of an entry is nobody's business.
        fs::write(here.join("made/file"), "").expect("own directory");
        assert_eq!(changes.take(), Report::default());
        fs::rename(&there, here.join("moved")).expect("own directory");
        assert_eq!(changes.take(), changed);
        assert_eq!(changes.moved(), HashSet::from([b"moved".to_vec()]));
        fs::remove_dir_all(&here).expect("own directory");
        assert_eq!(changes.take(), Report { changed: true, over: true });
    }
}
