//! One life of a logger in a fault, the next one that finishes its work, and what is then in the directories.

use std::fs::{self, File};
use std::io::{PipeWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::feeder::{BATCH, Corpus, Rules, Verdict, is_old_log, judge};
use crate::rig::HeldPipe;
use crate::trace::{Act, Later, Life, Stop, trace};
use crate::{LogDir, Output, Running, Scratch, boot_id, pipe_id};

use super::workload::{Found, Processor, Text, Workload};
use super::{Logger, Tally};

/// A logger that neither ends nor can be waited for any longer.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// What a logger does within a second, on a machine that has much else to do. How long it really took is in the table.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A place, lines that wait in a pipe, and what is there before the logger comes.
pub(super) struct Trial<'a> {
    logger: &'a Logger,
    workload: &'a Workload,
    scratch: Scratch,
    corpus: Corpus,
    pipe: HeldPipe,
    /// Keeps a processor that reads it waiting for as long as we live.
    _hang: File,
    /// The names of old logs after the lives until now.
    names: Vec<Vec<String>>,
    /// What was against the rules.
    faults: Vec<String>,
    stuck: usize,
    kills: usize,
}

/// What a writer has not written yet.
pub(super) struct Rest {
    writer: PipeWriter,
    rest: Vec<u8>,
}

impl Rest {
    /// There is room for it. Nothing more comes.
    pub(super) fn write(mut self) {
        self.writer.write_all(&self.rest).expect("room in the pipe");
    }
}

impl<'a> Trial<'a> {
    pub(super) fn new(logger: &'a Logger, workload: &'a Workload) -> Trial<'a> {
        Trial::within(Scratch::in_memory(), logger, workload)
    }

    /// The same in a place that somebody else has made.
    pub(super) fn within(scratch: Scratch, logger: &'a Logger, workload: &'a Workload) -> Trial<'a> {
        let corpus = workload.corpus();
        let input: Vec<u8> = (workload.there..corpus.lines()).flat_map(|n| corpus.line(n)).collect();
        let pipe = HeldPipe::closed_with(&input);
        let hang = scratch.join("hang");
        mknodat(CWD, &hang, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("own directory");
        let hang = File::options().read(true).write(true).open(hang).expect("own FIFO");
        if !workload.found.is_empty() {
            let dir = scratch.join(workload.dirs[0].0);
            fs::create_dir(&dir).expect("own directory");
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("own directory");
            for found in workload.found {
                put(&dir, found, &corpus, &pipe);
            }
        }
        let names = vec![Vec::new(); workload.dirs.len()];
        let faults = Vec::new();
        Trial { logger, workload, scratch, corpus, pipe, _hang: hang, names, faults, stuck: 0, kills: 0 }
    }

    /// The same where only so many bytes of the input are there yet, and who writes the rest.
    pub(super) fn begun(logger: &'a Logger, workload: &'a Workload, bytes: usize) -> (Trial<'a>, Rest) {
        let mut trial = Trial::new(logger, workload);
        let mut input = trial.pipe.rest();
        let rest = input.split_off(bytes);
        trial.pipe = HeldPipe::new();
        trial.pipe.enlarge(bytes + rest.len());
        trial.pipe.write(&input);
        let writer = trial.pipe.writer();
        trial.pipe.close();
        (trial, Rest { writer, rest })
    }

    /// A life under a tracer. One that does not come to its end by itself or by the hand of `ask` is stuck.
    pub(super) fn traced(&mut self, later: Later, ask: impl FnMut(&Stop) -> Act) -> Life {
        let cmd = self.logger.cmd(self.workload, self.workload.processor, self.scratch.path()).limit(LIMIT);
        let life = trace(cmd, self.pipe.stdin(), later, ask);
        self.see_life(life.stuck, &life.output);
        life
    }

    /// A life that nobody watches; `meanwhile` does something to it, after which it has to end.
    pub(super) fn life(&mut self, meanwhile: impl FnOnce(&Running, &HeldPipe)) -> Output {
        let cmd = self.logger.cmd(self.workload, self.workload.processor, self.scratch.path()).limit(LIMIT);
        let running = cmd.spawn_on(self.pipe.stdin());
        meanwhile(&running, &self.pipe);
        let (ended, out) = wait(running, LIMIT);
        self.see_life(!ended, &out);
        out
    }

    /// What every life has in common.
    fn see_life(&mut self, stuck: bool, out: &Output) {
        self.kills += usize::from(out.status() != "exit 0");
        self.stuck += usize::from(stuck);
        if stuck {
            self.faults.push(format!("does not end: {out}"));
        }
        if out.messages().contains("panicked") {
            self.faults.push(format!("a panic: {out}"));
        }
        self.see_names();
    }

    /// What was seen that is against the rules.
    pub(super) fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// A logger took longer than it may.
    pub(super) fn is_stuck(&mut self, fault: String) {
        self.stuck += 1;
        self.faults.push(fault);
    }

    /// What has happened may repeat lines or split a very long one, as a kill may.
    pub(super) fn may_repeat(&mut self) {
        self.kills += 1;
    }

    /// Bytes that nobody has taken.
    pub(super) fn waiting(&self) -> usize {
        self.pipe.waiting()
    }

    /// The next logger, which nothing happens to, has to start and to finish the work within a second. Then the judge comes.
    pub(super) fn finish(mut self, what: &str) -> Tally {
        let start = Instant::now();
        let processor = self.workload.processor.mended();
        loop {
            let cmd = self.logger.cmd(self.workload, processor, self.scratch.path()).limit(LIMIT);
            let running = cmd.spawn_on(self.pipe.stdin());
            let (ended, out) = wait(running, LIMIT);
            if ended && out.status() == "exit 0" {
                self.see_end(&out);
                break;
            }
            // A logger that was killed while it started a processor leaves, for a moment, a child that holds the lock.
            if !ended || start.elapsed() > PATIENCE {
                self.is_stuck(format!("the next logger: {out}"));
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if start.elapsed() > PATIENCE {
            self.is_stuck(format!("the next logger took {:?}", start.elapsed()));
        }
        let slowest = start.elapsed();
        self.see_names();
        Tally { slowest, ..self.judged(what) }
    }

    /// A logger that came to the end of its input by itself has left nothing in it.
    fn see_end(&mut self, out: &Output) {
        if self.pipe.waiting() > 0 {
            self.fault(format!("{} bytes are left in the pipe: {out}", self.pipe.waiting()));
        }
    }

    /// Names only come after the ones before them.
    fn see_names(&mut self) {
        for ((dir, _, _), known) in self.workload.dirs.iter().zip(&mut self.names) {
            let mut now = LogDir::new(self.scratch.join(dir)).names();
            now.retain(|name| is_old_log(name));
            let kept: Vec<_> = known.iter().filter(|name| now.contains(name)).cloned().collect();
            if !now.starts_with(&kept) {
                self.faults
                    .push(format!("{dir}: a name that is not after the ones before it: {known:?}, {now:?}"));
            }
            if now.len() + 1 > self.workload.num + 1 {
                self.faults.push(format!("{dir}: {} old logs with n{}", now.len(), self.workload.num));
            }
            *known = now;
        }
    }

    fn judged(mut self, what: &str) -> Tally {
        let mut tally = Tally { cases: 1, stuck: self.stuck, ..Tally::default() };
        for &(dir, _, classes) in self.workload.dirs {
            let log = LogDir::new(self.scratch.join(dir));
            let verdict = judge_of(self.workload, &log, &self.corpus, classes, self.kills);
            tally.lost += verdict.lost.len();
            tally.duplicated += verdict.duplicated;
            tally.torn += verdict.torn;
            self.faults.extend(verdict.faults.iter().map(|fault| format!("{dir}: {fault}")));
            self.faults.extend(bad_modes(&log));
            let old_logs = log.names().into_iter().filter(|name| is_old_log(name)).count();
            if old_logs >= self.workload.num {
                self.faults
                    .push(format!("{dir}: {old_logs} old logs with n{} after the end", self.workload.num));
            }
        }
        tally.losing = usize::from(tally.lost > 0);
        if self.logger.ours && !self.faults.is_empty() {
            tally.wrong = 1;
        }
        let name = self.workload.name;
        tally.words = self.faults.iter().map(|fault| format!("{name}: {what}: {fault}")).collect();
        tally
    }
}

/// Waits for the end, and kills what has none.
fn wait(running: Running, limit: Duration) -> (bool, Output) {
    let end = Instant::now() + limit - Duration::from_millis(500);
    let mut pause = Duration::from_micros(300);
    while !running.has_ended() && Instant::now() < end {
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(5));
    }
    if running.has_ended() { (true, running.wait_open()) } else { (false, running.kill()) }
}

/// What the judge says of one directory of a workload.
pub(super) fn judge_of(
    workload: &Workload,
    log: &LogDir,
    corpus: &Corpus,
    classes: &'static [u8],
    kills: usize,
) -> Verdict {
    let rules = Rules {
        size: workload.size,
        stamped: workload.stamped,
        classes,
        kills,
        splits_over: BATCH.min(workload.size) as usize,
        trimmed: workload.num < 9,
    };
    judge(log.path(), corpus, &rules)
}

/// Files whose mode does not say what their name says, after a clean end.
pub(super) fn bad_modes(log: &LogDir) -> Vec<String> {
    let mut bad = Vec::new();
    for entry in log.entries() {
        let right: &[u32] = match entry.name.as_str() {
            "current" => &[0o744],
            name if is_old_log(name) && name.ends_with(".s") => &[0o744],
            name if is_old_log(name) => &[0o644],
            _ => continue,
        };
        if !right.contains(&entry.mode) {
            bad.push(format!("{} has mode {:o}", entry.name, entry.mode));
        }
    }
    bad
}

/// Makes one file that a logger finds.
fn put(dir: &Path, found: &Found, corpus: &Corpus, pipe: &HeldPipe) {
    let lines = |from: usize, to: usize| -> Vec<u8> { (from..to).flat_map(|n| corpus.line(n)).collect() };
    let path = dir.join(found.name);
    let text = match found.text {
        Text::Lines(from, to) => lines(from, to),
        Text::Torn(from, to) => {
            let next = corpus.line(to);
            [lines(from, to), next[..next.len() / 2].to_vec()].concat()
        }
        Text::Open(from, to) => {
            let mut text = lines(from, to);
            text.pop();
            text
        }
        Text::Same(name) => return fs::hard_link(dir.join(name), path).expect("own directory"),
        Text::Identity => format!("{}\n{}\nline\n", boot_id(), pipe_id(pipe.reader())).into_bytes(),
    };
    fs::write(&path, text).expect("own directory");
    fs::set_permissions(&path, fs::Permissions::from_mode(found.mode)).expect("own file");
}

/// With a processor that hangs or fails for ever the writer is held back, and nothing but a signal ends the logger: when that comes.
pub(super) fn ending(workload: &Workload) -> Vec<(Duration, rustix::process::Signal)> {
    match workload.processor {
        Processor::Hangs | Processor::Fails => {
            vec![(Duration::from_millis(60), rustix::process::Signal::TERM)]
        }
        _ => Vec::new(),
    }
}
