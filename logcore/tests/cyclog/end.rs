//! The end, clean or told, and a finisher that is slow.

use crate::*;

#[test]
fn the_clean_end_ends_a_line_that_stops() {
    let (mut rig, mut log) = started(|_| ());
    rig.append(&mut log, "one\ntwo");
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ one|two|"]);
    // In the next file, where this one is full.
    let (mut rig, mut log) = started(|_| ());
    rig.append(&mut log, &"x".repeat(5000));
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.sizes(), [5000, 1]);
    assert_eq!(rig.files()[1], "current+ |");
}

#[test]
fn the_clean_end_tells_whether_all_is_on_disk() {
    let check = |call: Call, wanted: Option<bool>, said: &str| {
        let (mut rig, mut log) = started(|_| ());
        rig.refuse(call, Errno::IO);
        assert_eq!(rig.close(&mut log, true), wanted, "{call:?}");
        assert_eq!(rig.said, [said], "{call:?}");
    };
    check(
        Call::Sync,
        Some(false),
        "unable to write ./a/current to disk: input/output error; writing it anew",
    );
    check(Call::SyncDir, Some(false), "unable to write directory ./a to disk: input/output error");
    check(Call::SetMode, Some(false), "unable to set mode of ./a/current: input/output error");
}

#[test]
fn the_clean_end_goes_on_with_a_rotation_that_failed() {
    let (mut rig, mut log) = begun(|_| ());
    rig.refuse(Call::RenameNew, Errno::IO);
    log.rotate();
    let refused = "unable to rename current to previous in directory ./a: input/output error";
    assert_eq!(trouble(log.close(false)), refused);
    rig.relent();
    assert_eq!(log.close(false), Err(Blocked::Finisher));
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["@.s+ one|", "current+ "]);
    // Told to stop there is no time for it: the file is as good as it is.
    let (mut rig, mut log) = begun(|_| ());
    rig.refuse(Call::RenameNew, Errno::IO);
    log.rotate();
    rig.relent();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!(rig.files(), ["current+ one|"]);
}

/// What is in doubt is tried again and again, though a stop is asked for: how long is for the road to say.
#[test]
fn trouble_with_doubt_is_told_and_not_the_end() {
    for stop in [false, true] {
        let (mut rig, mut log) = begun(|config| config.sync = Sync::EachBatch);
        rig.append(&mut log, "two\n");
        rig.refuse(Call::Sync, Errno::IO);
        rig.refuse(Call::RenameNew, Errno::IO);
        log.sync_now().unwrap_err();
        let refused = "unable to rename current to previous in directory ./a: input/output error";
        assert_eq!(trouble(log.close(stop)), refused);
        assert_eq!(rig.files(), ["current one|two|"]);
        rig.relent();
        assert_eq!(rig.close(&mut log, stop), Some(true));
        assert_eq!(rig.files(), ["@.u one|two|", "current+ "]);
    }
}

#[test]
fn a_stop_finishes_a_full_file_but_for_old_logs() {
    let mut rig = Rig::new(|config| config.num = 2).with(OLD, "old\n", true);
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!(rig.files(), ["@.s+ old|", "@.s+ one|", "current+ "]);
    // Where that fails the next start does it.
    let (mut rig, mut log) = begun(|_| ());
    log.rotate();
    rig.refuse(Call::RenameNew, Errno::IO);
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!(rig.files(), ["current ", "previous+ one|"]);
    rig.start();
    assert_eq!(rig.files(), ["@.s+ one|", "current "]);
}

/// All its lines are in the log, so it can come to the end though `previous` has to stay.
#[test]
fn a_full_file_behind_a_processor_that_fails_does_not_hold_back_the_end() {
    for sync in [Sync::AtRotation, Sync::EachBatch] {
        let (mut rig, mut log) =
            started(|config| (config.processor, config.sync) = (Some("fail".into()), sync));
        rig.append(&mut log, &line(4000));
        rig.work(&mut log);
        rig.append(&mut log, &line(4500));
        assert_eq!(log.sync_now(), Ok(()), "{sync:?}");
        // It has ended, so what is in it is taken before anything is waited for.
        assert_eq!(log.files(), 2);
        assert_eq!(log.append(b"one\n"), Err(Blocked::Finisher));
        assert_eq!(rig.close(&mut log, false), Some(true));
        let [current, _, previous, _] = &rig.files()[..] else { panic!("{:?}", rig.files()) };
        assert!(
            current.starts_with("current x") && previous.starts_with("previous+ x"),
            "{current} {previous}"
        );
        assert_eq!(rig.said, ["processor failed in ./a, pausing"]);
    }
}

/// What is in doubt needs the place of `previous`, which has to stay: nothing more can be done, and it is not said to be safe.
#[test]
fn doubt_behind_a_processor_that_fails_or_hangs_does_not_hold_back_the_end() {
    for (command, stop) in [("fail", false), ("fail", true), ("hang", true)] {
        let (mut rig, mut log) =
            begun(|config| (config.processor, config.sync) = (Some(command.into()), Sync::EachBatch));
        log.rotate();
        rig.work(&mut log);
        rig.append(&mut log, "two\n");
        rig.refuse(Call::Sync, Errno::IO);
        log.sync_now().unwrap_err();
        rig.relent();
        assert_eq!(rig.close(&mut log, stop), Some(false), "{command} {stop}");
        // `previous` is ours, and keeps its mark and its place.
        let [current, _, previous, _] = &rig.files()[..] else { panic!("{:?}", rig.files()) };
        assert_eq!((&**current, &**previous), ("current two|", "previous+ one|"), "{command} {stop}");
        assert!(!rig.said.iter().any(|said| said.contains("somebody else")), "{:?}", rig.said);
    }
}

#[test]
fn a_full_file_waits_for_a_finisher_that_is_slow() {
    let mut rig = slow_finisher(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.rest(Duration::from_secs(6));
    // One order waits to be taken up; there is no room for another.
    assert_eq!(tick(&mut log), None);
    log.rotate();
    assert_eq!(log.append(b"two\n"), Err(Blocked::Finisher));
    assert_eq!(rig.files(), ["current ", "previous one|"]);
    rig.run_threads();
    wait(&mut rig, &mut log, |_, log| log.files() == 1);
    for _ in 0..10_000 {
        if log.append(b"two\n").is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    wait(&mut rig, &mut log, |rig, _| rig.files() == ["@.s+ one|", "current two|"]);
}

#[test]
fn a_sync_that_is_due_is_tried_again_while_the_finisher_is_busy() {
    let mut rig = slow_finisher(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.rest(Duration::from_secs(6));
    let soon = tick(&mut log).unwrap();
    assert!(soon <= Duration::from_millis(100), "{soon:?}");
    rig.run_threads();
    wait(&mut rig, &mut log, |rig, _| rig.files() == ["@.s+ one|", "current two|"]);
    wait(&mut rig, &mut log, |rig, _| rig.calls(Call::Sync) == 1);
    while tick(&mut log).is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
    wait(&mut rig, &mut log, |rig, _| rig.calls(Call::Sync) == 2);
}

/// Told of both at once, it may hear of the stop first: what was ordered before does not begin afterwards.
#[test]
fn a_stop_reaches_a_finisher_that_is_slow() {
    for _ in 0..10 {
        let mut rig = slow_finisher(|config| config.processor = Some("copy".into()));
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        log.rotate();
        for _ in 0..3 {
            assert_eq!(log.close(true), Err(Blocked::Finisher));
        }
        rig.run_threads();
        wait(&mut rig, &mut log, |_, log| log.close(true) == Ok(true));
        assert_eq!(
            (rig.files(), rig.calls(Call::Run)),
            (vec!["current ".into(), "previous+ one|".into()], 0)
        );
    }
}

/// ALRM while the end waits for the finisher.
#[test]
fn no_file_begins_at_the_end() {
    let (mut rig, mut log) = begun(|_| ());
    assert_eq!(log.close(false), Err(Blocked::Finisher));
    log.rotate();
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ one|"]);
}
