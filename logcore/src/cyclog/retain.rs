//! Which old logs go next: those beyond what stays, the oldest first, never the newest.
//!
//! Told names, sizes and, of names that lie ahead of the clock, file times; answers with names, which the caller unlinks. The least
//! name is the oldest.

use crate::label::Label;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

/// So many of the oldest names are remembered at a time; a directory with more to remove takes another look.
const REMEMBERED: usize = 4096;

/// What stays. The newest old log stays in any case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Log files kept, `current` among them, so at most `num - 1` old ones stay; at least 2.
    pub(super) num: usize,
    /// They take at most so many bytes together.
    pub(super) bytes: u64,
    /// Those that were finished before go.
    pub(super) since: Option<Label>,
    /// Later names come from a wrong clock and count as the oldest; see [`Namer::horizon`](super::name::Namer::horizon).
    pub(super) horizon: Label,
}

/// Counts old logs and remembers the oldest, in constant memory however large the directory is.
#[derive(Debug)]
pub(super) struct Census {
    limits: Limits,
    count: usize,
    bytes: u64,
    /// The oldest so far.
    oldest: BTreeSet<Old>,
}

/// In the order in which they go.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Old {
    /// Its name is of this clock.
    is_true: bool,
    name: OsString,
    finished: Label,
    bytes: u64,
}

impl Census {
    /// Nothing is counted yet.
    pub(super) fn new(limits: Limits) -> Self {
        Census { limits, count: 0, bytes: 0, oldest: BTreeSet::new() }
    }

    /// Takes account of an old log: its name, and the moment in that; its size; when it was finished.
    pub(super) fn see(&mut self, name: &OsStr, label: Label, bytes: u64, finished: Label) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let is_true = label <= self.limits.horizon;
        self.oldest.insert(Old { is_true, name: name.to_owned(), finished, bytes });
        if self.oldest.len() > REMEMBERED {
            self.oldest.pop_last();
        }
    }

    /// The old logs to remove now, oldest first; when there are many, those among the oldest 4096. Empty when nothing is left
    /// to do.
    pub(super) fn surplus(&self) -> impl Iterator<Item = &OsStr> {
        let Limits { num, bytes: most, since, .. } = self.limits;
        let (mut count, mut bytes) = (self.count, self.bytes);
        let goes = move |old: &&Old| {
            let is_old = since.is_some_and(|since| old.finished < since);
            let goes = count > 1 && (count > num.max(2) - 1 || bytes > most || is_old);
            if goes {
                count -= 1;
                bytes = bytes.saturating_sub(old.bytes);
            }
            goes
        };
        self.oldest.iter().filter(goes).map(|old| &*old.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cyclog::name::{compose, parse};
    use std::os::unix::ffi::OsStrExt;

    fn limits(num: usize) -> Limits {
        Limits { num, bytes: u64::MAX, since: None, horizon: Label::from_unix(1000, 0) }
    }

    /// Old logs of these seconds, each ten bytes long but for that of second 9, which is a hundred bytes long.
    fn surplus(limits: Limits, seconds: &[i64]) -> Vec<i64> {
        let mut census = Census::new(limits);
        for &second in seconds {
            let bytes = if second == 9 { 100 } else { 10 };
            // Those of the far future are of the file time 8.
            let finished = if second > 4000 { 8 } else { second };
            let label = Label::from_unix(second, 0);
            census.see(&compose(label, b"s"), label, bytes, Label::from_unix(finished, 0));
        }
        let label = |name: &OsStr| parse(name.as_bytes()).expect("its own names");
        census.surplus().map(|name| label(name).unix_seconds()).collect()
    }

    #[test]
    fn the_oldest_go_until_one_fewer_than_num_stay() {
        let check = |num: usize, seconds: &[i64], wanted: &[i64]| {
            assert_eq!(surplus(limits(num), seconds), wanted, "n{num} {seconds:?}");
        };
        check(3, &[], &[]);
        check(3, &[7, 5], &[]);
        check(3, &[7, 5, 6], &[5]);
        check(2, &[7, 5, 6, 8], &[5, 6, 7]);
        check(0, &[7, 5], &[5]);
    }

    #[test]
    fn the_oldest_go_until_the_others_fit() {
        let check = |bytes: u64, seconds: &[i64], wanted: &[i64]| {
            assert_eq!(surplus(Limits { bytes, ..limits(5) }, seconds), wanted, "b{bytes} {seconds:?}");
        };
        check(20, &[7, 5], &[]);
        check(19, &[7, 5], &[5]);
        check(10, &[7, 5, 6], &[5, 6]);
        // The newest stays, whatever its size, and one in the middle counts as all others do.
        check(0, &[7, 5, 6], &[5, 6]);
        check(99, &[7, 9], &[7]);
        check(30, &[7, 9, 10], &[7, 9]);
        // The number holds as well.
        check(50, &[1, 2, 3, 4, 5], &[1]);
    }

    #[test]
    fn what_is_older_goes_but_the_newest() {
        let check = |since: i64, seconds: &[i64], wanted: &[i64]| {
            let since = Some(Label::from_unix(since, 0));
            assert_eq!(surplus(Limits { since, ..limits(5) }, seconds), wanted, "{since:?} {seconds:?}");
        };
        check(5, &[7, 5], &[]);
        check(6, &[7, 5], &[5]);
        check(99, &[7, 5, 6], &[5, 6]);
        // One of the future is no old one, unless it was finished long ago.
        check(6, &[7, 5, 4000], &[5]);
        check(8, &[9, 10, 4001], &[]);
        check(9, &[9, 10, 4001], &[4001]);
    }

    #[test]
    fn names_of_the_future_go_first() {
        assert_eq!(surplus(limits(3), &[900, 5000, 901, 4000]), [4000, 5000]);
    }

    #[test]
    fn a_large_surplus_takes_several_looks() {
        let mut census = Census::new(Limits { horizon: Label::from_unix(100_000, 0), ..limits(100) });
        for second in 1..=5000 {
            let label = Label::from_unix(second, 0);
            census.see(&compose(label, b"s"), label, 0, label);
        }
        assert_eq!(census.surplus().count(), REMEMBERED);
    }
}
