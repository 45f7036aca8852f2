//! Directories that are gone when we are, whatever happened in between.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::fail::{Fail, Unable};

/// The place of everything this run writes.
pub struct Scratch(TempDir);

impl Scratch {
    /// A new directory in `dir`.
    pub fn new(dir: &Path) -> Result<Scratch, Fail> {
        let made = tempfile::Builder::new().prefix("compare.").tempdir_in(dir);
        made.map(Scratch).unable_to(|| format!("create a directory in {}", dir.display()))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A fresh place for one logger.
    pub fn place(&self) -> Result<Place, Fail> {
        let place = Place(Scratch::new(self.path())?);
        fs::create_dir(place.log()).unable_to(|| format!("create {}", place.log().display()))?;
        Ok(place)
    }

    /// Removes everything, and says so if that fails.
    pub fn close(self) -> Result<(), Fail> {
        let path = self.path().to_owned();
        self.0.close().unable_to(|| format!("remove {}", path.display()))
    }
}

/// Where one logger works: its log directory, and beside it what it says.
pub struct Place(Scratch);

impl Place {
    /// The log directory.
    pub fn log(&self) -> PathBuf {
        self.0.path().join("log")
    }

    /// The logger's standard error.
    pub fn stderr(&self) -> PathBuf {
        self.0.path().join("stderr")
    }

    /// What strace counted.
    pub fn calls(&self) -> PathBuf {
        self.0.path().join("calls")
    }

    /// Removes it all.
    pub fn close(self) -> Result<(), Fail> {
        self.0.close()
    }
}
