//! The pipe between a service and its logger. svscan keeps both ends, so it never breaks: whoever dies, what was written
//! stays in it for the next logger, and no writer meets the end of its reader.

use logcore::strerr::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The room we ask for: a stalled disk is to stop a service late. More is not allowed to everybody.
const PIPE_BYTES: usize = 1 << 20;

/// Both ends of a log pipe.
#[derive(Debug)]
pub struct LogPipe {
    reader: OwnedFd,
    /// Given up when the last lines are to be read.
    writer: Option<OwnedFd>,
}

impl LogPipe {
    /// An empty pipe. Errors: those of pipe(2), and `MFILE` unless two more descriptors are left: supervises that die are
    /// started again with them.
    pub fn new() -> Result<LogPipe, Errno> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        drop(pipe_with(PipeFlags::CLOEXEC)?);
        // Refused where others have used up what this user may have: then it is smaller.
        let _ = fcntl_setpipe_size(&writer, PIPE_BYTES);
        Ok(LogPipe { reader, writer: Some(writer) })
    }

    /// The end that the logger reads.
    pub fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// The end that the service writes, unless it is shut.
    pub fn writer(&self) -> Option<BorrowedFd<'_>> {
        self.writer.as_ref().map(AsFd::as_fd)
    }

    /// Gives up the writing end: the logger comes to the end of its input when no other writer is left.
    pub fn shut(&mut self) {
        self.writer = None;
    }

    /// Takes the writing end back. Errors: those of open(2); `NOENT` where there is no /proc.
    pub fn reopen(&mut self) -> Result<(), Errno> {
        let reader = format!("/proc/self/fd/{}", self.reader.as_raw_fd());
        self.writer = Some(openat(CWD, reader, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?);
        Ok(())
    }

    /// Whether nothing is in it, and nobody writes to it any more.
    pub fn is_over(&self) -> bool {
        let mut polled = [PollFd::new(&self.reader, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&now)).is_ok() && polled[0].revents() == PollFlags::HUP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_stays_until_it_is_read() {
        let mut pipe = LogPipe::new().expect("a pipe");
        assert!(!pipe.is_over());
        assert_eq!(rustix::io::write(pipe.writer().expect("open"), b"line\n"), Ok(5));
        pipe.shut();
        assert!(pipe.writer().is_none() && !pipe.is_over());
        pipe.reopen().expect("its reader is there");
        let mut line = [0; 20];
        assert_eq!(rustix::io::write(pipe.writer().expect("open"), b"more\n"), Ok(5));
        pipe.shut();
        assert_eq!(rustix::io::read(pipe.reader(), &mut line), Ok(10));
        assert_eq!(rustix::io::read(pipe.reader(), &mut line), Ok(0));
        assert!(pipe.is_over());
    }
}
