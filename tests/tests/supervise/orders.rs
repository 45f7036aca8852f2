//! Each letter, their order, how soon they are obeyed, and how many come at once.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use tests::{Cmd, program, wait_until};

use crate::{ENDS, SOON, STAYS, Service, finish, ours, theirs};

/// Writes down every signal it gets.
const HEARS: &str = "for s in HUP ALRM INT QUIT USR1 USR2 TERM; do trap \"echo $s >>heard\" $s; done
    echo start >>starts; while :; do sleep 0.01 & wait; done";

#[test]
fn each_letter_is_its_signal() {
    let service = Service::new(HEARS);
    let running = service.start(&program("supervise"));
    service.wait_for_lines("starts", 1);
    let pid = service.wait_until_up();
    let letters = [
        ("h", "HUP"),
        ("a", "ALRM"),
        ("i", "INT"),
        ("q", "QUIT"),
        ("1", "USR1"),
        ("2", "USR2"),
        ("t", "TERM"),
    ];
    for (count, (letter, signal)) in letters.into_iter().enumerate() {
        service.svc(&format!("-{letter}"));
        assert_eq!(service.wait_for_lines("heard", count + 1)[count], signal);
    }
    // What is no letter is passed over, together with what is.
    let mut control = File::options().write(true).open(service.join("supervise/control")).expect("a FIFO");
    control.write_all(b"\0zU\xff\n1").expect("a reader");
    assert_eq!(service.wait_for_lines("heard", 8)[7], "USR1");
    assert_eq!(service.wait_until_up(), pid);
    service.svc("-dk");
    service.wait_until_down();
    finish(&service, running);
}

#[test]
fn letters_act_in_their_order() {
    for set in theirs().into_iter().chain([ours()]) {
        // Down at first: what is started, and is supervise still there?
        for (letters, starts, leaves) in
            [("-ox", 1, true), ("-xo", 0, true), ("-ud", 1, false), ("-du", 1, false), ("-dx", 0, true)]
        {
            let at = format!("{letters} of {:?}", set.supervise);
            let service =
                Service::down(if letters == "-ox" { "sleep 0.2; echo start >>starts" } else { STAYS });
            let running = service.start(&set.supervise);
            service.svc(letters);
            if leaves {
                assert_eq!(running.wait().status(), "exit 0", "{at}");
            } else {
                let wanted = if letters == "-du" { b'u' } else { b'd' };
                service.wait_for_state(&at, |(pid, _, want)| want == wanted && (pid != 0) == (want == b'u'));
                if letters == "-du" {
                    service.wait_for_lines("starts", 1);
                }
                finish(&service, running);
            }
            let found = service.lines("starts").len();
            // One that is killed at once may not have come to its first line.
            assert!(found == starts || letters == "-ud", "{at}: {found} starts");
        }
        let service = Service::new(STAYS);
        let running = service.start(&set.supervise);
        let pid = service.wait_until_up();
        service.svc("-d");
        service.svc("-u");
        service.wait_for_state("a restart", |(now, _, want)| now != 0 && now != pid && want == b'u');
        finish(&service, running);
    }
}

/// So a logger that svscan starts once more in a stop runs, however soon it is told that it is the last one.
#[test]
fn what_waits_in_control_is_obeyed_after_the_first_start() {
    for set in theirs().into_iter().chain([ours()]) {
        let service = Service::new(ENDS);
        std::fs::create_dir(service.join("supervise")).expect("own directory");
        let control = service.join("supervise/control");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &control, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
        let mut control = File::options().read(true).write(true).open(control).expect("a FIFO");
        control.write_all(b"x").expect("room");
        assert_eq!(service.run(&set.supervise, &[]).status(), "exit 0", "{set:?}");
        let starts = service.lines("starts").len();
        // The original is deaf for a second, and starts it once more before it looks.
        assert!(
            starts == 1 || starts == 2 && set.supervise != program("supervise"),
            "{starts} starts, {set:?}"
        );
    }
}

#[test]
fn two_starts_are_a_second_apart_and_a_long_life_is_followed_at_once() {
    let service = Service::new("echo start >>starts; test -e stay && exec sleep 1000");
    let start = Instant::now();
    let running = service.start(&program("supervise"));
    let starts = service.wait_for_lines("starts", 4).len() as u64;
    // A pause between each and the next; the first was not before we began to count.
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(starts - 1), "{starts} starts in {elapsed:?}");
    std::fs::write(service.join("stay"), "").expect("own directory");
    let count = service.lines("starts").len();
    service.wait_for_lines("starts", count + 1);
    let mut pid = service.wait_for_state("it stays", |(pid, ..)| pid != 0).0;
    // A busy machine may be slow, but not each time; a pause there would be each time.
    let mut follows_at_once = || {
        thread::sleep(Duration::from_millis(1100));
        let start = Instant::now();
        service.svc("-k");
        pid = service.wait_for_state("a new process", |(now, ..)| now != 0 && now != pid).0;
        start.elapsed() < Duration::from_millis(700)
    };
    assert!((0..5).any(|_| follows_at_once()), "each time after a pause");
    finish(&service, running);
}

#[test]
fn orders_are_heard_during_the_second_between_two_starts() {
    let in_time = || {
        let service = Service::new(ENDS);
        let running = service.start(&program("supervise"));
        service.wait_for_lines("starts", 2);
        let start = Instant::now();
        service.svc("-dx");
        let out = running.wait();
        let elapsed = start.elapsed();
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
        assert_eq!(service.state(), (0, 0, b'd'));
        // And the pending start was cancelled.
        elapsed < Duration::from_millis(500) && service.lines("starts").len() <= 3
    };
    // A busy machine may be slow, but not each time.
    assert!((0..5).any(|_| in_time()), "each time after the second");
}

#[test]
fn many_svc_at_once() {
    let service = Service::new(STAYS);
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    let svc = program("svc");
    let all: Vec<_> = (0..100)
        .map(|n| service.cmd(&svc, &[["-p", "-c", "-u", "-o"][n % 4]]).spawn_on(std::process::Stdio::null()))
        .collect();
    for one in all {
        let out = one.wait();
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""));
    }
    service.svc("-cu");
    service.wait_for_state("the last orders", |state| state == (pid, 0, b'u'));
    assert_eq!(finish(&service, running).messages(), "");
}

#[test]
fn a_megabyte_of_letters_is_obeyed_and_others_are_heard_meanwhile() {
    let service = Service::new(STAYS);
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    let control = service.join("supervise/control");
    let flood = thread::spawn(move || {
        let mut control = File::options().write(true).open(control).expect("a FIFO");
        let block: Vec<u8> = b"u\0c?".repeat(1024);
        for _ in 0..256 {
            control.write_all(&block).expect("a reader");
        }
    });
    // A death in the flood is seen.
    service.svc("-k");
    service.wait_for_state("a new process", |(now, ..)| now != 0 && now != pid);
    flood.join().expect("the flood is over");
    service.svc("-d");
    service.wait_until_down();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    finish(&service, running);
}

/// As `killall` or systemd would end it.
#[test]
fn term_and_int_stop_the_service_and_leave() {
    for signal in ["-TERM", "-INT"] {
        for script in [STAYS, ENDS] {
            let service = Service::new(script);
            let running = service.start(&program("supervise"));
            service.wait_for_lines("starts", 1);
            let supervise = running.pid().as_raw_nonzero().to_string();
            assert_eq!(Cmd::new("kill").args([signal, &supervise]).run(b"").status(), "exit 0");
            let out = running.wait();
            assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "{signal}");
            assert_eq!(service.state(), (0, 0, b'd'), "{signal}");
            wait_until(SOON, "nothing is left", || service.scratch.processes().is_empty());
        }
    }
}

/// A paused service is stopped too: CONT follows TERM.
#[test]
fn a_paused_service_can_be_stopped() {
    let service = Service::new(STAYS);
    let running = service.start(&program("supervise"));
    let pid = service.wait_until_up();
    service.svc("-p");
    service.wait_for_state("paused", |state| state == (pid, 1, b'u'));
    assert_eq!(finish(&service, running).status(), "exit 0");
}

/// How often a process has waited for something.
fn waits(running: &tests::Running) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid().as_raw_nonzero()));
    let status = status.expect("it runs");
    status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).expect("a count").to_owned()
}

#[test]
fn it_sleeps_until_something_happens() {
    for service in [Service::new(STAYS), Service::down(STAYS)] {
        let running = service.start(&program("supervise"));
        // The last thing it looks at is whether ./run runs: a script that writes does.
        if service.wait_for_state("it is settled", |(pid, _, want)| (pid != 0) == (want == b'u')).0 != 0 {
            service.wait_for_lines("starts", 1);
        }
        running.settle();
        let before = waits(&running);
        thread::sleep(Duration::from_millis(2500));
        assert_eq!(waits(&running), before);
        finish(&service, running);
    }
}
