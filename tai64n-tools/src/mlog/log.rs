//! One log, file after file, as blocks of whole lines; and on across rotations while it is being written.
//!
//! ```text
//! list → old logs → previous → current ⟶ at its end: is it still `current`? → wait
//!   ↑                                          └ no: what came after it, by inode, else by place ┐
//!   └────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A file that is being read is held open: it may be renamed or removed meanwhile. The writer adds nothing to a file that is not
//! called `current` any more, so after the name has gone, the file is read to its end once more, and only then left.
//!
//! A line that the logger cut at the end of a full file goes on in the next one without a stamp, and is joined. Where the next
//! file begins with a stamp, or an outage tore a line off that had none, the line is ended instead.

mod files;
mod start;

pub use start::Start;

use super::buffer::Buffer;
use super::file::{Opened, Text};
use super::place::{Place, last_moment, print};
use super::select::{Select, lines};
use crate::files::reason;
use crate::logdir::{self, CURRENT, Old};
use crate::moment::{STAMP_BYTES, Stamps};
use files::{Before, Waiting};
use logcore::disk::{Disk, RealDisk};
use logcore::label::Label;
use logcore::strerr::Errno;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A partial line of `current` up to this length is read again when more has come: a logger that starts after a kill cuts it off
/// when its source is still in the pipe. Longer ones are never cut.
const UNREAD_BYTES: usize = 4096;

/// What [`Log::fill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// There are lines.
    Lines,
    /// None now; more may come.
    Idle,
    /// None, and no more will come.
    End,
}

/// Something that could not be done, or lines that are not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A message from "unable to" on.
    Unable(String),
    /// Lines between these moments may have been removed before they were read; `None` is not known.
    Lost(PathBuf, Option<Label>, Option<Label>),
    /// Worth a word, but nothing is missing.
    Note(String),
}

/// A log that is being read.
#[derive(Debug)]
pub struct Log {
    /// The directory as it is shown.
    path: PathBuf,
    /// The directory as the cursor names it.
    key: PathBuf,
    dir: OwnedFd,
    /// More is waited for at the end.
    follows: bool,
    /// A last line without an end is left for the next time.
    leaves_partial: bool,
    stamps: Stamps,
    buffer: Buffer,
    /// The file that the buffer's last bytes are of.
    file: Option<Reading>,
    /// The one after it, while it is not clear whether a line goes on there.
    next: Option<Reading>,
    waiting: VecDeque<Waiting>,
    /// The old logs that were there when the directory was listed last: those before the files that wait, and these.
    known: HashSet<Old>,
    /// So many bytes of the partial line are of files before `file`.
    carried: usize,
    place: Option<Place>,
    /// The place where it was begun, in a file that others may come before.
    begun: Option<Place>,
    /// Lines were taken that are not before it yet.
    has_taken: bool,
    /// Nobody has asked for it since it was noted.
    is_place_new: bool,
    /// The last moment, and its lines, before those in the buffer: [`Place::last`] when it was read.
    read_last: Option<(Label, u64)>,
    /// Something may be missing before the next line, and the moment of the line before that.
    lost: Option<Option<Label>>,
    /// The next line may come a second time.
    twice: bool,
    troubles: Vec<Trouble>,
    /// Of the files that are there: what was said of each that could not be read.
    said: HashMap<OsString, String>,
    read_bytes: u64,
    dir_identity: Identity,
    /// Which directory the path named when it was last looked, and whether nobody has asked since that changed.
    named: Identity,
    is_name_new: bool,
    is_removed: bool,
    /// The moment of the line before those in the buffer: lines share it which come before any with a stamp.
    carry: Option<Label>,
    /// Lines that are wanted, when it was begun with the last so many.
    last_lines: u64,
}

/// A file that is being read.
#[derive(Debug)]
struct Reading {
    opened: Opened,
    text: Text,
    offset: u64,
    /// Where reading ends when nothing is waited for.
    until: u64,
    after: Option<Label>,
    before: Before,
    unnamed: bool,
    /// Its name is not `current` any more, and it is being read once more.
    is_left: bool,
}

impl Log {
    /// Begins with the log in `dir`, which is shown as `path`. `select` and `start` belong together: the last lines are those
    /// that are wanted. `has_read` is told how many bytes were read to find them.
    ///
    /// # Errors
    /// The directory cannot be listed, or there is no log in it.
    pub fn new(
        path: PathBuf,
        follows: bool,
        leaves_partial: bool,
        stamps: Stamps,
        start: &Start,
        select: &Select,
        has_read: &mut dyn FnMut(u64),
    ) -> Result<Self, Errno> {
        let dir = RealDisk.open_dir(&path)?;
        let files = logdir::list(&dir)?;
        let mut log = Log::on(path, dir, follows, leaves_partial, stamps);
        log.begin(files, start, select, has_read);
        Ok(log)
    }

    /// A reader that has nothing to read yet.
    fn on(path: PathBuf, dir: OwnedFd, follows: bool, leaves_partial: bool, stamps: Stamps) -> Self {
        let identity = dir_identity(&dir);
        Log {
            dir_identity: identity,
            named: identity,
            is_name_new: false,
            key: key(&path),
            path,
            dir,
            follows,
            leaves_partial,
            stamps,
            buffer: Buffer::default(),
            file: None,
            next: None,
            waiting: VecDeque::new(),
            known: HashSet::new(),
            carried: 0,
            place: None,
            begun: None,
            has_taken: false,
            is_place_new: false,
            read_last: None,
            lost: None,
            twice: false,
            troubles: Vec::new(),
            said: HashMap::new(),
            read_bytes: 0,
            is_removed: false,
            carry: None,
            last_lines: 0,
        }
    }

    /// Whole lines that are not taken yet.
    pub fn lines(&self) -> &[u8] {
        self.buffer.lines()
    }

    /// Takes the first `len` bytes of the lines.
    pub fn take(&mut self, len: usize) {
        self.has_taken |= len > 0;
        self.buffer.take(len);
    }

    /// The directory as it is shown.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory as the cursor names it: without links, as it is now.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Whether it is the log in this directory.
    pub fn is_in(&self, dir: Identity) -> bool {
        dir.is_some() && self.dir_identity == dir
    }

    /// The name of the file that the lines are of.
    pub fn file_name(&self) -> &OsStr {
        self.file.as_ref().map_or(OsStr::new(CURRENT), |file| &file.opened.name)
    }

    /// The newest old log before the file that the lines are of: its lines are later than this, but for a few.
    pub fn after(&self) -> Option<Label> {
        self.file.as_ref().and_then(|file| file.after)
    }

    /// The moment of the line before the lines at hand, if it is known.
    pub fn carry(&self) -> Option<Label> {
        self.carry
    }

    /// How many lines are wanted from the beginning on, where it was begun with [`Start::Last`]; mostly more than asked for.
    pub fn last_lines(&self) -> u64 {
        self.last_lines
    }

    /// Bytes of text read so far, to find the beginning too.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Whether something went wrong since the last call of [`troubles`](Self::troubles).
    pub fn is_troubled(&self) -> bool {
        !self.troubles.is_empty()
    }

    /// What went wrong since the last call.
    pub fn troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// Ends it: nothing more is wanted of it.
    pub fn close(&mut self) {
        self.remember();
        (self.file, self.next) = (None, None);
        self.waiting.clear();
        self.buffer = Buffer::default();
        self.follows = false;
    }

    /// The place behind what was taken; `None` before anything was, and where it is the same as the last time.
    pub fn place(&mut self) -> Option<Place> {
        self.remember();
        std::mem::take(&mut self.is_place_new).then(|| self.place.clone()).flatten()
    }

    /// Whether its path names another directory than when this was asked last, or none.
    pub fn is_elsewhere(&mut self) -> bool {
        std::mem::take(&mut self.is_name_new)
    }

    /// Which directory its path names now.
    fn look_at_name(&mut self) -> Identity {
        let now = identity(&self.path);
        self.is_name_new |= std::mem::replace(&mut self.named, now) != now;
        now
    }

    /// Whether its directory was removed, and everything in it has been read.
    pub fn is_removed(&self) -> bool {
        self.is_removed
    }

    /// Reads until there are whole lines. All lines have been taken.
    pub fn fill(&mut self) -> Fill {
        match self.fill_or_wait() {
            Fill::Idle if self.is_dir_removed() => {
                // Nobody can write to it any more, and what its path names next is another log.
                (self.is_removed, self.follows) = (true, false);
                self.fill_or_wait()
            }
            other => other,
        }
    }

    fn fill_or_wait(&mut self) -> Fill {
        self.remember();
        self.read_last = self.place.as_ref().and_then(|place| place.last);
        self.carry = self.read_last.map_or(self.carry, |(moment, _)| Some(moment));
        let mut may_list = self.follows;
        loop {
            let Some(file) = &mut self.file else {
                let next = self.next.take().or_else(|| self.open_next());
                if self.take_up(next) || (std::mem::take(&mut may_list) && self.list_again()) {
                    continue;
                }
                return if self.follows { Fill::Idle } else { Fill::End };
            };
            let most = usize::try_from(file.until - file.offset.min(file.until)).unwrap_or(usize::MAX);
            let step = match self.buffer.read_from(&mut Limited(&mut file.text, most)) {
                Ok(0) => self.at_end(),
                Ok(read) => {
                    file.offset += read as u64;
                    self.read_bytes += read as u64;
                    None
                }
                Err(error) => self.at_error(&error),
            };
            if !self.buffer.lines().is_empty() {
                self.carried = 0;
                if self.follows && self.file.as_ref().is_some_and(|file| file.opened.name == CURRENT) {
                    // The output may stand still for long before it takes these.
                    self.unread_partial();
                }
                self.tell_lost();
                return Fill::Lines;
            }
            if let Some(fill) = step {
                return fill;
            }
        }
    }

    /// The file cannot be read any further. `None`: go on with the next one.
    fn at_error(&mut self, error: &io::Error) -> Option<Fill> {
        let Some(file) = &self.file else { return None };
        let shown = self.path.join(&file.opened.name);
        let is_plain = file.opened.is_plain();
        self.unable_to_read(&shown, error);
        if self.follows && is_plain && self.is_current() {
            // It may work the next time, and what comes after it is not there yet.
            return Some(Fill::Idle);
        }
        // What it has of a line is shown.
        if !self.buffer.partial().is_empty() {
            self.buffer.end_partial();
        }
        if let Some(file) = &mut self.file {
            (file.until, file.is_left) = (file.offset, true);
        }
        None
    }

    /// At the end of the file's text. `None`: go on reading.
    fn at_end(&mut self) -> Option<Fill> {
        if self.next.is_none() {
            self.next = self.open_next();
        }
        if self.next.is_none() && self.follows {
            if self.is_current() {
                self.unread_partial();
                return Some(Fill::Idle);
            }
            let file = self.file.as_mut()?;
            if !std::mem::replace(&mut file.is_left, true) {
                return None;
            }
            self.list_after();
            self.next = self.open_next();
            if self.next.is_none() && self.change_over() {
                self.next = self.open_next();
            }
            if self.next.is_none() {
                return Some(Fill::Idle);
            }
        }
        let partial = self.buffer.partial().len();
        let Some(next) = &self.next else {
            if partial > 0 && !self.leaves_partial {
                self.buffer.end_partial();
                return None;
            }
            return Some(Fill::End);
        };
        // Where it cannot be read its own turn tells.
        if partial > 0
            && let Ok(head) = next.opened.head(STAMP_BYTES)
        {
            if head.is_empty() && self.follows && self.waiting.is_empty() && self.names_current(next) {
                // The line may go on there, or not: nothing has come yet.
                return Some(Fill::Idle);
            }
            let is_torn = self.file.as_ref().is_some_and(|file| file.opened.is_torn());
            let begins_anew = self.stamps.read(&head, None).is_some();
            if begins_anew || (is_torn && self.stamps.read(self.buffer.partial(), None).is_none()) {
                self.buffer.end_partial();
                return None;
            }
        }
        self.carried = partial;
        let next = self.next.take();
        self.take_up(next);
        None
    }

    /// Begins to read a file, if there is one.
    fn take_up(&mut self, mut next: Option<Reading>) -> bool {
        if let Some(Reading { opened, .. }) = &mut next
            && let Some(error) = opened.damage.take()
        {
            let shown = self.path.join(&opened.name);
            self.unable_to_read(&shown, &error);
        }
        if let Some(Reading { offset: 1.., after, before, unnamed, .. }) = &next
            && self.buffer.partial().is_empty()
            && let Some(begun) = self.begun.take()
        {
            // What came before it is done, also where nothing is new in it.
            let (after, unnamed, known) = (*after, *unnamed, before.known());
            (self.place, self.is_place_new) = (Some(Place { after, unnamed, known, ..begun }), true);
        }
        self.file = next;
        self.file.is_some()
    }

    /// Leaves the beginning of a line in the file, as the logger leaves it in the pipe: the next logger may cut it off.
    fn unread_partial(&mut self) {
        let own = self.buffer.partial().len().saturating_sub(self.carried);
        if let Some(Reading { text: Text::Plain(at), offset, .. }) = &mut self.file
            && own <= UNREAD_BYTES
            && own as u64 <= *offset
        {
            self.buffer.forget(own);
            *offset -= own as u64;
            at.offset = *offset;
        }
    }

    /// Notes the place behind what was taken, while its bytes are there.
    fn remember(&mut self) {
        // With many logs most had nothing since.
        if !std::mem::take(&mut self.has_taken) {
            return;
        }
        let taken = self.buffer.taken();
        let Some(file) = self.file.as_ref().filter(|_| !taken.is_empty()) else { return };
        let offset = file.offset - self.buffer.untaken() as u64;
        // Of a line that began in the file before, only what is in this one.
        let own = taken.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let mut place = Place::before(&file.opened);
        (place.offset, place.print) = (offset, print(&taken[taken.len() - own..]));
        (place.after, place.unnamed, place.known) = (file.after, file.unnamed, file.before.known());
        place.last = last_moment(taken, self.carry, &mut self.stamps).or_else(|| {
            // Without a stamp they all share that of the line before. A part of them may have been noted already.
            let (moment, count) = self.read_last?;
            Some((moment, count + lines(taken).count() as u64))
        });
        (self.place, self.is_place_new) = (Some(place), true);
    }

    fn unable_to_read(&mut self, shown: &Path, error: &io::Error) {
        let message = format!("unable to read {}: {}", shown.display(), reason(error));
        // The same again is no news.
        let name = shown.file_name().unwrap_or_default().to_owned();
        if self.said.insert(name, message.clone()).as_ref() != Some(&message) {
            self.troubles.push(Trouble::Unable(message));
        }
    }

    /// Tells what is missing before the lines at hand, and that they may come a second time.
    fn tell_lost(&mut self) {
        if std::mem::take(&mut self.twice) {
            let shown = self.path.display();
            self.troubles.push(Trouble::Note(format!("{shown}: clock was set back, lines may come twice")));
        }
        if let Some(from) = self.lost.take() {
            let line = self.buffer.lines();
            let until = self.stamps.read(line, None).map(|stamp| stamp.moment);
            self.troubles.push(Trouble::Lost(self.path.clone(), from, until));
        }
    }
}

/// Device and inode of a directory, where it is there.
pub type Identity = Option<(u64, u64)>;

/// A directory as the cursor names it.
pub fn key(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}

fn dir_identity(dir: &OwnedFd) -> Identity {
    rustix::fs::fstat(dir).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// Which directory this is now.
pub fn identity(path: &Path) -> Identity {
    rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// At most so many bytes of an input.
struct Limited<'a>(&'a mut Text, usize);

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.1);
        // What has failed once is not asked again, not even for nothing.
        if most == 0 { Ok(0) } else { self.0.read(&mut buffer[..most]) }
    }
}
