//! What supervise and svscan say while they go on: at each change, then once a minute, and never so that it holds them up.

use crate::die::say;
use logcore::complaint::Complaint;
use logcore::strerr::{Errno, words};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::Duration;

/// Something that does not work, and why. Displays from "unable to" on; as bytes, for names need not be text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What follows "unable to".
    pub doing: Vec<u8>,
    /// The reason, in daemontools' words or in ours.
    pub reason: &'static str,
}

impl Trouble {
    /// `doing`: its parts, put together as they are.
    pub fn new(doing: &[&[u8]], errno: Errno) -> Trouble {
        Trouble { doing: doing.concat(), reason: words(errno) }
    }

    /// `unable to DOING: REASON`.
    pub fn message(&self) -> Vec<u8> {
        [b"unable to ", &self.doing[..], b": ", self.reason.as_bytes()].concat()
    }
}

/// One kind of trouble, said at each change and then once a minute.
#[derive(Debug)]
pub struct Notice {
    program: &'static str,
    level: &'static str,
    complaint: Complaint,
}

impl Notice {
    /// Nothing is said yet. `level`: `warning`, or the `fatal` of a child that could not become its program.
    pub fn new(program: &'static str, level: &'static str) -> Notice {
        Notice { program, level, complaint: Complaint::default() }
    }

    /// Says the message, unless it said the same within a minute. `now`: of the clock that nobody sets.
    ///
    /// When standard error takes nothing at the moment the message is dropped: whoever reads it must not stop us.
    pub fn say(&mut self, message: &[u8], now: Duration) {
        if self.complaint.is_news(&String::from_utf8_lossy(message), now) {
            murmur(self.program, self.level, message);
        }
    }

    /// It works again: whatever comes next is news.
    pub fn settle(&mut self, now: Duration) {
        self.complaint.settled(now);
    }
}

/// Says the message, unless standard error takes nothing at the moment.
pub fn murmur(program: &str, level: &str, message: &[u8]) {
    if takes_a_line() {
        say(program, level, message);
    }
}

fn takes_a_line() -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let stderr = rustix::stdio::stderr();
    matches!(poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&now)), Ok(1))
}
