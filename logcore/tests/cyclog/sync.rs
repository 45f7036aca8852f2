//! What is put on disk, when, and what a failed sync leaves in doubt.

use crate::*;

#[test]
fn y0_puts_each_batch_on_disk() {
    let (mut rig, mut log) = started(|config| config.sync = Sync::EachBatch);
    let durable = |rig: &Rig| {
        let world = rig.world.lock();
        let directory = &world.files.directories[std::path::Path::new("./a")];
        directory
            .durable
            .get(OsStr::new("current"))
            .map_or(0, |inode| world.files.inodes[*inode].durable.len())
    };
    rig.append(&mut log, "one\n");
    assert_eq!(durable(&rig), 0);
    log.sync_now().unwrap();
    assert_eq!(durable(&rig), 4);
    // The name is on disk once, and what has been synced is not again.
    let calls = (rig.calls(Call::Sync), rig.calls(Call::SyncDir));
    log.sync_now().unwrap();
    assert_eq!((rig.calls(Call::Sync), rig.calls(Call::SyncDir)), calls);
    rig.append(&mut log, "two\n");
    log.sync_now().unwrap();
    assert_eq!((rig.calls(Call::Sync), rig.calls(Call::SyncDir)), (calls.0 + 1, calls.1));
    // Of the next file too.
    log.rotate();
    rig.work(&mut log);
    rig.append(&mut log, "three\n");
    let calls = rig.calls(Call::SyncDir);
    log.sync_now().unwrap();
    assert_eq!((durable(&rig), rig.calls(Call::SyncDir)), (6, calls + 1));
    rig.append(&mut log, "four\n");
    log.rotate();
    rig.work(&mut log);
    rig.append(&mut log, "five\n");
    rig.refuse(Call::SyncDir, Errno::IO);
    assert_eq!(trouble(log.sync_now()), "unable to write directory ./a to disk: input/output error");
    rig.relent();
    let calls = rig.calls(Call::SyncDir);
    log.sync_now().unwrap();
    assert_eq!(rig.calls(Call::SyncDir), calls + 1);
}

/// The road may be held up by the same disk, and be killed there.
#[test]
fn a_failed_sync_is_not_believed_though_the_road_has_not_heard_of_it() {
    let (rig, mut log) = begun(|config| config.sync = Sync::Within(Duration::from_secs(1)));
    rig.refuse(Call::Sync, Errno::IO);
    rig.rest(Duration::from_secs(2));
    tick(&mut log);
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    // Nor of a full file.
    let (mut rig, mut log) = begun(|_| ());
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    tick(&mut log);
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    rig.relent();
    rig.work(&mut log);
    assert_eq!((rig.read("lock").as_deref(), rig.files().len()), (Some(OURS), 2), "{:?}", rig.files());
}

#[test]
fn without_y0_no_batch_is_synced() {
    for sync in [Sync::AtRotation, Sync::Within(Duration::from_secs(5))] {
        let (rig, mut log) = begun(|config| config.sync = sync);
        log.sync_now().unwrap();
        assert_eq!(rig.calls(Call::Sync), 0);
    }
}

#[test]
fn what_a_failed_sync_leaves_in_doubt_is_written_anew() {
    let (mut rig, mut log) = begun(|config| config.sync = Sync::EachBatch);
    log.sync_now().unwrap();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    assert_eq!(trouble(log.sync_now()), "unable to write ./a/current to disk: input/output error");
    assert!(log.in_doubt());
    // A killed logger's `current` is not to be trusted now.
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    assert_eq!(log.append(b"three\n"), Err(Blocked::Finisher));
    rig.work(&mut log);
    assert!(log.in_doubt());
    assert_eq!(
        rig.said,
        ["unable to write anew what ./a/previous lacks on disk, pausing: input/output error"]
    );
    assert_eq!(rig.files(), ["current ", "previous one|two|"]);
    rig.relent();
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.read("lock").as_deref(), Some(OURS));
    rig.append(&mut log, "three\n");
    // What is surely on disk, then what was in doubt; the names in that order.
    assert_eq!(rig.files(), ["@.u one|", "@.u two|", "current three|"]);
}

#[test]
fn lock_names_nobody_while_there_is_doubt_though_current_changes() {
    let (mut rig, mut log) = started(|config| config.sync = Sync::EachBatch);
    rig.append(&mut log, "one\ntw");
    rig.refuse(Call::Sync, Errno::IO);
    log.sync_now().unwrap_err();
    rig.relent();
    assert_eq!(
        (rig.files(), rig.read("lock").as_deref()),
        (vec!["current ".into(), "previous one|tw".into()], Some("-|-|-|"))
    );
    rig.work(&mut log);
    assert_eq!(rig.read("lock").as_deref(), Some("this boot|0:1|-|"));
    rig.append(&mut log, "o\n");
    assert_eq!(rig.files(), ["@.u one|tw", "current o|"]);
}

#[test]
fn nothing_on_disk_and_nothing_to_cut() {
    let check = |refused: Option<Call>, wanted: &[&str]| {
        let (mut rig, mut log) = begun(|config| config.sync = Sync::EachBatch);
        rig.refuse(Call::Sync, Errno::IO);
        log.sync_now().unwrap_err();
        rig.relent();
        if let Some(call) = refused {
            rig.refuse(call, Errno::IO);
        }
        rig.work(&mut log);
        rig.relent();
        rig.work(&mut log);
        assert_eq!(rig.files(), wanted, "{refused:?}");
        assert!(!log.in_doubt());
    };
    check(None, &["@.u one|", "current "]);
    // What cannot be cut is there twice.
    check(Some(Call::Truncate), &["@.u one|", "@.u one|", "current "]);
}

#[test]
fn what_was_in_doubt_keeps_its_place_when_its_name_is_refused() {
    let (mut rig, mut log) = begun(|config| config.sync = Sync::EachBatch);
    log.sync_now().unwrap();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    log.sync_now().unwrap_err();
    rig.relent();
    rig.refuse(Call::RenameNew, Errno::IO);
    rig.work(&mut log);
    let [said] = &rig.said[..] else { panic!("{:?}", rig.said) };
    assert!(said.starts_with("unable to rename ./a/previous to @"), "{said}");
    assert!(said.ends_with(".u, pausing: input/output error"), "{said}");
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.u one|", "@.u two|", "current "]);
}

#[test]
fn a_full_file_whose_sync_fails_is_written_anew() {
    let (mut rig, mut log) = begun(|_| ());
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    rig.work(&mut log);
    assert!(log.in_doubt());
    assert_eq!(rig.said[0], "unable to write ./a/previous to disk: input/output error; writing it anew");
    rig.relent();
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.files(), ["@.u one|", "current two|"]);
    assert!(rig.said.last().unwrap().starts_with("./a/previous is finished after "), "{:?}", rig.said);
}

#[test]
fn y0_full_files_are_on_disk_before_their_input_is_taken() {
    let (mut rig, mut log) = begun(|config| config.sync = Sync::EachBatch);
    // Near enough to the end that the file ends with it.
    let calls = rig.calls(Call::Sync);
    assert_eq!(log.append(line(3000).as_bytes()), Ok(3000));
    assert_eq!((log.files(), rig.calls(Call::Sync)), (1, calls + 1));
    log.sync_now().unwrap();
    // What has been synced already is not again.
    rig.work(&mut log);
    rig.append(&mut log, "two\n");
    log.sync_now().unwrap();
    let calls = rig.calls(Call::Sync);
    log.rotate();
    assert_eq!((log.files(), rig.calls(Call::Sync)), (2, calls));
    rig.work(&mut log);
    // Where that fails, nothing goes on.
    rig.append(&mut log, "three\n");
    rig.refuse(Call::Sync, Errno::IO);
    log.rotate();
    assert!(log.in_doubt());
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    assert_eq!(log.append(b"four\n"), Err(Blocked::Finisher));
    rig.relent();
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.files()[1..], ["@.s+ two|", "@.u three|", "current "]);
}

#[test]
fn what_is_not_on_disk_gets_no_older_than_said() {
    let limit = Duration::from_secs(5);
    let (mut rig, mut log) = started(|config| config.sync = Sync::Within(limit));
    assert_eq!(tick(&mut log), None);
    rig.append(&mut log, "one\n");
    rig.rest(Duration::from_secs(2));
    rig.append(&mut log, "two\n");
    let due = tick(&mut log).unwrap();
    let wanted = Duration::from_secs(3);
    assert!((wanted - Duration::from_millis(1)..=wanted).contains(&due), "{due:?}");
    rig.rest(due);
    let names = rig.calls(Call::SyncDir);
    assert_eq!(rig.calls(Call::Sync), 0);
    assert_eq!(tick(&mut log), None);
    assert_eq!((rig.calls(Call::Sync), rig.calls(Call::SyncDir)), (1, names + 1));
    // All of it is on disk: nothing is due before more is written.
    rig.rest(limit);
    assert_eq!((tick(&mut log), rig.calls(Call::Sync)), (None, 1));
    rig.append(&mut log, "three\n");
    assert!(tick(&mut log).unwrap() > Duration::from_secs(4));
    rig.rest(limit);
    assert_eq!(tick(&mut log), None);
    assert_eq!(
        (rig.calls(Call::Sync), rig.calls(Call::SyncDir)),
        (2, names + 1),
        "the name is there already"
    );
    rig.append(&mut log, "four\n");
    // What a killed logger wrote may not be on disk either.
    let mut log = rig.start();
    assert!(tick(&mut log).unwrap() > Duration::from_secs(4));
}

/// Without inodes: the full file is `previous`, and cannot be finished.
#[test]
fn while_no_current_can_be_made_the_file_before_gets_no_older_either() {
    for fails in [false, true] {
        let (mut rig, mut log) = begun(|config| config.sync = Sync::Within(Duration::from_secs(5)));
        rig.refuse(Call::Open, Errno::NOSPC);
        log.rotate();
        assert_eq!(rig.files(), ["previous one|"]);
        if fails {
            rig.refuse(Call::Sync, Errno::IO);
        }
        for (seconds, syncs) in [(4, 0), (2, 1), (60, 1)] {
            rig.rest(Duration::from_secs(seconds));
            log.tick().unwrap_err();
            log.listen(&mut |_| ());
            assert_eq!((rig.calls(Call::Sync), log.in_doubt()), (syncs, fails && syncs > 0), "{seconds}");
        }
        rig.relent();
        rig.work(&mut log);
        assert_eq!(rig.files(), [if fails { "@.u one|" } else { "@.s+ one|" }, "current "]);
        rig.append(&mut log, "two\n");
        assert!(!log.in_doubt());
        assert!(tick(&mut log).unwrap() > Duration::from_secs(4), "what is new is not old");
    }
}

#[test]
fn a_sync_of_the_file_before_says_nothing_of_this_one() {
    let (mut rig, mut log) = started(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    rig.append(&mut log, "1\n");
    rig.rest(Duration::from_secs(6));
    // Synced, and said so; nobody has listened yet.
    assert_eq!(tick(&mut log), None);
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    rig.rest(Duration::from_secs(6));
    rig.refuse(Call::Sync, Errno::IO);
    rig.work(&mut log);
    assert_eq!(rig.said[0], "unable to write ./a/current to disk: input/output error; writing it anew");
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ 1|", "@.u two|", "current "]);
}

#[test]
fn what_was_synced_is_not_written_anew() {
    let (mut rig, mut log) = begun(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    rig.work_for(&mut log, Duration::from_secs(6));
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    rig.work_for(&mut log, Duration::from_secs(6));
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.u one|", "@.u two|", "current "]);
}

#[test]
fn doubt_is_not_over_when_the_file_before_is_finished() {
    let (mut rig, mut log) = begun(|config| config.sync = Sync::EachBatch);
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    log.sync_now().unwrap_err();
    rig.relent();
    assert_eq!(tick(&mut log), None);
    log.listen(&mut |_| ());
    assert_eq!(rig.files()[0], "@.s+ one|");
    assert!(log.in_doubt());
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.files(), ["@.s+ one|", "@.u two|", "current "]);
}

#[test]
fn a_sync_that_fails_on_an_empty_file_is_not_forgotten() {
    let empty = || {
        let mut rig = Rig::new(|config| config.sync = Sync::Within(Duration::from_secs(5)))
            .with("lock", "this boot\n0:1\nline\n", false)
            .with("current", "tw", false);
        let mut log = rig.start();
        log.mend(None, &[b"two\n"]);
        rig.refuse(Call::Sync, Errno::IO);
        rig.work_for(&mut log, Duration::from_secs(6));
        assert_eq!(rig.said, ["unable to write ./a/current to disk: input/output error; writing it anew"]);
        assert!(!log.in_doubt(), "there is nothing to lose");
        (rig, log)
    };
    // It is told at the end,
    let (mut rig, mut log) = empty();
    assert_eq!(rig.close(&mut log, false), Some(false));
    // and what has been written since goes to another file: at the end, or when it is due.
    for at_end in [true, false] {
        let (mut rig, mut log) = empty();
        rig.append(&mut log, "two\n");
        rig.relent();
        if !at_end {
            rig.work_for(&mut log, Duration::from_secs(6));
            assert_eq!(rig.files(), ["@.u two|", "current "]);
        }
        assert_eq!(rig.close(&mut log, false), Some(true), "at the end: {at_end}");
        assert_eq!(rig.files(), ["@.u two|", "current+ "]);
    }
}
