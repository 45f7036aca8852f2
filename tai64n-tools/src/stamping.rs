//! What tai64n does to the beginning of a line: it puts the label of the moment before it, as multilog's `t` does.
//!
//! One clock reading serves all lines of a batch; see [`logcore::stamp`]. A line's moment is that of the batch its first byte came in.

use crate::filter::{Begin, Beginning, Place};
use logcore::label::Label;
use logcore::stamp::{StampKind, Stamper, Zone};

/// Labels, and the clock they come from.
pub struct Stamping<C> {
    clock: C,
    stamper: Stamper,
}

impl<C: FnMut() -> Label> Stamping<C> {
    /// Labels of the moments that `clock` gives, which is asked once a batch.
    pub fn new(clock: C) -> Self {
        // A label is of no zone.
        Stamping { clock, stamper: Stamper::new(StampKind::Tai64n, Zone::Fixed(0)) }
    }
}

impl<C: FnMut() -> Label> Beginning for Stamping<C> {
    /// Reads the clock. A clock that stepped back by more than a second is followed, and labels with it.
    fn batch(&mut self) {
        self.stamper.at((self.clock)());
    }

    #[inline]
    fn begin(&mut self, _head: &[u8], _ended: bool, place: &mut Place) -> Begin {
        Begin::Change { taken: 0, written: self.stamper.stamp(place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Block, Filter, TEXT_BYTES};

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
