//! Signals as a descriptor: none can be lost between a check and a wait.
//!
//! The signals are blocked and read from a signalfd(2), so no handler ever runs and no call is interrupted. Programs we
//! start get an empty mask again. HUP, INT and QUIT that were ignored when we started (nohup, a background job) stay ignored.

use crate::strerr::{Errno, Error};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// TERM, HUP, INT, QUIT: end cleanly, leaving unread what is unread.
    Stop,
    /// ALRM: begin a new file in each directory.
    Rotate,
}

/// The signals of this process.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals for this thread and those it starts. Call before any other thread runs.
    ///
    /// XFSZ is blocked as well: a file that may not grow is an ordinary error of the write.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn block() -> Result<Self, Error> {
        let failed =
            |errno: nix::errno::Errno| Error::new("receive signals", Errno::from_raw_os_error(errno as i32));
        let mut listened = SigSet::empty();
        listened.add(Signal::SIGTERM);
        listened.add(Signal::SIGALRM);
        let ignored_at_start = ignored_signals();
        let is_ignored = |signal: Signal| ignored_at_start & (1 << (signal as u32 - 1)) != 0;
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
            if !is_ignored(signal) {
                listened.add(signal);
            }
        }
        let mut blocked = listened;
        blocked.add(Signal::SIGXFSZ);
        if is_ignored(Signal::SIGCHLD) {
            blocked.add(Signal::SIGCHLD);
            // While it is ignored the system forgets how a processor ended. Any handler mends that; blocked, it never runs.
            let handled = signal_hook::flag::register(Signal::SIGCHLD as i32, Arc::default());
            handled.map_err(|error| {
                Error::new("receive signals", Errno::from_io_error(&error).unwrap_or(Errno::IO))
            })?;
        }
        blocked.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        SignalFd::with_flags(&listened, flags).map(Signals).map_err(failed)
    }

    /// The next request, if a signal has come.
    pub fn request(&mut self) -> Option<Request> {
        let info = self.0.read_signal().ok().flatten()?;
        match Signal::try_from(i32::try_from(info.ssi_signo).ok()?) {
            Ok(Signal::SIGALRM) => Some(Request::Rotate),
            _ => Some(Request::Stop),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The mask of signals that were ignored when we started; none where /proc is not there to tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
