//! pgrphack: runs a program in a session and process group of its own.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use supervise_lite::chain::Next;
use supervise_lite::{die, sys};

const PROGRAM: &str = "pgrphack";

fn main() {
    sys::close_again();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some(next) = Next::new(&arguments) else { die::usage(PROGRAM, "pgrphack child") };
    // Who leads a process group already, as a shell's job does, stays where he is.
    let _ = rustix::process::setsid();
    next.run(PROGRAM)
}
