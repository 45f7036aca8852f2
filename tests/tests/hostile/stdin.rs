//! What stdin may be: refused with a reason before anything is logged, or read to its end without a loss.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use tests::feeder::{Corpus, Mix, Rng, Rules, feed, judge, seed};
use tests::rig::{Rig, SOON, skipped, stop};
use tests::{Cmd, Output, Running, Signal, program, wait_until};

use crate::{assert_same, mixed_lines, status_kb};

/// The logger says why it cannot read, ends with 111, and the log has nothing.
#[track_caller]
fn cannot_read(rig: &Rig, out: &Output, reason: &str) {
    assert_eq!(out.messages(), format!("multilog: fatal: unable to read input: {reason}\n"));
    assert_eq!(out.status(), "exit 111");
    assert_eq!(rig.log().all(), b"");
}

#[test]
fn a_directory_as_stdin_is_refused() {
    let rig = Rig::new();
    let out = rig.logger(&["./log"]).spawn_on(File::open(rig.path()).expect("a directory")).wait_open();
    cannot_read(&rig, &out, "is a directory");
}

#[test]
fn a_closed_stdin_is_refused() {
    let rig = Rig::new();
    let closed = ["sh", "-c", r#"exec "$0" "$@" <&-"#];
    let out = rig.logger(&["./log"]).behind(closed).spawn_on(Stdio::null()).wait_open();
    cannot_read(&rig, &out, "file descriptor not open");
}

#[test]
fn a_stdin_open_for_writing_only_is_refused() {
    let rig = Rig::new();
    let file = File::create(rig.join("file")).expect("a file");
    let out = rig.logger(&["./log"]).spawn_on(file).wait_open();
    cannot_read(&rig, &out, "file descriptor not open");
    let rig = Rig::new();
    let out = rig.logger(&["./log"]).spawn_on(rig.pipe.writer()).wait_open();
    cannot_read(&rig, &out, "file descriptor not open");
}

#[test]
fn a_nonblocking_pipe_is_waited_for() {
    let mut rig = Rig::new();
    let pipe = rig.pipe.writer();
    let set = |rig: &Rig| {
        // The flag belongs to the pipe's read end, not to a process: another program may set it at any time.
        let reader = rig.pipe.reader();
        fcntl_setfl(reader, fcntl_getfl(reader).expect("flags") | OFlags::NONBLOCK).expect("flags");
    };
    set(&rig);
    let running = rig.start(&["./log"]);
    let mut right = Vec::new();
    for n in 0..30 {
        let line = format!("line {n}\n");
        for part in line.as_bytes().chunks(4) {
            (&pipe).write_all(part).expect("a reader");
        }
        right.extend(line.as_bytes());
        rig.wait_for_current(&right);
        set(&rig);
    }
    assert!(!running.has_ended());
    drop(pipe);
    rig.finish(running);
    assert_same(&rig.log().all(), &right);
}

#[test]
fn a_regular_file_is_logged_from_its_offset_to_its_end() {
    let rig = Rig::new();
    let input = mixed_lines(8, 300_000);
    let path = rig.join("input");
    fs::write(&path, &input).expect("a file");
    let mut file = File::open(&path).expect("the file");
    file.seek(SeekFrom::Start(1_000)).expect("an offset");
    let out = rig.logger(&["n99", "./log"]).spawn_on(file.try_clone().expect("a descriptor")).wait_open();
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_same(&rig.log().all(), &input[1_000..]);
    assert_eq!(file.stream_position().expect("an offset"), input.len() as u64);
}

#[test]
fn a_regular_file_without_a_last_newline_gets_one_in_the_log() {
    let rig = Rig::new();
    fs::write(rig.join("input"), "one\ntwo").expect("a file");
    let out = rig.logger(&["./log"]).spawn_on(File::open(rig.join("input")).expect("it")).wait_open();
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_same(&rig.log().all(), b"one\ntwo\n");
}

/// Kills loggers that share one open stdin until one comes to the end, and gives the number of kills.
fn kill_until_the_end(rig: &Rig, rng: &mut Rng, stdin: impl Fn() -> Stdio, most: usize) -> usize {
    for kills in 0..most {
        let running = rig.logger(&["n9999", "./log"]).spawn_on(stdin());
        thread::sleep(Duration::from_micros(rng.range(1_000, 15_000)));
        if running.has_ended() {
            let out = running.wait_open();
            assert_eq!(out.status(), "exit 0", "{out}");
            return kills;
        }
        running.kill();
    }
    most
}

#[test]
fn kills_lose_nothing_of_a_regular_file() {
    let seed = seed();
    let mut rng = Rng::new(seed);
    let mut corpus = Corpus::new();
    let rig = Rig::new();
    while corpus.bytes() < 20 << 20 {
        corpus.push(Mix::Mixed.draw(&mut rng));
    }
    fs::write(rig.join("input"), corpus.input()).expect("a file");
    let file = File::open(rig.join("input")).expect("the file");
    let stdin = || Stdio::from(file.try_clone().expect("a descriptor"));
    let kills = kill_until_the_end(&rig, &mut rng, stdin, 30);
    let out = rig.logger(&["n9999", "./log"]).spawn_on(stdin()).wait_open();
    assert_eq!(out.status(), "exit 0", "TEST_SEED={seed}: {out}");
    right_after_kills(&rig, &corpus, kills, seed);
}

#[test]
fn kills_lose_nothing_of_a_stream_socket() {
    let seed = seed();
    let mut rng = Rng::new(seed);
    let rig = Rig::new();
    let (reader, writer) = UnixStream::pair().expect("sockets");
    let ended = Arc::new(AtomicBool::new(false));
    let writer = feed(writer, Mix::Mixed, 20 << 20, Rng::new(rng.bits()), Arc::clone(&ended));
    let stdin = || Stdio::from(std::os::fd::OwnedFd::from(reader.try_clone().expect("a descriptor")));
    let kills = kill_until_the_end(&rig, &mut rng, stdin, 30);
    ended.store(true, Ordering::Relaxed);
    let out = rig.logger(&["n9999", "./log"]).spawn_on(stdin()).wait_open();
    assert_eq!(out.status(), "exit 0", "TEST_SEED={seed}: {out}");
    drop(reader);
    right_after_kills(&rig, &writer.join().expect("the writer"), kills, seed);
}

/// Each of its writes costs far more room than it has bytes: few bytes can be all that it has room for.
#[test]
fn a_socket_with_little_room_is_no_trap() {
    let rig = Rig::new();
    let (reader, writer) = UnixStream::pair().expect("sockets");
    rustix::net::sockopt::set_socket_send_buffer_size(&writer, 4096).expect("a socket");
    let running = rig.logger(&["./log"]).spawn_on(std::os::fd::OwnedFd::from(reader));
    let writer = std::thread::spawn(move || {
        let line = [&[b'x'; 40][..], b"\n"].concat();
        line.iter().for_each(|byte| (&writer).write_all(&[*byte]).expect("a reader"));
    });
    wait_until(SOON, "the line is written", || writer.is_finished());
    let out = running.wait_open();
    assert_eq!((out.status().as_str(), rig.log().all().len()), ("exit 0", 41));
}

#[track_caller]
fn right_after_kills(rig: &Rig, corpus: &Corpus, kills: usize, seed: u64) {
    let rules =
        Rules { size: 99_999, stamped: false, classes: b"ABC", kills, splits_over: 32_768, trimmed: false };
    let verdict = judge(rig.log().path(), corpus, &rules);
    assert!(kills > 3, "TEST_SEED={seed}: only {kills} kills");
    assert!(verdict.faults.is_empty(), "TEST_SEED={seed}: {kills} kills: {:#?}", verdict.faults);
}

#[test]
fn a_fifo_is_logged_to_its_end() {
    let rig = Rig::new();
    let path = rig.join("fifo");
    mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    let input = mixed_lines(9, 200_000);
    let right = input.clone();
    let writer = thread::spawn(move || {
        File::options().write(true).open(path).expect("the FIFO").write_all(&input).expect("a reader");
    });
    let fifo = File::open(rig.join("fifo")).expect("the FIFO");
    let running = rig.logger(&["n99", "./log"]).spawn_on(fifo);
    let out = running.wait_open();
    writer.join().expect("the writer");
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_same(&rig.log().all(), &right);
}

#[test]
fn dev_null_is_an_empty_input() {
    let rig = Rig::new();
    let out = rig.logger(&["./log"]).spawn_on(Stdio::null()).wait_open();
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
    assert_eq!(rig.log().listing(), ["current 0744", "lock 0600", "state 0644"]);
}

#[test]
fn dev_zero_is_a_line_without_end() {
    let rig = Rig::new();
    let zero = File::open("/dev/zero").expect("/dev/zero");
    let running = rig.logger(&["n2", "./log"]).spawn_on(zero);
    wait_until(SOON, "a rotation", || rig.log().old_logs().len() == 1);
    let peak = status_kb(&running, "VmHWM:");
    assert!(peak < 8_192, "{peak} kB");
    stop(running, Signal::TERM);
}

#[test]
fn a_terminal_is_logged_until_its_end_of_file_key() {
    let rig = Rig::new();
    if !Command::new("script").arg("--version").output().is_ok_and(|out| out.status.success()) {
        skipped("there is no script(1) to make a terminal");
        return;
    }
    let logger = program("multilog").display().to_string();
    let mut script = Cmd::new("script")
        .args(["-q", "-e", "-c", &format!("'{logger}' ./log"), "/dev/null"])
        .cwd(rig.path())
        .spawn();
    script.send(b"one\ntwo\n");
    rig.wait_for_current(b"one\ntwo\n");
    script.send(b"\x04");
    let out = script.wait_open();
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_same(&rig.log().all(), b"one\ntwo\n");
}

/// It takes next to no processor time.
#[track_caller]
fn sleeps(running: &Running) {
    let stat = format!("/proc/{}/stat", running.pid().as_raw_nonzero());
    let ticks = || {
        let text = fs::read_to_string(&stat).expect("it runs");
        let fields =
            text.rsplit(") ").next().unwrap_or_default().split(' ').map(|field| field.parse().unwrap_or(0));
        fields.skip(11).take(2).sum::<u64>()
    };
    let before = ticks();
    thread::sleep(Duration::from_millis(500));
    assert!(ticks() - before < 10, "{} ticks of 50", ticks() - before);
}

/// To ask whether the writer is held up wakes everybody who waits for the pipe, and with it us, if we may write to it as well.
#[test]
fn the_beginning_of_a_line_in_a_fifo_that_we_may_also_write_to_is_waited_for() {
    let rig = Rig::new();
    mknodat(CWD, rig.join("fifo"), FileType::Fifo, 0o600.into(), 0).expect("own directory");
    let both = File::options().read(true).write(true).open(rig.join("fifo")).expect("own FIFO");
    (&both).write_all(b"one\npart").expect("there is room");
    let running = rig.logger(&["./log"]).spawn_on(both.try_clone().expect("a descriptor"));
    wait_until(SOON, "the whole line is logged", || rig.log().all() == b"one\n");
    // Until patience is as long as it gets.
    thread::sleep(Duration::from_millis(2500));
    sleeps(&running);
    (&both).write_all(b" and the rest\n").expect("there is room");
    wait_until(SOON, "the other is", || rig.log().all() == b"one\npart and the rest\n");
    assert_eq!(stop(running, Signal::TERM).messages(), "");
}

/// The last look of a flood fills its buffer, and nothing is there behind it.
#[test]
fn behind_a_flood_a_logger_sleeps() {
    let mut rig = Rig::new();
    rig.pipe.enlarge(1 << 20);
    let input = b"63 bytes and a newline.........................................\n".repeat(10 * 512);
    assert_eq!(input.len(), 10 * 32_768);
    rig.pipe.write(&input);
    let running = rig.start(&["./log"]);
    wait_until(SOON, "all is taken", || rig.pipe.waiting() == 0);
    sleeps(&running);
    rig.finish(running);
    assert_same(&rig.log().all(), &input);
}
