//! mlog from outside: what it shows of logs in every state, that following and shipping lose nothing, and what it says when
//! something is wrong.

mod cursor;
mod follow;
mod progress;
mod read;
mod ship;
mod show;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tests::{Cmd, Output, Running, Show, program};

/// How long a test waits for what happens at once on an idle machine.
pub const SOON: Duration = Duration::from_secs(20);

/// The label of a Unix time, by the rule of the originals.
pub fn label(second: i64, nanos: u32) -> String {
    format!("@{:016x}{nanos:08x}", second + (1 << 62) + 10)
}

/// A line with a label.
pub fn line(second: i64, text: &str) -> String {
    format!("{} {text}\n", label(second, 0))
}

/// mlog in UTC, in a directory.
pub fn mlog(cwd: &Path) -> Cmd {
    Cmd::new(program("mlog")).env("TZ", "UTC0").cwd(cwd)
}

/// What `mlog ARGUMENTS` shows; it has to go well.
#[track_caller]
pub fn shown(cwd: &Path, arguments: &[&str]) -> String {
    let out = mlog(cwd).args(arguments).run(b"");
    assert!(out.status() == "exit 0" && out.stderr.is_empty(), "{out}");
    String::from_utf8(out.stdout).expect("the logs of these tests are text")
}

/// A log directory that is made by hand.
pub fn put(dir: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(dir).expect("own directory");
    for (name, text) in files {
        fs::write(dir.join(name), text).expect("own directory");
    }
}

/// The name of an old log.
pub fn old(second: i64, suffix: &str) -> String {
    format!("{}.{suffix}", label(second, 0))
}

/// Our multilog, its input a pipe of the test.
pub fn logger(cwd: &Path, script: &[&str]) -> Running {
    Cmd::new(program("multilog")).args(script).cwd(cwd).limit(Duration::from_secs(120)).spawn()
}

/// Numbered lines, with something behind the number that varies in length.
pub fn numbered(from: usize, until: usize) -> String {
    (from..until).map(|number| format!("{number} {}\n", "x".repeat(number * 7 % 60))).collect()
}

/// The number of each line that begins with a stamp and one.
pub fn numbers(text: &[u8]) -> Vec<usize> {
    let text = String::from_utf8_lossy(text);
    let number = |line: &str| line.split(' ').nth(1).and_then(|word| word.parse().ok());
    text.lines().map(|line| number(line).unwrap_or_else(|| panic!("no number: {line}"))).collect()
}

/// All numbers from 0 on, each once, in order.
#[track_caller]
pub fn assert_all(found: &[usize], until: usize) {
    let wrong = found.iter().enumerate().find(|(wanted, found)| wanted != *found);
    assert_eq!(wrong, None, "of {} lines, {until} wanted: wanted, found", found.len());
    assert_eq!(found.len(), until);
}

/// Ended with this status, this on standard output, and this on standard error.
#[track_caller]
pub fn check(out: &Output, status: &str, stdout: &str, stderr: &str) {
    assert!(
        out.status() == status && out.stdout == stdout.as_bytes(),
        "wanted {status} and {}\n{out}",
        Show(stdout.as_bytes())
    );
    assert_eq!(out.messages(), stderr);
}

/// A file packed by a program of the system, `None` where that is not installed.
pub fn pack(program: &str, text: &str) -> Option<Vec<u8>> {
    let path =
        ["/usr/bin", "/bin"].iter().map(|dir| PathBuf::from(dir).join(program)).find(|path| path.exists())?;
    let out = Cmd::new(path).arg("-c").run(text.as_bytes());
    assert_eq!(out.status(), "exit 0", "{out}");
    Some(out.stdout)
}

/// A terminal of so many columns: our side of it, and the one that programs get.
pub fn terminal(columns: u16) -> (OwnedFd, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    tcsetwinsize(&ours, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })
        .expect("it is ours");
    let theirs =
        File::options().read(true).write(true).open(name.to_str().expect("text")).expect("it is there");
    (ours, theirs)
}
