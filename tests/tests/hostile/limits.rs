//! What the process may do is limited: few descriptors, small files, closed standard descriptors, a stderr that takes nothing.

use std::fs::File;

use rustix::fs::{CWD, FileType, mknodat};
use tests::feeder::{Corpus, Rules, judge};
use tests::rig::{Rig, SECOND, SOON, stop, warnings};
use tests::{Cmd, LogDir, Scratch, Signal, Stamp, program, uses_original, wait_for, wait_until};

use crate::assert_same;

/// 200 lines of 100 bytes.
fn many_lines() -> Corpus {
    let mut corpus = Corpus::new();
    for _ in 0..200 {
        corpus.push(100);
    }
    corpus
}

/// The log has every line; where a logger was stopped in a pause, one batch may be there twice.
#[track_caller]
fn has_every_line(rig: &Rig, size: u64, stops: usize) {
    let rules =
        Rules { size, stamped: false, classes: b"ABC", kills: stops, splits_over: 32_768, trimmed: false };
    let verdict = judge(rig.log().path(), &many_lines(), &rules);
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
}

#[test]
fn a_limited_file_size_neither_kills_nor_loses() {
    for signal in ["", "trap '' XFSZ;"] {
        is_limited_to_10050_bytes(signal);
    }
}

#[track_caller]
fn is_limited_to_10050_bytes(signal: &str) {
    let mut rig = Rig::new();
    rig.pipe.write(&many_lines().input());
    let limit = format!(r#"{signal} exec prlimit --fsize=10050 "$0" "$@""#);
    let running = rig.logger(&["./log"]).behind(["sh", "-c", &limit]).spawn_on(rig.pipe.stdin());
    let said = wait_for(SOON, "a warning", || {
        assert!(!running.has_ended(), "it has ended: {}", running.stderr().escape_ascii());
        warnings(&running.stderr()).first().cloned()
    });
    assert_eq!(said, "multilog: warning: unable to write to ./log/current, pausing: file too big");
    assert!(rig.pipe.waiting() > 0);
    let out = stop(running, Signal::TERM);
    assert_eq!(warnings(&out.stderr).len(), 1, "{out}");
    let next = rig.start(&["./log"]);
    rig.finish(next);
    has_every_line(&rig, 99_999, 1);
}

/// Each open file more that a logger needs is tried as the first that it cannot have.
#[test]
fn few_descriptors_are_enough_or_it_says_so_and_loses_nothing() {
    let script = ["s4096", "n99", "./log"];
    let input = many_lines().input();
    for limit in 3..24 {
        let mut rig = Rig::new();
        rig.pipe.write(&input);
        rig.pipe.close();
        let nofile = format!("--nofile={limit}");
        let running = rig.logger(&script).behind(["prlimit", &nofile]).spawn_on(rig.pipe.stdin());
        let pauses = |line: &String| line.ends_with("pausing: process cannot open more files");
        wait_until(SOON, &format!("{limit} descriptors: it ends or pauses"), || {
            running.has_ended() || warnings(&running.stderr()).iter().any(pauses)
        });
        running.signal(Signal::TERM);
        wait_until(SECOND, "it ends after TERM", || running.has_ended());
        let out = running.wait_open();
        match out.status().as_str() {
            "exit 0" => (),
            // In the middle of a rotation: the full file has not been synced, since there is no descriptor for the next.
            "exit 111" if warnings(&out.stderr).iter().any(pauses) => (),
            // Too few even to be started: the loader has said so.
            "exit 127" => assert!(limit < 5, "{limit}: {out}"),
            _ => {
                assert_eq!(out.status(), "exit 111", "{limit}: {out}");
                assert!(out.messages().starts_with("multilog: fatal: unable to "), "{limit}: {out}");
                assert_eq!(rig.pipe.waiting(), input.len(), "{limit}: {out}");
            }
        }
        let is_enough = out.status() == "exit 0" && rig.pipe.waiting() == 0 && out.messages().is_empty();
        assert!(is_enough || limit < 18, "{limit} descriptors are not enough: {out}");
        let next = rig.start(&script);
        rig.finish(next);
        has_every_line(&rig, 4_096, 1);
    }
}

#[test]
fn closed_standard_descriptors_never_mix_anything_into_the_log() {
    let input = many_lines().input();
    for closed in 0..8 {
        let mut rig = Rig::new();
        rig.pipe.write(&input);
        let close: String = (0..3)
            .filter(|fd| closed >> fd & 1 == 1)
            .map(|fd| if fd == 0 { " <&-".into() } else { format!(" {fd}>&-") })
            .collect();
        let command = format!(r#"exec "$0" "$@"{close}"#);
        // `x` is warned about and `e` writes to stderr: none of it may end in a file of the log.
        let running = rig
            .logger(&["x", "e", "s4096", "n99", "!cat", "./log"])
            .behind(["sh", "-c", &command])
            .spawn_on(rig.pipe.stdin());
        rig.pipe.close();
        let out = running.wait_open();
        if closed & 1 == 0 {
            assert_eq!(out.status(), "exit 0", "closed:{close}: {out}");
            assert_same(&rig.log().all(), &input);
            assert!(rig.log().old_logs().len() >= 4, "{:?}", rig.log().names());
        } else {
            assert_eq!(out.status(), "exit 111", "closed:{close}: {out}");
            assert_same(&rig.log().all(), b"");
        }
        assert_eq!(rig.log().read("state"), b"");
    }
}

#[test]
fn alerts_that_nobody_can_read_do_not_end_logging() {
    // A pipe without a reader: writing gives SIGPIPE, or EPIPE where that is ignored.
    for signal in ["", "trap '' PIPE;"] {
        let mut rig = Rig::new();
        let script = format!(r#"{signal} exec 2>fifo; exec 8<&-; exec "$0" "$@""#);
        mknodat(CWD, rig.join("fifo"), FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
        let reader = File::options().read(true).write(true).open(rig.join("fifo")).expect("the FIFO");
        let running = rig.logger(&["e", "./log"]).behind(["sh", "-c", &script]).spawn_on(rig.pipe.stdin());
        rig.pipe.write(b"one\n");
        rig.wait_for_current(b"one\n");
        drop(reader);
        rig.pipe.write(b"two\nthree\n");
        rig.wait_for_current(b"one\ntwo\nthree\n");
        rig.finish(running);
    }
}

#[test]
fn a_full_dev_full_as_stderr_does_not_end_logging() {
    let mut rig = Rig::new();
    let script = r#"exec 2>/dev/full; exec "$0" "$@""#;
    let running = rig.logger(&["x", "e", "./log"]).behind(["sh", "-c", script]).spawn_on(rig.pipe.stdin());
    rig.pipe.write(b"one\ntwo\n");
    rig.wait_for_current(b"one\ntwo\n");
    rig.finish(running);
}

/// Below it the logger does not start, or is aborted in a rotation, where it starts a thread and a processor.
#[test]
fn the_memory_that_the_documents_ask_for_is_enough() {
    if uses_original() {
        return;
    }
    const COMPAT: &str = include_str!("../../../docs/compat.md");
    let asked =
        COMPAT.lines().find(|line| line.starts_with("* `softlimit -m` below ")).expect("it is asked for");
    let mut figures = asked
        .split(' ')
        .filter(|word| word.contains(',') && word.starts_with(|first: char| first.is_ascii_digit()))
        .filter_map(|word| word.replace(',', "").parse::<u64>().ok());
    // For one or two directories, and for each more.
    let [two, more] = [figures.next(), figures.next()].map(|figure| figure.expect("a figure with commas"));
    let input: String = (0..400).map(|number| format!("{number} {}\n", "x".repeat(90))).collect();
    // The figures are for the program as it is installed; one with checks for tests is larger by so much.
    let larger = if cfg!(debug_assertions) { 700_000 } else { 0 };
    for (directories, enough) in [(1, two), (2, two), (3, two + more), (6, two + 4 * more)] {
        // More is enough as well: just below, threads and processors fail or not by turns.
        for beyond in [0, 100_000, 200_000, 400_000] {
            let bytes = enough + larger + beyond;
            let scratch = Scratch::in_memory();
            let logs: Vec<_> =
                (0..directories).map(|number| LogDir::new(scratch.join(number.to_string()))).collect();
            let multilog = Cmd::new(program("multilog"))
                .args(["t", "s4096", "n100", "!cat"])
                .args(logs.iter().map(LogDir::path))
                .cwd(scratch.path());
            let (softlimit, limit) = (program("softlimit"), bytes.to_string());
            let limited = [softlimit.as_os_str(), "-m".as_ref(), limit.as_ref()];
            let out = multilog.behind(limited).run(input.as_bytes());
            let said = (out.status(), out.messages());
            assert_eq!(
                said,
                ("exit 0".to_owned(), String::new()),
                "{directories} directories, {bytes} bytes"
            );
            for log in &logs {
                assert!(log.old_logs().len() > 5, "{:?}", log.forms());
                assert_same(&Stamp::Tai64n.strip(&log.all()), input.as_bytes());
            }
        }
    }
}
