//! The command line.

use lexopt::{Arg, Parser, ValueExt};
use tests::faults::{Extent, Logger};
use tests::feeder::seed;

pub const HELP: &str = "\
usage: faults [--quick] [--logger COMMAND] [--only FAMILY] [--kills N] [--cuts N] [--words N]

Makes faults and prints what they cost: kills at each system call, errors of each system call, kills at random, full
disks, power cuts of a real ext4, a disk that does not keep what was written. One line a family: cases, cases that lost a
line, lines lost, lines there twice, pieces torn, loggers stuck, cases wrong in another way, seconds.

  --quick           what is affordable at each commit: minutes instead of hours
  --logger COMMAND  another logger than ours: s6-log, svlogd, the path of a multilog, or a command with {script}, or with
                    {stamp} {size} {num} {processor} {dir}
  --only FAMILY     families whose names begin so; may be given again
  --kills N         so many kills at random moments (100000; quick: 1000)
  --cuts N          so many power cuts (1000; quick: 200)
  --words N         so many faults of each family are told in words (5)

TEST_SEED=N repeats a run. Power cuts and failing writeback need root, loop devices and xfs_io.
";

/// What is asked for.
pub enum Request {
    Help,
    Faults(Options),
    /// This program again, as root of a mount namespace.
    Cut {
        logger: Logger,
        count: usize,
        seed: u64,
    },
    Full {
        logger: Logger,
    },
    Writeback {
        logger: Logger,
    },
}

pub struct Options {
    pub logger: Logger,
    /// What names the logger.
    pub command: String,
    pub extent: Extent,
    pub only: Vec<String>,
    pub kills: usize,
    pub cuts: usize,
    pub words: usize,
    pub seed: u64,
}

/// What the command line asks for.
pub fn parse() -> Result<Request, String> {
    read(Parser::from_env()).map_err(|error| error.to_string())
}

fn read(mut parser: Parser) -> Result<Request, lexopt::Error> {
    let (mut extent, mut command, mut only, mut words) = (Extent::Whole, String::new(), Vec::new(), 5);
    let (mut kills, mut cuts) = (None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("quick") => extent = Extent::Quick,
            Arg::Long("logger") => command = parser.value()?.string()?,
            Arg::Long("only") => only.push(parser.value()?.string()?),
            Arg::Long("kills") => kills = Some(parser.value()?.parse()?),
            Arg::Long("cuts") => cuts = Some(parser.value()?.parse()?),
            Arg::Long("words") => words = parser.value()?.parse()?,
            Arg::Long("inside") => return inside(parser),
            other => return Err(other.unexpected()),
        }
    }
    let (most_kills, most_cuts) = super::counts(extent);
    Ok(Request::Faults(Options {
        logger: logger(&command)?,
        command,
        extent,
        only,
        kills: kills.unwrap_or(most_kills),
        cuts: cuts.unwrap_or(most_cuts),
        words,
        seed: seed(),
    }))
}

/// `cut LOGGER COUNT SEED`, `full LOGGER` or `writeback LOGGER`.
fn inside(mut parser: Parser) -> Result<Request, lexopt::Error> {
    let family = parser.value()?.string()?;
    let mut value = || parser.value();
    Ok(match family.as_str() {
        "cut" => Request::Cut {
            logger: logger(&value()?.string()?)?,
            count: value()?.parse()?,
            seed: value()?.parse()?,
        },
        "full" => Request::Full { logger: logger(&value()?.string()?)? },
        _ => Request::Writeback { logger: logger(&value()?.string()?)? },
    })
}

/// Ours, where no other is named.
fn logger(command: &str) -> Result<Logger, lexopt::Error> {
    if command.is_empty() { Ok(Logger::ours()) } else { Logger::parse(command).map_err(Into::into) }
}
