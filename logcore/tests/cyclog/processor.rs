//! A processor that works, fails, hangs, or is not needed.

use crate::*;

#[test]
fn a_processor_gets_the_full_file() {
    let (mut rig, mut log) = started(|config| config.processor = Some("count".into()));
    for text in ["one\n", "two\n"] {
        rig.append(&mut log, text);
        log.rotate();
        rig.work(&mut log);
    }
    assert_eq!(rig.files(), ["@.s+ one|", "@.s+ two|", "current "]);
    assert_eq!(rig.read("state").as_deref(), Some("xx"));
    assert_eq!(rig.said, [""; 0]);
}

#[test]
fn a_processor_that_fails_is_tried_again_until_the_input_ends() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("fail".into()));
    log.rotate();
    rig.work(&mut log);
    assert_eq!(rig.said, ["processor failed in ./a, pausing"]);
    let runs = rig.calls(Call::Run);
    rig.work_for(&mut log, Duration::from_secs(20));
    let more = rig.calls(Call::Run) - runs;
    assert!((2..8).contains(&more), "{more} runs in 20 s");
    assert_eq!(rig.said.len(), 1);
    assert_eq!(rig.close(&mut log, false), Some(true));
    // No mark beside a `previous`, which the original would overlook.
    assert_eq!(rig.files(), ["current ", "newstate ", "previous+ one|", "processed on"]);
}

#[test]
fn a_processor_that_hangs_is_ended_when_we_are() {
    for (command, limit) in [("hang", 100), ("deaf", 500)] {
        let (mut rig, mut log) = begun(|config| config.processor = Some(command.into()));
        log.rotate();
        rig.work(&mut log);
        let before = rig.disk().uptime();
        assert_eq!(log.close(true), Err(Blocked::Finisher));
        let took = rig.disk().uptime() - before;
        // One that listens is not waited for; one that does not gets 300 ms.
        assert!(took < Duration::from_millis(limit), "{command}: {took:?}");
        assert_eq!(took > Duration::from_millis(300), command == "deaf", "{command}: {took:?}");
        assert_eq!(rig.close(&mut log, true), Some(true));
        assert_eq!(rig.files(), ["current ", "newstate ", "previous+ one|", "processed "]);
    }
}

/// The next start removes a `previous` beside a sealed `processed`: what could not be synced must not be it.
#[test]
fn what_is_left_of_a_processor_does_not_cost_what_came_later() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("copy".into()));
    rig.refuse(Call::Rename, Errno::IO);
    log.rotate();
    rig.work(&mut log);
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    assert_eq!(rig.close(&mut log, true), Some(false));
    assert_eq!(rig.files(), ["current two|", "newstate ", "processed+ one|"]);
    rig.relent();
    drop(log);
    rig.start();
    assert_eq!(rig.files(), ["@.s+ one|", "@.u two|", "current "]);
}

/// Nor does a file that is full in the middle of a line: no other can begin.
#[test]
fn one_that_fails_does_not_hold_back_the_end_of_a_full_file() {
    let (mut rig, mut log) = started(|config| config.processor = Some("fail".into()));
    rig.append(&mut log, &line(5000));
    rig.work(&mut log);
    rig.append(&mut log, &"x".repeat(5000));
    for stop in [false, true] {
        assert_eq!(rig.close(&mut log, stop), Some(true), "{stop}");
    }
    drop(log);
    rig.config.processor = Some("copy".into());
    let mut log = rig.start();
    rig.append(&mut log, "two\n");
    assert_eq!(rig.read("current").as_deref(), Some("|two|"));
}

#[test]
fn a_stop_starts_no_processor() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("copy".into()));
    log.rotate();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!((rig.calls(Call::Run), rig.files()), (0, vec!["current ".into(), "previous+ one|".into()]));
}

/// Nor does the end of the one before it begin another file.
#[test]
fn a_stop_leaves_a_full_file_that_waits() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("copy".into()));
    log.rotate();
    rig.refuse(Call::RenameNew, Errno::IO);
    rig.work(&mut log);
    rig.append(&mut log, &line(4500));
    rig.relent();
    assert_eq!(rig.close(&mut log, true), Some(true));
    let [old, current] = &rig.files()[..] else { panic!("{:?}", rig.files()) };
    assert!(old == "@.s+ one|" && current.starts_with("current+ x"), "{old} {current}");
    assert_eq!(rig.calls(Call::Run), 1);
}

#[test]
fn a_previous_that_somebody_removed_needs_no_processor() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("copy".into()));
    log.rotate();
    rig.remove("previous");
    rig.work(&mut log);
    rig.append(&mut log, "two\n");
    assert_eq!((rig.files(), rig.calls(Call::Run)), (vec!["current two|".to_owned()], 0));
    assert_eq!(rig.said, ["./a/previous has been removed by somebody"]);
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ two|"]);
}

/// Its file is gone: that is no success.
#[test]
fn a_previous_that_goes_while_its_processor_fails_is_not_finished() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("fail".into()));
    log.rotate();
    rig.work(&mut log);
    rig.remove("previous");
    rig.work_for(&mut log, Duration::from_secs(5));
    let said = ["processor failed in ./a, pausing", "./a/previous has been removed by somebody"];
    assert_eq!(rig.said, said);
    // The same of one that was there at the start.
    let rig = Rig::new(|config| config.processor = Some("fail".into()));
    let mut rig = rig.with("previous", "waits\n", true).with("state", "", false);
    let mut log = rig.start();
    rig.work(&mut log);
    rig.remove("previous");
    rig.work_for(&mut log, Duration::from_secs(5));
    assert_eq!(rig.said, said);
}

/// That it has failed before says nothing of this time.
#[test]
fn one_that_runs_again_is_awaited_at_the_end_of_the_input() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("copy".into()));
    log.rotate();
    rig.refuse(Call::Run, Errno::AGAIN);
    rig.work(&mut log);
    rig.relent();
    let runs = rig.calls(Call::Run);
    while rig.calls(Call::Run) == runs {
        let due = tick(&mut log).unwrap();
        rig.rest(due);
    }
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["@.s+ one|", "current+ "]);
}

#[test]
fn one_that_cannot_be_started_does_not_hold_back_the_end_either() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("copy".into()));
    log.rotate();
    rig.refuse(Call::Run, Errno::AGAIN);
    rig.work(&mut log);
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current ", "newstate ", "previous+ one|", "processed "]);
}

/// Each outage leaves an old log more: what is too many goes before the processor is asked again.
#[test]
fn a_processor_that_fails_does_not_keep_retention_from_its_work() {
    let mut rig = Rig::new(|config| {
        config.processor = Some("fail".into());
        config.num = 3;
    });
    rig = rig.with("previous", "waits\n", true).with("state", "", false);
    for second in 0..8 {
        rig = rig.with(&format!("@400000003b4a39c2{second:08x}.u"), "old\n", true);
    }
    let mut log = rig.start();
    rig.work(&mut log);
    assert_eq!(
        rig.files(),
        ["@.u+ old|", "@.u+ old|", "current ", "newstate ", "previous+ waits|", "processed wai"]
    );
    // Stopped before it comes to that, it is left, and `current` without the mark.
    let mut rig = rig;
    rig.remove("processed");
    rig.remove("newstate");
    let mut log = rig.start();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert!(
        rig.files().contains(&"previous+ waits|".to_owned()) && rig.files().contains(&"current ".to_owned())
    );
}

#[test]
fn what_keeps_a_file_from_being_finished_is_said_once_and_when_it_is_over() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("copy".into()));
    log.rotate();
    rig.refuse(Call::Run, Errno::NOMEM);
    rig.work_for(&mut log, Duration::from_secs(10));
    assert_eq!(rig.said, ["unable to fork for processor in ./a, pausing: out of memory"]);
    // At least once a second, and not more often than it helps.
    let tries = rig.calls(Call::Run);
    assert!((10..30).contains(&tries), "{tries} tries");
    rig.relent();
    rig.work_for(&mut log, Duration::from_secs(5));
    let [_, over] = &rig.said[..] else { panic!("{:?}", rig.said) };
    let seconds = over.strip_prefix("./a/previous is finished after ").and_then(|s| s.strip_suffix(" s"));
    let seconds: f64 = seconds.unwrap().parse().unwrap();
    assert!((8.0..12.0).contains(&seconds), "{over}");
    assert_eq!(rig.files(), ["@.s+ one|", "current "]);
}

#[test]
fn what_a_processor_made_is_believed_only_when_it_is_on_disk() {
    let (mut rig, mut log) = begun(|config| config.processor = Some("drop".into()));
    log.rotate();
    rig.refuse(Call::Ended, Errno::IO);
    rig.work(&mut log);
    assert_eq!(rig.said, ["unable to wait for processor in ./a, pausing: input/output error"]);
    rig.relent();
    rig.refuse(Call::Sync, Errno::IO);
    rig.work(&mut log);
    assert_eq!(rig.said[1], "unable to write ./a/newstate to disk, pausing: input/output error");
    assert!(rig.files().contains(&"previous+ one|".to_owned()), "{:?}", rig.files());
    rig.relent();
    rig.work_for(&mut log, Duration::from_secs(5));
    assert_eq!(rig.files(), ["@.s+ ", "current "]);
}
