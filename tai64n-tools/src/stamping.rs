//! What tai64n does to the beginning of a line: it puts the label of the moment before it.
//!
//! One clock reading serves all lines of a batch; they follow each other by a nanosecond, so that labels strictly increase
//! and sort in the order of the lines. A line's moment is that of the batch its first byte came in. The digits of a second are
//! made once, those of the nanoseconds for each line.

use crate::filter::{Begin, Beginning, Place, TEXT_BYTES};
use logcore::digits;
use logcore::label::{LABEL_BYTES, Label};

/// Where the digits of the nanoseconds begin.
const NANOS: usize = 17;

/// Labels, and the clock they come from.
pub struct Stamping<C> {
    clock: C,
    /// The moment of the next line.
    next: Label,
    /// The moment of the last line, if there was one.
    last: Option<Label>,
    /// The second whose label is in `text`.
    second: Option<i64>,
    /// A label and a space; the nanoseconds are those of another line.
    text: Place,
}

impl<C: FnMut() -> Label> Stamping<C> {
    /// Labels of the moments that `clock` gives, which is asked once a batch.
    pub fn new(clock: C) -> Self {
        let next = Label::from_unix(0, 0);
        Stamping { clock, next, last: None, second: None, text: [b' '; TEXT_BYTES] }
    }
}

impl<C: FnMut() -> Label> Beginning for Stamping<C> {
    /// Reads the clock. A clock that stepped back by more than a second is followed, and labels with it.
    fn batch(&mut self) {
        let now = (self.clock)();
        self.next = match self.last {
            Some(last) if now <= last && last <= now.plus_seconds(1) => last.after(),
            _ => now,
        };
    }

    #[inline]
    fn begin(&mut self, _head: &[u8], _ended: bool, place: &mut Place) -> Begin {
        let moment = self.next;
        let second = Some(moment.unix_seconds());
        if self.second != second {
            self.text[..LABEL_BYTES].copy_from_slice(&moment.format());
            self.second = second;
        }
        *place = self.text;
        place[NANOS..LABEL_BYTES].copy_from_slice(&digits::hex(moment.nanos()));
        self.last = Some(moment);
        self.next = moment.after();
        Begin::Change { taken: 0, written: LABEL_BYTES + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Block, Filter};

    /// The labels of one line in each batch, the clock showing these moments.
    fn labels(moments: &[(i64, u32)]) -> Vec<String> {
        let mut clock = moments.iter().map(|&(second, nanos)| Label::from_unix(second, nanos));
        let mut stamping = Stamping::new(move || clock.next().expect("one reading a batch"));
        let mut label = |_| {
            stamping.batch();
            let mut place = [0; TEXT_BYTES];
            let begin = stamping.begin(b"x", false, &mut place);
            assert_eq!(begin, Begin::Change { taken: 0, written: 26 });
            String::from_utf8_lossy(&place[..26]).into_owned()
        };
        moments.iter().map(&mut label).collect()
    }

    #[test]
    fn each_line_gets_the_moment_of_its_first_byte() {
        let mut second = 0;
        let clock = || {
            second += 1;
            Label::from_unix(second, 0)
        };
        let mut stamping = Stamping::new(clock);
        let mut block = Block::default();
        stamping.batch();
        let mut filter = Filter::new(stamping, true);
        filter.change(b"one\n\ntw", false, &mut block);
        filter.change(b"o\n", true, &mut block);
        let wanted =
            "@400000000000000b00000000 one\n@400000000000000b00000001 \n@400000000000000b00000002 two\n";
        assert_eq!(String::from_utf8_lossy(block.filled()), wanted);
    }

    #[test]
    fn labels_are_those_of_their_moments() {
        for moment in [(0, 0), (1_722_242_168, 811_661_123), (1_722_242_168, 999_999_999), (-5, 1)] {
            let wanted = Label::from_unix(moment.0, moment.1).format();
            assert_eq!(labels(&[moment])[0].as_bytes(), [&wanted[..], b" "].concat());
        }
    }

    #[test]
    fn labels_increase_while_the_clock_stands_or_steps_back_a_little() {
        let found = labels(&[(9, 999_999_999), (9, 999_999_999), (9, 5), (10, 0), (10, 7)]);
        assert!(found.is_sorted_by(|one, two| one < two), "{found:?}");
        assert_eq!(found[4], "@400000000000001400000007 ");
    }

    #[test]
    fn a_clock_that_steps_back_far_is_followed() {
        assert_eq!(labels(&[(5000, 0), (3000, 0)])[1].as_bytes()[..25], Label::from_unix(3000, 0).format());
    }
}
