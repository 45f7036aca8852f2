//! softlimit: runs a program with lower soft limits.
#![forbid(unsafe_code)]

use logcore::strerr::words;
use rustix::process::{getrlimit, setrlimit};
use std::ffi::OsString;
use supervise_lite::chain::Next;
use supervise_lite::limit::{self, Misuse};
use supervise_lite::{die, help, sys};

/// Shown for `--help`.
const HELP: &str = include_str!("softlimit.txt");
const PROGRAM: &str = "softlimit";
const USAGE: &str = "softlimit [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] [-l lockbytes] \
                     [-m membytes] [-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes] \
                     [-t cpusecs] child";

fn main() {
    sys::close_again();
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    help::answer(&arguments, PROGRAM, HELP);
    let mut options = limit::options(&arguments);
    let limits = match limit::parse(&mut options) {
        Ok(limits) => limits,
        Err(Misuse::Option(wrong)) => die::wrong_option(&called, wrong, PROGRAM, USAGE),
        Err(Misuse::Number) => die::usage(PROGRAM, USAGE),
    };
    let Some(next) = Next::new(options.operands()) else { die::usage(PROGRAM, USAGE) };
    // From here on memory may be short: nothing is allocated.
    for limit in limits {
        for &resource in limit.resources {
            if let Err(errno) = setrlimit(resource, limit.amount.within(getrlimit(resource))) {
                die::fatal(PROGRAM, &[b"setrlimit failed: ", words(errno).as_bytes()].concat())
            }
        }
    }
    next.run(PROGRAM)
}
