//! How lines begin, changed in memory: labels to local time, and lines to labelled lines. Ids: tai64nlocal/case/who, tai64n/case/who.
//! Programs against programs: the command `compare`.

use benches::corpora;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logcore::label::Label;
use std::ffi::OsStr;
use std::hint::black_box;
use tai64n_tools::filter::{Beginning, Block, Filter};
use tai64n_tools::local::{Form, LocalTime};
use tai64n_tools::stamping::Stamping;
use tai64n_tools::zone::Zone;

const BYTES: usize = 4 << 20;

/// The lines of `log`, labelled so many nanoseconds apart.
fn labelled(log: &[u8], apart: i64) -> Vec<u8> {
    let lines = log.split_inclusive(|byte| *byte == b'\n').enumerate();
    let label = |at: usize| {
        let nanos = at as i64 * apart;
        Label::from_unix(1_700_000_000 + nanos / 1_000_000_000, (nanos % 1_000_000_000) as u32).format()
    };
    lines.flat_map(|(at, line)| [&label(at)[..], b" ", line].concat()).collect()
}

/// Changes all of `input`; returns the bytes that came out.
fn change(beginning: impl Beginning, input: &[u8], block: &mut Block) -> usize {
    let mut filter = Filter::new(beginning, true);
    let (mut used, mut came_out) = (0, 0);
    loop {
        let progress = filter.change(&input[used..], true, block);
        used += progress.used;
        came_out += black_box(block.filled()).len();
        block.clear();
        if !progress.is_full {
            return came_out;
        }
    }
}

/// What a reader of one line at a time does: offset and date for each. Standard library and zone as ours.
fn naive(zone: &Zone, input: &[u8]) -> usize {
    let mut came_out = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let label = line.get(..25).and_then(Label::parse);
        let text = label.map_or(String::new(), |label| {
            let local = label.unix_seconds() + zone.span(label.unix_seconds()).east;
            let date = tai64n_tools::calendar::date(local.div_euclid(86_400));
            let clock = local.rem_euclid(86_400);
            let (hours, minutes, seconds) = (clock / 3600, clock / 60 % 60, clock % 60);
            let (year, month, day, nanos) = (date.year, date.month, date.day, label.nanos());
            format!("{year}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{nanos:09}")
        });
        let rest = if label.is_some() { &line[25..] } else { line };
        came_out += black_box([text.as_bytes(), rest].concat()).len();
    }
    came_out
}

fn tai64nlocal(c: &mut Criterion) {
    let zone = Zone::named(Some(OsStr::new("CET-1CEST,M3.5.0,M10.5.0/3")), None);
    let mut block = Block::default();
    let cases = [
        // Ten thousand lines a second; one a minute, so that no text of a second is used twice; no labels at all.
        ("busy", labelled(&corpora::qmail(BYTES), 100_000), 4),
        ("idle", labelled(&corpora::qmail(BYTES), 60_000_000_001), 4),
        ("long", labelled(&corpora::lines(BYTES, 1000), 100_000), 4),
        ("unlabelled", corpora::qmail(BYTES), 0),
    ];
    for (name, input, gain) in cases {
        let lines = input.iter().filter(|byte| **byte == b'\n').count();
        let wanted = input.len() + lines * gain;
        let mut group = c.benchmark_group(format!("tai64nlocal/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("tai64n-tools", |b| {
            b.iter(|| {
                let local = LocalTime::new(zone.clone(), Form::default());
                assert_eq!(change(local, black_box(&input), &mut block), wanted);
            });
        });
        group.bench_function("naive", |b| b.iter(|| assert_eq!(naive(&zone, black_box(&input)), wanted)));
        group.finish();
    }
}

fn tai64n(c: &mut Criterion) {
    let mut block = Block::default();
    for (name, input) in [("short", corpora::qmail(BYTES)), ("long", corpora::lines(BYTES, 1000))] {
        let lines = input.iter().filter(|byte| **byte == b'\n').count();
        let mut group = c.benchmark_group(format!("tai64n/{name}"));
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("tai64n-tools", |b| {
            b.iter(|| {
                let mut stamping = Stamping::new(|| Label::from_unix(1_700_000_000, 0));
                stamping.batch();
                assert_eq!(change(stamping, black_box(&input), &mut block), input.len() + lines * 26);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, tai64nlocal, tai64n);
criterion_main!(benches);
