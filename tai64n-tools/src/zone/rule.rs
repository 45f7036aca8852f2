//! A zone told by its rule: `CET-1CEST,M3.5.0,M10.5.0/3`, from `TZ` or from the end of a zone file.
//!
//! Read as glibc reads it (`time/tzset.c`, 2.36): hours beyond 24 are 24, times of change may be negative or of several days,
//! and what follows a rule that is whole is not looked at. The year whose changes count is that of the moment in UTC.

use super::Span;
use crate::calendar::{DAY, date, days_before, is_leap, month_days};

/// Standard time, and daylight time where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Seconds east of UTC.
    standard: i64,
    daylight: Option<Daylight>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Daylight {
    /// Seconds east of UTC.
    east: i64,
    begins: Change,
    ends: Change,
}

/// When a change comes each year, in the time that was in force until then.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    /// Seconds from the beginning of that day: below zero is the day before, over a day the days after.
    seconds: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Day {
    /// `J60`: 1 to 365, the 29th of February is not counted.
    WithoutLeap(i64),
    /// `59`: 0 to 365, it is.
    WithLeap(i64),
    /// `M10.5.0`: month 1 to 12, week 1 to 5 (5: the last), day 0 (Sunday) to 6.
    Weekday { month: i64, week: i64, day: i64 },
}

/// Two o'clock, when a rule does not say.
const TWO: i64 = 2 * 3600;

impl Rule {
    /// Reads a rule; `None` when it has no name of three letters and offset at its beginning, or a broken date.
    ///
    /// Daylight time without dates gets those of the United States since 2007, as in glibc where the system has no file
    /// `posixrules`.
    pub fn parse(text: &[u8]) -> Option<Rule> {
        let mut text = Text(text);
        text.name()?;
        let standard = text.offset()?;
        if text.0.is_empty() {
            return Some(Rule { standard, daylight: None });
        }
        text.name()?;
        let east = text.offset().unwrap_or(standard + 3600);
        let begins = text.change(Day::Weekday { month: 3, week: 2, day: 0 })?;
        let ends = text.change(Day::Weekday { month: 11, week: 1, day: 0 })?;
        Some(Rule { standard, daylight: Some(Daylight { east, begins, ends }) })
    }

    /// The offset at a Unix time, and the seconds around it, within one year of UTC, that have the same.
    ///
    /// `second` is within the years that [`Zone`](super::Zone) shows.
    pub fn span(&self, second: i64) -> Span {
        let Some(daylight) = &self.daylight else {
            return Span::new(i64::MIN, i64::MAX, self.standard);
        };
        let year = date(second.div_euclid(DAY)).year;
        let begins = daylight.begins.moment(year) - self.standard;
        let ends = daylight.ends.moment(year) - daylight.east;
        let is_daylight =
            if begins > ends { second < ends || second >= begins } else { second >= begins && second < ends };
        let cuts = [days_before(year) * DAY, begins, ends, days_before(year + 1) * DAY];
        let from = cuts.into_iter().filter(|&cut| cut <= second).max().unwrap_or(second);
        let until = cuts.into_iter().filter(|&cut| cut > second).min().unwrap_or(second + 1);
        Span::new(from, until, if is_daylight { daylight.east } else { self.standard })
    }
}

impl Change {
    /// Seconds from 1970 to this change in `year`, as if the clock in force showed UTC.
    fn moment(&self, year: i64) -> i64 {
        let day = match self.day {
            Day::WithLeap(day) => day,
            Day::WithoutLeap(day) => day - 1 + i64::from(is_leap(year) && day >= 60),
            Day::Weekday { month, week, day } => {
                let first = (1..month).map(|month| month_days(year, month)).sum::<i64>();
                // 1970-01-01 was a Thursday.
                let first_weekday = (days_before(year) + first + 4).rem_euclid(7);
                let mut in_month = (day - first_weekday).rem_euclid(7) + 7 * (week - 1);
                if in_month >= month_days(year, month) {
                    in_month -= 7;
                }
                first + in_month
            }
        };
        (days_before(year) + day) * DAY + self.seconds
    }
}

/// What is left of a rule.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// Takes a name: three letters or more, or `<+03>`.
    fn name(&mut self) -> Option<()> {
        let letters = self.0.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        if letters >= 3 {
            self.0 = &self.0[letters..];
            return Some(());
        }
        let quoted = self.0.strip_prefix(b"<")?;
        let len =
            quoted.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(byte)).count();
        self.0 = quoted[len..].strip_prefix(b">")?;
        (len >= 3).then_some(())
    }

    /// Takes an offset, written as hours west; returns seconds east.
    fn offset(&mut self) -> Option<i64> {
        let (sign, digits) = match self.0 {
            [b'-', rest @ ..] => (1, rest),
            [b'+', rest @ ..] => (-1, rest),
            rest => (-1, rest),
        };
        let mut text = Text(digits);
        let [hours, minutes, seconds] = text.hms()?;
        *self = text;
        Some(sign * (hours.min(24) * 3600 + minutes.min(59) * 60 + seconds.min(59)))
    }

    /// Takes `2`, `2:30` or `2:30:15`.
    fn hms(&mut self) -> Option<[i64; 3]> {
        let mut parts = [self.number()?, 0, 0];
        for part in &mut parts[1..] {
            let mut rest = Text(self.0.strip_prefix(b":").unwrap_or_default());
            let Some(number) = rest.number() else { break };
            *part = number;
            *self = rest;
        }
        Some(parts)
    }

    /// Takes decimal digits; more than four are more than anything here can mean.
    fn number(&mut self) -> Option<i64> {
        let len = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 || len > 4 {
            return None;
        }
        let (digits, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    }

    /// Takes `,M3.5.0/3`; at the end of the text it is two o'clock on `default`.
    fn change(&mut self, default: Day) -> Option<Change> {
        self.0 = self.0.strip_prefix(b",").unwrap_or(self.0);
        let day = match self.0 {
            [] => default,
            [b'J', rest @ ..] => {
                self.0 = rest;
                Day::WithoutLeap(self.number().filter(|day| (1..=365).contains(day))?)
            }
            [b'M', rest @ ..] => {
                self.0 = rest;
                let month = self.number().filter(|month| (1..=12).contains(month))?;
                self.0 = self.0.strip_prefix(b".")?;
                let week = self.number().filter(|week| (1..=5).contains(week))?;
                self.0 = self.0.strip_prefix(b".")?;
                Day::Weekday { month, week, day: self.number().filter(|day| *day <= 6)? }
            }
            _ => Day::WithLeap(self.number().filter(|day| *day <= 365)?),
        };
        let seconds = match self.0 {
            [b'/', b'-', rest @ ..] => -self.time(rest)?,
            [b'/', b'+', rest @ ..] | [b'/', rest @ ..] => self.time(rest)?,
            [] | [b',', ..] => TWO,
            _ => return None,
        };
        Some(Change { day, seconds })
    }

    fn time(&mut self, rest: &[u8]) -> Option<i64> {
        let mut text = Text(rest);
        let [hours, minutes, seconds] = text.hms()?;
        self.0 = &self.0[self.0.len() - text.0.len()..];
        Some(hours * 3600 + minutes * 60 + seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01 and 2026-07-01, noon UTC.
    const SEASONS: [i64; 2] = [1_767_268_800, 1_782_907_200];

    fn easts(text: &str) -> Option<[i64; 2]> {
        let rule = Rule::parse(text.as_bytes())?;
        Some(SEASONS.map(|second| rule.span(second).east))
    }

    #[test]
    fn offsets_and_seasons() {
        let check = |text: &str, wanted: Option<[i64; 2]>| assert_eq!(easts(text), wanted, "{text:?}");
        check("UTC0", Some([0, 0]));
        check("CET-1CEST,M3.5.0,M10.5.0/3", Some([3600, 7200]));
        check("CET-1CEST,M3.5.0/+2,M10.5.0/+3", Some([3600, 7200]));
        check("<+0330>-3:30", Some([12_600, 12_600]));
        check("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", Some([-10_800, -7200]));
        check("NZST-12NZDT,M9.5.0,M4.1.0/3", Some([46_800, 43_200]));
        check("EST5EDT4,M3.2.0,M11.1.0", Some([-18_000, -14_400]));
        check("XST+5:30:15", Some([-19_815, -19_815]));
        check("XST-30:70:70", Some([90_000 - 3600 + 3540 + 59, 90_000 - 3600 + 3540 + 59]));
        check("CET-1CEST", Some([3600, 7200]));
        check("CST6CDT,J60,J300", Some([-21_600, -18_000]));
        check("CST6CDT,0/0,J365/25", Some([-18_000, -18_000]));
        for broken in [
            "",
            "X1",
            "XST",
            "<+3>3",
            "<+03-3",
            "XST1X",
            "XST1XDT,M13.1.0,M1.1.0",
            "XST1XDT,J0,J1",
            "XST1XDT,366,1",
        ] {
            check(broken, None);
        }
        for broken in
            ["XST1XDT,M3.0.0,M1.1.0", "XST1XDT,M3.1.7,M1.1.0", "XST1XDT,M3.1,M1.1.0", "XST1XDT,M3.1.0/,1"]
        {
            check(broken, None);
        }
    }

    #[test]
    fn spans_join_and_each_second_in_them_has_their_offset() {
        for text in ["CET-1CEST,M3.5.0,M10.5.0/3", "NZST-12NZDT,M9.5.0,M4.1.0/3", "XST0XDT,0/-50,J365/167"] {
            let rule = Rule::parse(text.as_bytes()).expect("a good rule");
            let mut second = days_before(2020) * DAY;
            while second < days_before(2030) * DAY {
                let span = rule.span(second);
                assert!(span.from <= second && second < span.until, "{text} {span:?}");
                assert_eq!(rule.span(span.until - 1).east, span.east, "{text} {span:?}");
                second = span.until;
            }
        }
    }

    #[test]
    fn a_change_comes_to_the_second() {
        let rule = Rule::parse(b"CET-1CEST,M3.5.0,M10.5.0/3").expect("a good rule");
        // 2026-03-29 and 2026-10-25, one o'clock UTC.
        for (change, before, after) in [(1_774_746_000, 3600, 7200), (1_792_890_000, 7200, 3600)] {
            assert_eq!(rule.span(change - 1).east, before);
            assert_eq!(rule.span(change).east, after);
        }
    }
}
