//! Cuts a batch into borrowed lines.
//!
//! Only `\n` ends a line; every other byte, NUL included, is the line's own. Nothing is copied and nothing is kept: however
//! the input is cut into batches, the same lines come out.

use wide::u8x16;

/// Patterns, alerts and status files see this many bytes of a line, its stamp included.
///
/// Source: the 1000-byte line buffer of multilog.c, daemontools 0.76.
pub const HEAD_BYTES: usize = 1000;

/// The complete lines of `batch`, each with its `\n`.
///
/// ```
/// let mut lines = logcore::split::lines(b"one\n\ntwo\nthr");
/// assert_eq!(lines.next(), Some(&b"one\n"[..]));
/// assert_eq!(lines.next(), Some(&b"\n"[..]));
/// assert_eq!(lines.next(), Some(&b"two\n"[..]));
/// assert_eq!(lines.next(), None);
/// assert_eq!(lines.partial(), b"thr");
/// ```
pub fn lines(batch: &[u8]) -> Lines<'_> {
    Lines { batch, start: 0, searched: 0, base: 0, ends: [0; SEARCH_BYTES], next: 0, found: 0 }
}

/// Iterator over the complete lines of a batch; see [`lines`].
pub struct Lines<'a> {
    batch: &'a [u8],
    /// Where the next line begins: one past the last `\n` that was given out.
    start: usize,
    /// So much of the batch has been searched.
    searched: usize,
    /// Where the last search began.
    base: usize,
    /// What it found: one past each `\n`, counted from `base`.
    ends: [u16; SEARCH_BYTES],
    /// The first of these that was not given out.
    next: usize,
    found: usize,
}

impl<'a> Lines<'a> {
    /// What no line given out so far has: after the last one, the partial line.
    pub fn partial(&self) -> &'a [u8] {
        &self.batch[self.start..]
    }

    /// Offset in the batch where the next line begins.
    pub fn offset(&self) -> usize {
        self.start
    }

    /// Searches on, and whether there was anything left to search.
    fn search(&mut self) -> bool {
        let rest = &self.batch[self.searched..];
        let rest = &rest[..rest.len().min(SEARCH_BYTES)];
        (self.base, self.next, self.found) = (self.searched, 0, 0);
        self.searched += rest.len();
        let (blocks, last) = rest.as_chunks::<BLOCK_BYTES>();
        let mut at = 0;
        for block in blocks {
            self.note(at, newlines(block));
            at += BLOCK_BYTES;
        }
        if !last.is_empty() {
            let mut block = [0; BLOCK_BYTES];
            block[..last.len()].copy_from_slice(last);
            self.note(at, newlines(&block));
        }
        !rest.is_empty()
    }

    /// Notes the ends that a block has which begins at `at`.
    ///
    /// How many there are cannot be guessed, so two are noted whether they are there or not: that is cheaper than a wrong guess at
    /// every other block.
    #[inline]
    fn note(&mut self, at: usize, newlines: u64) {
        let mut left = newlines;
        for _ in 0..2 {
            self.note_first(at, left);
            left &= left.wrapping_sub(1);
        }
        while left != 0 {
            self.note_first(at, left);
            left &= left - 1;
        }
    }

    /// Notes the first of `newlines`, if there is one.
    #[inline]
    fn note_first(&mut self, at: usize, newlines: u64) {
        // There is room for an end at every byte of the blocks so far, and no block notes more than that: of one with fewer than two
        // ends, two.
        self.ends[self.found] = (at + newlines.trailing_zeros() as usize + 1) as u16;
        self.found += usize::from(newlines != 0);
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while self.next == self.found {
            if !self.search() {
                return None;
            }
        }
        let end = self.base + usize::from(self.ends[self.next]);
        self.next += 1;
        let line = &self.batch[self.start..end];
        self.start = end;
        Some(line)
    }
}

/// So much is searched at once. A search from newline to newline, as memchr does it, takes most of its time to begin and to end:
/// lines are short.
const SEARCH_BYTES: usize = 512;

/// A vector of bits for the bytes of so much.
const BLOCK_BYTES: usize = 64;

/// Where `block` has newlines: bit `i` for byte `i`.
#[inline]
fn newlines(block: &[u8; BLOCK_BYTES]) -> u64 {
    let (parts, _) = block.as_chunks::<16>();
    parts.iter().rev().fold(0, |ends, part| {
        let newlines = u8x16::new(*part).simd_eq(u8x16::splat(b'\n'));
        ends << 16 | u64::from(newlines.to_bitmask() as u16)
    })
}

/// What patterns see of a line: without its `\n`, cut to [`HEAD_BYTES`].
#[inline]
pub fn head(line: &[u8]) -> &[u8] {
    let seen = &line[..line.len().min(HEAD_BYTES)];
    seen.strip_suffix(b"\n").unwrap_or(seen)
}

/// Bytes of `batch` up to and with its last `\n`; 0 when it has none.
pub fn whole_bytes(batch: &[u8]) -> usize {
    memchr::memrchr(b'\n', batch).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_wherever_newlines_stand_in_blocks_and_searches() {
        for period in (1..140).chain([SEARCH_BYTES - 1, SEARCH_BYTES, SEARCH_BYTES + 1]) {
            for len in (0..70).chain(2 * SEARCH_BYTES - 70..2 * SEARCH_BYTES + 70) {
                let batch: Vec<u8> =
                    (1..=len).map(|at| if at % period == 0 { b'\n' } else { b'x' }).collect();
                let mut lines = lines(&batch);
                for wanted in batch.chunks_exact(period) {
                    assert_eq!(lines.next(), Some(wanted), "period {period}, {len} bytes");
                }
                assert_eq!(lines.next(), None);
                assert_eq!(lines.next(), None);
                assert_eq!(
                    lines.partial(),
                    batch.chunks_exact(period).remainder(),
                    "period {period}, {len} bytes"
                );
            }
        }
    }

    #[test]
    fn heads_end_before_the_newline_and_at_1000_bytes() {
        let check = |len: usize, newline: bool, wanted: usize| {
            let mut line = vec![b'x'; len];
            if newline {
                line.push(b'\n');
            }
            assert_eq!(head(&line).len(), wanted, "{len} bytes, newline {newline}");
        };
        check(0, true, 0);
        check(0, false, 0);
        check(999, true, 999);
        check(1000, true, 1000);
        check(1001, true, 1000);
        check(1001, false, 1000);
    }

    #[test]
    fn whole_bytes_counts_up_to_the_last_newline() {
        assert_eq!(whole_bytes(b""), 0);
        assert_eq!(whole_bytes(b"abc"), 0);
        assert_eq!(whole_bytes(b"a\nbc"), 2);
        assert_eq!(whole_bytes(b"a\nbc\n"), 5);
    }
}
