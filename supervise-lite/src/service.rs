//! The whole of supervise without a fork: what happens, when, and what is to be done about it.
//!
//! Pure: events and the time go in, actions come out. Source: `doit` and `trystart` in `supervise.c` of daemontools 0.76,
//! which sleeps a second after each start and a minute after a failed fork, and hears nothing meanwhile. Here both are a
//! state with a moment, and orders are obeyed at once.

use crate::control::Order;
use crate::status::Want;
use nix::sys::signal::Signal;
use std::time::Duration;

/// Two starts are at least so far apart, and so is a try from the next.
pub const PACE: Duration = Duration::from_secs(1);

/// Something supervise hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A letter came through `supervise/control`.
    Order(Order),
    /// TERM or INT: stop the service, then leave.
    Stop,
    /// [`Action::Start`] was done: the process.
    Started(u32),
    /// [`Action::Start`] failed: no process was to be had.
    NotStarted,
    /// The process has ended.
    Ended,
    /// The status was written.
    Reported,
    /// The status could not be written.
    NotReported,
    /// The moment of [`Service::deadline`] has come.
    Due,
}

/// Something supervise does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fork. The answer, `Started` or `NotStarted`, is the next event.
    Start,
    /// Send this signal to the process. Its number is its own until `Ended`: nobody else waits for it.
    Send(Signal),
    /// Write the status; several at once are one. The answer is `Reported` or `NotReported`.
    Report,
    /// Write the status if it is due, then exit 0.
    Leave,
}

/// Where the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// No process, and none is coming.
    Down,
    /// No process yet: one is started at the moment of `Service::not_before`.
    Coming,
    /// A process.
    Up { pid: u32, paused: bool },
}

/// A service and its supervise.
#[derive(Debug)]
pub struct Service {
    want: Want,
    run: Run,
    /// Leave as soon as it is down.
    leaving: bool,
    /// The earliest moment of the next start.
    not_before: Duration,
    /// When to write the status that could not be written.
    report_at: Option<Duration>,
}

impl Service {
    /// A service that is wanted up, unless it is `normally_down`; it is started by the first [`Event::Due`]. The clock is one
    /// that nobody sets.
    pub fn new(normally_down: bool, now: Duration) -> Service {
        let (want, run) = if normally_down { (Want::Down, Run::Down) } else { (Want::Up, Run::Coming) };
        Service { want, run, leaving: false, not_before: now, report_at: None }
    }

    /// The process; 0 when it is down.
    pub fn pid(&self) -> u32 {
        match self.run {
            Run::Up { pid, .. } => pid,
            Run::Down | Run::Coming => 0,
        }
    }

    /// Whether it was sent STOP, and no CONT since.
    pub fn is_paused(&self) -> bool {
        matches!(self.run, Run::Up { paused: true, .. })
    }

    /// Whether it is wanted.
    pub fn want(&self) -> Want {
        self.want
    }

    /// When [`Event::Due`] is to come, if nothing else does. `None`: only something else can change anything.
    pub fn deadline(&self) -> Option<Duration> {
        let start = (self.run == Run::Coming).then_some(self.not_before);
        start.into_iter().chain(self.report_at).min()
    }

    /// What to do about an event, in this order.
    pub fn handle(&mut self, event: Event, now: Duration) -> Vec<Action> {
        match event {
            Event::Order(order) => self.obey(order, now),
            Event::Stop => {
                let mut actions = self.obey(Order::Down, now);
                actions.extend(self.obey(Order::Exit, now));
                actions
            }
            Event::Started(pid) => {
                self.run = Run::Up { pid, paused: false };
                self.not_before = now + PACE;
                vec![Action::Report]
            }
            Event::NotStarted => {
                self.not_before = now + PACE;
                Vec::new()
            }
            Event::Ended => {
                self.run = Run::Down;
                let next = match self.want {
                    _ if self.leaving => Some(Action::Leave),
                    Want::Up => self.start(now),
                    Want::Down | Want::Once => None,
                };
                [Action::Report].into_iter().chain(next).collect()
            }
            Event::Reported => {
                self.report_at = None;
                Vec::new()
            }
            Event::NotReported => {
                self.report_at = Some(now + PACE);
                Vec::new()
            }
            Event::Due => {
                let report = self.report_at.take_if(|at| *at <= now).map(|_| Action::Report);
                let start = if self.run == Run::Coming { self.start(now) } else { None };
                report.into_iter().chain(start).collect()
            }
        }
    }

    /// Starts it now, or notes that it is coming. Only for a service without a process.
    fn start(&mut self, now: Duration) -> Option<Action> {
        self.run = Run::Coming;
        (self.not_before <= now).then_some(Action::Start)
    }

    fn obey(&mut self, order: Order, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        match (order, &mut self.run) {
            (Order::Up | Order::Once, run) => {
                self.want = if order == Order::Up { Want::Up } else { Want::Once };
                // Who has left starts nothing more.
                if !matches!(run, Run::Up { .. }) && !self.leaving {
                    actions.extend(self.start(now));
                }
            }
            (Order::Down, run) => {
                self.want = Want::Down;
                match run {
                    Run::Up { paused, .. } => {
                        *paused = false;
                        // CONT after TERM: a stopped process dies too.
                        actions.extend([Action::Send(Signal::SIGTERM), Action::Send(Signal::SIGCONT)]);
                    }
                    run => *run = Run::Down,
                }
                if self.leaving && self.run == Run::Down {
                    return vec![Action::Report, Action::Leave];
                }
            }
            (Order::Exit, run) => {
                self.leaving = true;
                // Once is once, though it must wait for the end of the pause: a logger has lines to read.
                let is_to_come = matches!(run, Run::Coming) && self.want == Want::Once;
                if !matches!(run, Run::Up { .. }) && !is_to_come {
                    *run = Run::Down;
                    return vec![Action::Report, Action::Leave];
                }
            }
            (Order::Pause, Run::Up { paused, .. }) => {
                *paused = true;
                actions.push(Action::Send(Signal::SIGSTOP));
            }
            (Order::Continue, Run::Up { paused, .. }) => {
                *paused = false;
                actions.push(Action::Send(Signal::SIGCONT));
            }
            (Order::Send(signal), Run::Up { .. }) => return vec![Action::Send(signal)],
            (Order::Send(_), _) => return actions,
            (Order::Pause | Order::Continue, _) => (),
        }
        actions.push(Action::Report);
        actions
    }
}

#[cfg(test)]
mod tests;
