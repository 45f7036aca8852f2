//! fghack: stays while a program runs that puts itself into the background.
#![forbid(unsafe_code)]

use logcore::strerr::{Errno, words};
use rustix::io::{dup, read, retry_on_intr};
use rustix::pipe::pipe;
use rustix::process::{WaitOptions, waitpid};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use supervise_lite::chain::Next;
use supervise_lite::{die, sys};

const PROGRAM: &str = "fghack";

/// How often the pipe is given to the program, for it may close descriptors that it does not know.
const COPIES: usize = 30;

fn main() {
    sys::close_again();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some(next) = Next::new(&arguments) else { die::usage(PROGRAM, "fghack child") };
    // Not to be closed by exec: the write end is there to be inherited.
    let (reader, writer) = pipe().unwrap_or_else(|errno| die::unable(PROGRAM, b"create pipe", errno));
    let Some(child) = sys::fork().unwrap_or_else(|errno| die::unable(PROGRAM, b"fork", errno)) else {
        drop(reader);
        // As many as there is room for, held until exec.
        let _copies: Vec<_> = std::iter::repeat_with(|| dup(&writer)).take(COPIES).flatten().collect();
        next.run(PROGRAM)
    };
    drop(writer);
    wait_for_end(&reader);
    let status = match retry_on_intr(|| waitpid(Some(child), WaitOptions::empty())) {
        Ok(ended) => ended.and_then(|(_, status)| status.exit_status()),
        Err(errno) => die::fatal(PROGRAM, &[b"wait failed: ", words(errno).as_bytes()].concat()),
    };
    match status {
        Some(code) => std::process::exit(code),
        None => die::fatal(PROGRAM, b"child crashed"),
    }
}

/// Waits until everyone has closed the pipe. What is written into it is nobody's.
fn wait_for_end(pipe: &OwnedFd) {
    let mut block = [0; 1024];
    while matches!(read(pipe, &mut block), Ok(1..) | Err(Errno::INTR)) {}
}
