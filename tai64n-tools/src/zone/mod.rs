//! The offset of local time, as glibc gives it: `TZ`, else /etc/localtime; zone files, leap seconds included, and rules.
//!
//! Asked once for a whole span of seconds that share an offset, not once a line. The crate chrono, which multilog's stamps use,
//! is not used here: it takes several values of `TZ` that glibc knows for UTC (rules without dates, hours beyond 24, negative times of
//! change), takes no leap seconds out (`right/` zones), and does not tell how long an offset holds.

mod rule;
mod tzif;

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
    fn absurd_seconds_do_not_panic() {
        for tz in ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", ":Europe/Berlin"] {
            let zone = Zone::named(Some(OsStr::new(tz)), None);
            for second in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
                zone.span(second);
            }
        }
    }
}
