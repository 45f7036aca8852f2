//! The offset of local time, as glibc gives it: `TZ`, else /etc/localtime; zone files, leap seconds included, and rules.
//!
//! Asked once for a whole span of seconds that share an offset, not once a line. The crate chrono, which multilog's stamps use,
//! is not used here: it takes several values of `TZ` that glibc knows for UTC (rules without dates, hours beyond 24, negative times of
//! change), takes no leap seconds out (`right/` zones), and does not tell how long an offset holds.

mod machine;
mod rule;
mod tzif;

pub use machine::Machine;

use crate::calendar::DAY;
use rule::Rule;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tzif::ZoneFile;

/// Where zone files are, unless `TZDIR` says otherwise.
const ZONE_DIR: &str = "/usr/share/zoneinfo";
/// The zone of this machine.
const DEFAULT: &str = "/etc/localtime";

/// Seconds that share an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first of them.
    pub from: i64,
    /// The first after them.
    pub until: i64,
    /// Seconds east of UTC.
    pub east: i64,
    /// Leap seconds that the count has and UTC's days have not; 0 but in a `right/` zone. Local time is the count less these,
    /// plus `east`.
    pub counted: i64,
    /// The span is itself a leap second, and its minute has a sixtieth.
    pub is_leap: bool,
}

impl Span {
    /// An offset without leap seconds, from `from` to before `until`.
    fn new(from: i64, until: i64, east: i64) -> Span {
        Span { from, until, east, counted: 0, is_leap: false }
    }
}

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Utc,
    File(ZoneFile),
    Rule(Rule),
}

impl Zone {
    /// Coordinated universal time, without leap seconds.
    pub const UTC: Zone = Zone(Kind::Utc);

    /// The zone that a value of `TZ` names; `None` is an unset one. What cannot be understood is UTC.
    ///
    /// `tzdir`: the value of `TZDIR`. Reads the zone file, once.
    ///
    /// Original: `tzset`, glibc 2.36: a leading colon is skipped, empty is UTC, and a file goes before a rule.
    ///
    /// ```
    /// use tai64n_tools::zone::Zone;
    /// let zone = Zone::named(Some("CET-1CEST,M3.5.0,M10.5.0/3".as_ref()), None);
    /// assert_eq!(zone.span(1_795_327_880).east, 3600);
    /// ```
    pub fn named(tz: Option<&OsStr>, tzdir: Option<&OsStr>) -> Zone {
        let name = tz.map_or(DEFAULT.as_bytes(), OsStr::as_bytes);
        let name = name.strip_prefix(b":").unwrap_or(name);
        if name.is_empty() {
            return Zone::UTC;
        }
        let dir = tzdir.filter(|dir| !dir.is_empty()).unwrap_or(OsStr::new(ZONE_DIR));
        let file = std::fs::read(Path::new(dir).join(OsStr::from_bytes(name)));
        match file.ok().and_then(|bytes| ZoneFile::parse(&bytes)) {
            Some(file) => Zone(Kind::File(file)),
            None => Rule::parse(name).map_or(Zone::UTC, |rule| Zone(Kind::Rule(rule))),
        }
    }

    /// The offset at a Unix time, and the seconds around it that have the same.
    ///
    /// `second`: within some thousand years of now; beyond them the answer is no use, but there is one. Reads nothing.
    pub fn span(&self, second: i64) -> Span {
        let second = second.clamp(-(1 << 40), 1 << 40);
        match &self.0 {
            Kind::Utc => Span::new(i64::MIN, i64::MAX, 0),
            Kind::File(file) => file.span(second),
            Kind::Rule(rule) => rule.span(second),
        }
    }

    /// The Unix time that a clock on the wall shows as `local`: seconds since 1970 by that clock, within some thousand years.
    ///
    /// An hour that comes twice is the first of the two, unless that one is before `not_before`. An hour that does not come is
    /// taken by the offset before it. Reads nothing.
    ///
    /// ```
    /// use tai64n_tools::zone::Zone;
    /// let zone = Zone::named(Some("CET-1CEST,M3.5.0,M10.5.0/3".as_ref()), None);
    /// // 2026-10-25 02:30 comes twice.
    /// assert_eq!(zone.unix(1_792_895_400, 0), 1_792_888_200);
    /// assert_eq!(zone.unix(1_792_895_400, 1_792_888_201), 1_792_891_800);
    /// ```
    pub fn unix(&self, local: i64, not_before: i64) -> i64 {
        let by = |near: i64| {
            let span = self.span(near);
            local - span.east + span.counted
        };
        let is_shown = |second: i64| {
            let span = self.span(second);
            second - span.counted + span.east == local
        };
        // No offset is a day, and none changes twice in two days.
        let (first, second) = (by(local - DAY), by(local + DAY));
        match (is_shown(first), is_shown(second)) {
            (true, true) if first < not_before => second,
            (false, true) => second,
            _ => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_tz() {
        let check = |tz: &str, wanted: i64| {
            let zone = Zone::named(Some(OsStr::new(tz)), None);
            assert_eq!(zone.span(1_795_327_880).east, wanted, "TZ={tz}");
        };
        check("", 0);
        check(":", 0);
        check("nonsense", 0);
        check("Nowhere/Town", 0);
        check("/", 0);
        check("CET-1", 3600);
        check(":CET-1", 3600);
    }

    #[test]
    fn local_time_back_to_unix_time() {
        let check = |tz: &str, local: i64, not_before: i64, wanted: i64| {
            let zone = Zone::named(Some(OsStr::new(tz)), None);
            assert_eq!(zone.unix(local, not_before), wanted, "TZ={tz} {local}");
        };
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        check("UTC0", 5, 100, 5);
        check(berlin, 1_795_331_480, 0, 1_795_327_880);
        // 2026-03-29, from two to three: does not come.
        check(berlin, 1_774_749_599, 0, 1_774_745_999);
        check(berlin, 1_774_751_400, 0, 1_774_747_800);
        check(berlin, 1_774_753_200, 0, 1_774_746_000);
        // 2026-10-25, from two to three: comes twice.
        check(berlin, 1_792_893_599, i64::MAX, 1_792_886_399);
        check(berlin, 1_792_893_600, 0, 1_792_886_400);
        check(berlin, 1_792_893_600, 1_792_886_401, 1_792_890_000);
        check(berlin, 1_792_897_200, 0, 1_792_893_600);
    }

    #[test]
    fn absurd_seconds_do_not_panic() {
        for tz in ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", ":Europe/Berlin"] {
            let zone = Zone::named(Some(OsStr::new(tz)), None);
            for second in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
                zone.span(second);
            }
        }
    }
}
