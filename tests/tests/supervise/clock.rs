//! The clock is set back or forward under a service: it decides nothing, and no reader is told nonsense.

use std::time::{Duration, Instant};

use tests::{Clock, program};

use crate::{ENDS, STAYS, Service, finish, ours, theirs};

const NOON: &str = "@2026-01-01 12:00:00";

#[test]
fn a_clock_that_is_set_delays_no_start_and_hurries_none() {
    let service = Service::new(ENDS);
    let Some(clock) = Clock::new(service.scratch.path(), NOON) else { return };
    let start = Instant::now();
    let running = service.start_as(clock.shown_to(service.cmd(&program("supervise"), &[])));
    let mut starts = 0;
    let since =
        |service: &Service| u64::from_be_bytes(service.status()[..8].try_into().expect("eight bytes"));
    for now in [NOON, "@2025-12-31 12:00:00", "@1969-12-31 23:59:00", "@2026-01-02 12:00:00"] {
        let before = since(&service);
        clock.set(now);
        // A delayed start would come after hours.
        starts = service.wait_for_lines("starts", starts + 3).len();
        let elapsed = start.elapsed();
        assert!(elapsed > Duration::from_secs(starts as u64 - 1), "{starts} starts in {elapsed:?} at {now}");
        assert!(now == NOON || since(&service).abs_diff(before) > 3600, "the status has this clock");
    }
    assert_eq!(finish(&service, running).messages(), "");
}

#[test]
fn a_status_from_the_future_is_no_age_and_the_next_supervise_starts_at_once() {
    let sets: Vec<_> = theirs().into_iter().chain([ours()]).collect();
    for set in &sets {
        let service = Service::new(STAYS);
        let Some(clock) = Clock::new(service.scratch.path(), NOON) else { return };
        let start = || service.start_as(clock.shown_to(service.cmd(&set.supervise, &[])));
        let running = start();
        let pid = service.wait_until_up();
        let shown = |now: &str| {
            clock.set(now);
            sets.iter()
                .map(|set| {
                    let out = clock.shown_to(service.cmd(&set.svstat, &[])).run(b"");
                    let line = String::from_utf8_lossy(&out.stdout).into_owned();
                    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
                    assert_eq!(words.last().map(String::as_str), Some("seconds"), "{line}");
                    words[4].parse::<u64>().expect("a number")
                })
                .collect::<Vec<_>>()
        };
        for seconds in shown("@2026-01-01 13:00:00") {
            assert!((3500..=3700).contains(&seconds), "{seconds} s after an hour");
        }
        assert!(shown("@2026-01-01 11:00:00").iter().all(|&seconds| seconds == 0), "an hour before");
        let json = clock.shown_to(service.cmd(&program("svstat"), &["--json"])).run(b"");
        let json = String::from_utf8_lossy(&json.stdout).into_owned();
        assert!(json.contains("\"seconds\":0,"), "{json}");
        // Its supervise dies, and the next one finds that status.
        running.kill();
        let running = start();
        service.wait_for_lines("starts", 2);
        service.wait_for_state("the new process", |(now, ..)| now != 0 && now != pid);
        finish(&service, running);
    }
}
