//! The end of a program: one message, one write, one exit code.
//!
//! Source of the form: `strerr_die.c` of daemontools 0.76. A message that cannot be written is dropped, as there.

use crate::options::Wrong;
use logcore::strerr::{Errno, words};
use std::ffi::OsStr;

/// A wrong call, or a no that will stay one.
pub const USAGE: i32 = 100;
/// Trouble that may pass: the caller can try again.
pub const TROUBLE: i32 = 111;

/// Writes `PROG: LEVEL: MESSAGE` to standard error, in one write so that lines of several processes do not mix.
pub fn say(program: &str, level: &str, message: &[u8]) {
    let mut line = Vec::with_capacity(program.len() + level.len() + message.len() + 5);
    for part in [program.as_bytes(), b": ", level.as_bytes(), b": ", message, b"\n"] {
        line.extend_from_slice(part);
    }
    // Nowhere is left to report a failure to report.
    let _ = rustix::io::write(rustix::stdio::stderr(), &line);
}

/// `PROG: usage: USAGE`, 100.
pub fn usage(program: &str, usage: &str) -> ! {
    say(program, "usage", usage.as_bytes());
    std::process::exit(USAGE)
}

/// What is wrong with an option, see [`Wrong::line`], then the usage, 100.
pub fn wrong_option(called: &OsStr, wrong: Wrong, program: &str, usage: &str) -> ! {
    let _ = rustix::io::write(rustix::stdio::stderr(), &wrong.line(called));
    self::usage(program, usage)
}

/// `PROG: fatal: unable to DOING: reason`, 111. `doing` may hold names as the user wrote them, hence bytes.
pub fn unable(program: &str, doing: &[u8], errno: Errno) -> ! {
    fatal(program, &[b"unable to ", doing, b": ", words(errno).as_bytes()].concat())
}

/// `PROG: fatal: MESSAGE`, 111.
pub fn fatal(program: &str, message: &[u8]) -> ! {
    say(program, "fatal", message);
    std::process::exit(TROUBLE)
}
