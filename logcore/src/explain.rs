//! What a script does, in plain words, with the most disk it can take. Nothing is opened.

use crate::cyclog::{Config, MARK, Sync};
use crate::script::{Destination, Script, Sink};
use crate::stamp::StampKind;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Explains `script` to whoever wrote it, a paragraph for each destination.
///
/// ```
/// use logcore::{explain::explain, script::Script};
/// let text = explain(&Script::parse(["t", "n3", "./main"]));
/// assert!(text.contains("at most 512 kB of disk"), "{text}");
/// ```
pub fn explain(script: &Script) -> String {
    let mut text = String::from(match script.stamp {
        None => "No stamp is put before the lines.\n",
        Some(StampKind::Tai64n) => "A TAI64N label is put before each line.\n",
        Some(StampKind::Local) => "Local date and time, with nanoseconds, are put before each line.\n",
        Some(StampKind::LocalMillis) => "Local date and time, with milliseconds, are put before each line.\n",
        Some(StampKind::Rfc3339) => {
            "Local date and time with its offset (RFC 3339) are put before each line.\n"
        }
        Some(StampKind::Accustamp) => "Seconds since 1970, with microseconds, are put before each line.\n",
    });
    if script.destinations.is_empty() {
        text += "\nNo destination is named: lines are read and thrown away.\n";
    }
    let mut directories = BTreeSet::new();
    for Destination { rules, sink } in &script.destinations {
        text.push('\n');
        match sink {
            Sink::Alert => text += "Standard error gets 200 bytes of ",
            Sink::Output => text += "Standard output gets ",
            Sink::Status(file) => text += &format!("{} always shows the last of ", escaped(file)),
            Sink::Cyclog(config) => text += &format!("Directory {} gets ", escaped(&config.dir)),
        }
        match &script.shown[..*rules] {
            [] => text += "every line.\n",
            shown => {
                text += "the lines that are selected: every line is, unless the last of these\n\
                         patterns that matches it has a minus.\n";
                for pattern in shown {
                    text += &format!("    {pattern}\n");
                }
            }
        }
        match sink {
            Sink::Alert | Sink::Status(_) => (),
            Sink::Output => {
                text += "  A reader that is slow holds the input back; when it has gone, multilog ends.\n";
            }
            Sink::Cyclog(config) if directories.insert(&config.dir) => directory(&mut text, config),
            Sink::Cyclog(_) => text += "  It is named above already: multilog will not start.\n",
        }
    }
    text
}

fn directory(text: &mut String, config: &Config) {
    let Config { size, num, every, processor, code, sync, bytes, age, mode, .. } = config;
    match size {
        &u64::MAX => *text += "  A file grows without end; ALRM begins a new one.\n",
        size => *text += &format!("  A new file begins before one has more than {size} bytes.\n"),
    }
    if let Some(every) = every {
        *text += &format!("  A new one begins every {} of local time.\n", period(*every));
    }
    match num - 1 {
        1 => *text += "  One old file is kept",
        old => *text += &format!("  {old} old files are kept"),
    }
    let (mode, code) = (mode | MARK, code.escape_ascii());
    *text += &format!(" beside current, mode {mode:04o}: @LABEL.{code}\n");
    if *bytes < u64::MAX {
        let bytes = amount(*bytes);
        *text += &format!("  Old files take at most {bytes} together, the newest one always stays.\n");
    }
    if let Some(age) = age {
        let age = period(*age);
        *text += &format!("  Old files that were finished more than {age} ago go when the next one is.\n");
    }
    if let Some(command) = processor {
        *text += &format!("  Each full file goes through: {}\n", escaped(command));
    }
    match sync {
        Sync::EachBatch => *text += "  Lines are on disk before they are taken from the input.\n",
        Sync::Within(time) => *text += &format!("  Lines are on disk after at most {}.\n", period(*time)),
        Sync::AtRotation => {
            *text += "  Lines are on disk when their file is finished; until then an outage costs them.\n"
        }
    }
    match disk(config) {
        u64::MAX => *text += "  The disk they take has no bound.\n",
        most => {
            *text += &format!("  All log files together take at most {} of disk", amount(most));
            *text += if processor.is_some() { ", if the command makes no file larger.\n" } else { ".\n" };
        }
    }
}

/// The most bytes of disk that log files take; `u64::MAX` for no bound.
fn disk(config: &Config) -> u64 {
    /// What file systems give out at a time.
    const BLOCK: u64 = 4096;
    let old = config.num as u64 - 1;
    let file = config.size.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX);
    let bytes = config.bytes.max(file).saturating_add(old.saturating_mul(BLOCK));
    // Beside the old ones: current, the file before it while it is finished, and after an outage, until the first look at
    // all of them, one more; what a processor makes of a file stands beside it.
    let others = if config.processor.is_some() { 4 } else { 3 };
    old.saturating_mul(file).min(bytes).saturating_add(file.saturating_mul(others))
}

/// So that a name cannot play tricks on who reads it.
fn escaped(name: &(impl AsRef<OsStr> + ?Sized)) -> impl std::fmt::Display {
    name.as_ref().as_bytes().escape_ascii()
}

/// `16.8 MB`: three digits, rounded up, powers of 1000.
fn amount(bytes: u64) -> String {
    let mut unit = 1_u64;
    let mut names = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut name = names.next().unwrap_or_default();
    while bytes / unit >= 1000
        && let Some(next) = names.next()
    {
        unit *= 1000;
        name = next;
    }
    if bytes / unit >= 100 || unit == 1 {
        return format!("{} {name}", bytes.div_ceil(unit));
    }
    let tenths = bytes.div_ceil(unit / 10);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        tenth => format!("{}.{tenth} {name}", tenths / 10),
    }
}

/// `30 d`: the largest unit that leaves nothing.
fn period(time: Duration) -> String {
    let seconds = time.as_secs();
    let fits = |unit: &(u64, &str)| seconds != 0 && seconds.is_multiple_of(unit.0);
    let (unit, name) = [(86400, "d"), (3600, "h"), (60, "min")].into_iter().find(fits).unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_script() {
        let script = [
            "d",
            "-*",
            "+*status*",
            "n5",
            "r1d",
            "s1000000",
            "b3M",
            "a30d",
            "p0640",
            "wx",
            "./a",
            "F",
            "-?",
            "y0",
            "U",
            "sunlimited",
            "!gzip",
            "./b",
            "R",
            "+^a|b$",
            "e",
            "=status",
        ];
        let text = explain(&Script::parse(script));
        assert_eq!(
            text,
            "Local date and time, with nanoseconds, are put before each line.

Directory ./a gets the lines that are selected: every line is, unless the last of these
patterns that matches it has a minus.
    -*
    +*status*
  A new file begins before one has more than 1000000 bytes.
  A new one begins every 1 d of local time.
  4 old files are kept beside current, mode 0740: @LABEL.x
  Old files take at most 3.2 MB together, the newest one always stays.
  Old files that were finished more than 30 d ago go when the next one is.
  Lines are on disk after at most 5 s.
  All log files together take at most 6.2 MB of disk.

Directory ./b gets the lines that are selected: every line is, unless the last of these
patterns that matches it has a minus.
    -*
    +*status*
    -? (glob)
  A file grows without end; ALRM begins a new one.
  A new one begins every 1 d of local time.
  4 old files are kept beside current, mode 0740: @LABEL.x
  Old files take at most 3.2 MB together, the newest one always stays.
  Old files that were finished more than 30 d ago go when the next one is.
  Each full file goes through: gzip
  Lines are on disk before they are taken from the input.
  The disk they take has no bound.

Standard error gets 200 bytes of the lines that are selected: every line is, unless the last of these
patterns that matches it has a minus.
    -*
    +*status*
    -? (glob)
    +^a|b$ (regular expression)

status always shows the last of the lines that are selected: every line is, unless the last of these
patterns that matches it has a minus.
    -*
    +*status*
    -? (glob)
    +^a|b$ (regular expression)
"
        );
    }

    #[test]
    fn short_scripts() {
        let check = |script: &[&str], wanted: &str| {
            let text = explain(&Script::parse(script.iter().copied()));
            assert!(text.contains(wanted), "{script:?}: {text}");
        };
        check(
            &[],
            "No stamp is put before the lines.\n\nNo destination is named: lines are read and thrown away.\n",
        );
        check(
            &["./a"],
            "Directory ./a gets every line.\n  A new file begins before one has more than 99999 bytes.\n",
        );
        check(&["./a"], "at most 1.3 MB of disk.\n");
        check(&["t", "s16777215", "n20", "./a"], "at most 370 MB of disk.\n");
        check(
            &["./a", "e", "./a"],
            "Directory ./a gets every line.\n  It is named above already: multilog will not start.\n",
        );
        check(&["./a\x1b[2J"], "Directory ./a\\x1b[2J gets every line.\n");
        check(&["i"], "Local date and time with its offset (RFC 3339) are put before each line.\n");
        check(&["yoff", "./a"], "an outage costs them");
        check(
            &["o"],
            "Standard output gets every line.\n  A reader that is slow holds the input back; when it has gone, multilog ends.\n",
        );
        check(&["!gzip", "n2", "./a"], "at most 512 kB of disk, if the command makes no file larger.\n");
        // The newest stays though it is more.
        check(&["n2", "./a"], "  One old file is kept beside current, mode 0744: @LABEL.s\n");
        check(&["b0", "s10000", "n9", "./a"], "at most 82 kB of disk.\n");
        check(&["n99999999999999999999", "./a"], "The disk they take has no bound.\n");
        check(&["U", "sunlimited", "b1G", "./a"], "The disk they take has no bound.\n");
        check(&["n99999999999999999999", "b1k", "./a"], "The disk they take has no bound.\n");
    }

    #[test]
    fn amounts_are_rounded_up() {
        let check = |bytes: u64, wanted: &str| assert_eq!(amount(bytes), wanted);
        check(0, "0 bytes");
        check(999, "999 bytes");
        check(1000, "1 kB");
        check(1001, "1.1 kB");
        check(99_901, "100 kB");
        check(999_999, "1000 kB");
        check(1_000_000, "1 MB");
        check(u64::MAX, "18.5 EB");
    }
}
