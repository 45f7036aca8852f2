//! The selector against its naive twin, and splitting against any cutting.
#![allow(clippy::unwrap_used)]

use logcore::naive;
use logcore::pattern::Pattern;
use logcore::select::{Rule, Selector, Sign};
use logcore::split;
use proptest::prelude::*;

/// Bytes that make collisions likely: stars, the patterns' own bytes, and a few that are not text.
fn text(max: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(b'a'), Just(b'b'), Just(b'*'), Just(b' '), Just(0), Just(255)],
        0..max,
    )
}

fn rules() -> impl Strategy<Value = Vec<(Sign, Vec<u8>)>> {
    let sign = prop_oneof![Just(Sign::Plus), Just(Sign::Minus)];
    proptest::collection::vec((sign, text(6)), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn selector_decides_as_the_walk_does(
        rules in rules(),
        lines in proptest::collection::vec(text(40), 1..8),
        prefix in text(20),
        cuts in proptest::collection::vec(0usize..25, 0..4),
    ) {
        let mut groups: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rules.len())).collect();
        groups.sort_unstable();
        groups.dedup();
        let ready: Vec<Rule> =
            rules.iter().map(|(sign, text)| Rule { sign: *sign, pattern: Pattern::star(text) }).collect();
        let slow: Vec<(Sign, &[u8])> = rules.iter().map(|(sign, text)| (*sign, &text[..])).collect();
        let mut selector = Selector::new(&ready, &groups);
        let mut wanted = vec![false; groups.len()];
        // Lines that begin alike take the automaton's shortcut.
        for line in lines.iter().flat_map(|line| [line.clone(), [&prefix[..], line].concat()]) {
            selector.select(split::head(&line), &mut wanted);
            prop_assert_eq!(&wanted, &naive::select(&slow, &groups, &line), "line {}", line.escape_ascii());
        }
    }

    #[test]
    fn any_cutting_gives_the_same_lines(
        input in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
        cuts in proptest::collection::vec(1usize..20, 1..40),
    ) {
        let mut got: Vec<Vec<u8>> = Vec::new();
        let (mut pipe, mut seen) = (&input[..], 0);
        let mut cuts = cuts.iter().cycle();
        loop {
            seen = (seen + cuts.next().unwrap()).min(pipe.len());
            let mut lines = split::lines(&pipe[..seen]);
            got.extend(lines.by_ref().map(<[u8]>::to_vec));
            let taken = lines.offset();
            let at_end = seen == pipe.len();
            if at_end {
                let partial = lines.partial();
                if !partial.is_empty() {
                    got.push(partial.to_vec());
                }
                break;
            }
            pipe = &pipe[taken..];
            seen -= taken;
        }
        prop_assert_eq!(got, naive::lines(&input));
    }
}

fn selects(rules: &[(Sign, Pattern)], line: &[u8]) -> bool {
    let rules: Vec<Rule> =
        rules.iter().map(|(sign, pattern)| Rule { sign: *sign, pattern: pattern.clone() }).collect();
    let mut wanted = [false];
    Selector::new(&rules, &[rules.len()]).select(line, &mut wanted);
    wanted[0]
}

/// Results of glibc's fnmatch(3), flags 0, C locale.
#[test]
fn globs_match_as_fnmatch_does() {
    let check = |glob: &str, line: &[u8], wanted: bool| {
        let deselected = !selects(&[(Sign::Minus, Pattern::glob(glob.as_bytes()))], line);
        assert_eq!(deselected, wanted, "{glob:?} on {}", line.escape_ascii());
    };
    check("*fatal*", b"x: fatal: y", true);
    check("a*b", b"axbb", true);
    check("a?c", b"abc", true);
    check("a?c", b"ac", false);
    check("[a-c]x", b"bx", true);
    check("[!a-c]x", b"bx", false);
    check("[^a-c]x", b"dx", true);
    check("[]a]x", b"]x", true);
    check("[a-]x", b"-x", true);
    check("[[:digit:]]*", b"7 days", true);
    check("[[:digit:]]*", b"x days", false);
    check("[ab", b"[ab", true);
    check("\\*x", b"*x", true);
    check("\\*x", b"ax", false);
    check("*", b"", true);
    check("", b"", true);
    check("a/.*", b"a/.b", true);
    check("*b", b"ab\0c", true);
    check("?", b"\0", false);
}

#[test]
fn regular_expressions_match_anywhere() {
    let check = |regex: &str, line: &[u8], wanted: bool| {
        let pattern = Pattern::regex(regex.as_bytes()).unwrap();
        assert_eq!(!selects(&[(Sign::Minus, pattern)], line), wanted, "{regex:?} on {}", line.escape_ascii());
    };
    check("fatal|warning", b"x: warning: y", true);
    check("^fatal", b"x: fatal", false);
    check("^x.*y$", b"x: warning: y", true);
    check(r"\bmsg \d+", b"end msg 4711", true);
    check("a.c", b"a\xffc", true);
    check("", b"", true);
    check("(?i)FATAL", b"fatal", true);
}

#[test]
fn the_last_match_of_any_language_decides() {
    let rules = [
        (Sign::Minus, Pattern::star(b"*")),
        (Sign::Plus, Pattern::regex(b"fatal").unwrap()),
        (Sign::Minus, Pattern::glob(b"*[0-9]")),
    ];
    assert!(selects(&rules, b"fatal: x"));
    assert!(!selects(&rules, b"fatal: 7"));
    assert!(!selects(&rules, b"else"));
}

#[test]
fn without_rules_every_line_is_wanted() {
    assert!(Selector::new(&[], &[0]).wants_all());
    let rule = Rule { sign: Sign::Plus, pattern: Pattern::star(b"*") };
    // Rules behind the last destination do not matter.
    assert!(Selector::new(std::slice::from_ref(&rule), &[0]).wants_all());
    assert!(!Selector::new(&[rule], &[0, 1]).wants_all());
}

/// More states than the automaton's cache holds: what it remembers of the beginning of a line is not to outlive them.
#[test]
fn a_cache_that_overflows_changes_no_decision() {
    // The 18th byte before a `c` is an `a`: 2^17 states.
    let pattern = Pattern::regex(b"a[ab]{16}c").unwrap();
    let rules = [Rule { sign: Sign::Minus, pattern }];
    let mut selector = Selector::new(&rules, &[1]);
    assert!(format!("{selector:?}").contains("rules: 1"), "{selector:?}");
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let (mut hits, mut wanted) = (0, [false]);
    for number in 0..30_000 {
        // The beginning is another one now and then; right behind it its state matters.
        let mut line = format!("{:017}", number / 9000).into_bytes();
        let more = 16 + random() % 3;
        line.extend((0..more).map(|_| if random() % 2 == 0 { b'a' } else { b'b' }));
        line.push(b'c');
        let matches = line.windows(18).any(|window| window[0] == b'a' && window[17] == b'c');
        hits += usize::from(matches);
        selector.select(&line, &mut wanted);
        assert_eq!(wanted[0], !matches, "line {number}");
    }
    assert!((9_000..12_000).contains(&hits), "{hits} of 30000");
}
