//! Where the last lines of a log begin, found from its end.

use super::bisect::line_start;
use super::buffer::Lines;
use super::file::Opened;
use super::select::{Select, lines};
use crate::logdir::LogFile;
use crate::moment::Stamps;
use std::io::{self, Read};
use std::ops::Range;

/// Text that is looked through at a time, from the end.
const STRIDE_BYTES: u64 = 1024 * 1024;

/// A line without a stamp belongs to one before it, which is looked for so many lines back.
const MOST_UNSTAMPED: usize = 1000;

/// Where the last lines begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The file, by its number in the list.
    pub file: usize,
    /// The offset in its text.
    pub offset: u64,
    /// Lines from there on that are wanted.
    pub lines: u64,
}

/// The last `most` lines that `select` wants among `files`.
///
/// What cannot be read is passed over; it is told when it is read for its lines. Cost: the text from there on, twice; of a
/// compressed file all of it.
pub fn start(
    files: &[LogFile],
    most: u64,
    select: &mut Select,
    stamps: &mut Stamps,
    open: &mut dyn FnMut(usize) -> Option<Opened>,
) -> Tail {
    let mut found = 0;
    for file in (0..files.len()).rev() {
        if most == 0 {
            // Behind everything, but for a line that is not whole yet.
            let end = open(file).and_then(|opened| line_start(&opened, opened.size_now().ok()?).ok());
            return Tail { file, offset: end.unwrap_or(0), lines: 0 };
        }
        if matches!((files[file].label, select.since), (Some(name), Some(since)) if name < since) {
            return Tail { file: file + 1, offset: 0, lines: found };
        }
        let Some(opened) = open(file) else { continue };
        let mut end = if opened.is_plain() { opened.size_now().unwrap_or(0) } else { u64::MAX };
        while end > 0 {
            let Ok(from) = stride_start(&opened, end, select, stamps) else { break };
            let stretch = Stretch { opened: &opened, range: from..end };
            let count = stretch.count(select, stamps);
            if found + count >= most {
                let offset = stretch.offset_of(found + count - most, select, stamps);
                return Tail { file, offset, lines: most };
            }
            found += count;
            end = from;
        }
    }
    Tail { file: 0, offset: 0, lines: found }
}

/// Where the stretch before `end` begins: with a line, and where moments count with one that has a stamp.
fn stride_start(file: &Opened, end: u64, select: &Select, stamps: &mut Stamps) -> io::Result<u64> {
    if !file.is_plain() {
        return Ok(0);
    }
    let mut from = line_start(file, end.saturating_sub(STRIDE_BYTES))?;
    if select.since.is_some() || select.until.is_some() {
        for _ in 0..MOST_UNSTAMPED {
            let head = file.bytes(from, crate::moment::STAMP_BYTES)?;
            if from == 0 || stamps.read(&head, None).is_some() {
                break;
            }
            from = line_start(file, from - 1)?;
        }
    }
    Ok(from)
}

/// A part of a file's text, whole lines.
struct Stretch<'a> {
    opened: &'a Opened,
    range: Range<u64>,
}

impl Stretch<'_> {
    fn count(&self, select: &mut Select, stamps: &mut Stamps) -> u64 {
        let mut count = 0;
        self.each(select, stamps, &mut |_, block, runs| {
            count += runs.iter().map(|run| lines(&block[run.clone()]).count() as u64).sum::<u64>();
            true
        });
        count
    }

    /// The offset behind the first `skipped` lines that are wanted.
    fn offset_of(&self, skipped: u64, select: &mut Select, stamps: &mut Stamps) -> u64 {
        let (mut left, mut offset) = (skipped, self.range.start);
        self.each(select, stamps, &mut |at, block, runs| {
            for run in runs {
                for line in lines(&block[run.clone()]) {
                    if left == 0 {
                        offset = at + (run.start + line.start) as u64;
                        return false;
                    }
                    left -= 1;
                }
            }
            // None is left over: what comes later is wanted.
            offset = at + block.len() as u64;
            true
        });
        offset
    }

    /// Calls `each` with the offset of a block, the block, and what is wanted of it, until it returns false.
    fn each(
        &self,
        select: &mut Select,
        stamps: &mut Stamps,
        each: &mut dyn FnMut(u64, &[u8], &[Range<usize>]) -> bool,
    ) {
        let Ok(text) = self.opened.text(self.range.start) else { return };
        let mut reader = Lines::new(text.take(self.range.end - self.range.start), self.range.start);
        let (mut runs, mut carry) = (Vec::new(), None);
        while let Ok(Some((at, block))) = reader.next() {
            select.pick(block, stamps, &mut carry, &mut runs);
            if !each(at, block, &runs) {
                return;
            }
        }
    }
}
