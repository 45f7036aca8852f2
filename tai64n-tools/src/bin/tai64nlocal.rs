//! tai64nlocal: shows the TAI64N label at the beginning of each line as local time.
//!
//! Without arguments it is the original's filter, and as quiet. With files and log directories it is a reader of its own.
#![forbid(unsafe_code)]

use std::io::{Write, stderr, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use tai64n_tools::descriptor::{Descriptor, complaint};
use tai64n_tools::escape::shown;
use tai64n_tools::files;
use tai64n_tools::filter::Filter;
use tai64n_tools::local::{Form, LocalTime};
use tai64n_tools::zone::{Machine, Zone};

/// Shown for `--help`; fits a screen.
const HELP: &str = include_str!("tai64nlocal.txt");

/// Wrong usage: no use to try again.
const USAGE: u8 = 100;
/// Something could not be read or written.
const TROUBLE: u8 = 111;

/// More threads than this only wait for the output.
const MOST_WORKERS: usize = 8;

/// What the arguments ask for.
enum Request {
    Show(&'static str),
    Convert { utc: bool, form: Form, paths: Vec<PathBuf> },
}

fn main() -> ExitCode {
    let done = match parse() {
        Ok(Request::Show(text)) => Descriptor(stdout()).write_all(text.as_bytes()).is_ok(),
        Ok(Request::Convert { utc, form, paths }) => {
            let variable = |name| std::env::var_os(name);
            let machine = (!utc && variable("TZ").is_none()).then(Machine::new);
            let zone = if utc {
                Zone::UTC
            } else {
                Zone::named(variable("TZ").as_deref(), variable("TZDIR").as_deref())
            };
            let mut local = LocalTime::new(zone, form);
            if paths.is_empty() {
                // A filter runs as long as its log.
                if let Some(machine) = machine {
                    local = local.following(machine);
                }
                Filter::new(local, true).run(&mut Descriptor(stdin()), &mut Descriptor(stdout())).is_ok()
            } else {
                convert(paths, &local)
            }
        }
        Err(_) => {
            say("usage", "tai64nlocal [-uim] [FILE | DIRECTORY]...");
            return ExitCode::from(USAGE);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::from(TROUBLE) }
}

fn parse() -> Result<Request, lexopt::Error> {
    use lexopt::prelude::*;

    let (mut utc, mut form, mut paths) = (false, Form::default(), Vec::new());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('u') => utc = true,
            Short('i') => form.rfc3339 = true,
            Short('m') => form.millis = true,
            Long("help") => return Ok(Request::Show(HELP)),
            Long("version") => {
                return Ok(Request::Show(concat!("tai64nlocal ", env!("CARGO_PKG_VERSION"), "\n")));
            }
            Value(path) => paths.push(path.into()),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Request::Convert { utc, form, paths })
}

/// Whether all files could be read and written.
fn convert(paths: Vec<PathBuf>, local: &LocalTime) -> bool {
    let workers = available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    let warn = &mut |message: String| say("warning", &message);
    files::convert(paths, local, workers, stdout(), warn).unwrap_or_else(|errno| {
        if let Some(message) = complaint(errno) {
            say("fatal", &message);
        }
        false
    })
}

/// Puts our name and the level before a message. When nobody reads standard error it is dropped.
fn say(level: &str, message: &str) {
    let _ = stderr().write_all(format!("tai64nlocal: {level}: {}\n", shown(message)).as_bytes());
}
