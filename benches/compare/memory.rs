//! Memory: the most a logger ever had, and what it keeps for itself when it waits.
//!
//! Eight instances of each logger run side by side, as on a machine with a few services, so that program text and libraries
//! that they share count for none. With only two the figure would depend on chance: a page fault maps the pages around it as
//! well, and where these begin and end depends on the random address of the program.

use std::fs;
use std::process::{ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::answer;
use crate::case::{MEMORY, ORDINARY};
use crate::fail::{Fail, Unable};
use crate::feed;
use crate::input::Input;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::peer::Peer;
use crate::process::{GRACE, Process, pause};
use crate::scratch::{Place, Scratch};
use crate::speed::{progress, said};
use crate::stop;

/// Memory in kB of 1024 bytes, as the kernel reports it; the median of all instances.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// The most that was ever resident, shared pages included.
    pub peak: u64,
    /// Pages that nobody else has, after a burst and a pause.
    pub idle_private: u64,
    /// Those of them that were written to.
    pub idle_dirty: u64,
}

/// How many run side by side.
const INSTANCES: usize = 8;
/// The log has not grown for so long: the burst is over.
const QUIET: Duration = Duration::from_millis(300);
/// Whoever writes nothing for so long, with more to read, does not read.
const PATIENCE: Duration = Duration::from_secs(20);

/// What each of the instances is fed: enough for a rotation.
pub fn burst_bytes(options: &Options) -> usize {
    options.bytes.min(24_000_000)
}

/// Memory of each peer.
pub fn measure(peers: &[Peer], options: &Options, scratch: &Scratch) -> Result<Vec<Outcome<Memory>>, Fail> {
    if !options.wants(MEMORY) {
        return Ok(peers.iter().map(|_| Outcome::Cannot).collect());
    }
    let input = Input::of_bytes(ORDINARY, burst_bytes(options));
    let rest = if options.smoke { QUIET } else { Duration::from_secs(2) };
    let mut outcomes = Vec::new();
    for peer in peers {
        progress(&format!("{MEMORY}: {}", peer.name));
        outcomes.push(side_by_side(peer, &input, rest, scratch)?);
    }
    progress("");
    Ok(outcomes)
}

/// A logger that has been fed and whose input is still open.
struct Fed {
    process: Process,
    pipe: ChildStdin,
    place: Place,
}

fn side_by_side(
    peer: &Peer,
    input: &Input,
    rest: Duration,
    scratch: &Scratch,
) -> Result<Outcome<Memory>, Fail> {
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        match start(peer, input, scratch)? {
            Outcome::Done(fed) => instances.push(fed),
            Outcome::Cannot => return Ok(Outcome::Cannot),
            Outcome::Wrong(why) => return Ok(Outcome::Wrong(why)),
        }
    }
    pause(rest)?;
    let each = instances.iter().map(|fed| of_process(fed.process.pid())).collect::<Result<Vec<_>, _>>()?;
    let median = |figure: fn(&Memory) -> u64| {
        let mut figures: Vec<u64> = each.iter().map(figure).collect();
        figures.sort_unstable();
        figures[INSTANCES / 2]
    };
    let median = Memory {
        peak: median(|one| one.peak),
        idle_private: median(|one| one.idle_private),
        idle_dirty: median(|one| one.idle_dirty),
    };
    for Fed { process, pipe, place } in instances {
        drop(pipe);
        if !process.finish(GRACE)?.is_some_and(|status| status.success()) {
            return Ok(Outcome::Wrong(format!("it did not end well{}", said(&place))));
        }
        place.close()?;
    }
    Ok(Outcome::Done(median))
}

/// Starts an instance, gives it the burst and waits until all of it is in the log.
fn start(peer: &Peer, input: &Input, scratch: &Scratch) -> Result<Outcome<Fed>, Fail> {
    let place = scratch.place()?;
    let Some(job) = peer.job(input, &place)? else { return Ok(Outcome::Cannot) };
    let mut process = Process::start(job.command(Stdio::piped())?, &place)?;
    // The job asked for a pipe, and nobody took its end before us.
    let Some(mut pipe) = process.stdin() else { return Ok(Outcome::Wrong("it has no input".into())) };
    let (found, all_read) = thread::scope(|scope| {
        let writer = scope.spawn(|| feed::pour(input, &mut pipe));
        let found = settled(&place, || writer.is_finished());
        if !writer.is_finished() {
            // It does not read: only its end can wake the writer.
            stop::kill(process.pid());
        }
        // The writer does not panic, and if it did its input was not read to the end.
        (found, writer.join().unwrap_or(Ok(false)))
    });
    let found = found?;
    if !all_read? {
        return Ok(Outcome::Wrong(format!("it stopped reading{}", said(&place))));
    }
    Ok(match job.expected_bytes {
        Some(expected) if expected != found => {
            Outcome::Wrong(format!("{found} bytes in the log instead of {expected} while its input was open"))
        }
        _ => Outcome::Done(Fed { process, pipe, place }),
    })
}

/// The size of the log once all is written to the pipe and the log no longer grows.
fn settled(place: &Place, all_written: impl Fn() -> bool) -> Result<u64, Fail> {
    let log = place.log();
    let (mut since, mut last) = (Instant::now(), 0);
    loop {
        let now = answer::bytes(&log).unable_to(|| format!("examine {}", log.display()))?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if since.elapsed() > if all_written() { QUIET } else { PATIENCE } {
            return Ok(now);
        }
        pause(Duration::from_millis(10))?;
    }
}

/// Memory of a process as it is now.
pub fn of_process(pid: Pid) -> Result<Memory, Fail> {
    let read = |name: &str| {
        let path = format!("/proc/{}/{name}", pid.as_raw_nonzero());
        fs::read_to_string(&path).unable_to(|| format!("read {path}"))
    };
    let (status, rollup) = (read("status")?, read("smaps_rollup")?);
    let dirty = kilobytes(&rollup, "Private_Dirty:");
    let clean = kilobytes(&rollup, "Private_Clean:");
    Ok(Memory { peak: kilobytes(&status, "VmHWM:"), idle_private: dirty + clean, idle_dirty: dirty })
}

/// The figure behind `key` in a file of /proc; 0 where there is no such line.
fn kilobytes(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::kilobytes;

    #[test]
    fn reads_figures() {
        let text = "Name:\tmultilog\nVmHWM:\t    1234 kB\nPrivate_Dirty:        88 kB\n";
        assert_eq!(kilobytes(text, "VmHWM:"), 1234);
        assert_eq!(kilobytes(text, "Private_Dirty:"), 88);
        assert_eq!(kilobytes(text, "Private_Clean:"), 0);
    }
}
