//! Does svscanboot run the tree as its script did, and does it also stop it, and survive whoever dies?
//!
//! Each test makes a namespace of mounts, in which `/usr/local/bin` holds our programs and nothing else.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, kill_process, kill_process_group};
use tests::tree::{COUNTS, LEAVES_ORPHANS, LOGS, SOON, Tree, arguments, children, is_running, name, proc};
use tests::{Cmd, LogDir, Signal, program, wait_for, wait_until};

const SLEEP: &str = "exec sleep 1000";
const PATH: &str =
    "PATH=/command:/usr/local/bin:/usr/local/sbin:/bin:/sbin:/usr/bin:/usr/sbin:/usr/X11R6/bin";

fn tree() -> Tree {
    let programs = ["svscanboot", "svscan", "supervise", "readproctitle", "multilog"].map(program);
    Tree::new(&programs.each_ref().map(|program| program.as_path()))
}

fn kill(pid: Pid, signal: Signal) {
    kill_process(pid, signal).expect("it runs");
}

/// The child of svscanboot of this name, once there is one; `not`: not this one.
fn child(tree: &Tree, wanted: &str, not: Option<Pid>) -> Pid {
    wait_for(SOON, wanted, || {
        children(tree.svscan().pid())
            .into_iter()
            .find(|&pid| name(pid) == wanted && Some(pid) != not && is_running(pid))
    })
}

/// Waits until the errors that ps shows end so.
fn shows(readproctitle: Pid, end: &str) {
    wait_until(SOON, end, || arguments(readproctitle).ends_with(end));
}

#[test]
fn the_tree_is_that_of_the_original() {
    let mut tree = tree();
    let run = "cat /proc/$$/environ >env\nreadlink /proc/$$/fd/0 >stdin\n>ready\nexec sleep 1000";
    tree.service("a", run, "exec multilog ./main");
    tree.service("clear", "yes '' | head -4000 | tr '\\n' .", "");
    fs::write(tree.join("store/clear/down"), "").expect("own directory");
    tree.service("bad", SLEEP, "");
    fs::set_permissions(tree.join("store/bad/run"), fs::Permissions::from_mode(0o644)).expect("own file");
    if !tree.boot(&[]) {
        return;
    }
    wait_until(SOON, "the service runs", || tree.join("store/a/ready").exists());
    assert_eq!(fs::read(tree.join("store/a/env")).expect("written"), format!("{PATH}\0").as_bytes());
    assert_eq!(fs::read_to_string(tree.join("store/a/stdin")).expect("written"), "/dev/null\n");
    assert_eq!(name(tree.svscan().pid()), "svscanboot");
    let svscan = child(&tree, "svscan", None);
    let title = child(&tree, "readproctitle", None);
    child(&tree, "svscanboot-copy", None);
    assert_eq!(children(tree.svscan().pid()).len(), 3);
    assert_eq!(
        fs::read(format!("/proc/{}/environ", svscan.as_raw_nonzero())).expect("it runs"),
        format!("{PATH}\0").as_bytes()
    );
    let cwd = fs::read_link(format!("/proc/{}/cwd", svscan.as_raw_nonzero())).expect("it runs");
    assert_eq!(cwd, tree.join("service"), "svdir asks it so");
    // An error is in ps and on standard error.
    let error = "supervise: fatal: unable to start bad/run: access denied";
    let words = format!("readproctitle service errors: {:.>400}", "");
    wait_until(SOON, "the error is shown", || arguments(title).contains(error));
    assert_eq!(arguments(title).len(), words.len());
    assert!(arguments(title).starts_with("readproctitle service errors: ..."));
    wait_until(SOON, "the error is copied", || tree.said().contains(error));
    // Cleared by the clear service.
    let control = tree.join("store/clear/supervise/control");
    wait_until(SOON, "clear is supervised", || control.exists());
    wait_until(SOON, "it is heard", || fs::OpenOptions::new().write(true).open(&control).is_ok());
    fs::write(tree.join("store/bad/down"), "").expect("own directory");
    fs::write(tree.join("store/bad/supervise/control"), "dx").expect("it is supervised");
    fs::remove_file(tree.join("service/bad")).expect("own link");
    wait_until(SOON, "bad is gone", || tree.status("bad").is_some_and(|(_, want)| want == b'd'));
    fs::write(&control, "o").expect("it is supervised");
    wait_until(SOON, "all is cleared", || arguments(title) == words);
    let out = tree.stop();
    assert_eq!(out.status(), "exit 0", "{out}");
    tree.wait_for_peace();
    wait_until(SOON, "readproctitle ends", || !is_running(title));
}

/// The shell of the original starts its children with no signal blocked, and opens each /dev/null one way.
#[test]
fn what_was_blocked_at_its_start_is_not_in_a_service_nor_can_that_write_to_its_input() {
    let mut tree = tree();
    tree.service("a", SLEEP, "");
    if !tree.boot(&["env", "--block-signal=TERM,USR1,CHLD"]) {
        return;
    }
    let pid = tree.pid("a", None);
    let file = |inside: &str| fs::read_to_string(proc(pid, inside)).expect("it runs");
    wait_until(SOON, "sleep runs", || name(pid) == "sleep");
    assert!(file("status").contains("\nSigBlk:\t0000000000000000\n"), "{}", file("status"));
    let flags = file("fdinfo/0");
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:\t")).expect("it is open");
    assert_eq!(u32::from_str_radix(flags, 8).expect("a number") & 3, 0, "only to be read");
    assert_eq!(tree.stop().status(), "exit 0");
    tree.wait_for_peace();
}

#[test]
fn when_svscan_is_killed_it_ends_and_the_services_do_not() {
    let mut tree = tree();
    tree.service("a", "i=0; while :; do i=$((i+1)); echo here $i; echo $i >count; sleep 0.01; done", "");
    if !tree.boot(&[]) {
        return;
    }
    let pid = tree.pid("a", None);
    let title = child(&tree, "readproctitle", None);
    kill(child(&tree, "svscan", None), Signal::KILL);
    let gone = tree.svscan().pid();
    wait_until(SOON, "it ends", || tree.svscan().has_ended());
    assert!(is_running(pid) && is_running(title));
    let shown = arguments(title);
    wait_until(SOON, "the errors are still read", || arguments(title) != shown);
    // init starts the next one, which takes everything over.
    assert!(tree.boot(&[]));
    assert_ne!(tree.svscan().pid(), gone);
    tree.pid("a", Some(pid));
    wait_until(SOON, "the old one is gone", || !is_running(pid));
    assert_eq!(tree.stop().status(), "exit 0");
    tree.wait_for_peace();
    wait_until(SOON, "the old readproctitle ends", || !is_running(title));
}

#[test]
fn what_a_dead_svscan_has_left_is_logged_to_its_last_line() {
    // Its logger runs, or is paused, or down, or has ended so often that it waits for the end of the second.
    for letter in ["", "p", "d", "t"] {
        let mut tree = tree();
        tree.service("a", COUNTS, LOGS);
        if !tree.boot(&[]) {
            return;
        }
        tree.wait_until_it_counts("a");
        let (service, logger) = (tree.pid("a", None), tree.pid("a/log", None));
        let tell = || {
            fs::write(tree.join("store/a/log/supervise/control"), letter).expect("it is supervised");
            std::thread::sleep(Duration::from_millis(100));
        };
        tell();
        kill(child(&tree, "svscan", None), Signal::KILL);
        wait_until(SOON, "it ends", || tree.svscan().has_ended());
        let is_down = || tree.status("a/log").is_some_and(|(pid, _)| pid.is_none());
        while letter == "t" && !is_down() {
            tell();
        }
        assert!(tree.boot(&[]));
        tree.pid("a", Some(service));
        tree.pid("a/log", Some(logger));
        tree.wait_until_it_counts("a");
        assert_eq!(tree.stop().status(), "exit 0");
        tree.wait_for_peace();
        tree.has_every_line("a", 2);
    }
}

#[test]
fn its_exit_code_is_111_when_svscan_dies_by_a_signal_and_else_that_of_svscan() {
    let mut tree = tree();
    if !tree.boot(&[]) {
        return;
    }
    kill(child(&tree, "svscan", None), Signal::KILL);
    let out = tree.stop();
    assert_eq!(out.status(), "exit 111", "{out}");
    fs::remove_dir_all(tree.join("service")).expect("own directory");
    tree.boot(&[]);
    wait_until(SOON, "it ends", || tree.svscan().has_ended());
    let out = tree.stop();
    let dir = tree.join("service");
    let message = format!("svscan: fatal: unable to chdir to {}: file does not exist\n", dir.display());
    assert_eq!((out.status(), out.messages()), ("exit 111".into(), message));
}

#[test]
fn what_reads_the_errors_is_started_again() {
    let mut tree = tree();
    tree.service("a", "while read line; do echo $line; done <orders\nexec sleep 1000", "");
    let orders = tree.join("store/a/orders");
    Cmd::new("mkfifo").arg(&orders).run(b"");
    if !tree.boot(&[]) {
        return;
    }
    let pid = tree.pid("a", None);
    let mut orders = fs::OpenOptions::new().read(true).write(true).open(orders).expect("a fifo");
    let mut say =
        |line: &str| std::io::Write::write_all(&mut orders, format!("{line}\n").as_bytes()).expect("read");
    let (mut title, mut copy) = (child(&tree, "readproctitle", None), child(&tree, "svscanboot-copy", None));
    say("first");
    shows(title, "first\n");
    kill(title, Signal::KILL);
    title = child(&tree, "readproctitle", Some(title));
    say("second");
    shows(title, "second\n");
    // A block that it has read dies with it.
    wait_until(SOON, "both are copied", || tree.said() == "first\nsecond\n");
    kill(copy, Signal::KILL);
    wait_until(SOON, "it reads no more", || !is_running(copy));
    say("third");
    copy = child(&tree, "svscanboot-copy", Some(copy));
    shows(title, "third\n");
    wait_until(SOON, "all is copied", || tree.said() == "first\nsecond\nthird\n");
    // Without svscanboot the errors are read to the end, and nobody meets a broken pipe.
    let svscan = child(&tree, "svscan", None);
    tree.kill();
    say("fourth");
    shows(title, "fourth\n");
    assert!(is_running(pid) && is_running(copy));
    kill(svscan, Signal::TERM);
    tree.wait_for_peace();
    wait_until(SOON, "the readers end", || !is_running(title) && !is_running(copy));
}

#[test]
fn a_running_svscan_is_left_alone() {
    let mut tree = tree();
    tree.service("a", SLEEP, SLEEP);
    if !tree.boot(&[]) {
        return;
    }
    let (main, log) = (tree.pid("a", None), tree.pid("a/log", None));
    let dir = tree.join("service");
    let held =
        format!("svscanboot: fatal: unable to lock {}: another svscan is running there\n", dir.display());
    let second = || Cmd::new(tree.join("bin/svscanboot")).arg(&dir);
    let is_refused = |second: Cmd| {
        let second = second.run(b"");
        assert_eq!((second.status(), second.messages()), ("exit 111".into(), held.clone()));
    };
    is_refused(second());
    // The file system went read-only; somebody removed the lock.
    is_refused(second().behind(tree.on_a_read_only_view()));
    fs::remove_file(dir.join(".svscan")).expect("its lock");
    is_refused(second());
    let svscan = child(&tree, "svscan", None);
    tree.svscan().signal(Signal::HUP);
    tree.svscan().settle();
    assert!(is_running(svscan));
    assert_eq!((tree.pid("a", None), tree.pid("a/log", None)), (main, log));
    // sleep reads nothing to the end.
    kill(log, Signal::KILL);
    tree.svscan().signal(Signal::TERM);
    wait_until(SOON, "the service has stopped", || !is_running(main));
    wait_until(SOON, "it ends with the last logger that was started", || {
        if let Some((Some(pid), _)) = tree.status("a/log") {
            _ = kill_process(pid, Signal::KILL);
        }
        tree.svscan().has_ended()
    });
    assert_eq!(tree.stop().status(), "exit 0");
}

#[test]
fn a_standard_error_that_takes_nothing_holds_nobody_up() {
    let mut tree = tree();
    tree.service("a", "seq 300000\n>ready\nexec sleep 1000", "");
    let stalled = tree.join("stalled");
    Cmd::new("mkfifo").arg(&stalled).run(b"");
    let mut reader = fs::OpenOptions::new().read(true).write(true).open(&stalled).expect("a fifo");
    let to = format!("exec \"$@\" 2>{}", stalled.display());
    if !tree.boot(&["sh", "-c", &to, "sh"]) {
        return;
    }
    wait_until(SOON, "two megabytes are written", || tree.join("store/a/ready").exists());
    let title = child(&tree, "readproctitle", None);
    shows(title, "299999\n300000\n");
    // The file is shared with others, so it still waits.
    let flags = rustix::fs::fcntl_getfl(&reader).expect("open");
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
    let mut first = [0; 4];
    reader.read_exact(&mut first).expect("what came first is there");
    assert_eq!(&first, b"1\n2\n");
    assert_eq!(tree.stop().status(), "exit 0");
    tree.wait_for_peace();
    wait_until(SOON, "readproctitle ends", || !is_running(title));
}

#[test]
fn what_came_last_is_shown_by_a_readproctitle_that_was_late() {
    let mut tree = tree();
    tree.service("a", "until test -e go; do sleep 0.05; done\nseq 300000\n>ready\nexec sleep 1000", "");
    if !tree.boot(&[]) {
        return;
    }
    let title = child(&tree, "readproctitle", None);
    kill(title, Signal::STOP);
    fs::write(tree.join("store/a/go"), "").expect("own directory");
    wait_until(SOON, "two megabytes are written", || tree.join("store/a/ready").exists());
    kill(title, Signal::CONT);
    shows(title, "299999\n300000\n");
    assert_eq!(tree.stop().status(), "exit 0");
    tree.wait_for_peace();
}

#[test]
fn killall_of_the_group_ends_everything() {
    let mut tree = tree();
    tree.service("a", SLEEP, "exec multilog ./main");
    tree.service("b", SLEEP, "");
    if !tree.boot(&[]) {
        return;
    }
    tree.pid("a", None);
    tree.pid("a/log", None);
    tree.pid("b", None);
    let title = child(&tree, "readproctitle", None);
    kill_process_group(tree.svscan().pid(), Signal::TERM).expect("its own group");
    wait_until(SOON, "it ends", || tree.svscan().has_ended());
    let out = tree.stop();
    assert_eq!(out.status(), "exit 0", "{out}");
    tree.wait_for_peace();
    wait_until(SOON, "readproctitle ends", || !is_running(title));
}

#[test]
fn as_the_first_process_it_stops_at_term_and_reaps_orphans() {
    let mut tree = tree();
    tree.service("a", LEAVES_ORPHANS, "exec multilog ./main");
    if !tree.boot(&["unshare", "-pf", "--kill-child", "--mount-proc"]) {
        return;
    }
    assert_eq!(tree.reaped_late("a"), 0);
    let first = *children(tree.svscan().pid()).first().expect("unshare waits for it");
    assert_eq!(name(first), "svscanboot");
    kill(first, Signal::TERM);
    wait_until(SOON, "it ends", || tree.svscan().has_ended());
    assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines(), [b"written"]);
    tree.wait_for_peace();
}

#[test]
fn help_and_version_are_shown_when_they_stand_alone() {
    for argument in ["--help", "--version"] {
        let out = Cmd::new(program("svscanboot")).arg(argument).spawn_on(Stdio::null()).wait_open();
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
        assert!(out.stdout.windows(10).any(|window| window == b"svscanboot"));
    }
}
