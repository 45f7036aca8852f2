//! Tables of what svscan does, and a world of services that come, fail, are killed and go, to find what it must never do.

use super::*;
use proptest::prelude::*;

/// Services, processes and a clock, as svscan finds them. It does what the actions say.
struct World {
    scan: Scan,
    now: Duration,
    entries: Vec<Entry>,
    /// Process, service, role, start.
    processes: Vec<(u32, Id, Role, Duration)>,
    /// Whether a supervise is told to go.
    told: Vec<u32>,
    pipes: Vec<Id>,
    /// Those of which only the reading end is kept.
    shut: Vec<Id>,
    next_pid: u32,
    no_pipes: bool,
    no_processes: bool,
    /// None was kept.
    no_directories: bool,
    /// Started, and not known yet to be supervise; what is then said of each.
    starting: std::collections::VecDeque<u32>,
    becomes: Option<Failed>,
    /// Each logger that ends leaves lines behind.
    leaves_lines: bool,
    done: Vec<Action>,
}

fn id(inode: u64) -> Id {
    Id { device: 1, inode }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn link(name: &str, inode: u64, log: Log) -> Entry {
    let directory = Directory { id: id(inode), log, in_place: false, changed: [0; 4] };
    Entry { name: name.into(), seen: Ok(directory) }
}

fn fresh(name: &str, inode: u64, log: Log, changed: i64) -> Entry {
    let directory = Directory { id: id(inode), log, in_place: true, changed: [changed, 0, 0, 0] };
    Entry { name: name.into(), seen: Ok(directory) }
}

impl World {
    fn new(entries: Vec<Entry>) -> World {
        World {
            scan: Scan::new(true),
            now: seconds(100.0),
            entries,
            processes: Vec::new(),
            told: Vec::new(),
            pipes: Vec::new(),
            shut: Vec::new(),
            next_pid: 1000,
            no_pipes: false,
            no_processes: false,
            no_directories: false,
            starting: std::collections::VecDeque::new(),
            becomes: None,
            leaves_lines: false,
            done: Vec::new(),
        }
    }

    /// Does what is due now, and says what that was.
    fn settle(&mut self) -> Vec<Action> {
        let before = self.done.len();
        for round in 0.. {
            assert!(round < 1000, "svscan spins");
            if self.scan.due().is_none_or(|due| due > self.now) {
                break;
            }
            let actions = if self.scan.is_stopping() {
                self.scan.time(self.now)
            } else {
                self.scan.look(Ok(self.entries.clone()), self.now)
            };
            self.act(actions);
        }
        self.done[before..].to_vec()
    }

    fn act(&mut self, actions: Vec<Action>) {
        let mut todo = std::collections::VecDeque::from(actions);
        loop {
            let Some(action) = todo.pop_front() else {
                let Some(pid) = self.starting.pop_front() else { return };
                todo.extend(self.scan.runs(pid, self.becomes, self.now));
                continue;
            };
            self.done.push(action.clone());
            let more = match action {
                Action::Open(id, _) => {
                    assert_eq!(self.pipes.contains(&id), self.shut.contains(&id), "one pipe a service");
                    let result = if self.no_pipes { Err(Errno::MFILE) } else { Ok(()) };
                    if result.is_ok() {
                        self.shut.retain(|&shut| shut != id);
                        self.pipes.retain(|&pipe| pipe != id);
                        self.pipes.push(id);
                    }
                    self.scan.opened(id, result, self.now)
                }
                Action::Start { .. } | Action::Drain(..) => {
                    let (id, role) = match action {
                        Action::Start { id, role, .. } => (id, role),
                        Action::Drain(id, _) => (id, Role::Log),
                        other => panic!("{other:?}"),
                    };
                    if self.no_directories && matches!(action, Action::Drain(..)) {
                        todo.extend(self.scan.rest(id, self.leaves_lines, self.now));
                        continue;
                    }
                    assert!(!self.runs(id, role), "{role:?} of {id:?} started twice");
                    assert!(role == Role::Log || !self.shut.contains(&id), "nowhere to write");
                    let child = if self.no_processes {
                        Err(Errno::AGAIN)
                    } else {
                        self.next_pid += 1;
                        self.processes.push((self.next_pid, id, role, self.now));
                        self.starting.push_back(self.next_pid);
                        Ok(self.next_pid)
                    };
                    self.scan.started(id, role, child, self.now)
                }
                Action::Close(id) => {
                    self.pipes.retain(|&pipe| pipe != id);
                    self.shut.retain(|&shut| shut != id);
                    Vec::new()
                }
                Action::Shut(id) => {
                    assert!(self.pipes.contains(&id));
                    self.shut.push(id);
                    Vec::new()
                }
                Action::Halt(_, pid, _) | Action::Insist(_, pid, _) | Action::Terminate(pid) => {
                    self.told.push(pid);
                    Vec::new()
                }
                Action::Tell(id, pid) => {
                    self.told.push(pid);
                    self.scan.told(id, true, false, self.now)
                }
                Action::Rest(id) => self.scan.rest(id, self.leaves_lines, self.now),
                Action::Leave { .. } | Action::Relieve(_) | Action::Unlock | Action::Warn(_) => Vec::new(),
            };
            todo.extend(more);
        }
    }

    fn runs(&self, id: Id, role: Role) -> bool {
        self.processes.iter().any(|&(_, of, as_role, _)| (of, as_role) == (id, role))
    }

    fn pid(&self, inode: u64, role: Role) -> u32 {
        let found = self.processes.iter().find(|&&(_, of, as_role, _)| (of, as_role) == (id(inode), role));
        found.expect("it runs").0
    }

    fn ends(&mut self, pid: u32, failed: bool) {
        self.processes.retain(|process| process.0 != pid);
        let actions = self.scan.ended(pid, failed, self.now);
        self.act(actions);
    }

    fn stop(&mut self) {
        let actions = self.scan.stop(self.now);
        self.act(actions);
    }

    fn later(&mut self, more: f64) -> Vec<Action> {
        // Step by step, as a clock does.
        let end = self.now + seconds(more);
        let mut done = Vec::new();
        while let Some(due) = self.scan.due().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            done.extend(self.settle());
        }
        self.now = end;
        done
    }

    fn starts(actions: &[Action]) -> Vec<String> {
        let start = |action: &Action| match action {
            Action::Start { role, name, .. } => {
                let log = if *role == Role::Log { "/log" } else { "" };
                Some(String::from_utf8_lossy(name).into_owned() + log)
            }
            Action::Drain(_, name) => Some(format!("the log of {}", String::from_utf8_lossy(name))),
            _ => None,
        };
        actions.iter().filter_map(start).collect()
    }

    fn warnings(actions: &[Action]) -> Vec<String> {
        let warning = |action: &Action| match action {
            Action::Warn(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        actions.iter().filter_map(warning).collect()
    }
}

#[test]
fn each_entry_is_taken_up_once_with_its_log_or_said_to_be_in_error() {
    let error = |name: &str, errno| Entry { name: name.into(), seen: Err(errno) };
    let check = |entries: Vec<Entry>, starts: &[&str], warnings: &[&str]| {
        let mut world = World::new(entries);
        let done = world.settle();
        assert_eq!(World::starts(&done), starts);
        assert_eq!(World::warnings(&done), warnings);
    };
    check(vec![], &[], &[]);
    check(vec![link("a", 1, Log::None)], &["a"], &[]);
    // The pipe first; then both at once.
    check(vec![link("a", 1, Log::Directory), link("b", 2, Log::None)], &["b", "a", "a/log"], &[]);
    check(vec![link("a", 1, Log::None), link("b", 1, Log::None)], &["a"], &[]);
    check(vec![link("a", 1, Log::Other)], &["a"], &["unable to use a/log: not a directory"]);
    check(vec![link("a", 1, Log::Unknown(Errno::ACCESS))], &[], &["unable to stat a/log: access denied"]);
    check(vec![error("a", Errno::NOENT)], &[], &["unable to stat a: file does not exist"]);
    // What is there at the start is complete.
    check(vec![fresh("a", 1, Log::None, 0)], &["a"], &[]);
}

#[test]
fn a_look_comes_once_a_minute_or_each_five_seconds_in_trouble() {
    let check = |entries: Vec<Entry>, watched: bool, wanted: f64| {
        let mut world = World::new(entries);
        if !watched {
            world.scan.unwatched();
        }
        assert_eq!(world.scan.due(), Some(Duration::ZERO));
        world.settle();
        assert_eq!(world.scan.due(), Some(world.now + seconds(wanted)));
    };
    check(vec![link("a", 1, Log::Directory)], true, 60.0);
    check(vec![], true, 60.0);
    check(vec![], false, 5.0);
    check(vec![link("a", 1, Log::Unknown(Errno::ACCESS))], true, 5.0);
}

#[test]
fn a_fresh_directory_is_taken_up_when_it_stays_as_it_is() {
    let mut world = World::new(vec![]);
    world.settle();
    world.entries = vec![fresh("a", 1, Log::None, 1), fresh("b", 1, Log::None, 1), link("c", 3, Log::None)];
    world.scan.ask();
    assert_eq!(World::starts(&world.later(0.1)), ["c"], "links at once");
    // The log comes after half a second.
    assert!(World::starts(&world.later(0.5)).is_empty());
    world.entries[0] = fresh("a", 1, Log::Directory, 2);
    world.entries[1] = fresh("b", 1, Log::Directory, 2);
    assert!(World::starts(&world.later(1.0)).is_empty());
    assert_eq!(World::starts(&world.later(1.0)), ["a", "a/log"]);
    // One that changes for ever is taken up after five seconds.
    world.scan.ask();
    let mut waited = 0;
    for change in 0.. {
        world.entries.truncate(3);
        world.entries.push(fresh("d", 4, Log::None, change));
        if World::starts(&world.later(0.5)) == ["d"] {
            break;
        }
        waited += 1;
        assert!(waited < 12, "it is never taken up");
    }
    assert!(waited >= 9, "after {waited} half seconds");
}

#[test]
fn a_target_that_comes_late_is_given_time_to_be_filled() {
    let mut world = World::new(vec![Entry { name: b"a".into(), seen: Err(Errno::NOENT) }]);
    assert_eq!(World::warnings(&world.settle()), ["unable to stat a: file does not exist"]);
    assert!(World::warnings(&world.later(59.0)).is_empty(), "said once a minute");
    assert_eq!(World::warnings(&world.later(6.0)).len(), 1);
    // Seen in the middle of being made: the log comes half a second later.
    world.entries = vec![link("a", 1, Log::None)];
    let seen = world.scan.due().expect("it is looked for") - world.now;
    assert!(World::starts(&world.later(seen.as_secs_f64() + 0.5)).is_empty());
    world.entries = vec![link("a", 1, Log::Directory)];
    if let Ok(directory) = &mut world.entries[0].seen {
        directory.changed = [1; 4];
    }
    assert_eq!(World::starts(&world.later(3.0)), ["a", "a/log"]);
}

#[test]
fn the_dead_are_restarted_at_once_but_at_most_once_a_second() {
    let check = |lived: f64, failed: bool, wanted: f64| {
        let mut world = World::new(vec![link("a", 1, Log::None)]);
        world.settle();
        let start = world.now;
        world.later(lived);
        world.ends(world.pid(1, Role::Main), failed);
        while World::starts(&world.settle()).is_empty() {
            world.now = world.scan.due().expect("it looks again");
        }
        let after = (world.now - start).as_secs_f64();
        assert!((wanted..wanted + 0.03).contains(&after), "lived {lived}, {failed}: {after}, not {wanted}");
    };
    check(10.0, true, 10.0);
    check(10.0, false, 10.0);
    check(1.0, true, 1.0);
    check(0.5, false, 1.0);
    check(0.5, true, 5.0);
}

/// Each of them says why, and that is to be said once a minute.
#[test]
fn a_supervise_that_fails_again_and_again_is_started_less_and_less_often() {
    let mut world = World::new(vec![link("a", 1, Log::None)]);
    world.settle();
    let mut start = world.now;
    let mut next_start = |world: &mut World| {
        while World::starts(&world.settle()).is_empty() {
            world.now = world.scan.due().expect("it looks again");
        }
        let pause = (world.now - start).as_secs();
        start = world.now;
        pause
    };
    let mut pauses = Vec::new();
    for _ in 0..7 {
        world.ends(world.pid(1, Role::Main), true);
        pauses.push(next_start(&mut world));
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60, 60]);
    // Whoever has mended it need not wait for it.
    world.ends(world.pid(1, Role::Main), true);
    world.scan.hurry();
    assert_eq!(next_start(&mut world), 1);
    // One that lived has not failed.
    world.later(1.0);
    world.ends(world.pid(1, Role::Main), true);
    assert_eq!(next_start(&mut world), 1);
    world.ends(world.pid(1, Role::Main), true);
    assert_eq!(next_start(&mut world), 5);
}

#[test]
fn names_that_go_stop_nothing_and_names_that_move_lead_to_the_same_service() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.entries = vec![link("b", 1, Log::None)];
    world.scan.ask();
    assert!(world.later(61.0).is_empty(), "nothing happens");
    world.ends(world.pid(1, Role::Log), false);
    assert_eq!(World::starts(&world.later(0.1)), ["b/log"], "by the name it has now");
    world.entries.clear();
    world.ends(world.pid(1, Role::Log), false);
    assert_eq!(World::starts(&world.later(2.0)), ["the log of b"], "its service writes");
    world.ends(world.pid(1, Role::Log), false);
    assert_eq!(World::starts(&world.later(2.0)), ["the log of b"], "and goes on to write");
    let log = world.pid(1, Role::Log);
    world.done.clear();
    world.ends(world.pid(1, Role::Main), false);
    assert!(world.later(2.0).is_empty(), "it is not restarted once the name is gone");
    assert_eq!(world.done, [Action::Shut(id(1)), Action::Tell(id(1), log)]);
    world.done.clear();
    world.ends(log, false);
    assert_eq!(world.done, [Action::Rest(id(1)), Action::Close(id(1))]);
    world.entries = vec![link("b", 1, Log::None)];
    world.scan.ask();
    assert_eq!(World::starts(&world.later(0.1)), ["b"], "now it has no log");
}

#[test]
fn the_logger_of_a_removed_service_reads_to_the_end_unless_its_name_comes_back() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    let (main, log) = (world.pid(1, Role::Main), world.pid(1, Role::Log));
    world.entries.clear();
    world.scan.ask();
    assert!(world.later(61.0).is_empty(), "the service runs");
    world.done.clear();
    world.ends(main, false);
    assert!(world.later(61.0).is_empty());
    assert_eq!(world.done, [Action::Shut(id(1)), Action::Tell(id(1), log)]);
    world.entries = vec![link("b", 1, Log::Directory)];
    world.scan.ask();
    world.no_pipes = true;
    let refused = World::warnings(&world.later(4.0));
    assert_eq!(refused, ["unable to create pipe for b: process cannot open more files"]);
    world.no_pipes = false;
    let actions = world.later(5.0);
    assert_eq!(actions[0], Action::Open(id(1), b"b".to_vec()));
    assert_eq!(World::starts(&actions), ["b"], "its logger may still run");
    world.ends(log, false);
    assert_eq!(World::starts(&world.later(0.1)), ["b/log"]);
    // The end of one that was refused a writing end: it is taken up anew.
    world.entries.clear();
    world.ends(world.pid(1, Role::Main), false);
    world.later(2.0);
    world.entries = vec![link("b", 1, Log::None)];
    world.no_pipes = true;
    world.scan.ask();
    world.later(1.0);
    world.ends(world.pid(1, Role::Log), false);
    assert_eq!(World::starts(&world.later(0.1)), ["b"], "now it has no log");
}

#[test]
fn a_logger_that_ended_with_its_removed_service_is_started_again_for_what_it_left() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.later(10.0);
    world.entries.clear();
    world.leaves_lines = true;
    world.ends(world.pid(1, Role::Log), false);
    world.ends(world.pid(1, Role::Main), false);
    let actions = world.later(0.1);
    assert_eq!(actions[..2], [Action::Shut(id(1)), Action::Rest(id(1))]);
    let again = Action::Drain(id(1), b"a".to_vec());
    let log = world.pid(1, Role::Log);
    assert_eq!(actions[2..], [again, Action::Tell(id(1), log)]);
    world.leaves_lines = false;
    world.done.clear();
    world.ends(log, false);
    assert_eq!(world.done, [Action::Rest(id(1)), Action::Close(id(1))]);
    assert!(world.later(120.0).is_empty());
}

/// Both the look that finds the name and the logger that is due would start it.
#[test]
fn a_name_that_comes_back_when_its_logger_is_due_starts_it_once() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.entries.clear();
    world.leaves_lines = true;
    world.ends(world.pid(1, Role::Log), false);
    world.ends(world.pid(1, Role::Main), false);
    world.later(0.5);
    // The next look is when it is due; the world sees to it that none is started twice.
    world.entries = vec![link("a", 1, Log::Directory)];
    world.later(3.0);
    assert!(world.runs(id(1), Role::Log) && world.runs(id(1), Role::Main));
}

#[test]
fn the_lines_of_a_removed_service_are_given_up_late_and_also_without_its_directory() {
    for no_directories in [false, true] {
        let mut world = World::new(vec![link("a", 1, Log::Directory)]);
        world.settle();
        world.entries.clear();
        (world.leaves_lines, world.no_directories) = (true, no_directories);
        world.ends(world.pid(1, Role::Log), false);
        world.ends(world.pid(1, Role::Main), false);
        let start = world.now;
        while World::warnings(&world.done).is_empty() {
            if let Some(&(pid, ..)) = world.processes.first() {
                world.ends(pid, false);
            }
            world.later(0.5);
            assert!(world.now < start + seconds(1000.0), "{no_directories}");
        }
        let lost = "lines of a are left unread: its logger does not run";
        assert_eq!(World::warnings(&world.done), [lost]);
        assert!(world.now > start + seconds(120.0), "{no_directories}: after {:?}", world.now - start);
        assert!(world.pipes.is_empty() && world.later(200.0).is_empty());
    }
}

/// A process that the service left behind writes for weeks, and each day somebody restarts the logger.
#[test]
fn the_logger_of_a_removed_service_that_runs_for_long_is_not_given_up() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.entries.clear();
    world.leaves_lines = true;
    world.ends(world.pid(1, Role::Main), false);
    for day in 0..3 * DRAINS_OF_REMOVED {
        world.later(100.0);
        world.ends(world.pid(1, Role::Log), false);
        assert_eq!(World::starts(&world.later(0.1)), ["the log of a"], "day {day}");
    }
    // In a stop it is.
    world.stop();
    for _ in 0..=DRAINS {
        world.later(100.0);
        world.ends(world.pid(1, Role::Log), false);
    }
    assert!(world.scan.is_over());
}

#[test]
fn a_service_that_runs_is_not_forgotten_though_its_logger_cannot_be_started() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.entries.clear();
    world.no_directories = true;
    world.scan.ask();
    world.later(2.0);
    world.ends(world.pid(1, Role::Log), false);
    assert_eq!(World::starts(&world.later(9.5)).len(), 10, "tried each second");
    assert_eq!(world.pipes, [id(1)]);
    world.no_directories = false;
    assert_eq!(World::starts(&world.later(1.1)), ["the log of a"]);
    assert!(world.runs(id(1), Role::Log));
}

#[test]
fn a_logger_that_cannot_be_told_is_let_read_to_the_end_unless_that_is_reached() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    let (main, log) = (world.pid(1, Role::Main), world.pid(1, Role::Log));
    world.entries.clear();
    world.scan.ask();
    world.later(1.0);
    assert_eq!(world.scan.ended(main, false, world.now), [Action::Shut(id(1)), Action::Tell(id(1), log)]);
    for _ in 0..1000 {
        assert!(world.scan.told(id(1), false, false, world.now).is_empty(), "lines are left");
        world.now += AGAIN;
    }
    assert_eq!(world.scan.told(id(1), false, true, world.now), [Action::Terminate(log)]);
}

/// An earlier svscan was killed; its supervises keep ours out.
#[test]
fn in_a_stop_those_that_keep_us_out_are_told_too() {
    let mut world =
        World::new(vec![link("a", 1, Log::Directory), link("b", 2, Log::None), link("c", 3, Log::None)]);
    world.scan.succeed();
    world.settle();
    let leave = |name: &str, log: Option<&str>| Action::Leave { name: name.into(), log: log.map(Into::into) };
    for role in [Role::Main, Role::Log] {
        world.ends(world.pid(1, role), true);
    }
    world.ends(world.pid(2, Role::Main), true);
    world.done.clear();
    world.stop();
    for wanted in [leave("a", Some("a/log")), leave("b", None)] {
        assert!(world.done.contains(&wanted), "{wanted:?} of {:?}", world.done);
    }
    assert!(!world.done.contains(&leave("c", None)));
    // What ends well in a stop is nobody else's.
    world.ends(world.pid(3, Role::Main), false);
    assert!(!world.done.contains(&leave("c", None)) && world.scan.is_over());
    // What fails only now, as one that was started a moment before.
    for succeeds in [true, false] {
        let mut world = World::new(vec![link("a", 1, Log::None)]);
        if succeeds {
            world.scan.succeed();
        }
        world.settle();
        world.stop();
        world.ends(world.pid(1, Role::Main), true);
        // Where no earlier svscan was killed it is a stranger's.
        assert_eq!(world.done.contains(&leave("a", None)), succeeds);
    }
    // One that is about to fail again is not told by a letter that another would read.
    let mut world = World::new(vec![link("a", 1, Log::None)]);
    world.settle();
    world.ends(world.pid(1, Role::Main), true);
    world.later(5.1);
    let pid = world.pid(1, Role::Main);
    world.stop();
    assert!(world.done.ends_with(&[Action::Unlock, Action::Terminate(pid)]), "{:?}", world.done);
    // Nor its logger's, until it has not failed for a while.
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.ends(world.pid(1, Role::Log), true);
    while !world.runs(id(1), Role::Log) {
        world.later(0.1);
    }
    let log = world.pid(1, Role::Log);
    world.stop();
    world.done.clear();
    world.ends(world.pid(1, Role::Main), false);
    world.later(0.8);
    assert_eq!(world.done, [Action::Shut(id(1))]);
    world.later(0.3);
    assert_eq!(world.done[1..], [Action::Tell(id(1), log)]);
}

/// A killed svscan has left both supervises, and that of the logger ends a little after the other.
#[test]
fn a_service_that_begins_after_all_is_not_long_without_its_logger() {
    for succeeds in [true, false] {
        let mut world = World::new(vec![link("a", 1, Log::Directory)]);
        if succeeds {
            world.scan.succeed();
        }
        world.settle();
        let next_starts = |world: &mut World| {
            let before = world.now;
            loop {
                let starts = World::starts(&world.settle());
                if !starts.is_empty() {
                    return ((world.now - before).as_secs(), starts.join(" "));
                }
                world.now = world.scan.due().expect("it looks again");
            }
        };
        for (roles, pause) in
            [([Role::Log, Role::Main], 5), ([Role::Main, Role::Log], 10), ([Role::Log, Role::Main], 20)]
        {
            for role in roles {
                world.ends(world.pid(1, role), true);
            }
            assert_eq!(next_starts(&mut world), (pause, "a a/log".to_owned()), "both at once");
        }
        assert!(!world.done.contains(&Action::Relieve(id(1))), "the service is not ours");
        world.ends(world.pid(1, Role::Log), true);
        for _ in 0..3 {
            assert_eq!(next_starts(&mut world), (5, "a/log".to_owned()), "the service waits for it");
            world.done.clear();
            world.ends(world.pid(1, Role::Log), true);
            assert_eq!(world.done.contains(&Action::Relieve(id(1))), succeeds);
        }
        world.done.clear();
        world.stop();
        world.ends(world.pid(1, Role::Main), false);
        assert_eq!(world.done.contains(&Action::Relieve(id(1))), succeeds, "once more before the end");
    }
}

#[test]
fn a_service_that_fills_the_pipe_in_a_stop_has_its_logger_again() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.stop();
    world.ends(world.pid(1, Role::Log), false);
    assert_eq!(World::starts(&world.later(1.1)), ["the log of a"]);
    world.ends(world.pid(1, Role::Main), false);
    world.ends(world.pid(1, Role::Log), false);
    assert!(world.scan.is_over());
}

#[test]
fn a_logger_is_started_again_though_the_directory_cannot_be_read() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.entries.clear();
    world.scan.ask();
    world.later(10.0);
    world.leaves_lines = true;
    world.ends(world.pid(1, Role::Log), false);
    world.ends(world.pid(1, Role::Main), false);
    let actions = world.scan.look(Err(Errno::NOENT), world.now + seconds(1.0));
    assert_eq!(World::starts(&actions), ["the log of a"]);
}

#[test]
fn a_stop_waits_for_the_logger_of_a_removed_service() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.entries.clear();
    world.ends(world.pid(1, Role::Main), false);
    world.later(2.0);
    world.stop();
    assert!(!world.scan.is_over());
    world.ends(world.pid(1, Role::Log), false);
    assert!(world.scan.is_over());
    assert!(world.pipes.is_empty());
}

#[test]
fn what_cannot_be_started_is_tried_again() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.no_pipes = true;
    assert_eq!(
        World::warnings(&world.settle()),
        ["unable to create pipe for a: process cannot open more files"]
    );
    assert!(World::warnings(&world.later(50.0)).is_empty());
    world.no_pipes = false;
    world.no_processes = true;
    assert_eq!(
        World::warnings(&world.later(6.1)),
        ["unable to fork for a: temporary failure", "unable to fork for a/log: temporary failure"]
    );
    world.no_processes = false;
    assert_eq!(World::starts(&world.later(1.1)), ["a", "a/log"]);
}

#[test]
fn refused_pipes_are_said_once_for_all_services() {
    let mut world = World::new((1..=1000).map(|n| link(&format!("s{n:04}"), n, Log::Directory)).collect());
    let wanted = ["unable to create pipe for s0001: process cannot open more files"];
    world.no_pipes = true;
    assert_eq!(World::warnings(&world.settle()), wanted);
    assert!(World::warnings(&world.later(55.0)).is_empty());
    assert_eq!(World::warnings(&world.later(10.0)), wanted, "once a minute");
    world.no_pipes = false;
    assert_eq!(World::starts(&world.later(5.0)).len(), 2000);
    // That was the end of it; the next is news.
    world.entries.push(link("t", 2000, Log::Directory));
    world.no_pipes = true;
    world.scan.ask();
    assert_eq!(
        World::warnings(&world.later(0.1)),
        ["unable to create pipe for t: process cannot open more files"]
    );
}

#[test]
fn a_child_that_does_not_become_supervise_is_said_once_until_one_does() {
    let check = |failed: Failed, [main, log]: [&str; 2]| {
        let mut world = World::new(vec![link("a", 1, Log::Directory)]);
        world.becomes = Some(failed);
        assert_eq!(World::warnings(&world.settle()), [main, log]);
        let again = |world: &mut World| {
            world.ends(world.pid(1, Role::Main), true);
            // Twice the first pace where the one before has failed as well.
            let done = world.later(10.1);
            assert_eq!(World::starts(&done), ["a"]);
            World::warnings(&done)
        };
        assert!(again(&mut world).is_empty(), "the same");
        world.becomes = None;
        assert!(again(&mut world).is_empty());
        world.becomes = Some(failed);
        assert_eq!(again(&mut world), [main], "it was over");
        assert!(world.scan.runs(1, Some(failed), world.now).is_empty(), "of no child of ours");
    };
    let unable = |doing: &str| [doing, &format!("{doing}/log")].map(|doing| format!("unable to {doing}"));
    for (failed, doing, reason) in [
        (Failed::Descriptors(Errno::MFILE), "set up descriptors for a", "process cannot open more files"),
        (Failed::Directory(Errno::NOENT), "switch to a", "file does not exist"),
        (Failed::Exec(Errno::ACCESS), "start supervise a", "access denied"),
    ] {
        let [main, log] = unable(doing).map(|doing| format!("{doing}: {reason}"));
        check(failed, [&main, &log]);
    }
}

#[test]
fn a_directory_that_cannot_be_read_changes_nothing() {
    let mut world = World::new(vec![link("a", 1, Log::None)]);
    world.settle();
    let actions = world.scan.look(Err(Errno::NOENT), world.now);
    assert_eq!(World::warnings(&actions), ["unable to read directory: file does not exist"]);
    assert!(world.scan.look(Err(Errno::NOENT), world.now + seconds(5.0)).is_empty());
    assert_eq!(world.scan.due(), Some(world.now + seconds(10.0)));
    world.now += seconds(10.0);
    assert!(world.settle().is_empty(), "the service runs on");
}

#[test]
fn a_stop_takes_the_services_first_and_the_loggers_at_the_end_of_their_input() {
    let mut world = World::new(vec![link("a", 1, Log::Directory), link("b", 2, Log::None)]);
    world.settle();
    let (main, log, other) = (world.pid(1, Role::Main), world.pid(1, Role::Log), world.pid(2, Role::Main));
    world.done.clear();
    world.stop();
    world.stop();
    let halt = |inode, pid, name: &str| Action::Halt(id(inode), pid, name.into());
    assert_eq!(world.done, [Action::Unlock, halt(1, main, "a"), halt(2, other, "b")]);
    world.scan.ask();
    let start = world.now;
    assert_eq!(world.scan.due(), Some(start + TOLD_AT_LAST), "nothing is looked at any more");
    let insist = |inode, pid, name: &str| Action::Insist(id(inode), pid, name.into());
    assert_eq!(world.later(5.1), [insist(1, main, "a"), insist(2, other, "b")]);
    assert_eq!(world.scan.due(), Some(start + LONG));
    world.done.clear();
    world.ends(main, false);
    assert_eq!(world.done, [Action::Shut(id(1)), Action::Tell(id(1), log)]);
    world.done.clear();
    world.ends(other, false);
    assert!(world.done.is_empty() && !world.scan.is_over());
    world.ends(log, false);
    assert_eq!(world.done, [Action::Rest(id(1)), Action::Close(id(1))]);
    assert!(world.scan.is_over());
}

#[test]
fn a_logger_that_leaves_lines_is_started_again_a_few_times() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    world.leaves_lines = true;
    world.ends(world.pid(1, Role::Log), false);
    world.stop();
    world.ends(world.pid(1, Role::Main), false);
    let mut starts = 0;
    while !world.scan.is_over() {
        assert_eq!(World::starts(&world.later(1.1)), ["the log of a"]);
        starts += 1;
        assert!(starts <= DRAINS, "no end");
        world.ends(world.pid(1, Role::Log), false);
    }
    assert_eq!(starts, DRAINS);
    let lost = "lines of a are left unread: its logger does not run";
    assert_eq!(World::warnings(&world.done), [lost]);
}

#[test]
fn a_logger_that_cannot_be_told_is_told_again_and_at_last_by_a_signal() {
    let mut world = World::new(vec![link("a", 1, Log::Directory)]);
    world.settle();
    let log = world.pid(1, Role::Log);
    world.scan.stop(world.now);
    world.processes.remove(0);
    world.scan.ended(1001, false, world.now);
    let start = world.now;
    loop {
        let actions = world.scan.told(id(1), false, false, world.now);
        if actions == [Action::Terminate(log)] {
            break;
        }
        world.now = world.scan.due().expect("once more");
        assert_eq!(world.scan.time(world.now), [Action::Tell(id(1), log)]);
    }
    assert_eq!(world.now - start, TOLD_AT_LAST);
    assert_eq!(world.scan.due(), Some(start + LONG));
}

#[test]
fn a_stop_that_takes_long_says_once_for_whom_it_waits() {
    let mut world = World::new(vec![link("a", 1, Log::Directory), link("b", 2, Log::None)]);
    world.settle();
    world.stop();
    world.ends(world.pid(1, Role::Main), false);
    assert_eq!(World::warnings(&world.later(9.9)), [""; 0]);
    assert_eq!(World::warnings(&world.later(0.2)), ["still waiting for a/log and one more to end"]);
    assert_eq!(World::warnings(&world.later(1000.0)), [""; 0]);
    assert_eq!(world.scan.due(), None);
}

/// What happens to a world.
#[derive(Clone, Debug)]
enum Event {
    Add(u8, u8, bool),
    Remove(usize),
    Move(usize, u8),
    Kill(usize, bool),
    Time(u16),
    Pipes(bool),
    Processes(bool),
    Lines(bool),
    Directories(bool),
    Hurry,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..4u8, 0..6u8, any::<bool>()).prop_map(|(name, inode, log)| Event::Add(name, inode, log)),
        (0..6usize).prop_map(Event::Remove),
        (0..6usize, 4..8u8).prop_map(|(which, name)| Event::Move(which, name)),
        (0..12usize, any::<bool>()).prop_map(|(which, failed)| Event::Kill(which, failed)),
        (0..6000u16).prop_map(Event::Time),
        (0..50u16).prop_map(Event::Time),
        any::<bool>().prop_map(Event::Pipes),
        any::<bool>().prop_map(Event::Processes),
        any::<bool>().prop_map(Event::Lines),
        any::<bool>().prop_map(Event::Directories),
        Just(Event::Hurry),
    ];
    proptest::collection::vec(event, 0..60)
}

proptest! {
    /// None is started twice (the world sees to that), none that is wanted stays down longer than its pace, and a stop ends.
    #[test]
    fn whatever_happens(events in events(), succeeds: bool) {
        let mut world = World::new(Vec::new());
        if succeeds {
            world.scan.succeed();
        }
        world.settle();
        for event in events {
            match event {
                Event::Add(name, inode, log) => {
                    let name = format!("{name}");
                    if !world.entries.iter().any(|entry| entry.name == name.as_bytes()) {
                        let log = if log { Log::Directory } else { Log::None };
                        world.entries.push(link(&name, u64::from(inode), log));
                    }
                    world.scan.ask();
                }
                Event::Remove(which) => {
                    if which < world.entries.len() {
                        world.entries.remove(which);
                    }
                    world.scan.ask();
                }
                Event::Move(which, name) => {
                    let name = format!("{name}").into_bytes();
                    let taken = world.entries.iter().any(|entry| entry.name == name);
                    if let Some(entry) = world.entries.get_mut(which).filter(|_| !taken) {
                        entry.name = name;
                    }
                    world.scan.ask();
                }
                Event::Kill(which, failed) => {
                    if let Some(&(pid, ..)) = world.processes.get(which) {
                        world.ends(pid, failed);
                    }
                }
                Event::Time(millis) => _ = world.later(f64::from(millis) / 1000.0),
                Event::Pipes(none) => world.no_pipes = none,
                Event::Processes(none) => world.no_processes = none,
                Event::Directories(none) => world.no_directories = none,
                Event::Lines(left) => world.leaves_lines = left,
                Event::Hurry => world.scan.hurry(),
            }
        }
        // Six seconds of peace are more than any pace when somebody asks; five of an interval may come before.
        (world.no_pipes, world.no_processes, world.no_directories) = (false, false, false);
        world.scan.hurry();
        world.later(12.0);
        for entry in &world.entries {
            let Ok(directory) = &entry.seen else { continue };
            prop_assert!(world.runs(directory.id, Role::Main), "{entry:?} is down");
            let logged = world.scan.services[&directory.id].log.is_some();
            prop_assert_eq!(logged, world.runs(directory.id, Role::Log));
            prop_assert_eq!(logged, world.pipes.contains(&directory.id));
        }
        world.stop();
        for _ in 0..100 {
            if world.scan.is_over() {
                break;
            }
            for pid in std::mem::take(&mut world.told) {
                if world.processes.iter().any(|process| process.0 == pid) {
                    world.ends(pid, false);
                }
            }
            world.later(1.0);
        }
        prop_assert!(world.scan.is_over());
        prop_assert!(world.processes.is_empty() && world.pipes.is_empty());
    }
}
