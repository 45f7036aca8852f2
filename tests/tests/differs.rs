//! Where multilog does, on purpose, what the original does not: each test names the number in docs/compat.md of the fault that
//! it mends, or the action that the original has not got.
//!
//! Processors are in `processor.rs`, signals in `signals.rs`, the states of a directory at the start in `recovery.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tests::{Cmd, LogDir, Output, Running, Scratch, Show, Signal, Stamp, program, uses_original, wait_until};

const SOON: Duration = Duration::from_secs(10);

/// The original in the place of ours has nothing to show here.
macro_rules! ours_only {
    () => {
        if uses_original() {
            return;
        }
    };
}

/// A scratch directory in which `./main` is logged to.
struct Rig {
    scratch: Scratch,
    main: LogDir,
}

impl Rig {
    fn new() -> Rig {
        let scratch = Scratch::new();
        let main = LogDir::new(scratch.join("main"));
        Rig { scratch, main }
    }

    /// With a clean, empty `current` in a directory that is there already.
    fn with_files(files: &[(&str, u32, &str)]) -> Rig {
        let rig = Rig::new();
        fs::create_dir(rig.main.path()).expect("a fresh directory");
        for (name, mode, content) in [("current", 0o744, ""), ("state", 0o644, "")].iter().chain(files) {
            fs::write(rig.main.join(name), content).expect("own directory");
            fs::set_permissions(rig.main.join(name), fs::Permissions::from_mode(*mode)).expect("own file");
        }
        rig
    }

    fn cmd(&self, script: &[&str]) -> Cmd {
        Cmd::new(program("multilog")).args(script).cwd(self.scratch.path())
    }

    /// Runs to the end of the input and says nothing.
    #[track_caller]
    fn log(&self, script: &[&str], input: &[u8]) -> Output {
        let out = self.cmd(script).run(input);
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
        out
    }

    /// Runs to the end of the input; returns the one warning it prints.
    #[track_caller]
    fn warning(&self, script: &[&str], input: &[u8]) -> String {
        let out = self.cmd(script).run(input);
        assert_eq!(out.status(), "exit 0", "{out}");
        let said = out.messages();
        assert!(
            said.starts_with("multilog: warning: ") && said.lines().count() == 1,
            "one warning expected: {out}"
        );
        said
    }

    /// What is logged, as text.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.main.all()).into_owned()
    }

    /// Lets a running logger log this text and finish the file.
    fn rotate(&self, running: &mut Running, text: &str) {
        running.send(text.as_bytes());
        wait_until(SOON, "the text is in current", || self.main.read("current") == text.as_bytes());
        running.settle();
        running.signal(Signal::ALARM);
        wait_until(SOON, "the file is finished", || {
            self.main.read("current").is_empty() && self.main.mode("previous").is_none()
        });
    }
}

/// A label so many seconds from now.
fn label(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    format!("@{:016x}00000000", (1_u64 << 62) + 10 + now.checked_add_signed(seconds).expect("after 1970"))
}

// ---- stamps ----

/// The time of day as the system's own `date` says it, to the second.
fn date(zone: Option<&str>) -> String {
    let out = in_zone(Cmd::new("date").arg("+%Y-%m-%d %H:%M:%S"), zone).run(b"");
    String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
}

fn in_zone(cmd: Cmd, zone: Option<&str>) -> Cmd {
    match zone {
        Some(zone) => cmd.env("TZ", zone),
        None => cmd.env_remove("TZ"),
    }
}

#[test]
fn d_and_m_stamp_with_the_local_time_of_the_zone_in_tz() {
    ours_only!();
    let zones = [
        Some("UTC"),
        Some(""),
        Some("Asia/Kolkata"),
        Some("America/St_Johns"),
        Some("Pacific/Chatham"),
        Some("Pacific/Kiritimati"),
        Some("Europe/Berlin"),
        Some("XYZ3:30"),
        Some("<+0545>-5:45"),
        None,
    ];
    for zone in zones {
        for (action, form) in [("d", Stamp::Date), ("m", Stamp::Milli)] {
            let rig = Rig::new();
            let before = date(zone);
            let out = in_zone(rig.cmd(&[action, "./main"]), zone).run(b"hello\n\n");
            let after = date(zone);
            assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
            for (line, want) in rig.main.lines().iter().zip([&b"hello"[..], b""]) {
                let (stamp, rest) = form.split(line).unwrap_or_else(|| panic!("{action}: {}", Show(line)));
                assert_eq!(rest, want);
                let stamp = String::from_utf8_lossy(&stamp[..19]).into_owned();
                assert!(before <= stamp && stamp <= after, "TZ {zone:?}: {before} <= {stamp} <= {after}");
            }
        }
    }
}

#[test]
fn the_accustamp_is_unix_seconds_and_microseconds() {
    ours_only!();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
    let rig = Rig::new();
    let before = now();
    rig.log(&["T", "./main"], b"hello\n");
    let after = now();
    let lines = rig.main.lines();
    let (stamp, rest) = Stamp::Accustamp.split(&lines[0]).expect("a stamp of its form");
    assert_eq!(rest, b"hello");
    let stamp: u128 = String::from_utf8_lossy(stamp).replace(['.', ' '], "").parse().expect("digits");
    assert!(before <= stamp && stamp <= after, "{before} <= {stamp} <= {after}");
}

#[test]
fn no_two_labels_are_equal_and_they_sort_in_the_order_of_the_lines() {
    ours_only!();
    let rig = Rig::new();
    let input: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    rig.log(&["t", "s4096", "n1000", "./main"], input.as_bytes());
    let lines = rig.main.lines();
    assert_eq!(lines.len(), 20_000);
    for pair in lines.windows(2) {
        assert!(pair[0][..25] < pair[1][..25], "{} before {}", Show(&pair[0]), Show(&pair[1]));
    }
}

#[test]
fn patterns_see_1000_bytes_of_which_the_stamps_of_d_and_m_take_30_and_24() {
    ours_only!();
    for (action, last_seen) in [("d", 970), ("m", 976), ("T", 982)] {
        let marked =
            |at: usize| [vec![b'a'; at - 1], vec![b'Z'], vec![b'a'; 1100 - at], vec![b'\n']].concat();
        let rig = Rig::new();
        rig.log(&[action, "-*", "+*Z*", "./main"], &[marked(last_seen), marked(last_seen + 1)].concat());
        assert_eq!(rig.main.lines().len(), 1, "{action}");
    }
}

// ---- patterns ----

#[test]
fn after_f_patterns_are_globs_until_s() {
    ours_only!();
    let input = b"ab\nxb\n*b\n[a]b\nabc\n.b\n";
    let rows: [(&[&str], &str); 7] = [
        (&["F", "-*", "+?b"], "ab\nxb\n*b\n.b\n"),
        (&["F", "-*", "+[ax]b"], "ab\nxb\n"),
        (&["F", "-*", "+[!ax]b"], "*b\n.b\n"),
        (&["F", "-*", "+\\*b"], "*b\n"),
        (&["F", "-*", "+*b*c"], "abc\n"),
        (&["-*", "F", "S", "+[*]b"], "[a]b\n"),
        (&["-*", "+[a]b", "F", "+[x]b"], "xb\n[a]b\n"),
    ];
    for (script, want) in rows {
        let rig = Rig::new();
        rig.log(&[script, &["./main"]].concat(), input);
        assert_eq!(rig.text(), want, "{script:?}");
    }
}

#[test]
fn after_r_patterns_are_regular_expressions_that_need_not_match_the_whole_line() {
    ours_only!();
    let input = b"error: x\nwarning: y\nno error\nerror\xff\n\n";
    let rows: [(&[&str], &[u8]); 5] = [
        (&["R", "-", "+error"], b"error: x\nno error\nerror\xff\n"),
        (&["R", "-.*", "+^(error|warning): "], b"error: x\nwarning: y\n"),
        (&["-*", "R", "+^$"], b"\n"),
        (&["R", "-error$"], b"error: x\nwarning: y\nerror\xff\n\n"),
        (&["-*", "R", "+y$", "S", "+no *"], b"warning: y\nno error\n"),
    ];
    for (script, want) in rows {
        let rig = Rig::new();
        rig.log(&[script, &["./main"]].concat(), input);
        assert_eq!(Show(&rig.main.all()).to_string(), Show(want).to_string(), "{script:?}");
    }
}

#[test]
fn a_regular_expression_that_is_none_is_warned_about_and_logging_goes_on() {
    ours_only!();
    let rig = Rig::new();
    let said = rig.warning(&["R", "-a(", "./main"], b"a(\nb\n");
    assert!(said.contains("a("), "{said}");
    assert_eq!(rig.text(), "a(\nb\n");
}

// ---- numbers ----

#[test]
fn sizes_take_k_m_and_g_and_lift_their_ceiling() {
    ours_only!();
    // 9000 lines of 100 bytes: 900,000 bytes.
    let input: String = (0..9000).map(|n| format!("{n:099}\n")).collect();
    let rows: [(&[&str], usize, usize); 9] = [
        // script, least and largest size of an old log
        (&["s4k"], 4096 - 2000, 4096),
        (&["s8k"], 8192 - 2000, 8192),
        (&["s100K"], 102_400 - 2000, 102_400),
        (&["s1M"], 0, 0),
        (&["s1G", "s8k"], 8192 - 2000, 8192),
        (&["U", "s1G"], 0, 0),
        (&["sunlimited"], 0, 0),
        (&["s104857600"], 0, 0),
        (&["s99999"], 99_999 - 2000, 99_999),
    ];
    for (script, least, most) in rows {
        let rig = Rig::new();
        let out = rig.cmd(&[script, &["n1000", "./main"]].concat()).run(input.as_bytes());
        assert_eq!(out.status(), "exit 0", "{out}");
        // One gigabyte without U is more than the ceiling.
        let warnings = usize::from(script[0] == "s1G");
        assert_eq!(out.messages().lines().count(), warnings, "{out}");
        let sizes =
            rig.main.old_logs().into_iter().map(|name| rig.main.read(&name).len()).collect::<Vec<_>>();
        assert_eq!(sizes.is_empty(), most == 0, "{script:?}: {sizes:?}");
        assert!(sizes.iter().all(|size| (least..=most).contains(size)), "{script:?}: {sizes:?}");
        assert!(rig.text() == input, "{script:?}: all lines in order");
    }
}

#[test]
fn fault_25_a_clamped_number_is_warned_about_and_clamped_like_the_originals() {
    ours_only!();
    let input: String = (0..200).map(|n| format!("{n:099}\n")).collect();
    for (argument, least) in [("s1", 4096), ("s4095", 4096), ("s0", 4096), ("s", 4096)] {
        let rig = Rig::new();
        let said = rig.warning(&[argument, "n100", "./main"], input.as_bytes());
        assert!(said.contains(argument), "{said}");
        assert!(rig.main.old_logs().iter().all(|name| rig.main.read(name).len() <= least), "{argument}");
        assert!(rig.text() == input, "{argument}");
    }
    for argument in ["n1", "n0", "n"] {
        let rig = Rig::new();
        let said = rig.warning(&["s4096", argument, "./main"], input.as_bytes());
        assert!(said.contains(argument), "{said}");
        assert_eq!(rig.main.forms(), ["@.s", "current", "lock", "state"], "{argument}: at least 2");
    }
    for argument in ["s104857601", "s200M", "s1G", "s18446744073709551616"] {
        let rig = Rig::new();
        let said = rig.warning(&[argument, "./main"], b"x\n");
        assert!(said.contains(argument) && said.contains("104857600"), "{said}");
    }
}

#[test]
fn fault_25_what_is_no_action_is_warned_about_once_and_logging_goes_on() {
    ours_only!();
    let scripts: [(&[&str], &str); 11] = [
        (&["x", "./main"], "x"),
        (&["log", "./main"], "log"),
        (&["--nonsense=1", "./main", "Q"], "Q"),
        (&["", "./main"], "empty"),
        (&["s5000q", "./main"], "s5000q"),
        (&["s5000 ", "./main"], "s5000"),
        (&["nfoo", "./main"], "nfoo"),
        (&["n5x", "./main"], "n5x"),
        (&["./main", "t"], "t"),
        (&["-*none*", "d", "./main"], "d"),
        (&["ylater", "./main"], "ylater"),
    ];
    for (script, named) in scripts {
        let rig = Rig::new();
        let said = rig.warning(script, b"hello\nworld\n");
        assert!(said.contains(named), "{script:?}: {said}");
        assert_eq!(rig.text(), "hello\nworld\n", "{script:?}");
    }
}

#[test]
fn a_script_that_leads_nowhere_throws_lines_away_and_says_so() {
    ours_only!();
    for script in [&["t"][..], &["-*debug*"], &[]] {
        let rig = Rig::new();
        let said = rig.warning(script, b"hello\n");
        assert!(said.contains("all lines are thrown away"), "{said}");
        assert_eq!(fs::read_dir(rig.scratch.path()).expect("own directory").count(), 0, "{script:?}");
    }
}

#[test]
fn y_takes_how_old_data_may_be_before_it_is_on_disk() {
    ours_only!();
    for argument in ["y0", "y1s", "y5s", "y2m", "yoff"] {
        let rig = Rig::new();
        rig.log(&[argument, "./main"], b"hello\n");
        assert_eq!(rig.text(), "hello\n", "{argument}");
        assert_eq!(rig.main.mode("current"), Some(0o744), "{argument}");
    }
}

/// GNU date, asked in another zone, knows the moment again.
#[test]
fn i_stamps_with_local_time_and_its_offset() {
    ours_only!();
    let now = || std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    for (zone, offset) in [("UTC", "+00:00"), ("Asia/Kolkata", "+05:30"), ("XYZ3:30", "-03:30")] {
        let rig = Rig::new();
        let before = now();
        let out = rig.cmd(&["i", "./main"]).env("TZ", zone).run(b"hello\n\n");
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
        let text = rig.text();
        let stamps: Vec<&str> = text.lines().map(|line| &line[..35]).collect();
        assert!(stamps.len() == 2 && stamps.is_sorted() && stamps[0] != stamps[1], "{text}");
        assert_eq!(text, format!("{} hello\n{} \n", stamps[0], stamps[1]));
        assert!(stamps[0].ends_with(offset), "{zone}: {text}");
        let date = Cmd::new("date").args(["-d", stamps[0], "+%s"]).env("TZ", "Asia/Tokyo").run(b"");
        let moment = String::from_utf8_lossy(&date.stdout).trim().parse::<u64>();
        assert!(moment.is_ok_and(|moment| (before..=now()).contains(&moment)), "{date}");
    }
}

#[test]
fn r_begins_a_file_for_each_span_of_time() {
    ours_only!();
    let rig = Rig::new();
    let mut running = rig.cmd(&["t", "r2s", "./main"]).spawn();
    for number in 0..50 {
        running.send(format!("{number}\n").as_bytes());
        std::thread::sleep(Duration::from_millis(100));
    }
    // The last file is finished though nothing comes any more.
    wait_until(SOON, "it is rotated", || rig.main.read("current").is_empty());
    assert_eq!(running.wait().status(), "exit 0");
    let old = rig.main.old_logs();
    assert!(old.len() >= 3, "{old:?}");
    let mut lines = 0;
    let mut spans = Vec::new();
    for name in &old {
        let text = String::from_utf8(rig.main.read(name)).expect("text");
        lines += text.lines().count();
        let span =
            |line: &str| (i64::from_str_radix(&line[1..17], 16).expect("a label") - (1 << 62) - 10) / 2;
        spans.extend(text.lines().map(span).collect::<std::collections::BTreeSet<_>>());
    }
    assert_eq!((lines, spans.len()), (50, old.len()), "{spans:?}");
}

#[test]
fn r_finds_yesterdays_lines_in_current_at_the_start() {
    ours_only!();
    for (zone, hours, files) in [("UTC", 30, 1), ("ABC-14", 30, 1), ("UTC", 0, 0)] {
        let rig = Rig::with_files(&[]);
        fs::write(rig.main.join("current"), "yesterday\n").expect("own file");
        let then = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
        let current = fs::File::options().append(true).open(rig.main.join("current")).expect("own file");
        current.set_modified(then).expect("own file");
        let out = rig.cmd(&["r1d", "./main"]).env("TZ", zone).run(b"today\n");
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()));
        assert_eq!((rig.main.old_logs().len(), rig.text().as_str()), (files, "yesterday\ntoday\n"));
    }
}

#[test]
fn b_bounds_the_bytes_of_old_logs() {
    ours_only!();
    let rig = Rig::with_files(&[
        ("@400000003b4a39c200000000.s", 0o744, "one\n"),
        ("@400000003b4a39c300000000.s", 0o744, "two and more\n"),
        ("@400000003b4a39c400000000.u", 0o644, "three\n"),
    ]);
    let mut running = rig.cmd(&["b20", "./main"]).spawn();
    let count = |wanted: usize| wait_until(SOON, "old logs go", || rig.main.old_logs().len() == wanted);
    count(2);
    rig.rotate(&mut running, "four\n");
    wait_until(SOON, "old logs go", || rig.text() == "three\nfour\n");
    assert_eq!(running.wait().status(), "exit 0");
}

#[test]
fn p_sets_the_mode_and_the_mark_stays() {
    ours_only!();
    let modes = |rig: &Rig| {
        let old = rig.main.old_logs().iter().map(|name| rig.main.mode(name)).collect::<Vec<_>>();
        (rig.main.mode("current"), rig.main.mode("state"), old)
    };
    for (action, processor, open, done) in
        [("p0640", "!", 0o640, 0o740), ("p600", "!cat", 0o600, 0o700), ("p0664", "!cat", 0o664, 0o764)]
    {
        let rig = Rig::new();
        let mut running = rig.cmd(&[action, processor, "./main"]).spawn();
        rig.rotate(&mut running, "one\n");
        wait_until(SOON, "it is finished", || modes(&rig) == (Some(open), Some(open), vec![Some(done)]));
        assert_eq!(running.wait().status(), "exit 0");
        assert_eq!(rig.main.mode("current"), Some(done), "{action}");
        // The next logger has a mode of its own.
        let mut running = rig.cmd(&["./main"]).spawn();
        rig.rotate(&mut running, "two\n");
        assert_eq!(running.wait().status(), "exit 0");
        assert_eq!((rig.main.mode("current"), rig.text().as_str()), (Some(0o744), "one\ntwo\n"));
    }
}

#[test]
fn a_script_is_explained_and_nothing_is_opened() {
    ours_only!();
    let rig = Rig::new();
    let out = rig.cmd(&["--explain", "t", "-*debug*", "nfoo", "./main"]).run(b"hello\n");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.starts_with("A TAI64N label is put before each line.\n\nDirectory ./main gets "), "{out}");
    assert_eq!(out.messages(), "multilog: warning: action nfoo: foo behind it is ignored; using 2\n");
    assert_eq!((out.status().as_str(), rig.main.names().len()), ("exit 0", 0));
    // In another place it is a pattern.
    rig.log(&["-x", "--explain", "./main"], b"-explain\nhello\n");
    assert_eq!(rig.text(), "hello\n");
}

#[test]
fn help_and_version_are_shown_when_they_stand_alone() {
    ours_only!();
    let rig = Rig::new();
    let help = rig.log(&["--help"], b"");
    assert!(help.stdout.starts_with(b"usage: multilog ") && help.stdout.ends_with(b"\n"), "{help}");
    let version = rig.log(&["--version"], b"");
    assert!(version.stdout.starts_with(b"multilog ") && version.stdout.ends_with(b"\n"), "{version}");
    // Beside other actions they are patterns, as in the original.
    let out = rig.log(&["--help", "--version", "./main"], b"-help\n-version\nx\n");
    assert_eq!((out.stdout.len(), rig.text().as_str()), (0, "x\n"));
}

// ---- old logs and the clock ----

#[test]
fn fault_03_after_the_clock_went_back_new_names_are_still_greater_and_the_oldest_goes_first() {
    ours_only!();
    // Written when the clock was an hour ahead.
    let ahead = label(3600) + ".s";
    let rig = Rig::with_files(&[(&ahead, 0o744, "ahead\n")]);
    let mut running = rig.cmd(&["n3", "./main"]).spawn();
    rig.rotate(&mut running, "one\n");
    let names = rig.main.old_logs();
    assert_eq!((names.len(), &names[0]), (2, &ahead), "{names:?}");
    rig.rotate(&mut running, "two\n");
    wait_until(SOON, "the oldest goes", || rig.main.old_logs().len() == 2);
    rig.rotate(&mut running, "three\n");
    wait_until(SOON, "the oldest goes", || rig.main.old_logs().len() == 2);
    let out = running.wait();
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
    assert_eq!(rig.text(), "two\nthree\n");
    assert!(rig.main.old_logs().iter().all(|name| *name > ahead));
}

#[test]
fn fault_04_old_logs_from_the_far_future_never_push_out_new_ones() {
    ours_only!();
    let names: Vec<String> = (0..10).map(|n| format!("@50000000000000000000000{n}.s")).collect();
    let files: Vec<(&str, u32, &str)> = names.iter().map(|name| (name.as_str(), 0o744, "future\n")).collect();
    let rig = Rig::with_files(&files);
    let mut running = rig.cmd(&["n5", "./main"]).spawn();
    for text in ["1\n", "2\n", "3\n", "4\n", "5\n"] {
        rig.rotate(&mut running, text);
    }
    wait_until(SOON, "there are four old logs", || rig.main.old_logs().len() == 4);
    let out = running.wait();
    assert_eq!(out.status(), "exit 0", "{out}");
    let said = out.messages();
    assert!(said.starts_with("multilog: warning: ") && said.lines().count() == 1, "one warning: {said}");
    assert_eq!(rig.text(), "2\n3\n4\n5\n");
}

#[test]
fn fault_05_an_entry_that_cannot_be_deleted_does_not_stop_logging() {
    ours_only!();
    let rig = Rig::with_files(&[]);
    let stuck = "@400000005000000000000001.s";
    fs::create_dir_all(rig.main.join(stuck).join("full")).expect("own directory");
    let mut running = rig.cmd(&["n2", "./main"]).spawn();
    for text in ["1\n", "2\n", "3\n"] {
        rig.rotate(&mut running, text);
    }
    // Not counted: one old log of ours stays beside it.
    wait_until(SOON, "there is one old log beside it", || rig.main.old_logs().len() == 2);
    let out = running.wait();
    assert_eq!(out.status(), "exit 0", "{out}");
    assert!(out.messages().lines().count() <= 1, "at most one warning: {out}");
    let names = rig.main.old_logs();
    assert_eq!((names.len(), names[0].as_str()), (2, stuck));
    assert_eq!(rig.main.read(&names[1]), b"3\n");
}

#[test]
fn fault_06_only_names_of_old_logs_are_counted_and_deleted() {
    ours_only!();
    let foreign = [
        "@this-is-a-note-of-25-chars",
        "@400000005000000000000001",
        "@400000005000000000000001.",
        "@40000000500000000000000A.s",
        "@4000000050000000000000011.s",
        "@40000000500000000000001.s",
        "notes",
        "@",
        "current.gz",
    ];
    // A file that cron has compressed still is one.
    let compressed = "@400000005000000000000002.s.gz";
    let mut files: Vec<(&str, u32, &str)> = foreign.iter().map(|&name| (name, 0o644, "foreign\n")).collect();
    files.push((compressed, 0o644, "compressed"));
    let rig = Rig::with_files(&files);
    let elsewhere = rig.scratch.join("elsewhere");
    fs::write(&elsewhere, "precious\n").expect("own directory");
    let link = "@400000005000000000000003.s";
    std::os::unix::fs::symlink(&elsewhere, rig.main.join(link)).expect("own directory");
    let mut running = rig.cmd(&["n3", "./main"]).spawn();
    for text in ["1\n", "2\n", "3\n"] {
        rig.rotate(&mut running, text);
    }
    wait_until(SOON, "the compressed one is deleted", || rig.main.mode(compressed).is_none());
    let mine = |name: &String| name.ends_with(".s") && !foreign.contains(&name.as_str()) && name != link;
    wait_until(SOON, "two of ours stay", || {
        rig.main.old_logs().iter().filter(|name| mine(name)).count() == 2
    });
    assert_eq!(running.wait().status(), "exit 0");
    for name in foreign {
        assert_eq!(rig.main.read(name), b"foreign\n", "{name}");
    }
    assert!(rig.main.join(link).is_symlink() && elsewhere.is_file());
    let mut kept = rig.main.old_logs();
    kept.retain(mine);
    assert_eq!(kept.iter().flat_map(|name| rig.main.read(name)).collect::<Vec<u8>>(), b"2\n3\n");
}

#[test]
fn fault_07_a_backup_made_of_hard_links_takes_no_log_away() {
    ours_only!();
    let rig = Rig::new();
    let mut running = rig.cmd(&["./main"]).spawn();
    for turn in ["1\n", "2\n"] {
        running.send(turn.as_bytes());
        wait_until(SOON, "the line is in current", || rig.main.read("current") == turn.as_bytes());
        // As `cp -al` and rsnapshot do.
        let backup = rig.scratch.join(format!("backup-{}", turn.trim()));
        fs::hard_link(rig.main.join("current"), backup).expect("a file system with hard links");
        running.settle();
        running.signal(Signal::ALARM);
        wait_until(SOON, "the file is finished", || {
            rig.main.read("current").is_empty() && rig.main.mode("previous").is_none()
        });
    }
    assert_eq!(running.wait().status(), "exit 0");
    assert_eq!(rig.text(), "1\n2\n");
    assert_eq!(rig.main.forms(), ["@.s", "@.s", "current", "lock", "state"]);
}

#[test]
fn fault_09_a_name_that_is_taken_is_never_overwritten() {
    ours_only!();
    // The last nanosecond of a second yet to come: the name after it is in the next second.
    let newest = label(60)[..17].to_owned() + "3b9ac9ff.s";
    let rig = Rig::with_files(&[(&newest, 0o744, "newest\n")]);
    let mut running = rig.cmd(&["./main"]).spawn();
    rig.rotate(&mut running, "one\n");
    rig.rotate(&mut running, "two\n");
    assert_eq!(running.wait().status(), "exit 0");
    assert_eq!(rig.text(), "newest\none\ntwo\n");
}

// ---- input ----

#[test]
fn fault_27_an_input_that_does_not_block_is_waited_for() {
    ours_only!();
    let rig = Rig::new();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).expect("our pipe");
    let running = rig.cmd(&["./main"]).spawn_on(reader);
    for text in ["one\n", "one\ntwo\n"] {
        running.settle();
        std::io::Write::write_all(&mut writer, &text.as_bytes()[text.len() - 4..])
            .expect("a pipe that is read");
        wait_until(SOON, "the line is logged", || rig.text() == text);
    }
    drop(writer);
    assert_eq!(running.wait_open().status(), "exit 0");
}

#[test]
fn fault_28_an_input_that_cannot_be_read_is_no_end_of_input() {
    ours_only!();
    let rig = Rig::new();
    let directory = fs::File::open(rig.scratch.path()).expect("own directory");
    let out = rig.cmd(&["./main"]).spawn_on(directory).wait_open();
    assert_eq!(out.status(), "exit 111");
    assert_eq!(out.messages(), "multilog: fatal: unable to read input: is a directory\n");
}

#[test]
fn input_may_be_a_regular_file_and_is_read_from_where_it_stands() {
    let rig = Rig::new();
    let path = rig.scratch.join("input");
    fs::write(&path, "zero\none\ntwo\nend").expect("own directory");
    let mut file = fs::File::open(&path).expect("just written");
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(5)).expect("a regular file");
    let out = rig.cmd(&["./main"]).spawn_on(file.try_clone().expect("a second descriptor")).wait_open();
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_eq!(rig.text(), "one\ntwo\nend\n");
    assert_eq!(std::io::Seek::stream_position(&mut file).expect("a regular file"), 16, "all of it is taken");
}

#[test]
fn input_may_be_a_stream_socket() {
    let rig = Rig::new();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
    let stdin = std::process::Stdio::from(std::os::fd::OwnedFd::from(theirs));
    let running = rig.cmd(&["./main"]).spawn_on(stdin);
    std::io::Write::write_all(&mut ours, b"one\ntw").expect("a socket that is read");
    running.settle();
    std::io::Write::write_all(&mut ours, b"o\nend").expect("a socket that is read");
    drop(ours);
    let out = running.wait_open();
    assert_eq!(out.status(), "exit 0", "{out}");
    assert_eq!(rig.text(), "one\ntwo\nend\n");
}
