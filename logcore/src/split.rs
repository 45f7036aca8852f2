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
    Lines { batch, start: 0, block: 0, ends: ends(batch) }
}

/// Iterator over the complete lines of a batch; see [`lines`].
pub struct Lines<'a> {
    batch: &'a [u8],
    /// Where the next line begins: one past the last `\n` that was given out.
    start: usize,
    /// Where the block begins that is looked at.
    block: usize,
    /// Its ends of lines that were not given out, a bit each.
    ends: u64,
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
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while self.ends == 0 {
            let rest = self.batch.get(self.block + BLOCK_BYTES..)?;
            self.block += BLOCK_BYTES;
            self.ends = ends(rest);
        }
        let end = self.block + self.ends.trailing_zeros() as usize + 1;
        self.ends &= self.ends - 1;
        let line = &self.batch[self.start..end];
        self.start = end;
        Some(line)
    }
}

/// So much is searched at once. A search from newline to newline, as memchr does it, takes most of its time to begin and to end:
/// lines are short.
const BLOCK_BYTES: usize = 64;

/// Where the first block of `bytes` has newlines: bit `i` for byte `i`.
#[inline]
fn ends(bytes: &[u8]) -> u64 {
    let mut last = [0; BLOCK_BYTES];
    let block = bytes.first_chunk().unwrap_or_else(|| {
        last[..bytes.len()].copy_from_slice(bytes);
        &last
    });
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
