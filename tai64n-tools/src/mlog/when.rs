//! Moments as people write them. The clock and the zone come in as values.

use crate::calendar::{DAY, Date, date, day_of};
use crate::moment::Stamps;
use crate::zone::Zone;
use logcore::label::{LABEL_BYTES, Label};

/// What is accepted, for who wrote something else.
pub const ACCEPTED: &str = "2026-11-22, '2026-11-22 05:42[:48[.3]]', 05:42[:48], today, yesterday, now, -2h30m, RFC 3339, or a TAI64N label";

/// The moment that `text` means.
///
/// A date is its first moment, a time without a date is of today, and `-2h` is that long before `now` (`w` `d` `h` `m` `s`; a day has
/// 24 hours). A label may have upper-case digits. `None` for anything else.
///
/// ```
/// use logcore::label::Label;
/// use tai64n_tools::mlog::when;
/// use tai64n_tools::zone::Zone;
/// let now = Label::from_unix(1_795_327_880, 0); // 2026-11-22 06:11:20
/// let parse = |text| when::parse(text, now, &Zone::UTC).map(Label::unix_seconds);
/// assert_eq!(parse("-2h"), Some(1_795_320_680));
/// assert_eq!(parse("2026-11-22 06:11:20"), Some(1_795_327_880));
/// assert_eq!(parse("yesterday"), Some(1_795_219_200));
/// assert_eq!(parse("soon"), None);
/// ```
pub fn parse(text: &str, now: Label, zone: &Zone) -> Option<Label> {
    let text = text.trim();
    let today = || {
        let span = zone.span(now.unix_seconds());
        (now.unix_seconds() - span.counted + span.east).div_euclid(DAY)
    };
    let local = |second: i64, nanos: u32| Label::from_unix(zone.unix(second, i64::MIN), nanos);
    match text {
        "now" => return Some(now),
        "today" => return Some(local(today() * DAY, 0)),
        "yesterday" => return Some(local((today() - 1) * DAY, 0)),
        "tomorrow" => return Some(local((today() + 1) * DAY, 0)),
        _ => (),
    }
    if text.starts_with('@') {
        let stamp = Stamps::new(Zone::UTC).read(text.as_bytes(), None)?;
        return (text.len() == LABEL_BYTES).then_some(stamp.moment);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return ago_seconds(ago).map(|seconds| now.plus_seconds(-seconds));
    }

    let mut rest = Rest(text.as_bytes());
    let day = if text.as_bytes().get(4) == Some(&b'-') { rest.date()? } else { today() };
    let has_date = rest.0.len() < text.len();
    if has_date {
        if rest.0.is_empty() {
            return Some(local(day * DAY, 0));
        }
        if !rest.skip(b'T') && !rest.skip(b't') && !rest.skip(b' ') {
            return None;
        }
    }
    let (second, nanos) = rest.time()?;
    let second = day * DAY + second;
    if rest.0.is_empty() {
        return Some(local(second, nanos));
    }
    let east = rest.offset().filter(|_| has_date && rest.0.is_empty())?;
    Some(Label::from_unix(second - east, nanos))
}

/// `2h30m` in seconds.
fn ago_seconds(text: &str) -> Option<i64> {
    let mut rest = Rest(text.as_bytes());
    let mut seconds: i64 = 0;
    while !rest.0.is_empty() {
        let digits = rest.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // More than a thousand years of seconds is no time that anybody logged at.
        let value = rest.number(digits).filter(|_| (1..=11).contains(&digits))?;
        let unit = match rest.0.first()? {
            b'w' => 7 * DAY,
            b'd' => DAY,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        rest.0 = &rest.0[1..];
        seconds = seconds.checked_add(value.checked_mul(unit)?)?;
    }
    (!text.is_empty()).then_some(seconds)
}

/// What is left of a text.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn skip(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// So many digits, at most 18.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |value: i64, digit| {
            digit.is_ascii_digit().then(|| value.checked_mul(10)?.checked_add(i64::from(digit - b'0')))?
        })
    }

    /// Two digits, up to `most`.
    fn two(&mut self, most: i64) -> Option<i64> {
        self.number(2).filter(|number| *number <= most)
    }

    /// `2026-11-22`, as days since 1970.
    fn date(&mut self) -> Option<i64> {
        let year = self.number(4)?;
        let month = self.skip(b'-').then(|| self.two(12))??;
        let day = self.skip(b'-').then(|| self.two(31))??;
        day_of(Date { year, month, day })
    }

    /// `05:42`, `05:42:48`, `05:42:48.3`: seconds and nanoseconds.
    fn time(&mut self) -> Option<(i64, u32)> {
        let hour = self.two(24)?;
        let minute = self.skip(b':').then(|| self.two(59))??;
        let second = if self.skip(b':') { self.two(60)? } else { 0 };
        // 24:00 is the end of a day and nothing is later.
        let second = hour * 3600 + minute * 60 + second;
        let mut nanos = 0;
        if self.skip(b'.') {
            let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let value = self.number(digits).filter(|_| (1..=9).contains(&digits))?;
            nanos = u32::try_from(value * 10_i64.pow(9 - u32::try_from(digits).ok()?)).ok()?;
        }
        (second <= DAY && (second < DAY || nanos == 0)).then_some((second, nanos))
    }

    /// `Z`, `+01:00`, `+0100`: seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.skip(b'Z') || self.skip(b'z') {
            return Some(0);
        }
        let sign = if self.skip(b'+') { 1 } else { self.skip(b'-').then_some(-1)? };
        let hours = self.two(23)?;
        self.skip(b':');
        Some(sign * (hours * 3600 + self.two(59)? * 60))
    }
}

/// A moment for a message: to the second, in local time.
pub fn show(moment: Label, zone: &Zone) -> String {
    let span = zone.span(moment.unix_seconds());
    let local = moment.unix_seconds() - span.counted + span.east;
    let Date { year, month, day } = date(local.div_euclid(DAY));
    let clock = local.rem_euclid(DAY);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    /// 2026-11-22 07:11:20 in Berlin.
    const NOW: i64 = 1_795_327_880;

    fn berlin() -> Zone {
        Zone::named(Some(OsStr::new("CET-1CEST,M3.5.0,M10.5.0/3")), None)
    }

    fn parsed(text: &str) -> Option<(i64, u32)> {
        let moment = parse(text, Label::from_unix(NOW, 5), &berlin())?;
        Some((moment.unix_seconds(), moment.nanos()))
    }

    #[test]
    fn what_people_write() {
        let midnight = 1_795_302_000;
        let check = |text: &str, wanted: (i64, u32)| assert_eq!(parsed(text), Some(wanted), "{text}");
        check("now", (NOW, 5));
        check(" now ", (NOW, 5));
        check("today", (midnight, 0));
        check("yesterday", (midnight - DAY, 0));
        check("tomorrow", (midnight + DAY, 0));
        check("05:42", (midnight + 5 * 3600 + 42 * 60, 0));
        check("05:42:48", (midnight + 5 * 3600 + 42 * 60 + 48, 0));
        check("05:42:48.25", (midnight + 5 * 3600 + 42 * 60 + 48, 250_000_000));
        check("24:00", (midnight + DAY, 0));
        check("2026-11-22", (midnight, 0));
        check("2026-11-22 05:42", (midnight + 5 * 3600 + 42 * 60, 0));
        check("2026-11-22T05:42:48.301274512", (midnight + 5 * 3600 + 42 * 60 + 48, 301_274_512));
        check("2026-11-22T05:42:48Z", (midnight + 6 * 3600 + 42 * 60 + 48, 0));
        check("2026-11-22 05:42:48.3+01:00", (midnight + 5 * 3600 + 42 * 60 + 48, 300_000_000));
        check("2026-11-22T05:42-0330", (midnight + 10 * 3600 + 12 * 60, 0));
        check("2026-07-01", (1_782_856_800, 0));
        check("-2h", (NOW - 7200, 5));
        check("-1d2h3m4s", (NOW - DAY - 7200 - 184, 5));
        check("-2w", (NOW - 14 * DAY, 5));
        check("@400000003b4a39c23294b13c", (994_720_184, 848_605_500));
        check("@400000003B4A39C23294B13C", (994_720_184, 848_605_500));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "soon",
            "-",
            "-2",
            "-h",
            "-2x",
            "-2h3",
            "--2h",
            "+2h",
            "-99999999999999h",
            "5:42",
            "05:60",
            "25:00",
            "24:01",
            "05:42:",
            "05:42:48.",
            "05:42:48.1234567890",
            "05:42Z",
            "2026-11",
            "2026-13-01",
            "2026-02-30",
            "2026-11-22x",
            "2026-11-22 ",
            "2026-11-22  05:42",
            "2026-11-22 05",
            "2026-11-22T05:42+1",
            "2026-11-22T05:42+24:00",
            "@4000",
            "@400000003b4a39c23294b13c x",
            "@400000003b4a39c2ffffffff",
            "1795327880",
            "ä",
            "202é-1-1",
        ] {
            // Blanks around a text do not count.
            let wanted = (text == "2026-11-22 ").then_some((1_795_302_000, 0));
            assert_eq!(parsed(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn moments_are_shown_in_local_time() {
        assert_eq!(show(Label::from_unix(NOW, 0), &berlin()), "2026-11-22 07:11:20");
    }
}
