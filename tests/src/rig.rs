//! A logger on a pipe that the test holds, as svscan holds it: what one logger has not taken waits for the next.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::{Cmd, LogDir, Output, Running, Scratch, Signal, program, wait_until};

/// The second that a logger has to end in after a signal, and what a busy machine may add to it.
pub const SECOND: Duration = Duration::from_millis(1_500);

/// How long a test waits for what happens at once on an idle machine.
pub const SOON: Duration = Duration::from_secs(10);

/// A scratch directory, a pipe, and loggers between them.
#[derive(Debug)]
pub struct Rig {
    /// Where the loggers run. Dropped last, so that the pipe is gone before it.
    scratch: Scratch,
    /// The pipe that is every logger's stdin.
    pub pipe: HeldPipe,
}

impl Rig {
    /// An empty directory and an empty pipe.
    pub fn new() -> Rig {
        Rig { scratch: Scratch::new(), pipe: HeldPipe::new() }
    }

    /// The same with a directory in memory: for what is not about the disk, and rotates by the thousand.
    pub fn in_memory() -> Rig {
        Rig { scratch: Scratch::in_memory(), pipe: HeldPipe::new() }
    }

    /// The directory that the loggers run in.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scratch.join(name)
    }

    /// The log directory `log` in it.
    pub fn log(&self) -> LogDir {
        LogDir::new(self.join("log"))
    }

    /// The logger with a script, to be started in the directory.
    pub fn logger(&self, script: &[&str]) -> Cmd {
        Cmd::new(program("multilog")).args(script).cwd(self.path())
    }

    /// Starts a logger on the pipe.
    pub fn start(&self, script: &[&str]) -> Running {
        self.logger(script).spawn_on(self.pipe.stdin())
    }

    /// Waits until `current` in `log` holds exactly these bytes.
    #[track_caller]
    pub fn wait_for_current(&self, bytes: &[u8]) {
        let what = format!("current is {}", crate::Show(bytes));
        wait_until(SOON, &what, || self.log().read("current") == bytes);
    }

    /// Closes the pipe and lets a logger (the running one, if any, must be given) come to the end of its input.
    #[track_caller]
    pub fn finish(&mut self, running: Running) -> Output {
        self.pipe.close();
        let out = running.wait_open();
        assert_eq!(out.status(), "exit 0", "{out}");
        out
    }
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new()
    }
}

/// Sends the signal; the logger has to end within a second, with exit code 0.
#[track_caller]
pub fn stop(running: Running, signal: Signal) -> Output {
    running.signal(signal);
    wait_until(SECOND, &format!("the logger ends after {signal:?}"), || running.has_ended());
    let out = running.wait_open();
    assert_eq!(out.status(), "exit 0", "after {signal:?}: {out}");
    out
}

/// The warnings among what a logger has said, by line.
pub fn warnings(stderr: &[u8]) -> Vec<String> {
    let said = String::from_utf8_lossy(stderr);
    said.lines().filter(|line| line.contains(": warning: ")).map(String::from).collect()
}

/// A pipe whose read end the test holds, as svscan does: what a dead logger has not taken waits for the next.
#[derive(Debug)]
pub struct HeldPipe {
    reader: PipeReader,
    writer: Option<PipeWriter>,
}

impl HeldPipe {
    /// An empty pipe of the system's default size.
    pub fn new() -> HeldPipe {
        let (reader, writer) = io::pipe().expect("a pipe");
        HeldPipe { reader, writer: Some(writer) }
    }

    /// An empty pipe that keeps each write apart (`O_DIRECT`): its room is counted in writes, not in bytes.
    pub fn packets() -> HeldPipe {
        use rustix::pipe::{PipeFlags, pipe_with};
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::DIRECT).expect("a packet pipe");
        HeldPipe { reader: reader.into(), writer: Some(writer.into()) }
    }

    /// A pipe that holds `bytes` and has no writer any more. It is made large enough, up to 1 MiB.
    pub fn closed_with(bytes: &[u8]) -> HeldPipe {
        let mut pipe = HeldPipe::new();
        pipe.enlarge(bytes.len());
        pipe.write(bytes);
        pipe.close();
        pipe
    }

    /// Makes room for `bytes` in the pipe.
    pub fn enlarge(&self, bytes: usize) {
        if bytes > 65_536 {
            rustix::pipe::fcntl_setpipe_size(&self.reader, bytes).expect("a larger pipe");
        }
    }

    /// The read end for a child. Each call gives a copy.
    pub fn stdin(&self) -> Stdio {
        Stdio::from(self.reader.try_clone().expect("a descriptor"))
    }

    /// The read end itself.
    pub fn reader(&self) -> &PipeReader {
        &self.reader
    }

    /// The write end. It panics after [`HeldPipe::close`].
    pub fn writer(&self) -> PipeWriter {
        self.writer.as_ref().expect("an open pipe").try_clone().expect("a descriptor")
    }

    /// Writes it all; waits for a reader when the pipe is full.
    pub fn write(&self, bytes: &[u8]) {
        self.writer.as_ref().expect("an open pipe").write_all(bytes).expect("room in the pipe");
    }

    /// Writes as much as the pipe takes at once, and says how much that was.
    pub fn fill(&self, bytes: &[u8]) -> usize {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        let mut writer = self.writer.as_ref().expect("an open pipe");
        let flags = fcntl_getfl(writer).expect("flags");
        fcntl_setfl(writer, flags | OFlags::NONBLOCK).expect("flags");
        let mut done = 0;
        while let Ok(more) = writer.write(&bytes[done..]) {
            done += more;
            if more == 0 {
                break;
            }
        }
        fcntl_setfl(writer, flags).expect("flags");
        done
    }

    /// Drops the test's write end: the end of the input, when there is no other.
    pub fn close(&mut self) {
        self.writer = None;
    }

    /// The bytes that wait in the pipe.
    pub fn waiting(&self) -> usize {
        rustix::io::ioctl_fionread(&self.reader).expect("the bytes in a pipe") as usize
    }

    /// Takes everything that waits in the pipe.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.waiting()];
        self.reader.read_exact(&mut bytes).expect("the bytes that wait");
        bytes
    }
}

impl Default for HeldPipe {
    fn default() -> HeldPipe {
        HeldPipe::new()
    }
}

/// Says on the real stderr, which the test harness does not hide, that the running test does not do its work, and why.
pub fn skipped(reason: &str) {
    let thread = std::thread::current();
    let said = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("test"));
    _ = rustix::io::write(rustix::stdio::stderr(), said.as_bytes());
}

/// `strace` if it can trace here. Where it is not installed or may not trace, says so and gives `None`; under CI an strace
/// that is installed has to work.
pub fn strace() -> Option<&'static str> {
    let reason = match std::process::Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output()
    {
        Ok(output) if output.status.success() => return Some("strace"),
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(std::env::var_os("CI").is_none(), "strace is installed and does not work: {reason}");
            reason
        }
        Err(error) => error.to_string(),
    };
    skipped(&format!("strace cannot be used: {}", reason.trim_end()));
    None
}
