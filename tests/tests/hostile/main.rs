//! What bad input, a bad stdin, a bad script, a bad directory or a bad environment get: a message in the original's form before
//! any input is taken, or logging that goes on. Never a lost line, never a hang.

mod cgroup;
mod clock;
mod directory;
mod environment;
mod input;
mod limits;
mod script;
mod stdin;

use std::fs;

use tests::feeder::{Corpus, Mix, Rng};
use tests::rig::Rig;
use tests::{Output, Running, Show};

/// Logs `input` with the script, which has to go well, and gives everything in `log`.
#[track_caller]
pub fn logged(script: &[&str], input: &[u8]) -> (Rig, Output, Vec<u8>) {
    let rig = Rig::in_memory();
    let out = rig.logger(script).run(input);
    assert_eq!(out.status(), "exit 0", "{out}");
    let all = rig.log().all();
    (rig, out, all)
}

/// Fails with the first difference, not with megabytes.
#[track_caller]
pub fn assert_same(log: &[u8], right: &[u8]) {
    if log != right {
        let at = log.iter().zip(right).take_while(|(a, b)| a == b).count();
        let near =
            |bytes: &[u8]| bytes[at.saturating_sub(30).min(bytes.len())..(at + 60).min(bytes.len())].to_vec();
        panic!(
            "{} bytes instead of {}, different from byte {at} on:\n  {}\ninstead of\n  {}",
            log.len(),
            right.len(),
            Show(&near(log)),
            Show(&near(right))
        );
    }
}

/// Pseudo-random bytes, newlines among them.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    (0..length).map(|_| rng.bits() as u8).collect()
}

/// Lines of many lengths, the head's limit of 1000 bytes and long ones among them, `bytes` or a little more in all.
pub fn mixed_lines(seed: u64, bytes: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut corpus = Corpus::new();
    while corpus.bytes() < bytes {
        corpus.push(Mix::Mixed.draw(&mut rng));
    }
    corpus.input()
}

/// A field of `/proc/PID/status` in kB.
pub fn status_kb(running: &Running, field: &str) -> u64 {
    let path = format!("/proc/{}/status", running.pid().as_raw_nonzero());
    let text = fs::read_to_string(path).expect("a process of ours");
    let line = text.lines().find(|line| line.starts_with(field)).expect("the field");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}
