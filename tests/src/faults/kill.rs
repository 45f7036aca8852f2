//! kill -9 at the entry and at the exit of every system call, of every thread; twice in a row; while a writer writes; and TERM
//! there.

use std::time::Instant;

use nix::sys::signal::{Signal, kill as send};

use crate::feeder::Rng;
use crate::mask_labels;
use crate::trace::{Act, Edge, Stop, arguments, available, number, text};

use super::trial::{PATIENCE, Rest, Trial, ending};
use super::workload::Workload;
use super::{Extent, Logger, Tally, each, each_beside};

/// Threads interleave differently in each life: calls beyond the last one of the first life are tried as well.
const MARGIN: usize = 4;

/// A moment in a life.
#[derive(Debug, Clone, Copy)]
struct Point {
    thread: usize,
    index: usize,
    edge: Edge,
}

impl Point {
    fn is(self, stop: &Stop) -> bool {
        (self.thread, self.index, self.edge) == (stop.thread, stop.index, stop.edge)
    }
}

/// A life to which nothing happens: how many calls each thread makes, and where the logger first names its directory.
pub(super) struct Survey {
    calls: Vec<usize>,
    /// The call of the first thread that names the directory first.
    pub(super) first: usize,
    /// Each call in the order of time.
    pub(super) seen: Vec<Seen>,
}

/// A call as it was seen at its entry.
pub(super) struct Seen {
    pub(super) thread: usize,
    pub(super) index: usize,
    /// Its number, and what it is about.
    pub(super) shape: (i64, String),
}

impl Survey {
    pub(super) fn of(logger: &Logger, workload: &Workload) -> Survey {
        let mut trial = Trial::new(logger, workload);
        let later = ending(workload);
        let (mut first, mut seen) = (None, Vec::new());
        let (dir, _, _) = workload.dirs[0];
        let life = trial.traced(&later, |stop| {
            if stop.edge == Edge::Entry {
                let (one, two) = arguments(stop).unwrap_or_default();
                let names = [text(stop, one), text(stop, two)];
                let names_it = |name: &String| name.trim_start_matches("./").starts_with(dir);
                // Before that it is the loader and the runtime that make calls.
                if first.is_none() && names.iter().any(names_it) {
                    first = Some(stop.index);
                }
                let shape = (number(stop).unwrap_or(-1), about(stop, one, &names));
                seen.push(Seen { thread: stop.thread, index: stop.index, shape });
            }
            Act::Go
        });
        Survey { calls: life.calls, first: first.unwrap_or(0), seen }
    }

    /// All points, or those from where the directory is named.
    fn points(&self, extent: Extent) -> Vec<Point> {
        let first = if extent == Extent::Quick { self.first } else { 0 };
        let mut points = Vec::new();
        for (thread, &calls) in self.calls.iter().enumerate() {
            let from = if thread == 0 { first } else { 0 };
            for index in from..calls + MARGIN {
                points.extend([Edge::Entry, Edge::Exit].map(|edge| Point { thread, index, edge }));
            }
        }
        points
    }

    /// The call of the first thread at which a workload's signal comes.
    fn middle(&self) -> usize {
        (self.first + self.calls[0]) / 2
    }
}

/// What a call is about: the path or name in its arguments, or the file behind its first one; labels masked.
fn about(stop: &Stop, descriptor: u64, names: &[String]) -> String {
    let is_name = |name: &&String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let about = names.iter().find(is_name).cloned().unwrap_or_else(|| {
        let link = format!("/proc/{}/fd/{descriptor}", stop.process);
        std::fs::read_link(link).map(|path| path.display().to_string()).unwrap_or_default()
    });
    String::from_utf8_lossy(&mask_labels(about.as_bytes())).into_owned()
}

/// Kills the logger once at each point; the next one has to finish.
#[must_use]
pub fn kill(logger: &Logger, workload: &Workload, extent: Extent) -> Tally {
    if let Err(reason) = available() {
        return Tally::skipped(reason);
    }
    let survey = Survey::of(logger, workload);
    each_beside(beside(workload), &survey.points(extent), |&point| {
        let mut trial = Trial::new(logger, workload);
        if die(&mut trial, workload, &survey, point) {
            trial.finish(&format!("killed at {point:?}"))
        } else {
            Tally::default()
        }
    })
}

/// How many lives there may be at a time on a processor: those that wait for TERM do nothing else.
fn beside(workload: &Workload) -> usize {
    if ending(workload).is_empty() { 1 } else { 4 }
}

/// Whether it came to the point, and has died there.
fn die(trial: &mut Trial, workload: &Workload, survey: &Survey, point: Point) -> bool {
    let signal =
        workload.signal.map(|signal| Signal::try_from(signal.as_raw()).expect("a signal like any other"));
    let middle = Point { thread: 0, index: survey.middle(), edge: Edge::Entry };
    let life = trial.traced(&ending(workload), |stop| {
        if let Some(signal) = signal.filter(|_| middle.is(stop)) {
            // It is stopped, so it is there.
            _ = send(stop.process, signal);
        }
        if point.is(stop) { Act::Kill } else { Act::Go }
    });
    life.killed
}

/// Kills the logger at a point, the next one at a point of its start or its work, and lets a third one finish.
#[must_use]
pub fn double(logger: &Logger, workload: &Workload, extent: Extent, seed: u64) -> Tally {
    if let Err(reason) = available() {
        return Tally::skipped(reason);
    }
    let survey = Survey::of(logger, workload);
    let mut points = survey.points(Extent::Quick);
    let mut rng = Rng::new(seed);
    let (pairs_each, firsts) = match extent {
        Extent::Quick => (1, 120),
        Extent::Whole => (12, usize::MAX),
    };
    while points.len() > firsts {
        points.swap_remove(rng.range(0, points.len() as u64) as usize);
    }
    let draw = |point: &Point, rng: &mut Rng| (*point, rng.bits());
    let pairs: Vec<_> = points
        .iter()
        .flat_map(|point| (0..pairs_each).map(|_| draw(point, &mut rng)).collect::<Vec<_>>())
        .collect();
    each_beside(beside(workload), &pairs, |&(point, bits)| {
        let mut trial = Trial::new(logger, workload);
        if !die(&mut trial, workload, &survey, point) {
            return Tally::default();
        }
        // A start takes some hundred calls; most of them in the first thread.
        let mut rng = Rng::new(bits);
        let second = Point {
            thread: usize::from(rng.one_in(4)),
            index: rng.range(survey.first as u64, survey.first as u64 + 120) as usize,
            edge: if rng.one_in(2) { Edge::Entry } else { Edge::Exit },
        };
        let second =
            if second.thread == 0 { second } else { Point { index: second.index - survey.first, ..second } };
        trial.traced(&ending(workload), |stop| if second.is(stop) { Act::Kill } else { Act::Go });
        trial.finish(&format!("TEST_SEED={seed}, killed at {point:?} and at {second:?}"))
    })
}

/// A writer has written a line in part, and writes the rest while the logger stands at a call, from its first look on; then the
/// logger is killed at a call soon after.
#[must_use]
pub fn late(logger: &Logger, workload: &Workload, extent: Extent) -> Tally {
    /// The calls in which it has the rest and logs it: stops, two a call.
    const SOON: usize = 16;
    if let Err(reason) = available() {
        return Tally::skipped(reason);
    }
    let corpus = workload.corpus();
    // Three looks of a logger that waits for the rest of a line, or as many as it takes to find that this takes long.
    let (waiting, step) = if extent == Extent::Quick { (24, 3) } else { (64, 1) };
    // Where there is nothing else, and behind other lines.
    let parts = [0, 3].map(|n| (corpus.start(n) as usize, corpus.length(n)));
    let all = parts.iter().flat_map(|part| (0..waiting).map(move |at| (part, at)));
    let all =
        all.flat_map(|(&(start, length), at)| (1..=SOON).map(move |kill| (start + length / 2, at, kill)));
    let cases: Vec<_> = all.step_by(step).collect();
    each(&cases, |&(bytes, at, kill)| {
        let (mut trial, rest) = Trial::begun(logger, workload, bytes);
        let (mut rest, mut stops) = (Some(rest), None);
        let life = trial.traced(&[], |stop| {
            if stops.is_none() && number(stop) == Ok(nix::libc::SYS_tee) {
                stops = Some(0);
            }
            let Some(stops) = stops.as_mut().filter(|_| stop.thread == 0) else { return Act::Go };
            if *stops == at {
                rest.take().into_iter().for_each(Rest::write);
            }
            *stops += 1;
            if *stops > at + kill { Act::Kill } else { Act::Go }
        });
        if life.killed {
            trial.finish(&format!("{bytes} bytes there, the rest at stop {at}, killed {kill} stops later"))
        } else {
            Tally::default()
        }
    })
}

/// TERM at each call of the first thread: it has to end within a second, and what it has not logged is left to the next one. Nothing
/// is logged twice.
#[must_use]
pub fn signals(logger: &Logger, workload: &Workload, extent: Extent) -> Tally {
    if let Err(reason) = available() {
        return Tally::skipped(reason);
    }
    let survey = Survey::of(logger, workload);
    let mut points = survey.points(extent);
    points.retain(|point| point.thread == 0 && point.edge == Edge::Entry);
    each(&points, |point| {
        let mut trial = Trial::new(logger, workload);
        let mut told = None;
        let life = trial.traced(&[], |stop| {
            if told.is_none() && point.is(stop) {
                _ = send(stop.process, Signal::SIGTERM);
                told = Some(Instant::now());
            }
            Act::Go
        });
        let Some(told) = told else { return Tally::default() };
        let took = life.end.saturating_duration_since(told);
        if took > PATIENCE && !life.stuck {
            trial.is_stuck(format!("TERM was obeyed after {took:?}"));
        }
        // Before it has said what to do with TERM, that kills it as it kills every program.
        if !["exit 0", "signal 15"].contains(&life.output.status().as_str()) {
            trial.fault(format!("after TERM: {}", life.output));
        }
        if workload.long {
            // It may go on in the middle of a very long line, as after a kill.
            trial.may_repeat();
        }
        let mut tally = trial.finish(&format!("TERM at {point:?}"));
        if tally.duplicated > 0 && life.output.status() == "exit 0" {
            tally.wrong = 1;
            tally
                .words
                .push(format!("{}: {} lines twice after TERM at {point:?}", workload.name, tally.duplicated));
        }
        Tally { slowest: took, ..tally }
    })
}
