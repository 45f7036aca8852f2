//! What svscan and the services say: to readproctitle, whose arguments `ps` shows, and to where svscanboot's own messages go.
//!
//! They write into one pipe. Its reader is a process of its own, which lives until the last writer has gone: so nobody meets
//! a broken pipe, whoever else dies. It never waits for those it hands the bytes to. To readproctitle it writes into a pipe
//! of ours that does not wait; when that is full the newest bytes are kept, since they are what is to be shown. Standard error is
//! somebody else's too, so it cannot be told not to wait: a thread waits for it, and what comes while it waits is dropped
//! beyond a bound.

use logcore::strerr::Errno;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, OFlags, fcntl_setfl, fstat};
use rustix::io::{read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Bytes that are passed on at once, and that are kept for a readproctitle that is late: it shows some hundred.
const BLOCK_BYTES: usize = 4096;
/// Blocks that wait for standard error.
const BLOCKS: usize = 64;
/// For so long the last blocks may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The pipes of the errors. svscanboot holds them, so that each of the two readers can be replaced.
#[derive(Debug)]
pub struct Errors {
    /// svscan and the services write here; given up once svscan runs, so that the end can come.
    writer: Option<OwnedFd>,
    reader: OwnedFd,
    title_writer: OwnedFd,
    title_reader: OwnedFd,
}

impl Errors {
    /// Both pipes. Errors: no descriptor is left.
    pub fn new() -> Result<Errors, Errno> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let (title_reader, title_writer) = pipe_with(PipeFlags::CLOEXEC)?;
        // The flag belongs to this end alone; readproctitle waits as ever.
        fcntl_setfl(&title_writer, OFlags::NONBLOCK)?;
        Ok(Errors { writer: Some(writer), reader, title_writer, title_reader })
    }

    /// Where svscan is to write, until [`shut`](Errors::shut).
    pub fn writer(&self) -> Option<BorrowedFd<'_>> {
        self.writer.as_ref().map(AsFd::as_fd)
    }

    /// svscan has the writing end: ours goes.
    pub fn shut(&mut self) {
        self.writer = None;
    }

    /// What readproctitle is to read.
    pub fn title(&self) -> BorrowedFd<'_> {
        self.title_reader.as_fd()
    }

    /// Passes everything on until the last writer has gone. For the process that does nothing else.
    pub fn pass_on(&mut self) {
        self.shut();
        let stderr = Stderr::new();
        let mut block = [0; BLOCK_BYTES];
        let mut late = Vec::new();
        loop {
            if !late.is_empty() && !self.wait_for_both(&mut late) {
                continue;
            }
            let count = match retry_on_intr(|| read(&self.reader, &mut block)) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            let block = block.get(..count).unwrap_or_default();
            late.extend_from_slice(block);
            self.show(&mut late);
            if let Some(stderr) = &stderr {
                stderr.write(block);
            }
        }
        if let Some(stderr) = stderr {
            stderr.finish();
        }
    }

    /// Waits until readproctitle takes what is `late`, or more errors come: whether they do.
    fn wait_for_both(&self, late: &mut Vec<u8>) -> bool {
        let mut both =
            [PollFd::new(&self.reader, PollFlags::IN), PollFd::new(&self.title_writer, PollFlags::OUT)];
        if retry_on_intr(|| poll(&mut both, None)).is_err() {
            // Then errors come first.
            return true;
        }
        let [errors, title] = both.map(|fd| !fd.revents().is_empty());
        if title {
            self.show(late);
        }
        errors
    }

    /// Writes to readproctitle what it has room for, and keeps the newest of the rest.
    fn show(&self, late: &mut Vec<u8>) {
        let taken = retry_on_intr(|| write(&self.title_writer, late)).unwrap_or(0);
        let rest = late.len() - taken.min(late.len());
        late.drain(..late.len() - rest.min(BLOCK_BYTES));
    }
}

/// Standard error, written by a thread.
struct Stderr {
    blocks: SyncSender<Vec<u8>>,
    finished: Receiver<()>,
}

impl Stderr {
    /// `None` where nobody would see it, or no thread can be had.
    fn new() -> Option<Stderr> {
        if is_null(rustix::stdio::stderr()) {
            return None;
        }
        let (blocks, queue) = sync_channel::<Vec<u8>>(BLOCKS);
        let (finish, finished) = sync_channel(1);
        let copy = move || {
            for block in queue {
                let mut rest = &block[..];
                while !rest.is_empty() {
                    match retry_on_intr(|| write(rustix::stdio::stderr(), rest)) {
                        Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                        // A full disk or a reader that has gone: what comes later may be taken.
                        Err(_) => break,
                    }
                }
            }
            let _ = finish.send(());
        };
        std::thread::Builder::new().spawn(copy).ok()?;
        Some(Stderr { blocks, finished })
    }

    fn write(&self, block: &[u8]) {
        // Dropped when so many wait already.
        let _ = self.blocks.try_send(block.to_vec());
    }

    /// Waits a little for what is not written yet.
    fn finish(self) {
        drop(self.blocks);
        let _ = self.finished.recv_timeout(LAST_WORDS);
    }
}

/// Whether what is written there is gone.
fn is_null(file: impl AsFd) -> bool {
    let same = |one: rustix::fs::Stat, other: rustix::fs::Stat| {
        FileType::from_raw_mode(one.st_mode) == FileType::CharacterDevice && one.st_rdev == other.st_rdev
    };
    let null = File::open("/dev/null").map_err(|_| Errno::NOENT).and_then(fstat);
    fstat(file).is_ok_and(|file| null.is_ok_and(|null| same(file, null)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_null_device_is_not_worth_writing_to() {
        let null = File::options().write(true).open("/dev/null").expect("it is there");
        assert!(is_null(&null));
        assert!(!is_null(File::open("/dev/zero").expect("it is there")));
        assert!(!is_null(tempfile::tempfile().expect("a file")));
    }
}
