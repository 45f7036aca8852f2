//! A directory with rotation: open, recover, append, rotate, close.
//!
//! `current` takes lines. When it is full it becomes `previous`, a new `current` is made, and a finisher does the slow rest
//! (see `finish`). What is on disk at any moment is a state of the table in `recover`, so whoever dies where, the next
//! logger, ours or the original, goes on from there. Once it is open it never waits: what cannot be done now comes back as
//! [`Blocked`], and the road decides how to wait.
//!
//! Source: `struct cyclog` and `c_write` in multilog.c, daemontools 0.76.

use crate::disk::{Disk, How, Kind};
use crate::label::Label;
use crate::split;
use crate::stamp::{StampKind, Zone};
use crate::strerr::{self, Errno, Error};
use finish::{Event, Finisher, First, Full, Order};
use home::{Home, Name};
use lock::{Begins, Lock};
use oldlogs::OldLogs;
use period::Period;
use recover::{Current, Found, Plan, Step};
use rotate::{Asked, Rotation};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod finish;
mod home;
mod lock;
pub mod name;
mod oldlogs;
mod period;
mod processor;
mod recover;
mod retain;
mod rotate;
mod torn;

pub use finish::Bell;

/// Behind `size` less this many bytes a file ends with the next line that ends. Source: `c_write` in multilog.c.
const LAST_BYTES: u64 = 2000;

/// Size of a log file when no `s` is given, bytes.
const SIZE_DEFAULT: u64 = 99_999;
/// Number of log files when no `n` is given.
const NUM_DEFAULT: usize = 10;
/// How old un-synced data may get when no `y` is given.
const SYNC_DEFAULT: Sync = Sync::Within(Duration::from_secs(5));
/// Mode of the files when no `p` is given.
const MODE_DEFAULT: u32 = 0o644;

/// The owner's x: what bears it is whole and on disk.
pub const MARK: u32 = 0o100;

/// When `current` is written to disk while it is being written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// `y0`: before the input of each batch is taken.
    EachBatch,
    /// `yT`: no un-synced data is older than this.
    Within(Duration),
    /// `yoff`: at rotation and at the end only, as the original.
    AtRotation,
}

/// What the script says of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The directory as the user wrote it.
    pub dir: PathBuf,
    /// `s`: no file grows beyond this many bytes; `u64::MAX` for no limit.
    pub size: u64,
    /// `n`: log files kept, `current` among them; at least 2.
    pub num: usize,
    /// `!`: what a full file is given to.
    pub processor: Option<OsString>,
    /// `w`: the suffix of finished files.
    pub code: Vec<u8>,
    /// `y`: how old un-synced data may get.
    pub sync: Sync,
    /// `r`: a new file begins whenever so much of local time is over; at most some centuries.
    pub every: Option<Duration>,
    /// `b`: old logs take no more than so many bytes together; `u64::MAX` for no limit. The newest one stays.
    pub bytes: u64,
    /// `a`: old logs that were finished longer ago go, when the next file is finished. The newest one stays.
    pub age: Option<Duration>,
    /// `p`: the mode of the files, without the owner's x, which marks a file that is whole.
    pub mode: u32,
}

impl Config {
    /// What holds for `dir` when the script says nothing else.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Config {
            dir: dir.into(),
            size: SIZE_DEFAULT,
            num: NUM_DEFAULT,
            processor: None,
            code: b"s".to_vec(),
            sync: SYNC_DEFAULT,
            every: None,
            bytes: u64::MAX,
            age: None,
            mode: MODE_DEFAULT,
        }
    }
}

/// Who writes: kept in `lock`, so that the next logger knows what it may believe of what it finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// The id of this run of the machine, if there is one: what was written under it survives a killed logger.
    pub boot: Option<String>,
    /// What standard input is, if it can be looked at: its unread lines may be the source of a torn one.
    pub input: Option<String>,
}

/// Why an append could not be done now. Nothing is lost: try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// The disk refuses.
    Trouble(Error),
    /// The file before this one is not finished yet.
    Finisher,
}

/// Where lines will go.
enum Place<D: Disk> {
    /// The `current` that is there. `safe`: it bears the mark of a clean end.
    Current { file: D::File, safe: bool },
    /// A new one, for which a descriptor is held: without one this would show only after other directories were changed.
    New(D::Dir),
}

/// An opened, locked, looked-at directory in which nothing has been changed.
pub struct Opened<D: Disk> {
    home: Home<D>,
    plan: Plan,
    place: Place<D>,
    /// A `previous` that a logger of this boot has left.
    whole: Option<D::File>,
    /// Whether what is there was last written by us, since the machine was started.
    this_boot: bool,
    /// Why no name in it can be changed, if it is so.
    closed: Option<Error>,
    logs: OldLogs,
    warning: Option<String>,
    /// What `lock` says of the last writer, and how its file began.
    last: (Writer, Begins),
}

impl<D: Disk> Opened<D> {
    /// Makes the directory if it is not there, opens it, locks it, and refuses what is not a log directory.
    ///
    /// Beside an empty directory or an empty `lock` that was missing, nothing is changed.
    ///
    /// All that [`recover`](Self::recover) needs is opened, and what it will do is allowed: there only what shows when it
    /// is done, as on a full disk, can still fail.
    ///
    /// # Errors
    /// The directory cannot be opened or is locked; `current` or another file of the protocol is not a regular file; what
    /// recovery must change cannot be changed.
    pub fn open(disk: D, config: Config, writer: &Writer) -> Result<Self, Error> {
        let shown = strerr::shown(&config.dir);
        // Whatever goes wrong here shows when it is opened.
        let _ = disk.make_dir(&config.dir);
        let dir = disk.open_dir(&config.dir);
        let dir = dir.map_err(|errno| Error::new(format!("open directory {shown}"), errno))?;
        let lock = Lock::take(&disk, &dir, &shown)?;
        let home = Home::new(disk, dir, config, lock);
        let mut found = Found::look(&home)?;
        let last = home.lock.last(&home.disk);
        let this_boot = writer.boot.is_some() && writer.boot == last.0.boot;
        let whole = if this_boot { recover::whole(&home, &mut found) } else { None };
        let plan = recover::plan(&found, this_boot, home.config.processor.is_some());
        let closed = home.may_change_names().err();
        let place = match plan.current {
            Current::Continue => {
                let safe = found.current.is_some_and(|stat| stat.safe);
                Place::Current { file: home.open(Name::Current, How::Append)?, safe }
            }
            Current::Make => {
                let room = home.disk.open_dir(&home.config.dir);
                Place::New(room.map_err(|errno| Error::new(format!("open directory {shown}"), errno))?)
            }
        };
        plan.check(&home, &found, closed.as_ref())?;
        // Last: it also shows that there is a descriptor left for what recovery opens for a moment.
        let (logs, warning) = OldLogs::survey(&home)?;
        Ok(Opened { home, plan, place, whole, this_boot, closed, logs, warning, last })
    }

    /// Mends what was found, and opens `current`. `say` takes warnings.
    ///
    /// # Errors
    /// A step failed; the next start goes on from there.
    pub fn recover(
        mut self,
        writer: &Writer,
        bell: Bell,
        say: &mut dyn FnMut(String),
    ) -> Result<Cyclog<D>, Error> {
        if let Some(warning) = self.warning.take() {
            say(warning);
        }
        if self.home.lock.is_shared() {
            say(format!("{}/lock has another name: it is not written to", self.home.shown()));
        }
        if let Some(error) = &self.closed {
            say(format!("{error}; lines wait when current is full"));
        }
        let (last, last_begins) = std::mem::take(&mut self.last);
        let this_boot = self.this_boot;
        let same_input = writer.input.is_some() && writer.input == last.input;
        let Mended { moment, is_abandoned, first } = self.take_steps()?;
        let home = self.home;
        // Without one only a processor has to wait, which tries to make it itself.
        if self.closed.is_none()
            && let Err(error) = home.ensure_state()
            && home.config.processor.is_some()
        {
            say(error.to_string());
        }
        let (file, mut bytes, tail) = match self.place {
            Place::New(room) => {
                drop(room);
                (make_current(&home)?, 0, Tail::Whole)
            }
            Place::Current { file, safe } => continue_current(&home, file, safe)?,
        };
        home.sync_dir()?;
        // The last line of the file before was to go on here, and nothing has come: it ends here, or what comes would be its rest.
        let is_cut = || {
            let in_line = recover::ends_in_line(&home, &self.logs, is_abandoned);
            in_line.unwrap_or(last_begins == Begins::InLine)
        };
        let is_owed = bytes == 0 && is_cut();
        if is_owed && home.disk.append(&file, b"\n") == Ok(1) {
            bytes = 1;
        }
        // A disk that is full is no reason not to start: whoever finds less in `lock` believes less.
        let begins_line = !is_owed && (bytes == 0 || (this_boot && last_begins == Begins::Line));
        let begins = if begins_line { Begins::Line } else { Begins::InLine };
        if let Err(error) = home.lock.begin(&home, writer, begins) {
            say(error.to_string());
        }
        if tail == Tail::Unended {
            say(format!("{}/current ends in the middle of a line; ending it", home.shown()));
        }
        let tail = match tail {
            Tail::Torn if this_boot && same_input => Tail::Torn,
            Tail::Torn => Tail::Unended,
            Tail::Whole if is_owed && bytes == 0 => Tail::Unended,
            other => other,
        };
        let period = home.config.every.map(|every| {
            let modified = || home.disk.stat_file(&file).map_or(0, |stat| stat.modified);
            Period::of(if bytes > 0 { modified() } else { moment.unix_seconds() }, every, local)
        });
        let home = Arc::new(home);
        Ok(Cyclog {
            finisher: Finisher::new(Arc::clone(&home), self.logs, bell, first),
            current: Some(Arc::new(file)),
            generation: FIRST,
            named: FIRST,
            bytes,
            synced: 0,
            has_taken_back: false,
            // What a killed logger wrote may not be on disk yet.
            dirty_since: (bytes > 0).then(|| home.disk.uptime()),
            home,
            rotation: Rotation::None,
            asked: Asked::No,
            period,
            doubt: None,
            left: false,
            tail,
            begins,
            closing: Closing::No,
        })
    }

    /// Carries out what is planned for what was found.
    fn take_steps(&mut self) -> Result<Mended<D>, Error> {
        let Opened { home, plan, whole, this_boot, logs, .. } = self;
        let (steps, process, whole) = (std::mem::take(&mut plan.steps), plan.process, whole.take());
        let moment = home.disk.now();
        // It gets its name when its processor is done, and is older than what gets one now.
        let first = (process || whole.is_some()).then(|| logs.namer.next(moment));
        let first = first.map(|moment| match whole {
            None => First::Process(moment),
            Some(file) => {
                let file = Arc::new(file);
                First::Finish(Full { file, generation: BEFORE_ALL, moment, synced: 0, doubtful: false })
            }
        });
        let is_abandoned = steps.contains(&Step::Abandon(Name::Current));
        for step in steps {
            recover::carry_out(step, home, logs, moment, *this_boot)?;
            // Each on disk before the next, or an outage could leave a state that is not in the table.
            home.sync_dir()?;
        }
        let too_many = logs.count > home.config.num.max(2) - 1 || home.config.bytes < u64::MAX;
        let first = first.or_else(|| too_many.then_some(First::Retain));
        Ok(Mended { moment, is_abandoned, first })
    }
}

/// A directory whose state needs no more steps.
struct Mended<D: Disk> {
    /// When that was: what got a name got one of this moment.
    moment: Label,
    /// The `current` that was there is an old log now.
    is_abandoned: bool,
    /// What the finisher is to begin with.
    first: Option<First<D>>,
}

/// The generation of a file that an earlier logger has filled.
const BEFORE_ALL: u64 = 0;
/// That of our first.
const FIRST: u64 = BEFORE_ALL + 1;

/// A new `current`. An empty one that an earlier try has left will do.
fn make_current<D: Disk>(home: &Home<D>) -> Result<D::File, Error> {
    let new = home.open(Name::Current, How::New(home.config.mode));
    let file = match new {
        Err(error) if error.errno() == Some(Errno::EXIST) => {
            let file = home.open(Name::Current, How::Append)?;
            let stat =
                home.disk.stat_file(&file).map_err(|errno| home.error("stat", Name::Current, errno))?;
            if (stat.kind, stat.size) == (Kind::Regular, 0) { file } else { return Err(error) }
        }
        other => other?,
    };
    home.unmark(&file, Name::Current)?;
    Ok(file)
}

/// The `current` that is there. `safe`: it bears the mark of a clean end, which goes to disk before any byte does.
fn continue_current<D: Disk>(
    home: &Home<D>,
    file: D::File,
    safe: bool,
) -> Result<(D::File, u64, Tail), Error> {
    let stat = home.disk.stat_file(&file).map_err(|errno| home.error("stat", Name::Current, errno))?;
    home.unmark(&file, Name::Current)?;
    if safe {
        home.sync(&file, Name::Current)?;
    }
    let in_line = home.ends_in_line(&file, stat.size);
    let tail = match in_line.map_err(|errno| home.error("read", Name::Current, errno))? {
        false => Tail::Whole,
        true if safe => Tail::Unended,
        true => Tail::Torn,
    };
    Ok((file, stat.size, tail))
}

/// How far local time is ahead.
fn local(second: i64) -> i64 {
    Zone::Local.east(second)
}

/// How `current` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// With a newline, or it is empty.
    Whole,
    /// In the middle of a line, whose rest comes next.
    InLine,
    /// In the middle of a line of which no more will come: a newline is owed.
    Unended,
    /// As `Unended`, but its source may still be in the input: see [`Cyclog::mend`].
    Torn,
}

/// A log directory that takes lines.
pub struct Cyclog<D: Disk> {
    home: Arc<Home<D>>,
    finisher: Finisher<D>,
    /// Missing only in the middle of a rotation.
    current: Option<Arc<D::File>>,
    /// Counts the files that were `current`.
    generation: u64,
    /// The newest file whose name `current` is surely on disk.
    named: u64,
    /// Size of `current`.
    bytes: u64,
    /// So many of these are surely on disk.
    synced: u64,
    /// Bytes were taken back: what is still on its way to say that more is on disk may speak of those.
    has_taken_back: bool,
    /// When the first byte was written that no sync has been asked for, by [`Disk::uptime`].
    dirty_since: Option<Duration>,
    rotation: Rotation<D>,
    /// A new file is to begin once the one before is finished.
    asked: Asked,
    /// `r`: to which span of time the lines of `current` belong.
    period: Option<Period>,
    /// The file of which a sync has failed, until what it lacks on disk is written anew: nothing goes on before that.
    doubt: Option<u64>,
    /// `previous` was left for the next start.
    left: bool,
    tail: Tail,
    /// How `current` begins; `lock` says so too.
    begins: Begins,
    closing: Closing,
}

/// How far the clean end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    /// No more lines come, and no file begins for them.
    Begun,
    /// The finisher has been told that it gets nothing more to do.
    Told,
    /// It has been told to sync and mark `current`.
    Ordered,
    Done {
        safe: bool,
    },
}

impl<D: Disk> Cyclog<D> {
    /// The directory as the user wrote it.
    pub fn shown(&self) -> String {
        self.home.shown()
    }

    /// Appends the beginning of `text` and returns how many bytes were taken, at least one.
    ///
    /// Takes less where a file ends. `text` is lines, or a piece of a line that is continued by the next call.
    ///
    /// # Errors
    /// Nothing was taken and nothing is lost: try again. If we die in the write, a prefix of `text` is in `current`.
    #[doc(alias = "c_write")]
    pub fn append(&mut self, text: &[u8]) -> Result<usize, Blocked> {
        self.begin_asked()?;
        self.settle()?;
        let size = self.home.config.size;
        self.end_line()?;
        if self.bytes >= size || (self.near_end() && self.fitting(text).is_none()) {
            self.rotation = Rotation::Due;
            self.settle()?;
            self.end_line()?;
        }
        let room = usize::try_from(size - self.bytes).unwrap_or(usize::MAX);
        let piece = self.fitting(text).unwrap_or(&text[..text.len().min(room)]);
        let written = self.write(piece)?;
        if self.near_end() {
            self.rotation = Rotation::Due;
            // What fails here is tried again before the next write.
            let _ = self.settle();
        }
        Ok(written)
    }

    /// Ends a line that an earlier logger has left without its end, if there is room.
    fn end_line(&mut self) -> Result<(), Blocked> {
        if matches!(self.tail, Tail::Unended | Tail::Torn) && self.bytes < self.home.config.size {
            self.write(b"\n")?;
        }
        Ok(())
    }

    /// Whether a line has just ended so near the end of the file that the next one may not fit.
    fn near_end(&self) -> bool {
        self.tail == Tail::Whole && self.bytes >= self.home.config.size.saturating_sub(LAST_BYTES)
    }

    /// The beginning of `text` that goes into this file; `None` when it would end in the middle of a line there.
    fn fitting<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let size = self.home.config.size;
        let room = usize::try_from(size - self.bytes.min(size)).unwrap_or(usize::MAX);
        let piece = &text[..text.len().min(room)];
        if self.bytes + (piece.len() as u64) < size.saturating_sub(LAST_BYTES) {
            return Some(piece);
        }
        match split::whole_bytes(piece) {
            0 => None,
            whole => Some(&piece[..whole]),
        }
    }

    fn write(&mut self, piece: &[u8]) -> Result<usize, Blocked> {
        let Some(current) = &self.current else { return Err(Blocked::Finisher) };
        let written = self.home.disk.append(current, piece);
        let written =
            written.map_err(|errno| Blocked::Trouble(self.home.error("write to", Name::Current, errno)))?;
        self.bytes += written as u64;
        self.tail = if piece[..written].ends_with(b"\n") { Tail::Whole } else { Tail::InLine };
        if self.dirty_since.is_none() {
            self.dirty_since = Some(self.home.disk.uptime());
        }
        Ok(written)
    }

    /// `current` begins so, or will.
    fn sign(&mut self, begins: Begins) {
        self.begins = begins;
        self.home.lock.sign(&self.home.disk, begins);
    }

    /// `y0`: puts what has been written on disk, now, and the name of its file.
    ///
    /// # Errors
    /// It is not: what is in doubt is being written anew. Try again until it is done.
    pub fn sync_now(&mut self) -> Result<(), Blocked> {
        // A full file that waits for the place of `previous` has its lines all the same.
        if self.doubt.is_some() || !matches!(self.rotation, Rotation::Due) {
            self.settle()?;
        }
        let Some(current) = &self.current else { return Err(Blocked::Finisher) };
        if self.home.config.sync != Sync::EachBatch || self.synced == self.bytes {
            return Ok(());
        }
        if let Err(error) = self.home.sync(current, Name::Current) {
            self.doubt(self.generation);
            return Err(Blocked::Trouble(error));
        }
        if self.named != self.generation {
            self.home.sync_dir().map_err(Blocked::Trouble)?;
            self.named = self.generation;
        }
        (self.synced, self.dirty_since) = (self.bytes, None);
        Ok(())
    }

    /// A sync failed: nothing goes on before what was in doubt has been written anew. While it is, `lock` names nobody.
    fn doubt(&mut self, generation: u64) {
        // The younger of two, which is written anew after the other.
        self.doubt = self.doubt.max(Some(generation));
        self.home.lock.disown(&self.home.disk, generation);
        if generation == self.generation {
            self.rotation = Rotation::Due;
        }
        // What fails here is tried again.
        let _ = self.settle();
    }

    /// What is due by the clock: a new file, an order to sync. A rotation that has begun goes on. Returns how long until
    /// something is due, if anything is.
    ///
    /// # Errors
    /// A rotation does not get on: try again soon.
    pub fn tick(&mut self) -> Result<Option<Duration>, Error> {
        let worker = self.finisher.advance();
        let (turn, rotated) = match self.closing {
            Closing::No => (self.turn_due(), self.begin_asked().and_then(|()| self.settle())),
            _ => (None, Ok(())),
        };
        // After the order to finish a file, which needs the same place.
        let sync = self.sync_due();
        match rotated {
            Err(Blocked::Trouble(error)) => Err(error),
            _ => Ok([worker, turn, sync].into_iter().flatten().min()),
        }
    }

    fn sync_due(&mut self) -> Option<Duration> {
        let Sync::Within(limit) = self.home.config.sync else { return None };
        let since = self.dirty_since?;
        let (file, generation, upto) = match (&self.current, &self.rotation) {
            (Some(current), _) => (current, self.generation, self.bytes),
            // No `current` can be made: the file before must not wait for that.
            (None, Rotation::Renamed(full)) => (&full.file, full.generation, u64::MAX),
            (None, _) => return None,
        };
        let age = self.home.disk.uptime().saturating_sub(since);
        if age < limit {
            return Some(limit - age);
        }
        let order = Order::Sync { file: Arc::clone(file), generation, upto };
        if self.finisher.order(order).is_err() {
            // The worker is on its way to the disk already; it looks again soon.
            return Some(Duration::from_millis(100));
        }
        self.dirty_since = None;
        None
    }

    /// Takes in what the finisher has done since. `say` takes warnings.
    pub fn listen(&mut self, say: &mut dyn FnMut(String)) {
        while let Some(event) = self.finisher.event() {
            self.hear(event, say);
        }
    }

    fn hear(&mut self, event: Event, say: &mut dyn FnMut(String)) {
        match event {
            Event::Say(message) => say(message),
            Event::Synced { generation, upto } if generation == self.generation && !self.has_taken_back => {
                self.synced = upto;
            }
            // An empty file has nothing to lose; at the end, that it is not on disk is said all the same.
            Event::SyncFailed { generation } if generation == self.generation && self.bytes == 0 => {
                self.home.lock.own(&self.home.disk, generation, self.begins);
                if self.closing == Closing::Ordered {
                    self.closing = Closing::Done { safe: false };
                }
            }
            Event::SyncFailed { generation } => {
                if self.closing == Closing::Ordered {
                    self.closing = Closing::Told;
                }
                self.doubt(generation);
            }
            Event::Finished { generation, left } => {
                self.left = left;
                if let Some(doubt) = self.doubt.take_if(|doubt| !left && generation == Some(*doubt)) {
                    self.home.lock.own(&self.home.disk, doubt, self.begins);
                }
                let _ = self.settle();
            }
            Event::Closed { safe } => self.closing = Closing::Done { safe },
            Event::Stopped { left } => self.left |= left,
            Event::Synced { .. } => (),
        }
    }

    /// Whether `current` ends in a line whose source may still be in the input.
    pub fn torn(&self) -> bool {
        self.tail == Tail::Torn
    }

    /// Mends a torn last line: cut off when the input still begins with the lines it was written from, else ended.
    ///
    /// `pending`: the lines at the head of the input that this directory gets, without stamps, in order. `stamp`: what
    /// its lines begin with.
    pub fn mend(&mut self, stamp: Option<StampKind>, pending: &[&[u8]]) {
        self.tail = Tail::Unended;
        let Some(current) = &self.current else { return };
        let disk = &self.home.disk;
        let size = (self.bytes, self.begins == Begins::Line);
        let Some(whole) = torn::source_is_pending(disk, current, size, stamp, pending) else { return };
        // A file that cannot be cut gets a newline instead: the line is then there in part and whole.
        if self.home.disk.truncate(current, whole).is_ok() {
            (self.bytes, self.tail) = (whole, Tail::Whole);
        }
    }

    /// Takes back the last `count` bytes, so that their source can stay in the input; `in_line`: what is left ends in the
    /// middle of a line. False when that is impossible; a line that was not written whole is then ended.
    pub fn take_back(&mut self, count: usize, in_line: bool) -> bool {
        let Some(current) = &self.current else { return false };
        let count = count as u64;
        if count > self.bytes || self.home.disk.truncate(current, self.bytes - count).is_err() {
            return false;
        }
        self.bytes -= count;
        (self.synced, self.has_taken_back) = (self.synced.min(self.bytes), true);
        self.tail = if in_line { Tail::InLine } else { Tail::Whole };
        true
    }

    /// What comes next is not the rest of the last line, which therefore ends where it is.
    pub fn break_line(&mut self) {
        if self.tail == Tail::InLine {
            self.tail = Tail::Unended;
        }
    }

    /// Counts the files that have ended: those that were `current`, and this one when it is to be rotated away.
    pub fn files(&self) -> u64 {
        self.generation - FIRST + u64::from(matches!(self.rotation, Rotation::Due))
    }

    /// Whether a sync has failed and what was in doubt has not been written anew yet.
    pub fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Nothing more is waited for, perhaps not even the disk: a processor that runs does not outlive us.
    pub fn give_up(&self) {
        processor::kill(&self.home, true);
    }

    /// Goes on with the clean end as far as it goes now: `current` to disk, and the mark. Where `previous` has to be left for
    /// the next start there is no mark: the original would then overlook `previous`.
    ///
    /// `stop`: a processor that runs is ended and `previous` left; else it is awaited, and left only when it fails.
    ///
    /// Returns, when the end is reached, whether all that was taken is on disk.
    ///
    /// # Errors
    /// Something is in the way: try again. If we die before the mark, the next start continues the file.
    pub fn close(&mut self, stop: bool) -> Result<bool, Blocked> {
        if self.closing == Closing::No {
            self.closing = Closing::Begun;
        }
        if self.finisher.busy() {
            if stop {
                self.finisher.stop();
            } else if self.closing == Closing::Begun && self.finisher.order(Order::Last).is_ok() {
                self.closing = Closing::Told;
            }
            return Err(Blocked::Finisher);
        }
        let unresolved = self.doubt.is_some() && matches!(self.rotation, Rotation::None);
        if unresolved {
            // Only a stop leaves doubt behind; the next start does not trust what is there.
            return Ok(false);
        }
        // A full file may wait when time is short, and must where `previous` stays; one that is `previous` already may not.
        let may_wait = (stop || self.left) && self.doubt.is_none() && matches!(self.rotation, Rotation::Due);
        if !may_wait {
            match self.settle() {
                // Nor can what is in doubt be written anew then: the next start does not trust it.
                Err(Blocked::Trouble(_)) if self.left && self.doubt.is_some() => return Ok(false),
                settled => settled?,
            }
        }
        if self.finisher.busy() {
            return Err(Blocked::Finisher);
        }
        // A line that stops here ends here; where there is no room, and no file can begin, in what the next start begins.
        let has_room = self.bytes < self.home.config.size || !self.left;
        if has_room && matches!(self.tail, Tail::InLine | Tail::Unended) {
            if self.bytes >= self.home.config.size {
                self.rotation = Rotation::Due;
                self.settle()?;
            }
            self.write(b"\n")?;
            return self.close(stop);
        }
        if !matches!(self.closing, Closing::Ordered | Closing::Done { .. }) {
            let Some(current) = self.current.clone() else { return Ok(true) };
            let order = Order::Close { file: current, generation: self.generation, mark: !self.left };
            if self.finisher.order(order).is_ok() {
                self.closing = Closing::Ordered;
            }
        }
        match self.closing {
            Closing::Done { safe } => Ok(safe),
            _ => Err(Blocked::Finisher),
        }
    }
}
