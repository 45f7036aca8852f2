//! A process with a time limit.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

/// A program to be run: stdin is a pipe, stdout and stderr are kept, and it may take no longer than the limit.
#[derive(Debug)]
pub struct Cmd {
    command: Command,
    shown: String,
    limit: Duration,
    output: Option<Stdio>,
}

impl Cmd {
    /// The program at `path`, in the directory of the test, with half a minute to end: a limit that only a hanging program
    /// meets, also on a slow machine.
    pub fn new(path: impl AsRef<OsStr>) -> Cmd {
        let path = path.as_ref();
        Cmd {
            command: Command::new(path),
            shown: PathBuf::from(path).display().to_string(),
            limit: Duration::from_secs(30),
            output: None,
        }
    }

    /// The same program started by another one that gives its place to it, such as `setuidgid nobody`: the words before it.
    #[must_use]
    pub fn behind<S: AsRef<OsStr>>(self, words: impl IntoIterator<Item = S>) -> Cmd {
        let mut words = words.into_iter().map(|word| word.as_ref().to_owned());
        let Some(first) = words.next() else { return self };
        let mut cmd = Cmd::new(first).args(words).arg(self.command.get_program());
        cmd = cmd.args(self.command.get_args()).limit(self.limit);
        cmd.output = self.output;
        if let Some(dir) = self.command.get_current_dir() {
            cmd = cmd.cwd(dir);
        }
        for (key, value) in self.command.get_envs() {
            match value {
                Some(value) => cmd.command.env(key, value),
                None => cmd.command.env_remove(key),
            };
        }
        cmd
    }

    /// The same program as a user who may not write everywhere: nobody; where we are one already, as ourselves.
    ///
    /// # Panics
    ///
    /// Where we are root and the original setuidgid is not installed.
    #[must_use]
    pub fn unprivileged(self) -> Cmd {
        if !rustix::process::geteuid().is_root() {
            return self;
        }
        let setuidgid = crate::original("setuidgid").expect("installed together with multilog");
        self.behind([setuidgid.as_os_str(), "nobody".as_ref()])
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Cmd {
        self.shown.push_str(&format!(" {}", Show(arg.as_ref().as_encoded_bytes())));
        self.command.arg(arg);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(self, args: impl IntoIterator<Item = S>) -> Cmd {
        args.into_iter().fold(self, Cmd::arg)
    }

    /// The directory to start in.
    #[must_use]
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Cmd {
        self.command.current_dir(dir);
        self
    }

    /// One variable of the environment; the others are the test's own.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Cmd {
        self.command.env(key, value);
        self
    }

    /// One variable less.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Cmd {
        self.command.env_remove(key);
        self
    }

    /// How long it may take, from its start to its end.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Cmd {
        self.limit = limit;
        self
    }

    /// Another stdout, which is not kept: a pipe, a device.
    #[must_use]
    pub fn output(mut self, output: impl Into<Stdio>) -> Cmd {
        self.output = Some(output.into());
        self
    }

    /// Starts it, writes `input` to it, closes the pipe and waits for the end. A program that ends without reading its input is
    /// no failure here.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or is killed because the limit is over.
    pub fn run(self, input: &[u8]) -> Output {
        self.run_chunks([input])
    }

    /// Like [`run`](Cmd::run), with one write for each chunk.
    ///
    /// # Panics
    ///
    /// As `run`.
    pub fn run_chunks<'a>(self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Output {
        let mut running = self.spawn();
        for chunk in chunks {
            running.send(chunk);
        }
        running.wait()
    }

    /// Starts it with a pipe as stdin, whose other end we hold.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn spawn(self) -> Running {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
        // Only our end: a program that reads too slowly must not hold the test for ever.
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).expect("our own end");
        let mut running = self.spawn_on(reader);
        running.input = Some(writer.into());
        running
    }

    /// What the tests were started with must not matter: `nohup`, or `&` in a script, leaves signals ignored in all that they
    /// start.
    fn hearing_signals(self) -> Cmd {
        if ignored_signals() & HANGUPS == 0 {
            return self;
        }
        self.behind(["/usr/bin/env", "--default-signal=HUP,INT,QUIT"])
    }

    /// Starts it with another stdin: a file, one end of a pipe that outlives the program, `Stdio::null()`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn spawn_on(self, stdin: impl Into<Stdio>) -> Running {
        let mut this = self.hearing_signals();
        let stdout = tempfile::tempfile().expect("a temporary file");
        let stderr = tempfile::tempfile().expect("a temporary file");
        this.command.stdin(stdin);
        let kept = || stdout.try_clone().expect("a second descriptor").into();
        this.command.stdout(this.output.take().unwrap_or_else(kept));
        this.command.stderr(stderr.try_clone().expect("a second descriptor"));
        let child = this.command.spawn().unwrap_or_else(|error| panic!("{}: {error}", this.shown));
        let pid = Pid::from_child(&child);
        let pidfd =
            rustix::process::pidfd_open(pid, PidfdFlags::empty()).expect("a child not waited for yet");
        let end = Instant::now() + this.limit;
        let ended = None;
        Running {
            child,
            ended,
            pidfd,
            shown: this.shown,
            limit: this.limit,
            end,
            input: None,
            stdout,
            stderr,
        }
    }
}

/// HUP, INT and QUIT as bits of a mask.
const HANGUPS: u64 = 1 << 0 | 1 << 1 | 1 << 2;

/// The mask of signals that we ignore, and so all that we start.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// A program that runs. Dropped before its end, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// How it ended, where somebody else has waited for it: its id may be another process by now.
    ended: Option<ExitStatus>,
    pidfd: OwnedFd,
    shown: String,
    limit: Duration,
    end: Instant,
    input: Option<File>,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Writes to its stdin, waiting while the pipe is full. When nobody reads any more, the rest is dropped.
    ///
    /// # Panics
    ///
    /// When the limit is over, or stdin is not our pipe.
    pub fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut input = self.input.as_ref().expect("stdin is our pipe, not yet closed");
            match input.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(input, PollFlags::OUT)];
                    if !poll(&mut fds, self.end) {
                        self.fail("reads no more");
                    }
                }
                Err(error) => panic!("{}: {error}", self.shown),
            }
        }
    }

    /// Closes our end of its stdin.
    pub fn close(&mut self) {
        self.input = None;
    }

    /// Sends a signal.
    ///
    /// # Panics
    ///
    /// Never for a child of ours: it has not been waited for.
    pub fn signal(&self, signal: Signal) {
        rustix::process::pidfd_send_signal(&self.pidfd, signal).expect("a child not waited for yet");
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Instant::now())
    }

    /// Waits until its first thread sleeps and no signal is pending: all it was given is done, and what comes next finds it in
    /// its wait. (A signal sent earlier can be lost by the original.)
    ///
    /// # Panics
    ///
    /// When the limit is over.
    pub fn settle(&self) {
        let proc = PathBuf::from(format!("/proc/{}/status", self.pid().as_raw_nonzero()));
        let left = self.end.saturating_duration_since(Instant::now());
        crate::wait_until(left, "the program sleeps and no signal is pending", || {
            let status = std::fs::read_to_string(&proc).expect("a process not waited for yet");
            let field =
                |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
            let none = |set: &str| set.bytes().all(|digit| digit == b'0');
            field("State:").starts_with('S') && none(field("SigPnd:")) && none(field("ShdPnd:"))
        });
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> Vec<u8> {
        content(&self.stdout)
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn stderr(&self) -> Vec<u8> {
        content(&self.stderr)
    }

    /// Closes its stdin, if that is our pipe, and waits for its end.
    ///
    /// # Panics
    ///
    /// When the limit is over: then it is killed, and what it had printed is in the message.
    pub fn wait(mut self) -> Output {
        self.input = None;
        self.wait_open()
    }

    /// Waits for its end while its stdin stays as it is.
    ///
    /// # Panics
    ///
    /// As [`wait`](Running::wait).
    pub fn wait_open(mut self) -> Output {
        if !poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], self.end) {
            self.fail("does not end");
        }
        self.reap()
    }

    /// kill -9, and what was left of it.
    pub fn kill(mut self) -> Output {
        self.signal(Signal::KILL);
        self.reap()
    }

    /// What was left of it, after its tracer has waited for its end.
    pub(crate) fn waited_for(mut self, status: ExitStatus) -> Output {
        self.ended = Some(status);
        self.reap()
    }

    /// Kills it by a handle that never means another process.
    pub(crate) fn killer(&self) -> OwnedFd {
        self.pidfd.try_clone().expect("a second descriptor")
    }

    /// When its time is over.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    fn reap(&mut self) -> Output {
        let status = self.ended.unwrap_or_else(|| self.child.wait().expect("a child of ours"));
        Output {
            status,
            shown: self.shown.clone(),
            stdout: content(&self.stdout),
            stderr: content(&self.stderr),
        }
    }

    fn fail(&mut self, what: &str) -> ! {
        self.signal(Signal::KILL);
        let limit = self.limit;
        let out = self.reap();
        panic!("{what} within {limit:?}, killed: {out}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // Reaped already: both fail, which is as it should be.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Whether something happened on one of the descriptors before `end`.
fn poll(fds: &mut [PollFd<'_>], end: Instant) -> bool {
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).expect("a short time");
        match rustix::event::poll(fds, Some(&left)) {
            Ok(count) => return count > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}

/// All bytes of a file, without moving the offset that the program shares.
fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().map_or(0, |meta| meta.len()) as usize];
    file.read_exact_at(&mut bytes, 0).expect("our own temporary file");
    bytes
}

/// How a program ended and what it printed.
#[derive(Debug, Clone)]
pub struct Output {
    status: std::process::ExitStatus,
    shown: String,
    /// All of its stdout.
    pub stdout: Vec<u8>,
    /// All of its stderr.
    pub stderr: Vec<u8>,
}

impl Output {
    /// `exit 0`, `exit 111`, `signal 9`.
    #[must_use]
    pub fn status(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => self.status.to_string(),
        }
    }

    /// Its stderr as text.
    #[must_use]
    pub fn messages(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\nstdout: {}", self.shown, self.status(), Show(&self.stdout))?;
        write!(f, "\nstderr: {}", Show(&self.stderr))
    }
}

/// Bytes for a message: unprintable ones escaped, the middle of long ones left out.
#[derive(Clone, Copy)]
pub struct Show<'a>(pub &'a [u8]);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ENDS: usize = 100;
        let Show(bytes) = self;
        if bytes.len() <= 4 * ENDS {
            return write!(f, "{}", bytes.escape_ascii());
        }
        let (head, rest) = bytes.split_at(ENDS);
        let (middle, tail) = rest.split_at(rest.len() - ENDS);
        write!(f, "{} … {} bytes … {}", head.escape_ascii(), middle.len(), tail.escape_ascii())
    }
}

impl fmt::Debug for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
