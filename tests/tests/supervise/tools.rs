//! What is new in ours: the wait of svc, JSON and the table of svstat, help.

use std::fs;
use std::time::{Duration, Instant};

use tests::{Cmd, Output, Scratch, Signal, program};

use crate::{STAYS, Service, finish, ours, theirs};

/// The wait works on everybody's supervise.
#[test]
fn svc_waits_for_the_effect() {
    for set in theirs().into_iter().chain([ours()]) {
        let service = Service::new(STAYS);
        let running = service.start(&set.supervise);
        let old = service.wait_until_up();
        let check = |arguments: &[&str]| {
            let out = service.run(&program("svc"), &[&["-w", "30"], arguments].concat());
            assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{arguments:?}");
            service.state()
        };
        assert_eq!(check(&["-u"]), (old, 0, b'u'));
        assert_eq!(check(&["-p"]), (old, 1, b'u'));
        assert_eq!(check(&["-c"]), (old, 0, b'u'));
        assert_eq!(check(&["-h1"]).2, b'u');
        let pid = check(&["-du"]).0;
        assert!(pid != 0 && pid != old);
        assert_ne!(check(&["-t"]).0, pid);
        assert_eq!(check(&["-d"]), (0, 0, b'd'));
        let (pid, _, want) = check(&["-o"]);
        assert!(pid != 0 && want == 0);
        assert_eq!(check(&["-dx"]), (0, 0, b'd'));
        // It is seen to be gone by its descriptors, which close a moment before it ends.
        assert_eq!(running.wait().status(), "exit 0");
    }
}

/// svscan starts the next one at once; on a busy machine svc comes to look only then.
#[test]
fn svc_sees_that_a_supervise_has_gone_though_another_has_come() {
    for set in theirs().into_iter().chain([ours()]) {
        let service = Service::new("trap '' TERM; while [ ! -e go ]; do sleep 0.01; done; rm go");
        let running = service.start(&set.supervise);
        service.wait_until_up();
        let svc = service.cmd(&program("svc"), &["-w", "20", "-dx"]).spawn();
        service.wait_for_state("it is told", |state| state.2 == b'd');
        svc.signal(Signal::STOP);
        std::thread::sleep(Duration::from_millis(50));
        fs::write(service.join("go"), "").expect("own directory");
        assert_eq!(running.wait().status(), "exit 0");
        let next = service.start(&set.supervise);
        service.wait_for_state("the next one runs it", |state| state.2 == b'u');
        svc.signal(Signal::CONT);
        assert_eq!(svc.wait().status(), "exit 0", "{set:?}");
        service.svc("-dkx");
        assert_eq!(next.wait().status(), "exit 0");
    }
}

/// One that supervises in its turn is up as any other.
#[test]
fn a_service_may_be_a_supervise() {
    for set in theirs().into_iter().chain([ours()]) {
        let service = Service::down(STAYS);
        fs::create_dir(service.join("inner")).expect("own directory");
        fs::rename(service.join("run"), service.join("inner/run")).expect("own directory");
        service.write_run(&format!("#!/bin/sh\nexec {} inner\n", set.supervise.display()));
        let running = service.start(&set.supervise);
        let out = service.run(&program("svc"), &["-w", "10", "-u"]);
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{set:?}");
        assert_eq!(Cmd::new(program("svc")).arg("-dx").arg(service.join("inner")).run(b"").messages(), "");
        finish(&service, running);
    }
}

/// Those that it cannot watch, for want of descriptors, are told all the same.
#[test]
fn svc_tells_more_directories_than_it_can_watch() {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    let scratch = Scratch::new();
    let names: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    let make = |name: &String| {
        let control = scratch.join(name).join("supervise/control");
        fs::create_dir_all(scratch.join(name).join("supervise")).expect("own directory");
        assert_eq!(Cmd::new("mkfifo").arg(&control).run(b"").status(), "exit 0");
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        fs::OpenOptions::new().read(true).write(true).custom_flags(nonblock).open(control).expect("own file")
    };
    let mut controls: Vec<fs::File> = names.iter().map(make).collect();
    for (limit, all) in [("ulimit -Sn 20", true), ("ulimit -n 20", false)] {
        let limited = ["sh".to_owned(), "-c".to_owned(), format!("{limit}; exec \"$@\""), "sh".to_owned()];
        let svc = Cmd::new(program("svc")).args(["-w", "0", "-t"]).args(&names).cwd(scratch.path());
        let out = svc.behind(limited).run(b"");
        assert_eq!(out.status(), "exit 1", "{out}");
        let unwatched = out.messages().lines().filter(|line| line.contains("unable to watch")).count();
        assert_eq!(unwatched == 0, all, "{out}");
        assert!(unwatched < names.len() && !out.messages().contains("control"), "{out}");
        for control in &mut controls {
            let mut letters = [0; 9];
            assert_eq!(control.read(&mut letters).ok(), Some(1), "{limit}: {out}");
            assert_eq!(letters[0], b't');
        }
    }
}

#[test]
fn svc_says_what_did_not_get_there() {
    let service = Service::new("trap '' TERM; echo start >>starts; while :; do sleep 1; done");
    let running = service.start(&program("supervise"));
    service.wait_for_lines("starts", 1);
    let start = Instant::now();
    let out = service.run(&program("svc"), &["-w1", "-d"]);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(out.messages(), "svc: warning: unable to see the effect on s: timed out\n");
    assert_eq!(out.status(), "exit 1");
    // One that cannot be told is one that does not get there.
    let out = service.cmd(&program("svc"), &["-w", "30", "-h", "nowhere"]).run(b"");
    assert_eq!(out.messages(), "svc: warning: unable to chdir to nowhere: file does not exist\n");
    assert_eq!(out.status(), "exit 1");
    for bad in [&["-w"][..], &["-w", "x"], &["-w", ""], &["-w-1"]] {
        assert_eq!(Cmd::new(program("svc")).args(bad).run(b"").status(), "exit 100", "{bad:?}");
    }
    service.svc("-dkx");
    assert_eq!(running.wait().status(), "exit 0");
    let out = service.run(&program("svc"), &["-w", "1", "-u"]);
    assert_eq!(
        (out.status().as_str(), out.messages().as_str()),
        ("exit 1", "svc: warning: unable to control s: supervise not running\n")
    );
}

/// Up is not the time between fork and a failed exec, however long a busy machine makes that.
#[test]
fn a_service_that_cannot_run_is_not_up() {
    let Some(strace) = tests::rig::strace() else { return };
    for set in theirs().into_iter().chain([ours()]) {
        let service = Service::down(STAYS);
        service.write_run("#!/nowhere\n");
        let delay = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", "inject=execve:delay_enter=300000"];
        let supervise = service.cmd(&set.supervise, &[]).behind([strace].into_iter().chain(delay));
        let running = service.start_as(supervise);
        assert_eq!(service.run(&program("svc"), &["-w", "3", "-u"]).status(), "exit 1", "{set:?}");
        finish(&service, running);
    }
}

#[test]
fn svstat_writes_json() {
    let service = Service::new(STAYS);
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    let json = || {
        let out = Cmd::new(program("svstat"))
            .args(["--json", "s", "no\"where"])
            .cwd(service.scratch.path())
            .run(b"");
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
        out.stdout
    };
    // Read by a program that knows JSON.
    let code = "use JSON::PP; while (<>) { $o = decode_json($_); print join(' ', map { $_ . '=' . ($o->{$_} // 'null') } sort keys %$o), \"\\n\" }";
    let out = Cmd::new("perl").args(["-e", code]).run(&json());
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status(), "exit 0", "{out}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(&format!("dir=s normally=up paused=0 pid={pid} seconds=")), "{text}");
    assert!(lines[0].ends_with(" state=up want=up"), "{text}");
    assert_eq!(lines[1], "dir=no\"where error=unable to chdir: file does not exist state=unknown");
    finish(&service, running);
    assert!(json().starts_with(b"{\"dir\":\"s\",\"state\":\"unsupervised\"}\n"));
}

#[test]
fn svstat_shows_a_scan_directory() {
    let service = Service::new(STAYS);
    let place = service.scratch.path();
    fs::create_dir_all(place.join("a/log")).expect("own directory");
    fs::create_dir(place.join(".hidden")).expect("own directory");
    fs::write(place.join("file"), "").expect("own directory");
    fs::create_dir(place.join("tab\there")).expect("own directory");
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    let table = |arguments: &[&str]| -> Output {
        Cmd::new(program("svstat")).args(arguments).env("TZ", "UTC").cwd(place).run(b"")
    };
    let out = table(&["-a", "."]);
    assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["a", "unknown", "-", "-", "-", "unknown"]);
    assert_eq!(
        [rows[1][0], rows[1][1], rows[1][2], rows[1][4], rows[1][5]],
        ["s", "up", &pid.to_string(), "up", "-"]
    );
    assert_eq!(rows[1][3].len(), "2026-11-22 20:13:27".len());
    assert_eq!(rows[2], ["tab\\there", "unknown", "-", "-", "-", "-"]);
    assert_eq!(rows.len(), 3);
    // On a terminal: with a head, and in columns.
    let terminal =
        Cmd::new("script").args(["-qec", &format!("{} -a .", program("svstat").display()), "/dev/null"]);
    let shown = String::from_utf8_lossy(&terminal.cwd(place).run(b"").stdout).replace('\r', "");
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("SERVICE") && lines[0].ends_with("LOG"), "{shown}");
    let column = lines[0].find("STATE").expect("a column");
    assert!(lines[1..4].iter().all(|line| !line[column..].starts_with(' ')), "{shown}");
    let json = table(&["--json", "-a", "."]);
    assert_eq!(String::from_utf8_lossy(&json.stdout).lines().count(), 4);
    let out = table(&["-a", "nowhere"]);
    assert_eq!(out.messages(), "svstat: fatal: unable to read directory nowhere: file does not exist\n");
    assert_eq!(out.status(), "exit 111");
    finish(&service, running);
}

#[test]
fn help_and_version_are_shown_when_they_stand_alone() {
    for name in crate::NAMES {
        let run = |argument: &str| Cmd::new(program(name)).arg(argument).run(b"");
        let (help, version) = (run("--help"), run("--version"));
        assert!(help.stdout.starts_with(format!("usage: {name} ").as_bytes()), "{help}");
        assert!(version.stdout.starts_with(format!("{name} 0.").as_bytes()), "{version}");
        assert_eq!((help.status().as_str(), version.status().as_str()), ("exit 0", "exit 0"));
    }
}
