//! Which moment a line of a log is stamped with, whatever stamp it has.
//!
//! | stamp | example |
//! |---|---|
//! | `t` | `@4000000066a754823060f743 ` |
//! | `d` `m` | `2024-07-29 10:36:08.811661123 `: local time, one to nine digits of fraction |
//! | `i` | `2024-07-29T10:36:08.811661123+02:00 `, or `Z` |
//! | `T` | `1722242168.811661 `: seconds of nine digits and more, microseconds |
//!
//! Goes by form, since a log may change its stamp from one line to the next. Anything else is a line without a stamp.

use crate::calendar::{DAY, Date, day_of};
use crate::zone::{Span, Zone};
use logcore::label::{LABEL_BYTES, Label};

/// The longest stamp is `i`, with its blank; so many bytes of a line tell.
pub const STAMP_BYTES: usize = 36;

/// Reads stamps.
#[derive(Clone, Debug)]
pub struct Stamps {
    /// Of local time.
    zone: Zone,
    /// The offset of the local time that was read last.
    span: Span,
}

/// A stamp that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its moment.
    pub moment: Label,
    /// Its bytes, the blank behind it included if there is one.
    pub len: usize,
}

impl Stamps {
    /// `d` and `m` are taken to be of this zone.
    pub fn new(zone: Zone) -> Self {
        let span = zone.span(0);
        Stamps { zone, span }
    }

    /// The stamp that `line` begins with.
    ///
    /// `last`: the moment of the line before, if known: it tells which of two equal hours is meant when summer time ends.
    ///
    /// ```
    /// use tai64n_tools::moment::Stamps;
    /// use tai64n_tools::zone::Zone;
    /// let stamp = Stamps::new(Zone::UTC).read(b"@400000003b4a39c23294b13c x", None).expect("it has one");
    /// assert_eq!((stamp.moment.unix_seconds(), stamp.len), (994_720_184, 26));
    /// ```
    #[inline]
    pub fn read(&mut self, line: &[u8], last: Option<Label>) -> Option<Stamp> {
        match line.first()? {
            b'@' => label(line),
            b'0'..=b'9' => self.readable(line, last),
            _ => None,
        }
    }

    /// The moments that the stamp of `line` may mean, the earlier first. They differ where local time was set back, since it is then
    /// shown twice.
    pub fn both(&mut self, line: &[u8]) -> Option<(Label, Label)> {
        let first = self.read(line, None)?.moment;
        let second = match line.first() {
            Some(b'@') => first,
            _ => self.read(line, Some(first.plus_seconds(1)))?.moment,
        };
        Some((first, second))
    }

    /// `d` `m` `i` `T`.
    fn readable(&mut self, line: &[u8], last: Option<Label>) -> Option<Stamp> {
        if line.get(4) != Some(&b'-') {
            return seconds(line);
        }
        let mut text = Text { line, at: 0 };
        let (local, zone) = text.date_and_time()?;
        let nanos = text.fraction(9)?;
        let second = match zone {
            b'T' => local - text.offset()?,
            _ => self.unix(local, last),
        };
        text.blank()?;
        Some(Stamp { moment: Label::from_unix(second, nanos), len: text.at })
    }

    fn unix(&mut self, local: i64, last: Option<Label>) -> i64 {
        let second = local - self.span.east + self.span.counted;
        // Far from both ends of the span there is no second answer.
        let inside = self.span.from.saturating_add(DAY)..self.span.until.saturating_sub(DAY);
        if inside.contains(&second) {
            return second;
        }
        let second = self.zone.unix(local, last.map_or(i64::MIN, Label::unix_seconds));
        self.span = self.zone.span(second);
        second
    }
}

/// `t`. A label is 24 digits and no more.
#[inline]
fn label(line: &[u8]) -> Option<Stamp> {
    let (digits, rest) = line.split_at_checked(LABEL_BYTES)?;
    if rest.first().is_some_and(u8::is_ascii_hexdigit) {
        return None;
    }
    let moment = Label::parse(digits).or_else(|| Label::parse(&digits.to_ascii_lowercase()))?;
    Some(Stamp { moment, len: LABEL_BYTES + usize::from(rest.first() == Some(&b' ')) })
}

/// `T`.
fn seconds(line: &[u8]) -> Option<Stamp> {
    const LEAST_DIGITS: usize = 9;
    const MOST_DIGITS: usize = 12;
    let digits = line.iter().take(MOST_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if !(LEAST_DIGITS..=MOST_DIGITS).contains(&digits) {
        return None;
    }
    let mut text = Text { line, at: 0 };
    let second = text.number(digits)?;
    if line.get(digits + 7) != Some(&b' ') {
        return None;
    }
    let nanos = text.fraction(6)?;
    text.blank()?;
    Some(Stamp { moment: Label::from_unix(second, nanos), len: text.at })
}

/// A line, and how far it is read.
struct Text<'a> {
    line: &'a [u8],
    at: usize,
}

impl Text<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.line.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// So many digits, at most 18.
    fn number(&mut self, digits: usize) -> Option<i64> {
        (0..digits).try_fold(0, |value, _| match self.next()? {
            digit @ b'0'..=b'9' => Some(value * 10 + i64::from(digit - b'0')),
            _ => None,
        })
    }

    /// A number of two digits, up to `most`.
    fn two(&mut self, most: i64) -> Option<i64> {
        self.number(2).filter(|number| *number <= most)
    }

    /// `2024-07-29 10:36:08`: seconds since 1970 by that clock, and what stands between date and time: `T` or a blank.
    fn date_and_time(&mut self) -> Option<(i64, u8)> {
        let year = self.number(4)?;
        self.byte(b'-')?;
        let month = self.two(12)?;
        self.byte(b'-')?;
        let day = self.two(31)?;
        let between = self.next().filter(|byte| matches!(byte, b' ' | b'T'))?;
        let hour = self.two(23)?;
        self.byte(b':')?;
        let minute = self.two(59)?;
        self.byte(b':')?;
        let second = self.two(60)?;
        let days = day_of(Date { year, month, day })?;
        Some((days * DAY + hour * 3600 + minute * 60 + second, between))
    }

    /// A point and one to `most` digits, in nanoseconds.
    fn fraction(&mut self, most: usize) -> Option<u32> {
        self.byte(b'.')?;
        let digits = self.line[self.at..].iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let value = self.number(digits)?;
        let scale = 10_i64.pow(9_u32.saturating_sub(u32::try_from(digits).ok()?));
        (digits > 0).then_some(u32::try_from(value * scale).ok()?)
    }

    /// `Z` or `+01:00`, in seconds east.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.next()? {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.two(23)?;
        self.byte(b':')?;
        Some(sign * (hours * 3600 + self.two(59)? * 60))
    }

    /// A blank, or the end of the line, which is none of ours.
    fn blank(&mut self) -> Option<()> {
        match self.line.get(self.at) {
            Some(b' ') => self.at += 1,
            None | Some(b'\n') => (),
            Some(_) => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn read(line: &str, last: Option<i64>) -> Option<(i64, u32, usize)> {
        let mut stamps = Stamps::new(Zone::named(Some(OsStr::new(BERLIN)), None));
        let stamp = stamps.read(line.as_bytes(), last.map(|second| Label::from_unix(second, 0)))?;
        Some((stamp.moment.unix_seconds(), stamp.moment.nanos(), stamp.len))
    }

    #[test]
    fn every_stamp_of_multilog_is_read() {
        let check = |line: &str, wanted| assert_eq!(read(line, None), Some(wanted), "{line}");
        check("@4000000066a754823060f743 x", (1_722_242_168, 811_661_123, 26));
        check("@4000000066A754823060f743\n", (1_722_242_168, 811_661_123, 25));
        check("@4000000066a754823060f743:x", (1_722_242_168, 811_661_123, 25));
        check("2024-07-29 10:36:08.811661123 x", (1_722_242_168, 811_661_123, 30));
        check("2024-07-29 10:36:08.811661123  x", (1_722_242_168, 811_661_123, 30));
        check("2024-07-29 10:36:08.811 x", (1_722_242_168, 811_000_000, 24));
        check("2024-01-29 10:36:08.811", (1_706_520_968, 811_000_000, 23));
        check("2024-07-29T10:36:08.811661123+02:00 x", (1_722_242_168, 811_661_123, 36));
        check("2024-07-29T08:36:08.8Z x", (1_722_242_168, 800_000_000, 23));
        check("2024-07-29T04:06:08.811-04:30 x", (1_722_242_168, 811_000_000, 30));
        check("1722242168.811661 x", (1_722_242_168, 811_661_000, 18));
    }

    #[test]
    fn an_hour_that_comes_twice_goes_on_from_the_line_before() {
        let line = "2026-10-25 02:30:00.000 x";
        assert_eq!(read(line, None), Some((1_792_888_200, 0, 24)));
        assert_eq!(read(line, Some(1_792_888_200)), Some((1_792_888_200, 0, 24)));
        assert_eq!(read(line, Some(1_792_888_201)), Some((1_792_891_800, 0, 24)));
        let mut stamps = Stamps::new(Zone::named(Some(OsStr::new(BERLIN)), None));
        let moment = |second| Label::from_unix(second, 0);
        let twice = (moment(1_792_888_200), moment(1_792_891_800));
        assert_eq!(stamps.both(line.as_bytes()), Some(twice));
        let once = moment(1_792_893_600);
        assert_eq!(stamps.both(b"2026-10-25 03:00:00.000 x"), Some((once, once)));
        assert_eq!(stamps.both(b"x"), None);
    }

    #[test]
    fn other_lines_have_no_stamp() {
        for line in [
            "",
            "\n",
            "x",
            "@",
            "@4000 x",
            "@4000000066a754823060f74",
            "@4000000066a754823060f7430",
            "@4000000066a75482ffffffff x",
            "2024-07-29",
            "2024-07-29 10:36:08 x",
            "2024-07-29 10:36:08. x",
            "2024-07-29 10:36:08.811x",
            "2024-02-30 10:36:08.811 x",
            "2024-07-29 24:36:08.811 x",
            "2024-07-29T10:36:08.811 x",
            "2024-07-29T10:36:08.8116611234Z x",
            "3.141592 x",
            "1722242168 x",
            "1722242168.81166 x",
            "1722242168.8116611 x",
            "1722242168172224216817222421681722242168.811661 x",
        ] {
            assert_eq!(read(line, None), None, "{line}");
        }
    }
}
