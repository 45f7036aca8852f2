//! The states a directory can be found in, and the steps that mend each.
//!
//! | found | plan |
//! |---|---|
//! | `processed` 0744 that is also an old log by a second link | as the next row, but it is removed |
//! | `processed` 0744 | `previous` removed, newstate→state, `processed` becomes an old log |
//! | `processed` 0644, `previous` there | `processed` and `newstate` removed, then `previous` as below |
//! | `processed` 0644, no `previous` | kept as `.u`: nothing else has its lines, unless it is an old log too |
//! | `previous` is also an old log by a second link | removed |
//! | `current` is also `previous` by a second link | `current` removed, `previous` as below |
//! | `previous` empty | removed |
//! | `previous` 0644, written under this boot | to the finisher, as when it was filled |
//! | `previous` 0644, else | `.u`: it may not be on disk |
//! | `previous` 0744, no processor | `.s` |
//! | `previous` 0744, processor | to the processor, in the background |
//! | `current` absent | made |
//! | `current` 0744, or empty | continued |
//! | `current` 0644 with data, written under this boot | continued: what a killed logger wrote is all there |
//! | `current` 0644 that is not ours to write to and to unmark | `.u`, and a new one; an empty one is removed |
//! | `current` 0644 with data, else | `.u`, and a new one: it may not be on disk |
//!
//! [`plan`] decides from what was found and touches nothing. Died between two steps, the next start finds another row of the
//! table and goes on. Source: `restart` in multilog.c; what is different is listed, with reasons, in docs/compat.md.

use super::home::{Home, Name};
use super::oldlogs::OldLogs;
use crate::disk::{Disk, How, Kind, Stat};
use crate::label::{LABEL_BYTES, Label};
use crate::strerr::{Errno, Error};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What a directory holds when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) current: Option<Stat>,
    pub(super) previous: Option<Stat>,
    pub(super) processed: Option<Stat>,
    pub(super) newstate: Option<Stat>,
    /// `previous` has a second link, and that is an old log of this directory.
    pub(super) previous_is_named: bool,
    /// The same of `processed`.
    pub(super) processed_is_named: bool,
    /// `current` is this very file too: it was being renamed where that is a link and an unlink.
    pub(super) previous_is_current: bool,
    /// It is not ours to write to or to unmark.
    pub(super) current_is_foreign: bool,
    /// All of `previous` is there, though it may not be on disk: see [`whole`].
    pub(super) previous_is_whole: bool,
}

/// One change on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Remove(Name),
    NewstateToState,
    /// Becomes an old log with the suffix of finished files.
    Finish(Name),
    /// Becomes an old log that may be torn or incomplete.
    Abandon(Name),
}

impl Step {
    /// The name it takes away.
    fn name(self) -> Name {
        match self {
            Step::Remove(name) | Step::Finish(name) | Step::Abandon(name) => name,
            Step::NewstateToState => Name::Newstate,
        }
    }
}

/// What becomes of `current`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Current {
    Make,
    Continue,
}

/// What to do with a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) current: Current,
    /// `previous` is whole and waits for its processor.
    pub(super) process: bool,
}

impl Plan {
    /// Whether it can be carried out, as far as that shows without doing it.
    ///
    /// `closed`: why no name in the directory can be changed, if it is so: none has to where `current` is clean and alone.
    pub(super) fn check<D: Disk>(
        &self,
        home: &Home<D>,
        found: &Found,
        closed: Option<&Error>,
    ) -> Result<(), Error> {
        let changes_names = !self.steps.is_empty() || self.current == Current::Make;
        if let Some(error) = closed.filter(|_| changes_names) {
            return Err(error.clone());
        }
        self.steps.iter().try_for_each(|step| home.may_rename(step.name()))?;
        if self.current == Current::Continue {
            let stays = home.disk.may_rename(&home.dir, Name::Current.os());
            let owned = found.current.is_none_or(|current| current.owned);
            stays
                .and(if owned { Ok(()) } else { Err(Errno::PERM) })
                .map_err(|errno| home.error("set mode of", Name::Current, errno))?;
        }
        Ok(())
    }
}

impl Found {
    /// Looks, refusing what is not a regular file, and changes nothing.
    pub(super) fn look<D: Disk>(home: &Home<D>) -> Result<Self, Error> {
        let regular = |name: Name, doing: &str| {
            let stat = home.stat(name)?;
            let refusal = match stat.map(|stat| stat.kind) {
                None | Some(Kind::Regular) => return Ok(stat),
                Some(Kind::Directory) => Errno::ISDIR,
                Some(Kind::Link) => Errno::LOOP,
                Some(Kind::Other) => Errno::NXIO,
            };
            Err(home.error(doing, name, refusal))
        };
        regular(Name::State, "open")?;
        let mut found = Found {
            current: regular(Name::Current, "append to")?,
            previous: regular(Name::Previous, "open")?,
            processed: regular(Name::Processed, "open")?,
            newstate: regular(Name::Newstate, "open")?,
            ..Found::default()
        };
        found.previous_is_named = has_other_name(home, found.previous)?;
        found.processed_is_named = has_other_name(home, found.processed)?;
        found.current_is_foreign = found.current.is_some_and(|current| {
            let opened = || home.open(Name::Current, How::Append).map_err(|error| error.errno());
            !current.owned || matches!(opened(), Err(Some(Errno::ACCESS | Errno::PERM)))
        });
        let inode = |file: Option<Stat>| file.map(|stat| stat.inode);
        found.previous_is_current = found.current.is_some() && inode(found.current) == inode(found.previous);
        Ok(found)
    }
}

/// Whether an old log of this directory is this very file: the original links and then unlinks.
fn has_other_name<D: Disk>(home: &Home<D>, file: Option<Stat>) -> Result<bool, Error> {
    let Some(file) = file.filter(|file| file.links > 1) else { return Ok(false) };
    let mut named = false;
    home.old_logs(&mut |name, _| {
        named = named || home.disk.stat(&home.dir, name).is_ok_and(|stat| stat.inode == file.inode);
    })?;
    Ok(named)
}

/// A `previous` that a logger of this boot has left: it is all there, but for the disk. `None`: there is none, or it cannot
/// be opened.
pub(super) fn whole<D: Disk>(home: &Home<D>, found: &mut Found) -> Option<D::File> {
    let is_done = found.processed.is_some_and(|processed| processed.safe);
    // One of somebody else could never be marked.
    let previous = found.previous.filter(|previous| !previous.safe && previous.size > 0 && previous.owned)?;
    if is_done || found.previous_is_named {
        return None;
    }
    let file = home.open(Name::Previous, How::Append).ok()?;
    // One that cannot be read cannot be written anew either.
    home.disk.read_at(&file, previous.size - 1, &mut [0]).ok()?;
    found.previous_is_whole = true;
    Some(file)
}

/// Whether the file before an empty `current` ends in the middle of a line. `None`: there is none, or it cannot be read, or it
/// may be in the words of a processor. `is_abandoned`: an earlier `current` is the newest old log, also where `previous` waits.
pub(super) fn ends_in_line<D: Disk>(home: &Home<D>, logs: &OldLogs, is_abandoned: bool) -> Option<bool> {
    let name = match home.kind(Name::Previous) {
        Some(Kind::Regular) if !is_abandoned => Name::Previous.os().to_owned(),
        _ => logs.newest.clone().filter(|name| is_in_our_words(home, name))?,
    };
    let file = home.disk.open(&home.dir, &name, How::Read).ok()?;
    let size = home.disk.stat_file(&file).ok()?.size;
    home.ends_in_line(&file, size).ok()
}

fn is_in_our_words<D: Disk>(home: &Home<D>, old_log: &OsStr) -> bool {
    let suffix = &old_log.as_bytes()[LABEL_BYTES + 1..];
    suffix == b"u" || (home.config.processor.is_none() && suffix == home.config.code)
}

/// The steps for what was found. `this_boot`: what is there was last written by us, since the machine was started.
pub(super) fn plan(found: &Found, this_boot: bool, processor: bool) -> Plan {
    let mut steps = Vec::new();
    let mut process = false;
    let (mut current, mut previous) = (found.current, found.previous);
    match found.processed {
        Some(processed) if processed.safe => {
            if previous.take().is_some() {
                steps.push(Step::Remove(Name::Previous));
            }
            if found.newstate.is_some() {
                steps.push(Step::NewstateToState);
            }
            let step = if found.processed_is_named { Step::Remove } else { Step::Finish };
            steps.push(step(Name::Processed));
        }
        half => {
            if let Some(half) = half {
                let only_copy = previous.is_none() && half.size > 0 && !found.processed_is_named;
                let step = if only_copy { Step::Abandon } else { Step::Remove };
                steps.push(step(Name::Processed));
            }
            if found.newstate.is_some() {
                steps.push(Step::Remove(Name::Newstate));
            }
        }
    }
    if let Some(previous) = previous {
        if found.previous_is_current {
            steps.push(Step::Remove(Name::Current));
            current = None;
        }
        if found.previous_is_named || previous.size == 0 {
            steps.push(Step::Remove(Name::Previous));
        } else if found.previous_is_whole {
            // To the finisher, in the background.
        } else if !previous.safe {
            steps.push(Step::Abandon(Name::Previous));
        } else if processor {
            process = true;
        } else {
            steps.push(Step::Finish(Name::Previous));
        }
    }
    let current = match current {
        None => Current::Make,
        Some(current) if current.safe => Current::Continue,
        Some(current) if current.size == 0 && found.current_is_foreign => {
            steps.push(Step::Remove(Name::Current));
            Current::Make
        }
        Some(current) if (current.size == 0 || this_boot) && !found.current_is_foreign => Current::Continue,
        Some(_) => {
            steps.push(Step::Abandon(Name::Current));
            Current::Make
        }
    };
    Plan { steps, current, process }
}

/// Carries out one step. On an error, and if we die, the directory is in a state of the table again.
pub(super) fn carry_out<D: Disk>(
    step: Step,
    home: &Home<D>,
    logs: &mut OldLogs,
    moment: Label,
    this_boot: bool,
) -> Result<(), Error> {
    match step {
        Step::Remove(name) => home.unlink(name),
        Step::NewstateToState => home.newstate_to_state(),
        Step::Finish(name) => logs.name(home, name, &home.config.code, moment).map(drop),
        Step::Abandon(name) => {
            if end_torn_line(home, name, this_boot) == Some(0) {
                return home.unlink(name);
            }
            logs.name(home, name, b"u", moment).map(drop)
        }
    }
}

/// Ends the last line of a file that an outage may have torn. A file that is full keeps its end: there the line goes on in the
/// next file. After an outage of the machine NULs at the end of a torn line stand for data that was never written: they go.
///
/// Returns what size is left. `None`: it cannot be read or mended, and stays as it is: readers expect such ends in a `.u` file.
fn end_torn_line<D: Disk>(home: &Home<D>, name: Name, this_boot: bool) -> Option<u64> {
    let file = home.open(name, How::Append).ok()?;
    let found = home.disk.stat_file(&file).ok()?.size;
    let size = if this_boot { found } else { size_without_nuls(&home.disk, &file, found)? };
    if size < found {
        home.disk.truncate(&file, size).ok()?;
    }
    let unended = home.ends_in_line(&file, size).ok()? && size < home.config.size;
    if unended {
        home.disk.append(&file, b"\n").ok()?;
    }
    if unended || size < found {
        // Before it has its name: nobody looks at it again then.
        home.disk.sync(&file).ok()?;
    }
    Some(size)
}

/// Size without the NULs at the end. `None`: it cannot be read.
fn size_without_nuls<D: Disk>(disk: &D, file: &D::File, size: u64) -> Option<u64> {
    let mut buffer = [0; 1024];
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(buffer.len() as u64);
        let len = usize::try_from(end - start).unwrap_or(buffer.len());
        let read = disk.read_at(file, start, &mut buffer[..len]).ok()?;
        if read < len {
            return None;
        }
        if let Some(at) = buffer[..len].iter().rposition(|byte| *byte != 0) {
            return Some(start + at as u64 + 1);
        }
        end = start;
    }
    Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(safe: bool, size: u64) -> Option<Stat> {
        Some(Stat { kind: Kind::Regular, safe, size, links: 1, inode: 1, modified: 0, owned: true })
    }

    /// `c` current, `p` previous, `r` processed: small 0644, capital 0744; `e` `o` `z` the same, empty; then `n` newstate,
    /// `=` previous is named, `~` processed is; `&` previous is current; `!` current is foreign.
    fn found(text: &str) -> Found {
        let mut found = Found::default();
        for letter in text.chars() {
            match letter {
                'c' | 'C' => found.current = file(letter == 'C', 10),
                'p' | 'P' => found.previous = file(letter == 'P', 10),
                'r' | 'R' => found.processed = file(letter == 'R', 10),
                'e' => found.current = file(false, 0),
                'o' => found.previous = file(false, 0),
                'z' => found.processed = file(false, 0),
                'n' => found.newstate = file(false, 0),
                '=' => found.previous_is_named = true,
                '~' => found.processed_is_named = true,
                '&' => found.previous_is_current = true,
                '!' => found.current_is_foreign = true,
                _ => panic!("no such letter: {letter}"),
            }
        }
        found
    }

    #[test]
    fn every_row_of_the_table() {
        use Current::{Continue, Make};
        use Name::{Current as C, Newstate as N, Previous as P, Processed as R};
        use Step::{Abandon, Finish, NewstateToState, Remove};
        let check =
            |text: &str, boot: bool, processor: bool, steps: &[Step], current: Current, process: bool| {
                let wanted = Plan { steps: steps.to_vec(), current, process };
                assert_eq!(
                    plan(&found(text), boot, processor),
                    wanted,
                    "{text} this boot {boot} processor {processor}"
                );
            };
        check("", false, true, &[], Make, false); // 1
        check("C", false, true, &[], Continue, false); // 2
        check("CP", false, false, &[Finish(P)], Continue, false); // 3
        check("CP", false, true, &[], Continue, true);
        check("Cp", true, true, &[Abandon(P)], Continue, false);
        check("c", true, false, &[], Continue, false); // 5
        check("c", false, false, &[Abandon(C)], Make, false); // 5b
        check("c!", true, false, &[Abandon(C)], Make, false); // 5c
        check("e!", true, false, &[Remove(C)], Make, false);
        check("C!", true, false, &[], Continue, false); // Refused.
        check("e", false, false, &[], Continue, false); // 6
        check("cp", false, true, &[Abandon(P), Abandon(C)], Make, false); // 7
        check("cp", true, true, &[Abandon(P)], Continue, false);
        check("p", true, true, &[Abandon(P)], Make, false);
        check("eo", true, true, &[Remove(P)], Continue, false);
        check("cP", false, false, &[Finish(P), Abandon(C)], Make, false); // 8
        check("cP", true, true, &[], Continue, true); // 9
        check("cPrn", true, true, &[Remove(R), Remove(N)], Continue, true); // 10
        check("cprn", true, true, &[Remove(R), Remove(N), Abandon(P)], Continue, false);
        check("cPRn", true, true, &[Remove(P), NewstateToState, Finish(R)], Continue, false); // 11
        check("cRn", true, true, &[NewstateToState, Finish(R)], Continue, false); // 12
        check("cR", true, true, &[Finish(R)], Continue, false); // 13
        check("cr", true, true, &[Abandon(R)], Continue, false);
        check("cz", true, true, &[Remove(R)], Continue, false);
        check("cR~n", true, true, &[NewstateToState, Remove(R)], Continue, false);
        // Linked, and not marked as finished: its name says nothing about `previous`.
        check("cPr~n", true, true, &[Remove(R), Remove(N)], Continue, true);
        check("cr~", true, true, &[Remove(R)], Continue, false);
        check("cP=", true, true, &[Remove(P)], Continue, false); // 14
        check("cp&", true, false, &[Remove(C), Abandon(P)], Make, false); // 14b
        check("CP&", true, true, &[Remove(C)], Make, true);
        // Somebody else's link: the one name goes, and the other keeps the lines.
        check("CP&Rn", true, true, &[Remove(P), NewstateToState, Finish(R)], Continue, false);
    }
}
