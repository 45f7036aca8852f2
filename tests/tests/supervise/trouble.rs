//! What goes wrong is named, said once, and over when its cause is gone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use tests::rig::skipped;
use tests::{Cmd, Running, program, wait_until};

use crate::{ENDS, SOON, STAYS, Service, finish, ours, theirs};

/// Waits until `./run` has been tried a few more times: each changes the time in the status.
fn wait_for_tries(service: &Service, count: usize) {
    for _ in 0..count {
        let before = service.status();
        wait_until(SOON, "another try", || service.status()[..12] != before[..12]);
    }
}

fn messages(running: &Running) -> String {
    String::from_utf8_lossy(&running.stderr()).into_owned()
}

#[test]
fn a_run_that_cannot_run_is_named_once_with_its_cause_and_runs_when_mended() {
    let check = |name: &str, spoil: &dyn Fn(&Service), wanted: &str| {
        let service = Service::down(STAYS);
        let _ = fs::remove_file(service.join("run"));
        spoil(&service);
        let running = service.start(&program("supervise"));
        service.svc("-u");
        wait_until(SOON, "a message", || !running.stderr().is_empty());
        wait_for_tries(&service, 3);
        assert_eq!(
            messages(&running),
            format!("supervise: fatal: unable to start s/run: {wanted}\n"),
            "{name}"
        );
        let _ = fs::remove_dir(service.join("run"));
        service.write_run(&format!("#!/bin/sh\n{STAYS}\n"));
        service.wait_for_lines("starts", 1);
        assert_eq!(finish(&service, running).status(), "exit 0", "{name}");
    };
    let text = |text: &'static str| move |service: &Service| service.write_run(text);
    check("missing", &|_| (), "file does not exist");
    check(
        "directory",
        &|service| fs::create_dir(service.join("run")).expect("own directory"),
        "access denied (is a directory)",
    );
    check(
        "CR",
        &text("#!/bin/sh\r\nexec true\r\n"),
        "file does not exist (first line ends in CR: convert to LF)",
    );
    check(
        "interpreter",
        &text("#!/bin/nosuch -e\n"),
        "file does not exist (interpreter /bin/nosuch not found)",
    );
    check("no line", &text("exec true\n"), "exec format error (no #! line)");
    let no_x = |service: &Service| {
        service.write_run("#!/bin/sh\n");
        fs::set_permissions(service.join("run"), fs::Permissions::from_mode(0o644)).expect("own file");
    };
    check("mode", &no_x, "access denied (not executable: chmod +x)");
}

#[test]
fn a_full_process_table_is_waited_out_and_the_wish_kept() {
    if !rustix::process::geteuid().is_root() {
        return skipped("only root can become another user");
    }
    // A user of our own: its processes are counted together.
    let user = (61_000 + std::process::id() % 4000).to_string();
    for (letter, wish) in [("-u", b'u'), ("-o", 0)] {
        let service = Service::down(STAYS);
        let supervise = service.scratch.install(&program("supervise"));
        let chown = Cmd::new("chown").args(["-R", &user]).arg(service.scratch.path()).run(b"");
        assert_eq!(chown.status(), "exit 0");
        let as_user = ["setpriv", "--reuid", &user, "--clear-groups", "prlimit"];
        let limited = service.cmd(&supervise, &[]).behind(as_user.into_iter().chain(["--nproc=1:100"]));
        let running = service.start_as(limited);
        service.svc(letter);
        wait_until(SOON, "a message", || !running.stderr().is_empty());
        std::thread::sleep(Duration::from_millis(1500));
        let wanted = "supervise: warning: unable to fork for s, retrying every second: temporary failure\n";
        assert_eq!(messages(&running), wanted, "said once");
        assert_eq!(service.state(), (0, 0, wish), "orders are heard meanwhile");
        let pid = running.pid().as_raw_nonzero().to_string();
        // Without a capability that not every root has: by the user, up to the hard limit.
        let raised =
            Cmd::new("prlimit").args(["--nproc=100:100", "--pid", &pid]).behind(&as_user[..4]).run(b"");
        assert_eq!(raised.status(), "exit 0", "{raised}");
        assert_eq!(service.wait_for_state("it is up", |(pid, ..)| pid != 0).2, wish);
        finish(&service, running);
    }
}

#[test]
fn without_a_descriptor_left_it_says_so_and_goes_on_when_there_is_one() {
    let service = Service::down(STAYS);
    let running = service.start(&program("supervise"));
    let old = getrlimit(Resource::Nofile);
    prlimit(Some(running.pid()), Resource::Nofile, Rlimit { current: Some(8), maximum: old.maximum })
        .expect("our child");
    service.svc("-u");
    wait_until(SOON, "a message", || !running.stderr().is_empty());
    prlimit(Some(running.pid()), Resource::Nofile, old).expect("our child");
    service.wait_until_up();
    let said = messages(&running);
    assert!(said.lines().all(|line| line.ends_with(": process cannot open more files")), "{said}");
    assert!(said.contains("unable to fork for s, retrying every second"), "{said}");
    finish(&service, running);
}

/// The owner of `supervise` would have root make a file anywhere.
#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let service = Service::new(STAYS);
    fs::create_dir(service.join("supervise")).expect("own directory");
    symlink("../made", service.join("supervise/lock")).expect("own directory");
    let out = service.run(&program("supervise"), &[]);
    assert_eq!(out.messages(), "supervise: fatal: unable to acquire s/supervise/lock: is a symbolic link\n");
    assert_eq!(out.status(), "exit 111");
    assert!(!service.join("made").exists() && service.lines("starts").is_empty());
}

/// A small file system of our own, mounted where only its holder sees it; reached through /proc.
struct Disk {
    path: PathBuf,
    holder: Running,
}

impl Disk {
    /// Mounts it anew, with other options; or with `bind` the file `lock` in the place of its `made/lock`.
    fn remount(&mut self, options: &str) {
        let before = self.holder.stderr().len();
        self.holder.send(format!("{options}\n").as_bytes());
        wait_until(SOON, "it is mounted anew", || self.holder.stderr().len() > before);
        assert!(self.holder.stderr().ends_with(b"mounted\n"), "{}", messages(&self.holder));
    }
}

fn mount(service: &Service, options: &str) -> Option<Disk> {
    let place = service.scratch.join("disk");
    fs::create_dir(&place).expect("own directory");
    // With its source named it is mounted anew by these options alone: those it has name a user who is nobody in his namespace.
    let script = r#"mount -t tmpfs -o "$0" none disk && echo mounted >&2 || exit
        while read -r how; do
            case $how in
            bind) mount --bind lock disk/made/lock ;;
            *) mount -o "remount,$how" none disk ;;
            esac && echo mounted >&2
        done"#;
    let mut reasons = String::new();
    for namespaces in ["-Urm", "-m"] {
        let holder = Cmd::new("unshare")
            .args([namespaces, "sh", "-c", script, options])
            .cwd(service.scratch.path())
            .limit(Duration::from_secs(300))
            .spawn();
        wait_until(SOON, "a mounted disk", || holder.has_ended() || holder.stderr().ends_with(b"mounted\n"));
        if !holder.has_ended() {
            let pid = holder.pid().as_raw_nonzero();
            return Some(Disk { path: format!("/proc/{pid}/root{}", place.display()).into(), holder });
        }
        reasons += &holder.wait_open().messages();
    }
    skipped(&format!("no disk can be mounted: {}", reasons.trim_end().replace('\n', "; ")));
    None
}

#[test]
fn a_full_disk_is_named_once_and_the_status_follows_when_there_is_room() {
    let service = Service::new(STAYS);
    let Some(disk) = mount(&service, "size=64k") else { return };
    symlink(disk.path.join("made"), service.join("supervise")).expect("own directory");
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    service.wait_for_lines("starts", 1);
    let filler = disk.path.join("filler");
    _ = fs::write(&filler, vec![0; 1 << 20]);
    service.svc("-k");
    wait_until(SOON, "a message", || !running.stderr().is_empty());
    service.wait_for_lines("starts", 2);
    std::thread::sleep(Duration::from_millis(1500));
    let said = messages(&running);
    assert_eq!(said, "supervise: warning: unable to write s/supervise/status.new: out of disk space\n");
    assert_eq!(service.state().0, pid, "the old status stands");
    // It may be trying just now.
    let status_new = service.join("supervise/status.new");
    wait_until(SOON, "nothing half-written is left", || !status_new.exists());
    fs::remove_file(filler).expect("own file");
    service.wait_for_state("the new process", |(now, ..)| now != 0 && now != pid);
    assert_eq!(finish(&service, running).messages(), said);
}

/// As a file system does that finds itself damaged. Nothing may be open for writing there, so the lock is elsewhere.
#[test]
fn a_disk_that_becomes_read_only_is_named_once_and_the_status_follows_when_it_is_writable() {
    let service = Service::new(STAYS);
    let Some(mut disk) = mount(&service, "size=64k") else { return };
    let made = disk.path.join("made");
    fs::create_dir(&made).expect("own disk");
    fs::write(made.join("lock"), "").expect("own disk");
    fs::write(service.scratch.join("lock"), "").expect("own directory");
    disk.remount("bind");
    symlink(&made, service.join("supervise")).expect("own directory");
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    service.wait_for_lines("starts", 1);
    disk.remount("ro");
    for starts in 2..4 {
        service.svc("-k");
        service.wait_for_lines("starts", starts);
    }
    wait_until(SOON, "a message", || !running.stderr().is_empty());
    let said = messages(&running);
    assert_eq!(said, "supervise: warning: unable to open s/supervise/status.new: read-only file system\n");
    assert_eq!(service.state(), (pid, 0, b'u'), "the old status stands");
    // Orders that leave no trace are obeyed too.
    service.svc("-d");
    wait_until(SOON, "it has ended", || !service.runs());
    service.svc("-u");
    service.wait_for_lines("starts", 4);
    assert_eq!(messages(&running), said);
    disk.remount("rw");
    let (now, ..) = service.wait_for_state("the new process", |(now, ..)| now != 0 && now != pid);
    assert!(tests::tree::is_running(rustix::process::Pid::from_raw(now as i32).expect("a process")));
    assert_eq!(finish(&service, running).messages(), said);
}

#[test]
fn a_read_only_disk_is_named_as_the_original_does() {
    for set in theirs().into_iter().chain([ours()]) {
        let service = Service::new(STAYS);
        let Some(disk) = mount(&service, "ro") else { return };
        symlink(&disk.path, service.join("supervise")).expect("own directory");
        let out = service.run(&set.supervise, &[]);
        let wanted = "supervise: fatal: unable to acquire s/supervise/lock: read-only file system\n";
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 111", wanted));
    }
}

#[test]
fn a_deleted_directory_is_named_once_and_can_be_left() {
    let service = Service::new(STAYS);
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    service.wait_for_lines("starts", 1);
    fs::remove_dir_all(service.dir()).expect("own directory");
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("a process");
    rustix::process::kill_process(pid, tests::Signal::KILL).expect("it runs");
    wait_until(SOON, "two messages", || messages(&running).lines().count() == 2);
    std::thread::sleep(Duration::from_millis(2200));
    let mut said: Vec<_> = messages(&running).lines().map(str::to_owned).collect();
    said.sort();
    assert_eq!(
        said,
        [
            "supervise: fatal: unable to start s/run: file does not exist",
            "supervise: warning: unable to open s/supervise/status.new: file does not exist",
        ]
    );
    running.signal(tests::Signal::TERM);
    assert_eq!(running.wait().status(), "exit 0");
}

#[test]
fn a_missing_place_behind_the_link_is_made() {
    let service = Service::new(STAYS);
    let long = "x".repeat(200);
    symlink(format!("../{long}"), service.join("supervise")).expect("own directory");
    let running = service.start(&program("supervise"));
    service.wait_until_up();
    let made = fs::metadata(service.scratch.join(&long)).expect("made");
    assert_eq!(made.permissions().mode() & 0o7777, 0o700);
    finish(&service, running);
}

#[test]
fn what_is_no_fifo_is_neither_read_nor_written() {
    for name in ["control", "ok"] {
        let service = Service::new(STAYS);
        fs::create_dir(service.join("supervise")).expect("own directory");
        let path = service.join("supervise").join(name);
        fs::write(&path, "u").expect("own directory");
        let out = service.run(&program("supervise"), &[]);
        assert_eq!(
            out.messages(),
            format!("supervise: fatal: unable to read s/supervise/{name}: not a FIFO\n")
        );
        assert_eq!(out.status(), "exit 111");
        // Recovery: nothing but the file was in the way.
        fs::remove_file(&path).expect("own file");
        let running = service.start(&program("supervise"));
        service.wait_until_up();
        // And while it runs.
        fs::remove_file(&path).expect("own file");
        fs::write(&path, "").expect("own directory");
        let said = match name {
            "control" => service.run(&program("svc"), &["-d"]).messages(),
            _ => String::from_utf8_lossy(&service.run(&program("svstat"), &[]).stdout).into_owned(),
        };
        assert!(said.contains("supervise not running"), "{said}");
        assert_eq!(fs::read(&path).expect("own file"), b"");
        running.signal(tests::Signal::TERM);
        assert_eq!(running.wait().status(), "exit 0");
    }
}

/// Left by one that was killed, or put there by somebody: it is replaced, never followed.
#[test]
fn a_status_new_that_is_in_the_way_is_replaced() {
    let service = Service::new(STAYS);
    fs::create_dir(service.join("supervise")).expect("own directory");
    fs::write(service.join("victim"), "whole").expect("own directory");
    symlink("../victim", service.join("supervise/status.new")).expect("own directory");
    let running = service.start(&program("supervise"));
    service.wait_until_up();
    assert_eq!(fs::read(service.join("victim")).expect("own file"), b"whole");
    assert!(fs::symlink_metadata(service.join("supervise/status")).expect("a status").is_file());
    assert_eq!(finish(&service, running).messages(), "");
}

#[test]
fn when_nobody_reads_its_messages_it_goes_on() {
    let service = Service::new("exec /nowhere/at/all");
    service.write_run("no line\n");
    // The reader has gone, or never reads and the pipe is full.
    for reader in ["true", "exec sleep 1000"] {
        let script = format!(
            "{{ {}exec \"$0\" s; }} 2>&1 | {reader}",
            match reader {
                "true" => "sleep 0.2; ",
                _ => "head -c 65536 /dev/zero >&2; ",
            }
        );
        let running = Cmd::new("sh")
            .args(["-c", &script])
            .arg(program("supervise"))
            .cwd(service.scratch.path())
            .spawn_on(Stdio::null());
        wait_until(SOON, "supervise runs", || service.run(&program("svok"), &[]).status() == "exit 0");
        wait_for_tries(&service, 2);
        service.svc("-dx");
        wait_until(SOON, "supervise has left", || service.run(&program("svok"), &[]).status() == "exit 100");
        drop(running);
    }
}

/// Killed hard, it leaves the service alone; the next supervise starts its own, and the lock was free.
#[test]
fn after_kill_9_the_next_supervise_begins_anew() {
    let service = Service::new(ENDS);
    let running = service.start(&program("supervise"));
    service.wait_for_lines("starts", 1);
    running.kill();
    let running = service.start(&program("supervise"));
    service.wait_for_lines("starts", 2);
    assert_eq!(finish(&service, running).messages(), "");
}
