//! A log directory on a tmpfs that takes batches and rotates. Ids: append/size/logcore.

use benches::corpora;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logcore::cyclog::{Config, Opened, Sync, Writer};
use logcore::disk::RealDisk;
use std::sync::Arc;

const BATCH: usize = 32 * 1024;

fn append(c: &mut Criterion) {
    let mut batch = corpora::qmail(BATCH);
    batch.truncate(logcore::split::whole_bytes(&batch));
    for (name, size) in [("64k", 64 * 1024), ("16M", 16 << 20)] {
        let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        // Without a directory to write to there is nothing to measure.
        let scratch = scratch.expect("a scratch directory can be made");
        let dir = scratch.path().join("main");
        let config = Config { size, num: 3, sync: Sync::AtRotation, ..Config::new(dir) };
        let writer = Writer::default();
        let opened = Opened::open(RealDisk, config, &writer).expect("the directory is new");
        let mut cyclog =
            opened.recover(&writer, Arc::new(|| ()), &mut |_| ()).expect("there is nothing to mend");
        let mut group = c.benchmark_group(format!("append/{name}"));
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function("logcore", |b| {
            b.iter(|| {
                let mut rest = &batch[..];
                while !rest.is_empty() {
                    match cyclog.append(rest) {
                        Ok(taken) => rest = &rest[taken..],
                        // The finisher has the file before this one: that is part of the price.
                        Err(_) => cyclog.listen(&mut |_| std::thread::yield_now()),
                    }
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, append);
criterion_main!(benches);
