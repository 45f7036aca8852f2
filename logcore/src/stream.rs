//! Standard output and standard error as something to write to without ever waiting.
//!
//! Others have these descriptors too, so they stay blocking ones, and poll(2) does not promise room for a whole write: another
//! writer may take it, and a terminal says so for a single byte. A write that waits could not be ended by a signal.
//!
//! | it is a | write |
//! |---|---|
//! | pipe | pwritev2(2) with RWF_NOWAIT |
//! | FIFO, pipe before Linux 6.4, terminal | write(2) to an open file description of our own that does not block |
//! | socket | send(2) with MSG_DONTWAIT |
//! | file, other, or none of this can be had | write(2), once poll(2) finds room: to a terminal a byte at a time |

use crate::strerr::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::{ReadWriteFlags, pwritev2, retry_on_intr, write};
use rustix::net::{SendFlags, send};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// A descriptor to write to.
pub struct Stream<F> {
    target: F,
    kind: Kind,
}

enum Kind {
    Pipe,
    Socket,
    Own(OwnedFd),
    Plain,
}

impl<F: AsFd> Stream<F> {
    /// Finds out what `target` is.
    pub fn new(target: F) -> Self {
        let kind = match fs::fstat(&target).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Fifo) => Kind::Pipe,
            Ok(FileType::Socket) => Kind::Socket,
            Ok(FileType::CharacterDevice) if rustix::termios::isatty(&target) => own(&target),
            _ => Kind::Plain,
        };
        Stream { target, kind }
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        rustix::termios::isatty(&self.target)
    }

    /// Writes `bytes`, at most 4096, and returns how many were taken: into a pipe all of them.
    ///
    /// # Errors
    /// EAGAIN: none are taken now. EPIPE: nobody is left to read them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.kind {
            Kind::Pipe => {
                // At the end of what is written, as a pipe has no place else.
                let now = ReadWriteFlags::NOWAIT;
                match retry_on_intr(|| pwritev2(&self.target, &[IoSlice::new(bytes)], u64::MAX, now)) {
                    Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => {
                        self.kind = own(&self.target);
                        self.write(bytes)
                    }
                    written => written,
                }
            }
            Kind::Socket => {
                retry_on_intr(|| send(&self.target, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
            }
            Kind::Own(own) => retry_on_intr(|| write(own, bytes)),
            Kind::Plain => {
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                if poll(&mut [PollFd::new(&self.target, PollFlags::OUT)], Some(&now))? == 0 {
                    return Err(Errno::AGAIN);
                }
                // A terminal has room for one.
                let most = if self.is_terminal() { 1 } else { bytes.len() };
                retry_on_intr(|| write(&self.target, &bytes[..most.min(bytes.len())]))
            }
        }
    }
}

impl<F: AsFd> AsFd for Stream<F> {
    /// To wait for.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.target.as_fd()
    }
}

/// The same file, opened anew; not where we may not, as after setuidgid.
fn own(target: &impl AsFd) -> Kind {
    let path = format!("/proc/self/fd/{}", target.as_fd().as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).map_or(Kind::Plain, Kind::Own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// Fills `target` without ever waiting, and returns how much was taken.
    fn fill(stream: &mut Stream<impl AsFd>) -> usize {
        let mut all = 0;
        loop {
            match stream.write(&[b'x'; 4096]) {
                Ok(written) => all += written,
                Err(Errno::AGAIN) => return all,
                Err(errno) => panic!("{errno}"),
            }
        }
    }

    #[test]
    fn a_full_one_does_not_wait() {
        let (_reader, writer) = std::io::pipe().expect("a pipe");
        assert_eq!(fill(&mut Stream::new(writer)), 65536);

        let (_reader, writer) = UnixStream::pair().expect("a socket");
        assert!(fill(&mut Stream::new(writer)) > 4096);

        let dir = tempfile::tempdir().expect("a directory");
        let fifo = dir.path().join("fifo");
        fs::mknodat(fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
        let both = fs::open(&fifo, OFlags::RDWR, Mode::empty()).expect("both ends");
        assert_eq!(fill(&mut Stream::new(&both)), 65536);
    }

    #[test]
    fn a_terminal_that_stands_still_does_not_hang_us() {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("our own");
        let name = ptsname(&master, Vec::new()).expect("it has one");
        let terminal = fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its other side");
        let mut stream = Stream::new(&terminal);
        assert!(stream.is_terminal());
        assert!(fill(&mut stream) > 0);
    }

    #[test]
    fn one_that_nobody_reads_says_so() {
        let (_, writer) = std::io::pipe().expect("a pipe");
        assert_eq!(Stream::new(writer).write(b"x"), Err(Errno::PIPE));
        let (_, writer) = UnixStream::pair().expect("a socket");
        assert_eq!(Stream::new(writer).write(b"x"), Err(Errno::PIPE));
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        assert_eq!(Stream::new(reader).write(b"x"), Err(Errno::BADF));
    }
}
