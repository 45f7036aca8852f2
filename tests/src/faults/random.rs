//! kill -9 at random moments: a writer writes, loggers on its pipe die and are followed by others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::feeder::{Mix, Rng, feed, is_old_log};
use crate::rig::{HeldPipe, SOON};
use crate::{LogDir, Running, Scratch};

use super::trial::{PATIENCE, bad_modes, judge_of};
use super::workload::Workload;
use super::{Logger, Tally, each};

/// So many kills in one directory.
const RUN: usize = 50;

/// `kills` kills, dealt out among the workloads, in runs of 50 each.
#[must_use]
pub fn random(logger: &Logger, workloads: &[Workload], kills: usize, seed: u64) -> Tally {
    let workloads: Vec<_> = workloads.iter().filter(|workload| logger.can(workload)).collect();
    let runs: Vec<_> =
        (0..kills.div_ceil(RUN)).map(|n| (workloads[n % workloads.len()], seed + n as u64)).collect();
    each(&runs, |&(workload, seed)| killed_at_random(logger, workload, RUN, seed))
}

/// Runs a logger on a pipe, kills it after 5 to 40 ms, starts the next one, `kills` times, while lines are written; the
/// last one reads to the end.
#[must_use]
pub fn killed_at_random(logger: &Logger, workload: &Workload, kills: usize, seed: u64) -> Tally {
    let scratch = Scratch::new();
    let mut pipe = HeldPipe::new();
    let mut rng = Rng::new(seed);
    let stop = Arc::new(AtomicBool::new(false));
    let mix = if workload.is_common() && !logger.ours { Mix::Short } else { Mix::Mixed };
    let most = 400_000 * kills.max(1) as u64;
    let writer = feed(pipe.writer(), mix, most, Rng::new(rng.bits()), Arc::clone(&stop));
    pipe.close();
    let mut faults = Vec::new();
    let mut names: Vec<Vec<String>> = vec![Vec::new(); workload.dirs.len()];
    let start = || logger.cmd(workload, workload.processor, scratch.path()).spawn_on(pipe.stdin());
    let mut stuck = 0;
    let mut killed = 0;
    // A logger that is killed while it starts a processor leaves, for a moment, a child that holds the lock: the next one is refused
    // and has to be started again, as every supervisor does.
    let mut refused: Option<Instant> = None;
    while killed < kills {
        let running = start();
        thread::sleep(Duration::from_millis(rng.range(5, 41)));
        if running.has_ended() {
            let out = running.wait_open();
            if refused.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                stuck += 1;
                faults.push(format!("a logger ended by itself: {out}"));
                break;
            }
            continue;
        }
        refused = None;
        killed += 1;
        running.kill();
        for (&(dir, _, _), known) in workload.dirs.iter().zip(&mut names) {
            let mut now = LogDir::new(scratch.join(dir)).names();
            now.retain(|name| is_old_log(name));
            if !now.starts_with(known) {
                faults
                    .push(format!("{dir}: a name that is not after the ones before it: {known:?}, {now:?}"));
            }
            *known = now;
        }
    }
    stop.store(kills > 0, Ordering::Relaxed);
    if let Err(fault) = run_to_the_end(start, || pipe.waiting()) {
        stuck += 1;
        faults.push(fault);
    }
    // Without a reader the writer would wait for ever if the last logger has left something in a full pipe.
    drop(pipe);
    let corpus = writer.join().expect("a writer that is told to stop");
    if corpus.lines() < 100 {
        faults.push(format!("the writer has written {} lines only", corpus.lines()));
    }
    let mut tally = Tally { cases: killed, stuck, ..Tally::default() };
    for &(dir, _, classes) in workload.dirs {
        let log = LogDir::new(scratch.join(dir));
        let verdict = judge_of(workload, &log, &corpus, classes, kills);
        tally.lost += verdict.lost.len();
        tally.duplicated += verdict.duplicated;
        tally.torn += verdict.torn;
        faults.extend(verdict.faults.into_iter().map(|fault| format!("{dir}: {fault}")));
        faults.extend(bad_modes(&log));
    }
    tally.losing = usize::from(tally.lost > 0);
    tally.wrong = usize::from(logger.ours && !faults.is_empty());
    let name = workload.name;
    tally.words = faults.into_iter().map(|fault| format!("{name}: TEST_SEED={seed}: {fault}")).collect();
    tally
}

/// Runs a logger, started again as long as it is refused. One that neither ends nor takes anything for a while is killed, and
/// told. `waiting`: the bytes that it has not taken.
fn run_to_the_end(start: impl Fn() -> Running, waiting: impl Fn() -> usize) -> Result<(), String> {
    let mut since = Instant::now();
    loop {
        let running = start();
        let mut left = waiting();
        while !running.has_ended() && since.elapsed() < SOON {
            thread::sleep(Duration::from_millis(1));
            if waiting() != left {
                (left, since) = (waiting(), Instant::now());
            }
        }
        let ended = running.has_ended();
        let out = if ended { running.wait_open() } else { running.kill() };
        match out.status().as_str() {
            "exit 0" => return Ok(()),
            _ if !ended || since.elapsed() > SOON => return Err(format!("the last logger: {out}")),
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}
