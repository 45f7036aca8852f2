//! A model of the machine under a logger: files, directories, input, clock and processors in memory, with what is live and
//! what is on the medium kept apart (feature `model`: tests, fuzz).
//!
//! Every call can fail, be cut short, or be the last one: [`Fault`]. A logger that is killed here is not unwound: the world
//! stands still from that moment on, and every later call fails until the logger has ended. [`power`] lists what a power cut
//! can leave of such a world; [`life`] runs whole loggers in it; [`judge`] says whether a promise was broken.
//!
//! Everything runs in one thread, unless a test [asks](Shared::with_threads) for others, and depends on nothing outside, so that
//! the number of a call names a moment exactly.

mod disk;
mod files;
mod io;
pub mod judge;
pub mod life;
pub mod power;

pub use disk::{ModelDisk, ModelFile};
pub use files::{Directory, Files, Inode, Operation};
pub use io::ModelIo;

use crate::label::Label;
use crate::signals::Request;
use crate::strerr::Errno;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What goes wrong, and when. Calls are counted from 0, those of the disk and of the input alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The logger is killed before this call has done anything.
    KillBefore(u64),
    /// The logger is killed when this call is done.
    KillAfter(u64),
    /// The logger is killed in the middle of this call: of a write, so many bytes are done. Other calls: before.
    KillWithin(u64, usize),
    /// Calls of the disk from `first` on fail, for `count` calls.
    Fail {
        /// The first call that fails.
        first: u64,
        /// How many do.
        count: u64,
        /// What it fails with.
        errno: Errno,
    },
    /// A write takes only so many bytes, at least one.
    Short(u64, usize),
    /// Every call of this kind fails, as long as the fault stands.
    Refuse(Call, Errno),
}

/// The kind of a call: for messages, and to choose faults by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Call {
    MakeDir,
    OpenDir,
    OpenStatus,
    Open,
    Stat,
    StatFile,
    SetMode,
    Lock,
    RenameNew,
    Rename,
    Unlink,
    List,
    Append,
    ReadAt,
    Overwrite,
    Truncate,
    Sync,
    SyncDir,
    Run,
    Ended,
    Look,
    Take,
    Write,
}

impl Call {
    fn is_input(self) -> bool {
        matches!(self, Call::Look | Call::Take)
    }
}

/// The time, and how it passes.
#[derive(Clone, Debug)]
pub struct Clock {
    /// What people set.
    pub wall: Label,
    /// What nobody sets.
    pub uptime: Duration,
    /// At these calls the wall clock jumps by so many seconds.
    pub jumps: VecDeque<(u64, i64)>,
    /// Between two readings of the wall clock, nanoseconds.
    pub step: u32,
}

/// What the service does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes.
    Write(Vec<u8>),
    /// Does nothing for so long.
    Rest(Duration),
}

/// The input and the service at its other end.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// What waits in the pipe.
    pub pipe: Vec<u8>,
    /// What the service will do, one act whenever the logger waits; then it ends.
    pub acts: VecDeque<Act>,
    /// What the service writes while the logger works, by the call behind which it does.
    pub meanwhile: VecDeque<(u64, Vec<u8>)>,
    /// How much has been taken.
    pub taken: u64,
    /// Names the pipe.
    pub identity: u64,
    /// It can be read, but not looked at.
    pub opaque: bool,
    /// A look finds no more than so many bytes.
    pub look_most: Option<usize>,
    /// No slot is free, though there is room for bytes: a partial line keeps the service from writing its rest.
    pub clogged: bool,
}

/// Who reads standard output or standard error.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// What it has got.
    pub got: Vec<u8>,
    /// So many writes more find no room.
    pub busy: u64,
    /// It has room for so many bytes, and then for none.
    pub room: Option<usize>,
    /// It has gone.
    pub gone: bool,
}

impl Reader {
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.gone {
            return Err(Errno::PIPE);
        }
        if self.room.is_some_and(|room| self.got.len() >= room) {
            return Err(Errno::AGAIN);
        }
        if self.busy > 0 {
            self.busy -= 1;
            return Err(Errno::AGAIN);
        }
        self.got.extend_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Input {
    /// The service has ended, or will write no more.
    fn is_last(&self) -> bool {
        self.acts.is_empty() && self.meanwhile.is_empty()
    }

    /// What is written up to this call, itself among them, comes into the pipe.
    fn arrive(&mut self, call: u64) {
        while self.meanwhile.front().is_some_and(|(at, _)| *at <= call) {
            let (_, text) = self.meanwhile.pop_front().unwrap_or_default();
            self.pipe.extend_from_slice(&text);
        }
    }
}

/// The whole machine.
#[derive(Clone, Debug)]
pub struct World {
    /// What is on disk, and what will be.
    pub files: Files,
    /// The input.
    pub input: Input,
    /// Standard output.
    pub output: Reader,
    /// Standard error, as far as alerts go.
    pub alerts: Reader,
    /// The time.
    pub clock: Clock,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Signals to come, by the call after which they do.
    pub signals: VecDeque<(u64, Request)>,
    /// Signals that have come.
    pub pending: VecDeque<Request>,
    /// Every call so far, in order.
    pub trace: Vec<Call>,
    /// The logger has been killed: nothing happens any more.
    pub dead: bool,
    /// The logger makes no progress: why.
    pub stuck: Option<&'static str>,
    /// Counts loggers: what one of them held the next does not.
    session: u64,
    /// Waits since the last call that did something.
    idle: u32,
    /// A logger that has been killed has been told to end.
    told: bool,
}

/// A logger that waits so often without a call in between waits for ever.
const IDLE_MOST: u32 = 1000;
/// No workload of a test makes so many calls.
const CALLS_MOST: usize = 200_000;

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

impl World {
    /// An empty machine, on a day in 2026.
    pub fn new() -> World {
        World {
            files: Files::default(),
            input: Input { identity: 1, ..Input::default() },
            output: Reader::default(),
            alerts: Reader::default(),
            clock: Clock {
                wall: Label::from_unix(1_795_000_000, 0),
                uptime: Duration::from_secs(1000),
                jumps: VecDeque::new(),
                step: 1000,
            },
            faults: Vec::new(),
            signals: VecDeque::new(),
            pending: VecDeque::new(),
            trace: Vec::new(),
            dead: false,
            stuck: None,
            session: 0,
            idle: 0,
            told: false,
        }
    }

    /// A copy of it in which this will go wrong.
    #[must_use]
    pub fn with(&self, fault: Fault) -> World {
        World { faults: vec![fault], ..self.clone() }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.trace.len() as u64
    }

    /// The logger's end and what came with it is over: what it held is free, faults are behind us, and calls count from 0.
    pub fn next_session(&mut self) {
        self.session += 1;
        self.input.arrive(u64::MAX);
        self.trace.clear();
        self.faults.clear();
        self.signals.clear();
        self.pending.clear();
        (self.dead, self.told, self.stuck, self.idle) = (false, false, None, 0);
    }

    fn now(&mut self) -> Label {
        let calls = self.calls();
        let clock = &mut self.clock;
        while clock.jumps.front().is_some_and(|(at, _)| *at <= calls) {
            let (_, seconds) = clock.jumps.pop_front().unwrap_or_default();
            clock.wall = clock.wall.plus_seconds(seconds);
        }
        clock.wall = later(clock.wall, Duration::from_nanos(clock.step.into()));
        clock.wall
    }

    fn uptime(&mut self) -> Duration {
        // For one who has been killed, every limit is soon over.
        self.clock.uptime += if self.dead { Duration::from_millis(20) } else { Duration::from_micros(1) };
        self.clock.uptime
    }

    fn pass(&mut self, pause: Duration) {
        self.clock.uptime += pause;
        self.clock.wall = later(self.clock.wall, pause);
        self.idle += 1;
        if self.idle > IDLE_MOST {
            self.stop_for("waits for ever");
        }
    }

    fn stop_for(&mut self, why: &'static str) {
        if !self.dead {
            self.stuck.get_or_insert(why);
            self.dead = true;
        }
    }

    /// One call: does `act` unless a fault says otherwise. Signals that are due come with it.
    fn call<T>(
        &mut self,
        kind: Call,
        act: impl FnOnce(&mut Self, Extent) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if self.dead {
            return Err(DEAD);
        }
        let number = self.calls();
        self.trace.push(kind);
        self.idle = 0;
        if self.trace.len() > CALLS_MOST {
            self.stop_for("makes calls for ever");
        }
        while self.signals.front().is_some_and(|(at, _)| *at <= number) {
            self.pending.extend(self.signals.pop_front().map(|(_, request)| request));
        }
        let (mut extent, mut kill) = (Extent::Whole, false);
        for fault in &self.faults {
            match *fault {
                Fault::KillBefore(at) if at == number => {
                    self.dead = true;
                    return Err(DEAD);
                }
                Fault::KillAfter(at) if at == number => kill = true,
                Fault::KillWithin(at, bytes) if at == number => {
                    if !matches!(kind, Call::Append | Call::Overwrite) {
                        self.dead = true;
                        return Err(DEAD);
                    }
                    (extent, kill) = (Extent::Part(bytes), true);
                }
                Fault::Fail { first, count, errno }
                    if (first..first.saturating_add(count)).contains(&number) && !kind.is_input() =>
                {
                    return self.refuse(kind, errno, act);
                }
                Fault::Refuse(refused, errno) if refused == kind => return self.refuse(kind, errno, act),
                Fault::Short(at, bytes) if at == number => extent = Extent::Part(bytes),
                _ => (),
            }
        }
        let done = act(self, extent);
        self.input.arrive(number);
        self.dead |= kill;
        if kill { Err(DEAD) } else { done }
    }

    fn refuse<T>(
        &mut self,
        kind: Call,
        errno: Errno,
        act: impl FnOnce(&mut Self, Extent) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if kind == Call::Sync {
            // What it leaves behind is worse than nothing.
            act(self, Extent::Failing)?;
        }
        Err(errno)
    }
}

/// How much of a call is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// Of a write so many bytes.
    Part(usize),
    /// It fails; only of a sync that changes anything.
    Failing,
}

impl Extent {
    fn of(self, bytes: &[u8]) -> &[u8] {
        match self {
            Extent::Part(part) => &bytes[..part.min(bytes.len())],
            _ => bytes,
        }
    }
}

fn later(label: Label, pause: Duration) -> Label {
    let nanos = label.nanos() + pause.subsec_nanos();
    let seconds = label.unix_seconds() + pause.as_secs() as i64 + i64::from(nanos / 1_000_000_000);
    Label::from_unix(seconds, nanos % 1_000_000_000)
}

/// What every call says to one who has been killed.
const DEAD: Errno = Errno::IO;

/// What a thread is to do.
type Work = Box<dyn FnOnce() + Send>;

/// A world that several hands hold.
#[derive(Clone)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    /// Threads that have been started and have not run yet; `None` where none can be started.
    threads: Option<Arc<Mutex<Vec<Work>>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.world.fmt(f)
    }
}

impl Shared {
    /// A world to run a logger in. No thread can be started: the number of a call then names a moment.
    pub fn new(world: World) -> Shared {
        Shared { world: Arc::new(Mutex::new(world)), threads: None }
    }

    /// A world in which threads can be started, and wait until they [are let](Self::run_threads).
    pub fn with_threads(world: World) -> Shared {
        Shared { threads: Some(Arc::default()), ..Shared::new(world) }
    }

    /// The world.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the threads run that wait, as threads of the system.
    pub fn run_threads(&self) {
        if let Some(threads) = &self.threads {
            threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .drain(..)
                .for_each(|work| drop(std::thread::spawn(work)));
        }
    }

    fn start_thread(&self, work: Work) -> Result<(), Errno> {
        let threads = self.threads.as_ref().ok_or(Errno::AGAIN)?;
        threads.lock().unwrap_or_else(PoisonError::into_inner).push(work);
        Ok(())
    }
}
