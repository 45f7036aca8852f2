//! The cursor file: the place in each log up to which the output took the lines.
//!
//! Written to a temporary name beside it, synced, renamed: whoever dies at any moment leaves the old file or the new one. A line a
//! log, fields parted by blanks, `-` for what there is not:
//!
//! ```text
//! mlog cursor 1
//! INODE NAME OFFSET PRINT AFTER UNNAMED MOMENT COUNT DIRECTORY KNOWN
//! ```
//!
//! KNOWN are labels with commas between them, `u` behind those of files with this code; an earlier version left it out.

use super::place::Place;
use crate::logdir::Old;
use logcore::label::Label;
use logcore::strerr::Errno;
use rustix::fs::{FileType, Gid, Mode, OFlags, Stat, Uid};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The first line; another number is another format.
const HEADER: &str = "mlog cursor 1";

/// It is written beside the file first, under its name with this.
const NEW: &str = ".new";

/// More links in a row than this are a circle.
const MOST_LINKS: usize = 40;

/// A cursor file and what is in it.
#[derive(Debug)]
pub struct Cursor {
    path: PathBuf,
    places: BTreeMap<PathBuf, Place>,
    /// As it is on disk.
    written: Vec<u8>,
    /// Of the file that was there: whoever wrote it can write it again.
    owner: Option<(Uid, Gid)>,
    mode: Option<Mode>,
}

impl Cursor {
    /// Reads the file; one that is not there has no places.
    ///
    /// # Errors
    /// It cannot be read, is no cursor file ([`ErrorKind::InvalidData`]), or no regular file ([`ErrorKind::InvalidInput`]): then
    /// nothing is overwritten.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = resolved(path);
        let mut written = Vec::new();
        let (mut owner, mut mode) = (None, None);
        match open_regular(&path, OFlags::RDONLY) {
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(error) => return Err(error),
            Ok((file, stat)) => {
                owner = Some((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid)));
                mode = Some(Mode::from_raw_mode(stat.st_mode & 0o777));
                File::from(file).read_to_end(&mut written)?;
            }
        }
        let places = parse(&written).ok_or(ErrorKind::InvalidData)?;
        Ok(Cursor { path, places, written, owner, mode })
    }

    /// Whether there is no place in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The place in the log of this directory.
    pub fn place(&self, dir: &Path) -> Option<&Place> {
        self.places.get(dir)
    }

    /// Sets the place in the log of this directory; not on disk yet.
    pub fn set(&mut self, dir: &Path, place: Place) {
        self.places.insert(dir.to_owned(), place);
    }

    /// Forgets the place in the log of a directory that was removed.
    pub fn forget(&mut self, dir: &Path) {
        self.places.remove(dir);
    }

    /// Puts it on disk, if it is not as it is there.
    ///
    /// If it fails or we die here, the file is as it was; a temporary file may be left beside it, which the next write replaces.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self) -> io::Result<()> {
        if format(&self.places) == self.written {
            return Ok(());
        }
        self.write_anew()
    }

    /// Puts it on disk, also as it is there already.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_anew(&mut self) -> io::Result<()> {
        let text = format(&self.places);
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(NEW);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let (file, _) = open_regular(Path::new(&temporary), flags)?;
        if let Some((user, group)) = self.owner {
            // Only root may give files away; to others it is theirs from now on.
            match rustix::fs::fchown(&file, Some(user), Some(group)) {
                Ok(()) | Err(Errno::PERM) => (),
                Err(errno) => return Err(errno.into()),
            }
        }
        if let Some(mode) = self.mode {
            rustix::fs::fchmod(&file, mode)?;
        }
        let mut file = File::from(file);
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &self.path)?;
        self.written = text;
        Ok(())
    }

    /// Makes sure that the name is on disk as well: at the end of a run. Before that a power cut may show an older place.
    pub fn sync_name(&self) {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        // What cannot be synced is as safe as it gets.
        let _ = File::open(parent.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all());
    }
}

/// Where the file is, or will be: a link stays one, also while nothing is where it leads to.
fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Ok(whole) = path.canonicalize() {
            return whole;
        }
        let Ok(target) = path.read_link() else { break };
        path.set_file_name(target);
    }
    path
}

/// Opens a regular file, and nothing else: a FIFO would be waited for, a device replaced.
fn open_regular(path: &Path, flags: OFlags) -> io::Result<(OwnedFd, Stat)> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)) {
        // To write: a FIFO that nobody reads, a socket, a directory.
        Err(Errno::NXIO | Errno::ISDIR) => return Err(ErrorKind::InvalidInput.into()),
        other => other?,
    };
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, stat)),
        _ => Err(ErrorKind::InvalidInput.into()),
    }
}

fn format(places: &BTreeMap<PathBuf, Place>) -> Vec<u8> {
    let mut text = format!("{HEADER}\n").into_bytes();
    for (dir, place) in places {
        text.extend_from_slice(format!("{} ", place.inode).as_bytes());
        text.extend_from_slice(&escaped(place.name.as_bytes()));
        text.extend_from_slice(format!(" {} {:016x} ", place.offset, place.print).as_bytes());
        put_label(place.after, &mut text);
        text.extend_from_slice(if place.unnamed { b" 1 " } else { b" 0 " });
        put_label(place.last.map(|(moment, _)| moment), &mut text);
        text.extend_from_slice(format!(" {} ", place.last.map_or(0, |(_, count)| count)).as_bytes());
        text.extend_from_slice(&escaped(dir.as_os_str().as_bytes()));
        if let Some(known) = &place.known {
            text.extend_from_slice(if known.is_empty() { b" -" } else { b" " });
            for (at, Old { label, is_torn }) in known.iter().enumerate() {
                text.extend_from_slice(if at > 0 { b"," } else { b"" });
                text.extend_from_slice(&label.format());
                text.extend_from_slice(if *is_torn { b"u" } else { b"" });
            }
        }
        text.push(b'\n');
    }
    text
}

fn put_label(label: Option<Label>, text: &mut Vec<u8>) {
    match label {
        Some(label) => text.extend_from_slice(&label.format()),
        None => text.push(b'-'),
    }
}

/// Blanks, newlines and backslashes as `\xNN`.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in name {
        match byte {
            b'\\' | b' ' | b'\n' => text.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            _ => text.push(*byte),
        }
    }
    text
}

fn unescaped(text: &[u8]) -> Option<OsString> {
    let mut name = Vec::new();
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            name.push(*byte);
            continue;
        }
        let (digits, after) = after.strip_prefix(b"x")?.split_at_checked(2)?;
        name.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    Some(OsString::from_vec(name))
}

/// `None`: not a cursor file. An empty one, as `touch` makes it, has no places.
fn parse(text: &[u8]) -> Option<BTreeMap<PathBuf, Place>> {
    if text.is_empty() {
        return Some(BTreeMap::new());
    }
    let lines = text.strip_prefix(HEADER.as_bytes())?.strip_prefix(b"\n")?;
    lines.split_inclusive(|byte| *byte == b'\n').map(|line| parse_line(line.strip_suffix(b"\n")?)).collect()
}

fn parse_line(line: &[u8]) -> Option<(PathBuf, Place)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut field = || fields.next();
    let text = |field: &[u8]| std::str::from_utf8(field).ok().map(str::to_owned);
    let label = |field: &[u8]| match field {
        b"-" => Some(None),
        field => Label::parse(field).map(Some),
    };
    let inode = text(field()?)?.parse().ok()?;
    let name = unescaped(field()?)?;
    let offset = text(field()?)?.parse().ok()?;
    let print = u64::from_str_radix(&text(field()?)?, 16).ok()?;
    let after = label(field()?)?;
    let unnamed = field()? == b"1";
    let moment = label(field()?)?;
    let count = text(field()?)?.parse().ok()?;
    let dir = unescaped(field()?)?;
    let old = |field: &[u8]| {
        let torn = field.strip_suffix(b"u");
        Some(Old { label: Label::parse(torn.unwrap_or(field))?, is_torn: torn.is_some() })
    };
    let known = match field() {
        None => None,
        Some(b"-") => Some(Vec::new()),
        Some(labels) => Some(labels.split(|byte| *byte == b',').map(old).collect::<Option<_>>()?),
    };
    let place = Place {
        inode,
        label: logcore::cyclog::name::parse(name.as_bytes()),
        name,
        offset,
        print,
        after,
        unnamed,
        last: moment.map(|moment| (moment, count)),
        known,
    };
    fields.next().is_none().then_some((dir.into(), place))
}

/// A message from "unable to" on.
pub fn unable_to_read(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        ErrorKind::InvalidInput => format!("unable to use {path} as a cursor: not a regular file"),
        _ => format!("unable to read {path}: {}", reason(error)),
    }
}

/// A message from "unable to" on.
pub fn unable_to_write(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        // The other one was looked at when it was read.
        ErrorKind::InvalidInput => format!("unable to write {path}{NEW}: not a regular file"),
        _ => format!("unable to write {path}: {}", reason(error)),
    }
}

fn reason(error: &io::Error) -> String {
    match (Errno::from_io_error(error), error.kind()) {
        (Some(errno), _) => logcore::strerr::words(errno).into(),
        (None, ErrorKind::InvalidData) => "not a cursor file".into(),
        (None, _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> BTreeMap<PathBuf, Place> {
        let place = Place {
            inode: 77,
            name: "current".into(),
            label: None,
            offset: 4096,
            print: 0xabc,
            after: Some(Label::from_unix(5, 0)),
            unnamed: true,
            last: Some((Label::from_unix(7, 9), 3)),
            known: Some(Vec::new()),
        };
        let name = "@400000003b4a39c23294b13c.s";
        let other = Place {
            name: name.into(),
            label: logcore::cyclog::name::parse(name.as_bytes()),
            after: None,
            unnamed: false,
            last: None,
            known: Some(vec![
                Old { label: Label::from_unix(9, 1), is_torn: false },
                Old { label: Label::from_unix(3, 0), is_torn: true },
            ]),
            ..place.clone()
        };
        let earlier = Place { known: None, ..place.clone() };
        BTreeMap::from([
            ("/var/log/a b\\c\n\u{ff}".into(), place),
            ("/x".into(), other),
            ("/y".into(), earlier),
        ])
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("cursor");
        let mut cursor = Cursor::open(&path).expect("it is not there yet");
        assert!(cursor.is_empty());
        for (dir, place) in places() {
            cursor.set(&dir, place);
        }
        cursor.write().expect("our own directory");
        let again = Cursor::open(&path).expect("our own file");
        assert_eq!(again.places, places());
        assert_eq!(std::fs::read_dir(dir.path()).expect("our own directory").count(), 1);
    }

    #[test]
    fn other_files_are_refused() {
        let good = format(&places());
        assert!(parse(b"").is_some_and(|places| places.is_empty()));
        for text in
            [&b"x"[..], b"mlog cursor 1", b"mlog cursor 2\n", b"mlog cursor 1\n\n", b"mlog cursor 1\n1 2 3\n"]
        {
            assert_eq!(parse(text), None, "{}", text.escape_ascii());
        }
        // Cut short it is none, except between two lines.
        for len in 1..good.len() {
            let is_whole = good[..len].ends_with(b"\n");
            assert_eq!(parse(&good[..len]).is_some(), is_whole, "{len} bytes");
        }
    }
}
