//! The whole of svscan without a fork: what a look at the scan directory, a death or a signal makes it do.
//!
//! A [`Scan`] is told what happened and when, and answers with [`Action`]s; what became of those is told to it again. Only a
//! look at the directory starts a supervise, so none is started for a name that is gone. It asks no clock and no system.
//!
//! A service is known by the device and inode of its directory: two names of one directory are one service. Whether it has
//! a log is decided when it is first taken up. Source: `svscan.c` of daemontools 0.76; the paces, the settling of fresh
//! directories and the stop are ours.

pub use crate::sys::Failed;

use logcore::complaint::Complaint;
use logcore::strerr::{Errno, words};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Between two looks at the directory when nothing happens there.
const IDLE: Duration = Duration::from_secs(60);
/// The same where changes are not reported, or an entry is in error: the original's pace.
const POLL: Duration = Duration::from_secs(5);
/// Between any two looks, however much happens.
const LEAST: Duration = Duration::from_millis(20);
/// Between two starts of one supervise.
const PACE: Duration = Duration::from_secs(1);
/// Between two starts of a supervise that fails within [`PACE`] of its start. Each says why, so each further time it is twice
/// as long, up to [`IDLE`].
const FAILING: Duration = Duration::from_secs(5);
/// For so long a directory that was made in place stays as it is before it is taken up.
const SETTLED: Duration = Duration::from_secs(1);
/// After so long it is taken up in any case.
const SETTLED_AT_LAST: Duration = Duration::from_secs(5);
/// Between two tries to tell a logger's supervise that it is the last one.
const AGAIN: Duration = Duration::from_millis(50);
/// After so long it is told by a signal, and so is a supervise that has not heard the order to stop.
const TOLD_AT_LAST: Duration = Duration::from_secs(5);
/// After so long in a stop it is said who has not ended.
const LONG: Duration = Duration::from_secs(10);
/// How often a logger that ended and left lines in the pipe is started again in a stop.
const DRAINS: u32 = 3;
/// The same for a removed service, at longer and longer intervals: nobody waits. One that ran for longer than any of these is not
/// counted.
const DRAINS_OF_REMOVED: u32 = 8;

/// A directory, whatever names it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// One of the two supervises of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// That of the service.
    Main,
    /// That of its logger.
    Log,
}

/// One name in the scan directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its bytes.
    pub name: Vec<u8>,
    /// What it stands for, links followed; the reason where that cannot be told.
    pub seen: Result<Directory, Errno>,
}

/// A directory as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Which one it is.
    pub id: Id,
    /// Its logger's directory.
    pub log: Log,
    /// It was made where it is and may still be filled: neither a link nor moved here.
    pub in_place: bool,
    /// Seconds and nanoseconds of the last change of the directory, and of its `log`: only compared.
    pub changed: [i64; 4],
}

/// What `NAME/log` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// Nothing.
    None,
    /// A directory: the service has a logger.
    Directory,
    /// Something that is no directory.
    Other,
    /// It cannot be told.
    Unknown(Errno),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the log pipe of this service, or the writing end that was closed, and keep both ends, and the directory of this
    /// name if it is that of the service. Answer: [`Scan::opened`].
    Open(Id, Vec<u8>),
    /// Start `supervise`, on the log pipe if the service has one. Answer: [`Scan::started`].
    Start {
        /// The service.
        id: Id,
        /// Which of its supervises.
        role: Role,
        /// The name of the service.
        name: Vec<u8>,
    },
    /// Start the supervise of this service's logger on the log pipe, in the directory that was kept; this was its name. Answer:
    /// [`Scan::started`], or [`Scan::rest`] where there is no such directory.
    Drain(Id, Vec<u8>),
    /// Close what is kept of the log pipe, and the directory.
    Close(Id),
    /// Tell this supervise of a service to stop its service and go; the name of the service.
    Halt(Id, u32, Vec<u8>),
    /// The same a while later: unless its status says that it has heard, send it TERM.
    Insist(Id, u32, Vec<u8>),
    /// Ours could not begin: an earlier svscan has left one that has this service, and its logger. Tell them.
    Leave {
        /// The service.
        name: Vec<u8>,
        /// Its logger, if ours could not begin either.
        log: Option<Vec<u8>>,
    },
    /// The supervise of a logger could not begin though the service is ours: one of an earlier svscan has the directory, and a
    /// pipe that nobody writes to any more. Tell that one that its logger is the last one.
    Relieve(Id),
    /// Close the writing end of the log pipe: its logger comes to the end.
    Shut(Id),
    /// Tell this supervise of a logger that its logger goes on, and is the last one. Answer: [`Scan::told`].
    Tell(Id, u32),
    /// Send TERM to this supervise.
    Terminate(u32),
    /// Say whether lines are left in the log pipe, or somebody who writes. Answer: [`Scan::rest`].
    Rest(Id),
    /// Let another svscan have the directory.
    Unlock,
    /// Say this, after `svscan: warning: `.
    Warn(Vec<u8>),
}

/// One supervise of a service.
#[derive(Debug, Default)]
struct Supervise {
    /// It runs.
    pid: Option<u32>,
    /// Its last start.
    started: Duration,
    /// Not started before.
    next: Duration,
    /// So many times in a row it failed within [`PACE`] of its start.
    failures: u32,
    trouble: Complaint,
}

/// What has become of a logger that is to read to the end, in a stop or once its service was removed.
#[derive(Debug)]
struct Drain {
    /// Its supervise is to be told, from this moment on, and since this one.
    tell: Option<(Duration, Duration)>,
    /// It waits to be started again.
    again: bool,
    /// How often it was, one time soon after the other.
    count: u32,
}

#[derive(Debug)]
struct Service {
    name: Vec<u8>,
    /// It had a name at the last look.
    present: bool,
    /// In a stop: when to see whether it has heard of that.
    insist: Option<Duration>,
    /// Its log pipe is there with both ends, if it needs one.
    ready: bool,
    /// What was said of its name before.
    trouble: Complaint,
    main: Supervise,
    log: Option<Supervise>,
    drain: Option<Drain>,
}

impl Service {
    fn supervise(&mut self, role: Role) -> Option<&mut Supervise> {
        match role {
            Role::Main => Some(&mut self.main),
            Role::Log => self.log.as_mut(),
        }
    }

    fn supervises(&self) -> impl Iterator<Item = &Supervise> {
        std::iter::once(&self.main).chain(&self.log)
    }

    /// While neither supervise can begin both are started at once: where the service begins its logger does not wait longer.
    fn keep_step(&mut self) {
        if self.main.pid.is_none()
            && self.main.failures > 0
            && let Some(log) = self.log.as_mut().filter(|log| log.pid.is_none() && log.failures > 0)
        {
            log.next = self.main.next;
        }
    }

    /// Its logger's supervise could not begin, and its own could: it runs for longer than one that fails, or ended well.
    fn lacks_its_logger(&self, now: Duration) -> bool {
        let is_ours = match self.main.pid {
            Some(_) => now >= self.main.started + PACE,
            None => self.main.failures == 0,
        };
        is_ours && self.log.as_ref().is_some_and(|log| log.pid.is_none() && log.failures > 0)
    }

    fn directory(&self, role: Role) -> Vec<u8> {
        match role {
            Role::Main => self.name.clone(),
            Role::Log => [&self.name, b"/log".as_slice()].concat(),
        }
    }
}

/// An entry in error.
#[derive(Debug, Default)]
struct Trouble {
    said: Complaint,
    /// It could not be seen: when it can, it has only just been made.
    unseen: bool,
}

/// A directory that is not taken up yet.
#[derive(Debug)]
struct Fresh {
    first: Duration,
    since: Duration,
    changed: [i64; 4],
}

/// The state of svscan. Times are of one clock that never goes back.
#[derive(Debug)]
pub struct Scan {
    services: BTreeMap<Id, Service>,
    pids: HashMap<u32, (Id, Role)>,
    fresh: HashMap<Id, Fresh>,
    /// Entries in error, by name.
    troubles: HashMap<Vec<u8>, Trouble>,
    /// The directory cannot be read.
    unreadable: Option<Complaint>,
    /// What was said of log pipes: one lack for all services.
    pipes: Complaint,
    /// A log pipe was refused since the last look.
    refused: bool,
    watched: bool,
    /// An earlier svscan was killed, or still stops: its supervises may have our services.
    succeeds: bool,
    looked: Option<Duration>,
    asked: bool,
    stopping: bool,
    /// In a stop: when to say who has not ended.
    remind: Option<Duration>,
}

impl Scan {
    /// Nothing is known yet. `watched`: changes of the directory are reported (by [`Scan::ask`]).
    pub fn new(watched: bool) -> Scan {
        Scan {
            services: BTreeMap::new(),
            pids: HashMap::new(),
            fresh: HashMap::new(),
            troubles: HashMap::new(),
            unreadable: None,
            pipes: Complaint::default(),
            refused: false,
            watched,
            succeeds: false,
            looked: None,
            asked: false,
            stopping: false,
            remind: None,
        }
    }

    /// An earlier svscan of this directory was killed, or still stops: who has a service that ours cannot take is of that one, and
    /// no stranger.
    pub fn succeed(&mut self) {
        self.succeeds = true;
    }

    /// Changes of the directory are reported no more.
    pub fn unwatched(&mut self) {
        self.watched = false;
    }

    /// Look at the directory soon: it changed.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// Somebody asked: look at the directory soon, and try again what has failed.
    pub fn hurry(&mut self) {
        self.asked = true;
        for service in self.services.values_mut() {
            for supervise in std::iter::once(&mut service.main).chain(&mut service.log) {
                supervise.next = supervise.next.min(supervise.started + PACE);
            }
        }
    }

    /// Whether no look at the directory will come any more.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether the stop has come to its end.
    pub fn is_over(&self) -> bool {
        self.stopping && self.services.is_empty()
    }

    /// When to look at the directory again, or in a stop, to call [`Scan::time`]. `None`: only a death changes anything.
    pub fn due(&self) -> Option<Duration> {
        if self.stopping {
            let next = |service: &Service| next_of_drain(service).into_iter().chain(service.insist).min();
            return self.services.values().filter_map(next).chain(self.remind).min();
        }
        let Some(looked) = self.looked else { return Some(Duration::ZERO) };
        if self.asked {
            return Some(looked + LEAST);
        }
        if self.unreadable.is_some() {
            return Some(looked + POLL);
        }
        let peace = self.watched && self.troubles.is_empty() && !self.refused;
        let regular = if peace { IDLE } else { POLL };
        let settling =
            self.fresh.values().map(|fresh| (fresh.since + SETTLED).min(fresh.first + SETTLED_AT_LAST));
        let wanted = self.services.values().filter(|service| service.present && service.ready);
        let down = wanted.flat_map(Service::supervises).filter(|supervise| supervise.pid.is_none());
        let starts = down.map(|supervise| supervise.next);
        let drains = self.services.values().filter_map(next_of_drain);
        Some(starts.chain(settling).chain(drains).fold(looked + regular, Duration::min).max(looked + LEAST))
    }

    /// The directory was looked at: all its entries but those that begin with a dot or are no directories, or the reason why
    /// not. Nothing in a stop.
    pub fn look(&mut self, entries: Result<Vec<Entry>, Errno>, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.stopping {
            return actions;
        }
        let first = self.looked.is_none();
        self.looked = Some(now);
        self.asked = false;
        let entries = match entries {
            Ok(entries) => entries,
            Err(errno) => {
                let trouble = self.unreadable.get_or_insert_default();
                complain(trouble, unable(b"read directory", errno), now, &mut actions);
                actions.extend(self.drain(now));
                return actions;
            }
        };
        self.unreadable = None;
        if !std::mem::take(&mut self.refused) {
            self.pipes.settled(now);
        }
        self.find(&entries, &mut actions);
        let mut troubles = std::mem::take(&mut self.troubles);
        let mut fresh = std::mem::take(&mut self.fresh);
        for Entry { name, seen } in entries {
            let message = match seen {
                Err(errno) => unable(&[b"stat ", name.as_slice()].concat(), errno),
                Ok(directory) if self.services.contains_key(&directory.id) => continue,
                Ok(Directory { log: Log::Unknown(errno), .. }) => {
                    unable(&[b"stat ", name.as_slice(), b"/log"].concat(), errno)
                }
                // Another name of one that waits.
                Ok(directory) if self.fresh.contains_key(&directory.id) => continue,
                Ok(directory) => {
                    let state = fresh.remove(&directory.id);
                    let trouble = troubles.remove(&name).unwrap_or_default();
                    let young = directory.in_place || state.is_some() || trouble.unseen;
                    match not_settled(state, &directory, now).filter(|_| young && !first) {
                        Some(state) => _ = self.fresh.insert(directory.id, state),
                        None => self.take_up(name, &directory, trouble.said, now, &mut actions),
                    }
                    continue;
                }
            };
            let mut trouble = troubles.remove(&name).unwrap_or_default();
            trouble.unseen = true;
            complain(&mut trouble.said, message, now, &mut actions);
            self.troubles.insert(name, trouble);
        }
        self.end_removed(now, &mut actions);
        for (&id, service) in &mut self.services {
            if service.present && service.ready {
                starts(id, service, now, &mut actions);
            }
        }
        actions
    }

    /// Which services still have a name, and which. One whose logger is to read to the end and has a name again gets its writing
    /// end back.
    fn find(&mut self, entries: &[Entry], actions: &mut Vec<Action>) {
        for service in self.services.values_mut() {
            service.present = false;
        }
        for Entry { name, seen } in entries {
            let Ok(directory) = seen else { continue };
            let Some(service) = self.services.get_mut(&directory.id) else { continue };
            // Another name is taken only where its own is gone.
            if !service.present && service.name != *name {
                let kept = |entry: &Entry| {
                    entry.name == service.name
                        && entry.seen.as_ref().is_ok_and(|directory_of| directory_of.id == directory.id)
                };
                if !entries.iter().any(kept) {
                    service.name.clone_from(name);
                }
            }
            service.present = true;
            if service.ready {
                service.drain = None;
            }
        }
        let back = self.services.iter().filter(|(_, service)| service.present && !service.ready);
        actions.extend(back.map(|(&id, service)| Action::Open(id, service.name.clone())));
    }

    fn take_up(
        &mut self,
        name: Vec<u8>,
        directory: &Directory,
        trouble: Complaint,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        if directory.log == Log::Other {
            let what = [b"use ", name.as_slice(), b"/log"].concat();
            actions.push(Action::Warn(unable(&what, Errno::NOTDIR)));
        }
        let supervise = || Supervise { next: now, ..Supervise::default() };
        let log = (directory.log == Log::Directory).then(supervise);
        let ready = log.is_none();
        if !ready {
            actions.push(Action::Open(directory.id, name.clone()));
        }
        let service = Service {
            name,
            present: true,
            insist: None,
            ready,
            trouble,
            main: supervise(),
            log,
            drain: None,
        };
        self.services.insert(directory.id, service);
    }

    /// Services without a name and a supervise write nothing more: their loggers read to the end, and they are forgotten. Until
    /// then they need their loggers.
    fn end_removed(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for service in
            self.services.values_mut().filter(|service| !service.present && service.drain.is_none())
        {
            if service.main.pid.is_some() && service.log.as_ref().is_some_and(|log| log.pid.is_none()) {
                service.drain = Some(Drain { tell: None, again: true, count: 0 });
            }
        }
        actions.extend(self.drain(now));
        let is_over = |service: &Service| !service.present && service.main.pid.is_none();
        let over = self.services.iter().filter(|(_, service)| is_over(service) && service.drain.is_none());
        for id in over.map(|(&id, _)| id).collect::<Vec<_>>() {
            actions.extend(self.main_is_gone(id, now));
        }
    }

    /// What became of [`Action::Open`].
    pub fn opened(&mut self, id: Id, result: Result<(), Errno>, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(service) = self.services.get_mut(&id) else { return actions };
        match result {
            Ok(()) => {
                service.ready = true;
                service.trouble.settled(now);
                if !self.stopping {
                    service.drain = None;
                    starts(id, service, now, &mut actions);
                }
            }
            Err(errno) => {
                self.refused = true;
                // Thousands may be refused: the first is named, and the reason is news, not the name.
                if self.pipes.is_news(words(errno), now) {
                    let doing = [b"create pipe for ", service.name.as_slice()].concat();
                    actions.push(Action::Warn(unable(&doing, errno)));
                }
                // Not taken up after all; the next look tries again.
                if service.drain.is_none()
                    && let Some(Service { name, trouble: said, .. }) = self.services.remove(&id)
                {
                    self.troubles.insert(name, Trouble { said, unseen: false });
                }
            }
        }
        actions
    }

    /// What became of [`Action::Start`]: the process, of which [`Scan::runs`] is to tell; or why there is none.
    pub fn started(&mut self, id: Id, role: Role, child: Result<u32, Errno>, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(service) = self.services.get_mut(&id) else { return actions };
        let directory = service.directory(role);
        if role == Role::Log
            && let Some(drain) = &mut service.drain
        {
            drain.tell = child.is_ok().then_some((now, now));
            drain.again = child.is_err();
        }
        let Some(supervise) = service.supervise(role) else { return actions };
        supervise.started = now;
        supervise.next = now + PACE;
        match child {
            Ok(pid) => {
                supervise.pid = Some(pid);
                self.pids.insert(pid, (id, role));
            }
            Err(errno) => {
                let message = unable(&[b"fork for ", directory.as_slice()].concat(), errno);
                complain(&mut supervise.trouble, message, now, &mut actions);
            }
        }
        actions
    }

    /// Whether a process that was started is supervise now: why not, if so. Told before its end.
    pub fn runs(&mut self, pid: u32, failed: Option<Failed>, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(&(id, role)) = self.pids.get(&pid) else { return actions };
        let Some(service) = self.services.get_mut(&id) else { return actions };
        let directory = service.directory(role);
        let Some(supervise) = service.supervise(role) else { return actions };
        let (doing, errno) = match failed {
            None => {
                supervise.trouble.settled(now);
                return actions;
            }
            Some(Failed::Descriptors(errno)) => (b"set up descriptors for ".as_slice(), errno),
            Some(Failed::Directory(errno)) => (b"switch to ".as_slice(), errno),
            Some(Failed::Exec(errno)) => (b"start supervise ".as_slice(), errno),
        };
        // Of this we speak ourselves, and not each time: it is tried at the first pace.
        supervise.failures = 0;
        let message = unable(&[doing, &directory].concat(), errno);
        complain(&mut supervise.trouble, message, now, &mut actions);
        actions
    }

    /// A child has ended; `failed`: with a code other than 0. One that is no supervise of ours changes nothing.
    pub fn ended(&mut self, pid: u32, failed: bool, now: Duration) -> Vec<Action> {
        let Some((id, role)) = self.pids.remove(&pid) else { return Vec::new() };
        let Some(service) = self.services.get_mut(&id) else { return Vec::new() };
        let main_runs = service.main.pid.is_some_and(|main| main != pid);
        let Some(supervise) = service.supervise(role) else { return Vec::new() };
        supervise.pid = None;
        let early = now < supervise.started + PACE;
        supervise.failures = if failed && early { supervise.failures.saturating_add(1) } else { 0 };
        let was_long = now >= supervise.started + IDLE;
        // A stop is not held up for longer than it must, nor a service that fills the pipe.
        let longest = if self.stopping || main_runs { FAILING } else { IDLE };
        let pause = match supervise.failures.checked_sub(1) {
            None => PACE,
            Some(doublings) => (FAILING * 2_u32.saturating_pow(doublings)).min(longest),
        };
        supervise.next = supervise.started + pause;
        self.asked = true;
        service.keep_step();
        let relieve = (self.succeeds && role == Role::Log && service.lacks_its_logger(now))
            .then_some(Action::Relieve(id));
        let mut actions = Vec::from_iter(relieve);
        match role {
            _ if service.present && service.ready && !self.stopping => (),
            Role::Main => actions.extend(self.main_is_gone(id, now)),
            Role::Log if service.main.pid.is_none() => {
                if let Some(drain) = service.drain.as_mut().filter(|_| was_long && !self.stopping) {
                    drain.count = 0;
                }
                actions.push(Action::Rest(id));
            }
            // Its service may fill the pipe before it ends.
            Role::Log => service.drain = Some(Drain { tell: None, again: true, count: 0 }),
        }
        actions
    }

    /// TERM or INT: stops everything in order, and starts nothing more. Asked once more it changes nothing.
    ///
    /// Each service is told to stop; when its supervise is gone, its logger gets the end of its input and ends when it has
    /// read all. A logger that ends before that is started again, a few times.
    pub fn stop(&mut self, now: Duration) -> Vec<Action> {
        if self.stopping {
            return Vec::new();
        }
        self.stopping = true;
        self.hurry();
        self.remind = Some(now + LONG);
        let mut actions = vec![Action::Unlock];
        let ids: Vec<Id> = self.services.keys().copied().collect();
        for id in ids {
            let running = |service: &mut Service| {
                let main = &service.main;
                let pid = main.pid?;
                // It may be about to fail, and who hears the order is another.
                let is_doubtful = main.failures > 0 && now < main.started + PACE && !self.succeeds;
                if is_doubtful {
                    return Some(Action::Terminate(pid));
                }
                service.insist = Some(now + TOLD_AT_LAST);
                Some(Action::Halt(id, pid, service.name.clone()))
            };
            match self.services.get_mut(&id).and_then(running) {
                Some(halt) => actions.push(halt),
                None => actions.extend(self.main_is_gone(id, now)),
            }
        }
        actions
    }

    /// Nothing more is written: the logger is to read to the end.
    fn main_is_gone(&mut self, id: Id, now: Duration) -> Vec<Action> {
        let Some(service) = self.services.get_mut(&id) else { return Vec::new() };
        service.insist = None;
        let leave = (self.stopping && self.succeeds && service.main.failures > 0).then(|| Action::Leave {
            name: service.name.clone(),
            log: service.log.as_ref().filter(|log| log.failures > 0).map(|_| service.directory(Role::Log)),
        });
        let relieve = (self.succeeds && service.lacks_its_logger(now)).then_some(Action::Relieve(id));
        let Some(log) = &service.log else {
            self.services.remove(&id);
            return Vec::from_iter(leave);
        };
        // One that is about to fail again is not told yet: a stranger would read that.
        let ours = log.started + PACE;
        let is_doubtful = log.failures > 0 && now < ours && !self.succeeds;
        let tell = log.pid.map(|_| (if is_doubtful { ours } else { now }, now));
        service.ready = false;
        service.drain = Some(Drain { tell, again: false, count: 0 });
        let next = match log.pid {
            None => Some(Action::Rest(id)),
            Some(_) if is_doubtful => None,
            Some(pid) => Some(Action::Tell(id, pid)),
        };
        leave.into_iter().chain(relieve).chain([Action::Shut(id)]).chain(next).collect()
    }

    /// What became of [`Action::Tell`]: whether the supervise could be told. `over`: its logger has nothing more to read. Else
    /// only a stop has no more time: where its directory was deleted it cannot be told, and reads to the end all the same.
    pub fn told(&mut self, id: Id, done: bool, over: bool, now: Duration) -> Vec<Action> {
        let Some(service) = self.services.get_mut(&id) else { return Vec::new() };
        let Some(drain) = &mut service.drain else { return Vec::new() };
        let Some((_, since)) = drain.tell else { return Vec::new() };
        let late = !done && now >= since + TOLD_AT_LAST;
        let at_last = late && (self.stopping || over);
        let pause = if late { PACE } else { AGAIN };
        drain.tell = (!done && !at_last).then_some((now + pause, since));
        let pid = service.log.as_ref().and_then(|log| log.pid);
        pid.filter(|_| at_last).map(Action::Terminate).into_iter().collect()
    }

    /// What became of [`Action::Rest`]: whether lines are left that no logger has read, or a process that the service left behind
    /// and that may write some. While the service runs there may always be more.
    pub fn rest(&mut self, id: Id, left: bool, now: Duration) -> Vec<Action> {
        let Some(service) = self.services.get_mut(&id) else { return Vec::new() };
        let Some(drain) = &mut service.drain else { return Vec::new() };
        drain.tell = None;
        if service.main.pid.is_some() {
            drain.again = true;
            return Vec::new();
        }
        let most = if self.stopping { DRAINS } else { DRAINS_OF_REMOVED };
        if left && drain.count < most {
            if let Some(log) = service.log.as_mut().filter(|_| !self.stopping && drain.count > 0) {
                log.next = log.next.max(now + (PACE * 2_u32.pow(drain.count)).min(IDLE));
            }
            drain.count += 1;
            drain.again = true;
            return Vec::new();
        }
        let name = std::mem::take(&mut service.name);
        self.services.remove(&id);
        let lost = [b"lines of ", name.as_slice(), b" are left unread: its logger does not run"].concat();
        left.then_some(Action::Warn(lost)).into_iter().chain([Action::Close(id)]).collect()
    }

    /// It is time, in a stop.
    pub fn time(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.remind.is_some_and(|then| then <= now) {
            self.remind = None;
            actions.extend(self.who_is_left());
        }
        for (&id, service) in &mut self.services {
            if service.insist.take_if(|then| *then <= now).is_some()
                && let Some(pid) = service.main.pid
            {
                actions.push(Action::Insist(id, pid, service.name.clone()));
            }
        }
        actions.extend(self.drain(now));
        actions
    }

    /// Loggers that are to be told to end, or started again to read to the end.
    fn drain(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        for (&id, service) in &mut self.services {
            if next_of_drain(service).is_none_or(|next| next > now) {
                continue;
            }
            let (Some(drain), Some(log)) = (&mut service.drain, &mut service.log) else { continue };
            match log.pid {
                Some(pid) => actions.push(Action::Tell(id, pid)),
                None => {
                    drain.again = false;
                    log.next = now + PACE;
                    actions.push(Action::Drain(id, service.name.clone()));
                }
            }
        }
        actions
    }

    /// A logger whose service has left somebody behind with the log pipe goes on until that one ends too.
    fn who_is_left(&self) -> Option<Action> {
        let first = self.services.values().next()?;
        let role = if first.main.pid.is_some() { Role::Main } else { Role::Log };
        let others = match self.services.len() - 1 {
            0 => String::new(),
            1 => " and one more".to_owned(),
            more => format!(" and {more} more"),
        };
        let name = first.directory(role);
        Some(Action::Warn([b"still waiting for ", &name[..], others.as_bytes(), b" to end"].concat()))
    }
}

/// When a logger is to be told or started again.
fn next_of_drain(service: &Service) -> Option<Duration> {
    let (drain, log) = (service.drain.as_ref()?, service.log.as_ref()?);
    match log.pid {
        Some(_) => drain.tell.map(|(next, _)| next),
        None => drain.again.then_some(log.next),
    }
}

/// How long `directory` has been as it is, unless that is long enough to take it up.
fn not_settled(before: Option<Fresh>, directory: &Directory, now: Duration) -> Option<Fresh> {
    let changed = directory.changed;
    let state = match before {
        Some(fresh) if fresh.changed == changed => fresh,
        Some(fresh) => Fresh { since: now, changed, ..fresh },
        None => Fresh { first: now, since: now, changed },
    };
    (now < state.since + SETTLED && now < state.first + SETTLED_AT_LAST).then_some(state)
}

/// Starts what is down and may start; what is not answered is not asked for again before the pace allows it.
fn starts(id: Id, service: &mut Service, now: Duration, actions: &mut Vec<Action>) {
    for role in [Role::Main, Role::Log] {
        let name = service.name.clone();
        let Some(supervise) = service.supervise(role) else { continue };
        if supervise.pid.is_none() && supervise.next <= now {
            supervise.next = now + PACE;
            actions.push(Action::Start { id, role, name });
        }
    }
}

/// `unable to DOING: reason`.
fn unable(doing: &[u8], errno: Errno) -> Vec<u8> {
    [b"unable to ", doing, b": ", words(errno).as_bytes()].concat()
}

fn complain(trouble: &mut Complaint, message: Vec<u8>, now: Duration, actions: &mut Vec<Action>) {
    if trouble.is_news(&String::from_utf8_lossy(&message), now) {
        actions.push(Action::Warn(message));
    }
}

#[cfg(test)]
mod tests;
