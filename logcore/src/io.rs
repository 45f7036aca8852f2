//! Everything of a running logger that is not a directory: the input, the signals, the reader of alerts, and waiting for
//! them. One trait, so that tests can run the whole road on a model of it; [`RealIo`] is the process itself.

use crate::cyclog::Bell;
use crate::signals::{Request, Signals};
use crate::source::{Look, Source};
use crate::strerr::{Errno, Error};
use crate::waiter::{Waiter, takes_a_write};
use std::os::fd::AsFd;
use std::time::Duration;

pub use crate::waiter::Woken;

/// Input, signals, alerts, waits.
pub trait Io {
    /// See [`Source::identity`].
    fn identity(&self) -> Option<String>;
    /// See [`Source::peeks`].
    fn peeks(&self) -> bool;
    /// See [`Source::look`].
    ///
    /// # Errors
    /// The input cannot be read now (EAGAIN), or is broken.
    fn look(&mut self, buffer: &mut [u8]) -> Result<Look, Errno>;
    /// See [`Source::take`].
    ///
    /// # Errors
    /// The input is broken.
    fn take(&mut self, len: usize) -> Result<(), Errno>;
    /// See [`Source::hides_more`].
    fn hides_more(&self, len: usize) -> bool;
    /// See [`Source::is_clogged`].
    fn is_clogged(&mut self, len: usize, waited: Duration) -> bool;
    /// See [`Source::hold`].
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn hold(&mut self, bytes: &[u8]) -> Result<(), Errno>;
    /// See [`Source::held`].
    fn held(&self) -> &[u8];
    /// Waits for input, a signal, a ring of the bell, or the time. `by_edge`: what is in the input has been seen; wait for more.
    ///
    /// # Errors
    /// Waiting is impossible; the road ends.
    fn wait(&mut self, timeout: Option<Duration>, by_edge: bool) -> Result<Woken, Error>;
    /// Waits for a signal, a ring of the bell, or the time.
    fn pause(&mut self, timeout: Option<Duration>);
    /// Ends a wait or a pause, from any thread.
    fn bell(&self) -> Bell;
    /// The next request, if a signal has come.
    fn request(&mut self) -> Option<Request>;
    /// Whether alerts go to a terminal.
    fn alerts_to_terminal(&self) -> bool;
    /// Writes an alert when its reader takes it. False: a signal came first, and nothing was written.
    fn alert(&mut self, bytes: &[u8]) -> bool;
}

/// The process: standard input, its signals, and a descriptor for alerts.
pub struct RealIo<I, E> {
    source: Source<I>,
    signals: Signals,
    waiter: Waiter,
    alerts: E,
}

impl<I: AsFd, E: AsFd> RealIo<I, E> {
    /// `input` is taken from, `alerts` is where `e` writes.
    ///
    /// # Errors
    /// `input` cannot be read or waited for: nothing of it has been taken.
    pub fn new(input: I, alerts: E, signals: Signals) -> Result<Self, Error> {
        let source = Source::new(input)?;
        let waiter = Waiter::new(&source, &signals)?;
        Ok(RealIo { source, signals, waiter, alerts })
    }
}

impl<I: AsFd, E: AsFd> Io for RealIo<I, E> {
    fn identity(&self) -> Option<String> {
        self.source.identity()
    }

    fn peeks(&self) -> bool {
        self.source.peeks()
    }

    fn look(&mut self, buffer: &mut [u8]) -> Result<Look, Errno> {
        self.source.look(buffer)
    }

    fn take(&mut self, len: usize) -> Result<(), Errno> {
        self.source.take(len)
    }

    fn hides_more(&self, len: usize) -> bool {
        self.source.hides_more(len)
    }

    fn is_clogged(&mut self, len: usize, waited: Duration) -> bool {
        self.source.is_clogged(len, waited)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.source.hold(bytes)
    }

    fn held(&self) -> &[u8] {
        self.source.held()
    }

    fn wait(&mut self, timeout: Option<Duration>, by_edge: bool) -> Result<Woken, Error> {
        self.waiter.wait(&self.source, timeout, by_edge)
    }

    fn pause(&mut self, timeout: Option<Duration>) {
        self.waiter.pause(&self.signals, timeout);
    }

    fn bell(&self) -> Bell {
        self.waiter.bell()
    }

    fn request(&mut self) -> Option<Request> {
        self.signals.request()
    }

    fn alerts_to_terminal(&self) -> bool {
        rustix::termios::isatty(&self.alerts)
    }

    fn alert(&mut self, bytes: &[u8]) -> bool {
        // A pipe that is full is waited for here, where a signal ends the wait.
        let ready = takes_a_write(&self.alerts, &self.signals);
        if ready {
            // Nobody is left to be told when it fails.
            let _ = rustix::io::write(&self.alerts, bytes);
        }
        ready
    }
}
