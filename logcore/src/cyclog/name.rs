//! Names of old logs: which names are one, their order, and the next.
//!
//! A name is `@`, the 24 digits of the moment its last line was written, `.`, and a suffix: `.s` safe, `.u` unfinished, or the
//! suffix that `w` sets. Names strictly increase in the order of writing, whatever the clock does.

use crate::label::{LABEL_BYTES, Label};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Names further ahead than this were given by a clock that was wrong, then or now.
const FUTURE_SECONDS: i64 = 86_400;

/// The moment in the name of an old log; `None` when `name` is not one, and then nobody here ever touches that file.
///
/// ```
/// use logcore::cyclog::name;
/// assert!(name::parse(b"@400000003b4a39c23294b13c.s").is_some());
/// assert!(name::parse(b"@400000003b4a39c23294b13c").is_none());
/// assert!(name::parse(b"@this-is-a-note-of-25-chars").is_none());
/// ```
pub fn parse(name: &[u8]) -> Option<Label> {
    let (label, suffix) = name.split_at_checked(LABEL_BYTES)?;
    if suffix.len() < 2 || suffix[0] != b'.' {
        return None;
    }
    Label::parse(label)
}

/// The name of the old log of this moment.
pub fn compose(label: Label, suffix: &[u8]) -> OsString {
    let mut name = label.format().to_vec();
    name.push(b'.');
    name.extend_from_slice(suffix);
    OsString::from_vec(name)
}

/// Gives out names, each greater than all before it.
#[derive(Clone, Debug, Default)]
pub struct Namer {
    /// The greatest name that counts: given out here, or found at the start and not of the future.
    last: Option<Label>,
}

impl Namer {
    /// Takes account of a name that is there already. Returns false for one that is more than a day ahead of `now`: it
    /// does not count, so that new names stay true.
    pub fn found(&mut self, label: Label, now: Label) -> bool {
        let counts = label <= now.plus_seconds(FUTURE_SECONDS);
        if counts {
            self.last = self.last.max(Some(label));
        }
        counts
    }

    /// The name for a file that was finished at `moment`: that moment, or just after the last name when it is not later.
    #[must_use]
    pub fn next(&mut self, moment: Label) -> Label {
        let label = match self.last {
            Some(last) if moment <= last => last.after(),
            _ => moment,
        };
        self.last = Some(label);
        label
    }

    /// Names beyond this moment come from a wrong clock: retention takes them as the oldest.
    pub fn horizon(&self, now: Label) -> Label {
        self.last.map_or(now, |last| last.max(now)).plus_seconds(FUTURE_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_increase_whatever_the_clock_does() {
        let mut namer = Namer::default();
        let mut last = None;
        let seconds = [5000, 5000, 4999, 0, -1_600_000_000, 5000, 4_294_967_296, 10, i64::MAX, 0];
        for second in seconds {
            let label = namer.next(Label::from_unix(second, 999_999_999));
            assert!(Some(label) > last, "{label:?} after {last:?}");
            last = Some(label);
        }
    }

    #[test]
    fn names_of_the_future_do_not_count() {
        let now = Label::from_unix(1_000_000, 0);
        let mut namer = Namer::default();
        assert!(namer.found(now.plus_seconds(86_400), now));
        assert!(!namer.found(now.plus_seconds(86_401), now));
        assert_eq!(namer.next(now), now.plus_seconds(86_400).after());
        // A moment that is later is the name itself.
        assert_eq!(namer.next(now.plus_seconds(86_401)), now.plus_seconds(86_401));
    }

    #[test]
    fn only_the_strict_form_is_an_old_log() {
        let check = |name: &str, wanted: bool| assert_eq!(parse(name.as_bytes()).is_some(), wanted, "{name}");
        check("@400000003b4a39c23294b13c.s", true);
        check("@400000003b4a39c23294b13c.u", true);
        check("@400000003b4a39c23294b13c.s.gz", true);
        check("@400000003b4a39c23294b13c.", false);
        check("@400000003b4a39c23294b13cs", false);
        check("@400000003B4A39C23294B13C.s", false);
        check("@400000003b4a39c2ffffffff.s", false);
        check("@ffffffffffffffff00000000.s", false);
        check("current", false);
    }
}
