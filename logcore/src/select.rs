//! Which destinations want a line: the sign of the last matching pattern before each, `+` when none matched.
//!
//! The original walks its script for every line: `+` acts only on a deselected line, `-` only on a selected one, and every
//! line starts selected. What that leaves at a destination is the sign of the last pattern before it that matches, so all
//! patterns can be asked at once. A few star patterns are tried one by one, last first; more of them, globs and regular
//! expressions become one automaton, which reads a line once whatever their number and stops when it knows.
//! `naive`, of the feature `model`, has the walk, as the oracle.

use crate::pattern::{Pattern, Star};
use regex_automata::Anchored;
use regex_automata::hybrid::{LazyStateID, dfa};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::start;
use regex_syntax::hir::Hir;

/// Whether a matching line is selected or deselected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `+`: select.
    Plus,
    /// `-`: deselect.
    Minus,
}

/// One `+pattern` or `-pattern` of the script.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What a match does.
    pub sign: Sign,
    /// Which lines match.
    pub pattern: Pattern,
}

/// Up to this many star patterns are tried one by one; from there on the automaton is faster.
const DIRECT_RULES: usize = 6;

/// Decides for every line which groups of destinations want it.
#[derive(Debug)]
pub struct Selector {
    /// For each group, ascending: how many rules stand before its destinations.
    groups: Vec<usize>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// No rule at all: everything is wanted.
    All,
    Direct(Vec<(Sign, Star)>),
    Automaton(Box<Automaton>),
}

impl Selector {
    /// `rules` in the order of the script; `groups`: for each group of destinations, ascending, how many of the rules
    /// stand before it.
    pub fn new(rules: &[Rule], groups: &[usize]) -> Self {
        debug_assert!(groups.is_sorted());
        let used = groups.last().copied().unwrap_or(0).min(rules.len());
        let rules = &rules[..used];
        let stars = || rules.iter().map(|rule| Some((rule.sign, rule.pattern.as_star()?.clone()))).collect();
        let way = if rules.is_empty() {
            Way::All
        } else if rules.len() <= DIRECT_RULES
            && let Some(stars) = stars()
        {
            Way::Direct(stars)
        } else {
            Way::Automaton(Box::new(Automaton::new(rules, groups)))
        };
        Selector { groups: groups.to_vec(), way }
    }

    /// The number of groups.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Whether every group wants every line, without a look at it.
    pub fn wants_all(&self) -> bool {
        matches!(self.way, Way::All)
    }

    /// Sets `wanted[g]` for each group `g`. `head` is what patterns see of the line, stamp included: see
    /// [`split::head`](crate::split::head). `wanted` has one place for each group.
    ///
    /// Cost: one pass over `head` at most, and no allocation but in the automaton's cache, which is bounded.
    #[inline]
    pub fn select(&mut self, head: &[u8], wanted: &mut [bool]) {
        match &mut self.way {
            Way::All => wanted.fill(true),
            Way::Direct(rules) => select_directly(rules, &self.groups, head, wanted),
            Way::Automaton(automaton) => automaton.select(&self.groups, head, wanted),
        }
    }
}

/// A group takes the sign of the last match since the group before it, else what that group has.
fn select_directly(rules: &[(Sign, Star)], groups: &[usize], head: &[u8], wanted: &mut [bool]) {
    let (mut state, mut done) = (true, 0);
    for (&group, wanted) in groups.iter().zip(wanted) {
        if let Some((sign, _)) = rules[done..group].iter().rev().find(|(_, star)| star.matches(head)) {
            state = *sign == Sign::Plus;
        }
        (*wanted, done) = (state, group);
    }
}

/// Lines of one second begin alike when they are stamped: the automaton's state after so many bytes is kept.
/// (`@` and the sixteen digits of the second.)
const PREFIX_BYTES: usize = 17;

/// All rules as one lazily built automaton that is anchored at the start of the line.
struct Automaton {
    dfa: dfa::DFA,
    cache: dfa::Cache,
    signs: Vec<Sign>,
    start: start::Config,
    /// The bytes that lines last began with, and the state behind them; `None` when a rule matched within.
    prefix: Option<([u8; PREFIX_BYTES], LazyStateID)>,
    /// The state ids in `prefix` are good while the cache has not been cleared since.
    clear_count: usize,
    /// For each group one more than the index of the last rule before it that matches everything, 0 for none.
    base: Vec<usize>,
    /// Scratch: for each group one more than the index of the last rule before it that matches this line, 0 for none.
    last: Vec<usize>,
}

impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Automaton").field("rules", &self.signs.len()).finish_non_exhaustive()
    }
}

impl Automaton {
    fn new(rules: &[Rule], groups: &[usize]) -> Self {
        // What matches every line needs no automaton: it is what a group starts with.
        let everything = |rule: &Rule| rule.pattern.matches_everything();
        let base = |group: &usize| rules[..*group].iter().rposition(everything).map_or(0, |at| at + 1);
        let hir = |rule: &Rule| if everything(rule) { Hir::fail() } else { rule.pattern.hir() };
        let hirs: Vec<_> = rules.iter().map(hir).collect();
        let config = thompson::Config::new().utf8(false).which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(&hirs);
        // No size limit is set, and the patterns have no captures or look-around that a DFA cannot do: neither fails.
        let nfa = nfa.expect("patterns without a size limit always compile");
        let config =
            dfa::Config::new().match_kind(regex_automata::MatchKind::All).skip_cache_capacity_check(true);
        let dfa = dfa::Builder::new().configure(config).build_from_nfa(nfa);
        let dfa = dfa.expect("a lazy automaton that may exceed its cache capacity is always built");
        Automaton {
            cache: dfa.create_cache(),
            dfa,
            signs: rules.iter().map(|rule| rule.sign).collect(),
            start: start::Config::new().anchored(Anchored::Yes),
            prefix: None,
            clear_count: 0,
            base: groups.iter().map(base).collect(),
            last: vec![0; groups.len()],
        }
    }

    fn select(&mut self, groups: &[usize], head: &[u8], wanted: &mut [bool]) {
        self.last.copy_from_slice(&self.base);
        self.run(groups, head);
        for (wanted, &last) in wanted.iter_mut().zip(&self.last) {
            *wanted = last == 0 || self.signs[last - 1] == Sign::Plus;
        }
    }

    /// Runs over `head`, noting matches.
    fn run(&mut self, groups: &[usize], head: &[u8]) {
        if self.cache.clear_count() != self.clear_count {
            self.clear_count = self.cache.clear_count();
            self.prefix = None;
        }
        let (mut state, rest) = match (self.prefix, head.split_first_chunk::<PREFIX_BYTES>()) {
            (Some((prefix, state)), Some((first, rest))) if prefix == *first => (state, rest),
            (_, Some((first, rest))) => {
                let start = self.start_state();
                let clean = match self.walk(groups, start, first) {
                    Ok(state) => state,
                    Err(Dead) => return,
                };
                if self.last == self.base && self.cache.clear_count() == self.clear_count {
                    self.prefix = Some((*first, clean));
                }
                (clean, rest)
            }
            (_, None) => (self.start_state(), head),
        };
        state = match self.walk(groups, state, rest) {
            Ok(state) => state,
            Err(Dead) => return,
        };
        let end = self.dfa.next_eoi_state(&mut self.cache, state);
        let end = end.expect("the cache may be cleared any number of times");
        if end.is_match() {
            self.note(groups, end);
        }
    }

    fn start_state(&mut self) -> LazyStateID {
        let start = self.dfa.start_state(&mut self.cache, &self.start);
        start.expect("without quit bytes, with an unlimited number of clearings, a start state exists")
    }

    /// Feeds `bytes`; `Err(Dead)` when no further byte can change anything.
    #[inline]
    fn walk(&mut self, groups: &[usize], from: LazyStateID, bytes: &[u8]) -> Result<LazyStateID, Dead> {
        let mut state = from;
        for &byte in bytes {
            let next = self.dfa.next_state(&mut self.cache, state, byte);
            state = next.expect("the cache may be cleared any number of times");
            if state.is_tagged() {
                if state.is_match() {
                    self.note(groups, state);
                } else if state.is_dead() {
                    return Err(Dead);
                }
            }
        }
        Ok(state)
    }

    /// Notes the rules that match in `state` for every group behind them.
    fn note(&mut self, groups: &[usize], state: LazyStateID) {
        for index in 0..self.dfa.match_len(&self.cache, state) {
            let rule = self.dfa.match_pattern(&self.cache, state, index).as_usize();
            for (last, &group) in self.last.iter_mut().zip(groups).rev() {
                if rule >= group {
                    break;
                }
                *last = (*last).max(rule + 1);
            }
        }
    }
}

/// No pattern can match any more.
struct Dead;
