//! The clock goes wrong while a logger runs: names still come one after the other, and no new data goes for old.
//!
//! Without libfaketime these say so.

use tests::rig::{Rig, SOON, stop};
use tests::{Clock, Running, Signal, wait_until};

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
        for _ in 0..4 {
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
    clocked.end(20);
}

#[test]
fn a_clock_before_1970_or_beyond_2106_names_files_in_order() {
    let Some(mut clocked) = Clocked::new(&["n99", "./log"], "@1960-01-01 12:00:00") else { return };
    clocked.rotate();
    let names = clocked.rig.log().old_logs();
    assert!(names.iter().all(|name| name.starts_with("@3f")), "this clock is not seen: {names:?}");
    for now in ["@1969-12-31 23:59:59", "@2038-01-19 03:14:08", "@2106-02-07 06:28:16"] {
        clocked.clock.set(now);
        clocked.rotate();
    }
    clocked.end(4);
}
