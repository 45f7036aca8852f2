//! Old logs on disk: gives a finished file its name, and removes those that are too many.

use super::Config;
use super::home::{Home, Name};
use super::name::{self, Namer};
use super::retain::{Census, Limits};
use crate::complaint::Complaint;
use crate::disk::Disk;
use crate::label::Label;
use crate::strerr::{self, Errno, Error};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

/// So many names that cannot be removed are remembered; beyond that, retention rests until the next file is finished.
const UNDELETABLE_MOST: usize = 1024;

/// Names given and names found in vain, for the life of one logger.
#[derive(Debug, Default)]
pub(super) struct OldLogs {
    pub(super) namer: Namer,
    /// How many there were at the last survey, and were named since.
    pub(super) count: usize,
    /// The newest one, where names say it.
    pub(super) newest: Option<OsString>,
    /// Entries that could not be removed: named once, then neither counted nor tried again.
    undeletable: BTreeSet<OsString>,
    /// What keeps old logs from being removed at all.
    trouble: Complaint,
}

impl OldLogs {
    /// Looks at what is there. Returns a warning when some of it is dated in the future.
    pub(super) fn survey<D: Disk>(home: &Home<D>) -> Result<(Self, Option<String>), Error> {
        let mut logs = OldLogs::default();
        let now = home.disk.now();
        let mut future: Option<OsString> = None;
        home.old_logs(&mut |found, label| {
            logs.count += 1;
            if !logs.namer.found(label, now) {
                future.get_or_insert_with(|| found.to_owned());
            } else if logs.newest.as_deref().is_none_or(|newest| newest < found) {
                logs.newest = Some(found.to_owned());
            }
        })?;
        if future.is_some() {
            logs.newest = None;
        }
        let warning = future.map(|name| {
            format!(
                "{}/{} is dated in the future; it counts as an old log",
                home.shown(),
                strerr::shown(name)
            )
        });
        Ok((logs, warning))
    }

    /// Renames `file` to the old log of this moment, or of just after the newest one. Never replaces anything: where a name
    /// is taken, the next one is used.
    ///
    /// Returns false when there is no such file: somebody removed it. If we die before the rename, the next start does it.
    pub(super) fn name<D: Disk>(
        &mut self,
        home: &Home<D>,
        file: Name,
        suffix: &[u8],
        moment: Label,
    ) -> Result<bool, Error> {
        let label = self.namer.next(moment);
        self.name_as(home, file, suffix, label)
    }

    /// As [`name`](Self::name), with a label that the namer gave out before.
    pub(super) fn name_as<D: Disk>(
        &mut self,
        home: &Home<D>,
        file: Name,
        suffix: &[u8],
        label: Label,
    ) -> Result<bool, Error> {
        let mut label = label;
        loop {
            let old = name::compose(label, suffix);
            match home.disk.rename_new(&home.dir, file.os(), &old) {
                Ok(()) => {
                    self.count += 1;
                    self.newest = Some(old);
                    return Ok(true);
                }
                Err(Errno::NOENT) => return Ok(false),
                Err(Errno::EXIST) => label = self.namer.next(label),
                Err(errno) => {
                    let doing = format!("rename {}/{} to {}", home.shown(), file.text(), strerr::shown(&old));
                    return Err(Error::new(doing, errno));
                }
            }
        }
    }

    /// Removes the old logs that are too many, take too much, or are too old (if `aged`); trouble is told to `say`, the same once
    /// a minute, and never stops anything.
    ///
    /// Original: `filesfit` in multilog.c, which overlooks a failed unlink and tries it for ever.
    pub(super) fn retain<D: Disk>(&mut self, home: &Home<D>, aged: bool, say: &mut dyn FnMut(String)) {
        let Config { num, bytes, age, .. } = home.config;
        loop {
            let now = home.disk.now();
            let before = |age: Duration| now.plus_seconds(-i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
            let since = age.filter(|_| aged).map(before);
            let mut census = Census::new(Limits { num, bytes, since, horizon: self.namer.horizon(now) });
            let uptime = home.disk.uptime();
            let listed = home.old_logs(&mut |found, label| {
                if self.undeletable.contains(found) {
                    return;
                }
                // A name beyond the clock says nothing about its age; the file does.
                let asks_time = since.is_some() && label > now;
                // None is asked where it does not matter.
                let asked = bytes < u64::MAX || asks_time;
                let stat = asked.then(|| home.disk.stat(&home.dir, found).ok()).flatten();
                let finished = stat.filter(|_| asks_time).map(|stat| Label::from_unix(stat.modified, 0));
                census.see(found, label, stat.map_or(0, |stat| stat.size), finished.unwrap_or(label));
            });
            if let Err(error) = listed {
                return self.trouble.tell(error.to_string(), uptime, say);
            }
            let mut changed = false;
            for old in census.surplus() {
                match home.disk.unlink(&home.dir, old) {
                    Ok(()) => changed = true,
                    Err(Errno::NOENT) => (),
                    Err(errno) => {
                        let doing = format!("remove {}/{}", home.shown(), strerr::shown(old));
                        let message = format!("{}; it stays", Error::new(doing, errno));
                        self.trouble.tell(message, uptime, say);
                        // Is it this entry, or would it be every other as well?
                        let its_own = matches!(errno, Errno::PERM | Errno::ISDIR | Errno::BUSY);
                        if !its_own || self.undeletable.len() == UNDELETABLE_MOST {
                            return;
                        }
                        self.undeletable.insert(old.to_owned());
                        changed = true;
                    }
                }
            }
            // Another look: a long surplus comes in parts, and what stays makes room for others to go.
            if !changed {
                self.trouble.settled(uptime);
                return;
            }
        }
    }
}
