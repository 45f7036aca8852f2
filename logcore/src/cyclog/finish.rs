//! The finisher: what happens to a full file while the road goes on.
//!
//! sync → mark → [processor → seal → replace] → name → retain. Each is a [`Stage`] that is tried until it succeeds, with
//! pauses in which the finisher still answers: it also syncs `current` so that un-synced data does not get old. The same
//! [`Worker`] runs in a thread of its own, or, where none can be started, is moved on by the road between two batches.
//!
//! If we die: before the mark the next start finishes the file anew, or after an outage makes it `.u`; after it, the processor gets
//! it again; once `processed` is sealed, the next start goes on from there. Source: `fullcurrent` and `finish` in multilog.c.

use super::home::{Home, Name};
use super::oldlogs::OldLogs;
use super::processor;
use crate::complaint::{self, Complaint, Pause};
use crate::disk::{Disk, Ended, How};
use crate::label::Label;
use crate::strerr::{self, Errno, Error};
use crossbeam_channel::{Receiver, Sender, TrySendError, after, bounded, never, select, unbounded};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// Called after each event, from any thread, so that the road looks for it.
pub type Bell = Arc<dyn Fn() + Send + Sync>;

/// A processor that is told to end gets this long before it is forced to.
const GRACE: Duration = Duration::from_millis(300);
/// A machine that has run for so long has had the time to set its clock; before, no file is too old.
const CLOCK_SET: Duration = Duration::from_secs(600);

/// A file that is no longer `current`.
pub(super) struct Full<D: Disk> {
    pub(super) file: Arc<D::File>,
    /// Counts the files of this logger: what is known of one is not to be believed of the next.
    pub(super) generation: u64,
    /// When its last line was written: its name.
    pub(super) moment: Label,
    /// So many of its bytes are surely on disk.
    pub(super) synced: u64,
    /// A sync of it has failed: it is not to be synced or believed again.
    pub(super) doubtful: bool,
}

/// What the finisher is asked for.
pub(super) enum Order<D: Disk> {
    /// Finish `previous`.
    Finish(Full<D>),
    /// There is a `previous` that is not ours: it becomes an old log.
    SetAside,
    /// Put the first `upto` bytes of `current` on disk.
    Sync { file: Arc<D::File>, generation: u64, upto: u64 },
    /// No more input: a processor that fails is not tried again.
    Last,
    /// Sync `current` at the clean end, and `mark` it.
    Close { file: Arc<D::File>, generation: u64, mark: bool },
}

/// What the finisher has to say.
#[derive(Debug)]
pub(super) enum Event {
    /// A warning for the user.
    Say(String),
    /// So much of this file is on disk.
    Synced { generation: u64, upto: u64 },
    /// Un-synced data of this file may be lost; it is still in the page cache, and must be written elsewhere at once.
    SyncFailed { generation: u64 },
    /// `previous` is finished, or (`left`) was left for the next start. `generation`: of the [`Full`] file, if it was one.
    Finished { generation: Option<u64>, left: bool },
    /// `current` is on disk, and so is its name, unless `safe` is false; that was said.
    Closed { safe: bool },
    /// Told to stop, and has; `left`: a `previous` stays for the next start.
    Stopped { left: bool },
}

/// What a directory needs when it is opened.
pub(super) enum First<D: Disk> {
    /// `previous` is all there, and may not be on disk; the moment is kept for it.
    Finish(Full<D>),
    /// `previous` is whole and waits for its processor; the label is kept for it.
    Process(Label),
    /// There are more old logs than stay.
    Retain,
}

/// How far the file is.
enum Stage {
    /// `previous` to disk, and the mark.
    Sync,
    /// Writes anew what an earlier error left in doubt.
    Rescue,
    /// The doubtful part is safe elsewhere: what is left of `previous` gets this name, the one before that part's.
    SetAside(OsString),
    /// Starts the processor.
    Start,
    /// Waits for it.
    Running { look: Pause },
    /// A `previous` that somebody else has made gets a name as a file of which nothing is known.
    Stranger,
    /// `processed` is sealed: it takes the place of `previous`.
    Replace,
    /// Gives this file its name.
    Name(Name),
    /// Puts the name on disk.
    Named,
    /// Removes old logs: at the end, and where there is a file for the processor at the start, before it.
    Retain,
}

/// What a try of a stage leads to.
enum Next {
    To(Stage),
    Wait(Duration),
    /// The processor failed: it gets another chance, later.
    Again(Error),
    Done,
}

struct Work<D: Disk> {
    stage: Stage,
    full: Option<Full<D>>,
    moment: Label,
    /// Its name: kept for it when younger files may have got theirs, and from the first try on.
    reserved: Option<Label>,
    /// Old logs are removed before anything else.
    retains_first: bool,
    not_before: Duration,
    /// While the disk refuses.
    disk_pause: Pause,
    /// While the processor fails.
    processor_pause: Pause,
    processor_failed: bool,
    complaint: Complaint,
}

/// The finisher's state, in whichever thread it lives.
pub(super) struct Worker<D: Disk> {
    home: Arc<Home<D>>,
    logs: OldLogs,
    work: Option<Work<D>>,
    last: bool,
    /// The file of which a sync failed: it is never synced or believed again.
    doubtful: Option<u64>,
    /// The newest file whose name is surely on disk.
    named: Option<u64>,
    voice: Voice,
}

/// How the worker speaks.
struct Voice {
    events: Sender<Event>,
    bell: Bell,
}

impl Voice {
    fn tell(&self, event: Event) {
        // Nobody listens only when the road is gone; then nobody cares.
        let _ = self.events.send(event);
        (self.bell)();
    }

    fn say(&self, message: String) {
        self.tell(Event::Say(message));
    }
}

/// Between two looks at a processor that runs.
const LOOK_PAUSE: Pause = Pause::new(Duration::from_millis(1), Duration::from_millis(100));

impl<D: Disk> Worker<D> {
    fn take(&mut self, order: Order<D>) {
        match order {
            Order::Finish(full) => {
                let doubtful = full.doubtful || self.doubtful == Some(full.generation);
                let stage = if doubtful { Stage::Rescue } else { Stage::Sync };
                self.work = Some(Work::new(stage, full.moment, Some(full)));
            }
            Order::SetAside => self.work = Some(Work::new(Stage::Stranger, self.home.disk.now(), None)),
            Order::Sync { file, generation, upto } => {
                if self.sync(&file, generation) {
                    self.voice.tell(Event::Synced { generation, upto });
                }
            }
            Order::Last => self.last = true,
            Order::Close { file, generation, mark } => {
                if self.sync(&file, generation) {
                    let safe = self.mark_closed(&file, generation, mark).map_err(|error| {
                        self.voice.say(error.to_string());
                    });
                    self.voice.tell(Event::Closed { safe: safe.is_ok() });
                }
            }
        }
    }

    /// The name of `current` is on disk, and the mark is set.
    fn mark_closed(&self, file: &D::File, generation: u64, mark: bool) -> Result<(), Error> {
        if self.named != Some(generation) {
            self.home.sync_dir()?;
        }
        if mark { self.home.mark(file, Name::Current) } else { Ok(()) }
    }

    /// Puts `current` and its name on disk. On an error, which is said, the file is never synced or believed again.
    fn sync(&mut self, file: &D::File, generation: u64) -> bool {
        if self.doubtful != Some(generation)
            && let Err(error) = self.home.sync(file, Name::Current)
        {
            self.doubtful = Some(generation);
            // Not by the road, which may wait for the same disk.
            self.home.lock.disown(&self.home.disk, generation);
            self.voice.say(format!("{error}; writing it anew"));
        }
        if self.doubtful == Some(generation) {
            // Told each time: the file may have been empty when its sync failed, and no reason to act.
            self.voice.tell(Event::SyncFailed { generation });
            return false;
        }
        // A directory that cannot be synced now is tried again with the next sync.
        if self.named != Some(generation) && self.home.sync_dir().is_ok() {
            self.named = Some(generation);
        }
        true
    }

    /// Does what can be done now. `Some`: come back after so long; `None`: nothing is left to do.
    fn advance(&mut self) -> Option<Duration> {
        loop {
            let work = self.work.as_mut()?;
            let uptime = self.home.disk.uptime();
            if self.last && work.processor_failed {
                self.finished(true);
                return None;
            }
            if work.not_before > uptime {
                return Some(work.not_before - uptime);
            }
            match work.attempt(&self.home, &mut self.logs, &self.voice) {
                Ok(Next::To(stage)) => {
                    work.stage = stage;
                    work.disk_pause.reset();
                }
                Ok(Next::Wait(pause)) => work.not_before = uptime + pause,
                Ok(Next::Again(error)) => {
                    work.stage = Stage::Start;
                    work.processor_failed = true;
                    work.not_before = uptime + work.processor_pause.lengthen();
                    work.complaint.tell(error.pausing(), uptime, &mut |message| self.voice.say(message));
                }
                Ok(Next::Done) => {
                    if let Some(lasted) = work.complaint.settled(uptime) {
                        let (home, lasted) = (self.home.shown(), complaint::shown(lasted));
                        self.voice.say(format!("{home}/previous is finished after {lasted}"));
                    }
                    self.finished(false);
                }
                Err(error) => {
                    work.not_before = uptime + work.disk_pause.lengthen();
                    work.complaint.tell(error.pausing(), uptime, &mut |message| self.voice.say(message));
                }
            }
        }
    }

    fn finished(&mut self, left: bool) {
        let full = self.work.take().and_then(|work| work.full);
        self.voice.tell(Event::Finished { generation: full.map(|full| full.generation), left });
    }

    /// Does what takes no processor and works at once; ends a processor that runs. `previous` may stay for the next start, and
    /// so may old logs that are too many.
    fn stop(&mut self) {
        while let Some(work) = &mut self.work {
            match work.stage {
                Stage::Start | Stage::Running { .. } => break,
                Stage::Retain if work.retains_first => break,
                Stage::Retain => self.finished(false),
                _ => match work.attempt(&self.home, &mut self.logs, &self.voice) {
                    Ok(Next::To(stage)) => work.stage = stage,
                    Ok(Next::Wait(_) | Next::Again(_) | Next::Done) | Err(_) => break,
                },
            }
        }
        let work = self.work.take();
        let left = work.is_some();
        if work.is_some_and(|work| matches!(work.stage, Stage::Running { .. })) {
            let disk = &self.home.disk;
            let mut look = LOOK_PAUSE;
            processor::kill(&self.home, false);
            let start = disk.uptime();
            while !matches!(processor::ended(&self.home), Ok(Some(_)) | Err(_)) {
                if disk.uptime() - start > GRACE {
                    processor::kill(&self.home, true);
                }
                disk.sleep(look.lengthen());
            }
        }
        self.voice.tell(Event::Stopped { left });
    }

    /// Stops; what was ordered before does not begin afterwards.
    fn stop_behind(&mut self, orders: &Receiver<Order<D>>) {
        if let Ok(order) = orders.try_recv() {
            self.take(order);
        }
        self.stop();
    }

    fn run(mut self, orders: &Receiver<Order<D>>, stop: &Receiver<()>) {
        loop {
            // Before anything begins, also what has just been ordered.
            if stop.try_recv().is_ok() {
                self.stop_behind(orders);
            }
            let timeout = self.advance().map_or_else(never, after);
            select! {
                recv(stop) -> told => match told {
                    Ok(()) => self.stop_behind(orders),
                    Err(_) => return,
                },
                recv(orders) -> order => match order {
                    Ok(order) => {
                        self.take(order);
                        // The road may be waiting to give the next order.
                        (self.voice.bell)();
                    }
                    Err(_) => return,
                },
                recv(timeout) -> _ => (),
            }
        }
    }
}

impl<D: Disk> Work<D> {
    fn new(stage: Stage, moment: Label, full: Option<Full<D>>) -> Self {
        Work {
            stage,
            full,
            moment,
            reserved: None,
            retains_first: false,
            not_before: Duration::ZERO,
            disk_pause: Pause::new(Duration::from_millis(10), Duration::from_secs(1)),
            processor_pause: Pause::new(Duration::from_secs(1), Duration::from_secs(60)),
            processor_failed: false,
            complaint: Complaint::default(),
        }
    }

    /// Tries the stage once.
    fn attempt(&mut self, home: &Home<D>, logs: &mut OldLogs, voice: &Voice) -> Result<Next, Error> {
        match &mut self.stage {
            Stage::Sync => {
                let Some(full) = &self.full else { return Ok(Next::To(Stage::Start)) };
                if let Err(error) = home.sync(&full.file, Name::Previous) {
                    home.lock.disown(&home.disk, full.generation);
                    voice.say(format!("{error}; writing it anew"));
                    voice.tell(Event::SyncFailed { generation: full.generation });
                    return Ok(Next::To(Stage::Rescue));
                }
                home.mark(&full.file, Name::Previous)?;
                let processor = home.config.processor.is_some();
                Ok(Next::To(if processor { Stage::Start } else { Stage::Name(Name::Previous) }))
            }
            Stage::Rescue => {
                let Some(full) = &self.full else { return Ok(Next::To(Stage::Named)) };
                let first = rescue(home, logs, full)?;
                // What is in doubt is cut off. If that fails, its lines are there twice.
                let cut = home.disk.truncate(&full.file, full.synced).is_ok();
                if cut && full.synced == 0 {
                    home.unlink(Name::Previous)?;
                    return Ok(Next::To(Stage::Named));
                }
                Ok(Next::To(Stage::SetAside(first)))
            }
            Stage::SetAside(name) => match home.disk.rename_new(&home.dir, Name::Previous.os(), name) {
                Ok(()) | Err(Errno::NOENT) => Ok(Next::To(Stage::Named)),
                Err(errno) => {
                    let doing = format!("rename {}/previous to {}", home.shown(), strerr::shown(name));
                    Err(Error::new(doing, errno))
                }
            },
            Stage::Stranger => {
                let label = *self.reserved.get_or_insert_with(|| logs.namer.next(self.moment));
                if logs.name_as(home, Name::Previous, b"u", label)? {
                    voice
                        .say(format!("{}/previous is of somebody else; it becomes an old log", home.shown()));
                }
                Ok(Next::To(Stage::Named))
            }
            Stage::Start => {
                let Some(command) = &home.config.processor else {
                    return Ok(Next::To(Stage::Name(Name::Previous)));
                };
                if home.stat(Name::Previous)?.is_none() {
                    self.complaint = Complaint::default();
                    voice.say(format!("{}/previous has been removed by somebody", home.shown()));
                    return Ok(Next::To(Stage::Named));
                }
                let started = processor::start(home, command);
                self.processor_failed = started.is_err();
                started.map(|()| Next::To(Stage::Running { look: LOOK_PAUSE }))
            }
            Stage::Running { look } => {
                let ended = processor::ended(home)
                    .map_err(|errno| Error::new(format!("wait for processor in {}", home.shown()), errno))?;
                Ok(match ended {
                    None => Next::Wait(look.lengthen()),
                    Some(Ended::Badly) => {
                        Next::Again(Error::plain(format!("processor failed in {}", home.shown())))
                    }
                    Some(Ended::Well) => match processor::seal(home) {
                        Ok(()) => Next::To(Stage::Replace),
                        // Whatever reached the disk, `previous` has it all: make it again.
                        Err(error) => Next::Again(error),
                    },
                })
            }
            Stage::Replace => {
                home.unlink(Name::Previous)?;
                home.newstate_to_state()?;
                // Gone on disk before its lines have another name there: they would be there twice.
                home.sync_dir()?;
                Ok(Next::To(Stage::Name(Name::Processed)))
            }
            Stage::Name(file) => {
                let label = *self.reserved.get_or_insert_with(|| logs.namer.next(self.moment));
                if !logs.name_as(home, *file, &home.config.code, label)? {
                    voice.say(format!("{}/{} has been removed by somebody", home.shown(), file.text()));
                }
                Ok(Next::To(Stage::Named))
            }
            Stage::Named => {
                home.sync_dir()?;
                Ok(Next::To(Stage::Retain))
            }
            Stage::Retain => {
                let is_first = std::mem::take(&mut self.retains_first);
                // A clock that is wrong when the machine starts costs nothing.
                let aged = self.full.is_some() && !is_first && home.disk.uptime() >= CLOCK_SET;
                logs.retain(home, aged, &mut |warning| voice.say(warning));
                Ok(match self.full {
                    _ if !is_first => Next::Done,
                    Some(_) => Next::To(Stage::Sync),
                    None => Next::To(Stage::Start),
                })
            }
        }
    }
}

/// After a failed sync of `previous`: what is not surely on disk is read back at once (ext4 and XFS still have it in the page
/// cache; Btrfs may not) and written to a new `.u` file. Returns the name before that one, for what is left of `previous`.
///
/// If we die in between, `previous` is whole in the page cache and becomes `.u`; some lines are then there twice.
fn rescue<D: Disk>(home: &Home<D>, logs: &mut OldLogs, full: &Full<D>) -> Result<OsString, Error> {
    let moment = full.moment;
    let first = super::name::compose(logs.namer.next(moment), b"u");
    let second = super::name::compose(logs.namer.next(moment), b"u");
    let disk = &home.disk;
    if disk.stat_file(&full.file).is_ok_and(|stat| stat.size <= full.synced) {
        return Ok(first);
    }
    let copied = (|| {
        let copy = disk.open(&home.dir, &second, How::New(home.config.mode))?;
        disk.set_mode(&copy, home.config.mode)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut offset = full.synced;
        loop {
            let read = disk.read_at(&full.file, offset, &mut buffer)?;
            if read == 0 {
                break;
            }
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                rest = &rest[disk.append(&copy, rest)?..];
            }
            offset += read as u64;
        }
        disk.sync(&copy)?;
        disk.sync_dir(&home.dir)
    })();
    if let Err(errno) = copied {
        let _ = disk.unlink(&home.dir, &second);
        return Err(Error::new(format!("write anew what {}/previous lacks on disk", home.shown()), errno));
    }
    Ok(first)
}

/// The road's end of the finisher.
pub(super) struct Finisher<D: Disk> {
    place: Place<D>,
    events: Receiver<Event>,
    /// `previous` is being finished: no other file can take its place.
    busy: bool,
    /// The worker has been told to stop and has not answered yet.
    stopping: bool,
}

/// Where the worker lives.
enum Place<D: Disk> {
    /// Here: it has not been needed, or no thread could be started.
    Here(Box<Worker<D>>),
    There {
        orders: Sender<Order<D>>,
        stop: Sender<()>,
    },
    /// Between the two, for no longer than a call.
    Moving,
}

impl<D: Disk> Finisher<D> {
    /// `first`: what is to be done at once, for what was found at the start.
    pub(super) fn new(home: Arc<Home<D>>, logs: OldLogs, bell: Bell, first: Option<First<D>>) -> Self {
        let (sender, events) = unbounded();
        let work = first.map(|first| {
            let (moment, full) = match first {
                First::Retain => return Work::new(Stage::Retain, home.disk.now(), None),
                First::Process(moment) => (moment, None),
                First::Finish(full) => (full.moment, Some(full)),
            };
            // Retention first: a processor that fails for long must not keep it from what each outage leaves.
            let work = Work::new(Stage::Retain, moment, full);
            Work { reserved: Some(moment), retains_first: true, ..work }
        });
        let busy = work.is_some();
        let worker = Worker {
            home,
            logs,
            work,
            last: false,
            doubtful: None,
            named: None,
            voice: Voice { events: sender, bell },
        };
        let mut finisher = Finisher { place: Place::Here(Box::new(worker)), events, busy, stopping: false };
        if busy {
            finisher.move_out();
        }
        finisher
    }

    /// Whether `previous` is being finished.
    pub(super) fn busy(&self) -> bool {
        self.busy
    }

    /// What the worker has to say, one at a time.
    pub(super) fn event(&mut self) -> Option<Event> {
        let event = self.events.try_recv().ok()?;
        match event {
            // Who has been told to stop says that it has, too: nothing begins before.
            Event::Finished { .. } => self.busy = self.stopping,
            Event::Stopped { .. } => (self.busy, self.stopping) = (false, false),
            _ => (),
        }
        Some(event)
    }

    /// Gives an order. An order that finds the worker too busy comes back.
    pub(super) fn order(&mut self, order: Order<D>) -> Result<(), Order<D>> {
        let finishing = matches!(order, Order::Finish(_) | Order::SetAside);
        self.move_out();
        match &mut self.place {
            Place::There { orders, .. } => match orders.try_send(order) {
                Ok(()) => (),
                Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) => return Err(order),
            },
            // Done at the next tick: what a thread does meanwhile may as well come late.
            Place::Here(worker) => worker.take(order),
            Place::Moving => return Err(order),
        }
        self.busy |= finishing;
        Ok(())
    }

    /// Tells the worker to drop what it does; it answers [`Event::Stopped`], when it can.
    pub(super) fn stop(&mut self) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        match &mut self.place {
            // The channel has room for the one word that is said.
            Place::There { stop, .. } => drop(stop.try_send(())),
            Place::Here(worker) => worker.stop(),
            Place::Moving => (),
        }
    }

    /// Where the worker lives here: does what can be done, and says when to come back.
    pub(super) fn advance(&mut self) -> Option<Duration> {
        match &mut self.place {
            Place::Here(worker) => worker.advance(),
            _ => None,
        }
    }

    /// Starts the thread, if it can be started.
    fn move_out(&mut self) {
        let worker = match std::mem::replace(&mut self.place, Place::Moving) {
            Place::Here(worker) => worker,
            other => return self.place = other,
        };
        let (hand_over, taken) = bounded::<Box<Worker<D>>>(1);
        let (orders, receive) = bounded(1);
        let (stop, stopped) = bounded(1);
        let started = worker.home.disk.start_thread(Box::new(move || {
            if let Ok(worker) = taken.recv() {
                worker.run(&receive, &stopped);
            }
        }));
        self.place = match started {
            Ok(()) => match hand_over.send(worker) {
                Ok(()) => Place::There { orders, stop },
                Err(back) => Place::Here(back.into_inner()),
            },
            Err(_) => Place::Here(worker),
        };
    }
}
