//! Does a collector get every line, in a form it understands? With a real rsyslogd on the loopback.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::feeder::{Rng, seed};
use tests::{LogDir, Scratch, original, program, wait_for, wait_until};

use super::{SOON, line, logger, numbered, put};

/// rsyslogd with a configuration of its own, on a port that the system gave it.
struct Collector {
    child: Child,
    port: u16,
    output: PathBuf,
}

impl Collector {
    fn start(rsyslogd: &Path, scratch: &Scratch) -> Collector {
        let (port, output) = (scratch.join("port"), scratch.join("collected"));
        let config = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"64k\")\n\
             module(load=\"imtcp\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"{port}\")\n\
             template(name=\"fields\" type=\"string\" string=\"%timestamp:::date-rfc3339% %syslogtag% %pri% %msg%\\n\")\n\
             action(type=\"omfile\" file=\"{output}\" template=\"fields\")\n",
            dir = scratch.path().display(),
            port = port.display(),
            output = output.display(),
        );
        let path = scratch.join("rsyslog.conf");
        fs::write(&path, config).expect("own directory");
        let child = Command::new(rsyslogd)
            .arg("-n")
            .arg("-f")
            .arg(&path)
            .arg("-i")
            .arg(scratch.join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(scratch.join("rsyslog.errors")).expect("own directory"))
            .spawn()
            .expect("it is installed");
        let port = wait_for(SOON, "rsyslogd listens", || fs::read_to_string(&port).ok()?.trim().parse().ok());
        Collector { child, port, output }
    }

    /// Starts mlog with a connection as its output, as a shell's `>/dev/tcp/…` or tcpclient gives it.
    fn shipper(&self, cwd: &Path, arguments: &[&str]) -> Child {
        let connection = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        Command::new(program("mlog"))
            .args(["-o", "syslog"])
            .args(arguments)
            .current_dir(cwd)
            .env("TZ", "UTC0")
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(connection))
            .spawn()
            .expect("it is built")
    }

    fn collected(&self) -> Vec<u8> {
        fs::read(&self.output).unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn rsyslog_understands_what_comes() {
    let Some(rsyslogd) = original("rsyslogd") else { return };
    let scratch = Scratch::new();
    let collector = Collector::start(&rsyslogd, &scratch);
    put(
        &scratch.join("service/smtpd/log/main"),
        &[("current", &(line(1_700_000_000, "one") + "two: 50%\n"))],
    );
    let mut shipper = collector.shipper(scratch.path(), &["service"]);
    assert_eq!(shipper.wait().expect("our child").code(), Some(0));
    let wanted = "2023-11-14T22:13:20.000000Z smtpd 30 one\n2023-11-14T22:13:20.000000Z smtpd 30 two: 50%\n";
    wait_until(SOON, "rsyslog has both lines", || collector.collected().len() >= wanted.len());
    assert_eq!(String::from_utf8_lossy(&collector.collected()), wanted);
}

/// A collector that closes the connection says no more than that it sends nothing: what was written then would be lost.
#[test]
fn a_collector_that_closes_gets_no_more() {
    let scratch = Scratch::new();
    put(&scratch.join("log"), &[("current", &line(1, "one"))]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback");
    let ship = |follows: bool| {
        let connection = TcpStream::connect(listener.local_addr().expect("ours")).expect("it listens");
        let mut command = Command::new(program("mlog"));
        command.args(["--cursor", "cursor", "-o", "raw", "log"]).args(follows.then_some("-f"));
        command.current_dir(scratch.path()).stdout(OwnedFd::from(connection));
        (command.spawn().expect("it is built"), listener.accept().expect("it connects").0)
    };
    let (mut shipper, mut collector) = ship(true);
    let mut one = vec![0; line(1, "one").len()];
    collector.read_exact(&mut one).expect("the first line");
    drop(collector);
    for _ in 0..SOON.as_millis() / 10 {
        if shipper.try_wait().expect("our child").is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // One that has not ended must not stay.
    shipper.kill().expect("our child");
    assert_eq!(shipper.wait().expect("our child").code(), Some(111));
    let both = line(1, "one") + &line(2, "two");
    put(&scratch.join("log"), &[("current", &both)]);
    // Nothing is written to what is closed already.
    let connection = TcpStream::connect(listener.local_addr().expect("ours")).expect("it listens");
    drop(listener.accept().expect("it connects"));
    let status = Command::new(program("mlog"))
        .args(["--cursor", "cursor", "-o", "raw", "log"])
        .current_dir(scratch.path())
        .stdout(OwnedFd::from(connection))
        .status();
    assert_eq!(status.expect("it is built").code(), Some(111));
    let (mut shipper, mut collector) = ship(false);
    assert_eq!(shipper.wait().expect("our child").code(), Some(0));
    let mut rest = String::new();
    collector.read_to_string(&mut rest).expect("its end");
    assert_eq!(rest, line(2, "two"));
    // The journal of systemd is a socket whose other half is shut.
    let (mut journal, output) = std::os::unix::net::UnixStream::pair().expect("sockets");
    output.shutdown(Shutdown::Read).expect("our own");
    let mut command = Command::new(program("mlog"));
    command.args(["-o", "raw", "log"]).current_dir(scratch.path()).stdout(OwnedFd::from(output));
    assert_eq!(command.status().expect("it is built").code(), Some(0));
    drop(command);
    let mut text = String::new();
    journal.read_to_string(&mut text).expect("its end");
    assert_eq!(text, both);
}

#[test]
fn rsyslog_gets_every_line_from_a_shipper_that_is_killed() {
    const LINES: usize = 100_000;
    let Some(rsyslogd) = original("rsyslogd") else { return };
    let seed = seed();
    let mut rng = Rng::new(seed);
    let scratch = Scratch::new();
    let collector = Collector::start(&rsyslogd, &scratch);
    let mut multilog = logger(scratch.path(), &["t", "s65536", "n9999", "./smtpd"]);
    wait_until(SOON, "there is a log", || scratch.join("smtpd/current").exists());
    let ship = ["-f", "--cursor", "cursor", "smtpd"];
    let (mut sent, mut kills) = (0, 0);
    while sent < LINES {
        let mut shipper = collector.shipper(scratch.path(), &ship);
        let many = (rng.range(1, 3000) as usize).min(LINES - sent);
        multilog.send(numbered(sent, sent + many).as_bytes());
        sent += many;
        std::thread::sleep(Duration::from_micros(rng.range(0, 40_000)));
        shipper.kill().expect("our child");
        shipper.wait().expect("our child");
        kills += 1;
    }
    let rotations = LogDir::new(scratch.join("smtpd")).old_logs().len();
    assert!(kills > 20 && rotations > 20, "{kills} kills, {rotations} rotations");
    let mut shipper = collector.shipper(scratch.path(), &ship);
    let mut missing: HashSet<String> = numbered(0, LINES).lines().map(str::to_owned).collect();
    // The last of the file need not be the last line: those of an earlier connection may still be on their way.
    wait_until(SOON, &format!("rsyslog has all lines, seed {seed}"), || {
        for line in String::from_utf8_lossy(&collector.collected()).lines() {
            if let Some(text) = line.splitn(4, ' ').nth(3) {
                missing.remove(text);
            }
        }
        missing.is_empty()
    });
    shipper.kill().expect("our child");
    shipper.wait().expect("our child");
    multilog.wait();
}
