//! Tables of events and actions, and what holds for every sequence of events.

use super::*;
use Action::{Leave, Report, Send, Start};
use proptest::prelude::*;

const TERM: Action = Send(Signal::SIGTERM);
const CONT: Action = Send(Signal::SIGCONT);
const STOP: Action = Send(Signal::SIGSTOP);

/// One event a row, at a time in milliseconds: what is done, and the state after it.
type Row = (u64, Event, &'static [Action], (u32, Want, bool, Option<u64>));

const fn order(letter: u8) -> Event {
    match letter {
        b'u' => Event::Order(Order::Up),
        b'd' => Event::Order(Order::Down),
        b'o' => Event::Order(Order::Once),
        b'x' => Event::Order(Order::Exit),
        b'p' => Event::Order(Order::Pause),
        b'c' => Event::Order(Order::Continue),
        _ => Event::Order(Order::Send(Signal::SIGHUP)),
    }
}

fn check(name: &str, normally_down: bool, rows: &[Row]) {
    let at = Duration::from_millis;
    let mut service = Service::new(normally_down, at(0));
    let first: &[Action] = if normally_down { &[] } else { &[Start] };
    assert_eq!(service.handle(Event::Due, at(0)), first, "{name}: at the start");
    for (number, &(time, event, actions, after)) in rows.iter().enumerate() {
        let place = format!("{name}, row {number}: {event:?}");
        assert_eq!(service.handle(event, at(time)), actions, "{place}");
        let deadline = service.deadline().map(|deadline| deadline.as_millis() as u64);
        let state = (service.pid(), service.want(), service.is_paused(), deadline);
        assert_eq!(state, after, "{place}");
    }
}

/// What a service does that nobody bothers.
#[test]
fn it_is_started_again_at_once_after_a_long_life_and_after_a_second_after_a_short_one() {
    use Event::{Due, Ended, Started};
    check(
        "lives",
        false,
        &[
            (5, Started(7), &[Report], (7, Want::Up, false, None)),
            (2000, Ended, &[Report, Start], (0, Want::Up, false, Some(1005))),
            (2001, Started(8), &[Report], (8, Want::Up, false, None)),
            (2300, Ended, &[Report], (0, Want::Up, false, Some(3001))),
            (3000, Due, &[], (0, Want::Up, false, Some(3001))),
            (3001, Due, &[Start], (0, Want::Up, false, Some(3001))),
            (3001, Started(9), &[Report], (9, Want::Up, false, None)),
        ],
    );
    check("normally down", true, &[(9000, Due, &[], (0, Want::Down, false, None))]);
}

#[test]
fn each_letter() {
    use Event::{Ended, Started};
    let up = (7, Want::Up, false, None);
    let down = (0, Want::Down, false, None);
    check(
        "u",
        true,
        &[
            (0, order(b'u'), &[Start, Report], (0, Want::Up, false, Some(0))),
            (1, Started(7), &[Report], up),
            (2, order(b'u'), &[Report], up),
        ],
    );
    check(
        "d",
        false,
        &[
            (0, Started(7), &[Report], up),
            (1, order(b'p'), &[STOP, Report], (7, Want::Up, true, None)),
            (2, order(b'd'), &[TERM, CONT, Report], (7, Want::Down, false, None)),
            (3, Ended, &[Report], down),
            (4, order(b'd'), &[Report], down),
        ],
    );
    check(
        "o",
        true,
        &[
            (0, order(b'o'), &[Start, Report], (0, Want::Once, false, Some(0))),
            (1, Started(7), &[Report], (7, Want::Once, false, None)),
            (2, Ended, &[Report], (0, Want::Once, false, None)),
        ],
    );
    check(
        "o of what runs",
        false,
        &[
            (0, Started(7), &[Report], up),
            (1, order(b'o'), &[Report], (7, Want::Once, false, None)),
            (5000, Ended, &[Report], (0, Want::Once, false, None)),
        ],
    );
    check(
        "x of what runs",
        false,
        &[
            (0, Started(7), &[Report], up),
            (1, order(b'x'), &[Report], up),
            (5000, Ended, &[Report, Leave], (0, Want::Up, false, None)),
        ],
    );
    check("x of what is down", true, &[(0, order(b'x'), &[Report, Leave], down)]);
    check(
        "p and c",
        false,
        &[
            (0, Started(7), &[Report], up),
            (1, order(b'p'), &[STOP, Report], (7, Want::Up, true, None)),
            (2, order(b'c'), &[CONT, Report], up),
            (3, order(b'p'), &[STOP, Report], (7, Want::Up, true, None)),
            (5000, Ended, &[Report, Start], (0, Want::Up, false, Some(1000))),
            (5001, Started(8), &[Report], (8, Want::Up, false, None)),
        ],
    );
    check(
        "p and c of what is down",
        true,
        &[(0, order(b'p'), &[Report], down), (1, order(b'c'), &[Report], down)],
    );
    check(
        "a signal",
        false,
        &[(0, Started(7), &[Report], up), (1, order(b'h'), &[Send(Signal::SIGHUP)], up)],
    );
    check("a signal for nobody", true, &[(0, order(b'h'), &[], down)]);
}

#[test]
fn orders_of_letters() {
    use Event::{Due, Ended, Started};
    let up = (7, Want::Up, false, None);
    check(
        "dx",
        false,
        &[
            (0, Started(7), &[Report], up),
            (1, order(b'd'), &[TERM, CONT, Report], (7, Want::Down, false, None)),
            (1, order(b'x'), &[Report], (7, Want::Down, false, None)),
            (2, Ended, &[Report, Leave], (0, Want::Down, false, None)),
        ],
    );
    check(
        "ox of what is down runs once",
        true,
        &[
            (0, order(b'o'), &[Start, Report], (0, Want::Once, false, Some(0))),
            (0, Started(7), &[Report], (7, Want::Once, false, None)),
            (0, order(b'x'), &[Report], (7, Want::Once, false, None)),
            (9, Ended, &[Report, Leave], (0, Want::Once, false, None)),
        ],
    );
    let coming = |want| (0, want, false, Some(1000));
    let begun = [(0, Started(7), &[Report][..], up), (9, Ended, &[Report], coming(Want::Up))];
    let once = [
        (10, order(b'o'), &[Report][..], coming(Want::Once)),
        (10, order(b'x'), &[Report], coming(Want::Once)),
        (10, order(b'c'), &[Report], coming(Want::Once)),
    ];
    let runs = [
        (1000, Due, &[Start][..], coming(Want::Once)),
        (1001, Started(8), &[Report], (8, Want::Once, false, None)),
        (1009, Ended, &[Report, Leave], (0, Want::Once, false, None)),
    ];
    check("oxc within the second runs once, after it", false, &[&begun[..], &once, &runs].concat());
    let down = [(11, order(b'd'), &[Report, Leave][..], (0, Want::Down, false, None))];
    check("oxc and then d", false, &[&begun[..], &once, &down].concat());
    check(
        "du is a restart",
        false,
        &[
            (0, Started(7), &[Report], up),
            (5000, order(b'd'), &[TERM, CONT, Report], (7, Want::Down, false, None)),
            (5000, order(b'u'), &[Report], up),
            (5009, Ended, &[Report, Start], (0, Want::Up, false, Some(1000))),
        ],
    );
    check(
        "d and x cancel what is coming",
        false,
        &[
            (0, Started(7), &[Report], up),
            (9, Ended, &[Report], (0, Want::Up, false, Some(1000))),
            (10, order(b'd'), &[Report], (0, Want::Down, false, None)),
            (2000, Due, &[], (0, Want::Down, false, None)),
            (2001, order(b'u'), &[Start, Report], (0, Want::Up, false, Some(1000))),
            (2001, Started(8), &[Report], (8, Want::Up, false, None)),
            (2009, Ended, &[Report], (0, Want::Up, false, Some(3001))),
            (2010, order(b'x'), &[Report, Leave], (0, Want::Up, false, None)),
            (2010, order(b'u'), &[Report], (0, Want::Up, false, None)),
        ],
    );
    check(
        "u within the second waits for its end",
        false,
        &[
            (0, Started(7), &[Report], up),
            (1, order(b'd'), &[TERM, CONT, Report], (7, Want::Down, false, None)),
            (2, Ended, &[Report], (0, Want::Down, false, None)),
            (3, order(b'u'), &[Report], (0, Want::Up, false, Some(1000))),
            (1000, Due, &[Start], (0, Want::Up, false, Some(1000))),
        ],
    );
}

#[test]
fn term_is_d_and_x() {
    use Event::{Ended, Started, Stop};
    check(
        "up",
        false,
        &[
            (0, Started(7), &[Report], (7, Want::Up, false, None)),
            (1, Stop, &[TERM, CONT, Report, Report], (7, Want::Down, false, None)),
            (2, Ended, &[Report, Leave], (0, Want::Down, false, None)),
        ],
    );
    check("down", true, &[(1, Stop, &[Report, Report, Leave], (0, Want::Down, false, None))]);
}

#[test]
fn what_fails_is_tried_each_second_and_the_wish_is_kept() {
    use Event::{Due, NotReported, NotStarted, Reported, Started};
    check(
        "fork, u",
        false,
        &[
            (0, NotStarted, &[], (0, Want::Up, false, Some(1000))),
            (1000, Due, &[Start], (0, Want::Up, false, Some(1000))),
            (1000, NotStarted, &[], (0, Want::Up, false, Some(2000))),
            (2000, Due, &[Start], (0, Want::Up, false, Some(2000))),
            (2000, Started(7), &[Report], (7, Want::Up, false, None)),
        ],
    );
    check(
        "fork, o",
        true,
        &[
            (0, order(b'o'), &[Start, Report], (0, Want::Once, false, Some(0))),
            (0, NotStarted, &[], (0, Want::Once, false, Some(1000))),
            (1000, Due, &[Start], (0, Want::Once, false, Some(1000))),
        ],
    );
    check(
        "status",
        true,
        &[
            (0, NotReported, &[], (0, Want::Down, false, Some(1000))),
            (1000, Due, &[Report], (0, Want::Down, false, None)),
            (1000, NotReported, &[], (0, Want::Down, false, Some(2000))),
            (1500, order(b'd'), &[Report], (0, Want::Down, false, Some(2000))),
            (1500, Reported, &[], (0, Want::Down, false, None)),
        ],
    );
    check(
        "the earlier of two deadlines",
        false,
        &[
            (0, Started(7), &[Report], (7, Want::Up, false, None)),
            (9, Event::Ended, &[Report], (0, Want::Up, false, Some(1000))),
            (10, NotReported, &[], (0, Want::Up, false, Some(1000))),
            (1000, Due, &[Start], (0, Want::Up, false, Some(1000))),
            (1000, Started(8), &[Report], (8, Want::Up, false, Some(1010))),
        ],
    );
}

/// What can happen to supervise from outside.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Letter(u8),
    Stop,
    /// The process ends, if there is one.
    Death,
    /// From now on fork works, or does not.
    Forks(bool),
    /// From now on the status can be written, or not.
    Writes(bool),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => prop::sample::select(&b"udoxpch"[..]).prop_map(Fate::Letter),
        1 => Just(Fate::Stop),
        8 => Just(Fate::Death),
        3 => any::<bool>().prop_map(Fate::Forks),
        1 => any::<bool>().prop_map(Fate::Writes),
    ]
}

/// A machine for one service: processes, a clock, and what must hold at every moment.
struct World {
    service: Service,
    now: Duration,
    process: Option<u32>,
    processes: u32,
    forks: bool,
    writes: bool,
    left: bool,
    /// Whether what is in the file is the state.
    reported: bool,
    /// Since when it is wanted and down and could be started.
    could_run: Option<Duration>,
    last_start: Option<Duration>,
}

impl World {
    fn new(normally_down: bool) -> World {
        let mut world = World {
            service: Service::new(normally_down, Duration::ZERO),
            now: Duration::ZERO,
            process: None,
            processes: 0,
            forks: true,
            writes: true,
            left: false,
            reported: false,
            could_run: None,
            last_start: None,
        };
        world.act(vec![Report]);
        world.pass(Duration::ZERO);
        world
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Start if self.forks => {
                    assert_eq!(self.process, None, "two copies");
                    assert!(self.last_start.is_none_or(|last| self.now - last >= PACE), "too soon");
                    self.processes += 1;
                    self.process = Some(self.processes);
                    self.last_start = Some(self.now);
                    self.handle(Event::Started(self.processes));
                }
                Start => self.handle(Event::NotStarted),
                Send(_) => assert!(self.process.is_some(), "a signal for nobody"),
                Report => {
                    self.reported = self.writes;
                    self.handle(if self.writes { Event::Reported } else { Event::NotReported });
                }
                Leave => {
                    assert_eq!(self.process, None, "left behind");
                    self.left = true;
                }
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let actions = self.service.handle(event, self.now);
        self.act(actions);
    }

    fn meet(&mut self, fate: Fate) {
        match fate {
            Fate::Letter(letter) => self.handle(order(letter)),
            Fate::Stop => self.handle(Event::Stop),
            Fate::Death if self.process.take().is_some() => self.handle(Event::Ended),
            Fate::Death => (),
            Fate::Forks(works) => self.forks = works,
            Fate::Writes(works) => self.writes = works,
        }
    }

    fn holds(&mut self) {
        if self.left {
            return;
        }
        assert_eq!(self.service.pid(), self.process.unwrap_or(0));
        let wanted = self.service.want() == Want::Up && self.process.is_none();
        self.could_run = if wanted && self.forks { self.could_run.or(Some(self.now)) } else { None };
        if let Some(since) = self.could_run {
            assert!(self.now - since <= PACE, "wanted and down for {:?}", self.now - since);
        }
        assert!(self.reported || self.service.deadline().is_some(), "a status that nobody will write");
        let idle = self.reported && !wanted && self.service.want() != Want::Once;
        assert!(!idle || self.service.deadline().is_none(), "it wakes up for nothing");
    }

    /// Lets time pass, with every deadline on the way.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.service.deadline().filter(|&deadline| deadline <= end && !self.left) {
            self.now = self.now.max(deadline);
            self.handle(Event::Due);
            assert!(self.service.deadline().is_none_or(|next| next > self.now), "it spins");
            self.holds();
        }
        self.now = end;
        self.holds();
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_wanted_service_runs_within_a_second_and_once(
        normally_down in any::<bool>(),
        fates in prop::collection::vec((0u64..1500, fate()), 0..60),
    ) {
        let mut world = World::new(normally_down);
        for (pause, fate) in fates {
            world.pass(Duration::from_millis(pause));
            if world.left {
                break;
            }
            world.meet(fate);
            world.holds();
        }
        world.forks = true;
        world.holds();
        world.pass(Duration::from_secs(3));
    }
}
