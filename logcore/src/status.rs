//! A status file (`=file`): the last selected line, always 1001 bytes, so that a reader never sees half of two.

use crate::disk::Disk;
use crate::split::HEAD_BYTES;
use crate::strerr::{self, Error};
use std::path::{Path, PathBuf};

/// An open status file.
pub struct Status<D: Disk> {
    disk: D,
    path: PathBuf,
    file: D::File,
}

impl<D: Disk> Status<D> {
    /// Opens or makes the file, mode 0600. What is in it stays until a line is selected.
    ///
    /// # Errors
    /// It cannot be opened for writing, or is a link.
    pub fn open(disk: D, path: &Path) -> Result<Self, Error> {
        let file = disk.open_status(path);
        let file = file.map_err(|errno| Error::new(format!("create {}", strerr::shown(path)), errno))?;
        Ok(Status { disk, path: path.to_owned(), file })
    }

    /// Shows a line: its head, filled up with newlines to 1001 bytes, in one write. A longer file keeps its rest.
    ///
    /// # Errors
    /// The file shows the line before, or part of this one.
    pub fn show(&self, head: &[u8]) -> Result<(), Error> {
        let mut text = [b'\n'; HEAD_BYTES + 1];
        let len = head.len().min(HEAD_BYTES);
        text[..len].copy_from_slice(&head[..len]);
        let written = self.disk.overwrite(&self.file, &text);
        written.map_err(|errno| Error::new(format!("write {}", strerr::shown(&self.path)), errno))
    }
}
