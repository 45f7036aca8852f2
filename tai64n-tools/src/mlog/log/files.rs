//! Which files come next, and behind which place reading goes on.

use super::{Log, Reading, Trouble, dir_identity, identity, key};
use crate::logdir::{self, CURRENT, LogFile, Old};
use crate::mlog::file::{Opened, is_closed};
use crate::mlog::place::{Found, MOST_KNOWN, Place, has_previous, known_first, reopen};
use logcore::disk::{Disk, RealDisk};
use logcore::label::Label;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// A file that will be read.
#[derive(Debug)]
pub(super) struct Waiting {
    file: LogFile,
    after: Option<Label>,
    before: Before,
    unnamed: bool,
    offset: u64,
}

/// The old logs before a file: the first `len` of a list that the files share.
#[derive(Clone, Debug)]
pub(super) struct Before {
    olds: Arc<[Old]>,
    len: usize,
}

impl Before {
    /// All that are among these files.
    pub(super) fn all(files: &[LogFile]) -> Before {
        let olds: Arc<[Old]> = files.iter().filter_map(LogFile::old).collect();
        Before { len: olds.len(), olds }
    }

    /// As a place has them.
    pub(super) fn known(&self) -> Option<Vec<Old>> {
        Some(self.olds[self.len.saturating_sub(MOST_KNOWN)..self.len].to_vec())
    }
}

impl Log {
    /// Whether the name `current`, and the directory's own name, still stand for what is being read. A `current` that became
    /// shorter is read anew.
    pub(super) fn is_current(&mut self) -> bool {
        let named = self.look_at_name();
        let Some(file) = &mut self.file else { return false };
        if file.is_left || named != self.dir_identity {
            return false;
        }
        let stat = RealDisk.stat(&self.dir, OsStr::new(CURRENT));
        if !stat.is_ok_and(|stat| stat.inode == file.opened.inode) {
            return false;
        }
        if file.opened.size_now().is_ok_and(|size| size < file.offset)
            && let Ok(text) = file.opened.text(0)
        {
            (file.text, file.offset) = (text, 0);
            self.buffer.forget(self.buffer.partial().len());
            let shown = self.path.join(CURRENT);
            self.troubles.push(Trouble::Note(format!("{} became shorter: reading it anew", shown.display())));
        }
        true
    }

    pub(super) fn names_current(&self, reading: &Reading) -> bool {
        let stat = RealDisk.stat(&self.dir, OsStr::new(CURRENT));
        stat.is_ok_and(|stat| stat.inode == reading.opened.inode)
    }

    /// Whether the directory was removed, and none has its name. One that was moved away may come back.
    pub(super) fn is_dir_removed(&self) -> bool {
        identity(&self.path).is_none() && rustix::fs::fstat(&self.dir).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Goes over to another directory that has the name now, where there is one. In the old one everything has been read.
    pub(super) fn change_over(&mut self) -> bool {
        let Ok(dir) = RealDisk.open_dir(&self.path) else { return false };
        let identity = dir_identity(&dir);
        if identity == self.dir_identity {
            return false;
        }
        let shown = self.path.display();
        self.troubles
            .push(Trouble::Note(format!("{shown} is another directory now: reading it from its beginning")));
        (self.dir_identity, self.dir, self.key) = (identity, dir, key(&self.path));
        (self.file, self.place) = (None, None);
        if !self.buffer.partial().is_empty() {
            self.buffer.end_partial();
        }
        self.list_again();
        true
    }

    /// Lists what came after the file that was left.
    pub(super) fn list_after(&mut self) {
        let Ok(mut files) = logdir::list(&self.dir) else { return };
        let Some(file) = &mut self.file else { return };
        self.begun = None;
        // What was there before is done, wherever its name stands: after a clock was set back the original logger gives lower ones.
        let newer = known_first(&mut files, &self.known, None);
        let inode = file.opened.inode;
        let same = |found: &LogFile| found.stat.is_some_and(|stat| stat.inode == inode);
        if let Some(at) = files.iter().position(same) {
            // It tells now whether an outage cut it off.
            file.opened.name.clone_from(&files[at].name);
            let mut next = newer.max(at + 1);
            if at > newer + usize::from(file.unnamed) {
                // Some that are newer have lower names.
                files[newer..=at].rotate_right(1);
                next = newer + 1;
            }
            self.wait_for(files, next, (next, 0));
            return;
        }
        // A processor has replaced it, or retention has removed it.
        let (after, unnamed) = (file.after, file.unnamed);
        let here = Place { after, unnamed, known: file.before.known(), ..Place::before(&file.opened) };
        self.remember();
        let place = self.place.clone().filter(|place| place.inode == inode).unwrap_or(here);
        let Some(found) = self.find(&place, newer, true, &files) else { return };
        if found.offset > 0 {
            // The rest of the line is read again, where it is now.
            self.buffer.forget(self.buffer.partial().len());
        }
        self.tell(&place, &found);
        self.wait_for(files, found.from, (found.file, found.offset));
    }

    /// Lists everything, when no file is being read, to go on behind the place. False when there is nothing.
    pub(super) fn list_again(&mut self) -> bool {
        let Ok(mut files) = logdir::list(&self.dir) else { return false };
        let is_some = !files.is_empty();
        let found = self.place.clone().and_then(|place| self.go_on(&place, &mut files));
        let (from, offset) = found.map_or((0, (0, 0)), |found| (found.from, (found.file, found.offset)));
        self.wait_for(files, from, offset);
        is_some
    }

    /// Where to go on behind a place in `files`, the log's files in order, which are put in the order they were written in.
    pub(super) fn go_on(&mut self, place: &Place, files: &mut [LogFile]) -> Option<Found> {
        let newer = place.arrange(files);
        let mut found = self.find(place, newer, false, files)?;
        self.begun = Some(place.clone()).filter(|_| found.is_own);
        let behind = newer + usize::from(place.unnamed);
        if !found.is_own || place.known.is_none() || found.file <= behind {
            return Some(found);
        }
        if files[found.file].label.is_none() {
            // It has not moved on, so that others that are new were put before it.
            found.from = behind;
        } else {
            files[newer..=found.file].rotate_right(1);
            found = Found { file: newer, from: newer, twice: place.unnamed, ..found };
        }
        Some(found)
    }

    fn find(&self, place: &Place, newer: usize, is_done: bool, files: &[LogFile]) -> Option<Found> {
        let mut open = |at: usize| reopen(&self.dir, files.get(at).ok_or(ErrorKind::NotFound)?);
        place.find(files, newer, is_done, &mut open, &mut self.stamps.clone())
    }

    /// Notes what is to be told of where reading goes on.
    pub(super) fn tell(&mut self, place: &Place, found: &Found) {
        self.lost = found.lost.then_some(place.last.map(|(moment, _)| moment));
        self.twice = found.twice;
    }

    /// The files from this one on are to be read, the one that was `begun` from `offset` on.
    pub(super) fn wait_for(&mut self, files: Vec<LogFile>, from: usize, (begun, offset): (usize, u64)) {
        let has_previous = has_previous(&files);
        let mut after = None;
        self.waiting.clear();
        let names: HashSet<&OsStr> = files.iter().map(|file| file.name.as_os_str()).collect();
        self.said.retain(|name, _| names.contains(name.as_os_str()));
        let olds: Arc<[Old]> = files.iter().filter_map(LogFile::old).collect();
        self.known = olds.iter().copied().collect();
        for (at, file) in files.into_iter().enumerate() {
            let label = file.true_label().max(after);
            if at >= from {
                let unnamed = has_previous && file.is_current();
                let offset = if at == begun { offset } else { 0 };
                // Those without a label come behind all that have one.
                let before = Before { olds: Arc::clone(&olds), len: at.min(olds.len()) };
                self.waiting.push_back(Waiting { file, after, before, unnamed, offset });
            }
            after = label;
        }
    }

    pub(super) fn open_next(&mut self) -> Option<Reading> {
        while let Some(Waiting { file, after, before, unnamed, offset }) = self.waiting.pop_front() {
            let shown = self.path.join(&file.name);
            let ends = file.label.is_none() && !self.follows;
            let size = file.stat.filter(|_| ends).map(|stat| stat.size);
            let label = file.label;
            let known = Before::clone(&before);
            let opened = match Opened::new(&self.dir, file) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.renamed(label).unwrap_or(Err(error))
                }
                other => other,
            };
            let reading = opened.and_then(|opened| {
                let text = opened.text(offset)?;
                // The size of what is compressed says nothing of its text; and nobody adds to it.
                let until = size.filter(|_| opened.is_plain()).unwrap_or(u64::MAX);
                Ok(Reading { opened, text, offset, until, after, before, unnamed, is_left: false })
            });
            match reading {
                Ok(reading) => return Some(reading),
                Err(error) => {
                    self.unable_to_read(&shown, &error);
                    if self.leaves_partial && is_closed(&error) {
                        // Who comes back goes on here, and so do we when the directory is listed again.
                        self.known = known.olds[..known.len].iter().copied().collect();
                        self.waiting.clear();
                    }
                }
            }
        }
        None
    }

    /// The old log of this moment under another name: somebody compresses it by hand.
    fn renamed(&self, label: Option<Label>) -> Option<io::Result<Opened>> {
        let files = match logdir::list(&self.dir) {
            Ok(files) => files,
            Err(errno) => return Some(Err(errno.into())),
        };
        let file = files.into_iter().find(|file| label.is_some() && file.label == label)?;
        Some(Opened::new(&self.dir, file))
    }
}
