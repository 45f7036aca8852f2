//! svscanboot: runs svscan and readproctitle, hands signals on to svscan, and ends when svscan does.
//!
//! The original is a shell script whose end nobody sees when svscan dies, and which passes no signal on. Here the parent
//! stays: it starts again what reads the errors, and as the first process it reaps orphans.
#![forbid(unsafe_code)]

use logcore::disk::{Disk, RealDisk};
use logcore::strerr::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, WaitOptions, kill_process, wait};
use rustix::stdio::{dup2_stdin, dup2_stdout};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use supervise_lite::errors::Errors;
use supervise_lite::scandir::{Locked, ScanDir};
use supervise_lite::signals::{Signal, Signals};
use supervise_lite::sys::{self, Program, Words};
use supervise_lite::{chain, die, help};

const PROGRAM: &str = "svscanboot";
/// Shown for `--help`.
const HELP: &str = include_str!("svscanboot.txt");
/// The scan directory.
const DIRECTORY: &str = "/service";
/// All that svscan and the services have of an environment.
const PATH: &str = "/command:/usr/local/bin:/usr/local/sbin:/bin:/sbin:/usr/bin:/usr/sbin:/usr/X11R6/bin";
/// What readproctitle has room for.
const DOTS: [u8; 400] = [b'.'; 400];
/// The name of the process that passes the errors on; pgrep is to find one svscanboot.
const PASSER: &str = "svscanboot-copy";
/// Between two starts of what reads the errors.
const PACE: Duration = Duration::from_secs(1);
/// For so long the last errors may take to their readers when svscan has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn main() {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, PROGRAM, HELP);
    arguments.truncate(1);
    let directory = arguments.pop().unwrap_or_else(|| OsString::from(DIRECTORY));
    begin(&directory);
    let code = match Boot::new(&directory) {
        Ok(boot) => boot.run(),
        Err((doing, errno)) => die::unable(PROGRAM, doing, errno),
    };
    std::process::exit(code)
}

/// Stops what an earlier svscan has left behind: its services, and their loggers when they have read everything. If svscan
/// runs, it is left alone, and this is our end.
fn begin(directory: &OsStr) {
    // Where there is no directory svscan will say so.
    let Ok(mut dir) = ScanDir::open(directory) else { return };
    if dir.lock() == Locked::Taken {
        let held = [b"unable to lock ", directory.as_bytes(), b": another svscan is running there"].concat();
        die::fatal(PROGRAM, &held);
    }
    // With svscan its end of each log pipe has gone: a logger that is told to end leaves lines that nobody can read. One that
    // is down is started for them.
    dir.order_all(b"dx", b"oxc");
}

/// What could not be done at the start, and why.
type Failure = (&'static [u8], Errno);

/// A reader of the errors.
#[derive(Default)]
struct Reader {
    pid: Option<Pid>,
    next: Duration,
}

struct Boot {
    signals: Signals,
    errors: Errors,
    environment: Words,
    /// For what nobody is to read.
    null: OwnedFd,
    svscan: Pid,
    passer: Reader,
    title: Reader,
}

impl Boot {
    /// Starts everything.
    fn new(directory: &OsStr) -> Result<Boot, Failure> {
        let open_null = |way| {
            open("/dev/null", way | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| (&b"open /dev/null"[..], errno))
        };
        let (input, null) = (open_null(OFlags::RDONLY)?, open_null(OFlags::WRONLY)?);
        // Whoever we got them from must not wait for us. The numbers are always open.
        let _ = (dup2_stdin(&input), dup2_stdout(&null));
        sys::forget_blocked();
        let listened = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM, Signal::SIGCHLD];
        let signals = Signals::listen(&listened).map_err(|errno| (&b"receive signals"[..], errno))?;
        let mut errors = Errors::new().map_err(|errno| (&b"create pipe"[..], errno))?;
        let environment = Words::new(CString::new(format!("PATH={PATH}")).into_iter().collect());
        // An argument has no NUL.
        let directory = CString::new(directory.as_bytes()).unwrap_or_default();
        let arguments = Words::new(vec![c"svscan".to_owned(), directory]);
        let output = errors.writer().unwrap_or(null.as_fd());
        let descriptors = [(input.as_fd(), 0), (output, 1), (output, 2)];
        let svscan = start("svscan", &arguments, &environment, &descriptors)
            .map_err(|errno| (&b"start svscan"[..], errno))?;
        errors.shut();
        let [passer, title] = [Reader::default(), Reader::default()];
        Ok(Boot { signals, errors, environment, null, svscan, passer, title })
    }

    /// Until svscan has ended: its exit code, or 111 if a signal ended it.
    fn run(mut self) -> i32 {
        let code = loop {
            self.start_readers();
            self.wait(self.due());
            while let Some(signal) = self.signals.take() {
                if signal != Signal::SIGCHLD {
                    self.pass(signal);
                }
            }
            if let Some(code) = self.reap() {
                break code;
            }
        };
        // Services that go on keep the errors open, so this has a limit.
        let end = RealDisk.uptime() + LAST_WORDS;
        while self.passer.pid.is_some() && RealDisk.uptime() < end {
            self.wait(Some(end));
            while self.signals.take().is_some() {}
            self.reap();
        }
        code
    }

    /// What reads the errors, if it does not run and may be started.
    fn start_readers(&mut self) {
        let now = RealDisk.uptime();
        if self.passer.pid.is_none() && self.passer.next <= now {
            self.passer = Reader { pid: self.start_passer(), next: now + PACE };
        }
        if self.title.pid.is_none() && self.title.next <= now {
            self.title = Reader { pid: self.start_title(), next: now + PACE };
        }
    }

    /// The process that passes the errors on. Our signals are blocked in it: it ends with the errors.
    fn start_passer(&mut self) -> Option<Pid> {
        match sys::fork() {
            Ok(None) => {
                // Only for those who look.
                let _ = std::fs::write("/proc/self/comm", PASSER);
                self.errors.pass_on();
                std::process::exit(0)
            }
            Ok(child) => child,
            // Tried again; meanwhile the errors stay in their pipe.
            Err(_) => None,
        }
    }

    fn start_title(&self) -> Option<Pid> {
        let words = ["readproctitle", "service", "errors:"].map(|word| word.as_bytes().to_vec());
        let words = words.into_iter().chain([DOTS.to_vec()]);
        // None has a NUL.
        let arguments = Words::new(words.filter_map(|word| CString::new(word).ok()).collect());
        let null = self.null.as_fd();
        let descriptors = [(self.errors.title(), 0), (null, 1), (null, 2)];
        start("readproctitle", &arguments, &self.environment, &descriptors).ok()
    }

    /// When a reader may be started again; `None`: both run.
    fn due(&self) -> Option<Duration> {
        [&self.passer, &self.title]
            .iter()
            .filter(|reader| reader.pid.is_none())
            .map(|reader| reader.next)
            .min()
    }

    fn wait(&self, due: Option<Duration>) {
        let left = due.map(|due| due.saturating_sub(RealDisk.uptime()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        // Whatever ends it, everything is looked at again.
        let _ = poll(&mut [PollFd::new(&self.signals, PollFlags::IN)], left.as_ref());
    }

    fn pass(&self, signal: Signal) {
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
            // It has ended, then, and we are about to hear of it.
            let _ = kill_process(self.svscan, signal);
        }
    }

    /// All children that have ended, orphans that came to us as the first process included. The code to exit with, if svscan
    /// was among them.
    fn reap(&mut self) -> Option<i32> {
        let mut code = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == self.svscan {
                code = Some(status.exit_status().unwrap_or(die::TROUBLE));
            }
            for reader in [&mut self.passer, &mut self.title] {
                if reader.pid == Some(pid) {
                    reader.pid = None;
                }
            }
        }
        code
    }
}

/// A program of our `PATH`. One that could not be executed is no child of ours any more.
fn start(
    name: &str,
    arguments: &Words,
    environment: &Words,
    descriptors: &[(BorrowedFd<'_>, i32)],
) -> Result<Pid, Errno> {
    let candidates = chain::candidates(OsStr::new(name), Some(OsStr::new(PATH)));
    let child = sys::spawn(&Program {
        candidates: &candidates,
        arguments,
        environment,
        way: &[],
        descriptors,
        open_files: None,
    })?;
    match child.failed() {
        None => Ok(child.pid),
        Some(sys::Failed::Descriptors(errno) | sys::Failed::Directory(errno) | sys::Failed::Exec(errno)) => {
            Err(errno)
        }
    }
}
