//! `faults`: makes faults by the thousand and prints what they cost, one line a family.
//!
//! The same for any logger: `docs/reliability.md` says what is done and how to read the figures. It exits 1 when ours has broken a
//! promise.
#![forbid(unsafe_code)]

mod options;

use std::io::{self, Write};
use std::process::ExitCode;

use options::{Options, Request};
use tests::faults::{
    ERRNO, Extent, FOUND, KILL, LATE, RANDOM, Row, Tally, Workload, cut, cut_here, double, errno, full,
    full_here, kill, late, random, signals, timed, writeback, writeback_here,
};

fn main() -> ExitCode {
    let done = options::parse().and_then(|request| match request {
        Request::Help => say(options::HELP).map(|()| true),
        Request::Faults(options) => all(&options),
        Request::Cut { logger, count, seed } => figures(cut_here(&logger, count, seed)),
        Request::Full { logger } => figures(full_here(&logger, ERRNO)),
        Request::Writeback { logger } => figures(writeback_here(&logger)),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            // Nowhere is left to report a failure to report.
            _ = writeln!(io::stderr(), "faults: fatal: {message}");
            ExitCode::from(111)
        }
    }
}

/// All families that are asked for; whether the logger has kept the promise in each.
fn all(options: &Options) -> Result<bool, String> {
    let Options { logger, command, extent, seed, .. } = options;
    say(&format!("{}, TEST_SEED={seed}\n{}\n", logger.name, Row::HEAD))?;
    let mut right = true;
    let mut family = |name: &str, tally: &dyn Fn() -> Tally| -> Result<(), String> {
        if !options.wants(name) {
            return Ok(());
        }
        let (tally, took) = timed(tally);
        right &= tally.is_right();
        let words: String =
            tally.words.iter().take(options.words).map(|word| format!("    {word}\n")).collect();
        say(&format!("{}\n{words}", Row { family: name, tally: &tally, took }))
    };
    let mut each =
        |what: &str, workloads: &[Workload], tally: &dyn Fn(&Workload) -> Tally| -> Result<(), String> {
            for workload in workloads.iter().filter(|workload| logger.can(workload)) {
                family(&format!("{what}: {}", workload.name), &|| tally(workload))?;
            }
            Ok(())
        };
    each("kill", KILL, &|workload| kill(logger, workload, *extent))?;
    each("kill, found", FOUND, &|workload| kill(logger, workload, *extent))?;
    let again = if logger.ours { KILL } else { &KILL[..2] };
    each("kill twice", again, &|workload| double(logger, workload, *extent, *seed))?;
    if logger.ours {
        // Others do not look before they take.
        each("kill, line in parts", LATE, &|workload| late(logger, workload, *extent))?;
    }
    each("TERM", ERRNO, &|workload| signals(logger, workload, *extent))?;
    each("errno", ERRNO, &|workload| errno(logger, workload, *extent))?;
    family("random kills", &|| random(logger, RANDOM, options.kills, *seed))?;
    family("full disk", &|| full(command))?;
    family("power cuts", &|| cut(command, options.cuts, *seed))?;
    family("failing writeback", &|| writeback(command))?;
    Ok(right || !logger.ours)
}

/// What was seen inside a namespace, for the program outside.
fn figures(tally: Result<Tally, String>) -> Result<bool, String> {
    let tally = tally?;
    let words: String = tally.words.iter().map(|word| format!("{}\n", word.replace('\n', " "))).collect();
    say(&format!("{words}{}\n", tally.figures()))?;
    Ok(true)
}

fn say(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| format!("unable to write: {error}"))
}

impl Options {
    fn wants(&self, family: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| family.starts_with(only.as_str()))
    }
}

/// How many random kills and power cuts there are.
fn counts(extent: Extent) -> (usize, usize) {
    match extent {
        Extent::Quick => (1_000, 200),
        Extent::Whole => (100_000, 1_000),
    }
}
