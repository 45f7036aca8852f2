//! The arguments of mlog, read into values.

use super::format::Format;
use super::when;
use crate::zone::Zone;
use logcore::label::Label;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What is done to lines for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whether {
    /// On a terminal.
    #[default]
    Auto,
    /// Wherever it goes.
    Always,
    /// Nowhere.
    Never,
}

/// What the arguments ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Log, service and scan directories; the one we are in when none is named.
    pub paths: Vec<PathBuf>,
    /// Wait for more at the end.
    pub follows: bool,
    /// Only the last so many lines; `None` is all.
    pub last: Option<u64>,
    /// No earlier lines.
    pub since: Option<Label>,
    /// No later lines.
    pub until: Option<Label>,
    /// Read everything, and go by stamps alone.
    pub reads_all: bool,
    /// Where the place is kept.
    pub cursor: Option<PathBuf>,
    /// Regular expressions of which one has to be found.
    pub include: Vec<String>,
    /// None of these may be found.
    pub exclude: Vec<String>,
    /// Only these services.
    pub services: Vec<String>,
    /// How lines are written.
    pub format: Format,
    /// Colours and dimmed times.
    pub colours: Whether,
    /// Control characters shown as text.
    pub escapes: Whether,
    /// Figures instead of lines.
    pub stat: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Read logs.
    Read(Box<Options>),
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// `--completion`: the text for a shell.
    Completion(&'static str),
}

/// The completions, by the name of the shell.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", include_str!("../../completions/mlog.bash")),
    ("zsh", include_str!("../../completions/_mlog")),
    ("fish", include_str!("../../completions/mlog.fish")),
];

/// Lines that are shown before `-f` waits, unless something else says where to begin.
const FOLLOWED_LINES: u64 = 10;

/// Reads the arguments, without the program's name. Times are relative to `now` in `zone`.
///
/// # Errors
/// What is wrong, for the user.
pub fn parse(arguments: Vec<OsString>, now: Label, zone: &Zone) -> Result<Request, String> {
    use lexopt::prelude::*;

    let mut options = Options::default();
    let mut last = None;
    let mut arguments = lexopt::Parser::from_args(arguments);
    let told = |error: lexopt::Error| error.to_string();
    while let Some(argument) = arguments.next().map_err(told)? {
        let name = match argument {
            Short(letter) => format!("-{letter}"),
            Long(word) => format!("--{word}"),
            Value(path) => {
                options.paths.push(path.into());
                continue;
            }
        };
        let mut value = || -> Result<String, String> {
            let value = arguments.value().map_err(told)?;
            value.into_string().map_err(|value| format!("{name}: not UTF-8: {}", value.to_string_lossy()))
        };
        match name.as_str() {
            "-f" | "--follow" => options.follows = true,
            "-n" | "--lines" => last = Some(lines(&value()?)?),
            "--since" => options.since = Some(moment(&name, &value()?, now, zone)?),
            "--until" => options.until = Some(moment(&name, &value()?, now, zone)?),
            "--all" => options.reads_all = true,
            "--cursor" => options.cursor = Some(arguments.value().map_err(told)?.into()),
            "-g" | "--grep" => options.include.push(value()?),
            "-x" | "--exclude" => options.exclude.push(value()?),
            "-s" | "--service" => options.services.push(value()?),
            "-o" | "--output" => options.format = one_of(&name, &value()?, &Format::NAMES)?,
            "--color" => options.colours = one_of(&name, &value()?, &WHETHER)?,
            "--escape" => options.escapes = one_of(&name, &value()?, &WHETHER)?,
            "--stat" => options.stat = true,
            "--completion" => return Ok(Request::Completion(one_of(&name, &value()?, &COMPLETIONS)?)),
            "--help" => return Ok(Request::Help),
            "--version" => return Ok(Request::Version),
            _ => return Err(format!("invalid option {name}")),
        }
    }
    let begins = options.since.is_some() || options.cursor.is_some();
    options.last = last.unwrap_or((options.follows && !begins).then_some(FOLLOWED_LINES));
    if options.follows && options.until.is_some() {
        return Err("--until and -f: what is written later is later".into());
    }
    if options.stat && (options.follows || options.last.is_some() || options.cursor.is_some()) {
        return Err("--stat: not with -f, -n or --cursor".into());
    }
    if options.stat && !matches!(options.format, Format::Local | Format::Json) {
        return Err("--stat: -o is json or nothing".into());
    }
    if options.paths.is_empty() {
        options.paths.push(".".into());
    }
    Ok(Request::Read(Box::new(options)))
}

const WHETHER: [(&str, Whether); 3] =
    [("auto", Whether::Auto), ("always", Whether::Always), ("never", Whether::Never)];

/// `None`: all of them.
fn lines(value: &str) -> Result<Option<u64>, String> {
    match value {
        "all" => Ok(None),
        number => {
            number.parse().map(Some).map_err(|_| format!("-n: a number of lines, or all, not {number}"))
        }
    }
}

fn moment(name: &str, value: &str, now: Label, zone: &Zone) -> Result<Label, String> {
    when::parse(value, now, zone)
        .ok_or_else(|| format!("{name}: {value} is no time; accepted are {}", when::ACCEPTED))
}

fn one_of<T: Copy>(name: &str, value: &str, names: &[(&str, T)]) -> Result<T, String> {
    let found = names.iter().find(|(name, _)| *name == value).map(|(_, what)| *what);
    let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    found.ok_or_else(|| format!("{name}: one of {}, not {value}", all.join(" ")))
}

impl Whether {
    /// Whether it is done, where the output is a terminal or not, and `NO_COLOR` says something or not.
    pub fn decide(self, is_terminal: bool, no: Option<&OsStr>) -> bool {
        match self {
            Whether::Auto => is_terminal && no.is_none_or(OsStr::is_empty),
            Whether::Always => true,
            Whether::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Request, String> {
        let arguments = arguments.iter().map(OsString::from).collect();
        parse(arguments, Label::from_unix(1_795_327_880, 0), &Zone::UTC)
    }

    fn options(arguments: &[&str]) -> Options {
        match parsed(arguments) {
            Ok(Request::Read(options)) => *options,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    #[test]
    fn options_are_read() {
        let plain = Options { paths: vec![".".into()], ..Options::default() };
        assert_eq!(options(&[]), plain);
        let moment = |seconds| Some(Label::from_unix(seconds, 0));
        let found = options(&[
            "-n5",
            "--since",
            "-2h",
            "--until=06:00",
            "-g",
            "a",
            "-gb",
            "-x",
            "c",
            "-s",
            "d",
            "e",
            "f",
        ]);
        let wanted = Options {
            paths: vec!["e".into(), "f".into()],
            last: Some(5),
            since: moment(1_795_320_680),
            until: moment(1_795_327_200),
            include: vec!["a".into(), "b".into()],
            exclude: vec!["c".into()],
            services: vec!["d".into()],
            ..Options::default()
        };
        assert_eq!(found, wanted);
        for (name, format) in Format::NAMES {
            assert_eq!(options(&["-o", name]).format, format);
        }
        assert_eq!(options(&["--color=always", "--escape", "never"]).colours, Whether::Always);
    }

    #[test]
    fn where_following_begins() {
        let check = |arguments: &[&str], wanted| assert_eq!(options(arguments).last, wanted, "{arguments:?}");
        check(&["-f"], Some(10));
        check(&["-f", "-n", "3"], Some(3));
        check(&["-f", "-n", "all"], None);
        check(&["-f", "--since", "today"], None);
        check(&["-f", "--cursor", "x"], None);
        check(&["-f", "--cursor", "x", "-n0"], Some(0));
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in [
            &["-q"][..],
            &["--lines"],
            &["-n", "-3"],
            &["-n", "x"],
            &["--since", "soon"],
            &["-o", "xml"],
            &["--color", "red"],
            &["-f", "--until", "now"],
            &["--stat", "-f"],
            &["--stat", "-o", "raw"],
            &["--completion", "csh"],
        ] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
        let message = parsed(&["--since", "soon"]).err().unwrap_or_default();
        assert!(message.contains("--since: soon is no time; accepted are 2026-11-22, "), "{message}");
    }

    /// What completes is what is understood.
    #[test]
    fn completions_name_every_option() {
        let help = include_str!("../bin/mlog.txt");
        let long = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
        let mut long: Vec<&str> = long.map(|word| word.trim_end_matches([',', '.', ';', ')'])).collect();
        long.sort_unstable();
        long.dedup();
        assert!(long.len() > 12, "{long:?}");
        for (shell, text) in COMPLETIONS {
            for option in &long {
                assert!(text.contains(option), "{shell} lacks --{option}");
            }
            for (name, _) in Format::NAMES {
                assert!(text.contains(name), "{shell} lacks -o {name}");
            }
        }
        for option in long {
            let found = parsed(&[&format!("--{option}")]);
            assert!(!found.is_err_and(|error| error.contains("invalid option")), "--{option} of the help");
        }
    }
}
