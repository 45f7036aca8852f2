//! Where in a plain file a moment begins, without reading what lies before.

use super::buffer::Lines;
use super::file::Opened;
use super::select::lines;
use crate::moment::Stamps;
use logcore::label::Label;
use memchr::memrchr;
use std::io::{self, Read};

/// A file in whose first bytes no line has a stamp has none.
const SAMPLE_BYTES: usize = 64 * 1024;

/// Bytes read at a time while looking for a line with a stamp.
const PROBE_BYTES: usize = 4096;

/// What is left is read from one end to the other.
const REST_BYTES: u64 = 8192;

/// Where the first line of `file` with a stamp of `since` or later begins, or the end of the file; where local time was set back
/// perhaps one before it, so that the lines from there on tell which of two equal hours is meant.
///
/// The file's stamps do not decrease; otherwise the answer is some line in it. A compressed file, and one without stamps, is always of
/// interest from its beginning. Cost: some twenty reads of 4 KiB, whatever the size.
///
/// # Errors
/// The file cannot be read.
pub fn first(file: &Opened, since: Label, stamps: &mut Stamps) -> io::Result<u64> {
    if !is_stamped(file, stamps) || !file.is_plain() {
        return Ok(0);
    }
    // What is before `low` is too early; what is at `high` is not, or it is the end.
    let (mut low, mut high) = (0, file.size_now()?);
    while high - low > REST_BYTES {
        let middle = low + (high - low) / 2;
        match stamped_line(file, middle, high, stamps)? {
            Some((at, limit)) if limit < since => low = at + 1,
            _ => high = middle,
        }
    }
    let low = line_start(file, low)?;
    let mut reader = Lines::new(file.text(low)?, low);
    while let Some((offset, block)) = reader.next()? {
        for line in lines(block) {
            let at = offset + line.start as u64;
            if latest(&block[line], stamps).is_some_and(|limit| limit >= since) {
                return Ok(at);
            }
        }
    }
    file.size_now()
}

/// Whether lines of `file` have stamps, as far as its first bytes tell.
pub fn is_stamped(file: &Opened, stamps: &mut Stamps) -> bool {
    let head = file.head(SAMPLE_BYTES).unwrap_or_default();
    lines(&head).any(|line| stamps.read(&head[line], None).is_some())
}

/// The moment of a line; for an hour that is shown twice one behind both, so that all of it is on the same side of every moment in it.
fn latest(line: &[u8], stamps: &mut Stamps) -> Option<Label> {
    let (first, second) = stamps.both(line)?;
    Some(second.plus_seconds(second.unix_seconds() - first.unix_seconds()))
}

/// The first line with a stamp, and its [`latest`] moment, that begins in `from..until`, or at most as far behind `from` as a search is worth.
fn stamped_line(
    file: &Opened,
    from: u64,
    until: u64,
    stamps: &mut Stamps,
) -> io::Result<Option<(u64, Label)>> {
    let mut reader = Lines::new(Sips(file.text(from - 1)?), from - 1);
    // The byte before `from` tells whether a line begins there.
    let mut is_first = true;
    while let Some((offset, block)) = reader.next()? {
        for line in lines(block).skip(usize::from(std::mem::take(&mut is_first))) {
            let at = offset + line.start as u64;
            if at >= until {
                return Ok(None);
            }
            if let Some(limit) = latest(&block[line], stamps) {
                return Ok(Some((at, limit)));
            }
        }
    }
    Ok(None)
}

/// Reads little at a time: a stamp is near.
struct Sips<R>(R);

impl<R: Read> Read for Sips<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(PROBE_BYTES);
        self.0.read(&mut buffer[..most])
    }
}

/// Where the line begins that `at` is in, or `at` itself when a line begins there.
pub(super) fn line_start(file: &Opened, at: u64) -> io::Result<u64> {
    let mut end = at;
    while end > 0 {
        let from = end.saturating_sub(PROBE_BYTES as u64);
        let bytes = file.bytes(from, (end - from) as usize)?;
        if let Some(newline) = memrchr(b'\n', &bytes) {
            return Ok(from + newline as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}
