//! Where reading begins.

use super::files::Before;
use super::{Fill, Log};
use crate::logdir::LogFile;
use crate::mlog::order::Source;
use crate::mlog::place::{PRINT_BYTES, Place, clone_file, has_previous, last_moment, print, reopen};
use crate::mlog::select::{Select, lines};
use crate::mlog::{bisect, tail};
use logcore::label::Label;

/// Where to begin.
#[derive(Clone, Debug)]
pub enum Start {
    /// With the oldest line.
    Oldest,
    /// With the first line of this moment or later.
    Since(Label),
    /// With the last so many lines that are wanted.
    Last(u64),
    /// Behind a place where somebody was before.
    At(Place),
}

impl Log {
    /// Finds where to begin.
    pub(super) fn begin(
        &mut self,
        mut files: Vec<LogFile>,
        start: &Start,
        select: &Select,
        has_read: &mut dyn FnMut(u64),
    ) {
        let mut first = None;
        let (begun, offset) = match start {
            Start::Oldest => (0, 0),
            Start::Since(since) => {
                let start = self.since(&files, *since);
                self.carry = self.carry_into(&files, start.0);
                start
            }
            Start::Last(most) => self.last(&files, *most, select, has_read),
            Start::At(place) => match self.go_on(place, &mut files) {
                Some(found) => {
                    self.tell(place, &found);
                    self.carry = place.last.map(|(moment, _)| moment);
                    self.place = Some(place.clone());
                    first = Some(found.from);
                    (found.file, found.offset)
                }
                None => (0, 0),
            },
        };
        let from = first.unwrap_or(begun);
        if self.place.is_none() {
            self.place = self.place_before(&files, from, offset);
            self.is_place_new = true;
        }
        self.wait_for(files, from, (begun, offset));
    }

    /// Somewhere before the last lines that are wanted, and notes how many are wanted from there on.
    ///
    /// They are counted by a reader as this one is, from further and further before the end.
    fn last(
        &mut self,
        files: &[LogFile],
        most: u64,
        select: &Select,
        has_read: &mut dyn FnMut(u64),
    ) -> (usize, u64) {
        let open = |at: usize| reopen(&self.dir, files.get(at)?).ok();
        if most == 0 {
            return tail::before_end(files, 0, &mut self.stamps, &mut { open });
        }
        let since = select.since.filter(|_| !select.reads_all);
        let least = since.map_or((0, 0), |since| self.since(files, since));
        let mut bytes = tail::FIRST_BYTES;
        loop {
            let open = &mut |at: usize| reopen(&self.dir, files.get(at)?).ok();
            let start = tail::before_end(files, bytes, &mut self.stamps, open).max(least);
            let Ok(dir) = self.dir.try_clone() else { return least };
            // What is not shown is not counted.
            let leaves_partial = self.leaves_partial || self.follows;
            let mut reader = Log::on(self.path.clone(), dir, false, leaves_partial, self.stamps.clone());
            reader.wait_for(files.iter().map(clone_file).collect(), start.0, start);
            self.carry = self.carry_into(files, start.0);
            reader.carry = self.carry;
            let mut source = Source::new(reader, select.clone(), self.stamps.clone());
            let mut count = 0;
            while source.fill() == Fill::Lines {
                has_read(self.read_bytes + source.log.read_bytes());
                count += lines(source.run()).count() as u64;
                source.take(source.run().len());
            }
            self.read_bytes += source.log.read_bytes();
            // One more than wanted: the first may be the rest of a line.
            if count > most || start == least {
                self.last_lines = count;
                return start;
            }
            bytes = bytes.saturating_mul(2);
        }
    }

    /// The first file that has lines of this moment or later, and where in it they begin.
    fn since(&mut self, files: &[LogFile], since: Label) -> (usize, u64) {
        let from = files.iter().take_while(|file| file.is_before(since)).count();
        let opened = files.get(from).and_then(|file| reopen(&self.dir, file).ok());
        let offset = opened.and_then(|file| bisect::first(&file, since, &mut self.stamps).ok());
        (from, offset.unwrap_or(0))
    }

    /// The moment before file number `from`, as the old logs before it tell: what has no stamp at its beginning belongs there, and of
    /// two equal hours it tells which is meant.
    fn carry_into(&mut self, files: &[LogFile], from: usize) -> Option<Label> {
        let (before, rest) = files.split_at_checked(from)?;
        let mut is_stamped = |file: &&LogFile| {
            reopen(&self.dir, file).is_ok_and(|file| bisect::is_stamped(&file, &mut self.stamps))
        };
        if rest.first().is_some_and(|file| is_stamped(&file)) {
            return before.last()?.true_label();
        }
        // Lines without stamps belong to the last line that has one, however many files lie between. Where none has, nobody can tell.
        before.iter().rev().find(is_stamped)?.true_label()
    }

    /// The place that was chosen to begin at, so that who comes back before a line was taken begins there too. None at the very
    /// beginning, or where nothing can be read.
    fn place_before(&mut self, files: &[LogFile], from: usize, offset: u64) -> Option<Place> {
        let file = files.get(from).filter(|_| from > 0 || offset > 0)?;
        let opened = reopen(&self.dir, file).ok()?;
        let first = offset.saturating_sub(PRINT_BYTES as u64);
        let before = opened.bytes(first, usize::try_from(offset - first).ok()?).ok()?;
        let after = files[..from].iter().filter_map(LogFile::true_label).max();
        let known = Before::all(&files[..from]).known();
        let unnamed = has_previous(files) && file.is_current();
        let last = last_moment(&before, self.carry, &mut self.stamps);
        Some(Place { offset, print: print(&before), after, unnamed, last, known, ..Place::before(&opened) })
    }
}
