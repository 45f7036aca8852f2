//! Standard input as something to look at and to take from.
//!
//! | it is a | look | take |
//! |---|---|---|
//! | pipe or FIFO | tee(2) into a pipe of our own, and read that | splice(2) to /dev/null |
//! | regular file | pread(2) at the shared offset | lseek(2) |
//! | stream socket | recv(2) with MSG_PEEK | recv(2) into nothing |
//! | terminal, other | read(2) | – |
//!
//! What is only looked at survives us: a logger that is killed leaves it to the next one. Where a look is impossible, what
//! was read is held here, at most a batch, and dies with us.

use crate::strerr::{Errno, Error};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::{self, FileType, Mode, OFlags, SeekFrom};
use rustix::io::retry_on_intr;
use rustix::net::{self, RecvFlags, SocketType};
use rustix::pipe::{self, PipeFlags, SpliceFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Most bytes of a look. With the usual pipe of 64 KiB the writer goes on writing into the other half meanwhile.
pub const BATCH_BYTES: usize = 32 * 1024;

/// A partial line in a socket that does not grow for so long may be one that cannot: it is taken into memory.
const SOCKET_PATIENCE: Duration = Duration::from_secs(1);

/// Size wished for a pipe on standard input: the largest an ordinary user may ask for.
const PIPE_BYTES: usize = 1024 * 1024;

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// So many bytes are at the head of the buffer.
    pub len: usize,
    /// No more will come.
    pub ended: bool,
}

/// An input.
pub struct Source<I> {
    input: I,
    kind: Kind,
    /// Taken from the input already, for want of a way to look or of room in it; comes before what is there.
    held: Vec<u8>,
    /// What is taken by reading it goes here.
    nowhere: Vec<u8>,
    /// The input's device and inode.
    identity: (u64, u64),
}

enum Kind {
    Pipe {
        mirror_in: OwnedFd,
        mirror_out: OwnedFd,
        /// `None` where /dev/null cannot be had: read into a buffer instead.
        null: Option<OwnedFd>,
        /// Halving it was tried, and going back failed: never again.
        narrowed: bool,
    },
    File,
    Socket,
    Other,
}

impl<I: AsFd> Source<I> {
    /// Finds out what `input` is. Nothing is read.
    ///
    /// # Errors
    /// It cannot be read: a directory, opened for writing only, or not open at all.
    pub fn new(input: I) -> Result<Self, Error> {
        let unreadable = |errno| Error::new("read input", errno);
        let stat = fs::fstat(&input).map_err(unreadable)?;
        let flags = fs::fcntl_getfl(&input).map_err(unreadable)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Err(unreadable(Errno::ISDIR)),
            _ if flags & OFlags::ACCMODE == OFlags::WRONLY => return Err(unreadable(Errno::BADF)),
            FileType::Fifo => pipe_kind(&input).unwrap_or(Kind::Other),
            // Some files of /proc are streams: what is read of them is gone, and more may come (kmsg). They show no size.
            FileType::RegularFile if stat.st_size == 0 && can_be_awaited(&input) => Kind::Other,
            FileType::RegularFile => Kind::File,
            FileType::Socket if net::sockopt::socket_type(&input) == Ok(SocketType::STREAM) => {
                // An urgent byte is a byte like others: out of line it would leave a hole in what is looked at.
                let _ = net::sockopt::set_socket_oobinline(&input, true);
                Kind::Socket
            }
            // The runtime puts /dev/null here, for reading and writing, when we are started with descriptor 0 closed.
            FileType::CharacterDevice if is_null(stat.st_rdev) && flags & OFlags::ACCMODE == OFlags::RDWR => {
                return Err(unreadable(Errno::BADF));
            }
            _ => Kind::Other,
        };
        #[allow(clippy::useless_conversion)]
        let identity = (stat.st_dev.into(), stat.st_ino.into());
        Ok(Source { input, kind, held: Vec::new(), nowhere: Vec::new(), identity })
    }

    /// The input's descriptor, to wait for.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// Names this very pipe, file or socket, while the machine runs; `None` where nothing can be left in it.
    pub fn identity(&self) -> Option<String> {
        match self.kind {
            Kind::Other => None,
            _ => Some(format!("{}:{}", self.identity.0, self.identity.1)),
        }
    }

    /// Whether a look leaves things as they are, and never waits; else it is to be made only when something is there.
    pub fn peeks(&self) -> bool {
        !matches!(self.kind, Kind::Other)
    }

    /// Whether more is there than the `len` bytes of the last look, which did not fill its buffer: our own pipe has fewer
    /// slots than the many small packets or pieces in the input need, or a mark in a socket's stream ends every look.
    pub fn hides_more(&self, len: usize) -> bool {
        match self.kind {
            Kind::Pipe { .. } | Kind::Socket => self.there().unwrap_or(0) > len - self.held.len().min(len),
            _ => false,
        }
    }

    /// What has been taken already and will come first at the next look.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// Looks at what comes next, at most the length of `buffer`. The same bytes are there again at the next look, unless
    /// they are [taken](Self::take).
    ///
    /// # Errors
    /// EAGAIN: nothing is there now, and more may come. Anything else: the input is broken; what was there before is not
    /// lost.
    pub fn look(&mut self, buffer: &mut [u8]) -> Result<Look, Errno> {
        let held = self.held.len().min(buffer.len());
        buffer[..held].copy_from_slice(&self.held[..held]);
        let rest = &mut buffer[held..];
        if rest.is_empty() {
            return Ok(Look { len: held, ended: false });
        }
        let found = match &self.kind {
            Kind::Pipe { mirror_in, mirror_out, .. } => {
                look_into_pipe(&self.input, mirror_in, mirror_out, rest)
            }
            Kind::File => look_into_file(&self.input, rest),
            Kind::Socket => look_into_socket(&self.input, rest),
            Kind::Other => retry_on_intr(|| rustix::io::read(&self.input, &mut *rest)).map(|len| {
                self.held.extend_from_slice(&rest[..len]);
                Look { len, ended: len == 0 }
            }),
        };
        match found {
            Ok(Look { len, ended }) => Ok(Look { len: held + len, ended }),
            Err(Errno::AGAIN) if held > 0 => Ok(Look { len: held, ended: false }),
            // Nobody may look into pipes here: read this one, when next something is there.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS)
                if matches!(self.kind, Kind::Pipe { .. }) =>
            {
                self.kind = Kind::Other;
                Err(Errno::AGAIN)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Takes the first `len` bytes of the last look: they are in the log.
    ///
    /// If we die before, the next logger logs them again; there is no in-between. Where another reader has been faster, there is less to
    /// take, and that will do: what it took is in the log as well.
    ///
    /// # Errors
    /// The input is broken: how much was taken is not known.
    pub fn take(&mut self, len: usize) -> Result<(), Errno> {
        let held = self.held.len().min(len);
        self.held.drain(..held);
        let mut left = len - held;
        while left > 0 {
            let taken = match &self.kind {
                Kind::Pipe { null: Some(null), .. } => {
                    retry_on_intr(|| pipe::splice(&self.input, None, null, None, left, SpliceFlags::NONBLOCK))
                }
                // One call takes all, so a kill finds all of it or none. It must not wait.
                Kind::Pipe { null: None, .. } => {
                    self.nowhere.resize(left.min(self.there()?), 0);
                    retry_on_intr(|| rustix::io::read(&self.input, &mut self.nowhere[..]))
                }
                Kind::Socket => {
                    self.nowhere.resize(left, 0);
                    retry_on_intr(|| net::recv(&self.input, &mut self.nowhere[..], RecvFlags::DONTWAIT))
                        .map(|(len, _)| len)
                }
                Kind::File => {
                    let by = SeekFrom::Current(i64::try_from(left).unwrap_or(i64::MAX));
                    fs::seek(&self.input, by).map(|_| left)
                }
                // All that was looked at was held.
                Kind::Other => Ok(left),
            };
            match taken {
                Ok(0) => break,
                // All that is still there has come since; else it could be taken.
                Err(Errno::AGAIN) if self.there()? < left => break,
                taken => left -= taken?,
            }
        }
        Ok(())
    }

    /// Bytes that can be read now.
    fn there(&self) -> Result<usize, Errno> {
        rustix::io::ioctl_fionread(&self.input).map(|there| usize::try_from(there).unwrap_or(usize::MAX))
    }

    /// Whether a partial line of `len` bytes keeps the writer from writing more, though the pipe has room for bytes: its
    /// slots may all be used, by packets or spliced pieces; a socket charges the writer for many small writes.
    ///
    /// Asks only: while the pipe can be halved, a plain writer has room. A socket cannot be asked, so it has to have `waited` for long.
    pub fn is_clogged(&mut self, len: usize, waited: Duration) -> bool {
        match &mut self.kind {
            Kind::Pipe { narrowed, .. } => {
                let Ok(size) = pipe::fcntl_getpipe_size(&self.input) else { return true };
                if *narrowed || len >= size / 2 {
                    return true;
                }
                match pipe::fcntl_setpipe_size(&self.input, size / 2) {
                    // The smallest pipe there is.
                    Ok(halved) if halved >= size => true,
                    Ok(_) => {
                        *narrowed = pipe::fcntl_setpipe_size(&self.input, size).is_err();
                        *narrowed
                    }
                    Err(_) => true,
                }
            }
            // Each of its writes may cost the writer's room a kilobyte: few bytes can be all that it has room for.
            Kind::Socket => len > 0 && waited >= SOCKET_PATIENCE,
            Kind::File | Kind::Other => false,
        }
    }

    /// Takes the first `len` bytes of the last look, `bytes`, into memory: the only bytes that a kill could cost.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn hold(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let held = self.held.len();
        if bytes.len() <= held {
            return Ok(());
        }
        // What is held already stays; the rest leaves the input.
        let before = std::mem::take(&mut self.held);
        let taken = self.take(bytes.len() - held);
        self.held = before;
        self.held.extend_from_slice(&bytes[held..]);
        taken
    }
}

fn is_null(device: u64) -> bool {
    fs::major(device) == 1 && fs::minor(device) == 3
}

/// Whether a wait for it can be asked for; a file on disk is always ready.
fn can_be_awaited(input: &impl AsFd) -> bool {
    let Ok(epoll) = epoll::create(CreateFlags::CLOEXEC) else { return false };
    epoll::add(&epoll, input, EventData::new_u64(0), EventFlags::IN).is_ok()
}

/// `None` where we get no pipe of our own.
fn pipe_kind(input: &impl AsFd) -> Option<Kind> {
    // Not allowed, or allowed no more: the pipe serves as it is.
    let _ = pipe::fcntl_setpipe_size(input, PIPE_BYTES);
    let (mirror_out, mirror_in) = pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let null = fs::open("/dev/null", flags, Mode::empty()).ok();
    // In a careless chroot it is a file, which would get a copy of the log.
    let null = null.filter(|null| fs::fstat(null).is_ok_and(|stat| is_null(stat.st_rdev)));
    Some(Kind::Pipe { mirror_in, mirror_out, null, narrowed: false })
}

fn look_into_pipe(
    input: &impl AsFd,
    mirror_in: &OwnedFd,
    mirror_out: &OwnedFd,
    buffer: &mut [u8],
) -> Result<Look, Errno> {
    let seen = retry_on_intr(|| pipe::tee(input, mirror_in, buffer.len(), SpliceFlags::NONBLOCK))?;
    let mut len = 0;
    // A pipe of packets gives one packet a read.
    while len < seen {
        match retry_on_intr(|| rustix::io::read(mirror_out, &mut buffer[len..seen])) {
            // The copy is ours, and it is there. Left where it is, it would be taken for the next one.
            Ok(0) | Err(Errno::AGAIN) => return Err(Errno::IO),
            Ok(read) => len += read,
            Err(errno) => return Err(errno),
        }
    }
    Ok(Look { len, ended: len == 0 })
}

fn look_into_file(input: &impl AsFd, buffer: &mut [u8]) -> Result<Look, Errno> {
    let offset = fs::tell(input)?;
    let mut len = 0;
    while len < buffer.len() {
        match retry_on_intr(|| rustix::io::pread(input, &mut buffer[len..], offset + len as u64))? {
            0 => return Ok(Look { len, ended: true }),
            read => len += read,
        }
    }
    Ok(Look { len, ended: false })
}

fn look_into_socket(input: &impl AsFd, buffer: &mut [u8]) -> Result<Look, Errno> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let (len, _) = retry_on_intr(|| net::recv(input, &mut *buffer, flags))?;
    Ok(Look { len, ended: len == 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};
    use std::os::unix::net::UnixStream;

    fn look(source: &mut Source<impl AsFd>) -> (String, bool) {
        let mut buffer = [0; 64];
        match source.look(&mut buffer) {
            Ok(look) => (String::from_utf8_lossy(&buffer[..look.len]).into_owned(), look.ended),
            Err(errno) => (format!("{errno:?}"), false),
        }
    }

    /// What is looked at stays; what is taken goes; the end comes when all is taken.
    fn check(mut source: Source<impl AsFd>, peeks: bool) {
        assert_eq!(source.peeks(), peeks);
        assert_eq!(look(&mut source).0, "one\ntwo");
        if peeks {
            assert_eq!(look(&mut source).0, "one\ntwo");
        }
        source.take(4).expect("it is there");
        assert_eq!(look(&mut source).0, "two");
        source.hold(b"two").expect("it is there");
        assert_eq!(look(&mut source).0, "two");
        source.take(3).expect("it is held");
        assert_eq!(look(&mut source), (String::new(), true));
    }

    #[test]
    fn a_pipe_is_looked_at() {
        let (read, mut write) = std::io::pipe().expect("a pipe");
        write.write_all(b"one\ntwo").expect("there is room");
        drop(write);
        check(Source::new(read).expect("a pipe can be read"), true);
    }

    #[test]
    fn a_file_is_looked_at() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"one\ntwo").expect("there is room");
        file.rewind().expect("it is a file");
        check(Source::new(file).expect("a file can be read"), true);
    }

    /// What is read of some of these is gone, and a read may wait: they are asked when there is something.
    #[test]
    fn a_file_that_can_be_waited_for_is_a_stream() {
        let file = std::fs::File::open("/proc/self/mounts").expect("Linux");
        let mut source = Source::new(file).expect("it can be read");
        assert!(!source.peeks());
        assert_eq!(look(&mut source).0.len(), 64);
    }

    #[test]
    fn a_socket_is_looked_at() {
        let (read, mut write) = UnixStream::pair().expect("a socket");
        write.write_all(b"one\ntwo").expect("there is room");
        drop(write);
        check(Source::new(read).expect("a socket can be read"), true);
    }

    #[test]
    fn an_empty_pipe_is_waited_for() {
        let (read, _write) = std::io::pipe().expect("a pipe");
        let mut source = Source::new(read).expect("a pipe can be read");
        assert_eq!(source.look(&mut [0; 64]), Err(Errno::AGAIN));
        assert!(!source.is_clogged(0, Duration::from_secs(9)));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let dir = std::fs::File::open("/").expect("there is one");
        let error = Source::new(dir).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("unable to read input: is a directory"));
        let (_read, write) = std::io::pipe().expect("a pipe");
        let error = Source::new(write).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("unable to read input: file descriptor not open"));
    }
}
