//! Any number of logs as one, in the order of their moments.
//!
//! Within a log lines keep their order, whatever their stamps say; a line without a stamp stays with the line before it. Of equal
//! moments the log that was named first goes first. What is passed on are runs: neighbouring lines of one log.

use super::log::{Fill, Log};
use super::select::{Select, last_stamped, lines};
use crate::moment::Stamps;
use logcore::label::Label;
use std::ops::Range;

/// A log, and which of its lines are wanted.
#[derive(Debug)]
pub struct Source {
    /// The log itself.
    pub log: Log,
    select: Select,
    stamps: Stamps,
    /// For `select`: the moment of the last line it saw.
    carry: Option<Label>,
    /// The moment of the last line that was taken.
    last: Option<Label>,
    /// What is wanted of the block, and not taken; the first is at `next`.
    runs: Vec<Range<usize>>,
    next: usize,
    /// Bytes of the block that are taken.
    done: usize,
    /// Bytes of the block that may be taken; what is behind is for another time.
    end: usize,
    /// What the last fill said; lines that are left count as lines.
    state: Fill,
    /// No line after this block is wanted.
    is_over: bool,
    /// The moment of the line before the run, once it was asked for.
    before: Option<Option<Label>>,
}

impl Source {
    /// What `select` wants of `log`.
    pub fn new(log: Log, select: Select, stamps: Stamps) -> Self {
        let carry = log.carry();
        Source {
            log,
            select,
            stamps,
            carry,
            last: carry,
            runs: Vec::new(),
            next: 0,
            done: 0,
            end: 0,
            state: Fill::Lines,
            is_over: false,
            before: None,
        }
    }

    /// The run at hand: lines that are wanted, none when more must be read first.
    pub fn run(&self) -> &[u8] {
        match self.runs.get(self.next) {
            Some(run) => &self.log.lines()[run.start - self.done..run.end - self.done],
            None => &[],
        }
    }

    /// Reads the next block when this one is done. [`Fill::Lines`]: there is a run, or nothing of the block is wanted.
    pub fn fill(&mut self) -> Fill {
        if self.state == Fill::Lines && self.next == self.runs.len() {
            self.take_to(self.end);
            if self.is_over {
                self.log.close();
            }
            self.state = self.log.fill();
            (self.done, self.next, self.end, self.before) = (0, 0, 0, None);
            self.runs.clear();
            if self.state == Fill::Lines {
                let block = self.log.lines();
                let late = self.select.pick(block, &mut self.stamps, &mut self.carry, &mut self.runs);
                let is_cut = late.is_some() && self.select.ends_at_until;
                self.end = late.filter(|_| is_cut).unwrap_or(block.len());
                // A few lines of a file may be earlier than the name of the one before it: only behind that is it over.
                let is_behind = !self.select.reads_all && self.log.after() > self.select.until;
                self.is_over = is_cut || (late.is_some() && is_behind);
            }
        }
        self.state
    }

    /// Whether everything is taken, and no more will come.
    pub fn has_ended(&self) -> bool {
        self.state == Fill::End
    }

    /// Takes the first `len` bytes of the run.
    pub fn take(&mut self, len: usize) {
        let Some(run) = self.runs.get_mut(self.next) else { return };
        run.start = run.end.min(run.start + len);
        let to = run.start;
        self.next += usize::from(Range::is_empty(run));
        self.take_to(to);
    }

    /// Takes everything up to a place in the block, and notes the last moment in it.
    fn take_to(&mut self, to: usize) {
        let len = to - self.done;
        self.last = self.moment_at_end(len).or(self.last);
        self.log.take(len);
        (self.done, self.before) = (to, None);
    }

    /// The moment of the last line with a stamp in the first `len` bytes that are not taken.
    fn moment_at_end(&mut self, len: usize) -> Option<Label> {
        last_stamped(&self.log.lines()[..len], self.last, &mut self.stamps)
    }

    /// The moment of the line before the run's first one, wanted or not, if it is known.
    pub fn moment_before(&mut self) -> Option<Label> {
        // Asked whenever another log is ahead; a gap can be a whole block.
        if let Some(before) = self.before {
            return before;
        }
        let gap = self.runs.get(self.next).map_or(0, |run| run.start - self.done);
        let before = self.moment_at_end(gap).or(self.last);
        self.before = Some(before);
        before
    }

    /// The moment of the run's first line: its own, or that of the line before it, or of the file before that.
    fn moment(&mut self) -> Option<Label> {
        let before = self.moment_before();
        let gap = self.runs.get(self.next).map_or(0, |run| run.start - self.done);
        let own = self.stamps.read(&self.log.lines()[gap..], before).map(|stamp| stamp.moment);
        own.or(before).or_else(|| self.log.after())
    }

    /// How much of the run, at least its first line, comes before `limit`, or with it where `inclusive`.
    fn before(&mut self, limit: Option<Label>, inclusive: bool) -> usize {
        let mut moment = self.moment();
        let mut len = 0;
        let Some(run) = self.runs.get(self.next) else { return 0 };
        let run = &self.log.lines()[run.start - self.done..run.end - self.done];
        for line in lines(run) {
            let own = self.stamps.read(&run[line.clone()], moment);
            moment = own.map(|stamp| stamp.moment).or(moment);
            if len > 0 && (moment > limit || (moment == limit && !inclusive)) {
                break;
            }
            len = line.end;
        }
        len
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The first `len` bytes of the run of a source, by its number.
    Run {
        /// Which source.
        source: usize,
        /// Whole lines, at least one.
        len: usize,
    },
    /// Much was read and nothing in it is wanted; to be asked again.
    Passed,
    /// Nothing now; more may come.
    Idle,
    /// Nothing any more.
    End,
}

/// Sources in one order.
#[derive(Debug, Default)]
pub struct Merge {
    /// The sources.
    pub sources: Vec<Source>,
}

impl Merge {
    /// What comes next. It is to be [taken](Source::take).
    pub fn next(&mut self) -> Next {
        let (mut is_idle, mut has_passed) = (false, false);
        let mut ready = 0;
        for source in &mut self.sources {
            match source.fill() {
                Fill::Lines if source.run().is_empty() => has_passed = true,
                Fill::Lines => ready += 1,
                Fill::Idle => is_idle = true,
                Fill::End => (),
            }
        }
        let has_run = |source: &Source| !source.run().is_empty();
        match ready {
            _ if has_passed => return Next::Passed,
            0 if is_idle => return Next::Idle,
            0 => return Next::End,
            1 => {
                let source = self.sources.iter().position(has_run).unwrap_or(0);
                return Next::Run { source, len: self.sources[source].run().len() };
            }
            _ => (),
        }
        let (mut first, mut second): (Option<(Option<Label>, usize)>, _) = (None, None);
        for (number, source) in self.sources.iter_mut().enumerate().filter(|(_, source)| has_run(source)) {
            let key = (source.moment(), number);
            match first {
                Some(least) if least < key => {
                    second = second.filter(|second| *second < key).or(Some(key));
                }
                _ => (first, second) = (Some(key), first),
            }
        }
        // Two are ready, so both are there.
        let (Some((_, source)), Some((limit, other))) = (first, second) else { return Next::End };
        let len = self.sources[source].before(limit, source < other);
        Next::Run { source, len }
    }

    /// Sources that had nothing may have something now.
    pub fn wake(&mut self) {
        for source in &mut self.sources {
            if source.state == Fill::Idle {
                source.state = Fill::Lines;
            }
        }
    }
}
