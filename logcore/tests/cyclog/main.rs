//! One log directory on the model, step by step: what is in it after each, what `lock` says, what is said, and what happens when
//! a call of one kind fails. (`model.rs` has the whole road, and asks only whether a promise was broken.)
#![allow(clippy::unwrap_used)]

mod end;
mod oldlogs;
mod outage;
mod processor;
mod rotate;
mod start;
mod sync;

use logcore::cyclog::{Blocked, Config, Cyclog, Opened, Sync, Writer, name};
use logcore::disk::{Disk, Kind};
use logcore::model::{Call, Fault, Inode, ModelDisk, Shared, World};
use logcore::strerr::{Errno, Error};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

const BOOT: &str = "this boot";
const INPUT: &str = "0:1";
/// What `lock` says when ours wrote it and `current` begins with the beginning of a line.
const OURS: &str = "this boot|0:1|line|";
const CUT: &str = "this boot|0:1|-|";
/// Two names of old logs, long ago.
const OLD: &str = "@400000003b4a39c23294b13c.s";
const OLDER: &str = "@400000003b4a39c200000000.s";

/// A directory, the machine it is on, and who writes.
struct Rig {
    world: Shared,
    config: Config,
    writer: Writer,
    said: Vec<String>,
}

type Log = Cyclog<ModelDisk>;

/// When it wants to be looked at again.
#[track_caller]
fn tick(log: &mut Log) -> Option<Duration> {
    log.tick().expect("nothing is in its way")
}

impl Rig {
    fn new(change: impl FnOnce(&mut Config)) -> Rig {
        let mut config = Config { size: 5000, sync: Sync::AtRotation, ..Config::new("./a") };
        change(&mut config);
        let writer = Writer { boot: Some(BOOT.into()), input: Some(INPUT.into()) };
        Rig { world: Shared::new(World::new()), config, writer, said: Vec::new() }
    }

    /// What an earlier logger left: a name, its content, whether it has the mark.
    fn with(self, name: &str, content: &str, safe: bool) -> Rig {
        self.world.lock().files.place("./a", name, Inode::old(content.as_bytes(), safe));
        self
    }

    /// Takes a name away behind the logger's back.
    fn remove(&self, name: &str) {
        let mut world = self.world.lock();
        let dir = world.files.directories.get_mut(std::path::Path::new("./a")).expect("its directory");
        dir.live.remove(OsStr::new(name));
    }

    fn disk(&self) -> ModelDisk {
        ModelDisk(self.world.clone())
    }

    fn open(&mut self) -> Result<Log, Error> {
        let opened = Opened::open(self.disk(), self.config.clone(), &self.writer)?;
        let said = &mut self.said;
        opened.recover(&self.writer, Arc::new(|| ()), &mut |message| said.push(message))
    }

    /// A logger starts here, and can.
    #[track_caller]
    fn start(&mut self) -> Log {
        self.world.lock().next_session();
        self.open().unwrap()
    }

    fn refuse(&self, call: Call, errno: Errno) {
        self.world.lock().faults.push(Fault::Refuse(call, errno));
    }

    fn relent(&self) {
        self.world.lock().faults.clear();
    }

    fn calls(&self, kind: Call) -> usize {
        self.world.lock().trace.iter().filter(|call| **call == kind).count()
    }

    fn run_threads(&self) {
        self.world.run_threads();
    }

    fn rest(&self, pause: Duration) {
        self.disk().sleep(pause);
    }

    /// Lets the finisher do what it can, and the time pass that it asks for, up to `patience`.
    fn work_for(&mut self, log: &mut Log, patience: Duration) {
        let end = self.disk().uptime() + patience;
        loop {
            let before = self.world.lock().calls();
            // What is in its way it says to the next append as well.
            let due = log.tick().unwrap_or_default();
            let said = &mut self.said;
            log.listen(&mut |message| said.push(message));
            let left = end.saturating_sub(self.disk().uptime());
            match due {
                Some(due) if due < left => self.rest(due),
                _ if self.world.lock().calls() == before => return,
                _ => (),
            }
        }
    }

    fn work(&mut self, log: &mut Log) {
        self.work_for(log, Duration::from_secs(1));
    }

    #[track_caller]
    fn append(&mut self, log: &mut Log, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match log.append(rest) {
                Ok(written) => rest = &rest[written..],
                Err(Blocked::Finisher) => {
                    self.work(log);
                    assert!(self.world.lock().stuck.is_none());
                }
                Err(Blocked::Trouble(error)) => panic!("{error}"),
            }
        }
    }

    /// Ends well, or not.
    fn close(&mut self, log: &mut Log, stop: bool) -> Option<bool> {
        for _ in 0..100 {
            match log.close(stop) {
                Ok(safe) => return Some(safe),
                Err(_) => self.work(log),
            }
        }
        None
    }

    fn read(&self, name: &str) -> Option<String> {
        let text = self.world.lock().files.read("./a", name).map(<[u8]>::to_vec)?;
        Some(String::from_utf8(text).unwrap().replace('\n', "|"))
    }

    fn old_logs(&self) -> Vec<OsString> {
        let world = self.world.lock();
        let names = world.files.directories[std::path::Path::new("./a")].live.keys();
        names.filter(|name| name::parse(name.as_bytes()).is_some()).cloned().collect()
    }

    /// All that holds lines: name, `+` for the mark, content. Of old logs the suffix only.
    fn files(&self) -> Vec<String> {
        let world = self.world.lock();
        let directory = &world.files.directories[std::path::Path::new("./a")];
        let shown = |(name, inode): (&OsString, &usize)| {
            let inode = &world.files.inodes[*inode];
            let name = match name.to_str().unwrap().split_once('.') {
                Some((_, suffix)) => format!("@.{suffix}"),
                None => name.to_str().unwrap().to_owned(),
            };
            let content = String::from_utf8(inode.live.to_vec()).unwrap().replace('\n', "|");
            let mark = if inode.safe { "+" } else { "" };
            (name != "lock" && name != "state").then(|| format!("{name}{mark} {content}"))
        };
        directory.live.iter().filter_map(shown).collect()
    }

    fn sizes(&self) -> Vec<usize> {
        let world = self.world.lock();
        let directory = &world.files.directories[std::path::Path::new("./a")];
        let logs = directory.live.iter().filter(|(name, _)| *name != "lock" && *name != "state");
        logs.map(|(_, inode)| world.files.inodes[*inode].live.len()).collect()
    }
}

/// A logger that has started.
#[track_caller]
fn started(change: impl FnOnce(&mut Config)) -> (Rig, Log) {
    let mut rig = Rig::new(change);
    let log = rig.start();
    (rig, log)
}

/// One that has written a line.
#[track_caller]
fn begun(change: impl FnOnce(&mut Config)) -> (Rig, Log) {
    let (mut rig, mut log) = started(change);
    rig.append(&mut log, "one\n");
    (rig, log)
}

fn line(bytes: usize) -> String {
    let mut line = "x".repeat(bytes - 1);
    line.push('\n');
    line
}

fn trouble(blocked: Result<impl std::fmt::Debug, Blocked>) -> String {
    match blocked {
        Err(Blocked::Trouble(error)) => error.to_string(),
        other => format!("{other:?}"),
    }
}

/// A finisher that runs when it is let.
fn slow_finisher(change: impl FnOnce(&mut Config)) -> Rig {
    Rig { world: Shared::with_threads(World::new()), ..Rig::new(change) }
}

/// Listens until this is so.
#[track_caller]
fn wait(rig: &mut Rig, log: &mut Log, done: impl Fn(&Rig, &mut Log) -> bool) {
    for _ in 0..10_000 {
        let said = &mut rig.said;
        log.listen(&mut |message| said.push(message));
        if done(rig, log) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{:?} {:?}", rig.files(), rig.said);
}
