//! What a logger is given to do, and what its directories are found in.

use rustix::process::Signal;

use crate::feeder::{Corpus, Mix, Rng};

/// Lines in, directories out.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// As the table calls it.
    pub name: &'static str,
    /// With TAI64N stamps.
    pub stamped: bool,
    /// The size of a file.
    pub size: u64,
    /// How many files a directory keeps.
    pub num: usize,
    /// The processor of each directory.
    pub processor: Processor,
    /// Each directory with its patterns and the classes of lines that it then has.
    pub dirs: &'static [(&'static str, &'static [&'static str], &'static [u8])],
    /// Each batch is synced before it is taken: with `y0`, which only ours knows.
    pub synced: bool,
    /// A status file.
    pub status: bool,
    /// Very long lines are among the others.
    pub long: bool,
    /// A signal that comes in the middle.
    pub signal: Option<Signal>,
    /// What the first directory has before the logger starts; empty: there is none.
    pub found: &'static [Found],
    /// So many lines are in those files already.
    pub there: usize,
}

/// What is done to a full file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// Nothing.
    None,
    /// It is copied.
    Copies,
    /// The processor always fails.
    Fails,
    /// The processor waits for what never comes.
    Hangs,
}

impl Processor {
    /// The command; in the directory above there is a FIFO that nobody writes to.
    #[must_use]
    pub fn command(self) -> Option<&'static str> {
        match self {
            Processor::None => None,
            Processor::Copies => Some("cat"),
            Processor::Fails => Some("exit 1"),
            Processor::Hangs => Some("cat ../hang"),
        }
    }

    /// The one that the next logger has: somebody has mended it.
    #[must_use]
    pub fn mended(self) -> Processor {
        if self == Processor::None { self } else { Processor::Copies }
    }
}

/// A file that a logger finds.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Its name.
    pub name: &'static str,
    /// Its mode.
    pub mode: u32,
    /// What is in it.
    pub text: Text,
}

/// What is in a file.
#[derive(Debug, Clone, Copy)]
pub enum Text {
    /// These lines.
    Lines(usize, usize),
    /// These lines, and the first half of the one behind them.
    Torn(usize, usize),
    /// These lines, without the last newline.
    Open(usize, usize),
    /// Another name of the file that has this name below the directory.
    Same(&'static str),
    /// What `lock` says of our boot and our pipe.
    Identity,
}

const ALL: &[u8] = b"ABC";

/// One directory, all lines.
const PLAIN: Workload = Workload {
    name: "plain",
    stamped: false,
    size: 4_096,
    num: 99,
    processor: Processor::None,
    dirs: &[("log", &[], ALL)],
    synced: false,
    status: false,
    long: false,
    signal: None,
    found: &[],
    there: 0,
};

const STAMPED: Workload = Workload { name: "stamps", stamped: true, ..PLAIN };

const SELECTED: Workload =
    Workload { name: "stamps and patterns", dirs: &[("log", &["-*", "+*A*", "+*C*"], b"AC")], ..STAMPED };

const TWO: Workload = Workload {
    name: "two directories",
    dirs: &[("log", &["-*C*"], b"AB"), ("other", &["-*", "+*B*", "+*C*"], b"BC")],
    ..PLAIN
};

const PROCESSED: Workload = Workload { name: "processor", processor: Processor::Copies, ..STAMPED };

/// What is killed at each of its system calls.
pub const KILL: &[Workload] = &[
    PLAIN,
    STAMPED,
    SELECTED,
    Workload { name: "long lines", size: 8_192, long: true, ..STAMPED },
    Workload { name: "few files", num: 3, ..STAMPED },
    TWO,
    Workload { name: "status file", status: true, ..STAMPED },
    PROCESSED,
    Workload { name: "failing processor", processor: Processor::Fails, ..STAMPED },
    Workload { name: "hung processor", processor: Processor::Hangs, ..STAMPED },
    Workload { name: "ALRM", signal: Some(Signal::ALARM), ..STAMPED },
    Workload { name: "TERM", signal: Some(Signal::TERM), ..STAMPED },
    Workload { name: "TERM, processor", signal: Some(Signal::TERM), ..PROCESSED },
];

/// What is killed while a line comes in parts.
pub const LATE: &[Workload] = &[PLAIN, SELECTED];

/// What meets errors.
pub const ERRNO: &[Workload] = &[STAMPED, PROCESSED, TWO];

/// What is killed at random moments.
pub const RANDOM: &[Workload] = &[
    Workload { size: 99_999, num: 9_999, ..PLAIN },
    Workload { size: 99_999, num: 9_999, ..STAMPED },
    Workload { size: 99_999, num: 9_999, ..SELECTED },
    Workload { size: 20_000, num: 9_999, ..TWO },
    Workload { size: 30_000, num: 9_999, ..PROCESSED },
    Workload { name: "many small files", num: 9_999, ..STAMPED },
];

/// What is cut off from power.
pub const CUT: &[Workload] = &[STAMPED, Workload { name: "y0", synced: true, ..STAMPED }];

/// What goes to a disk that does not keep it.
pub const WRITEBACK: Workload = Workload { name: "failing writeback", size: 500_000, num: 999, ..PLAIN };

const OPEN: u32 = 0o644;
const DONE: u32 = 0o744;

const fn file(name: &'static str, mode: u32, text: Text) -> Found {
    Found { name, mode, text }
}

const fn lines(name: &'static str, mode: u32, from: usize, to: usize) -> Found {
    file(name, mode, Text::Lines(from, to))
}

const OURS: Found = file("lock", 0o600, Text::Identity);
const PREVIOUS: Found = lines("previous", DONE, 0, 20);
const UNSAFE: Found = lines("previous", OPEN, 0, 20);
const CURRENT: Found = lines("current", OPEN, 20, 40);

const fn row(name: &'static str, there: usize, processor: Processor, found: &'static [Found]) -> Workload {
    Workload { name, there, processor, found, ..PLAIN }
}

/// The rows of the state table in docs/cyclog.md from which a logger starts.
pub const FOUND: &[Workload] = &[
    row("row 1", 0, Processor::None, &[]),
    row("row 2", 20, Processor::None, &[lines("current", DONE, 0, 20), OURS]),
    row("row 3", 40, Processor::None, &[UNSAFE, lines("current", DONE, 20, 40), OURS]),
    row("row 4", 20, Processor::None, &[file("current", DONE, Text::Open(0, 20)), OURS]),
    row("row 5", 20, Processor::None, &[lines("current", OPEN, 0, 20), OURS]),
    row("row 5, torn", 20, Processor::None, &[file("current", OPEN, Text::Torn(0, 20)), OURS]),
    row("row 5b", 20, Processor::None, &[lines("current", OPEN, 0, 20)]),
    row("row 6", 0, Processor::None, &[lines("current", OPEN, 0, 0)]),
    row("row 7", 40, Processor::None, &[UNSAFE, CURRENT, OURS]),
    row("row 7, another boot", 40, Processor::None, &[UNSAFE, CURRENT]),
    row("row 7b", 20, Processor::None, &[lines("previous", OPEN, 0, 0), lines("current", OPEN, 0, 20), OURS]),
    row("row 8", 40, Processor::None, &[PREVIOUS, CURRENT, OURS]),
    row("row 9", 40, Processor::Copies, &[PREVIOUS, CURRENT, OURS]),
    row(
        "row 10",
        40,
        Processor::Copies,
        &[PREVIOUS, CURRENT, OURS, file("processed", OPEN, Text::Torn(0, 5)), lines("newstate", OPEN, 0, 1)],
    ),
    row(
        "row 11",
        40,
        Processor::Copies,
        &[PREVIOUS, CURRENT, OURS, lines("processed", DONE, 0, 20), lines("newstate", OPEN, 0, 1)],
    ),
    row(
        "row 12",
        40,
        Processor::Copies,
        &[CURRENT, OURS, lines("processed", DONE, 0, 20), lines("newstate", OPEN, 0, 1)],
    ),
    row("row 13", 40, Processor::Copies, &[CURRENT, OURS, lines("processed", DONE, 0, 20)]),
    row(
        "row 14",
        40,
        Processor::None,
        &[
            lines("@400000006a0000000000000c.s", DONE, 0, 20),
            file("previous", DONE, Text::Same("@400000006a0000000000000c.s")),
            CURRENT,
            OURS,
        ],
    ),
    row(
        "row 15",
        40,
        Processor::None,
        &[lines("../backup", DONE, 0, 20), file("previous", DONE, Text::Same("../backup")), CURRENT, OURS],
    ),
];

impl Workload {
    /// The lines that go through it: what fits into a pipe at once.
    #[must_use]
    pub fn corpus(&self) -> Corpus {
        let mut rng = Rng::new(1);
        let mut corpus = Corpus::new();
        // From a found directory on there is no need for a rotation: each row has its own.
        let count = if self.found.is_empty() { 120 } else { 60 };
        for n in 0..count {
            let length = match (self.long, n) {
                (true, 40) => 2_500,
                (true, 60) => 40_000,
                (true, 61) => 3_000,
                (true, 100) => 5_000,
                _ => Mix::Short.draw(&mut rng),
            };
            corpus.push(length);
        }
        corpus
    }

    /// The arguments of multilog.
    #[must_use]
    pub fn script(&self, processor: Processor) -> Vec<String> {
        let mut script = Vec::new();
        if self.stamped {
            script.push("t".to_owned());
        }
        script.extend([format!("s{}", self.size), format!("n{}", self.num)]);
        if self.synced {
            script.push("y0".to_owned());
        }
        script.extend(processor.command().map(|command| format!("!{command}")));
        if self.status {
            script.push("=./status".to_owned());
        }
        for (dir, patterns, _) in self.dirs {
            script.extend(patterns.iter().map(|&pattern| pattern.to_owned()));
            script.push(format!("./{dir}"));
        }
        script
    }

    /// Whether every logger of the family can do it: one directory for all lines, started anew, short lines.
    #[must_use]
    pub fn is_common(&self) -> bool {
        let [(_, patterns, _)] = self.dirs else { return false };
        patterns.is_empty() && !self.status && !self.synced && !self.long && self.found.is_empty()
    }
}
