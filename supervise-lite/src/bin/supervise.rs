//! supervise: starts a service, keeps it up, and tells and obeys those who ask.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use supervise_lite::keeper::Keeper;
use supervise_lite::{die, help, sys};

const HELP: &str = include_str!("supervise.txt");

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, "supervise", HELP);
    let [dir] = &arguments[..] else { die::usage("supervise", "supervise dir") };
    // What was closed for us is closed for the service.
    sys::close_again();
    match Keeper::new(dir.as_bytes()) {
        Ok(mut keeper) => keeper.keep(),
        Err(trouble) => die::fatal("supervise", &trouble.message()),
    }
}
