//! svc: gives orders to the supervises of service directories, and waits for their effect if told so.
#![forbid(unsafe_code)]

use logcore::strerr::{Errno, words};
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::process::{chdir, fchdir};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};
use supervise_lite::options::{Options, Wrong};
use supervise_lite::supervised::{open_control, order};
use supervise_lite::watch::{Before, Watched, wait};
use supervise_lite::{die, help, openfiles};

const HELP: &str = include_str!("svc.txt");
const OPTIONS: &str = "svc options: u up, d down, o once, x exit, p pause, c continue, h hup, a alarm, i interrupt, \
                       t term, k kill, q quit, 1 usr1, 2 usr2, w wait\n";
/// With -w: not every directory got there.
const NOT_REACHED: i32 = 1;

fn main() {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    help::answer(&arguments, "svc", HELP);
    let call = parse(&arguments).unwrap_or_else(|wrong| refuse(&called, wrong));
    match call.limit {
        None => {
            each(call.dirs, |dir| command(dir, &call.letters).is_some());
        }
        Some(limit) if !all_reached(&call, limit) => std::process::exit(NOT_REACHED),
        Some(_) => (),
    }
}

/// What svc is told.
struct Call<'a> {
    /// In their order, each once.
    letters: Vec<u8>,
    /// How long to wait for the effect; `None`: not at all.
    limit: Option<Duration>,
    dirs: &'a [OsString],
}

/// Errors: an option that is none, or `None` for -w without a number.
fn parse(arguments: &[OsString]) -> Result<Call<'_>, Option<Wrong>> {
    let (mut letters, mut limit) = (Vec::new(), None);
    let mut options = Options::new(arguments, b"udopchaitkxq12w:");
    for option in options.by_ref() {
        match option.map_err(Some)? {
            (b'w', seconds) => limit = Some(Duration::from_secs(number(seconds).ok_or(None)?)),
            (letter, _) if letters.contains(&letter) => (),
            (letter, _) => letters.push(letter),
        }
    }
    Ok(Call { letters, limit, dirs: options.operands() })
}

fn number(text: &OsStr) -> Option<u64> {
    text.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

fn refuse(called: &OsStr, wrong: Option<Wrong>) -> ! {
    let line = wrong.map(|wrong| wrong.line(called)).unwrap_or_default();
    // Nowhere is left to report a failure to report.
    let _ = rustix::io::write(rustix::stdio::stderr(), &[&line, OPTIONS.as_bytes()].concat());
    std::process::exit(die::USAGE)
}

/// Does the work in each directory, starting from where we are; whether it went well in all.
fn each<'a>(dirs: &'a [OsString], mut work: impl FnMut(&'a [u8]) -> bool) -> bool {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let here = open(".", flags, Mode::empty())
        .unwrap_or_else(|errno| die::unable("svc", b"open current directory", errno));
    let mut all_well = true;
    for dir in dirs.iter().map(|dir| dir.as_bytes()) {
        all_well &= match chdir(dir) {
            Ok(()) => work(dir),
            Err(errno) => {
                warn(&[b"unable to chdir to ", dir], errno);
                false
            }
        };
        if let Err(errno) = fchdir(&here) {
            die::unable("svc", b"set directory", errno);
        }
    }
    all_well
}

/// Writes the letters to the control of the current directory, which stays open.
fn command(dir: &[u8], letters: &[u8]) -> Option<OwnedFd> {
    tell(open_control(CWD), dir, letters)
}

/// `control`: whether it could be opened.
fn tell(control: Result<OwnedFd, Errno>, dir: &[u8], letters: &[u8]) -> Option<OwnedFd> {
    let control = match control {
        Ok(control) => control,
        Err(Errno::NXIO) => {
            die::say("svc", "warning", &[b"unable to control ", dir, b": supervise not running"].concat());
            return None;
        }
        Err(errno) => {
            warn(&[b"unable to control ", dir], errno);
            return None;
        }
    };
    match order(&control, letters) {
        Ok(()) => Some(control),
        Err(errno) => {
            warn(&[b"error writing commands to ", dir], errno);
            None
        }
    }
}

/// Writes the letters here, between two looks; where there can be no look, all the same. `spare`: a descriptor for that.
fn watch<'a>(dir: &'a [u8], letters: &[u8], spare: &mut Option<OwnedFd>) -> Option<Watched<'a>> {
    let errno = match Before::here() {
        Ok(before) => match open_control(CWD) {
            Err(errno @ (Errno::MFILE | Errno::NFILE)) => errno,
            control => return Some(Watched::new(dir, before, tell(control, dir, letters)?, letters)),
        },
        Err(errno) => errno,
    };
    *spare = None;
    warn(&[b"unable to watch ", dir], errno);
    command(dir, letters);
    *spare = a_descriptor();
    None
}

/// One to be given up when there are no others.
fn a_descriptor() -> Option<OwnedFd> {
    open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Writes the letters everywhere, then waits for all; whether everybody got there.
fn all_reached(call: &Call<'_>, limit: Duration) -> bool {
    // A limit beyond the end of the clock is none.
    let end = Instant::now().checked_add(limit);
    let mut waiting = Vec::new();
    // Three are held for each directory.
    openfiles::raise();
    let mut spare = a_descriptor();
    let all_told = each(call.dirs, |dir| {
        let watched = watch(dir, &call.letters, &mut spare);
        let is_told = watched.is_some();
        waiting.extend(watched);
        is_told
    });
    // To look takes one.
    drop(spare);
    let late = wait(waiting, end);
    for watched in &late {
        warn(&[b"unable to see the effect on ", watched.dir], Errno::TIMEDOUT);
    }
    all_told && late.is_empty()
}

/// `svc: warning: WHAT: reason`
fn warn(what: &[&[u8]], errno: Errno) {
    die::say("svc", "warning", &[&what.concat(), &b": "[..], words(errno).as_bytes()].concat());
}
