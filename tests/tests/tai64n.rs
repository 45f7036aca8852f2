//! tai64n and tai64nlocal from outside: as the originals on good input, never losing or changing a byte of any other, showing what
//! there is before they wait; and what tai64nlocal alone can do: files, log directories, compressed logs, other forms.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use tests::feeder::seed;
use tests::{Cmd, Output, Scratch, Show, Stamp, original, program, wait_for, wait_until};

const SOON: Duration = Duration::from_secs(10);

/// 2001-07-09 23:09:44.848605500 UTC.
const LABEL: &str = "@400000003b4a39c23294b13c";
const SHOWN: &str = "2001-07-09 23:09:44.848605500";

/// The label of a Unix time, by the rule of the originals.
fn label(second: i64, nanos: u32) -> String {
    format!("@{:016x}{nanos:08x}", second + (1 << 62) + 10)
}

/// tai64nlocal in UTC.
fn local() -> Cmd {
    Cmd::new(program("tai64nlocal")).env("TZ", "UTC0")
}

fn check(out: &Output, status: &str, stdout: &[u8], stderr: &str) {
    assert!(out.status() == status && out.stdout == stdout, "wanted {status} and {}\n{out}", Show(stdout));
    assert_eq!(out.messages(), stderr);
}

// The filter.

/// Input, and what tai64nlocal makes of it in UTC. On those marked the original agrees; of the others it loses bytes, or dies.
const EDGES: &[(&str, &str, bool)] = &[
    ("@400000003b4a39c23294b13c x", "2001-07-09 23:09:44.848605500 x", true),
    ("@400000003b4a39c23294b13c:x\n", "2001-07-09 23:09:44.848605500:x\n", true),
    ("@400000003b4a39c23294b13c\n", "2001-07-09 23:09:44.848605500\n", true),
    ("@400000003b4a39c23294b13cg", "2001-07-09 23:09:44.848605500g", true),
    ("@400000003B4A39C23294B13C x", "2001-07-09 23:09:44.848605500 x", false),
    ("@400000003b4A39C23294b13c x\n", "2001-07-09 23:09:44.848605500 x\n", false),
    ("@4000 x\n", "@4000 x\n", false),
    ("@400000003b4a39c2 x\n", "@400000003b4a39c2 x\n", false),
    ("@400000003b4a39c23294b13 x", "@400000003b4a39c23294b13 x", false),
    ("@400000003b4a39c23294b13c0 x\n", "@400000003b4a39c23294b13c0 x\n", false),
    ("@400000003b4a39c23294b13c00000000 x", "@400000003b4a39c23294b13c00000000 x", false),
    ("@", "@", false),
    ("@ x\n", "@ x\n", false),
    ("@foo\n", "@foo\n", false),
    ("@@400000003b4a39c23294b13c x", "@@400000003b4a39c23294b13c x", false),
    ("@40000000679c9cf7@40000000679c9fea052a1714\n", "@40000000679c9cf7@40000000679c9fea052a1714\n", false),
    ("@7fffffffffffffff00000000 x", "@7fffffffffffffff00000000 x", false),
    ("@800000000000000000000000 x", "@800000000000000000000000 x", false),
    ("@000000000000000000000000 x", "@000000000000000000000000 x", false),
    ("@ffffffffffffffffffffffff x", "@ffffffffffffffffffffffff x", false),
    ("@400000003b4a39c2ffffffff x", "@400000003b4a39c2ffffffff x", false),
    ("@400000003b4a39c23b9aca00 x", "@400000003b4a39c23b9aca00 x", false),
    ("@400000000000000000000000 x", "1969-12-31 23:59:50.000000000 x", true),
    ("@400000003b4a39c23294b13c", "2001-07-09 23:09:44.848605500", false),
    (
        "@400000003b4a39c23294b13c a\n@foo\n@400000003b4a39c300000001 b\n",
        "2001-07-09 23:09:44.848605500 a\n@foo\n2001-07-09 23:09:45.000000001 b\n",
        false,
    ),
    (" @400000003b4a39c23294b13c x\n", " @400000003b4a39c23294b13c x\n", true),
    ("x @400000003b4a39c23294b13c x\n", "x @400000003b4a39c23294b13c x\n", true),
    ("\0\r\x1b[1m\u{ff}\n\n", "\0\r\x1b[1m\u{ff}\n\n", true),
    ("", "", true),
];

#[test]
fn edge_cases() {
    let scratch = Scratch::new();
    for (input, wanted, original_agrees) in EDGES {
        let (input, wanted) = (input.as_bytes(), wanted.as_bytes());
        check(&local().run(input), "exit 0", wanted, "");
        // Cut everywhere: the same.
        check(&packets(local(), input.chunks(1)), "exit 0", wanted, "");
        fs::write(scratch.join("file"), input).expect("own directory");
        check(&local().arg(scratch.join("file")).run(b""), "exit 0", wanted, "");
        if let Some(original) = original("tai64nlocal") {
            let out = Cmd::new(original).env("TZ", "UTC0").run(input);
            assert_eq!(out.status() == "exit 0" && out.stdout == wanted, *original_agrees, "{out}");
        }
    }
}

/// Runs a program on a pipe that gives it each chunk in a read of its own.
fn packets<'a>(cmd: Cmd, chunks: impl Iterator<Item = &'a [u8]>) -> Output {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).expect("a pipe of packets");
    let running = cmd.spawn_on(reader);
    for chunk in chunks {
        rustix::io::write(&writer, chunk).expect("it reads");
    }
    drop(writer);
    running.wait()
}

/// Lines with and without labels, as logs have them: good ones, which the original converts too.
fn good_input() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![4 => "[ -~]{0,40}", 1 => "\\PC{0,20}", 1 => "[a-z]{900,1100}"];
    let moment = prop_oneof![0i64..4_102_444_800, 1_795_327_880i64..1_795_327_883];
    let line =
        (proptest::option::weighted(0.8, (moment, 0u32..1_000_000_000)), body).prop_map(|(stamp, body)| {
            match stamp {
                Some((second, nanos)) => format!("{} {body}\n", label(second, nanos)),
                // What begins with @ and is no label kills the original.
                None => format!("{}\n", body.trim_start_matches('@')),
            }
        });
    (proptest::collection::vec(line, 0..60), "[a-z]{0,5}")
        .prop_map(|(lines, end)| (lines.concat() + &end).into())
}

#[test]
fn good_input_comes_out_as_from_the_original() {
    let Some(original) = original("tai64nlocal") else { return };
    let ours = program("tai64nlocal");
    let config = Config {
        cases: 60,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..Config::default()
    };
    let zones = prop::sample::select(vec!["UTC0", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]);
    let strategy = (good_input(), zones, proptest::collection::vec(1usize..200, 1..20));
    TestRunner::new(config)
        .run(&strategy, |(input, zone, cuts)| {
            let theirs = Cmd::new(&original).env("TZ", zone).run(&input);
            let out = Cmd::new(&ours).env("TZ", zone).run(&input);
            prop_assert_eq!(Show(&out.stdout).to_string(), Show(&theirs.stdout).to_string());
            prop_assert!(out.stdout == theirs.stdout && out.status() == theirs.status());
            let mut rest = &input[..];
            let chunks = cuts.iter().cycle().map_while(|cut| {
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                rest = after;
                (!chunk.is_empty()).then_some(chunk)
            });
            let cut = packets(Cmd::new(&ours).env("TZ", zone), chunks);
            prop_assert!(cut.stdout == theirs.stdout, "cut into {:?}: {}", cuts, cut);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn no_byte_is_lost_whatever_the_input() {
    let ours = program("tai64nlocal");
    let config = Config {
        cases: 60,
        rng_seed: RngSeed::Fixed(seed()),
        failure_persistence: None,
        ..Config::default()
    };
    // Nothing like a whole label, but all it is made of.
    let piece =
        prop_oneof![Just("@"), Just("\n"), Just("\n@4000"), Just("00"), Just("Ff"), Just("\0"), Just("x ")];
    let strategy = proptest::collection::vec(piece, 0..200);
    TestRunner::new(config)
        .run(&strategy, |pieces| {
            let input = pieces.concat().into_bytes();
            let is_label = |line: &[u8]| {
                line.len() >= 25 && line[0] == b'@' && line[1..25].iter().all(u8::is_ascii_hexdigit)
            };
            if !input.split(|byte| *byte == b'\n').any(is_label) {
                let out = packets(Cmd::new(&ours), input.chunks(7));
                prop_assert!(out.stdout == input && out.status() == "exit 0", "{}", out);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// A program between two pipes of ours.
struct Filter {
    child: Child,
    input: Option<OwnedFd>,
    output: OwnedFd,
}

impl Filter {
    fn start(path: &Path, arguments: &[&str]) -> Filter {
        let (stdin, input) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let (output, stdout) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        let mut command = Command::new(path);
        command.args(arguments).env("TZ", "UTC0").stdin(stdin).stdout(stdout);
        let child = command.spawn().expect("it is built");
        Filter { child, input: Some(input), output }
    }

    fn send(&self, bytes: &str) {
        let input = self.input.as_ref().expect("not closed yet");
        assert_eq!(rustix::io::write(input, bytes.as_bytes()), Ok(bytes.len()));
    }

    /// The next bytes that come out, so many; they are to come soon.
    fn expect(&self, len: usize) -> String {
        let mut found = Vec::new();
        while found.len() < len {
            assert!(is_readable(&self.output, SOON), "after {}", Show(&found));
            let mut buffer = vec![0; len - found.len()];
            let read = rustix::io::read(&self.output, &mut buffer[..]).expect("a pipe can be read");
            assert_ne!(read, 0, "it ended after {}", Show(&found));
            found.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&found).into_owned()
    }

    /// It sleeps, and nothing came out.
    fn expect_nothing(&self) {
        let proc = format!("/proc/{}/stat", self.child.id());
        wait_until(SOON, "the program sleeps", || {
            fs::read_to_string(&proc)
                .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|s| s.starts_with(" S")))
        });
        assert!(!is_readable(&self.output, Duration::ZERO));
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn is_readable(fd: &impl AsFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).expect("a short time");
    poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&limit)).expect("a pipe can be asked") > 0
}

#[test]
fn everything_is_shown_before_a_wait() {
    for arguments in [&[][..], &["-"]] {
        let filter = Filter::start(&program("tai64nlocal"), arguments);
        filter.send(&format!("{LABEL} one\n"));
        assert_eq!(filter.expect(SHOWN.len() + 5), format!("{SHOWN} one\n"));
        filter.send("no label, no end");
        assert_eq!(filter.expect(16), "no label, no end");
        filter.send("\n");
        assert_eq!(filter.expect(1), "\n");
        // A label is held back while it may be one, and no longer.
        filter.send("@40");
        filter.expect_nothing();
        filter.send("x");
        assert_eq!(filter.expect(4), "@40x");
        filter.send(&format!("\n{LABEL}"));
        assert_eq!(filter.expect(1), "\n");
        filter.expect_nothing();
        filter.send(" two");
        assert_eq!(filter.expect(SHOWN.len() + 4), format!("{SHOWN} two"));
    }
    let filter = Filter::start(&program("tai64n"), &[]);
    filter.send("o");
    assert_eq!(&filter.expect(27)[25..], " o");
    filter.send("ne\nt");
    assert_eq!(filter.expect(3), "ne\n");
    assert_eq!(&filter.expect(27)[25..], " t");
}

#[test]
fn a_growing_file_is_shown_line_by_line() {
    let scratch = Scratch::new();
    let path = scratch.join("current");
    let mut file = fs::File::create(&path).expect("own directory");
    let mut tail = Command::new("tail");
    tail.args(["-n", "+1", "-s", "0.05", "-F"]).arg(&path).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut tail = tail.spawn().expect("every system has tail");
    let (output, stdout) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let stdin = tail.stdout.take().expect("it is a pipe");
    let child = Command::new(program("tai64nlocal")).env("TZ", "UTC0").stdin(stdin).stdout(stdout).spawn();
    let filter = Filter { child: child.expect("it is built"), input: None, output };
    for number in 0..5 {
        writeln!(file, "{LABEL} {number}").expect("own file");
        assert_eq!(filter.expect(SHOWN.len() + 3), format!("{SHOWN} {number}\n"));
    }
    _ = tail.kill();
    _ = tail.wait();
}

#[test]
fn a_closed_output_is_a_quiet_end_and_a_full_disk_is_told() {
    let scratch = Scratch::new();
    let lines = format!("{LABEL} x\n").repeat(10_000);
    fs::write(scratch.join("file"), &lines).expect("own directory");
    let closed = || {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").expect("Linux has it"));
    // Whatever the one who starts us does with SIGPIPE.
    let starts = ["exec \"$@\"", "trap '' PIPE; exec \"$@\""];
    for start in starts {
        for (name, argument) in [("tai64n", None), ("tai64nlocal", None), ("tai64nlocal", Some("file"))] {
            // A filter says nothing, as the original.
            let is_reader = argument.is_some();
            let told = "tai64nlocal: fatal: unable to write output: out of disk space\n";
            for (stdout, told) in [(closed(), ""), (full(), if is_reader { told } else { "" })] {
                let mut sh = Command::new("sh");
                sh.args(["-c", start, "sh"]).arg(program(name)).args(argument).current_dir(scratch.path());
                sh.stdin(fs::File::open(scratch.join("file")).expect("own file")).stdout(stdout);
                let out = sh.output().expect("there is a shell");
                let said = String::from_utf8_lossy(&out.stderr).into_owned();
                assert_eq!(
                    (out.status.code(), said.as_str()),
                    (Some(111), told),
                    "{name} {argument:?} after {start}"
                );
            }
        }
    }
}

#[test]
fn input_that_does_not_block_is_waited_for() {
    for (name, arguments) in [("tai64n", &[][..]), ("tai64nlocal", &[]), ("tai64nlocal", &["-"])] {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        fcntl_setfl(&reader, OFlags::NONBLOCK).expect("our own pipe");
        let running = Cmd::new(program(name)).args(arguments).env("TZ", "UTC0").spawn_on(reader);
        running.settle();
        rustix::io::write(&writer, b"one\n").expect("it reads");
        running.settle();
        rustix::io::write(&writer, b"two\n").expect("it reads");
        drop(writer);
        let out = running.wait();
        assert_eq!(out.status(), "exit 0", "{out}");
        assert_eq!(Stamp::Tai64n.strip(&out.stdout), b"one\ntwo\n", "{out}");
    }
}

#[test]
fn output_that_does_not_block_is_waited_for() {
    let input = format!("{LABEL} x\n").repeat(20_000);
    let wanted = format!("{SHOWN} x\n").repeat(20_000);
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), &input).expect("own directory");
    for arguments in [&[][..], &["file"]] {
        let (output, stdout) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        fcntl_setfl(&stdout, OFlags::NONBLOCK).expect("our own pipe");
        let mut command = Command::new(program("tai64nlocal"));
        command.args(arguments).current_dir(scratch.path()).env("TZ", "UTC0").stdout(stdout);
        command.stdin(fs::File::open(scratch.join("file")).expect("own file"));
        let mut child = command.spawn().expect("it is built");
        // Our copy of the writing end.
        drop(command);
        let mut found = Vec::new();
        fs::File::from(output).read_to_end(&mut found).expect("a pipe can be read");
        assert!(found == wanted.as_bytes(), "{}", Show(&found));
        assert!(child.wait().expect("our own child").success());
    }
}

#[test]
fn what_cannot_be_read_is_111() {
    for name in ["tai64n", "tai64nlocal"] {
        let out = Cmd::new(program(name)).spawn_on(fs::File::open("/").expect("there is one")).wait();
        check(&out, "exit 111", b"", "");
    }
}

#[test]
fn memory_does_not_grow_with_a_line() {
    for name in ["tai64n", "tai64nlocal"] {
        let mut running = Cmd::new(program(name)).spawn();
        let proc = format!("/proc/{}/status", running.pid().as_raw_nonzero());
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..64 {
            running.send(&chunk);
        }
        let status = fs::read_to_string(proc).expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(peak < 16 * 1024, "{name}: {peak} kB");
        let out = running.wait();
        assert_eq!(out.stdout.len(), (64 << 20) + if name == "tai64n" { 26 } else { 0 });
    }
}

// tai64n.

#[test]
fn tai64n_stamps_as_the_original() {
    let inputs = ["", "one\ntwo\n", "\n\n", "no end", "one\nno end", "@x\n\0\r\u{ff}\n"];
    for input in inputs {
        let out = Cmd::new(program("tai64n")).run(input.as_bytes());
        check(&out, "exit 0", &out.stdout, "");
        assert_eq!(Stamp::Tai64n.strip(&out.stdout), input.as_bytes(), "{out}");
        let lines = input.split_inclusive('\n').count();
        assert_eq!(out.stdout.len(), input.len() + lines * Stamp::Tai64n.len(), "{out}");
        if let Some(original) = original("tai64n") {
            let theirs = Cmd::new(original).run(input.as_bytes());
            let mask = |out: &Output| Stamp::Tai64n.mask(&out.stdout);
            assert_eq!((mask(&out), out.status()), (mask(&theirs), theirs.status()), "{out}\n{theirs}");
        }
    }
}

#[test]
fn labels_strictly_increase_and_are_of_now() {
    let now = || {
        label(
            i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs())
                .expect("before 2^63"),
            0,
        )
    };
    let before = now();
    let out = Cmd::new(program("tai64n")).run(&b"x\n".repeat(50_000));
    let text = String::from_utf8(out.stdout).expect("labels are ASCII");
    let labels: Vec<&str> = text.lines().map(|line| &line[..25]).collect();
    assert_eq!(labels.len(), 50_000);
    assert!(labels.is_sorted_by(|one, two| one < two));
    assert!(before.as_str() <= labels[0], "{before} {}", labels[0]);
    assert!(labels[labels.len() - 1][..17] <= now()[..17]);
}

#[test]
fn one_programs_labels_are_the_others_times() {
    let [Some(their_n), Some(their_local)] = ["tai64n", "tai64nlocal"].map(original) else { return };
    let stamped = Cmd::new(program("tai64n")).run(b"x\ny\n").stdout;
    assert_eq!(Cmd::new(their_local).env("TZ", "UTC0").run(&stamped).stdout, local().run(&stamped).stdout);
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let before = seconds();
    let shown = local().run(&Cmd::new(their_n).run(b"x\n").stdout).stdout;
    let date =
        Command::new("date").args(["-u", "+%s", "-d", &String::from_utf8_lossy(&shown[..19])]).output();
    let date = String::from_utf8(date.expect("every system has date").stdout).expect("a number");
    let second: u64 = date.trim().parse().expect("a number");
    assert!((before..=seconds()).contains(&second), "{second} {before}");
}

#[test]
fn tai64n_overlooks_arguments_as_the_original_does() {
    let out = Cmd::new(program("tai64n")).args(["-x", "file"]).run(b"x\n");
    assert_eq!(Stamp::Tai64n.strip(&out.stdout), b"x\n", "{out}");
    for (argument, begins) in [("--help", "usage: tai64n "), ("--version", "tai64n ")] {
        let out = Cmd::new(program("tai64n")).arg(argument).run(b"");
        assert!(out.status() == "exit 0" && out.stdout.starts_with(begins.as_bytes()), "{out}");
    }
}

// Zones.

/// Ten zones: both hemispheres, odd offsets, offsets that changed without daylight time, rules of `TZ`, leap seconds.
const ZONES: [&str; 11] = [
    "America/New_York",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Monrovia",
    "America/Sao_Paulo",
    "Asia/Pyongyang",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    ":<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
    "CET-1CEST,M3.5.0/+2,M10.5.0/+3:00:00",
    "right/America/Los_Angeles",
];

#[test]
fn zones_are_as_the_original_shows_them() {
    let Some(original) = original("tai64nlocal") else { return };
    let convert = |program: &Path, zone: &str, seconds: &[i64]| {
        let lines: String = seconds.iter().map(|second| label(*second, 5) + "\n").collect();
        // Without something behind it the original swallows a label at the very end.
        let out = Cmd::new(program).env("TZ", zone).run(lines.as_bytes());
        String::from_utf8(out.stdout).expect("times are ASCII").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = program("tai64nlocal");
    // 1970 to 2100, twice a day.
    let coarse: Vec<i64> = (0..4_102_444_800).step_by(43_200).collect();
    for zone in ZONES {
        let theirs = convert(&original, zone, &coarse);
        let found = convert(&ours, zone, &coarse);
        if let Some(at) = (0..coarse.len()).find(|at| theirs.get(*at) != found.get(*at)) {
            panic!("TZ={zone}, {}: {:?}, original {:?}", coarse[at], found.get(at), theirs.get(at));
        }
        // Every change of the offset, found to the second by asking the original.
        let offset = |second: i64, shown: &str| unix(shown) - second;
        let mut changes: Vec<(i64, i64, i64)> = (1..coarse.len())
            .map(|at| (coarse[at - 1], coarse[at], offset(coarse[at - 1], &theirs[at - 1])))
            .filter(|&(_, second, before)| offset(second, &theirs[(second / 43_200) as usize]) != before)
            .collect();
        while changes.iter().any(|(before, after, _)| after - before > 1) {
            let middles: Vec<i64> = changes.iter().map(|(before, after, _)| (before + after) / 2).collect();
            for ((change, middle), shown) in
                changes.iter_mut().zip(&middles).zip(convert(&original, zone, &middles))
            {
                let side = if offset(*middle, &shown) == change.2 { &mut change.0 } else { &mut change.1 };
                *side = *middle;
            }
        }
        let around: Vec<i64> = changes.iter().flat_map(|(_, at, _)| *at - 2..*at + 3).collect();
        assert_eq!(convert(&ours, zone, &around), convert(&original, zone, &around), "TZ={zone}");
    }
}

/// Seconds from 1970 to a time as shown, were it UTC.
fn unix(shown: &str) -> i64 {
    let number = |at: std::ops::Range<usize>| shown[at].parse::<i64>().expect("digits");
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month as usize - 1];
    let leap = i64::from(month > 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let days = (year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100
        + (year - 1601) / 400
        + before
        + leap
        + day
        - 1;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19)
}

#[test]
fn the_zone_of_the_machine_and_of_tz() {
    let line = format!("{LABEL} x\n").into_bytes();
    let Some(original) = original("tai64nlocal") else { return };
    let shown = |program: &Path, tz: Option<&str>, tzdir: Option<&str>| {
        let mut cmd = Cmd::new(program).env_remove("TZ").env_remove("TZDIR");
        for (name, value) in [("TZ", tz), ("TZDIR", tzdir)] {
            if let Some(value) = value {
                cmd = cmd.env(name, value);
            }
        }
        String::from_utf8_lossy(&cmd.run(&line).stdout).into_owned()
    };
    let zones = [
        None,
        Some(""),
        Some(":"),
        Some("nonsense"),
        Some(":Asia/Tokyo"),
        Some("EST5EDT"),
        Some("XST-24:30"),
    ];
    for (tz, tzdir) in zones.map(|tz| (tz, None)).into_iter().chain([
        (Some("Tokyo"), Some("/usr/share/zoneinfo/Asia")),
        (Some("Tokyo"), Some("")),
        (Some("/usr/share/zoneinfo/Asia/Tokyo"), None),
        (Some("../zoneinfo/Asia/Tokyo"), None),
    ]) {
        assert_eq!(
            shown(&program("tai64nlocal"), tz, tzdir),
            shown(&original, tz, tzdir),
            "{tz:?} {tzdir:?}"
        );
    }
}

/// The administrator moves, and `tai64nlocal` runs for years.
#[test]
fn the_zone_of_the_machine_is_followed_as_by_the_original() {
    let Some(original) = original("tai64nlocal") else { return };
    let is_own = Cmd::new("unshare").args(["-m", "true"]).run(b"").status() == "exit 0";
    if !is_own {
        return;
    }
    let script = r#"zone() { mount --bind /usr/share/zoneinfo/$1 /etc/localtime; }
        zone Asia/Tokyo; (echo "$2 x"; sleep 1.5; zone Asia/Kathmandu; echo "$2 y") | "$1""#;
    for program in [&original, &program("tai64nlocal")] {
        let sh = Cmd::new("unshare").args(["-m", "sh", "-c", script, "sh"]).arg(program).arg(LABEL);
        let out = sh.env_remove("TZ").run(b"");
        let wanted = "2001-07-10 08:09:44.848605500 x\n2001-07-10 04:54:44.848605500 y\n";
        assert_eq!(
            (out.messages().as_str(), String::from_utf8_lossy(&out.stdout).as_ref()),
            ("", wanted),
            "{out}"
        );
    }
}

// Options.

#[test]
fn options() {
    let line = format!("{LABEL} x\n").into_bytes();
    let shown = |tz: &str, options: &[&str]| {
        let out = Cmd::new(program("tai64nlocal")).env("TZ", tz).args(options).run(&line);
        assert_eq!(out.status(), "exit 0", "{out}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let east = "CET-1CEST,M3.5.0,M10.5.0/3";
    assert_eq!(shown(east, &[]), "2001-07-10 01:09:44.848605500 x\n");
    assert_eq!(shown(east, &["-u"]), "2001-07-09 23:09:44.848605500 x\n");
    assert_eq!(shown(east, &["-m"]), "2001-07-10 01:09:44.848 x\n");
    assert_eq!(shown(east, &["-i"]), "2001-07-10T01:09:44.848605500+02:00 x\n");
    assert_eq!(shown(east, &["-uim"]), "2001-07-09T23:09:44.848+00:00 x\n");
    assert_eq!(shown("NST3:30", &["-m", "-i"]), "2001-07-09T19:39:44.848-03:30 x\n");
    assert_eq!(shown(east, &["-u", "--"]), "2001-07-09 23:09:44.848605500 x\n");

    let usage = "tai64nlocal: usage: tai64nlocal [-uim] [FILE | DIRECTORY]...\n";
    for wrong in ["-x", "--utc", "-ux", "-u=1"] {
        check(&local().arg(wrong).run(&line), "exit 100", b"", usage);
    }
    for (argument, begins) in [("--help", "usage: tai64nlocal "), ("--version", "tai64nlocal ")] {
        let out = local().arg(argument).run(b"");
        assert!(out.status() == "exit 0" && out.stdout.starts_with(begins.as_bytes()), "{out}");
    }
    assert!(
        local()
            .arg("--help")
            .run(b"")
            .stdout
            .starts_with(usage["tai64nlocal: ".len()..].trim_end().as_bytes())
    );
}

// Files.

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let out = Cmd::new("gzip").args(["-c"]).run(bytes);
    assert_eq!(out.status(), "exit 0", "{out}");
    out.stdout
}

/// An xz stream of the text `x`, with a newline, behind a label: made by `xz -9`, which need not be installed.
const XZ: &[u8] = include_bytes!("data/line.xz");

/// A Zstandard frame with one raw block: RFC 8878, 3.1.1.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).expect("a short text");
    let block = (u32::from(len) << 3 | 1).to_le_bytes();
    [&b"\x28\xb5\x2f\xfd\x20"[..], &[len], &block[..3], bytes].concat()
}

#[test]
fn files_are_written_in_the_order_of_the_arguments() {
    let scratch = Scratch::new();
    let lines = |from: i64| (from..from + 3).map(|at| format!("{} {at}\n", label(at, 0))).collect::<String>();
    fs::write(scratch.join("plain"), lines(0)).expect("own directory");
    fs::write(scratch.join("zipped"), gzip(lines(10).as_bytes())).expect("own directory");
    fs::write(scratch.join("zst"), zstd(lines(20).as_bytes())).expect("own directory");
    fs::write(scratch.join("empty"), "").expect("own directory");
    fs::write(scratch.join("notes.txt"), XZ).expect("own directory");
    let out = local()
        .cwd(scratch.path())
        .args(["zst", "plain", "empty", "-", "zipped", "notes.txt", "plain"])
        .run(lines(30).as_bytes());
    let all: String = [lines(20), lines(0), lines(30), lines(10), format!("{LABEL} x\n"), lines(0)].concat();
    check(&out, "exit 0", &local().run(all.as_bytes()).stdout, "");
}

#[test]
fn many_and_large_files_come_out_as_from_cat() {
    let scratch = Scratch::new();
    let mut names = Vec::new();
    let mut all = Vec::new();
    for file in 0..40 {
        // Some of many parts, some with lines that are longer than the place where a cut is looked for, some cut short.
        let mut text = Vec::new();
        let lines = if file % 8 == 0 { 60_000 } else { 500 };
        for line in 0..lines {
            text.extend(label(1_700_000_000 + file, line).bytes());
            let len = if file == 16 && line % 100 == 0 { 700_000 } else { line as usize * 7 % 90 };
            text.extend(std::iter::repeat_n(b' ' + (line % 64) as u8, len).chain([b'\n']));
            if text.len() > 6_000_000 {
                break;
            }
        }
        let name = format!("{file:02}");
        let content = if file % 3 == 1 { gzip(&text) } else { text.clone() };
        fs::write(scratch.join(&name), content).expect("own directory");
        names.push(name);
        all.extend(text);
    }
    let wanted = local().run(&all).stdout;
    let out = local().cwd(scratch.path()).args(&names).run(b"");
    assert!(out.status() == "exit 0" && out.stdout == wanted, "{out}");
    // On one processor there is no second thread.
    let out = local().cwd(scratch.path()).args(&names).behind(["taskset", "-c", "0"]).run(b"");
    assert!(out.status() == "exit 0" && out.stdout == wanted, "{out}");
}

#[test]
fn standard_input_is_read_from_where_it_stands() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), format!("taken\n{LABEL} x\n")).expect("own directory");
    for arguments in [&[][..], &["-"]] {
        let mut file = fs::File::open(scratch.join("file")).expect("own file");
        file.read_exact(&mut [0; 6]).expect("it is longer");
        let out = local().args(arguments).spawn_on(file).wait();
        check(&out, "exit 0", format!("{SHOWN} x\n").as_bytes(), "");
    }
}

/// Large files are cut for several workers, in steps of some power of two.
#[test]
fn a_label_within_a_line_is_none_wherever_a_file_is_cut() {
    let scratch = Scratch::new();
    for step in 17..22 {
        let text = "x".repeat(1 << step) + LABEL + " y\n" + LABEL + " z\n";
        fs::write(scratch.join("file"), &text).expect("own directory");
        let wanted = "x".repeat(1 << step) + LABEL + " y\n" + SHOWN + " z\n";
        check(&local().cwd(scratch.path()).arg("file").run(b""), "exit 0", wanted.as_bytes(), "");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let scratch = Scratch::new();
    fs::write(scratch.join("good"), format!("{LABEL} x\n")).expect("own directory");
    fs::create_dir(scratch.join("empty")).expect("own directory");
    let text: String = (0..20_000).map(|at| format!("{LABEL} {}\n", at * 7919 % 10_007)).collect();
    let mut short = gzip(text.as_bytes());
    short.truncate(short.len() / 2);
    fs::write(scratch.join("short"), &short).expect("own directory");
    let mut damaged = gzip(text.as_bytes());
    let end = damaged.len() - 6;
    damaged[end] ^= 1;
    fs::write(scratch.join("damaged"), &damaged).expect("own directory");

    let line = format!("{SHOWN} x\n");
    for behind in [&[][..], &["taskset", "-c", "0"]] {
        let run = |arguments: &[&str]| {
            local().cwd(scratch.path()).args(arguments).behind(behind.iter().copied()).run(b"")
        };
        let warning = |what: &str| format!("tai64nlocal: warning: unable to read {what}\n");
        let out = run(&["good", "gone", "good"]);
        check(&out, "exit 111", line.repeat(2).as_bytes(), &warning("gone: file does not exist"));
        let out = run(&["empty", "good"]);
        check(&out, "exit 111", line.as_bytes(), &warning("empty: no log in this directory"));
        let out = run(&["good/x", "good"]);
        check(&out, "exit 111", line.as_bytes(), &warning("good/x: not a directory"));
        let out = run(&["damaged"]);
        assert_eq!(out.messages(), warning("damaged: compressed data is damaged"));
        assert_eq!(out.stdout, local().run(text.as_bytes()).stdout);

        let out = run(&["short", "good"]);
        assert_eq!(
            (out.status().as_str(), out.messages()),
            ("exit 111", warning("short: compressed data ends too early"))
        );
        let whole = local().run(text.as_bytes()).stdout;
        let body = out.stdout.strip_suffix(line.as_bytes()).expect("the good file comes last");
        // The last line may be torn; then the next begins a new one.
        let body =
            if whole.starts_with(body) { body } else { body.strip_suffix(b"\n").expect("a line was ended") };
        assert!(whole.starts_with(body) && body.len() > whole.len() / 4, "{out}");
    }
}

#[test]
fn a_log_directory_is_read_in_the_order_it_was_written() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    fs::create_dir(&dir).expect("own directory");
    let name = |second: i64, suffix: &str| dir.join(format!("{}.{suffix}", label(second, 0)));
    let line = |second: i64| format!("{} {second}\n", label(second, 7));
    let put = |path: PathBuf, content: &[u8]| fs::write(path, content).expect("own directory");
    put(name(30, "u"), format!("{}{} torn", line(21), label(22, 0)).as_bytes());
    put(name(10, "s"), line(1).as_bytes());
    put(name(20, "s"), (line(11) + "cut by s").as_bytes());
    put(name(20, "t"), b"half-made");
    put(name(25, "s"), b" and joined\n");
    put(name(40, "s"), line(31).as_bytes());
    put(name(40, "s.gz"), b"\x1f\x8b\x08 being made");
    put(name(50, "gz"), &gzip(line(41).as_bytes()));
    put(name(60, "s"), &zstd(line(51).as_bytes()));
    put(dir.join("previous"), line(61).as_bytes());
    put(dir.join("current"), line(71).as_bytes());
    for other in ["lock", "state", "newstate", "processed", "@x.s", "notes"] {
        put(dir.join(other), b"not a log\n");
    }
    std::os::unix::fs::symlink("/etc/passwd", name(99, "s")).expect("own directory");
    let lines = |seconds: &[i64]| seconds.iter().map(|second| line(*second)).collect::<String>();
    let torn = format!("{} torn\n", label(22, 0));
    let text = lines(&[1, 11]) + "cut by s and joined\n" + &line(21) + &torn + &lines(&[31, 41, 51]);
    let wanted = |text: &str| local().run(text.as_bytes()).stdout;
    let run = || local().cwd(scratch.path()).arg("log").run(b"");
    check(&run(), "exit 0", &wanted(&(text.clone() + &lines(&[61, 71]))), "");
    // In the middle of a rotation previous has its new name already.
    fs::hard_link(dir.join("previous"), name(70, "s")).expect("own directory");
    check(&run(), "exit 0", &wanted(&(text.clone() + &lines(&[61, 71]))), "");
    // Between rename and create there is no current.
    fs::remove_file(dir.join("current")).expect("own file");
    check(&run(), "exit 0", &wanted(&(text + &line(61))), "");
}

/// However often a log rotates meanwhile, a reader sees its lines without a gap.
#[test]
fn a_directory_that_is_being_written_has_no_gaps() {
    let scratch = Scratch::new();
    // A hundred rotations, each with its syncs: on a busy disk that takes its time.
    let multilog = Cmd::new(program("multilog")).args(["t", "s4096", "n1000", "./log"]);
    let mut multilog = multilog.cwd(scratch.path()).limit(Duration::from_secs(240)).spawn();
    let mut sent = 0;
    for _ in 0..40 {
        let lines: String = (sent..sent + 300).map(|number| format!("{number}\n")).collect();
        sent += 300;
        multilog.send(lines.as_bytes());
        let out = wait_for(SOON, "there is a log", || {
            let out = local().cwd(scratch.path()).arg("log").run(b"");
            (out.status() == "exit 0").then_some(out)
        });
        let text = String::from_utf8(out.stdout).expect("the log is ASCII");
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let numbers =
            text[..whole].lines().map(|line| line.rsplit(' ').next().and_then(|number| number.parse().ok()));
        for (wanted, found) in numbers.enumerate() {
            assert_eq!(found, Some(wanted), "of {sent}");
        }
    }
    multilog.wait();
    let out = local().cwd(scratch.path()).arg("log").run(b"");
    assert_eq!(out.stdout.iter().filter(|byte| **byte == b'\n').count(), sent);
}
