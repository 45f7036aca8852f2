//! The state of a service for people and programs: svstat's line, an object of JSON, a row of a table.
//!
//! Source of the line: `svstat.c` of daemontools 0.76.

use crate::status::{Since, Status, Want};
use crate::supervised::{NoStatus, read_status, touch_ok};
use logcore::disk::{Disk, RealDisk};
use logcore::label::Label;
use logcore::stamp::{STAMP_BYTES, StampKind, Stamper, Zone};
use logcore::strerr::{Errno, words};
use rustix::fs::{CWD, stat};

/// What svstat finds in a service directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// A supervise runs there.
    Supervised {
        /// What it last told.
        status: Status,
        /// Whole seconds since the service started or ended.
        seconds: u64,
        /// There is no file `down`.
        normally_up: bool,
    },
    /// A supervise has run there.
    NotRunning,
    /// Something could not be asked: what follows "unable to", and why.
    Unable(&'static str, &'static str),
}

impl View {
    /// Looks at the current directory.
    pub fn here() -> View {
        let normally_up = match stat("down") {
            Ok(_) => false,
            Err(Errno::NOENT) => true,
            Err(errno) => return View::Unable("stat down", words(errno)),
        };
        match touch_ok(CWD) {
            Ok(()) => (),
            Err(Errno::NXIO) => return View::NotRunning,
            Err(errno) => return View::Unable("open supervise/ok", words(errno)),
        }
        match read_status(CWD) {
            Ok(status) => {
                let now = Since::unix(RealDisk.now().unix_seconds(), 0);
                View::Supervised { status, seconds: status.since.age(now), normally_up }
            }
            Err(NoStatus::Open(errno)) => View::Unable("open supervise/status", words(errno)),
            Err(NoStatus::Read(errno)) => {
                View::Unable("read supervise/status", errno.map_or("bad format", words))
            }
        }
    }

    /// What follows `DIR: ` in svstat's line, byte for byte as the original has it.
    pub fn line(&self) -> String {
        match self {
            View::Unable(doing, reason) => format!("unable to {doing}: {reason}"),
            View::NotRunning => "supervise not running".into(),
            View::Supervised { status, seconds, normally_up } => {
                let is_up = status.pid != 0;
                let mut line = match is_up {
                    true => format!("up (pid {}) {seconds} seconds", status.pid),
                    false => format!("down {seconds} seconds"),
                };
                let notes = [
                    (is_up && !normally_up, ", normally down"),
                    (!is_up && *normally_up, ", normally up"),
                    (is_up && status.paused, ", paused"),
                    (!is_up && status.want == Want::Up, ", want up"),
                    (is_up && status.want == Want::Down, ", want down"),
                ];
                line.extend(notes.iter().filter(|(holds, _)| *holds).map(|(_, note)| *note));
                line
            }
        }
    }

    /// An object of JSON on one line, newline included. Bytes of the name that are not UTF-8 are U+FFFD in it.
    pub fn json(&self, dir: &[u8]) -> String {
        let dir = quoted(&String::from_utf8_lossy(dir));
        match self {
            View::Unable(doing, reason) => {
                let error = quoted(&format!("unable to {doing}: {reason}"));
                format!("{{\"dir\":{dir},\"state\":\"unknown\",\"error\":{error}}}\n")
            }
            View::NotRunning => format!("{{\"dir\":{dir},\"state\":\"unsupervised\"}}\n"),
            View::Supervised { status, seconds, normally_up } => {
                let (state, pid) = match status.pid {
                    0 => ("down", "null".into()),
                    pid => ("up", pid.to_string()),
                };
                let since = status.since.unix_seconds().map_or("null".into(), |seconds| seconds.to_string());
                let normally = if *normally_up { "up" } else { "down" };
                let (paused, want) = (status.pid != 0 && status.paused, want(status.want));
                format!(
                    "{{\"dir\":{dir},\"state\":\"{state}\",\"pid\":{pid},\"since\":{since},\"seconds\":{seconds},\
                     \"normally\":\"{normally}\",\"paused\":{paused},\"want\":\"{want}\"}}\n"
                )
            }
        }
    }

    /// One word for a table.
    pub fn state(&self) -> &'static str {
        match self {
            View::Unable(..) => "unknown",
            View::NotRunning => "unsupervised",
            View::Supervised { status: Status { pid: 0, .. }, .. } => "down",
            View::Supervised { status: Status { paused: true, .. }, .. } => "paused",
            View::Supervised { .. } => "up",
        }
    }

    /// The cells of a table: name, state, pid, since when in local time, wish, state of the logger (`None`: there is none).
    pub fn row(&self, name: &[u8], log: Option<&View>) -> Row {
        let none = || "-".to_owned();
        let (pid, since, want) = match self {
            View::Supervised { status, .. } => {
                let pid = if status.pid == 0 { none() } else { status.pid.to_string() };
                let since = status.since.unix_seconds().map_or_else(none, local);
                (pid, since, want(status.want).to_owned())
            }
            View::NotRunning | View::Unable(..) => (none(), none(), none()),
        };
        [printable(name), self.state().into(), pid, since, want, log.map_or("-", View::state).into()]
    }
}

/// The cells of one service.
pub type Row = [String; 6];

/// What stands above the cells on a terminal.
pub const HEAD: [&str; 6] = ["SERVICE", "STATE", "PID", "SINCE", "WANT", "LOG"];

/// The rows for a terminal: aligned below [`HEAD`]. For programs: without it, with one tab between two cells.
pub fn table(rows: &[Row], is_terminal: bool) -> String {
    if !is_terminal {
        return rows.iter().map(|row| row.join("\t") + "\n").collect();
    }
    let head = HEAD.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &Row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

fn want(want: Want) -> &'static str {
    match want {
        Want::Up => "up",
        Want::Down => "down",
        Want::Once => "once",
    }
}

/// `2026-11-22 20:13:27`.
fn local(seconds: i64) -> String {
    let mut stamper = Stamper::new(StampKind::LocalMillis, Zone::Local);
    stamper.at(Label::from_unix(seconds, 0));
    let mut place = [0; STAMP_BYTES];
    let length = stamper.stamp(&mut place);
    let text = String::from_utf8_lossy(place.get(..length).unwrap_or_default());
    text.split('.').next().unwrap_or_default().to_owned()
}

/// A name that does nothing to a terminal and holds no tab: control characters and what is not UTF-8 are escaped.
fn printable(name: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                control if control.is_control() => shown.extend(control.escape_default()),
                plain => shown.push(plain),
            }
        }
        shown += &chunk.invalid().escape_ascii().to_string();
    }
    shown
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted += &format!("\\u{:04x}", u32::from(control)),
            plain => quoted.push(plain),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervised(pid: u32, want: Want, paused: bool, normally_up: bool) -> View {
        let status = Status { since: Since::unix(1_000_000_000, 0), pid, paused, want };
        View::Supervised { status, seconds: 5, normally_up }
    }

    #[test]
    fn the_line_of_each_state() {
        let check = |view: View, wanted: &str| assert_eq!(view.line(), wanted);
        check(supervised(7, Want::Up, false, true), "up (pid 7) 5 seconds");
        check(
            supervised(7, Want::Down, true, false),
            "up (pid 7) 5 seconds, normally down, paused, want down",
        );
        check(supervised(7, Want::Once, false, true), "up (pid 7) 5 seconds");
        check(supervised(0, Want::Down, false, false), "down 5 seconds");
        check(supervised(0, Want::Up, true, true), "down 5 seconds, normally up, want up");
        check(View::NotRunning, "supervise not running");
        check(View::Unable("stat down", words(Errno::LOOP)), "unable to stat down: symbolic link loop");
    }

    #[test]
    fn json_of_each_state() {
        let check = |view: View, dir: &[u8], wanted: &str| assert_eq!(view.json(dir), format!("{wanted}\n"));
        check(
            supervised(7, Want::Up, false, true),
            b"a\"\n\xff",
            "{\"dir\":\"a\\\"\\u000a\u{fffd}\",\"state\":\"up\",\"pid\":7,\"since\":1000000000,\"seconds\":5,\
             \"normally\":\"up\",\"paused\":false,\"want\":\"up\"}",
        );
        check(
            supervised(0, Want::Once, true, false),
            b"x",
            "{\"dir\":\"x\",\"state\":\"down\",\"pid\":null,\"since\":1000000000,\"seconds\":5,\
             \"normally\":\"down\",\"paused\":false,\"want\":\"once\"}",
        );
        check(View::NotRunning, b"x", "{\"dir\":\"x\",\"state\":\"unsupervised\"}");
        let unable = View::Unable("chdir", words(Errno::NOENT));
        check(
            unable,
            b"x",
            "{\"dir\":\"x\",\"state\":\"unknown\",\"error\":\"unable to chdir: file does not exist\"}",
        );
    }

    #[test]
    fn a_table_is_aligned_for_people_and_not_for_programs() {
        let row = |cells: [&str; 6]| cells.map(str::to_owned);
        let rows =
            [row(["a", "up", "7", "-", "up", "-"]), row(["long", "paused", "12345", "-", "up", "down"])];
        assert_eq!(table(&rows, false), "a\tup\t7\t-\tup\t-\nlong\tpaused\t12345\t-\tup\tdown\n");
        let wanted = "\
            SERVICE  STATE   PID    SINCE  WANT  LOG\n\
            a        up      7      -      up    -\n\
            long     paused  12345  -      up    down\n";
        assert_eq!(table(&rows, true), wanted);
    }

    #[test]
    fn names_do_nothing_to_a_terminal() {
        assert_eq!(printable("ü\t\u{1b}[2J".as_bytes()), "ü\\t\\u{1b}[2J");
        assert_eq!(printable(b"a\xff"), "a\\xff");
    }
}
