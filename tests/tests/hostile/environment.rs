//! The ground moves under a running logger: its directory goes or becomes read-only, `/proc` and `/dev` are not there, the kernel
//! gives no process and little memory.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, fcntl_lock};
use tests::rig::{Rig, SOON, skipped, stop, warnings};
use tests::{Cmd, Scratch, Signal, program, wait_until};

use crate::{assert_same, mixed_lines, status_kb};

#[test]
fn a_directory_that_is_a_link_to_a_directory_is_followed() {
    let mut rig = Rig::new();
    fs::create_dir(rig.join("real")).expect("own directory");
    symlink("real", rig.join("log")).expect("own directory");
    rig.pipe.write(b"one\n");
    let running = rig.start(&["./log"]);
    rig.finish(running);
    assert_same(&fs::read(rig.join("real/current")).expect("it was made"), b"one\n");
}

/// What is logged afterwards goes with the directory, as with every file that is open when it is removed; the logger lives.
#[test]
fn a_directory_that_is_removed_under_a_logger_does_not_end_it() {
    let rig = Rig::new();
    let running = rig.start(&["./log"]);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    fs::remove_dir_all(rig.join("log")).expect("own directory");
    rig.pipe.write(b"two\n");
    wait_until(SOON, "the line is taken", || rig.pipe.waiting() == 0);
    running.signal(Signal::ALARM);
    rig.pipe.write(b"three\n");
    wait_until(SOON, "it says that it has no directory", || !warnings(&running.stderr()).is_empty());
    rig.pipe.write(b"four\n");
    let waiting = rig.pipe.waiting();
    assert!(waiting > 0, "what cannot be written was taken");
    let out = stop_somehow(running);
    assert!(warnings(&out.stderr).len() <= 4, "{out}");
    let mut rig = rig;
    let next = rig.start(&["./log"]);
    rig.finish(next);
    assert_same(&rig.log().all(), b"three\nfour\n");
}

/// TERM ends it within a second; with success or, where what was taken is nowhere any more, without.
#[track_caller]
fn stop_somehow(running: tests::Running) -> tests::Output {
    running.signal(Signal::TERM);
    wait_until(tests::rig::SECOND, "the logger ends after TERM", || running.has_ended());
    let out = running.wait_open();
    assert!(["exit 0", "exit 111"].contains(&out.status().as_str()), "{out}");
    out
}

/// A directory that only a user without privileges cannot write to any more.
#[test]
fn a_directory_that_becomes_read_only_holds_rotation_back_and_loses_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let mut rig = Rig::new();
    let mode =
        |mode| fs::set_permissions(rig.join("log"), fs::Permissions::from_mode(mode)).expect("own directory");
    let tools = Scratch::new();
    let logger = tools.install(&program("multilog"));
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_root = rustix::process::getuid().is_root();
    let start = |rig: &Rig| {
        let cmd = Cmd::new(&logger).args(["s4096", "n99", "./log"]);
        let cmd = if is_root { cmd.behind(nobody) } else { cmd };
        cmd.cwd(rig.path()).spawn_on(rig.pipe.stdin())
    };
    fs::set_permissions(rig.path(), fs::Permissions::from_mode(0o777)).expect("own directory");
    let running = start(&rig);
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    mode(0o500);
    let more = mixed_lines(21, 20_000);
    rig.pipe.enlarge(more.len());
    rig.pipe.write(&more);
    wait_until(SOON, "it says that it pauses", || !warnings(&running.stderr()).is_empty());
    assert!(rig.pipe.waiting() > 0);
    mode(0o700);
    wait_until(SOON, "it goes on", || rig.pipe.waiting() == 0);
    let out = rig.finish(running);
    assert_same(&rig.log().all(), &[b"one\n", &more[..]].concat());
    assert!(warnings(&out.stderr).len() <= 2, "{out}");
}

#[test]
fn a_hundred_thousand_entries_neither_stop_a_start_nor_take_memory() {
    let mut rig = Rig::in_memory();
    fs::create_dir(rig.join("log")).expect("own directory");
    for n in 0..100_000 {
        File::create(rig.join(format!("log/note-{n}"))).expect("own directory");
    }
    let running = rig.start(&["s4096", "n5", "./log"]);
    let input = mixed_lines(22, 100_000);
    rig.pipe.write(&input[..1000]);
    wait_until(SOON, "the beginning is taken", || rig.pipe.waiting() < 1000);
    let writer = rig.pipe.writer();
    std::io::Write::write_all(&mut &writer, &input[1000..]).expect("a reader");
    drop(writer);
    wait_until(SOON, "all is taken", || rig.pipe.waiting() < 100);
    let peak = status_kb(&running, "VmHWM:");
    assert!(peak < 8_192, "{peak} kB");
    rig.finish(running);
    assert!(rig.log().old_logs().len() <= 4);
    assert!(input.ends_with(&rig.log().all()), "the log does not end as the input does");
}

/// A read lock of fcntl(2), which any user can take on a file that can be read, keeps s6-log from starting.
#[test]
fn a_read_lock_of_somebody_does_not_keep_a_logger_from_starting() {
    let mut rig = Rig::new();
    fs::create_dir(rig.join("log")).expect("own directory");
    let lock = File::create(rig.join("log/lock")).expect("own directory");
    let lock_to_read = File::open(rig.join("log/lock")).expect("own file");
    drop(lock);
    fcntl_lock(&lock_to_read, FlockOperation::NonBlockingLockShared).expect("nobody else has one");
    rig.pipe.write(b"one\n");
    let running = rig.start(&["./log"]);
    rig.finish(running);
    assert_same(&rig.log().all(), b"one\n");
}

/// Logs with rotation and a processor, behind `words`; `None`, said, where these cannot do their part.
#[track_caller]
fn logs_behind(words: &[&str], script: &[&str]) {
    let probe = Cmd::new("true").behind(words).spawn_on(std::process::Stdio::null()).wait_open();
    if probe.status() != "exit 0" {
        return skipped(&format!("{words:?}: {}", probe.messages().trim_end()));
    }
    let rig = Rig::new();
    let input = mixed_lines(23, 60_000);
    let out = rig.logger(script).behind(words).run(&input);
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_same(&rig.log().all(), &input);
}

#[test]
fn without_proc_it_logs() {
    logs_behind(
        &["unshare", "-Urm", "sh", "-c", r#"mount -t tmpfs none /proc && exec "$0" "$@""#],
        &["s4096", "n99", "./log"],
    );
}

#[test]
fn without_dev_it_logs() {
    logs_behind(
        &["unshare", "-Urm", "sh", "-c", r#"mount -t tmpfs none /dev && exec "$0" "$@""#],
        &["s4096", "n99", "./log"],
    );
}

/// As in a careless chroot: it would get a copy of the log, until its disk is full.
#[test]
fn where_dev_null_is_a_file_it_logs() {
    let script = r#"mount -t tmpfs -o size=8k none /dev && : >/dev/null && exec "$0" "$@""#;
    logs_behind(&["unshare", "-Urm", "sh", "-c", script], &["s4096", "n99", "./log"]);
}

#[test]
fn a_small_stack_is_enough() {
    logs_behind(&["prlimit", "--stack=131072"], &["s4096", "n99", "!cat", "./log"]);
}

/// The limit counts what is reserved: programs, libraries and the arena of a second thread.
#[test]
fn little_memory_is_enough_or_it_says_so_and_loses_nothing() {
    let input = mixed_lines(24, 60_000);
    let mut enough = 0;
    for megabytes in [4, 8, 16, 32, 64, 256] {
        let mut rig = Rig::new();
        rig.pipe.enlarge(input.len());
        rig.pipe.write(&input);
        rig.pipe.close();
        let limit = format!("--as={}", megabytes << 20);
        let script = ["s4096", "n99", "./log"];
        let out = rig.logger(&script).behind(["prlimit", &limit]).spawn_on(rig.pipe.stdin()).wait_open();
        if out.status() == "exit 0" {
            enough += 1;
            assert_eq!(rig.pipe.waiting(), 0, "{megabytes} MB: {out}");
        }
        let next = rig.start(&script);
        rig.finish(next);
        assert_same(&rig.log().all(), &input);
    }
    assert!(enough >= 2, "64 MB are not enough");
}

/// As a user who may have no second process: the processor cannot be started, and is, as soon as it can.
#[test]
fn where_no_process_can_be_started_logging_goes_on() {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::getuid().is_root() {
        return skipped("only root can become a user who has no process yet");
    }
    let tools = Scratch::new();
    let logger = tools.install(&program("multilog"));
    let mut rig = Rig::new();
    fs::set_permissions(rig.path(), fs::Permissions::from_mode(0o777)).expect("own directory");
    // The one process that there may be has two threads.
    let limited = ["setpriv", "--reuid=64987", "--regid=64987", "--clear-groups", "prlimit", "--nproc=2"];
    let cmd = Cmd::new(&logger).args(["n99", "!cat", "./log"]).behind(limited).cwd(rig.path());
    let running = cmd.spawn_on(rig.pipe.stdin());
    rig.pipe.write(b"one\n");
    rig.wait_for_current(b"one\n");
    running.signal(Signal::ALARM);
    wait_until(SOON, "it says that nothing can be started", || !warnings(&running.stderr()).is_empty());
    rig.pipe.write(b"two\n");
    rig.wait_for_current(b"two\n");
    let out = stop(running, Signal::TERM);
    assert_eq!(warnings(&out.stderr).len(), 1, "{out}");
    let next = rig.start(&["n99", "!cat", "./log"]);
    rig.finish(next);
    assert_same(&rig.log().all(), b"one\ntwo\n");
}

/// Rotates once with this processor while lines keep coming; none of them may wait longer than a second.
#[track_caller]
fn goes_on_beside(command: &str, file: impl Fn(&Path) -> bool) -> (Rig, u64) {
    let mut rig = Rig::new();
    let running = rig.start(&["n99", command, "./log"]);
    rig.pipe.write(b"first\n");
    rig.wait_for_current(b"first\n");
    running.signal(Signal::ALARM);
    let mut all = Vec::new();
    for n in 0..20 {
        let line = format!("line {n}\n");
        rig.pipe.write(line.as_bytes());
        all.extend(line.as_bytes());
        wait_until(Duration::from_secs(1), "a line is logged within a second", || {
            rig.log().read("current") == all
        });
    }
    wait_until(SOON, "the file is processed", || {
        rig.log().old_logs().iter().any(|name| file(&rig.log().join(name)))
    });
    let peak = status_kb(&running, "VmHWM:");
    rig.finish(running);
    assert_same(&rig.log().read("current"), &all);
    (rig, peak)
}

#[test]
fn a_processor_that_writes_ten_gigabytes_takes_no_memory_and_holds_nothing_up() {
    const BYTES: u64 = 10 << 30;
    // A hole of this size: what the logger has to do with it is the same.
    let big = |path: &Path| fs::metadata(path).is_ok_and(|file| file.len() >= BYTES);
    let (_, peak) = goes_on_beside(&format!("!truncate -s {BYTES} /proc/self/fd/1"), big);
    assert!(peak < 8_192, "{peak} kB");
}

#[test]
fn a_processor_that_forks_away_is_done_when_it_ends_itself() {
    let small = |path: &Path| fs::read(path).is_ok_and(|text| text == b"done\n");
    let (rig, _) = goes_on_beside("!(sleep 2; echo late) & echo done", small);
    assert!(!rig.log().names().iter().any(|name| name == "previous"));
}

#[test]
fn a_processor_that_leaves_zombies_and_goes_elsewhere_harms_nothing() {
    let small = |path: &Path| fs::read(path).is_ok_and(|text| text == b"first\n");
    goes_on_beside("!cd /; true & true & cat", small);
}

#[test]
fn a_processor_that_deletes_its_own_files_harms_no_line() {
    let any = |path: &Path| path.is_file();
    goes_on_beside("!rm -f newstate; cat", any);
}
