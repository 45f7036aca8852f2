//! What is compared: which lines, with which stamp, past how many patterns.

use benches::patterns::{Matches, patterns};

/// The case of lines that come one at a time: system calls for each.
pub const ALONE: &str = "alone";
/// The case of two loggers that have worked and now wait: memory.
pub const MEMORY: &str = "memory";

/// One row block of the table of speeds.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    pub corpus: Corpus,
    pub stamp: Stamp,
    pub patterns: usize,
    pub matches: Matches,
    /// This case gets one `part`th of the bytes: some peers need half a minute for what others do in a blink.
    pub part: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corpus {
    Qmail,
    /// Lines of so many bytes, newline included.
    Lines(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    None,
    /// A TAI64N label, `t`.
    Tai64n,
    /// Local date and time to the nanosecond, `d`.
    Local,
}

impl Stamp {
    /// The multilog action that asks for it.
    pub fn action(self) -> Option<&'static str> {
        match self {
            Stamp::None => None,
            Stamp::Tai64n => Some("t"),
            Stamp::Local => Some("d"),
        }
    }

    /// What multilog puts before a line, in bytes.
    pub fn len(self) -> usize {
        match self {
            Stamp::None => 0,
            Stamp::Tai64n => "@4000000000000000deadbeef ".len(),
            Stamp::Local => "2024-07-29 10:36:08.811661123 ".len(),
        }
    }
}

impl Case {
    /// The pattern actions for our multilog. The cases with patterns all have a `t` stamp.
    pub fn patterns(&self) -> Vec<String> {
        patterns(self.patterns, self.matches)
    }
}

const fn case(name: &'static str, corpus: Corpus, stamp: Stamp) -> Case {
    Case { name, corpus, stamp, patterns: 0, matches: Matches::Rarely, part: 1 }
}

const fn select(name: &'static str, patterns: usize, matches: Matches) -> Case {
    Case { name, corpus: Corpus::Qmail, stamp: Stamp::Tai64n, patterns, matches, part: 4 }
}

pub const CASES: &[Case] = &[
    case("qmail-t", Corpus::Qmail, Stamp::Tai64n),
    case("qmail-d", Corpus::Qmail, Stamp::Local),
    case("qmail-plain", Corpus::Qmail, Stamp::None),
    case("20-byte-t", Corpus::Lines(20), Stamp::Tai64n),
    case("200-byte-t", Corpus::Lines(200), Stamp::Tai64n),
    case("2000-byte-t", Corpus::Lines(2000), Stamp::Tai64n),
    select("0-patterns", 0, Matches::Rarely),
    select("1-pattern", 1, Matches::Rarely),
    select("10-patterns", 10, Matches::Rarely),
    select("100-patterns", 100, Matches::Rarely),
    select("100-often", 100, Matches::Often),
];

/// The lines that the cases [`ALONE`] and [`MEMORY`] use.
pub const ORDINARY: &Case = &CASES[0];
