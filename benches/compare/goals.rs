//! What we set out to reach, beside what was measured.

use crate::filters::{self, FILTERS, WHO};
use crate::input::Input;
use crate::memory::Memory;
use crate::outcome::Outcome;
use crate::peer::Peer;
use crate::readers::{self, READERS};
use crate::report::of;
use crate::services::Figures;
use crate::speed::{Speed, Speeds};
use crate::tree::Tree;

/// All figures of this run.
pub struct Measured<'a> {
    pub inputs: &'a [Input],
    pub peers: &'a [Peer],
    pub speeds: &'a Speeds,
    pub calls: &'a [Outcome<f64>],
    pub memory: &'a [Outcome<Memory>],
    pub filters: &'a filters::Speeds,
    pub readers: &'a readers::Speeds,
    pub services: &'a [Outcome<Figures>],
    pub trees: &'a [Outcome<Tree>],
}

/// Which side of the limit is the good one.
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}
use Limit::{AtLeast, AtMost};

/// One line a goal: limit, figure, `reached` or `missed`, or `-` where this run did not measure it.
pub fn block(run: &Measured<'_>) -> String {
    let goals = [
        ("64-byte lines with t, beside daemontools", AtLeast(8.0), "x", run.beside("qmail-t", "daemontools")),
        ("64-byte lines with t, beside s6-log", AtLeast(5.0), "x", run.beside("qmail-t", "s6-log")),
        ("64-byte lines with t, beside cat", AtLeast(0.5), "x", run.beside("qmail-t", "cat")),
        ("64-byte lines without a stamp, beside cat", AtLeast(0.8), "x", run.beside("qmail-plain", "cat")),
        ("time with d, beside the time with t", AtMost(1.3), "x", run.time("qmail-d", "qmail-t")),
        (
            "time with 100 patterns, beside that with 1",
            AtMost(2.0),
            "x",
            run.time("100-patterns", "1-pattern"),
        ),
        (
            "system calls for a line that comes alone",
            AtMost(6.0),
            "calls",
            of(run.peers, run.calls, OURS).copied(),
        ),
        ("private memory of an idle process", AtMost(250.0), "kB", run.idle()),
        ("tai64nlocal, beside daemontools", AtLeast(30.0), "x", run.filter("tai64nlocal", "daemontools")),
        ("tai64nlocal, beside s6", AtLeast(4.0), "x", run.filter("tai64nlocal", "s6")),
        ("tai64n, beside daemontools", AtLeast(7.0), "x", run.filter("tai64n", "daemontools")),
        ("mlog -o raw, beside cat", AtLeast(0.5), "x", run.reader("mlog-raw")),
        ("mlog, beside cat | daemontools' tai64nlocal", AtLeast(20.0), "x", run.reader("mlog-local")),
        ("mlog -g with a rare word, beside grep", AtLeast(0.5), "x", run.reader("mlog-grep")),
        ("private memory of a supervise", AtMost(200.0), "kB", run.supervise(|it| it.private as f64)),
        ("from a new directory to its service", AtMost(50.0), "ms", run.tree(|it| it.new_millis)),
        ("wake-ups of an idle tree in a minute", AtMost(0.0), "", run.tree(|it| it.wakes_per_minute)),
    ];
    let lines = goals.into_iter().map(|(what, limit, unit, figure)| line(what, &limit, unit, figure));
    format!("\ngoals\n{}", lines.collect::<String>())
}

const OURS: &str = "ours";

impl Measured<'_> {
    fn speed(&self, case: &str, who: &str) -> Option<f64> {
        let (_, row) = self.inputs.iter().zip(self.speeds).find(|(input, _)| input.case.name == case)?;
        of(self.peers, row, who).map(Speed::median)
    }

    /// Our speed in a case as a multiple of a peer's.
    fn beside(&self, case: &str, peer: &str) -> Option<f64> {
        Some(self.speed(case, OURS)? / self.speed(case, peer)?)
    }

    /// Our time for a byte in one case as a multiple of that in another.
    fn time(&self, case: &str, other: &str) -> Option<f64> {
        Some(self.speed(other, OURS)? / self.speed(case, OURS)?)
    }

    /// The speed of a filter of ours as a multiple of a peer's.
    fn filter(&self, name: &str, peer: &str) -> Option<f64> {
        let (_, row) = FILTERS.iter().zip(self.filters).find(|(filter, _)| filter.name == name)?;
        let speed = |who: &str| WHO.iter().zip(row).find(|((name, _), _)| *name == who)?.1.done();
        Some(speed(OURS)?.median() / speed(peer)?.median())
    }

    /// The speed of a reader of ours as a multiple of its peer's.
    fn reader(&self, name: &str) -> Option<f64> {
        let (_, [ours, peer]) = READERS.iter().zip(self.readers).find(|(reader, _)| reader.name == name)?;
        Some(ours.done()?.median() / peer.done()?.median())
    }

    /// Ours is the first in both.
    fn supervise(&self, figure: impl Fn(&Figures) -> f64) -> Option<f64> {
        self.services.first()?.done().map(figure)
    }

    fn tree(&self, figure: impl Fn(&Tree) -> f64) -> Option<f64> {
        self.trees.first()?.done().map(figure)
    }

    fn idle(&self) -> Option<f64> {
        of(self.peers, self.memory, OURS).map(|memory| memory.idle_private as f64)
    }
}

fn line(what: &str, limit: &Limit, unit: &str, figure: Option<f64>) -> String {
    let (sign, bound) = match limit {
        AtLeast(bound) => (">=", bound),
        AtMost(bound) => ("<=", bound),
    };
    let goal = format!("{sign} {bound} {unit}");
    let (figure, verdict) = match figure {
        None => ("-".into(), "-"),
        Some(figure) if limit.holds(figure) => (format!("{figure:.2} {unit}"), "reached"),
        Some(figure) => (format!("{figure:.2} {unit}"), "missed"),
    };
    format!("  {what:<44}{goal:>11}{figure:>14}  {verdict}\n")
}

impl Limit {
    fn holds(&self, figure: f64) -> bool {
        match *self {
            AtLeast(bound) => figure >= bound,
            AtMost(bound) => figure <= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let check = |limit: Limit, figure: Option<f64>, expected: &str| {
            let line = line("x", &limit, "x", figure);
            assert_eq!(line.split_whitespace().last(), Some(expected), "{line}");
        };
        check(AtLeast(8.0), Some(8.0), "reached");
        check(AtLeast(8.0), Some(7.99), "missed");
        check(AtMost(6.0), Some(6.0), "reached");
        check(AtMost(6.0), Some(6.01), "missed");
        check(AtMost(6.0), None, "-");
    }
}
