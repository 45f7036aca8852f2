//! A log directory as a reader sees it: its files in the order they were written.
//!
//! | order | name | what |
//! |---|---|---|
//! | 1 | `@`, 24 digits, `.`, a suffix | old logs, in byte order; of one [`Old`] one file; first those dated in the future |
//! | 2 | `previous` | being finished; not read twice when it is among the old logs already |
//! | 2 | `processed`, sealed (0744), without `previous` | what a processor has made of it, about to get its name |
//! | 3 | `current` | being written |
//!
//! A logger may be at work meanwhile: `current` and `previous` are opened before the old logs are listed, so that a line that
//! moves on is met again at its new place and never missed.

use logcore::cyclog::name::{self, Namer};
use logcore::disk::{Disk, How, Kind, RealDisk, Stat};
use logcore::label::{LABEL_BYTES, Label};
use logcore::strerr::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

/// The suffix of svlogd's half-made files, which are no logs yet.
const HALF_MADE: &[u8] = b".t";

/// What tells an old log, however it is packed: `@`, its label, `.s` and `.u` are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Old {
    /// The moment in its name.
    pub label: Label,
    /// An outage has cut it off.
    pub is_torn: bool,
}

impl Old {
    /// `None`: not the name of an old log.
    pub fn parse(name: &OsStr) -> Option<Old> {
        let is_torn = name.as_bytes().get(LABEL_BYTES..)?.starts_with(b".u");
        Some(Old { label: name::parse(name.as_bytes())?, is_torn })
    }

    /// That of this label and the other code: svlogd makes it of this one when it processes it late.
    pub fn other(self) -> Old {
        Old { is_torn: !self.is_torn, ..self }
    }
}

/// A file of a log directory.
#[derive(Debug)]
pub struct LogFile {
    /// Its name when it was looked for.
    pub name: OsString,
    /// The moment in the name of an old log: when it was finished.
    pub label: Option<Label>,
    /// That moment is more than a day ahead: a wrong clock gave it. As for a logger it says nothing of what is newer, and counts as
    /// the oldest.
    pub is_future: bool,
    /// What it was then; `None` when it was gone again, or could not be asked.
    pub stat: Option<Stat>,
    /// `current` and `previous` are open: their names are about to change.
    pub open: Option<Result<File, Errno>>,
}

impl LogFile {
    /// Which old log it is.
    pub fn old(&self) -> Option<Old> {
        self.label.and_then(|_| Old::parse(&self.name))
    }

    /// Whether it is the file that a logger writes to.
    pub fn is_current(&self) -> bool {
        self.name == CURRENT
    }

    /// Its moment, unless a wrong clock gave it.
    pub fn true_label(&self) -> Option<Label> {
        self.label.filter(|_| !self.is_future)
    }

    /// Whether it is an old log whose lines are all earlier than this, as far as its name tells.
    pub fn is_before(&self, moment: Label) -> bool {
        self.true_label().is_some_and(|label| label < moment)
    }
}

/// The file that is being written.
pub const CURRENT: &str = "current";
/// The file that is being finished.
pub const PREVIOUS: &str = "previous";
/// What a processor has made of it: once it is sealed and the other is gone, the only place of its lines.
pub const PROCESSED: &str = "processed";

/// Whether a file of this name is as the logger wrote it, whatever its first bytes are.
pub fn is_never_packed(name: &OsStr) -> bool {
    name == CURRENT || name == PREVIOUS
}

/// Whether a directory with these names in it is a log directory.
pub fn is_log<'a>(mut names: impl Iterator<Item = &'a OsStr>) -> bool {
    names.any(|name| is_never_packed(name) || is_old_log(name))
}

/// The files of a log directory, oldest first; none when it is no log directory.
///
/// Cost: all names, and a stat of each file.
///
/// # Errors
/// The directory cannot be listed. A file that cannot be opened is no error here.
pub fn list(dir: &OwnedFd) -> Result<Vec<LogFile>, Errno> {
    let disk = RealDisk;
    let inode = || disk.stat(dir, OsStr::new(CURRENT)).ok().map(|stat| stat.inode);
    let mut before = inode();
    // A rotation meanwhile can hide a file, or show two in the wrong order: look again. A log that always rotates is read as it
    // was seen last.
    for _ in 0..LOOKS {
        let files = look(&disk, dir)?;
        let after = inode();
        if before == after {
            return Ok(files);
        }
        before = after;
    }
    look(&disk, dir)
}

/// Names beyond this moment come from a wrong clock.
pub fn horizon() -> Label {
    Namer::default().horizon(RealDisk.now())
}

/// So often a directory is looked at that changes at each look.
const LOOKS: usize = 100;

fn look(disk: &RealDisk, dir: &OwnedFd) -> Result<Vec<LogFile>, Errno> {
    let open = |name: &str| Held::open(disk, dir, name);
    let current = open(CURRENT);
    // In this order: `previous` goes only when `processed` is sealed, and that has its name before the names are read, or is here.
    let sealed =
        || open(PROCESSED).filter(|held| held.stat(disk).is_some_and(|stat| stat.safe && stat.links > 0));
    let mut previous = open(PREVIOUS).or_else(sealed);
    let horizon = horizon();
    let mut old = old_logs(disk, dir, horizon)?;
    if previous.as_ref().is_some_and(|previous| previous.stat(disk).is_some_and(|stat| stat.links == 0)) {
        // A processor has replaced it meanwhile, perhaps after the names were read.
        previous = sealed();
        old = old_logs(disk, dir, horizon)?;
    }
    let mut files: Vec<LogFile> = old
        .into_iter()
        .map(|name| {
            let (label, stat) = (name::parse(name.as_bytes()), disk.stat(dir, &name).ok());
            LogFile { name, label, is_future: label > Some(horizon), stat, open: None }
        })
        .collect();
    // A name that is being changed by a link, and the removal of the other.
    files.dedup_by(|second, first| {
        second.label == first.label
            && second.stat.is_some_and(|s| first.stat.is_some_and(|f| f.inode == s.inode))
    });
    for held in [previous, current].into_iter().flatten() {
        let stat = held.stat(disk);
        let is_same =
            |file: &LogFile| file.stat.is_some_and(|old| stat.is_some_and(|s| s.inode == old.inode));
        if !files.iter().any(is_same) {
            files.push(LogFile {
                name: held.name,
                label: None,
                is_future: false,
                stat,
                open: Some(held.file),
            });
        }
    }
    Ok(files)
}

/// `current` or `previous`.
struct Held {
    name: OsString,
    file: Result<File, Errno>,
}

impl Held {
    /// `None` when there is no such regular file.
    fn open(disk: &RealDisk, dir: &OwnedFd, name: &str) -> Option<Held> {
        let name = OsString::from(name);
        match disk.open(dir, &name, How::Read) {
            Err(Errno::NOENT | Errno::LOOP) => None,
            Ok(file) if disk.stat_file(&file).is_ok_and(|stat| stat.kind != Kind::Regular) => None,
            file => Some(Held { name, file }),
        }
    }

    fn stat(&self, disk: &RealDisk) -> Option<Stat> {
        disk.stat_file(self.file.as_ref().ok()?).ok()
    }
}

fn old_logs(disk: &RealDisk, dir: &OwnedFd, horizon: Label) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    disk.list(dir, &mut |name, kind| {
        if kind == Kind::Regular {
            names.push(name.to_owned());
        }
    })?;
    Ok(in_order(names, horizon))
}

fn is_old_log(name: &OsStr) -> bool {
    name::parse(name.as_bytes()).is_some() && !name.as_bytes().ends_with(HALF_MADE)
}

/// The old logs among `names`, oldest first. While a file is being compressed by hand it is there twice: the plain one is whole.
fn in_order(mut names: Vec<OsString>, horizon: Label) -> Vec<OsString> {
    names.retain(|name| is_old_log(name));
    let label = |name: &OsStr| name.as_bytes()[..LABEL_BYTES].to_vec();
    // `.s`, `.u`, then any other: false sorts before true.
    let rank = |name: &OsStr| match &name.as_bytes()[LABEL_BYTES..] {
        b".s" => 0,
        b".u" => 1,
        _ => 2,
    };
    let is_true = |name: &OsStr| name::parse(name.as_bytes()) <= Some(horizon);
    names.sort_by_cached_key(|name| (is_true(name), label(name), rank(name), name.clone()));
    // Without a code it is that of any with this label.
    let is_bare = |name: &OsStr| {
        let suffix = &name.as_bytes()[LABEL_BYTES..];
        !(suffix.starts_with(b".s") || suffix.starts_with(b".u"))
    };
    let is_same = |one: &OsStr, other: &OsStr| {
        label(one) == label(other) && (is_bare(one) || is_bare(other) || Old::parse(one) == Old::parse(other))
    };
    let mut kept: Vec<OsString> = Vec::new();
    for name in names {
        // Of one label there are few.
        let mut alike = kept.iter().rev().take_while(|other| label(other) == label(&name));
        if !alike.any(|other| is_same(other, &name)) {
            kept.push(name);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    const A: &str = "@400000003b4a39c23294b13c";
    const B: &str = "@400000003b4a39c23294b13d";
    const C: &str = "@400000003b4a39c23294b13e";
    const D: &str = "@400000003b4a39c23294b13f";

    #[test]
    fn old_logs_are_told_by_their_names() {
        let check = |names: &[&str], wanted: &[&str]| {
            let names = names.iter().map(OsString::from).collect();
            let horizon = Label::parse(C.as_bytes()).expect("a label");
            assert_eq!(in_order(names, horizon), wanted);
        };
        check(&[], &[]);
        check(&["current", "lock", "state", "@x.s", A, &format!("{A}."), &format!("{A}.t")], &[]);
        check(&[&format!("{B}.u"), &format!("{A}.s")], &[&format!("{A}.s"), &format!("{B}.u")]);
        check(&[&format!("{A}.s.gz"), &format!("{A}.s")], &[&format!("{A}.s")]);
        check(&[&format!("{A}.gz"), &format!("{A}.u")], &[&format!("{A}.u")]);
        check(
            &[&format!("{A}.u"), &format!("{A}.u.gz"), &format!("{A}.s"), &format!("{A}.gz")],
            &[&format!("{A}.s"), &format!("{A}.u")],
        );
        check(&[&format!("{A}.u.gz"), &format!("{A}.s")], &[&format!("{A}.s"), &format!("{A}.u.gz")]);
        check(&[&format!("{B}.s"), &format!("{A}.s.gz")], &[&format!("{A}.s.gz"), &format!("{B}.s")]);
        // A logger takes no account of a name beyond tomorrow, and gives lower ones after it.
        check(
            &[&format!("{D}.s"), &format!("{C}.s"), &format!("{A}.s")],
            &[&format!("{D}.s"), &format!("{A}.s"), &format!("{C}.s")],
        );
    }

    fn names(dir: &Path) -> Vec<String> {
        let dir = RealDisk.open_dir(dir).expect("our own directory");
        let files = list(&dir).expect("our own directory");
        files.into_iter().map(|file| file.name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn previous_and_current_come_last_and_nothing_comes_twice() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let (a, b) = (format!("{A}.s"), format!("{B}.s"));
        assert_eq!(names(dir.path()), [""; 0]);
        for name in ["current", "previous", "lock", "state", &a] {
            fs::write(path(name), "x\n").expect("our own directory");
        }
        assert_eq!(names(dir.path()), [&a, "previous", "current"]);
        // As between the link and the unlink of a rotation.
        fs::hard_link(path("previous"), path(&b)).expect("our own directory");
        assert_eq!(names(dir.path()), [&a, &b, "current"]);
        fs::remove_file(path("current")).expect("our own file");
        fs::create_dir(path("current")).expect("our own directory");
        assert_eq!(names(dir.path()), [a, b]);
    }

    #[test]
    fn a_processed_file_without_a_name_yet_is_not_missed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        let a = format!("{A}.s");
        for name in ["current", "previous", "processed", &a] {
            fs::write(path(name), "x\n").expect("our own directory");
        }
        assert_eq!(names(dir.path()), [&a, "previous", "current"]);
        fs::set_permissions(path("processed"), fs::Permissions::from_mode(0o744)).expect("our own file");
        assert_eq!(names(dir.path()), [&a, "previous", "current"]);
        fs::remove_file(path("previous")).expect("our own file");
        assert_eq!(names(dir.path()), [&a, "processed", "current"]);
        // Of what a processor is still writing nobody knows whether it is whole.
        fs::set_permissions(path("processed"), fs::Permissions::from_mode(0o644)).expect("our own file");
        assert_eq!(names(dir.path()), [&a, "current"]);
    }
}
