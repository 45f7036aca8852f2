//! mlog: reads log directories as journalctl reads the journal.
#![forbid(unsafe_code)]

use logcore::disk::{Disk, RealDisk};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use tai64n_tools::descriptor::{Descriptor, complaint};
use tai64n_tools::escape::shown;
use tai64n_tools::mlog::{self, Fail, Request, Surroundings};
use tai64n_tools::zone::Zone;

/// Shown for `--help`; fits a screen.
const HELP: &str = include_str!("mlog.txt");

/// Wrong usage: no use to try again.
const USAGE: u8 = 100;
/// Something could not be read or written.
const TROUBLE: u8 = 111;

fn main() -> ExitCode {
    let variable = |name| std::env::var_os(name);
    let zone = Zone::named(variable("TZ").as_deref(), variable("TZDIR").as_deref());
    let arguments = std::env::args_os().skip(1).collect();
    let done = match mlog::parse(arguments, RealDisk.now(), &zone) {
        Ok(Request::Help) => show(HELP),
        Ok(Request::Version) => show(concat!("mlog ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Request::Completion(text)) => show(text),
        Ok(Request::Read(options)) => {
            raise_open_files();
            mlog::read(&options, &surroundings(zone), stdout(), &mut |message| say("warning", message))
        }
        Err(mistake) => Err(Fail::Usage(mistake)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(TROUBLE),
        Err(Fail::Output(errno)) => {
            if let Some(message) = complaint(errno) {
                say("fatal", &message);
            }
            ExitCode::from(TROUBLE)
        }
        Err(Fail::Unable(message)) => {
            say("fatal", &message);
            ExitCode::from(TROUBLE)
        }
        Err(Fail::Usage(mistake)) => {
            say("usage", &format!("{mistake} (mlog --help)"));
            ExitCode::from(USAGE)
        }
    }
}

fn surroundings(zone: Zone) -> Surroundings {
    let is_terminal = stdout().is_terminal();
    let size = rustix::termios::tcgetwinsize(stdout()).ok().map(|size| usize::from(size.ws_col));
    let host = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    Surroundings {
        zone,
        host: host.trim_ascii().to_vec(),
        // A terminal that does not tell its width is an old one.
        terminal: is_terminal.then(|| size.filter(|columns| *columns > 0).unwrap_or(80)),
        no_color: std::env::var_os("NO_COLOR"),
        // Behind a pipe there may be a pager on the same terminal.
        shows_progress: stderr().is_terminal() && !is_pipe(),
    }
}

/// Each log takes two descriptors, and a scan directory may have a thousand. What cannot be raised is named when it is short.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn is_pipe() -> bool {
    let stat = rustix::fs::fstat(stdout());
    stat.is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Fifo)
}

fn show(text: &str) -> Result<bool, Fail> {
    Descriptor(stdout()).write_all(text.as_bytes())?;
    Ok(true)
}

/// Puts our name and the level before a message. When nobody reads standard error it is dropped.
fn say(level: &str, message: &str) {
    let _ = stderr().write_all(format!("mlog: {level}: {}\n", shown(message)).as_bytes());
}
