//! An open descriptor to read from or write to, waited for where it does not block.
//!
//! Unbuffered: what is read is used at once, and what is written is out.

use crate::filter::{Block, Feed, Sink};
use logcore::strerr::{Errno, words};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::AddressFamily;
use std::io::{self, Read};
use std::os::fd::AsFd;

/// A descriptor.
#[derive(Debug)]
pub struct Descriptor<F>(pub F);

impl<F: AsFd> Read for Descriptor<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buffer)?)
    }
}

impl<F: AsFd> Feed for Descriptor<F> {
    fn is_ready(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
        // What cannot be asked is read, and fails there.
        retry_on_intr(|| poll(&mut polled, Some(&now))) != Ok(0)
    }

    fn wait(&self) -> io::Result<()> {
        let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
        retry_on_intr(|| poll(&mut polled, None))?;
        Ok(())
    }
}

/// Reads that wait also where the descriptor does not block: for decoders, which take that for damage.
#[derive(Debug)]
pub struct Patient<F>(pub F);

impl<F: Feed> Read for Patient<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.0.wait()?,
                other => return other,
            }
        }
    }
}

impl<F: AsFd> Sink for Descriptor<F> {
    type Error = Errno;

    fn put(&mut self, block: &mut Block, _labelled: bool) -> Result<(), Errno> {
        self.write_all(block.filled())?;
        block.clear();
        Ok(())
    }
}

impl<F: AsFd> Descriptor<F> {
    /// Whether nobody reads it any more.
    pub fn is_gone(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut polled = [PollFd::new(&self.0, asked(&self.0))];
        // What cannot be asked is written, and fails there.
        retry_on_intr(|| poll(&mut polled, Some(&now))).is_ok() && polled[0].revents().intersects(GONE)
    }

    /// Writes all of `bytes`, waiting where the descriptor does not block.
    ///
    /// # Errors
    /// Some of the bytes are not written and cannot be.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            match retry_on_intr(|| rustix::io::write(&self.0, bytes)) {
                // No error and no progress: a device that is at its end.
                Ok(0) => return Err(Errno::NOSPC),
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::AGAIN) => {
                    let mut polled = [PollFd::new(&self.0, PollFlags::OUT)];
                    retry_on_intr(|| poll(&mut polled, None))?;
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// What poll(2) is asked of an output. A collector that closes its connection says only that it sends no more, and what is written
/// then is lost. Not so a local socket, such as the journal's, whose reading half is shut from the beginning.
pub fn asked(output: &impl AsFd) -> PollFlags {
    match rustix::net::sockopt::socket_domain(output) {
        Ok(AddressFamily::INET | AddressFamily::INET6) => PollFlags::RDHUP,
        _ => PollFlags::empty(),
    }
}

/// What of the answer tells that nobody reads it any more.
pub const GONE: PollFlags =
    PollFlags::RDHUP.union(PollFlags::ERR).union(PollFlags::HUP).union(PollFlags::NVAL);

/// What to say of an output that takes no more; nothing when its reader has closed it, for he knows.
pub fn complaint(errno: Errno) -> Option<String> {
    let is_closed = matches!(errno, Errno::PIPE | Errno::CONNRESET);
    (!is_closed).then(|| format!("unable to write output: {}", words(errno)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::io::Write;

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let mut feed = Descriptor(read);
        assert!(!feed.is_ready());
        assert_eq!(feed.read(&mut [0; 9]).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));

        // More than the pipe holds: the writer has to wait for the reader.
        let wanted = vec![b'x'; 300_000];
        let sent = wanted.clone();
        let writer = std::thread::spawn(move || Descriptor(write).write_all(&sent));
        let mut found = Vec::new();
        while found.len() < wanted.len() {
            feed.wait().expect("a pipe can be waited for");
            let mut buffer = [0; 5000];
            let len = feed.read(&mut buffer).expect("it is ready");
            found.write_all(&buffer[..len]).expect("a Vec takes everything");
        }
        assert_eq!(writer.join().expect("it does not panic"), Ok(()));
        assert!(found == wanted);
        assert!(feed.is_ready(), "the end is there at once");
    }
}
