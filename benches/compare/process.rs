//! A logger that runs: started in a process group of its own, awaited with a limit, never left behind.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::fail::{Fail, Unable};
use crate::scratch::Place;
use crate::stop;

/// A running logger. Dropped before its end it is killed, with everything it started.
pub struct Process {
    child: Child,
    pid: Pid,
    /// Readable when the process has ended.
    ended: OwnedFd,
    reaped: bool,
}

impl Process {
    /// Starts `command` with its standard error in `place`.
    pub fn start(mut command: Command, place: &Place) -> Result<Process, Fail> {
        let path = place.stderr();
        let stderr = File::create(&path).unable_to(|| format!("create {}", path.display()))?;
        command.stderr(stderr).process_group(0);
        let program = command.get_program().to_owned();
        let run = || format!("run {}", program.display());
        let mut child = command.spawn().unable_to(run)?;
        let Some(pid) = Pid::from_raw(child.id() as i32) else {
            return Err(Fail::new(run(), "its number is 0"));
        };
        stop::watch(pid);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(ended) => Ok(Process { child, pid, ended, reaped: false }),
            Err(error) => {
                stop::kill(pid);
                stop::forget(pid);
                let _ = child.wait();
                Err(error).unable_to(run)
            }
        }
    }

    /// The writing end of its standard input; there is one if the command asked for a pipe, and it is given once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until it has ended by itself; `None` if it had to be killed because it did not in this time.
    pub fn finish(mut self, limit: Duration) -> Result<Option<ExitStatus>, Fail> {
        let ended = self.wait_for_end(limit).unable_to(|| "wait for a logger".into())?;
        if !ended {
            stop::kill(self.pid);
        }
        let status = self.reap()?;
        stop::check()?;
        Ok(ended.then_some(status))
    }

    fn wait_for_end(&self, limit: Duration) -> Result<bool, Errno> {
        let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.ended, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&limit))).map(|ready| ready > 0)
    }

    fn reap(&mut self) -> Result<ExitStatus, Fail> {
        stop::forget(self.pid);
        self.reaped = true;
        self.child.wait().unable_to(|| "wait for a logger".into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            stop::kill(self.pid);
            let _ = self.reap();
        }
    }
}

/// Time to end for a logger whose input is at its end.
pub const GRACE: Duration = Duration::from_secs(60);

/// Waits a little; returns early only by failing, when we were asked to stop.
pub fn pause(length: Duration) -> Result<(), Fail> {
    std::thread::sleep(length);
    stop::check()
}
