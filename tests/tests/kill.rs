//! What does kill -9 cost? A writer writes numbered lines, loggers on its pipe die and are followed by others, and at the
//! end no complete line may be missing.
//!
//! A failure prints its seed; `TEST_SEED=…` draws the same lines and the same pauses again.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};
use tests::feeder::{BATCH, Corpus, Mix, Rng, Rules, Verdict, feed, is_old_log, judge, seed};
use tests::rig::{HeldPipe, SOON, strace};
use tests::{Cmd, LogDir, Output, Running, Scratch, Signal, original, program};

const ALL: &[u8] = b"ABC";

/// A script and what each of its directories has to hold afterwards.
struct Scenario {
    script: &'static [&'static str],
    stamped: bool,
    size: u64,
    dirs: &'static [(&'static str, &'static [u8])],
}

const PLAIN: Scenario =
    Scenario { script: &["n9999", "./log"], stamped: false, size: 99_999, dirs: &[("log", ALL)] };

const STAMPED: Scenario =
    Scenario { script: &["t", "n9999", "./log"], stamped: true, size: 99_999, dirs: &[("log", ALL)] };

const SELECTED: Scenario = Scenario {
    script: &["t", "-*", "+*A*", "+*C*", "n9999", "./log"],
    stamped: true,
    size: 99_999,
    dirs: &[("log", b"AC")],
};

const TWO_DIRECTORIES: Scenario = Scenario {
    script: &["n9999", "s20000", "-*C*", "./log", "-*", "+*B*", "+*C*", "./other"],
    stamped: false,
    size: 20_000,
    dirs: &[("log", b"AB"), ("other", b"BC")],
};

const PROCESSED: Scenario = Scenario {
    script: &["t", "n9999", "s30000", "!cat", "./log"],
    stamped: true,
    size: 30_000,
    dirs: &[("log", ALL)],
};

const SMALL: Scenario =
    Scenario { script: &["t", "n9999", "s4096", "./log"], stamped: true, size: 4_096, dirs: &[("log", ALL)] };

/// What is left after a run with kills.
struct Aftermath {
    /// Holds the logs; its directory stays when the test fails.
    _scratch: Scratch,
    corpus: Corpus,
    verdicts: Vec<(&'static str, Verdict)>,
    /// What has gone wrong besides the content of the logs.
    faults: Vec<String>,
}

impl Aftermath {
    fn new(
        scratch: Scratch,
        scenario: &Scenario,
        corpus: Corpus,
        kills: usize,
        mut faults: Vec<String>,
    ) -> Self {
        let mut verdicts = Vec::new();
        for &(name, classes) in scenario.dirs {
            let splits_over = BATCH.min(scenario.size) as usize;
            let rules = Rules { size: scenario.size, stamped: scenario.stamped, classes, kills, splits_over };
            let dir = LogDir::new(scratch.join(name));
            verdicts.push((name, judge(dir.path(), &corpus, &rules)));
            for entry in dir.entries() {
                let right = match entry.name.as_str() {
                    "current" => 0o744,
                    name if name.starts_with('@') && name.ends_with(".s") => 0o744,
                    name if name.starts_with('@') => 0o644,
                    _ => continue,
                };
                if entry.mode != right {
                    faults.push(format!("{name}/{} has mode {:o}", entry.name, entry.mode));
                }
            }
        }
        Aftermath { _scratch: scratch, corpus, verdicts, faults }
    }

    fn faults(&self) -> Vec<String> {
        let of_logs = self
            .verdicts
            .iter()
            .flat_map(|(name, verdict)| verdict.faults.iter().map(move |fault| format!("{name}: {fault}")));
        self.faults.iter().cloned().chain(of_logs).collect()
    }

    fn lost(&self) -> usize {
        self.verdicts.iter().map(|(_, verdict)| verdict.lost.len()).sum()
    }

    /// Fails with everything that is against the rules.
    fn must_be_right(&self, what: &str) {
        let faults = self.faults();
        assert!(self.corpus.lines() > 100, "{what}: the writer has written nothing");
        let shown = faults.iter().take(20).cloned().collect::<Vec<_>>().join("\n  ");
        assert!(
            faults.is_empty(),
            "{what}: {} faults in the logs of {} lines:\n  {shown}",
            faults.len(),
            self.corpus.lines()
        );
        for (name, verdict) in &self.verdicts {
            println!(
                "{what}: {name}: {} lines, {} repeats (longest {} bytes), {} fragments, {} split",
                verdict.lines, verdict.repeats, verdict.longest_repeat, verdict.fragments, verdict.splits
            );
        }
    }
}

/// So often in a run may the directory still be locked when the next logger starts.
const MOST_REFUSALS: usize = 20;

/// A logger that is killed in the moment in which it starts a processor leaves a child that holds the lock until it has become
/// that processor. The next logger is refused then, and has to be started again, as every supervisor does.
fn is_locked_out(out: &Output) -> bool {
    let said = out.messages();
    out.status() == "exit 111" && said.contains("unable to lock directory") && said.lines().count() == 1
}

/// Kills what a process has started: strace would leave a logger that hangs behind.
fn kill_children(parent: Pid) {
    let parent = parent.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    for child in children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)) {
        _ = kill_process(child, Signal::KILL);
    }
}

/// Runs a logger, started again as long as it is locked out. One that does not end is killed, which its status tells.
fn run_to_the_end(start: impl Fn() -> Running) -> Output {
    for _ in 0..MOST_REFUSALS {
        let running = start();
        let end = Instant::now() + SOON;
        while !running.has_ended() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        if !running.has_ended() {
            kill_children(running.pid());
        }
        let out = if running.has_ended() { running.wait_open() } else { running.kill() };
        if !is_locked_out(&out) {
            return out;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the directory stays locked");
}

/// Runs a logger on a pipe, kills it after 5 to 40 ms, starts the next one, `kills` times, while lines are written; the
/// last one reads to the end.
fn killed_at_random(logger: &Path, scenario: &Scenario, kills: usize, seed: u64) -> Aftermath {
    let scratch = Scratch::new();
    let mut pipe = HeldPipe::new();
    let mut rng = Rng::new(seed);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = feed(
        pipe.writer(),
        Mix::Mixed,
        400_000 * kills.max(1) as u64,
        Rng::new(rng.bits()),
        Arc::clone(&stop),
    );
    pipe.close();
    let mut faults = Vec::new();
    let mut names: Vec<Vec<String>> = vec![Vec::new(); scenario.dirs.len()];
    let start = || Cmd::new(logger).args(scenario.script).cwd(scratch.path()).spawn_on(pipe.stdin());
    let mut refused = 0;
    let mut killed = 0;
    while killed < kills {
        let running = start();
        thread::sleep(Duration::from_millis(rng.range(5, 41)));
        if running.has_ended() {
            let out = running.wait_open();
            refused += 1;
            if is_locked_out(&out) && refused < MOST_REFUSALS {
                continue;
            }
            faults.push(format!("a logger ended by itself: {out}"));
            break;
        }
        killed += 1;
        running.kill();
        for ((dir, _), known) in scenario.dirs.iter().zip(&mut names) {
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
    let last = run_to_the_end(start);
    if last.status() != "exit 0" {
        faults.push(format!("the last logger: {last}"));
    }
    // Without a reader the writer would wait for ever if the last logger has left something in a full pipe.
    drop(pipe);
    let corpus = writer.join().expect("the writer");
    Aftermath::new(scratch, scenario, corpus, kills, faults)
}

/// 50 kills, none of which may cost a line.
fn loses_nothing(scenario: &Scenario) {
    let seed = seed();
    killed_at_random(&program("multilog"), scenario, 50, seed).must_be_right(&format!("TEST_SEED={seed}"));
}

#[test]
fn random_kills_lose_nothing_plain() {
    loses_nothing(&PLAIN);
}

#[test]
fn random_kills_lose_nothing_with_stamps() {
    loses_nothing(&STAMPED);
}

#[test]
fn random_kills_lose_nothing_with_stamps_and_patterns() {
    loses_nothing(&SELECTED);
}

#[test]
fn random_kills_lose_nothing_in_two_directories() {
    loses_nothing(&TWO_DIRECTORIES);
}

#[test]
fn random_kills_lose_nothing_with_a_processor() {
    loses_nothing(&PROCESSED);
}

#[test]
fn random_kills_lose_nothing_with_many_small_files() {
    loses_nothing(&SMALL);
}

/// The measure of the tests above, from one side: a run without kills is right, and nothing is logged twice.
#[test]
fn the_judge_is_content_without_kills() {
    let logger = original("multilog").unwrap_or_else(|| program("multilog"));
    let small = Scenario { script: &["n9999", "s4096", "./log"], stamped: false, ..SMALL };
    for scenario in [&PLAIN, &TWO_DIRECTORIES, &small] {
        killed_at_random(&logger, scenario, 0, 1).must_be_right("without kills");
    }
}

/// And from the other: the same run with the original multilog, which reads before it writes.
#[test]
fn the_judge_sees_what_the_original_loses() {
    let Some(original) = original("multilog") else { return };
    let seed = seed();
    for attempt in 0..5 {
        let after = killed_at_random(&original, &STAMPED, 20, seed + attempt);
        if after.lost() > 0 {
            assert!(after.faults().iter().any(|fault| fault.contains("lost lines")), "{:?}", after.faults());
            return;
        }
    }
    panic!(
        "TEST_SEED={seed}: no line lost in 100 kills of a logger that is known to lose them: is the judge blind?"
    );
}

/// The system calls at whose entry loggers are killed. One that a logger never makes costs one run.
const CALLS: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "read",
    "tee",
    "splice",
    "fsync",
    "fdatasync",
    "fchmod",
    "ftruncate",
    "openat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "flock",
    "lseek",
    "close",
];

/// The most kills at one kind of call.
const MOST_POINTS: usize = 40;

/// Lines of all lengths that wait in a pipe without a writer.
fn waiting_lines(seed: u64) -> Corpus {
    let mut rng = Rng::new(seed);
    let mut corpus = Corpus::new();
    for n in 0..120 {
        let length = match n {
            40 => 2_500,
            60 => 40_000,
            61 => 3_000,
            100 => 5_000,
            _ => Mix::Short.draw(&mut rng),
        };
        corpus.push(length);
    }
    corpus
}

/// Kills a logger at the entry of each system call in turn, once each, and lets another one finish. Gives the number of
/// kills and what is wrong, each fault with the call before it.
fn killed_at_each_call(
    logger: &Path,
    scenario: &Scenario,
    most_points: usize,
) -> Option<(usize, Vec<String>)> {
    let strace = strace()?;
    let corpus = waiting_lines(1);
    let input = corpus.input();
    let (mut kills, mut faults) = (0, Vec::new());
    for call in CALLS {
        for when in 1..=most_points {
            let scratch = Scratch::new();
            let pipe = HeldPipe::closed_with(&input);
            let logger = || Cmd::new(logger).args(scenario.script).cwd(scratch.path());
            let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={when}"));
            let traced = [strace, "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            let first = run_to_the_end(|| logger().behind(traced).spawn_on(pipe.stdin()));
            if first.status() == "exit 0" {
                break;
            }
            kills += 1;
            let second = run_to_the_end(|| logger().spawn_on(pipe.stdin()));
            let mut wrong = Vec::new();
            if first.status() != "signal 9" || second.status() != "exit 0" {
                let (how, said) = (second.status(), second.messages());
                wrong.push(format!("the first logger: {}, the next: {how} {said:?}", first.status()));
            }
            let after = Aftermath::new(scratch, scenario, corpus.clone(), 1, wrong);
            faults.extend(after.faults().iter().map(|fault| format!("killed at {call} {when}: {fault}")));
        }
    }
    Some((kills, faults))
}

/// No kill at a system call may cost a line.
fn loses_nothing_at_any_call(scenario: &Scenario) {
    let Some((kills, faults)) = killed_at_each_call(&program("multilog"), scenario, MOST_POINTS) else {
        return;
    };
    println!("{kills} kills");
    assert!(kills > 50, "only {kills} kills: has the logger other system calls?");
    assert!(faults.is_empty(), "{kills} kills, {} faults:\n  {}", faults.len(), faults.join("\n  "));
}

#[test]
fn a_kill_at_any_system_call_loses_nothing() {
    loses_nothing_at_any_call(&Scenario { script: &["t", "n99", "s8192", "./log"], size: 8_192, ..STAMPED });
}

#[test]
fn a_kill_at_any_system_call_loses_nothing_in_two_directories() {
    loses_nothing_at_any_call(&TWO_DIRECTORIES);
}

/// The measure of the two tests above: the original loses lines at most of its calls.
#[test]
fn the_judge_sees_what_the_original_loses_at_its_calls() {
    let Some(original) = original("multilog") else { return };
    let scenario = Scenario { script: &["t", "n99", "s8192", "./log"], size: 8_192, ..STAMPED };
    let Some((kills, faults)) = killed_at_each_call(&original, &scenario, 10) else { return };
    let losing = faults.iter().filter(|fault| fault.contains("lost lines")).count();
    assert!(
        losing * 4 > kills,
        "{losing} of {kills} kills were seen to lose lines:\n  {}",
        faults.join("\n  ")
    );
}
