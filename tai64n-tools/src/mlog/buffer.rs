//! Bytes that were read and not yet taken: whole lines, and the beginning of one behind them.

use memchr::memrchr;
use std::io::{self, ErrorKind, Read};

/// Bytes read at once.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// A line longer than this is passed on in pieces, each as if it were a line.
pub const LINE_BYTES: usize = 16 * 1024 * 1024;

/// A buffer of lines. Grows from [`BLOCK_BYTES`] to [`LINE_BYTES`] when a line needs it.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// What lies before has been taken.
    start: usize,
    /// Lines end here.
    whole: usize,
    /// Bytes end here.
    end: usize,
    /// The last byte is a newline that no file has.
    made_up: bool,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer { bytes: vec![0; BLOCK_BYTES], start: 0, whole: 0, end: 0, made_up: false }
    }
}

impl Buffer {
    /// Whole lines, or a piece of one that is longer than [`LINE_BYTES`].
    pub fn lines(&self) -> &[u8] {
        &self.bytes[self.start..self.whole]
    }

    /// The beginning of a line whose end has not been read.
    pub fn partial(&self) -> &[u8] {
        &self.bytes[self.whole..self.end]
    }

    /// What was taken since the last read, without a newline that was made up.
    pub fn taken(&self) -> &[u8] {
        let made_up = self.made_up && self.start == self.end;
        &self.bytes[..self.start - usize::from(made_up)]
    }

    /// Bytes of the files that are not taken.
    pub fn untaken(&self) -> usize {
        self.end - self.start - usize::from(self.made_up && self.start < self.end)
    }

    /// Takes the first `len` bytes of the lines.
    pub fn take(&mut self, len: usize) {
        self.start = self.whole.min(self.start + len);
    }

    /// Reads once. All lines have been taken. 0 is the end of `input`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_from(&mut self, input: &mut impl Read) -> io::Result<usize> {
        self.shift();
        let read = loop {
            match input.read(&mut self.bytes[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                other => break other?,
            }
        };
        let fresh = self.end..self.end + read;
        self.end = fresh.end;
        if let Some(at) = memrchr(b'\n', &self.bytes[fresh.clone()]) {
            self.whole = fresh.start + at + 1;
        } else if self.end == LINE_BYTES {
            self.whole = self.end;
        }
        Ok(read)
    }

    /// Makes a line of the partial one. All lines have been taken.
    pub fn end_partial(&mut self) {
        self.shift();
        self.bytes[self.end] = b'\n';
        self.end += 1;
        self.whole = self.end;
        self.made_up = true;
    }

    /// Forgets the last `len` bytes of the partial line.
    pub fn forget(&mut self, len: usize) {
        self.end = self.whole.max(self.end.saturating_sub(len));
    }

    /// Moves the partial line to the front, and makes room behind it.
    fn shift(&mut self) {
        self.bytes.copy_within(self.whole..self.end, 0);
        (self.start, self.end, self.whole) = (0, self.end - self.whole, 0);
        self.made_up = false;
        if self.end == self.bytes.len() {
            self.bytes.resize((2 * self.end).min(LINE_BYTES), 0);
        }
    }
}

/// Whole lines of one input, with their offsets.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    buffer: Buffer,
    /// Where the buffer's bytes end.
    offset: u64,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// `input` stands at `offset`.
    pub fn new(input: R, offset: u64) -> Self {
        Lines { input, buffer: Buffer::default(), offset, ended: false }
    }

    /// The next lines and where they begin; the last of all may have no end. `None` when there are no more.
    ///
    /// # Errors
    /// The input cannot be read any further.
    pub fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.buffer.take(usize::MAX / 2);
        while !self.ended && self.buffer.lines().is_empty() {
            let read = self.buffer.read_from(&mut self.input)?;
            self.offset += read as u64;
            self.ended = read == 0;
        }
        let partial = self.buffer.partial().len() as u64;
        if self.ended {
            let at = self.offset - partial;
            // Given once.
            let len = self.buffer.partial().len();
            if len == 0 {
                return Ok(None);
            }
            self.buffer.give_partial();
            return Ok(Some((at, self.buffer.lines())));
        }
        let lines = self.buffer.lines();
        Ok(Some((self.offset - partial - lines.len() as u64, lines)))
    }
}

impl Buffer {
    /// Lets the partial line pass as it is.
    fn give_partial(&mut self) {
        (self.start, self.whole) = (self.whole, self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes a read.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(buffer.len());
            buffer[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    #[test]
    fn lines_come_whole_and_with_their_offsets() {
        for text in [&b""[..], b"\n", b"a", b"a\n", b"one\ntwo\nthree", b"\n\n\nlast one\n"] {
            for len in 1..=text.len().max(1) {
                let mut lines = Lines::new(Slow(text, len), 1000);
                let mut found = Vec::new();
                while let Some((offset, block)) = lines.next().expect("no errors here") {
                    assert_eq!(offset, 1000 + found.len() as u64, "{} by {len}", text.escape_ascii());
                    found.extend_from_slice(block);
                    assert!(block.ends_with(b"\n") || found.len() == text.len());
                }
                assert_eq!(found, text, "by {len}");
            }
        }
    }

    #[test]
    fn lines_of_any_length_pass() {
        for len in [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1]
        {
            let text = [&vec![b'x'; len][..], b"\ny\n"].concat();
            let mut lines = Lines::new(&text[..], 0);
            let mut found = Vec::new();
            while let Some((offset, block)) = lines.next().expect("no errors here") {
                assert_eq!(offset, found.len() as u64, "{len}");
                found.extend_from_slice(block);
            }
            assert!(found == text, "{len}");
        }
    }

    #[test]
    fn a_newline_that_was_made_up_is_not_of_the_file() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.read_from(&mut &b"a\ntorn"[..]).ok(), Some(6));
        assert_eq!((buffer.lines(), buffer.partial(), buffer.untaken()), (&b"a\n"[..], &b"torn"[..], 6));
        buffer.take(2);
        assert_eq!((buffer.taken(), buffer.untaken()), (&b"a\n"[..], 4));
        buffer.end_partial();
        assert_eq!((buffer.lines(), buffer.untaken()), (&b"torn\n"[..], 4));
        buffer.take(5);
        assert_eq!((buffer.taken(), buffer.untaken()), (&b"torn"[..], 0));
    }
}
