//! svscan: starts and watches a supervise for each service, and one for its logger, and holds the pipe between them.
//!
//! What it decides is in [`supervise_lite::scan`]; here is what it does: wait, look, fork, tell, reap. One thread, and no
//! wake-up without a reason but for a look once a minute.
#![forbid(unsafe_code)]

use logcore::disk::{Disk, RealDisk};
use logcore::strerr::{Errno, words};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::process::{Pid, WaitOptions, kill_process, wait};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;
use supervise_lite::changes::Changes;
use supervise_lite::logpipe::LogPipe;
use supervise_lite::notice::murmur;
use supervise_lite::scan::{Action, Id, Role, Scan};
use supervise_lite::scandir::{Locked, ScanDir, id_of};
use supervise_lite::signals::{Signal, Signals};
use supervise_lite::status::Want;
use supervise_lite::supervised::{open_control, read_status};
use supervise_lite::sys::{Child, Program, Step, Words, spawn};
use supervise_lite::{chain, die, help, openfiles};

const PROGRAM: &str = "svscan";
/// Shown for `--help`.
const HELP: &str = include_str!("svscan.txt");
/// So many children may be on their way to their program at once. Each takes a descriptor.
const AT_ONCE: usize = 16;

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    help::answer(&arguments, PROGRAM, HELP);
    let here = OsString::from(".");
    Svscan::start(arguments.first().unwrap_or(&here)).run();
}

/// What is kept for a service with a logger.
struct Logged {
    pipe: LogPipe,
    /// Its directory, for when it has no name any more. `None`: it went while it was taken up.
    directory: Option<OwnedFd>,
}

/// The scan and what it holds of the system.
struct Svscan {
    scan: Scan,
    dir: ScanDir,
    changes: Option<Changes>,
    signals: Signals,
    logged: HashMap<Id, Logged>,
    /// Children of whom it is not known yet whether they run supervise, the oldest first.
    starting: VecDeque<Child>,
    /// The files that may be supervise.
    supervise: Vec<CString>,
    environment: Words,
    /// What we were started with.
    open_files: libc::rlimit,
}

impl Svscan {
    /// Everything that can fail: the directory is ours from here on.
    fn start(path: &OsStr) -> Svscan {
        if let Err(errno) = rustix::process::chdir(path) {
            die::unable(PROGRAM, &[b"chdir to ", path.as_bytes()].concat(), errno);
        }
        let mut dir = match ScanDir::open(".") {
            Ok(dir) => dir,
            Err(errno) => die::unable(PROGRAM, &[b"open ", path.as_bytes()].concat(), errno),
        };
        let lock = [b"lock ", path.as_bytes()].concat();
        match dir.lock() {
            Locked::Yes => (),
            Locked::Taken => {
                let held = [b"unable to ", &lock[..], b": another svscan is running there"].concat();
                die::fatal(PROGRAM, &held);
            }
            Locked::Cannot(errno) => {
                murmur(
                    PROGRAM,
                    "warning",
                    &[b"unable to ", &lock[..], b": ", words(errno).as_bytes()].concat(),
                );
            }
        }
        let listened = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM, Signal::SIGCHLD];
        let signals = match Signals::listen(&listened) {
            Ok(signals) => signals,
            Err(errno) => die::unable(PROGRAM, b"receive signals", errno),
        };
        let limit = openfiles::raise();
        let changes = Changes::new(".").ok();
        let mut scan = Scan::new(changes.is_some());
        if dir.begin() {
            scan.succeed();
        }
        Svscan {
            scan,
            dir,
            changes,
            signals,
            logged: HashMap::new(),
            starting: VecDeque::new(),
            supervise: supervises(),
            environment: Words::environment(),
            open_files: libc::rlimit {
                rlim_cur: limit.current.unwrap_or(libc::RLIM_INFINITY),
                rlim_max: limit.maximum.unwrap_or(libc::RLIM_INFINITY),
            },
        }
    }

    /// Until a stop has come to its end.
    fn run(&mut self) {
        while !self.scan.is_over() {
            let due = self.scan.due();
            let now = RealDisk.uptime();
            if due.is_some_and(|due| due <= now) {
                let actions = if self.scan.is_stopping() { self.scan.time(now) } else { self.look(now) };
                self.act(actions);
            }
            self.wait(self.scan.due());
            self.take_signals();
            self.reap();
            if let Some(changes) = &mut self.changes {
                let report = changes.take();
                if report.changed {
                    self.scan.ask();
                }
                if report.over {
                    self.changes = None;
                    self.scan.unwatched();
                }
            }
        }
        self.dir.end();
    }

    /// Waits for a signal, a change, or the time.
    fn wait(&self, due: Option<Duration>) {
        if self.scan.is_over() {
            return;
        }
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        fds.extend(
            self.changes.iter().map(|changes| PollFd::from_borrowed_fd(changes.as_fd(), PollFlags::IN)),
        );
        let left = due.map(|due| due.saturating_sub(RealDisk.uptime()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        // Whatever ends it, everything is looked at again.
        let _ = poll(&mut fds, left.as_ref());
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::SIGTERM | Signal::SIGINT => {
                    let actions = self.scan.stop(RealDisk.uptime());
                    self.act(actions);
                }
                Signal::SIGHUP | Signal::SIGALRM => self.scan.hurry(),
                _ => (),
            }
        }
    }

    /// All children that have ended, orphans that came to us as the first process included.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let failed = status.exit_status().is_some_and(|code| code != 0);
            let actions = self.scan.ended(number(pid), failed, RealDisk.uptime());
            self.act(actions);
        }
    }

    fn look(&mut self, now: Duration) -> Vec<Action> {
        self.dir.renew();
        let moved = self.changes.as_mut().map_or_else(HashSet::new, Changes::moved);
        let entries = self.dir.entries(&moved);
        self.scan.look(entries, now)
    }

    /// Does what is asked, and what follows from that.
    fn act(&mut self, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        loop {
            let more = match actions.pop_front() {
                Some(action) => self.perform(action),
                None if self.starting.is_empty() => return,
                None => self.hear(0),
            };
            actions.extend(more);
        }
    }

    /// Hears from the children that were started first, until `rest` are left: waits for what they become.
    fn hear(&mut self, rest: usize) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.starting.len() > rest
            && let Some(child) = self.starting.pop_front()
        {
            actions.extend(self.scan.runs(number(child.pid), child.failed(), RealDisk.uptime()));
        }
        actions
    }

    fn perform(&mut self, action: Action) -> Vec<Action> {
        match action {
            Action::Open(id, name) => {
                let opened = self.open_pipe(id, &name);
                return self.scan.opened(id, opened, RealDisk.uptime());
            }
            Action::Start { id, role, name } => {
                // Its directory may have had another name when it was taken up.
                self.keep(id, &name);
                return self.begin(id, role, &name);
            }
            Action::Drain(id, name) => {
                self.keep(id, &name);
                return match self.kept(id) {
                    Some(_) => self.begin(id, Role::Log, &name),
                    None => self.scan.rest(id, self.is_left(id), RealDisk.uptime()),
                };
            }
            Action::Tell(id, _) => {
                // One that is down is to read what is there, and what comes.
                let letters: &[u8] = if self.is_left(id) { b"oxc" } else { b"xc" };
                let told = self.tell_logger(id, letters).is_ok();
                return self.scan.told(id, told, !self.is_left(id), RealDisk.uptime());
            }
            Action::Rest(id) => return self.scan.rest(id, self.is_left(id), RealDisk.uptime()),
            Action::Halt(id, pid, name) => {
                // The original's supervise would leave its service at TERM.
                if self.at_service(id, pid, &name, |service| tell(service, b"dx")).is_err() {
                    terminate(pid);
                }
            }
            Action::Insist(id, pid, name) => {
                // Who reads its control may be somebody else. One that has heard waits for its service.
                let status =
                    self.at_service(id, pid, &name, |service| read_status(service).map_err(|_| Errno::NOENT));
                if !status.is_ok_and(|status| status.want == Want::Down && status.pid != 0) {
                    terminate(pid);
                }
            }
            Action::Leave { name, log } => {
                if self.dir.order(&name, b"dx").is_ok() {
                    let told =
                        [&name[..], b" is of an earlier svscan: it is told to stop and not waited for"]
                            .concat();
                    murmur(PROGRAM, "warning", &told);
                }
                if let Some(log) = log {
                    // Its input ends with the service.
                    let _ = self.dir.order(&log, b"oxc");
                }
            }
            // Where it is gone meanwhile ours can begin.
            Action::Relieve(id) => _ = self.tell_logger(id, b"oxc"),
            Action::Terminate(pid) => terminate(pid),
            Action::Shut(id) => {
                if let Some(logged) = self.logged.get_mut(&id) {
                    logged.pipe.shut();
                }
            }
            Action::Close(id) => _ = self.logged.remove(&id),
            Action::Unlock => self.dir.unlock(),
            Action::Warn(message) => murmur(PROGRAM, "warning", &message),
        }
        Vec::new()
    }

    fn open_pipe(&mut self, id: Id, name: &[u8]) -> Result<(), Errno> {
        if let Some(logged) = self.logged.get_mut(&id) {
            return logged.pipe.reopen();
        }
        let directory = self.dir.keep(name, id)?;
        self.logged.insert(id, Logged { pipe: LogPipe::new()?, directory });
        Ok(())
    }

    /// Keeps the directory of a service if that could not be done before.
    fn keep(&mut self, id: Id, name: &[u8]) {
        if let Some(logged) = self.logged.get_mut(&id).filter(|logged| logged.directory.is_none()) {
            logged.directory = self.dir.keep(name, id).unwrap_or_default();
        }
    }

    /// Whether there is something to read, or somebody left who may write.
    fn is_left(&self, id: Id) -> bool {
        self.logged.get(&id).is_some_and(|logged| !logged.pipe.is_over())
    }

    /// The directory of a service, if it was kept.
    fn kept(&self, id: Id) -> Option<&OwnedFd> {
        self.logged.get(&id)?.directory.as_ref()
    }

    /// Does this in the directory of a service, whose supervise is our child, wherever its name leads by now.
    fn at_service<T>(
        &self,
        id: Id,
        pid: u32,
        name: &[u8],
        work: impl FnOnce(&OwnedFd) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if let Some(kept) = self.kept(id) {
            return work(kept);
        }
        if let Some(service) = self.dir.keep(name, id)? {
            return work(&service);
        }
        // What /proc shows may be other processes than ours, in directories of services that are not ours.
        let service = working_directory(pid)?;
        if id_of(&fstat(&service)?) != id {
            return Err(Errno::NOENT);
        }
        work(&service)
    }

    /// Gives these letters to the supervise of a logger, when it has come to listen.
    fn tell_logger(&self, id: Id, letters: &[u8]) -> Result<(), Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let log = openat(self.kept(id).ok_or(Errno::NOENT)?, "log", flags, Mode::empty())?;
        tell(&log, letters)
    }

    /// Starts a supervise.
    fn begin(&mut self, id: Id, role: Role, name: &[u8]) -> Vec<Action> {
        let mut actions = self.hear(AT_ONCE - 1);
        let mut child = self.start_supervise(id, role, name);
        if child.is_err() && !self.starting.is_empty() {
            // Theirs may be the descriptor that is missing.
            actions.extend(self.hear(0));
            child = self.start_supervise(id, role, name);
        }
        let pid = child.map(|child| {
            let pid = number(child.pid);
            self.starting.push_back(child);
            pid
        });
        actions.extend(self.scan.started(id, role, pid, RealDisk.uptime()));
        actions
    }

    /// It begins in the directory that was looked at: where its name leads may change at any time. So its argument is `.`,
    /// and it is called by its name for those who look, and for the messages of our supervise.
    fn start_supervise(&self, id: Id, role: Role, name: &[u8]) -> Result<Child, Errno> {
        let pipe = self.logged.get(&id).map(|logged| &logged.pipe);
        let end = match role {
            Role::Main => pipe.and_then(LogPipe::writer).map(|writer| (writer, 1)),
            Role::Log => pipe.map(|pipe| (pipe.reader(), 0)),
        };
        let log: &[u8] = if role == Role::Log { b"/log" } else { b"" };
        // The name of a file has no NUL.
        let called = CString::new([b"supervise ", name, log].concat()).map_err(|_| Errno::INVAL)?;
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        let mut way = match self.kept(id) {
            Some(kept) => vec![Step::Open(kept.as_fd())],
            None => vec![Step::Name(&name), Step::Is(id.device, id.inode)],
        };
        if role == Role::Log {
            way.push(Step::Name(c"log"));
        }
        let arguments = Words::new(vec![called, c".".to_owned()]);
        spawn(&Program {
            candidates: &self.supervise,
            arguments: &arguments,
            environment: &self.environment,
            way: &way,
            descriptors: end.as_slice(),
            open_files: Some(self.open_files),
        })
    }
}

/// The files that may be supervise, from any directory: one that `PATH` names from here is named from the root.
fn supervises() -> Vec<CString> {
    let here = std::env::current_dir().unwrap_or_default();
    let found = chain::candidates(OsStr::new("supervise"), std::env::var_os("PATH").as_deref());
    let absolute = |file: CString| {
        let path = here.join(OsStr::from_bytes(file.to_bytes()));
        CString::new(path.into_os_string().into_vec()).unwrap_or(file)
    };
    found.into_iter().map(absolute).collect()
}

/// Where a supervise that is our child works: names may lead elsewhere by now.
fn working_directory(pid: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, format!("/proc/{pid}/cwd"), flags, Mode::empty())
}

/// Writes letters to the control of the supervise of a service, without waiting.
fn tell(service: &OwnedFd, letters: &[u8]) -> Result<(), Errno> {
    rustix::io::write(open_control(service)?, letters).map(drop)
}

fn terminate(pid: u32) {
    // It has ended, then, and we will hear of it.
    let _ = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .map(|pid| kill_process(pid, rustix::process::Signal::TERM));
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
