//! One file of a log directory, open: its text from any offset, compressed or not.

use crate::logdir::{self, LogFile};
use crate::unpack::{At, Content, Packing, look, unpack};
use logcore::disk::{Disk, How, RealDisk};
use logcore::label::Label;
use logcore::strerr::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// Whether a file that could not be opened for this reason is there, and may be opened another time.
pub fn is_closed(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ACCESS | Errno::PERM | Errno::MFILE | Errno::NFILE | Errno::NOMEM)
    )
}

/// An open file. Its text can be read any number of times, also after its name has gone.
#[derive(Debug)]
pub struct Opened {
    /// Its name when it was looked for.
    pub name: OsString,
    /// The moment in that name.
    pub label: Option<Label>,
    /// Its inode; nobody else gets it while this is open.
    pub inode: u64,
    /// It is shown as it is, though it begins like what is packed.
    pub damage: Option<io::Error>,
    packing: Option<Packing>,
    file: Arc<File>,
}

impl Opened {
    /// Opens a file that was found in `dir`.
    ///
    /// # Errors
    /// It is gone, or cannot be read.
    pub fn new(dir: &OwnedFd, found: LogFile) -> io::Result<Self> {
        let LogFile { name, label, open, .. } = found;
        let file = open.unwrap_or_else(|| RealDisk.open(dir, &name, How::Read))?;
        let meta = file.metadata()?;
        let file = Arc::new(file);
        let content = if logdir::is_never_packed(&name) { Content::Plain } else { look(&file)? };
        let (packing, damage) = match content {
            Content::Plain => (None, None),
            Content::Packed(packing) => (Some(packing), None),
            Content::Damaged(error) => (None, Some(error)),
        };
        Ok(Opened { name, label, inode: meta.ino(), damage, packing, file })
    }

    /// An outage has cut it off: its last line may be torn.
    pub fn is_torn(&self) -> bool {
        self.name.as_bytes().ends_with(b".u")
    }

    /// Whether offsets of its text are offsets of the file.
    pub fn is_plain(&self) -> bool {
        self.packing.is_none()
    }

    /// Its bytes now.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn size_now(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Its text from `offset` on. What is compressed is read from its beginning to get there.
    ///
    /// # Errors
    /// No memory for a decoder, or what is before `offset` cannot be read.
    pub fn text(&self, offset: u64) -> io::Result<Text> {
        let file = Arc::clone(&self.file);
        let Some(packing) = self.packing else {
            return Ok(Text::Plain(At { file, offset }));
        };
        let mut packed = unpack(packing, Vec::new(), At { file, offset: 0 })?;
        io::copy(&mut (&mut packed).take(offset), &mut io::sink())?;
        Ok(Text::Packed(packed))
    }

    /// The first bytes of its text, at most `most`, fewer where there are no more.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn head(&self, most: usize) -> io::Result<Vec<u8>> {
        self.bytes(0, most)
    }

    /// The bytes of its text from `offset` on, at most `most`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn bytes(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.text(offset)?.take(most as u64).read_to_end(&mut bytes) {
            Err(error) if bytes.is_empty() => Err(error),
            _ => Ok(bytes),
        }
    }
}

/// Text of a file.
pub enum Text {
    /// As it lies on disk.
    Plain(At),
    /// Unpacked.
    Packed(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text::Plain(at) => at.fmt(f),
            Text::Packed(_) => f.write_str("Packed"),
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Text::Plain(at) => at.read(buffer),
            Text::Packed(packed) => packed.read(buffer),
        }
    }
}
