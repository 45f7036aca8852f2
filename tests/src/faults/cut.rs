//! The power goes, while a logger works on a real ext4: nothing that was in memory reaches the disk. Afterwards all that was
//! acknowledged as synced is there, and what is there is lines.
//!
//! What was acknowledged? With `y0` of ours: every line that is not in the pipe any more. Otherwise: what is in an old log that
//! is called safe, `.s`.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::feeder::{Corpus, Mix, Rng, is_old_log};
use crate::rig::{HeldPipe, SOON};
use crate::{LogDir, Running, Scratch, Signal, wait_until};

use super::mount::{Ext4, inside, own_boot_id};
use super::trial::{PATIENCE, judge_of};
use super::workload::{CUT, Processor, Workload};
use super::{Logger, Tally, each};

/// `count` cuts, half of them in each of two processes; `words` name the logger to the program that is run again.
#[must_use]
pub fn cut(logger: &str, count: usize, seed: u64) -> Tally {
    each(&[0, 1], |half: &u64| {
        let words = ["--inside", "cut", logger, &(count / 2).to_string(), &(seed + half).to_string()];
        inside(&words.map(str::to_owned))
    })
}

/// The cuts themselves, in a namespace where anything may be mounted.
///
/// # Errors
///
/// Nothing can be mounted here, or nothing can be cut off.
pub fn cut_here(logger: &Logger, count: usize, seed: u64) -> Result<Tally, String> {
    let scratch = Scratch::in_memory();
    let boot = own_boot_id(&scratch)?;
    let mut rng = Rng::new(seed);
    let workloads: Vec<_> = CUT.iter().filter(|workload| logger.can(workload)).collect();
    let mut sum = Tally::default();
    for n in 0..count {
        let workload = workloads[n % workloads.len()];
        let bits = rng.bits();
        fs::write(&boot, format!("before {n}\n")).map_err(|error| error.to_string())?;
        let again = || fs::write(&boot, format!("after {n}\n"));
        let disk = Ext4::new(scratch.path(), 16 << 20, &[])?;
        let tally = one(logger, workload, &disk, &mut Rng::new(bits), again)?;
        let words = tally
            .words
            .iter()
            .map(|word| format!("{}: TEST_SEED={seed}, cut {n}: {word}", workload.name))
            .collect();
        sum = sum.and(Tally { words, ..tally });
    }
    Ok(sum)
}

fn one(
    logger: &Logger,
    workload: &Workload,
    disk: &Ext4,
    rng: &mut Rng,
    restarted: impl Fn() -> std::io::Result<()>,
) -> Result<Tally, String> {
    let (dir, _, classes) = workload.dirs[0];
    let log = LogDir::new(disk.place.join(dir));
    let pipe = HeldPipe::new();
    let mut corpus = Corpus::new();
    let start = || logger.cmd(workload, Processor::None, &disk.place);
    let running = start().spawn_on(pipe.stdin());
    for _ in 0..rng.range(2, 40) {
        let burst: Vec<u8> = (0..rng.range(1, 20)).flat_map(|_| corpus.push(Mix::Short.draw(rng))).collect();
        pipe.write(&burst);
        thread::sleep(Duration::from_micros(rng.range(0, 2_000)));
    }
    // Between two instructions, so that it is certain what was acknowledged.
    running.signal(Signal::STOP);
    wait_until(SOON, "every thread has stopped", || is_stopped(&running));
    let safe = safe_logs(&log);
    let taken = corpus.bytes() - pipe.waiting() as u64;
    disk.cut()?;
    running.kill();
    disk.unmount()?;
    disk.mount()?;
    restarted().map_err(|error| error.to_string())?;

    let mut tally = Tally { cases: 1, ..Tally::default() };
    let begin = Instant::now();
    // The pipe has gone with the machine.
    let out = start().spawn_on(HeldPipe::closed_with(b"").stdin()).wait_open();
    if out.status() != "exit 0" || begin.elapsed() > PATIENCE {
        tally.stuck = 1;
        tally.words.push(format!("the next logger, after {:?}: {out}", begin.elapsed()));
    }
    let verdict = judge_of(workload, &log, &corpus, classes, 1);
    let acknowledged = |n: &usize| workload.synced && corpus.start(*n + 1) <= taken;
    tally.lost = verdict.lost.iter().filter(|n| logger.ours && acknowledged(n)).count();
    let all = log.all();
    for (name, text) in safe {
        // Until the directory is synced the file may be found under the name it had before.
        if !contains(&all, &text) {
            tally.lost += text.split(|&byte| byte == b'\n').count() - 1;
            tally.words.push(format!("{name} is not what it was"));
        }
    }
    tally.duplicated = verdict.duplicated;
    // A line that was being written may be there in part; nothing else may be.
    let invented = |fault: &&String| fault.contains("not from the input") || fault.contains(" NUL");
    tally.torn = verdict.faults.iter().filter(invented).count();
    let bad = |fault: &&String| {
        ["in one step", "bytes back", " has ", "stamps that"].iter().any(|bad| fault.contains(bad))
    };
    let bad: Vec<String> =
        verdict.faults.iter().filter(invented).chain(verdict.faults.iter().filter(bad)).cloned().collect();
    tally.wrong = usize::from(logger.ours && (!bad.is_empty() || tally.lost > 0));
    tally.words.extend(bad);
    tally.losing = usize::from(tally.lost > 0);
    Ok(tally)
}

fn is_stopped(running: &Running) -> bool {
    let tasks = format!("/proc/{}/task", running.pid().as_raw_nonzero());
    let Ok(tasks) = fs::read_dir(tasks) else { return true };
    let state = |task: fs::DirEntry| fs::read_to_string(task.path().join("stat")).unwrap_or_default();
    tasks
        .flatten()
        .map(state)
        .all(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')))
}

/// The old logs that are called safe, with what is in them.
fn safe_logs(log: &LogDir) -> BTreeMap<String, Vec<u8>> {
    let names = log.names().into_iter().filter(|name| is_old_log(name) && name.ends_with(".s"));
    names.map(|name| (name.clone(), log.read(&name))).collect()
}

fn contains(all: &[u8], text: &[u8]) -> bool {
    text.is_empty() || all.windows(text.len()).any(|part| part == text)
}
