//! Days since 1970 and dates of the Gregorian calendar, in both directions, without a clock or a zone.
//!
//! The calendar is taken to hold for all years, as the C library takes it. Years are those of the common era; the year before
//! 1 is 0.

/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// Days in four centuries, after which the calendar repeats.
const CYCLE: i64 = 146_097;

/// A day, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year, 0 and below before the common era.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

/// Whether the year has a 29th of February.
pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970-01-01 to the first of January of `year`. Does not overflow within 10^15 years.
///
/// ```
/// use tai64n_tools::calendar::days_before;
/// assert_eq!(days_before(1970), 0);
/// assert_eq!(days_before(1969), -365);
/// ```
pub fn days_before(year: i64) -> i64 {
    let past = year - 1;
    // 719162 days lie between 0001-01-01 and 1970-01-01.
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 719_162
}

/// Days in a month, 1 to 12, of this year.
pub fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of a date, counted from 1970-01-01; `None` where the calendar has no such date.
///
/// ```
/// use tai64n_tools::calendar::{Date, day_of};
/// assert_eq!(day_of(Date { year: 1970, month: 3, day: 1 }), Some(59));
/// assert_eq!(day_of(Date { year: 1970, month: 2, day: 29 }), None);
/// ```
pub fn day_of(date: Date) -> Option<i64> {
    let Date { year, month, day } = date;
    let is_date = (1..=12).contains(&month) && (1..=month_days(year, month)).contains(&day);
    let before: i64 = (1..month).map(|month| month_days(year, month)).sum();
    is_date.then(|| days_before(year) + before + day - 1)
}

/// The date of a day counted from 1970-01-01. Does not overflow for days of any `i64` count of seconds.
///
/// Years are counted from March here, so that the day that comes and goes is the last of its year; in such a year the month is
/// a linear function of the day, 153 days for five months.
#[inline]
pub fn date(days: i64) -> Date {
    // 1970-01-01 is 719468 days after 0000-03-01.
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    // Leap days, and the missing ones, taken out: then every year has 365 days.
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_new_year = i64::from(month >= 10);
    Date {
        year: cycle * 400 + year + in_new_year,
        month: month + 3 - 12 * in_new_year,
        day: day - (153 * month + 2) / 5 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_and_their_ends() {
        let mut next = Date { year: 1899, month: 1, day: 1 };
        for days in days_before(1899)..days_before(2302) {
            assert_eq!(date(days), next, "day {days}");
            assert_eq!(day_of(next), Some(days), "{next:?}");
            next.day += 1;
            if next.day > month_days(next.year, next.month) {
                next = Date { month: next.month + 1, day: 1, ..next };
            }
            if next.month > 12 {
                next = Date { year: next.year + 1, month: 1, day: 1 };
            }
        }
    }

    #[test]
    fn far_days() {
        let check = |days, year, month, day| assert_eq!(date(days), Date { year, month, day }, "day {days}");
        check(0, 1970, 1, 1);
        check(-1, 1969, 12, 31);
        check(days_before(1), 1, 1, 1);
        check(days_before(1) - 1, 0, 12, 31);
        check(days_before(10_000) - 1, 9999, 12, 31);
        check(days_before(-400), -400, 1, 1);
        // The ends of what seconds can say.
        date(i64::MAX / DAY);
        date(i64::MIN / DAY);
    }
}
