//! The TAI64N label: a moment as 12 bytes, written as `@` and 24 hexadecimal digits.
//!
//! Seconds are `2^62 + 10 +` Unix seconds, as `tai_now.c` of daemontools 0.76 counts them. The crate tai64 holds that sum in
//! `from_unix` and `to_unix`; its `now()` and its `SystemTime` conversions add 37 instead of 10 and must never be used.

use crate::digits::{hex, parse_hex};
use tai64::Tai64;

/// A moment. Labels sort as their written forms do: byte order is time order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    seconds: u64,
    nanos: u32,
}

/// Length of a written label: `@` and 24 digits.
pub const LABEL_BYTES: usize = 25;

const NANOS_PER_SECOND: u32 = 1_000_000_000;
/// Labels from here on are not moments (TAI64 reserves them), so they are no base for a name.
const SECONDS_END: u64 = 1 << 63;

impl Label {
    /// The label of a Unix time. `nanos` is below 10^9; more is taken as the last nanosecond of that second.
    ///
    /// ```
    /// use logcore::label::Label;
    /// let label = Label::from_unix(1_722_242_168, 811_661_123);
    /// assert_eq!(&label.format(), b"@4000000066a754823060f743");
    /// ```
    pub fn from_unix(seconds: i64, nanos: u32) -> Self {
        // A clock beyond the range of TAI64 is none we can write down.
        let seconds = seconds.clamp(-(1 << 61), (1 << 62) - 1024);
        Label { seconds: Tai64::from_unix(seconds).0, nanos: nanos.min(NANOS_PER_SECOND - 1) }
    }

    /// Unix seconds of this label.
    pub fn unix_seconds(self) -> i64 {
        // In range for every label that `from_unix` or `parse` made, and for their neighbours.
        Tai64(self.seconds).to_unix()
    }

    /// TAI seconds of this label, 2^62 + 10 + Unix seconds: the number that its first 16 digits write.
    pub fn tai_seconds(self) -> u64 {
        self.seconds
    }

    /// Nanoseconds within the second, below 10^9.
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The label one nanosecond later.
    pub fn after(self) -> Self {
        if self.nanos + 1 < NANOS_PER_SECOND {
            Label { nanos: self.nanos + 1, ..self }
        } else {
            Label { seconds: self.seconds + 1, nanos: 0 }
        }
    }

    /// The label `seconds` later (or earlier, when negative), saturating where labels are no moments any more.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Label { seconds: self.seconds.saturating_add_signed(seconds).min(SECONDS_END - 2), ..self }
    }

    /// `@` and 24 lower-case hexadecimal digits.
    #[doc(alias = "fmt_tai64nstamp")]
    pub fn format(self) -> [u8; LABEL_BYTES] {
        let mut text = [b'@'; LABEL_BYTES];
        text[1..9].copy_from_slice(&hex((self.seconds >> 32) as u32));
        text[9..17].copy_from_slice(&hex(self.seconds as u32));
        text[17..].copy_from_slice(&hex(self.nanos));
        text
    }

    /// Reads what [`format`](Self::format) writes; `None` for anything else, for reserved seconds, for nanoseconds of 10^9
    /// and more, and for the very last label, which has no successor.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (_, digits) = text.split_first()?;
        let ([high, low, nanos], []) = digits.as_chunks() else { return None };
        let seconds = u64::from(parse_hex(high)?) << 32 | u64::from(parse_hex(low)?);
        let label = Label { seconds, nanos: parse_hex(nanos)? };
        let is_moment = label.nanos < NANOS_PER_SECOND && seconds < SECONDS_END - 1;
        (is_moment && label.format() == text).then_some(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_is_two_to_the_62_plus_10() {
        assert_eq!(&Label::from_unix(0, 0).format(), b"@400000000000000a00000000");
        assert_eq!(&Label::from_unix(-1, 7).format(), b"@400000000000000900000007");
        assert_eq!(Label::from_unix(1_700_000_000, 1).unix_seconds(), 1_700_000_000);
        assert_eq!(Label::from_unix(-5, 1).unix_seconds(), -5);
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        let late = Label::from_unix(0, 5).plus_seconds(i64::MAX);
        assert_eq!(Label::parse(&late.format()), Some(late));
        assert_eq!(late.plus_seconds(1).unix_seconds(), late.unix_seconds());
    }

    #[test]
    fn parse_takes_only_what_format_writes() {
        let label = Label::from_unix(1_795_327_880, 999_999_999);
        assert_eq!(Label::parse(&label.format()), Some(label));
        for bad in [
            &b""[..],
            b"@",
            b"@400000000000000a0000000",
            b"@400000000000000a000000000",
            b"@400000000000000A00000000",
            b"@400000000000000a3b9aca00", // 10^9 ns
            b"@800000000000000000000000",
            b"@7fffffffffffffff00000000", // has no successor
            b"x400000000000000a00000000",
        ] {
            assert_eq!(Label::parse(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn after_carries_into_the_second() {
        let last = Label::from_unix(9, 999_999_999);
        assert_eq!(last.after(), Label::from_unix(10, 0));
        assert!(last < last.after());
        assert!(last.format() < last.after().format());
    }

    #[test]
    fn absurd_clocks_do_not_panic() {
        for seconds in [i64::MIN, i64::MAX] {
            let label = Label::from_unix(seconds, u32::MAX);
            assert_eq!(Label::parse(&label.format()), Some(label));
        }
    }
}
