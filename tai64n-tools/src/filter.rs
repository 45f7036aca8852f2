//! The loop that all readers of this crate share: change how a line begins, pass everything else on.
//!
//! Memory is constant whatever the length of a line: a batch of input, a block of output, and of a line whose beginning cannot
//! be told yet at most [`HELD_BYTES`]. What is in the block goes out before each wait for input, so that nothing is held
//! while nothing comes; while input is there, blocks go out full. No byte is lost, also when reading fails in the middle.

use logcore::split;
use std::io::{self, ErrorKind, Read};

/// The longest text that can be put at the beginning of a line.
pub const TEXT_BYTES: usize = logcore::stamp::STAMP_BYTES;

/// Most bytes that a [`Beginning`] may ask to wait for more with: a whole label, behind which a digit could follow.
pub const HELD_BYTES: usize = logcore::label::LABEL_BYTES;

/// Bytes read at once: what a pipe holds unless told otherwise.
const BATCH_BYTES: usize = 64 * 1024;

/// Bytes written at once.
pub const BLOCK_BYTES: usize = 128 * 1024;

/// Lines up to this length are copied by a few moves of fixed size instead of a call.
const SHORT: usize = 128;

/// Where a [`Beginning`] writes: bytes of the output itself. A text that is put together elsewhere and then copied makes the
/// processor wait for each byte of it.
pub type Place = [u8; TEXT_BYTES];

/// What becomes of the beginning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It takes more bytes to tell. Not to be said when the input has ended, nor of more than [`HELD_BYTES`] bytes.
    Wait,
    /// What was written stands for some of the line's first bytes.
    Change {
        /// Bytes of the line, 0 to [`HELD_BYTES`]; more where whole lines are given at once.
        taken: usize,
        /// Bytes written, 0 to [`TEXT_BYTES`]; what was written beyond them does not count.
        written: usize,
    },
}

/// Decides how lines begin.
pub trait Beginning {
    /// More input has come. What is said once for all lines in it, such as the time, is found out here.
    fn batch(&mut self) {}

    /// Decides about a line that begins with `head`, at least one byte; more may follow unless the input has `ended`.
    fn begin(&mut self, head: &[u8], ended: bool, place: &mut Place) -> Begin;
}

/// Where input comes from.
///
/// `read` may fail with [`WouldBlock`](ErrorKind::WouldBlock): then it is waited for.
pub trait Feed: Read {
    /// Whether a read would return at once.
    fn is_ready(&self) -> bool {
        true
    }

    /// Returns when a read would.
    ///
    /// # Errors
    /// It cannot be waited for: the input is broken.
    fn wait(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Where blocks go.
pub trait Sink {
    /// Why it takes no more.
    type Error;

    /// Takes what is in `block`, not nothing, and leaves it empty. `labelled`: the input began with a line that was
    /// [changed](Begin::Change).
    ///
    /// # Errors
    /// Nothing can be put there any more.
    fn put(&mut self, block: &mut Block, labelled: bool) -> Result<(), Self::Error>;
}

/// How a run failed.
#[derive(Debug)]
pub enum Trouble<E> {
    /// The input cannot be read any further; what came before is in the sink.
    Read(io::Error),
    /// The sink takes no more.
    Sink(E),
}

/// Bytes to be written, at most [`BLOCK_BYTES`].
#[derive(Debug)]
pub struct Block {
    bytes: Box<[u8]>,
    len: usize,
}

impl Default for Block {
    fn default() -> Self {
        Block { bytes: vec![0; BLOCK_BYTES].into(), len: 0 }
    }
}

impl Block {
    /// What is in it.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    /// Where the next bytes go, unless there is less room than for the longest text.
    #[inline]
    fn place(&mut self) -> Option<&mut Place> {
        self.bytes[self.len..].first_chunk_mut()
    }

    /// Adds the first `len` bytes of `rest`, for which there is room.
    #[inline]
    fn put(&mut self, rest: &[u8], len: usize) {
        let place = &mut self.bytes[self.len..];
        match (place.first_chunk_mut::<SHORT>(), rest.first_chunk::<SHORT>()) {
            // What lies beyond `len` is written over by what comes next.
            (Some(place), Some(short)) if len <= SHORT => *place = *short,
            _ => place[..len].copy_from_slice(&rest[..len]),
        }
        self.len += len;
    }
}

/// How far a piece of input got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// So many bytes of it are in the block.
    pub used: usize,
    /// The block has no room for more; else what is left, at most [`HELD_BYTES`], waits for more input.
    pub is_full: bool,
}

/// Changes how lines begin, over any number of pieces of input.
#[derive(Debug)]
pub struct Filter<B> {
    beginning: B,
    at_start: bool,
    /// The very first line was changed; `None` until that is known.
    labelled: Option<bool>,
}

impl<B: Beginning> Filter<B> {
    /// Begins at the start of a line, or with `at_start` false in the middle of one, whose rest is passed on unchanged.
    pub fn new(beginning: B, at_start: bool) -> Self {
        Filter { beginning, at_start, labelled: (!at_start).then_some(false) }
    }

    /// What decides.
    pub fn beginning(&mut self) -> &mut B {
        &mut self.beginning
    }

    /// Puts as much of `input` into `block` as can be decided and has room. When the input has `ended`, everything can be.
    ///
    /// ```
    /// use tai64n_tools::filter::{Block, Filter};
    /// use tai64n_tools::local::{Form, LocalTime};
    /// use tai64n_tools::zone::Zone;
    ///
    /// let mut filter = Filter::new(LocalTime::new(Zone::UTC, Form::default()), true);
    /// let mut block = Block::default();
    /// filter.change(b"@400000003b4a39c23294b13c x\n@foo\n", true, &mut block);
    /// assert_eq!(block.filled(), b"2001-07-09 23:09:44.848605500 x\n@foo\n");
    /// ```
    pub fn change(&mut self, input: &[u8], ended: bool, block: &mut Block) -> Progress {
        let mut used = 0;
        let mut lines = split::lines(input);
        while used < input.len() {
            let ends = lines.next().is_some();
            let end = if ends { lines.offset() } else { input.len() };
            if self.at_start {
                let Some(place) = block.place() else {
                    return Progress { used, is_full: true };
                };
                let Begin::Change { taken, written } = self.beginning.begin(&input[used..], ended, place)
                else {
                    break;
                };
                block.len += written;
                used += taken;
                self.at_start = false;
                self.labelled.get_or_insert(taken > 0);
            }
            let fits = (end - used).min(block.room());
            block.put(&input[used..], fits);
            used += fits;
            if used < end {
                return Progress { used, is_full: true };
            }
            self.at_start = ends;
        }
        Progress { used, is_full: false }
    }

    /// Passes all of `feed` on to `sink`.
    ///
    /// # Errors
    /// One of them failed. Everything that was read is in the sink, unless it is the sink that failed.
    pub fn run<S: Sink>(&mut self, feed: &mut impl Feed, sink: &mut S) -> Result<(), Trouble<S::Error>> {
        let mut input = vec![0; BATCH_BYTES + HELD_BYTES];
        let mut filled = 0;
        let mut block = Block::default();
        let mut ended = Ok(());
        let mut goes_on = true;
        while goes_on {
            if !block.filled().is_empty() && !feed.is_ready() {
                self.flush(&mut block, sink)?;
            }
            let read = match feed.read(&mut input[filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.flush(&mut block, sink)?;
                    feed.wait().map(|()| None)
                }
                other => other.map(Some),
            };
            match read {
                Ok(None) => continue,
                Ok(Some(len)) => (goes_on, filled) = (len > 0, filled + len),
                Err(error) => (goes_on, ended) = (false, Err(Trouble::Read(error))),
            }
            self.beginning.batch();
            let mut used = 0;
            loop {
                let progress = self.change(&input[used..filled], !goes_on, &mut block);
                used += progress.used;
                if !progress.is_full {
                    break;
                }
                self.flush(&mut block, sink)?;
            }
            input.copy_within(used..filled, 0);
            filled -= used;
        }
        self.flush(&mut block, sink)?;
        ended
    }

    fn flush<S: Sink>(&self, block: &mut Block, sink: &mut S) -> Result<(), Trouble<S::Error>> {
        if block.filled().is_empty() {
            return Ok(());
        }
        sink.put(block, self.labelled.unwrap_or(false)).map_err(Trouble::Sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts `> ` before each line; asks for three bytes first, and takes `@` away.
    struct Mark;

    impl Beginning for Mark {
        fn begin(&mut self, head: &[u8], ended: bool, place: &mut Place) -> Begin {
            if head.len() < 3 && !head.contains(&b'\n') && !ended {
                return Begin::Wait;
            }
            *place = [b'-'; TEXT_BYTES];
            place[..2].copy_from_slice(b"> ");
            Begin::Change { taken: usize::from(head[0] == b'@'), written: 2 }
        }
    }

    fn slow_twin(input: &[u8]) -> Vec<u8> {
        let lines = input.split_inclusive(|byte| *byte == b'\n');
        lines.flat_map(|line| [b"> ", line.strip_prefix(b"@").unwrap_or(line)].concat()).collect()
    }

    /// Gives its pieces one a read, and an error or the end after them.
    struct Pieces<'a>(Vec<&'a [u8]>, Option<ErrorKind>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match (self.0.first_mut(), self.1) {
                (Some(piece), _) => {
                    let len = piece.len().min(buffer.len());
                    buffer[..len].copy_from_slice(&piece[..len]);
                    *piece = &piece[len..];
                    if piece.is_empty() {
                        self.0.remove(0);
                    }
                    Ok(len)
                }
                (None, Some(kind)) => Err(kind.into()),
                (None, None) => Ok(0),
            }
        }
    }

    /// Each wait is told by `is_ready`.
    struct Slow<'a>(Pieces<'a>);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Feed for Slow<'_> {
        fn is_ready(&self) -> bool {
            false
        }
    }

    impl Feed for Pieces<'_> {}

    impl Sink for Vec<Vec<u8>> {
        type Error = ();

        fn put(&mut self, block: &mut Block, _labelled: bool) -> Result<(), ()> {
            assert!(!block.filled().is_empty());
            self.push(block.filled().to_vec());
            block.clear();
            Ok(())
        }
    }

    #[test]
    fn any_cut_gives_the_same_lines() {
        let input = b"@a\n\n@\n@bc\nlong line\n@@\nx";
        let wanted = slow_twin(input);
        for first in 0..=input.len() {
            for second in first..=input.len() {
                let pieces = [&input[..first], &input[first..second], &input[second..]];
                let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
                let mut blocks = Vec::new();
                Filter::new(Mark, true).run(&mut Pieces(pieces, None), &mut blocks).expect("no errors here");
                assert_eq!(blocks.concat().escape_ascii().to_string(), wanted.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn lines_around_the_sizes_of_everything() {
        for size in [SHORT, TEXT_BYTES, BATCH_BYTES, BLOCK_BYTES, 3 * BLOCK_BYTES] {
            for len in size - 3..size + 4 {
                let line = [vec![b'x'; len], b"\n".to_vec()].concat();
                let input = [&line[..], b"@y\n", &line, b"z"].concat();
                let mut blocks = Vec::new();
                let mut feed = Pieces(vec![&input], None);
                Filter::new(Mark, true).run(&mut feed, &mut blocks).expect("no errors here");
                assert!(blocks.concat() == slow_twin(&input), "lines of {len} bytes");
                assert!(blocks.iter().all(|block| block.len() <= BLOCK_BYTES));
            }
        }
    }

    #[test]
    fn output_goes_before_a_wait_and_else_when_full() {
        let many = vec![&b"line\n"[..]; 10];
        let mut blocks = Vec::new();
        Filter::new(Mark, true).run(&mut Pieces(many.clone(), None), &mut blocks).expect("no errors here");
        assert_eq!(blocks.len(), 1);
        let mut blocks = Vec::new();
        Filter::new(Mark, true).run(&mut Slow(Pieces(many, None)), &mut blocks).expect("no errors here");
        assert_eq!(blocks.len(), 10);
    }

    #[test]
    fn what_came_before_an_error_is_passed_on() {
        let mut blocks = Vec::new();
        let mut feed = Pieces(vec![b"a\n", b"b"], Some(ErrorKind::InvalidData));
        let result = Filter::new(Mark, true).run(&mut feed, &mut blocks);
        assert!(matches!(result, Err(Trouble::Read(error)) if error.kind() == ErrorKind::InvalidData));
        assert_eq!(blocks.concat(), b"> a\n> b");
    }

    #[test]
    fn in_the_middle_of_a_line_its_rest_is_passed_on() {
        let mut blocks = Vec::new();
        let mut feed = Pieces(vec![b"@rest\n@next\n"], None);
        Filter::new(Mark, false).run(&mut feed, &mut blocks).expect("no errors here");
        assert_eq!(blocks.concat(), b"@rest\n> next\n");
    }
}
