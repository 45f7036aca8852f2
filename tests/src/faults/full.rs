//! A full disk: a small tmpfs with so many pages or so many inodes left. The logger holds the writer back and goes on when there is
//! room again; when it is told to end or is killed before, the next one does.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::rig::HeldPipe;
use crate::{Running, Scratch, Signal};

use super::mount::{inside_as_anybody, run};
use super::trial::{PATIENCE, Trial};
use super::workload::Workload;
use super::{Logger, Tally, each_beside};

/// What the disk has.
const DISK: &str = "size=512k,nr_inodes=64";
const PAGE: usize = 4_096;

/// Nothing was taken for so long: the logger has all, or has no room.
const STILL: Duration = Duration::from_millis(60);

/// What is left on the disk.
#[derive(Debug, Clone, Copy)]
enum Left {
    Pages(usize),
    Inodes(usize),
}

/// What happens on the full disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Somebody makes room.
    Room,
    /// TERM, and room for the next logger.
    Term,
    /// kill -9, and room for the next logger.
    Kill,
}

/// Disks with nothing left, and with a little more each time until the logger needs no more, and each end.
#[must_use]
pub fn full(logger: &str) -> Tally {
    inside_as_anybody(&["--inside", "full", logger].map(str::to_owned))
}

/// The same, in a namespace where a tmpfs may be mounted.
///
/// # Errors
///
/// None can be.
pub fn full_here(logger: &Logger, workloads: &[Workload]) -> Result<Tally, String> {
    let left = (0..=9).map(Left::Pages).chain((0..=8).map(Left::Inodes));
    let ends = left.flat_map(|left| [Then::Room, Then::Term, Then::Kill].map(|then| (left, then)));
    let ends: Vec<_> = ends.collect();
    let workloads = workloads.iter().filter(|workload| logger.can(workload));
    let cases: Vec<_> =
        workloads.flat_map(|workload| ends.iter().map(move |&(left, then)| (workload, left, then))).collect();
    drop(Disk::new()?);
    Ok(each_beside(2, &cases, |&(workload, left, then)| {
        one(logger, workload, left, then).unwrap_or_else(|fault| Tally {
            wrong: 1,
            words: vec![fault],
            ..Tally::default()
        })
    }))
}

fn one(logger: &Logger, workload: &Workload, left: Left, then: Then) -> Result<Tally, String> {
    let disk = Disk::new()?;
    let place = disk.scratch.within();
    // What svlogd is told stands in a file: it has to be there before the disk is full.
    _ = logger.cmd(workload, workload.processor, place.path());
    let mut trial = Trial::within(place, logger, workload);
    let failed = |error: std::io::Error| error.to_string();
    disk.fill(left).map_err(failed)?;
    let mut room = Ok(());
    let mut since = Instant::now();
    let out = trial.life(|running, pipe| {
        wait_until_still(running, pipe);
        match then {
            Then::Room => room = disk.free(),
            Then::Term => running.signal(Signal::TERM),
            Then::Kill => running.signal(Signal::KILL),
        }
        since = Instant::now();
    });
    let took = since.elapsed();
    room.map_err(failed)?;
    if then != Then::Room {
        disk.free().map_err(failed)?;
    }
    if took > PATIENCE {
        trial.is_stuck(format!("after {then:?} it took {took:?}: {out}"));
    }
    if then == Then::Term {
        // A directory that was not full may have what the other one has not.
        trial.may_repeat();
    }
    if out.status() == "exit 0" && then == Then::Room && trial.waiting() > 0 {
        trial.fault(format!("success, and {} bytes are left in the pipe", trial.waiting()));
    }
    let tally = trial.finish(&format!("{left:?}, {then:?}"));
    Ok(Tally { slowest: tally.slowest.max(took), ..tally })
}

fn wait_until_still(running: &Running, pipe: &HeldPipe) {
    let mut waiting = pipe.waiting();
    let mut since = Instant::now();
    while since.elapsed() < STILL && !running.has_ended() {
        thread::sleep(Duration::from_millis(5));
        if pipe.waiting() != waiting {
            (waiting, since) = (pipe.waiting(), Instant::now());
        }
    }
}

/// A small tmpfs; it goes when dropped.
struct Disk {
    scratch: Scratch,
}

impl Disk {
    fn new() -> Result<Disk, String> {
        let scratch = Scratch::in_memory();
        run(
            "mount",
            [
                "-t".as_ref(),
                "tmpfs".as_ref(),
                "-o".as_ref(),
                DISK.as_ref(),
                "none".as_ref(),
                scratch.path().as_os_str(),
            ],
        )?;
        Ok(Disk { scratch })
    }

    fn filler(&self) -> PathBuf {
        self.scratch.join("filler")
    }

    /// Until so much is left.
    fn fill(&self, left: Left) -> std::io::Result<()> {
        fs::create_dir(self.filler())?;
        let name = |n: usize| self.filler().join(n.to_string());
        match left {
            Left::Pages(pages) => {
                let mut file = File::create(name(0))?;
                let mut length = 0;
                while let Ok(more) = file.write(&[0; PAGE]) {
                    length += more;
                }
                file.set_len((length - pages * PAGE) as u64)
            }
            Left::Inodes(inodes) => {
                let made = (0..).take_while(|&n| File::create(name(n)).is_ok()).count();
                (0..inodes.min(made)).try_for_each(|n| fs::remove_file(name(n)))
            }
        }
    }

    /// There is room again.
    fn free(&self) -> std::io::Result<()> {
        fs::remove_dir_all(self.filler())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: somebody may still have a file open there. It goes with the namespace at the latest.
        let unmount = |path: &Path| run("umount", ["-l".as_ref(), path.as_os_str()]);
        _ = unmount(self.scratch.path());
    }
}
