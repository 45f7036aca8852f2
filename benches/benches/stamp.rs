//! Stamps, one batch after another: 500 lines to a clock reading. Ids: stamp/kind/logcore.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logcore::label::Label;
use logcore::stamp::{STAMP_BYTES, StampKind, Stamper, Zone};
use std::hint::black_box;

const LINES: u64 = 500;

fn stamps(c: &mut Criterion) {
    let kinds = [
        ("t", StampKind::Tai64n, 26),
        ("d", StampKind::Local, 30),
        ("m", StampKind::LocalMillis, 24),
        ("i", StampKind::Rfc3339, 36),
        ("T", StampKind::Accustamp, 18),
    ];
    for (name, kind, wanted) in kinds {
        let mut group = c.benchmark_group(format!("stamp/{name}"));
        group.throughput(Throughput::Elements(LINES));
        group.bench_function("logcore", |b| {
            let mut stamper = Stamper::new(kind, Zone::Local);
            let (mut nanos, mut place) = (0, [0; STAMP_BYTES]);
            b.iter(|| {
                nanos = (nanos + 50_000) % 1_000_000_000;
                stamper.at(Label::from_unix(1_795_327_880, nanos));
                for _ in 0..LINES {
                    assert_eq!(stamper.stamp(black_box(&mut place)), wanted);
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, stamps);
criterion_main!(benches);
