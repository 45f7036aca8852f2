//! svc's wait: looks at services until the letters have had their effect or the time is over.

use crate::effect::{Goal, Look};
use crate::supervised::{is_supervised, read_status};
use logcore::strerr::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// The time from one look at a service to the next.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

/// A service as it was before its orders.
#[derive(Debug)]
pub struct Before {
    place: OwnedFd,
    look: Look,
    /// Readable once a supervise has closed `control`, though another may have come at once.
    closed: Option<OwnedFd>,
}

impl Before {
    /// Looks at the current directory, and keeps it open. Errors: those of open(2).
    pub fn here() -> Result<Before, Errno> {
        let place = openat(CWD, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let look = look(&place, None);
        // Where it cannot be had the hang-up of `control` tells, unless we are late.
        Ok(Before { place, look, closed: closed_control().ok() })
    }
}

fn closed_control() -> Result<OwnedFd, Errno> {
    let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    // It reads; who only writes letters closes otherwise.
    inotify::add_watch(&inotify, "supervise/control", WatchFlags::CLOSE_NOWRITE)?;
    Ok(inotify)
}

/// A service whose supervise has its orders.
#[derive(Debug)]
pub struct Watched<'a> {
    /// The directory as the user wrote it.
    pub dir: &'a [u8],
    before: Before,
    /// Its reader is the supervise that heard the orders: poll(2) tells when that has gone, though another may come at once.
    control: OwnedFd,
    goal: Goal,
    last: Option<Look>,
    hung_up: bool,
}

impl<'a> Watched<'a> {
    /// `control`: what the letters were written to.
    pub fn new(dir: &'a [u8], before: Before, control: OwnedFd, letters: &[u8]) -> Watched<'a> {
        Watched { dir, before, control, goal: Goal::of(letters), last: None, hung_up: false }
    }

    fn is_reached(&mut self) -> bool {
        let look = if self.hung_up { Look::Gone } else { look(&self.before.place, self.last) };
        let is_reached = self.goal.is_reached(self.before.look, self.last, look);
        self.last = Some(look);
        is_reached
    }
}

/// Waits for all, until `end` (`None`: for ever); gives those that have not got there.
pub fn wait(mut waiting: Vec<Watched<'_>>, end: Option<Instant>) -> Vec<Watched<'_>> {
    loop {
        waiting.retain_mut(|watched| !watched.is_reached());
        if waiting.is_empty() || end.is_some_and(|end| end <= Instant::now()) {
            return waiting;
        }
        pause(&mut waiting);
    }
}

/// Waits a little, less if a supervise that is to go has gone.
fn pause(waiting: &mut [Watched<'_>]) {
    // One that need not go is not listened to: its hang-up would last.
    let is_going = |watched: &Watched<'_>| watched.goal.is_gone();
    let hung_up: Vec<bool> = {
        let going = waiting.iter().filter(|watched| is_going(watched));
        let mut polled: Vec<_> = going
            .flat_map(|watched| {
                let control = watched.control.as_fd();
                let closed = watched.before.closed.as_ref();
                [
                    PollFd::from_borrowed_fd(control, PollFlags::empty()),
                    closed.map_or(PollFd::from_borrowed_fd(control, PollFlags::empty()), |closed| {
                        PollFd::new(closed, PollFlags::IN)
                    }),
                ]
            })
            .collect();
        // A failed poll tells nothing; the next look does.
        let _ = poll(&mut polled, Some(&PAUSE));
        polled.chunks(2).map(|both| both.iter().any(|polled| !polled.revents().is_empty())).collect()
    };
    for (watched, hung_up) in waiting.iter_mut().filter(|watched| is_going(watched)).zip(hung_up) {
        watched.hung_up = hung_up;
    }
}

/// `last`: the look before this one.
fn look(place: &OwnedFd, last: Option<Look>) -> Look {
    match is_supervised(place) {
        Ok(true) => read_status(place).map_or(Look::Unknown, |status| {
            let was_copy = matches!(last, Some(Look::Starting(last)) if last.pid == status.pid);
            // Gone as what it was: supervise has yet to tell of its end.
            if is_copy(status.pid).unwrap_or(was_copy) { Look::Starting(status) } else { Look::Is(status) }
        }),
        Ok(false) => Look::Gone,
        Err(_) => Look::Unknown,
    }
}

/// Whether the process is still what supervise forked, and not yet `./run`. `None`: it has ended, or cannot be seen from here.
///
/// A service may be a supervise of its own: that has other arguments than its parent. A copy that has ended has none.
fn is_copy(pid: u32) -> Option<bool> {
    let of = |pid: &str, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).ok();
    let copy = pid.to_string();
    if of(&copy, "comm")? != b"supervise\n" {
        return Some(false);
    }
    let arguments = of(&copy, "cmdline")?;
    let stat = String::from_utf8(of(&copy, "stat")?).ok()?;
    // Behind the name, which may hold anything: the state, and the parent.
    let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?;
    Some(arguments.is_empty() || Some(arguments) == of(parent, "cmdline"))
}
