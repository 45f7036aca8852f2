//! Every call fails, with every reason: once, or from some call on until the fault is mended, or until TERM.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};

use crate::trace::{Act, Edge, arguments, available, number};

use super::kill::Survey;
use super::trial::{PATIENCE, Trial};
use super::workload::Workload;
use super::{Extent, Logger, Tally, each_beside};

/// Why a call may fail.
const REASONS: [Errno; 14] = [
    Errno::ENOSPC,
    Errno::EIO,
    Errno::EDQUOT,
    Errno::EROFS,
    Errno::EMFILE,
    Errno::ENFILE,
    Errno::EINTR,
    Errno::EAGAIN,
    Errno::ENOMEM,
    Errno::EACCES,
    Errno::EPERM,
    Errno::ELOOP,
    Errno::ESTALE,
    Errno::EFBIG,
];

/// Calls that fail only for what the program itself has done, or that are no business of a log: the C library ends the program
/// when they fail, or nobody asks.
const INNER: &[i64] = &[
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_madvise,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_prctl,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_prlimit64,
    libc::SYS_umask,
    libc::SYS_kill,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

/// How long a fault lasts before it is mended.
const LASTS: Duration = Duration::from_millis(60);

/// How long a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasting {
    /// This one time.
    Once,
    /// Every such call from here on, until it is mended.
    UntilMended,
    /// The same, and it is not mended before the logger has obeyed TERM.
    UntilTerm,
}

#[derive(Debug)]
struct Case<'a> {
    thread: usize,
    index: usize,
    number: i64,
    /// On which file: for the reader of a failure.
    #[expect(dead_code, reason = "shown by Debug")]
    about: &'a str,
    reason: Errno,
    lasting: Lasting,
    /// Before the directory is named it is the loader and the runtime that fail; they may end as they like.
    early: bool,
}

/// Lets calls of every shape (what is called, and on which file) fail with every reason; every call with
/// [`Extent::Whole`]. No line may be lost, TERM is obeyed within a second, and what has changed is said once.
#[must_use]
pub fn errno(logger: &Logger, workload: &Workload, extent: Extent) -> Tally {
    if let Err(reason) = available() {
        return Tally::skipped(reason);
    }
    let survey = Survey::of(logger, workload);
    let mut known = HashSet::new();
    let mut cases = Vec::new();
    for seen in &survey.seen {
        let (number, about) = (seen.shape.0, seen.shape.1.as_str());
        // No reason here is one that these can have.
        // And over its own socket pair the standard library only hears from a child that has not started yet.
        let own = is_own(about) || (seen.thread > 0 && about.starts_with("socket:"));
        if INNER.contains(&number) || own {
            continue;
        }
        if extent == Extent::Quick && !known.insert((seen.thread, &seen.shape)) {
            continue;
        }
        let early = seen.thread == 0 && seen.index < survey.first;
        for (at, reason) in REASONS.into_iter().enumerate() {
            let case = |lasting| Case {
                thread: seen.thread,
                index: seen.index,
                number,
                about,
                reason,
                lasting,
                early,
            };
            cases.push(case(Lasting::Once));
            // These take a tenth of a second each: at each commit three reasons a shape, others for the next one.
            let drawn = extent == Extent::Whole || ((at + 5 * known.len()) % REASONS.len()).is_multiple_of(5);
            if !early && drawn {
                cases.push(case(Lasting::UntilMended));
                // Calls that are interrupted for ever by nothing are no state of a machine.
                if reason != Errno::EINTR {
                    cases.push(case(Lasting::UntilTerm));
                }
            }
        }
    }
    each_beside(4, &cases, |case| fail(logger, workload, case))
}

/// The logger's own bell and its signals: they are in the kernel's memory, and nothing outside can make them fail.
fn is_own(file: &str) -> bool {
    file.contains("[eventfd]") || file.contains("[signalfd]")
}

fn fail(logger: &Logger, workload: &Workload, case: &Case) -> Tally {
    let mut trial = Trial::new(logger, workload);
    let (mut since, mut told): (Option<Instant>, Option<Instant>) = (None, None);
    let life = trial.traced(&[], |stop| {
        // A file that is closed is closed, whatever is said of it.
        let edge = if case.number == libc::SYS_close { Edge::Exit } else { Edge::Entry };
        let again = since.is_some() && case.lasting != Lasting::Once;
        let here = since.is_none() && (stop.thread, stop.index) == (case.thread, case.index);
        if stop.edge != edge || !(here || again) || number(stop) != Ok(case.number) {
            return Act::Go;
        }
        let descriptor = arguments(stop).map_or(0, |(first, _)| first);
        let file = std::fs::read_link(format!("/proc/{}/fd/{descriptor}", stop.process));
        if file.is_ok_and(|file| is_own(&file.display().to_string())) {
            return Act::Go;
        }
        let since = *since.get_or_insert_with(Instant::now);
        match case.lasting {
            Lasting::Once => (),
            Lasting::UntilMended if since.elapsed() > LASTS => return Act::Go,
            Lasting::UntilMended => (),
            Lasting::UntilTerm if told.is_none() && since.elapsed() > LASTS => {
                _ = kill(stop.process, Signal::SIGTERM);
                told = Some(Instant::now());
            }
            Lasting::UntilTerm => (),
        }
        Act::Fail(case.reason)
    });
    let Some(since) = since else { return Tally::default() };
    let status = life.output.status();
    let mut slowest = Duration::ZERO;
    match case.lasting {
        Lasting::Once => (),
        Lasting::UntilMended => {
            slowest = life.end.saturating_duration_since(since + LASTS);
            if slowest > PATIENCE {
                trial
                    .is_stuck(format!("goes on only {slowest:?} after the fault is mended: {}", life.output));
            }
        }
        Lasting::UntilTerm => {
            let took = told.map_or(Duration::ZERO, |told| life.end.saturating_duration_since(told));
            if took > PATIENCE {
                trial.is_stuck(format!("TERM was obeyed after {took:?}"));
            }
            if workload.dirs.len() > 1 {
                // The other directory may have what this one refuses.
                trial.may_repeat();
            }
        }
    }
    if !["exit 0", "exit 111"].contains(&status.as_str()) && !case.early {
        trial.fault(format!("it ended: {}", life.output));
    }
    if status == "exit 0" && told.is_none() && trial.waiting() > 0 {
        trial.fault(format!("success, and {} bytes are left in the pipe", trial.waiting()));
    }
    let said = life.output.messages();
    let mut lines: Vec<&str> = said.lines().collect();
    lines.sort_unstable();
    if lines.windows(2).any(|pair| pair[0] == pair[1]) {
        trial.fault(format!("the same was said twice: {said:?}"));
    }
    Tally { slowest, ..trial.finish(&format!("{case:?}")) }
}
