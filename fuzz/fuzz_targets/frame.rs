//! Batches of any cut, with long lines streamed: every group gets the whole lines it wants, and nothing else.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use logcore::frame::{Framer, Partial};
use logcore::label::Label;
use logcore::naive;
use logcore::pattern::Pattern;
use logcore::select::{Rule, Selector, Sign};

#[derive(Arbitrary, Debug)]
struct Input {
    text: Vec<u8>,
    looks: Vec<u8>,
    deselected: Option<Vec<u8>>,
}

fuzz_target!(|input: Input| {
    let text = &input.text;
    let pattern = input.deselected.as_deref();
    let rules: Vec<Rule> =
        pattern.iter().map(|text| Rule { sign: Sign::Minus, pattern: Pattern::star(text) }).collect();
    let groups: Vec<usize> = (0..=rules.len()).collect();
    let mut framer = Framer::new(None, Selector::new(&rules, &groups), true, u64::MAX);
    let mut got = vec![Vec::new(); groups.len()];
    let mut looks = input.looks.iter().map(|look| usize::from(*look) + 1);
    let (mut taken, mut scratch) = (0, Vec::new());
    // The first batch that has no whole line and is shorter than the head is waited with; longer ones are streamed.
    while taken < text.len() {
        let batch = &text[taken..];
        let batch = &batch[..batch.len().min(looks.next().unwrap_or(1000).max(1000))];
        let partial = if batch.len() == text.len() - taken { Partial::End } else { Partial::Stream };
        let done = framer.fill(batch, partial, None, Label::from_unix(0, 0));
        assert!(done > 0);
        for (group, got) in got.iter_mut().enumerate() {
            got.extend_from_slice(framer.wanted(batch, &[group], &mut scratch));
        }
        taken += done;
    }
    let mut all = text.clone();
    if !all.is_empty() && !all.ends_with(b"\n") && !(framer.is_inside()) {
        all.push(b'\n');
    }
    assert_eq!(got[0], all);
    if let Some(pattern) = pattern {
        let rules = [(Sign::Minus, pattern)];
        let wanted: Vec<u8> = naive::lines(&all)
            .into_iter()
            .filter(|line| naive::select(&rules, &[1], line.strip_suffix(b"\n").unwrap_or(line)) == [true])
            .flatten()
            .copied()
            .collect();
        assert_eq!(got[1], wanted);
    }
});
