//! The whole road but the system: batches through split, stamp and select into the text that directories get.
//! Ids: road/script/logcore. Programs against programs: the command `compare`.

use benches::corpora;
use benches::patterns::{Matches, patterns};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logcore::frame::{Framer, Partial};
use logcore::label::Label;
use logcore::script::Script;
use logcore::select::Selector;
use logcore::source::BATCH_BYTES;
use logcore::stamp::{Stamper, Zone};
use std::hint::black_box;

const BYTES: usize = 4 << 20;

fn road(c: &mut Criterion) {
    let input = corpora::qmail(BYTES);
    let scripts: [(&str, Vec<String>); 6] = [
        ("plain", vec![]),
        ("t-only", vec!["t".into()]),
        ("d-only", vec!["d".into()]),
        ("t-1-pattern", [vec!["t".into()], patterns(1, Matches::Rarely)].concat()),
        ("t-10-patterns", [vec!["t".into()], patterns(10, Matches::Rarely)].concat()),
        ("t-100-patterns", [vec!["t".into()], patterns(100, Matches::Rarely)].concat()),
    ];
    for (name, mut actions) in scripts {
        actions.push("./main".into());
        let mut group = c.benchmark_group(format!("road/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("logcore", |b| {
            let script = Script::parse(&actions);
            let selector = Selector::new(&script.rules, &script.groups());
            let stamper = script.stamp.map(|kind| Stamper::new(kind, Zone::Local));
            let mut framer = Framer::new(stamper, selector, false, u64::MAX);
            let mut scratch = Vec::new();
            b.iter(|| {
                let (mut rest, mut nanos, mut text) = (&input[..], 0, 0);
                while !rest.is_empty() {
                    nanos += 1000;
                    let now = Label::from_unix(1_795_327_880, nanos);
                    let batch = &rest[..rest.len().min(BATCH_BYTES)];
                    let taken = framer.fill(batch, Partial::End, None, now);
                    text += black_box(framer.wanted(batch, &[0], &mut scratch)).len();
                    rest = &rest[taken..];
                }
                assert!(text > BYTES / 2, "{text} bytes of text");
            });
        });
        group.finish();
    }
}

criterion_group!(benches, road);
criterion_main!(benches);
