//! Selection with 1, 6, 7, 10 and 100 patterns, rarely and often matching, beside the slow twin. Ids: select/case/who.
//!
//! Six star patterns are the last that are tried one by one; seven are the first for the automaton.

use benches::corpora;
use benches::patterns::{Matches, patterns};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logcore::naive;
use logcore::script::Script;
use logcore::select::{Selector, Sign};
use std::hint::black_box;

const STAMP: &[u8] = b"@400000006b03297f37091a47 ";

fn select(c: &mut Criterion) {
    let lines: Vec<Vec<u8>> = corpora::qmail(256 * 1024)
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| [STAMP, line.trim_ascii_end()].concat())
        .collect();
    let bytes: usize = lines.iter().map(Vec::len).sum();
    let cases = [1, 6, 7, 10, 100].map(|n| (n, Matches::Rarely, "rare")).into_iter();
    for (n, matches, name) in cases.chain([(100, Matches::Often, "common")]) {
        let actions = patterns(n, matches);
        let rules: Vec<(Sign, &[u8])> = actions
            .iter()
            .map(|action| {
                let sign = if action.starts_with('+') { Sign::Plus } else { Sign::Minus };
                (sign, &action.as_bytes()[1..])
            })
            .collect();
        let wanted = lines.iter().filter(|line| naive::select(&rules, &[n], line) == [true]).count();
        let mut group = c.benchmark_group(format!("select/{n}-{name}"));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("logcore", |b| {
            let script = Script::parse(&actions);
            let mut selector = Selector::new(&script.rules, &[n]);
            b.iter(|| {
                let mut count = 0;
                for line in &lines {
                    let mut selected = [false];
                    selector.select(black_box(line), &mut selected);
                    count += usize::from(selected[0]);
                }
                assert_eq!(count, wanted);
            });
        });
        group.bench_function("naive", |b| {
            b.iter(|| {
                let selected = |line: &&Vec<u8>| naive::select(&rules, &[n], black_box(line)) == [true];
                assert_eq!(lines.iter().filter(selected).count(), wanted);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, select);
criterion_main!(benches);
