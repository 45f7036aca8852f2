//! Where multilog is to do what the original does, it does: one script and one input go through both programs, each in a
//! directory of its own, and exit code, stderr and everything on disk must be alike.
//!
//! Stamps and labels are compared by form. Where within its last 2000 bytes a file ends depends on how much each program reads
//! at a time; so once a directory has old logs, the concatenation of its files is compared, and the size rules for each.
//!
//! What ours does otherwise, and why, is in `differs.rs`; what a directory is found in at the start, in `recovery.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use rustix::fs::FlockOperation;
use tests::feeder::seed;
use tests::{
    Cmd, Item, LogDir, Running, Scratch, Show, Signal, Snapshot, Stamp, mask_labels, original, program,
    uses_original, wait_until,
};

const SOON: Duration = Duration::from_secs(10);

/// One run: what happens before, what is fed, and what is done in between.
struct Run<'a> {
    script: Vec<String>,
    prepare: &'a dyn Fn(&Path),
    drive: &'a dyn Fn(&mut Running, &LogDir),
}

/// What a run left.
#[derive(Debug, Clone, PartialEq)]
struct Left {
    status: String,
    messages: Messages,
    disk: Snapshot,
}

/// Bytes of stderr, shown readably.
#[derive(Clone, PartialEq)]
struct Messages(Vec<u8>);

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", Show(&self.0))
    }
}

/// Of a script without a destination the original says nothing.
const NOWHERE: &str = "multilog: warning: no log directory, which begins with . or /, nor another destination: all lines are thrown away\n";

impl<'a> Run<'a> {
    /// Warnings of what has no effect for want of a destination behind it.
    fn leads_nowhere(&self) -> String {
        let destination = |action: &String| action.starts_with(['.', '/', 'e', '=']);
        let Some(last) = self.script.iter().rposition(destination) else { return NOWHERE.to_owned() };
        let directory = self.script.iter().rposition(|action| action.starts_with(['.', '/']));
        let is_setting = |action: &String| action.starts_with(['s', 'n', '!']);
        let is_pattern = |action: &String| action.starts_with(['+', '-']);
        let in_vain = self.script.iter().enumerate().filter(|(at, action)| {
            (is_setting(action) && directory.is_none_or(|directory| *at > directory))
                || (is_pattern(action) && *at > last)
        });
        in_vain
            .map(|(_, action)| {
                let shown = action.as_bytes().escape_ascii();
                let kind = if is_pattern(action) { "destinations" } else { "directories" };
                format!("multilog: warning: action {shown}: it is for {kind} behind it, and there is none; ignored\n")
            })
            .collect()
    }

    fn new(script: &[&str]) -> Run<'a> {
        let script = script.iter().map(|&action| action.to_owned()).collect();
        Run { script, prepare: &|_| {}, drive: &|_, _| {} }
    }

    /// Runs one program in a fresh directory below `scratch`; `./main` there is the directory that `drive` may look at.
    fn through(&self, program: &Path, scratch: &Scratch, name: &str) -> Left {
        let dir = scratch.join(name);
        fs::create_dir(&dir).expect("a fresh directory");
        (self.prepare)(&dir);
        let mut running = Cmd::new(program).args(&self.script).cwd(&dir).env("TZ", "UTC").spawn();
        (self.drive)(&mut running, &LogDir::new(dir.join("main")));
        let out = running.wait();
        let stamp = Stamp::of_script(&self.script);
        Left {
            status: out.status(),
            messages: Messages(mask_labels(&stamp.mask(&out.stderr))),
            disk: Snapshot::of(&dir),
        }
    }

    /// Runs both and compares. `false` where the original is not installed.
    fn compare(&self) -> Result<bool, String> {
        let Some(original) = original("multilog") else { return Ok(false) };
        let scratch = Scratch::new();
        let ours = self.through(&program("multilog"), &scratch, "ours");
        let theirs = self.through(&original, &scratch, "original");
        self.alike(&ours, &theirs).map(|()| true).map_err(|what| {
            format!("{what}\nscript: {:?}\nours: {ours:#?}\noriginal: {theirs:#?}", self.script)
        })
    }

    fn alike(&self, ours: &Left, theirs: &Left) -> Result<(), String> {
        let stamp = Stamp::of_script(&self.script);
        equal("exit code", &ours.status, &theirs.status)?;
        // What is warned of by ours alone comes first.
        let said = if uses_original() {
            theirs.messages.0.clone()
        } else {
            [self.leads_nowhere().as_bytes(), &theirs.messages.0].concat()
        };
        equal("stderr", &ours.messages, &Messages(said))?;
        let (mut ours, mut theirs) = (ours.disk.clone(), theirs.disk.clone());
        for dir in directories(&self.script) {
            let (our_logs, their_logs) = (dir.take_logs(&mut ours), dir.take_logs(&mut theirs));
            if our_logs.len() > 1 || their_logs.len() > 1 {
                dir.check_rotated(&our_logs, &their_logs, stamp)?;
            } else {
                let mask = |items: Vec<Item>| Snapshot { items }.masked(stamp);
                equal(&dir.name, &mask(our_logs), &mask(their_logs))?;
            }
        }
        equal("on disk", &ours.masked(stamp), &theirs.masked(stamp))
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}:\n  ours     {ours:?}\n  original {theirs:?}")) }
}

/// A directory of a script with what is in force there.
struct Directory {
    name: String,
    size: usize,
    num: usize,
    processor: Option<String>,
}

/// The directories of a script, as the manual says: `s`, `n` and `!` hold for those that come later.
fn directories(script: &[String]) -> Vec<Directory> {
    let (mut size, mut num, mut processor) = (99_999, 10, None);
    let mut found = Vec::new();
    for action in script {
        match action.split_at_checked(1) {
            Some(("s", digits)) => size = digits.parse().unwrap_or(size).max(4096),
            Some(("n", digits)) => num = digits.parse().unwrap_or(num).max(2),
            Some(("!", command)) => processor = Some(command.to_owned()),
            Some(("." | "/", _)) => {
                let name = action.trim_start_matches("./").to_owned();
                found.push(Directory { name, size, num, processor: processor.clone() });
            }
            _ => {}
        }
    }
    found
}

impl Directory {
    /// Takes the old logs and `current` out of a snapshot.
    fn take_logs(&self, snapshot: &mut Snapshot) -> Vec<Item> {
        let is_log = |item: &mut Item| {
            let name = item.path.strip_prefix(&format!("{}/", self.name));
            name.is_some_and(|name| name.starts_with('@') || name == "current")
        };
        snapshot.items.extract_if(.., is_log).collect()
    }

    fn check_rotated(&self, ours: &[Item], theirs: &[Item], stamp: Stamp) -> Result<(), String> {
        for (who, logs) in [("ours", ours), ("original", theirs)] {
            self.check_rules(logs).map_err(|what| format!("{} of {who}: {what}", self.name))?;
        }
        let (our_bytes, their_bytes) = (self.content(ours, stamp), self.content(theirs, stamp));
        // A full directory has dropped its oldest logs, and these need not end at the same line in both. A stamp whose line
        // began in a dropped file is gone in one and there in the other: that first line is left out.
        let same = if ours.len().max(theirs.len()) < self.num {
            our_bytes == their_bytes
        } else {
            let (long, short) = if our_bytes.len() > their_bytes.len() {
                (&our_bytes, &their_bytes)
            } else {
                (&their_bytes, &our_bytes)
            };
            long.ends_with(short)
        };
        if same {
            return Ok(());
        }
        let (ours, theirs) = (Show(&our_bytes), Show(&their_bytes));
        Err(format!("{}: all its files in order:\n  ours     {ours:?}\n  original {theirs:?}", self.name))
    }

    /// All files in order, with stamps masked. Where there is a processor (in these tests it looks at one line at a time),
    /// `current` goes through it too: which lines are still in `current` is one of the things that need not be alike.
    fn content(&self, logs: &[Item], stamp: Stamp) -> Vec<u8> {
        let piece = |log: &Item| match &self.processor {
            Some(command) if log.path.ends_with("/current") => {
                Cmd::new("sh").args(["-c", command]).run(&log.content).stdout
            }
            _ => log.content.clone(),
        };
        stamp.mask(&logs.iter().flat_map(piece).collect::<Vec<u8>>())
    }

    /// The rules of size and number that hold for every rotated directory.
    fn check_rules(&self, logs: &[Item]) -> Result<(), String> {
        let Directory { size, num, .. } = *self;
        if logs.len() > num {
            return Err(format!("{} files, n{num}", logs.len()));
        }
        for log in logs {
            let (len, mode) = (log.content.len(), log.mode);
            if mode != 0o744 {
                return Err(format!("{}: mode {mode:04o}", log.path));
            }
            if self.processor.is_some() || log.path.ends_with("/current") {
                continue;
            }
            if len > size {
                return Err(format!("{}: {len} bytes, s{size}", log.path));
            }
            if len < size - 2000 {
                return Err(format!("{}: rotated after only {len} bytes, s{size}", log.path));
            }
            if len < size && log.content.last() != Some(&b'\n') {
                return Err(format!("{}: ends inside a line after {len} bytes, s{size}", log.path));
            }
        }
        Ok(())
    }
}

/// Both programs do the same with this script and input.
#[track_caller]
fn same(script: &[&str], input: &[u8]) {
    same_chunks(script, &[input]);
}

/// The same with one write for each chunk.
#[track_caller]
fn same_chunks(script: &[&str], chunks: &[&[u8]]) {
    let feed = |running: &mut Running, _: &LogDir| chunks.iter().for_each(|chunk| running.send(chunk));
    check(Run { drive: &feed, ..Run::new(script) });
}

/// The same in a directory that is not fresh.
#[track_caller]
fn same_after(prepare: &dyn Fn(&Path), script: &[&str], input: &[u8]) {
    check(Run { prepare, drive: &|running, _| running.send(input), ..Run::new(script) });
}

#[track_caller]
fn check(run: Run<'_>) {
    if let Err(what) = run.compare() {
        panic!("{what}");
    }
}

/// `count` lines of about `length` bytes, no two alike.
fn numbered(count: usize, length: usize) -> Vec<u8> {
    (0..count).flat_map(|n| format!("{n:07} {:x<1$}\n", "", length.saturating_sub(9)).into_bytes()).collect()
}

/// A line of exactly this many bytes, its newline not counted.
fn line(length: usize) -> Vec<u8> {
    let mut line: Vec<u8> = (0..length).map(|n| b'a' + (n % 26) as u8).collect();
    line.push(b'\n');
    line
}

// ---- lines ----

#[test]
fn every_kind_of_line_goes_through_every_kind_of_action_unchanged() {
    let all_bytes: Vec<u8> = (0..=255).chain(*b"\nafter\n").collect();
    let lengths = |lengths: &[usize]| lengths.iter().flat_map(|&length| line(length)).collect::<Vec<u8>>();
    let inputs: [(&str, Vec<u8>); 16] = [
        ("empty input", vec![]),
        ("one empty line", b"\n".to_vec()),
        ("empty lines", b"\n\n\nx\n\n".to_vec()),
        ("one byte, no newline", b"x".to_vec()),
        ("one line", b"hello\n".to_vec()),
        ("last line without newline", b"hello\nwor".to_vec()),
        ("all 256 bytes", all_bytes),
        ("NULs", b"\0\n\0\0x\0\n\0".to_vec()),
        ("carriage returns and escapes", b"a\r\n\x1b[31mred\x1b[0m\r\n".to_vec()),
        (
            "lines that look like stamps",
            b"@400000006b0322141d1b8a24 x\n2024-07-29 10:36:08.811661123 y\n".to_vec(),
        ),
        ("around 200 bytes", lengths(&[173, 174, 175, 199, 200, 201, 5])),
        ("around 1000 bytes", lengths(&[973, 974, 975, 999, 1000, 1001, 5])),
        ("longer than a head, no newline", vec![b'q'; 1500]),
        ("10,000 bytes", lengths(&[3, 10_000, 3])),
        ("100,000 bytes", lengths(&[3, 100_000, 3])),
        ("many lines", numbered(900, 60)),
    ];
    let scripts: [&[&str]; 8] = [
        &["./main"],
        &["t", "./main"],
        &["e"],
        &["t", "e"],
        &["=status"],
        &["t", "=status", "./main"],
        &["t", "-*", "+*x*", "e", "=status", "./main"],
        &[],
    ];
    for (what, input) in &inputs {
        for script in scripts {
            let feed = |running: &mut Running, _: &LogDir| running.send(input);
            match (Run { drive: &feed, ..Run::new(script) }).compare() {
                Ok(true) => {}
                Ok(false) => return,
                Err(difference) => panic!("{what}: {difference}"),
            }
        }
    }
}

#[test]
fn single_bytes_and_other_chunks_give_the_same_log() {
    let text = [numbered(4, 30), line(1003), b"end".to_vec()].concat();
    same_chunks(&["t", "=status", "./main"], &text.chunks(1).collect::<Vec<_>>());
    same_chunks(&["t", "=status", "./main"], &text.chunks(7).collect::<Vec<_>>());
    same_chunks(&["./main"], &text.chunks(999).collect::<Vec<_>>());
}

// ---- stamps ----

#[test]
fn of_the_action_t_only_the_first_byte_is_looked_at() {
    let Some(original) = original("multilog") else { return };
    let scratch = Scratch::new();
    let run = Run { drive: &|running, _| running.send(b"a\n"), ..Run::new(&["timestamps", "./main"]) };
    let ours = run.through(&program("multilog"), &scratch, "ours");
    let theirs = run.through(&original, &scratch, "original");
    assert_eq!(ours.disk.masked(Stamp::Tai64n), theirs.disk.masked(Stamp::Tai64n));
}

#[test]
fn labels_are_read_by_the_original_tai64nlocal_as_the_time_of_day() {
    let Some(tai64nlocal) = original("tai64nlocal") else { return };
    let scratch = Scratch::new();
    let before = date("UTC");
    let out = Cmd::new(program("multilog")).args(["t", "./main"]).cwd(scratch.path()).run(b"hello\n");
    let after = date("UTC");
    assert_eq!(out.status(), "exit 0", "{out}");
    let read = Cmd::new(tai64nlocal).env("TZ", "UTC").run(&LogDir::new(scratch.join("main")).all());
    let (stamp, rest) = Stamp::Date.split(&read.stdout).expect("a line that starts with a date");
    assert_eq!(rest, b"hello\n");
    let stamp = String::from_utf8_lossy(&stamp[..19]).into_owned();
    assert!(before <= stamp && stamp <= after, "{before} <= {stamp} <= {after}");
}

/// The time of day in a zone, as the system's own `date` says it.
fn date(zone: &str) -> String {
    let out = Cmd::new("date").arg("+%Y-%m-%d %H:%M:%S").env("TZ", zone).run(b"");
    String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
}

// ---- patterns ----

#[test]
fn patterns_match_as_the_manual_of_star_patterns_says() {
    // Pattern, lines it matches, lines it does not.
    let rows: [(&str, &[&str], &[&str]); 14] = [
        ("hello", &["hello"], &["hello world", "hell", "", " hello", "Hello"]),
        ("*ab", &["xab", "ab"], &["aab", "xabx", "xaab"]),
        ("**", &["a*b", "*", "**x"], &["ab", ""]),
        ("[*] x", &["[12] x", "[] x"], &["[1]] x", "[12] y"]),
        ("a*b", &["axb", "ab", "axxb"], &["axbb", "abb", "xab"]),
        ("a*", &["a", "abc", "a*"], &["", "ba"]),
        ("", &[""], &["x", " "]),
        ("*", &["", "x", "any thing"], &[]),
        ("*:*:*", &["a:b:c", "::", "a:b:c:d"], &["a:b", ":"]),
        ("*a*b", &["xaxb", "ab"], &["xaxbb", "b"]),
        ("status: *", &["status: ", "status: x"], &["status:", "xstatus: x"]),
        ("*.c", &["x.c"], &["x.h.c", "x.cc"]),
        ("?", &["?"], &["x", ""]),
        ("\\*", &["\\", "\\x"], &["*", ""]),
    ];
    for (pattern, matched, others) in rows {
        let input: Vec<u8> =
            matched.iter().chain(others).flat_map(|l| format!("{l}\n").into_bytes()).collect();
        let want: Vec<u8> = matched.iter().flat_map(|l| format!("{l}\n").into_bytes()).collect();
        let select = ["-*", &format!("+{pattern}"), "./main"];
        same(&select, &input);
        same(&[&format!("-{pattern}"), "./main"], &input);
        let scratch = Scratch::new();
        let out = Cmd::new(program("multilog")).args(select).cwd(scratch.path()).run(&input);
        assert_eq!(out.status(), "exit 0", "{out}");
        let got = LogDir::new(scratch.join("main")).all();
        assert_eq!(Show(&got).to_string(), Show(&want).to_string(), "pattern {pattern:?}");
    }
}

#[test]
fn the_stamp_and_its_space_belong_to_the_line_that_patterns_see() {
    let input = b"fatal: x\nx fatal: y\nnone\n";
    same(&["t", "-*", "+* fatal: *", "./main"], input);
    same(&["t", "-*", "+fatal: *", "./main"], input);
    same(&["t", "-@4*", "./main"], input);
    same(&["t", "-* none", "=status", "e", "./main"], input);
}

#[test]
fn patterns_see_the_first_1000_bytes_stamp_included() {
    // A `Z` at each of these places, counted from 1, in a line of 1100 bytes.
    let marked = |at: usize| [vec![b'a'; at - 1], vec![b'Z'], vec![b'a'; 1100 - at], vec![b'\n']].concat();
    let input: Vec<u8> = [973, 974, 975, 976, 999, 1000, 1001].into_iter().flat_map(marked).collect();
    same(&["-*", "+*Z*", "./main"], &input);
    same(&["t", "-*", "+*Z*", "./main"], &input);
    same(&["-*Z*", "./main"], &input);
}

#[test]
fn the_last_matching_pattern_decides_and_each_directory_takes_the_selection_at_its_place() {
    let input = b"alpha\nbeta\ngamma\nalphabet\n";
    same(&["./all", "-*", "./none", "+alpha*", "./a", "-*bet", "./b", "+*", "./again"], input);
    same(&["-*", "./none", "+*", "./all"], input);
    same(&["t", "-alpha", "-beta", "./x", "+* beta", "e", "./y", "-*", "=status", "./z"], input);
}

// ---- alerts and status files ----

#[test]
fn alerts_show_200_bytes_and_then_dots() {
    let input: Vec<u8> =
        [0, 1, 173, 174, 175, 198, 199, 200, 201, 999, 1000, 1001, 5000].into_iter().flat_map(line).collect();
    same(&["e"], &input);
    same(&["t", "e"], &input);
    same(&["e", "-*", "e"], &input);
    same(&["e", "e", "./main"], &input);
}

#[test]
fn a_status_file_holds_the_last_selected_line_and_is_1001_bytes() {
    same(&["=status"], b"first\nsecond\n");
    same(&["=status"], b"a rather long line\nx\n");
    same(&["=a", "-*", "+*2*", "=b"], b"line 1\nline 2\nline 3\n");
    same(&["t", "=status", "./main"], b"no newline");
    for length in [999, 1000, 1001, 1500, 5000] {
        same(&["=status"], &line(length));
        // A short one after a long one: nothing of the long one stays.
        same(&["=status"], &[line(length), b"short\n".to_vec()].concat());
        same(&["t", "=status"], &[line(length), b"short\n".to_vec()].concat());
    }
}

#[test]
fn an_older_status_file_is_overwritten_in_place_and_never_cut() {
    for old in [10, 1001, 1500] {
        let prepare = move |dir: &Path| {
            fs::write(dir.join("status"), vec![b'o'; old]).expect("a fresh directory");
            fs::set_permissions(dir.join("status"), fs::Permissions::from_mode(0o640)).expect("own file");
        };
        same_after(&prepare, &["=status"], b"new\n");
        same_after(&prepare, &["=status", "./main"], b"");
        same_after(&prepare, &["-*", "=status"], b"not selected\n");
    }
}

// ---- rotation ----

#[test]
fn a_directory_rotates_by_size_and_loses_nothing_while_there_is_room() {
    for length in [10, 60, 500, 1500, 1999, 2000, 2001, 3000] {
        same(&["s4096", "n1000", "./main"], &numbered(60_000 / length, length));
        same(&["t", "s4096", "n1000", "./main"], &numbered(60_000 / length, length));
    }
    same(&["t", "s10000", "n20", "./main"], &numbered(1500, 60));
    same(&["./main"], &numbered(5000, 60));
}

#[test]
fn lines_around_the_size_of_a_file_are_split_at_it() {
    let size = 4096;
    for length in [size - 2001, size - 2000, size - 1999, size - 2, size - 1, size, size + 1, 10_000, 100_000]
    {
        same(&["s4096", "n100", "./main"], &line(length));
        same(
            &["t", "s4096", "n100", "./main"],
            &[b"a\n".to_vec(), line(length), b"b\n".to_vec(), line(length)].concat(),
        );
        same(&["t", "s4096", "n100", "./main"], &line(length)[..length]);
    }
}

#[test]
fn no_more_than_n_files_stay() {
    for num in ["n2", "n3", "n7"] {
        same(&["t", "s4096", num, "./main"], &numbered(1500, 60));
    }
    // The default is ten.
    same(&["s4096", "./main"], &numbered(1500, 60));
}

#[test]
fn size_and_number_hold_for_the_directories_after_them() {
    let input = numbered(900, 60);
    same(&["./default", "s5000", "./small", "n3", "./few", "s20000", "n2", "./last"], &input);
    same(&["s5000", "s9000", "n4", "n6", "./main"], &input);
}

#[test]
fn a_clean_current_larger_than_a_lowered_size_is_rotated_before_the_first_write() {
    let prepare = |dir: &Path| clean_directory(&dir.join("main"), &numbered(3, 2000));
    same_after(&prepare, &["s100000", "./main"], b"new\n");
    same_after(&prepare, &["s6000", "./main"], b"");
    // Both rotate the 6000 bytes away first; that file is larger than the size now in force.
    let Some(original) = original("multilog") else { return };
    let scratch = Scratch::new();
    let run = Run {
        prepare: &prepare,
        drive: &|running, _| running.send(b"new\n"),
        ..Run::new(&["s4096", "./main"])
    };
    let ours = run.through(&program("multilog"), &scratch, "ours");
    let theirs = run.through(&original, &scratch, "original");
    assert_eq!(ours.disk.masked(Stamp::None), theirs.disk.masked(Stamp::None));
}

#[test]
fn a_lowered_number_works_at_the_next_rotation() {
    let prepare = |dir: &Path| {
        clean_directory(&dir.join("main"), b"old\n");
        for n in 1..=6 {
            let name = dir.join(format!("main/@40000000500000000000000{n}.s"));
            fs::write(&name, format!("archive {n}\n")).expect("own directory");
            fs::set_permissions(&name, fs::Permissions::from_mode(0o744)).expect("own file");
        }
    };
    let rotate = |running: &mut Running, main: &LogDir| {
        running.send(b"new\n");
        wait_until(SOON, "the line is in current", || main.read("current").ends_with(b"new\n"));
        running.settle();
        running.signal(Signal::ALARM);
        wait_until(SOON, "the directory is trimmed to n3", || {
            main.old_logs().len() == 2 && main.read("current").is_empty()
        });
    };
    let Some(original) = original("multilog") else { return };
    let scratch = Scratch::new();
    let run = Run { prepare: &prepare, drive: &rotate, ..Run::new(&["n3", "./main"]) };
    let ours = run.through(&program("multilog"), &scratch, "ours");
    let theirs = run.through(&original, &scratch, "original");
    assert_eq!(ours.status, "exit 0");
    assert_eq!(ours.disk.masked(Stamp::None), theirs.disk.masked(Stamp::None));
}

#[test]
fn an_end_of_input_at_any_moment_of_a_rotation_ends_the_program() {
    if original("multilog").is_none() {
        return;
    }
    for lines in 35..95 {
        same(&["s4096", "./main"], &numbered(lines, 60));
    }
}

/// A directory that a logger has closed in order.
fn clean_directory(main: &Path, current: &[u8]) {
    fs::create_dir(main).expect("a fresh directory");
    for (name, content, mode) in
        [("lock", &b""[..], 0o600), ("state", b"", 0o644), ("current", current, 0o744)]
    {
        fs::write(main.join(name), content).expect("own directory");
        fs::set_permissions(main.join(name), fs::Permissions::from_mode(mode)).expect("own file");
    }
}

// ---- signals ----

#[test]
fn alrm_rotates_a_directory_that_is_not_empty() {
    let drive = |running: &mut Running, main: &LogDir| {
        running.send(b"one\ntwo\n");
        wait_until(SOON, "the lines are in current", || main.lines().len() == 2);
        running.settle();
        running.signal(Signal::ALARM);
        wait_until(SOON, "there is an old log", || main.forms() == ["@.s", "current", "lock", "state"]);
        // Nothing in current now: this one changes nothing.
        running.settle();
        running.signal(Signal::ALARM);
        running.settle();
        running.send(b"three\n");
        wait_until(SOON, "the third line is in current", || main.lines().len() == 3);
    };
    let Some(original) = original("multilog") else { return };
    for script in [&["t", "./main"], &["-*r*", "./main"]] {
        let scratch = Scratch::new();
        let drive: &dyn Fn(&mut Running, &LogDir) = if script[0] == "t" { &drive } else { &rotate_two };
        let run = Run { drive, ..Run::new(script) };
        let ours = run.through(&program("multilog"), &scratch, "ours");
        let theirs = run.through(&original, &scratch, "original");
        let stamp = Stamp::of_script(script);
        assert_eq!((ours.status, ours.messages), (theirs.status, theirs.messages));
        assert_eq!(ours.disk.masked(stamp), theirs.disk.masked(stamp));
    }
}

/// Two lines, a rotation, and nothing more.
fn rotate_two(running: &mut Running, main: &LogDir) {
    running.send(b"one\ntwo\n");
    wait_until(SOON, "the lines are in current", || main.read("current").len() == 8);
    running.settle();
    running.signal(Signal::ALARM);
    wait_until(SOON, "there is an old log", || main.forms() == ["@.s", "current", "lock", "state"]);
}

#[test]
fn term_after_whole_lines_ends_with_a_clean_current() {
    let Some(original) = original("multilog") else { return };
    let scratch = Scratch::new();
    let mut left = Vec::new();
    for (name, path) in [("ours", program("multilog")), ("original", original)] {
        let dir = scratch.join(name);
        fs::create_dir(&dir).expect("a fresh directory");
        let main = LogDir::new(dir.join("main"));
        let mut running = Cmd::new(path).args(["t", "./main"]).cwd(&dir).spawn();
        running.send(b"one\ntwo\n");
        wait_until(SOON, "the lines are in current", || main.lines().len() == 2);
        running.settle();
        running.signal(Signal::TERM);
        let out = running.wait_open();
        left.push((out.status(), out.messages(), Snapshot::of(&dir).masked(Stamp::Tai64n)));
    }
    assert_eq!(left[0], left[1]);
    assert_eq!(left[0].0, "exit 0");
}

#[test]
fn what_term_leaves_in_the_pipe_the_next_logger_takes() {
    let Some(original) = original("multilog") else { return };
    let input = numbered(600, 60);
    for path in [program("multilog"), original] {
        let scratch = Scratch::new();
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        std::io::Write::write_all(&mut writer, &input).expect("36,000 bytes fit into a pipe");
        drop(writer);
        let first = Cmd::new(&path)
            .arg("./main")
            .cwd(scratch.path())
            .spawn_on(reader.try_clone().expect("a second end"));
        let current = scratch.join("main/current");
        wait_until(SOON, "the logger has begun", || current.exists());
        first.signal(Signal::TERM);
        let out = first.wait_open();
        assert_eq!(out.status(), "exit 0", "{out}");
        let out = Cmd::new(&path).arg("./main").cwd(scratch.path()).spawn_on(reader).wait();
        assert_eq!(out.status(), "exit 0", "{out}");
        let main = LogDir::new(scratch.join("main"));
        assert_eq!(Show(&main.all()).to_string(), Show(&input).to_string(), "{}", path.display());
    }
}

// ---- processors ----

#[test]
fn finished_files_go_through_the_processor_and_current_does_not() {
    let input = numbered(900, 60);
    same(&["s4096", "n100", "!cat", "./main"], &input);
    same(&["t", "s4096", "n100", "!tr x y", "./main"], &input);
    same(&["t", "s4096", "n3", "!tr x y", "./main"], &input);
    same(&["s4096", "n100", "!sed 's/^/> /'", "./sed", "!true", "./nothing"], &input);
    same(&["./before", "s4096", "n100", "!grep -v 3; :", "./after"], &input);
    same(&["s4096", "n100", "!true", "./gone"], &input);
}

#[test]
fn a_compressing_processor_leaves_archives_that_decompress_to_what_was_logged() {
    let Some(original) = original("multilog") else { return };
    let input = numbered(900, 60);
    for path in [program("multilog"), original] {
        let scratch = Scratch::new();
        let out = Cmd::new(&path).args(["s4096", "n100", "!gzip", "./main"]).cwd(scratch.path()).run(&input);
        assert_eq!((out.status(), out.messages()), ("exit 0".to_owned(), String::new()), "{out}");
        let main = LogDir::new(scratch.join("main"));
        assert!(main.old_logs().len() > 10, "{:?}", main.names());
        let packed: Vec<u8> = main.old_logs().iter().flat_map(|name| main.read(name)).collect();
        let mut all = Cmd::new("gzip").arg("-dc").run(&packed).stdout;
        all.extend(main.read("current"));
        assert_eq!(Show(&all).to_string(), Show(&input).to_string(), "{}", path.display());
    }
}

#[test]
fn a_processor_sees_its_directory_its_environment_and_keeps_a_state() {
    // Rotated by ALRM, so that both see the same files.
    let processor =
        "!read n <&4; echo $((n+1)) >&5; echo run $((n+1)): ${PWD##*/} $0 $# $(umask) $COLOUR; cat";
    let rotate_twice = |running: &mut Running, main: &LogDir| {
        for turn in 1..=2 {
            running.send(b"a\nb\n");
            wait_until(SOON, "the lines are in current", || main.read("current").len() == 4);
            running.settle();
            running.signal(Signal::ALARM);
            wait_until(SOON, "the file is finished", || {
                main.old_logs().len() == turn
                    && !main.names().iter().any(|name| name == "previous" || name == "newstate")
            });
        }
    };
    let Some(original) = original("multilog") else { return };
    let scratch = Scratch::new();
    let prepare = |dir: &Path| fs::write(dir.join("script"), processor).expect("a fresh directory");
    let run = Run { prepare: &prepare, drive: &rotate_twice, ..Run::new(&[processor, "./main"]) };
    let ours = run.through(&program("multilog"), &scratch, "ours");
    let theirs = run.through(&original, &scratch, "original");
    assert_eq!((ours.status, ours.messages), (theirs.status, theirs.messages));
    assert_eq!(ours.disk.masked(Stamp::None), theirs.disk.masked(Stamp::None));
    assert_eq!(LogDir::new(scratch.join("ours/main")).read("state"), b"2\n");
}

// ---- messages ----

#[test]
fn a_directory_without_a_parent_is_fatal() {
    same(&["./a/b"], b"x\n");
    same(&["t", "./good", "e"], b"x\n");
}

#[test]
fn a_directory_that_is_a_file_is_fatal() {
    same_after(&|dir| fs::write(dir.join("main"), "x").expect("a fresh directory"), &["./main"], b"x\n");
}

#[test]
fn a_locked_directory_is_fatal() {
    let Some(original) = original("multilog") else { return };
    let scratch = Scratch::new();
    let lock =
        fs::create_dir(scratch.join("main")).and_then(|()| fs::File::create(scratch.join("main/lock")));
    let lock = lock.expect("a fresh directory");
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("a fresh file");
    for path in [program("multilog"), original] {
        let out = Cmd::new(path).args(["t", "./main"]).cwd(scratch.path()).run(b"x\n");
        assert_eq!(out.status(), "exit 111");
        assert_eq!(out.messages(), "multilog: fatal: unable to lock directory ./main: temporary failure\n");
        assert_eq!(LogDir::new(scratch.join("main")).names(), ["lock"]);
    }
}

#[test]
fn the_same_directory_twice_is_fatal() {
    let Some(original) = original("multilog") else { return };
    for path in [program("multilog"), original] {
        let scratch = Scratch::new();
        let out = Cmd::new(path).args(["./main", "./main"]).cwd(scratch.path()).run(b"x\n");
        assert_eq!(out.status(), "exit 111");
        assert_eq!(out.messages(), "multilog: fatal: unable to lock directory ./main: temporary failure\n");
    }
}

#[test]
fn a_directory_as_current_is_fatal() {
    // The original needs the x bit to come so far; without it, it never starts: recovery.rs, row 16.
    same_after(
        &|dir| fs::create_dir_all(dir.join("main/current")).expect("a fresh directory"),
        &["./main"],
        b"x\n",
    );
}

#[test]
fn a_status_file_that_cannot_be_made_is_fatal_before_any_directory_is_made() {
    same(&["=./main/status", "./main"], b"x\n");
    same(&["./other", "=./no/status"], b"x\n");
    same_after(
        &|dir| fs::create_dir(dir.join("status")).expect("a fresh directory"),
        &["=status", "./main"],
        b"x\n",
    );
}

#[test]
fn directories_and_files_without_permission_are_fatal() {
    let Some(original) = original("multilog") else { return };
    // Ours is copied to where an unprivileged user can reach it.
    let scratch = Scratch::new();
    let ours = scratch.install(&program("multilog"));
    let closed = scratch.join("closed");
    for name in ["closed", "closed/unwritable", "closed/unreadable"] {
        fs::create_dir(scratch.join(name)).expect("own directory");
    }
    let chmod = |name: &str, mode| {
        fs::set_permissions(closed.join(name), fs::Permissions::from_mode(mode)).expect("own")
    };
    chmod("unwritable", 0o555);
    chmod("unreadable", 0o000);
    chmod("", 0o555);
    let cases: [&[&str]; 5] =
        [&["./new"], &["=status"], &["./unwritable"], &["./unreadable"], &["=unreadable/status", "./new"]];
    for script in cases {
        let run = |path: &PathBuf| {
            let out = Cmd::new(path).args(script).cwd(&closed).unprivileged().run(b"x\n");
            (out.status(), out.messages())
        };
        let (ours, theirs) = (run(&ours), run(&original));
        assert_eq!(ours, theirs, "{script:?}");
        assert_eq!(ours.0, "exit 111", "{script:?}");
        assert!(ours.1.ends_with("access denied\n") || ours.1.ends_with("does not exist\n"), "{ours:?}");
    }
    assert_eq!(LogDir::new(&closed).listing(), ["unreadable 0000 d", "unwritable 0555 d"]);
    assert_eq!(LogDir::new(closed.join("unwritable")).entries(), []);
    chmod("unreadable", 0o755);
    chmod("unwritable", 0o755);
    chmod("", 0o755);
}

// ---- everything together ----

/// A script that both programs understand alike: in the numbers nothing is clamped, and no letter is unknown to one.
fn scripts() -> impl Strategy<Value = Vec<String>> {
    // No hexadecimal digits among the letters, so that no pattern matches inside a stamp by chance.
    let pattern = "[xyz *@:]{0,3}[*]?[xyz:]{0,2}";
    let action = prop_oneof![
        6 => pattern.prop_map(|p| format!("+{p}")),
        6 => pattern.prop_map(|p| format!("-{p}")),
        1 => Just("-*".to_owned()),
        1 => Just("+*".to_owned()),
        2 => Just("e".to_owned()),
        2 => "[ab]".prop_map(|name| format!("=status-{name}")),
        2 => (4096..20_000_u32).prop_map(|size| format!("s{size}")),
        2 => (2..12_u32).prop_map(|num| format!("n{num}")),
        1 => prop_oneof![Just("!cat"), Just("!tr x y"), Just("!tr -d z"), Just("!true")].prop_map(str::to_owned),
        5 => Just("./main".to_owned()),
    ];
    (any::<bool>(), prop::collection::vec(action, 0..9)).prop_map(|(stamped, mut actions)| {
        // Each directory its own name: the same one twice is another test.
        let mut count = 0;
        for action in &mut actions {
            if action == "./main" {
                count += 1;
                *action = format!("./main{count}");
            }
        }
        if stamped {
            actions.insert(0, "t".to_owned());
        }
        actions
    })
}

/// Lines of a few letters, so that patterns match some; now and then a long one, or other bytes.
fn inputs() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        12 => "[xyz *@:]{0,12}".prop_map(String::into_bytes),
        4 => "[xyz]{1,3}[a-z0-9 ]{0,150}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (970..1030_usize).prop_map(|length| vec![b'y'; length]),
        1 => (190..210_usize).prop_map(|length| vec![b'z'; length]),
        1 => (1000..9000_usize, "[xyz]").prop_map(|(length, letter)| letter.repeat(length).into_bytes()),
    ];
    let lines = prop_oneof![3 => 0..30_usize, 1 => 30..400_usize];
    let lines = lines.prop_flat_map(move |count| prop::collection::vec(line.clone(), count));
    (lines, any::<bool>()).prop_map(|(lines, ended)| {
        let mut input = lines.join(&b'\n');
        if ended && !input.is_empty() {
            input.push(b'\n');
        }
        input
    })
}

#[test]
fn random_scripts_and_inputs_give_the_same_as_the_original() {
    if original("multilog").is_none() {
        return;
    }
    // The cases follow from the seed alone. A failure prints the smallest failing case that was found, and the seed.
    let seed = seed();
    let mut runner = TestRunner::new(Config {
        cases: 300,
        max_shrink_iters: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    });
    let cases = (scripts(), inputs(), prop::collection::vec(1..3000_usize, 1..6));
    let outcome = runner.run(&cases, |(script, input, sizes)| {
        let feed = |running: &mut Running, _: &LogDir| {
            let mut rest = &input[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                running.send(chunk);
                rest = after;
            }
        };
        let run = Run { script, prepare: &|_| {}, drive: &feed };
        run.compare().map(drop).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("with TEST_SEED={seed}: {error}");
    }
}
