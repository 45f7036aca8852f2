//! Numbered lines through a pipe that outlives its loggers, and the judge of what the loggers made of them.
//!
//! Every line says, at every place in it, which line it is and how far into it one is (see [`Corpus`]). So each
//! piece of a log has a place in the input, and a log is right when the places go forward without a hole,
//! except for steps back that a killed logger is allowed. Nothing here knows how a logger works.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crate::{LogDir, Show};

/// The most input that a killed logger may log a second time.
pub const BATCH: u64 = 32 * 1024;

/// The bytes of a TAI64N stamp with its space.
pub const STAMP: usize = 26;

/// A logger begins a new file once fewer bytes than this are left: a line with its stamp that is no longer than this is
/// always in one file.
const LAST_BYTES: u64 = 2_000;

/// The length of one cell of a line's text: class, line number, offset.
const CELL: usize = 16;

/// The shortest line, without its newline: class and number, and the class again at the end.
const SHORTEST: usize = 8;

/// A small seeded generator (splitmix64): the same seed draws the same tests.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator that draws the same numbers for the same seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` up to and not including `high`, which must be larger.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low)
    }

    /// True once in `n` draws.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.range(0, n) == 0
    }
}

/// The seed of a random test: the environment's `TEST_SEED`, else the time. Failures must print it.
pub fn seed() -> u64 {
    match std::env::var("TEST_SEED") {
        Ok(text) => text.parse().expect("TEST_SEED is a decimal number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
            now.as_nanos() as u64 % 1_000_000_000
        }
    }
}

/// The lines of one run, known by their lengths; the text of each follows from its number.
///
/// A text is a row of 16-byte cells like `B000041:0000032;` (class, line, offset), cut to length, its last byte
/// again the class. The class is `A`, `B` or `C` in turn, and appears in every piece of a line that a logger may
/// make: patterns on it choose the pieces of a line as they choose the line. It is never in a hexadecimal stamp.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// Where each line starts in the input, and at the end where the next one would.
    starts: Vec<u64>,
}

impl Corpus {
    /// No lines yet.
    pub fn new() -> Corpus {
        Corpus { starts: vec![0] }
    }

    /// The number of lines.
    pub fn lines(&self) -> usize {
        self.starts.len() - 1
    }

    /// The bytes of all lines together.
    pub fn bytes(&self) -> u64 {
        self.starts[self.lines()]
    }

    /// Adds a line of `length` bytes (at least 9), newline included, and gives it.
    pub fn push(&mut self, length: usize) -> Vec<u8> {
        self.starts.push(self.bytes() + length.max(SHORTEST + 1) as u64);
        self.line(self.lines() - 1)
    }

    /// Line `n` with its newline.
    pub fn line(&self, n: usize) -> Vec<u8> {
        let length = self.length(n);
        let class = class_of(n);
        let mut text = Vec::with_capacity(length + CELL);
        while text.len() < length - 2 {
            write!(text, "{}{n:06}:{:07};", class as char, text.len()).expect("memory");
        }
        text.truncate(length - 2);
        text.extend([class, b'\n']);
        text
    }

    /// The bytes of line `n`, newline included.
    pub fn length(&self, n: usize) -> usize {
        (self.starts[n + 1] - self.starts[n]) as usize
    }

    /// Where line `n` starts in the input; for the number of lines, where the next one would.
    pub fn start(&self, n: usize) -> u64 {
        self.starts[n]
    }

    /// All lines one after another, as they go into the pipe.
    pub fn input(&self) -> Vec<u8> {
        (0..self.lines()).flat_map(|n| self.line(n)).collect()
    }

    /// The line that has the byte at `place`.
    fn line_at(&self, place: u64) -> usize {
        self.starts.partition_point(|&start| start <= place) - 1
    }

    /// The first line from `n` on whose class is wanted; its start, or the end of the input.
    fn next_wanted(&self, n: usize, classes: &[u8]) -> u64 {
        let next = (n..self.lines()).find(|&n| classes.contains(&class_of(n)));
        self.starts[next.unwrap_or(self.lines())]
    }

    /// Where in the input `text` comes from; `expected` decides where the text alone does not.
    fn locate(&self, text: &[u8], terminated: bool, expected: u64) -> Option<u64> {
        let fits = |n: usize, offset: usize| -> bool {
            if n >= self.lines() || offset + text.len() > self.length(n) {
                return false;
            }
            self.line(n)[offset..].starts_with(text)
        };
        for skip in 0..CELL.min(text.len()) {
            if let Some((n, offset)) = text.get(skip..skip + CELL).and_then(cell) {
                let offset = offset.checked_sub(skip)?;
                return fits(n, offset).then(|| self.starts[n] + offset as u64);
            }
        }
        if expected < self.bytes() {
            let n = self.line_at(expected);
            let offset = (expected - self.starts[n]) as usize;
            // An empty text is from the input only as what is left of a line before its newline.
            let is_there = if text.is_empty() { offset == self.length(n) - 1 } else { fits(n, offset) };
            if is_there {
                return Some(expected);
            }
        }
        if text.is_empty() {
            return None;
        }
        // Too short to say where it is from: a short line, a torn head or a torn tail of some line nearby. Behind a kill that is up to
        // a batch back from the lines that are not selected here, and one of those may be long.
        let near = |place: u64| self.line_at(place.min(self.bytes().saturating_sub(1)));
        [2 * BATCH, 2 * BATCH + LONGEST].into_iter().find_map(|around| {
            (near(expected.saturating_sub(around))..=near(expected + around)).find_map(|n| {
                let tail = (self.length(n) - 1).saturating_sub(text.len());
                let offset =
                    [0, tail].into_iter().find(|&offset| fits(n, offset) && (offset == 0 || terminated))?;
                Some(self.starts[n] + offset as u64)
            })
        })
    }
}

/// The class of line `n`.
pub fn class_of(n: usize) -> u8 {
    b'A' + (n % 3) as u8
}

/// Line and offset of a whole cell.
fn cell(text: &[u8]) -> Option<(usize, usize)> {
    let number = |digits: &[u8]| -> Option<usize> {
        digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
    };
    let n = number(&text[1..7])?;
    let offset = number(&text[8..15])?;
    (text[0] == class_of(n) && text[7] == b':' && text[15] == b';').then_some((n, offset))
}

/// No line of a [`Mix`] is longer.
const LONGEST: u64 = 60_000;

/// Which lines a writer writes.
#[derive(Clone, Copy, Debug)]
pub enum Mix {
    /// Mostly below 120 bytes, many up to 3 KiB, some around 1000, a few of 33 to 60 KiB.
    Mixed,
    /// 9 to 200 bytes.
    Short,
}

impl Mix {
    /// A length, newline included.
    pub fn draw(self, rng: &mut Rng) -> usize {
        let length = match (self, rng.range(0, 100)) {
            (Mix::Short, _) => rng.range(9, 200),
            (Mix::Mixed, 0) => rng.range(33_000, LONGEST),
            (Mix::Mixed, 1..=4) => rng.range(2_900, 3_100),
            (Mix::Mixed, 5..=7) => rng.range(960, 1_040),
            (Mix::Mixed, 8..=20) => rng.range(120, 3_000),
            (Mix::Mixed, _) => rng.range(9, 120),
        };
        length as usize
    }
}

/// A thread that writes lines in bursts and pauses, many a line in two writes or more, until `stop` is set or
/// `most` bytes are written, and then closes the pipe. It gives the lines that it wrote. Without any reader it stops.
pub fn feed(
    mut pipe: impl Write + Send + 'static,
    mix: Mix,
    most: u64,
    mut rng: Rng,
    stop: Arc<AtomicBool>,
) -> JoinHandle<Corpus> {
    thread::spawn(move || {
        let mut corpus = Corpus::new();
        while !stop.load(Ordering::Relaxed) && corpus.bytes() < most {
            let mut burst = Vec::new();
            for _ in 0..rng.range(1, 40) {
                burst.extend(corpus.push(mix.draw(&mut rng)));
            }
            // As a whole; with a pause somewhere; or in pieces with hardly any time between them. Then a pause, as a rule.
            let (pieces, rests) = match rng.range(0, 3) {
                0 => (1, true),
                1 => (2, true),
                _ => (rng.range(2, 40), false),
            };
            let mut left = &burst[..];
            for piece in (0..pieces).rev() {
                let cut = if piece == 0 { left.len() } else { rng.range(0, left.len() as u64 + 1) as usize };
                let (part, behind) = left.split_at(cut);
                if pipe.write_all(part).is_err() {
                    return corpus;
                }
                left = behind;
                if (rests || piece == 0) && !rng.one_in(3) {
                    thread::sleep(Duration::from_micros(rng.range(0, 3_500)));
                }
            }
        }
        corpus
    })
}

/// What a log directory may look like after the run.
#[derive(Clone, Debug)]
pub struct Rules {
    /// No file is larger.
    pub size: u64,
    /// Lines carry TAI64N stamps.
    pub stamped: bool,
    /// The classes of the lines that the directory selects.
    pub classes: &'static [u8],
    /// How often a logger was killed.
    pub kills: usize,
    /// Lines longer than this may be split in parts at a kill; none is lost either way.
    pub splits_over: usize,
    /// Old logs were removed: the log may begin with any line.
    pub trimmed: bool,
}

/// What [`judge`] found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Lines that are in the log, each counted once.
    pub lines: usize,
    /// Lines of which a part or all is nowhere in the log.
    pub lost: Vec<usize>,
    /// Steps back to a place in the input that was logged before.
    pub repeats: usize,
    /// The longest stretch of input that was logged a second time.
    pub longest_repeat: u64,
    /// Heads of lines with a newline behind them; the whole line is logged as well.
    pub fragments: usize,
    /// Long lines that a kill has split, with all bytes there.
    pub splits: usize,
    /// Whole lines that are there once more than needed.
    pub duplicated: usize,
    /// Pieces that are no line of the input and stand for none: half a line that is nowhere whole, two lines run together, NULs.
    pub torn: usize,
    /// Everything against the rules, `lost` included, in words.
    pub faults: Vec<String>,
}

/// One file's bytes up to a newline or to the end of the file.
struct Piece {
    file: String,
    text: Vec<u8>,
    terminated: bool,
}

/// Holds the log in `dir` against the lines that went in.
pub fn judge(dir: &Path, corpus: &Corpus, rules: &Rules) -> Verdict {
    let mut verdict = Verdict::default();
    let pieces = pieces(dir, rules, &mut verdict.faults);
    let wants = |n: usize| rules.classes.contains(&class_of(n));

    let mut expected = corpus.next_wanted(0, rules.classes);
    let mut furthest = expected;
    let mut first = 0;
    let mut whole = vec![false; corpus.lines()];
    let mut torn: Vec<usize> = Vec::new();
    let mut parts: HashMap<usize, Vec<(u64, u64)>> = HashMap::new();
    let mut last_stamp = Vec::new();
    let mut late_stamps: Vec<String> = Vec::new();
    let is_known = |text: &[u8], terminated: bool, expected: u64| {
        let stamp = if rules.stamped && stamp_length(text) == STAMP { STAMP } else { 0 };
        corpus.locate(&text[stamp..], terminated, expected).is_some()
    };

    let mut begun = !rules.trimmed;
    let mut pieces = pieces.into_iter().peekable();
    while let Some(mut piece) = pieces.next() {
        // A full file ends anywhere in a line; what the next file starts with is its rest, if together they make sense.
        let mut cut = false;
        while !piece.terminated
            && let Some(next) = pieces.peek()
            && let text = [piece.text.as_slice(), &next.text].concat()
            && is_known(&text, next.terminated, expected)
        {
            (piece.text, piece.terminated, cut) = (text, next.terminated, true);
            pieces.next();
        }
        if cut && (piece.text.len() as u64) < LAST_BYTES.min(rules.size - LAST_BYTES) {
            verdict.faults.push(format!("{}: cut between two files: {}", piece.file, Show(&piece.text)));
        }
        let mut text = piece.text.as_slice();
        if rules.stamped {
            match stamp_length(text) {
                STAMP => {
                    if text[..STAMP] <= *last_stamp {
                        late_stamps.push(piece.file.clone());
                    }
                    last_stamp = text[..STAMP].to_vec();
                    text = &text[STAMP..];
                    if text.is_empty() {
                        verdict.fragments += 1;
                        continue;
                    }
                }
                cut if cut > 0 && cut == text.len() => {
                    verdict.fragments += 1;
                    continue;
                }
                _ => verdict.faults.push(format!("{}: no stamp before {}", piece.file, Show(text))),
            }
        }
        let Some(start) = corpus.locate(text, piece.terminated, expected) else {
            verdict.faults.push(format!("{}: not from the input: {}", piece.file, Show(text)));
            verdict.torn += 1;
            continue;
        };
        if !std::mem::replace(&mut begun, true) {
            (expected, furthest) = (start, start);
            first = corpus.line_at(start);
        }
        let n = corpus.line_at(start);
        let line_end = corpus.starts[n + 1];
        if !wants(n) {
            verdict.faults.push(format!("{}: line {n} was not selected", piece.file));
        }
        if start > expected {
            verdict.faults.push(format!(
                "{}: from line {} on to line {n} in one step",
                piece.file,
                corpus.line_at(expected)
            ));
        }
        if start < expected {
            let back = furthest.saturating_sub(start);
            verdict.repeats += 1;
            verdict.longest_repeat = verdict.longest_repeat.max(back);
            if back > BATCH {
                verdict.faults.push(format!("{}: {back} bytes back to line {n}", piece.file));
            }
        }
        let mut end = start + text.len() as u64;
        if piece.terminated && end == line_end - 1 {
            end = line_end;
        }
        if end == line_end {
            let is_whole = start == corpus.starts[n];
            verdict.duplicated += usize::from(is_whole && whole[n]);
            whole[n] |= is_whole;
            expected = corpus.next_wanted(n + 1, rules.classes);
        } else {
            expected = end;
            torn.push(n);
        }
        if start != corpus.starts[n] || end != line_end {
            parts.entry(n).or_default().push((start, end));
        }
        furthest = furthest.max(end);
    }

    if let Some(first) = late_stamps.first() {
        let count = late_stamps.len();
        verdict
            .faults
            .push(format!("{count} stamps that are not after the one before, the first in {first}"));
    }
    for n in (first..corpus.lines()).filter(|&n| wants(n)) {
        if whole[n] {
            verdict.lines += 1;
        } else if parts.get_mut(&n).is_some_and(|parts| covers(parts, corpus.starts[n], corpus.starts[n + 1]))
        {
            verdict.lines += 1;
            verdict.splits += 1;
            if corpus.length(n) <= rules.splits_over {
                verdict.faults.push(format!("line {n} of {} bytes is in parts", corpus.length(n)));
            }
        } else {
            verdict.lost.push(n);
        }
    }
    verdict.fragments += torn.iter().filter(|&&n| whole[n]).count();
    let pieces_of_lost = verdict.lost.iter().filter_map(|n| parts.get(n)).map(Vec::len);
    verdict.torn += pieces_of_lost.sum::<usize>();
    if !verdict.lost.is_empty() {
        verdict.faults.push(format!("lost lines: {:?}", verdict.lost));
    }
    for (what, count) in
        [("steps back", verdict.repeats), ("fragments", verdict.fragments), ("split lines", verdict.splits)]
    {
        if count > rules.kills {
            verdict.faults.push(format!("{count} {what} after {} kills", rules.kills));
        }
    }
    verdict
}

/// Do `parts` together cover `start..end` without a hole?
fn covers(parts: &mut [(u64, u64)], start: u64, end: u64) -> bool {
    parts.sort_unstable();
    parts.iter().fold(start, |reached, part| if part.0 <= reached { reached.max(part.1) } else { reached })
        == end
}

/// How many bytes at the head of `text` look like a stamp: 26 is a whole one.
fn stamp_length(text: &[u8]) -> usize {
    let right = |(i, &byte): (usize, &u8)| match i {
        0 => byte == b'@',
        1..=24 => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        _ => byte == b' ',
    };
    text.iter().take(STAMP).enumerate().take_while(|&(i, byte)| right((i, byte))).count()
}

/// True for the name of an old log: `@`, 24 hexadecimal digits, a dot and something.
pub fn is_old_log(name: &str) -> bool {
    name.len() > STAMP && stamp_length(name.as_bytes()) == 25 && name.as_bytes()[25] == b'.'
}

fn pieces(dir: &Path, rules: &Rules, faults: &mut Vec<String>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let dir = LogDir::new(dir);
    for name in dir.names() {
        if !is_old_log(&name) && !["current", "lock", "state"].contains(&name.as_str()) {
            faults.push(format!("{name} is left in the directory"));
        }
    }
    let mut files: Vec<String> = dir.names().into_iter().filter(|name| is_old_log(name)).collect();
    files.extend(["previous", "current"].map(String::from));
    for file in files {
        let bytes = dir.read(&file);
        if bytes.len() as u64 > rules.size {
            faults.push(format!("{file} has {} bytes", bytes.len()));
        }
        if bytes.contains(&0) {
            faults.push(format!("{file} has a NUL"));
        }
        if bytes.last().is_some_and(|&last| last != b'\n') && bytes.len() as u64 != rules.size {
            faults.push(format!("{file} has {} bytes and no newline at its end", bytes.len()));
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let terminated = line.ends_with(b"\n");
            let text = line[..line.len() - usize::from(terminated)].to_vec();
            pieces.push(Piece { file: file.clone(), text, terminated });
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        size: 100_000,
        stamped: false,
        classes: b"ABC",
        kills: 0,
        splits_over: 32_768,
        trimmed: false,
    };

    fn corpus() -> Corpus {
        let mut corpus = Corpus::new();
        for length in [20, 9, 1_500, 40_000, 10, 300, 77] {
            corpus.push(length);
        }
        corpus
    }

    /// Judges `log` as the only log file, and gives verdict and all faults in one string.
    #[track_caller]
    fn verdict(log: &[u8], rules: &Rules) -> (Verdict, String) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("current"), log).expect("a file");
        let verdict = judge(dir.path(), &corpus(), rules);
        let faults = verdict.faults.join("; ");
        (verdict, faults)
    }

    #[test]
    fn a_log_of_all_lines_is_right() {
        let (verdict, faults) = verdict(&corpus().input(), &RULES);
        assert_eq!((faults.as_str(), verdict.lines, verdict.repeats), ("", 7, 0));
    }

    /// After the kill the first line is too short to say where it is from, and a long line that is not selected lies between.
    #[test]
    fn a_short_line_is_known_again_behind_a_long_one_that_is_not_selected() {
        let mut corpus = Corpus::new();
        for length in [12, 30_000, 59_000, 100, 12, 13] {
            corpus.push(length);
        }
        let log: Vec<u8> = [0, 1, 0, 1, 3, 4].into_iter().flat_map(|n| corpus.line(n)).collect();
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("current"), log).expect("a file");
        let rules = Rules { classes: b"AB", kills: 1, ..RULES };
        let verdict = judge(dir.path(), &corpus, &rules);
        assert_eq!((verdict.faults, verdict.torn, verdict.duplicated), (vec![], 0, 2));
    }

    #[test]
    fn a_log_over_two_files_is_right_when_the_first_is_full() {
        let input = corpus().input();
        for (size, right) in [(10_000, true), (10_001, false)] {
            let dir = tempfile::tempdir().expect("a directory");
            let mut parts = input.chunks(10_000).peekable();
            let mut n = 0;
            while let Some(part) = parts.next() {
                let name = if parts.peek().is_some() { format!("@{n:024x}.s") } else { "current".into() };
                std::fs::write(dir.path().join(name), part).expect("a file");
                n += 1;
            }
            let verdict = judge(dir.path(), &corpus(), &Rules { size, ..RULES });
            assert_eq!(verdict.faults.is_empty(), right, "{:?}", verdict.faults);
            assert_eq!(verdict.lines, 7);
        }
    }

    #[test]
    fn each_fault_is_seen() {
        let corpus = corpus();
        let line = |n: usize| corpus.line(n);
        let lines = |order: &[usize]| -> Vec<u8> { order.iter().flat_map(|&n| line(n)).collect() };
        let check = |log: &[u8], kills: usize, fault: &str| {
            let (_, faults) = verdict(log, &Rules { kills, ..RULES });
            assert!(faults.contains(fault), "expected: {fault}\nfound: {faults}");
        };
        check(&lines(&[0, 1, 2, 3, 4, 6]), 1, "lost lines: [5]");
        check(&lines(&[0, 1, 2, 3, 5, 4, 6]), 1, "in one step");
        check(&lines(&[0, 1, 1, 2, 3, 4, 5, 6]), 0, "1 steps back after 0 kills");
        check(&lines(&[0, 1, 2, 3, 4, 2, 3, 4, 5, 6]), 1, "bytes back to line 2");
        check(&[lines(&[0, 1, 2, 3, 4, 5]), line(6)[..30].to_vec()].concat(), 1, "no newline at its end");
        check(
            &[lines(&[0, 1]), line(2)[..700].to_vec(), lines(&[3, 4, 5, 6])].concat(),
            1,
            "lost lines: [2, 3]",
        );
        check(
            &[lines(&[0, 1]), line(2)[..700].to_vec(), b"\n".to_vec(), line(2)[700..].to_vec()].concat(),
            1,
            "in parts",
        );
        check(&[b"A\0".to_vec(), lines(&[0, 1, 2, 3, 4, 5, 6])].concat(), 1, "NUL");
        check(&[b"hello\n".to_vec(), lines(&[0, 1, 2, 3, 4, 5, 6])].concat(), 1, "not from the input");
        check(&[b"\n".to_vec(), lines(&[0, 1, 2, 3, 4, 5, 6])].concat(), 1, "not from the input");
        let mut wrong = corpus.input();
        wrong[1_000] ^= 1;
        check(&wrong, 1, "not from the input");
        check(&wrong, 1, "lost lines: [2]");
    }

    #[test]
    fn the_worth_of_a_log_is_counted_in_lines() {
        let corpus = corpus();
        let line = |n: usize| corpus.line(n);
        let check = |log: &[&[u8]], trimmed: bool, want: (usize, usize, usize)| {
            let (verdict, _) = verdict(&log.concat(), &Rules { trimmed, ..RULES });
            assert_eq!((verdict.lost.len(), verdict.duplicated, verdict.torn), want);
        };
        let all: Vec<_> = (0..7).map(line).collect();
        let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        check(&all, false, (0, 0, 0));
        check(&[&all[..2], &all[1..]].concat(), false, (0, 1, 0));
        check(&all[3..], false, (3, 0, 0));
        check(&all[3..], true, (0, 0, 0));
        check(&[&all[3..5], &all[6..]].concat(), true, (1, 0, 0));
        // Half of line 2, and nothing more of it.
        check(&[&all[..2], &[&all[2][..700], b"\n"], &all[3..]].concat(), false, (1, 0, 1));
        check(&[&[&[0; 100], b"\n".as_slice()], &all[..]].concat(), false, (0, 0, 1));
    }

    #[test]
    fn what_a_kill_may_leave_is_allowed_once_per_kill() {
        let corpus = corpus();
        let lines = |order: &[usize]| -> Vec<u8> { order.iter().flat_map(|&n| corpus.line(n)).collect() };
        let long = corpus.line(3);
        let repeat = lines(&[0, 1, 2, 1, 2, 3, 4, 5, 6]);
        let fragment =
            [lines(&[0, 1]), corpus.line(2)[..700].to_vec(), b"\n".to_vec(), lines(&[2, 3, 4, 5, 6])]
                .concat();
        let split = [
            lines(&[0, 1, 2]),
            long[..33_001].to_vec(),
            b"\n".to_vec(),
            long[32_900..].to_vec(),
            lines(&[4, 5, 6]),
        ]
        .concat();
        for log in [&repeat, &fragment, &split] {
            let (verdict_of_one, faults) = verdict(log, &Rules { kills: 1, ..RULES });
            assert_eq!((faults.as_str(), verdict_of_one.lines), ("", 7));
            assert!(!verdict(log, &RULES).1.is_empty());
        }
    }

    #[test]
    fn stamps_and_selection_are_held_to_the_rules() {
        let corpus = corpus();
        let stamped = |order: &[(usize, usize)]| -> Vec<u8> {
            let line = |&(stamp, n): &(usize, usize)| {
                [format!("@{stamp:024x} ").into_bytes(), corpus.line(n)].concat()
            };
            order.iter().flat_map(line).collect()
        };
        let rules = Rules { stamped: true, classes: b"AC", ..RULES };
        assert_eq!(verdict(&stamped(&[(1, 0), (2, 2), (3, 3), (4, 5), (5, 6)]), &rules).1, "");
        let not_increasing = verdict(&stamped(&[(1, 0), (2, 2), (2, 3), (4, 5), (5, 6)]), &rules).1;
        assert!(not_increasing.contains("1 stamps that are not after"), "{not_increasing}");
        let not_selected = verdict(&stamped(&[(1, 0), (2, 1), (3, 2), (4, 3), (5, 5), (6, 6)]), &rules).1;
        assert!(not_selected.contains("line 1 was not selected"), "{not_selected}");
        let bare = verdict(&corpus.line(0), &rules).1;
        assert!(bare.contains("no stamp"), "{bare}");
    }
}
