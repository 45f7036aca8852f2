//! Faults made on purpose, by the thousand: a logger is killed, starved of disk, lied to and cut off from power, and what is in its
//! log afterwards is held against what went in.
//!
//! Any logger can be put here ([`Logger`]); what is asked of it is said in `docs/reliability.md`. Each family gives a [`Tally`].

mod cut;
mod errno;
mod full;
mod kill;
mod logger;
mod mount;
mod random;
mod trial;
mod workload;
mod writeback;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use cut::{cut, cut_here};
pub use errno::errno;
pub use full::{full, full_here};
pub use kill::{double, kill, late, signals};
pub use logger::Logger;
pub use random::{killed_at_random, random};
pub use workload::{ERRNO, FOUND, KILL, LATE, Processor, RANDOM, Workload};
pub use writeback::{writeback, writeback_here};

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is affordable at each commit.
    Quick,
    /// Everything.
    Whole,
}

/// What the cases of one family have come to.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Faults that were made.
    pub cases: usize,
    /// Cases after which lines were missing.
    pub losing: usize,
    /// Complete lines that were in the input and are not in the log.
    pub lost: usize,
    /// Lines that are in the log once more than in the input.
    pub duplicated: usize,
    /// Pieces in the log that are no line of the input.
    pub torn: usize,
    /// Loggers that did not start, end or go on within the time for it.
    pub stuck: usize,
    /// Cases in which anything was against the rules that are for ours alone: order, sizes, names, modes, messages, exit codes.
    pub wrong: usize,
    /// The longest time to go on after a fault, where that is measured.
    pub slowest: Duration,
    /// The first things that were wrong, in words.
    pub words: Vec<String>,
    /// Why nothing was tried, or a part was not.
    pub skipped: Option<String>,
}

impl Tally {
    /// Nothing was tried, for this reason.
    #[must_use]
    pub fn skipped(reason: impl Into<String>) -> Tally {
        Tally { skipped: Some(reason.into()), ..Tally::default() }
    }

    /// The two together.
    #[must_use]
    pub fn and(mut self, other: Tally) -> Tally {
        const MOST_WORDS: usize = 20;
        self.cases += other.cases;
        self.losing += other.losing;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.torn += other.torn;
        self.stuck += other.stuck;
        self.wrong += other.wrong;
        self.slowest = self.slowest.max(other.slowest);
        let room = MOST_WORDS.saturating_sub(self.words.len());
        self.words.extend(other.words.into_iter().take(room));
        self.skipped = self.skipped.or(other.skipped);
        self
    }

    /// Whether the promise was kept in every case.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.lost == 0 && self.torn == 0 && self.stuck == 0 && self.wrong == 0
    }

    /// The figures as one line of numbers, to be read by [`Tally::parse`] in another process.
    #[must_use]
    pub fn figures(&self) -> String {
        let Tally { cases, losing, lost, duplicated, torn, stuck, wrong, slowest, .. } = self;
        let slowest = slowest.as_millis();
        format!("{cases} {losing} {lost} {duplicated} {torn} {stuck} {wrong} {slowest}")
    }

    /// What [`Tally::figures`] wrote.
    #[must_use]
    pub fn parse(line: &str) -> Option<Tally> {
        let figures: Vec<usize> = line.split(' ').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let &[cases, losing, lost, duplicated, torn, stuck, wrong, slowest] = &figures[..] else {
            return None;
        };
        let slowest = Duration::from_millis(slowest as u64);
        Some(Tally { cases, losing, lost, duplicated, torn, stuck, wrong, slowest, ..Tally::default() })
    }
}

/// One family in the table.
#[derive(Debug)]
pub struct Row<'a> {
    /// What was done.
    pub family: &'a str,
    /// What came of it.
    pub tally: &'a Tally,
    /// How long it took.
    pub took: Duration,
}

impl Row<'_> {
    /// The line above the rows.
    pub const HEAD: &'static str =
        "family                                     cases losing   lost    dup   torn  stuck  wrong  seconds";
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { cases, losing, lost, duplicated, torn, stuck, wrong, .. } = self.tally;
        if let (0, Some(reason)) = (cases, &self.tally.skipped) {
            return write!(f, "{:<40} skipped: {reason}", self.family);
        }
        write!(
            f,
            "{:<40} {cases:>7} {losing:>6} {lost:>6} {duplicated:>6} {torn:>6} {stuck:>6} {wrong:>6}",
            self.family
        )?;
        write!(f, " {:>8.1}", self.took.as_secs_f64())?;
        if self.tally.slowest > Duration::ZERO {
            write!(f, "  slowest {} ms", self.tally.slowest.as_millis())?;
        }
        if let Some(reason) = &self.tally.skipped {
            write!(f, "  (in part: {reason})")?;
        }
        Ok(())
    }
}

/// Does all the cases, as many at a time as there are processors, and adds up what they come to.
fn each<T: Sync>(cases: &[T], case: impl Fn(&T) -> Tally + Sync) -> Tally {
    each_beside(1, cases, case)
}

/// The same for cases that mostly wait: so many at a time on each processor.
fn each_beside<T: Sync>(beside: usize, cases: &[T], case: impl Fn(&T) -> Tally + Sync) -> Tally {
    let next = AtomicUsize::new(0);
    let sum = Mutex::new(Tally::default());
    let workers = thread::available_parallelism().map_or(1, usize::from) * beside;
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut own = Tally::default();
                while let Some(one) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    own = own.and(case(one));
                }
                let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                *sum = std::mem::take(&mut *sum).and(own);
            });
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What it gives, and how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}
