//! softlimit's options as values: which resources, and how much of them.
//!
//! Source: `softlimit.c` of daemontools 0.76. There each option takes effect as it is read; here all are read first.

use crate::options::{Options, Wrong};
use rustix::process::{Resource, Rlimit};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The letters, all with an argument.
const LETTERS: &[u8] = b"a:c:d:f:l:m:o:p:r:s:t:";

/// softlimit's options at the head of its arguments.
pub fn options(words: &[OsString]) -> Options<'_> {
    Options::new(words, LETTERS)
}

/// What a resource shall be limited to. The hard limit is never exceeded, and never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// `=`: as much as the hard limit allows.
    Most,
    /// In the resource's own unit: bytes, files, processes, seconds.
    Number(u64),
}

/// One option of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it limits.
    pub resources: &'static [Resource],
    /// To how much.
    pub amount: Amount,
}

/// Why the options cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// A letter that is not one of ours, or is without an argument.
    Option(Wrong),
    /// An argument that is no number.
    Number,
}

impl Amount {
    /// Digits, none of them for 0, or `=` alone. `None`: something else. What no number holds is the greatest there is,
    /// which means no limit; the original's number starts again at 0.
    pub fn parse(text: &[u8]) -> Option<Amount> {
        if text == b"=" {
            return Some(Amount::Most);
        }
        let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
        let number = text.iter().try_fold(0_u64, |number, &byte| {
            digit(byte).map(|digit| number.saturating_mul(10).saturating_add(digit))
        });
        number.map(Amount::Number)
    }

    /// The limits to set where these are in force.
    pub fn within(self, limits: Rlimit) -> Rlimit {
        let hard = limits.maximum.unwrap_or(u64::MAX);
        let soft = match self {
            Amount::Most => hard,
            Amount::Number(number) => number.min(hard),
        };
        // The greatest number is how the system writes "no limit".
        Rlimit { current: Some(soft).filter(|&soft| soft < u64::MAX), ..limits }
    }
}

/// The limits in the order in which they are to be set; leaves `options` at the operands.
///
/// Errors: the first mistake from the left.
pub fn parse<'a>(options: &mut Options<'a>) -> Result<Vec<Limit>, Misuse> {
    let limit = |option: Result<(u8, &'a OsStr), Wrong>| {
        let (letter, argument) = option.map_err(Misuse::Option)?;
        let amount = Amount::parse(argument.as_bytes()).ok_or(Misuse::Number)?;
        Ok(Limit { resources: resources(letter), amount })
    };
    options.map(limit).collect()
}

/// What a letter limits.
fn resources(letter: u8) -> &'static [Resource] {
    match letter {
        b'a' => &[Resource::As],
        b'c' => &[Resource::Core],
        b'd' => &[Resource::Data],
        b'f' => &[Resource::Fsize],
        b'l' => &[Resource::Memlock],
        b'm' => &[Resource::Data, Resource::Stack, Resource::Memlock, Resource::As],
        b'o' => &[Resource::Nofile],
        b'p' => &[Resource::Nproc],
        b'r' => &[Resource::Rss],
        b's' => &[Resource::Stack],
        b't' => &[Resource::Cpu],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_digits_or_the_most() {
        let check = |text: &str, wanted: Option<Amount>| {
            assert_eq!(Amount::parse(text.as_bytes()), wanted, "{text}");
        };
        check("", Some(Amount::Number(0)));
        check("0", Some(Amount::Number(0)));
        check("0012", Some(Amount::Number(12)));
        check("18446744073709551615", Some(Amount::Number(u64::MAX)));
        check("18446744073709551616", Some(Amount::Number(u64::MAX)));
        check("99999999999999999999999", Some(Amount::Number(u64::MAX)));
        check("=", Some(Amount::Most));
        check("==", None);
        check("-1", None);
        check("+1", None);
        check("1k", None);
        check(" 1", None);
    }

    #[test]
    fn the_hard_limit_stays_and_bounds() {
        let check = |amount, maximum, wanted| {
            let limits = Rlimit { current: Some(7), maximum };
            assert_eq!(amount_within(amount, limits), (wanted, maximum));
        };
        fn amount_within(amount: Amount, limits: Rlimit) -> (Option<u64>, Option<u64>) {
            let Rlimit { current, maximum } = amount.within(limits);
            (current, maximum)
        }
        check(Amount::Most, None, None);
        check(Amount::Most, Some(9), Some(9));
        check(Amount::Number(8), None, Some(8));
        check(Amount::Number(8), Some(9), Some(8));
        check(Amount::Number(10), Some(9), Some(9));
        check(Amount::Number(u64::MAX), None, None);
        check(Amount::Number(u64::MAX), Some(9), Some(9));
    }

    #[test]
    fn options_are_limits_in_their_order() {
        let check = |words: &[&str], wanted: Result<&[(usize, Amount)], Misuse>| {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            let limits = parse(&mut options(&words)).map(|limits| {
                limits.iter().map(|limit| (limit.resources.len(), limit.amount)).collect::<Vec<_>>()
            });
            assert_eq!(limits.as_deref().map_err(|wrong| *wrong), wanted, "{words:?}");
        };
        check(&["child"], Ok(&[]));
        check(&["-m", "5", "-a="], Ok(&[(4, Amount::Number(5)), (1, Amount::Most)]));
        check(&["-m", "x", "-z"], Err(Misuse::Number));
        check(&["-z", "-m", "x"], Err(Misuse::Option(Wrong::Illegal(b'z'))));
        check(&["-o", "5", "-m"], Err(Misuse::Option(Wrong::Bare(b'm'))));
    }

    #[test]
    fn every_letter_limits_something() {
        let letters = LETTERS.iter().filter(|&&letter| letter != b':');
        assert_eq!(letters.filter(|&&letter| resources(letter).is_empty()).count(), 0);
    }
}
