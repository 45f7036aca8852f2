//! System calls for a line that comes alone: what an ordinary service costs, where speed does not matter.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::answer;
use crate::case::{ALONE, ORDINARY};
use crate::fail::{Fail, Unable};
use crate::feed::accepted;
use crate::find;
use crate::input::Input;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::peer::{Job, Peer};
use crate::process::{GRACE, Process, pause};
use crate::scratch::{Place, Scratch};
use crate::speed::{progress, said};

/// After a line is in the log its logger still has to take it and go back to waiting; only then comes the next.
const GAP: Duration = Duration::from_millis(1);
/// A logger that keeps a line longer than this does not write it when it comes.
const PATIENCE: Duration = Duration::from_secs(3);

/// System calls a line, for each peer: those of a run with lines, less those of a run without.
pub fn measure(peers: &[Peer], options: &Options, scratch: &Scratch) -> Result<Vec<Outcome<f64>>, Fail> {
    let strace = find::on_path("strace").filter(|_| options.wants(ALONE));
    let Some(strace) = strace else { return Ok(peers.iter().map(|_| Outcome::Cannot).collect()) };
    let input = Input::of_bytes(ORDINARY, 1_000_000);
    let lines = if options.smoke { 100 } else { 2000 };
    let mut outcomes = Vec::new();
    for peer in peers {
        progress(&format!("{ALONE}: {}", peer.name));
        let counts = [0, lines].map(|lines| count(lines, peer, &input, scratch, strace.as_os_str()));
        let [none, all] = counts;
        outcomes.push(match (none?, all?) {
            (Outcome::Done(none), Outcome::Done(all)) => Outcome::Done((all - none) / lines as f64),
            (Outcome::Done(_), other) | (other, _) => other,
        });
    }
    progress("");
    Ok(outcomes)
}

/// All system calls of one run with so many lines.
fn count(
    lines: usize,
    peer: &Peer,
    input: &Input,
    scratch: &Scratch,
    strace: &std::ffi::OsStr,
) -> Result<Outcome<f64>, Fail> {
    let place = scratch.place()?;
    let Some(job) = peer.job(input, &place)? else { return Ok(Outcome::Cannot) };
    let mut process = Process::start(traced(&job, strace, &place)?, &place)?;
    if let Some(why) = feed_slowly(&mut process, lines, input, &place)? {
        return Ok(Outcome::Wrong(why));
    }
    match process.finish(GRACE)? {
        Some(status) if status.success() => {}
        _ => return Ok(Outcome::Wrong(format!("it did not end well under strace{}", said(&place)))),
    }
    let path = place.calls();
    let table = std::fs::read_to_string(&path).unable_to(|| format!("read {}", path.display()))?;
    place.close()?;
    Ok(total(&table).map_or(Outcome::Wrong("strace counted nothing".into()), Outcome::Done))
}

fn traced(job: &Job, strace: &std::ffi::OsStr, place: &Place) -> Result<Command, Fail> {
    let mut command = Command::new(strace);
    // -f: other threads of the logger count as well.
    command.args(["-f", "-c", "-o"]).arg(place.calls()).arg("--").arg(&job.program).args(&job.arguments);
    job.connect(&mut command, Stdio::piped())?;
    Ok(command)
}

/// Writes line after line, each when the one before is in the log, then closes the pipe. Says what went wrong, if it did.
fn feed_slowly(
    process: &mut Process,
    lines: usize,
    input: &Input,
    place: &Place,
) -> Result<Option<String>, Fail> {
    // The job asked for a pipe, and nobody took its end before us.
    let Some(mut pipe) = process.stdin() else { return Ok(Some("it has no input".into())) };
    let log = place.log();
    let size = || answer::bytes(&log).unable_to(|| format!("examine {}", log.display()));
    for line in input.lines().take(lines) {
        let before = size()?;
        if !accepted(pipe.write_all(line))? {
            return Ok(Some(format!("it stopped reading{}", said(place))));
        }
        let start = Instant::now();
        while size()? < before + line.len() as u64 {
            if start.elapsed() > PATIENCE {
                return Ok(Some(format!(
                    "a line was not in the log {} s after it was written",
                    PATIENCE.as_secs()
                )));
            }
            pause(Duration::from_micros(50))?;
        }
        pause(GAP)?;
    }
    Ok(None)
}

/// The number of calls in the last row of strace's table: per cent, seconds, microseconds a call, calls, then the rest.
fn total(table: &str) -> Option<f64> {
    let row = table.lines().find(|line| line.split_whitespace().last() == Some("total"))?;
    row.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn reads_the_total_with_and_without_errors() {
        let head = "% time     seconds  usecs/call     calls    errors syscall\n";
        let with = format!("{head}------ ---\n100.00    0.000000           0        57         3 total\n");
        let without = format!("{head}100.00    0.001200           1       120           total\n");
        assert_eq!(total(&with), Some(57.0));
        assert_eq!(total(&without), Some(120.0));
        assert_eq!(total(head), None);
    }
}
