//! A log directory as it lies on disk.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::mask_labels;

/// What one name in a log directory stands for, links not followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name; bytes that are no text are shown as U+FFFD.
    pub name: String,
    /// The permission bits.
    pub mode: u32,
    /// The size in bytes.
    pub size: u64,
    /// How many names the file has.
    pub links: u64,
    /// `f` file, `d` directory, `l` symbolic link, `p` FIFO, `?` other.
    pub kind: char,
}

/// A log directory: nothing is held open, every question reads the disk.
#[derive(Debug, Clone)]
pub struct LogDir {
    path: PathBuf,
}

impl LogDir {
    /// The directory at `path`; it need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> LogDir {
        LogDir { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Everything in it in the order of the names; empty where there is no such directory. A name that goes while we look is
    /// left out.
    ///
    /// # Panics
    ///
    /// Where the directory cannot be read.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let names = match std::fs::read_dir(&self.path) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => panic!("{}: {error}", self.path.display()),
        };
        let mut entries = Vec::new();
        for entry in names {
            let entry = entry.expect("the directory can be read");
            let Ok(meta) = entry.path().symlink_metadata() else { continue };
            let kind = match meta.file_type() {
                kind if kind.is_file() => 'f',
                kind if kind.is_dir() => 'd',
                kind if kind.is_symlink() => 'l',
                kind if kind.is_fifo() => 'p',
                _ => '?',
            };
            let name = String::from_utf8_lossy(&entry.file_name().into_vec()).into_owned();
            entries.push(Entry {
                name,
                mode: meta.mode() & 0o7777,
                size: meta.len(),
                links: meta.nlink(),
                kind,
            });
        }
        entries.sort();
        entries
    }

    /// The names in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.entries().into_iter().map(|entry| entry.name).collect()
    }

    /// The names in order, each label replaced by `@`: `@.s`, `@.u`, `current`, `lock`, `state`.
    #[must_use]
    pub fn forms(&self) -> Vec<String> {
        self.names().into_iter().map(|name| form(&name)).collect()
    }

    /// The names of the old logs, the oldest first.
    #[must_use]
    pub fn old_logs(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name.starts_with('@')).collect()
    }

    /// One line of text for each entry: name by form, mode, and for what is not a plain file its kind.
    #[must_use]
    pub fn listing(&self) -> Vec<String> {
        let line = |entry: Entry| {
            let kind = if entry.kind == 'f' { String::new() } else { format!(" {}", entry.kind) };
            format!("{} {:04o}{kind}", form(&entry.name), entry.mode)
        };
        self.entries().into_iter().map(line).collect()
    }

    /// The content of one file; empty where there is none.
    ///
    /// # Panics
    ///
    /// Where it is there and cannot be read.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        match std::fs::read(self.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => panic!("{}: {error}", self.join(name).display()),
        }
    }

    /// The permission bits of one file, `None` where there is none.
    #[must_use]
    pub fn mode(&self, name: &str) -> Option<u32> {
        self.join(name).symlink_metadata().ok().map(|meta| meta.mode() & 0o7777)
    }

    /// All that is logged: the old logs, oldest first, then `previous`, then `current`.
    ///
    /// `processed` is left out: it is a second copy of `previous`, or the only copy once `previous` has gone; the tests of that
    /// moment read it themselves. Read it while no logger runs, or names may move under the reader.
    #[must_use]
    pub fn all(&self) -> Vec<u8> {
        let mut names = self.old_logs();
        names.extend(["previous".to_owned(), "current".to_owned()]);
        names.iter().flat_map(|name| self.read(name)).collect()
    }

    /// The lines of [`all`](LogDir::all), without their newlines.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let all = self.all();
        let whole = all.strip_suffix(b"\n").unwrap_or(&all);
        if all.is_empty() {
            Vec::new()
        } else {
            whole.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
        }
    }
}

/// A name with its label, if it has one, replaced by `@`.
fn form(name: &str) -> String {
    String::from_utf8_lossy(&mask_labels(name.as_bytes())).replacen("@LABEL", "@", 1)
}
