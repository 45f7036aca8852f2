//! An open log directory: the calls on its few names, each with the message for when it fails.

use super::lock::Lock;
use super::{Config, MARK, name};
use crate::disk::{Disk, How, Kind, Stat};
use crate::label::Label;
use crate::strerr::{self, Errno, Error};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;

/// The files of the protocol; old logs have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Current,
    Previous,
    Processed,
    State,
    Newstate,
    Lock,
}

impl Name {
    pub(super) fn text(self) -> &'static str {
        match self {
            Name::Current => "current",
            Name::Previous => "previous",
            Name::Processed => "processed",
            Name::State => "state",
            Name::Newstate => "newstate",
            Name::Lock => "lock",
        }
    }

    pub(super) fn os(self) -> &'static OsStr {
        OsStr::new(self.text())
    }
}

/// The directory, its settings, and the disk it is on. Shared by the road and the finisher.
pub(super) struct Home<D: Disk> {
    pub(super) disk: D,
    pub(super) dir: D::Dir,
    pub(super) config: Config,
    pub(super) lock: Lock<D>,
    /// The processor that runs. Here the road can end it though the finisher waits for the disk.
    pub(super) processor: Mutex<Option<D::Child>>,
}

impl<D: Disk> Home<D> {
    /// An opened and locked directory.
    pub(super) fn new(disk: D, dir: D::Dir, config: Config, lock: Lock<D>) -> Self {
        Home { disk, dir, config, lock, processor: Mutex::default() }
    }

    /// The directory as the user wrote it.
    pub(super) fn shown(&self) -> String {
        strerr::shown(&self.config.dir)
    }

    /// A failure that names a file of the directory: `unable to write to ./main/current: …`.
    pub(super) fn error(&self, doing: &str, name: Name, errno: Errno) -> Error {
        Error::new(format!("{doing} {}/{}", self.shown(), name.text()), errno)
    }

    pub(super) fn open(&self, name: Name, how: How) -> Result<D::File, Error> {
        let doing = match how {
            How::New(_) => "create",
            How::Append => "append to",
            How::Read | How::Lock => "open",
        };
        self.disk.open(&self.dir, name.os(), how).map_err(|errno| self.error(doing, name, errno))
    }

    /// What a name is; `None` when it is not there.
    pub(super) fn stat(&self, name: Name) -> Result<Option<Stat>, Error> {
        match self.disk.stat(&self.dir, name.os()) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.error("stat", name, errno)),
        }
    }

    /// Calls `each` with every old log, in no order.
    pub(super) fn old_logs(&self, each: &mut dyn FnMut(&OsStr, Label)) -> Result<(), Error> {
        let listed = self.disk.list(&self.dir, &mut |found, kind| {
            if kind == Kind::Regular
                && let Some(label) = name::parse(found.as_bytes())
            {
                each(found, label);
            }
        });
        listed.map_err(|errno| Error::new(format!("read {}", self.shown()), errno))
    }

    /// What a name stands for, if it is there.
    pub(super) fn kind(&self, name: Name) -> Option<Kind> {
        self.stat(name).ok().flatten().map(|stat| stat.kind)
    }

    /// Removes a name; that it is not there is as good.
    pub(super) fn unlink(&self, name: Name) -> Result<(), Error> {
        match self.disk.unlink(&self.dir, name.os()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.error("remove", name, errno)),
        }
    }

    /// Makes `newstate` the state; none is as good.
    pub(super) fn newstate_to_state(&self) -> Result<(), Error> {
        match self.disk.rename(&self.dir, Name::Newstate.os(), Name::State.os()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => {
                Err(Error::new(format!("rename newstate to state in directory {}", self.shown()), errno))
            }
        }
    }

    /// Whether a file of this size ends in the middle of a line; one that has become shorter does not.
    pub(super) fn ends_in_line(&self, file: &D::File, size: u64) -> Result<bool, Errno> {
        let mut last = [b'\n'];
        if size > 0 {
            self.disk.read_at(file, size - 1, &mut last)?;
        }
        Ok(last != [b'\n'])
    }

    /// fsync with the original's message. After an error this file's un-synced data is not to be trusted.
    pub(super) fn sync(&self, file: &D::File, name: Name) -> Result<(), Error> {
        self.disk
            .sync(file)
            .map_err(|errno| Error::new(format!("write {}/{} to disk", self.shown(), name.text()), errno))
    }

    /// The mode of a file that is being written to.
    pub(super) fn unmark(&self, file: &D::File, name: Name) -> Result<(), Error> {
        self.set_mode(file, name, self.config.mode)
    }

    /// The mode of a file that is whole.
    pub(super) fn mark(&self, file: &D::File, name: Name) -> Result<(), Error> {
        self.set_mode(file, name, self.config.mode | MARK)
    }

    fn set_mode(&self, file: &D::File, name: Name, mode: u32) -> Result<(), Error> {
        self.disk.set_mode(file, mode).map_err(|errno| self.error("set mode of", name, errno))
    }

    /// Whether names in the directory may be changed, as far as that shows before it is done.
    pub(super) fn may_change_names(&self) -> Result<(), Error> {
        let may = self.disk.may_change_names(&self.dir);
        may.map_err(|errno| Error::new(format!("change names in directory {}", self.shown()), errno))
    }

    /// The same of one name.
    pub(super) fn may_rename(&self, name: Name) -> Result<(), Error> {
        let may = self.disk.may_rename(&self.dir, name.os());
        may.map_err(|errno| self.error("rename", name, errno))
    }

    /// fsync of the directory.
    pub(super) fn sync_dir(&self) -> Result<(), Error> {
        self.disk
            .sync_dir(&self.dir)
            .map_err(|errno| Error::new(format!("write directory {} to disk", self.shown()), errno))
    }

    /// Makes sure that `state` is there, empty if need be: a processor always finds it, ours or the original's.
    pub(super) fn ensure_state(&self) -> Result<(), Error> {
        if self.stat(Name::State)?.is_none() {
            let state = self.open(Name::State, How::New(self.config.mode))?;
            self.unmark(&state, Name::State)?;
        }
        Ok(())
    }
}
