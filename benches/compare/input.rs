//! The bytes of a case, and what of them must be in the log afterwards.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use benches::{corpora, star};

use crate::answer::{Answer, newlines};
use crate::case::{Case, Corpus, Stamp};
use crate::fail::{Fail, Unable};
use crate::options::{Feed, Options};
use crate::scratch::Scratch;

/// A case's input is one block of this size, again and again: larger than any cache a logger could profit from, small
/// enough to have all cases in memory at once.
const BLOCK_BYTES: usize = 16_000_000;

/// Which file size every logger is asked for: the largest that all of them take.
pub const FILE_BYTES: u64 = 16_777_215;

/// The input of one case.
pub struct Input {
    pub case: &'static Case,
    block: Vec<u8>,
    repeats: u64,
    /// The same bytes as a regular file, where that is how they are fed.
    pub file: Option<PathBuf>,
    /// Everything in the input.
    pub whole: Answer,
    /// What the patterns leave over, without stamps.
    pub kept: Answer,
}

impl Input {
    /// Makes the input of `case`, and its file in `scratch` if a file is to be fed.
    pub fn new(case: &'static Case, options: &Options, scratch: &Scratch) -> Result<Input, Fail> {
        let bytes = (options.bytes / case.part).max(1);
        let mut input = Input::of_bytes(case, bytes);
        if input.whole.lines == 0 {
            return Err(Fail::new(
                format!("use --bytes {}", options.bytes),
                format!("no line fits in {}", case.name),
            ));
        }
        if options.feed == Feed::File {
            let path = scratch.path().join(case.name);
            input.save(&path).unable_to(|| format!("write {}", path.display()))?;
            input.file = Some(path);
        }
        Ok(input)
    }

    /// The input of `case` in about `bytes` bytes, in memory only.
    pub fn of_bytes(case: &'static Case, bytes: usize) -> Input {
        let block = match case.corpus {
            Corpus::Qmail => corpora::qmail(bytes.min(BLOCK_BYTES)),
            Corpus::Lines(len) => corpora::lines(bytes.min(BLOCK_BYTES), len),
        };
        let repeats = (bytes / BLOCK_BYTES).max(1) as u64;
        let whole = Answer { lines: newlines(&block) * repeats, bytes: block.len() as u64 * repeats };
        let once = kept(case, &block);
        let kept = Answer { lines: once.lines * repeats, bytes: once.bytes * repeats };
        Input { case, block, repeats, file: None, whole, kept }
    }

    /// The bytes in order, in pieces of at most 64 KiB: what one write of a busy service brings at most.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.repeats).flat_map(|_| self.block.chunks(64 << 10))
    }

    /// Lines one by one, from the beginning.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.block.split_inclusive(|&byte| byte == b'\n')
    }

    /// Old logs needed for nothing to be thrown away, with room to spare; 20 at least.
    pub fn num(&self) -> u64 {
        // 40 is more than any stamp; a file is closed some thousand bytes before it is full.
        let log_bytes = self.whole.bytes + 40 * self.whole.lines;
        (log_bytes / (FILE_BYTES - 100_000) + 4).max(20)
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        self.pieces().try_for_each(|piece| file.write_all(piece))
    }
}

/// What the case's patterns keep of `block`, found the slow way.
fn kept(case: &Case, block: &[u8]) -> Answer {
    if case.patterns == 0 {
        return Answer { lines: newlines(block), bytes: block.len() as u64 };
    }
    let actions = case.patterns();
    // Any label does: the patterns run over it with a star.
    let mut line = vec![b'0'; Stamp::Tai64n.len() - 1];
    line.push(b' ');
    let stamp_bytes = line.len();
    let mut answer = Answer::default();
    for own in block.split_inclusive(|&byte| byte == b'\n') {
        line.truncate(stamp_bytes);
        line.extend(own.strip_suffix(b"\n").unwrap_or(own));
        if star::selected(actions.iter().map(String::as_str), &line) {
            answer.lines += 1;
            answer.bytes += own.len() as u64;
        }
    }
    answer
}
