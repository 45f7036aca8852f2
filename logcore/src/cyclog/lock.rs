//! The file `lock`: held while a directory is open; it says who writes, so that the next logger knows what it may believe.
//!
//! Three lines: the id of this run of the machine, what standard input is, and how `current` begins. Where something may not
//! have come to disk they name nobody. Whoever finds less there believes less.

use super::Writer;
use super::home::{Home, Name};
use crate::disk::{Disk, How, Kind};
use crate::strerr::{Errno, Error};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How `current` begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Begins {
    /// With the beginning of a line.
    Line,
    /// In the middle of a line that began in the file before.
    InLine,
    /// Nobody says.
    #[default]
    Unknown,
}

impl Begins {
    fn text(self) -> &'static str {
        if self == Begins::Line { "line" } else { "-" }
    }
}

/// The open and locked file.
pub(super) struct Lock<D: Disk> {
    file: D::File,
    /// Another name than ours stands for it too: what is written to it would be written there.
    is_shared: bool,
    says: Mutex<Says>,
}

#[derive(Default)]
struct Says {
    writer: Writer,
    /// The youngest file of which a sync has failed and that is not safe elsewhere yet: nobody is named before that.
    doubt: Option<u64>,
}

impl<D: Disk> Lock<D> {
    /// Opens and locks it. `shown`: the directory, for messages.
    pub(super) fn take(disk: &D, dir: &D::Dir, shown: &str) -> Result<Self, Error> {
        let refused = |errno| Error::new(format!("lock directory {shown}"), errno);
        let is_no_file = |errno| Error::new(format!("open {shown}/{}", Name::Lock.text()), errno);
        let file = disk.open(dir, Name::Lock.os(), How::Lock).map_err(|errno| match errno {
            Errno::LOOP | Errno::NXIO => is_no_file(errno),
            errno => refused(errno),
        })?;
        let stat = disk.stat_file(&file).ok();
        // A FIFO or a device can be opened and locked, but says nothing of the last writer, and keeps nothing for the next.
        if stat.is_some_and(|stat| stat.kind != Kind::Regular) {
            return Err(is_no_file(Errno::NXIO));
        }
        hold(disk, &file).map_err(refused)?;
        Ok(Lock { file, is_shared: stat.is_some_and(|stat| stat.links > 1), says: Mutex::default() })
    }

    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// What it says of the last writer; nothing when the original, or nobody, wrote to it.
    pub(super) fn last(&self, disk: &D) -> (Writer, Begins) {
        let mut buffer = [0; 256];
        let read = if self.is_shared { 0 } else { disk.read_at(&self.file, 0, &mut buffer).unwrap_or(0) };
        let text = String::from_utf8_lossy(&buffer[..read]);
        let mut lines = text.lines().map(|line| (line != "-" && !line.is_empty()).then(|| line.to_owned()));
        let writer = Writer { boot: lines.next().flatten(), input: lines.next().flatten() };
        let begins = match lines.next() {
            Some(Some(line)) if line == Begins::Line.text() => Begins::Line,
            Some(None) if writer.boot.is_some() => Begins::InLine,
            _ => Begins::Unknown,
        };
        (writer, begins)
    }

    /// From now on `writer` writes.
    pub(super) fn begin(&self, home: &Home<D>, writer: &Writer, begins: Begins) -> Result<(), Error> {
        let mut says = self.says();
        says.writer = writer.clone();
        let written = self.write(&home.disk, writer, begins);
        written.map_err(|errno| home.error("write", Name::Lock, errno))
    }

    /// Says how `current` begins. Where that fails, the next start believes what it must not only of a line torn by a kill
    /// before then.
    pub(super) fn sign(&self, disk: &D, begins: Begins) {
        self.name(disk, &self.says(), begins);
    }

    /// A sync of this file has failed: a killed logger's files must not be believed by the next.
    pub(super) fn disown(&self, disk: &D, generation: u64) {
        let mut says = self.says();
        says.doubt = says.doubt.max(Some(generation));
        let _ = self.write(disk, &Writer::default(), Begins::Unknown);
    }

    /// What was in doubt of this file is safe elsewhere; of a younger one it may not be.
    pub(super) fn own(&self, disk: &D, generation: u64, begins: Begins) {
        let mut says = self.says();
        says.doubt = says.doubt.filter(|doubt| *doubt > generation);
        self.name(disk, &says, begins);
    }

    fn name(&self, disk: &D, says: &Says, begins: Begins) {
        if says.doubt.is_none() {
            let _ = self.write(disk, &says.writer, begins);
        }
    }

    fn says(&self) -> MutexGuard<'_, Says> {
        self.says.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes over what is there and cuts the rest: that takes no new space.
    fn write(&self, disk: &D, writer: &Writer, begins: Begins) -> Result<(), Errno> {
        if self.is_shared {
            return Ok(());
        }
        let line = |line: &Option<String>| line.clone().unwrap_or_else(|| "-".to_owned());
        let text = format!("{}\n{}\n{}\n", line(&writer.boot), line(&writer.input), begins.text());
        disk.overwrite(&self.file, text.as_bytes())?;
        disk.truncate(&self.file, text.len() as u64)
    }
}

/// Locks, trying for a moment: a logger that is killed just as it starts its processor leaves a child that has the lock
/// until it becomes `sh`.
fn hold<D: Disk>(disk: &D, lock: &D::File) -> Result<(), Errno> {
    for _ in 0..10 {
        match disk.lock(lock) {
            Err(Errno::AGAIN) => disk.sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    disk.lock(lock)
}
