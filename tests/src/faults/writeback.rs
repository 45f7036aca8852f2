//! A disk that takes every write and cannot keep it: an ext4 without a journal whose disk ends earlier than it was told. Writes
//! succeed, the sync fails once, and what was lost is never seen again.
//!
//! (An image on a tmpfs that is too small for it was seen to lose the end of a file whose sync had succeeded: nobody can do
//! anything about a disk that lies.)

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::feeder::Corpus;
use crate::rig::HeldPipe;
use crate::{LogDir, Scratch, Signal};

use super::mount::{Ext4, inside};
use super::trial::judge_of;
use super::workload::{Processor, WRITEBACK, Workload};
use super::{Logger, Tally};

/// What the file system believes to have, and what it has.
const DISK_BYTES: u64 = 32 << 20;
const REAL_BYTES: u64 = 4 << 20;

/// 70,000 lines to such a disk. Who says success must have them all on the disk. Who cannot, holds the writer back, and
/// when told to end says that it is no success.
///
/// Ours runs twice. With `y0` nothing is taken before its sync, so nothing may be lost. Without, what was taken in the last
/// seconds is in the page cache, from where it is written anew; but where ext4 cannot even find room for it on the disk, it
/// drops it from the page cache at once: what is lost then is only told.
#[must_use]
pub fn writeback(logger: &str) -> Tally {
    inside(&["--inside", "writeback", logger].map(str::to_owned))
}

/// The same, in a namespace where anything may be mounted.
///
/// # Errors
///
/// Nothing can be mounted here.
pub fn writeback_here(logger: &Logger) -> Result<Tally, String> {
    let mut tally = once(logger, &WRITEBACK)?;
    if logger.ours {
        let synced = once(logger, &Workload { synced: true, ..WRITEBACK })?;
        tally.words.push(format!("{} lines lost that were not synced yet", tally.lost));
        tally.words.extend(synced.words);
        let wrong = tally.wrong + synced.wrong + synced.losing;
        tally = Tally { cases: 2, wrong, words: tally.words, ..synced };
    }
    Ok(tally)
}

fn once(logger: &Logger, workload: &Workload) -> Result<Tally, String> {
    const LINES: usize = 70_000;
    const PATIENCE: Duration = Duration::from_secs(3);
    let scratch = Scratch::in_memory();
    let disk = Ext4::new(scratch.path(), DISK_BYTES, &["-O", "^has_journal"])?;
    disk.resize(REAL_BYTES)?;
    let mut pipe = HeldPipe::new();
    let mut corpus = Corpus::new();
    let input: Vec<u8> = (0..LINES).flat_map(|_| corpus.push(90)).collect();
    let running = logger.cmd(workload, Processor::None, &disk.place).spawn_on(pipe.stdin());
    let mut writer = pipe.writer();
    pipe.close();
    let feeder = thread::spawn(move || {
        // Nobody may be left to read the rest.
        _ = writer.write_all(&input);
        input
    });
    let begin = Instant::now();
    while !running.has_ended() && begin.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::TERM);
    let out = running.wait_open();
    let rest = pipe.rest();
    drop(pipe);
    let input = feeder.join().expect("a writer that only writes");
    let taken = if rest.is_empty() { input.len() } else { place_of(&rest, &input).unwrap_or(0) };

    let success = out.status() == "exit 0";
    if success {
        // Only what is really on the disk counts.
        disk.unmount()?;
        disk.resize(DISK_BYTES)?;
        disk.mount()?;
    }
    let (dir, _, classes) = workload.dirs[0];
    let verdict = judge_of(workload, &LogDir::new(disk.place.join(dir)), &corpus, classes, 1);
    let lost = verdict.lost.iter().filter(|&&n| corpus.start(n + 1) <= taken as u64).count();
    let mut tally =
        Tally { cases: 1, lost, duplicated: verdict.duplicated, torn: verdict.torn, ..Tally::default() };
    tally.losing = usize::from(tally.lost > 0);
    tally.wrong = usize::from(logger.ours && success);
    let shown = |text: &str| text.chars().take(200).collect::<String>();
    tally.words.push(format!(
        "{taken} of {} bytes taken, then {}: {}",
        input.len(),
        out.status(),
        shown(&out.messages())
    ));
    // What was not taken is not there, of course.
    let said = verdict.faults.iter().filter(|fault| tally.lost > 0 || !fault.starts_with("lost"));
    tally.words.extend(said.take(3).map(|fault| shown(fault)));
    Ok(tally)
}

/// Where in the input the rest of it begins.
fn place_of(rest: &[u8], input: &[u8]) -> Option<usize> {
    let head = &rest[..rest.len().min(90)];
    input.windows(head.len()).position(|part| part == head)
}
