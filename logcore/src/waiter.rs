//! Waiting: for input, signals, finishers, the reader of a stream, or the time. No wait here is without the signals.

use crate::cyclog::Bell;
use crate::signals::Signals;
use crate::source::Source;
use crate::strerr::{Errno, Error};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Woken {
    /// Something is there, or the end.
    pub input: bool,
    /// The last writer is gone.
    pub hung_up: bool,
    /// A signal has come.
    pub signals: bool,
}

const INPUT: u64 = 0;
const SIGNALS: u64 = 1;
const BELL: u64 = 2;

/// Everything that is waited for.
pub(crate) struct Waiter {
    epoll: OwnedFd,
    /// Rung by finishers.
    bell: Arc<OwnedFd>,
    /// The input cannot be waited for: a file is always ready.
    always: bool,
    /// The input is waited for by edges: a partial line would end every wait otherwise.
    by_edge: bool,
}

impl Waiter {
    pub(crate) fn new<I: AsFd>(source: &Source<I>, signals: &Signals) -> Result<Self, Error> {
        let failed = |errno| Error::new("wait for input", errno);
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(failed)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
        let always = match epoll::add(&epoll, source.descriptor(), EventData::new_u64(INPUT), interest(false))
        {
            Ok(()) => false,
            Err(Errno::PERM) => true,
            Err(errno) => return Err(failed(errno)),
        };
        epoll::add(&epoll, signals, EventData::new_u64(SIGNALS), EventFlags::IN).map_err(failed)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN).map_err(failed)?;
        Ok(Waiter { epoll, bell: Arc::new(bell), always, by_edge: false })
    }

    pub(crate) fn bell(&self) -> Bell {
        let bell = Arc::clone(&self.bell);
        Arc::new(move || {
            // A bell that rings already is full; that is as loud as it gets.
            let _ = rustix::io::write(&*bell, &1u64.to_ne_bytes());
        })
    }

    /// Waits for input, a signal, or a finisher. `by_edge`: what is in the input has been seen; wait for more.
    pub(crate) fn wait<I: AsFd>(
        &mut self,
        source: &Source<I>,
        timeout: Option<Duration>,
        by_edge: bool,
    ) -> Result<Woken, Error> {
        let failed = |errno| Error::new("wait for input", errno);
        if by_edge != self.by_edge && !self.always {
            let data = EventData::new_u64(INPUT);
            epoll::modify(&self.epoll, source.descriptor(), data, interest(by_edge)).map_err(failed)?;
            self.by_edge = by_edge;
        }
        let timeout = if self.always { Some(Duration::ZERO) } else { timeout };
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(BELL) }; 3];
        let count = match epoll::wait(&self.epoll, &mut events, timeout.map(timespec).as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(failed(errno)),
        };
        let mut woken = Woken { input: self.always, hung_up: false, signals: false };
        for event in &events[..count] {
            let (data, flags) = (event.data, event.flags);
            match data.u64() {
                INPUT => {
                    woken.input = true;
                    woken.hung_up = flags.intersects(EventFlags::HUP | EventFlags::RDHUP | EventFlags::ERR);
                }
                SIGNALS => woken.signals = true,
                _ => self.silence(),
            }
        }
        Ok(woken)
    }

    /// Waits for a signal, a finisher, the time, or until `stream` takes a write or is beyond writing.
    pub(crate) fn pause(&self, signals: &Signals, timeout: Option<Duration>, stream: Option<BorrowedFd<'_>>) {
        let mut polled = [
            PollFd::new(signals, PollFlags::IN),
            PollFd::new(&*self.bell, PollFlags::IN),
            PollFd::from_borrowed_fd(stream.unwrap_or(signals.as_fd()), PollFlags::OUT),
        ];
        let count = if stream.is_some() { 3 } else { 2 };
        // Interrupted or not, the caller looks at everything again.
        let _ = poll(&mut polled[..count], timeout.map(timespec).as_ref());
        if !polled[1].revents().is_empty() {
            self.silence();
        }
    }

    fn silence(&self) {
        let _ = rustix::io::read(&*self.bell, &mut [0u8; 8]);
    }
}

fn interest(by_edge: bool) -> EventFlags {
    let events = EventFlags::IN | EventFlags::RDHUP;
    if by_edge { events | EventFlags::ET } else { events }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
