//! Which old logs go next: those beyond the number that stays, the oldest first, never the newest.
//!
//! Told names, answers with names; the caller unlinks. The least name is the oldest, and no file time is asked.

use crate::label::Label;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// So many of the oldest names are remembered at a time; a directory with more to remove takes another look.
const REMEMBERED: usize = 4096;

/// Counts old logs and remembers the oldest, in constant memory however large the directory is.
#[derive(Debug)]
pub struct Census {
    /// Log files kept, `current` among them, so at most `num - 1` old ones stay.
    num: usize,
    /// Later names come from a wrong clock and count as the oldest.
    horizon: Label,
    count: usize,
    /// The oldest so far: whether it is of this clock, and its name.
    oldest: BTreeSet<(bool, OsString)>,
}

impl Census {
    /// `num`: log files kept, `current` among them, at least 2. `horizon`: see
    /// [`Namer::horizon`](super::name::Namer::horizon).
    pub fn new(num: usize, horizon: Label) -> Self {
        Census { num, horizon, count: 0, oldest: BTreeSet::new() }
    }

    /// Takes account of an entry of the directory. What is not the name of an old log does not count.
    pub fn see(&mut self, name: &OsStr) {
        let Some(label) = super::name::parse(name.as_bytes()) else { return };
        self.count += 1;
        self.oldest.insert((label <= self.horizon, name.to_owned()));
        if self.oldest.len() > REMEMBERED {
            self.oldest.pop_last();
        }
    }

    /// The old logs to remove now, oldest first; when there are many, the oldest 4096. Empty when nothing is left to do.
    pub fn surplus(&self) -> impl Iterator<Item = &OsStr> {
        self.oldest.iter().take(self.excess()).map(|(_, name)| &**name)
    }

    fn excess(&self) -> usize {
        self.count.saturating_sub(self.num.max(2) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cyclog::name::compose;

    fn surplus(num: usize, seconds: &[i64]) -> Vec<i64> {
        let mut census = Census::new(num, Label::from_unix(1000, 0));
        for second in seconds {
            census.see(&compose(Label::from_unix(*second, 0), b"s"));
        }
        census.see(OsStr::new("current"));
        census.see(OsStr::new("@a-note"));
        let label = |name: &OsStr| super::super::name::parse(name.as_bytes()).expect("its own names");
        census.surplus().map(|name| label(name).unix_seconds()).collect()
    }

    #[test]
    fn the_oldest_go_until_one_fewer_than_num_stay() {
        let check = |num: usize, seconds: &[i64], wanted: &[i64]| {
            assert_eq!(surplus(num, seconds), wanted, "n{num} {seconds:?}");
        };
        check(3, &[], &[]);
        check(3, &[7, 5], &[]);
        check(3, &[7, 5, 6], &[5]);
        check(2, &[7, 5, 6, 8], &[5, 6, 7]);
        check(0, &[7, 5], &[5]);
    }

    #[test]
    fn names_of_the_future_go_first() {
        assert_eq!(surplus(3, &[900, 5000, 901, 4000]), [4000, 5000]);
    }

    #[test]
    fn a_large_surplus_takes_several_looks() {
        let mut census = Census::new(100, Label::from_unix(100_000, 0));
        for second in 1..=5000 {
            census.see(&compose(Label::from_unix(second, 0), b"s"));
        }
        assert_eq!(census.surplus().count(), REMEMBERED);
    }
}
