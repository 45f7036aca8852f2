//! A service directory as other programs see it: is it supervised, what is its state, and where do orders go.
//!
//! Everything is asked relative to an open directory (or the current one, [`rustix::fs::CWD`]); nothing here waits. What is
//! not a FIFO where a FIFO should be is nobody's control: it is never written to. Source: `svc.c`, `svok.c` and `svstat.c` of
//! daemontools 0.76, which write into whatever they find.

use crate::status::{STATUS_BYTES, Status};
use logcore::strerr::Errno;
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, openat};
use rustix::io::{read, retry_on_intr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Opens the FIFO that supervise hears orders from, for writing.
///
/// Errors: `NXIO` when no supervise reads it, also when something else has taken its place; those of open(2).
pub fn open_control(dir: impl AsFd) -> Result<OwnedFd, Errno> {
    open_fifo(dir.as_fd(), "supervise/control")
}

/// Whether a supervise runs here. Errors: those of open(2), but for the two that mean no.
pub fn is_supervised(dir: impl AsFd) -> Result<bool, Errno> {
    match touch_ok(dir) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::NXIO) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Asks the same of one who tells a directory where there never was a supervise (`NOENT`) from one where none is now
/// (`NXIO`). Errors: those, and the others of open(2).
pub fn touch_ok(dir: impl AsFd) -> Result<(), Errno> {
    open_fifo(dir.as_fd(), "supervise/ok").map(drop)
}

fn open_fifo(dir: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    // Without waiting: for the reader of a FIFO, or for whatever a device does.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = retry_on_intr(|| openat(dir, path, flags, Mode::empty()))?;
    let is_fifo = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::Fifo;
    if is_fifo { Ok(file) } else { Err(Errno::NXIO) }
}

/// Writes the letters in one piece, waiting while the FIFO is full of others' orders.
///
/// Errors: `PIPE` when supervise has gone (SIGPIPE is ignored, as the runtime has it).
pub fn order(control: &OwnedFd, letters: &[u8]) -> Result<(), Errno> {
    fcntl_setfl(control, fcntl_getfl(control)? - OFlags::NONBLOCK)?;
    if letters.is_empty() {
        return Ok(());
    }
    // Fewer bytes than PIPE_BUF are never written in part.
    retry_on_intr(|| rustix::io::write(control, letters)).map(drop)
}

/// Why there is no status to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoStatus {
    /// `supervise/status` cannot be opened.
    Open(Errno),
    /// It cannot be read; `None`: it is too short to be one.
    Read(Option<Errno>),
}

/// The state that supervise last told. It says nothing about whether supervise still runs.
pub fn read_status(dir: impl AsFd) -> Result<Status, NoStatus> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = retry_on_intr(|| openat(dir.as_fd(), "supervise/status", flags, Mode::empty()))
        .map_err(NoStatus::Open)?;
    let mut bytes = [0; STATUS_BYTES];
    let count = retry_on_intr(|| read(&file, &mut bytes)).map_err(|errno| NoStatus::Read(Some(errno)))?;
    if count < STATUS_BYTES { Err(NoStatus::Read(None)) } else { Ok(Status::unpack(&bytes)) }
}
