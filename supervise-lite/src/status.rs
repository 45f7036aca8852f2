//! The 18 bytes of `supervise/status`: what svstat, svinfo and many scripts read.
//!
//! | bytes | content |
//! |---|---|
//! | 0-7 | since when, in TAI seconds: 2^62 + 10 + Unix seconds, high byte first |
//! | 8-11 | nanoseconds, high byte first: microseconds and always 500 |
//! | 12-15 | process id, low byte first; 0: down |
//! | 16 | 1: paused |
//! | 17 | `u` wanted up, `d` wanted down, 0: neither |
//!
//! Source: `supervise.c` (`pidchange`, `announce`) and `svstat.c` of daemontools 0.76.

use logcore::label::Label;

/// How long a status is. Who reads more finds bytes that mean nothing here.
pub const STATUS_BYTES: usize = 18;

/// What supervise is to make of its service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// Started again whenever it has ended.
    #[default]
    Up,
    /// Not started.
    Down,
    /// What runs may run to its end; nothing is started after that.
    Once,
}

/// A moment as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// TAI seconds: 2^62 + 10 + Unix seconds; any number in a file that was tampered with.
    pub seconds: u64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

impl Since {
    /// The moment `now`, a Unix time, to the microsecond as the original has it.
    pub fn unix(seconds: i64, nanos: u32) -> Since {
        Since { seconds: Label::from_unix(seconds, 0).tai_seconds(), nanos: nanos / 1000 * 1000 + 500 }
    }

    /// Whole seconds from this moment to `now`; 0 when the clock has gone back.
    ///
    /// Large numbers, which only a spoilt file gives, are rounded as the original rounds them: in floating point.
    pub fn age(self, now: Since) -> u64 {
        now.seconds.saturating_sub(self.seconds) as f64 as u64
    }

    /// Unix seconds, `None` for what is no moment of this universe's calendars.
    pub fn unix_seconds(self) -> Option<i64> {
        let epoch = i128::from(Label::from_unix(0, 0).tai_seconds());
        i64::try_from(i128::from(self.seconds) - epoch)
            .ok()
            .filter(|seconds| seconds.unsigned_abs() < 1 << 60)
    }
}

/// The state of a service as supervise tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// When it last started or ended, or when supervise started.
    pub since: Since,
    /// Its process; 0: it is down.
    pub pid: u32,
    /// It was sent STOP by supervise, and no CONT since.
    pub paused: bool,
    /// Whether it is wanted.
    pub want: Want,
}

impl Status {
    /// The bytes of the file.
    ///
    /// ```
    /// use supervise_lite::status::{Since, Status, Want};
    /// let status = Status { since: Since::unix(1_795_325_876, 875_967_000), pid: 654, paused: true, want: Want::Up };
    /// assert_eq!(&status.pack(), b"\x40\0\0\0\x6b\x02\x7f\xbe\x34\x36\x34\x0c\x8e\x02\0\0\x01u");
    /// assert_eq!(Status::unpack(&status.pack()), status);
    /// ```
    pub fn pack(&self) -> [u8; STATUS_BYTES] {
        let mut bytes = [0; STATUS_BYTES];
        bytes[..8].copy_from_slice(&self.since.seconds.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.since.nanos.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.pid.to_le_bytes());
        bytes[16] = u8::from(self.paused && self.pid != 0);
        bytes[17] = match self.want {
            Want::Up => b'u',
            Want::Down => b'd',
            Want::Once => 0,
        };
        bytes
    }

    /// What the bytes say. Every 18 bytes say something: other wishes than `u` and `d` are none.
    pub fn unpack(bytes: &[u8; STATUS_BYTES]) -> Status {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, paused, want] = *bytes;
        Status {
            since: Since {
                seconds: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
                nanos: u32::from_be_bytes([i, j, k, l]),
            },
            pid: u32::from_le_bytes([m, n, o, p]),
            paused: paused != 0,
            want: match want {
                b'u' => Want::Up,
                b'd' => Want::Down,
                _ => Want::Once,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_service_that_is_down_is_not_paused() {
        let status = Status { since: Since::unix(0, 0), pid: 0, paused: true, want: Want::Down };
        assert_eq!(&status.pack(), b"\x40\0\0\0\0\0\0\x0a\0\0\x01\xf4\0\0\0\0\0d");
    }

    #[test]
    fn ages_are_whole_seconds_and_never_negative() {
        let check = |since: u64, now: u64, wanted: u64| {
            let at = |seconds| Since { seconds, nanos: 0 };
            assert_eq!(at(since).age(at(now)), wanted, "{since} to {now}");
        };
        check(7, 7, 0);
        check(7, 107, 100);
        check(8, 7, 0);
        check(u64::MAX, 0, 0);
        // As Debian's svstat says of a file of zeros.
        check(0, 4_611_686_020_222_766_700, 4_611_686_020_222_767_104);
    }

    #[test]
    fn unix_seconds_of_moments_only() {
        let check = |seconds: u64, wanted: Option<i64>| {
            assert_eq!(Since { seconds, nanos: 0 }.unix_seconds(), wanted, "{seconds}");
        };
        check(Since::unix(1_795_325_876, 0).seconds, Some(1_795_325_876));
        check((1 << 62) + 9, Some(-1));
        check(0, None);
        check(u64::MAX, None);
    }

    proptest! {
        #[test]
        fn any_18_bytes_are_read_and_written_back(bytes in any::<[u8; STATUS_BYTES]>()) {
            let status = Status::unpack(&bytes);
            let again = status.pack();
            prop_assert_eq!(again[..16].to_vec(), bytes[..16].to_vec());
            prop_assert_eq!(Status::unpack(&again).want, status.want);
        }
    }
}
