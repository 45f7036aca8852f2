//! Calls that fail at the worst moment, each found by a review: what the log looks like afterwards.

use std::process::Stdio;
use std::time::Duration;

use tests::rig::{HeldPipe, Rig, SECOND, SOON, skipped, stop, strace, warnings};
use tests::{Cmd, Running, Signal, program, wait_until};

/// Our logger under strace with these options; `None`, said, where strace cannot be used.
fn traced(rig: &Rig, options: &[&str], script: &[&str]) -> Option<Running> {
    let strace = strace()?;
    let words = [&[strace, "-f", "-qq", "-o", "/dev/null"], options].concat();
    let cmd = Cmd::new(program("multilog")).args(script).cwd(rig.path());
    Some(cmd.behind(words).spawn_on(rig.pipe.stdin()))
}

fn numbered(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| format!("line {n:06}\n").into_bytes()).collect()
}

#[test]
fn a_sync_that_never_works_again_costs_no_old_log_at_the_end() {
    let mut rig = Rig::new();
    rig.pipe.write(&numbered(1600));
    let first = rig.start(&["s4096", "n10", "./log"]);
    rig.finish(first);
    let before = rig.log().all();
    assert_eq!(before, numbered(1600));

    let mut again = Rig::new();
    std::fs::rename(rig.join("log"), again.join("log")).expect("both are ours");
    // Every sync of `current` fails, those of other files work.
    let current = again.join("log/current");
    let current = current.to_str().expect("it is text");
    let options = ["-P", current, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=2+"];
    let Some(running) = traced(&again, &options, &["s4096", "n10", "./log"]) else { return };
    again.pipe.close();
    let out = running.wait_open();
    assert_eq!(again.log().all(), before, "{out}");
    assert!(warnings(&out.stderr).len() < 10, "{out}");
}

/// The copy of the input in our own pipe is stale from then on: nothing may be logged from it.
#[test]
fn a_copy_of_the_input_that_cannot_be_read_ends_the_logger_and_costs_no_line() {
    use tests::trace::{Act, Edge, arguments, available, number, trace};
    if let Err(reason) = available() {
        return skipped(&reason);
    }
    let mut rig = Rig::new();
    rig.pipe.write(&numbered(100));
    let mut failed = false;
    let life = trace(rig.logger(&["./log"]), rig.pipe.stdin(), &[], |stop| {
        let is_read = stop.edge == Edge::Entry && number(stop) == Ok(nix::libc::SYS_read);
        let behind = |descriptor| std::fs::read_link(format!("/proc/{}/fd/{descriptor}", stop.process));
        let is_copy = |descriptor| {
            descriptor != 0
                && behind(descriptor).is_ok_and(|path| path.display().to_string().starts_with("pipe:"))
        };
        if !failed && is_read && arguments(stop).is_ok_and(|(descriptor, _)| is_copy(descriptor)) {
            failed = true;
            return Act::Fail(nix::errno::Errno::EAGAIN);
        }
        Act::Go
    });
    assert!(failed, "there was no copy");
    assert_eq!(life.output.status(), "exit 111", "{}", life.output);
    let next = rig.start(&["./log"]);
    rig.finish(next);
    assert_eq!(rig.log().all(), numbered(100));
}

/// As in a sandbox that knows no tee(2): then the input is read, and what was read is held until it is logged.
#[test]
fn a_pipe_that_may_not_be_looked_into_is_read() {
    use tests::trace::{Act, Edge, available, number, trace};
    if let Err(reason) = available() {
        return skipped(&reason);
    }
    let mut rig = Rig::new();
    rig.pipe.write(&numbered(100));
    rig.pipe.close();
    let mut refused = 0;
    let life = trace(rig.logger(&["./log"]), rig.pipe.stdin(), &[], |stop| {
        if stop.edge == Edge::Entry && number(stop) == Ok(nix::libc::SYS_tee) {
            refused += 1;
            return Act::Fail(nix::errno::Errno::EPERM);
        }
        Act::Go
    });
    assert_eq!(refused, 1, "it is not tried again");
    assert_eq!(life.output.status(), "exit 0", "{}", life.output);
    assert_eq!(rig.log().all(), numbered(100));
}

#[test]
fn a_file_that_cannot_be_read_in_recovery_is_kept_as_it_is() {
    let rig = Rig::new();
    std::fs::create_dir(rig.join("log")).expect("own directory");
    std::fs::write(rig.join("log/current"), numbered(400)).expect("own directory");
    std::fs::write(rig.join("log/lock"), "another boot\n").expect("own directory");
    let current = rig.join("log/current");
    let current = current.to_str().expect("it is text");
    let options = ["-P", current, "-e", "trace=pread64", "-e", "inject=pread64:error=EIO"];
    let Some(running) = traced(&rig, &options, &["./log"]) else { return };
    wait_until(SOON, "the logger has started", || rig.log().names().iter().any(|name| name.ends_with(".u")));
    drop(running);
    let old = rig.log().names().into_iter().find(|name| name.ends_with(".u")).expect("it was there");
    assert_eq!(rig.log().read(&old), numbered(400));
}

#[test]
fn a_mode_that_cannot_be_set_once_does_not_block_the_rotation() {
    let mut rig = Rig::new();
    // The modes: `state` and `current` at the start, then the new `current` of the first rotation.
    let options = ["-e", "trace=fchmod", "-e", "inject=fchmod:error=EIO:when=3"];
    let Some(running) = traced(&rig, &options, &["s4096", "n99", "./log"]) else { return };
    rig.pipe.write(&numbered(2000));
    let out = rig.finish(running);
    assert_eq!(rig.log().all(), numbered(2000), "{out}");
}

/// A file may begin in the middle of a line whose beginning was taken long ago: such a tail is no torn line.
#[test]
fn a_kill_inside_a_streamed_line_of_equal_bytes_loses_none_of_them() {
    let mut rig = Rig::new();
    let running = rig.start(&["s4096", "n99", "./log"]);
    rig.pipe.write(&[b'a'; 33_068]);
    // All but what is taken by whole batches is in the log and not in the pipe.
    wait_until(SOON, "the line is streamed", || rig.log().all().len() >= 32_768);
    wait_until(SOON, "the logger waits", || rig.pipe.waiting() == 0 || rig.log().all().len() == 33_068);
    running.kill();
    rig.pipe.write(&[b'a'; 1000]);
    let running = rig.start(&["s4096", "n99", "./log"]);
    rig.finish(running);
    let there = rig.log().all().iter().filter(|byte| **byte == b'a').count();
    assert!(there >= 34_068, "{there} of 34068 bytes");
}

#[test]
fn a_line_that_fills_a_file_exactly_makes_it_no_larger_at_the_end() {
    let mut rig = Rig::new();
    rig.pipe.write(&[b'a'; 40_960]);
    let running = rig.start(&["s4096", "n99", "./log"]);
    rig.finish(running);
    let largest = rig.log().entries().iter().map(|entry| entry.size).max();
    assert_eq!(largest, Some(4096), "{:?}", rig.log().listing());
}

/// What no directory wants is not done with before the alert is out.
#[test]
fn term_while_nobody_reads_the_alerts_leaves_their_lines_in_the_pipe() {
    let mut rig = Rig::new();
    let stderr = HeldPipe::new();
    stderr.fill(&[b'x'; 1 << 20]);
    rig.pipe.write(b"alert me\n");
    let mut command = std::process::Command::new(program("multilog"));
    command.args(["e", "-*", "./log"]).current_dir(rig.path()).stdin(rig.pipe.stdin());
    let mut child = command.stdout(Stdio::null()).stderr(stderr.writer()).spawn().expect("it can be started");
    wait_until(SOON, "the directory is there", || rig.log().path().join("current").exists());
    std::thread::sleep(Duration::from_millis(200));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).expect("it is running");
    wait_until(SECOND, "the logger ends after TERM", || child.try_wait().expect("own child").is_some());
    rig.pipe.close();
    assert_eq!(String::from_utf8(rig.pipe.rest()).as_deref(), Ok("alert me\n"));
}

#[test]
fn many_old_logs_do_not_keep_a_start_from_term() {
    let rig = Rig::new();
    std::fs::create_dir(rig.join("log")).expect("own directory");
    for n in 0..20_000 {
        std::fs::write(rig.join(format!("log/@4000000050000000{n:08x}.s")), "x\n").expect("own directory");
    }
    let running = rig.start(&["n10", "./log"]);
    rig.pipe.write(b"a line\n");
    rig.wait_for_current(b"a line\n");
    stop(running, Signal::TERM);
}
