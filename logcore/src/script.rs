//! Turns multilog's arguments into a [`Script`]: the stamp, the rules, and each destination with what is in force for it.
//!
//! Nothing is opened. What is not understood is left out and warned about, once, by name: a logger that refuses to start
//! loses logs. Source of the actions: multilog.c of daemontools 0.76 and of its fork 0.82, daemontools-encore's multilog.8,
//! and our own `i`, `R`, `o`, `U`, `sunlimited`, size suffixes, `y`, `r`, `b`, `a` and `p`.

use crate::cyclog::{Config, MARK, Sync};
use crate::label::LABEL_BYTES;
use crate::pattern::Pattern;
use crate::select::{Rule, Sign};
use crate::stamp::StampKind;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// Least size of a log file, bytes.
pub const SIZE_LEAST: u64 = 4096;
/// Greatest size of a log file unless `U` lifts it, bytes: 100 MiB, as in the fork.
const SIZE_MOST: u64 = 104_857_600;
/// Least number of log files, `current` among them.
const NUM_LEAST: usize = 2;
/// Most bytes of a suffix: with the label and the dot it is a file's name.
const CODE_MOST: usize = 255 - LABEL_BYTES - 1;
/// What an `a`, `r` or `y` can be: a century is as good as never, and every clock can add it.
const SECONDS_MOST: u64 = 100 * 366 * 86400;

/// What multilog's arguments say.
#[derive(Debug, Default)]
pub struct Script {
    /// The stamp of every line, if any.
    pub stamp: Option<StampKind>,
    /// `+` and `-`, in order.
    pub rules: Vec<Rule>,
    /// Each of them as it was written, and its language unless that is star patterns.
    pub shown: Vec<String>,
    /// Where selected lines go, in order.
    pub destinations: Vec<Destination>,
    /// What was left out or changed, for the user to read.
    pub warnings: Vec<String>,
}

/// A place that takes selected lines.
#[derive(Debug)]
pub struct Destination {
    /// How many of the script's rules stand before it: these decide what it gets.
    pub rules: usize,
    /// What it is.
    pub sink: Sink,
}

/// The kinds of places.
#[derive(Debug)]
pub enum Sink {
    /// `e`: standard error, 200 bytes of a line.
    Alert,
    /// `o`: standard output, whole lines.
    Output,
    /// `=file`: the last selected line, as 1001 bytes.
    Status(PathBuf),
    /// A log directory.
    Cyclog(Config),
}

impl Script {
    /// Parses the arguments, one action each, left to right. Never fails: see [`Script::warnings`].
    ///
    /// ```
    /// use logcore::script::Script;
    /// let script = Script::parse(["t", "-*debug*", "s1M", "./main"]);
    /// assert_eq!((script.rules.len(), script.destinations.len()), (1, 1));
    /// assert!(script.warnings.is_empty());
    /// ```
    pub fn parse<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut parser = Parser::new();
        for (index, argument) in arguments.into_iter().enumerate() {
            parser.action(index, &argument.into());
        }
        if parser.script.destinations.is_empty() {
            let nowhere = "no log directory, which begins with . or /, nor another destination: all lines are thrown away";
            parser.script.warnings.push(nowhere.to_owned());
        } else {
            for argument in std::mem::take(&mut parser.held) {
                let kind = if is_setting(&argument) { "directories" } else { "destinations" };
                parser.warn(&argument, &format!("it is for {kind} behind it, and there is none; ignored"));
            }
        }
        parser.script
    }

    /// For each group of destinations with the same rules before it, ascending, how many these are.
    pub fn groups(&self) -> Vec<usize> {
        let mut groups: Vec<usize> = self.destinations.iter().map(|destination| destination.rules).collect();
        groups.dedup();
        groups
    }
}

/// The language of the patterns that follow.
enum Language {
    Star,
    Glob,
    Regex,
}

/// The script so far, and what is in force for the actions to come.
struct Parser {
    script: Script,
    language: Language,
    ceiling: u64,
    config: Config,
    /// Actions that no destination has come for yet: any will do for patterns, a directory alone for settings.
    held: Vec<OsString>,
}

impl Parser {
    fn new() -> Self {
        Parser {
            script: Script::default(),
            language: Language::Star,
            ceiling: SIZE_MOST,
            config: Config::new(""),
            held: Vec::new(),
        }
    }

    fn action(&mut self, index: usize, argument: &OsStr) {
        let bytes = argument.as_bytes();
        let Some((&letter, rest)) = bytes.split_first() else {
            return self.warn(argument, "an empty action is ignored");
        };
        if b"+-FSR".contains(&letter) || is_setting(argument) {
            self.held.push(argument.to_owned());
        }
        match letter {
            b't' => self.stamp(StampKind::Tai64n, index, argument, rest),
            b'd' => self.stamp(StampKind::Local, index, argument, rest),
            b'm' => self.stamp(StampKind::LocalMillis, index, argument, rest),
            b'i' => self.stamp(StampKind::Rfc3339, index, argument, rest),
            b'T' => self.stamp(StampKind::Accustamp, index, argument, rest),
            b'+' => self.rule(Sign::Plus, rest),
            b'-' => self.rule(Sign::Minus, rest),
            b'F' | b'S' | b'R' => {
                self.language = match letter {
                    b'F' => Language::Glob,
                    b'R' => Language::Regex,
                    _ => Language::Star,
                };
                self.alone(argument, rest);
            }
            b'e' | b'o' => {
                self.destination(if letter == b'e' { Sink::Alert } else { Sink::Output });
                self.alone(argument, rest);
            }
            b'=' => self.destination(Sink::Status(path(rest))),
            b'.' | b'/' => {
                let config = Config { dir: path(bytes), ..self.config.clone() };
                self.destination(Sink::Cyclog(config));
            }
            b's' => self.size(argument, rest),
            b'n' => self.num(argument, rest),
            b'U' => {
                self.ceiling = u64::MAX;
                self.alone(argument, rest);
            }
            b'y' => self.sync(argument, rest),
            b'r' => self.every(argument, rest),
            b'b' => self.bytes(argument, rest),
            b'a' => self.age(argument, rest),
            b'p' => self.mode(argument, rest),
            b'!' => {
                let command = OsString::from_vec(rest.to_vec());
                self.config.processor = (!command.is_empty()).then_some(command);
            }
            b'w' => match rest {
                [] => self.warn(argument, "the suffix of finished files is missing; ignored"),
                code if code.contains(&b'/') => {
                    self.warn(argument, "a suffix of finished files has no /; ignored")
                }
                code if code.len() > CODE_MOST => {
                    self.warn(argument, "a suffix of finished files has at most 229 bytes; ignored")
                }
                code => self.config.code = code.to_vec(),
            },
            _ if bytes.contains(&b'/') => {
                self.warn(argument, "unknown action ignored; a directory begins with . or /")
            }
            _ => self.warn(argument, "unknown action ignored"),
        }
    }

    fn stamp(&mut self, kind: StampKind, index: usize, argument: &OsStr, rest: &[u8]) {
        if index > 0 {
            return self.warn(argument, "a stamp counts as the first action only; ignored");
        }
        self.script.stamp = Some(kind);
        self.alone(argument, rest);
    }

    fn destination(&mut self, sink: Sink) {
        let is_directory = matches!(sink, Sink::Cyclog(_));
        self.held.retain(|argument| !is_directory && is_setting(argument));
        self.script.destinations.push(Destination { rules: self.script.rules.len(), sink });
    }

    fn rule(&mut self, sign: Sign, text: &[u8]) {
        let pattern = match self.language {
            Language::Star => Pattern::star(text),
            Language::Glob => Pattern::glob(text),
            Language::Regex => match Pattern::regex(text) {
                Ok(pattern) => pattern,
                Err(error) => return self.script.warnings.push(format!("{error}; ignored")),
            },
        };
        self.script.rules.push(Rule { sign, pattern });
        let (sign, text) = (if sign == Sign::Plus { '+' } else { '-' }, text.escape_ascii());
        self.script.shown.push(match self.language {
            Language::Star => format!("{sign}{text}"),
            Language::Glob => format!("{sign}{text} (glob)"),
            Language::Regex => format!("{sign}{text} (regular expression)"),
        });
    }

    fn size(&mut self, argument: &OsStr, text: &[u8]) {
        if text == b"unlimited" {
            self.config.size = u64::MAX;
            return;
        }
        let (wished, rest) = bytes(text);
        self.config.size = wished.clamp(SIZE_LEAST, self.ceiling);
        if !rest.is_empty() {
            self.rubbish(argument, rest, self.config.size);
        } else if wished < SIZE_LEAST {
            self.warn(argument, "a log file has at least 4096 bytes; using 4096");
        } else if wished > self.ceiling {
            self.warn(
                argument,
                "a log file has at most 104857600 bytes (U before it lifts that); using 104857600",
            );
        }
    }

    fn num(&mut self, argument: &OsStr, text: &[u8]) {
        let (number, rest) = digits(text);
        self.config.num = usize::try_from(number).unwrap_or(usize::MAX).max(NUM_LEAST);
        if !rest.is_empty() {
            self.rubbish(argument, rest, self.config.num);
        } else if number < NUM_LEAST as u64 {
            self.warn(argument, "there are at least 2 log files; using 2");
        }
    }

    fn sync(&mut self, argument: &OsStr, text: &[u8]) {
        if text == b"off" {
            self.config.sync = Sync::AtRotation;
            return;
        }
        self.config.sync = match seconds(text) {
            None => return self.warn(argument, "y takes a time such as 5s, 0 or off; ignored"),
            Some(0) => Sync::EachBatch,
            Some(seconds) => Sync::Within(Duration::from_secs(seconds)),
        };
    }

    fn every(&mut self, argument: &OsStr, text: &[u8]) {
        if text == b"off" {
            self.config.every = None;
            return;
        }
        let Some(seconds @ 1..) = seconds(text) else {
            return self.warn(argument, "r takes a time such as 1d or 1h, or off; ignored");
        };
        self.config.every = Some(Duration::from_secs(seconds));
    }

    fn bytes(&mut self, argument: &OsStr, text: &[u8]) {
        if text == b"off" {
            self.config.bytes = u64::MAX;
            return;
        }
        match bytes(text) {
            (number, b"") if text.first().is_some_and(u8::is_ascii_digit) => self.config.bytes = number,
            _ => self.warn(argument, "b takes a number of bytes such as 500M, or off; ignored"),
        }
    }

    fn age(&mut self, argument: &OsStr, text: &[u8]) {
        if text == b"off" {
            self.config.age = None;
            return;
        }
        let Some(seconds) = seconds(text) else {
            return self.warn(argument, "a takes a time such as 30d, or off; ignored");
        };
        self.config.age = Some(Duration::from_secs(seconds));
    }

    fn mode(&mut self, argument: &OsStr, text: &[u8]) {
        let octal = std::str::from_utf8(text).ok().and_then(|text| u32::from_str_radix(text, 8).ok());
        // Not what from_str_radix takes besides: a sign.
        let octal = octal.filter(|&mode| mode <= 0o777 && text[0].is_ascii_digit());
        match octal {
            Some(mode) if mode & 0o600 == 0o600 => self.config.mode = mode & !MARK,
            Some(mode) => {
                self.config.mode = (mode | 0o600) & !MARK;
                let using = format!("the owner reads and writes; using {:o}", self.config.mode);
                self.warn(argument, &using);
            }
            None => self.warn(argument, "p takes an octal mode such as 0640; ignored"),
        }
    }

    /// Warns when something stands behind an action that takes nothing more.
    fn alone(&mut self, argument: &OsStr, rest: &[u8]) {
        if !rest.is_empty() {
            self.warn(argument, &format!("{} behind it is ignored", rest.escape_ascii()));
        }
    }

    /// Warns of what stands behind a number, and says which number that leaves: `nfoo` is 2.
    fn rubbish(&mut self, argument: &OsStr, rest: &[u8], number: impl std::fmt::Display) {
        self.warn(argument, &format!("{} behind it is ignored; using {number}", rest.escape_ascii()));
    }

    fn warn(&mut self, argument: &OsStr, what: &str) {
        self.script.warnings.push(format!("action {}: {what}", argument.as_bytes().escape_ascii()));
    }
}

/// Whether an action says something of directories, and of nothing else.
fn is_setting(argument: &OsStr) -> bool {
    argument.as_bytes().first().is_some_and(|letter| b"snUyrbap!w".contains(letter))
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

/// A number of bytes with a unit, and what stands behind it.
fn bytes(text: &[u8]) -> (u64, &[u8]) {
    let (number, rest) = digits(text);
    let shift = match rest.first() {
        Some(b'k' | b'K') => 10,
        Some(b'm' | b'M') => 20,
        Some(b'g' | b'G') => 30,
        Some(b't' | b'T') => 40,
        _ => return (number, rest),
    };
    (number.saturating_mul(1 << shift), &rest[1..])
}

/// A time with a unit in seconds; `None` where it is anything else: half a number is not what was meant.
fn seconds(text: &[u8]) -> Option<u64> {
    let (number, rest) = digits(text);
    let unit = match rest {
        _ if rest.len() == text.len() => return None,
        b"" | b"s" => 1,
        b"m" => 60,
        b"h" => 3600,
        b"d" => 86400,
        b"w" => 7 * 86400,
        _ => return None,
    };
    Some(number.saturating_mul(unit).min(SECONDS_MOST))
}

/// The decimal number at the start of `text`, saturating, and what stands behind it; no digits are 0.
#[doc(alias = "scan_ulong")]
fn digits(text: &[u8]) -> (u64, &[u8]) {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = text[..len]
        .iter()
        .fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    (number, &text[len..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(script: &[&str]) -> (Config, Vec<String>) {
        let arguments = script.iter().chain(&["./main"]);
        let mut script = Script::parse(arguments.copied());
        match script.destinations.pop().map(|destination| destination.sink) {
            Some(Sink::Cyclog(config)) => (config, script.warnings),
            other => panic!("no directory but {other:?}"),
        }
    }

    #[test]
    fn sizes_are_clamped_and_said() {
        let check = |actions: &[&str], size: u64, warnings: usize| {
            let (config, said) = config(actions);
            assert_eq!((config.size, said.len()), (size, warnings), "{actions:?}: {said:?}");
        };
        check(&[], 99_999, 0);
        check(&["s16777215"], 16_777_215, 0);
        check(&["s4096"], 4096, 0);
        check(&["s4095"], 4096, 1);
        check(&["s"], 4096, 1);
        check(&["s104857600"], 104_857_600, 0);
        check(&["s104857601"], 104_857_600, 1);
        check(&["s100M"], 104_857_600, 0);
        check(&["s10k"], 10_240, 0);
        check(&["s1G"], 104_857_600, 1);
        check(&["U", "s1G"], 1 << 30, 0);
        check(&["s1G", "U"], 104_857_600, 1);
        check(&["sunlimited"], u64::MAX, 0);
        check(&["s99999999999999999999"], 104_857_600, 1);
        check(&["s10kb"], 10_240, 1);
        check(&["s8192x"], 8192, 1);
    }

    #[test]
    fn numbers_suffixes_and_syncs() {
        let check = |actions: &[&str], wanted: &str, warnings: usize| {
            let (config, said) = config(actions);
            let shown = format!("{} {} {:?}", config.num, config.code.escape_ascii(), config.sync);
            assert_eq!((&*shown, said.len()), (wanted, warnings), "{actions:?}: {said:?}");
        };
        check(&[], "10 s Within(5s)", 0);
        check(&["n1"], "2 s Within(5s)", 1);
        check(&["nfoo"], "2 s Within(5s)", 1);
        check(&["n99999999999999999999"], &format!("{} s Within(5s)", usize::MAX), 0);
        check(&["wgz"], "10 gz Within(5s)", 0);
        check(&["w"], "10 s Within(5s)", 1);
        check(&["wa/b"], "10 s Within(5s)", 1);
        check(&["y0"], "10 s EachBatch", 0);
        check(&["yoff"], "10 s AtRotation", 0);
        check(&["y2m"], "10 s Within(120s)", 0);
        check(&["y2h"], "10 s Within(7200s)", 0);
        check(&["y"], "10 s Within(5s)", 1);
        check(&["ynever"], "10 s Within(5s)", 1);
        check(&["y3sx"], "10 s Within(5s)", 1);
    }

    #[test]
    fn bounds_of_old_logs_and_modes() {
        let check = |actions: &[&str], wanted: (u64, Option<u64>, u32), warnings: usize| {
            let (Config { bytes, age, mode, .. }, said) = config(actions);
            let seen = (bytes, age.map(|age| age.as_secs()), mode);
            assert_eq!((seen, said.len()), (wanted, warnings), "{actions:?}: {said:?}");
        };
        const ALL: u64 = u64::MAX;
        check(&[], (ALL, None, 0o644), 0);
        check(&["b5000"], (5000, None, 0o644), 0);
        check(&["b0"], (0, None, 0o644), 0);
        check(&["b2G"], (2 << 30, None, 0o644), 0);
        check(&["b2G", "boff"], (ALL, None, 0o644), 0);
        check(&["b1t"], (1 << 40, None, 0o644), 0);
        check(&["b"], (ALL, None, 0o644), 1);
        for wrong in ["bk", "b2Gb", "b1.5G"] {
            check(&[wrong], (ALL, None, 0o644), 1);
        }
        check(&["b99999999999999999999G"], (ALL, None, 0o644), 0);
        check(&["a90"], (ALL, Some(90), 0o644), 0);
        check(&["a30d"], (ALL, Some(30 * 86400), 0o644), 0);
        check(&["a30d", "aoff"], (ALL, None, 0o644), 0);
        check(&["a99999999999999999999d"], (ALL, Some(SECONDS_MOST), 0o644), 0);
        check(&["aweek"], (ALL, None, 0o644), 1);
        check(&["a1w"], (ALL, Some(7 * 86400), 0o644), 0);
        for wrong in ["a30D", "a1.5d", "a6M"] {
            check(&["a3d", wrong], (ALL, Some(3 * 86400), 0o644), 1);
        }
        check(&["p0640"], (ALL, None, 0o640), 0);
        check(&["p600"], (ALL, None, 0o600), 0);
        // The owner's x is the mark, and not to be had.
        check(&["p0755"], (ALL, None, 0o655), 0);
        check(&["p440"], (ALL, None, 0o640), 1);
        for wrong in ["p", "p1777", "p0648", "p+644", "prw", "p99999999999"] {
            check(&[wrong], (ALL, None, 0o644), 1);
        }
    }

    #[test]
    fn a_new_file_for_each_span_of_time() {
        let check = |actions: &[&str], wanted: Option<u64>, warnings: usize| {
            let (config, said) = config(actions);
            let seen = config.every.map(|every| every.as_secs());
            assert_eq!((seen, said.len()), (wanted, warnings), "{actions:?}: {said:?}");
        };
        check(&[], None, 0);
        check(&["r1d"], Some(86400), 0);
        check(&["r90"], Some(90), 0);
        check(&["r1d", "roff"], None, 0);
        check(&["r0"], None, 1);
        check(&["r"], None, 1);
        check(&["rdaily"], None, 1);
        check(&["r1hour"], None, 1);
        check(&["r1D"], None, 1);
        check(&["r99999999999999999999d"], Some(SECONDS_MOST), 0);
    }

    #[test]
    fn what_is_left_of_a_number_is_said() {
        let check = |action: &str, wanted: &str| {
            assert_eq!(config(&[action]).1, [format!("action {action}: {wanted}")]);
        };
        check("nfoo", "foo behind it is ignored; using 2");
        check("n20x", "x behind it is ignored; using 20");
        check("s10kb", "b behind it is ignored; using 10240");
        check("sbig", "big behind it is ignored; using 4096");
    }

    #[test]
    fn settings_hold_for_later_directories_only() {
        let script = Script::parse(["./a", "s5000", "!gzip", "-x", "./b", "!", "+y", "e", "=s"]);
        let seen: Vec<String> = script
            .destinations
            .iter()
            .map(|destination| match &destination.sink {
                Sink::Cyclog(config) => format!(
                    "{} {} {:?} {}",
                    config.dir.display(),
                    config.size,
                    config.processor,
                    destination.rules
                ),
                other => format!("{other:?} {}", destination.rules),
            })
            .collect();
        assert_eq!(seen, ["./a 99999 None 0", "./b 5000 Some(\"gzip\") 1", "Alert 2", "Status(\"s\") 2"]);
        assert_eq!(script.groups(), [0, 1, 2]);
    }

    #[test]
    fn only_the_first_action_is_a_stamp() {
        let check = |actions: &[&str], stamp: Option<StampKind>, warnings: usize| {
            let script = Script::parse(actions.iter().chain(&["e"]).copied());
            assert_eq!((script.stamp, script.warnings.len()), (stamp, warnings), "{actions:?}");
        };
        check(&["t"], Some(StampKind::Tai64n), 0);
        check(&["timestamps"], Some(StampKind::Tai64n), 1);
        check(&["d"], Some(StampKind::Local), 0);
        check(&["m"], Some(StampKind::LocalMillis), 0);
        check(&["i"], Some(StampKind::Rfc3339), 0);
        check(&["./a", "i"], None, 1);
        check(&["T"], Some(StampKind::Accustamp), 0);
        // One for the setting, which no directory follows.
        check(&["s5000", "t"], None, 2);
        check(&["quux", ""], None, 2);
    }

    #[test]
    fn a_script_that_leads_nowhere_is_warned_about() {
        for (actions, warnings) in [(&["t"][..], 1), (&["t", "main"], 2), (&[], 1), (&["=f"], 0), (&["o"], 0)]
        {
            let script = Script::parse(actions.iter().copied());
            assert_eq!(script.warnings.len(), warnings, "{actions:?}: {:?}", script.warnings);
            let nowhere = script.warnings.iter().any(|warning| warning.contains("thrown away"));
            assert_eq!(nowhere, warnings > 0, "{actions:?}: {:?}", script.warnings);
        }
    }

    #[test]
    fn what_is_behind_the_last_destination_is_warned_about() {
        let check = |actions: &[&str], wanted: &[&str]| {
            let script = Script::parse(actions.iter().copied());
            let ignored = |action: &&str| {
                let kind = if action.starts_with(['+', '-', 'R']) { "destinations" } else { "directories" };
                format!("action {action}: it is for {kind} behind it, and there is none; ignored")
            };
            let wanted: Vec<_> = wanted.iter().map(ignored).collect();
            assert_eq!(script.warnings, wanted, "{actions:?}");
        };
        check(&["t", "./main", "s16777215", "n20"], &["s16777215", "n20"]);
        check(&["n5", "./main", "-*", "+*fatal*", "e"], &[]);
        check(&["./main", "-*", "=f", "wgz", "!gzip", "b1M", "R", "+x"], &["wgz", "!gzip", "b1M", "R", "+x"]);
        // Alerts, output and status files have no settings; patterns are for them too.
        for sink in ["e", "o", "=f"] {
            check(&["t", "./main", "s4096", "-x", sink], &["s4096"]);
            check(&["s4096", "-x", sink], &["s4096"]);
            check(&["n5", "R", "+x", sink, "p0600", "./main"], &[]);
        }
        check(
            &["./main", "U", "y0", "e", "r1d", "a1d", "o", "!x", "-y"],
            &["U", "y0", "r1d", "a1d", "!x", "-y"],
        );
    }

    #[test]
    fn a_suffix_has_room_in_a_name() {
        for (bytes, wanted) in [(229, 229), (230, 1)] {
            let script = Script::parse([format!("w{}", "x".repeat(bytes)), "./main".to_owned()]);
            let Sink::Cyclog(config) = &script.destinations[0].sink else { panic!("a directory") };
            assert_eq!((config.code.len(), script.warnings.len()), (wanted, usize::from(bytes > 229)));
        }
    }

    #[test]
    fn a_bad_regular_expression_is_left_out() {
        let script = Script::parse(["R", "-a(", "+b", "S", "-a(", "e"]);
        assert_eq!((script.rules.len(), script.warnings.len()), (2, 1), "{:?}", script.warnings);
    }
}
