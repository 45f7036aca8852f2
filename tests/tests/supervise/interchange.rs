//! Ours with theirs, both ways: the same files, the same bytes, the same words.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::feeder::{Rng, seed};
use tests::{Cmd, Output, Show, program};

use crate::{SOON, STAYS, Service, Set, finish, ours, theirs};
use tests::wait_until;

/// Everybody's programs with everybody's.
fn sets() -> Vec<Set> {
    theirs().map_or_else(|| vec![ours()], |theirs| vec![ours(), theirs])
}

/// svstat's line without its seconds.
fn masked(out: &Output) -> String {
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let words = text.trim_end().split(' ').collect::<Vec<_>>();
    let is_seconds = |at: usize| words.get(at + 1).is_some_and(|next| next.starts_with("seconds"));
    let shown = words.iter().enumerate().map(|(at, word)| if is_seconds(at) { "S" } else { word });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_tool_works_with_every_supervise() {
    for supervise in sets().iter().map(|set| &set.supervise) {
        for tools in sets() {
            let at = format!("{supervise:?} with {:?}", tools.svc);
            let service = Service::new(STAYS);
            let line = || masked(&service.run(&tools.svstat, &[]));
            let svok = || service.run(&tools.svok, &[]).status();
            let svc = |letters: &str| {
                let out = service.run(&tools.svc, &[letters]);
                assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{at}");
            };
            assert_eq!(
                (svok().as_str(), line().as_str()),
                ("exit 100", "s: unable to open supervise/ok: file does not exist"),
                "{at}"
            );
            let running = service.start(supervise);
            assert_eq!(svok(), "exit 0", "{at}");
            let pid = service.wait_until_up();
            assert_eq!(
                (line(), service.state()),
                (format!("s: up (pid {pid}) S seconds"), (pid, 0, b'u')),
                "{at}"
            );
            svc("-p");
            service.wait_for_state("paused", |state| state == (pid, 1, b'u'));
            assert_eq!(line(), format!("s: up (pid {pid}) S seconds, paused"), "{at}");
            svc("-c");
            service.wait_for_state("not paused", |state| state == (pid, 0, b'u'));
            svc("-o");
            service.wait_for_state("once", |state| state == (pid, 0, 0));
            assert_eq!(line(), format!("s: up (pid {pid}) S seconds"), "{at}");
            svc("-u");
            service.wait_for_state("up", |state| state == (pid, 0, b'u'));
            svc("-t");
            let pid = service.wait_for_state("a new process", |(now, ..)| now != 0 && now != pid).0;
            service.wait_for_lines("starts", 2);
            svc("-d");
            service.wait_for_state("down", |state| state == (0, 0, b'd'));
            assert_eq!(line(), "s: down S seconds, normally up", "{at}");
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{at}");
            svc("-u");
            let pid = service.wait_until_up();
            fs::write(service.join("down"), "").expect("own directory");
            assert_eq!(line(), format!("s: up (pid {pid}) S seconds, normally down"), "{at}");
            svc("-dx");
            let out = running.wait();
            assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{at}");
            assert_eq!(service.state(), (0, 0, b'd'), "{at}");
            assert_eq!((svok().as_str(), line().as_str()), ("exit 100", "s: supervise not running"), "{at}");
            let out = service.run(&tools.svc, &["-u"]);
            assert_eq!(out.messages(), "svc: warning: unable to control s: supervise not running\n", "{at}");
            assert_eq!(out.status(), "exit 0", "{at}");
        }
    }
}

#[test]
fn the_status_has_the_time_of_the_last_start_or_end() {
    for set in sets() {
        let service = Service::new(STAYS);
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let running = service.start(&set.supervise);
        let pid = service.wait_until_up();
        let status = service.status();
        let seconds = u64::from_be_bytes(status[..8].try_into().expect("eight bytes"));
        let after = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let unix = seconds - 4_611_686_018_427_387_914;
        assert!((before..=after).contains(&unix), "{set:?}: {before} {unix} {after}");
        let nanos = u32::from_be_bytes(status[8..12].try_into().expect("four bytes"));
        assert!(nanos % 1000 == 500 && nanos < 1_000_000_000, "{set:?}: {nanos}");
        // No order changes the time, the end of the process does.
        service.svc("-pc");
        service.wait_for_state("as before", |state| state == (pid, 0, b'u'));
        service.svc("-o");
        service.wait_for_state("once", |state| state == (pid, 0, 0));
        assert_eq!(service.status()[..12], status[..12], "{set:?}");
        service.svc("-d");
        service.wait_until_down();
        assert_ne!(service.status()[..12], status[..12], "{set:?}");
        finish(&service, running);
    }
}

#[test]
fn the_files_have_the_same_names_kinds_and_modes() {
    let listings: Vec<Vec<String>> = sets()
        .iter()
        .map(|set| {
            let service = Service::new(STAYS);
            let running = service.start(&set.supervise);
            service.wait_until_up();
            finish(&service, running);
            let mut paths = vec![service.join("supervise")];
            let entries = fs::read_dir(service.join("supervise")).expect("a directory").flatten();
            paths.extend(entries.map(|entry| entry.path()));
            let describe = |path: &std::path::PathBuf| {
                let meta = fs::symlink_metadata(path).expect("there");
                let kind = if meta.file_type().is_fifo() { "fifo" } else { "other" };
                let length = if meta.is_file() { meta.len() } else { 0 };
                let name = path.file_name().expect("a name").display().to_string();
                format!("{name} {kind} {:o} {length}", meta.permissions().mode())
            };
            let mut listing: Vec<_> = paths.iter().map(describe).collect();
            listing.sort();
            listing
        })
        .collect();
    assert_eq!(
        listings[0],
        [
            "control fifo 10600 0",
            "lock other 100600 0",
            "ok fifo 10600 0",
            "status other 100644 18",
            "supervise other 40700 0",
        ]
    );
    assert!(listings.iter().all(|listing| *listing == listings[0]), "{listings:?}");
}

#[test]
fn each_keeps_the_other_out_and_touches_nothing() {
    for first in sets() {
        for second in sets() {
            let service = Service::new(STAYS);
            let running = service.start(&first.supervise);
            let pid = service.wait_until_up();
            service.wait_for_lines("starts", 1);
            let before = service.status();
            let out = service.run(&second.supervise, &[]);
            assert_eq!(
                out.messages(),
                "supervise: fatal: unable to acquire s/supervise/lock: temporary failure\n"
            );
            assert_eq!(out.status(), "exit 111");
            assert_eq!(service.status(), before);
            assert_eq!(service.wait_until_up(), pid);
            assert_eq!(finish(&service, running).messages(), "");
            assert_eq!(service.lines("starts").len(), 1);
        }
    }
}

/// What a program said and how it ended.
fn said(out: &Output) -> String {
    format!("{}\n{}{}", out.status(), Show(&out.stdout), Show(&out.stderr))
}

#[test]
fn wrong_calls_get_the_same_answers() {
    let Some(theirs) = theirs() else { return };
    let ours = ours();
    let check = |ours: &Path, theirs: &Path, arguments: &[&str]| {
        let run = |program: &Path| said(&Cmd::new(program).args(arguments).cwd("/").run(b""));
        assert_eq!(run(ours), run(theirs), "{ours:?} {arguments:?}");
    };
    for arguments in [&[][..], &["a", "b"], &["/nowhere"], &["/etc/passwd"], &["-x"]] {
        check(&ours.supervise, &theirs.supervise, arguments);
    }
    for arguments in [&[][..], &["/nowhere", "b"], &["/etc/passwd"], &["/proc/1/cwd/nowhere"]] {
        check(&ours.svok, &theirs.svok, arguments);
    }
    for arguments in [&[][..], &["/nowhere", "/etc/passwd", "/tmp", "--json"], &["-a"], &[""]] {
        check(&ours.svstat, &theirs.svstat, arguments);
    }
    for arguments in
        [&[][..], &["-u"], &["-u", "/nowhere", "/etc/passwd", "/", ""], &["--", "/nowhere"], &["-"]]
    {
        check(&ours.svc, &theirs.svc, arguments);
    }
    let both = [&ours.svc, &theirs.svc].map(|svc| Cmd::new(svc).args(["-uz"]).run(b""));
    assert_eq!(both.each_ref().map(Output::status), ["exit 100", "exit 100"]);
    let [mine, original] = both.map(|out| out.messages());
    assert!(mine.starts_with(original.trim_end()), "{mine}{original}");
    assert!(mine.ends_with("k kill, q quit, 1 usr1, 2 usr2, w wait\n"), "{mine}");
}

#[test]
fn bad_directories_get_the_same_answers() {
    let Some(theirs) = theirs() else { return };
    let ours = ours();
    let service = Service::new(STAYS);
    let place = service.scratch.path();
    let make = |name: &str| {
        fs::create_dir_all(place.join(name).join("supervise")).expect("own directory");
        place.join(name)
    };
    symlink("loop", place.join("loop")).expect("own directory");
    symlink("nowhere", place.join("dangling")).expect("own directory");
    symlink("down", make("downloop").join("down")).expect("own directory");
    symlink("nowhere", make("supervised-nowhere").join("x")).expect("own directory");
    fs::create_dir(make("ok-directory").join("supervise/ok")).expect("own directory");
    fs::create_dir(make("control-directory").join("supervise/control")).expect("own directory");
    fs::write(make("file-for-supervise").join("x"), "").expect("own directory");
    let names =
        ["loop", "dangling", "downloop", "supervised-nowhere", "ok-directory", "control-directory", "s"];
    // Held open, as a supervise would.
    let mut held = Vec::new();
    for (name, status) in
        [("no-status", None), ("short", Some(&[0; 17][..])), ("empty", Some(&[])), ("long", Some(&[7; 20]))]
    {
        let dir = make(name);
        mknodat(CWD, dir.join("supervise/ok"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .expect("own directory");
        held.push(File::options().read(true).write(true).open(dir.join("supervise/ok")).expect("a FIFO"));
        if let Some(status) = status {
            fs::write(dir.join("supervise/status"), status).expect("own directory");
        }
    }
    for name in names.into_iter().chain(["no-status", "short", "empty", "long"]) {
        let pairs = [
            (&ours.svstat, &theirs.svstat, &[name][..]),
            (&ours.svok, &theirs.svok, &[name]),
            (&ours.svc, &theirs.svc, &["-u", name]),
        ];
        for (ours, theirs, arguments) in pairs {
            let run = |program: &Path| said(&Cmd::new(program).args(arguments).cwd(place).run(b""));
            assert_eq!(run(ours), run(theirs), "{ours:?} {arguments:?}");
        }
        if ["loop", "dangling", "downloop"].contains(&name) {
            let run = |program: &Path| said(&Cmd::new(program).arg(name).cwd(place).run(b""));
            assert_eq!(run(&ours.supervise), run(&theirs.supervise), "supervise {name}");
        }
    }
}

#[test]
fn svstat_reads_any_status_as_the_original_does() {
    let Some(theirs) = theirs() else { return };
    let ours = ours();
    let service = Service::new(STAYS);
    fs::create_dir(service.join("supervise")).expect("own directory");
    let ok = service.join("supervise/ok");
    mknodat(CWD, &ok, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("own directory");
    let _held = File::options().read(true).write(true).open(&ok).expect("a FIFO");
    let seed = seed();
    let mut rng = Rng::new(seed);
    for _ in 0..100 {
        let mut status: Vec<u8> = (0..18).map(|_| rng.bits() as u8).collect();
        if rng.one_in(2) {
            // A moment of our days, in most of its bytes.
            status[..4].copy_from_slice(&[0x40, 0, 0, 0]);
        }
        if rng.one_in(2) {
            status[12..16].fill(0);
        }
        status[17] = [b'u', b'd', 0, 7][rng.range(0, 4) as usize];
        fs::write(service.join("supervise/status"), &status).expect("own directory");
        let mine = || said(&service.run(&ours.svstat, &[]));
        let mut shown = (String::new(), String::new(), String::new());
        // The original asks time(2), whose second begins up to 10 ms late: then both are asked again.
        let agree = (0..5).any(|_| {
            shown = (mine(), said(&service.run(&theirs.svstat, &[])), mine());
            let (before, original, after) = &shown;
            original == before || original == after
        });
        assert!(agree, "TEST_SEED={seed} {status:?}\n{shown:#?}");
    }
}

/// The regular expressions and columns that monitoring tools and qmailctl are built on.
#[test]
fn those_who_read_svstat_can_read_ours() {
    let ansible = r#"($p)=/\(pid (\d+)\)/; ($s)=/(\d+) seconds/; print "$p,$s,", / up /?1:0, / down /?1:0, / want /?1:0, "\n""#;
    let salt = r#"print /\(pid (\d+)\)/ ? "$1\n" : "none\n""#;
    let module = r#"chomp; print join("|", /^(\S+):\s(\S+)\s\(pid\s(\S+)\)\s(\S+)\sseconds(,?\s?.*)$/), "|", /supervise not running$/ ? 1 : 0, "\n""#;
    let service = Service::new(STAYS);
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    let read = |code: &str| {
        let line = service.run(&program("svstat"), &[]);
        assert_eq!(line.messages(), "", "Ansible takes stderr for the state");
        let out = Cmd::new("perl").args(["-ne", code]).run(&line.stdout);
        assert_eq!(out.messages(), "");
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    };
    let awk = |code: &str| {
        let line = service.run(&program("svstat"), &[]);
        String::from_utf8_lossy(&Cmd::new("awk").arg(code).run(&line.stdout).stdout).trim_end().to_owned()
    };
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    let found = read(ansible);
    assert!(found.starts_with(&format!("{pid},")) && found.ends_with(",100"), "{found}");
    assert_eq!(read(salt), pid.to_string());
    let found = read(module);
    assert!(found.starts_with(&format!("s|up|{pid}|")) && found.ends_with("||0"), "{found}");
    assert_eq!(awk("{print $2, $3, $4}"), format!("up (pid {pid})"));
    assert!(is_number(&awk("{print $5}")));
    service.svc("-d");
    service.wait_until_down();
    let found = read(ansible);
    assert!(found.starts_with(',') && found.ends_with(",010"), "{found}");
    assert_eq!(read(salt), "none");
    assert!(is_number(&awk("{print $3}")));
    finish(&service, running);
    assert_eq!(read(module), "|1");
    wait_until(SOON, "nothing is left", || service.scratch.processes().is_empty());
}
