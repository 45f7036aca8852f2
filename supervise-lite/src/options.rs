//! Options as daemontools reads them: before the operands, single letters, never permuted.
//!
//! Source: `subgetopt.c` and `sgetopt.c` of daemontools 0.76. Of our programs svc, softlimit and setlock have options; for
//! the others everything is an operand.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The options at the head of a program's arguments, one after the other; what remains behind them are the operands.
///
/// ```
/// use std::ffi::OsString;
/// use supervise_lite::options::Options;
/// let words = ["-nt", "5", "child", "-n"].map(OsString::from);
/// let mut options = Options::new(&words, b"nt:");
/// assert_eq!(options.next(), Some(Ok((b'n', "".as_ref()))));
/// assert_eq!(options.next(), Some(Ok((b't', "5".as_ref()))));
/// assert_eq!(options.next(), None);
/// assert_eq!(options.operands(), ["child", "-n"]);
/// ```
#[doc(alias = "subgetopt")]
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// What has not been read: the word that letters are being read from is its first.
    words: &'a [OsString],
    /// The letters, each with a colon behind it when it takes an argument.
    known: &'static [u8],
    /// How many bytes of the first word are read; 0 before its hyphen.
    read: usize,
}

/// An option that cannot be followed. Programs answer with [`Wrong::line`], then their usage, and exit 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// No option of this program.
    Illegal(u8),
    /// An option whose argument is missing.
    Bare(u8),
}

impl<'a> Options<'a> {
    /// `words`: the arguments, the program's own name not among them. `known`: the letters, each followed by a colon if it
    /// takes an argument, for example `b"nt:"`.
    pub fn new(words: &'a [OsString], known: &'static [u8]) -> Options<'a> {
        Options { words, known, read: 0 }
    }

    /// What follows the options. Asked before the iteration has ended, the word that is being read is the first.
    pub fn operands(&self) -> &'a [OsString] {
        self.words
    }

    /// Goes on to the next word.
    fn skip(&mut self) {
        self.words = self.words.get(1..).unwrap_or_default();
        self.read = 0;
    }

    /// Whether the letter takes an argument; `None` if it is not known.
    fn takes_argument(&self, letter: u8) -> Option<bool> {
        let at = self.known.iter().position(|&known| known == letter && known != b':')?;
        Some(self.known.get(at + 1) == Some(&b':'))
    }
}

impl<'a> Iterator for Options<'a> {
    /// A letter, and its argument: empty where it takes none.
    type Item = Result<(u8, &'a OsStr), Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut word = self.words.first()?.as_bytes();
        if self.read > 0 && self.read == word.len() {
            self.skip();
            word = self.words.first()?.as_bytes();
        }
        if self.read == 0 {
            match word {
                // Whatever follows the two hyphens is dropped with them, as in the original.
                [b'-', b'-', ..] => {
                    self.skip();
                    return None;
                }
                [b'-', _, ..] => self.read = 1,
                _ => return None,
            }
        }
        let (&letter, rest) = word.get(self.read..)?.split_first()?;
        self.read += 1;
        Some(match self.takes_argument(letter) {
            None => Err(Wrong::Illegal(letter)),
            Some(false) => Ok((letter, OsStr::new(""))),
            Some(true) => {
                self.skip();
                if !rest.is_empty() {
                    return Some(Ok((letter, OsStr::from_bytes(rest))));
                }
                let argument = self.words.first();
                self.skip();
                argument.map(|argument| (letter, argument.as_os_str())).ok_or(Wrong::Bare(letter))
            }
        })
    }
}

impl Wrong {
    /// The line to write, newline included: `softlimit: illegal option -- z`.
    ///
    /// `called`: what the program was called by its caller, `argv[0]`; its last component begins the line.
    pub fn line(self, called: &OsStr) -> Vec<u8> {
        let name = called.as_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let (what, letter) = match self {
            Wrong::Illegal(letter) => ("illegal option", letter),
            Wrong::Bare(letter) => ("option requires an argument", letter),
        };
        [name, b": ", what.as_bytes(), b" -- ", &[letter], b"\n"].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_the_original_reads_them() {
        let check = |words: &[&str], wanted: &str, operands: &[&str]| {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            let mut options = Options::new(&words, b"nxm:");
            let found: Vec<_> = options
                .by_ref()
                .map(|option| match option {
                    Ok((letter, argument)) => format!("{}={}", letter as char, argument.display()),
                    Err(Wrong::Illegal(letter)) => format!("illegal {}", letter as char),
                    Err(Wrong::Bare(letter)) => format!("bare {}", letter as char),
                })
                .collect();
            assert_eq!(found.join(" "), wanted, "{words:?}");
            assert_eq!(options.operands(), operands, "{words:?}");
        };
        check(&[], "", &[]);
        check(&["a", "-n"], "", &["a", "-n"]);
        check(&["-n"], "n=", &[]);
        check(&["-nx", "-n", "a", "-x"], "n= x= n=", &["a", "-x"]);
        check(&["-n", "-", "-x"], "n=", &["-", "-x"]);
        check(&["-n", "--", "-x"], "n=", &["-x"]);
        check(&["--help", "-x"], "", &["-x"]);
        check(&["-n", ""], "n=", &[""]);
        check(&["-m5", "a"], "m=5", &["a"]);
        check(&["-nm", "5", "a"], "n= m=5", &["a"]);
        check(&["-m", "", "a"], "m=", &["a"]);
        check(&["-m", "--", "a"], "m=--", &["a"]);
        check(&["-m-n", "-n"], "m=-n n=", &[]);
        check(&["-nm"], "n= bare m", &[]);
        check(&["-nz"], "n= illegal z", &[]);
        check(&["-n-"], "n= illegal -", &[]);
        check(&["-:"], "illegal :", &[]);
    }

    #[test]
    fn a_wrong_option_is_named() {
        assert_eq!(Wrong::Illegal(b'z').line("/usr/bin/svc".as_ref()), b"svc: illegal option -- z\n");
        assert_eq!(Wrong::Bare(b'm').line("s".as_ref()), b"s: option requires an argument -- m\n");
        assert_eq!(Wrong::Illegal(0xff).line("".as_ref()), b": illegal option -- \xff\n");
    }
}
