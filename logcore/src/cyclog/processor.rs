//! The processor: `sh -c` with `previous` on 0, `processed` on 1, `state` on 4, `newstate` on 5, and nothing else.
//!
//! What it makes is believed only when it exits 0 and its files are on disk. Its output goes to new files each time, so that
//! one left over from a killed logger writes into files without a name. Source: `fullcurrent` in multilog.c.

use super::home::{Home, Name};
use crate::disk::{Disk, Ended, How, ProcessorFiles};
use crate::strerr::{Errno, Error};
use std::ffi::OsStr;
use std::sync::{MutexGuard, PoisonError};

/// Starts `command` on `previous`. What an earlier run left of `processed` and `newstate` is thrown away.
pub(super) fn start<D: Disk>(home: &Home<D>, command: &OsStr) -> Result<(), Error> {
    home.unlink(Name::Processed)?;
    home.unlink(Name::Newstate)?;
    home.ensure_state()?;
    // The name `previous` is on disk before there is a `processed` beside it: alone that would count as the only copy.
    home.sync_dir()?;
    let new = How::New(home.config.mode);
    let newstate = home.open(Name::Newstate, new)?;
    home.unmark(&newstate, Name::Newstate)?;
    let files = ProcessorFiles {
        previous: home.open(Name::Previous, How::Read)?,
        processed: home.open(Name::Processed, new)?,
        state: home.open(Name::State, How::Read)?,
        newstate,
    };
    let run = home.disk.run(&home.dir, &home.config.dir, command, files);
    let child = run.map_err(|errno| Error::new(format!("fork for processor in {}", home.shown()), errno))?;
    *running(home) = Some(child);
    Ok(())
}

/// Whether it has ended, without waiting.
pub(super) fn ended<D: Disk>(home: &Home<D>) -> Result<Option<Ended>, Errno> {
    let mut running = running(home);
    let Some(child) = running.as_mut() else { return Ok(Some(Ended::Badly)) };
    let ended = home.disk.ended(child)?;
    if ended.is_some() {
        *running = None;
    }
    Ok(ended)
}

/// Asks or forces one that runs to end.
pub(super) fn kill<D: Disk>(home: &Home<D>, force: bool) {
    if let Some(child) = running(home).as_mut() {
        home.disk.kill(child, force);
    }
}

fn running<D: Disk>(home: &Home<D>) -> MutexGuard<'_, Option<D::Child>> {
    home.processor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts the output on disk and marks `processed` as complete.
///
/// When the mark is on disk, so is the new state: only then may `previous` go. If we die before, the next start runs the
/// processor again; on an error the caller does.
pub(super) fn seal<D: Disk>(home: &Home<D>) -> Result<(), Error> {
    if home.stat(Name::Newstate)?.is_some() {
        let newstate = home.open(Name::Newstate, How::Read)?;
        home.sync(&newstate, Name::Newstate)?;
    }
    let processed = home.open(Name::Processed, How::Read)?;
    home.sync(&processed, Name::Processed)?;
    home.mark(&processed, Name::Processed)?;
    home.sync(&processed, Name::Processed)?;
    home.sync_dir()
}
