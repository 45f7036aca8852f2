//! Starting: what is refused, what is continued, what becomes of a torn line, what `lock` says.

use crate::*;

#[test]
fn a_new_directory() {
    let (mut rig, mut log) = started(|_| ());
    assert_eq!(log.shown(), "./a");
    assert_eq!(rig.read("lock").as_deref(), Some(OURS));
    assert_eq!(rig.read("state").as_deref(), Some(""));
    // Less is taken only where a file ends.
    assert_eq!(log.append(b"one\ntwo"), Ok(7));
    assert_eq!(log.append(b"\n"), Ok(1));
    assert_eq!(rig.files(), ["current one|two|"]);
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ one|two|"]);
    assert_eq!(rig.said, [""; 0]);
}

#[test]
fn lock_says_who_writes() {
    let check = |before: &str, boot: Option<&str>, input: Option<&str>, after: &str| {
        let mut rig = Rig::new(|_| ()).with("lock", before, false);
        rig.writer = Writer { boot: boot.map(str::to_owned), input: input.map(str::to_owned) };
        rig.start();
        assert_eq!(rig.read("lock").as_deref(), Some(after), "{before:?} {boot:?} {input:?}");
    };
    check("", Some(BOOT), Some(INPUT), OURS);
    check("", None, Some(INPUT), "-|0:1|line|");
    check("", Some(BOOT), None, "this boot|-|line|");
    check(&line(400), Some(BOOT), Some(INPUT), OURS);
}

/// A line goes on in the next file. Where nothing of it has come there, what comes next is not its rest.
#[test]
fn a_line_that_was_to_go_on_in_an_empty_file_ends_there() {
    let old = "@400000003b4a39c23294b13c.s";
    let check = |name: &str, content: &str, lock: &str, processor: bool, wanted: &str| {
        let mut rig = Rig::new(|config| config.processor = processor.then(|| "fail".into()));
        rig =
            rig.with(name, content, !name.ends_with('u')).with("current", "", true).with("state", "", false);
        let mut rig = rig.with("lock", &lock.replace('|', "\n"), false);
        rig.start();
        assert_eq!(rig.read("current").as_deref(), Some(wanted), "{name} {content} {lock}");
        assert_eq!(rig.read("lock").as_deref(), Some(if wanted.is_empty() { OURS } else { CUT }));
    };
    check(old, "one\ntw", "", false, "|");
    check(old, "one\ntwo\n", "this boot|0:1|-|", false, "");
    check("@400000003b4a39c23294b13c.u", "one\ntw", "another|0:1|line|", true, "|");
    check("previous", "one\ntw", "this boot|0:1|-|", true, "|");
    let mut rig = Rig::new(|config| config.processor = Some("fail".into()));
    rig = rig.with("previous", "one\ntw", true).with("current", "o\nthree\n", false).with("state", "", false);
    let mut rig = rig.with("lock", "another|0:1|-|", false);
    rig.start();
    assert_eq!(rig.files(), ["@.u o|three|", "current ", "previous+ one|tw"], "the line goes on in between");
    // What a processor or somebody else has made of it says nothing; `lock` may.
    check(old, "packed", OURS, true, "");
    check(old, "packed", "this boot|0:1|-|", true, "|");
    check("@400000003b4a39c23294b13c.s.gz", "packed", OURS, false, "");
    check("@400000003b4a39c23294b13c.s.gz", "packed", "-|-|-|", false, "");
    // A name of the future does not say which file was the last.
    let rig =
        Rig::new(|_| ()).with(old, "one\ntw", true).with("@4000000f3b4a39c200000000.s", "three\n", true);
    let rig = rig.with("current", "", true).with("state", "", false);
    let mut rig = rig.with("lock", &OURS.replace('|', "\n"), false);
    rig.start();
    assert_eq!(rig.read("current").as_deref(), Some(""));
}

/// What is written to it would be written there.
#[test]
fn a_lock_that_has_another_name_is_not_written_to() {
    let mut rig = Rig::new(|_| ()).with("current", "one\n", true).with("state", "", false);
    {
        let mut world = rig.world.lock();
        let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
        let current = directory.live[OsStr::new("current")];
        directory.live.insert("lock".into(), current);
    }
    let mut log = rig.open().unwrap();
    assert_eq!(rig.said, ["./a/lock has another name: it is not written to"]);
    rig.append(&mut log, "two\n");
    log.rotate();
    rig.work(&mut log);
    assert_eq!(rig.read("lock").as_deref(), Some("one|two|"));
}

#[test]
fn a_disk_that_is_full_is_no_reason_not_to_start() {
    let mut rig = Rig::new(|_| ()).with("current", "one\n", true).with("state", "", false);
    rig.refuse(Call::Overwrite, Errno::NOSPC);
    let mut log = rig.open().unwrap();
    assert_eq!(rig.said, ["unable to write ./a/lock: out of disk space"]);
    rig.append(&mut log, "two\n");
    assert_eq!(rig.files(), ["current one|two|"]);
}

#[test]
fn a_locked_directory_is_tried_for_a_moment() {
    let mut rig = Rig::new(|_| ());
    let _log = rig.start();
    let before = rig.disk().uptime();
    let error = rig.open().err().unwrap();
    assert_eq!(error.to_string(), "unable to lock directory ./a: temporary failure");
    let waited = rig.disk().uptime() - before;
    assert!((Duration::from_millis(100)..Duration::from_secs(1)).contains(&waited), "{waited:?}");
}

#[test]
fn what_is_no_log_directory_is_refused_and_not_changed() {
    let check = |name: &str, kind: Kind, wanted: &str| {
        let mut rig = Rig::new(|_| ());
        let inode = Inode { kind, ..Inode::new() };
        rig.world.lock().files.place("./a", name, inode);
        let error = rig.open().err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(wanted));
        assert_eq!(rig.read("state").is_some(), name == "state");
    };
    check("current", Kind::Directory, "unable to append to ./a/current: is a directory");
    check("current", Kind::Link, "unable to append to ./a/current: symbolic link loop");
    check("previous", Kind::Other, "unable to open ./a/previous: device not configured");
    check("processed", Kind::Directory, "unable to open ./a/processed: is a directory");
    check("newstate", Kind::Link, "unable to open ./a/newstate: symbolic link loop");
    check("state", Kind::Other, "unable to open ./a/state: device not configured");
}

#[test]
fn a_current_of_this_boot_is_continued_and_another_is_set_aside() {
    let check = |lock: &str, boot: Option<&str>, safe: bool, continued: bool| {
        let mut rig = Rig::new(|_| ()).with("lock", lock, false).with("current", "one\n", safe);
        rig.writer.boot = boot.map(str::to_owned);
        let mut log = rig.start();
        rig.append(&mut log, "two\n");
        let wanted: &[&str] = if continued { &["current one|two|"] } else { &["@.u one|", "current two|"] };
        assert_eq!(rig.files(), wanted, "{lock:?} {boot:?} {safe}");
    };
    check("this boot\n0:1\nline\n", Some(BOOT), false, true);
    check("another boot\n0:1\nline\n", Some(BOOT), false, false);
    check("another boot\n0:1\nline\n", Some(BOOT), true, true);
    check("", Some(BOOT), false, false);
    check("-\n0:1\nline\n", Some("-"), false, false);
    check("\n0:1\nline\n", Some(""), false, false);
    // Nobody knows the boot: then and now may be two.
    check("-\n0:1\nline\n", None, false, false);
}

#[test]
fn a_line_that_ends_nowhere_is_torn_only_where_its_source_may_be_pending() {
    let check = |lock: &str, safe: bool, input: Option<&str>, torn: bool, said: &[&str]| {
        let mut rig = Rig::new(|_| ()).with("lock", lock, false).with("current", "one\ntw", safe);
        rig.writer.input = input.map(str::to_owned);
        let mut log = rig.start();
        assert_eq!(log.torn(), torn, "{lock:?} {safe} {input:?}");
        assert_eq!(rig.said, said, "{lock:?} {safe} {input:?}");
        // Torn or not: where nobody says that it can be cut, it gets an end.
        rig.append(&mut log, "three\n");
        assert_eq!(rig.files(), ["current one|tw|three|"]);
    };
    check("this boot\n0:1\nline\n", false, Some(INPUT), true, &[]);
    check("this boot\n0:2\nline\n", false, Some(INPUT), false, &[]);
    check("this boot\n-\nline\n", false, None, false, &[]);
    let ending = "./a/current ends in the middle of a line; ending it";
    check("this boot\n0:1\nline\n", true, Some(INPUT), false, &[ending]);
    check("another boot\n0:1\nline\n", true, Some(INPUT), false, &[ending]);
}

#[test]
fn a_torn_line_is_cut_off_when_its_source_is_pending() {
    let check = |third: &str, current: &str, pending: &str, cuts: bool, wanted: &str| {
        let lock = format!("this boot\n0:1\n{third}\n");
        let mut rig = Rig::new(|_| ()).with("lock", &lock, false).with("current", current, false);
        let mut log = rig.start();
        assert!(log.torn());
        if !cuts {
            rig.refuse(Call::Truncate, Errno::IO);
        }
        log.mend(None, &[pending.as_bytes()]);
        assert!(!log.torn());
        rig.append(&mut log, "two\n");
        assert_eq!(rig.files(), [wanted], "{third} {current:?} {pending:?}");
    };
    check("line", "one\ntw", "two\n", true, "current one|two|");
    check("line", "one\ntw", "2\n", true, "current one|tw|two|");
    check("line", "one\ntw", "two\n", false, "current one|tw|two|");
    // A line that began in the file before may be cut only behind a newline.
    check("line", "tw", "two\n", true, "current two|");
    check("-", "tw", "two\n", true, "current tw|two|");
    check("-", "ne\ntw", "two\n", true, "current ne|two|");
}

#[test]
fn lock_says_whether_current_begins_with_a_line() {
    let third = |rig: &Rig| rig.read("lock").unwrap().split('|').nth(2).unwrap().to_owned();
    let (mut rig, mut log) = started(|_| ());
    rig.append(&mut log, &"x".repeat(5001));
    rig.work(&mut log);
    assert_eq!((rig.sizes(), &*third(&rig)), (vec![5000, 1], "-"));
    // The next logger knows it from there, and of the file after that what is true of that one.
    let mut log = rig.start();
    assert_eq!(third(&rig), "-");
    rig.append(&mut log, "\n");
    log.rotate();
    rig.work(&mut log);
    assert_eq!(third(&rig), "line");
    rig.append(&mut log, "whole\n");
    rig.start();
    assert_eq!(third(&rig), "line");
    // It is written when that changes, and not with each file.
    let mut log = rig.start();
    let writes = rig.calls(Call::Overwrite);
    log.rotate();
    rig.work(&mut log);
    assert_eq!(rig.calls(Call::Overwrite), writes);
    rig.append(&mut log, "whole\n");
    // After another boot it may be anything.
    rig.writer.boot = Some("another".into());
    rig.remove("lock");
    let mut log = rig.start();
    assert_eq!(third(&rig), "line", "a new file");
    rig.append(&mut log, "x\n");
    assert_eq!(rig.close(&mut log, false), Some(true));
    rig.writer.boot = Some("a third".into());
    rig.start();
    assert_eq!(third(&rig), "-", "an old one");
}
