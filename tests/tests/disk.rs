//! What happens when the disk is full? The writer is held back, the log goes on as soon as there is room, nothing is lost.
//!
//! The small disk is a tmpfs in a mount namespace of its own, reached through `/proc`: no root is needed where user
//! namespaces are allowed, and it goes with the process that holds it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tests::feeder::{Corpus, Mix, Rng, Rules, Verdict, judge};
use tests::rig::{HeldPipe, Rig, SOON, skipped, stop, warnings};
use tests::{Cmd, LogDir, Running, Signal, wait_until};

/// How soon a logger goes on when there is room again: it asks every 100 ms, the rest is for a busy machine.
const AGAIN: Duration = Duration::from_millis(400);

/// A mounted tmpfs and the process that holds it.
struct SmallDisk {
    path: PathBuf,
    _holder: Running,
}

impl SmallDisk {
    /// A tmpfs with the options, such as `size=64k`; `None`, with the reason printed, where none can be mounted.
    fn new(rig: &Rig, options: &str) -> Option<SmallDisk> {
        let place = rig.join("disk");
        fs::create_dir(&place).expect("a directory");
        let mut reasons = String::new();
        // As any user, else as root in a container that forbids user namespaces.
        for namespaces in ["-Urm", "-m"] {
            let script = r#"mount -t tmpfs -o "$0" none disk && touch disk/mounted && exec cat"#;
            let holder = Cmd::new("unshare")
                .args([namespaces, "sh", "-c", script, options])
                .cwd(rig.path())
                .limit(Duration::from_secs(300))
                .spawn();
            let pid = holder.pid().as_raw_nonzero();
            let path = PathBuf::from(format!("/proc/{pid}/root{}", place.display()));
            wait_until(SOON, "a mounted disk", || holder.has_ended() || path.join("mounted").exists());
            if !holder.has_ended() {
                fs::remove_file(path.join("mounted")).expect("own file");
                return Some(SmallDisk { path, _holder: holder });
            }
            reasons.push_str(&holder.wait_open().messages());
        }
        skipped(&format!("no small disk can be mounted: {}", reasons.trim_end().replace('\n', "; ")));
        None
    }

    /// Writes a file of zeros until nothing more fits, but leaves `room` bytes.
    fn fill(&self, room: usize) {
        let block = vec![0; 1 << 20];
        let path = self.path.join("filler");
        let mut length = 0;
        let mut file = fs::File::create(&path).expect("a file");
        while let Ok(more) = std::io::Write::write(&mut file, &block) {
            length += more;
        }
        file.set_len((length - room) as u64).expect("a shorter file");
    }

    /// Makes room for so many bytes more; false when there is no filler left to shorten.
    fn give(&self, room: u64) -> bool {
        let file = fs::File::options().write(true).open(self.path.join("filler")).expect("the filler");
        let length = file.metadata().expect("its length").len();
        file.set_len(length.saturating_sub(room)).expect("a shorter file");
        length > 0
    }

    /// Makes room again.
    fn free(&self) {
        fs::remove_file(self.path.join("filler")).expect("the filler");
    }
}

/// 400 lines of many lengths, some 60 kB, so that they fit into a pipe.
fn some_lines() -> Corpus {
    let mut corpus = Corpus::new();
    let mut rng = Rng::new(7);
    for n in 0..400 {
        let length = if n % 40 == 39 { 2_000 } else { Mix::Short.draw(&mut rng) };
        corpus.push(length);
    }
    assert!(corpus.bytes() < 65_536, "{}", corpus.bytes());
    corpus
}

/// Where there is a kill (or an end on a full disk), one batch may be twice in the log.
fn check(dir: &LogDir, corpus: &Corpus, size: u64, kills: usize) -> Verdict {
    let rules = Rules { size, stamped: false, classes: b"ABC", kills, splits_over: 32_768, trimmed: false };
    let verdict = judge(dir.path(), corpus, &rules);
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
    verdict
}

/// The warnings of a pause for want of room.
fn pauses(running: &Running) -> Vec<String> {
    let mut said = warnings(&running.stderr());
    said.retain(|line| line.contains("pausing"));
    said
}

/// Waits until the logger has said that it pauses.
fn wait_until_it_pauses(running: &Running) {
    wait_until(SOON, "a warning of the full disk", || {
        assert!(!running.has_ended(), "the logger has ended");
        !pauses(running).is_empty()
    });
}

/// Where the pipe is empty soon, counted from now.
fn wait_until_it_goes_on(rig: &Rig) {
    let start = Instant::now();
    wait_until(SOON, "all input is logged", || rig.pipe.waiting() == 0);
    assert!(start.elapsed() < AGAIN, "it went on after {:?}", start.elapsed());
}

#[test]
fn a_full_disk_holds_the_writer_back_and_nothing_is_lost() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=256k") else { return };
    disk.fill(20_480);
    let corpus = some_lines();
    let running = rig.logger(&["./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    rig.pipe.write(&corpus.input());
    wait_until_it_pauses(&running);
    let warning = "multilog: warning: unable to write to ./log/current, pausing: out of disk space";
    assert_eq!(pauses(&running), [warning]);
    let log = LogDir::new(disk.path.join("log"));
    let held = rig.pipe.waiting();
    assert!(held > 30_000, "only {held} bytes are held back");
    // It stays so, and is not said again, for as long as the disk is full: here, over some ten tries.
    std::thread::sleep(Duration::from_millis(1_000));
    assert_eq!((pauses(&running).len(), rig.pipe.waiting()), (1, held));
    disk.free();
    wait_until_it_goes_on(&rig);
    rig.finish(running);
    check(&log, &corpus, 99_999, 0);
    assert_eq!(log.mode("current"), Some(0o744));
}

#[test]
fn each_full_disk_is_warned_about_once() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=512k") else { return };
    let running = rig.logger(&["./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    let mut right = Vec::new();
    for round in 1..=3 {
        disk.fill(0);
        let line = [vec![b'a' + round as u8; 9_000], b"\n".to_vec()].concat();
        rig.pipe.write(&line);
        right.extend(line);
        wait_until(SOON, "a warning for this round", || pauses(&running).len() == round);
        disk.free();
        wait_until_it_goes_on(&rig);
    }
    rig.finish(running);
    assert!(LogDir::new(disk.path.join("log")).all() == right, "the log is not what went in");
}

/// Lets a logger pause on a full disk, ends it by `end`, makes room, lets another one finish.
fn ended_while_full(end: impl Fn(Running)) {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=256k") else { return };
    disk.fill(20_480);
    let corpus = some_lines();
    rig.pipe.write(&corpus.input());
    let logger = |rig: &Rig| rig.logger(&["./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    let running = logger(&rig);
    wait_until_it_pauses(&running);
    end(running);
    assert!(rig.pipe.waiting() > 30_000, "only {} bytes in the pipe", rig.pipe.waiting());
    disk.free();
    let next = logger(&rig);
    rig.finish(next);
    check(&LogDir::new(disk.path.join("log")), &corpus, 99_999, 1);
}

#[test]
fn term_on_a_full_disk_ends_the_logger_and_the_next_one_logs_the_rest() {
    ended_while_full(|running| {
        stop(running, Signal::TERM);
    });
}

#[test]
fn a_kill_on_a_full_disk_loses_nothing() {
    ended_while_full(|running| {
        running.kill();
    });
}

#[test]
fn a_start_on_a_full_disk_waits_or_refuses_and_takes_nothing() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=256k") else { return };
    let corpus = some_lines();
    rig.pipe.write(&corpus.input());
    fs::create_dir(disk.path.join("log")).expect("a directory");
    disk.fill(0);
    let logger = |rig: &Rig| rig.logger(&["./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    let running = logger(&rig);
    wait_until(SOON, "it says something", || !running.stderr().is_empty());
    let running = if running.has_ended() {
        assert_eq!(rig.pipe.waiting() as u64, corpus.bytes());
        let out = running.wait_open();
        assert_eq!(out.status(), "exit 111", "{out}");
        disk.free();
        logger(&rig)
    } else {
        assert!(rig.pipe.waiting() > 0);
        disk.free();
        running
    };
    rig.finish(running);
    check(&LogDir::new(disk.path.join("log")), &corpus, 99_999, 0);
}

#[test]
fn one_full_directory_of_two_holds_both_and_each_has_every_line_once() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=256k") else { return };
    disk.fill(20_480);
    let corpus = some_lines();
    let healthy = rig.join("healthy").display().to_string();
    let running = rig.logger(&["./log", &healthy]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    rig.pipe.write(&corpus.input());
    wait_until_it_pauses(&running);
    assert_eq!(pauses(&running).len(), 1);
    assert!(rig.pipe.waiting() > 0);
    disk.free();
    wait_until_it_goes_on(&rig);
    rig.finish(running);
    check(&LogDir::new(disk.path.join("log")), &corpus, 99_999, 0);
    check(&LogDir::new(healthy), &corpus, 99_999, 0);
}

#[test]
fn term_with_one_full_directory_of_two_loses_nothing_in_either() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=256k") else { return };
    disk.fill(20_480);
    let corpus = some_lines();
    rig.pipe.write(&corpus.input());
    let healthy = rig.join("healthy").display().to_string();
    let logger = |rig: &Rig| rig.logger(&[&healthy, "./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    let running = logger(&rig);
    wait_until_it_pauses(&running);
    stop(running, Signal::TERM);
    disk.free();
    let next = logger(&rig);
    rig.finish(next);
    check(&LogDir::new(disk.path.join("log")), &corpus, 99_999, 1);
    check(&LogDir::new(healthy), &corpus, 99_999, 1);
}

#[test]
fn a_disk_that_fills_up_between_rotations_loses_nothing() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=256k") else { return };
    disk.fill(20_480);
    let corpus = some_lines();
    let running = rig.logger(&["s4096", "n99", "./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    rig.pipe.write(&corpus.input());
    wait_until_it_pauses(&running);
    assert!(rig.pipe.waiting() > 0);
    disk.free();
    wait_until(SOON, "all input is logged", || rig.pipe.waiting() == 0);
    rig.finish(running);
    check(&LogDir::new(disk.path.join("log")), &corpus, 4_096, 0);
}

#[test]
fn a_disk_without_inodes_left_loses_nothing() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=1m,nr_inodes=12") else { return };
    let corpus = some_lines();
    let running = rig.logger(&["s4096", "n99", "./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    rig.pipe.write(&corpus.input());
    wait_until_it_pauses(&running);
    let said = pauses(&running);
    assert!(said.iter().all(|line| line.ends_with("pausing: out of disk space")), "{said:?}");
    assert!(rig.pipe.waiting() > 0);
    // Room for the rest: old logs are moved to another disk, as an admin would do it.
    let moved = LogDir::new(rig.join("moved"));
    fs::create_dir(moved.path()).expect("a directory");
    let log = LogDir::new(disk.path.join("log"));
    wait_until(SOON, "all input is logged", || {
        for name in log.old_logs() {
            fs::copy(log.join(&name), moved.join(&name)).expect("a copy");
            fs::remove_file(log.join(&name)).expect("an old log");
        }
        rig.pipe.waiting() == 0
    });
    rig.finish(running);
    let all = [moved.all(), log.all()].concat();
    assert!(all == corpus.input(), "the logs are not what went in: {} bytes", all.len());
}

/// That it works again is said when it does, and not with the next line, hours later.
#[test]
fn what_passes_while_no_line_comes_is_said_then() {
    let mut rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=1m,nr_inodes=12") else { return };
    let running = rig.logger(&["./log"]).cwd(&disk.path).spawn_on(rig.pipe.stdin());
    rig.pipe.write(b"one\n");
    let log = LogDir::new(disk.path.join("log"));
    wait_until(SOON, "the line is logged", || log.all() == b"one\n");
    let names: Vec<_> = (0..12).map(|number| disk.path.join(format!("{number}"))).collect();
    let full = names.iter().any(|name| fs::write(name, "").is_err());
    assert!(full, "there are inodes left");
    running.signal(Signal::ALARM);
    wait_until_it_pauses(&running);
    fs::remove_file(&names[0]).expect("own file");
    let again = || String::from_utf8_lossy(&running.stderr()).contains("./log: writing again after ");
    wait_until(SOON, "it is said", again);
    wait_until(SOON, "the file has its name", || log.old_logs().len() == 1);
    rig.finish(running);
}

/// The writer is slow and the disk is full most of the time: many pauses, each in another place of a line.
#[test]
fn a_disk_that_is_full_again_and_again_loses_nothing() {
    let rig = Rig::new();
    let Some(disk) = SmallDisk::new(&rig, "size=256k") else { return };
    let corpus = some_lines();
    let mut pipe = HeldPipe::closed_with(&corpus.input());
    let running = rig.logger(&["n99", "./log"]).cwd(&disk.path);
    disk.fill(4_096);
    let running = running.spawn_on(pipe.stdin());
    // The disk gives room by the page; after each it is full again.
    let length = || LogDir::new(disk.path.join("log")).all().len();
    loop {
        let before = length();
        if pipe.waiting() == 0 || !disk.give(4_096) {
            break;
        }
        wait_until(SOON, "a little more is logged", || length() > before || pipe.waiting() == 0);
    }
    let out = running.wait_open();
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_eq!(pipe.rest(), b"");
    check(&LogDir::new(disk.path.join("log")), &corpus, 99_999, 0);
}
