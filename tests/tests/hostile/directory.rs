//! A directory that cannot be used is refused before any input is taken and any directory changed; strange entries in one that
//! can be used neither stop logging nor are touched.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, FlockOperation, flock, mknodat};
use tests::rig::{Rig, SOON, skipped, stop, warnings};
use tests::{Cmd, Output, Scratch, Show, Signal, Snapshot, program, wait_until};

use crate::assert_same;

/// A log directory as a killed logger may leave it.
fn make_dirty_log(dir: &Path) {
    fs::create_dir(dir).expect("a directory");
    fs::set_permissions(dir, Permissions::from_mode(0o700)).expect("a mode");
    for (name, mode, text) in [
        ("lock", 0o600, ""),
        ("state", 0o644, "remember\n"),
        ("current", 0o644, "new line\ntorn"),
        ("previous", 0o744, "old line\n"),
        ("@400000006a0000000000000c.s", 0o744, "oldest line\n"),
    ] {
        fs::write(dir.join(name), text).expect("a file");
        fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).expect("a mode");
    }
}

/// Starts a logger whose directory `./bad` cannot be used, `./good` before or behind it. It must say so in the original's
/// form and leave the input in the pipe and every directory as it was.
#[track_caller]
fn refuses(what: &str, prepare: impl Fn(&Rig), behind: &[&str], message: &str) {
    for script in [&["n2", "./good", "./bad"][..], &["n2", "./bad", "./good"], &["./bad"]] {
        let mut rig = Rig::new();
        make_dirty_log(&rig.join("good"));
        prepare(&rig);
        let before = Snapshot::of(rig.path());
        rig.pipe.write(b"one\ntwo\n");
        let out = rig.logger(script).behind(behind).spawn_on(rig.pipe.stdin()).wait_open();
        assert_eq!(out.status(), "exit 111", "{what}, {script:?}: {out}");
        assert_eq!(out.messages(), format!("multilog: fatal: {message}\n"), "{what}, {script:?}");
        assert_eq!(rig.pipe.rest(), b"one\ntwo\n", "{what}, {script:?}: input was taken");
        assert_eq!(Snapshot::of(rig.path()), before, "{what}, {script:?}: a directory was changed");
    }
}

/// As [`refuses`], for a log directory in which one entry is not what it should be.
#[track_caller]
fn refuses_entry(what: &str, make: impl Fn(&Path), message: &str) {
    let prepare = |rig: &Rig| {
        let dir = rig.join("bad");
        make_dirty_log(&dir);
        make(&dir);
    };
    refuses(what, prepare, &[], message);
}

#[test]
fn a_directory_that_is_a_file_is_refused() {
    let prepare = |rig: &Rig| fs::write(rig.join("bad"), "text\n").expect("a file");
    refuses("a file", prepare, &[], "unable to open directory ./bad: not a directory");
}

#[test]
fn a_directory_that_is_a_dangling_link_is_refused() {
    let prepare = |rig: &Rig| symlink("nowhere", rig.join("bad")).expect("a link");
    refuses("a dangling link", prepare, &[], "unable to open directory ./bad: file does not exist");
}

#[test]
fn a_directory_without_a_parent_is_refused() {
    let mut rig = Rig::new();
    make_dirty_log(&rig.join("good"));
    let before = Snapshot::of(rig.path());
    rig.pipe.write(b"one\n");
    let out = rig.start(&["./good", "./no/bad"]).wait_open();
    assert_eq!(
        (out.status().as_str(), out.messages().as_str()),
        ("exit 111", "multilog: fatal: unable to open directory ./no/bad: file does not exist\n")
    );
    assert_eq!(rig.pipe.rest(), b"one\n");
    assert_eq!(Snapshot::of(rig.path()), before);
}

#[test]
fn a_locked_directory_is_refused() {
    let held = RefCell::new(Vec::new());
    let prepare = |rig: &Rig| {
        make_dirty_log(&rig.join("bad"));
        let lock = File::open(rig.join("bad/lock")).expect("the lock");
        flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("our lock");
        held.borrow_mut().push(lock);
    };
    refuses("locked", prepare, &[], "unable to lock directory ./bad: temporary failure");
}

#[test]
fn a_directory_given_twice_is_refused() {
    let mut rig = Rig::new();
    make_dirty_log(&rig.join("good"));
    let before = Snapshot::of(rig.path());
    rig.pipe.write(b"one\n");
    let out = rig.start(&["./good", "./good/."]).wait_open();
    assert_eq!(
        (out.status().as_str(), out.messages().as_str()),
        ("exit 111", "multilog: fatal: unable to lock directory ./good/.: temporary failure\n")
    );
    assert_eq!(rig.pipe.rest(), b"one\n");
    assert_eq!(Snapshot::of(rig.path()), before);
}

#[test]
fn a_directory_of_another_user_is_refused() {
    if !rustix::process::getuid().is_root() {
        skipped("only root can become another user");
        return;
    }
    // Outside of the build directory, which other users may not reach.
    let tools = Scratch::new();
    let logger = tools.install(&program("multilog"));
    let mut rig = Rig::new();
    make_dirty_log(&rig.join("bad"));
    let before = Snapshot::of(rig.path());
    rig.pipe.write(b"one\n");
    let out = Cmd::new(logger)
        .arg("./bad")
        .behind(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        .cwd(rig.path())
        .spawn_on(rig.pipe.stdin())
        .wait_open();
    assert_eq!(
        (out.status().as_str(), out.messages().as_str()),
        ("exit 111", "multilog: fatal: unable to open directory ./bad: access denied\n")
    );
    assert_eq!(rig.pipe.rest(), b"one\n");
    assert_eq!(Snapshot::of(rig.path()), before);
}

/// What others may do there is not a logger's to forbid.
#[test]
fn a_directory_that_anybody_may_write_to_is_used_as_it_is() {
    for mode in [0o777, 0o1777, 0o2770] {
        let (rig, _) = rotates_beside(|dir| {
            fs::set_permissions(dir, Permissions::from_mode(mode)).expect("own directory");
        });
        assert_eq!(kept_lines(&rig), ["line 3\n", "line 4\n"]);
        let found = fs::metadata(rig.log().path()).expect("own directory").permissions().mode();
        assert_eq!(found & 0o7777, mode, "the mode was changed");
    }
}

/// Puts something else in the place of `current`.
fn without_current(dir: &Path) -> PathBuf {
    fs::remove_file(dir.join("current")).expect("current");
    dir.join("current")
}

#[test]
fn a_current_that_is_a_symbolic_link_is_refused_and_not_followed() {
    let make = |dir: &Path| {
        fs::write(dir.join("../precious"), "text\n").expect("a file");
        symlink("../precious", without_current(dir)).expect("a link");
    };
    refuses_entry("a link", make, "unable to append to ./bad/current: symbolic link loop");
}

#[test]
fn a_current_that_is_a_dangling_link_is_refused_and_not_followed() {
    let make = |dir: &Path| symlink("../nowhere", without_current(dir)).expect("a link");
    refuses_entry("a dangling link", make, "unable to append to ./bad/current: symbolic link loop");
}

#[test]
fn a_current_that_is_a_directory_is_refused() {
    let make = |dir: &Path| fs::create_dir(without_current(dir)).expect("a directory");
    refuses_entry("a directory", make, "unable to append to ./bad/current: is a directory");
}

#[test]
fn a_current_that_is_a_fifo_is_refused_at_once() {
    let make = |dir: &Path| {
        mknodat(CWD, without_current(dir), FileType::Fifo, 0o644.into(), 0).expect("a FIFO");
    };
    refuses_entry("a FIFO", make, "unable to append to ./bad/current: device not configured");
}

#[test]
fn a_current_that_is_a_device_is_refused() {
    let make = |dir: &Path| {
        let null = rustix::fs::makedev(1, 3);
        mknodat(CWD, without_current(dir), FileType::CharacterDevice, 0o644.into(), null).expect("a device");
    };
    if !rustix::process::getuid().is_root() {
        skipped("only root can make a device");
        return;
    }
    refuses_entry("a device", make, "unable to append to ./bad/current: device not configured");
}

#[test]
fn a_status_file_that_cannot_be_made_is_refused_before_any_directory_is_touched() {
    let mut rig = Rig::new();
    make_dirty_log(&rig.join("good"));
    let before = Snapshot::of(rig.path());
    rig.pipe.write(b"one\n");
    let out = rig.start(&["./good", "=./no/status"]).wait_open();
    assert_eq!(
        (out.status().as_str(), out.messages().as_str()),
        ("exit 111", "multilog: fatal: unable to create ./no/status: file does not exist\n")
    );
    assert_eq!(rig.pipe.rest(), b"one\n");
    assert_eq!(Snapshot::of(rig.path()), before);
}

/// Lets a logger with `n3` rotate five times in a log directory that `make` has put something strange into.
#[track_caller]
fn rotates_beside(make: impl Fn(&Path)) -> (Rig, Output) {
    let rig = Rig::new();
    fs::create_dir(rig.join("log")).expect("a directory");
    make(&rig.join("log"));
    let running = rig.start(&["n3", "./log"]);
    for n in 0..5 {
        let text = format!("line {n}\n");
        rig.pipe.write(text.as_bytes());
        rig.wait_for_current(text.as_bytes());
        running.signal(Signal::ALARM);
        wait_until(SOON, &format!("the old log of line {n}"), || {
            let names = rig.log().old_logs();
            names.iter().any(|name| {
                let path = rig.log().join(name);
                path.is_file() && fs::read(path).is_ok_and(|content| content == text.as_bytes())
            })
        });
    }
    let out = stop(running, Signal::TERM);
    (rig, out)
}

/// The old logs that hold a line of [`rotates_beside`].
fn kept_lines(rig: &Rig) -> Vec<String> {
    let log = rig.log();
    let files = log.old_logs().into_iter().filter(|name| log.join(name).is_file());
    files
        .map(|name| String::from_utf8_lossy(&log.read(&name)).into_owned())
        .filter(|text| text.starts_with("line "))
        .collect()
}

#[test]
fn directories_named_like_old_logs_are_left_alone() {
    let names = ["@400000000000000000000000.s", "@400000007000000000000000.s", "@5000000000000000000000ff.u"];
    let (rig, out) = rotates_beside(|dir| {
        for name in names {
            fs::create_dir(dir.join(name)).expect("a directory");
        }
    });
    for name in names {
        assert!(rig.log().join(name).is_dir(), "{name} is gone");
        let said = warnings(&out.stderr).iter().filter(|line| line.contains(name)).count();
        assert!(said <= 1, "{out}");
    }
    assert_eq!(kept_lines(&rig), ["line 3\n", "line 4\n"]);
}

#[test]
fn foreign_files_are_left_alone_whatever_they_are_called() {
    let long = format!("@{}", "x".repeat(254));
    let names: Vec<&[u8]> = vec![
        b"@this-is-a-note-of-25-chars",
        b"@zzzzzzzzzzzzzzzzzzzzzzzz.s",
        b"@40000000000000000000000F.s",
        b"@40000000000000000000000.s",
        b"@4000000000000000000000000.s",
        b"@400000000000000000000000",
        b"@\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe.s",
        b"README",
        long.as_bytes(),
    ];
    let (rig, _) = rotates_beside(|dir| {
        for name in &names {
            fs::write(dir.join(OsStr::from_bytes(name)), "foreign\n").expect("a file");
        }
    });
    for name in &names {
        assert!(rig.log().path().join(OsStr::from_bytes(name)).exists(), "{} is gone", Show(name));
    }
    assert_eq!(kept_lines(&rig), ["line 3\n", "line 4\n"]);
}

#[test]
fn symbolic_links_named_like_old_logs_are_left_alone() {
    let name = "@400000000000000000000000.s";
    let (rig, _) = rotates_beside(|dir| {
        fs::write(dir.join("../precious"), "text\n").expect("a file");
        symlink("../precious", dir.join(name)).expect("a link");
    });
    assert_eq!(fs::read(rig.join("precious")).expect("the file"), b"text\n");
    assert!(rig.log().join(name).is_symlink());
    assert_eq!(kept_lines(&rig), ["line 3\n", "line 4\n"]);
}

/// Made while the logger runs; the original writes over them too.
#[test]
fn what_is_no_file_gives_way_to_a_full_one() {
    for what in ["link", "fifo"] {
        let rig = Rig::new();
        let running = rig.start(&["n9", "./log"]);
        rig.pipe.write(b"one\n");
        rig.wait_for_current(b"one\n");
        let previous = rig.log().join("previous");
        if what == "link" {
            symlink("../nowhere", &previous).expect("own directory");
        } else {
            mknodat(CWD, &previous, FileType::Fifo, 0o600.into(), 0).expect("own directory");
        }
        running.signal(Signal::ALARM);
        wait_until(SOON, "an old log", || rig.log().old_logs().len() == 1);
        let out = stop(running, Signal::TERM);
        assert_eq!(out.messages(), "", "{what}");
        assert_eq!(rig.log().all(), b"one\n", "{what}");
        assert!(!rig.join("nowhere").exists(), "{what}");
    }
}

/// Makes a file one that even root cannot delete, until dropped.
struct Immutable(PathBuf);

impl Immutable {
    fn new(path: &Path) -> Result<Immutable, String> {
        let out = Command::new("chattr").arg("+i").arg(path).output().map_err(|error| error.to_string())?;
        if out.status.success() {
            Ok(Immutable(path.to_owned()))
        } else {
            Err(String::from_utf8_lossy(&out.stderr).trim_end().to_string())
        }
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        _ = Command::new("chattr").arg("-i").arg(&self.0).output();
    }
}

#[test]
fn an_old_log_that_cannot_be_deleted_is_named_once_and_skipped() {
    let name = "@400000000000000000000001.s";
    let held = RefCell::new(None);
    let probe = Scratch::new();
    fs::write(probe.join("file"), "").expect("a file");
    if let Err(reason) = Immutable::new(&probe.join("file")) {
        skipped(&format!("no file can be made immutable: {reason}"));
        return;
    }
    let (rig, out) = rotates_beside(|dir| {
        fs::write(dir.join(name), "immutable\n").expect("a file");
        *held.borrow_mut() = Immutable::new(&dir.join(name)).ok();
    });
    let said = warnings(&out.stderr);
    assert_eq!(said.iter().filter(|line| line.contains(name)).count(), 1, "{out}");
    assert_eq!(rig.log().read(name), b"immutable\n");
    assert_eq!(kept_lines(&rig), ["line 3\n", "line 4\n"]);
    drop(held);
}

#[test]
fn old_logs_from_the_future_do_not_cost_new_lines() {
    for future in ["@5000000000000000000000", "@40000000f000000000000a"] {
        let mut rig = Rig::new();
        fs::create_dir(rig.join("log")).expect("a directory");
        for n in 0..10 {
            fs::write(rig.join(format!("log/{future}{n:02x}.s")), "future\n").expect("a file");
        }
        let input: Vec<u8> = (0..179).flat_map(|n| format!("{n:0200}\n").into_bytes()).collect();
        rig.pipe.write(&input);
        let running = rig.start(&["s6000", "n10", "./log"]);
        rig.finish(running);
        let log = rig.log();
        let mut new: Vec<u8> = Vec::new();
        for name in log.old_logs().iter().filter(|name| log.read(name) != b"future\n") {
            new.extend(log.read(name));
        }
        new.extend(log.read("current"));
        assert_same(&new, &input);
        assert!(log.old_logs().len() <= 9, "{:?}", log.names());
    }
}
