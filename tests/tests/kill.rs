//! What does kill -9 cost? A writer writes numbered lines, loggers on its pipe die and are followed by others, and at the
//! end no complete line may be missing. The program `faults` does the same much longer, and with other loggers.
//!
//! A failure prints its seed; `TEST_SEED=…` draws the same lines and the same pauses again.

use tests::faults::{Extent, KILL, LATE, Logger, RANDOM, Tally, Workload, kill, killed_at_random, late};
use tests::feeder::seed;
use tests::rig::skipped;

fn workload(from: &'static [Workload], name: &str) -> &'static Workload {
    from.iter().find(|workload| workload.name == name).expect("a workload of this name")
}

/// The promise was kept in every case, and there were so many at least.
#[track_caller]
fn is_right(tally: &Tally, least: usize) {
    if let Some(reason) = &tally.skipped {
        return skipped(reason);
    }
    assert!(tally.is_right(), "{}:\n  {}", tally.figures(), tally.words.join("\n  "));
    assert!(tally.cases >= least, "only {} kills", tally.cases);
    println!("{} kills, {} lines twice", tally.cases, tally.duplicated);
}

/// 50 kills, none of which may cost a line.
fn loses_nothing(name: &str) {
    is_right(&killed_at_random(&Logger::ours(), workload(RANDOM, name), 50, seed()), 50);
}

#[test]
fn random_kills_lose_nothing_plain() {
    loses_nothing("plain");
}

#[test]
fn random_kills_lose_nothing_with_stamps() {
    loses_nothing("stamps");
}

#[test]
fn random_kills_lose_nothing_with_stamps_and_patterns() {
    loses_nothing("stamps and patterns");
}

#[test]
fn random_kills_lose_nothing_in_two_directories() {
    loses_nothing("two directories");
}

#[test]
fn random_kills_lose_nothing_with_a_processor() {
    loses_nothing("processor");
}

#[test]
fn random_kills_lose_nothing_with_many_small_files() {
    loses_nothing("many small files");
}

/// The measure of the tests above, from one side: a run without kills is right, and nothing is logged twice.
#[test]
fn the_judge_is_content_without_kills() {
    let logger = Logger::original().unwrap_or_else(Logger::ours);
    for name in ["plain", "two directories"] {
        let tally = killed_at_random(&logger, workload(RANDOM, name), 0, 1);
        assert!(tally.is_right() && tally.words.is_empty() && tally.duplicated == 0, "{tally:#?}");
    }
}

/// And from the other: the same run with the original multilog, which reads before it writes.
#[test]
fn the_judge_sees_what_the_original_loses() {
    let Some(original) = Logger::original() else { return };
    let seed = seed();
    let loses =
        |attempt| killed_at_random(&original, workload(RANDOM, "stamps"), 20, seed + attempt).lost > 0;
    assert!(
        (0..5).any(loses),
        "TEST_SEED={seed}: no line lost in 100 kills of a logger that is known to lose them: is the judge blind?"
    );
}

#[test]
fn a_kill_at_the_entry_and_exit_of_any_system_call_loses_nothing() {
    is_right(&kill(&Logger::ours(), workload(KILL, "long lines"), Extent::Quick), 300);
}

#[test]
fn a_kill_at_the_entry_and_exit_of_any_system_call_loses_nothing_in_two_directories() {
    is_right(&kill(&Logger::ours(), workload(KILL, "two directories"), Extent::Quick), 300);
}

/// The rest of a line can come between any two calls: its head is in the pipe until the whole is logged.
#[test]
fn a_kill_loses_nothing_while_a_line_comes_in_parts() {
    is_right(&late(&Logger::ours(), workload(LATE, "stamps and patterns"), Extent::Quick), 200);
}

/// The measure of the tests above: the original loses lines at most of its calls.
#[test]
fn the_judge_sees_what_the_original_loses_at_its_calls() {
    let Some(original) = Logger::original() else { return };
    let tally = kill(&original, workload(KILL, "stamps"), Extent::Quick);
    if let Some(reason) = tally.skipped {
        return skipped(&reason);
    }
    assert!(
        tally.losing * 4 > tally.cases,
        "{} of {} kills were seen to lose lines",
        tally.losing,
        tally.cases
    );
}
