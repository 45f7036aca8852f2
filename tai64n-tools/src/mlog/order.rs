//! Any number of logs as one, in the order of their moments.
//!
//! Within a log lines keep their order, whatever their stamps say; a line without a stamp stays with the line before it. Of equal
//! moments the log that was named first goes first. What is passed on are runs: neighbouring lines of one log.

use super::log::{Fill, Log};
use super::select::{Select, last_stamped, lines};
use crate::moment::Stamps;
use logcore::label::Label;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
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
    /// Bytes of the log that are taken.
    taken: u64,
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
            taken: 0,
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
        self.taken += len as u64;
        (self.done, self.before) = (to, None);
    }

    /// The moment of the last line with a stamp in the first `len` bytes that are not taken.
    fn moment_at_end(&mut self, len: usize) -> Option<Label> {
        last_stamped(&self.log.lines()[..len], self.last, &mut self.stamps)
    }

    /// Where the run begins among the bytes that were read of the log.
    pub fn at(&self) -> u64 {
        self.taken + self.runs.get(self.next).map_or(0, |run| run.start - self.done) as u64
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

/// Sources in one order. What comes next costs the logarithm of their number, however many are waiting.
#[derive(Debug, Default)]
pub struct Merge {
    /// The sources.
    pub sources: Vec<Source>,
    /// Those that have a run, with the moment of its first line; the least is the next.
    ready: BinaryHeap<Reverse<(Option<Label>, usize)>>,
    /// Those that are to be asked.
    unasked: Vec<usize>,
    /// Those that have met with trouble.
    troubled: Vec<usize>,
    /// The one whose run was passed on last.
    last: Option<usize>,
}

impl Merge {
    /// Adds a source behind the others.
    pub fn add(&mut self, source: Source) {
        self.unasked.push(self.sources.len());
        self.sources.push(source);
    }

    /// Takes a source out; those behind it have other numbers then.
    pub fn remove(&mut self, number: usize) -> Source {
        self.ready.clear();
        self.troubled.clear();
        self.last = None;
        let source = self.sources.remove(number);
        // Those that had nothing are woken.
        let is_asked = |number: &usize| self.sources[*number].state == Fill::Lines;
        self.unasked = (0..self.sources.len()).filter(is_asked).collect();
        source
    }

    /// Those that have met with trouble since the last call.
    pub fn troubled(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.troubled)
    }

    /// What comes next. It is to be [taken](Source::take).
    pub fn next(&mut self) -> Next {
        self.unasked.extend(self.last.take());
        let Merge { sources, ready, unasked, troubled, .. } = self;
        unasked.retain(|&number| {
            let source = &mut sources[number];
            let state = source.fill();
            if source.log.is_troubled() {
                troubled.push(number);
            }
            let has_passed = state == Fill::Lines && source.run().is_empty();
            if state == Fill::Lines && !has_passed {
                ready.push(Reverse((source.moment(), number)));
            }
            has_passed
        });
        if !self.unasked.is_empty() {
            return Next::Passed;
        }
        let Some(Reverse((_, source))) = self.ready.pop() else {
            let is_idle = self.sources.iter().any(|source| source.state == Fill::Idle);
            return if is_idle { Next::Idle } else { Next::End };
        };
        self.last = Some(source);
        let len = match self.ready.peek() {
            Some(&Reverse((limit, other))) => self.sources[source].before(limit, source < other),
            None => self.sources[source].run().len(),
        };
        Next::Run { source, len }
    }

    /// Sources that had nothing may have something now.
    pub fn wake(&mut self) {
        for (number, source) in self.sources.iter_mut().enumerate() {
            if source.state == Fill::Idle {
                source.state = Fill::Lines;
                self.unasked.push(number);
            }
        }
    }
}
