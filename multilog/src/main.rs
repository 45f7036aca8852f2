//! multilog: reads lines from standard input and appends them to rotated log directories, losing none.
//!
//! A thin front end: arguments → [`Script`] → [`Pump`]. Everything that happens to a line is in logcore.
#![forbid(unsafe_code)]

use logcore::disk::RealDisk;
use logcore::explain::explain;
use logcore::io::RealIo;
use logcore::pump::{End, Pump};
use logcore::script::Script;
use logcore::signals::Signals;
use logcore::stream::Stream;
use logcore::strerr::{self, Error};
use rustix::stdio::{stderr, stdin, stdout};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Shown for `--help`; fits a screen.
const HELP: &str = include_str!("help.txt");

/// A temporary problem: the supervisor starts us again.
const TROUBLE: u8 = 111;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [only] = &arguments[..] {
        match only.to_str() {
            Some("--help") => return show(HELP),
            Some("--version") => return show(concat!("multilog ", env!("CARGO_PKG_VERSION"), "\n")),
            _ => (),
        }
    }
    if let Some((first, script)) = arguments.split_first()
        && first == "--explain"
    {
        return show(&explain(&parse(script)));
    }
    match log(&arguments) {
        Ok(End::Clean) => ExitCode::SUCCESS,
        Ok(End::Failed) => ExitCode::from(TROUBLE),
        Err(error) => {
            say("fatal", &error.to_string());
            ExitCode::from(TROUBLE)
        }
    }
}

/// The script; its warnings are said.
fn parse(arguments: &[OsString]) -> Script {
    let script = Script::parse(arguments);
    script.warnings.iter().for_each(|warning| say("warning", warning));
    script
}

fn log(arguments: &[OsString]) -> Result<End, Error> {
    // An ALRM that comes now is for later.
    let signals = Signals::block()?;
    // Before anything is opened: what we inherited beside 0, 1 and 2 is no business of our processors.
    close_fds::set_fds_cloexec(3, &[]);
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let script = parse(arguments);
    let mut warn = |message: String| say("warning", &message);
    let io = RealIo::new(stdin(), stdout(), stderr(), signals)?;
    let pump = Pump::new(script, io, RealDisk, boot_id(), &mut warn)?;
    Ok(pump.run(&mut warn))
}

/// The id of this run of the machine, which tells whether what is in a directory survived in the page cache.
fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// What a stream takes at once.
const MESSAGE_PIECE: usize = 4096;

/// Puts our name and the level before a message. When nobody reads standard error any more, or it takes nothing now, the
/// message is dropped: we have lines to log.
fn say(level: &str, message: &str) {
    let text = strerr::bytes(&format!("multilog: {level}: {message}\n"));
    let (mut stream, mut rest) = (Stream::new(stderr()), &text[..]);
    // Nowhere is left to report a failure to report.
    while let Ok(written @ 1..) = stream.write(&rest[..rest.len().min(MESSAGE_PIECE)]) {
        rest = &rest[written..];
    }
}

fn show(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(TROUBLE),
    }
}
