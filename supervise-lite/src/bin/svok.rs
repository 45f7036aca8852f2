//! svok: exits 0 if a supervise runs in the directory, else 100 without a word.
#![forbid(unsafe_code)]

use rustix::fs::CWD;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use supervise_lite::supervised::is_supervised;
use supervise_lite::{die, help};

const HELP: &str = include_str!("svok.txt");

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, "svok", HELP);
    let Some(dir) = arguments.first().map(|dir| dir.as_bytes()) else { die::usage("svok", "svok dir") };
    if let Err(errno) = rustix::process::chdir(dir) {
        die::unable("svok", &[b"chdir to ", dir].concat(), errno);
    }
    match is_supervised(CWD) {
        Ok(true) => (),
        Ok(false) => std::process::exit(die::USAGE),
        Err(errno) => die::unable("svok", &[b"open ", dir, b"/supervise/ok"].concat(), errno),
    }
}
