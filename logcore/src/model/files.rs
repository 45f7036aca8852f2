//! Files and directories of the model: what programs see, and what is on the medium.

use crate::disk::Kind;
use crate::strerr::Errno;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file.
#[derive(Clone, Debug)]
pub struct Inode {
    /// What it is; only regular files have content.
    pub kind: Kind,
    /// What programs read.
    pub live: Arc<Vec<u8>>,
    /// What is on the medium.
    pub durable: Arc<Vec<u8>>,
    /// The owner's x bit, as programs see it.
    pub safe: bool,
    /// The owner's x bit, on the medium.
    pub durable_safe: bool,
    /// Where writes since the last sync ended.
    pub writes: Vec<usize>,
    /// Bytes that the system believes to be on the medium and are not, since a sync failed.
    pub hole: Range<usize>,
    /// When it was last appended to, Unix seconds.
    pub modified: i64,
    /// Nobody may remove it.
    pub immutable: bool,
    /// Which logger holds its lock.
    pub locked: Option<u64>,
}

impl Inode {
    /// An empty regular file, mode 0644.
    pub fn new() -> Inode {
        Inode {
            kind: Kind::Regular,
            live: Arc::default(),
            durable: Arc::default(),
            safe: false,
            durable_safe: false,
            writes: Vec::new(),
            hole: 0..0,
            modified: 0,
            immutable: false,
            locked: None,
        }
    }

    /// A file that has been on the medium for long.
    pub fn old(content: &[u8], safe: bool) -> Inode {
        let content = Arc::new(content.to_vec());
        Inode { live: Arc::clone(&content), durable: content, safe, durable_safe: safe, ..Inode::new() }
    }

    /// Whether a power cut could leave it otherwise than programs see it.
    pub fn is_dirty(&self) -> bool {
        self.live != self.durable || self.safe != self.durable_safe
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        Arc::make_mut(&mut self.live).extend_from_slice(bytes);
        self.writes.push(self.live.len());
    }

    pub(super) fn overwrite(&mut self, bytes: &[u8]) {
        let live = Arc::make_mut(&mut self.live);
        live.resize(live.len().max(bytes.len()), 0);
        live[..bytes.len()].copy_from_slice(bytes);
        self.writes.push(live.len());
    }

    pub(super) fn truncate(&mut self, size: usize) {
        Arc::make_mut(&mut self.live).resize(size, 0);
        self.hole = self.hole.start.min(size)..self.hole.end.min(size);
    }

    /// fsync. `fails`: what was not on the medium is believed to be from now on, and is not.
    pub(super) fn sync(&mut self, fails: bool) {
        if fails {
            let start = if self.hole.is_empty() { self.durable.len() } else { self.hole.start };
            self.hole = start.min(self.live.len())..self.live.len();
        } else {
            self.durable = Arc::clone(&self.live);
            let hole = self.hole.clone();
            if !hole.is_empty() {
                Arc::make_mut(&mut self.durable)[hole].fill(0);
            }
            self.durable_safe = self.safe;
        }
        self.writes.clear();
    }
}

impl Default for Inode {
    fn default() -> Self {
        Inode::new()
    }
}

/// A change of a directory that may not be on the medium yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A new name for an inode.
    Add(OsString, usize),
    /// A name is gone.
    Remove(OsString),
    /// A name is another; what bore that is gone.
    Rename(OsString, OsString),
}

/// A directory's names.
pub type Names = BTreeMap<OsString, usize>;

/// A directory.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// What programs see.
    pub live: Names,
    /// What is on the medium.
    pub durable: Names,
    /// What leads from the one to the other.
    pub pending: Vec<Operation>,
}

impl Operation {
    /// Does it, where it still means something.
    pub fn apply(&self, names: &mut Names) {
        match self {
            Operation::Add(name, inode) => {
                names.entry(name.clone()).or_insert(*inode);
            }
            Operation::Remove(name) => {
                names.remove(name);
            }
            Operation::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl Directory {
    fn change(&mut self, operation: Operation) {
        operation.apply(&mut self.live);
        self.pending.push(operation);
    }
}

/// All files. There is no tree: a directory is known by the path it was made with.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Directories by path.
    pub directories: BTreeMap<PathBuf, Directory>,
    /// Files outside directories (status files) by path.
    pub loose: BTreeMap<PathBuf, usize>,
    /// Every file there ever was.
    pub inodes: Vec<Inode>,
    /// So many bytes can still be written; `None`: as many as one likes.
    pub room: Option<usize>,
}

impl Files {
    /// Puts a file into a directory, on the medium.
    pub fn place(&mut self, directory: impl AsRef<Path>, name: &str, inode: Inode) {
        let number = self.inodes.len();
        self.inodes.push(inode);
        let directory = self.directories.entry(directory.as_ref().to_owned()).or_default();
        directory.live.insert(name.into(), number);
        directory.durable.insert(name.into(), number);
    }

    /// What a name in a directory holds.
    pub fn read(&self, directory: impl AsRef<Path>, name: impl AsRef<OsStr>) -> Option<&[u8]> {
        let inode = *self.directories.get(directory.as_ref())?.live.get(name.as_ref())?;
        Some(&self.inodes[inode].live)
    }

    pub(super) fn inode(&self, directory: &Path, name: &OsStr) -> Result<usize, Errno> {
        let directory = self.directories.get(directory).ok_or(Errno::NOENT)?;
        directory.live.get(name).copied().ok_or(Errno::NOENT)
    }

    pub(super) fn create(&mut self, directory: &Path, name: &OsStr) -> Result<usize, Errno> {
        let number = self.inodes.len();
        let directory = self.directories.get_mut(directory).ok_or(Errno::NOENT)?;
        if directory.live.contains_key(name) {
            return Err(Errno::EXIST);
        }
        directory.change(Operation::Add(name.to_owned(), number));
        self.inodes.push(Inode::new());
        Ok(number)
    }

    pub(super) fn rename(
        &mut self,
        directory: &Path,
        from: &OsStr,
        to: &OsStr,
        replace: bool,
    ) -> Result<(), Errno> {
        self.inode(directory, from)?;
        if !replace && self.inode(directory, to).is_ok() {
            return Err(Errno::EXIST);
        }
        let directory = self.directories.get_mut(directory).ok_or(Errno::NOENT)?;
        directory.change(Operation::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn remove(&mut self, directory: &Path, name: &OsStr) -> Result<(), Errno> {
        let inode = self.inode(directory, name)?;
        if self.inodes[inode].kind == Kind::Directory {
            return Err(Errno::ISDIR);
        }
        if self.inodes[inode].immutable {
            return Err(Errno::PERM);
        }
        let directory = self.directories.get_mut(directory).ok_or(Errno::NOENT)?;
        directory.change(Operation::Remove(name.to_owned()));
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, directory: &Path) -> Result<(), Errno> {
        let directory = self.directories.get_mut(directory).ok_or(Errno::NOENT)?;
        directory.durable = directory.live.clone();
        directory.pending.clear();
        Ok(())
    }

    pub(super) fn links(&self, inode: usize) -> u64 {
        let names = self.directories.values().flat_map(|directory| directory.live.values());
        names.filter(|number| **number == inode).count() as u64
    }

    /// Takes room for `wanted` bytes; gives as many as there is room for.
    pub(super) fn take_room(&mut self, wanted: usize) -> Result<usize, Errno> {
        let Some(room) = &mut self.room else { return Ok(wanted) };
        if *room == 0 && wanted > 0 {
            return Err(Errno::NOSPC);
        }
        let given = wanted.min(*room);
        *room -= given;
        Ok(given)
    }
}
