//! How each logger is told to do the same work.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use benches::star::to_regex;

use crate::answer::Answer;
use crate::case::{Case, Stamp};
use crate::fail::{Fail, Unable};
use crate::input::{FILE_BYTES, Input};
use crate::scratch::Place;

/// A logger.
pub struct Peer {
    /// As the tables call it.
    pub name: String,
    pub program: PathBuf,
    pub kind: Kind,
}

/// The language a logger speaks.
pub enum Kind {
    Ours,
    Daemontools,
    S6,
    Svlogd,
    /// No logger at all: what it costs to move the bytes. One file, no stamp, no pattern, no rotation.
    Cat,
    /// From the command line: the arguments, before anything is put in their place.
    Named(Vec<String>),
}

/// One logger's work in one case: how to start it, and what must be in its log at the end.
pub struct Job {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    stdout: Option<PathBuf>,
    pub expected_lines: u64,
    /// `None` where we cannot know how the logger stamps.
    pub expected_bytes: Option<u64>,
}

impl Peer {
    /// The work of this logger on `input`, prepared in `place`; `None` if it has no means for it.
    pub fn job(&self, input: &Input, place: &Place) -> Result<Option<Job>, Fail> {
        let (case, log) = (input.case, place.log());
        let job = |arguments: Vec<OsString>, stamp_bytes: usize| {
            let Answer { lines, bytes } = input.kept;
            let (program, expected_bytes) = (self.program.clone(), Some(bytes + lines * stamp_bytes as u64));
            Job { program, arguments, stdout: None, expected_lines: lines, expected_bytes }
        };
        Ok(match &self.kind {
            Kind::Daemontools if case.stamp == Stamp::Local => None,
            Kind::Ours | Kind::Daemontools => {
                let arguments = script(input).into_iter().map(OsString::from).chain([log.into()]);
                Some(job(arguments.collect(), case.stamp.len()))
            }
            // -b: write before reading on, as everybody else here does.
            Kind::S6 => {
                let (stamp, stamp_bytes) = s6_stamp(case.stamp);
                let num = format!("n{}", input.num());
                let settings = ["-b".into(), "--".into(), num, format!("s{FILE_BYTES}")].into_iter();
                let selection =
                    unstamped(case).map(|(sign, pattern)| format!("{sign}{}", to_regex(&pattern)));
                let words = settings.chain(selection).chain(stamp.map(str::to_owned));
                Some(job(words.map(OsString::from).chain([log.into()]).collect(), stamp_bytes))
            }
            // Its readable stamps are UTC to ten microseconds: other work than `d`.
            Kind::Svlogd if case.stamp == Stamp::Local => None,
            Kind::Svlogd => {
                configure_svlogd(&log, input)?;
                let stamp = case.stamp.action().map(|_| OsString::from("-t"));
                Some(job(stamp.into_iter().chain([log.into()]).collect(), case.stamp.len()))
            }
            Kind::Cat => {
                let Answer { lines, bytes } = input.whole;
                let stdout = Some(log.join("current"));
                Some(Job { stdout, expected_lines: lines, expected_bytes: Some(bytes), ..job(Vec::new(), 0) })
            }
            Kind::Named(words) => {
                let scripted = words.iter().any(|word| word == "{script}");
                let arguments = words.iter().flat_map(|word| named_word(word, input, &log)).collect();
                let expected = job(arguments, case.stamp.len());
                let unscripted = |job: Job| Job { expected_bytes: None, ..job };
                match (scripted, case.patterns) {
                    (true, _) => Some(expected),
                    (false, 0) => Some(unscripted(expected)),
                    (false, _) => None,
                }
            }
        })
    }
}

impl Job {
    /// The command, with this standard input.
    pub fn command(&self, stdin: Stdio) -> Result<Command, Fail> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.connect(&mut command, stdin)?;
        Ok(command)
    }

    /// Gives `command` the descriptors of this job.
    pub fn connect(&self, command: &mut Command, stdin: Stdio) -> Result<(), Fail> {
        command.stdin(stdin).stdout(Stdio::null());
        if let Some(path) = &self.stdout {
            command.stdout(File::create(path).unable_to(|| format!("create {}", path.display()))?);
        }
        Ok(())
    }

    /// What is wrong with a log that holds `found`, or nothing.
    pub fn mistake(&self, found: Answer) -> Option<String> {
        if found.lines != self.expected_lines {
            return Some(format!("{} lines in the log instead of {}", found.lines, self.expected_lines));
        }
        let expected = self.expected_bytes.filter(|&bytes| bytes != found.bytes)?;
        Some(format!("{} bytes in the log instead of {expected}", found.bytes))
    }
}

/// The arguments of multilog before the directory.
fn script(input: &Input) -> Vec<String> {
    let stamp = input.case.stamp.action().map(str::to_owned);
    let sizes = [format!("s{FILE_BYTES}"), format!("n{}", input.num())];
    stamp.into_iter().chain(input.case.patterns()).chain(sizes).collect()
}

/// Sign and pattern, for loggers that match the line before they stamp it.
fn unstamped(case: &Case) -> impl Iterator<Item = (char, String)> {
    let split = |action: String| (action.chars().next().unwrap_or('-'), action[1..].to_owned());
    benches::patterns::unstamped(case.patterns, case.matches).into_iter().map(split)
}

/// The directive of s6-log for a stamp, and how many bytes it then writes.
fn s6_stamp(stamp: Stamp) -> (Option<&'static str>, usize) {
    match stamp {
        Stamp::None => (None, 0),
        Stamp::Tai64n => (Some("t"), stamp.len()),
        // Two blanks follow where multilog has one.
        Stamp::Local => (Some("T"), stamp.len() + 1),
    }
}

fn configure_svlogd(log: &Path, input: &Input) -> Result<(), Fail> {
    let mut config = format!("s{FILE_BYTES}\nn{}\n", input.num());
    for (sign, pattern) in unstamped(input.case) {
        config += &format!("{sign}{pattern}\n");
    }
    let path = log.join("config");
    fs::write(&path, config).unable_to(|| format!("write {}", path.display()))
}

fn named_word(word: &str, input: &Input, log: &Path) -> Vec<OsString> {
    match word {
        "{script}" => script(input).into_iter().map(OsString::from).collect(),
        "{dir}" => vec![log.into()],
        // Part of a longer word, as in --output={dir}/current.
        _ => vec![word.replace("{dir}", &log.to_string_lossy()).into()],
    }
}
