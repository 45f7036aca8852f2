//! What a log directory is found in at the start, and what becomes of it: every row of the table in docs/cyclog.md, and both
//! ways between ours and the original: what one leaves, by a clean end or by kill -9 at any system call, the other takes over
//! with all its lines.
//!
//! Each row builds the state with its own hands, so none of them depends on a program that leaves it. Our `lock` file holds the
//! id of the boot and the name of the input pipe; an empty one is the original's, and says nothing about the boot.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use rustix::fs::{CWD, FileType, FlockOperation, Mode};
use tests::{
    Cmd, LogDir, Output, Scratch, Show, Snapshot, Stamp, boot_id, original, pipe_id, program, uses_original,
    wait_until,
};

const SOON: std::time::Duration = std::time::Duration::from_secs(10);

/// Rows that only ours mends are silent when the original is put in its place.
macro_rules! ours_only {
    () => {
        if uses_original() {
            return;
        }
    };
}

/// A scratch directory with a log directory `main` that is built by hand.
struct World {
    scratch: Scratch,
    main: LogDir,
}

/// One file of a state: name, mode, content.
type File<'a> = (&'a str, u32, &'a str);

const OPEN: u32 = 0o644;
const DONE: u32 = 0o744;

impl World {
    /// `main` with these files, an empty `state` and an empty `lock` unless they are among them.
    fn new(files: &[File]) -> World {
        let scratch = Scratch::new();
        let main = LogDir::new(scratch.join("main"));
        fs::create_dir(main.path()).expect("a fresh directory");
        fs::set_permissions(main.path(), fs::Permissions::from_mode(0o700)).expect("own directory");
        let world = World { scratch, main };
        world.put(("lock", 0o600, "")).put(("state", OPEN, ""));
        files.iter().for_each(|&file| {
            world.put(file);
        });
        world
    }

    fn put(&self, (name, mode, content): File) -> &World {
        fs::write(self.main.join(name), content).expect("own directory");
        fs::set_permissions(self.main.join(name), fs::Permissions::from_mode(mode)).expect("own file");
        self
    }

    /// Last written by ours, since the machine was started, from a pipe of this name.
    fn ours_of_this_boot(&self, pipe: &str) -> &World {
        self.put(("lock", 0o600, &format!("{}\n{pipe}\nline\n", boot_id())))
    }

    /// Runs a program on it to the end of its input.
    fn run(&self, program: impl AsRef<Path>, script: &[&str], input: &str) -> Output {
        Cmd::new(program.as_ref()).args(script).cwd(self.scratch.path()).run(input.as_bytes())
    }

    /// Runs ours, which has nothing to say and ends well.
    #[track_caller]
    fn ours(&self, script: &[&str], input: &str) -> &World {
        let out = self.run(program("multilog"), script, input);
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
        self
    }

    /// Runs the original on it; `false` where it is not installed.
    #[track_caller]
    fn original(&self, script: &[&str], input: &str) -> bool {
        let Some(original) = original("multilog") else { return false };
        let out = self.run(original, script, input);
        assert_eq!(out.status(), "exit 0", "{out}");
        true
    }

    /// The files there now, without `lock`, are these: name by form (`@.s`), mode, content.
    #[track_caller]
    fn is_left_with(&self, want: &[File]) {
        let content = |name: &str| String::from_utf8_lossy(&self.main.read(name)).into_owned();
        let (entries, forms) = (self.main.entries(), self.main.forms());
        let left: Vec<_> = entries
            .iter()
            .zip(&forms)
            .filter(|(entry, _)| entry.name != "lock")
            .map(|(entry, form)| (form.as_str(), format!("{:04o}", entry.mode), content(&entry.name)))
            .collect();
        let want: Vec<_> =
            want.iter().map(|&(name, mode, text)| (name, format!("{mode:04o}"), text.to_owned())).collect();
        assert_eq!(left, want);
    }
}

// ---- rows 1 to 6: current ----

#[test]
fn row_01_without_current_everything_is_made() {
    let want = [("current", DONE, "new\n"), ("state", OPEN, "")];
    let fresh = || {
        let scratch = Scratch::new();
        let main = LogDir::new(scratch.join("main"));
        World { scratch, main }
    };
    for make in [&fresh as &dyn Fn() -> World, &|| World::new(&[])] {
        let world = make();
        world.ours(&["./main"], "new\n").is_left_with(&want);
        assert_eq!(world.main.mode("lock"), Some(0o600));
        assert_eq!(world.main.path().metadata().expect("it was made").mode() & 0o777, 0o700);
        let world = make();
        if world.original(&["./main"], "new\n") {
            world.is_left_with(&want);
        }
    }
}

#[test]
fn row_02_a_clean_current_is_appended_to_and_its_size_counts() {
    let old = "o".repeat(2000) + "\n";
    let new = "n".repeat(99) + "\n";
    let state = [("current", DONE, old.as_str())];
    // 2001 and 100 bytes are more than 4096 - 2000.
    let want = [("@.s", DONE, &*(old.clone() + &new)), ("current", DONE, ""), ("state", OPEN, "")];
    World::new(&state).ours(&["s4096", "./main"], &new).is_left_with(&want);
    let world = World::new(&state);
    if world.original(&["s4096", "./main"], &new) {
        world.is_left_with(&want);
    }
}

#[test]
fn row_02_current_loses_its_mark_while_it_is_written_to() {
    let world = World::new(&[("current", DONE, "old\n")]);
    let mut running = Cmd::new(program("multilog")).arg("./main").cwd(world.scratch.path()).spawn();
    running.send(b"new\n");
    wait_until(SOON, "the line is in current", || world.main.read("current") == b"old\nnew\n");
    assert_eq!(world.main.mode("current"), Some(OPEN));
    assert_eq!(running.wait().status(), "exit 0");
    assert_eq!(world.main.mode("current"), Some(DONE));
}

#[test]
fn row_04_a_clean_current_without_a_last_newline_gets_one_and_a_warning() {
    ours_only!();
    let world = World::new(&[("current", DONE, "whole\ntorn")]);
    let out = world.run(program("multilog"), &["./main"], "new\n");
    assert_eq!(out.status(), "exit 0", "{out}");
    world.is_left_with(&[("current", DONE, "whole\ntorn\nnew\n"), ("state", OPEN, "")]);
    let said = out.messages();
    assert!(said.starts_with("multilog: warning: ") && said.contains("./main/current"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn row_05_a_dirty_current_of_this_boot_is_continued_in_place_and_state_is_kept() {
    ours_only!();
    for content in ["", "old\n", "old 1\nold 2\n"] {
        let world = World::new(&[("current", OPEN, content), ("state", OPEN, "memory")]);
        world.ours_of_this_boot("0:0").ours(&["./main"], "new\n");
        world.is_left_with(&[("current", DONE, &format!("{content}new\n")), ("state", OPEN, "memory")]);
    }
}

#[test]
fn row_05b_a_dirty_current_of_another_boot_or_of_none_is_set_aside_and_state_is_kept() {
    let other_boot = "00000000-1111-2222-3333-444444444444\n0:0\n";
    for lock in ["", other_boot, "\n", "not an id\n"] {
        let files = [("lock", 0o600, lock), ("current", OPEN, "old\n"), ("state", OPEN, "memory")];
        let want = |state| [("@.u", OPEN, "old\n"), ("current", DONE, "new\n"), ("state", OPEN, state)];
        if !uses_original() {
            World::new(&files).ours(&["./main"], "new\n").is_left_with(&want("memory"));
        }
        let world = World::new(&files);
        if world.original(&["./main"], "new\n") {
            world.is_left_with(&want(""));
        }
    }
}

#[test]
fn row_06_a_dirty_empty_current_is_used_again_and_takes_no_place_of_an_old_log() {
    ours_only!();
    let old = ("@400000005000000000000001.s", DONE, "old\n");
    let world = World::new(&[("current", OPEN, ""), old]);
    for turn in 0..4 {
        // From a crash each time; by turns of this boot and of another.
        world.put(("current", OPEN, ""));
        if turn % 2 == 0 {
            world.ours_of_this_boot("0:0");
        } else {
            world.put(("lock", 0o600, ""));
        }
        world.ours(&["n3", "./main"], "");
        world.is_left_with(&[("@.s", DONE, "old\n"), ("current", DONE, ""), ("state", OPEN, "")]);
    }
}

// ---- row 5: a torn last line ----

/// A dirty `current` of this boot whose last line is torn, and what stands in the pipe now.
struct Torn<'a> {
    script: &'a [&'a str],
    current: &'a str,
    pipe: &'a str,
    /// Whether `lock` names the very pipe that is stdin now.
    same_pipe: bool,
}

impl Torn<'_> {
    /// What is in `current` after ours has taken the whole pipe.
    #[track_caller]
    fn becomes(&self) -> String {
        let world = World::new(&[("current", OPEN, self.current)]);
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(self.pipe.as_bytes()).expect("less than a pipe holds");
        drop(writer);
        world.ours_of_this_boot(&if self.same_pipe { pipe_id(&reader) } else { "1:1".to_owned() });
        let multilog = Cmd::new(program("multilog")).args(self.script).cwd(world.scratch.path());
        let out = multilog.spawn_on(reader).wait();
        assert_eq!(out.status(), "exit 0", "{out}");
        assert_eq!(world.main.forms(), ["current", "lock", "state"]);
        String::from_utf8_lossy(&Stamp::of_script(self.script).mask(&world.main.read("current"))).into_owned()
    }
}

#[test]
fn row_05_a_torn_line_is_cut_when_the_pipe_still_has_its_source() {
    ours_only!();
    // current, pipe, both after the start
    let rows = [
        ("one\ntwo\nthr", "three\nfour\n", "one\ntwo\nthree\nfour\n"),
        // The whole batch was not yet taken: a line stands there twice, none is lost.
        ("one\ntwo\nthr", "two\nthree\n", "one\ntwo\ntwo\nthree\n"),
        ("one\ntwo\nthr", "one\ntwo\nthree\n", "one\ntwo\none\ntwo\nthree\n"),
        // Only the newline was missing.
        ("one\nthree", "three\n", "one\nthree\n"),
        // The source is itself a last line without newline.
        ("one\nthr", "three", "one\nthree\n"),
        // Nothing before it.
        ("thr", "three\n", "three\n"),
    ];
    for (current, pipe, want) in rows {
        let torn = Torn { script: &["./main"], current, pipe, same_pipe: true };
        assert_eq!(torn.becomes(), want, "current {current:?}, pipe {pipe:?}");
    }
}

#[test]
fn row_05_a_torn_line_gets_a_newline_when_its_source_is_not_in_this_pipe() {
    ours_only!();
    let rows = [
        // The same text in another pipe proves nothing.
        ("one\ntwo\nthr", "three\n", false, "one\ntwo\nthr\nthree\n"),
        // No line in the pipe begins like it.
        ("one\ntwo\nthr", "four\n", true, "one\ntwo\nthr\nfour\n"),
        ("one\ntwo\nthr", "", true, "one\ntwo\nthr\n"),
        // One does, but other lines came before it.
        ("one\ntwo\nthr", "other\nthree\n", true, "one\ntwo\nthr\nother\nthree\n"),
    ];
    for (current, pipe, same_pipe, want) in rows {
        let torn = Torn { script: &["./main"], current, pipe, same_pipe };
        assert_eq!(torn.becomes(), want, "current {current:?}, pipe {pipe:?}, the same pipe: {same_pipe}");
    }
}

#[test]
fn row_05_a_torn_line_of_1000_bytes_is_kept_for_its_source_may_have_been_taken() {
    ours_only!();
    for (length, cut) in [(998, true), (999, true), (1000, false), (1001, false)] {
        let (torn, whole) = ("x".repeat(length), "x".repeat(1500) + "\n");
        let world = Torn { script: &["./main"], current: &torn, pipe: &whole, same_pipe: true };
        let want = if cut { whole.clone() } else { format!("{torn}\n{whole}") };
        assert_eq!(
            Show(world.becomes().as_bytes()).to_string(),
            Show(want.as_bytes()).to_string(),
            "{length} bytes"
        );
    }
}

#[test]
fn row_05_stamps_are_not_compared() {
    ours_only!();
    let [first, second] = ["@400000006b0322141d1b8a24 ", "@400000006b0322141d1b8a25 "];
    let rows = [
        (format!("{first}one\n{second}tw"), "two\n", "<t> one\n<t> two\n"),
        (format!("{first}one\n{second}tw"), "one\ntwo\n", "<t> one\n<t> one\n<t> two\n"),
        (format!("{first}one\n{second}tw"), "other\n", "<t> one\n<t> tw\n<t> other\n"),
        // A stamp and nothing else holds no input.
        (format!("{first}one\n{second}"), "two\n", "<t> one\n<t> two\n"),
        (format!("{first}one\n{}", &second[..9]), "two\n", "<t> one\n<t> two\n"),
    ];
    for (current, pipe, want) in rows {
        let torn = Torn { script: &["t", "./main"], current: &current, pipe, same_pipe: true };
        assert_eq!(torn.becomes(), want, "current {current:?}, pipe {pipe:?}");
    }
}

#[test]
fn row_05_the_pipe_is_seen_through_the_selection_of_the_directory() {
    ours_only!();
    let script = ["-skip*", "./main"];
    let torn =
        Torn { script: &script, current: "one\nthr", pipe: "skip 1\nthree\nskip 2\nfour\n", same_pipe: true };
    assert_eq!(torn.becomes(), "one\nthree\nfour\n");
}

// ---- rows 7 to 15: previous and processed ----

/// A state of `previous`, `processed`, `newstate`, and what is to become of it.
struct Leftover<'a> {
    row: &'a str,
    files: &'a [File<'a>],
    processor: Option<&'a str>,
    /// The old log it becomes, if any.
    old_log: Option<File<'a>>,
    /// `state` afterwards; before, it is `memory`.
    state: &'a str,
    /// Whether the original makes the same old log of it.
    as_the_original: bool,
}

const UPPER: &str = "!tr a-z A-Z";

#[rustfmt::skip]
const LEFTOVERS: &[Leftover] = &[
    Leftover { row: "7", files: &[("previous", OPEN, "p\n")], processor: None,
               old_log: Some(("@.u", OPEN, "p\n")), state: "memory", as_the_original: true },
    Leftover { row: "7, processor", files: &[("previous", OPEN, "p\n")], processor: Some(UPPER),
               old_log: Some(("@.u", OPEN, "p\n")), state: "memory", as_the_original: true },
    Leftover { row: "8", files: &[("previous", DONE, "p\n")], processor: None,
               old_log: Some(("@.s", DONE, "p\n")), state: "memory", as_the_original: false },
    Leftover { row: "9", files: &[("previous", DONE, "p\n")], processor: Some(UPPER),
               old_log: Some(("@.s", DONE, "P\n")), state: "", as_the_original: false },
    Leftover { row: "9, the processor keeps a state", files: &[("previous", DONE, "p\n")], processor: Some("!cat <&4; echo new >&5; cat"),
               old_log: Some(("@.s", DONE, "memoryp\n")), state: "new\n", as_the_original: false },
    Leftover { row: "10, no processor any more", files: &[("previous", DONE, "p\n"), ("processed", OPEN, "half"), ("newstate", OPEN, "half")], processor: None,
               old_log: Some(("@.s", DONE, "p\n")), state: "memory", as_the_original: false },
    Leftover { row: "10", files: &[("previous", DONE, "p\n"), ("processed", OPEN, "half"), ("newstate", OPEN, "half")], processor: Some(UPPER),
               old_log: Some(("@.s", DONE, "P\n")), state: "", as_the_original: false },
    Leftover { row: "10, previous not on disk", files: &[("previous", OPEN, "p\n"), ("processed", OPEN, "half")], processor: Some(UPPER),
               old_log: Some(("@.u", OPEN, "p\n")), state: "memory", as_the_original: true },
    Leftover { row: "11", files: &[("previous", DONE, "p\n"), ("processed", DONE, "P\n"), ("newstate", OPEN, "next")], processor: Some(UPPER),
               old_log: Some(("@.s", DONE, "P\n")), state: "next", as_the_original: true },
    Leftover { row: "11, no processor any more", files: &[("previous", DONE, "p\n"), ("processed", DONE, "P\n"), ("newstate", OPEN, "next")], processor: None,
               old_log: Some(("@.s", DONE, "P\n")), state: "next", as_the_original: true },
    Leftover { row: "12", files: &[("processed", DONE, "P\n"), ("newstate", OPEN, "next")], processor: Some(UPPER),
               old_log: Some(("@.s", DONE, "P\n")), state: "next", as_the_original: true },
    Leftover { row: "13", files: &[("processed", DONE, "P\n")], processor: Some(UPPER),
               old_log: Some(("@.s", DONE, "P\n")), state: "memory", as_the_original: true },
];

impl Leftover<'_> {
    fn script(&self) -> Vec<&str> {
        self.processor.into_iter().chain(["./main"]).collect()
    }

    /// This state together with a `current` (before), which becomes `current` and perhaps an old log of its own.
    fn with(&self, current: Option<File>, this_boot: bool) -> World {
        let mut files = vec![("state", OPEN, "memory")];
        files.extend(self.files);
        files.extend(current);
        let world = World::new(&files);
        if this_boot {
            world.ours_of_this_boot("0:0");
        }
        world
    }

    #[track_caller]
    fn becomes(&self, current: Option<File>, this_boot: bool, aside: Option<File>, after: &str) {
        let world = self.with(current, this_boot);
        let out = world.run(program("multilog"), &self.script(), "new\n");
        assert_eq!(
            (out.status().as_str(), out.messages().as_str()),
            ("exit 0", ""),
            "row {}: {out}",
            self.row
        );
        eprintln!("row {}, current {current:?}, this boot: {this_boot}", self.row);
        let (old_log, state) = self.after(this_boot);
        let mut want: Vec<File> = old_log.into_iter().chain(aside).collect();
        want.extend([("current", DONE, after), ("state", OPEN, state)]);
        world.is_left_with(&want);
    }

    /// The old log and `state`: a `previous` that is not on disk is put there first, where it is surely all there.
    fn after(&self, this_boot: bool) -> (Option<File<'_>>, &str) {
        match (this_boot && self.files.contains(&("previous", OPEN, "p\n")), self.processor) {
            (false, _) => (self.old_log, self.state),
            (true, None) => (Some(("@.s", DONE, "p\n")), "memory"),
            (true, Some(_)) => (Some(("@.s", DONE, "P\n")), ""),
        }
    }
}

#[test]
fn rows_07_to_13_what_a_crash_left_of_a_rotation_is_finished() {
    ours_only!();
    for leftover in LEFTOVERS {
        leftover.becomes(None, false, None, "new\n");
        leftover.becomes(Some(("current", OPEN, "")), false, None, "new\n");
        leftover.becomes(Some(("current", OPEN, "")), true, None, "new\n");
        // Row 5 for current: it goes on in place, or is set aside after what came before it.
        leftover.becomes(Some(("current", OPEN, "c\n")), true, None, "c\nnew\n");
        leftover.becomes(Some(("current", OPEN, "c\n")), false, Some(("@.u", OPEN, "c\n")), "new\n");
    }
}

#[test]
fn row_03_with_a_clean_current_they_are_finished_too() {
    ours_only!();
    for leftover in LEFTOVERS {
        leftover.becomes(Some(("current", DONE, "c\n")), false, None, "c\nnew\n");
        leftover.becomes(Some(("current", DONE, "c\n")), true, None, "c\nnew\n");
    }
}

#[test]
fn rows_07_and_11_to_13_the_original_makes_the_same_old_logs() {
    for leftover in LEFTOVERS.iter().filter(|leftover| leftover.as_the_original) {
        let world = leftover.with(Some(("current", OPEN, "c\n")), false);
        if !world.original(&leftover.script(), "new\n") {
            return;
        }
        eprintln!("row {}", leftover.row);
        let mut want: Vec<File> = leftover.old_log.into_iter().collect();
        // Its state is empty after every dirty start.
        want.extend([("@.u", OPEN, "c\n"), ("current", DONE, "new\n"), ("state", OPEN, "")]);
        world.is_left_with(&want);
    }
}

#[test]
fn row_14_a_previous_that_has_its_final_name_already_is_removed() {
    for (mode, name) in [(DONE, "@400000006b0322141d1b8a24.s"), (OPEN, "@400000006b0322141d1b8a24.u")] {
        let make = || {
            let world = World::new(&[("previous", mode, "p\n"), ("current", OPEN, "")]);
            fs::hard_link(world.main.join("previous"), world.main.join(name))
                .expect("a file system with hard links");
            world
        };
        let form = if mode == DONE { "@.s" } else { "@.u" };
        let want = [(form, mode, "p\n"), ("current", DONE, "new\n"), ("state", OPEN, "")];
        if !uses_original() {
            make().ours(&["./main"], "new\n").is_left_with(&want);
        }
        let world = make();
        if world.original(&["./main"], "new\n") {
            // The original sets the empty current aside as well (row 6).
            let lines = world.main.lines();
            assert_eq!(lines, [b"p".to_vec(), b"new".to_vec()]);
        }
    }
}

#[test]
fn row_14_a_processed_that_has_its_final_name_already_is_removed() {
    // Died between link and unlink: the same moment as row 14, with a processor.
    let make = || {
        let world =
            World::new(&[("processed", DONE, "P\n"), ("current", OPEN, "c\n"), ("newstate", OPEN, "next")]);
        let name = world.main.join("@400000006b0322141d1b8a24.s");
        fs::hard_link(world.main.join("processed"), name).expect("a file system with hard links");
        world
    };
    if !uses_original() {
        let world = make();
        world.ours_of_this_boot("0:0").ours(&[UPPER, "./main"], "new\n");
        world.is_left_with(&[("@.s", DONE, "P\n"), ("current", DONE, "c\nnew\n"), ("state", OPEN, "next")]);
    }
    let world = make();
    if world.original(&[UPPER, "./main"], "new\n") {
        let want =
            [("@.s", DONE, "P\n"), ("@.u", OPEN, "c\n"), ("current", DONE, "new\n"), ("state", OPEN, "")];
        world.is_left_with(&want);
    }
}

/// Died between link and unlink where no rename can be told to replace nothing.
#[test]
fn row_14b_a_current_that_is_previous_already_is_removed() {
    ours_only!();
    for (mode, form) in [(DONE, "@.s"), (OPEN, "@.u")] {
        let world = World::new(&[("current", mode, "p\n")]);
        fs::hard_link(world.main.join("current"), world.main.join("previous"))
            .expect("a file system with hard links");
        world.ours(&["./main"], "new\n");
        world.is_left_with(&[(form, mode, "p\n"), ("current", DONE, "new\n"), ("state", OPEN, "")]);
    }
}

#[test]
fn row_15_a_previous_with_a_link_elsewhere_is_an_old_log_like_any_other() {
    ours_only!();
    for (mode, form) in [(DONE, "@.s"), (OPEN, "@.u")] {
        let world = World::new(&[("previous", mode, "p\n"), ("current", OPEN, "")]);
        fs::hard_link(world.main.join("previous"), world.scratch.join("backup"))
            .expect("a file system with hard links");
        world.ours(&["./main"], "new\n");
        world.is_left_with(&[(form, mode, "p\n"), ("current", DONE, "new\n"), ("state", OPEN, "")]);
        assert_eq!(fs::read(world.scratch.join("backup")).expect("the other link stays"), b"p\n");
    }
}

#[test]
fn rows_08_to_13_the_suffix_of_w_takes_the_place_of_s() {
    ours_only!();
    for leftover in LEFTOVERS {
        let (Some((form, mode, content)), state) = leftover.after(true) else { continue };
        let world = leftover.with(Some(("current", OPEN, "")), true);
        let script: Vec<&str> = leftover.processor.into_iter().chain(["wlog.old", "./main"]).collect();
        world.ours(&script, "");
        eprintln!("row {}", leftover.row);
        let form = if form == "@.s" { "@.log.old" } else { form };
        world.is_left_with(&[(form, mode, content), ("current", DONE, ""), ("state", OPEN, state)]);
    }
}

// ---- rows 16 to 19: not to be touched ----

/// Ours does not start, names the file, takes no input and changes nothing.
#[track_caller]
fn refuses(world: &World, script: &[&str], named: &str) {
    refuses_as(world, script, named, |cmd| cmd);
}

#[track_caller]
fn refuses_as(world: &World, script: &[&str], named: &str, user: impl Fn(Cmd) -> Cmd) {
    let program = reachable(world);
    let before = Snapshot::of(world.scratch.path());
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"input\n").expect("a pipe holds more");
    let stdin = reader.try_clone().expect("a second descriptor");
    let multilog = Cmd::new(program).args(script).cwd(world.scratch.path());
    let out = user(multilog).spawn_on(stdin).wait();
    assert_eq!(out.status(), "exit 111", "{out}");
    let said = out.messages();
    assert!(said.starts_with("multilog: fatal: unable to ") && said.contains(named), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(before, Snapshot::of(world.scratch.path()));
    drop(writer);
    assert_eq!(std::io::read_to_string(reader).expect("a pipe"), "input\n", "the input is not taken");
}

#[test]
fn row_16_a_directory_in_the_place_of_a_file_is_refused() {
    ours_only!();
    for name in ["current", "previous", "processed"] {
        for mode in [0o700, 0o600] {
            let world = World::new(&[("current", OPEN, "old\n")]);
            _ = fs::remove_file(world.main.join(name));
            fs::create_dir(world.main.join(name)).expect("own directory");
            fs::set_permissions(world.main.join(name), fs::Permissions::from_mode(mode))
                .expect("own directory");
            refuses(&world, &["./main"], &format!("./main/{name}"));
        }
    }
}

#[test]
fn row_17_what_is_not_a_regular_file_is_refused() {
    ours_only!();
    let fifo = |at: &Path| rustix::fs::mknodat(CWD, at, FileType::Fifo, Mode::from_raw_mode(OPEN), 0).is_ok();
    let runnable_fifo =
        |at: &Path| rustix::fs::mknodat(CWD, at, FileType::Fifo, Mode::from_raw_mode(DONE), 0).is_ok();
    // Only root may make one, and not in every container.
    let null = rustix::fs::makedev(1, 3);
    let device =
        |at: &Path| rustix::fs::mknodat(CWD, at, FileType::CharacterDevice, Mode::RUSR, null).is_ok();
    let socket = |at: &Path| std::os::unix::net::UnixListener::bind(at).is_ok();
    let link = |at: &Path| std::os::unix::fs::symlink("../elsewhere", at).is_ok();
    let dangling = |at: &Path| std::os::unix::fs::symlink("../nowhere", at).is_ok();
    let kinds: [&dyn Fn(&Path) -> bool; 6] = [&fifo, &runnable_fifo, &device, &socket, &link, &dangling];
    for name in ["current", "previous", "processed", "lock"] {
        for make in kinds {
            let world = World::new(&[("current", OPEN, "old\n")]);
            fs::write(world.scratch.join("elsewhere"), "precious\n").expect("own directory");
            _ = fs::remove_file(world.main.join(name));
            if make(&world.main.join(name)) {
                refuses(&world, &["./main"], &format!("./main/{name}"));
            }
        }
    }
}

#[test]
fn row_18_a_missing_state_is_made_for_the_processor() {
    ours_only!();
    let old = "o".repeat(3000) + "\n";
    let world = World::new(&[("current", DONE, &old)]);
    fs::remove_file(world.main.join("state")).expect("it was made");
    world.ours(&["s4096", "!cat <&4; cat; echo next >&5", "./main"], "new\n");
    let archive = old + "new\n";
    // Whether the old content alone is more than 4096 - 2000 bytes is seen only after the write.
    world.is_left_with(&[("@.s", DONE, &archive), ("current", DONE, ""), ("state", OPEN, "next\n")]);
}

#[test]
fn row_19_when_a_later_directory_cannot_be_used_the_first_one_is_not_touched() {
    ours_only!();
    type Breaker<'a> = (&'a str, &'a dyn Fn(&Path));
    let breakers: [Breaker; 5] = [
        ("./second", &|second| fs::write(second, "a file").expect("own directory")),
        ("./second/current", &|second| fs::create_dir_all(second.join("current")).expect("own directory")),
        ("./second/current", &|second| {
            fs::create_dir(second).expect("own directory");
            std::os::unix::fs::symlink("elsewhere", second.join("current")).expect("own directory");
        }),
        ("./second/previous", &|second| fs::create_dir_all(second.join("previous")).expect("own directory")),
        ("./second", &|second| std::os::unix::fs::symlink("nowhere", second).expect("own directory")),
    ];
    for (named, make) in breakers {
        let world = World::new(&[
            ("current", OPEN, "old\n"),
            ("previous", OPEN, "older\n"),
            ("processed", DONE, "P\n"),
        ]);
        make(&world.scratch.join("second"));
        if world.scratch.join("second").is_dir() {
            fs::write(world.scratch.join("second/lock"), "").expect("own directory");
        }
        // As after many failed starts under supervise.
        for _ in 0..3 {
            refuses(&world, &["n2", "./main", "./second"], named);
        }
        refuses(&world, &["n2", "./main", "./no/parent"], "./no/parent");
    }
}

#[test]
fn row_19_when_a_later_directory_is_locked_the_first_one_is_not_touched() {
    ours_only!();
    let world = World::new(&[("current", OPEN, "old\n"), ("previous", DONE, "older\n")]);
    fs::create_dir(world.scratch.join("second")).expect("own directory");
    let lock = fs::File::create(world.scratch.join("second/lock")).expect("own directory");
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("a fresh file");
    refuses(&world, &["./main", "./second"], "./second: temporary failure");
}

/// What shows only to a user who may not write everywhere, or where there is an attribute that binds root too.
#[test]
fn row_19_what_would_fail_only_when_done_is_known_before_the_first_is_touched() {
    ours_only!();
    let two = || {
        let world = World::new(&[("current", OPEN, "old\n"), ("previous", OPEN, "older\n")]);
        let second = LogDir::new(world.scratch.join("second"));
        fs::create_dir(second.path()).expect("a fresh directory");
        for (name, content) in [("lock", ""), ("current", "old\n")] {
            fs::write(second.join(name), content).expect("own directory");
        }
        (world, second)
    };
    // What a clean `current` needs is to be written to and unmarked; a dirty one has to be renamed.
    let (world, second) = two();
    for name in ["current", "lock"] {
        std::os::unix::fs::chown(second.join(name), Some(NOBODY), None).ok();
    }
    fs::set_permissions(second.path(), fs::Permissions::from_mode(0o555)).expect("own directory");
    give_away(&world, "main");
    let script: &[&str] = &["./main", "./second"];
    refuses_as(&world, script, "./second: access denied", Cmd::unprivileged);
    fs::set_permissions(second.path(), fs::Permissions::from_mode(0o755)).expect("own directory");
    // Descriptors: as many as the first needs, one by one, until both can begin.
    for most in 6..30 {
        let (world, _) = two();
        let before = Snapshot::of(world.scratch.path());
        let limit = format!("ulimit -n {most}; exec \"$0\" ./main ./second");
        let few =
            Cmd::new(program("multilog")).cwd(world.scratch.path()).behind(["sh", "-c", &limit]).run(b"");
        if few.status() == "exit 0" {
            assert!(most > 8, "{few}");
            break;
        }
        assert_eq!(before, Snapshot::of(world.scratch.path()), "{most} descriptors: {few}");
    }
    // Only appended to: it could be neither renamed nor unmarked.
    for mode in [OPEN, DONE] {
        let (world, second) = two();
        let current = second.join("current");
        fs::set_permissions(&current, fs::Permissions::from_mode(mode)).expect("own file");
        let chattr = |how: &str| {
            std::process::Command::new("chattr")
                .arg(how)
                .arg(&current)
                .status()
                .is_ok_and(|done| done.success())
        };
        if chattr("+a") {
            let refused =
                std::panic::catch_unwind(|| refuses(&world, script, "./second/current: permission denied"));
            assert!(chattr("-a"));
            refused.expect("it is refused");
        }
    }
}

const NOBODY: u32 = 65534;

/// `main` and what is in it belongs to the user nobody.
fn give_away(world: &World, dir: &str) {
    let dir = world.scratch.join(dir);
    for name in fs::read_dir(&dir).expect("own directory").flatten() {
        std::os::unix::fs::chown(name.path(), Some(NOBODY), None).ok();
    }
    std::os::unix::fs::chown(dir, Some(NOBODY), None).ok();
}

/// Ours, where the user nobody can reach it.
fn reachable(world: &World) -> std::path::PathBuf {
    world.scratch.install(&program("multilog"))
}

#[test]
fn a_clean_current_takes_lines_though_its_directory_cannot_be_written() {
    let world = World::new(&[("current", DONE, "old\n")]);
    fs::remove_file(world.main.join("state")).expect("it was made");
    give_away(&world, "main");
    fs::set_permissions(world.main.path(), fs::Permissions::from_mode(0o555)).expect("own directory");
    for path in [Some(reachable(&world)), original("multilog")].into_iter().flatten() {
        let out =
            Cmd::new(&path).args(["!cat", "./main"]).cwd(world.scratch.path()).unprivileged().run(b"new\n");
        assert_eq!(out.status(), "exit 0", "{out}");
        if path.starts_with(world.scratch.path()) && !uses_original() {
            let warning = "multilog: warning: unable to change names in directory ./main: access denied; \
                           lines wait when current is full\n";
            assert_eq!(out.messages(), warning);
        }
    }
    let lines = world.main.lines();
    let left = (lines.first(), lines.iter().filter(|line| *line == b"new").count() > 0);
    assert_eq!(left, (Some(&b"old".to_vec()), true));
    assert_eq!((world.main.mode("current"), world.main.mode("state")), (Some(DONE), None));
    fs::set_permissions(world.main.path(), fs::Permissions::from_mode(0o755)).expect("own directory");
}

#[test]
fn a_state_that_cannot_be_read_or_made_keeps_nothing_but_the_processor_waiting() {
    ours_only!();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let old = "o".repeat(3000) + "\n";
    let world = World::new(&[("previous", DONE, &old), ("current", DONE, "")]);
    give_away(&world, "main");
    std::os::unix::fs::chown(world.main.join("state"), Some(0), None).expect("root");
    fs::set_permissions(world.main.join("state"), fs::Permissions::from_mode(0o000)).expect("own file");
    let multilog = Cmd::new(reachable(&world)).args(["s4096", "!cat", "./main"]).cwd(world.scratch.path());
    let mut running = multilog.unprivileged().spawn();
    running.send(b"new\n");
    wait_until(SOON, "the line is there", || world.main.read("current") == b"new\n");
    wait_until(SOON, "the warning", || {
        String::from_utf8_lossy(&running.stderr())
            .contains("unable to open ./main/state, pausing: access denied\n")
    });
    fs::set_permissions(world.main.join("state"), fs::Permissions::from_mode(0o644)).expect("own file");
    wait_until(SOON, "the processor gets its turn", || world.main.old_logs().len() == 1);
    assert_eq!(running.wait().status(), "exit 0");
    world.is_left_with(&[("@.s", DONE, &old), ("current", DONE, "new\n"), ("state", OPEN, "")]);
}

#[test]
fn a_dirty_file_of_somebody_else_is_set_aside() {
    ours_only!();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Neither can be written to; the last can, but for its mode.
    for (name, mode) in [("current", OPEN), ("current", 0o666), ("previous", 0o666)] {
        for this_boot in [false, true] {
            let world = World::new(&[(name, mode, "whole\ntorn")]);
            if this_boot {
                world.ours_of_this_boot("0:0");
            }
            give_away(&world, "main");
            std::os::unix::fs::chown(world.main.join(name), Some(0), None).expect("root");
            let multilog = Cmd::new(reachable(&world)).arg("./main").cwd(world.scratch.path());
            let out = multilog.unprivileged().run(b"new\n");
            assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
            let lines = world.main.lines();
            let lines: Vec<_> = lines.iter().filter(|line| !line.is_empty()).collect();
            assert_eq!(lines, [&b"whole"[..], b"torn", b"new"], "{name} {mode:o}");
            assert_eq!(world.main.forms(), ["@.u", "current", "lock", "state"], "{name} {mode:o}");
            assert_eq!(world.main.mode("current"), Some(DONE));
        }
    }
    // An empty one is no old log.
    let world = World::new(&[("current", OPEN, "")]);
    give_away(&world, "main");
    std::os::unix::fs::chown(world.main.join("current"), Some(0), None).expect("root");
    let out =
        Cmd::new(reachable(&world)).arg("./main").cwd(world.scratch.path()).unprivileged().run(b"new\n");
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
    world.is_left_with(&[("current", DONE, "new\n"), ("state", OPEN, "")]);
}

#[test]
fn names_that_are_not_utf_8_stand_in_messages_as_they_are() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = Scratch::new();
    for (name, shown) in [
        (&b"./d\xe4\xff"[..], &b"./d\xe4\xff"[..]),
        ("./täg\u{10fffe}".as_bytes(), "./täg\u{10fffe}".as_bytes()),
        // Harmless to the terminal of whoever reads it; the original shows these as they are.
        (b"./d\x1b[2J\n\xe4", b"./d\\x1b[2J\\n\xe4"),
    ] {
        let said = |path: &Path, shown: &[u8]| {
            let dir = scratch.join(std::ffi::OsStr::from_bytes(&name[2..]));
            fs::write(&dir, "a file").expect("own directory");
            let mut cmd = Cmd::new(path).arg(std::ffi::OsStr::from_bytes(name)).cwd(scratch.path());
            cmd = cmd.env("LC_ALL", "C");
            let running = cmd.spawn();
            let pid = running.pid();
            let want =
                [b"multilog: fatal: unable to open directory ", shown, b": not a directory\n"].concat();
            wait_until(SOON, &format!("{pid:?} says so"), || running.stderr() == want);
            running.wait();
        };
        if !uses_original() {
            said(&program("multilog"), shown);
        }
        if name == shown
            && let Some(original) = original("multilog")
        {
            said(&original, shown);
        }
    }
}

// ---- between ours and the original ----

/// The lines of each file of a directory in which no logger runs, in the order in which they were logged. A `previous` that has
/// been processed, or a file that is an old log already by a second link, is no second copy; what a processor made of letters is
/// undone.
fn logged(main: &LogDir) -> Vec<String> {
    let inode = |name: &str| main.join(name).metadata().ok().map(|meta| meta.ino());
    let mut names = main.old_logs();
    let is_named = |name: &str| main.old_logs().iter().any(|old| inode(old) == inode(name));
    let rest = if main.mode("processed") == Some(DONE) { "processed" } else { "previous" };
    if inode(rest).is_some() && !is_named(rest) {
        names.push(rest.to_owned());
    }
    names.push("current".to_owned());
    let lines = |name: &String| {
        let text = String::from_utf8_lossy(&main.read(name)).to_lowercase();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    names.iter().flat_map(lines).collect()
}

/// Numbered lines, 41 bytes each.
fn numbered(from: usize, to: usize) -> String {
    (from..to).map(|n| format!("{n:05} {:x<34}\n", "")).collect()
}

/// A system call that a logger may die at, by the names that it has on one machine or another.
const CALLS: [&str; 9] = [
    "?write,?pwrite64",
    "?fsync,?fdatasync",
    "?rename,?renameat,?renameat2",
    "?open,?openat",
    "?chmod,?fchmod,?fchmodat",
    "?link,?linkat",
    "?unlink,?unlinkat",
    "?ftruncate,?splice,?tee",
    "?close",
];

/// Lets `first` log three files' worth and kills it before its first, second, third … call of each kind; then `second` starts
/// on what is left. Returns how many deaths there were.
fn hand_over_at_every_call(first: &Path, second: &Path, script: &[&str], threads: &[&str]) -> usize {
    let Some(strace) = original("strace") else { return usize::MAX };
    let input = numbered(0, 150);
    let mut deaths = 0;
    for calls in CALLS {
        // The count is the same for every name of a kind, so one of them ends the loop.
        for nth in 1.. {
            let world = World::new(&[("current", DONE, "")]);
            fs::write(world.scratch.join("input"), &input).expect("own directory");
            let stdin = fs::File::open(world.scratch.join("input")).expect("just written");
            let killed = Cmd::new(first).args(script).cwd(world.scratch.path());
            let trace = format!("trace={calls}");
            let inject = format!("inject={calls}:signal=KILL:when={nth}");
            let strace =
                [strace.as_os_str(), "-o/dev/null".as_ref(), "-e".as_ref(), trace.as_ref(), "-e".as_ref()];
            let words =
                strace.into_iter().chain([inject.as_ref()]).chain(threads.iter().map(|word| word.as_ref()));
            let out = killed.behind(words).spawn_on(stdin).wait();
            if out.status() == "exit 0" {
                break;
            }
            assert_eq!(out.status(), "signal 9", "{out}");
            deaths += 1;
            let before = (logged(&world.main), Snapshot::of(world.main.path()));
            let out = world.run(second, script, "taken over\n");
            assert_eq!(out.status(), "exit 0", "{out}");
            let mut want = before.0;
            want.push("taken over".to_owned());
            let after = Snapshot::of(world.main.path());
            assert_eq!(
                logged(&world.main),
                want,
                "killed before call {nth} of {calls}\nbefore {:#?}\nafter {after:#?}",
                before.1
            );
        }
    }
    deaths
}

#[test]
fn what_the_original_leaves_when_killed_at_any_call_ours_takes_over_with_every_line() {
    let Some(original) = original("multilog") else { return };
    for script in [&["s4096", "n100", "./main"][..], &["s4096", "n100", UPPER, "./main"]] {
        let deaths = hand_over_at_every_call(&original, &program("multilog"), script, &[]);
        assert!(deaths >= 40, "only {deaths} deaths");
    }
}

#[test]
fn what_ours_leaves_when_killed_at_any_call_the_original_takes_over_with_every_line() {
    let Some(original) = original("multilog") else { return };
    let script = ["s4096", "n100", "./main"];
    let deaths = hand_over_at_every_call(&program("multilog"), &original, &script, &["-f"]);
    assert!(deaths >= 30, "only {deaths} deaths");
}

#[test]
fn killed_by_its_processor_each_leaves_what_the_other_takes_over() {
    ours_only!();
    let Some(original) = original("multilog") else { return };
    let ours = program("multilog");
    for (first, second) in [(&ours, &original), (&original, &ours)] {
        // Before, in the middle of and after its output.
        for processor in
            ["!kill -9 $PPID", "!head -c 2000; kill -9 $PPID", "!tr a-z A-Z; echo next >&5; kill -9 $PPID"]
        {
            let world = World::new(&[("current", DONE, "")]);
            let mut running =
                Cmd::new(first).args(["s4096", processor, "./main"]).cwd(world.scratch.path()).spawn();
            running.send(numbered(0, 80).as_bytes());
            assert_eq!(running.wait_open().status(), "signal 9");
            // What is in previous and current; the rest had not been taken by ours, and is lost with the original.
            let before = logged(&world.main);
            assert!(before.len() > 40, "{} lines", before.len());
            let out = world.run(second, &["s4096", UPPER, "./main"], "taken over\n");
            assert_eq!(out.status(), "exit 0", "{out}");
            let after = logged(&world.main);
            assert_eq!(after[..before.len()], before[..], "{} after {}", second.display(), first.display());
            assert_eq!(after[before.len()..], ["taken over"]);
        }
    }
}

#[test]
fn taking_turns_with_the_original_on_one_directory_keeps_every_line() {
    let Some(original) = original("multilog") else { return };
    let ours = program("multilog");
    let script = ["t", "s4096", "n1000", "./main"];
    let scratch = Scratch::new();
    let main = LogDir::new(scratch.join("main"));
    let run = |program: &Path, text: &str| {
        let out = Cmd::new(program).args(script).cwd(scratch.path()).run(text.as_bytes());
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{out}");
    };
    for turn in 0..10 {
        // 20 lines do not fill a file, 100 fill one and more.
        let (from, middle, to) = (turn * 120, turn * 120 + 20, turn * 120 + 120);
        let (first, second) = if turn % 2 == 0 { (&ours, &original) } else { (&original, &ours) };
        run(first, &numbered(from, middle));
        run(second, &numbered(middle, to));
        assert_eq!(main.mode("current"), Some(DONE));
    }
    let all = Stamp::Tai64n.strip(&main.all());
    assert_eq!(Show(&all).to_string(), Show(numbered(0, 1200).as_bytes()).to_string());
    assert!(all == numbered(0, 1200).as_bytes());
    assert!(main.old_logs().iter().all(|name| name.ends_with(".s") && main.mode(name) == Some(DONE)));
}

#[test]
fn taking_turns_with_kill_9_keeps_every_line_that_was_in_the_directory() {
    let Some(original) = original("multilog") else { return };
    let ours = program("multilog");
    let world = World::new(&[]);
    let script = ["s4096", "n1000", "./main"];
    for turn in 0..12 {
        let path = if turn % 2 == 0 { &ours } else { &original };
        let before = logged(&world.main);
        let mut running = Cmd::new(path).args(script).cwd(world.scratch.path()).spawn();
        let new = numbered(turn * 30, turn * 30 + 30);
        running.send(new.as_bytes());
        // All of it is written; then the process dies without an end.
        wait_until(SOON, "the lines are in the directory", || logged(&world.main).len() == before.len() + 30);
        assert_eq!(running.kill().status(), "signal 9");
        let want: Vec<String> = before.into_iter().chain(new.lines().map(str::to_owned)).collect();
        assert_eq!(logged(&world.main), want, "turn {turn}");
    }
    assert!(
        Cmd::new(&ours).args(script).cwd(world.scratch.path()).spawn_on(Stdio::null()).wait().status()
            == "exit 0"
    );
    let want: Vec<String> = numbered(0, 360).lines().map(str::to_owned).collect();
    assert_eq!(logged(&world.main), want);
}

/// A full `current` without a last newline: no other line may become its rest for who joins what a file's end has cut.
#[test]
fn a_full_current_that_ends_in_a_line_gets_its_newline_in_the_next_file() {
    let scratch = Scratch::new();
    let main = LogDir::new(scratch.join("main"));
    fs::create_dir(main.path()).expect("own directory");
    fs::write(main.join("current"), "A".repeat(4096)).expect("own directory");
    fs::set_permissions(main.join("current"), fs::Permissions::from_mode(0o744)).expect("own file");
    let out = Cmd::new(program("multilog")).args(["s4096", "./main"]).cwd(scratch.path()).run(b"other\n");
    let said = "multilog: warning: ./main/current ends in the middle of a line; ending it\n";
    assert_eq!((out.status(), out.messages()), ("exit 0".to_owned(), said.to_owned()));
    assert!(main.all() == ["A".repeat(4096).as_bytes(), b"\nother\n"].concat(), "{}", Show(&main.all()));
    assert_eq!(main.read("current"), b"\nother\n");
}
