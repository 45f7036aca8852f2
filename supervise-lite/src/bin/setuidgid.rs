//! setuidgid: runs a program as an account of this system.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use supervise_lite::account::{Account, Groups};
use supervise_lite::chain::Next;
use supervise_lite::{die, help, sys};

/// Shown for `--help`.
const HELP: &str = include_str!("setuidgid.txt");
const PROGRAM: &str = "setuidgid";
const USAGE: &str = "setuidgid account child";

fn main() {
    sys::close_again();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, PROGRAM, HELP);
    let (groups, operands) = match &arguments[..] {
        [first, rest @ ..] if first == "-s" => (Groups::All, rest),
        operands => (Groups::Own, operands),
    };
    let [name, child @ ..] = operands else { die::usage(PROGRAM, USAGE) };
    let Some(next) = Next::new(child) else { die::usage(PROGRAM, USAGE) };
    let Some(account) = Account::named(name) else {
        die::fatal(PROGRAM, &[b"unknown account ", name.as_bytes()].concat())
    };
    if let Err(denied) = account.enter(groups) {
        die::unable(PROGRAM, denied.call.as_bytes(), denied.errno)
    }
    next.run(PROGRAM)
}
