//! The service directory as its supervise has it: locked, with the FIFOs and the status.
//!
//! Names are relative to the current directory, which supervise changes once and for all: the directory may be renamed, and
//! the kernel finds what `..` means for the program that runs in it. Source: `main` and `announce` in `supervise.c` of
//! daemontools 0.76, in that order, for svok and the lock depend on it.

use crate::notice::Trouble;
use crate::status::{STATUS_BYTES, Status};
use logcore::strerr::Errno;
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, mknodat, openat, readlinkat,
    renameat, stat, unlinkat,
};
use rustix::io::{read, retry_on_intr, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A directory that is ours as long as this lives.
#[derive(Debug)]
pub struct Home {
    /// The directory as messages call it.
    name: Vec<u8>,
    control: OwnedFd,
    /// So that `control` never sees the end of its input.
    _writer: OwnedFd,
    _lock: OwnedFd,
    /// Its reader is what svok looks for; `None` until [`Home::open_to_others`].
    ok: Option<OwnedFd>,
}

impl Home {
    /// Goes to the directory and takes possession of it; also whether it is normally down. What is there already is used with
    /// the mode it has, made beforehand or left by the last supervise; what is missing is made.
    ///
    /// Dies half-way: nothing is left that the next supervise minds. Errors end supervise; where another supervise has the
    /// lock, nothing of it has been touched.
    pub fn take(directory: &[u8], name: &[u8]) -> Result<(Home, bool), Trouble> {
        rustix::process::chdir(directory).map_err(|errno| Trouble::new(&[b"chdir to ", name], errno))?;
        let failed = |doing: &str, path: &str| {
            let doing = [doing.as_bytes(), b" ", name, b"/", path.as_bytes()].concat();
            move |reason: &'static str| Trouble { doing, reason }
        };
        let words = logcore::strerr::words;
        let normally_down = match stat("down") {
            Ok(_) => true,
            Err(Errno::NOENT) => false,
            Err(errno) => return Err(failed("stat", "down")(words(errno))),
        };
        make_directory();
        let is_link = |errno| errno == Errno::LOOP && readlinkat(CWD, LOCK, Vec::new()).is_ok();
        let reason = |errno| if is_link(errno) { "is a symbolic link" } else { words(errno) };
        let lock = lock().map_err(|errno| failed("acquire", LOCK)(reason(errno)))?;
        let _ = mknodat(CWD, CONTROL, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        let control = open_fifo(CONTROL, OFlags::RDONLY).map_err(failed("read", CONTROL))?;
        let writer = open_fifo(CONTROL, OFlags::WRONLY).map_err(failed("write", CONTROL))?;
        Ok((Home { name: name.to_vec(), control, _writer: writer, _lock: lock, ok: None }, normally_down))
    }

    /// From now on svok and svstat find a supervise here: the first status is written.
    pub fn open_to_others(&mut self) -> Result<(), Trouble> {
        let _ = mknodat(CWD, OK, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        let ok = open_fifo(OK, OFlags::RDONLY);
        self.ok = Some(ok.map_err(|reason| Trouble {
            doing: [b"read ", &self.name[..], b"/", OK.as_bytes()].concat(),
            reason,
        })?);
        Ok(())
    }

    /// Readable when there are letters.
    pub fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Takes letters that have come, at most as many as `room` has place for.
    pub fn letters<'a>(&self, room: &'a mut [u8]) -> &'a [u8] {
        // Nothing there is the only error of a FIFO that is open at both ends.
        let count = read(&self.control, &mut *room).unwrap_or(0);
        room.get(..count).unwrap_or_default()
    }

    /// Writes the status to a new file and gives that the name. If we die between, the old status stands; the file that is
    /// left is removed by the next one to write.
    #[doc(alias = "announce")]
    pub fn report(&self, status: &Status) -> Result<(), Trouble> {
        let trouble = |doing: &str, reason| Trouble {
            doing: [doing.as_bytes(), b" ", &self.name, b"/", NEW_STATUS.as_bytes()].concat(),
            reason,
        };
        let words = logcore::strerr::words;
        let file = new_status().map_err(|errno| trouble("open", words(errno)))?;
        let remove = || unlinkat(CWD, NEW_STATUS, AtFlags::empty());
        match retry_on_intr(|| write(&file, &status.pack())) {
            Ok(STATUS_BYTES) => (),
            result => {
                let _ = remove();
                return Err(trouble("write", result.map_or_else(words, |_| "partial write")));
            }
        }
        renameat(CWD, NEW_STATUS, CWD, STATUS).map_err(|errno| {
            let _ = remove();
            let mut trouble = trouble("rename", words(errno));
            trouble.doing.extend_from_slice(b" to status");
            trouble
        })
    }
}

const LOCK: &str = "supervise/lock";
const CONTROL: &str = "supervise/control";
const OK: &str = "supervise/ok";
const STATUS: &str = "supervise/status";
const NEW_STATUS: &str = "supervise/status.new";

/// Makes `supervise`, or what the link of that name points to: on a machine that boots, its place in memory is gone.
///
/// Failures show when the lock is made.
fn make_directory() {
    if mkdirat(CWD, "supervise", Mode::RWXU) == Err(Errno::EXIST)
        && matches!(stat("supervise"), Err(Errno::NOENT))
        && let Ok(target) = readlinkat(CWD, "supervise", Vec::new())
    {
        let _ = mkdirat(CWD, target, Mode::RWXU);
    }
}

/// No link is followed: whoever owns `supervise` would have us make a file anywhere.
fn lock() -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    let flags = flags | OFlags::NOFOLLOW;
    let file = retry_on_intr(|| openat(CWD, LOCK, flags, Mode::RUSR | Mode::WUSR))?;
    retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive))?;
    Ok(file)
}

/// Opens a FIFO, or says why not.
fn open_fifo(path: &str, how: OFlags) -> Result<OwnedFd, &'static str> {
    let words = logcore::strerr::words;
    let flags = how | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = retry_on_intr(|| openat(CWD, path, flags, Mode::empty())).map_err(words)?;
    match FileType::from_raw_mode(fstat(&file).map_err(words)?.st_mode) {
        FileType::Fifo => Ok(file),
        // Letters would be read from it for ever, or never.
        _ => Err("not a FIFO"),
    }
}

/// Makes `status.new`; what is left there, by a supervise that was killed or by somebody else, is not written into.
fn new_status() -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let make = || retry_on_intr(|| openat(CWD, NEW_STATUS, flags, Mode::from_raw_mode(0o644)));
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(CWD, NEW_STATUS, AtFlags::empty())?;
            make()
        }
        made => made,
    }
}
