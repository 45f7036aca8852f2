//! setlock: runs a program while a file is locked.
#![forbid(unsafe_code)]

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::{Errno, retry_on_intr};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use supervise_lite::chain::Next;
use supervise_lite::options::Options;
use supervise_lite::{die, help, sys};

/// Shown for `--help`.
const HELP: &str = include_str!("setlock.txt");
const PROGRAM: &str = "setlock";
const USAGE: &str = "setlock [ -nNxX ] file program [ arg ... ]";

fn main() {
    sys::close_again();
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    help::answer(&arguments, PROGRAM, HELP);
    let (mut wait, mut complain) = (true, true);
    let mut options = Options::new(&arguments, b"nNxX");
    for option in &mut options {
        match option {
            Ok((b'n', _)) => wait = false,
            Ok((b'N', _)) => wait = true,
            Ok((b'x', _)) => complain = false,
            Ok(_) => complain = true,
            Err(wrong) => die::wrong_option(&called, wrong, PROGRAM, USAGE),
        }
    }
    let [file, child @ ..] = options.operands() else { die::usage(PROGRAM, USAGE) };
    let Some(next) = Next::new(child) else { die::usage(PROGRAM, USAGE) };

    let file = file.as_bytes();
    match lock(file, wait) {
        // The program gets the open file, and the lock with it.
        Ok(_lock) => next.run(PROGRAM),
        Err(_) if !complain => std::process::exit(0),
        Err(Failed { step, errno }) => die::unable(PROGRAM, &[step, b" ", file].concat(), errno),
    }
}

/// What was not possible, and why.
struct Failed {
    step: &'static [u8],
    errno: Errno,
}

/// Opens the file for a program to inherit, and locks it; what is in it stays.
fn lock(file: &[u8], wait: bool) -> Result<OwnedFd, Failed> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::APPEND | OFlags::CREATE;
    let opened = open(file, flags, Mode::RUSR | Mode::WUSR);
    let lock = opened.map_err(|errno| Failed { step: b"open", errno })?;
    let how = if wait { FlockOperation::LockExclusive } else { FlockOperation::NonBlockingLockExclusive };
    // A signal that is handled does not end the wait, as it does in the original.
    retry_on_intr(|| flock(&lock, how)).map_err(|errno| Failed { step: b"lock", errno })?;
    Ok(lock)
}
