//! Everything of a running logger that is not a directory: the input, the signals, the readers of its output and of its
//! alerts, and waiting for them. One trait, so that tests can run the whole road on a model of it; [`RealIo`] is the process itself.

use crate::cyclog::Bell;
use crate::signals::{Request, Signals};
use crate::source::{Look, Source};
use crate::stream::Stream;
use crate::strerr::{Errno, Error};
use crate::waiter::Waiter;
use std::os::fd::AsFd;
use std::time::Duration;

pub use crate::waiter::Woken;

/// What we write to that is no file of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Standard output: what `o` selects.
    Output,
    /// Standard error: what `e` selects.
    Alerts,
}

/// Input, signals, streams, waits.
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
    /// Waits for a signal, a ring of the bell, the time, or until a write can be made there.
    fn pause(&mut self, timeout: Option<Duration>, to: Option<To>);
    /// Ends a wait or a pause, from any thread.
    fn bell(&self) -> Bell;
    /// The next request, if a signal has come.
    fn request(&mut self) -> Option<Request>;
    /// Whether alerts go to a terminal.
    fn alerts_to_terminal(&self) -> bool;
    /// See [`Stream::write`].
    ///
    /// # Errors
    /// EAGAIN: none are taken now. Anything else: see there.
    fn write(&mut self, to: To, bytes: &[u8]) -> Result<usize, Errno>;
}

/// The process: standard input, its signals, standard output and standard error.
pub struct RealIo<I, O, E> {
    source: Source<I>,
    signals: Signals,
    waiter: Waiter,
    output: Stream<O>,
    alerts: Stream<E>,
}

impl<I: AsFd, O: AsFd, E: AsFd> RealIo<I, O, E> {
    /// `input` is taken from, `output` is where `o` writes, `alerts` where `e` does.
    ///
    /// # Errors
    /// `input` cannot be read or waited for: nothing of it has been taken.
    pub fn new(input: I, output: O, alerts: E, signals: Signals) -> Result<Self, Error> {
        let source = Source::new(input)?;
        let waiter = Waiter::new(&source, &signals)?;
        let (output, alerts) = (Stream::new(output), Stream::new(alerts));
        Ok(RealIo { source, signals, waiter, output, alerts })
    }
}

impl<I: AsFd, O: AsFd, E: AsFd> Io for RealIo<I, O, E> {
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

    fn pause(&mut self, timeout: Option<Duration>, to: Option<To>) {
        let stream = to.map(|to| match to {
            To::Output => self.output.as_fd(),
            To::Alerts => self.alerts.as_fd(),
        });
        self.waiter.pause(&self.signals, timeout, stream);
    }

    fn bell(&self) -> Bell {
        self.waiter.bell()
    }

    fn request(&mut self) -> Option<Request> {
        self.signals.request()
    }

    fn alerts_to_terminal(&self) -> bool {
        self.alerts.is_terminal()
    }

    fn write(&mut self, to: To, bytes: &[u8]) -> Result<usize, Errno> {
        match to {
            To::Output => self.output.write(bytes),
            To::Alerts => self.alerts.write(bytes),
        }
    }
}
