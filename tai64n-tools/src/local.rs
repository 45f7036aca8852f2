//! What tai64nlocal does to the beginning of a line: it shows the label there as local time.
//!
//! A label is `@` and exactly 24 hexadecimal digits of either case; a line that begins otherwise, or whose label is no moment
//! of the years 1 to 9999, is passed on as it is. The text of a second is made once; for each line in it the
//! nanoseconds are filled in. Zones are asked once for each span of equal offsets.

use crate::calendar::{DAY, date, days_before};
use crate::filter::{Begin, Beginning, Place, TEXT_BYTES};
use crate::zone::{Machine, Span, Zone};
use logcore::digits;
use logcore::label::{LABEL_BYTES, Label};

/// How a moment is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// RFC 3339, `2001-07-09T23:09:44.848605500+00:00`, instead of the original's `2001-07-09 23:09:44.848605500`.
    pub rfc3339: bool,
    /// Three digits of the second's fraction instead of nine, cut off, not rounded.
    pub millis: bool,
}

/// The line stays as it is.
const LEAVE: Begin = Begin::Change { taken: 0, written: 0 };

/// Digits of a label that tell its second.
const SECOND_DIGITS: usize = 16;

/// Shows labels as local time.
#[derive(Clone, Debug)]
pub struct LocalTime {
    zone: Zone,
    /// Tells when that is another one.
    machine: Option<Machine>,
    form: Form,
    /// The offset in force at the last second that was written.
    span: Span,
    /// The digits of the second whose text this is; no digits before the first.
    digits: [u8; SECOND_DIGITS],
    text: Place,
    len: usize,
    /// Where the fraction begins in `text`.
    fraction: usize,
}

impl LocalTime {
    /// Shows moments in this zone and form.
    pub fn new(zone: Zone, form: Form) -> Self {
        let span = zone.span(0);
        let text = [b' '; TEXT_BYTES];
        LocalTime { zone, machine: None, form, span, digits: [0; SECOND_DIGITS], text, len: 0, fraction: 0 }
    }

    /// Goes over to the zone of the machine wherever that is another one.
    pub fn following(self, machine: Machine) -> Self {
        LocalTime { machine: Some(machine), ..self }
    }

    /// Writes a moment; how many bytes, or `None` when it is not within the years 1 to 9999.
    pub fn write(&mut self, moment: Label, place: &mut Place) -> Option<usize> {
        let label = moment.format();
        match label[1..].first_chunk().map(|digits| self.show(digits, place)) {
            Some(Begin::Change { taken: LABEL_BYTES, written }) => Some(written),
            _ => None,
        }
    }

    /// Writes the time of the label with these digits, if it is one.
    #[inline]
    fn show(&mut self, digits: &[u8; LABEL_BYTES - 1], place: &mut Place) -> Begin {
        let (second, nanos) = (digits.first_chunk(), digits.last_chunk());
        let (Some(second), Some(nanos)) = (second, nanos.and_then(nanoseconds)) else { return LEAVE };
        if self.digits != *second && !self.write_second(second) {
            return LEAVE;
        }
        *place = self.text;
        let digits = digits::decimal(nanos);
        let fraction = &mut place[self.fraction..];
        if self.form.millis {
            fraction[..3].copy_from_slice(&digits[..3]);
        } else {
            fraction[..9].copy_from_slice(&digits);
        }
        Begin::Change { taken: LABEL_BYTES, written: self.len }
    }

    /// Writes the text of a second but for its fraction; `false`, and nothing is changed, when it cannot be shown.
    #[cold]
    fn write_second(&mut self, digits: &[u8; SECOND_DIGITS]) -> bool {
        let mut label = *b"@000000000000000000000000";
        label[1..=SECOND_DIGITS].copy_from_slice(&digits.map(|digit| digit.to_ascii_lowercase()));
        let Some(second) = Label::parse(&label).map(Label::unix_seconds) else { return false };

        let span = self.span;
        let span = if (span.from..span.until).contains(&second) { span } else { self.zone.span(second) };
        // RFC 3339 has no seconds in an offset: both the offset and the time go by whole minutes then.
        let east = if self.form.rfc3339 { span.east - span.east % 60 } else { span.east };
        // No overflow: seconds of labels are within 2^62 of 0.
        let local = second - span.counted + east;
        if !(days_before(1) * DAY..days_before(10_000) * DAY).contains(&local) {
            return false;
        }
        let (date, clock) = (date(local.div_euclid(DAY)), local.rem_euclid(DAY));

        let mut text = Text { bytes: [b' '; TEXT_BYTES], len: 0 };
        // The original does not pad years, and RFC 3339 does.
        let year_width = if self.form.rfc3339 { 4 } else { 1 };
        text.number(date.year, year_width);
        text.byte(b'-');
        text.number(date.month, 2);
        text.byte(b'-');
        text.number(date.day, 2);
        text.byte(if self.form.rfc3339 { b'T' } else { b' ' });
        text.number(clock / 3600, 2);
        text.byte(b':');
        text.number(clock / 60 % 60, 2);
        text.byte(b':');
        text.number(clock % 60 + i64::from(span.is_leap), 2);
        text.byte(b'.');
        let fraction = text.len;
        text.len += if self.form.millis { 3 } else { 9 };
        if self.form.rfc3339 {
            text.byte(if east < 0 { b'-' } else { b'+' });
            text.number(east.abs() / 3600, 2);
            text.byte(b':');
            text.number(east.abs() / 60 % 60, 2);
        }
        *self = LocalTime {
            zone: std::mem::replace(&mut self.zone, Zone::UTC),
            machine: self.machine.take(),
            form: self.form,
            span,
            digits: *digits,
            text: text.bytes,
            len: text.len,
            fraction,
        };
        true
    }
}

impl Beginning for LocalTime {
    fn batch(&mut self) {
        if let Some(machine) = &mut self.machine
            && let Some(zone) = machine.news()
        {
            *self = LocalTime { machine: self.machine.take(), ..LocalTime::new(zone, self.form) };
        }
    }

    #[inline]
    fn begin(&mut self, head: &[u8], ended: bool, place: &mut Place) -> Begin {
        if head.first() != Some(&b'@') {
            return LEAVE;
        }
        let digits = head[1..].first_chunk();
        match (digits, head.get(LABEL_BYTES)) {
            (Some(digits), Some(next)) if !next.is_ascii_hexdigit() => self.show(digits, place),
            (_, Some(_)) => LEAVE,
            // All that is there, at most a label, could still be one.
            _ if !head[1..].iter().all(u8::is_ascii_hexdigit) => LEAVE,
            (Some(digits), None) if ended => self.show(digits, place),
            (None, None) if ended => LEAVE,
            _ => Begin::Wait,
        }
    }
}

/// The nanoseconds that these digits say, if they are below 10^9.
#[inline]
fn nanoseconds(digits: &[u8; 8]) -> Option<u32> {
    digits::parse_hex(digits).filter(|nanos| *nanos < 1_000_000_000)
}

/// A text as it grows. Nothing written here comes near its end: the longest is 35 bytes.
struct Text {
    bytes: Place,
    len: usize,
}

impl Text {
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Decimal, at least `width` digits; `value` is 0 to 9999.
    fn number(&mut self, value: i64, width: usize) {
        let digits = [value / 1000, value / 100 % 10, value / 10 % 10, value % 10];
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        for digit in &digits[zeros.min(4 - width)..] {
            self.byte(b'0' + *digit as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Block, Filter};
    use std::ffi::OsStr;

    fn convert(input: &[u8], tz: &str, form: Form) -> String {
        let zone = Zone::named(Some(OsStr::new(tz)), None);
        let mut block = Block::default();
        let progress = Filter::new(LocalTime::new(zone, form), true).change(input, true, &mut block);
        assert_eq!(progress.used, input.len());
        block.filled().escape_ascii().to_string()
    }

    /// The tests of whole programs have the same rows.
    #[test]
    fn labels_are_shown_and_everything_else_stays() {
        let check = |line: &[u8], wanted: &str| {
            assert_eq!(convert(line, "UTC0", Form::default()), wanted, "{}", line.escape_ascii());
        };
        let same = |line: &[u8]| check(line, &line.escape_ascii().to_string());
        check(b"@400000003b4a39c23294b13c x", "2001-07-09 23:09:44.848605500 x");
        check(b"@400000003b4a39c23294b13c:x\n", "2001-07-09 23:09:44.848605500:x\\n");
        check(b"@400000003b4a39c23294b13c\n", "2001-07-09 23:09:44.848605500\\n");
        check(b"@400000003b4a39c23294b13cg", "2001-07-09 23:09:44.848605500g");
        check(b"@400000003B4A39C23294B13C x", "2001-07-09 23:09:44.848605500 x");
        check(b"@400000003b4A39C23294b13c x", "2001-07-09 23:09:44.848605500 x");
        same(b"@4000 x");
        same(b"@400000003b4a39c2 x");
        same(b"@400000003b4a39c23294b13 x");
        same(b"@400000003b4a39c23294b13c0 x");
        same(b"@400000003b4a39c23294b13c00000000 x");
        same(b"@");
        same(b"@ x");
        same(b"@foo");
        same(b"@@400000003b4a39c23294b13c x");
        same(b"@40000000679c9cf7@40000000679c9fea052a1714");
        same(b"@7fffffffffffffff00000000 x");
        same(b"@800000000000000000000000 x");
        same(b"@000000000000000000000000 x");
        same(b"@ffffffffffffffffffffffff x");
        same(b"@400000003b4a39c2ffffffff x");
        same(b"@400000003b4a39c23b9aca00 x");
        check(b"@400000003b4a39c23b9ac9ff x", "2001-07-09 23:09:44.999999999 x");
        check(b"@400000000000000000000000", "1969-12-31 23:59:50.000000000");
        check(b"@400000003b4a39c23294b13c", "2001-07-09 23:09:44.848605500");
        check(
            b"@400000003b4a39c23294b13c a\n@foo\n@400000003b4a39c300000001 b\n",
            "2001-07-09 23:09:44.848605500 a\\n@foo\\n2001-07-09 23:09:45.000000001 b\\n",
        );
        same(b" @400000003b4a39c23294b13c x");
        same(b"x @400000003b4a39c23294b13c x");
        same(b"\0\r\xff\n\n\x1b[1m\n");
    }

    #[test]
    fn years_1_to_9999_are_shown() {
        let check = |unix: i64, wanted: Option<&str>| {
            let label = Label::from_unix(unix, 0).format();
            let wanted = wanted.map_or(label.escape_ascii().to_string(), str::to_owned);
            assert_eq!(convert(&label, "UTC0", Form::default()), wanted, "{unix}");
        };
        check(-62_135_596_801, None);
        check(-62_135_596_800, Some("1-01-01 00:00:00.000000000"));
        check(-40_000_000_000, Some("702-06-15 00:53:20.000000000"));
        check(253_402_300_799, Some("9999-12-31 23:59:59.000000000"));
        check(253_402_300_800, None);
    }

    #[test]
    fn forms() {
        let check = |rfc3339, millis, tz: &str, wanted: &str| {
            assert_eq!(convert(b"@400000003b4a39c23294b13c x", tz, Form { rfc3339, millis }), wanted);
        };
        check(false, false, "CET-1CEST,M3.5.0,M10.5.0/3", "2001-07-10 01:09:44.848605500 x");
        check(false, true, "CET-1CEST,M3.5.0,M10.5.0/3", "2001-07-10 01:09:44.848 x");
        check(true, false, "CET-1CEST,M3.5.0,M10.5.0/3", "2001-07-10T01:09:44.848605500+02:00 x");
        check(true, true, "NST3:30", "2001-07-09T19:39:44.848-03:30 x");
        check(true, true, "UTC0", "2001-07-09T23:09:44.848+00:00 x");
        // An offset of odd seconds, in whole minutes; both name the same moment.
        check(false, true, "XST0:44:30", "2001-07-09 22:25:14.848 x");
        check(true, true, "XST0:44:30", "2001-07-09T22:25:44.848-00:44 x");
    }

    #[test]
    fn a_second_and_its_neighbours_across_a_change() {
        // 2026-03-29, one o'clock UTC.
        let lines: Vec<u8> = (-1..=1)
            .flat_map(|second| [&Label::from_unix(1_774_746_000 + second, 7).format()[..], b"\n"].concat())
            .collect();
        let wanted = "2026-03-29 01:59:59.000000007\\n2026-03-29 03:00:00.000000007\\n2026-03-29 03:00:01.000000007\\n";
        assert_eq!(convert(&lines, "CET-1CEST,M3.5.0,M10.5.0/3", Form::default()), wanted);
    }

    #[test]
    fn waits_only_while_it_could_be_a_label() {
        let mut local = LocalTime::new(Zone::UTC, Form::default());
        let mut waits = |head: &[u8], ended| local.begin(head, ended, &mut [0; TEXT_BYTES]) == Begin::Wait;
        let line = b"@400000003b4a39c23294b13c x";
        for len in 1..=LABEL_BYTES {
            assert!(waits(&line[..len], false), "{len} bytes");
            assert!(!waits(&line[..len], true), "{len} bytes");
        }
        for head in [&line[..=LABEL_BYTES], b"x", b"@x", b"@4000 ", b"@\n"] {
            assert!(!waits(head, false), "{}", head.escape_ascii());
        }
    }
}
