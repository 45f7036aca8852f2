//! The command line.

use std::path::PathBuf;

use crate::case::{ALONE, CASES, MEMORY};
use crate::chain::CHAIN;
use crate::fail::Fail;
use crate::filters::FILTERS;
use crate::readers::READERS;
use crate::services::SERVICES;
use crate::tree::TREE;

pub const HELP: &str = "\
compare: our multilog beside the loggers that are installed, timed from outside.

usage: compare [OPTIONS]

  --bytes N           input of a case, 256M unless told; k, M, G are powers of 1000
  --rounds N          times each logger gets each input; the median counts; 5 unless told
  --only CASE         only this case; may be repeated
  --peer NAME=COMMAND one more logger, or another command for a known one; may be repeated
  --feed pipe|file    how the input arrives: 64 KiB writes into a pipe (unless told), or a regular file
  --dir DIR           where the logs go, each in a fresh directory that is removed again; /dev/shm unless told
  --smoke             everything once with little input: does it run?
  --help              this text

COMMAND is split at blanks and run without a shell. In it {dir} stands for the log directory and {script} for the
arguments our multilog gets before the directory, as in --peer fork='/opt/fork/bin/multilog {script} {dir}'.
Without {script} the command takes no part where patterns are asked for.

cases: qmail-t qmail-d qmail-plain 20-byte-t 200-byte-t 2000-byte-t 0-patterns 1-pattern 10-patterns 100-patterns
       100-often alone memory tai64n tai64nlocal chain services tree mlog-raw mlog-local mlog-grep
";

/// What the command line asks for.
pub enum Request {
    Help,
    Compare(Options),
}

/// How the input reaches a logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    Pipe,
    File,
}

/// Everything that can be chosen; the defaults are those of the published table.
#[derive(Debug)]
pub struct Options {
    /// Input bytes of a case before its [`crate::case::Case::part`] is taken.
    pub bytes: usize,
    /// At least 1.
    pub rounds: usize,
    /// Empty: every case.
    pub only: Vec<String>,
    pub peers: Vec<Named>,
    pub feed: Feed,
    pub dir: PathBuf,
    /// Little of everything that cannot be told in bytes and rounds.
    pub smoke: bool,
}

/// A logger from the command line.
#[derive(Debug)]
pub struct Named {
    pub name: String,
    /// At least one word.
    pub words: Vec<String>,
}

impl Options {
    /// True if the case of this name is to be run.
    pub fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == case)
    }
}

/// Reads the arguments, the program's name not among them.
pub fn parse(args: impl Iterator<Item = String>) -> Result<Request, Fail> {
    let mut options = Options {
        bytes: 256_000_000,
        rounds: 5,
        only: Vec::new(),
        peers: Vec::new(),
        feed: Feed::Pipe,
        dir: "/dev/shm".into(),
        smoke: false,
    };
    let mut args = args;
    while let Some(argument) = args.next() {
        let (option, mut given) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option.to_owned(), Some(value.to_owned())),
            _ => (argument, None),
        };
        let mut value = || {
            given.take().or_else(|| args.next()).ok_or_else(|| Fail::new(format!("use {option}"), "no value"))
        };
        match option.as_str() {
            "--help" => return Ok(Request::Help),
            "--smoke" => (options.smoke, options.bytes, options.rounds) = (true, 4_000_000, 1),
            "--bytes" => options.bytes = number(&option, &value()?)?,
            "--rounds" => options.rounds = number(&option, &value()?)?,
            "--only" => options.only.push(case(value()?)?),
            "--peer" => options.peers.push(peer(&value()?)?),
            "--feed" => options.feed = feed(&value()?)?,
            "--dir" => options.dir = value()?.into(),
            _ => return Err(Fail::new(format!("use {option}"), "no such option, see --help")),
        }
    }
    Ok(Request::Compare(options))
}

/// A positive number, with a suffix or without.
fn number(option: &str, text: &str) -> Result<usize, Fail> {
    let (digits, unit) = match text.strip_suffix(['k', 'M', 'G']) {
        Some(digits) if text.ends_with('k') => (digits, 1000),
        Some(digits) if text.ends_with('M') => (digits, 1_000_000),
        Some(digits) => (digits, 1_000_000_000),
        None => (text, 1),
    };
    let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|&number| number > 0)
        .ok_or_else(|| Fail::new(format!("use {option} {text}"), "not a number"))
}

fn case(name: String) -> Result<String, Fail> {
    let known = names().any(|known| known == name);
    if known { Ok(name) } else { Err(Fail::new(format!("use --only {name}"), "no such case, see --help")) }
}

/// Everything that can be asked for by name.
fn names() -> impl Iterator<Item = &'static str> {
    let filters = FILTERS.iter().map(|filter| filter.name);
    let readers = READERS.iter().map(|reader| reader.name);
    let own = [ALONE, MEMORY, CHAIN, SERVICES, TREE];
    CASES.iter().map(|case| case.name).chain(own).chain(filters).chain(readers)
}

fn peer(text: &str) -> Result<Named, Fail> {
    let (name, command) = text.split_once('=').unwrap_or((text, ""));
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    if name.is_empty() || words.is_empty() {
        return Err(Fail::new(format!("use --peer {text}"), "not NAME=COMMAND"));
    }
    Ok(Named { name: name.into(), words })
}

fn feed(text: &str) -> Result<Feed, Fail> {
    match text {
        "pipe" => Ok(Feed::Pipe),
        "file" => Ok(Feed::File),
        _ => Err(Fail::new(format!("use --feed {text}"), "neither pipe nor file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Result<Options, Fail> {
        match parse(args.iter().map(|&arg| arg.to_owned()))? {
            Request::Compare(options) => Ok(options),
            Request::Help => panic!("{args:?} asked for help"),
        }
    }

    #[test]
    fn both_ways_to_give_a_value() {
        assert_eq!(options(&["--bytes", "3M"]).expect("apart").bytes, 3_000_000);
        assert_eq!(options(&["--bytes=2k"]).expect("joined").bytes, 2000);
        let peer = &options(&["--peer=fork=/x/multilog {script} {dir}"]).expect("peer").peers[0];
        assert_eq!((peer.name.as_str(), peer.words.len()), ("fork", 3));
    }

    #[test]
    fn mistakes_are_named() {
        let check = |args: &[&str], expected: &str| {
            assert_eq!(options(args).expect_err("accepted").to_string(), expected, "{args:?}");
        };
        check(&["--bytes", "0"], "unable to use --bytes 0: not a number");
        check(&["--rounds"], "unable to use --rounds: no value");
        check(&["--only", "x"], "unable to use --only x: no such case, see --help");
        check(&["--peer", "x"], "unable to use --peer x: not NAME=COMMAND");
        check(&["--fast"], "unable to use --fast: no such option, see --help");
    }

    #[test]
    fn help_knows_every_case() {
        for name in names() {
            assert!(HELP.split_whitespace().any(|word| word == name), "{name} is not in the help");
        }
    }
}
