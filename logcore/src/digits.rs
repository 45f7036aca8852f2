//! The digits of labels and readable stamps: one after the other, for line after line.
//!
//! All digits of a number are in one register at a time: no table but one, no branch.

const ONES: u64 = 0x0101_0101_0101_0101;

/// Eight hexadecimal digits, lower case: a third of a label.
///
/// ```
/// assert_eq!(&logcore::digits::hex(811_661_123), b"3060f743");
/// ```
#[inline]
pub fn hex(value: u32) -> [u8; 8] {
    let [a, b, c, d] = value.to_be_bytes().map(|byte| HEX[usize::from(byte)]);
    [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
}

/// Two hexadecimal digits for each byte.
const HEX: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let digits = b"0123456789abcdef";
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

/// The value of eight hexadecimal digits of either case; `None` when one is something else.
///
/// ```
/// use logcore::digits::parse_hex;
/// assert_eq!(parse_hex(b"3060F743"), Some(811_661_123));
/// assert_eq!(parse_hex(b"3060f74 "), None);
/// ```
#[inline]
pub fn parse_hex(digits: &[u8; 8]) -> Option<u32> {
    let digits = u64::from_be_bytes(*digits);
    // Letters have this bit; the low four of an `a` or `A` are 1.
    let letters = (digits >> 6) & ONES;
    let values = (digits & (15 * ONES)) + 9 * letters;
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    let value = (fours | fours >> 16) as u32;
    // It is written again as it was, but in lower case, only if all were digits.
    (u64::from_be_bytes(hex(value)) == digits | letters << 5).then_some(value)
}

/// Nine decimal digits; of a number of 10^9 and more, some nine bytes.
///
/// ```
/// assert_eq!(&logcore::digits::decimal(11_661_123), b"011661123");
/// ```
#[inline]
pub fn decimal(nanos: u32) -> [u8; 9] {
    let nanos = u64::from(nanos);
    let (first, rest) = (nanos / 100_000_000, nanos % 100_000_000);
    // The last eight as two parts, as four, as eight. Hundredths and tenths are products, exact for parts so small.
    let fours = (rest / 10_000) | ((rest % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | (twos - 10 * tens) << 8;
    let [a, b, c, d, e, f, g, h] = (ones + 0x30 * ONES).to_le_bytes();
    [b'0' + first as u8, a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value of each two digits, and the ends.
    fn samples() -> impl Iterator<Item = u32> {
        let near = |value: u32| value.saturating_sub(300)..value.saturating_add(300);
        let parts = [1, 100, 10_000, 1_000_000, 100_000_000, 1 << 8, 1 << 16, 1 << 24];
        let spread = (0..1000_u32).flat_map(move |part| parts.map(|unit| part.wrapping_mul(unit)));
        spread.chain(near(0)).chain(near(999_999_999)).chain(near(u32::MAX))
    }

    #[test]
    fn decimal_digits_are_those_of_the_library() {
        for value in samples().chain((0..10_000).map(|part| part * 99_991)) {
            let value = value % 1_000_000_000;
            assert_eq!(String::from_utf8_lossy(&decimal(value)), format!("{value:09}"));
        }
    }

    #[test]
    fn hexadecimal_digits_are_those_of_the_library() {
        for value in samples() {
            let shown = format!("{value:08x}");
            assert_eq!(String::from_utf8_lossy(&hex(value)), shown);
            assert_eq!(parse_hex(&hex(value)), Some(value));
            assert_eq!(parse_hex(&hex(value).map(|digit| digit.to_ascii_uppercase())), Some(value));
        }
    }

    #[test]
    fn every_other_byte_is_no_digit_wherever_it_stands() {
        for byte in (0..=255).filter(|byte: &u8| !byte.is_ascii_hexdigit()) {
            for at in 0..8 {
                for other in *b"07aF" {
                    let mut digits = [other; 8];
                    digits[at] = byte;
                    assert_eq!(parse_hex(&digits), None, "{}", digits.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn numbers_too_large_do_not_panic() {
        decimal(1_000_000_000);
        decimal(u32::MAX);
    }
}
