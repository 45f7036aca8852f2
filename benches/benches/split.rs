//! Cutting a batch into lines, beside the slow twin. Ids: split/lines/who.

use benches::corpora;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logcore::{naive, split};
use std::hint::black_box;

const BYTES: usize = 1 << 20;

fn split_lines(c: &mut Criterion) {
    let inputs = [
        ("tiny", corpora::lines(BYTES, 20)),
        ("short", corpora::qmail(BYTES)),
        ("long", corpora::lines(BYTES, 200)),
        ("over-1000", corpora::lines(BYTES, 2000)),
    ];
    for (name, input) in inputs {
        let wanted = naive::lines(&input).len();
        let mut group = c.benchmark_group(format!("split/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("logcore", |b| {
            b.iter(|| assert_eq!(split::lines(black_box(&input)).count(), wanted));
        });
        group.bench_function("naive", |b| {
            b.iter(|| assert_eq!(naive::lines(black_box(&input)).len(), wanted));
        });
        group.finish();
    }
}

criterion_group!(benches, split_lines);
criterion_main!(benches);
