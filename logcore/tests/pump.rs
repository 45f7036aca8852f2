//! The road on the model where the input or the end is not ordinary: what cannot be looked at, a writer that is held up by a
//! partial line, alerts and output that nobody takes, a status file that fails, a signal while the disk is full.

use logcore::model::judge::unstamped;
use logcore::model::life::{Life, live_in};
use logcore::model::{Act, Call, Fault, Inode, World};
use logcore::pump::End;
use logcore::signals::Request;
use logcore::strerr::Errno;
use std::time::Duration;

const A: &[&str] = &["./a"];

/// A service that writes these, and rests for ten seconds behind each.
fn world(writes: &[&str]) -> World {
    let mut world = World::new();
    for text in writes {
        world.input.acts.push_back(Act::Write(text.as_bytes().to_vec()));
        world.input.acts.push_back(Act::Rest(Duration::from_secs(10)));
    }
    world
}

/// The number of the `nth` call of this kind when nothing is in the way.
fn number(world: &World, script: &[&str], kind: Call, nth: usize) -> u64 {
    let (world, _) = live_in(world.clone(), script, "boot");
    let calls = world.trace.iter().enumerate().filter(|(_, call)| **call == kind);
    calls.map(|(number, _)| number as u64).nth(nth).expect("it makes so many")
}

fn number_of(world: &World, script: &[&str], kind: Call) -> usize {
    let (world, _) = live_in(world.clone(), script, "boot");
    world.trace.iter().filter(|call| **call == kind).count()
}

fn read(world: &World, name: &str) -> String {
    let text = world.files.read("./a", name).expect("it is there");
    String::from_utf8_lossy(text).replace('\n', "|")
}

fn live(world: World, script: &[&str]) -> (World, Life) {
    let (world, life) = live_in(world, script, "boot");
    assert!(!world.dead, "{:?} {:?}", world.stuck, life.said);
    (world, life)
}

#[test]
fn what_had_to_be_taken_is_logged_before_a_stop() {
    let mut start = world(&["one\ntw", "o\nthree\n"]);
    start.input.opaque = true;
    let (all, life) = live(start.clone(), A);
    assert_eq!((life.end, &*read(&all, "current")), (Ok(End::Clean), "one|two|three|"));
    start.signals.push_back((number(&start, A, Call::Append, 0), Request::Stop));
    let (stopped, life) = live(start.clone(), A);
    assert_eq!((life.end, &*read(&stopped, "current")), (Ok(End::Clean), "one|tw|"));
    assert_eq!(stopped.input.taken, 6);
    // Where it cannot be logged, that is no clean end.
    let first = number(&start, A, Call::Append, 0) + 1;
    start.faults = vec![Fault::Fail { first, count: u64::MAX, errno: Errno::NOSPC }];
    let (failed, life) = live(start, A);
    assert_eq!((life.end, &*read(&failed, "current")), (Ok(End::Failed), "one|"));
}

#[test]
fn a_partial_line_is_taken_only_where_it_holds_the_writer_up() {
    let long = "x".repeat(1500);
    let check = |partial: &str, clogged: bool, taken: usize, current: &str| {
        let mut start = world(&[partial, "tial\n"]);
        start.input.clogged = clogged;
        let (all, life) = live(start.clone(), A);
        let text = read(&all, "current");
        assert_eq!((life.end, text), (Ok(End::Clean), format!("{partial}tial|")), "clogged: {clogged}");
        // With the look behind the one at which a writer that is held up for 16 ms has been found, and the one that makes sure.
        start.signals.push_back((number(&start, A, Call::Look, 7), Request::Stop));
        let (stopped, life) = live(start, A);
        assert_eq!(life.end, Ok(End::Clean));
        assert_eq!(stopped.input.taken as usize, taken, "{} clogged: {clogged}", partial.len());
        assert_eq!(read(&stopped, "current"), current, "{} clogged: {clogged}", partial.len());
        assert_eq!(stopped.input.pipe.len(), partial.len() - taken);
    };
    check("par", false, 0, "");
    check("par", true, 3, "par|");
    check(&long[..999], true, 999, &format!("{}|", &long[..999]));
    check(&long, false, 0, "");
    check(&long, true, 1500, &format!("{long}|"));
}

/// When it is asked why there is no more, it has come.
#[test]
fn a_partial_line_that_grows_behind_a_look_is_not_taken() {
    for (clogged, long, looks) in [(false, 3, 0), (true, 3, 5), (false, 1500, 0), (true, 1500, 5)] {
        let mut start = World::new();
        start.input.pipe = vec![b'x'; long];
        start.input.clogged = clogged;
        start.input.acts = [Act::Rest(Duration::from_secs(10))].into();
        let look = number(&start, A, Call::Look, looks);
        start.input.meanwhile = [(look, b"rest\n".to_vec())].into();
        let (all, life) = live(start.clone(), A);
        assert_eq!((life.end, read(&all, "current")), (Ok(End::Clean), "x".repeat(long) + "rest|"));
        for after in 1..4 {
            start.faults = vec![Fault::KillBefore(look + after)];
            let (killed, _) = live_in(start.clone(), A, "boot");
            assert_eq!((killed.dead, killed.input.taken), (true, 0), "{clogged} {long}");
        }
    }
}

#[test]
fn what_a_look_does_not_find_is_there_all_the_same() {
    let mut start = world(&["partial line\nanother\n", "and more\n"]);
    start.input.look_most = Some(5);
    let (all, life) = live(start, A);
    assert_eq!((life.end, &*read(&all, "current")), (Ok(End::Clean), "partial line|another|and more|"));
}

/// Of what has to be taken for that no more than the head of a line is ever in memory.
#[test]
fn a_long_line_that_a_look_does_not_find_whole_is_passed_on() {
    let line = "x".repeat(2500) + "\n";
    for (most, held) in [(999, 999), (1000, 0), (1200, 0)] {
        let mut start = world(&[&line]);
        start.input.look_most = Some(most);
        let first = number(&start, A, Call::Take, 0);
        let (all, life) = live(start.clone(), A);
        assert_eq!((life.end, read(&all, "current")), (Ok(End::Clean), line.replace('\n', "|")));
        start.faults = vec![Fault::KillAfter(first)];
        let (killed, _) = live_in(start, A, "boot");
        assert_eq!(killed.input.taken as usize, most);
        assert_eq!(read(&killed, "current").len(), most - held, "{most}");
    }
}

#[test]
fn a_broken_input_ends_the_road() {
    let mut start = world(&["one\n"]);
    let fault = |call| vec![Fault::Refuse(call, Errno::IO)];
    for call in [Call::Look, Call::Take] {
        start.faults = fault(call);
        let (_, life) = live(start.clone(), A);
        assert_eq!(life.end, Ok(End::Failed));
        assert_eq!(life.said, ["unable to read input: input/output error"]);
    }
}

#[test]
fn an_alert_that_nobody_takes_waits_for_its_reader_or_a_stop() {
    let script = &["-*", "+*alert*", "e", "./a"];
    let mut start = world(&["one\nalert me\n", "two\n"]);
    let (all, life) = live(start.clone(), script);
    assert_eq!((life.end, &all.alerts.got[..]), (Ok(End::Clean), &b"alert me\n"[..]));
    assert_eq!(all.trace.iter().filter(|call| **call == Call::Write).count(), 1, "in one write");
    start.alerts.busy = 1;
    let look = number(&start, script, Call::Look, 0);
    // A new file is begun meanwhile.
    let mut full = start.clone();
    full.files.place("./a", "current", Inode::old(b"old\n", true));
    full.signals.push_back((number(&full, script, Call::Look, 0), Request::Rotate));
    let (all, life) = live(full, script);
    assert_eq!((life.end, &all.alerts.got[..]), (Ok(End::Clean), &b"alert me\n"[..]));
    assert_eq!(read(&all, "current"), "alert me|");
    assert!(all.trace.contains(&Call::RenameNew));
    start.signals = [(look, Request::Stop)].into();
    start.alerts.busy = u64::MAX;
    let (stopped, life) = live(start, script);
    assert_eq!((life.end, stopped.alerts.got.len()), (Ok(End::Clean), 0));
    assert_eq!((stopped.input.taken, &*read(&stopped, "current")), (0, ""));
}

fn printed(world: &World) -> String {
    String::from_utf8_lossy(&world.output.got).replace('\n', "|")
}

#[test]
fn a_slow_reader_of_the_output_holds_the_input_back() {
    let script = &["o", "./a"];
    let mut start = world(&["one\n", "two\n"]);
    start.output.busy = 20;
    let (all, life) = live(start.clone(), script);
    assert_eq!(
        (life.end, &*printed(&all), &*read(&all, "current")),
        (Ok(End::Clean), "one|two|", "one|two|")
    );
    // What was logged before comes to disk meanwhile; at a stop the line stays in the input.
    let mut start = world(&["one\n", "two\n"]);
    start.input.acts.remove(1);
    start.output.room = Some(4);
    let second = number(&world(&["one\n", "two\n"]), script, Call::Write, 1);
    start.signals = [(second + 12, Request::Stop)].into();
    let (mut stopped, life) = live(start, script);
    let calls = &stopped.trace[usize::try_from(second).expect("a number")..];
    assert!(calls[..12].contains(&Call::Sync), "{calls:?}");
    assert_eq!((life.end, stopped.input.taken), (Ok(End::Clean), 4));
    assert_eq!((&*printed(&stopped), &*read(&stopped, "current")), ("one|", "one|"));
    stopped.next_session();
    stopped.output.room = None;
    let (all, _) = live(stopped, script);
    assert_eq!((&*printed(&all), &*read(&all, "current")), ("one|two|", "one|two|"));
}

/// Where there is no directory, what was printed is taken, by lines.
#[test]
fn what_the_output_got_of_a_batch_is_settled_at_a_stop() {
    let lines: String = (1000..2000).map(|number| format!("line {number}\n")).collect();
    let start = world(&[&lines]);
    let scripts = [
        (&["o"][..], 8180),
        (&["t", "o"], 2260),
        (&["o", "./a"], 0),
        // What a stopped reader got is alerted, too, before it is done with.
        (&["e", "o"], 0),
        (&["=status", "o"], 0),
    ];
    for (script, taken) in scripts {
        let mut start = start.clone();
        start.signals.push_back((number(&start, script, Call::Write, 2), Request::Stop));
        start.output.room = Some(2 * 4000);
        let (mut stopped, life) = live(start, script);
        assert_eq!((life.end, stopped.input.taken), (Ok(End::Clean), taken), "{script:?}");
        stopped.next_session();
        stopped.output.room = None;
        let (all, _) = live(stopped, script);
        if script[0] == "e" {
            assert_eq!(String::from_utf8_lossy(&all.alerts.got), lines);
        }
        let got = printed(&all);
        assert_eq!(got.matches("line").count(), if taken > 0 { 1000 } else { 1000 + 818 }, "{script:?}");
    }
}

/// A reader that is gone: nothing is logged again and again, and what it has not got is left in the input.
#[test]
fn an_output_without_a_reader_ends_the_road() {
    let mut start = world(&["one\n", "two\n"]);
    start.output.gone = true;
    for _ in 0..3 {
        let (ended, life) = live(start, &["o", "./a"]);
        assert_eq!((life.end, ended.input.taken), (Ok(End::Failed), 0));
        assert_eq!(life.said, ["unable to write output: broken pipe"]);
        assert_eq!(read(&ended, "current"), "");
        start = ended;
        start.next_session();
    }
    start.output.gone = false;
    let (all, life) = live(start, &["o", "./a"]);
    assert_eq!(
        (life.end, &*printed(&all), &*read(&all, "current")),
        (Ok(End::Clean), "one|two|", "one|two|")
    );
}

#[test]
fn a_line_that_is_printed_in_pieces_is_ended() {
    let long = "x".repeat(40_000);
    let mut start = world(&[&long]);
    let (all, life) = live(start.clone(), &["o", "s1M", "./a"]);
    assert_eq!((life.end, printed(&all)), (Ok(End::Clean), format!("{long}|")));
    assert_eq!(read(&all, "current"), printed(&all));
    // Told to end in the middle of it; the rest is a line of its own.
    start.input.acts.push_back(Act::Write(b"rest\n".to_vec()));
    start.signals.push_back((number(&start, &["o"], Call::Take, 0), Request::Stop));
    let (mut stopped, life) = live(start, &["o"]);
    assert_eq!((life.end, printed(&stopped)), (Ok(End::Clean), format!("{}|", "x".repeat(32_768))));
    stopped.next_session();
    let (all, _) = live(stopped, &["o"]);
    assert_eq!(printed(&all), format!("{}|{}rest|", "x".repeat(32_768), "x".repeat(40_000 - 32_768)));
}

#[test]
fn a_line_of_several_outputs_is_printed_once() {
    let long = "x".repeat(40_000);
    let start = world(&["one\ntwo\nthree\n", &long, "\nfour\n"]);
    for (script, wanted) in [
        (&["o", "o"][..], format!("one|two|three|{long}|four|")),
        (&["o", "-*", "o"], format!("one|two|three|{long}|four|")),
        (&["-*", "+t*", "o", "-*", "+x*", "+two", "o"], format!("two|three|{long}|")),
        (&["-*", "o", "o"], String::new()),
    ] {
        let (all, life) = live(start.clone(), script);
        assert_eq!((life.end, printed(&all)), (Ok(End::Clean), wanted), "{script:?}");
    }
}

/// Neither a second alert nor a second line in the log with each start.
#[test]
fn without_a_reader_of_the_output_there_are_no_alerts() {
    let mut start = world(&["one\n"]);
    start.output.gone = true;
    let (ended, life) = live(start, &["e", "o", "=status", "./a"]);
    assert_eq!((life.end, ended.input.taken), (Ok(End::Failed), 0));
    assert_eq!((&ended.alerts.got[..], &*read(&ended, "current")), (&b""[..], ""));
}

/// What cannot be put on disk within the time of a stop is no clean end.
#[test]
fn a_stop_in_the_middle_of_a_rotation_that_fails_is_no_clean_end() {
    let mut start = world(&["one\n", "two\n"]);
    start.signals = [(number(&start, A, Call::Append, 0), Request::Rotate)].into();
    let first = number(&start, A, Call::RenameNew, 0) + 1;
    start.faults.push(Fault::Fail { first, count: u64::MAX, errno: Errno::NOSPC });
    start.signals.push_back((first + 5, Request::Stop));
    let (mut stopped, life) = live(start, A);
    assert_eq!(life.end, Ok(End::Failed), "{:?}", life.said);
    stopped.next_session();
    let (all, life) = live(stopped, A);
    assert_eq!(life.end, Ok(End::Clean));
    let lines = logcore::model::judge::lines(&all, "./a").concat();
    assert_eq!(String::from_utf8_lossy(&lines), "onetwo");
}

#[test]
fn an_end_that_is_not_on_disk_is_no_clean_one() {
    let mut start = World::new();
    start.faults = vec![Fault::Refuse(Call::Sync, Errno::IO)];
    for script in [A, &["./a", "./b"]] {
        assert_eq!(live(start.clone(), script).1.end, Ok(End::Failed), "{script:?}");
    }
}

#[test]
fn a_line_has_the_moment_its_first_byte_was_seen() {
    let (all, _) = live(world(&["on", "e\ntwo\n"]), &["T", "./a"]);
    let text = read(&all, "current");
    let seconds = |line: &str| line.split('.').next().and_then(|text| text.parse::<u64>().ok());
    let (one, two) = text.split_once('|').expect("two lines");
    assert_eq!(seconds(two), seconds(one).map(|second| second + 10), "{text}");
}

/// However often it is told, its time began with the first.
#[test]
fn a_second_stop_gives_no_more_time() {
    let mut start = world(&["one\n", "two\n"]);
    start.signals = [(number(&start, A, Call::Append, 0), Request::Rotate)].into();
    let first = number(&start, A, Call::RenameNew, 0) + 1;
    start.faults.push(Fault::Fail { first, count: u64::MAX, errno: Errno::NOSPC });
    start.signals.push_back((first + 5, Request::Stop));
    let (once, _) = live(start.clone(), A);
    start.signals.push_back((first + 8, Request::Stop));
    let (twice, _) = live(start, A);
    assert_eq!(twice.clock.uptime, once.clock.uptime);
}

/// A file that has ended may have cost a sync and a processor: what is in it is taken before the rest of the batch is.
#[test]
fn what_is_in_a_file_that_ended_is_not_written_again() {
    let lines = format!("{}\n", "x".repeat(99)).repeat(120);
    let (script, mut start) = (&["s4096", "./a"], world(&[&lines]));
    let last = number(&start, script, Call::Take, number_of(&start, script, Call::Take) - 1);
    start.faults = vec![Fault::KillBefore(last)];
    let (killed, _) = live_in(start, script, "boot");
    let current = killed.files.read("./a", "current").expect("it is there").len();
    assert_eq!(killed.input.taken as usize + current, lines.len());
}

/// What one directory has and another cannot take is there once, when both have it.
#[test]
fn a_stop_leaves_no_line_to_be_logged_twice() {
    let script = &["./a", "-*", "+*t*", "./b"];
    let long = "t".repeat(40_000) + "\n";
    for writes in [&["one\ntwo\n"][..], &[&long], &["one\n", &long]] {
        for nth in 0..number_of(&world(writes), script, Call::Append) {
            let mut start = world(writes);
            let first = number(&start, script, Call::Append, nth);
            start.faults = vec![Fault::Fail { first, count: 2, errno: Errno::NOSPC }];
            start.signals = [(first, Request::Stop)].into();
            let (mut stopped, _) = live(start, script);
            stopped.next_session();
            let (all, life) = live(stopped, script);
            assert_eq!(life.end, Ok(End::Clean));
            let input = writes.concat().replace('\n', "");
            assert_eq!(read(&all, "current").replace('|', ""), input, "{nth}");
            let other = String::from_utf8_lossy(all.files.read("./b", "current").expect("it is there"));
            assert_eq!(other.replace('\n', ""), input.replace("one", ""), "{nth}");
        }
    }
}

/// What had to be taken has no other place than the directory that took it.
#[test]
fn a_stop_takes_nothing_back_that_is_nowhere_else() {
    let script = &["./a", "./b"];
    let mut start = world(&["one\ntwo\n"]);
    start.input.opaque = true;
    let first = number(&start, script, Call::Append, 1);
    let fail = |first| Fault::Fail { first, count: 1, errno: Errno::NOSPC };
    // Those of ./b, whatever is tried for ./a in between.
    for others in [[1, 2, 3], [1, 4, 7], [1, 3, 5]] {
        start.faults = others.iter().map(|after| fail(first + after)).chain([fail(first)]).collect();
        start.signals = [(first, Request::Stop)].into();
        let (all, _) = live(start.clone(), script);
        let kept = read(&all, "current");
        assert!(kept.contains("one|two|"), "{others:?}: {kept}");
    }
}

/// That the input ends is no success of what failed.
#[test]
fn it_is_said_to_write_again_only_when_it_does() {
    let full = "x".repeat(3000) + "\n";
    let mut start = world(&["one\n", &full]);
    let script = &["yoff", "s4096", "./a"];
    let first = number(&start, script, Call::RenameNew, 0);
    for count in [1, 30, 130] {
        start.faults = vec![Fault::Fail { first, count, errno: Errno::NOSPC }];
        let (all, life) = live(start.clone(), script);
        assert_eq!((life.end, read(&all, "current").len()), (Ok(End::Clean), 0));
        let trouble = "unable to rename current to previous in directory ./a, pausing: out of disk space";
        let said: Vec<_> = life.said.iter().map(|said| said.split(" after ").next().unwrap_or("")).collect();
        assert_eq!(said, if count == 1 { vec![] } else { vec![trouble, "./a: writing again"] });
    }
    // Nor is a stop.
    let mut start = world(&["one\n"]);
    start.faults = vec![Fault::Refuse(Call::Append, Errno::NOSPC)];
    start.signals = [(number(&start, A, Call::Append, 0) + 2, Request::Stop)].into();
    let (_, life) = live(start, A);
    assert_eq!(life.said, ["unable to write to ./a/current, pausing: out of disk space"]);
    // Nor are lines that go elsewhere.
    let mut start = world(&[&full, "two\n", "two\n"]);
    let script = &["./b", "-two", "s4096", "./a"];
    start.faults = vec![Fault::Refuse(Call::RenameNew, Errno::ROFS)];
    start.signals = [(number(&start, script, Call::Append, 3) + 50, Request::Stop)].into();
    let (all, life) = live(start, script);
    assert_eq!(all.input.taken as usize, full.len() + 8);
    let wanted = "unable to rename current to previous in directory ./a, pausing: read-only file system";
    assert!(life.said.iter().all(|said| said == wanted), "{:.500}", life.said.join("|"));
}

/// What could not be left in the input comes into the directories all the same.
#[test]
fn what_is_held_does_not_wait_for_a_reader() {
    for (gone, alerts) in [(true, false), (false, false), (false, true)] {
        let mut start = world(&["one\ntw"]);
        start.input.opaque = true;
        let script: &[&str] = if alerts { &["e", "./a"] } else { &["o", "./a"] };
        let first = number(&start, script, Call::Write, 0);
        let reader = if alerts { &mut start.alerts } else { &mut start.output };
        (reader.gone, reader.busy) = (gone, u64::MAX);
        start.signals.push_back((first, Request::Stop));
        let (ended, life) = live(start, script);
        assert_eq!((life.end, &*read(&ended, "current")), (Ok(End::Failed), "one|tw|"), "{gone} {alerts}");
    }
}

#[test]
fn an_output_that_fails_is_tried_again() {
    let mut start = world(&["one\n", "two\n"]);
    let first = number(&start, &["o", "./a"], Call::Write, 1);
    start.faults = vec![Fault::Fail { first, count: 30, errno: Errno::NOSPC }];
    let (all, life) = live(start, &["o", "./a"]);
    assert_eq!(
        (life.end, &*printed(&all), &*read(&all, "current")),
        (Ok(End::Clean), "one|two|", "one|two|")
    );
    assert_eq!(life.said.len(), 2, "{:?}", life.said);
    assert_eq!(life.said[0], "unable to write output, pausing: out of disk space");
    assert_eq!(life.said[1], "output: writing again after 2.7 s, nothing was lost");
}

#[test]
fn a_status_file_that_fails_is_told_once_a_minute_and_not_waited_for() {
    let script = &["=status", "./a"];
    let texts: Vec<String> = (0..8).map(|number| format!("{number}\n")).collect();
    let mut start = world(&texts.iter().map(|text| &**text).collect::<Vec<_>>());
    // The first that is written over is `lock`, the others are the status file.
    let shows: Vec<u64> = (1..=8).map(|nth| number(&start, script, Call::Overwrite, nth)).collect();
    let fails = |first: &u64| Fault::Fail { first: *first, count: 1, errno: Errno::NOSPC };
    start.faults = shows.iter().map(fails).collect();
    let (all, life) = live(start.clone(), script);
    assert_eq!((life.end, &*read(&all, "current")), (Ok(End::Clean), "0|1|2|3|4|5|6|7|"));
    assert_eq!(life.said.len(), 2, "{:?}", life.said);
    assert_eq!(life.said[0], life.said[1]);
    // When it worked in between, it is news.
    start.faults.remove(2);
    let (_, life) = live(start, script);
    assert_eq!(life.said.len(), 2, "{:?}", life.said);
}

#[test]
fn what_a_full_disk_got_of_a_line_is_taken_back_or_taken() {
    let lines = format!("one\n{}\n", "0123456789".repeat(10));
    for cuts in [true, false] {
        let mut start = world(&[&lines]);
        start.files.room = Some(50);
        start.signals.push_back((number(&world(&[&lines]), A, Call::Append, 0) + 2, Request::Stop));
        // Told twice it has no more time.
        let again = start.signals[0];
        start.signals.push_back((again.0 + 2, Request::Stop));
        if !cuts {
            start.faults.push(Fault::Refuse(Call::Truncate, Errno::IO));
        }
        let (mut stopped, life) = live(start, A);
        assert!(life.said.iter().any(|said| said.contains("out of disk space")), "{:?}", life.said);
        assert_eq!(stopped.input.taken, if cuts { 4 } else { 50 });
        // The next one, with room: every byte is there once.
        stopped.next_session();
        stopped.files.room = None;
        let (all, life) = live(stopped, A);
        assert_eq!(life.end, Ok(End::Clean));
        let bytes: String = read(&all, "current").replace('|', "");
        assert_eq!(bytes, lines.replace('\n', ""), "cuts: {cuts}");
    }
}

/// Where the head of a long line is taken already, its rest is written in part, and not the lines behind it.
#[test]
fn a_full_disk_tears_no_line_behind_a_long_one() {
    let long = "x".repeat(40_000);
    let short: Vec<String> = (100..400).map(|number| format!("line {number}")).collect();
    let text = format!("{long}\n{}\n", short.join("\n"));
    let scripts = [&["s1M", "./a"][..], &["t", "s1M", "./a"], &["-no*", "s1M", "./a"]];
    let rooms = [32_800, 39_999, 40_000, 40_001, 40_004, 40_025, 40_026, 40_030, 40_100, 41_000];
    for (script, room) in scripts.iter().flat_map(|script| rooms.map(|room| (script, room))) {
        let mut start = world(&[&text]);
        // The disk is full, the writer waits: told to end behind the first try that finds that.
        start.files.room = Some(room);
        start.signals.push_back((number(&start, script, Call::Append, 0) + 12, Request::Stop));
        let (mut stopped, life) = live(start, script);
        assert!(life.said.iter().any(|said| said.contains("out of disk space")), "{room}: {:?}", life.said);
        stopped.next_session();
        stopped.files.room = None;
        let (all, life) = live(stopped, script);
        assert_eq!(life.end, Ok(End::Clean));
        let lines = logcore::model::judge::lines(&all, "./a");
        let lines: Vec<String> =
            lines.iter().map(|line| String::from_utf8_lossy(unstamped(line)).into_owned()).collect();
        let first = lines.iter().position(|line| line.starts_with('l')).expect("there are some");
        assert_eq!(lines[first..], short, "{script:?} {room}");
        assert_eq!(lines[..first].concat(), long, "{script:?} {room}");
    }
}

/// Whatever was in the way, a stamp stands where a line begins, and nowhere else; also of what could not be left in the input.
#[test]
fn what_is_logged_at_a_stop_has_no_stamp_within_a_line() {
    let long = "x".repeat(40_000);
    let writes = [&format!("one\n{long}")[..], "x\ntwo\nthree\nfo", "ur\n", &long, "\nfive\nsi"];
    let scripts = [&["t", "s1M", "./a"][..], &["t", "s1M", "./a", "-*t*", "./b"]];
    for (script, opaque) in scripts.iter().flat_map(|script| [(script, true), (script, false)]) {
        let mut start = world(&writes);
        start.input.opaque = opaque;
        for nth in 0..number_of(&start, script, Call::Append) {
            let first = number(&start, script, Call::Append, nth);
            let written =
                [1, 30, 30_000].into_iter().flat_map(|short| (1..5).map(move |count| (short, count)));
            for (short, count, cuts) in
                written.flat_map(|(short, count)| [true, false].map(|cuts| (short, count, cuts)))
            {
                let mut start = start.clone();
                start.signals.push_back((first, Request::Stop));
                start.faults.push(Fault::Short(first, short));
                start.faults.push(Fault::Fail { first: first + 1, count, errno: Errno::NOSPC });
                if !cuts {
                    start.faults.push(Fault::Refuse(Call::Truncate, Errno::IO));
                }
                let (mut stopped, life) = live(start, script);
                stopped.next_session();
                stopped.input.opaque = false;
                let (all, _) = live(stopped, script);
                let how = format!("{script:?} opaque: {opaque} {nth} {short} {count} cuts: {cuts}");
                for directory in ["./a", "./b"].into_iter().filter(|name| script.contains(name)) {
                    let lines = logcore::model::judge::lines(&all, directory);
                    let bare: Vec<&[u8]> = lines.iter().map(|line| unstamped(line)).collect();
                    let stamped = bare.iter().find(|line| line.windows(9).any(|piece| piece == b"@40000000"));
                    let stamped =
                        stamped.map(|line| String::from_utf8_lossy(line).replace(&long[..100], "x.."));
                    assert_eq!(stamped, None, "{directory} {how}");
                    let wanted = if directory == "./a" { &["one", "two", "three"][..] } else { &["one"] };
                    // What cannot be taken back is torn, unless what is behind it is logged, too.
                    let torn = !opaque && (!cuts || count > 1);
                    let missing = wanted.iter().find(|line| !bare.contains(&line.as_bytes()));
                    assert!(
                        life.end != Ok(End::Clean) || torn || missing.is_none(),
                        "{directory} {how}: {missing:?}"
                    );
                }
            }
        }
    }
}

/// Where a line is cut at the end of a file, and no file can begin for its rest, it is torn in no directory that has room for it.
#[test]
fn a_stop_at_a_hung_processor_tears_a_long_line_at_the_end_of_a_file_or_nowhere() {
    let long = "x".repeat(10_000);
    let wanted = ["one", &long, "two"];
    let start = world(&[&format!("{}\n", wanted.join("\n"))]);
    let alone: &[&str] = &["s4096", "!hang", "./a"];
    let scripts = [
        alone,
        &["s4096", "!hang", "./a", "s1M", "./b"],
        &["s1M", "./b", "s4096", "!hang", "./a"],
        &["t", "s4096", "!hang", "./a", "s1M", "./b"],
        &["-no*", "s4096", "!hang", "./a", "s16k", "!hang", "./b"],
        &["s4096", "!hang", "./a", "-x*", "s1M", "./b"],
    ];
    for script in scripts {
        let mut start = start.clone();
        // By then nothing else happens but looks whether the processor has ended.
        start.signals.push_back((300, Request::Stop));
        let (mut stopped, _) = live(start, script);
        assert_eq!(stopped.trace[300], Call::Ended, "{script:?}");
        assert_eq!(stopped.files.read("./a", "current").map(<[u8]>::len), Some(4096), "{script:?}");
        stopped.next_session();
        let again: Vec<&str> =
            script.iter().map(|word| if *word == "!hang" { "!copy" } else { word }).collect();
        let (all, life) = live(stopped, &again);
        assert_eq!(life.end, Ok(End::Clean), "{script:?}");
        let lines = |directory| -> Vec<String> {
            let lines = logcore::model::judge::lines(&all, directory);
            lines.iter().map(|line| String::from_utf8_lossy(unstamped(line)).into_owned()).collect()
        };
        if script.contains(&"./b") {
            let wanted: Vec<_> =
                wanted.into_iter().filter(|line| !script.contains(&"-x*") || *line != long).collect();
            assert_eq!(lines("./b"), wanted, "{script:?}");
        }
        let (first, rest) = (lines("./a")[1].len(), lines("./a")[2].len());
        // Of the two files that the processor has or is to get the first begins with `one`, stamped or not.
        let logged = 8192 - 4 - if script.contains(&"t") { 2 * 26 } else { 0 };
        let begun_again = script.contains(&"./b") && !script.contains(&"-x*");
        assert_eq!((first, rest), (logged, if begun_again { 10_000 } else { 10_000 - logged }), "{script:?}");
    }
}
