//! envuidgid: runs a program with the ids of an account in its environment.
#![forbid(unsafe_code)]

use logcore::strerr::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use supervise_lite::account::Account;
use supervise_lite::chain::Next;
use supervise_lite::env::{self, Change};
use supervise_lite::sys::{self, Words};
use supervise_lite::{die, help};

/// Shown for `--help`.
const HELP: &str = include_str!("envuidgid.txt");
const PROGRAM: &str = "envuidgid";
const USAGE: &str = "envuidgid account child";

fn main() {
    sys::close_again();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, PROGRAM, HELP);
    let [name, child @ ..] = &arguments[..] else { die::usage(PROGRAM, USAGE) };
    let Some(mut next) = Next::new(child) else { die::usage(PROGRAM, USAGE) };
    let Some(account) = Account::named(name) else {
        die::fatal(PROGRAM, &[b"unknown account ", name.as_bytes()].concat())
    };
    match with_ids(&account) {
        Ok(environment) => next.environment = environment,
        Err(_) => die::fatal(PROGRAM, b"out of memory"),
    }
    next.run(PROGRAM)
}

/// Our environment with `GID` and `UID`.
fn with_ids(account: &Account) -> Result<Words, Errno> {
    let mut environment = Words::environment().into_strings();
    for (name, id) in [("GID", account.group), ("UID", account.user)] {
        env::apply(&mut environment, Change::set(name.as_bytes(), id.to_string().as_bytes())?);
    }
    Ok(Words::new(environment))
}
