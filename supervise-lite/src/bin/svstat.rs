//! svstat: tells the state of services; all of it on standard output, failures too.
#![forbid(unsafe_code)]

use logcore::strerr::{Errno, words};
use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::process::{chdir, fchdir};
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write, stdout};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use supervise_lite::view::{View, table};
use supervise_lite::{die, help};

const HELP: &str = include_str!("svstat.txt");

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, "svstat", HELP);
    let here = open(".", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
        .unwrap_or_else(|errno| die::unable("svstat", b"open current directory", errno));
    let (is_json, operands) = match arguments.split_first() {
        Some((first, rest)) if first == "--json" => (true, rest),
        _ => (false, &arguments[..]),
    };
    match operands {
        [first, scanned @ ..] if first == "-a" && !scanned.is_empty() => {
            scanned.iter().for_each(|scanned| all_of(scanned, is_json, &here));
        }
        dirs => dirs.iter().map(|dir| dir.as_bytes()).for_each(|dir| one(dir, is_json, &here)),
    }
}

fn one(dir: &[u8], is_json: bool, here: &OwnedFd) {
    let view = look(dir, here);
    match is_json {
        true => put(view.json(dir).as_bytes()),
        false => put(&[dir, b": ", view.line().as_bytes(), b"\n"].concat()),
    }
}

/// The services of a scan directory, in the order of their names, each with its logger.
fn all_of(scanned: &OsStr, is_json: bool, here: &OwnedFd) {
    let scanned = scanned.as_bytes();
    let path = |name: &[u8]| [scanned, b"/", name].concat();
    let mut rows = Vec::new();
    for name in names(scanned) {
        let dir = path(&name);
        let (view, log) = (look(&dir, here), [&dir[..], b"/log"].concat());
        let logger = is_directory(&log).then(|| look(&log, here));
        if is_json {
            put(view.json(&dir).as_bytes());
            logger.iter().for_each(|logger| put(logger.json(&log).as_bytes()));
        } else {
            rows.push(view.row(&name, logger.as_ref()));
        }
    }
    if !is_json {
        put(table(&rows, stdout().is_terminal()).as_bytes());
    }
}

/// What svscan would take for services.
fn names(scanned: &[u8]) -> Vec<Vec<u8>> {
    let mut names = entries(scanned)
        .unwrap_or_else(|errno| die::unable("svstat", &[b"read directory ", scanned].concat(), errno));
    names.retain(|name| !name.starts_with(b".") && is_directory(&[scanned, b"/", name].concat()));
    names.sort_unstable();
    names
}

fn entries(path: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = Dir::new(open(path, flags, Mode::empty())?)?;
    dir.map(|entry| Ok(entry?.file_name().to_bytes().to_vec())).collect()
}

fn is_directory(path: &[u8]) -> bool {
    std::path::Path::new(OsStr::from_bytes(path)).is_dir()
}

fn look(dir: &[u8], here: &OwnedFd) -> View {
    let view = match chdir(dir) {
        Ok(()) => View::here(),
        Err(errno) => View::Unable("chdir", words(errno)),
    };
    if let Err(errno) = fchdir(here) {
        die::unable("svstat", b"set directory", errno);
    }
    view
}

/// Whoever does not take all we say is not told a part of it as if it were all.
fn put(text: &[u8]) {
    if stdout().write_all(text).is_err() {
        std::process::exit(die::TROUBLE);
    }
}
