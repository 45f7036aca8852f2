//! The selector, directly or by automaton, decides as the naive walk does.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use logcore::naive;
use logcore::pattern::Pattern;
use logcore::select::{Rule, Selector, Sign};
use logcore::split;

#[derive(Arbitrary, Debug)]
struct Input {
    rules: Vec<(bool, Vec<u8>)>,
    groups: Vec<u8>,
    lines: Vec<Vec<u8>>,
}

fuzz_target!(|input: Input| {
    let sign = |plus: bool| if plus { Sign::Plus } else { Sign::Minus };
    let rules: Vec<Rule> = input
        .rules
        .iter()
        .map(|(plus, text)| Rule { sign: sign(*plus), pattern: Pattern::star(text) })
        .collect();
    let slow: Vec<(Sign, &[u8])> = input.rules.iter().map(|(plus, text)| (sign(*plus), &text[..])).collect();
    let mut groups: Vec<usize> = input.groups.iter().map(|at| usize::from(*at).min(rules.len())).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut selector = Selector::new(&rules, &groups);
    let mut wanted = vec![false; groups.len()];
    for line in &input.lines {
        selector.select(split::head(line), &mut wanted);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        assert_eq!(wanted, naive::select(&slow, &groups, line));
    }
});
