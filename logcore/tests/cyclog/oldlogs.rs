//! Old logs: names, and which of them go.

use crate::*;

#[test]
fn old_logs_that_are_too_many_go() {
    let check = |num: usize, old: &[&str], wanted: &[&str]| {
        let mut rig = Rig::new(|config| config.num = num);
        for name in old {
            rig = rig.with(name, "", true);
        }
        let mut log = rig.start();
        let lists = rig.calls(Call::List);
        rig.work(&mut log);
        assert_eq!(rig.old_logs(), wanted, "n{num} at the start");
        // Nobody looks for what cannot be there.
        assert_eq!(rig.calls(Call::List) > lists, old.len() > wanted.len(), "n{num} {old:?}");
        for _ in 0..12 {
            rig.append(&mut log, "line\n");
            log.rotate();
            rig.work(&mut log);
        }
        assert_eq!(rig.old_logs().len(), num.max(2) - 1, "n{num} later");
    };
    check(2, &[OLDER, OLD], &[OLD]);
    check(3, &[OLDER, OLD], &[OLDER, OLD]);
    check(4, &[OLDER, OLD], &[OLDER, OLD]);
    check(1, &[OLDER, OLD], &[OLD]);
    check(0, &[], &[]);
}

#[test]
fn old_logs_that_take_too_much_go() {
    let mut rig =
        Rig::new(|config| config.bytes = 10).with(OLDER, "0123456789\n", true).with(OLD, "old\n", true);
    let mut log = rig.start();
    rig.work(&mut log);
    assert_eq!(rig.old_logs(), [OLD], "at the start");
    for line in ["one\n", "two\n", "four and more\n", "three\n"] {
        rig.append(&mut log, line);
        log.rotate();
        rig.work(&mut log);
    }
    assert_eq!(rig.files(), ["@.s+ three|", "current "], "the newest two take more");
}

#[test]
fn old_logs_that_are_too_old_go_when_the_next_is_finished() {
    let mut rig = Rig::new(|config| config.age = Some(Duration::from_secs(60))).with(OLD, "old\n", true);
    let mut log = rig.start();
    rig.work(&mut log);
    assert_eq!(rig.old_logs(), [OLD], "the clock may be wrong yet");
    let mut rotate = |rig: &mut Rig, line: &str| {
        rig.append(&mut log, line);
        log.rotate();
        rig.work(&mut log);
    };
    rotate(&mut rig, "one\n");
    rig.rest(Duration::from_secs(40));
    rotate(&mut rig, "two\n");
    assert_eq!(rig.files(), ["@.s+ one|", "@.s+ two|", "current "]);
    rig.rest(Duration::from_secs(40));
    rotate(&mut rig, "three\n");
    assert_eq!(rig.files(), ["@.s+ two|", "@.s+ three|", "current "]);
    // The newest stays, however long nothing comes.
    rig.rest(Duration::from_secs(400));
    rotate(&mut rig, "four\n");
    assert_eq!(rig.files(), ["@.s+ four|", "current "]);
}

/// The clock may not be set yet when the machine has just been started.
#[test]
fn no_old_log_is_too_old_in_the_first_ten_minutes() {
    let mut rig = Rig::new(|config| config.age = Some(Duration::from_secs(60))).with(OLD, "old\n", true);
    rig.world.lock().clock.uptime = Duration::from_secs(590);
    let mut log = rig.start();
    for (line, wanted) in [("one\n", 2), ("two\n", 2)] {
        rig.append(&mut log, line);
        log.rotate();
        rig.work(&mut log);
        assert_eq!(rig.old_logs().len(), wanted, "{line}");
        rig.rest(Duration::from_secs(20));
    }
}

/// What a clock that was ahead has named is as old as its file.
#[test]
fn a_name_of_the_future_is_too_old_when_its_file_is() {
    let (one, other) = ("@400000009000000000000000.s", "@400000009000000000000001.s");
    let mut rig = Rig::new(|config| config.age = Some(Duration::from_secs(60))).with(one, "1970\n", true);
    let now = rig.disk().now();
    let modified = now.unix_seconds();
    rig.world.lock().files.place("./a", other, Inode { modified, ..Inode::old(b"now\n", true) });
    // A name of the past is believed, whatever the file says.
    let named = String::from_utf8(name::compose(now, b"s").into_encoded_bytes()).unwrap();
    rig.world.lock().files.place("./a", &named, Inode::old(b"named\n", true));
    let mut log = rig.start();
    let mut rotate = |rig: &mut Rig, line: &str| {
        rig.append(&mut log, line);
        log.rotate();
        rig.work(&mut log);
    };
    rotate(&mut rig, "one\n");
    assert_eq!(rig.files(), ["@.s+ named|", "@.s+ one|", "@.s+ now|", "current "]);
    rig.rest(Duration::from_secs(80));
    rotate(&mut rig, "two\n");
    assert_eq!(rig.files(), ["@.s+ two|", "current "]);
}

#[test]
fn what_the_start_names_counts() {
    let mut rig = Rig::new(|config| config.num = 3).with(OLDER, "", true).with(OLD, "", true);
    rig = rig.with("previous", "one\n", true).with("current", "", true);
    let mut log = rig.start();
    // Only a file with a second link needs a look for its other name.
    assert_eq!(rig.calls(Call::List), 1);
    rig.work(&mut log);
    let old = rig.old_logs();
    assert_eq!((old.len(), old[0].to_str()), (2, Some(OLD)), "{old:?}");
}

#[test]
fn a_name_of_the_future_is_told_and_goes_first() {
    let future = "@400000009000000000000000.s";
    let mut rig = Rig::new(|config| config.num = 2).with(future, "", true).with(OLD, "", true);
    let mut log = rig.start();
    assert_eq!(rig.said, [format!("./a/{future} is dated in the future; it counts as an old log")]);
    rig.work(&mut log);
    assert_eq!(rig.old_logs(), [OLD]);
}

#[test]
fn a_name_that_is_taken_is_never_replaced() {
    let run = |taken: &[OsString]| {
        let mut rig = Rig::new(|_| ());
        for name in taken {
            // Not an old log, so that the start does not count it.
            let inode = Inode { kind: Kind::Directory, ..Inode::new() };
            rig.world.lock().files.place("./a", name.to_str().unwrap(), inode);
        }
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        log.rotate();
        rig.work(&mut log);
        let mut old = rig.old_logs();
        old.retain(|name| !taken.contains(name));
        assert_eq!(old.len(), 1, "{old:?}");
        old.remove(0)
    };
    let first = run(&[]);
    let second = run(std::slice::from_ref(&first));
    assert!(second > first, "{second:?} {first:?}");
    let third = run(&[first.clone(), second.clone()]);
    assert!(third > second, "{third:?} {second:?}");
    let nanos = |name: &OsString| name::parse(name.as_bytes()).unwrap().nanos();
    assert_eq!(nanos(&third), nanos(&first) + 2);
}

#[test]
fn old_logs_that_cannot_be_removed_do_not_stop_others() {
    let mut rig = Rig::new(|config| config.num = 2).with(OLD, "", true);
    let immutable = Inode { immutable: true, ..Inode::old(b"", true) };
    rig.world.lock().files.place("./a", OLDER, immutable);
    let mut log = rig.start();
    rig.work(&mut log);
    let stays = format!("unable to remove ./a/{OLDER}: permission denied; it stays");
    assert_eq!((rig.said.clone(), rig.old_logs()), (vec![stays], vec![OLDER.into(), OLD.into()]));
    // It does not count, and is not tried again.
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.work(&mut log);
    assert_eq!((rig.said.len(), rig.old_logs().len()), (1, 2));
    assert_eq!(rig.old_logs()[0], OLDER);
    assert!(rig.old_logs()[1] != OLD);
}

#[test]
fn trouble_with_all_old_logs_is_said_once_a_minute() {
    let rotate = |rig: &mut Rig, log: &mut Log| {
        rig.append(log, "one\n");
        log.rotate();
        rig.work(log);
    };
    for (call, message) in [
        (Call::Unlink, format!("unable to remove ./a/{OLDER}: input/output error; it stays")),
        (Call::List, "unable to read ./a: input/output error".to_owned()),
    ] {
        let mut rig = Rig::new(|config| config.num = 2).with(OLDER, "", true).with(OLD, "", true);
        let mut log = rig.start();
        rig.refuse(call, Errno::IO);
        rig.work(&mut log);
        rotate(&mut rig, &mut log);
        rotate(&mut rig, &mut log);
        assert_eq!(rig.said, [&*message]);
        assert_eq!(rig.old_logs().len(), 4);
        // A try each time a file is finished, and no more.
        assert_eq!(rig.calls(call), if call == Call::List { 4 } else { 3 });
        rig.rest(Duration::from_secs(61));
        rotate(&mut rig, &mut log);
        assert_eq!(rig.said, [&*message, &*message]);
        rig.relent();
        rotate(&mut rig, &mut log);
        assert_eq!(rig.old_logs().len(), 1);
        // It worked: the next time is news.
        rig.refuse(call, Errno::IO);
        rotate(&mut rig, &mut log);
        assert_eq!(rig.said.len(), 3);
    }
}

#[test]
fn a_multitude_goes_at_once() {
    let mut rig = Rig::new(|config| config.num = 2);
    for number in 0..4200 {
        rig = rig.with(&format!("@400000003b4a39c2{number:08x}.s"), "", true);
    }
    let mut log = rig.start();
    rig.work(&mut log);
    assert_eq!(rig.old_logs().len(), 1);
}

#[test]
fn a_multitude_that_cannot_be_removed_is_left_alone() {
    let mut rig = Rig::new(|config| config.num = 2);
    for number in 0..1100 {
        let name = format!("@400000003b4a39c2{number:08x}.s");
        let immutable = Inode { immutable: true, ..Inode::new() };
        rig.world.lock().files.place("./a", &name, immutable);
    }
    let mut log = rig.start();
    rig.work(&mut log);
    // One too many to remember ends it.
    assert_eq!(rig.calls(Call::Unlink), 1025);
    assert_eq!(rig.old_logs().len(), 1100);
}
