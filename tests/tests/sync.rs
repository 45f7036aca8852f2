//! What does a failing fsync cost? It is told once, and afterwards the kernel takes lost data for written. So nothing that was
//! in doubt may be believed: it is in a new file that has been synced, or the logger holds the input back.

use std::time::Duration;

use tests::rig::{Rig, SECOND, SOON, strace, warnings};
use tests::{Cmd, Running, Signal, program, wait_until};

/// Our logger under strace, whose fsync number `when` of each thread fails; `None`, said, where strace cannot be used.
fn failing(rig: &Rig, when: &str, script: &[&str]) -> Option<Running> {
    let strace = strace()?;
    let inject = format!("inject=fsync:error=EIO:when={when}");
    let traced = [strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", &inject];
    let cmd = Cmd::new(program("multilog")).args(script).cwd(rig.path());
    Some(cmd.behind(traced).spawn_on(rig.pipe.stdin()))
}

/// The process that strace runs.
fn logger_of(strace: &Running) -> rustix::process::Pid {
    let children = format!("/proc/{0}/task/{0}/children", strace.pid().as_raw_nonzero());
    let children = std::fs::read_to_string(children).expect("strace is running");
    let child = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    child.and_then(rustix::process::Pid::from_raw).expect("strace has started the logger")
}

fn numbered(range: std::ops::Range<usize>) -> Vec<u8> {
    range.flat_map(|n| format!("line {n:06}\n").into_bytes()).collect()
}

/// The calls of the finisher: 1 `current`, 2 its directory, 3 `current` again: that one fails.
#[test]
fn a_sync_of_current_that_fails_once_costs_no_line() {
    let mut rig = Rig::new();
    let Some(running) = failing(&rig, "3", &["y1s", "./log"]) else { return };
    let mut lines = 0;
    wait_until(SOON, "the failure is said", || {
        rig.pipe.write(&numbered(lines..lines + 1));
        lines += 1;
        std::thread::sleep(Duration::from_millis(5));
        !warnings(&running.stderr()).is_empty()
    });
    rig.pipe.write(&numbered(lines..lines + 10));
    let out = rig.finish(running);
    assert_eq!(
        warnings(&out.stderr),
        ["multilog: warning: unable to write ./log/current to disk: input/output error; writing it anew"]
    );
    // What was on disk for certain, what was in doubt, and what came later.
    assert_eq!(rig.log().forms(), ["@.u", "@.u", "current", "lock", "state"]);
    assert_eq!(String::from_utf8(rig.log().all()), String::from_utf8(numbered(0..lines + 10)));
    assert_eq!(rig.log().mode("current"), Some(0o744));
}

/// The first sync of the finisher is that of `previous`.
#[test]
fn a_sync_of_a_full_file_that_fails_once_costs_no_line() {
    let mut rig = Rig::new();
    let Some(running) = failing(&rig, "1", &["s4096", "yoff", "./log"]) else { return };
    // The first fsync of the other thread is that of the directory at the start: without a finisher there is no logger.
    let out = running.wait_open();
    assert_eq!(out.status(), "exit 111", "{out}");
    drop(out);

    let Some(running) = failing(&rig, "2", &["s4096", "yoff", "n99", "./log"]) else { return };
    rig.pipe.write(&numbered(0..2000));
    let out = rig.finish(running);
    assert_eq!(String::from_utf8(rig.log().all()), String::from_utf8(numbered(0..2000)), "{out}");
    assert!(rig.log().names().iter().filter(|name| name.starts_with('@')).count() >= 5, "{out}");
}

#[test]
fn while_no_sync_works_the_input_is_held_back_and_the_end_is_no_success() {
    let mut rig = Rig::new();
    let Some(running) = failing(&rig, "2+", &["y1s", "./log"]) else { return };
    let mut lines = 0;
    wait_until(SOON, "the logger says that it waits", || {
        if lines < 1000 {
            rig.pipe.write(&numbered(lines..lines + 1));
            lines += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
        warnings(&running.stderr()).len() >= 2
    });
    let more = numbered(lines..lines + 10);
    rig.pipe.write(&more);
    let logger = logger_of(&running);
    rustix::process::kill_process(logger, Signal::TERM).expect("it is running");
    wait_until(SECOND, "the logger ends after TERM", || running.has_ended());
    let out = running.wait_open();
    assert_eq!(out.status(), "exit 111", "{out}");
    // What was in doubt is where the next logger looks for it, and what came later is still in the pipe.
    let mut all = rig.log().all();
    rig.pipe.close();
    all.extend(rig.pipe.rest());
    assert_eq!(String::from_utf8(all), String::from_utf8(numbered(0..lines + 10)), "{out}");
}

/// `y0`: each batch is on disk before it is taken.
#[test]
fn with_y0_a_failing_sync_is_made_good_before_the_input_is_taken() {
    let mut rig = Rig::new();
    // The calls of the road: 1 the directory at the start, then one for each batch.
    let Some(running) = failing(&rig, "3", &["y0", "./log"]) else { return };
    for n in 0..20 {
        rig.pipe.write(&numbered(n..n + 1));
        wait_until(SOON, "the line is taken", || rig.pipe.waiting() == 0);
    }
    let out = rig.finish(running);
    assert_eq!(String::from_utf8(rig.log().all()), String::from_utf8(numbered(0..20)), "{out}");
    // What was in doubt is in a file of its own, and nothing of it is called safe.
    assert_eq!(rig.log().forms(), ["@.u", "@.u", "current", "lock", "state"], "{out}");
}

/// What is taken is on disk, and so is the name of its file: looked at before every call that takes, rotations between them.
#[test]
fn with_y0_nothing_is_taken_before_it_is_synced_not_even_at_a_rotation() {
    use std::collections::HashSet;
    use tests::rig::skipped;
    use tests::trace::{Act, Edge, arguments, available, number, trace};
    if let Err(reason) = available() {
        return skipped(&reason);
    }
    let mut rig = Rig::new();
    rig.pipe.write(&numbered(0..1000));
    rig.pipe.close();
    let (mut dirty, mut unnamed, mut takes, mut early) = (HashSet::new(), None, 0, Vec::new());
    let life = trace(rig.logger(&["y0", "s4096", "n99", "./log"]), rig.pipe.stdin(), &[], |stop| {
        use std::os::unix::fs::MetadataExt;
        let (Ok(call), Ok((descriptor, _))) = (number(stop), arguments(stop)) else { return Act::Go };
        let file =
            || std::fs::metadata(format!("/proc/{}/fd/{descriptor}", stop.process)).map(|file| file.ino());
        match (call, stop.edge) {
            (nix::libc::SYS_write, Edge::Entry) if descriptor > 8 => {
                dirty.extend(file());
                dirty.extend(unnamed);
            }
            // The road makes way for a new `current`, whose name is in the directory; the finisher's are for what has one.
            (nix::libc::SYS_renameat2, Edge::Entry) if stop.thread == 0 => unnamed = file().ok(),
            (nix::libc::SYS_fsync | nix::libc::SYS_fdatasync, Edge::Exit) => {
                let synced = file().ok();
                dirty.retain(|&number| synced != Some(number));
                unnamed = unnamed.filter(|_| unnamed != synced);
            }
            (nix::libc::SYS_splice, Edge::Entry) => {
                takes += 1;
                if !dirty.is_empty() {
                    early.push(takes);
                }
            }
            _ => (),
        }
        Act::Go
    });
    assert_eq!(life.output.status(), "exit 0", "{}", life.output);
    assert!(takes > 2 && rig.log().old_logs().len() > 2, "{takes} takes, {:?}", rig.log().names());
    assert!(early.is_empty(), "of {takes} takes these were made before a sync: {early:?}");
}
