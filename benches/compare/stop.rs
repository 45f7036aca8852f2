//! Being stopped: INT, TERM and HUP end the loggers, and with them every wait of ours, so that directories are removed on
//! the way out as after any other failure.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, Signal as Kill, kill_process_group};

use crate::fail::{Fail, Unable};

static ASKED: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// From here on a signal no longer ends us at once. To be called before any other thread or process is started.
pub fn on_signals() -> Result<(), Fail> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().unable_to(|| "block signals".into())?;
    thread::spawn(move || {
        if signals.wait().is_ok() {
            ASKED.store(true, Ordering::SeqCst);
            running(|pids| pids.iter().for_each(|&pid| kill(pid)));
        }
    });
    Ok(())
}

/// Fails if we were asked to stop.
pub fn check() -> Result<(), Fail> {
    if ASKED.load(Ordering::SeqCst) { Err(Fail::new("finish", "interrupted")) } else { Ok(()) }
}

/// From now on the process group led by `pid` dies with us.
pub fn watch(pid: Pid) {
    running(|pids| pids.push(pid));
    // The signal may have come after the process started and before it was on the list.
    if ASKED.load(Ordering::SeqCst) {
        kill(pid);
    }
}

/// To be called before `pid` is reaped, when its number may go to somebody else.
pub fn forget(pid: Pid) {
    running(|pids| pids.retain(|&known| known != pid));
}

/// Ends the process group led by `pid`; that it has ended already is no mistake.
pub fn kill(pid: Pid) {
    let _ = kill_process_group(pid, Kill::KILL);
}

fn running<T>(change: impl FnOnce(&mut Vec<Pid>) -> T) -> T {
    // No holder of the lock can panic half-way, so a poisoned list is a good list.
    change(&mut RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}
