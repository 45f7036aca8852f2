//! Which lines are wanted: by their moment, and by what their messages say.
//!
//! Patterns see the message, which is the line without its stamp. A whole block is searched at once; only where something
//! is found, its line is looked at.

use crate::moment::Stamps;
use logcore::label::Label;
use memchr::{memchr, memrchr};
use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Hir, Look};
use std::ops::Range;

/// What is asked of a line.
#[derive(Clone, Debug, Default)]
pub struct Select {
    /// No earlier moment.
    pub since: Option<Label>,
    /// No later moment.
    pub until: Option<Label>,
    /// Nothing behind the first line that is later, whatever its moment.
    pub ends_at_until: bool,
    /// Later lines may be wanted again: moments say nothing about what follows.
    pub reads_all: bool,
    /// One of these is found in the message.
    pub include: Option<Patterns>,
    /// None of these is.
    pub exclude: Option<Patterns>,
}

impl Select {
    /// Puts the lines of `block` that are wanted into `runs`: ranges of neighbours, in order.
    ///
    /// `carry` is the moment of the last line before the block, and afterwards of its last line; lines without a stamp share
    /// that of the line before. A line of which no moment is known is wanted. Returns where the first line is that is later than
    /// `until`.
    pub fn pick(
        &mut self,
        block: &[u8],
        stamps: &mut Stamps,
        carry: &mut Option<Label>,
        runs: &mut Vec<Range<usize>>,
    ) -> Option<usize> {
        runs.clear();
        let mut late = None;
        if self.since.is_none() && self.until.is_none() {
            runs.push(0..block.len());
        } else {
            for line in lines(block) {
                if let Some(stamp) = stamps.read(&block[line.clone()], *carry) {
                    *carry = Some(stamp.moment);
                }
                let is_late = matches!((*carry, self.until), (Some(moment), Some(until)) if moment > until);
                let is_early = matches!((*carry, self.since), (Some(moment), Some(since)) if moment < since);
                if is_late {
                    late.get_or_insert(line.start);
                    if self.ends_at_until {
                        break;
                    }
                }
                if !is_late && !is_early {
                    push(runs, line);
                }
            }
        }
        if let Some(include) = &mut self.include {
            *runs = include.filter(block, stamps, runs, true);
        }
        if let Some(exclude) = &mut self.exclude {
            *runs = exclude.filter(block, stamps, runs, false);
        }
        late
    }
}

/// The ranges of the lines in `block`; the last may have no end.
pub fn lines(block: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &block[at..];
        let len = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = at..at + len;
        at += len;
        (len > 0).then_some(line)
    })
}

/// The ranges of the lines in `block`, the last one first.
pub fn lines_back(block: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut end = block.len();
    std::iter::from_fn(move || {
        let last = end.checked_sub(1)?;
        let from = memrchr(b'\n', &block[..last]).map_or(0, |at| at + 1);
        Some(from..std::mem::replace(&mut end, from))
    })
}

/// The moment of the last line in `block` that has a stamp; `before` is that of the line before them all.
pub fn last_stamped(block: &[u8], before: Option<Label>, stamps: &mut Stamps) -> Option<Label> {
    let (first, second) = lines_back(block).find_map(|line| stamps.both(&block[line]))?;
    if first == second {
        return Some(first);
    }
    // Local time was set back: which of two equal hours it is is told by the lines before.
    lines(block).fold(before, |last, line| stamps.read(&block[line], last).map(|stamp| stamp.moment).or(last))
}

/// Adds a range, joined to the last one where they touch.
fn push(runs: &mut Vec<Range<usize>>, run: Range<usize>) {
    match runs.last_mut() {
        Some(last) if last.end == run.start => last.end = run.end,
        _ if run.is_empty() => (),
        _ => runs.push(run),
    }
}

/// Regular expressions of which one has to be found.
#[derive(Clone, Debug)]
pub struct Patterns {
    regex: Regex,
    /// What is in a message is in a block at the same place, so a block can be searched at once.
    by_block: bool,
}

impl Patterns {
    /// Compiles them, at least one; the syntax is that of multilog's `R`.
    ///
    /// # Errors
    /// One of them is no regular expression, or too large.
    pub fn new<P: AsRef<str>>(patterns: &[P]) -> Result<Self, Box<BuildError>> {
        // Bytes, so that a point stands for any byte of a line that is not UTF-8.
        let syntax = syntax::Config::new().unicode(false).utf8(false).multi_line(true);
        let config = Regex::config().utf8_empty(false);
        let regex =
            Regex::builder().syntax(syntax).configure(config).build_many(patterns).map_err(Box::new)?;
        let is_found = |pattern: &P| {
            syntax::parse_with(pattern.as_ref(), &syntax).is_ok_and(|hir| is_found_in_block(&hir))
        };
        let by_block = patterns.iter().all(is_found);
        Ok(Patterns { regex, by_block })
    }

    /// The lines among `runs` of `block` in whose messages a pattern is found, or with `wanted` false those in which none is.
    fn filter(
        &mut self,
        block: &[u8],
        stamps: &mut Stamps,
        runs: &[Range<usize>],
        wanted: bool,
    ) -> Vec<Range<usize>> {
        let mut kept = Vec::new();
        for run in runs {
            let (mut at, mut by_block) = (run.start, self.by_block);
            while at < run.end {
                // The next line that may match; those before it do not.
                let mut line = at;
                if by_block {
                    let input = Input::new(block).range(at..run.end).anchored(Anchored::No);
                    let Some(found) = self.regex.find(input) else {
                        break;
                    };
                    line = memrchr(b'\n', &block[at..found.start()]).map_or(at, |end| at + end + 1);
                    // A match that runs over the end of a line could be found again and again from each line before it.
                    by_block = memchr(b'\n', &block[found.range()]).is_none();
                }
                if !wanted {
                    push(&mut kept, at..line);
                }
                let rest = &block[line..run.end];
                let end = line + memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                if self.is_in(&block[line..end], stamps) == wanted {
                    push(&mut kept, line..end);
                }
                at = end;
            }
            if !wanted && at < run.end {
                push(&mut kept, at..run.end);
            }
        }
        kept
    }

    fn is_in(&self, line: &[u8], stamps: &mut Stamps) -> bool {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let message = stamps.read(line, None).map_or(0, |stamp| stamp.len.min(line.len()));
        self.regex.is_match(&line[message..])
    }
}

/// Whether what `hir` finds in a message it finds in a block too. Not so the beginning of a message, which stands behind a stamp, nor
/// that of a word, where no blank parts them; nor the ends of the searched text; and an empty match is everywhere, so nothing is gained.
fn is_found_in_block(hir: &Hir) -> bool {
    let properties = hir.properties();
    let looks = properties.look_set();
    let misses = [Look::Start, Look::End, Look::StartLF, Look::StartCRLF, Look::EndCRLF];
    let is_missed = misses.iter().any(|look| looks.contains(*look)) || looks.contains_word();
    !is_missed && properties.minimum_len().is_some_and(|len| len > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Zone;

    fn pick(select: &mut Select, block: &str) -> String {
        let (mut runs, mut carry) = (Vec::new(), None);
        select.pick(block.as_bytes(), &mut Stamps::new(Zone::UTC), &mut carry, &mut runs);
        assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start), "{runs:?}");
        runs.into_iter().map(|run| &block[run]).collect()
    }

    const A: &str = "@4000000066a754820000000a";
    const B: &str = "@4000000066a754820000000b";

    #[test]
    fn patterns_see_messages() {
        let check = |pattern: &str, block: &str, wanted: &str| {
            let patterns = || Some(Patterns::new(&[pattern]).expect("a regular expression"));
            let found = pick(&mut Select { include: patterns(), ..Select::default() }, block);
            assert_eq!(found, wanted, "{pattern} in {block:?}");
            let rest = pick(&mut Select { exclude: patterns(), ..Select::default() }, block);
            let is_wanted = |line: &str| wanted.split_inclusive('\n').any(|wanted| wanted == line);
            let others: String = block.split_inclusive('\n').filter(|line| !is_wanted(line)).collect();
            assert_eq!(rest, others, "without {pattern} in {block:?}");
        };
        check("b", "a\nb\nc\n", "b\n");
        check("b", "b\nb\nc", "b\nb\n");
        check("c", "b\nb\nc", "c");
        check("x", "a\nb\nc\n", "");
        check("^b$", "ab\nb\nba\n", "b\n");
        check(r"\Ab\z", "ab\nb\nba\n", "b\n");
        check("b$", "ab\nb\nba", "ab\nb\n");
        check("a.c", "a\nc\nabc\n", "abc\n");
        check("(?s)a.c", "a\nc\nabc\n", "abc\n");
        check("[^x]c", "a\nc\nbc\n", "bc\n");
        check(r"\bb\b", "ab\nb\na b\n", "b\na b\n");
        check("^$", "a\n\nb\n", "\n");
        check("x*", "a\n\nb\n", "a\n\nb\n");
        check("B", &format!("{A} b\n{B} b\n{B} B\n"), &format!("{B} B\n"));
        check("4000", &format!("{A} b\n{B} 4000\n"), &format!("{B} 4000\n"));
        check("^b", &format!("{A} b\n{B} a b\n"), &format!("{A} b\n"));
        check("0a b", &format!("{A} b\n"), "");
        // Behind a label without a blank.
        check(r"\B:", &format!("{A}:x\n{B} x\n"), &format!("{A}:x\n"));
        check(r"\bx", &format!("{A}x\n{B} y\n"), &format!("{A}x\n"));
    }

    #[test]
    fn one_of_several_is_enough() {
        let mut select = Select { include: Patterns::new(&["a", "^b"]).ok(), ..Select::default() };
        assert_eq!(pick(&mut select, "xa\nxb\nb\n"), "xa\nb\n");
        select.exclude = Patterns::new(&["x"]).ok();
        assert_eq!(pick(&mut select, "xa\nxb\nb\n"), "b\n");
        assert!(Patterns::new(&["("]).is_err());
    }

    #[test]
    fn moments_include_both_ends_and_the_lines_that_follow() {
        let moment = |nanos| Some(Label::from_unix(1_722_242_168, nanos));
        let block = format!("head\n{A} a\n a\n{B} b\n b\n");
        let check = |since, until, wanted: &str| {
            let mut select = Select { since, until, ..Select::default() };
            assert_eq!(pick(&mut select, &block), wanted, "{since:?} {until:?}");
        };
        check(moment(10), moment(11), &block);
        check(moment(11), None, &format!("head\n{B} b\n b\n"));
        check(None, moment(10), &format!("head\n{A} a\n a\n"));
        check(moment(12), None, "head\n");
    }
}
