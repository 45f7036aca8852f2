//! Does the promise hold whatever happens at whichever call? The whole logger runs on the model of a machine; each of its calls
//! fails, is cut short, or is the last one, and each death is followed by every power cut that could go with it.
//!
//! `MODEL_FULL=1` tries everything; without it a part that takes seconds. A failure prints what leads to it again.

use logcore::model::judge::{self, Terms};
use logcore::model::life::live_in;
use logcore::model::power::{Profile, cuts};
use logcore::model::{Act, Call, Fault, Inode, World};
use logcore::pump::End;
use logcore::signals::Request;
use logcore::strerr::Errno;
use std::time::Duration;

/// A script and what goes into it.
struct Work {
    name: &'static str,
    script: &'static [&'static str],
    /// The directories, and what a line must contain to be there; `o` is standard output.
    directories: &'static [(&'static str, &'static str)],
    /// The service rests for three seconds behind each write: what is due by the clock comes between.
    rests: bool,
}

const WORKS: [Work; 9] = [
    Work { name: "plain", script: &["s4096", "./a"], directories: &[("./a", "")], rests: false },
    Work { name: "stamped", script: &["t", "s4096", "./a"], directories: &[("./a", "")], rests: true },
    Work { name: "y0", script: &["y0", "s4096", "./a"], directories: &[("./a", "")], rests: false },
    Work { name: "processor", script: &["s4096", "!copy", "./a"], directories: &[("./a", "")], rests: true },
    Work {
        name: "counting",
        script: &["t", "s4096", "!count", "./a"],
        directories: &[("./a", "")],
        rests: false,
    },
    Work {
        name: "two directories",
        script: &["s4096", "./a", "-*odd*", "s5000", "./b"],
        directories: &[("./a", ""), ("./b", "even")],
        rests: true,
    },
    Work {
        name: "spans of time",
        script: &["t", "s4096", "r5s", "b1M", "a1d", "p0640", "./a"],
        directories: &[("./a", "")],
        rests: true,
    },
    Work {
        name: "output",
        script: &["t", "s4096", "./a", "-*odd*", "o"],
        directories: &[("./a", ""), ("o", "even")],
        rests: true,
    },
    Work {
        name: "status",
        script: &["e", "=status", "s4096", "./a"],
        directories: &[("./a", "")],
        rests: false,
    },
];

/// Lines a write.
const WRITTEN: usize = 2;
/// Every errno a call of the system could give for reasons of its own.
const ERRNOS: [Errno; 14] = [
    Errno::NOSPC,
    Errno::IO,
    Errno::DQUOT,
    Errno::ROFS,
    Errno::MFILE,
    Errno::NFILE,
    Errno::INTR,
    Errno::AGAIN,
    Errno::NOMEM,
    Errno::ACCESS,
    Errno::PERM,
    Errno::LOOP,
    Errno::STALE,
    Errno::FBIG,
];

fn full() -> bool {
    std::env::var_os("MODEL_FULL").is_some()
}

/// 16 lines, each unlike all others.
fn lines() -> Vec<Vec<u8>> {
    let line = |number: usize| {
        let parity = if number % 2 == 1 { "odd" } else { "even" };
        let filler = "abcdefghijklmnopqrstuvwxyz".repeat(11);
        format!("{number:04} {parity} {} {number:04}", &filler[..250 + number * 2]).into_bytes()
    };
    (0..16).map(line).collect()
}

impl Work {
    /// A world in which the service writes all lines, two at a time, some of them in pieces.
    fn world(&self, lines: &[Vec<u8>]) -> World {
        let mut world = World::new();
        world.output.busy = 3;
        for (at, pair) in lines.chunks(WRITTEN).enumerate() {
            let mut text = pair.join(&b'\n');
            text.push(b'\n');
            if at % 3 == 1 {
                let rest = text.split_off(100);
                world.input.acts.push_back(Act::Write(text));
                text = rest;
            }
            world.input.acts.push_back(Act::Write(text));
            if self.rests {
                world.input.acts.push_back(Act::Rest(Duration::from_secs(3)));
            }
        }
        world
    }

    fn wanted<'a>(&self, directory: usize, lines: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
        let text = self.directories[directory].1.as_bytes();
        let contains = |line: &[u8]| text.is_empty() || line.windows(text.len()).any(|window| window == text);
        lines.iter().map(|line| &line[..]).filter(|line| contains(line)).collect()
    }

    /// A life that nothing disturbs, to know its calls.
    fn calls(&self, world: World) -> Vec<Call> {
        let (world, life) = live_in(world, self.script, "boot");
        assert_eq!(life.end, Ok(End::Clean), "{}: {:?}", self.name, life.said);
        world.trace
    }

    /// Everything that was written is there.
    #[track_caller]
    fn assert_all(&self, world: &World, lines: &[Vec<u8>], terms: Terms, how: &dyn std::fmt::Debug) {
        for (at, (directory, _)) in self.directories.iter().enumerate() {
            let wanted = self.wanted(at, lines);
            let broken = match *directory {
                "o" => judge::broken_output(world, &wanted, &wanted, terms),
                directory => judge::broken(world, directory, &wanted, &wanted, terms),
            };
            assert_eq!(broken, None, "{}: {directory} after {how:?}", self.name);
        }
    }

    /// A logger starts in this world, and ends well.
    #[track_caller]
    fn recovers(&self, mut world: World, boot: &str, how: &dyn std::fmt::Debug) -> World {
        world.next_session();
        let (world, life) = live_in(world, self.script, boot);
        assert_eq!(
            life.end,
            Ok(End::Clean),
            "{} after {how:?}: {:?} {:?}",
            self.name,
            life.said,
            world.stuck
        );
        assert!(!world.dead, "{} after {how:?}: {:?}", self.name, world.stuck);
        world
    }
}

const EXACT: Terms = Terms { twice: 0, fragments: false, size: 5000, ordered: true };
const KILLED: Terms = Terms { twice: WRITTEN, fragments: true, size: 5000, ordered: true };

/// The ways to die at a call.
fn deaths(number: u64, call: Call) -> Vec<Fault> {
    let mut deaths = vec![Fault::KillBefore(number), Fault::KillAfter(number)];
    if matches!(call, Call::Append | Call::Overwrite) {
        deaths.extend([1, 20, 26, 40, 300, 320, 560].map(|bytes| Fault::KillWithin(number, bytes)));
    }
    deaths
}

fn report(family: &str, cases: u64) {
    println!("{family}: {cases} cases, nothing lost");
}

/// The measure of all that follows.
#[test]
fn the_judge_sees_what_is_wrong() {
    let lines: Vec<&[u8]> = vec![b"one", b"two", b"three"];
    let check = |text: &str, terms: Terms, wanted: Option<&str>| {
        let mut world = World::new();
        world.files.place("./a", "current", Inode::old(text.as_bytes(), false));
        let broken = judge::broken(&world, "./a", &lines, &lines, terms);
        assert_eq!(broken.as_deref(), wanted, "{text}");
        world.output.got = text.as_bytes().to_vec();
        let broken = judge::broken_output(&world, &lines, &lines, Terms { size: usize::MAX, ..terms });
        assert_eq!(broken.as_deref(), wanted.filter(|wanted| !wanted.contains("bytes")), "{text}");
    };
    check("one\ntwo\nthree\n", EXACT, None);
    check("one\nthree\n", EXACT, Some("missing: two"));
    check("one\ntwo\nthree\nfour\n", EXACT, Some("nobody wrote \"four\""));
    check("one\ntwo\ntwo\nthree\n", EXACT, Some("1 lines are there twice"));
    check("one\ntwo\ntwo\nthree\n", KILLED, None);
    check("one\nthree\ntwo\n", EXACT, Some("out of order: two"));
    check("one\ntw\ntwo\nthree\n", EXACT, Some("nobody wrote \"tw\""));
    check("one\ntw\ntwo\nthree\n", KILLED, None);
    check("one\ntwo\nthree\n", Terms { size: 14, ..EXACT }, None);
    check("one\ntwo\nthree\n", Terms { size: 13, ..EXACT }, Some("current has 14 bytes"));
}

#[test]
fn undisturbed_everything_is_there_once() {
    let lines = lines();
    for work in &WORKS {
        let (world, life) = live_in(work.world(&lines), work.script, "boot");
        assert_eq!(life.end, Ok(End::Clean), "{}: {:?} {:?}", work.name, life.said, world.stuck);
        assert!(life.said.is_empty(), "{}: {:?}", work.name, life.said);
        work.assert_all(&world, &lines, EXACT, &"nothing");
        assert!(judge::logs(&world, "./a").len() >= 3, "{}: two rotations", work.name);
    }
}

#[test]
fn killed_at_every_call() {
    let lines = lines();
    let mut cases = 0;
    for work in &WORKS {
        let start = work.world(&lines);
        for (number, call) in work.calls(start.clone()).into_iter().enumerate() {
            for death in deaths(number as u64, call) {
                let world = start.with(death);
                let (world, _) = live_in(world, work.script, "boot");
                assert!(world.dead && world.stuck.is_none(), "{}: {death:?} {:?}", work.name, world.stuck);
                let world = work.recovers(world, "boot", &death);
                work.assert_all(&world, &lines, KILLED, &death);
                cases += 1;
            }
        }
    }
    report("killed at every call", cases);
}

/// The rest of a line, and what follows it, comes behind any call; then the logger is killed, before it has gone far.
#[test]
fn killed_where_the_service_writes_behind_a_call() {
    const SOON: usize = 12;
    let lines = lines();
    let mut cases = 0;
    let step = if full() { 1 } else { 3 };
    for work in &WORKS {
        let text: Vec<u8> = lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
        for first in [100, lines[0].len() + 100] {
            let mut start = World::new();
            start.input.pipe = text[..first].to_vec();
            // Where nothing comes any more it looks again a few times.
            start.input.acts.push_back(Act::Rest(Duration::from_millis(20)));
            let calls = work.calls(start.clone()).len();
            for at in 0..calls {
                let mut start = start.clone();
                start.input.meanwhile.push_back((at as u64, text[first..].to_vec()));
                let calls = work.calls(start.clone());
                let soon = calls.into_iter().enumerate().skip(at + cases % step).take(SOON).step_by(step);
                for (number, call) in soon {
                    for death in deaths(number as u64, call).into_iter().take(if full() { 9 } else { 2 }) {
                        let (world, _) = live_in(start.with(death), work.script, "boot");
                        let how = (first, at, death);
                        assert!(world.stuck.is_none(), "{}: {how:?} {:?}", work.name, world.stuck);
                        let world = work.recovers(world, "boot", &how);
                        work.assert_all(&world, &lines, Terms { twice: lines.len(), ..KILLED }, &how);
                        cases += 1;
                    }
                }
            }
        }
    }
    report("killed where the service writes behind a call", cases as u64);
}

#[test]
fn killed_again_in_recovery() {
    let lines = lines();
    let mut cases = 0;
    let step = if full() { 1 } else { 7 };
    for work in &WORKS {
        let start = work.world(&lines);
        let calls = work.calls(start.clone());
        for (number, call) in calls.into_iter().enumerate().skip(cases as usize % step).step_by(step) {
            for death in deaths(number as u64, call) {
                let world = start.with(death);
                let (mut killed, _) = live_in(world, work.script, "boot");
                killed.next_session();
                let calls = live_in(killed.clone(), work.script, "boot").0.trace;
                // Until it logs as any other.
                for (again, call) in calls.into_iter().enumerate().take(60) {
                    for second in deaths(again as u64, call).into_iter().take(if full() { 9 } else { 3 }) {
                        let world = killed.with(second);
                        let (world, _) = live_in(world, work.script, "boot");
                        let how = (death, second);
                        let world = work.recovers(world, "boot", &how);
                        let terms = Terms { twice: 2 * WRITTEN + WRITTEN, ..KILLED };
                        work.assert_all(&world, &lines, terms, &how);
                        cases += 1;
                    }
                }
            }
        }
    }
    report("killed again in recovery", cases);
}

/// The first call that does not fail any more.
fn fault_end(fault: Fault) -> u64 {
    match fault {
        Fault::Fail { first, count, .. } => first + count,
        _ => 0,
    }
}

/// How long a fault lasts.
const LASTING: [u64; 3] = [1, 3, 40];

#[test]
fn every_errno_at_every_call() {
    let lines = lines();
    let mut cases = 0;
    let errnos = if full() { &ERRNOS[..] } else { &[Errno::NOSPC, Errno::IO, Errno::INTR, Errno::MFILE] };
    for work in &WORKS {
        let start = work.world(&lines);
        for (number, call) in work.calls(start.clone()).into_iter().enumerate() {
            // A broken input is another matter: nothing can be promised of its rest.
            if matches!(call, Call::Look | Call::Take) {
                continue;
            }
            for &errno in errnos {
                for count in LASTING {
                    let fault = Fault::Fail { first: number as u64, count, errno };
                    let (world, life) = live_in(start.with(fault), work.script, "boot");
                    cases += 1;
                    let how = (call, fault, &life.said);
                    match &life.end {
                        Ok(end) => {
                            assert!(!world.dead, "{}: {how:?} {:?}", work.name, world.stuck);
                            // An end that is not on disk is said to be none; that may only happen at the end.
                            let at_end = world.calls() < fault_end(fault) + 60;
                            assert!(*end == End::Clean || at_end, "{}: {how:?}", work.name);
                            // Without a reader the rest is for the next.
                            let gone =
                                life.said.iter().any(|said| said.starts_with("unable to write output: "));
                            assert!(!gone || *end == End::Failed, "{}: {how:?}", work.name);
                            let world = if gone { work.recovers(world, "boot", &how) } else { world };
                            // Of a line that was written in part before the disk failed, both parts stay when it was not cut.
                            let terms = Terms { twice: WRITTEN, fragments: true, ..EXACT };
                            work.assert_all(&world, &lines, terms, &how);
                        }
                        Err(_) => {
                            assert_eq!(world.input.taken, 0, "{}: {how:?}", work.name);
                            let world = work.recovers(world, "boot", &how);
                            work.assert_all(&world, &lines, EXACT, &how);
                        }
                    }
                }
            }
        }
    }
    report("every errno at every call", cases);
}

#[test]
fn told_to_end_while_a_call_fails_for_ever() {
    let lines = lines();
    let mut cases = 0;
    let step = if full() { 1 } else { 3 };
    for work in &WORKS {
        let start = work.world(&lines);
        for (number, call) in work.calls(start.clone()).into_iter().enumerate().step_by(step) {
            if matches!(call, Call::Look | Call::Take) {
                continue;
            }
            for errno in [Errno::NOSPC, Errno::IO] {
                let first = number as u64;
                let mut world = start.with(Fault::Fail { first, count: u64::MAX, errno });
                world.signals.push_back((first + 5, Request::Stop));
                let (world, life) = live_in(world, work.script, "boot");
                let how = (call, first, errno, &life.said);
                assert!(!world.dead, "{}: {how:?} {:?}", work.name, world.stuck);
                let world = work.recovers(world, "boot", &how);
                work.assert_all(&world, &lines, Terms { twice: 2 * WRITTEN, ..KILLED }, &how);
                cases += 1;
            }
        }
    }
    report("told to end while a call fails for ever", cases);
}

#[test]
fn writes_that_are_cut_short() {
    let lines = lines();
    let mut cases = 0;
    for work in &WORKS {
        let start = work.world(&lines);
        for (number, call) in work.calls(start.clone()).into_iter().enumerate() {
            if !matches!(call, Call::Append | Call::Write) {
                continue;
            }
            for bytes in [1, 25, 26, 300, 320] {
                let fault = Fault::Short(number as u64, bytes);
                let (world, life) = live_in(start.with(fault), work.script, "boot");
                assert_eq!(life.end, Ok(End::Clean), "{}: {fault:?} {:?}", work.name, life.said);
                work.assert_all(&world, &lines, EXACT, &fault);
                cases += 1;
            }
        }
    }
    report("writes that are cut short", cases);
}

#[test]
fn power_cut_after_every_call() {
    let lines = lines();
    let known: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
    let (mut states, mut checked) = (0, 0);
    let step = if full() { 1 } else { 5 };
    for work in &WORKS {
        let start = work.world(&lines);
        for (number, call) in work.calls(start.clone()).into_iter().enumerate().step_by(step) {
            for death in deaths(number as u64, call).into_iter().skip(1) {
                let (dead, _) = live_in(start.with(death), work.script, "boot");
                let promised: Vec<Vec<Vec<u8>>> = (work.directories.iter())
                    .map(|(directory, _)| judge::promised(&dead, directory).into_iter().collect())
                    .collect();
                let taken = usize::try_from(dead.input.taken).unwrap_or(0);
                let synced_first = work.name == "y0";
                let whole = lines.iter().scan(0, |end, line| {
                    *end += line.len() + 1;
                    Some(*end)
                });
                let taken_lines = whole.take_while(|end| *end <= taken).count();
                states += cuts(&dead, Profile::Minimal, &mut |world| {
                    let world = work.recovers(world, "another boot", &death);
                    for ((directory, _), promised) in work.directories.iter().zip(&promised) {
                        let mut wanted: Vec<&[u8]> = promised.iter().map(|line| &line[..]).collect();
                        if synced_first {
                            wanted.extend(&known[..taken_lines]);
                        }
                        let terms = Terms { twice: 0, fragments: true, size: 5000, ordered: true };
                        let broken = judge::broken(&world, directory, &wanted, &known, terms);
                        assert_eq!(broken, None, "{}: {directory} after {death:?} at {call:?}", work.name);
                    }
                    checked += 1;
                });
            }
        }
    }
    assert_eq!(states, checked);
    report("power cut after every call", states);
}

#[test]
fn power_cut_again_in_recovery() {
    let lines = lines();
    let known: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
    let mut states = 0;
    // Not every state: one in so many, another one each time.
    let one_in = if full() { 40 } else { 400 };
    for work in &WORKS {
        let start = work.world(&lines);
        let mut first = 0;
        for (number, call) in work.calls(start.clone()).into_iter().enumerate() {
            let death = Fault::KillAfter(number as u64);
            let (dead, _) = live_in(start.with(death), work.script, "boot");
            let promised: Vec<_> =
                work.directories.iter().map(|(directory, _)| judge::promised(&dead, directory)).collect();
            cuts(&dead, Profile::Minimal, &mut |world| {
                first += 1;
                if first % one_in != 0 {
                    return;
                }
                let calls = live_in(world.clone(), work.script, "second boot").0.calls();
                for again in 0..calls {
                    let second = Fault::KillAfter(again);
                    let (dead, _) = live_in(world.with(second), work.script, "second boot");
                    states += cuts(&dead, Profile::Minimal, &mut |world| {
                        let how = (death, call, second);
                        let world = work.recovers(world, "third boot", &how);
                        for ((directory, _), promised) in work.directories.iter().zip(&promised) {
                            let wanted: Vec<&[u8]> = promised.iter().map(|line| &line[..]).collect();
                            // A `previous` that still waits for its processor at the second start gets a name behind that
                            // of what the first start found in `current`: docs/reliability.md.
                            let ordered = !work.script.iter().any(|word| word.starts_with('!'));
                            let terms = Terms { twice: 0, fragments: true, size: 5000, ordered };
                            let broken = judge::broken(&world, directory, &wanted, &known, terms);
                            assert_eq!(broken, None, "{}: {directory} after {how:?}", work.name);
                        }
                    });
                }
            });
        }
    }
    report("power cut again in recovery", states);
}

#[test]
fn the_clock_jumps_at_every_call() {
    const YEAR: i64 = 365 * 86_400;
    let lines = lines();
    let script: &[&str] = &["s4096", "n3", "./a"];
    let work = Work { name: "clock", script, directories: &[("./a", "")], rests: false };
    let start = work.world(&[&lines[..], &lines[..]].concat());
    let mut cases = 0;
    for number in 0..work.calls(start.clone()).len() as u64 {
        for seconds in [-1, 1, -50 * YEAR, 80 * YEAR, -60 * YEAR] {
            for step in [0, 1000] {
                let mut world = start.clone();
                world.clock.jumps.push_back((number, seconds));
                world.clock.jumps.push_back((number + 20, -seconds));
                world.clock.step = step;
                let (world, life) = live_in(world, script, "boot");
                let how = (number, seconds, step);
                assert_eq!(life.end, Ok(End::Clean), "{how:?} {:?}", life.said);
                // What is left is the newest, whole and in order.
                let found = judge::lines(&world, "./a");
                let all = [&lines[..], &lines[..]].concat();
                assert!(all.ends_with(&found), "{how:?}: {} lines", found.len());
                assert_eq!(judge::logs(&world, "./a").len(), 3, "{how:?}");
                cases += 1;
            }
        }
    }
    report("the clock jumps at every call", cases);
}

#[test]
fn power_cut_after_a_clean_end() {
    let lines = lines();
    let mut states = 0;
    for work in &WORKS {
        let start = work.world(&lines);
        for (number, call) in work.calls(start.clone()).into_iter().enumerate() {
            // Undisturbed, and with every sync failing once: an exit code 0 is believed.
            let fault = Fault::Fail { first: number as u64, count: 1, errno: Errno::IO };
            let faulty =
                if matches!(call, Call::Sync | Call::SyncDir) { start.with(fault) } else { start.clone() };
            if number > 0 && faulty.faults.is_empty() {
                continue;
            }
            let (ended, life) = live_in(faulty, work.script, "boot");
            if life.end != Ok(End::Clean) {
                continue;
            }
            states += cuts(&ended, Profile::Minimal, &mut |world| {
                let world = work.recovers(world, "another boot", &fault);
                work.assert_all(&world, &lines, Terms { twice: WRITTEN, ..KILLED }, &(fault, call));
            });
        }
    }
    report("power cut after a clean end", states);
}
