//! The tables.

use std::fmt::Write;
use std::thread::available_parallelism;

use crate::fail::{Fail, Unable};
use crate::filters::{self, FILTERS, WHO};
use crate::input::Input;
use crate::memory::Memory;
use crate::options::{Feed, Options};
use crate::outcome::Outcome;
use crate::peer::Peer;
use crate::readers::{self, READERS};
use crate::speed::{Speed, Speeds};

/// Everybody's speed is also told as a multiple of these.
pub const YARDSTICKS: [&str; 3] = ["daemontools", "s6-log", "cat"];

/// What is compared on what.
pub fn header(options: &Options, peers: &[Peer]) -> Result<String, Fail> {
    let cpus = available_parallelism().unable_to(|| "count the processors".into())?;
    let release = "/proc/sys/kernel/osrelease";
    let kernel = std::fs::read_to_string(release).unable_to(|| format!("read {release}"))?;
    let feed = match options.feed {
        Feed::Pipe => "from memory through a pipe, 64 KiB a write",
        Feed::File => "a regular file",
    };
    let mut text = String::new();
    line(&mut text, format_args!("machine  {cpus} processors, Linux {}", kernel.trim_end()));
    let megabytes = options.bytes as f64 / 1e6;
    line(&mut text, format_args!("input    {megabytes} MB a case, a quarter of it with patterns; {feed}"));
    line(
        &mut text,
        format_args!(
            "logs     in {}, 16 MB a file, nothing thrown away, every line counted",
            options.dir.display()
        ),
    );
    line(
        &mut text,
        format_args!("rounds   {}, in turn; MB/s of input (1000000 bytes), median and range", options.rounds),
    );
    for peer in peers {
        line(&mut text, format_args!("logger   {:<12} {}", peer.name, peer.program.display()));
    }
    Ok(text)
}

/// The table of speeds, one block a case.
pub fn speeds(inputs: &[Input], peers: &[Peer], speeds: &Speeds) -> String {
    let mut text = String::new();
    let head: String = YARDSTICKS.iter().map(|name| format!("{:>14}", format!("x {name}"))).collect();
    line(&mut text, format_args!("\n{:<13}{:<13}{:>9}{head}  range", "case", "logger", "MB/s"));
    for (input, row) in inputs.iter().zip(speeds) {
        for (peer, outcome) in peers.iter().zip(row) {
            let speed = outcome.done();
            let rate = cell(outcome, |speed| format!("{:.1}", speed.median()));
            let ratios: String = YARDSTICKS
                .iter()
                .map(|yardstick| ratio(speed, of(peers, row, yardstick)).map(|ratio| format!("{ratio:.2} x")))
                .map(|ratio| format!("{:>14}", ratio.unwrap_or("-".into())))
                .collect();
            let range = speed.map(Speed::range).map(|(low, high)| format!("{low:.1}..{high:.1} MB/s"));
            let range = range.unwrap_or("-".into());
            line(
                &mut text,
                format_args!("{:<13}{:<13}{rate:>9}{ratios}  {range}", input.case.name, peer.name),
            );
        }
    }
    for (input, row) in inputs.iter().zip(speeds) {
        mistakes(&mut text, input.case.name, peers, row);
    }
    text
}

/// The table of filters, one block a program.
pub fn filters(speeds: &filters::Speeds) -> String {
    let mut text = String::new();
    let head: String = WHO[1..].iter().map(|(who, _)| format!("{:>14}", format!("x {who}"))).collect();
    line(&mut text, format_args!("\n{:<13}{:<13}{:>9}{head}  range", "filter", "whose", "MB/s"));
    for (filter, row) in FILTERS.iter().zip(speeds) {
        for ((who, _), outcome) in WHO.iter().zip(row) {
            let speed = outcome.done();
            let rate = cell(outcome, |speed| format!("{:.1}", speed.median()));
            let ratios: String = row[1..]
                .iter()
                .map(|yardstick| ratio(speed, yardstick.done()).map(|ratio| format!("{ratio:.2} x")))
                .map(|ratio| format!("{:>14}", ratio.unwrap_or("-".into())))
                .collect();
            let range = speed.map(Speed::range).map(|(low, high)| format!("{low:.1}..{high:.1} MB/s"));
            let range = range.unwrap_or("-".into());
            line(&mut text, format_args!("{:<13}{who:<13}{rate:>9}{ratios}  {range}", filter.name));
        }
    }
    for (filter, row) in FILTERS.iter().zip(speeds) {
        for ((who, _), outcome) in WHO.iter().zip(row) {
            if let Some(why) = outcome.wrong() {
                line(&mut text, format_args!("wrong: {who} in {}: {why}", filter.name));
            }
        }
    }
    text
}

/// The table of readers of log directories, ours above the peer.
pub fn readers(speeds: &readers::Speeds) -> String {
    let mut text = String::new();
    line(
        &mut text,
        format_args!("\n{:<13}{:<13}{:>9}{:>14}  range", "reader", "whose", "MB/s", "x the other"),
    );
    for (reader, row) in READERS.iter().zip(speeds) {
        for (who, outcome) in ["ours", reader.peer].iter().zip(row) {
            let speed = outcome.done();
            let rate = cell(outcome, |speed| format!("{:.1}", speed.median()));
            let times = ratio(speed, row[1].done()).map_or("-".into(), |ratio| format!("{ratio:.2} x"));
            let range = speed.map(Speed::range).map(|(low, high)| format!("{low:.1}..{high:.1} MB/s"));
            let range = range.unwrap_or("-".into());
            line(&mut text, format_args!("{:<13}{who:<13}{rate:>9}{times:>14}  {range}", reader.name));
        }
    }
    for (reader, row) in READERS.iter().zip(speeds) {
        for (who, outcome) in ["ours", reader.peer].iter().zip(row) {
            if let Some(why) = outcome.wrong() {
                line(&mut text, format_args!("wrong: {who} in {}: {why}", reader.name));
            }
        }
    }
    text
}

/// The table of what does not depend on speed.
pub fn small(peers: &[Peer], calls: &[Outcome<f64>], memory: &[Outcome<Memory>]) -> String {
    let mut text = String::new();
    line(
        &mut text,
        format_args!(
            "\n{:<13}{:>18}{:>14}{:>20}{:>20}",
            "logger", "lines alone", "peak memory", "idle, private", "of that, written"
        ),
    );
    for (peer, (calls, memory)) in peers.iter().zip(calls.iter().zip(memory)) {
        let kilobytes = |figure: fn(&Memory) -> u64| cell(memory, |memory| format!("{} kB", figure(memory)));
        line(
            &mut text,
            format_args!(
                "{:<13}{:>18}{:>14}{:>20}{:>20}",
                peer.name,
                cell(calls, |calls| format!("{calls:.2} calls/line")),
                kilobytes(|memory| memory.peak),
                kilobytes(|memory| memory.idle_private),
                kilobytes(|memory| memory.idle_dirty),
            ),
        );
    }
    mistakes(&mut text, crate::case::ALONE, peers, calls);
    mistakes(&mut text, crate::case::MEMORY, peers, memory);
    text
}

/// The outcome of the peer called `name`, if it took part.
pub fn of<'a, T>(peers: &[Peer], row: &'a [Outcome<T>], name: &str) -> Option<&'a T> {
    peers.iter().zip(row).find(|(peer, _)| peer.name == name).and_then(|(_, outcome)| outcome.done())
}

fn ratio(speed: Option<&Speed>, yardstick: Option<&Speed>) -> Option<f64> {
    Some(speed?.median() / yardstick?.median())
}

fn cell<T>(outcome: &Outcome<T>, figure: impl FnOnce(&T) -> String) -> String {
    match outcome {
        Outcome::Done(done) => figure(done),
        Outcome::Cannot => "-".into(),
        Outcome::Wrong(_) => "wrong".into(),
    }
}

fn mistakes<T>(text: &mut String, case: &str, peers: &[Peer], row: &[Outcome<T>]) {
    for (peer, outcome) in peers.iter().zip(row) {
        if let Some(why) = outcome.wrong() {
            line(text, format_args!("wrong: {} in {case}: {why}", peer.name));
        }
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{words}");
}
