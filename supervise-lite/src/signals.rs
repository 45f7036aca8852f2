//! Signals as a descriptor: none can be lost between a check and a wait, and no call is ever interrupted.
//!
//! The signals are blocked and read from a signalfd(2). Children that [`crate::sys::spawn`] starts get the mask that we were
//! started with.

use crate::sys;
use logcore::strerr::Errno;
use nix::sys::signal::SigSet;
pub use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// The signals this program waits for.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// From here on the signals arrive here and nowhere else. INT, HUP and QUIT that were ignored when we started (nohup, a
    /// job in the background) stay ignored; SIGCHLD is noticed even if our parent ignored it.
    ///
    /// Call before any thread is started. Errors: no descriptor is left.
    pub fn listen(to: &[Signal]) -> Result<Signals, Errno> {
        let stays_ignored = |signal: Signal| {
            matches!(signal, Signal::SIGINT | Signal::SIGHUP | Signal::SIGQUIT)
                && sys::is_ignored(signal as i32)
        };
        if to.contains(&Signal::SIGCHLD) {
            sys::notice_children();
        }
        let set: SigSet = to.iter().copied().filter(|&signal| !stays_ignored(signal)).collect();
        let failed = |errno: nix::errno::Errno| Errno::from_raw_os_error(errno as i32);
        set.thread_block().map_err(failed)?;
        SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map(Signals)
            .map_err(failed)
    }

    /// The next signal that has come. The same one, sent twice before it is taken, comes once: SIGCHLD means "look for all
    /// children that have ended".
    pub fn take(&self) -> Option<Signal> {
        let info = self.0.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
