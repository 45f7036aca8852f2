//! One log directory on the model, step by step: what is in it after each, what `lock` says, what is said, and what happens when
//! a call of one kind fails. (`model.rs` has the whole road, and asks only whether a promise was broken.)
#![allow(clippy::unwrap_used)]

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

impl Rig {
    fn new(change: impl FnOnce(&mut Config)) -> Rig {
        let mut config = Config {
            dir: "./a".into(),
            size: 5000,
            num: 10,
            processor: None,
            code: b"s".to_vec(),
            sync: Sync::AtRotation,
        };
        change(&mut config);
        let writer = Writer { boot: Some(BOOT.into()), input: Some(INPUT.into()) };
        Rig { world: Shared::new(World::new()), config, writer, said: Vec::new() }
    }

    /// What an earlier logger left: a name, its content, whether it has the mark.
    fn with(self, name: &str, content: &str, safe: bool) -> Rig {
        self.world.lock().files.place("./a", name, Inode::old(content.as_bytes(), safe));
        self
    }

    fn disk(&self) -> ModelDisk {
        ModelDisk(self.world.clone())
    }

    fn open(&mut self) -> Result<Log, Error> {
        let opened = Opened::open(self.disk(), self.config.clone())?;
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
            let due = log.tick();
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

#[test]
fn a_new_directory() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    assert_eq!(log.shown(), "./a");
    assert_eq!(rig.read("lock").as_deref(), Some(OURS));
    assert_eq!(rig.read("state").as_deref(), Some(""));
    // Less is taken only where a file ends.
    assert_eq!(log.append(b"one\ntwo"), Ok(7));
    assert_eq!(log.append(b"\n"), Ok(1));
    assert_eq!(rig.files(), ["current one|two|"]);
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ one|two|"]);
    assert_eq!(rig.said, [""; 0]);
}

#[test]
fn lock_says_who_writes() {
    let check = |before: &str, boot: Option<&str>, input: Option<&str>, after: &str| {
        let mut rig = Rig::new(|_| ()).with("lock", before, false);
        rig.writer = Writer { boot: boot.map(str::to_owned), input: input.map(str::to_owned) };
        rig.start();
        assert_eq!(rig.read("lock").as_deref(), Some(after), "{before:?} {boot:?} {input:?}");
    };
    check("", Some(BOOT), Some(INPUT), OURS);
    check("", None, Some(INPUT), "-|0:1|line|");
    check("", Some(BOOT), None, "this boot|-|line|");
    check(&line(400), Some(BOOT), Some(INPUT), OURS);
}

#[test]
fn a_disk_that_is_full_is_no_reason_not_to_start() {
    let mut rig = Rig::new(|_| ()).with("current", "one\n", true).with("state", "", false);
    rig.refuse(Call::Overwrite, Errno::NOSPC);
    let mut log = rig.open().unwrap();
    assert_eq!(rig.said, ["unable to write ./a/lock: out of disk space"]);
    rig.append(&mut log, "two\n");
    assert_eq!(rig.files(), ["current one|two|"]);
}

#[test]
fn a_locked_directory_is_tried_for_a_moment() {
    let mut rig = Rig::new(|_| ());
    let _log = rig.start();
    let before = rig.disk().uptime();
    let error = rig.open().err().unwrap();
    assert_eq!(error.to_string(), "unable to lock directory ./a: temporary failure");
    let waited = rig.disk().uptime() - before;
    assert!((Duration::from_millis(100)..Duration::from_secs(1)).contains(&waited), "{waited:?}");
}

#[test]
fn what_is_no_log_directory_is_refused_and_not_changed() {
    let check = |name: &str, kind: Kind, wanted: &str| {
        let mut rig = Rig::new(|_| ());
        let inode = Inode { kind, ..Inode::new() };
        rig.world.lock().files.place("./a", name, inode);
        let error = rig.open().err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(wanted));
        assert_eq!(rig.read("state").is_some(), name == "state");
    };
    check("current", Kind::Directory, "unable to append to ./a/current: is a directory");
    check("current", Kind::Link, "unable to append to ./a/current: symbolic link loop");
    check("previous", Kind::Other, "unable to open ./a/previous: device not configured");
    check("processed", Kind::Directory, "unable to open ./a/processed: is a directory");
    check("newstate", Kind::Link, "unable to open ./a/newstate: symbolic link loop");
    check("state", Kind::Other, "unable to open ./a/state: device not configured");
}

#[test]
fn a_current_of_this_boot_is_continued_and_another_is_set_aside() {
    let check = |lock: &str, boot: Option<&str>, safe: bool, continued: bool| {
        let mut rig = Rig::new(|_| ()).with("lock", lock, false).with("current", "one\n", safe);
        rig.writer.boot = boot.map(str::to_owned);
        let mut log = rig.start();
        rig.append(&mut log, "two\n");
        let wanted: &[&str] = if continued { &["current one|two|"] } else { &["@.u one|", "current two|"] };
        assert_eq!(rig.files(), wanted, "{lock:?} {boot:?} {safe}");
    };
    check("this boot\n0:1\nline\n", Some(BOOT), false, true);
    check("another boot\n0:1\nline\n", Some(BOOT), false, false);
    check("another boot\n0:1\nline\n", Some(BOOT), true, true);
    check("", Some(BOOT), false, false);
    check("-\n0:1\nline\n", Some("-"), false, false);
    check("\n0:1\nline\n", Some(""), false, false);
    // Nobody knows the boot: then and now may be two.
    check("-\n0:1\nline\n", None, false, false);
}

#[test]
fn a_line_that_ends_nowhere_is_torn_only_where_its_source_may_be_pending() {
    let check = |lock: &str, safe: bool, input: Option<&str>, torn: bool, said: &[&str]| {
        let mut rig = Rig::new(|_| ()).with("lock", lock, false).with("current", "one\ntw", safe);
        rig.writer.input = input.map(str::to_owned);
        let mut log = rig.start();
        assert_eq!(log.torn(), torn, "{lock:?} {safe} {input:?}");
        assert_eq!(rig.said, said, "{lock:?} {safe} {input:?}");
        // Torn or not: where nobody says that it can be cut, it gets an end.
        rig.append(&mut log, "three\n");
        assert_eq!(rig.files(), ["current one|tw|three|"]);
    };
    check("this boot\n0:1\nline\n", false, Some(INPUT), true, &[]);
    check("this boot\n0:2\nline\n", false, Some(INPUT), false, &[]);
    check("this boot\n-\nline\n", false, None, false, &[]);
    let ending = "./a/current ends in the middle of a line; ending it";
    check("this boot\n0:1\nline\n", true, Some(INPUT), false, &[ending]);
    check("another boot\n0:1\nline\n", true, Some(INPUT), false, &[ending]);
}

#[test]
fn a_torn_line_is_cut_off_when_its_source_is_pending() {
    let check = |third: &str, current: &str, pending: &str, cuts: bool, wanted: &str| {
        let lock = format!("this boot\n0:1\n{third}\n");
        let mut rig = Rig::new(|_| ()).with("lock", &lock, false).with("current", current, false);
        let mut log = rig.start();
        assert!(log.torn());
        if !cuts {
            rig.refuse(Call::Truncate, Errno::IO);
        }
        log.mend(None, &[pending.as_bytes()]);
        assert!(!log.torn());
        rig.append(&mut log, "two\n");
        assert_eq!(rig.files(), [wanted], "{third} {current:?} {pending:?}");
    };
    check("line", "one\ntw", "two\n", true, "current one|two|");
    check("line", "one\ntw", "2\n", true, "current one|tw|two|");
    check("line", "one\ntw", "two\n", false, "current one|tw|two|");
    // A line that began in the file before may be cut only behind a newline.
    check("line", "tw", "two\n", true, "current two|");
    check("-", "tw", "two\n", true, "current tw|two|");
    check("-", "ne\ntw", "two\n", true, "current ne|two|");
}

#[test]
fn lock_says_whether_current_begins_with_a_line() {
    let third = |rig: &Rig| rig.read("lock").unwrap().split('|').nth(2).unwrap().to_owned();
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, &"x".repeat(5001));
    rig.work(&mut log);
    assert_eq!((rig.sizes(), &*third(&rig)), (vec![5000, 1], "-"));
    // The next logger knows it from there, and of the file after that what is true of that one.
    let mut log = rig.start();
    assert_eq!(third(&rig), "-");
    rig.append(&mut log, "\n");
    log.rotate();
    rig.work(&mut log);
    assert_eq!(third(&rig), "line");
    rig.append(&mut log, "whole\n");
    rig.start();
    assert_eq!(third(&rig), "line");
    // It is written when that changes, and not with each file.
    let mut log = rig.start();
    let writes = rig.calls(Call::Overwrite);
    log.rotate();
    rig.work(&mut log);
    assert_eq!(rig.calls(Call::Overwrite), writes);
    rig.append(&mut log, "whole\n");
    // After another boot it may be anything.
    rig.writer.boot = Some("another".into());
    rig.world
        .lock()
        .files
        .directories
        .get_mut(std::path::Path::new("./a"))
        .unwrap()
        .live
        .remove(OsStr::new("lock"));
    let mut log = rig.start();
    assert_eq!(third(&rig), "line", "a new file");
    rig.append(&mut log, "x\n");
    assert_eq!(rig.close(&mut log, false), Some(true));
    rig.writer.boot = Some("a third".into());
    rig.start();
    assert_eq!(third(&rig), "-", "an old one");
}

#[test]
fn where_files_end() {
    let check = |before: usize, texts: &[&str], wanted: &[usize]| {
        let mut rig = Rig::new(|_| ());
        if before > 0 {
            rig = rig.with("lock", "this boot\n0:1\nline\n", false).with("current", &line(before), false);
        }
        let mut log = rig.start();
        for text in texts {
            rig.append(&mut log, text);
            rig.work(&mut log);
        }
        let lens: Vec<_> = texts.iter().map(|text| text.len()).collect();
        assert_eq!(rig.sizes(), wanted, "{before} {lens:?}");
        assert_eq!(log.files() as usize, wanted.len() - 1, "{before} {lens:?}");
    };
    // With the first line that ends in the last 2000 bytes.
    check(0, &[&line(2999)], &[2999]);
    check(0, &[&line(3000)], &[3000, 0]);
    check(0, &[&line(2999), &line(1)], &[3000, 0]);
    check(0, &[&line(2999), &line(2001), &line(1)], &[5000, 1]);
    check(0, &[&line(1000).repeat(6)], &[5000, 1000]);
    check(0, &[&line(1500).repeat(4)], &[4500, 1500]);
    // A line that cannot end there is cut where the file is full.
    check(0, &[&line(2999), &line(2002)], &[5000, 1]);
    check(0, &[&line(12_000)], &[5000, 5000, 2000]);
    check(0, &[&line(4999), &line(1)], &[4999, 1]);
    check(0, &["x", &line(4999)], &[5000, 0]);
    check(0, &["x", &line(5000)], &[5000, 1]);
    check(0, &[&"x".repeat(5000)], &[5000]);
    // Found near its end by a start: the next line goes in only if it fits.
    check(3500, &[&line(1500)], &[5000, 0]);
    check(3500, &[&line(1501)], &[3500, 1501]);
    check(2999, &[&line(2002)], &[5000, 1]);
    check(5000, &[&line(1)], &[5000, 1]);
    check(5001, &[&line(1)], &[5001, 1]);
}

#[test]
fn a_newline_is_owed_to_a_file_with_room_for_it() {
    let check = |before: usize, wanted: &[usize]| {
        let current = "x".repeat(before);
        let mut rig =
            Rig::new(|_| ()).with("lock", "this boot\n0:1\nline\n", false).with("current", &current, false);
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        rig.work(&mut log);
        assert_eq!(rig.sizes(), wanted, "{before}");
    };
    check(100, &[105]);
    check(4999, &[5000, 4]);
    check(5000, &[5000, 4]);
    check(6000, &[6000, 4]);
}

#[test]
fn alrm_begins_a_new_file_unless_current_is_empty() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    log.rotate();
    assert_eq!(log.files(), 0);
    rig.append(&mut log, "one\n");
    log.rotate();
    log.rotate();
    assert_eq!(log.files(), 1);
    assert_eq!(rig.files(), ["current ", "previous one|"]);
    // The next waits for the finisher.
    assert_eq!(log.append(b"two\n"), Ok(4));
    log.rotate();
    assert_eq!(log.append(b"three\n"), Err(Blocked::Finisher));
    rig.work(&mut log);
    rig.append(&mut log, "three\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "@.s+ two|", "current three|"]);
}

#[test]
fn a_rotation_that_fails_is_tried_again() {
    let check = |call: Call, errno: Errno, wanted: &str| {
        let mut rig = Rig::new(|_| ());
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        rig.refuse(call, errno);
        log.rotate();
        assert_eq!(trouble(log.append(b"two\n")), wanted);
        assert_eq!(trouble(log.settle()), wanted);
        rig.relent();
        rig.append(&mut log, "two\n");
        rig.work(&mut log);
        assert_eq!(rig.files(), ["@.s+ one|", "current two|"], "{call:?}");
    };
    let renamed = "unable to rename current to previous in directory ./a: input/output error";
    check(Call::RenameNew, Errno::IO, renamed);
    check(Call::Open, Errno::NOSPC, "unable to create ./a/current: out of disk space");
    check(Call::SetMode, Errno::IO, "unable to set mode of ./a/current: input/output error");
}

#[test]
fn the_current_of_somebody_else_is_not_written_to() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.refuse(Call::Open, Errno::NOSPC);
    log.rotate();
    rig.relent();
    rig.world.lock().files.place("./a", "current", Inode::old(b"of somebody else\n", false));
    assert_eq!(trouble(log.append(b"two\n")), "unable to create ./a/current: file already exists");
    // Nor is there anything to take back from.
    assert!(!log.take_back(1));
    assert_eq!(rig.files(), ["current of somebody else|", "previous one|"]);
    rig.disk().unlink(&"./a".into(), OsStr::new("current")).unwrap();
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ one|", "current two|"]);
}

#[test]
fn a_current_that_somebody_removed_is_followed_by_another() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.disk().unlink(&"./a".into(), OsStr::new("current")).unwrap();
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    assert_eq!(rig.files(), ["current two|"]);
    assert_eq!(rig.said, ["./a/previous has been removed by somebody"]);
}

#[test]
fn the_beginning_of_a_line_can_be_taken_back() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\ntw");
    assert!(!log.take_back(7));
    rig.refuse(Call::Truncate, Errno::IO);
    assert!(!log.take_back(2));
    rig.relent();
    assert!(log.take_back(2));
    rig.append(&mut log, "three\n");
    assert_eq!(rig.files(), ["current one|three|"]);
    assert!(log.take_back(10));
    assert_eq!(rig.files(), ["current "]);
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ "]);
}

#[test]
fn y0_puts_each_batch_on_disk() {
    let mut rig = Rig::new(|config| config.sync = Sync::EachBatch);
    let mut log = rig.start();
    let durable = |rig: &Rig| {
        let world = rig.world.lock();
        let directory = &world.files.directories[std::path::Path::new("./a")];
        directory
            .durable
            .get(OsStr::new("current"))
            .map_or(0, |inode| world.files.inodes[*inode].durable.len())
    };
    rig.append(&mut log, "one\n");
    assert_eq!(durable(&rig), 0);
    log.sync_now().unwrap();
    assert_eq!(durable(&rig), 4);
    // The name is on disk once, and what has been synced is not again.
    let calls = (rig.calls(Call::Sync), rig.calls(Call::SyncDir));
    log.sync_now().unwrap();
    assert_eq!((rig.calls(Call::Sync), rig.calls(Call::SyncDir)), calls);
    rig.append(&mut log, "two\n");
    log.sync_now().unwrap();
    assert_eq!((rig.calls(Call::Sync), rig.calls(Call::SyncDir)), (calls.0 + 1, calls.1));
    // Of the next file too.
    log.rotate();
    rig.work(&mut log);
    rig.append(&mut log, "three\n");
    let calls = rig.calls(Call::SyncDir);
    log.sync_now().unwrap();
    assert_eq!((durable(&rig), rig.calls(Call::SyncDir)), (6, calls + 1));
    rig.append(&mut log, "four\n");
    log.rotate();
    rig.work(&mut log);
    rig.append(&mut log, "five\n");
    rig.refuse(Call::SyncDir, Errno::IO);
    assert_eq!(trouble(log.sync_now()), "unable to write directory ./a to disk: input/output error");
    rig.relent();
    let calls = rig.calls(Call::SyncDir);
    log.sync_now().unwrap();
    assert_eq!(rig.calls(Call::SyncDir), calls + 1);
}

#[test]
fn without_y0_no_batch_is_synced() {
    for sync in [Sync::AtRotation, Sync::Within(Duration::from_secs(5))] {
        let mut rig = Rig::new(|config| config.sync = sync);
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        log.sync_now().unwrap();
        assert_eq!(rig.calls(Call::Sync), 0);
    }
}

#[test]
fn what_a_failed_sync_leaves_in_doubt_is_written_anew() {
    let mut rig = Rig::new(|config| config.sync = Sync::EachBatch);
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.sync_now().unwrap();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    assert_eq!(trouble(log.sync_now()), "unable to write ./a/current to disk: input/output error");
    assert!(log.in_doubt());
    // A killed logger's `current` is not to be trusted now.
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    assert_eq!(log.append(b"three\n"), Err(Blocked::Finisher));
    rig.work(&mut log);
    assert!(log.in_doubt());
    assert_eq!(
        rig.said,
        ["unable to write anew what ./a/previous lacks on disk, pausing: input/output error"]
    );
    assert_eq!(rig.files(), ["current ", "previous one|two|"]);
    rig.relent();
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.read("lock").as_deref(), Some(OURS));
    rig.append(&mut log, "three\n");
    // What is surely on disk, then what was in doubt; the names in that order.
    assert_eq!(rig.files(), ["@.u one|", "@.u two|", "current three|"]);
}

#[test]
fn lock_names_nobody_while_there_is_doubt_though_current_changes() {
    let mut rig = Rig::new(|config| config.sync = Sync::EachBatch);
    let mut log = rig.start();
    rig.append(&mut log, "one\ntw");
    rig.refuse(Call::Sync, Errno::IO);
    log.sync_now().unwrap_err();
    rig.relent();
    assert_eq!(
        (rig.files(), rig.read("lock").as_deref()),
        (vec!["current ".into(), "previous one|tw".into()], Some("-|-|-|"))
    );
    rig.work(&mut log);
    assert_eq!(rig.read("lock").as_deref(), Some("this boot|0:1|-|"));
    rig.append(&mut log, "o\n");
    assert_eq!(rig.files(), ["@.u one|tw", "current o|"]);
}

#[test]
fn nothing_on_disk_and_nothing_to_cut() {
    let check = |refused: Option<Call>, wanted: &[&str]| {
        let mut rig = Rig::new(|config| config.sync = Sync::EachBatch);
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        rig.refuse(Call::Sync, Errno::IO);
        log.sync_now().unwrap_err();
        rig.relent();
        if let Some(call) = refused {
            rig.refuse(call, Errno::IO);
        }
        rig.work(&mut log);
        rig.relent();
        rig.work(&mut log);
        assert_eq!(rig.files(), wanted, "{refused:?}");
        assert!(!log.in_doubt());
    };
    check(None, &["@.u one|", "current "]);
    // What cannot be cut is there twice.
    check(Some(Call::Truncate), &["@.u one|", "@.u one|", "current "]);
}

#[test]
fn what_was_in_doubt_keeps_its_place_when_its_name_is_refused() {
    let mut rig = Rig::new(|config| config.sync = Sync::EachBatch);
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.sync_now().unwrap();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    log.sync_now().unwrap_err();
    rig.relent();
    rig.refuse(Call::RenameNew, Errno::IO);
    rig.work(&mut log);
    let [said] = &rig.said[..] else { panic!("{:?}", rig.said) };
    assert!(said.starts_with("unable to rename ./a/previous to @"), "{said}");
    assert!(said.ends_with(".u, pausing: input/output error"), "{said}");
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.u one|", "@.u two|", "current "]);
}

#[test]
fn a_full_file_whose_sync_fails_is_written_anew() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    rig.work(&mut log);
    assert!(log.in_doubt());
    assert_eq!(rig.said[0], "unable to write ./a/previous to disk: input/output error; writing it anew");
    rig.relent();
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.files(), ["@.u one|", "current two|"]);
    assert!(rig.said.last().unwrap().starts_with("./a/previous is finished after "), "{:?}", rig.said);
}

#[test]
fn y0_full_files_are_on_disk_before_their_input_is_taken() {
    let mut rig = Rig::new(|config| config.sync = Sync::EachBatch);
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    // Near enough to the end that the file ends with it.
    let calls = rig.calls(Call::Sync);
    assert_eq!(log.append(line(3000).as_bytes()), Ok(3000));
    assert_eq!((log.files(), rig.calls(Call::Sync)), (1, calls + 1));
    log.sync_now().unwrap();
    // What has been synced already is not again.
    rig.work(&mut log);
    rig.append(&mut log, "two\n");
    log.sync_now().unwrap();
    let calls = rig.calls(Call::Sync);
    log.rotate();
    assert_eq!((log.files(), rig.calls(Call::Sync)), (2, calls));
    rig.work(&mut log);
    // Where that fails, nothing goes on.
    rig.append(&mut log, "three\n");
    rig.refuse(Call::Sync, Errno::IO);
    log.rotate();
    assert!(log.in_doubt());
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    assert_eq!(log.append(b"four\n"), Err(Blocked::Finisher));
    rig.relent();
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.files()[1..], ["@.s+ two|", "@.u three|", "current "]);
}

#[test]
fn what_is_not_on_disk_gets_no_older_than_said() {
    let limit = Duration::from_secs(5);
    let mut rig = Rig::new(|config| config.sync = Sync::Within(limit));
    let mut log = rig.start();
    assert_eq!(log.tick(), None);
    rig.append(&mut log, "one\n");
    rig.rest(Duration::from_secs(2));
    rig.append(&mut log, "two\n");
    let due = log.tick().unwrap();
    let wanted = Duration::from_secs(3);
    assert!((wanted - Duration::from_millis(1)..=wanted).contains(&due), "{due:?}");
    rig.rest(due);
    let names = rig.calls(Call::SyncDir);
    assert_eq!(rig.calls(Call::Sync), 0);
    assert_eq!(log.tick(), None);
    assert_eq!((rig.calls(Call::Sync), rig.calls(Call::SyncDir)), (1, names + 1));
    // All of it is on disk: nothing is due before more is written.
    rig.rest(limit);
    assert_eq!((log.tick(), rig.calls(Call::Sync)), (None, 1));
    rig.append(&mut log, "three\n");
    assert!(log.tick().unwrap() > Duration::from_secs(4));
    rig.rest(limit);
    assert_eq!(log.tick(), None);
    assert_eq!(
        (rig.calls(Call::Sync), rig.calls(Call::SyncDir)),
        (2, names + 1),
        "the name is there already"
    );
    rig.append(&mut log, "four\n");
    // What a killed logger wrote may not be on disk either.
    let mut log = rig.start();
    assert!(log.tick().unwrap() > Duration::from_secs(4));
}

#[test]
fn a_sync_of_the_file_before_says_nothing_of_this_one() {
    let mut rig = Rig::new(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    let mut log = rig.start();
    rig.append(&mut log, "1\n");
    rig.rest(Duration::from_secs(6));
    // Synced, and said so; nobody has listened yet.
    assert_eq!(log.tick(), None);
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.work(&mut log);
    rig.rest(Duration::from_secs(6));
    rig.refuse(Call::Sync, Errno::IO);
    rig.work(&mut log);
    assert_eq!(rig.said[0], "unable to write ./a/current to disk: input/output error; writing it anew");
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.s+ 1|", "@.u two|", "current "]);
}

#[test]
fn what_was_synced_is_not_written_anew() {
    let mut rig = Rig::new(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.work_for(&mut log, Duration::from_secs(6));
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    rig.work_for(&mut log, Duration::from_secs(6));
    rig.relent();
    rig.work(&mut log);
    assert_eq!(rig.files(), ["@.u one|", "@.u two|", "current "]);
}

#[test]
fn doubt_is_not_over_when_the_file_before_is_finished() {
    let mut rig = Rig::new(|config| config.sync = Sync::EachBatch);
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.refuse(Call::Sync, Errno::IO);
    log.sync_now().unwrap_err();
    rig.relent();
    assert_eq!(log.tick(), None);
    log.listen(&mut |_| ());
    assert_eq!(rig.files()[0], "@.s+ one|");
    assert!(log.in_doubt());
    assert_eq!(rig.read("lock").as_deref(), Some("-|-|-|"));
    rig.work(&mut log);
    assert!(!log.in_doubt());
    assert_eq!(rig.files(), ["@.s+ one|", "@.u two|", "current "]);
}

#[test]
fn a_sync_that_fails_on_an_empty_file_is_not_forgotten() {
    let empty = || {
        let mut rig = Rig::new(|config| config.sync = Sync::Within(Duration::from_secs(5)))
            .with("lock", "this boot\n0:1\nline\n", false)
            .with("current", "tw", false);
        let mut log = rig.start();
        log.mend(None, &[b"two\n"]);
        rig.refuse(Call::Sync, Errno::IO);
        rig.work_for(&mut log, Duration::from_secs(6));
        assert_eq!(rig.said, ["unable to write ./a/current to disk: input/output error; writing it anew"]);
        assert!(!log.in_doubt(), "there is nothing to lose");
        (rig, log)
    };
    // It is told at the end,
    let (mut rig, mut log) = empty();
    assert_eq!(rig.close(&mut log, false), Some(false));
    // and what has been written since goes to another file: at the end, or when it is due.
    for at_end in [true, false] {
        let (mut rig, mut log) = empty();
        rig.append(&mut log, "two\n");
        rig.relent();
        if !at_end {
            rig.work_for(&mut log, Duration::from_secs(6));
            assert_eq!(rig.files(), ["@.u two|", "current "]);
        }
        assert_eq!(rig.close(&mut log, false), Some(true), "at the end: {at_end}");
        assert_eq!(rig.files(), ["@.u two|", "current+ "]);
    }
}

#[test]
fn the_clean_end_ends_a_line_that_stops() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\ntwo");
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["current+ one|two|"]);
    // In the next file, where this one is full.
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, &"x".repeat(5000));
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.sizes(), [5000, 1]);
    assert_eq!(rig.files()[1], "current+ |");
}

#[test]
fn the_clean_end_tells_whether_all_is_on_disk() {
    let check = |call: Call, wanted: Option<bool>, said: &str| {
        let mut rig = Rig::new(|_| ());
        let mut log = rig.start();
        rig.refuse(call, Errno::IO);
        assert_eq!(rig.close(&mut log, true), wanted, "{call:?}");
        assert_eq!(rig.said, [said], "{call:?}");
    };
    check(
        Call::Sync,
        Some(false),
        "unable to write ./a/current to disk: input/output error; writing it anew",
    );
    check(Call::SyncDir, Some(false), "unable to write directory ./a to disk: input/output error");
    check(Call::SetMode, Some(false), "unable to set mode of ./a/current: input/output error");
}

#[test]
fn the_clean_end_goes_on_with_a_rotation_that_failed() {
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.refuse(Call::RenameNew, Errno::IO);
    log.rotate();
    rig.relent();
    assert_eq!(log.close(false), Err(Blocked::Finisher));
    assert_eq!(rig.close(&mut log, false), Some(true));
    assert_eq!(rig.files(), ["@.s+ one|", "current+ "]);
    // Told to stop there is no time for it: the file is as good as it is.
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.refuse(Call::RenameNew, Errno::IO);
    log.rotate();
    rig.relent();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!(rig.files(), ["current+ one|"]);
}

#[test]
fn a_stop_finishes_a_full_file_but_for_old_logs() {
    let mut rig = Rig::new(|config| config.num = 2).with(OLD, "old\n", true);
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!(rig.files(), ["@.s+ old|", "@.s+ one|", "current+ "]);
    // Where that fails the next start does it.
    let mut rig = Rig::new(|_| ());
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.refuse(Call::RenameNew, Errno::IO);
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!(rig.files(), ["current ", "previous+ one|"]);
    rig.start();
    assert_eq!(rig.files(), ["@.s+ one|", "current "]);
}

/// A finisher that runs when it is let.
fn slow_finisher(change: impl FnOnce(&mut Config)) -> Rig {
    Rig { world: Shared::with_threads(World::new()), ..Rig::new(change) }
}

/// Listens until this is so.
#[track_caller]
fn wait(rig: &mut Rig, log: &mut Log, done: impl Fn(&Rig, &Log) -> bool) {
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

#[test]
fn a_full_file_waits_for_a_finisher_that_is_slow() {
    let mut rig = slow_finisher(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    rig.rest(Duration::from_secs(6));
    // One order waits to be taken up; there is no room for another.
    assert_eq!(log.tick(), None);
    log.rotate();
    assert_eq!(log.append(b"two\n"), Err(Blocked::Finisher));
    assert_eq!(rig.files(), ["current ", "previous one|"]);
    rig.run_threads();
    wait(&mut rig, &mut log, |_, log| log.files() == 1);
    for _ in 0..10_000 {
        if log.append(b"two\n").is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    wait(&mut rig, &mut log, |rig, _| rig.files() == ["@.s+ one|", "current two|"]);
}

#[test]
fn a_sync_that_is_due_is_tried_again_while_the_finisher_is_busy() {
    let mut rig = slow_finisher(|config| config.sync = Sync::Within(Duration::from_secs(5)));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.append(&mut log, "two\n");
    rig.rest(Duration::from_secs(6));
    let soon = log.tick().unwrap();
    assert!(soon <= Duration::from_millis(100), "{soon:?}");
    rig.run_threads();
    wait(&mut rig, &mut log, |rig, _| rig.files() == ["@.s+ one|", "current two|"]);
    wait(&mut rig, &mut log, |rig, _| rig.calls(Call::Sync) == 1);
    while log.tick().is_some() {
        std::thread::sleep(Duration::from_millis(1));
    }
    wait(&mut rig, &mut log, |rig, _| rig.calls(Call::Sync) == 2);
}

#[test]
fn a_stop_reaches_a_finisher_that_is_slow() {
    let mut rig = slow_finisher(|config| config.processor = Some("copy".into()));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    for _ in 0..3 {
        assert_eq!(log.close(true), Err(Blocked::Finisher));
    }
    rig.run_threads();
    for _ in 0..10_000 {
        if log.close(true).is_ok() {
            break;
        }
        let said = &mut rig.said;
        log.listen(&mut |message| said.push(message));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(log.close(true), Ok(true));
}

#[test]
fn a_processor_gets_the_full_file() {
    let mut rig = Rig::new(|config| config.processor = Some("count".into()));
    let mut log = rig.start();
    for text in ["one\n", "two\n"] {
        rig.append(&mut log, text);
        log.rotate();
        rig.work(&mut log);
    }
    assert_eq!(rig.files(), ["@.s+ one|", "@.s+ two|", "current "]);
    assert_eq!(rig.read("state").as_deref(), Some("xx"));
    assert_eq!(rig.said, [""; 0]);
}

#[test]
fn a_processor_that_fails_is_tried_again_until_the_input_ends() {
    let mut rig = Rig::new(|config| config.processor = Some("fail".into()));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.work(&mut log);
    assert_eq!(rig.said, ["processor failed in ./a, pausing"]);
    let runs = rig.calls(Call::Run);
    rig.work_for(&mut log, Duration::from_secs(20));
    let more = rig.calls(Call::Run) - runs;
    assert!((2..8).contains(&more), "{more} runs in 20 s");
    assert_eq!(rig.said.len(), 1);
    assert_eq!(rig.close(&mut log, false), Some(true));
    // No mark beside a `previous`, which the original would overlook.
    assert_eq!(rig.files(), ["current ", "newstate ", "previous+ one|", "processed on"]);
}

#[test]
fn a_processor_that_hangs_is_ended_when_we_are() {
    for (command, limit) in [("hang", 100), ("deaf", 500)] {
        let mut rig = Rig::new(|config| config.processor = Some(command.into()));
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        log.rotate();
        rig.work(&mut log);
        let before = rig.disk().uptime();
        assert_eq!(log.close(true), Err(Blocked::Finisher));
        let took = rig.disk().uptime() - before;
        // One that listens is not waited for; one that does not gets 300 ms.
        assert!(took < Duration::from_millis(limit), "{command}: {took:?}");
        assert_eq!(took > Duration::from_millis(300), command == "deaf", "{command}: {took:?}");
        assert_eq!(rig.close(&mut log, true), Some(true));
        assert_eq!(rig.files(), ["current ", "newstate ", "previous+ one|", "processed "]);
    }
}

#[test]
fn a_stop_starts_no_processor() {
    let mut rig = Rig::new(|config| config.processor = Some("copy".into()));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    assert_eq!(rig.close(&mut log, true), Some(true));
    assert_eq!((rig.calls(Call::Run), rig.files()), (0, vec!["current ".into(), "previous+ one|".into()]));
}

#[test]
fn a_previous_that_somebody_removed_needs_no_processor() {
    let mut rig = Rig::new(|config| config.processor = Some("copy".into()));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.disk().unlink(&"./a".into(), OsStr::new("previous")).unwrap();
    rig.work(&mut log);
    rig.append(&mut log, "two\n");
    assert_eq!((rig.files(), rig.calls(Call::Run)), (vec!["current two|".to_owned()], 0));
}

#[test]
fn what_keeps_a_file_from_being_finished_is_said_once_and_when_it_is_over() {
    let mut rig = Rig::new(|config| config.processor = Some("copy".into()));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.refuse(Call::Run, Errno::NOMEM);
    rig.work_for(&mut log, Duration::from_secs(10));
    assert_eq!(rig.said, ["unable to fork for processor in ./a, pausing: out of memory"]);
    // At least once a second, and not more often than it helps.
    let tries = rig.calls(Call::Run);
    assert!((10..30).contains(&tries), "{tries} tries");
    rig.relent();
    rig.work_for(&mut log, Duration::from_secs(5));
    let [_, over] = &rig.said[..] else { panic!("{:?}", rig.said) };
    let seconds = over.strip_prefix("./a/previous is finished after ").and_then(|s| s.strip_suffix(" s"));
    let seconds: f64 = seconds.unwrap().parse().unwrap();
    assert!((8.0..12.0).contains(&seconds), "{over}");
    assert_eq!(rig.files(), ["@.s+ one|", "current "]);
}

#[test]
fn what_a_processor_made_is_believed_only_when_it_is_on_disk() {
    let mut rig = Rig::new(|config| config.processor = Some("drop".into()));
    let mut log = rig.start();
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.refuse(Call::Ended, Errno::IO);
    rig.work(&mut log);
    assert_eq!(rig.said, ["unable to wait for processor in ./a, pausing: input/output error"]);
    rig.relent();
    rig.refuse(Call::Sync, Errno::IO);
    rig.work(&mut log);
    assert_eq!(rig.said[1], "unable to write ./a/newstate to disk, pausing: input/output error");
    assert!(rig.files().contains(&"previous+ one|".to_owned()), "{:?}", rig.files());
    rig.relent();
    rig.work_for(&mut log, Duration::from_secs(5));
    assert_eq!(rig.files(), ["@.s+ ", "current "]);
}

#[test]
fn old_logs_that_are_too_many_go() {
    let check = |num: usize, old: &[&str], wanted: &[&str]| {
        let mut rig = Rig::new(|config| config.num = num);
        for name in old {
            rig = rig.with(name, "", true);
        }
        let mut log = rig.start();
        let lists = rig.calls(Call::List);
        rig.work(&mut log);
        assert_eq!(rig.old_logs(), wanted, "n{num} at the start");
        // Nobody looks for what cannot be there.
        assert_eq!(rig.calls(Call::List) > lists, old.len() > wanted.len(), "n{num} {old:?}");
        for _ in 0..12 {
            rig.append(&mut log, "line\n");
            log.rotate();
            rig.work(&mut log);
        }
        assert_eq!(rig.old_logs().len(), num.max(2) - 1, "n{num} later");
    };
    check(2, &[OLDER, OLD], &[OLD]);
    check(3, &[OLDER, OLD], &[OLDER, OLD]);
    check(4, &[OLDER, OLD], &[OLDER, OLD]);
    check(1, &[OLDER, OLD], &[OLD]);
    check(0, &[], &[]);
}

#[test]
fn what_the_start_names_counts() {
    let mut rig = Rig::new(|config| config.num = 3).with(OLDER, "", true).with(OLD, "", true);
    rig = rig.with("previous", "one\n", true).with("current", "", true);
    let mut log = rig.start();
    // Only a file with a second link needs a look for its other name.
    assert_eq!(rig.calls(Call::List), 1);
    rig.work(&mut log);
    let old = rig.old_logs();
    assert_eq!((old.len(), old[0].to_str()), (2, Some(OLD)), "{old:?}");
}

#[test]
fn a_name_of_the_future_is_told_and_goes_first() {
    let future = "@400000009000000000000000.s";
    let mut rig = Rig::new(|config| config.num = 2).with(future, "", true).with(OLD, "", true);
    let mut log = rig.start();
    assert_eq!(rig.said, [format!("./a/{future} is dated in the future; it counts as an old log")]);
    rig.work(&mut log);
    assert_eq!(rig.old_logs(), [OLD]);
}

#[test]
fn a_name_that_is_taken_is_never_replaced() {
    let run = |taken: &[OsString]| {
        let mut rig = Rig::new(|_| ());
        for name in taken {
            // Not an old log, so that the start does not count it.
            let inode = Inode { kind: Kind::Directory, ..Inode::new() };
            rig.world.lock().files.place("./a", name.to_str().unwrap(), inode);
        }
        let mut log = rig.start();
        rig.append(&mut log, "one\n");
        log.rotate();
        rig.work(&mut log);
        let mut old = rig.old_logs();
        old.retain(|name| !taken.contains(name));
        assert_eq!(old.len(), 1, "{old:?}");
        old.remove(0)
    };
    let first = run(&[]);
    let second = run(std::slice::from_ref(&first));
    assert!(second > first, "{second:?} {first:?}");
    let third = run(&[first.clone(), second.clone()]);
    assert!(third > second, "{third:?} {second:?}");
    let nanos = |name: &OsString| name::parse(name.as_bytes()).unwrap().nanos();
    assert_eq!(nanos(&third), nanos(&first) + 2);
}

#[test]
fn old_logs_that_cannot_be_removed_do_not_stop_others() {
    let mut rig = Rig::new(|config| config.num = 2).with(OLD, "", true);
    let immutable = Inode { immutable: true, ..Inode::old(b"", true) };
    rig.world.lock().files.place("./a", OLDER, immutable);
    let mut log = rig.start();
    rig.work(&mut log);
    let stays = format!("unable to remove ./a/{OLDER}: permission denied; it stays");
    assert_eq!((rig.said.clone(), rig.old_logs()), (vec![stays], vec![OLDER.into(), OLD.into()]));
    // It does not count, and is not tried again.
    rig.append(&mut log, "one\n");
    log.rotate();
    rig.work(&mut log);
    assert_eq!((rig.said.len(), rig.old_logs().len()), (1, 2));
    assert_eq!(rig.old_logs()[0], OLDER);
    assert!(rig.old_logs()[1] != OLD);
}

#[test]
fn trouble_with_all_old_logs_is_said_once_a_minute() {
    let rotate = |rig: &mut Rig, log: &mut Log| {
        rig.append(log, "one\n");
        log.rotate();
        rig.work(log);
    };
    for (call, message) in [
        (Call::Unlink, format!("unable to remove ./a/{OLDER}: input/output error; it stays")),
        (Call::List, "unable to read ./a: input/output error".to_owned()),
    ] {
        let mut rig = Rig::new(|config| config.num = 2).with(OLDER, "", true).with(OLD, "", true);
        let mut log = rig.start();
        rig.refuse(call, Errno::IO);
        rig.work(&mut log);
        rotate(&mut rig, &mut log);
        rotate(&mut rig, &mut log);
        assert_eq!(rig.said, [&*message]);
        assert_eq!(rig.old_logs().len(), 4);
        // A try each time a file is finished, and no more.
        assert_eq!(rig.calls(call), if call == Call::List { 4 } else { 3 });
        rig.rest(Duration::from_secs(61));
        rotate(&mut rig, &mut log);
        assert_eq!(rig.said, [&*message, &*message]);
        rig.relent();
        rotate(&mut rig, &mut log);
        assert_eq!(rig.old_logs().len(), 1);
        // It worked: the next time is news.
        rig.refuse(call, Errno::IO);
        rotate(&mut rig, &mut log);
        assert_eq!(rig.said.len(), 3);
    }
}

#[test]
fn a_multitude_goes_at_once() {
    let mut rig = Rig::new(|config| config.num = 2);
    for number in 0..4200 {
        rig = rig.with(&format!("@400000003b4a39c2{number:08x}.s"), "", true);
    }
    let mut log = rig.start();
    rig.work(&mut log);
    assert_eq!(rig.old_logs().len(), 1);
}

#[test]
fn a_multitude_that_cannot_be_removed_is_left_alone() {
    let mut rig = Rig::new(|config| config.num = 2);
    for number in 0..1100 {
        let name = format!("@400000003b4a39c2{number:08x}.s");
        let immutable = Inode { immutable: true, ..Inode::new() };
        rig.world.lock().files.place("./a", &name, immutable);
    }
    let mut log = rig.start();
    rig.work(&mut log);
    // One too many to remember ends it.
    assert_eq!(rig.calls(Call::Unlink), 1025);
    assert_eq!(rig.old_logs().len(), 1100);
}

#[test]
fn a_file_that_an_outage_left_is_ended_before_it_gets_its_name() {
    let check = |lock: &str, size: u64, previous: &str, wanted: Option<&str>| {
        let mut rig = Rig::new(|config| config.size = size).with("lock", lock, false);
        rig = rig.with("previous", previous, false);
        rig.start();
        let mut old = rig.files();
        old.retain(|file| !file.starts_with("current"));
        let wanted: Vec<_> = wanted.map(|text| format!("@.u {text}")).into_iter().collect();
        assert_eq!(old, wanted, "{lock:?} s{size} {:?}", previous.get(..20));
        // On disk as it is seen.
        let world = rig.world.lock();
        assert!(
            world
                .files
                .inodes
                .iter()
                .all(|inode| inode.live == inode.durable || inode.live.starts_with(b"this"))
        );
    };
    let (ours, before) = ("this boot\n0:1\nline\n", "another boot\n0:1\nline\n");
    for lock in [ours, before] {
        check(lock, 5000, "one\n", Some("one|"));
        check(lock, 5000, "one\ntw", Some("one|tw|"));
        // The rest of its last line is in the next file.
        check(lock, 6, "one\ntw", Some("one|tw"));
        check(lock, 7, "one\ntw", Some("one|tw|"));
    }
    check(ours, 5000, "one\n\0\0", Some("one|\0\0|"));
    check(before, 5000, "one\n\0\0", Some("one|"));
    check(before, 5000, "one\ntw\0\0", Some("one|tw|"));
    check(before, 6, "one\ntw\0\0", Some("one|tw"));
    check(before, 5000, "o\0e\n\0", Some("o\0e|"));
    check(before, 5000, "\0\0", None);
    check(ours, 5000, "\0\0", Some("\0\0|"));
    for nuls in [4091, 4092, 4093, 4096, 10_000] {
        check(before, 5000, &format!("one\n{}", "\0".repeat(nuls)), Some("one|"));
        check(before, 5000, &"\0".repeat(nuls), None);
    }
}

#[test]
fn a_file_that_cannot_be_mended_keeps_its_end() {
    for call in [Call::Truncate, Call::Append, Call::ReadAt, Call::StatFile] {
        let mut rig = Rig::new(|_| ()).with("previous", "one\ntw\0", false).with("state", "", false);
        rig.refuse(call, Errno::IO);
        rig.open().unwrap();
        let wanted = if call == Call::Append { "@.u one|tw" } else { "@.u one|tw\0" };
        assert_eq!(rig.files()[0], wanted, "{call:?}");
    }
}

#[test]
fn a_file_with_a_second_name_is_not_named_again() {
    let check = |first: &str, second: &str, links: bool, kept: bool| {
        let mut rig = Rig::new(|_| ()).with(first, "one\n", true).with(OLDER, "older\n", true);
        {
            let mut world = rig.world.lock();
            if !links {
                world.files.place("./a", second, Inode::old(b"another\n", true));
            }
            let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
            let inode = directory.live[OsStr::new(first)];
            let name = if links { second } else { "a-note" };
            directory.live.insert(name.into(), inode);
            directory.durable.insert(name.into(), inode);
        }
        rig.start();
        let named = rig.files().iter().filter(|file| file.starts_with("@.s+ one|")).count();
        assert_eq!(named, usize::from(kept), "{first} {second} {links}");
        assert_eq!(rig.read(first), None);
    };
    for first in ["previous", "processed"] {
        check(first, OLD, true, true);
        check(first, OLD, false, true);
        check(first, "no-old-log", true, true);
    }
    // Not marked as finished, and named all the same: nobody does that, so its name says nothing about `previous`.
    let mut rig = Rig::new(|_| ()).with("processed", "one\n", false).with("previous", "raw\n", true);
    {
        let mut world = rig.world.lock();
        let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
        let inode = directory.live[OsStr::new("processed")];
        directory.live.insert(OLD.into(), inode);
        directory.durable.insert(OLD.into(), inode);
    }
    rig.start();
    assert_eq!(rig.files(), ["@.s one|", "@.s+ raw|", "current "]);
}

#[test]
fn a_directory_that_cannot_be_read_is_refused() {
    let mut rig = Rig::new(|_| ()).with("previous", "one\n", true);
    {
        let mut world = rig.world.lock();
        let directory = world.files.directories.get_mut(std::path::Path::new("./a")).unwrap();
        let inode = directory.live[OsStr::new("previous")];
        directory.live.insert("another".into(), inode);
    }
    rig.refuse(Call::List, Errno::IO);
    assert_eq!(rig.open().err().unwrap().to_string(), "unable to read ./a: input/output error");
    assert_eq!(rig.files(), ["another+ one|", "previous+ one|"]);
}
