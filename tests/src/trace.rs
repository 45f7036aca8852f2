//! A program that is stopped at the entry and the exit of each of its system calls, in every thread, to be killed there, to be
//! sent a signal, or to be told that the call has failed.
//!
//! With ptrace(2). One thread traces one program at a time, and must have no other child meanwhile. The processes that the
//! program starts are not traced.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::PTRACE_EVENT_STOP;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{Cmd, Output};

/// Which side of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Nothing is done yet.
    Entry,
    /// It is done, and the program does not know it yet.
    Exit,
}

/// Where a program stands.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// The process.
    pub process: Pid,
    /// The thread by its kernel id.
    pub task: Pid,
    /// The thread by its order of birth: 0 is the first.
    pub thread: usize,
    /// Counts the calls of this thread from 0.
    pub index: usize,
    /// Before the call or after it.
    pub edge: Edge,
}

/// What is to happen at a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Go on.
    Go,
    /// kill -9.
    Kill,
    /// The call, at its entry, is not made and fails; at its exit, is made and says that it has failed.
    Fail(Errno),
}

/// A life under the eyes of a tracer.
#[derive(Debug)]
pub struct Life {
    /// How it ended and what it printed.
    pub output: Output,
    /// The calls of each thread, by its order of birth.
    pub calls: Vec<usize>,
    /// It came to the stop that said [`Act::Kill`].
    pub killed: bool,
    /// It was killed because its time was over.
    pub stuck: bool,
    /// When it ended.
    pub end: Instant,
}

/// Signals that come from outside, each so long after the start.
pub type Later<'a> = &'a [(Duration, rustix::process::Signal)];

/// What a started thread stands in: the calls it has made, and the failure to be told at the exit of this one.
struct Thread {
    task: Pid,
    calls: usize,
    inside: bool,
    fails: Option<Errno>,
}

/// Whether programs can be traced here; the reason if not.
///
/// # Errors
///
/// The kernel or a sandbox forbids it, or this is a machine whose registers we do not know.
pub fn available() -> Result<(), String> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    FOUND.get_or_init(try_it).clone()
}

fn try_it() -> Result<(), String> {
    if !registers::KNOWN {
        return Err("the registers of this machine are not known".to_owned());
    }
    let child = Cmd::new("cat").spawn();
    let pid = Pid::from_raw(child.pid().as_raw_nonzero().get());
    let seized = ptrace::seize(pid, Options::empty());
    child.kill();
    match seized {
        Ok(()) => Ok(()),
        Err(errno) => Err(format!("ptrace is not allowed: {}", errno.desc())),
    }
}

/// Runs the command to its end, `ask`ing at each stop. Its time limit holds.
///
/// # Panics
///
/// When it cannot be started or traced; [`available`] says so before.
pub fn trace(cmd: Cmd, stdin: impl Into<Stdio>, later: Later, mut ask: impl FnMut(&Stop) -> Act) -> Life {
    // It stops itself so that no call is missed; after exec it is the program alone.
    let running = cmd.behind(["sh", "-c", r#"kill -STOP $$; exec "$0" "$@""#]).spawn_on(stdin);
    let process = Pid::from_raw(running.pid().as_raw_nonzero().get());
    waitpid(process, Some(WaitPidFlag::WUNTRACED)).expect("a child that stops itself");
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(process, options).expect("a child may be traced");
    kill(process, Signal::SIGCONT).expect("a child not waited for yet");

    let clock = Clock::start(running.killer(), running.end(), later);
    let mut threads = Vec::new();
    let mut killed = false;
    let status = loop {
        let (task, signal) = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Ok(WaitStatus::PtraceEvent(task, _, event)) if event == Event::PTRACE_EVENT_EXEC as i32 => {
                threads.push(Thread::new(task));
                (task, None)
            }
            Ok(WaitStatus::PtraceEvent(task, _, event)) => {
                let born = event == PTRACE_EVENT_STOP && threads.iter().all(|thread| thread.task != task);
                if born && !threads.is_empty() {
                    threads.push(Thread::new(task));
                }
                (task, None)
            }
            Ok(WaitStatus::PtraceSyscall(task)) => {
                if let Some(at) = threads.iter().position(|thread| thread.task == task) {
                    let stop = threads[at].stop(process, at);
                    if threads[at].obey(stop, &mut ask) {
                        killed = true;
                        // Its threads die where they stand.
                        _ = kill(process, Signal::SIGKILL);
                        continue;
                    }
                }
                (task, None)
            }
            Ok(WaitStatus::Stopped(task, signal)) => (task, Some(signal)),
            Ok(WaitStatus::Exited(task, code)) if task == process => break ExitStatus::from_raw(code << 8),
            Ok(WaitStatus::Signaled(task, signal, _)) if task == process => {
                break ExitStatus::from_raw(signal as i32);
            }
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(errno) => panic!("waiting for {process}: {errno}"),
        };
        // Where it fails the thread has been killed, and its end is what comes next.
        _ = ptrace::syscall(task, signal);
    };
    let end = Instant::now();
    let stuck = clock.stop();
    let calls = threads.iter().map(|thread| thread.calls).collect();
    Life { output: running.waited_for(status), calls, killed, stuck, end }
}

impl Thread {
    fn new(task: Pid) -> Thread {
        Thread { task, calls: 0, inside: false, fails: None }
    }

    /// Where a thread that has stopped at a call stands.
    fn stop(&mut self, process: Pid, thread: usize) -> Stop {
        const PTRACE_SYSCALL_INFO_ENTRY: u8 = 1;
        let entry = ptrace::syscall_info(self.task).is_ok_and(|info| info.op == PTRACE_SYSCALL_INFO_ENTRY);
        self.calls += usize::from(entry);
        self.inside = entry;
        let edge = if entry { Edge::Entry } else { Edge::Exit };
        // A thread begins, and a program starts, with the exit of a call that is not its own.
        Stop { process, task: self.task, thread, index: self.calls.saturating_sub(1), edge }
    }

    /// Does what `ask` says; true when that is to kill.
    fn obey(&mut self, stop: Stop, ask: &mut impl FnMut(&Stop) -> Act) -> bool {
        if let Some(errno) = self.fails.take() {
            registers::give(self.task, errno);
        }
        match ask(&stop) {
            Act::Go => false,
            Act::Kill => true,
            Act::Fail(errno) => {
                match stop.edge {
                    Edge::Entry => {
                        registers::skip(self.task);
                        self.fails = Some(errno);
                    }
                    Edge::Exit => registers::give(self.task, errno),
                }
                false
            }
        }
    }
}

/// Sends what is to be sent later, and kills what takes too long.
struct Clock {
    stop: Sender<()>,
    thread: JoinHandle<bool>,
}

impl Clock {
    fn start(killer: OwnedFd, end: Instant, later: Later) -> Clock {
        let (stop, stopped) = channel();
        let begin = Instant::now();
        let mut due: Vec<_> = later.iter().map(|&(after, signal)| (begin + after, signal)).collect();
        due.push((end, rustix::process::Signal::KILL));
        let thread = thread::spawn(move || {
            for (at, signal) in due {
                let left = at.saturating_duration_since(Instant::now());
                match stopped.recv_timeout(left) {
                    Err(RecvTimeoutError::Timeout) => {
                        // It may have ended just now.
                        _ = rustix::process::pidfd_send_signal(&killer, signal);
                    }
                    _ => return false,
                }
            }
            true
        });
        Clock { stop, thread }
    }

    /// Whether the time was over.
    fn stop(self) -> bool {
        drop(self.stop);
        self.thread.join().expect("it does nothing that can fail")
    }
}

/// Which call a thread stands at.
///
/// # Errors
///
/// The thread has been killed.
pub fn number(stop: &Stop) -> Result<i64, Errno> {
    registers::number(stop.task)
}

/// The first two arguments of the call a thread stands at.
///
/// # Errors
///
/// The thread has been killed.
pub fn arguments(stop: &Stop) -> Result<(u64, u64), Errno> {
    registers::arguments(stop.task)
}

/// The text at an address of the program, up to its NUL and at most 255 bytes.
#[must_use]
pub fn text(stop: &Stop, address: u64) -> String {
    let mut text = Vec::new();
    for at in (address..).step_by(size_of::<nix::libc::c_long>()).take(32) {
        let Ok(word) = ptrace::read(stop.task, at as ptrace::AddressType) else { break };
        let bytes = word.to_ne_bytes();
        let end = bytes.iter().position(|&byte| byte == 0);
        text.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
        if end.is_some() {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(target_arch = "x86_64")]
mod registers {
    use nix::errno::Errno;
    use nix::sys::ptrace::{getregs, setregs};
    use nix::unistd::Pid;

    pub(super) const KNOWN: bool = true;

    pub(super) fn number(task: Pid) -> Result<i64, Errno> {
        Ok(getregs(task)?.orig_rax.cast_signed())
    }

    pub(super) fn arguments(task: Pid) -> Result<(u64, u64), Errno> {
        let registers = getregs(task)?;
        Ok((registers.rdi, registers.rsi))
    }

    /// At an entry: there is no call -1, so nothing is done.
    pub(super) fn skip(task: Pid) {
        change(task, |registers| registers.orig_rax = u64::MAX);
    }

    /// At an exit: what the call returns.
    pub(super) fn give(task: Pid, errno: Errno) {
        change(task, |registers| registers.rax = (-i64::from(errno as i32)).cast_unsigned());
    }

    /// Where it fails the thread has been killed.
    fn change(task: Pid, change: impl Fn(&mut nix::libc::user_regs_struct)) {
        if let Ok(mut registers) = getregs(task) {
            change(&mut registers);
            _ = setregs(task, registers);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod registers {
    use nix::errno::Errno;
    use nix::unistd::Pid;

    pub(super) const KNOWN: bool = false;

    pub(super) fn number(_task: Pid) -> Result<i64, Errno> {
        Err(Errno::ENOSYS)
    }

    pub(super) fn arguments(_task: Pid) -> Result<(u64, u64), Errno> {
        Err(Errno::ENOSYS)
    }

    pub(super) fn skip(_task: Pid) {}

    pub(super) fn give(_task: Pid, _errno: Errno) {}
}
