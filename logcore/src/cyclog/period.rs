//! The periods of `r`: spans of local time, each with files of its own.

use std::time::Duration;

/// From 1970-01-01, a Thursday, back to the Monday before: weeks begin there.
const MONDAY: i64 = 3 * 86400;

/// A span of Unix time, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    begin: i64,
    /// Not in it any more.
    end: i64,
}

impl Period {
    /// The one of this length in which `now` lies. They follow each other from midnight on, whole weeks from Monday on.
    /// `east`: how far local time is ahead at a Unix second. `length`: at most some centuries.
    pub(super) fn of(now: i64, length: Duration, east: impl Fn(i64) -> i64) -> Period {
        let length = i64::try_from(length.as_secs()).unwrap_or(i64::MAX).max(1);
        let local = now + east(now);
        let first = local - (local + MONDAY).rem_euclid(length);
        // By the offset that holds then; a moment that clocks leave out by that before.
        let at = |local: i64| {
            let then = local - east(local - east(now));
            then.max(local - east(then))
        };
        Period { begin: at(first).min(now), end: at(first + length).max(now + 1) }
    }

    pub(super) fn contains(self, now: i64) -> bool {
        (self.begin..self.end).contains(&now)
    }

    /// How long it goes on; none once it is over.
    pub(super) fn left(self, now: i64) -> Duration {
        Duration::from_secs(u64::try_from(self.end - now).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Summer time of two hours ahead, from second 1,000,000,000 to 1,010,000,000; else one hour.
    fn summer(second: i64) -> i64 {
        if (1_000_000_000..1_010_000_000).contains(&second) { 7200 } else { 3600 }
    }

    #[test]
    fn periods_are_aligned_to_local_time() {
        let check = |now: i64, length: u64, begin: i64, end: i64| {
            let period = Period::of(now, Duration::from_secs(length), summer);
            assert_eq!(period, Period { begin, end }, "{now}, {length}");
            assert!(period.contains(now) && period.contains(end - 1) && !period.contains(end));
            assert_eq!(period.left(now), Duration::from_secs((end - now).unsigned_abs()));
        };
        // 1970-01-01 01:00 there.
        check(0, 86400, -3600, 82800);
        check(82799, 86400, -3600, 82800);
        check(82800, 86400, 82800, 169_200);
        check(-3601, 86400, -90_000, -3600);
        check(5000, 3600, 3600, 7200);
        check(5000, 60, 4980, 5040);
        check(5000, 1, 5000, 5001);
        // A week from Monday, 1969-12-29, on.
        check(0, 7 * 86400, -3 * 86400 - 3600, 4 * 86400 - 3600);
        // The day on which summer begins has 23 hours, that on which it ends 25.
        check(999_990_000, 86400, 999_990_000, 1_000_072_800);
        check(1_000_072_799, 86400, 999_990_000, 1_000_072_800);
        check(1_009_922_400, 86400, 1_009_922_400, 1_010_012_400);
        check(1_010_000_000, 86400, 1_009_922_400, 1_010_012_400);
        // Summer begins at 02:46:40. A span that would end just then does, as does one that would end in the hour left out
        // that much later.
        check(999_999_999, 400, 999_999_600, 1_000_000_000);
        check(999_999_999, 3600, 999_997_200, 1_000_000_800);
    }

    /// Wherever clocks go forward or back, and by how much: no span is so short that its files push others out.
    #[test]
    fn no_span_is_short_where_clocks_change() {
        let noon = 20_000 * 86400 + 43200;
        for change in (-3600..=3600).step_by(600) {
            for by in [-86400, -7200, -3600, -1800, 1800, 3600, 7200, 86400] {
                let east = |second: i64| if second < noon + change { 3600 } else { 3600 + by };
                for length in [600, 1800, 3600, 7200, 21600, 86400, 7 * 86400] {
                    let mut now = noon - 8 * 86400;
                    while now < noon + 8 * 86400 {
                        let period = Period::of(now, Duration::from_secs(length), east);
                        let span = period.end - now;
                        assert!(
                            span >= 600 || now == noon - 8 * 86400,
                            "{span} s at {now}, {change} {by} {length}"
                        );
                        now = period.end;
                    }
                }
            }
        }
    }

    #[test]
    fn any_clock_is_in_its_period() {
        for now in [i64::MIN / 2, -1, 0, 1, i64::MAX / 2] {
            for length in [0, 1, 7, 86400, 100 * 366 * 86400] {
                for east in [-50_400, 0, 50_400] {
                    let period = Period::of(now, Duration::from_secs(length), |_| east);
                    assert!(period.contains(now), "{now}, {length}, {east}: {period:?}");
                }
            }
        }
    }
}
