//! Does a logger end within a second whenever it is told to, rotate when told to, and lose nothing either way?

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tests::feeder::{Mix, Rng, Rules, feed, judge, seed};
use tests::rig::{Rig, SOON, skipped, stop};
use tests::{LogDir, Running, Signal, wait_until};

const ENDING: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// The logger has said nothing, ended with 0, and closed `current` cleanly.
#[track_caller]
fn ended_cleanly(rig: &Rig, running: Running, signal: Signal) {
    let out = stop(running, signal);
    assert_eq!(out.messages(), "", "after {signal:?}");
    assert_eq!(rig.log().mode("current"), Some(0o744), "after {signal:?}");
}

/// The one-letter state of a process, as `/proc` shows it.
fn state(running: &Running) -> char {
    let pid = running.pid().as_raw_nonzero();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process of ours");
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).expect("a state")
}

/// Waits until TERM would no longer simply kill: it is caught, or blocked to be read from a descriptor.
fn wait_until_term_is_handled(running: &Running) {
    let path = format!("/proc/{}/status", running.pid().as_raw_nonzero());
    wait_until(SOON, "TERM is handled", || {
        let status = std::fs::read_to_string(&path).expect("a process of ours");
        let masks = status.lines().filter_map(|line| {
            let mask = line.strip_prefix("SigBlk:").or(line.strip_prefix("SigCgt:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        });
        masks.fold(0, |all, mask| all | mask) >> (Signal::TERM.as_raw() - 1) & 1 == 1
    });
}

/// Waits until the logger sleeps: it has set up everything and waits for input.
fn wait_until_idle(running: &Running) {
    wait_until(SOON, "the logger sleeps", || state(running) == 'S');
}

#[test]
fn each_ending_signal_ends_an_idle_logger_cleanly() {
    for signal in ENDING {
        let rig = Rig::new();
        rig.pipe.write(b"one\n");
        let running = rig.start(&["./log"]);
        rig.wait_for_current(b"one\n");
        wait_until_idle(&running);
        ended_cleanly(&rig, running, signal);
        assert_eq!(rig.log().all(), b"one\n");
    }
}

#[test]
fn each_ending_signal_ends_a_logger_that_never_had_input() {
    for signal in ENDING {
        let rig = Rig::new();
        let running = rig.start(&["t", "./log"]);
        wait_until(SOON, "the log is open", || rig.log().mode("current") == Some(0o644));
        wait_until_idle(&running);
        ended_cleanly(&rig, running, signal);
        assert_eq!(rig.log().all(), b"");
    }
}

#[test]
fn a_partial_line_stays_in_the_pipe_and_is_logged_whole_by_the_next_logger() {
    for signal in ENDING {
        let mut rig = Rig::new();
        rig.pipe.write(b"whole\npart");
        let running = rig.start(&["./log"]);
        rig.wait_for_current(b"whole\n");
        wait_until_idle(&running);
        ended_cleanly(&rig, running, signal);
        assert_eq!(rig.log().all(), b"whole\n");
        assert_eq!(rig.pipe.waiting(), 4);
        rig.pipe.write(b"ial\n");
        let next = rig.start(&["./log"]);
        rig.finish(next);
        assert_eq!(rig.log().all(), b"whole\npartial\n");
    }
}

#[test]
fn the_middle_of_a_very_long_line_does_not_hold_back_the_end() {
    let mut rig = Rig::new();
    rig.pipe.enlarge(300_000);
    rig.pipe.write(&[b'x'; 200_000]);
    let running = rig.start(&["s1000000", "./log"]);
    let length = || rig.log().read("current").len();
    wait_until(SOON, "the line is being logged", || length() > 100_000);
    wait_until_idle(&running);
    ended_cleanly(&rig, running, Signal::TERM);
    rig.pipe.write(b"y\n");
    let next = rig.start(&["s1000000", "./log"]);
    rig.finish(next);
    let text: Vec<u8> = rig.log().all().into_iter().filter(|&byte| byte != b'\n').collect();
    let right = [vec![b'x'; 200_000], b"y".to_vec()].concat();
    assert!(text == right, "{} bytes instead of {}", text.len(), right.len());
}

#[test]
fn term_while_the_pipe_is_full_leaves_the_rest_for_the_next_logger() {
    let mut rig = Rig::new();
    rig.pipe.enlarge(1 << 20);
    let lines: Vec<u8> = (0..200_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    let waiting = rig.pipe.fill(&lines);
    assert!(waiting > 900_000, "{waiting}");
    // Small files keep the logger busy while the signal comes.
    let script = ["s4096", "n9999", "./log"];
    let running = rig.start(&script);
    wait_until(SOON, "the first old log", || !rig.log().old_logs().is_empty());
    stop(running, Signal::TERM);
    let next = rig.start(&script);
    rig.finish(next);
    let mut right = lines[..waiting].to_vec();
    if !right.ends_with(b"\n") {
        right.push(b'\n');
    }
    assert!(rig.log().all() == right, "the log is not what went into the pipe");
}

/// As with kill -9, but now not even a repeat is allowed.
#[test]
fn many_terms_in_a_stream_of_lines_cost_nothing_and_repeat_nothing() {
    let seed = seed();
    for script in [&["t", "n9999", "./log"][..], &["t", "n9999", "s4096", "./log"]] {
        let mut rig = Rig::new();
        let mut rng = Rng::new(seed);
        let ended = Arc::new(AtomicBool::new(false));
        let writer =
            feed(rig.pipe.writer(), Mix::Mixed, 20_000_000, Rng::new(rng.bits()), Arc::clone(&ended));
        rig.pipe.close();
        let terms = 40;
        for _ in 0..terms {
            let running = rig.start(script);
            wait_until_term_is_handled(&running);
            // From here on the signal may come at any moment.
            thread::sleep(Duration::from_micros(rng.range(0, 20_000)));
            let out = stop(running, Signal::TERM);
            assert_eq!(out.messages(), "", "TEST_SEED={seed}");
        }
        ended.store(true, Ordering::Relaxed);
        let last = rig.start(script);
        rig.finish(last);
        let corpus = writer.join().expect("the writer");
        let size = if script.contains(&"s4096") { 4_096 } else { 99_999 };
        let splits_over = size.min(32_768) as usize;
        let rules = Rules { size, stamped: true, classes: b"ABC", kills: terms, splits_over, trimmed: false };
        let verdict = judge(rig.log().path(), &corpus, &rules);
        assert!(verdict.faults.is_empty(), "TEST_SEED={seed}: {:#?}", verdict.faults);
        assert_eq!((verdict.repeats, verdict.fragments), (0, 0), "TEST_SEED={seed}: {verdict:?}");
    }
}

/// A service started with `nohup`, or in the background of a shell script.
#[test]
fn ignored_int_hup_and_quit_stay_ignored() {
    let rig = Rig::new();
    let ignoring = ["sh", "-c", r#"trap "" INT HUP QUIT; exec "$0" "$@""#];
    let running = rig.logger(&["./log"]).behind(ignoring).spawn_on(rig.pipe.stdin());
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    let mut right = b"one\n".to_vec();
    for signal in [Signal::INT, Signal::HUP, Signal::QUIT] {
        running.signal(signal);
        rig.pipe.write(b"more\n");
        right.extend(b"more\n");
        rig.wait_for_current(&right);
    }
    assert!(!running.has_ended());
    ended_cleanly(&rig, running, Signal::TERM);
}

#[test]
fn term_and_alrm_work_though_inherited_blocked_or_ignored() {
    for how in ["--block-signal", "--ignore-signal"] {
        let options = [format!("{how}=TERM"), format!("{how}=ALRM")];
        if !Command::new("env").args(&options).arg("true").output().is_ok_and(|out| out.status.success()) {
            skipped(&format!("env has no {how}"));
            return;
        }
        let rig = Rig::new();
        let words = ["env", &options[0], &options[1]];
        let running = rig.logger(&["./log"]).behind(words).spawn_on(rig.pipe.stdin());
        rig.pipe.write(b"one\n");
        rig.wait_for_current(b"one\n");
        running.signal(Signal::ALARM);
        wait_until(SOON, &format!("{how}: ALRM rotates"), || rig.log().old_logs().len() == 1);
        ended_cleanly(&rig, running, Signal::TERM);
    }
}

#[test]
fn alrm_rotates_what_is_not_empty_and_nothing_else() {
    let mut rig = Rig::new();
    rig.pipe.write(b"one\n");
    let running = rig.start(&["./log", "-*", "./empty"]);
    rig.wait_for_current(b"one\n");
    wait_until_idle(&running);
    running.signal(Signal::ALARM);
    wait_until(SOON, "an old log", || rig.log().forms() == ["@.s", "current", "lock", "state"]);
    rig.pipe.write(b"two\n");
    rig.wait_for_current(b"two\n");
    running.signal(Signal::ALARM);
    wait_until(SOON, "another", || rig.log().forms() == ["@.s", "@.s", "current", "lock", "state"]);
    running.signal(Signal::ALARM);
    let out = rig.finish(running);
    assert_eq!(out.messages(), "");
    assert_eq!(rig.log().all(), b"one\ntwo\n");
    assert_eq!(rig.log().listing(), ["@.s 0744", "@.s 0744", "current 0744", "lock 0600", "state 0644"]);
    assert_eq!(LogDir::new(rig.join("empty")).listing(), ["current 0744", "lock 0600", "state 0644"]);
}

#[test]
fn alrm_in_the_middle_of_a_line_leaves_the_line_to_the_next_file() {
    let mut rig = Rig::new();
    rig.pipe.write(b"one\npart");
    let running = rig.start(&["t", "./log"]);
    wait_until(SOON, "the first line", || rig.log().lines().len() == 1);
    wait_until_idle(&running);
    running.signal(Signal::ALARM);
    wait_until(SOON, "an old log", || rig.log().old_logs().len() == 1);
    rig.pipe.write(b"ial\n");
    rig.finish(running);
    let texts: Vec<Vec<u8>> = rig.log().lines().iter().map(|line| line[26..].to_vec()).collect();
    assert_eq!(texts, [b"one".to_vec(), b"partial".to_vec()]);
    assert_eq!(rig.log().read("current").len(), 26 + 8);
}

#[test]
fn many_alrms_neither_lose_lines_nor_make_empty_files() {
    let mut rig = Rig::new();
    let running = rig.start(&["n9999", "./log"]);
    let mut right = Vec::new();
    wait_until(SOON, "the log is open", || rig.log().mode("current") == Some(0o644));
    wait_until_idle(&running);
    let logged = || rig.log().all().len();
    for n in 0..300 {
        running.signal(Signal::ALARM);
        let line = format!("line {n}\n");
        right.extend(line.as_bytes());
        rig.pipe.write(line.as_bytes());
        running.signal(Signal::ALARM);
        if n % 10 == 0 {
            // `current` becomes `previous` while we look: then some of it is seen twice or not at all.
            wait_until(SOON, "the line is logged", || logged() == right.len());
        }
    }
    rig.finish(running);
    assert!(rig.log().all() == right, "{}", String::from_utf8_lossy(&rig.log().all()));
    assert!(!rig.log().old_logs().is_empty());
    for name in rig.log().old_logs() {
        assert!(!rig.log().read(&name).is_empty(), "{name} is empty");
        assert!(name.ends_with(".s"), "{name}");
    }
}

/// Alerts go to a terminal that was stopped, or to a reader that hangs: the end must still come.
#[test]
fn term_ends_a_logger_whose_alerts_nobody_reads() {
    let mut rig = Rig::new();
    let fifo = rig.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    let held = std::fs::File::options().read(true).write(true).open(&fifo).expect("both ends");
    let flags = rustix::fs::fcntl_getfl(&held).expect("flags");
    rustix::fs::fcntl_setfl(&held, flags | rustix::fs::OFlags::NONBLOCK).expect("flags");
    while (&held).write(&[b'.'; 4_096]).is_ok() {}

    let lines: Vec<u8> = (0..5_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    rig.pipe.write(&lines);
    rig.pipe.close();
    let stuck = ["sh", "-c", r#"exec 2>fifo; exec "$0" "$@""#];
    let running = rig.logger(&["e", "./log"]).behind(stuck).spawn_on(rig.pipe.stdin());
    wait_until(SOON, "the log is open", || rig.log().mode("current") == Some(0o644));
    wait_until_idle(&running);
    stop(running, Signal::TERM);
    let next = rig.start(&["./log"]);
    rig.finish(next);
    // What was logged and not yet taken out of the pipe is there twice, but nothing is missing or out of order.
    let log = rig.log().all();
    assert!(log.ends_with(&lines) || log.len() > lines.len(), "{} of {} bytes", log.len(), lines.len());
    let again = log.len() - lines.len();
    assert!(again <= 32_768, "{again} bytes twice");
    assert!(log[..again] == lines[..again] && log[again..] == lines[..], "lines are missing or out of order");
}

#[test]
fn a_stopped_logger_goes_on_where_it_was() {
    let rig = Rig::new();
    rig.pipe.write(b"one\n");
    let running = rig.start(&["./log"]);
    rig.wait_for_current(b"one\n");
    running.signal(Signal::STOP);
    wait_until(SOON, "it is stopped", || state(&running) == 'T');
    rig.pipe.write(b"two\nthr");
    running.signal(Signal::CONT);
    rig.wait_for_current(b"one\ntwo\n");
    rig.pipe.write(b"ee\n");
    rig.wait_for_current(b"one\ntwo\nthree\n");
    ended_cleanly(&rig, running, Signal::TERM);
}

#[test]
fn a_signal_sent_while_stopped_is_obeyed_afterwards() {
    let rig = Rig::new();
    rig.pipe.write(b"one\n");
    let running = rig.start(&["./log"]);
    rig.wait_for_current(b"one\n");
    running.signal(Signal::STOP);
    wait_until(SOON, "it is stopped", || state(&running) == 'T');
    running.signal(Signal::TERM);
    running.signal(Signal::CONT);
    ended_cleanly(&rig, running, Signal::TERM);
}
