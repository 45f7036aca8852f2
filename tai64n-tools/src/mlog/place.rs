//! A place in a log, and finding it again after the log has moved on.
//!
//! Tried in this order, each time checking the bytes before the place where they can be checked:
//!
//! 1. the same inode: it was renamed, or not even that
//! 2. an old log of the same label: it was compressed
//! 3. the first old log newer than those that were older than the file: a processor has replaced it; not where all of those are
//!    gone and lines have no stamps, for then it may be gone as well
//! 4. the moment of the last line: the processor has changed the file, or somebody has copied it. Behind that line where it is
//!    still as it was, or has a label, which no other line has; else before the first line of that moment, so that lines may
//!    come twice: which of them are new nobody can tell
//! 5. without moments: everything newer than what was older, so that lines may come twice and none is missed
//!
//! Old logs are removed oldest first. So while one that was older than the file is still there, nothing was removed unread. Not so
//! where a clock was set back, and a logger, as the original does, gives names below those that were there: which are new tell the
//! names that were there, and where the file of the place is not among them all of them come.

use super::buffer::Lines;
use super::file::{Opened, is_closed};
use super::select::{last_stamped, lines, lines_back};
use crate::logdir::{LogFile, Old, PREVIOUS, PROCESSED, horizon};
use crate::moment::Stamps;
use logcore::label::Label;
use logcore::strerr::Errno;
use memchr::memrchr;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

/// So many bytes before a place are looked at to remember the last line.
pub const PRINT_BYTES: usize = 64 * 1024;
/// So many bytes at the end of that line, and at its beginning, where its stamp is.
const LINE_END: usize = 256;
const LINE_HEAD: usize = 64;

/// Lines may be earlier than the name of the file before theirs by so much: stamps are rounded, and services write late.
const LATE_SECONDS: i64 = 60;

/// Lines of one moment before a place are counted among so many.
const MOST_EQUAL: usize = 4096;

/// So many old logs before a place are noted. Of more, those that are lower are taken to be older.
pub const MOST_KNOWN: usize = 1000;

/// A place between two lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's inode. Inodes are used again, so this alone proves nothing once the file is closed.
    pub inode: u64,
    /// Its name when it was looked for.
    pub name: OsString,
    /// The moment in that name.
    pub label: Option<Label>,
    /// Bytes of its text that are before the place.
    pub offset: u64,
    /// Tells the bytes before the place: [`print`] of them.
    pub print: u64,
    /// The newest old log that was older than the file.
    pub after: Option<Label>,
    /// Between these two there was a `previous` without a name yet.
    pub unnamed: bool,
    /// The moment of the last line before the place, and how many lines at the end share it, as far as is known.
    pub last: Option<(Label, u64)>,
    /// The old logs before the file, the last [`MOST_KNOWN`] of them; `None` where an earlier version did not note them.
    pub known: Option<Vec<Old>>,
}

/// Where reading goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, by its number in the list.
    pub file: usize,
    /// The first that is to be read: this file, or one before it that is new.
    pub from: usize,
    /// Bytes of its text that are done.
    pub offset: u64,
    /// Lines may have been removed between the place and this one.
    pub lost: bool,
    /// Stamps go back, so that lines which are before the place may come again.
    pub twice: bool,
    /// It is the file of the place, so that files before it whose names are new come after it.
    pub is_own: bool,
}

impl Found {
    /// This file from its beginning.
    fn whole(file: usize) -> Found {
        Found { file, from: file, offset: 0, lost: false, twice: false, is_own: false }
    }
}

/// A number that tells the line at the end of `text`, of which the last [`PRINT_BYTES`] count.
pub fn print(text: &[u8]) -> u64 {
    let text = &text[text.len().saturating_sub(PRINT_BYTES)..];
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let line = &text[memrchr(b'\n', body).map_or(0, |at| at + 1)..];
    let (rest, end) = line.split_at(line.len().saturating_sub(LINE_END));
    let head = &rest[..rest.len().min(LINE_HEAD)];
    // FNV-1a, 64 bits.
    head.iter()
        .chain(end)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The moment of the last line in `text`, and how many lines at the end share it; `before` is that of the line before them all.
pub fn last_moment(text: &[u8], before: Option<Label>, stamps: &mut Stamps) -> Option<(Label, u64)> {
    let last = last_stamped(text, before, stamps)?;
    let (mut count, mut unstamped) = (0, 0);
    for line in lines_back(text).take(MOST_EQUAL) {
        match stamps.both(&text[line]) {
            None => unstamped += 1,
            Some((first, second)) if first == last || second == last => {
                count += 1 + unstamped;
                unstamped = 0;
            }
            Some(_) => break,
        }
    }
    Some((last, count))
}

impl Place {
    /// The beginning of a file.
    pub fn before(file: &Opened) -> Place {
        Place {
            inode: file.inode,
            name: file.name.clone(),
            label: file.label,
            offset: 0,
            print: print(b""),
            after: None,
            unnamed: false,
            last: None,
            known: Some(Vec::new()),
        }
    }

    /// Puts those of `files`, the log's files in order, first that are older than the file of the place, and returns how many.
    pub fn arrange(&self, files: &mut [LogFile]) -> usize {
        let Some(known) = &self.known else { return self.older(files) };
        let least = known.iter().map(|old| old.label).min().filter(|_| known.len() == MOST_KNOWN);
        known_first(files, &known.iter().copied().collect(), least)
    }

    /// How many of `files`, the log's files in order, are older than the file of the place, as far as their names tell.
    ///
    /// Where the lines of that file are earlier than the name of an older one, the clock was set back between them, and the original
    /// logger gives lower names since.
    pub fn older(&self, files: &[LogFile]) -> usize {
        let after = self.after.filter(|after| *after <= horizon());
        let after = match self.last {
            Some((moment, _)) if after > Some(moment.plus_seconds(LATE_SECONDS)) => Some(moment),
            _ => after,
        };
        files.partition_point(|file| file.is_future || (file.label.is_some() && file.label <= after))
    }

    /// Where to go on among `files`, the log's files in order; `None` when there are none. The first `newer` of them are older than
    /// the file of the place.
    ///
    /// `is_done`: the file has come to its end. `open` opens one of the files. Where one cannot be opened now it may be the one:
    /// who reads on finds it closed, and asks again.
    pub fn find(
        &self,
        files: &[LogFile],
        newer: usize,
        is_done: bool,
        open: &mut dyn FnMut(usize) -> io::Result<Opened>,
        stamps: &mut Stamps,
    ) -> Option<Found> {
        if files.is_empty() {
            return None;
        }
        let is_older = |file: &LogFile| file.is_future || (file.label.is_some() && file.label <= self.after);
        let is_set_back = files[newer..].iter().any(|file| file.label.is_some() && file.label <= self.after);
        // Lower names are removed first, also where they are newer; but not at once, while somebody reads on behind them.
        let is_mixed = is_set_back && self.known.is_some() && !is_done;
        let nothing_lost = (newer > 0 || files.iter().any(is_older)) && !is_mixed;
        // The old logs among which ours must be if it was processed.
        let named = files.iter().filter(|file| file.label.is_some() || file.name == PROCESSED).count();
        let steps = usize::from(self.unnamed) + 1;
        if is_done && nothing_lost {
            // No need to look into it; where it has no name yet, what is behind the names is newer.
            let file = match named.saturating_sub(newer) {
                // Which of them it is their names do not tell.
                others if others > steps && is_set_back => newer,
                others => newer + others.min(steps),
            };
            return Some(Found::whole(file));
        }

        if self.offset == 0 {
            // There is nothing to know it by but the inode, and that may be another file's now: it only tells whether the one
            // without a name, which is done, is still before it.
            let is_ours = |at: usize| {
                let stat = files.get(at).and_then(|file| file.stat);
                stat.is_some_and(|stat| stat.inode == self.inode)
            };
            if is_mixed {
                let lost = !(0..files.len()).any(is_ours);
                return Some(Found { lost, twice: self.unnamed, ..Found::whole(newer) });
            }
            let behind = newer + usize::from(self.unnamed);
            let is_behind = !is_ours(newer) && (nothing_lost || is_ours(behind));
            let file = if is_behind { behind } else { newer }.min(files.len() - 1);
            return Some(Found { lost: !nothing_lost && !is_ours(file), ..Found::whole(file) });
        }
        let by_inode = files.iter().position(|file| file.stat.is_some_and(|stat| stat.inode == self.inode));
        let old = self.label.and_then(|_| Old::parse(&self.name));
        let by_name = files.iter().position(|file| old.is_some() && file.old() == old);
        let by_label = files.iter().position(|file| self.label.is_some() && file.label == self.label);
        // Lines without stamps can be alike: where an older file is gone this one may be too, and another is in its place.
        let is_certain = nothing_lost || self.after.is_none() || self.last.is_some();
        // Which of the new ones it is names that went back do not tell.
        let steps = if is_mixed { named } else { steps };
        let by_order = (newer..named).take(steps).filter(|_| is_certain);
        // The file may be gone, and lines of one moment can be alike in the next one, whose inode can be the same.
        let may_be_gone = !nothing_lost && !is_mixed && self.after.is_some();
        for file in by_inode.into_iter().chain(by_name).chain(by_label).chain(by_order) {
            let is_doubtful = may_be_gone && (self.label.is_none() || files[file].label != self.label);
            let is_ours = match open(file) {
                Ok(opened) => self.is_in(&opened) && !(is_doubtful && self.begins_alike(&opened, stamps)),
                Err(error) => is_closed(&error),
            };
            if is_ours {
                return Some(Found { offset: self.offset, is_own: true, ..Found::whole(file) });
            }
        }
        let own = newer + usize::from(self.unnamed);
        let until = if nothing_lost && self.known.is_some() { own + 1 } else { files.len() };
        if let Some(last) = self.last.filter(|_| !is_mixed)
            && let Some(found) = self.by_moment(last, files, newer..until, may_be_gone, open, stamps)
        {
            return Some(Found { lost: found.lost && !nothing_lost, ..found });
        }
        // It may have got a name of the future.
        let nothing_lost = nothing_lost && !files.iter().any(|file| file.is_future);
        Some(Found { lost: !nothing_lost, ..Found::whole(newer.min(files.len() - 1)) })
    }

    /// Whether the text before the place is the text before that offset of `file`.
    fn is_in(&self, file: &Opened) -> bool {
        let from = self.offset.saturating_sub(PRINT_BYTES as u64);
        let len = (self.offset - from) as usize;
        file.bytes(from, len).is_ok_and(|bytes| bytes.len() == len && print(&bytes) == self.print)
    }

    /// Whether `file` begins with several lines of the last moment before the place, so that their number may be chance.
    fn begins_alike(&self, file: &Opened, stamps: &mut Stamps) -> bool {
        let Some((moment, _)) = self.last else { return false };
        let head = file.head(PRINT_BYTES).unwrap_or_default();
        let moments = lines(&head).filter_map(|line| Some(stamps.read(&head[line], None)?.moment));
        moments.take_while(|now| *now == moment).count() > 1
    }

    /// Behind the last line before the place, told by its moment; else before the first line of that moment, or of a later one, or
    /// where stamps go back. Not in the files before `among`, which are done; those behind are new. Where the file of the place
    /// `may_be_gone`, the first lines of the next one may have that moment by chance.
    fn by_moment(
        &self,
        (moment, count): (Label, u64),
        files: &[LogFile],
        among: Range<usize>,
        may_be_gone: bool,
        open: &mut dyn FnMut(usize) -> io::Result<Opened>,
        stamps: &mut Stamps,
    ) -> Option<Found> {
        let from = match self.known {
            Some(_) => among.start,
            None => files.iter().take_while(|file| file.is_before(moment)).count(),
        };
        let mut earlier = from > 0;
        let mut is_told = !may_be_gone;
        // No processor changes what has no name yet: where that line is not in it, it is another file.
        let is_another = |file: usize| self.known.is_some() && files[file].label.is_none();
        let mut is_behind = false;
        let (mut first, mut back, mut carry) = (None, None, None::<Label>);
        // Behind the only line of that moment, while there is no other.
        let mut only = None;
        for (file, found) in files.iter().enumerate().take(among.end).skip(from) {
            let text = match open(file).and_then(|opened| opened.text(0)) {
                Err(error) if is_closed(&error) => {
                    return back.or(first).or(Some(Found { lost: !earlier, ..Found::whole(file) }));
                }
                Err(_) => continue,
                Ok(text) => text,
            };
            let mut reader = Lines::new(text, 0);
            // What cannot be read any further is told when it is read for its lines.
            while let Ok(Some((offset, block))) = reader.next() {
                for line in lines(block) {
                    let text = &block[line.clone()];
                    let was = carry;
                    carry = stamps.read(text, carry).map(|stamp| stamp.moment).or(carry);
                    let Some(now) = carry else { continue };
                    earlier |= now <= moment;
                    if file < among.start && !found.is_future {
                        continue;
                    }
                    let before =
                        Found { offset: offset + line.start as u64, lost: !earlier, ..Found::whole(file) };
                    if was > Some(now.plus_seconds(LATE_SECONDS)) {
                        back.get_or_insert(Found { twice: true, ..Found::whole(among.start.max(from)) });
                    }
                    if now < moment {
                        (is_told, is_behind) = (true, true);
                        continue;
                    }
                    if now > moment {
                        let is_new = is_behind && first.is_none() && is_another(file);
                        let found = if is_new { Found { twice: true, ..Found::whole(file) } } else { before };
                        return back.or(only).or(first).or(Some(found));
                    }
                    let is_only = count == 1 && first.is_none() && back.is_none() && text.starts_with(b"@");
                    let is_same = print(text) == self.print;
                    let behind = Found { offset: offset + line.end as u64, ..before.clone() };
                    if is_told && (is_only || is_same) {
                        return Some(behind);
                    }
                    only = (is_same && first.is_none()).then_some(behind);
                    first.get_or_insert(Found { lost: before.lost || !is_told, ..before });
                }
            }
        }
        let found = back.or(only).or(first);
        if found.is_some() || among.end < files.len() {
            return found.or(Some(Found::whole(among.end)));
        }
        // All lines are earlier: at the end of the last file.
        carry?;
        let file = files.len() - 1;
        if is_another(file) {
            return Some(Found { twice: true, ..Found::whole(file) });
        }
        let mut end = 0;
        let mut reader = Lines::new(open(file).ok()?.text(0).ok()?, 0);
        while let Ok(Some((offset, block))) = reader.next() {
            let whole = memrchr(b'\n', block).map_or(0, |at| at + 1);
            end = offset + whole as u64;
        }
        Some(Found { offset: end, ..Found::whole(file) })
    }
}

/// Puts the old logs of `files` first that are among `known`, or lower than `least`, and returns how many.
pub fn known_first(files: &mut [LogFile], known: &HashSet<Old>, least: Option<Label>) -> usize {
    let there: HashSet<Old> = files.iter().filter_map(LogFile::old).collect();
    // One that has changed its code is the same; one beside it is another.
    let is_known = |old: Old| {
        known.contains(&old)
            || (known.contains(&old.other()) && !there.contains(&old.other()))
            || least.is_some_and(|least| old.label < least)
    };
    let is_new = |file: &LogFile| !file.old().is_some_and(is_known);
    files.sort_by_key(is_new);
    files.partition_point(|file| !is_new(file))
}

/// Whether there is a file between the old logs and `current`, at the moment when these were listed.
pub fn has_previous(files: &[LogFile]) -> bool {
    files.iter().any(|file| file.name == PREVIOUS || file.name == PROCESSED)
}

/// Opens `dir`'s files as [`Place::find`] wants them, each anew.
///
/// # Errors
/// It is gone, or cannot be read.
pub fn reopen(dir: &OwnedFd, file: &LogFile) -> io::Result<Opened> {
    Opened::new(dir, clone_file(file))
}

/// The same file again, with a descriptor of its own where it is open.
pub fn clone_file(file: &LogFile) -> LogFile {
    let LogFile { name, label, is_future, stat, open } = file;
    let open = open.as_ref().map(|open| match open {
        Ok(open) => open.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::MFILE)),
        Err(errno) => Err(*errno),
    });
    LogFile { name: name.clone(), label: *label, is_future: *is_future, stat: *stat, open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Zone;
    use std::ffi::OsStr;

    #[test]
    fn the_lines_that_share_the_last_moment_are_counted() {
        let mut stamps = Stamps::new(Zone::named(Some(OsStr::new("CET-1CEST,M3.5.0,M10.5.0/3")), None));
        let mut check = |text: &str, before: Option<i64>, wanted: Option<(i64, u64)>| {
            let before = before.map(|second| Label::from_unix(second, 0));
            let wanted = wanted.map(|(second, count)| (Label::from_unix(second, 0), count));
            assert_eq!(last_moment(text.as_bytes(), before, &mut stamps), wanted, "{text}");
        };
        let line = |second| Label::from_unix(second, 0).format().map(char::from).iter().collect::<String>();
        let (a, b) = (format!("{} x\n", line(7)), format!("{} x\n", line(8)));
        check("", Some(7), None);
        check("x\n", Some(7), None);
        check(&format!("{a}x\n{b}x\n{b}x\nx\n"), None, Some((8, 5)));
        check(&format!("x\n{b}{b}"), None, Some((8, 2)));
        // Not those before another moment.
        check(&format!("{b}{a}{b}x"), None, Some((8, 2)));
        // An hour that is shown twice.
        let (first, second) = (1_792_888_200, 1_792_891_800);
        let twice = "2026-10-25 02:30:00.000 x\nx\n".repeat(2);
        check(&twice, Some(first - 1), Some((first, 4)));
        check(&twice, Some(second - 1), Some((second, 4)));
    }
}
