//! Does a follower see every line once, in order and at once, whatever happens to the log meanwhile?

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use tests::feeder::{Rng, seed};
use tests::tree::children;
use tests::{LogDir, Running, Scratch, Show, Signal, program, wait_until};

use super::{SOON, assert_all, label, line, logger, mlog, numbered, numbers, old, pack, put, shown};

fn follower(cwd: &Path, arguments: &[&str]) -> Running {
    mlog(cwd).args(["-f", "-n", "all", "-o", "raw"]).args(arguments).limit(Duration::from_secs(120)).spawn()
}

#[track_caller]
fn wait_for_text(follower: &Running, wanted: &str) {
    let what = || format!("{}\nstderr: {}", Show(&follower.stdout()), Show(&follower.stderr()));
    let start = Instant::now();
    while follower.stdout() != wanted.as_bytes() {
        assert!(start.elapsed() < SOON, "wanted {}, found {}", Show(wanted.as_bytes()), what());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until so many lines came, and checks them.
#[track_caller]
fn wait_for_lines(follower: &Running, until: usize) {
    wait_until(SOON, &format!("{until} lines come"), || {
        follower.stdout().iter().filter(|byte| **byte == b'\n').count() >= until
    });
    assert_all(&numbers(&follower.stdout()), until);
}

#[track_caller]
fn end(follower: Running) {
    assert_eq!(String::from_utf8_lossy(&follower.stderr()), "");
    follower.kill();
}

/// A logger rotates many times under a follower that runs, and under one that sleeps and wakes: with each kind of processor.
#[test]
fn no_line_is_lost_or_repeated_across_rotations() {
    let mut rng = Rng::new(seed());
    for processor in [&[][..], &["!cat"], &["!gzip"], &["!grep -v nothing"]] {
        let scratch = Scratch::new();
        let script = [&["t", "s4096", "n9999"][..], processor, &["./log"]].concat();
        let mut multilog = logger(scratch.path(), &script);
        wait_until(SOON, "there is a log", || scratch.join("log/current").exists());
        let awake = follower(scratch.path(), &["log"]);
        let sleeper = follower(scratch.path(), &["log"]);
        let mut sent = 0;
        for round in 0..30 {
            sleeper.signal(Signal::STOP);
            let many = rng.range(1, 400) as usize;
            multilog.send(numbered(sent, sent + many).as_bytes());
            sent += many;
            if round % 3 == 0 {
                wait_for_lines(&awake, sent);
            }
            sleeper.signal(Signal::CONT);
            if round % 5 == 0 {
                wait_for_lines(&sleeper, sent);
            }
        }
        wait_for_lines(&awake, sent);
        wait_for_lines(&sleeper, sent);
        let rotations = LogDir::new(scratch.join("log")).old_logs().len();
        assert!(rotations > 20, "{rotations} rotations");
        multilog.wait();
        wait_for_lines(&awake, sent);
        end(awake);
        end(sleeper);
    }
}

#[test]
fn a_line_is_there_at_once() {
    let scratch = Scratch::new();
    let mut multilog = logger(scratch.path(), &["t", "./log"]);
    wait_until(SOON, "there is a log", || scratch.join("log/current").exists());
    let follower = follower(scratch.path(), &["log"]);
    let mut slowest = Duration::ZERO;
    for sent in 1..=20 {
        let start = Instant::now();
        multilog.send(numbered(sent - 1, sent).as_bytes());
        wait_for_lines(&follower, sent);
        slowest = slowest.max(start.elapsed());
    }
    // 50 ms on an idle machine; the look that nothing wakes comes after a second.
    assert!(slowest < Duration::from_millis(900), "{slowest:?}");
    // The beginning of a line is not shown before its end is there.
    let text = follower.stdout();
    let mut current =
        fs::OpenOptions::new().append(true).open(scratch.join("log/current")).expect("own file");
    current.write_all(b"beginning").expect("own file");
    follower.settle();
    assert_eq!(follower.stdout(), text);
    current.write_all(b" end\n").expect("own file");
    wait_until(SOON, "the line is there", || follower.stdout().ends_with(b"\nbeginning end\n"));
    end(follower);
}

#[test]
fn the_last_ten_lines_come_first_unless_told_otherwise() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &(0..20).map(|second| line(second, "x")).collect::<String>())]);
    let cases = [
        (&["-f"][..], 10),
        (&["-f", "-n3"], 3),
        (&["-f", "-n0"], 0),
        (&["-f", "--since", "1970-01-01 00:00:06"], 14),
    ];
    for (arguments, wanted) in cases {
        let follower = mlog(scratch.path()).args(arguments).args(["-o", "raw", "log"]).spawn();
        let text: String = (20 - wanted..20).map(|second| line(second, "x")).collect();
        wait_for_text(&follower, &text);
        follower.settle();
        wait_for_text(&follower, &text);
        end(follower);
    }
}

#[test]
fn a_directory_that_appears_later_is_followed_from_its_first_line() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("service")).expect("own directory");
    for path in ["later", "service/x", "deep/down/below"] {
        let follower = follower(scratch.path(), &[path]);
        follower.settle();
        let dir = scratch.join(path).join(if path == "service/x" { "log/main" } else { "" });
        fs::create_dir_all(dir.parent().expect("it has one")).expect("own directory");
        let mut multilog =
            logger(&dir.parent().expect("it has one").join("."), &["t", dir.to_str().expect("text")]);
        multilog.send(numbered(0, 5).as_bytes());
        wait_for_lines(&follower, 5);
        end(follower);
        multilog.wait();
    }
    // A log directory with nothing in it yet.
    let follower = follower(scratch.path(), &["empty"]);
    put(&scratch.join("empty"), &[]);
    follower.settle();
    put(&scratch.join("empty"), &[("current", &line(0, "0"))]);
    wait_for_lines(&follower, 1);
    end(follower);
}

#[test]
fn a_directory_that_is_replaced_is_read_from_its_beginning() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "1"))]);
    let follower = follower(scratch.path(), &["log"]);
    wait_for_text(&follower, &line(1, "1"));
    fs::rename(scratch.join("log"), scratch.join("away")).expect("own directory");
    put(&scratch.join("log"), &[(&old(2, "s"), &line(2, "2")), ("current", &line(3, "3"))]);
    wait_for_text(&follower, &(line(1, "1") + &line(2, "2") + &line(3, "3")));
    assert_eq!(
        String::from_utf8_lossy(&follower.stderr()),
        "mlog: warning: log is another directory now: reading it from its beginning\n"
    );
    follower.kill();
}

/// What was rotated meanwhile is in the directory that was moved away, and nowhere else.
#[test]
fn a_directory_that_is_replaced_under_a_sleeper_is_read_to_its_end() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let lines = |from: i64, until: i64| {
        (from..until).map(|number| line(number, &number.to_string())).collect::<String>()
    };
    put(&dir, &[("current", &lines(0, 50))]);
    let follower = follower(scratch.path(), &["log"]);
    wait_for_lines(&follower, 50);
    follower.settle();
    follower.signal(Signal::STOP);
    for number in (100..1000).step_by(100) {
        let mut current = fs::OpenOptions::new().append(true).open(dir.join("current")).expect("own file");
        let from = if number == 100 { 50 } else { number - 50 };
        current.write_all(lines(from, number).as_bytes()).expect("own file");
        fs::rename(dir.join("current"), dir.join(old(number, "s"))).expect("own file");
        put(&dir, &[("current", &lines(number, number + 50))]);
    }
    fs::rename(&dir, scratch.join("away")).expect("own directory");
    put(&dir, &[("current", &lines(950, 1000))]);
    follower.signal(Signal::CONT);
    wait_for_lines(&follower, 1000);
    follower.kill();
}

/// Its lines come at once too, also where it comes later than the old one goes.
#[test]
fn a_directory_that_replaces_another_is_watched() {
    for pause in [Duration::ZERO, Duration::from_millis(1500)] {
        let scratch = Scratch::new();
        put(&scratch.join("log"), &[("current", &line(0, "0"))]);
        let follower = follower(scratch.path(), &["log"]);
        wait_for_lines(&follower, 1);
        follower.settle();
        fs::rename(scratch.join("log"), scratch.join("away")).expect("own directory");
        std::thread::sleep(pause);
        let start = Instant::now();
        put(&scratch.join("log"), &[("current", "")]);
        let mut slowest = Duration::ZERO;
        for number in 1..5 {
            let start = if number == 1 { start } else { Instant::now() };
            let path = scratch.join("log/current");
            let mut current = fs::OpenOptions::new().append(true).open(path).expect("own file");
            current.write_all(line(number, &number.to_string()).as_bytes()).expect("own file");
            wait_for_lines(&follower, number as usize + 1);
            slowest = slowest.max(start.elapsed());
        }
        // The look that nothing wakes comes after a second.
        assert!(slowest < Duration::from_millis(900), "{slowest:?} after {pause:?}");
        follower.kill();
    }
}

/// Found at its new place, it is not taken for one more log.
#[test]
fn a_link_that_leads_elsewhere_is_followed_once() {
    let scratch = Scratch::new();
    for name in ["x1", "x2"] {
        put(&scratch.join("sv").join(name).join("log/main"), &[("current", "")]);
    }
    fs::create_dir(scratch.join("service")).expect("own directory");
    symlink("../sv/x1", scratch.join("service/x")).expect("own directory");
    let append = |name: &str, text: &str| {
        let path = scratch.join("sv").join(name).join("log/main/current");
        let mut current = fs::OpenOptions::new().append(true).open(path).expect("own file");
        current.write_all(text.as_bytes()).expect("own file");
    };
    let follower = follower(scratch.path(), &["--cursor", "cursor", "service"]);
    append("x1", &line(1, "one"));
    wait_for_text(&follower, &line(1, "one"));
    symlink("../sv/x2", scratch.join("new")).expect("own directory");
    fs::rename(scratch.join("new"), scratch.join("service/x")).expect("own file");
    // Logs are looked for once a second.
    std::thread::sleep(Duration::from_millis(2200));
    append("x2", &line(2, "two"));
    wait_for_text(&follower, &(line(1, "one") + &line(2, "two")));
    std::thread::sleep(Duration::from_millis(1200));
    append("x2", &line(3, "three"));
    wait_for_text(&follower, &(line(1, "one") + &line(2, "two") + &line(3, "three")));
    follower.settle();
    assert_eq!(follower.stdout(), (line(1, "one") + &line(2, "two") + &line(3, "three")).as_bytes());
    follower.kill();
    // And the place is that in the new directory.
    append("x2", &line(4, "four"));
    assert_eq!(shown(scratch.path(), &["--cursor", "cursor", "-o", "raw", "sv/x2"]), line(4, "four"));
}

/// The original gives lower names after its clock was set back, and any logger after one that a wrong clock gave.
#[test]
fn lower_names_hide_nothing() {
    for (name, is_processed) in [(100, false), (100, true), (32_503_680_000, false), (32_503_680_000, true)] {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        put(&dir, &[(&old(name, "s"), &line(0, "0")), ("current", &line(50, "1"))]);
        let follower = follower(scratch.path(), &["log"]);
        let mut wanted = line(0, "0") + &line(50, "1");
        wait_for_text(&follower, &wanted);
        for second in 51..60 {
            if is_processed {
                fs::write(dir.join("processed"), "changed\n").expect("own directory");
                fs::rename(dir.join("processed"), dir.join(old(second, "s"))).expect("own file");
                fs::write(dir.join("new"), line(second, "2")).expect("own directory");
                fs::rename(dir.join("new"), dir.join("current")).expect("own file");
            } else {
                fs::rename(dir.join("current"), dir.join(old(second, "s"))).expect("own file");
                put(&dir, &[("current", &line(second, "2"))]);
            }
            wanted += &line(second, "2");
            wait_for_text(&follower, &wanted);
        }
        end(follower);
    }
}

/// A logger that starts after a kill cuts a torn line off, and writes it whole, with another stamp.
#[test]
fn a_torn_line_that_is_cut_off_is_not_shown() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "one"))]);
    let path = scratch.join("log/current");
    let append = |text: &str| {
        let mut current = fs::OpenOptions::new().append(true).open(&path).expect("own file");
        current.write_all(text.as_bytes()).expect("own file");
    };
    let follower = follower(scratch.path(), &["log"]);
    wait_for_text(&follower, &line(1, "one"));
    append(&line(2, "torn")[..30]);
    follower.settle();
    let whole = line(1, "one").len() as u64;
    fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(whole)).expect("own file");
    append(&line(3, "torn but whole"));
    wait_for_text(&follower, &(line(1, "one") + &line(3, "torn but whole")));
    end(follower);
}

/// The same while the output stands still: what was read of the line must not be joined to what comes in its place.
#[test]
fn a_torn_line_that_is_cut_off_behind_a_slow_reader_is_not_shown() {
    let scratch = Scratch::new();
    let whole: String = (0..8000).map(|second| line(second, "many")).collect();
    put(&scratch.join("log"), &[("current", &(whole.clone() + &line(9000, "torn")[..30]))]);
    let mut follower = std::process::Command::new(program("mlog"))
        .args(["-f", "-n", "all", "-o", "raw", "log"])
        .current_dir(scratch.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it is built");
    let mut output = follower.stdout.take().expect("a pipe");
    let full = || rustix::io::ioctl_fionread(&output).is_ok_and(|bytes| bytes >= 60_000);
    wait_until(SOON, "nobody reads and the pipe is full", full);
    let path = scratch.join("log/current");
    let current = fs::OpenOptions::new().append(true).open(path).expect("own file");
    current.set_len(whole.len() as u64).expect("own file");
    let rest = line(9001, "torn but whole");
    (&current).write_all(rest.as_bytes()).expect("own file");
    let mut seen = vec![0; whole.len() + rest.len()];
    output.read_exact(&mut seen).expect("it follows");
    let expected = whole + &rest;
    let wrong = seen.iter().zip(expected.as_bytes()).position(|(seen, wanted)| seen != wanted);
    assert_eq!(wrong, None, "{}", Show(&seen[seen.len() - 100..]));
    follower.kill().and_then(|()| follower.wait()).expect("our own child");
}

/// A line without a stamp that an outage tore, in a file that was `current` when it was opened.
#[test]
fn a_torn_line_without_a_stamp_is_not_joined_to_the_next_file() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let torn = "t".repeat(5000);
    put(&dir, &[("current", &format!("one\n{torn}"))]);
    let follower = follower(scratch.path(), &["log"]);
    wait_for_text(&follower, "one\n");
    fs::rename(dir.join("current"), dir.join(old(7, "u"))).expect("own file");
    put(&dir, &[("current", "two\n")]);
    wait_for_text(&follower, &format!("one\n{torn}\ntwo\n"));
    end(follower);
}

/// Of a packed file that is damaged what can be read is shown, once, and then what comes after it.
#[test]
fn what_cannot_be_read_is_passed_over_once() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let text: String = (0..5000).map(|second| line(second, &format!("{}", second * 7919 % 10_007))).collect();
    let mut packed = pack("gzip", &text).expect("gzip is part of every system");
    packed.truncate(packed.len() / 2);
    put(&dir, &[]);
    fs::write(dir.join(old(6000, "s")), packed).expect("own directory");
    for later in ["", "later\n"] {
        if !later.is_empty() {
            put(&dir, &[("current", later)]);
        }
        let follower = follower(scratch.path(), &["log"]);
        wait_until(SOON, "it is told", || !follower.stderr().is_empty());
        follower.settle();
        std::thread::sleep(Duration::from_millis(1200));
        let shown = String::from_utf8(follower.stdout()).expect("the log is text");
        let body = shown.strip_suffix(later).expect("what comes after it");
        assert!(text.starts_with(body.trim_end()), "{} of {} bytes", body.len(), text.len());
        let said =
            format!("mlog: warning: unable to read log/{}: compressed data ends too early\n", old(6000, "s"));
        assert_eq!(String::from_utf8_lossy(&follower.stderr()), said);
        follower.kill();
    }
}

/// As an attacker may choose the rest of a line that is cut at the end of a file.
#[test]
fn a_current_that_looks_packed_is_followed() {
    let scratch = Scratch::new();
    let path = scratch.join("log/current");
    put(&scratch.join("log"), &[(&old(2, "s"), &line(1, "cut")[..29])]);
    let mut wanted = [&line(1, "cut").as_bytes()[..29], b"\x1f\x8b\x08\n", line(3, "a").as_bytes()].concat();
    fs::write(&path, &wanted[29..]).expect("own directory");
    let follower = follower(scratch.path(), &["--cursor", "cursor", "log"]);
    wait_until(SOON, "it is shown", || follower.stdout() == wanted);
    let mut current = fs::OpenOptions::new().append(true).open(&path).expect("own file");
    current.write_all(line(4, "live").as_bytes()).expect("own file");
    wanted.extend(line(4, "live").bytes());
    wait_until(SOON, "it is shown", || follower.stdout() == wanted);
    // Then the place is kept.
    follower.settle();
    end(follower);
    current.write_all(line(5, "later").as_bytes()).expect("own file");
    assert_eq!(shown(scratch.path(), &["--cursor", "cursor", "-o", "raw", "log"]), line(5, "later"));
}

/// A next file that cannot be read is not one that is empty.
#[test]
fn a_line_that_goes_on_where_nothing_can_be_read_is_told() {
    let Some(strace) = tests::rig::strace() else { return };
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[(&old(2, "s"), &line(1, "cut")[..29]), ("current", " end\n")]);
    let path = scratch.join("log/current");
    let path = path.to_str().expect("a path of text");
    let trace = ["-f", "-qq", "-o", "/dev/null", "-P", path, "-e", "inject=pread64:error=EIO"];
    let command = mlog(scratch.path()).args(["-f", "-n", "all", "-o", "raw", "log"]);
    let follower = command.behind([strace].into_iter().chain(trace)).spawn();
    let said = "mlog: warning: unable to read log/current: input/output error\n";
    wait_until(SOON, "it is told", || follower.stderr() == said.as_bytes());
    for mlog in children(follower.pid()) {
        rustix::process::kill_process(mlog, Signal::TERM).expect("it runs");
    }
    follower.wait();
}

/// However often it is looked at again.
#[test]
fn what_is_closed_to_us_is_told_once() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let names: Vec<String> = (0..31).map(|second| old(second, "s")).chain(["current".into()]).collect();
    for name in &names {
        put(&dir, &[(name, "closed\n")]);
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o000)).expect("own file");
    }
    // And what is waited for has no log yet.
    let closed = scratch.join("scan/b");
    fs::create_dir_all(&closed).expect("own directory");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("own directory");
    let mut command = mlog(scratch.path()).args(["-f", "-n", "all", "-o", "raw", "log", "scan"]);
    if rustix::process::geteuid().is_root() {
        // No more than any owner.
        command = command.behind(["setpriv", "--bounding-set=-dac_override,-dac_read_search"]);
    }
    let follower = command.spawn();
    let lines = || follower.stderr().iter().filter(|byte| **byte == b'\n').count();
    wait_until(SOON, "all are told", || lines() > names.len());
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(lines(), names.len() + 1, "{}", Show(&follower.stderr()));
    follower.kill();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("own directory");
}

/// A disk error that does not last: the place is kept, and nothing is shown twice.
#[test]
fn an_error_in_current_is_tried_again_where_it_was() {
    let Some(strace) = tests::rig::strace() else { return };
    let scratch = Scratch::new();
    let text: String = (0..3000).map(|second| line(second, "many")).collect();
    put(&scratch.join("log"), &[(&old(0, "s"), "before\n"), ("current", &text)]);
    let inject = "inject=pread64:error=EIO:when=30";
    let trace = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=pread64", "-e", inject];
    let command = mlog(scratch.path()).args(["-f", "-n", "all", "-o", "raw", "log"]);
    let follower = command.behind([strace].into_iter().chain(trace)).spawn();
    let path = scratch.join("log/current");
    let all = || [b"before\n", &*fs::read(&path).expect("own file")].concat();
    for second in 4000..4060 {
        wait_until(SOON, "all is there", || follower.stdout() == all());
        if !follower.stderr().is_empty() {
            break;
        }
        let mut current = fs::OpenOptions::new().append(true).open(&path).expect("own file");
        current.write_all(line(second, "more").as_bytes()).expect("own file");
    }
    let said = "mlog: warning: unable to read log/current: input/output error\n";
    assert_eq!(String::from_utf8_lossy(&follower.stderr()), said);
    std::thread::sleep(Duration::from_millis(1200));
    assert!(follower.stdout() == all());
    for mlog in children(follower.pid()) {
        rustix::process::kill_process(mlog, Signal::TERM).expect("it runs");
    }
    follower.wait();
}

/// The beginning of a line is not shown, and not counted.
#[test]
fn the_last_lines_are_whole_ones() {
    let scratch = Scratch::new();
    let text: String = (0..20).map(|second| line(second, "x")).collect();
    put(&scratch.join("log"), &[("current", &(text + &line(20, "part")[..28]))]);
    let follower = mlog(scratch.path()).args(["-f", "-n", "3", "-o", "raw", "log"]).spawn();
    wait_for_text(&follower, &(17..20).map(|second| line(second, "x")).collect::<String>());
    follower.settle();
    wait_for_text(&follower, &(17..20).map(|second| line(second, "x")).collect::<String>());
    end(follower);
}

/// A line that was cut at the end of a full file comes whole, once.
#[test]
fn a_line_across_files_is_joined_when_it_is_whole() {
    let scratch = Scratch::new();
    let mut multilog = logger(scratch.path(), &["t", "s4096", "n99", "./log"]);
    wait_until(SOON, "there is a log", || scratch.join("log/current").exists());
    let follower = follower(scratch.path(), &["log"]);
    multilog.send(b"first\n");
    multilog.send("y".repeat(30_000).as_bytes());
    multilog.send(b"\nlast\n");
    wait_until(SOON, "the last line is there", || follower.stdout().ends_with(b" last\n"));
    // Only then does nobody rename what is compared with.
    multilog.wait();
    assert!(follower.stdout() == LogDir::new(scratch.join("log")).all());
    assert_eq!(follower.stdout().iter().filter(|byte| **byte == b'\n').count(), 3);
    end(follower);
}

/// Retention, or an administrator, removes files that are yet to be read: the one at hand is read to its end, the others are named.
#[test]
fn old_logs_that_are_removed_while_they_are_read() {
    let scratch = Scratch::new();
    let text = |file: i64| (0..20_000).map(|n| format!("{} {n}\n", label(file, n))).collect::<String>();
    let files: Vec<(String, String)> = (1..=4).map(|file| (old(file, "s"), text(file))).collect();
    let dir = scratch.join("log");
    put(&dir, &[("current", &line(9, "current"))]);
    for (name, text) in &files {
        put(&dir, &[(name, text)]);
    }
    // An output that takes nothing yet.
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = std::process::Command::new(tests::program("mlog"));
    let stderr = scratch.join("stderr");
    command.args(["-o", "raw", "log"]).current_dir(scratch.path()).stdout(writer);
    command.stderr(fs::File::create(&stderr).expect("own directory"));
    let mut child = command.spawn().expect("it is built");
    drop(command);
    let mut first = [0; 1000];
    reader.read_exact(&mut first).expect("it writes");
    fs::remove_file(dir.join(&files[0].0)).expect("own file");
    fs::remove_file(dir.join(&files[2].0)).expect("own file");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("it writes");
    assert_eq!(child.wait().expect("our child").code(), Some(111));
    let wanted = [&files[0].1, &files[1].1, &files[3].1, &line(9, "current")].map(String::as_bytes).concat();
    assert!([&first[..], &rest].concat() == wanted);
    let said = fs::read_to_string(stderr).expect("own file");
    assert_eq!(said, format!("mlog: warning: unable to read log/{}: file does not exist\n", files[2].0));
}

/// A follower that slept while retention removed what it had not read says which span may be missing, and goes on.
#[test]
fn what_retention_took_from_a_sleeper_is_told() {
    let scratch = Scratch::new();
    let mut multilog = logger(scratch.path(), &["t", "s4096", "n3", "./log"]);
    wait_until(SOON, "there is a log", || scratch.join("log/current").exists());
    let follower = follower(scratch.path(), &["log"]);
    multilog.send(numbered(0, 10).as_bytes());
    wait_for_lines(&follower, 10);
    follower.settle();
    follower.signal(Signal::STOP);
    multilog.send(numbered(10, 2000).as_bytes());
    wait_until(SOON, "it is logged, and what is too old is gone", || {
        let log = LogDir::new(scratch.join("log"));
        let is_done = log.old_logs().len() == 2 && !log.join("previous").exists();
        is_done && log.all().ends_with(numbered(1999, 2000).as_bytes())
    });
    follower.signal(Signal::CONT);
    let last = numbered(1999, 2000);
    wait_until(SOON, "the last line comes", || follower.stdout().ends_with(last.as_bytes()));
    let found = numbers(&follower.stdout());
    let gaps = found.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(gaps, 1, "lines are lost in one place, and none is repeated");
    let said = String::from_utf8_lossy(&follower.stderr()).into_owned();
    let told = "may be gone: old logs were removed before they were read";
    assert!(
        said.starts_with("mlog: warning: log: lines between 2") && said.trim_end().ends_with(told),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    follower.kill();
    multilog.wait();
}

#[test]
fn several_logs_are_followed_together() {
    let scratch = Scratch::new();
    let mut loggers: Vec<Running> = Vec::new();
    for name in ["./a", "./b"] {
        loggers.push(logger(scratch.path(), &["t", "s4096", "n99", name]));
    }
    wait_until(SOON, "there are logs", || {
        ["a", "b"].iter().all(|name| scratch.join(name).join("current").exists())
    });
    let follower = mlog(scratch.path()).args(["-f", "-n", "all", "a", "b"]).spawn();
    let mut wanted = 0;
    for round in 0..50 {
        for logger in &mut loggers {
            logger.send(numbered(round * 10, round * 10 + 10).as_bytes());
            wanted += 10;
        }
    }
    wait_until(SOON, "all lines come", || {
        follower.stdout().iter().filter(|byte| **byte == b'\n').count() >= wanted
    });
    let text = String::from_utf8(follower.stdout()).expect("text");
    for name in ["a", "b"] {
        let of = |line: &str| line.split(' ').nth(2).is_some_and(|service| service == format!("{name}:"));
        let found: Vec<usize> = text
            .lines()
            .filter(|line| of(line))
            .filter_map(|line| line.split(' ').nth(3)?.parse().ok())
            .collect();
        assert_all(&found, 500);
    }
    end(follower);
}

/// A service that is added to a scan directory is followed from its first line on, and lines then bear their service's name.
#[test]
fn a_service_that_is_added_is_followed_too() {
    let scratch = Scratch::new();
    let logs = ["smtpd", "pop3d"].map(|name| format!("service/{name}/log"));
    let mut loggers: Vec<Running> = Vec::new();
    let follower = mlog(scratch.path()).args(["-f", "-n", "all", "service"]);
    fs::create_dir_all(scratch.join(&logs[0])).expect("our own directory");
    loggers.push(logger(&scratch.join(&logs[0]), &["t", "./main"]));
    wait_until(SOON, "there is a log", || scratch.join(&logs[0]).join("main/current").exists());
    let follower = follower.limit(Duration::from_secs(120)).spawn();
    loggers[0].send(b"the first\n");
    let says = |text: &str| String::from_utf8_lossy(&follower.stdout()).contains(text);
    wait_until(SOON, "the first line comes", || says(" the first\n"));
    fs::create_dir_all(scratch.join(&logs[1])).expect("our own directory");
    loggers.push(logger(&scratch.join(&logs[1]), &["t", "./main"]));
    loggers[1].send(b"the second\n");
    wait_until(SOON, "the line of the new service comes", || says(" pop3d: the second\n"));
    loggers[0].send(b"the third\n");
    wait_until(SOON, "the old service goes on", || says(" smtpd: the third\n"));
    end(follower);
}

#[test]
fn a_service_that_is_not_there_yet_is_waited_for() {
    for is_alone in [true, false] {
        let scratch = Scratch::new();
        put(&scratch.join("service/a/log/main"), &[("current", &line(1, "a"))]);
        let services: &[&str] = if is_alone { &["-s", "b"] } else { &["-s", "a", "-s", "b"] };
        let follower = follower(scratch.path(), &[services, &["service"]].concat());
        let wanted = if is_alone { String::new() } else { line(1, "a") };
        wait_for_text(&follower, &wanted);
        wait_until(SOON, "it is told", || !follower.stderr().is_empty());
        put(&scratch.join("service/b/log/main"), &[("current", &line(2, "b"))]);
        wait_for_text(&follower, &(wanted + &line(2, "b")));
        let said = "mlog: warning: unable to find service b, waiting for it: no such log\n";
        assert_eq!(String::from_utf8_lossy(&follower.stderr()), said);
        follower.kill();
    }
}

/// Jobs come and go below a scan directory, each with its log.
#[test]
fn a_log_that_was_removed_is_let_go() {
    let scratch = Scratch::new();
    put(&scratch.join("service/a/log/main"), &[("current", &line(1, "a"))]);
    let follower = follower(scratch.path(), &["--cursor", "cursor", "service"]);
    let mut wanted = line(1, "a");
    wait_for_text(&follower, &wanted);
    follower.settle();
    let open = || fs::read_dir(format!("/proc/{}/fd", follower.pid())).map_or(0, Iterator::count);
    let before = open();
    // The second time under the same name.
    for round in 0..2 {
        for job in 0..3 {
            let name = format!("service/job{job}");
            put(&scratch.join(&name).join("log/main"), &[("current", &line(2 + round, "job"))]);
            wanted += &line(2 + round, "job");
            wait_for_text(&follower, &wanted);
            fs::remove_dir_all(scratch.join(&name)).expect("own directory");
        }
        wait_until(SOON, "they are closed", || open() <= before);
    }
    let cursor = || fs::read_to_string(scratch.join("cursor")).unwrap_or_default();
    wait_until(SOON, "their places are forgotten", || !cursor().contains("job"));
    // The last one of all, and it comes again.
    fs::remove_dir_all(scratch.join("service/a")).expect("own directory");
    wait_until(SOON, "its place is forgotten", || !cursor().contains("service/a"));
    put(&scratch.join("service/a/log/main"), &[("current", &line(9, "again"))]);
    wait_for_text(&follower, &(wanted + &line(9, "again")));
    end(follower);
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "1"))]);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = std::process::Command::new(tests::program("mlog"));
    command.args(["-f", "-o", "raw", "log"]).current_dir(scratch.path()).stdout(writer);
    let mut child = command.spawn().expect("it is built");
    drop(command);
    let mut first = [0; 10];
    reader.read_exact(&mut first).expect("it writes");
    drop(reader);
    wait_until(SOON, "it ends", || child.try_wait().expect("our child").is_some());
    assert_eq!(child.wait().expect("our child").code(), Some(111));
}
