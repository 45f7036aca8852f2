//! supervise at work: waits, tells the state machine what has happened, and does what it says.
//!
//! One thread, one poll(2), and no wake-up while nothing is due. What is decided is decided in [`crate::service`].

use crate::cause;
use crate::control::Order;
use crate::home::Home;
use crate::notice::{Notice, Trouble};
use crate::service::{Action, Event, PACE, Service};
use crate::signals::{Signal, Signals};
use crate::status::{Since, Status};
use crate::sys::{self, Child, Failed, Program, Words};
use logcore::disk::{Disk, RealDisk};
use logcore::strerr::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitOptions, wait};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::time::Duration;

/// How the program messages come from is called.
const PROGRAM: &str = "supervise";

/// The keeper of one service.
#[derive(Debug)]
pub struct Keeper {
    name: Vec<u8>,
    home: Home,
    signals: Signals,
    service: Service,
    /// When the service last started or ended.
    since: Since,
    /// The process, until it is known whether it runs `./run`.
    starting: Option<Child>,
    candidates: [CString; 1],
    arguments: Words,
    environment: Words,
    /// The status has changed and is not written.
    unreported: bool,
    left: bool,
    fork: Notice,
    start: Notice,
    status: Notice,
}

impl Keeper {
    /// Takes possession of the directory and makes it the current one; `name` is for messages. From here on TERM and
    /// INT are requests to stop the service and leave; HUP and ALRM do nothing: sent to a whole process group they are meant
    /// for the service, which would outlive its supervise.
    ///
    /// Errors end supervise; nothing was started.
    pub fn new(directory: &[u8], name: &[u8]) -> Result<Keeper, Trouble> {
        let listened = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM];
        let signals =
            Signals::listen(&listened).map_err(|errno| Trouble::new(&[b"create pipe for ", name], errno))?;
        let (home, normally_down) = Home::take(directory, name)?;
        let mut keeper = Keeper {
            name: name.to_vec(),
            home,
            signals,
            service: Service::new(normally_down, uptime()),
            since: now(),
            starting: None,
            candidates: [c"./run".to_owned()],
            arguments: Words::new(vec![c"./run".to_owned()]),
            environment: Words::environment(),
            unreported: true,
            left: false,
            fork: Notice::new(PROGRAM, "warning"),
            start: Notice::new(PROGRAM, "fatal"),
            status: Notice::new(PROGRAM, "warning"),
        };
        keeper.report();
        keeper.home.open_to_others()?;
        Ok(keeper)
    }

    /// Keeps the service until it is told to leave.
    pub fn keep(&mut self) {
        let mut letters = [0; 1024];
        // The first start comes before letters that wait already: a logger that is told it is the last one still reads what is
        // left for it.
        self.heed_signals();
        self.heed_time();
        while !self.left {
            self.wait();
            self.heed_signals();
            self.look_at_start();
            // What has come is obeyed in order; what is left of a flood comes after the next look at the signals.
            for &letter in self.home.letters(&mut letters) {
                match Order::from_letter(letter) {
                    Some(order) if !self.left => self.handle(Event::Order(order)),
                    _ => (),
                }
            }
            self.heed_time();
            if self.unreported {
                self.report();
            }
        }
    }

    /// Waits until something has happened or is due.
    fn wait(&self) {
        let left = self.service.deadline().map(|deadline| deadline.saturating_sub(uptime()));
        // A deadline is never more than a second away.
        let left =
            left.map(|left| Timespec::try_from(left.min(PACE)).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 }));
        let mut polled = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::from_borrowed_fd(self.home.control(), PollFlags::IN),
        ];
        polled.extend(
            self.starting.as_ref().map(|child| PollFd::from_borrowed_fd(child.as_fd(), PollFlags::IN)),
        );
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => (),
            // No memory, or a limit of open files below what we have: everything else is tried at the usual pace.
            Err(_) => std::thread::sleep(PACE),
        }
    }

    fn heed_time(&mut self) {
        if !self.left && self.service.deadline().is_some_and(|deadline| deadline <= uptime()) {
            self.handle(Event::Due);
        }
    }

    fn heed_signals(&mut self) {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::SIGCHLD => self.reap(),
                Signal::SIGHUP | Signal::SIGALRM => (),
                _ if self.left => (),
                _ => self.handle(Event::Stop),
            }
        }
    }

    /// Takes in all children that have ended, those too that somebody else left to us.
    fn reap(&mut self) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, _))) if is_ours(pid, self.service.pid()) => {
                    self.look_at_start_of_the_dead();
                    self.since = now();
                    self.handle(Event::Ended);
                }
                Ok(Some(_)) | Err(Errno::INTR) => (),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn handle(&mut self, event: Event) {
        for action in self.service.handle(event, uptime()) {
            match action {
                Action::Start => {
                    let event = self.fork();
                    self.handle(event);
                }
                Action::Send(signal) => self.send(signal),
                Action::Report => self.unreported = true,
                Action::Leave => self.left = true,
            }
        }
    }

    fn fork(&mut self) -> Event {
        let program = Program {
            candidates: &self.candidates,
            arguments: &self.arguments,
            environment: &self.environment,
            way: &[],
            descriptors: &[],
            open_files: None,
        };
        match sys::spawn(&program) {
            Ok(child) => {
                self.fork.settle(uptime());
                self.since = now();
                let pid = child.pid.as_raw_nonzero().get().unsigned_abs();
                self.starting = Some(child);
                Event::Started(pid)
            }
            Err(errno) => {
                let doing = [b"fork for ", &self.name[..], b", retrying every second"];
                self.fork.say(&Trouble::new(&doing, errno).message(), uptime());
                Event::NotStarted
            }
        }
    }

    /// Looks whether `./run` runs, if that is known and nobody has looked yet.
    fn look_at_start(&mut self) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let is_known = |child: &mut Child| {
            let polled = &mut [PollFd::from_borrowed_fd(child.as_fd(), PollFlags::IN)];
            matches!(poll(polled, Some(&now)), Ok(1))
        };
        if let Some(child) = self.starting.take_if(is_known) {
            self.say_of(&child);
        }
    }

    /// The same of a process that has ended: it does not wait any more.
    fn look_at_start_of_the_dead(&mut self) {
        if let Some(child) = self.starting.take() {
            self.say_of(&child);
        }
    }

    fn say_of(&mut self, child: &Child) {
        match child.failed() {
            None => self.start.settle(uptime()),
            Some(Failed::Descriptors(errno) | Failed::Directory(errno) | Failed::Exec(errno)) => {
                let mut message = Trouble::new(&[b"start ", &self.name, b"/run"], errno).message();
                message.extend(cause::likely_of("./run", errno));
                self.start.say(&message, uptime());
            }
        }
    }

    /// Sends a signal to the process. It is still there, at least as a zombie: nobody else waits for it.
    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.service.pid()).ok().and_then(Pid::from_raw);
        let signal = rustix::process::Signal::from_named_raw(signal as i32);
        if let (Some(pid), Some(signal)) = (pid, signal) {
            // It may have become another user's, who alone may send it signals.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn report(&mut self) {
        self.unreported = false;
        let status = Status {
            since: self.since,
            pid: self.service.pid(),
            paused: self.service.is_paused(),
            want: self.service.want(),
        };
        let event = match self.home.report(&status) {
            Ok(()) => {
                self.status.settle(uptime());
                Event::Reported
            }
            Err(trouble) => {
                self.status.say(&trouble.message(), uptime());
                Event::NotReported
            }
        };
        self.handle(event);
    }
}

fn is_ours(dead: Pid, pid: u32) -> bool {
    dead.as_raw_nonzero().get().unsigned_abs() == pid
}

/// The time from the clock that nobody sets.
fn uptime() -> Duration {
    RealDisk.uptime()
}

/// The time from the clock that people set: only for the status.
fn now() -> Since {
    let now = RealDisk.now();
    Since::unix(now.unix_seconds(), now.nanos())
}
