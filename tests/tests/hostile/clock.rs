//! The clock goes wrong while a logger runs: names still come one after the other, and no new data goes for old.
//!
//! Without libfaketime these say so.

use std::io::Write;
use std::time::Duration;

use tests::rig::{HeldPipe, Rig, SOON, stop};
use tests::{Clock, Cmd, LogDir, Running, Scratch, Signal, program, wait_until};

use crate::assert_same;

/// Noon of the first day of 2026, Unix time.
const NOON: i64 = 1_767_268_800;

/// A logger with a clock of its own.
struct Clocked {
    rig: Rig,
    running: Running,
    clock: Clock,
    lines: usize,
}

impl Clocked {
    fn new(script: &[&str], now: &str) -> Option<Clocked> {
        let rig = Rig::new();
        let clock = Clock::new(rig.path(), now)?;
        let running = clock.shown_to(rig.logger(script)).spawn_on(rig.pipe.stdin());
        Some(Clocked { rig, running, clock, lines: 0 })
    }

    /// One line, and a rotation behind it: its file has to be there, and to be the newest by name.
    fn rotate(&mut self) {
        let line = format!("line {:04}\n", self.lines);
        self.lines += 1;
        self.rig.pipe.write(line.as_bytes());
        self.rig.wait_for_current(line.as_bytes());
        self.running.signal(Signal::ALARM);
        let log = self.rig.log();
        wait_until(SOON, &format!("the newest old log has {line}"), || {
            log.old_logs().last().is_some_and(|name| log.read(name) == line.as_bytes())
        });
    }

    /// That the logger sees the clock at all: its first old log is of this Unix time, or of the second behind it.
    #[track_caller]
    fn has_begun_at(&self, unix: i64) {
        let first = self.rig.log().old_logs().into_iter().next().expect("it has rotated");
        let label = |seconds: i64| format!("@{:016x}", (1 << 62) + 10 + unix + seconds);
        assert!((0..9).any(|late| first.starts_with(&label(late))), "{first} is not from {}", label(0));
    }

    /// All lines are there in the order of names, but for what `n` does not keep.
    fn end(self, kept: usize) {
        let Clocked { rig, running, lines, .. } = self;
        stop(running, Signal::TERM);
        let wanted: String = (lines - kept..lines).map(|n| format!("line {n:04}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&rig.log().all()), wanted);
    }
}

#[test]
fn a_clock_that_goes_back_fifty_years_in_the_middle_costs_no_line_and_no_order() {
    for back in ["2026-01-01 11:59:59", "1976-01-01 12:00:00"] {
        let Some(mut clocked) = Clocked::new(&["n5", "./log"], "@2026-01-01 12:00:00") else { return };
        clocked.rotate();
        clocked.has_begun_at(NOON);
        for _ in 0..3 {
            clocked.rotate();
        }
        clocked.clock.set(&format!("@{back}"));
        for _ in 0..6 {
            clocked.rotate();
        }
        clocked.end(4);
    }
}

#[test]
fn a_clock_that_was_ahead_for_a_while_costs_no_line() {
    let Some(mut clocked) = Clocked::new(&["n99", "./log"], "@2026-01-01 12:00:00") else { return };
    clocked.rotate();
    clocked.has_begun_at(NOON);
    clocked.clock.set("@2026-01-01 18:00:00");
    clocked.rotate();
    clocked.clock.set("@2026-01-01 12:00:10");
    for _ in 0..5 {
        clocked.rotate();
    }
    clocked.end(7);
}

#[test]
fn rotations_in_one_nanosecond_get_names_in_order() {
    let Some(mut clocked) = Clocked::new(&["n99", "./log"], "2026-01-01 12:00:00") else { return };
    for _ in 0..20 {
        clocked.rotate();
    }
    clocked.has_begun_at(NOON);
    clocked.end(20);
}

#[test]
fn a_clock_before_1970_or_beyond_2106_names_files_in_order() {
    let Some(mut clocked) = Clocked::new(&["n99", "./log"], "@1960-01-01 12:00:00") else { return };
    clocked.rotate();
    clocked.has_begun_at(-315_576_000);
    for now in ["@1969-12-31 23:59:59", "@2038-01-19 03:14:08", "@2106-02-07 06:28:16"] {
        clocked.clock.set(now);
        clocked.rotate();
    }
    clocked.end(4);
}

/// `ROTATIONS=1000000` for as many as one may want.
#[test]
fn a_clock_that_stands_still_for_ten_thousand_rotations_names_files_in_order() {
    let rotations: usize =
        std::env::var("ROTATIONS").map_or(10_000, |count| count.parse().expect("a number"));
    let (scratch, mut pipe) = (Scratch::in_memory(), HeldPipe::new());
    let Some(clock) = Clock::new(scratch.path(), "2026-01-01 12:00:00") else { return };
    let line = |n: usize| format!("{n:04095}\n");
    let cmd = Cmd::new(program("multilog")).args(["s4096", "n5", "./log"]).cwd(scratch.path());
    let running = clock.shown_to(cmd).limit(Duration::from_secs(900)).spawn_on(pipe.stdin());
    let mut writer = pipe.writer();
    for n in 0..rotations {
        writer.write_all(line(n).as_bytes()).expect("a reader");
    }
    drop(writer);
    pipe.close();
    let out = running.wait_open();
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
    let log = LogDir::new(scratch.join("log"));
    let nanos = |name: &String| u32::from_str_radix(&name[17..25], 16).expect("a label");
    let names = log.old_logs();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(
        names.iter().all(|name| name.starts_with(&format!("@{:016x}", (1 << 62) + 10 + NOON))),
        "{names:?}"
    );
    // One name each, one nanosecond apart.
    let last = nanos(&names[3]);
    assert_eq!(names.iter().map(nanos).collect::<Vec<_>>(), [last - 3, last - 2, last - 1, last]);
    assert!((rotations - 10..rotations + 10).contains(&(last as usize)), "{last} for {rotations}");
    let kept: String = (rotations - 4..rotations).map(line).collect();
    assert_same(&log.all(), kept.as_bytes());
}
