//! Does a reader that comes back go on exactly where its output had taken the last line, whatever became of the log meanwhile?

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::feeder::{Rng, seed};
use tests::{Cmd, Scratch, program, wait_until};

use super::{SOON, assert_all, check, label, line, logger, mlog, numbered, numbers, old, pack, put, shown};

const ARGUMENTS: [&str; 5] = ["--cursor", "cursor", "-o", "raw", "log"];

/// What a run with the cursor shows; it has to go well.
#[track_caller]
fn next(cwd: &Path) -> String {
    shown(cwd, &ARGUMENTS)
}

#[test]
fn each_run_shows_what_came_since_the_last() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[("current", &(line(1, "a") + &line(2, "b")))]);
    assert_eq!(next(scratch.path()), line(1, "a") + &line(2, "b"));
    assert_eq!(next(scratch.path()), "");
    // A line is left until it has its end.
    let whole = line(1, "a") + &line(2, "b") + &line(3, "c");
    put(&dir, &[("current", &whole[..whole.len() - 2])]);
    assert_eq!(next(scratch.path()), "");
    put(&dir, &[("current", &whole)]);
    assert_eq!(next(scratch.path()), line(3, "c"));
    // Rotated once, and a second time.
    fs::rename(dir.join("current"), dir.join(old(4, "s"))).expect("own file");
    put(&dir, &[("current", &line(5, "d"))]);
    assert_eq!(next(scratch.path()), line(5, "d"));
    put(&dir, &[(&old(6, "s"), &line(6, "e")), (&old(7, "s"), &line(7, "f")), ("current", &line(8, "g"))]);
    // That was another file of the same name: the place was in the one before.
    fs::write(dir.join(old(5, "s")), line(5, "d")).expect("own file");
    assert_eq!(next(scratch.path()), [line(6, "e"), line(7, "f"), line(8, "g")].concat());
    assert_eq!(next(scratch.path()), "");
}

#[test]
fn the_place_is_kept_where_nothing_is_wanted_too() {
    let Some(strace) = tests::rig::strace() else { return };
    let scratch = Scratch::new();
    let text = line(1, &"x".repeat(1000)).repeat(50_000);
    put(&scratch.join("log"), &[("current", &text)]);
    let trace = ["-f", "-qq", "-o", "renames", "-e", "trace=/rename.*"];
    let search = mlog(scratch.path()).args(["-g", "nowhere", "--cursor", "cursor", "log"]);
    let out = search.behind([strace].into_iter().chain(trace)).run(b"");
    assert_eq!((out.status().as_str(), out.stdout.len()), ("exit 0", 0), "{out}");
    let renames = fs::read_to_string(scratch.join("renames")).expect("strace wrote it");
    // At the start, of 51 MB after each 16 MiB, and at the end.
    assert_eq!(renames.lines().count(), 5, "{renames}");
}

/// When summer time ends an hour is shown twice; who comes back goes on in the one where he was.
#[test]
fn a_place_in_an_hour_that_comes_twice_tells_which() {
    const END: i64 = 1_792_890_000; // 2026-10-25 01:00 UTC
    let shown = |moment: i64| {
        let shown = (moment - END + if moment < END { 3 } else { 2 } * 3600) as u64;
        format!("2026-10-25 {:02}:{:02}:{:02}.000", shown / 3600, shown / 60 % 60, shown % 60)
    };
    let scratch = Scratch::new();
    let mut text = String::new();
    let mut goes_on = |moments: &mut dyn Iterator<Item = i64>| {
        let mut wanted = String::new();
        for moment in moments {
            text += &format!("{} {moment} {}\n", shown(moment), "x".repeat(100));
            wanted += &format!("{} {moment} {}\n", label(moment, 0), "x".repeat(100));
        }
        put(&scratch.join("log"), &[("current", &text)]);
        let out = mlog(scratch.path())
            .env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
            .args(["--cursor", "cursor", "-o", "tai64n", "log"])
            .run(b"");
        assert!(out.stdout == wanted.as_bytes(), "{wanted:.300}... but {out:.300}");
    };
    for moment in [-3000, -2, 600, 1200, 1200] {
        goes_on(&mut [END + moment].into_iter());
    }
    // More than is read at once, to the end of the second hour and beyond.
    goes_on(&mut (END + 1200..END + 3500).flat_map(|moment| [moment; 2]));
    goes_on(&mut (END + 3500..END + 3700));
}

/// Moves `current` away as old log `name` with this content, and begins a new one with `after`.
fn rotate(dir: &Path, name: &str, content: &[u8], after: &str) {
    // Made before the old one goes, so that the inode is another.
    fs::write(dir.join("processed"), content).expect("own directory");
    fs::remove_file(dir.join("current")).expect("own file");
    fs::rename(dir.join("processed"), dir.join(name)).expect("own file");
    put(dir, &[("current", after)]);
}

#[test]
fn the_place_is_found_in_a_file_that_was_processed() {
    let text: String = (1..50).map(|second| line(second, "x")).collect();
    let plain: String = (1..50).map(|second| format!("unstamped {second}\n")).collect();
    let more = line(60, "more");
    for text in [&text, &plain] {
        for (program, code) in [("cat", "s"), ("gzip", "s"), ("gzip", "gz"), ("xz", "s")] {
            let scratch = Scratch::new();
            let dir = scratch.join("log");
            put(&dir, &[(&old(0, "s"), "before\n"), ("current", text)]);
            assert_eq!(next(scratch.path()), format!("before\n{text}"));
            let whole = text.clone() + &more;
            let packed =
                if program == "cat" { Some(whole.clone().into_bytes()) } else { pack(program, &whole) };
            let Some(packed) = packed else { continue };
            rotate(&dir, &old(70, code), &packed, "after\n");
            assert_eq!(next(scratch.path()), format!("{more}after\n"), "{program} {code}");
            assert_eq!(next(scratch.path()), "");
        }
    }
    // An old log that somebody compresses by hand.
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(70, "s"), &text)]);
    assert_eq!(next(scratch.path()), text);
    fs::write(dir.join(old(70, "s.gz")), pack("gzip", &text).expect("gzip is everywhere")).expect("own file");
    fs::remove_file(dir.join(old(70, "s"))).expect("own file");
    put(&dir, &[("current", &more)]);
    assert_eq!(next(scratch.path()), more);
}

#[test]
fn the_place_is_found_by_the_moment_when_the_processor_changed_the_lines() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let lines = |text: &str| (1..50).map(|second| line(second, text)).collect::<String>();
    put(&dir, &[("current", &lines("x"))]);
    assert_eq!(next(scratch.path()), lines("x"));
    let more = line(60, "more");
    rotate(&dir, &old(70, "s"), (lines("changed") + &more).as_bytes(), "");
    assert_eq!(next(scratch.path()), more);
    // Moments that are equal: nobody can tell which of the lines are new.
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[("current", &line(5, "x").repeat(3))]);
    assert_eq!(next(scratch.path()), line(5, "x").repeat(3));
    rotate(&dir, &old(70, "s"), line(5, "y").repeat(5).as_bytes(), "");
    assert_eq!(next(scratch.path()), line(5, "y").repeat(5));
}

/// The lines of the last moment are fewer now, so that their number tells nothing.
#[test]
fn lines_that_the_processor_dropped_hide_none_that_came_after() {
    let check = |seen: &str, more: &str, processed: &str, wanted: &str| {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        put(&dir, &[(&old(0, "s"), ""), ("current", seen)]);
        assert_eq!(next(scratch.path()), seen);
        put(&dir, &[("current", &format!("{seen}{more}"))]);
        rotate(&dir, &old(2_000_000_000, "s"), processed.as_bytes(), "");
        assert_eq!(next(scratch.path()), wanted, "{processed}");
    };
    let lines = |what: &str, many: usize| {
        (1..=many).map(|number| format!("2026-11-26 10:00:00.123 {what} {number}\n")).collect::<String>()
    };
    let rest = lines("info", 6) + "2026-11-26 10:00:00.124 later\n";
    check(&lines("debug", 5), &rest, &rest, &rest);
    // Where the last line is still there, what came after it is known.
    let seen = line(5, "boom") + " at a\n at DEBUG b\n at c\n";
    let more = format!(" at d\n at e\n{}", line(6, "next"));
    check(&seen, &more, &(line(5, "boom") + " at a\n at c\n" + &more), &more);
}

/// Lines that share a moment are counted once, however often the place is kept between two reads.
#[test]
fn lines_without_stamps_are_counted_once() {
    let scratch = Scratch::new();
    let text = line(1, "dump") + &(0..4000).map(|n| format!("{n:0199}\n")).collect::<String>();
    put(&scratch.join("log"), &[("current", &text)]);
    assert_eq!(next(scratch.path()), text);
    let cursor = fs::read_to_string(scratch.join("cursor")).expect("it is there");
    let place = cursor.lines().nth(1).expect("a place");
    assert_eq!(place.split(' ').nth(7), Some("4001"), "{place}");
}

#[test]
fn what_retention_took_is_told_with_its_span() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(4, "s"), &line(3, "a")), ("current", &line(5, "b"))]);
    assert_eq!(next(scratch.path()), line(3, "a") + &line(5, "b"));
    fs::remove_dir_all(&dir).expect("own directory");
    put(&dir, &[(&old(99, "s"), &line(90, "x")), ("current", &line(100, "y"))]);
    let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
    let said = "mlog: warning: log: lines between 1970-01-01 00:00:05 and 1970-01-01 00:01:30 may be gone: \
        old logs were removed before they were read\n";
    check(&out, "exit 111", &(line(90, "x") + &line(100, "y")), said);
    assert_eq!(next(scratch.path()), "");
    // While an older one is still there, none that is newer was removed.
    fs::remove_file(dir.join("current")).expect("own file");
    put(&dir, &[(&old(200, "s"), &line(150, "z")), ("current", "")]);
    assert_eq!(next(scratch.path()), line(150, "z"));
    // Lines without moments.
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[("current", "one\n")]);
    assert_eq!(next(scratch.path()), "one\n");
    fs::remove_dir_all(&dir).expect("own directory");
    put(&dir, &[("current", "two\n")]);
    let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
    let said = "mlog: warning: log: lines between an unknown moment and the next line may be gone: \
        old logs were removed before they were read\n";
    check(&out, "exit 111", "two\n", said);
}

/// Lines that are alike but for their stamps, and these further from the end than is remembered at once.
#[test]
fn long_lines_that_are_alike_are_told_apart_by_their_stamps() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let lines = |from: i64, until: i64| {
        (from..until).map(|second| line(second, &"E".repeat(400))).collect::<String>()
    };
    put(&dir, &[("current", &lines(0, 10))]);
    assert_eq!(next(scratch.path()), lines(0, 10));
    fs::remove_dir_all(&dir).expect("own directory");
    put(&dir, &[(&old(50, "s"), &lines(20, 40)), ("current", &lines(50, 60))]);
    let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
    assert_eq!(out.stdout, (lines(20, 40) + &lines(50, 60)).into_bytes());
    assert!(out.status() == "exit 111" && out.messages().contains("may be gone"), "{out}");
}

/// Nothing tells them apart: what is newer than all that was known comes, and it is said that more may be gone.
#[test]
fn lines_that_are_alike_and_have_no_stamps_are_not_passed_over() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(4, "s"), "beat\n"), ("current", &"beat\n".repeat(10))]);
    assert_eq!(next(scratch.path()), "beat\n".repeat(11));
    fs::remove_dir_all(&dir).expect("own directory");
    // So that no inode is used again: that cannot be told.
    put(&scratch.join("other"), &[("a", ""), ("b", ""), ("c", "")]);
    put(&dir, &[(&old(90, "s"), &"beat\n".repeat(40)), ("current", &"beat\n".repeat(5))]);
    let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
    assert_eq!(out.stdout, "beat\n".repeat(45).into_bytes());
    assert!(out.status() == "exit 111" && out.messages().contains("may be gone"), "{out}");
}

/// What the manual says of logs whose lines have no stamps: each line once, but a file that a processor changed comes again.
#[test]
fn lines_without_stamps_come_once() {
    let begin = || {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        put(&dir, &[(&old(4, "s"), "one\n"), ("current", "two\nthree\n")]);
        assert_eq!(next(scratch.path()), "one\ntwo\nthree\n");
        (scratch, dir)
    };
    let (scratch, dir) = begin();
    put(&dir, &[("current", "two\nthree\nfour\n")]);
    assert_eq!(next(scratch.path()), "four\n");
    put(&dir, &[("current", "two\nthree\nfour\nfive\n")]);
    fs::rename(dir.join("current"), dir.join(old(6, "s"))).expect("own file");
    put(&dir, &[(&old(8, "s"), "six\n"), ("current", "seven\n")]);
    assert_eq!(next(scratch.path()), "five\nsix\nseven\n");
    // All that was shown is gone.
    for name in [old(4, "s"), old(6, "s"), old(8, "s")] {
        fs::remove_file(dir.join(name)).expect("own file");
    }
    put(&dir, &[("current", "seven\neight\n")]);
    assert_eq!(next(scratch.path()), "eight\n");
    // It is changed, and names tell that it is the same file and what is newer.
    let (scratch, dir) = begin();
    rotate(&dir, &old(6, "s"), b"TWO\nTHREE\nFOUR\n", "five\n");
    assert_eq!(next(scratch.path()), "TWO\nTHREE\nFOUR\nfive\n");
    assert_eq!(next(scratch.path()), "");
    // It was removed with all that was older.
    let (scratch, dir) = begin();
    fs::rename(&dir, scratch.join("kept")).expect("own directory");
    put(&dir, &[(&old(8, "s"), "six\n"), ("current", "seven\n")]);
    let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
    let said = "mlog: warning: log: lines between an unknown moment and the next line may be gone: \
        old logs were removed before they were read\n";
    check(&out, "exit 111", "six\nseven\n", said);
    assert_eq!(next(scratch.path()), "");
}

/// Who begins at the end of a log that has just been rotated begins there, and not at its beginning the next time.
#[test]
fn a_place_at_the_beginning_of_an_empty_current_is_one() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(4, "s"), &line(3, "a")), ("current", "")]);
    let begin = |arguments: &[&str]| shown(scratch.path(), &[&ARGUMENTS[..], arguments].concat());
    assert_eq!(begin(&["-n", "0"]), "");
    assert_eq!(begin(&["-n", "0"]), "");
    put(&dir, &[("current", &line(5, "b"))]);
    assert_eq!(begin(&["-n", "0"]), line(5, "b"));
    // The same, and it has been rotated since.
    fs::remove_file(scratch.join("cursor")).expect("own file");
    fs::rename(dir.join("current"), dir.join(old(6, "s"))).expect("own file");
    put(&dir, &[("current", "")]);
    assert_eq!(begin(&["-n", "0"]), "");
    put(&dir, &[("current", &line(7, "c"))]);
    fs::rename(dir.join("current"), dir.join(old(8, "s"))).expect("own file");
    put(&dir, &[("current", &line(9, "d"))]);
    assert_eq!(next(scratch.path()), line(7, "c") + &line(9, "d"));
    assert_eq!(next(scratch.path()), "");
}

/// The same, and there is a file without a name yet: it is before the place, whatever it is called later.
#[test]
fn a_place_at_the_beginning_of_current_is_behind_previous() {
    for old_log in [true, false] {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        put(&dir, &[("previous", &line(5, "b")), ("current", "")]);
        if old_log {
            put(&dir, &[(&old(4, "s"), &line(3, "a"))]);
        }
        assert_eq!(shown(scratch.path(), &[&ARGUMENTS[..], &["-n", "0"]].concat()), "");
        fs::rename(dir.join("previous"), dir.join(old(6, "s"))).expect("own file");
        put(&dir, &[("current", &line(7, "c"))]);
        assert_eq!(next(scratch.path()), line(7, "c"), "{old_log}");
        // It was rotated too, and processed.
        fs::remove_file(scratch.join("cursor")).expect("own file");
        fs::rename(dir.join("current"), dir.join("previous")).expect("own file");
        put(&dir, &[("current", "")]);
        assert_eq!(shown(scratch.path(), &[&ARGUMENTS[..], &["-n", "0"]].concat()), "");
        fs::rename(dir.join("previous"), dir.join(old(8, "s"))).expect("own file");
        rotate(&dir, &old(10, "s"), line(9, "d").as_bytes(), &line(11, "e"));
        assert_eq!(next(scratch.path()), line(9, "d") + &line(11, "e"), "{old_log}");
    }
}

/// Nobody writes to the log any more, and what is there is compressed.
#[test]
fn no_last_lines_are_none_of_a_compressed_file() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(4, "s"), &line(3, "a"))]);
    fs::write(dir.join(old(6, "s")), pack("gzip", &line(5, "b")).expect("gzip is everywhere"))
        .expect("own directory");
    assert_eq!(shown(scratch.path(), &["-n", "0", "log"]), "");
    assert_eq!(shown(scratch.path(), &[&ARGUMENTS[..], &["-n", "0"]].concat()), "");
    put(&dir, &[("current", &line(7, "c"))]);
    assert_eq!(next(scratch.path()), line(7, "c"));
}

#[test]
fn a_link_to_a_cursor_stays_one_and_the_mode_stays() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "a"))]);
    put(&scratch.join("real"), &[("place", "")]);
    let place = scratch.join("real/place");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).expect("own file");
    symlink("real/place", scratch.join("cursor")).expect("own directory");
    assert_eq!(next(scratch.path()), line(1, "a"));
    assert_eq!(next(scratch.path()), "");
    assert!(scratch.join("cursor").is_symlink());
    let meta = fs::symlink_metadata(&place).expect("it is there");
    assert!(meta.len() > 20 && meta.permissions().mode() & 0o777 == 0o600, "{meta:?}");
}

#[test]
fn a_link_to_a_cursor_that_is_not_there_yet_stays_one() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "a"))]);
    put(&scratch.join("real"), &[]);
    symlink("real/link", scratch.join("cursor")).expect("own directory");
    symlink("place", scratch.join("real/link")).expect("own directory");
    assert_eq!(next(scratch.path()), line(1, "a"));
    assert_eq!(next(scratch.path()), "");
    assert!(scratch.join("cursor").is_symlink() && scratch.join("real/link").is_symlink());
    assert!(scratch.join("real/place").is_file());
}

/// Root looks after the cursor of a service that is not root's: the service can go on with it.
#[test]
fn a_cursor_keeps_its_owner() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "a"))]);
    fs::write(scratch.join("cursor"), "").expect("own directory");
    if chown(scratch.join("cursor"), Some(7), Some(8)).is_err() {
        // Only root can ask this.
        return;
    }
    assert_eq!(next(scratch.path()), line(1, "a"));
    let meta = fs::metadata(scratch.join("cursor")).expect("it is there");
    assert!(meta.len() > 20 && (meta.uid(), meta.gid()) == (7, 8), "{meta:?}");
}

/// A device would be replaced by a file, and a FIFO waited for.
#[test]
fn a_cursor_that_is_no_regular_file_is_left_alone() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "a"))]);
    let run = |cursor: &str| {
        let arguments = ["--cursor", cursor, "-o", "raw", "log"];
        mlog(scratch.path()).args(arguments).limit(SOON).run(b"")
    };
    let fifo = |name: &str| {
        mknodat(CWD, scratch.join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("own directory")
    };
    fifo("fifo");
    fs::create_dir(scratch.join("directory")).expect("own directory");
    for name in ["fifo", "directory"] {
        let said = format!("mlog: fatal: unable to use {name} as a cursor: not a regular file\n");
        check(&run(name), "exit 111", "", &said);
        assert!(!scratch.join(name).is_file());
    }
    // A socket stands for a device: that can be made by everybody.
    let _socket = std::os::unix::net::UnixListener::bind(scratch.join("socket")).expect("own directory");
    let out = run("socket");
    assert!(out.status() == "exit 111" && !scratch.join("socket").is_file(), "{out}");
    // What is written first is looked at too.
    fifo("cursor.new");
    let said = "mlog: fatal: unable to write cursor.new: not a regular file\n";
    check(&run("cursor"), "exit 111", "", said);
}

/// A real logger rotates between the runs, with each kind of processor.
#[test]
fn a_logger_rotates_between_runs() {
    for processor in [&[][..], &["!gzip"], &["!cat"], &["w.old", "!cat"]] {
        let scratch = Scratch::new();
        let script = [&["t", "s4096", "n9999"][..], processor, &["./log"]].concat();
        let mut found = Vec::new();
        let mut sent = 0;
        for round in 0..12 {
            let mut multilog = logger(scratch.path(), &script);
            multilog.send(numbered(sent, sent + 37 * round).as_bytes());
            sent += 37 * round;
            let out = multilog.wait();
            assert_eq!(out.status(), "exit 0", "{out}");
            found.extend(numbers(next(scratch.path()).as_bytes()));
            assert_all(&found, sent);
        }
    }
}

/// A logger takes no account of a name that a wrong clock gave, so that those after it are lower.
#[test]
fn a_name_of_the_future_hides_nothing() {
    for processor in [&[][..], &["!cat"]] {
        let scratch = Scratch::new();
        put(&scratch.join("log"), &[(&old(32_503_680_000, "s"), &line(1, "0"))]);
        let mut found = Vec::new();
        for round in 0..4 {
            let script = [&["t", "s4096", "n100"][..], processor, &["./log"]].concat();
            let mut multilog = logger(scratch.path(), &script);
            multilog.send(numbered(1 + 200 * round, 1 + 200 * (round + 1)).as_bytes());
            let out = multilog.wait();
            assert_eq!(out.status(), "exit 0", "{out}");
            found.extend(numbers(next(scratch.path()).as_bytes()));
            assert_all(&found, 1 + 200 * (round + 1));
        }
    }
}

/// The original gives lower names after its clock was set back.
#[test]
fn lower_names_after_a_clock_was_set_back_hide_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(200, "s"), &line(199, "a")), ("current", &line(50, "b"))]);
    assert_eq!(next(scratch.path()), line(199, "a") + &line(50, "b"));
    let processed = line(50, "b") + &line(51, "c");
    rotate(&dir, &old(52, "s"), processed.as_bytes(), "");
    put(&dir, &[(&old(54, "s"), &line(53, "d")), ("current", &line(55, "e"))]);
    assert_eq!(next(scratch.path()), line(51, "c") + &line(53, "d") + &line(55, "e"));
    assert_eq!(next(scratch.path()), "");
}

/// The original gives names below those that were there, once its clock was set back. What was there before is known.
#[test]
fn names_below_the_known_ones_hide_nothing() {
    let begin = || {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        let seen = [line(799, "a"), line(899, "b"), line(1000, "c")];
        put(&dir, &[(&old(800, "s"), &seen[0]), (&old(900, "s"), &seen[1]), ("current", &seen[2])]);
        assert_eq!(next(scratch.path()), seen.concat());
        let mut whole = fs::read_to_string(dir.join("current")).expect("own file");
        whole += &line(845, "d");
        fs::write(dir.join("current"), &whole).expect("own file");
        (scratch, dir, whole)
    };
    let more = |dir: &Path| {
        put(
            dir,
            &[
                (&old(840, "s"), &line(839, "e")),
                (&old(870, "s"), &line(860, "f")),
                ("current", &line(871, "g")),
            ],
        );
        [line(839, "e"), line(860, "f"), line(871, "g")].concat()
    };
    // It was renamed.
    let (scratch, dir, _) = begin();
    fs::rename(dir.join("current"), dir.join(old(851, "s"))).expect("own file");
    let rest = more(&dir);
    assert_eq!(next(scratch.path()), line(845, "d") + &rest);
    assert_eq!(next(scratch.path()), "");
    // It was compressed, and has another name than the lowest that is new.
    let (scratch, dir, whole) = begin();
    rotate(&dir, &old(851, "s"), &pack("gzip", &whole).expect("gzip is everywhere"), "");
    let rest = more(&dir);
    assert_eq!(next(scratch.path()), line(845, "d") + &rest);
    assert_eq!(next(scratch.path()), "");
    // It was removed, or changed beyond recognition: what was not there before is new.
    for is_changed in [false, true] {
        let (scratch, dir, _) = begin();
        fs::rename(dir.join("current"), scratch.join("kept")).expect("own file");
        let mut wanted = String::new();
        if is_changed {
            put(&dir, &[(&old(835, "s"), &(line(1000, "C") + &line(845, "D")))]);
            wanted += &(line(1000, "C") + &line(845, "D"));
        }
        wanted += &more(&dir);
        let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
        assert_eq!(String::from_utf8_lossy(&out.stdout), wanted);
        assert!(out.status() == "exit 111" && out.messages().contains("may be gone"), "{out}");
        assert_eq!(next(scratch.path()), "");
    }
}

/// Those that were new had the lowest names, and were removed first: nothing is left of them but `current`.
#[test]
fn a_current_with_earlier_stamps_is_not_passed_over() {
    for more in [String::new(), line(1001, "d")] {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        put(&dir, &[(&old(900, "s"), &line(899, "a")), ("current", &line(1000, "b"))]);
        assert_eq!(next(scratch.path()), line(899, "a") + &line(1000, "b"));
        fs::rename(dir.join("current"), scratch.join("kept")).expect("own file");
        let text = line(500, "c") + &more;
        put(&dir, &[("current", &text)]);
        let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
        check(&out, "exit 0", &text, "mlog: warning: log: clock was set back, lines may come twice\n");
        assert_eq!(next(scratch.path()), "");
    }
}

/// Names go on, as ours do, but stamps go back: what is behind the file of the place is new whatever its stamps are.
#[test]
fn stamps_that_go_back_hide_nothing() {
    let begin = || {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        let seen = [line(899, "a"), line(990, "b"), line(1000, "c")];
        put(&dir, &[(&old(900, "s"), &seen[0]), ("current", &seen[1..].concat())]);
        assert_eq!(next(scratch.path()), seen.concat());
        (scratch, dir)
    };
    let run = |scratch: &Scratch, wanted: &str| {
        let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
        let said = "mlog: warning: log: clock was set back, lines may come twice\n";
        check(&out, "exit 0", wanted, said);
        assert_eq!(next(scratch.path()), "");
    };
    // A processor dropped the last line that was shown: so it may be another file.
    let (scratch, dir) = begin();
    rotate(&dir, &old(1001, "s"), (line(990, "B") + &line(100, "d")).as_bytes(), &line(103, "e"));
    run(&scratch, &(line(990, "B") + &line(100, "d") + &line(103, "e")));
    let (scratch, dir) = begin();
    rotate(&dir, &old(1001, "s"), (line(990, "B") + &line(100, "d")).as_bytes(), &line(1003, "e"));
    run(&scratch, &(line(990, "B") + &line(100, "d") + &line(1003, "e")));
    // All of the file behind that one is new, and that one is there: an older one is.
    for dropped in [line(990, "B"), String::new()] {
        let (scratch, dir) = begin();
        rotate(&dir, &old(1001, "s"), dropped.as_bytes(), &(line(103, "d") + &line(1003, "e")));
        assert_eq!(next(scratch.path()), line(103, "d") + &line(1003, "e"));
        assert_eq!(next(scratch.path()), "");
    }
}

/// Stamps of other programs, or cut to seconds, can be equal: where the file of the place is gone they are another's.
#[test]
fn equal_stamps_in_the_next_file_are_not_passed_over() {
    let check = |seen: &str, wanted: &str, is_lost: bool| {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        put(&dir, &[(&old(4, "s"), &line(3, "a")), ("current", seen)]);
        assert_eq!(next(scratch.path()), line(3, "a") + seen);
        // Away, and not removed, so that no inode is used again.
        fs::rename(&dir, scratch.join("kept")).expect("own directory");
        put(&dir, &[(&old(90, "s"), wanted), ("current", &line(100, "y"))]);
        let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
        let seen = if is_lost { "" } else { seen };
        let wanted = wanted.strip_prefix(seen).expect("it begins so").to_owned() + &line(100, "y");
        assert_eq!(String::from_utf8_lossy(&out.stdout), wanted);
        assert_eq!(out.messages().contains("may be gone"), is_lost, "{out}");
        assert_eq!(next(scratch.path()), "");
    };
    check(&line(5, "b"), &(line(5, "c") + &line(6, "d")), true);
    check(&line(5, "b"), &line(5, "c").repeat(3), true);
    check(&line(5, "x").repeat(3), &line(5, "x").repeat(5), true);
    check(&line(5, "x"), &line(5, "x").repeat(2), true);
    // These are those that were shown.
    check(&line(5, "b"), &(line(5, "b") + &line(6, "d")), false);
    check(&(line(4, "b") + &line(5, "x")), &(line(4, "b") + &line(5, "x").repeat(3)), false);
}

/// A name that was cut to seconds is earlier than the lines of its file.
#[test]
fn a_name_earlier_than_its_lines_hides_none() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let at = |nanos: u32, text: &str| format!("{} {text}\n", label(5, nanos));
    put(&dir, &[(&old(4, "s"), &line(3, "a")), ("current", &at(5, "b"))]);
    assert_eq!(next(scratch.path()), line(3, "a") + &at(5, "b"));
    rotate(&dir, &old(5, "s"), (at(5, "changed") + &at(7, "c")).as_bytes(), &line(6, "d"));
    assert_eq!(next(scratch.path()), at(7, "c") + &line(6, "d"));
}

/// mlog with no more rights than any owner, also for root.
fn like_an_owner(command: Cmd) -> Cmd {
    if rustix::process::geteuid().is_root() {
        return command.behind(["setpriv", "--bounding-set=-dac_override,-dac_read_search"]);
    }
    command
}

/// What cannot be opened now is not passed over: the log ends before it, and goes on there when it can.
#[test]
fn what_cannot_be_opened_is_left_to_the_next_run() {
    let close = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
    };
    let said = |name: &str| format!("mlog: warning: unable to read log/{name}: access denied\n");
    let run = |scratch: &Scratch| like_an_owner(mlog(scratch.path()).args(ARGUMENTS)).run(b"");
    let lines = [1, 3, 5, 7].map(|second| line(second, "x"));
    let names = [old(2, "s"), old(4, "s"), old(6, "s"), "current".to_owned()];
    for closed in 0..names.len() {
        let scratch = Scratch::new();
        let dir = scratch.join("log");
        for (name, text) in names.iter().zip(&lines) {
            put(&dir, &[(name, text)]);
        }
        close(&dir.join(&names[closed]), 0);
        check(&run(&scratch), "exit 111", &lines[..closed].concat(), &said(&names[closed]));
        check(&run(&scratch), "exit 111", "", &said(&names[closed]));
        close(&dir.join(&names[closed]), 0o644);
        check(&run(&scratch), "exit 0", &lines[closed..].concat(), "");
        // The file of the place: renamed, or replaced by a processor.
        put(&dir, &[("current", &(line(7, "x") + &line(8, "y")))]);
        let whole = fs::read_to_string(dir.join("current")).expect("own file");
        let name = old(9, "s");
        if closed % 2 == 0 {
            rotate(&dir, &name, whole.as_bytes(), &line(10, "z"));
        } else {
            fs::rename(dir.join("current"), dir.join(&name)).expect("own file");
            put(&dir, &[("current", &line(10, "z"))]);
        }
        close(&dir.join(&name), 0);
        check(&run(&scratch), "exit 111", "", &said(&name));
        close(&dir.join(&name), 0o644);
        check(&run(&scratch), "exit 0", &(line(8, "y") + &line(10, "z")), "");
        check(&run(&scratch), "exit 0", "", "");
    }
}

/// The same while it follows: it waits there.
#[test]
fn what_cannot_be_opened_is_waited_for() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    let names = [old(2, "s"), old(4, "s"), "current".to_owned()];
    let lines = [1, 3, 5].map(|second| line(second, "x"));
    for closed in 0..names.len() {
        for (name, text) in names.iter().zip(&lines) {
            put(&dir, &[(name, text)]);
        }
        let path = dir.join(&names[closed]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).expect("own file");
        let follower = like_an_owner(mlog(scratch.path()).arg("-f").args(ARGUMENTS)).spawn();
        wait_until(SOON, "it is told", || !follower.stderr().is_empty());
        // It is looked at again meanwhile.
        std::thread::sleep(Duration::from_millis(2200));
        assert_eq!(String::from_utf8_lossy(&follower.stdout()), lines[..closed].concat());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("own file");
        wait_until(SOON, "it goes on", || follower.stdout() == lines.concat().as_bytes());
        let said = format!("mlog: warning: unable to read log/{}: access denied\n", names[closed]);
        assert_eq!(String::from_utf8_lossy(&follower.stderr()), said);
        follower.kill();
        fs::remove_file(scratch.join("cursor")).expect("own file");
    }
}

/// A label and another code are another file, and so is the same name in another directory.
#[test]
fn equal_labels_are_told_apart() {
    let text = |seconds: &[i64]| seconds.iter().map(|second| line(*second, "x")).collect::<String>();
    for (first, second) in [("s", "u"), ("u", "s")] {
        for read_current in [false, true] {
            let scratch = Scratch::new();
            let dir = scratch.join("log");
            put(&dir, &[(&old(4, first), &text(&[3]))]);
            let mut wanted = text(&[3]);
            if read_current {
                put(&dir, &[("current", &text(&[8]))]);
                wanted += &text(&[8]);
            }
            assert_eq!(next(scratch.path()), wanted);
            put(&dir, &[(&old(4, second), &text(&[4]))]);
            assert_eq!(next(scratch.path()), text(&[4]), "{first} {second} {read_current}");
            assert_eq!(next(scratch.path()), "");
            // What is compressed by hand, or processed late as svlogd does, is the same.
            let packed = pack("gzip", &text(&[3])).expect("gzip is everywhere");
            fs::write(dir.join(old(4, &format!("{first}.gz"))), packed).expect("own directory");
            assert_eq!(next(scratch.path()), "");
            fs::remove_file(dir.join(old(4, first))).expect("own file");
            assert_eq!(next(scratch.path()), "");
        }
    }
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(4, "u"), &text(&[3])), ("current", &text(&[8]))]);
    assert_eq!(next(scratch.path()), text(&[3, 8]));
    fs::rename(dir.join(old(4, "u")), dir.join(old(4, "s"))).expect("own file");
    assert_eq!(next(scratch.path()), "");
    // In another directory they are read for themselves.
    put(&scratch.join("other"), &[(&old(4, "s"), &line(3, "other"))]);
    let run = || shown(scratch.path(), &["--cursor", "cursor", "-o", "raw", "log", "other"]);
    assert_eq!(run(), line(3, "other"));
    assert_eq!(run(), "");
}

/// A cursor of before the old logs were noted in it is good still.
#[test]
fn a_cursor_that_does_not_tell_the_old_logs_is_one() {
    let scratch = Scratch::new();
    let dir = scratch.join("log");
    put(&dir, &[(&old(4, "s"), &line(3, "a")), ("current", &line(5, "b"))]);
    assert_eq!(next(scratch.path()), line(3, "a") + &line(5, "b"));
    let cursor = fs::read_to_string(scratch.join("cursor")).expect("it is there");
    let (short, known) = cursor.trim_end().rsplit_once(' ').expect("fields");
    assert_eq!(known, label(4, 0));
    fs::write(scratch.join("cursor"), format!("{short}\n")).expect("own file");
    fs::rename(dir.join("current"), dir.join(old(6, "s"))).expect("own file");
    put(&dir, &[("current", &line(7, "c"))]);
    assert_eq!(next(scratch.path()), line(7, "c"));
}

#[test]
fn a_place_is_kept_for_each_log_and_others_stay() {
    let scratch = Scratch::new();
    put(&scratch.join("a"), &[("current", &line(1, "a"))]);
    put(&scratch.join("b c"), &[("current", &line(2, "b"))]);
    let run = |paths: &[&str]| shown(scratch.path(), &[&["--cursor", "cursor", "-o", "raw"], paths].concat());
    assert_eq!(run(&["a", "b c"]), line(1, "a") + &line(2, "b"));
    put(&scratch.join("a"), &[("current", &(line(1, "a") + &line(3, "a")))]);
    assert_eq!(run(&["a"]), line(3, "a"));
    assert_eq!(run(&["./b c", "a/."]), "");
    // What is not wanted is passed over for good.
    put(
        &scratch.join("a"),
        &[("current", &(line(1, "a") + &line(3, "a") + &line(4, "not") + &line(5, "wanted")))],
    );
    assert_eq!(run(&["-g", "^wanted", "a"]), line(5, "wanted"));
    assert_eq!(run(&["a"]), "");
    // The first run may begin near the end.
    let end = ["--cursor", "other", "-n0", "-o", "raw", "a"];
    assert_eq!(shown(scratch.path(), &end), "");
    let mut text = fs::read_to_string(scratch.join("a/current")).expect("own file");
    text += &line(6, "new");
    put(&scratch.join("a"), &[("current", &text)]);
    assert_eq!(shown(scratch.path(), &end), line(6, "new"));
}

/// What was too late for one run is there for the next: each log ends at its first later line.
#[test]
fn a_run_that_ends_before_the_log_does_leaves_the_rest_to_the_next() {
    let until = |scratch: &Scratch, second: i64, more: &[&str]| {
        let until = label(second, 0);
        let arguments = ["--cursor", "cursor", "-o", "raw", "--until", &until];
        shown(scratch.path(), &[&arguments, more, &["a", "b"]].concat())
    };
    let lines = |seconds: &[i64]| seconds.iter().map(|second| line(*second, "x")).collect::<String>();
    let scratch = Scratch::new();
    put(&scratch.join("a"), &[(&old(4, "s"), &lines(&[1, 3])), ("current", &(lines(&[5, 7, 6]) + "and\n"))]);
    put(
        &scratch.join("b"),
        &[(&old(2, "s"), &lines(&[2])), (&old(8, "s"), &lines(&[4, 8])), ("current", "")],
    );
    assert_eq!(until(&scratch, 0, &[]), "");
    assert_eq!(until(&scratch, 3, &[]), lines(&[1, 2, 3]));
    assert_eq!(until(&scratch, 3, &[]), "");
    assert_eq!(until(&scratch, 6, &[]), lines(&[4, 5]));
    assert_eq!(until(&scratch, 9, &[]), lines(&[7, 6]) + "and\n" + &lines(&[8]));
    // Also where names of old logs tell that nothing earlier comes, and where they are not believed.
    for all in [&[][..], &["--all"]] {
        let scratch = Scratch::new();
        let many: Vec<i64> = (10..9000).collect();
        put(&scratch.join("a"), &[(&old(20, "s"), &lines(&[1])), ("current", &lines(&many))]);
        put(&scratch.join("b"), &[("current", "")]);
        assert_eq!(until(&scratch, 15, all), lines(&[1, 10, 11, 12, 13, 14, 15]));
        assert_eq!(until(&scratch, 17, all), lines(&[16, 17]));
        assert_eq!(until(&scratch, 9999, all), lines(&many[8..]));
        assert_eq!(until(&scratch, 9999, all), "");
    }
}

#[test]
fn a_cursor_that_cannot_be_used_is_told_and_nothing_is_shown() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "a"))]);
    fs::write(scratch.join("cursor"), "something else\n").expect("own directory");
    let out = mlog(scratch.path()).args(ARGUMENTS).run(b"");
    check(&out, "exit 111", "", "mlog: fatal: unable to read cursor: not a cursor file\n");
    assert_eq!(fs::read_to_string(scratch.join("cursor")).expect("own file"), "something else\n");
    let out = mlog(scratch.path()).args(["--cursor", "gone/cursor", "-o", "raw", "log"]).run(b"");
    check(&out, "exit 111", "", "mlog: fatal: unable to write gone/cursor: file does not exist\n");
}

/// The place moves only when the output has taken the lines.
#[test]
fn what_the_output_did_not_take_comes_again() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "a"))]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let out = std::process::Command::new(program("mlog"))
        .args(ARGUMENTS)
        .current_dir(scratch.path())
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("it is built");
    let said = String::from_utf8_lossy(&out.stderr);
    let told = "mlog: fatal: unable to write output: out of disk space\n";
    assert_eq!((out.status.code(), &*said), (Some(111), told));
    assert_eq!(next(scratch.path()), line(1, "a"));
}

/// Killed at any moment and started again, it misses no line, and repeats no more than what it had written last.
#[test]
fn a_shipper_that_is_killed_misses_nothing() {
    /// A block that was written and not noted yet, and the next one that was begun; in lines of some 60 bytes.
    const MOST_REPEATED: usize = 2 * 64 * 1024 / 40;
    let seed = seed();
    let mut rng = Rng::new(seed);
    let scratch = Scratch::new();
    let mut multilog = logger(scratch.path(), &["t", "s16384", "n9999", "!gzip", "./log"]);
    wait_until(SOON, "there is a log", || scratch.join("log/current").exists());
    let mut sent = 0;
    let mut next = 0;
    let mut kills = 0;
    while sent < 60_000 || next < sent {
        let cmd = Cmd::new(program("mlog")).args(["-f", "--cursor", "cursor", "-o", "raw", "log"]);
        let shipper = cmd.cwd(scratch.path()).spawn();
        if sent < 60_000 {
            let many = rng.range(1, 4000) as usize;
            multilog.send(numbered(sent, sent + many).as_bytes());
            sent += many;
            std::thread::sleep(Duration::from_micros(rng.range(0, 30_000)));
        } else {
            // The last one may take its time.
            wait_until(SOON, "the last line comes", || {
                shipper.stdout().ends_with(numbered(sent - 1, sent).as_bytes())
            });
        }
        let out = shipper.kill();
        kills += 1;
        assert_eq!(out.messages(), "", "seed {seed}");
        let whole = out.stdout.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let found = numbers(&out.stdout[..whole]);
        let Some(first) = found.first().copied() else { continue };
        assert!(first <= next, "seed {seed}: lines {next} to {first} are missing");
        assert!(next - first < MOST_REPEATED, "seed {seed}: {} lines came again", next - first);
        assert!(found.iter().enumerate().all(|(at, number)| *number == first + at), "seed {seed}: a gap");
        next = next.max(first + found.len());
    }
    assert!(kills > 10 && next == sent, "{kills} kills");
    multilog.wait();
}
