//! How fast: each logger gets the same input in turn, several times over.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::answer;
use crate::fail::{Fail, Unable};
use crate::feed;
use crate::input::Input;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::peer::{Job, Peer};
use crate::process::{GRACE, Process};
use crate::scratch::{Place, Scratch};
use crate::stop;

/// Millions of input bytes a second, one figure a round, in ascending order.
pub struct Speed(Vec<f64>);

impl Speed {
    /// The figure in the middle, or the mean of the two there.
    pub fn median(&self) -> f64 {
        let Speed(rates) = self;
        let middle = rates.len() / 2;
        if rates.len() % 2 == 1 { rates[middle] } else { (rates[middle - 1] + rates[middle]) / 2.0 }
    }

    /// The slowest and the fastest round.
    pub fn range(&self) -> (f64, f64) {
        // A speed is made from its first round, so there is at least one.
        (self.0[0], self.0[self.0.len() - 1])
    }

    fn insert(&mut self, rate: f64) {
        let place = self.0.partition_point(|&known| known < rate);
        self.0.insert(place, rate);
    }
}

/// For each input, for each peer.
pub type Speeds = Vec<Vec<Outcome<Speed>>>;

/// Runs every case with every peer in every round. Rounds are outermost and the order is turned each time, so that a
/// machine that slows down or speeds up does it to everybody.
pub fn measure(
    inputs: &[Input],
    peers: &[Peer],
    options: &Options,
    scratch: &Scratch,
) -> Result<Speeds, Fail> {
    let mut speeds: Speeds = inputs.iter().map(|_| peers.iter().map(|_| Outcome::Cannot).collect()).collect();
    for round in 0..options.rounds {
        for (case, input) in inputs.iter().enumerate() {
            progress(&format!("round {} of {}: {}", round + 1, options.rounds, input.case.name));
            for turn in 0..peers.len() {
                let who = (turn + round + case) % peers.len();
                let outcome = &mut speeds[case][who];
                if outcome.wrong().is_none() {
                    add(outcome, once(input, &peers[who], scratch)?);
                }
            }
        }
    }
    progress("");
    Ok(speeds)
}

/// Puts one more figure to those of earlier rounds.
pub fn add(outcome: &mut Outcome<Speed>, new: Outcome<f64>) {
    match (outcome, new) {
        (Outcome::Done(speed), Outcome::Done(rate)) => speed.insert(rate),
        (outcome, Outcome::Done(rate)) => *outcome = Outcome::Done(Speed(vec![rate])),
        (outcome, Outcome::Wrong(why)) => *outcome = Outcome::Wrong(why),
        (_, Outcome::Cannot) => {}
    }
}

/// One run from before the start to after the end, then the count.
fn once(input: &Input, peer: &Peer, scratch: &Scratch) -> Result<Outcome<f64>, Fail> {
    stop::check()?;
    let place = scratch.place()?;
    let Some(job) = peer.job(input, &place)? else { return Ok(Outcome::Cannot) };
    let seconds = match run(&job, input, &place)? {
        Ok(seconds) => seconds,
        Err(why) => return Ok(Outcome::Wrong(why)),
    };
    let found = answer::count(&place.log()).unable_to(|| format!("count {}", place.log().display()))?;
    place.close()?;
    Ok(match job.mistake(found) {
        Some(mistake) => Outcome::Wrong(mistake),
        None => Outcome::Done(input.whole.bytes as f64 / 1e6 / seconds),
    })
}

/// Seconds, or what the logger did instead of its work.
fn run(job: &Job, input: &Input, place: &Place) -> Result<Result<f64, String>, Fail> {
    // Whoever does not manage 1 MB/s does not read its input.
    let limit = GRACE + Duration::from_secs(input.whole.bytes / 1_000_000);
    let command = job.command(feed::stdin(input)?)?;
    let start = Instant::now();
    let mut process = Process::start(command, place)?;
    let pipe = process.stdin();
    let (status, all_read) = std::thread::scope(|scope| {
        // The pipe moves into the thread and is closed there: that is the logger's end of input.
        let writer = pipe.map(|mut pipe| scope.spawn(move || feed::pour(input, &mut pipe)));
        let status = process.finish(limit);
        // The writer does not panic, and if it did its input was not read to the end.
        (status, writer.map_or(Ok(true), |writer| writer.join().unwrap_or(Ok(false))))
    });
    let seconds = start.elapsed().as_secs_f64();
    Ok(match (status?, all_read?) {
        (None, _) => Err("it did not come to an end".into()),
        (Some(status), _) if !status.success() => Err(format!("{status}{}", said(place))),
        (_, false) => Err(format!("it stopped reading{}", said(place))),
        _ => Ok(seconds),
    })
}

/// The first line of the logger's standard error, for the report.
pub fn said(place: &Place) -> String {
    let text = std::fs::read(place.stderr()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().map(|line| format!(", saying: {line}")).unwrap_or_default()
}

/// Where we are, for whoever sits and waits; one line that overwrites itself.
pub fn progress(what: &str) {
    let mut err = io::stderr();
    if err.is_terminal() {
        let _ = write!(err, "\r\x1b[K{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let mut speed = Speed(vec![5.0]);
        assert_eq!((speed.median(), speed.range()), (5.0, (5.0, 5.0)));
        speed.insert(1.0);
        assert_eq!(speed.median(), 3.0);
        speed.insert(100.0);
        assert_eq!((speed.median(), speed.range()), (5.0, (1.0, 100.0)));
    }
}
