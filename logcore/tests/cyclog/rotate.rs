//! Rotation: where files end, what happens when a step of it fails.

use crate::*;

#[test]
fn each_span_of_time_has_files_of_its_own() {
    let (mut rig, mut log) = started(|config| config.every = Some(Duration::from_secs(60)));
    let now = |rig: &Rig| rig.disk().now();
    // To the beginning of a minute.
    let minute = |rig: &Rig| {
        let into = u64::try_from(now(rig).unix_seconds().rem_euclid(60)).unwrap();
        rig.rest(Duration::from_secs(60 - into));
    };
    minute(&rig);
    assert_eq!(tick(&mut log), None, "nothing is there to be rotated");
    log.turn(now(&rig));
    rig.append(&mut log, "one\n");
    rig.rest(Duration::from_secs(30));
    log.turn(now(&rig));
    rig.append(&mut log, "two\n");
    let due = tick(&mut log).unwrap();
    assert!(due > Duration::from_secs(28) && due < Duration::from_secs(31), "{due:?}");
    assert_eq!(rig.files(), ["current one|two|"]);
    // It is due though nothing comes.
    minute(&rig);
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|two|", "current "]);
    // An empty file is not rotated, and what comes later is of its own time.
    rig.rest(Duration::from_secs(150));
    rig.work(&mut log);
    log.turn(now(&rig));
    rig.append(&mut log, "three\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|two|", "current three|"]);
    // A line that has not ended is not torn.
    rig.append(&mut log, "four");
    rig.rest(Duration::from_secs(60));
    log.turn(now(&rig));
    assert_eq!(tick(&mut log), Some(Duration::from_millis(100)));
    rig.append(&mut log, " goes on\n");
    log.turn(now(&rig));
    rig.append(&mut log, "five\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|two|", "@.s+ three|four goes on|", "current five|"]);
    // A clock that goes back begins a file too, unless it is by a second.
    minute(&rig);
    rig.work(&mut log);
    log.turn(now(&rig));
    rig.append(&mut log, "next\n");
    log.turn(now(&rig).plus_seconds(-1));
    assert_eq!(rig.read("current").as_deref(), Some("next|"));
    let earlier = now(&rig).plus_seconds(-3600);
    log.turn(earlier);
    rig.append(&mut log, "six\n");
    assert_eq!(rig.read("current").as_deref(), Some("six|"));
}

#[test]
fn a_line_without_its_end_is_ended_before_its_file_is() {
    let run = |rotate: &dyn Fn(&mut Rig, &mut Log)| {
        let mut rig = Rig::new(|config| config.every = Some(Duration::from_secs(60)));
        rig = rig.with("current", "one\ntor", false).with("lock", &OURS.replace('|', "\n"), false);
        let mut log = rig.start();
        rotate(&mut rig, &mut log);
        log.turn(rig.disk().now());
        rig.append(&mut log, "two\n");
        rig.work(&mut log);
        assert_eq!(rig.files(), ["@.s+ one|tor|", "current two|"]);
    };
    run(&|_, log| log.rotate());
    run(&|rig, log| log.turn(rig.disk().now()));
    // On a full disk it is tried again.
    run(&|rig, log| {
        rig.refuse(Call::Append, Errno::NOSPC);
        log.turn(rig.disk().now());
        let error = log.tick().expect_err("the disk is full");
        assert_eq!(error.to_string(), "unable to write to ./a/current: out of disk space");
        rig.relent();
    });
}

#[test]
fn a_current_of_an_earlier_span_of_time_is_rotated_by_the_next_logger() {
    let (mut rig, mut log) = begun(|config| config.every = Some(Duration::from_secs(60)));
    assert_eq!(rig.close(&mut log, false), Some(true));
    drop(log);
    let mut log = rig.start();
    log.turn(rig.disk().now());
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["current one|two|"], "at once");
    assert_eq!(rig.close(&mut log, false), Some(true));
    drop(log);
    rig.rest(Duration::from_secs(120));
    let mut log = rig.start();
    log.turn(rig.disk().now());
    rig.append(&mut log, "three\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|two|", "current three|"]);
}

#[test]
fn where_files_end() {
    let check = |before: usize, texts: &[&str], wanted: &[usize]| {
        let mut rig = Rig::new(|_| ());
        if before > 0 {
            rig = rig.with("lock", "this boot\n0:1\nline\n", false).with("current", &line(before), false);
        }
        let mut log = rig.start();
        for text in texts {
            rig.append(&mut log, text);
            rig.work(&mut log);
        }
        let lens: Vec<_> = texts.iter().map(|text| text.len()).collect();
        assert_eq!(rig.sizes(), wanted, "{before} {lens:?}");
        assert_eq!(log.files() as usize, wanted.len() - 1, "{before} {lens:?}");
    };
    // With the first line that ends in the last 2000 bytes.
    check(0, &[&line(2999)], &[2999]);
    check(0, &[&line(3000)], &[3000, 0]);
    check(0, &[&line(2999), &line(1)], &[3000, 0]);
    check(0, &[&line(2999), &line(2001), &line(1)], &[5000, 1]);
    check(0, &[&line(1000).repeat(6)], &[5000, 1000]);
    check(0, &[&line(1500).repeat(4)], &[4500, 1500]);
    // A line that cannot end there is cut where the file is full.
    check(0, &[&line(2999), &line(2002)], &[5000, 1]);
    check(0, &[&line(12_000)], &[5000, 5000, 2000]);
    check(0, &[&line(4999), &line(1)], &[4999, 1]);
    check(0, &["x", &line(4999)], &[5000, 0]);
    check(0, &["x", &line(5000)], &[5000, 1]);
    check(0, &[&"x".repeat(5000)], &[5000]);
    // Found near its end by a start: the next line goes in only if it fits.
    check(3500, &[&line(1500)], &[5000, 0]);
    check(3500, &[&line(1501)], &[3500, 1501]);
    check(2999, &[&line(2002)], &[5000, 1]);
    check(5000, &[&line(1)], &[5000, 1]);
    check(5001, &[&line(1)], &[5001, 1]);
}

#[test]
fn a_newline_is_owed_to_a_file_with_room_for_it_else_to_the_next() {
    let check = |before: usize, wanted: &[usize]| {
        let current = "x".repeat(before);
        let mut rig =
            Rig::new(|_| ()).with("lock", "this boot\n0:1\nline\n", false).with("current", &current, false);
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        rig.work(&mut log);
        assert_eq!(rig.sizes(), wanted, "{before}");
        let last = rig.read("current").unwrap();
        assert_eq!(last.ends_with("|one|"), before != 4999, "{last}");
        // Whoever joins what has no end with the next file has two lines.
        let begins_line = if before < 5000 { "line" } else { "-" };
        assert!(rig.read("lock").unwrap().ends_with(&format!("|{begins_line}|")), "{before}");
        log.rotate();
        rig.work(&mut log);
        assert!(rig.read("lock").unwrap().ends_with("|line|"), "{before}");
    };
    check(100, &[105]);
    check(4999, &[5000, 4]);
    check(5000, &[5000, 5]);
    check(6000, &[6000, 5]);
}

#[test]
fn alrm_begins_a_new_file_unless_current_is_empty() {
    let (mut rig, mut log) = started(|_| ());
    log.rotate();
    assert_eq!(log.files(), 0);
    rig.append(&mut log, "one\n");
    log.rotate();
    log.rotate();
    assert_eq!(log.files(), 1);
    assert_eq!(rig.files(), ["current ", "previous one|"]);
    // The next waits for the finisher; lines do not.
    rig.append(&mut log, "two\n");
    log.rotate();
    rig.append(&mut log, "three\n");
    assert_eq!(rig.files(), ["current two|three|", "previous one|"]);
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "@.s+ two|three|", "current "]);
    // A line that is taken back leaves nothing to begin another file for.
    rig.append(&mut log, "none\n");
    log.rotate();
    rig.append(&mut log, "par");
    log.rotate();
    assert!(log.take_back(3, false));
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "@.s+ two|three|", "@.s+ none|", "current "]);
    // Should it fill the file, that is one new file, not two.
    rig.append(&mut log, "four\n");
    log.rotate();
    rig.append(&mut log, "five\n");
    log.rotate();
    rig.append(&mut log, &line(4000));
    assert_eq!(log.append(b"six\n"), Err(Blocked::Finisher));
    rig.work(&mut log);
    rig.append(&mut log, "six\n");
    rig.work(&mut log);
    assert_eq!(rig.files().last().map(String::as_str), Some("current six|"));
    assert_eq!(rig.old_logs().len(), 5);
}

/// What was begun goes on though no line comes, and what is in its way is said.
#[test]
fn a_rotation_goes_on_by_itself() {
    let both = |config: &mut Config| {
        config.every = Some(Duration::from_secs(60));
        config.sync = Sync::Within(Duration::from_secs(1));
    };
    let (mut rig, mut log) = started(both);
    log.turn(rig.disk().now());
    rig.append(&mut log, "one\n");
    // Both are due at once: a sync and a new file.
    rig.rest(Duration::from_secs(61));
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "current "]);
    log.turn(rig.disk().now());
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Open, Errno::NOSPC);
    log.rotate();
    let error = log.tick().expect_err("there is no current");
    assert_eq!(error.to_string(), "unable to create ./a/current: out of disk space");
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "@.s+ two|", "current "]);
}

#[test]
fn a_name_that_cannot_be_given_is_told_once_and_kept() {
    let (mut rig, mut log) = begun(|_| ());
    log.rotate();
    rig.refuse(Call::RenameNew, Errno::ROFS);
    rig.work_for(&mut log, Duration::from_secs(30));
    assert_eq!(rig.said.len(), 1, "{:?}", rig.said);
    let name =
        rig.said[0].split(' ').find(|word| word.starts_with('@')).unwrap().trim_end_matches(',').to_owned();
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.old_logs(), [OsString::from(name)]);
}

/// While the finisher is in the way, nobody tries what has failed: that is no success.
#[test]
fn a_rotation_that_waits_is_not_settled() {
    let mut rig = slow_finisher(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    assert!(log.is_settled());
    rig.refuse(Call::RenameNew, Errno::NOSPC);
    log.rotate();
    log.tick().expect_err("it cannot be renamed");
    rig.relent();
    let mut rig = rig.with("previous", "another's\n", false);
    assert_eq!((tick(&mut log), log.is_settled()), (None, false));
    rig.run_threads();
    wait(&mut rig, &mut log, |_, log| log.tick().is_ok() && log.is_settled());
    // The finisher goes on by itself.
    wait(&mut rig, &mut log, |rig, _| rig.files() == ["@.u another's|", "@.s+ one|", "current "]);
}

/// A slow finisher with its one order: the next must not be forgotten.
#[test]
fn an_order_to_finish_waits_for_its_place() {
    let mut rig = slow_finisher(|config| config.sync = Sync::Within(Duration::from_secs(1)));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.rest(Duration::from_secs(2));
    assert_eq!(tick(&mut log), None);
    log.rotate();
    assert_eq!(rig.files(), ["current ", "previous one|"]);
    rig.run_threads();
    wait(&mut rig, &mut log, |rig, log| {
        let _ = log.tick();
        rig.files() == ["@.s+ one|", "current "]
    });
}

/// `r` does not cut a line, also where it had to wait; ALRM does.
#[test]
fn a_span_of_time_that_is_over_waits_for_the_end_of_a_line() {
    let check = |alrm: bool, wanted: &[&str]| {
        let mut rig = slow_finisher(|config| config.every = Some(Duration::from_secs(60)));
        let mut log = rig.start();
        log.turn(rig.disk().now());
        rig.append(&mut log, "one\n");
        log.rotate();
        log.turn(rig.disk().now());
        rig.append(&mut log, "two\n");
        rig.rest(Duration::from_secs(60));
        if alrm {
            log.rotate();
        }
        log.turn(rig.disk().now());
        rig.append(&mut log, "three");
        rig.run_threads();
        wait(&mut rig, &mut log, |rig, _| rig.files().contains(&"@.s+ one|".to_owned()));
        let _ = log.tick();
        rig.append(&mut log, " goes on\n");
        wait(&mut rig, &mut log, |rig, log| {
            let _ = log.tick();
            rig.files() == wanted
        });
    };
    check(false, &["@.s+ one|", "@.s+ two|three goes on|", "current "]);
    check(true, &["@.s+ one|", "@.s+ two|three", "current  goes on|"]);
}

#[test]
fn no_new_file_begins_at_the_end() {
    let (mut rig, mut log) = started(|config| config.processor = Some("copy".into()));
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.append(&mut log, "two\n");
    log.rotate();
    while log.close(false) != Ok(true) {
        let _ = log.tick();
        let said = &mut rig.said;
        log.listen(&mut |message| said.push(message));
    }
    assert_eq!(rig.files()[..2], ["@.s+ one|".to_owned(), "current+ two|".to_owned()]);
}

/// A processor that fails keeps lines from nothing but a file that is full.
#[test]
fn a_span_of_time_that_ends_while_a_processor_fails_holds_nothing_back() {
    let (mut rig, mut log) = started(|config| {
        config.every = Some(Duration::from_secs(60));
        config.processor = Some("fail".into());
    });
    for text in ["one\n", "two\n", "three\n", "four\n"] {
        log.turn(rig.disk().now());
        rig.append(&mut log, text);
        rig.rest(Duration::from_secs(60));
        rig.work(&mut log);
    }
    assert_eq!(rig.files()[0], "current two|three|four|");
    assert!(rig.files().contains(&"previous+ one|".to_owned()), "{:?}", rig.files());
}

#[test]
fn a_rotation_that_fails_is_tried_again() {
    let check = |call: Call, errno: Errno, wanted: &str| {
        let (mut rig, mut log) = begun(|_| ());
        rig.refuse(call, errno);
        log.rotate();
        assert_eq!(trouble(log.append(b"two\n")), wanted);
        assert_eq!(trouble(log.settle()), wanted);
        rig.relent();
        rig.append(&mut log, "two\n");
        rig.work(&mut log);
        assert_eq!(rig.files(), ["@.s+ one|", "current two|"], "{call:?}");
    };
    let renamed = "unable to rename current to previous in directory ./a: input/output error";
    check(Call::RenameNew, Errno::IO, renamed);
    check(Call::Open, Errno::NOSPC, "unable to create ./a/current: out of disk space");
    check(Call::SetMode, Errno::IO, "unable to set mode of ./a/current: input/output error");
}

#[test]
fn the_current_of_somebody_else_is_not_written_to() {
    let (mut rig, mut log) = begun(|_| ());
    rig.refuse(Call::Open, Errno::NOSPC);
    log.rotate();
    rig.relent();
    rig.world.lock().files.place("./a", "current", Inode::old(b"of somebody else\n", false));
    assert_eq!(trouble(log.append(b"two\n")), "unable to create ./a/current: file already exists");
    // Nor is there anything to take back from.
    assert!(!log.take_back(1, false));
    assert_eq!(rig.files(), ["current of somebody else|", "previous one|"]);
    rig.remove("current");
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "current two|"]);
}

#[test]
fn a_previous_of_somebody_else_gets_out_of_the_way() {
    let check = |threads: bool, processor: Option<OsString>| {
        let (mut rig, mut log) = begun(|config| config.processor = processor.clone());
        if threads {
            rig.run_threads();
        }
        rig.world.lock().files.place("./a", "previous", Inode::old(b"of somebody else\n", true));
        log.rotate();
        rig.append(&mut log, "two\n");
        rig.work(&mut log);
        assert_eq!(rig.said, ["./a/previous is of somebody else; it becomes an old log"]);
        let wanted = ["@.u+ of somebody else|", "@.s+ one|", "current two|"];
        assert_eq!(rig.files(), wanted, "threads {threads} {processor:?}");
        assert_eq!(rig.close(&mut log, false), Some(true));
    };
    check(false, None);
    check(true, None);
    check(false, Some("cat".into()));
}

#[test]
fn a_previous_that_is_no_file_is_waited_for() {
    let (mut rig, mut log) = begun(|_| ());
    rig.world.lock().files.place("./a", "previous", Inode { kind: Kind::Directory, ..Inode::new() });
    log.rotate();
    let wanted = "unable to rename current to previous in directory ./a: file already exists";
    assert_eq!(trouble(log.append(b"two\n")), wanted);
    rig.remove("previous");
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "current two|"]);
}

#[test]
fn a_current_that_somebody_removed_is_followed_by_another() {
    let (mut rig, mut log) = begun(|_| ());
    rig.remove("current");
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["current two|"]);
    assert_eq!(rig.said, ["./a/previous has been removed by somebody"]);
}

#[test]
fn the_beginning_of_a_line_can_be_taken_back() {
    let (mut rig, mut log) = started(|_| ());
    rig.append(&mut log, "one\ntw");
    assert!(!log.take_back(7, false));
    rig.refuse(Call::Truncate, Errno::IO);
    assert!(!log.take_back(2, false));
    rig.relent();
    assert!(log.take_back(2, false));
    rig.append(&mut log, "three\n");
    assert_eq!(rig.files(), ["current one|three|"]);
    assert!(log.take_back(10, false));
    assert_eq!(rig.files(), ["current "]);
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ "]);
}
