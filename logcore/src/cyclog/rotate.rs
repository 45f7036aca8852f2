//! Rotation: when another file begins, and the steps to it, each of which is tried until it succeeds.

use super::home::Name;
use super::period::Period;
use super::{Begins, Blocked, Closing, Cyclog, Full, Order, Sync, Tail, local, make_current};
use crate::disk::{Disk, Kind};
use crate::label::Label;
use crate::strerr::{Errno, Error};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks whether a span of time is over: the clock that is waited on stands still while the machine sleeps.
const TURN_MOST: Duration = Duration::from_secs(600);
/// The same where it is, and the last line has not ended.
const TURN_LEAST: Duration = Duration::from_millis(100);

/// How far a rotation is. Each step is tried until it succeeds.
pub(super) enum Rotation<D: Disk> {
    None,
    /// `current` is full, or another file is to begin.
    Due,
    /// It is `previous` now; there is no `current`.
    Renamed(Full<D>),
    /// There is a new `current`; the finisher has not been told of the other yet.
    Made(Full<D>),
}

/// Whether a new file is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    No,
    /// Between two lines: a span of time is over.
    Between,
    /// At once: ALRM came.
    Now,
}

impl<D: Disk> Cyclog<D> {
    /// Takes a rotation that is due as far as it goes.
    ///
    /// # Errors
    /// A step failed, or the finisher has not finished the file before.
    pub fn settle(&mut self) -> Result<(), Blocked> {
        loop {
            self.rotation = match std::mem::replace(&mut self.rotation, Rotation::None) {
                Rotation::None if self.doubt.is_some() => return Err(Blocked::Finisher),
                Rotation::None => return Ok(()),
                Rotation::Due => match self.rename_current() {
                    Ok(next) => next,
                    Err(blocked) => {
                        self.rotation = Rotation::Due;
                        return Err(blocked);
                    }
                },
                Rotation::Renamed(full) => match make_current(&self.home) {
                    Ok(file) => {
                        self.current = Some(Arc::new(file));
                        // The other is for the finisher to sync, at once.
                        self.dirty_since = None;
                        Rotation::Made(full)
                    }
                    Err(error) => {
                        self.rotation = Rotation::Renamed(full);
                        return Err(Blocked::Trouble(error));
                    }
                },
                Rotation::Made(full) => match self.finisher.order(Order::Finish(full)) {
                    Err(Order::Finish(full)) => {
                        self.rotation = Rotation::Made(full);
                        return Err(Blocked::Finisher);
                    }
                    _ => Rotation::None,
                },
            }
        }
    }

    fn rename_current(&mut self) -> Result<Rotation<D>, Blocked> {
        if self.finisher.busy() {
            return Err(Blocked::Finisher);
        }
        // Where `previous` has gone and a sealed `processed` waits, the next start takes any `previous` for its source.
        if self.left {
            return Err(self.not_renamed(Errno::EXIST));
        }
        let Some(file) = self.current.take() else { return Ok(Rotation::None) };
        // `y0`: its lines are taken before the finisher comes to sync it.
        if self.home.config.sync == Sync::EachBatch && self.synced < self.bytes && self.doubt.is_none() {
            match self.home.sync(&file, Name::Current) {
                Ok(()) => self.synced = self.bytes,
                // Then the finisher writes it anew, and nothing is taken before that.
                Err(_) => {
                    self.doubt = Some(self.generation);
                    self.home.lock.disown(&self.home.disk, self.generation);
                }
            }
        }
        if self.tail != Tail::Whole && self.begins == Begins::Line {
            self.sign(Begins::InLine);
        }
        let home = &self.home;
        let rename = || home.disk.rename_new(&home.dir, Name::Current.os(), Name::Previous.os());
        let renamed = match rename() {
            // A link or a FIFO has nothing in it.
            Err(Errno::EXIST) if matches!(home.kind(Name::Previous), Some(Kind::Link | Kind::Other)) => {
                let _ = home.unlink(Name::Previous);
                rename()
            }
            renamed => renamed,
        };
        match renamed {
            // Somebody removed `current`: what the file holds is out of reach by any name, so begin another.
            Ok(()) | Err(Errno::NOENT) => (),
            Err(errno) => {
                self.current = Some(file);
                if errno == Errno::EXIST && home.kind(Name::Previous) == Some(Kind::Regular) {
                    // None of ours: it goes out of the way, and this is tried again when it has.
                    let _ = self.finisher.order(Order::SetAside);
                    return Err(Blocked::Finisher);
                }
                return Err(self.not_renamed(errno));
            }
        }
        let full = Full {
            file,
            generation: self.generation,
            moment: home.disk.now(),
            synced: self.synced,
            doubtful: self.doubt == Some(self.generation),
        };
        self.generation += 1;
        (self.bytes, self.synced, self.asked) = (0, 0, Asked::No);
        match self.tail {
            Tail::Whole if self.begins != Begins::Line => self.sign(Begins::Line),
            Tail::Whole | Tail::InLine => (),
            // It was full: the newline that is owed comes first in the next file, or what comes there would be its rest.
            Tail::Unended | Tail::Torn => self.tail = Tail::Unended,
        }
        Ok(Rotation::Renamed(full))
    }

    fn not_renamed(&self, errno: Errno) -> Blocked {
        let doing = format!("rename current to previous in directory {}", self.home.shown());
        Blocked::Trouble(Error::new(doing, errno))
    }

    /// ALRM: begins a new file, unless `current` is empty or the [end](Self::close) has begun. While the file before is being finished
    /// lines go on in this one: a processor that fails holds them back only when it is full.
    pub fn rotate(&mut self) {
        if self.closing == Closing::No {
            self.ask(Asked::Now);
        }
    }

    fn ask(&mut self, asked: Asked) {
        if self.bytes > 0 && self.asked != Asked::Now {
            self.asked = asked;
        }
        // What fails here is tried again with the next append and the next tick.
        let _ = self.begin_asked();
    }

    /// No new file is under way.
    pub fn is_settled(&self) -> bool {
        matches!(self.rotation, Rotation::None)
    }

    /// Errors: nothing has begun.
    pub(super) fn begin_asked(&mut self) -> Result<(), Blocked> {
        let can = match self.asked {
            Asked::No => false,
            Asked::Between => self.tail != Tail::InLine,
            Asked::Now => true,
        };
        if can && self.bytes > 0 && matches!(self.rotation, Rotation::None) && !self.finisher.busy() {
            self.end_line()?;
            self.rotation = Rotation::Due;
            let _ = self.settle();
        }
        Ok(())
    }

    /// `r`: begins a new file if the lines of `current` are of another span of time than `now`, unless the last one has not
    /// ended yet. To be called before lines of `now` are appended.
    pub fn turn(&mut self, now: Label) {
        let (Some(period), Some(every)) = (self.period, self.home.config.every) else { return };
        let now = now.unix_seconds();
        // A clock that stepped back by a second is not followed, as with stamps.
        if period.contains(now) || period.contains(now + 1) || self.tail == Tail::InLine {
            return;
        }
        self.period = Some(Period::of(now, every, local));
        self.ask(Asked::Between);
    }

    /// Turns, and says when to look again; not while there is nothing to rotate.
    pub(super) fn turn_due(&mut self) -> Option<Duration> {
        self.period?;
        let now = self.home.disk.now();
        self.turn(now);
        let period = self.period.filter(|_| self.bytes > 0)?;
        let left = period.left(now.unix_seconds());
        Some(left.saturating_sub(Duration::from_nanos(now.nanos().into())).clamp(TURN_LEAST, TURN_MOST))
    }
}
