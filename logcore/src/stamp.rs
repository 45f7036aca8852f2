//! The bytes before a line: `t` `d` `m` `i` `T`.
//!
//! Moments strictly increase, so labels are unique and sort in the order of the lines, within one log and after a merge. One
//! clock reading serves a whole batch: the lines in it follow each other by a nanosecond. The text of a second is made
//! once, the nanoseconds are written into it for each line. No clock is read here: time comes in as a [`Label`].

use crate::digits;
use crate::label::Label;
use chrono::{DateTime, FixedOffset, Local, NaiveDate, Offset, TimeZone};

/// Which stamp a line gets. It belongs to the line: patterns see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampKind {
    /// `t`: `@4000000066a754823060f743 ` (daemontools 0.76).
    Tai64n,
    /// `d`: `2024-07-29 10:36:08.811661123 `, local time (fork 0.82).
    Local,
    /// `m`: `2024-07-29 10:36:08.811 `, local time, milliseconds cut off (fork 0.82).
    LocalMillis,
    /// `i`: `2024-07-29T10:36:08.811661123+02:00 `, local time and its offset (RFC 3339).
    Rfc3339,
    /// `T`: `1722242168.811661 `, Unix seconds and microseconds (daemontools-encore).
    Accustamp,
}

/// No stamp is longer: `i` has 36 bytes, and a few more when the clock is thousands of years off.
pub const STAMP_BYTES: usize = 48;

impl StampKind {
    /// The form of a stamp, its space included: `x` is a hexadecimal digit, `9` a decimal one, `+` a sign. `None`: its seconds have
    /// no fixed number of digits.
    fn form(self) -> Option<&'static [u8]> {
        match self {
            StampKind::Tai64n => Some(b"@xxxxxxxxxxxxxxxxxxxxxxxx "),
            StampKind::Local => Some(b"9999-99-99 99:99:99.999999999 "),
            StampKind::LocalMillis => Some(b"9999-99-99 99:99:99.999 "),
            StampKind::Rfc3339 => Some(b"9999-99-99T99:99:99.999999999+99:99 "),
            StampKind::Accustamp => None,
        }
    }

    /// The line without its stamp, or `None` when it does not begin with one of this kind.
    ///
    /// Goes by form, as a reader must: digits where digits stand.
    pub fn strip(self, line: &[u8]) -> Option<&[u8]> {
        let Some(form) = self.form() else { return strip_accustamp(line) };
        let (stamp, rest) = line.split_at_checked(form.len())?;
        has_form(stamp, form).then_some(rest)
    }

    /// Whether `tail` is the beginning of a stamp of this kind and nothing more.
    pub fn begins(self, tail: &[u8]) -> bool {
        match self.form() {
            Some(form) => tail.len() < form.len() && has_form(tail, form),
            None => tail.iter().all(|b| b.is_ascii_digit() || *b == b'.'),
        }
    }
}

/// Whether `text`, as far as it goes, has this form.
fn has_form(text: &[u8], form: &[u8]) -> bool {
    text.iter().zip(form).all(|(byte, form)| match form {
        b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        b'9' => byte.is_ascii_digit(),
        b'+' => matches!(byte, b'+' | b'-'),
        literal => byte == literal,
    })
}

fn strip_accustamp(line: &[u8]) -> Option<&[u8]> {
    let seconds = line.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = &line[seconds..];
    (seconds > 0 && rest.len() >= 8 && has_form(&rest[..8], b".999999 ")).then(|| &rest[8..])
}

/// Where the offset of local time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Zone {
    /// `TZ`, else /etc/localtime, asked for once in each second that is stamped.
    Local,
    /// Seconds east of UTC: for tests and benches.
    Fixed(i32),
}

impl Zone {
    /// How many seconds local time is ahead of UTC at a Unix second.
    pub fn east(self, second: i64) -> i64 {
        i64::from(local_time(second, self).offset().local_minus_utc())
    }
}

/// Writes stamps, each later than the one before.
#[derive(Debug)]
pub struct Stamper {
    kind: StampKind,
    zone: Zone,
    /// The moment of the next line: later than the last stamp, unless the clock stepped back by more than a second.
    next: Label,
    /// A stamp was written, so `next` is not to be forgotten.
    stamped: bool,
    /// The stamp of `text_second` (TAI seconds, never 0), its fraction still to be filled in.
    text: [u8; STAMP_BYTES],
    /// Length of the stamp in `text`, its space included.
    len: usize,
    text_second: u64,
    /// Where the fraction begins in `text`.
    fraction: usize,
}

impl Stamper {
    /// No stamp has been written yet.
    pub fn new(kind: StampKind, zone: Zone) -> Self {
        let next = Label::from_unix(0, 0);
        Stamper {
            kind,
            zone,
            next,
            stamped: false,
            text: [b' '; STAMP_BYTES],
            len: 0,
            text_second: 0,
            fraction: 0,
        }
    }

    /// The kind of stamp it writes.
    pub fn kind(&self) -> StampKind {
        self.kind
    }

    /// Length of the last stamp.
    pub fn stamp_bytes(&self) -> usize {
        self.len
    }

    /// Sets the moment of the next line: `now`, or one nanosecond after the last stamp when that is later.
    ///
    /// A clock that stepped back by more than a second is followed; stamps then go back with it.
    pub fn at(&mut self, now: Label) {
        let ahead = self.stamped && now < self.next && self.next <= now.plus_seconds(1).after();
        if !ahead {
            self.next = now;
        }
    }

    /// Writes the stamp of the next line to the beginning of `place` and returns its length, its space included; what stands
    /// behind it there has no meaning. The line after it is one nanosecond later.
    #[inline]
    pub fn stamp(&mut self, place: &mut [u8; STAMP_BYTES]) -> usize {
        let moment = self.next;
        if self.text_second != moment.tai_seconds() {
            self.write_second(moment);
        }
        // The fraction goes into the copy: to copy what has just been written in other pieces makes a processor wait.
        *place = self.text;
        // `write_second` left room for the fraction of this kind.
        let fraction = &mut place[self.fraction..];
        match self.kind {
            StampKind::Tai64n => fraction[..8].copy_from_slice(&digits::hex(moment.nanos())),
            StampKind::Local | StampKind::Rfc3339 => {
                fraction[..9].copy_from_slice(&digits::decimal(moment.nanos()));
            }
            StampKind::LocalMillis => fraction[..3].copy_from_slice(&digits::decimal(moment.nanos())[..3]),
            StampKind::Accustamp => fraction[..6].copy_from_slice(&digits::decimal(moment.nanos())[..6]),
        }
        self.next = moment.after();
        self.stamped = true;
        self.len
    }

    #[cold]
    fn write_second(&mut self, moment: Label) {
        let second = moment.unix_seconds();
        // The text, and how far from its end the fraction begins.
        let (text, behind) = match self.kind {
            StampKind::Tai64n => (String::from_utf8_lossy(&moment.format()).into_owned(), 8),
            StampKind::Accustamp => (format!("{second}.000000"), 6),
            StampKind::Local => {
                (format!("{}.000000000", local_time(second, self.zone).format("%Y-%m-%d %H:%M:%S")), 9)
            }
            StampKind::LocalMillis => {
                (format!("{}.000", local_time(second, self.zone).format("%Y-%m-%d %H:%M:%S")), 3)
            }
            StampKind::Rfc3339 => {
                // Its offset is whole minutes, and goes with a time that fits it.
                let exact = local_time(second, self.zone);
                let east = exact.offset().local_minus_utc();
                let minutes = FixedOffset::east_opt(east - east.rem_euclid(60));
                let local = minutes.map_or(exact, |offset| exact.with_timezone(&offset));
                (local.format("%Y-%m-%dT%H:%M:%S.000000000%:z").to_string(), 15)
            }
        };
        // The longest is a local time of a year of six digits and a sign, with its offset: 38 bytes.
        let len = text.len().min(STAMP_BYTES - 1);
        self.text = [b' '; STAMP_BYTES];
        self.text[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len = len + 1;
        self.text_second = moment.tai_seconds();
        self.fraction = len.saturating_sub(behind);
    }
}

/// The local time of a Unix second. Seconds beyond the calendar of the library show as its nearest end.
fn local_time(second: i64, zone: Zone) -> DateTime<FixedOffset> {
    let utc = DateTime::from_timestamp(second, 0).unwrap_or_else(|| {
        // Years 1 and 9999 are within every calendar.
        let year = if second < 0 { 1 } else { 9999 };
        NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(Default::default()).and_utc()
    });
    let offset = match zone {
        Zone::Local => Local.offset_from_utc_datetime(&utc.naive_utc()).fix(),
        Zone::Fixed(east) => FixedOffset::east_opt(east).unwrap_or_else(|| chrono::Utc.fix()),
    };
    utc.with_timezone(&offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(stamper: &mut Stamper) -> String {
        let mut place = [0; STAMP_BYTES];
        let len = stamper.stamp(&mut place);
        String::from_utf8(place[..len].to_vec()).expect("stamps are ASCII")
    }

    fn stamp(kind: StampKind, moment: Label) -> String {
        let mut stamper = Stamper::new(kind, Zone::Fixed(2 * 3600));
        stamper.at(moment);
        text(&mut stamper)
    }

    #[test]
    fn each_kind_has_its_form() {
        let moment = Label::from_unix(1_722_242_168, 811_661_123);
        let check = |kind: StampKind, wanted: &str| {
            let shown = stamp(kind, moment);
            assert_eq!(shown, wanted);
            let line = [shown.as_bytes(), b"line\n"].concat();
            assert_eq!(kind.strip(&line), Some(&b"line\n"[..]));
            assert!(kind.begins(&line[..10]));
        };
        check(StampKind::Tai64n, "@4000000066a754823060f743 ");
        check(StampKind::Local, "2024-07-29 10:36:08.811661123 ");
        check(StampKind::LocalMillis, "2024-07-29 10:36:08.811 ");
        check(StampKind::Rfc3339, "2024-07-29T10:36:08.811661123+02:00 ");
        check(StampKind::Accustamp, "1722242168.811661 ");
    }

    #[test]
    fn offsets_are_west_too_and_written_with_each_second() {
        let check = |east: i32, second: i64, wanted: &str| {
            let mut stamper = Stamper::new(StampKind::Rfc3339, Zone::Fixed(east));
            stamper.at(Label::from_unix(second, 7));
            assert_eq!(text(&mut stamper), wanted);
            let line = [wanted.as_bytes(), b"x"].concat();
            assert_eq!(StampKind::Rfc3339.strip(&line), Some(&b"x"[..]));
        };
        check(0, 0, "1970-01-01T00:00:00.000000007+00:00 ");
        // Local time before there were time zones: whole minutes are written, and the moment is the same.
        check(5025, 0, "1970-01-01T01:23:00.000000007+01:23 ");
        check(-5025, 0, "1969-12-31T22:36:00.000000007-01:24 ");
        check(-12_600, 0, "1969-12-31T20:30:00.000000007-03:30 ");
        check(50_400, -1, "1970-01-01T13:59:59.000000007+14:00 ");
    }

    #[test]
    fn fractions_are_padded_and_cut_off_not_rounded() {
        let check = |nanos, local: &str, millis: &str, accu: &str| {
            let moment = Label::from_unix(0, nanos);
            assert_eq!(&stamp(StampKind::Local, moment)[20..], local);
            assert_eq!(&stamp(StampKind::LocalMillis, moment)[20..], millis);
            assert_eq!(stamp(StampKind::Accustamp, moment), accu);
        };
        check(0, "000000000 ", "000 ", "0.000000 ");
        check(999_999_999, "999999999 ", "999 ", "0.999999 ");
        check(1_002_003, "001002003 ", "001 ", "0.001002 ");
    }

    #[test]
    fn stamps_increase_while_the_clock_stands_or_steps_back_a_little() {
        let mut stamper = Stamper::new(StampKind::Tai64n, Zone::Fixed(0));
        let start = Label::from_unix(100, 999_999_998);
        let mut last = String::new();
        for now in [start, start, Label::from_unix(100, 500_000_000), start, Label::from_unix(101, 5)] {
            stamper.at(now);
            for _ in 0..3 {
                let stamp = text(&mut stamper);
                assert!(stamp > last, "{stamp} after {last}");
                last = stamp;
            }
        }
    }

    #[test]
    fn a_clock_that_steps_back_far_is_followed() {
        let mut stamper = Stamper::new(StampKind::Accustamp, Zone::Fixed(0));
        stamper.at(Label::from_unix(5000, 0));
        text(&mut stamper);
        stamper.at(Label::from_unix(3000, 0));
        assert_eq!(text(&mut stamper), "3000.000000 ");
    }

    #[test]
    fn absurd_moments_do_not_panic() {
        for kind in [
            StampKind::Tai64n,
            StampKind::Local,
            StampKind::LocalMillis,
            StampKind::Rfc3339,
            StampKind::Accustamp,
        ] {
            for seconds in [i64::MIN, -1, i64::MAX] {
                stamp(kind, Label::from_unix(seconds, 999_999_999));
            }
        }
    }

    #[test]
    fn other_lines_have_no_stamp() {
        assert_eq!(StampKind::Tai64n.strip(b"@4000 x"), None);
        assert_eq!(StampKind::Accustamp.strip(b"1722242168 x"), None);
        assert_eq!(StampKind::Local.strip(b"2024-07-29T10:36:08.811661123 x"), None);
        assert!(!StampKind::Tai64n.begins(b"@4000000066a754823060f743 "));
    }
}
