//! Does svscan run what stands in its directory, whatever happens there, and stop it in order?
//!
//! Ours with our supervise and with the original's, and the original svscan with our supervise.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, kill_process, prlimit};
use tests::tree::{
    COUNTS, LEAVES_ORPHANS, LOGS, SOON, Tree, arguments, children, figure, is_running, name, proc,
};
use tests::{Cmd, LogDir, Running, Scratch, Signal, original, program, wait_for, wait_until};

const SLEEP: &str = "exec sleep 1000";
/// A logger that keeps all it reads.
const KEEP: &str = "exec cat >>kept";

fn svscan() -> PathBuf {
    program("svscan")
}

/// Longer than thousands of processes take on a busy machine.
const LATER: Duration = Duration::from_secs(120);

/// Ours.
fn supervise() -> PathBuf {
    program("supervise")
}

fn kill(pid: Pid, signal: Signal) {
    kill_process(pid, signal).expect("it runs");
}

/// Waits until svscan has said this line.
fn says(tree: &Tree, line: &str) {
    wait_until(SOON, line, || tree.said().lines().any(|said| said == line));
}

/// A program that stands for supervise and only waits.
fn trivial(tree: &Tree) {
    tree.script("bin/supervise", "exec sleep 1000");
}

fn supervised(tree: &Tree) -> Vec<String> {
    let mut words: Vec<String> = children(tree.svscan().pid()).into_iter().map(arguments).collect();
    words.sort();
    words
}

#[test]
fn usage_and_messages() {
    let scratch = Scratch::new();
    let check = |args: &[&str], status: &str, stderr: &str| {
        let out = Cmd::new(svscan()).args(args).cwd(scratch.path()).run(b"");
        assert_eq!((out.status(), out.messages()), (status.to_owned(), stderr.to_owned()), "{args:?}");
    };
    check(&["nowhere"], "exit 111", "svscan: fatal: unable to chdir to nowhere: file does not exist\n");
    check(&["--nowhere"], "exit 111", "svscan: fatal: unable to chdir to --nowhere: file does not exist\n");
    check(&["--help"], "exit 0", "");
    check(&["--version"], "exit 0", "");
    check(&["--help", "x"], "exit 111", "svscan: fatal: unable to chdir to --help: file does not exist\n");
    if let Some(original) = original("svscan") {
        let theirs = Cmd::new(original).arg("nowhere").cwd(scratch.path()).run(b"");
        assert_eq!(theirs.messages(), "svscan: fatal: unable to chdir to nowhere: file does not exist\n");
        assert_eq!(theirs.status(), "exit 111");
    }
}

#[test]
fn a_second_svscan_is_refused_until_the_first_begins_to_stop() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service(
        "slow",
        "trap 'while [ ! -e go ]; do sleep 0.01; done; exit' TERM\n>ready\nwhile :; do sleep 0.01; done",
        "",
    );
    tree.start(&svscan());
    wait_until(SOON, "the service waits", || tree.join("store/slow/ready").exists());
    let dir = tree.join("service");
    let second = tree.command(&svscan()).run(b"");
    let refusal =
        format!("svscan: fatal: unable to lock {}: another svscan is running there\n", dir.display());
    assert_eq!((second.status(), second.messages()), ("exit 111".into(), refusal));
    // qmailctl reboot starts the next one while the last service still ends.
    tree.svscan().signal(Signal::TERM);
    let next = wait_for(SOON, "a new one may start", || {
        let next = tree.command(&svscan()).spawn_on(Stdio::null());
        // Its supervise ends at once, as long as the old one has the directory: it is missed easily, and what it says is not.
        let tried = || String::from_utf8_lossy(&next.stderr()).contains("unable to acquire");
        wait_until(SOON, "it starts or ends", || {
            next.has_ended() || !children(next.pid()).is_empty() || tried()
        });
        (!next.has_ended()).then_some(next)
    });
    fs::write(tree.join("store/slow/go"), "").expect("own directory");
    let old = tree.stop();
    assert_eq!((old.status(), old.messages()), ("exit 0".into(), String::new()));
    let pid = tree.pid("slow", None);
    assert!(is_running(pid), "the new one runs it");
    next.signal(Signal::TERM);
    assert_eq!(next.wait_open().status(), "exit 0");
    tree.wait_for_peace();
}

/// Of the errors that it has words for; where it has none, ours may know better.
/// Whoever may read the directory may lock it: that keeps nobody out.
#[test]
fn a_lock_on_the_directory_itself_keeps_no_svscan_out() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, "");
    let dir = fs::File::open(tree.join("service")).expect("own directory");
    rustix::fs::flock(&dir, rustix::fs::FlockOperation::LockExclusive).expect("nobody has it");
    tree.start(&svscan());
    tree.pid("a", None);
    let lock = fs::symlink_metadata(tree.join("service/.svscan")).expect("its lock");
    assert_eq!((lock.is_file(), lock.mode() & 0o777), (true, 0o600));
    assert_eq!(tree.stop().status(), "exit 0");
    assert_eq!(fs::metadata(tree.join("service/.svscan")).expect("its lock").len(), 0);
    // A link there is not followed: then it is the directory after all.
    fs::remove_file(tree.join("service/.svscan")).expect("own file");
    symlink(tree.join("elsewhere"), tree.join("service/.svscan")).expect("own directory");
    let second = tree.command(&svscan()).run(b"");
    assert!(second.messages().ends_with("another svscan is running there\n"), "{second}");
    assert!(!tree.join("elsewhere").exists());
}

/// A file system that went read-only, and one that was at the start of the first: what the two can open is not the same.
#[test]
fn a_second_svscan_is_refused_also_where_one_of_them_cannot_write() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, "");
    if !tree.can_mount() {
        return;
    }
    for (first, second) in [(false, true), (true, false), (true, true)] {
        let command = |read_only: bool| {
            let command = tree.command(&svscan());
            if read_only { command.behind(tree.on_a_read_only_view()) } else { command }
        };
        let (first, second) = (command(first), command(second));
        tree.run(first);
        let pid = tree.pid("a", None);
        let second = second.run(b"");
        assert!(second.messages().ends_with("another svscan is running there\n"), "{second}");
        assert_eq!(second.status(), "exit 111");
        assert_eq!(tree.pid("a", None), pid);
        assert_eq!(tree.stop().status(), "exit 0");
        fs::remove_file(tree.join("service/.svscan")).unwrap_or_default();
    }
}

/// As by `rsync --delete`.
#[test]
fn a_lock_that_is_removed_is_made_again() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, "");
    let lock = tree.join("service/.svscan");
    let begins = |tree: &Tree| {
        wait_until(SOON, "it is noted that it runs", || fs::metadata(&lock).is_ok_and(|lock| lock.len() > 0));
        tree.pid("a", None)
    };
    tree.start(&svscan());
    let pid = begins(&tree);
    let is_refused = || {
        let second = tree.command(&svscan()).run(b"");
        assert!(second.messages().ends_with("another svscan is running there\n"), "{second}");
    };
    fs::remove_file(&lock).expect("its lock");
    begins(&tree);
    is_refused();
    // The first has no time for it.
    tree.svscan().signal(Signal::STOP);
    fs::remove_file(&lock).expect("its lock");
    std::thread::scope(|scope| {
        scope.spawn(is_refused);
        std::thread::sleep(Duration::from_millis(100));
        tree.svscan().signal(Signal::CONT);
    });
    assert_eq!(begins(&tree), pid);
    assert_eq!(tree.stop().messages(), "");
    assert_eq!(fs::metadata(&lock).expect("its lock").len(), 0);
}

/// svscan was killed, and another one started by hand: the supervises of the first have the services.
#[test]
fn a_stop_reaches_what_an_earlier_svscan_has_left() {
    let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
    tree.service("a", COUNTS, LOGS);
    tree.service("b", "exec sleep 1000", "");
    tree.start(&svscan());
    tree.wait_until_it_counts("a");
    let old = [tree.pid("a", None), tree.pid("a/log", None), tree.pid("b", None)];
    tree.kill();
    tree.start(&svscan());
    let blocked = || ["a", "a/log", "b"].iter().all(|name| tree.said().contains(&format!("acquire {name}/")));
    wait_until(SOON, "its supervises cannot begin", blocked);
    std::thread::sleep(Duration::from_millis(200));
    let out = tree.stop();
    assert_eq!(out.status(), "exit 0");
    for name in ["a", "b"] {
        let told = format!(
            "svscan: warning: {name} is of an earlier svscan: it is told to stop and not waited for\n"
        );
        assert!(out.messages().contains(&told), "{out}");
    }
    wait_until(SOON, "all of them end", || !old.iter().any(|&pid| is_running(pid)));
    tree.wait_for_peace();
    tree.has_every_line("a", 1);
}

/// svscan was killed, the next one is started by hand, and then the service is stopped: the old supervise of its logger stays,
/// with the old pipe, and would keep the new one out for ever.
#[test]
fn a_service_that_comes_back_after_a_kill_of_svscan_has_its_logger_back() {
    for soon in [false, true] {
        let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
        tree.service("a", COUNTS, LOGS);
        tree.start(&svscan());
        tree.wait_until_it_counts("a");
        let (main, log) = (tree.supervise("a", None), tree.supervise("a/log", None));
        tree.kill();
        tree.start(&svscan());
        let blocked = || ["a", "a/log"].iter().all(|name| tree.said().contains(&format!("acquire {name}/")));
        wait_until(SOON, "its supervises cannot begin", blocked);
        let out = Cmd::new(program("svc")).args(["-w", "20", "-dx"]).arg(tree.join("store/a")).run(b"");
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
        tree.supervise("a", Some(main));
        wait_until(SOON, "it counts again", || !tree.join("store/a/n").exists());
        // The end comes before our logger can begin, or after.
        if !soon {
            wait_until(SOON, "the old one has gone", || !is_running(log));
            tree.supervise("a/log", Some(log));
        }
        counts_to_the_end(&mut tree);
    }
}

/// `a`, in its second life under another logger, counts on for a while; then svscan stops, and no line is missing.
#[track_caller]
fn counts_to_the_end(tree: &mut Tree) {
    std::thread::sleep(Duration::from_millis(1500));
    let out = tree.stop();
    assert_eq!(out.status(), "exit 0");
    assert!(!out.messages().contains("left unread"), "{out}");
    tree.wait_for_peace();
    tree.has_every_line("a", 2);
}

/// A stop waits for a slow service. Meanwhile svscan is killed, or the next one is started, or both.
#[test]
fn one_that_is_killed_in_its_stop_leaves_the_next_its_services_with_their_loggers() {
    let slow = COUNTS.replace("trap '", "trap 'until [ -e go ]; do sleep 0.01; done; ");
    for (meanwhile, killed) in [(false, true), (true, true), (true, false)] {
        let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
        tree.service("a", &slow, LOGS);
        let first = tree.command(&svscan()).spawn_on(Stdio::null());
        tree.wait_until_it_counts("a");
        let log = tree.supervise("a/log", None);
        first.signal(Signal::TERM);
        wait_until(SOON, "it stops", || tree.status("a").is_some_and(|(_, want)| want == b'd'));
        let mut first = Some(first);
        let mut kill = || first.take().map(Running::kill);
        if !meanwhile {
            kill();
        }
        tree.start(&svscan());
        wait_until(SOON, "its supervise cannot begin", || tree.said().contains("acquire a/supervise/lock"));
        if killed {
            kill();
        }
        fs::write(tree.join("store/a/go"), "").expect("own directory");
        wait_until(SOON, "the old logger has gone", || !is_running(log));
        if let Some(first) = first {
            let out = first.wait_open();
            assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
        }
        tree.supervise("a/log", Some(log));
        counts_to_the_end(&mut tree);
        assert_eq!(fs::metadata(tree.join("service/.svscan")).expect("its lock").len(), 0);
    }
}

/// Somebody else's supervise has the service: another svscan's, or one that was started by hand.
#[test]
fn a_stop_leaves_alone_what_others_run() {
    let mut theirs = Tree::new(&[&supervise()]);
    theirs.service("a", SLEEP, KEEP);
    theirs.start(&svscan());
    let before = ["a", "a/log"].map(|name| theirs.pid(name, None));
    let mut tree = Tree::new(&[&supervise()]);
    symlink(theirs.join("store/a"), tree.join("service/a")).expect("own directory");
    for _ in 0..2 {
        tree.start(&svscan());
        let refused = |name: &str| tree.said().contains(&format!("unable to acquire {name}/supervise/lock"));
        wait_until(SOON, "its supervises cannot begin", || refused("a") && refused("a/log"));
        std::thread::sleep(Duration::from_millis(200));
        let out = tree.stop();
        assert_eq!(out.status(), "exit 0");
        assert!(!out.messages().contains("svscan: warning"), "{out}");
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(before, ["a", "a/log"].map(|name| theirs.pid(name, None)));
    assert_eq!(theirs.stop().messages(), "");
}

/// Names that would be options of supervise.
#[test]
fn a_service_may_be_called_help() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("--help", ">ran\nexec sleep 1000", "");
    tree.service("--version", ">ran\nexec sleep 1000", "");
    tree.start(&svscan());
    for name in ["--help", "--version"] {
        wait_until(SOON, "it runs", || tree.join("store").join(name).join("ran").exists());
    }
    let out = tree.stop();
    assert_eq!(
        (out.status().as_str(), out.stdout.len(), out.messages().as_str()),
        ("exit 0", 0, ""),
        "{out}"
    );
}

#[test]
fn every_error_has_the_words_of_the_original() {
    let (Some(strace), Some(theirs)) = (tests::rig::strace(), original("svscan")) else { return };
    let scratch = Scratch::new();
    let mut known = 0;
    for errno in 1..=133 {
        let inject = format!("inject=chdir:error={errno}");
        let says = |svscan: &PathBuf| {
            let traced = [strace, "-qq", "-o", "/dev/null", "-e", "trace=chdir", "-e", &inject];
            let out = Cmd::new(svscan).arg("here").cwd(scratch.path()).behind(traced).run(b"");
            assert_eq!(out.status(), "exit 111");
            out.messages()
        };
        let (theirs, ours) = (says(&theirs), says(&svscan()));
        if !theirs.ends_with(": unknown error\n") {
            known += 1;
            assert_eq!(ours, theirs, "error {errno}");
        }
    }
    assert!(known > 80, "{known} errors tried");
}

/// As with some file systems of other machines.
#[test]
fn a_directory_that_cannot_be_locked_is_said_and_its_services_run() {
    let Some(strace) = tests::rig::strace() else { return };
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, KEEP);
    // Of svscan alone: each supervise gets its lock.
    let inject = ["-D", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"];
    let command = tree.command(&svscan()).behind([strace].into_iter().chain(inject));
    tree.run(command);
    let said =
        format!("svscan: warning: unable to lock {}: no locks available\n", tree.join("service").display());
    says(&tree, said.trim_end());
    tree.pid("a", None);
    tree.pid("a/log", None);
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), said));
    tree.wait_for_peace();
}

#[test]
fn each_svscan_runs_with_each_supervise_and_holds_the_pipe() {
    let (Some(their_svscan), Some(their_supervise), Some(svc)) =
        (original("svscan"), original("supervise"), original("svc"))
    else {
        return;
    };
    let check = |svscan: PathBuf, supervise: PathBuf, ours: bool| {
        let shown = format!("{} with {}", svscan.display(), supervise.display());
        let mut tree = Tree::new(&[&supervise]);
        tree.service("logged", "echo from $$\nexec sleep 1000", KEEP);
        tree.service("plain", SLEEP, "");
        tree.start(&svscan);
        let (main, log) = (tree.pid("logged", None), tree.pid("logged/log", None));
        tree.pid("plain", None);
        let kept = tree.join("store/logged/log/kept");
        let lines = || fs::read_to_string(&kept).unwrap_or_default();
        wait_until(SOON, &format!("{shown}: the line is logged"), || lines().ends_with("\n"));
        let pipe = |pid: Pid, fd: u32| {
            fs::read_link(format!("/proc/{}/fd/{fd}", pid.as_raw_nonzero())).expect("it runs")
        };
        let first = pipe(main, 1);
        assert_eq!(first, pipe(log, 0), "{shown}");
        // The dead come back on the same pipe.
        for service in ["logged", "logged/log"] {
            let (supervise, of) = (tree.supervise(service, None), tree.pid(service, None));
            kill(supervise, Signal::KILL);
            kill(of, Signal::KILL);
            tree.supervise(service, Some(supervise));
            tree.pid(service, Some(of));
            // The next to die is cat, with what it holds.
            wait_until(SOON, &format!("{shown}: the next line"), || lines().lines().count() == 2);
        }
        assert_eq!(pipe(tree.pid("logged", Some(main)), 1), first, "{shown}");
        assert_eq!(pipe(tree.pid("logged/log", Some(log)), 0), first, "{shown}");
        if ours {
            let out = tree.stop();
            assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()), "{shown}");
        } else {
            tree.kill();
            let services = ["logged", "logged/log", "plain"].map(|name| tree.join("store").join(name));
            assert_eq!(Cmd::new(&svc).arg("-dx").args(services).run(b"").messages(), "");
        }
        tree.wait_for_peace();
    };
    check(svscan(), supervise(), true);
    check(svscan(), their_supervise, true);
    check(their_svscan, supervise(), false);
}

/// So a disk that stalls for a moment does not hold the service up.
#[test]
fn a_log_pipe_has_a_megabyte_of_room_where_that_is_allowed() {
    let most = fs::read_to_string("/proc/sys/fs/pipe-max-size").expect("a number");
    let wanted = most.trim_end().parse::<usize>().expect("a number").min(1 << 20);
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, KEEP);
    tree.start(&svscan());
    let output = format!("/proc/{}/fd/1", tree.pid("a", None).as_raw_nonzero());
    let pipe = fs::OpenOptions::new().write(true).open(output).expect("its log pipe");
    assert_eq!(rustix::pipe::fcntl_getpipe_size(&pipe), Ok(wanted));
    // The logger would wait for the end of ours too.
    drop(pipe);
    assert_eq!(tree.stop().status(), "exit 0");
}

#[test]
fn a_link_that_is_made_is_a_running_service_at_once() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.start(&svscan());
    let mut times: Vec<Duration> = (0..5)
        .map(|number| {
            let name = format!("s{number}");
            tree.store(&name, SLEEP, "");
            tree.svscan().settle();
            let start = Instant::now();
            tree.link(&name);
            tree.pid(&name, None);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    // One that looks every five seconds would be late most times.
    assert!(times[2] < Duration::from_millis(500) && times[4] < Duration::from_secs(4), "{times:?}");
    assert_eq!(tree.stop().messages(), "");
}

#[test]
fn entries_that_come_change_and_go() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.store("a", SLEEP, "");
    tree.store("b", SLEEP, "");
    tree.start(&svscan());
    tree.svscan().settle();
    tree.link("a");
    let first = tree.pid("a", None);
    // A re-pointed link starts the other and leaves the first.
    fs::remove_file(tree.join("service/a")).expect("own link");
    symlink(tree.join("store/b"), tree.join("service/a")).expect("own directory");
    tree.pid("b", None);
    assert!(is_running(first), "removed links stop nothing");
    // Its supervise dies: without a name it stays dead.
    let supervise = tree.supervise("a", None);
    kill(supervise, Signal::TERM);
    wait_until(SOON, "it is gone", || !is_running(supervise) && !is_running(first));
    // A directory moved here is complete.
    tree.store("c", SLEEP, KEEP);
    fs::rename(tree.join("store/c"), tree.join("service/c")).expect("own directory");
    symlink(tree.join("service/c"), tree.join("store/c")).expect("own directory");
    tree.pid("c/log", None);
    // A second name of the same directory changes nothing.
    symlink(tree.join("store/b"), tree.join("service/z")).expect("own directory");
    tree.link("a2-not-there");
    says(&tree, "svscan: warning: unable to stat a2-not-there: file does not exist");
    assert_eq!(supervised(&tree), ["supervise a", "supervise c", "supervise c/log"]);
    // The target of the dangling link comes.
    tree.store("a2-not-there", SLEEP, "");
    tree.pid("a2-not-there", None);
    let out = tree.stop();
    assert_eq!(out.messages(), "svscan: warning: unable to stat a2-not-there: file does not exist\n");
    assert_eq!(out.status(), "exit 0");
    tree.wait_for_peace();
}

/// Waits until svscan no longer keeps the directory of a service with a logger.
fn forgets(tree: &Tree, service: &str) {
    let directory = fs::canonicalize(tree.join("store").join(service)).expect("it is stored");
    let descriptors = proc(tree.svscan().pid(), "fd");
    wait_until(SOON, "it is forgotten", || {
        let mut descriptors = fs::read_dir(&descriptors).expect("it runs");
        !descriptors
            .any(|entry| fs::read_link(entry.expect("it runs").path()).is_ok_and(|to| to == directory))
    });
}

/// As the manual says, and as the original's does, with the service and its logger told at once.
#[test]
fn a_service_that_is_removed_has_its_last_line_logged() {
    let manual = include_str!("../../man/svscan.8");
    let way = manual.lines().find(|line| line.starts_with("cd /service/x && ")).expect("it is there");
    let set = |programs: &[&str]| programs.iter().map(|name| original(name)).collect::<Option<Vec<_>>>();
    let ours = ["supervise", "svc", "multilog"].map(program).to_vec();
    for programs in [Some(ours), set(&["supervise", "svc", "multilog"])].into_iter().flatten() {
        for also in ["", " log"] {
            let mut tree = Tree::new(&[]);
            programs.iter().for_each(|program| tree.install(program));
            tree.service("x", COUNTS, LOGS);
            tree.start(&svscan());
            tree.wait_until_it_counts("x");
            let way = way.replace("/service", tree.join("service").to_str().expect("text")) + also;
            let out = Cmd::new("sh").args(["-c", &way]).env("PATH", tree.path()).run(b"");
            assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
            forgets(&tree, "x");
            tree.has_every_line("x", 1);
            let out = tree.stop();
            assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
        }
    }
}

/// Killed with its supervise, or never started: what nobody has read is logged though the name is gone.
#[test]
fn a_removed_service_whose_logger_was_down_has_its_lines_logged() {
    for never in [false, true] {
        let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
        let run = "while [ ! -e go ]; do sleep 0.01; done\nseq 1000\n>ready\nexec sleep 1000";
        tree.service("a", run, "exec multilog ./main");
        if never {
            fs::write(tree.join("store/a/log/down"), "").expect("own directory");
        }
        tree.start(&svscan());
        let main = tree.supervise("a", None);
        let log = tree.supervise("a/log", None);
        let logger = (!never).then(|| tree.pid("a/log", None));
        fs::remove_file(tree.join("service/a")).expect("own link");
        kill(log, Signal::KILL);
        logger.into_iter().for_each(|logger| kill(logger, Signal::KILL));
        wait_until(SOON, "it is dead", || !is_running(log));
        fs::write(tree.join("store/a/go"), "").expect("own directory");
        wait_until(SOON, "all is written", || tree.join("store/a/ready").exists());
        kill(main, Signal::TERM);
        forgets(&tree, "a");
        assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines().len(), 1000, "{never}");
        assert_eq!(tree.stop().messages(), "");
    }
}

/// More than the pipe holds: without its logger it would never end.
#[test]
fn a_removed_service_that_says_much_at_its_end_keeps_its_logger() {
    let mut tree = Tree::new(&[&supervise(), &program("svc"), &program("multilog")]);
    let run = "trap 'seq 300000; exit' TERM\n>ready\nwhile :; do sleep 0.01; done";
    tree.service("a", run, "exec multilog s104857600 ./main");
    tree.start(&svscan());
    wait_until(SOON, "it runs", || tree.join("store/a/ready").exists());
    tree.pid("a/log", None);
    fs::remove_file(tree.join("service/a")).expect("own link");
    let told = Cmd::new(program("svc")).args(["-dx", ".", "log"]).cwd(tree.join("store/a")).run(b"");
    assert_eq!((told.status(), told.messages()), ("exit 0".into(), String::new()));
    forgets(&tree, "a");
    assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines().len(), 300_000);
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
}

/// What it leaves is read by its own logger.
#[test]
fn a_name_that_leads_elsewhere_in_a_stop_leads_no_lines_there() {
    let mut tree = Tree::new(&[&supervise(), &program("svc"), &program("multilog")]);
    let run = "trap 'while [ ! -e go ]; do sleep 0.01; done; seq 1000; exit' TERM\n>ready\n\
               while :; do sleep 0.01; done";
    tree.service("a", run, "exec multilog ./main");
    tree.store("b", SLEEP, "exec multilog ./main");
    tree.start(&svscan());
    wait_until(SOON, "it runs", || tree.join("store/a/ready").exists());
    let logger = tree.pid("a/log", None);
    tree.svscan().signal(Signal::TERM);
    wait_until(SOON, "it is told", || tree.status("a").is_some_and(|(_, wish)| wish == b'd'));
    fs::remove_file(tree.join("service/a")).expect("own link");
    symlink(tree.join("store/b"), tree.join("service/a")).expect("own directory");
    let told = Cmd::new(program("svc")).args(["-dx", "log"]).cwd(tree.join("store/a")).run(b"");
    assert_eq!((told.status(), told.messages()), ("exit 0".into(), String::new()));
    wait_until(SOON, "it has ended", || !is_running(logger));
    fs::write(tree.join("store/a/go"), "").expect("own directory");
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
    assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines().len(), 1000);
    assert!(!tree.join("store/b/log/main").exists());
}

/// Its name is there again while one of its children still has the pipe: both write into it, and one logger reads it.
#[test]
fn a_removed_service_that_comes_back_need_not_wait_for_those_it_left() {
    let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
    let run =
        "echo start\n(setsid sh -c 'while [ ! -e go ]; do sleep 0.01; done; echo left' &)\nexec sleep 1000";
    tree.service("a", run, "exec multilog ./main");
    tree.start(&svscan());
    let (first, logger) = (tree.pid("a", None), tree.pid("a/log", None));
    let current = tree.join("store/a/log/main/current");
    let logged = |text: &str| {
        wait_until(SOON, text, || fs::read_to_string(&current).is_ok_and(|current| current == text));
    };
    logged("start\n");
    let descriptors = || fs::read_dir(proc(tree.svscan().pid(), "fd")).expect("it runs").count();
    let before = descriptors();
    fs::remove_file(tree.join("service/a")).expect("own link");
    kill(tree.supervise("a", None), Signal::TERM);
    wait_until(SOON, "the writing end is closed", || descriptors() == before - 1);
    tree.link("a");
    let second = tree.pid("a", Some(first));
    logged("start\nstart\n");
    assert_eq!(tree.pid("a/log", None), logger);
    fs::write(tree.join("store/a/go"), "").expect("own directory");
    logged("start\nstart\nleft\nleft\n");
    // The logger that was to be the last one is not.
    kill(logger, Signal::KILL);
    tree.pid("a/log", Some(logger));
    assert!(is_running(second));
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
    tree.wait_for_peace();
}

#[test]
fn a_scan_directory_that_is_removed_is_said_once_and_its_services_run() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, "");
    tree.start(&svscan());
    let pid = tree.pid("a", None);
    fs::remove_dir_all(tree.join("service")).expect("own directory");
    let said = "svscan: warning: unable to read directory: file does not exist";
    // As long as it is open there its end is not reported.
    tree.svscan().signal(Signal::HUP);
    says(&tree, said);
    assert!(is_running(pid));
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), format!("{said}\n")));
    tree.wait_for_peace();
}

#[test]
fn a_directory_that_is_made_in_place_is_seen_with_its_log() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.start(&svscan());
    tree.svscan().settle();
    symlink(tree.join("service/x"), tree.join("store/x")).expect("own directory");
    tree.script("service/x/run", SLEEP);
    // As a slow copy does it, each step within the second.
    std::thread::sleep(Duration::from_millis(300));
    tree.script("service/x/log/run", KEEP);
    tree.pid("x/log", None);
    tree.pid("x", None);
    assert_eq!(tree.stop().messages(), "");
}

#[test]
fn a_log_that_is_a_file_is_said_once_and_the_service_runs_without() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.store("a", "echo hello from a\nexec sleep 1000", "");
    fs::write(tree.join("store/a/log"), "").expect("own directory");
    tree.link("a");
    tree.start(&svscan());
    tree.pid("a", None);
    assert_eq!(supervised(&tree), ["supervise a"]);
    wait_until(SOON, "the service has spoken", || !tree.svscan().stdout().is_empty());
    let out = tree.stop();
    assert_eq!(out.messages(), "svscan: warning: unable to use a/log: not a directory\n");
    assert_eq!(out.stdout, b"hello from a\n");
}

#[test]
fn a_supervise_that_cannot_be_run_is_said_once() {
    let mut tree = Tree::new(&[]);
    tree.service("a", SLEEP, KEEP);
    fs::write(tree.join("bin/supervise"), "").expect("own directory");
    let command = tree.command(&svscan()).env("PATH", tree.join("bin"));
    tree.run(command);
    says(&tree, "svscan: warning: unable to start supervise a/log: access denied");
    tree.svscan().settle();
    let wanted = "svscan: warning: unable to start supervise a: access denied\n\
                  svscan: warning: unable to start supervise a/log: access denied\n";
    assert_eq!(tree.said(), wanted);
    fs::remove_file(tree.join("bin/supervise")).expect("own file");
    symlink(supervise(), tree.join("bin/supervise")).expect("own directory");
    // The service finds its shell and sleep by another PATH.
    tree.store("a", "PATH=/bin:/usr/bin; exec sleep 1000", "PATH=/bin:/usr/bin; exec cat");
    tree.pid("a", None);
    assert_eq!(tree.stop().messages(), wanted);
}

#[test]
fn a_supervise_that_cannot_begin_says_so_less_and_less_often() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.store("a", SLEEP, "");
    fs::write(tree.join("store/a/supervise"), "").expect("own directory");
    tree.link("a");
    let start = Instant::now();
    tree.start(&svscan());
    let says = "supervise: fatal: unable to acquire a/supervise/lock: not a directory\n";
    wait_until(SOON, "it is said three times", || tree.said() == says.repeat(3));
    assert!(start.elapsed() >= Duration::from_secs(5 + 10));
    fs::remove_file(tree.join("store/a/supervise")).expect("own file");
    // Whoever has mended it says so.
    tree.svscan().signal(Signal::HUP);
    tree.pid("a", None);
    let said = tree.said();
    assert_eq!(tree.stop().messages(), said);
}

#[test]
fn what_the_parent_ignored_blocked_or_closed_does_no_harm() {
    // Ignored or blocked SIGCHLD, SIGPIPE, and descriptors that are not open: python and perl are not everywhere, env is.
    let starts: [&[&str]; 4] = [
        &["env", "--ignore-signal=CHLD"],
        &["env", "--block-signal=CHLD,HUP,USR1"],
        &["env", "--ignore-signal=PIPE"],
        &["sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"],
    ];
    for start in starts {
        let mut tree = Tree::new(&[&supervise()]);
        tree.service(
            "a",
            "ls -l /proc/self/fd >fds; cat /proc/self/status >status; echo line; exec sleep 1000",
            KEEP,
        );
        let command = tree.command(&svscan()).behind(start.iter());
        tree.run(command);
        let pid = tree.pid("a", None);
        let kept = tree.join("store/a/log/kept");
        let logs = |lines: &str| {
            wait_until(SOON, &format!("{start:?}: {lines:?}"), || {
                fs::read_to_string(&kept).is_ok_and(|kept| kept == lines)
            });
        };
        logs("line\n");
        kill(tree.supervise("a", None), Signal::KILL);
        kill(pid, Signal::KILL);
        logs("line\nline\n");
        let status = fs::read_to_string(tree.join("store/a/status")).expect("it was written");
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).expect("a mask");
        let wanted = if start.contains(&"--ignore-signal=PIPE") { 1 << 12 } else { 0 };
        let ignored = u64::from_str_radix(ignored, 16).expect("hexadecimal") & (1 << 12 | 1 << 16);
        assert_eq!(ignored, wanted, "{start:?}: {status}");
        assert_eq!(tree.stop().status(), "exit 0", "{start:?}");
        tree.wait_for_peace();
    }
}

#[test]
fn children_have_our_limit_of_open_files() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", "ulimit -Sn >limit.new; mv limit.new limit; exec sleep 1000", "");
    let command = tree.command(&svscan()).behind(["sh", "-c", "ulimit -Sn 77; exec \"$@\"", "sh"]);
    tree.run(command);
    let limit = tree.join("store/a/limit");
    let limit = wait_for(SOON, "it is written", || fs::read_to_string(&limit).ok());
    assert_eq!(limit, "77\n");
    let limits = fs::read_to_string(format!("/proc/{}/limits", tree.svscan().pid().as_raw_nonzero()));
    let limits = limits.expect("it runs");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "svscan itself takes all it may have: {line}");
    tree.stop();
}

/// Any number of services of which none has a log.
fn many(tree: &Tree, names: std::ops::Range<u32>) {
    trivial(tree);
    for number in names {
        fs::create_dir(tree.join("service").join(number.to_string())).expect("own directory");
    }
}

#[test]
fn five_thousand_services_each_started_once_and_restarted_alone() {
    let mut tree = Tree::new(&[]);
    many(&tree, 10_000..15_000);
    tree.start(&svscan());
    let svscan = tree.svscan().pid();
    wait_until(LATER, "all run", || children(svscan).len() == 5000);
    let place = |pid| fs::read_link(proc(pid, "cwd")).unwrap_or_default();
    let words = |pids: &[Pid]| pids.iter().map(|&pid| place(pid)).collect::<HashSet<_>>();
    let all = children(svscan);
    let wanted: HashSet<_> = (10_000..15_000).map(|number| tree.join(format!("service/{number}"))).collect();
    wait_until(LATER, "each is supervised", || words(&all) == wanted);
    // Some die, and only they come back.
    let killed: HashSet<Pid> = all.iter().copied().step_by(10).collect();
    killed.iter().for_each(|&pid| kill(pid, Signal::KILL));
    let now = wait_for(LATER, "all run again", || {
        let now = children(svscan);
        (now.len() == 5000 && !now.iter().any(|pid| killed.contains(pid))).then_some(now)
    });
    wait_until(LATER, "each is supervised again", || words(&now) == wanted);
    assert_eq!(now.iter().filter(|pid| all.contains(pid)).count(), 4500);
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
    tree.wait_for_peace();
}

#[test]
fn too_few_descriptors_for_all_log_pipes_are_said_once_and_waited_out() {
    let mut tree = Tree::new(&[]);
    tree.script("bin/supervise", "exec sleep 1000");
    tree.start(&svscan());
    wait_until(SOON, "it looks", || name(tree.svscan().pid()) == "svscan");
    tree.svscan().settle();
    let svscan = tree.svscan().pid();
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = |current| {
        prlimit(Some(svscan), Resource::Nofile, Rlimit { current, maximum }).expect("our child");
    };
    limit(Some(40));
    let start = Instant::now();
    for number in 0..100 {
        fs::create_dir_all(tree.join(format!("store/{number}/log"))).expect("own directory");
        tree.link(&number.to_string());
    }
    wait_until(SOON, "a pipe is refused", || tree.said().ends_with(": process cannot open more files\n"));
    // Three looks, and nothing new to say.
    std::thread::sleep(Duration::from_secs(11));
    let some = children(svscan).len();
    assert!(some > 0 && some < 40, "{some} supervises");
    let said = tree.said();
    let most = 1 + start.elapsed().as_secs() / 60;
    assert!(said.lines().count() as u64 <= most, "{said}");
    assert!(
        said.lines().all(|line| line.starts_with("svscan: warning: unable to create pipe for ")),
        "{said}"
    );
    limit(maximum);
    wait_until(SOON, "all run", || children(svscan).len() == 200);
    let said = tree.said();
    assert_eq!(tree.stop().messages(), said);
    tree.wait_for_peace();
}

#[test]
fn without_descriptors_running_services_are_still_restarted() {
    let mut tree = Tree::new(&[&supervise()]);
    let names: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    names.iter().for_each(|name| tree.service(name, SLEEP, KEEP));
    let command = tree.command(&svscan()).behind(["sh", "-c", "ulimit -n 20; exec \"$@\"", "sh"]);
    tree.run(command);
    wait_until(SOON, "some are refused", || tree.said().contains("process cannot open more files\n"));
    // All pipes are made before the first service runs.
    let up = || names.iter().filter(|name| tree.status(name).is_some()).collect::<Vec<_>>();
    wait_until(SOON, "some run", || !up().is_empty());
    let up = up();
    assert!(up.len() < names.len(), "{up:?}: {}", tree.said());
    let name = up[0];
    let (supervise, pid) = (tree.supervise(name, None), tree.pid(name, None));
    kill(supervise, Signal::KILL);
    kill(pid, Signal::KILL);
    tree.supervise(name, Some(supervise));
    tree.pid(name, Some(pid));
    let out = tree.stop();
    for line in out.messages().lines() {
        assert!(line.starts_with("svscan: warning: unable to create pipe for s"), "{line}");
    }
    assert_eq!(out.status(), "exit 0");
    tree.wait_for_peace();
}

#[test]
fn without_inotify_it_looks_by_itself() {
    let mut tree = Tree::new(&[&supervise()]);
    let limit = "echo 0 >/proc/sys/user/max_inotify_instances || exit 99; exec \"$@\"";
    let probe = Cmd::new("unshare").args(["-Ur", "sh", "-c", limit, "sh", "true"]).run(b"");
    if probe.status() != "exit 0" {
        return tests::rig::skipped("no user namespace can be made here");
    }
    tree.store("a", SLEEP, "");
    let command = tree.command(&svscan()).behind(["unshare", "-Ur", "sh", "-c", limit, "sh"]);
    tree.run(command);
    wait_until(SOON, "it runs", || name(tree.svscan().pid()) == "svscan");
    tree.svscan().settle();
    tree.link("a");
    tree.pid("a", None);
    assert_eq!(tree.stop().messages(), "");
}

#[test]
fn after_more_changes_than_are_reported_a_new_service_is_found() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.store("old", SLEEP, "");
    tree.store("new", SLEEP, "");
    tree.link("old");
    tree.start(&svscan());
    tree.pid("old", None);
    tree.svscan().settle();
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("a number");
    let most: usize = most.trim_end().parse().expect("a number");
    if most > 1 << 16 {
        return tests::rig::skipped("too many events are kept here");
    }
    tree.svscan().signal(Signal::STOP);
    wait_until(SOON, "it is stopped", || stopped(tree.svscan().pid()));
    let passing = tree.join("service/passing");
    // Two events each.
    for _ in 0..=most / 2 {
        symlink("nowhere", &passing).expect("own directory");
        fs::remove_file(&passing).expect("own link");
    }
    // These two are not reported.
    tree.link("new");
    fs::remove_file(tree.join("service/old")).expect("own link");
    tree.svscan().signal(Signal::CONT);
    tree.pid("new", None);
    // And what comes later is reported again.
    tree.store("newer", SLEEP, "");
    tree.svscan().settle();
    tree.link("newer");
    tree.pid("newer", None);
    // Its name is gone: it is not restarted.
    let (old, pid) = (tree.supervise("old", None), tree.pid("old", None));
    kill(old, Signal::TERM);
    wait_until(SOON, "it is gone", || !is_running(old) && !is_running(pid));
    tree.store("newest", SLEEP, "");
    tree.link("newest");
    tree.pid("newest", None);
    assert_eq!(supervised(&tree), ["supervise new", "supervise newer", "supervise newest"]);
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
    tree.wait_for_peace();
}

fn stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

#[test]
fn an_idle_svscan_sleeps_also_on_an_empty_directory() {
    for services in [0, 3] {
        let mut tree = Tree::new(&[&supervise()]);
        for number in 0..services {
            tree.service(&format!("s{number}"), SLEEP, KEEP);
        }
        tree.start(&svscan());
        for number in 0..services {
            tree.pid(&format!("s{number}/log"), None);
            tree.pid(&format!("s{number}"), None);
        }
        wait_until(SOON, "it runs", || name(tree.svscan().pid()) == "svscan");
        tree.svscan().settle();
        let pid = tree.svscan().pid();
        let wakes = || figure(pid, "voluntary_ctxt_switches");
        let before = wakes();
        std::thread::sleep(Duration::from_secs(7));
        assert_eq!(wakes(), before, "with {services} services");
        assert_eq!(tree.stop().status(), "exit 0");
    }
}

#[test]
fn a_stop_takes_the_last_lines_to_disk() {
    let last = "trap 'i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo last $i; done; exit' TERM\n\
                >ready\nwhile :; do sleep 0.01; done";
    for signal in [Signal::TERM, Signal::INT] {
        let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
        tree.service("a", last, "exec multilog ./main");
        tree.service("plain", SLEEP, "");
        tree.start(&svscan());
        wait_until(SOON, "it runs", || tree.join("store/a/ready").exists());
        tree.pid("a/log", None);
        tree.pid("plain", None);
        tree.svscan().signal(signal);
        let out = tree.stop();
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
        let lines = LogDir::new(tree.join("store/a/log/main")).lines();
        assert_eq!(lines.len(), 500);
        assert_eq!(lines.last().map(Vec::as_slice), Some(b"last 500".as_slice()));
        tree.wait_for_peace();
    }
}

#[test]
fn a_logger_that_is_paused_down_or_dead_reads_to_the_end_in_a_stop() {
    let Some(svc) = original("svc") else { return };
    let check = |what: &str, trouble: &dyn Fn(&Tree)| {
        let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
        let run = "while [ ! -e go ]; do sleep 0.01; done\nseq 1000\n>ready\nexec sleep 1000";
        tree.service("a", run, "exec multilog ./main");
        tree.start(&svscan());
        tree.pid("a/log", None);
        tree.pid("a", None);
        trouble(&tree);
        fs::write(tree.join("store/a/go"), "").expect("own directory");
        wait_until(SOON, "all is written", || tree.join("store/a/ready").exists());
        let out = tree.stop();
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()), "{what}");
        assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines().len(), 1000, "{what}");
        tree.wait_for_peace();
    };
    let order = |letter: &str, tree: &Tree| {
        Cmd::new(&svc).arg(letter).arg(tree.join("store/a/log")).run(b"");
    };
    check("paused", &|tree| {
        order("-p", tree);
        let status = tree.join("store/a/log/supervise/status");
        wait_until(SOON, "it is paused", || fs::read(&status).is_ok_and(|status| status.get(16) == Some(&1)));
    });
    check("down", &|tree| {
        order("-d", tree);
        wait_until(SOON, "it is down", || tree.status("a/log").is_some_and(|(pid, _)| pid.is_none()));
    });
    check("dead", &|tree| kill(tree.pid("a/log", None), Signal::KILL));
    check("dead with its supervise", &|tree| {
        let (supervise, pid) = (tree.supervise("a/log", None), tree.pid("a/log", None));
        kill(supervise, Signal::KILL);
        kill(pid, Signal::KILL);
    });
}

/// The link is flipped when supervise has been started and has not changed its directory yet.
#[test]
fn a_link_that_is_flipped_during_a_start_leads_no_supervise_elsewhere() {
    for log in [KEEP, ""] {
        let mut tree = Tree::new(&[]);
        tree.store("a", "echo from a; exec sleep 1000", log);
        tree.store("b", "echo from b; exec sleep 1000", "");
        tree.link("a");
        let [service, store] = ["service", "store"].map(|name| tree.join(name).display().to_string());
        let flip = format!(
            "if mkdir {store}/flipped; then ln -s {store}/b {service}/.new; mv -T {service}/.new {service}/a; fi\n\
             exec {} \"$@\"",
            supervise().display()
        );
        tree.script("bin/supervise", &flip);
        tree.start(&svscan());
        let (a, b) = (tree.pid("a", None), tree.pid("b", None));
        let output = |pid: Pid| fs::read_link(proc(pid, "fd/1")).expect("it runs");
        if log.is_empty() {
            assert_eq!(output(a), output(b));
        } else {
            // The first to be started may be the logger's.
            let input = fs::read_link(proc(tree.pid("a/log", None), "fd/0")).expect("it runs");
            assert_eq!(output(a), input);
            assert_ne!(output(b), input);
        }
        assert_eq!(tree.stop().status(), "exit 0");
        tree.wait_for_peace();
    }
}

#[test]
fn a_logger_that_is_started_in_a_stop_needs_no_proc_and_is_named() {
    let hidden = ["unshare", "-m", "sh", "-c", "umount -l /proc || exit 99; exec \"$@\"", "sh"];
    if Cmd::new("true").behind(hidden).run(b"").status() != "exit 0" {
        return tests::rig::skipped("no namespace of mounts can be made here");
    }
    let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
    let run = "while [ ! -e go ]; do sleep 0.01; done\nseq 1000\n>ready\nexec sleep 1000";
    tree.service("a", run, "exec multilog ./main");
    let command = tree.command(&svscan()).behind(hidden);
    tree.run(command);
    let (log, logger) = (tree.supervise("a/log", None), tree.pid("a/log", None));
    // None can begin there, until the stop has begun.
    let [files, aside] = ["supervise", "aside"].map(|name| tree.join("store/a/log").join(name));
    fs::rename(&files, &aside).expect("own directory");
    fs::write(&files, "").expect("own directory");
    kill(log, Signal::KILL);
    kill(logger, Signal::KILL);
    fs::write(tree.join("store/a/go"), "").expect("own directory");
    wait_until(SOON, "all is written", || tree.join("store/a/ready").exists());
    let main = tree.supervise("a", None);
    tree.svscan().signal(Signal::TERM);
    wait_until(SOON, "the service has ended", || !is_running(main));
    let told = || tree.said().lines().count();
    let before = told();
    wait_until(SOON, "its logger's supervise cannot begin", || told() > before);
    fs::remove_file(&files).expect("own file");
    fs::rename(&aside, &files).expect("own directory");
    let out = tree.stop();
    assert_eq!(out.status(), "exit 0");
    let wanted = "supervise: fatal: unable to acquire a/log/supervise/lock: not a directory";
    assert!(out.messages().lines().all(|line| line == wanted), "{out}");
    assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines().len(), 1000);
    tree.wait_for_peace();
}

/// What /proc shows under the number of our child is another process there.
#[test]
fn a_stop_where_proc_is_that_of_others_stops_no_service_of_theirs() {
    let inside = |before: u32| {
        let number = format!("echo {before} >/proc/sys/kernel/ns_last_pid || exit 99; exec \"$@\"");
        ["unshare".into(), "-pf".into(), "--kill-child".into(), "sh".into(), "-c".into(), number, "sh".into()]
    };
    if Cmd::new("true").behind(inside(100)).run(b"").status() != "exit 0" {
        return tests::rig::skipped("no namespace of processes can be made here");
    }
    let mut theirs = Tree::new(&[&supervise()]);
    theirs.service("a", SLEEP, "");
    theirs.start(&svscan());
    let other = theirs.pid("a", None);
    let number = theirs.supervise("a", None).as_raw_nonzero().get().unsigned_abs();
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, "");
    let command = tree.command(&svscan()).behind(inside(number - 1));
    tree.run(command);
    let own = wait_for(SOON, "it runs", || tree.status("a")?.0);
    assert_eq!(own.as_raw_nonzero().get().unsigned_abs(), number + 1);
    let first = *children(tree.svscan().pid()).first().expect("unshare waits for it");
    kill(first, Signal::TERM);
    wait_until(SOON, "it ends", || tree.svscan().has_ended());
    assert!(is_running(other), "it is another's");
    assert_eq!(theirs.stop().status(), "exit 0");
}

/// A process that the service left behind has its lines logged, though the logger is down, or is killed, before it writes.
#[test]
fn what_a_service_left_behind_meets_no_broken_pipe() {
    for removed in [false, true] {
        let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
        let orphan = "while [ ! -e go ]; do sleep 0.01; done; echo one && sleep 0.1 && echo two || >failed";
        let run = format!("trap '' PIPE\n({orphan}) &\n>ready\nexec sleep 1000");
        tree.service("a", &run, "exec multilog ./main");
        tree.start(&svscan());
        let (main, logger) = (tree.supervise("a", None), tree.pid("a/log", None));
        wait_until(SOON, "it is there", || tree.join("store/a/ready").exists());
        if removed {
            fs::remove_file(tree.join("service/a")).expect("own link");
            let log = tree.supervise("a/log", None);
            kill(main, Signal::TERM);
            wait_until(SOON, "the logger is the last one", || {
                tree.status("a/log").is_some_and(|(_, wish)| wish != b'u')
            });
            kill(logger, Signal::KILL);
            wait_until(SOON, "it has ended", || !is_running(log));
        } else {
            let told =
                Cmd::new(program("svc")).args(["-d", "-w", "20"]).arg(tree.join("store/a/log")).run(b"");
            assert_eq!(told.status(), "exit 0", "{told}");
            tree.svscan().signal(Signal::TERM);
            wait_until(SOON, "the service has ended", || !is_running(main));
        }
        tree.pid("a/log", Some(logger));
        fs::write(tree.join("store/a/go"), "").expect("own directory");
        if removed {
            forgets(&tree, "a");
        }
        let out = tree.stop();
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
        assert!(!tree.join("store/a/failed").exists(), "{removed}");
        assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines(), [b"one", b"two"], "{removed}");
        tree.wait_for_peace();
    }
}

/// The order to stop is read by somebody else; the supervise that waits for a slow service has heard it.
#[test]
fn a_supervise_that_does_not_hear_the_order_to_stop_gets_a_signal() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("deaf", SLEEP, "");
    let slow = "trap 'echo TERM >>got' TERM\n>ready\nwhile [ ! -e go ]; do sleep 0.1; done";
    tree.service("slow", slow, "");
    tree.start(&svscan());
    let deaf = tree.pid("deaf", None);
    wait_until(SOON, "the other runs", || tree.join("store/slow/ready").exists());
    let control = tree.join("store/deaf/supervise/control");
    fs::remove_file(&control).expect("own file");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &control, rustix::fs::FileType::Fifo, mode, 0).expect("own file");
    let reader = fs::OpenOptions::new().read(true).write(true).open(&control).expect("own file");
    tree.svscan().signal(Signal::TERM);
    wait_until(SOON, "it has ended", || !is_running(deaf));
    std::thread::sleep(Duration::from_millis(500));
    fs::write(tree.join("store/slow/go"), "").expect("own directory");
    assert_eq!(tree.stop().status(), "exit 0");
    assert_eq!(fs::read_to_string(tree.join("store/slow/got")).expect("it was told"), "TERM\n", "once");
    drop(reader);
    tree.wait_for_peace();
}

#[test]
fn an_unlinked_service_is_stopped_too() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, KEEP);
    tree.store("b", SLEEP, "");
    tree.start(&svscan());
    let (main, log) = (tree.pid("a", None), tree.pid("a/log", None));
    fs::remove_file(tree.join("service/a")).expect("own link");
    // Its name leads to another service now.
    symlink(tree.join("store/b"), tree.join("service/a")).expect("own directory");
    tree.pid("b", None);
    let out = tree.stop();
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
    assert!(!is_running(main) && !is_running(log));
    tree.wait_for_peace();
}

#[test]
fn hup_and_alrm_are_survived() {
    let mut tree = Tree::new(&[&supervise()]);
    tree.service("a", SLEEP, "");
    tree.start(&svscan());
    let pid = tree.pid("a", None);
    for signal in [Signal::HUP, Signal::ALARM] {
        tree.svscan().signal(signal);
        tree.svscan().settle();
    }
    assert!(is_running(pid) && !tree.svscan().has_ended());
    assert_eq!(tree.stop().status(), "exit 0");
}

/// As a terminal that is closed sends it: a service that reloads at HUP goes on, and no second one is started beside it.
#[test]
fn hup_and_alrm_to_the_process_group_start_no_second_copy() {
    let mut tree = Tree::new(&[&supervise()]);
    let run = "trap 'echo HUP >>got' HUP\ntrap 'echo ALRM >>got' ALRM\necho $$ >>started\n\
               while :; do sleep 0.1; done";
    tree.service("a", run, "trap '' HUP ALRM; exec cat");
    let command = tree.command(&svscan()).behind(["setsid"]);
    tree.run(command);
    let started = tree.join("store/a/started");
    wait_until(SOON, "it runs", || fs::read(&started).is_ok_and(|started| started.ends_with(b"\n")));
    let before = [tree.supervise("a", None), tree.supervise("a/log", None)];
    for (signal, name) in [(Signal::HUP, "HUP"), (Signal::ALARM, "ALRM")] {
        rustix::process::kill_process_group(tree.svscan().pid(), signal).expect("it leads the group");
        let got = tree.join("store/a/got");
        wait_until(SOON, "the service gets it", || {
            fs::read_to_string(&got).is_ok_and(|got| got.lines().any(|line| line == name))
        });
    }
    // Longer than svscan waits with a restart.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(fs::read_to_string(&started).expect("it started").lines().count(), 1);
    assert_eq!(before, [tree.supervise("a", None), tree.supervise("a/log", None)]);
    // The shells tell of their children's ends.
    assert!(!tree.said().contains("supervise: "), "{}", tree.said());
    assert_eq!(tree.stop().status(), "exit 0");
    tree.wait_for_peace();
}

#[test]
fn as_the_first_process_it_stops_at_term_and_reaps_orphans() {
    let probe = Cmd::new("unshare").args(["-pf", "--mount-proc", "true"]).run(b"");
    if probe.status() != "exit 0" {
        return tests::rig::skipped("no namespace of processes can be made here");
    }
    let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
    tree.service("a", LEAVES_ORPHANS, "exec multilog ./main");
    let command = tree.command(&svscan()).behind(["unshare", "-pf", "--kill-child", "--mount-proc"]);
    tree.run(command);
    assert_eq!(tree.reaped_late("a"), 0);
    let first = *children(tree.svscan().pid()).first().expect("unshare waits for it");
    assert_eq!(name(first), "svscan");
    kill(first, Signal::TERM);
    wait_until(SOON, "it ends", || tree.svscan().has_ended());
    assert_eq!(LogDir::new(tree.join("store/a/log/main")).lines(), [b"written"]);
    tree.wait_for_peace();
}

/// Runs until it is told to end, and leaves no gap between the lines it says it has written.
const COUNT: &str =
    "trap 'exit 0' TERM\nn=$(tail -n1 count)\nwhile :; do n=$((n+1)); echo line $n; echo $n >>count; done";

#[test]
fn the_pipe_never_breaks_and_no_line_is_lost_whoever_is_killed() {
    let mut tree = Tree::new(&[&supervise(), &program("multilog")]);
    tree.store("a", COUNT, "exec multilog s1000000 n1000 ./main");
    fs::write(tree.join("store/a/count"), "0\n").expect("own directory");
    tree.link("a");
    tree.start(&svscan());
    let count = tree.join("store/a/count");
    let written = || {
        let count = fs::read_to_string(&count).expect("it is there");
        count.lines().last().and_then(|line| line.parse::<usize>().ok()).unwrap_or(0)
    };
    let mut rng = tests::feeder::Rng::new(tests::feeder::seed());
    for round in 0..6 {
        let before = written();
        wait_until(SOON, "more lines", || written() > before + 100 + rng.range(0, 100) as usize);
        // Somebody, or everybody at once, dies; a supervise together with what would be an orphan.
        for service in ["a", "a/log"] {
            if round == 5 || rng.one_in(2) {
                let (supervise, pid) = (tree.supervise(service, None), tree.pid(service, None));
                kill(supervise, Signal::KILL);
                _ = kill_process(pid, Signal::KILL);
            } else {
                _ = kill_process(tree.pid(service, None), Signal::KILL);
            }
        }
    }
    let before = written();
    wait_until(SOON, "more lines", || written() > before);
    assert_eq!(tree.stop().status(), "exit 0");
    tree.wait_for_peace();
    let logged: std::collections::HashSet<Vec<u8>> =
        LogDir::new(tree.join("store/a/log/main")).lines().into_iter().collect();
    let missing: Vec<usize> =
        (1..=written()).filter(|number| !logged.contains(format!("line {number}").as_bytes())).collect();
    assert!(missing.is_empty(), "of {} lines these are missing: {missing:?}", written());
}
