//! The tail that readproctitle shows: what the last bytes of its input are.
//!
//! Source: `readproctitle.c` of daemontools 0.76, which moves the whole tail for every byte it reads; what is shown
//! after any input is the same.

/// The bytes at the beginning of a title that are always dots.
const DOTS: usize = 3;
/// The shortest title.
const SHORTEST: usize = DOTS + 2;

/// Turns an argument into a title without news: dots. `None`, with the dots in it, if it is too short.
pub fn clear(argument: &mut [u8]) -> Option<&mut [u8]> {
    argument.fill(b'.');
    (argument.len() >= SHORTEST).then_some(argument)
}

/// Moves input into a title from its end, as far as there is room behind the first dots. NULs are left out: behind one
/// nothing would be shown.
///
/// ```
/// let mut title = *b"........";
/// supervise_lite::proctitle::append(&mut title, b"ab\0c\n");
/// assert_eq!(&title, b"....abc\n");
/// supervise_lite::proctitle::append(&mut title, b"de");
/// assert_eq!(&title, b"...bc\nde");
/// ```
pub fn append(title: &mut [u8], input: &[u8]) {
    let Some(tail) = title.get_mut(DOTS..) else { return };
    let shown = || input.iter().rev().filter(|&&byte| byte != 0);
    let fresh = shown().take(tail.len()).count();
    tail.copy_within(fresh.., 0);
    for (place, &byte) in tail.iter_mut().rev().zip(shown()) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the original does it: one byte after the other.
    fn append_slowly(title: &mut [u8], input: &[u8]) {
        for &byte in input.iter().filter(|&&byte| byte != 0) {
            title.copy_within(DOTS + 1.., DOTS);
            *title.last_mut().expect("no title is empty") = byte;
        }
    }

    #[test]
    fn a_title_has_five_bytes() {
        let check = |argument: &str, wanted: bool| {
            let mut bytes = argument.as_bytes().to_vec();
            assert_eq!(clear(&mut bytes).is_some(), wanted, "{argument}");
            assert_eq!(bytes, vec![b'.'; argument.len()]);
        };
        check("", false);
        check("abcd", false);
        check("abcde", true);
    }

    proptest! {
        #[test]
        fn blocks_are_as_good_as_bytes(
            length in SHORTEST..50,
            blocks in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..80), 0..10,
            ),
        ) {
            let (mut title, mut wanted) = (vec![b'.'; length], vec![b'.'; length]);
            for block in &blocks {
                append(&mut title, block);
                append_slowly(&mut wanted, block);
                prop_assert_eq!(&title, &wanted);
            }
        }
    }
}
