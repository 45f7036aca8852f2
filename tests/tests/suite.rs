//! The whole suite at once, and nothing of the original: a mail service is brought up by svscanboot, everybody is killed again
//! and again while mail comes in, and one TERM ends it. No line may be missing, and no process left.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::kill_process;
use tests::feeder::{Rng, seed};
use tests::tree::{SOON, Tree, arguments, children, is_running, is_stopped, name};
use tests::{Cmd, LogDir, Show, Signal, Stamp, original, program, wait_for, wait_until};

const MAILS: usize = 10_000;
const PROGRAMS: [&str; 11] = [
    "svscanboot",
    "svscan",
    "supervise",
    "svc",
    "svok",
    "svstat",
    "readproctitle",
    "setuidgid",
    "envdir",
    "softlimit",
    "multilog",
];

/// A connection of a mail client.
struct Smtp(BufReader<TcpStream>);

impl Smtp {
    fn new(port: u16) -> Result<Smtp> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(SOON))?;
        let mut smtp = Smtp(BufReader::new(stream));
        smtp.expect("220")?;
        smtp.say("HELO client.example", "250")?;
        Ok(smtp)
    }

    fn expect(&mut self, code: &str) -> Result<()> {
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        if answer.starts_with(code) { Ok(()) } else { Err(Error::other(answer)) }
    }

    fn say(&mut self, line: &str, code: &str) -> Result<()> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.expect(code)
    }

    /// What the service answers to the end has been written to its log before.
    fn mail(&mut self, number: usize) -> Result<()> {
        self.say(&format!("MAIL FROM:<mail-{number:06}@client.example>"), "250")?;
        self.say(&format!("RCPT TO:<box-{number:06}@localhost>"), "250")?;
        self.say("DATA", "354")?;
        self.say(&format!("Subject: mail {number}\r\n\r\n{:x<1$}\r\n.", "", number % 70), "250")
    }
}

/// The ids of the user nobody.
fn nobody() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("a list of users");
    let line = users.lines().find(|line| line.starts_with("nobody:")).expect("there is a user nobody");
    let mut ids = line.split(':').skip(2).map(|id| id.parse().expect("a number"));
    (ids.next().expect("a user id"), ids.next().expect("a group id"))
}

/// Kills somebody of the tree: what a supervise runs, or a supervise together with that.
fn kill_somebody(tree: &Tree, rng: &mut Rng) {
    let service = ["smtp", "smtp/log", "smtp/log", "crash"][rng.range(0, 4) as usize];
    if rng.one_in(3) {
        let supervise = tree.supervise(service, None);
        // Stopped first: what it has forked a moment ago would be left, and keep the port and the log pipe.
        _ = kill_process(supervise, Signal::STOP);
        wait_until(SOON, "supervise has stopped", || !is_running(supervise) || is_stopped(supervise));
        let left = children(supervise);
        _ = kill_process(supervise, Signal::KILL);
        left.into_iter().for_each(|pid| _ = kill_process(pid, Signal::KILL));
        return;
    }
    // Whoever is not there just now has been killed already.
    if let Some((Some(pid), _)) = tree.status(service)
        && is_running(pid)
    {
        _ = kill_process(pid, Signal::KILL);
    }
}

#[test]
fn ten_thousand_mails_while_everybody_is_killed() {
    let (Some(tcpserver), Some(smtpfront)) = (original("tcpserver"), original("smtpfront-echo")) else {
        return;
    };
    let (tcpserver, smtpfront) = (tcpserver.display().to_string(), smtpfront.display().to_string());
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let mut tree = Tree::new(&[]);
    tree.copy(&PROGRAMS.map(program));

    let run = format!(
        "exec 2>&1\nexec envdir ./env sh -c 'exec softlimit -m 200000000 setuidgid nobody {tcpserver} -vHR -c 50 \
         -l localhost 127.0.0.1 $PORT {smtpfront} accept'"
    );
    tree.store("smtp", &run, "exec setuidgid nobody multilog t s16777215 n200 ./main");
    tree.script("store/smtp/env/PORT", "");
    fs::write(tree.join("store/smtp/env/PORT"), format!("{port}\n")).expect("own directory");
    fs::create_dir(tree.join("store/smtp/log/main")).expect("own directory");
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = nobody();
        chown(tree.join("store/smtp/log/main"), Some(uid), Some(gid)).expect("we are root");
    }
    tree.store("clear", "yes '' | head -4000 | tr '\\n' .", "");
    fs::write(tree.join("store/clear/down"), "").expect("own directory");
    tree.store("crash", "echo crash\nexit 1", "");
    tree.store("bad", "exec sleep 1000", "");
    fs::set_permissions(tree.join("store/bad/run"), fs::Permissions::from_mode(0o644)).expect("own file");
    ["smtp", "clear", "crash", "bad"].iter().for_each(|name| tree.link(name));
    if !tree.boot(&[]) {
        return;
    }

    let seed = seed();
    println!("TEST_SEED={seed}");
    let done = AtomicBool::new(false);
    let mut kills = 0;
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut number = 1;
            while number <= MAILS {
                // A mail that was not answered to the end is sent again, as mail is.
                let Ok(mut smtp) = Smtp::new(port) else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                for _ in 0..20 {
                    if smtp.mail(number).is_err() {
                        break;
                    }
                    number += 1;
                }
                _ = smtp.say("QUIT", "221");
            }
            done.store(true, Ordering::Release);
        });
        let mut rng = Rng::new(seed);
        wait_for(Duration::from_secs(60), "the server listens", || Smtp::new(port).ok());
        while !client.is_finished() && !done.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(rng.range(20, 150)));
            kill_somebody(&tree, &mut rng);
            kills += 1;
        }
    });
    assert!(kills > 5, "only {kills} kills");

    let title = children(tree.svscan().pid()).into_iter().find(|&pid| name(pid) == "readproctitle");
    let title = title.expect("it runs");
    wait_until(SOON, "the errors are shown", || arguments(title).contains("crash\ncrash\n"));
    assert!(
        tree.said().contains(
            "supervise: fatal: unable to start bad/run: access denied (not executable: chmod +x)\n"
        )
    );
    let bin = |name: &str| tree.join("bin").join(name);
    let clear = tree.join("service/clear");
    assert_eq!(Cmd::new(bin("svok")).arg(&clear).run(b"").status(), "exit 0");
    assert_eq!(Cmd::new(bin("svc")).arg("-o").arg(&clear).run(b"").messages(), "");
    wait_until(SOON, "the errors are cleared", || arguments(title).contains(&".".repeat(300)));
    // The last kill may have been a moment ago.
    let up = || Cmd::new(bin("svstat")).arg(tree.join("service/smtp")).run(b"").stdout;
    wait_until(SOON, "the service is up", || String::from_utf8_lossy(&up()).contains(": up (pid "));

    let copied = children(tree.svscan().pid());
    let out = tree.stop();
    assert_eq!(out.status(), "exit 0", "{kills} kills: {out}");
    tree.wait_for_peace();
    wait_until(SOON, "its readers end too", || !copied.iter().any(|&pid| is_running(pid)));

    let lines = LogDir::new(tree.join("store/smtp/log/main")).lines();
    let mut logged = HashSet::new();
    for line in &lines {
        let (_, rest) = Stamp::Tai64n.split(line).unwrap_or_else(|| panic!("no stamp: {}", Show(line)));
        if let Some((_, rest)) = String::from_utf8_lossy(rest).split_once(": ") {
            logged.insert(rest.to_owned());
        }
    }
    let wanted = |number: usize| {
        [
            format!("MAIL FROM:<mail-{number:06}@client.example>"),
            format!("RCPT TO:<box-{number:06}@localhost>"),
        ]
    };
    let missing: Vec<String> = (1..=MAILS).flat_map(wanted).filter(|line| !logged.contains(line)).collect();
    println!("{kills} kills, {} lines", lines.len());
    assert!(missing.is_empty(), "{kills} kills; of {} lines these are missing: {missing:?}", lines.len());
}

#[test]
fn one_program_after_the_other_is_replaced_while_the_service_runs() {
    let names = ["svscan", "supervise", "svc", "svok", "svstat", "multilog"];
    let theirs = names.map(original);
    let Some(their_svscan) = theirs[0].clone() else { return };
    let mut tree = Tree::new(&[]);
    theirs.iter().flatten().for_each(|program| tree.install(program));
    let count = "trap 'exit 0' TERM\nn=$(tail -n1 count)\n\
                 while :; do n=$((n+1)); echo line $n; echo $n >>count; sleep 0.002; done";
    tree.store("a", count, "exec multilog s1000000 n100 ./main");
    fs::write(tree.join("store/a/count"), "0\n").expect("own directory");
    tree.link("a");
    tree.start(&their_svscan);
    let daemon = tree.pid("a", None);
    let mut logger = tree.pid("a/log", None);
    let (a, log) = (tree.join("service/a"), tree.join("service/a/log"));
    let run = |tree: &Tree, name: &str, args: &[&str], dir: &std::path::Path| {
        let out = Cmd::new(tree.join("bin").join(name)).args(args).arg(dir).run(b"");
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()), "{name}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let is_up = |tree: &Tree| {
        assert_eq!(run(tree, "svok", &[], &a), "");
        let up = format!("{}: up (pid {}) ", a.display(), daemon.as_raw_nonzero());
        assert!(run(tree, "svstat", &[], &a).starts_with(&up));
        assert!(is_running(daemon));
    };
    // Ours in, then theirs back.
    for ours in [true, false] {
        for (name, their) in names.iter().zip(&theirs) {
            let Some(their) = their else { return };
            tree.install(&if ours { program(name) } else { their.clone() });
            match *name {
                "svscan" => {
                    // Killed, so that nothing is stopped; the supervises go on without it.
                    tree.kill();
                    tree.start(&tree.join("bin/svscan"));
                    wait_until(SOON, "it tries to run a second supervise", || {
                        // The original's under our svscan has no name for it but a dot.
                        tree.said().contains("/supervise/lock")
                    });
                }
                "multilog" => {
                    run(&tree, "svc", &["-t"], &log);
                    logger = tree.pid("a/log", Some(logger));
                }
                "svc" => {
                    run(&tree, "svc", &["-p"], &log);
                    run(&tree, "svc", &["-c"], &log);
                }
                _ => {}
            }
            is_up(&tree);
        }
    }
    // The supervises are replaced by a restart of the service; for that svscan stays, now ours again.
    names.iter().for_each(|name| tree.install(&program(name)));
    tree.kill();
    tree.start(&program("svscan"));
    let supervise = tree.supervise("a/log", None);
    run(&tree, "svc", &["-dx"], &a);
    wait_until(SOON, "the service has ended", || !is_running(daemon));
    // Only now has the old pipe an end that its logger can come to.
    wait_until(SOON, "its logger has ended", || !is_running(logger));
    tree.pid("a", Some(daemon));
    // Its supervise goes on with another until svscan tells it.
    tree.supervise("a/log", Some(supervise));
    tree.pid("a/log", Some(logger));
    tree.stop();
    tree.wait_for_peace();
    let written = fs::read_to_string(tree.join("store/a/count")).expect("it is there");
    let written: usize = written.lines().last().and_then(|line| line.parse().ok()).expect("numbers");
    let logged: HashSet<Vec<u8>> = LogDir::new(tree.join("store/a/log/main")).lines().into_iter().collect();
    let missing: Vec<usize> =
        (1..=written).filter(|number| !logged.contains(format!("line {number}").as_bytes())).collect();
    assert!(missing.is_empty(), "of {written} lines these are missing: {missing:?}");
}
