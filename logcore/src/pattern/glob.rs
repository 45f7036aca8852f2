//! A glob as a regular expression over bytes: fnmatch(3) with no flags, C locale.
//!
//! `*` any bytes, `?` one byte, `[…]` one byte of a set (`!` or `^` first: not of it; ranges; `[:class:]`; a `]` that comes
//! first is a member), `\` takes the next byte as it is. `/` and a leading `.` mean nothing special.

use super::{anything, repeat};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look};

/// The whole of `glob`, anchored at the end of what fnmatch sees: a line up to its first NUL.
pub(super) fn hir(glob: &[u8]) -> Hir {
    let mut parts = Vec::new();
    let mut rest = glob;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'*' => parts.push(repeat(anything_but_nul())),
            b'?' => parts.push(Hir::class(Class::Bytes(set_but_nul(ClassBytes::new([range(0, 255)]))))),
            b'[' => match bracket(after) {
                Some((set, behind)) => {
                    parts.push(Hir::class(Class::Bytes(set_but_nul(set))));
                    rest = behind;
                }
                None => parts.push(Hir::literal(*b"[")),
            },
            b'\\' => match after.split_first() {
                Some((&quoted, behind)) => {
                    parts.push(Hir::literal([quoted]));
                    rest = behind;
                }
                // A backslash with nothing behind it matches no byte.
                None => parts.push(Hir::fail()),
            },
            byte => parts.push(Hir::literal([byte])),
        }
    }
    // The line as fnmatch sees it is over: truly, or by a NUL behind which nothing counts.
    let nul = Hir::concat(vec![Hir::literal(*b"\0"), anything()]);
    parts.push(Hir::alternation(vec![nul, Hir::empty()]));
    parts.push(Hir::look(Look::End));
    Hir::concat(parts)
}

fn anything_but_nul() -> Hir {
    Hir::class(Class::Bytes(ClassBytes::new([range(1, 255)])))
}

fn range(from: u8, to: u8) -> ClassBytesRange {
    ClassBytesRange::new(from, to)
}

fn set_but_nul(mut set: ClassBytes) -> ClassBytes {
    set.intersect(&ClassBytes::new([range(1, 255)]));
    set
}

/// The set of a bracket expression whose `[` has been read, and what stands behind its `]`.
fn bracket(text: &[u8]) -> Option<(ClassBytes, &[u8])> {
    let mut set = ClassBytes::empty();
    let (negated, mut rest) = match text.split_first() {
        Some((b'!' | b'^', after)) => (true, after),
        _ => (false, text),
    };
    let mut first = true;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte == b']' && !first {
            if negated {
                set.negate();
            }
            return Some((set, rest));
        }
        first = false;
        if byte == b'['
            && let Some((class, behind)) = named_class(rest)
        {
            set.union(&class);
            rest = behind;
            continue;
        }
        let (low, after) = member(byte, rest)?;
        rest = after;
        match rest {
            // A `-` before the closing bracket is a member, not a range.
            [b'-', high, after @ ..] if *high != b']' => {
                let (high, after) = member(*high, after)?;
                rest = after;
                if low <= high {
                    set.push(range(low, high));
                }
            }
            _ => set.push(range(low, low)),
        }
    }
}

/// A member of a bracket expression: itself, or quoted by a backslash.
fn member(byte: u8, rest: &[u8]) -> Option<(u8, &[u8])> {
    if byte == b'\\' { rest.split_first().map(|(&quoted, rest)| (quoted, rest)) } else { Some((byte, rest)) }
}

/// `:alpha:]` and its like, whose `[` has been read.
fn named_class(text: &[u8]) -> Option<(ClassBytes, &[u8])> {
    let body = text.strip_prefix(b":")?;
    let end = memchr::memmem::find(body, b":]")?;
    let is: fn(&u8) -> bool = match &body[..end] {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"upper" => u8::is_ascii_uppercase,
        b"lower" => u8::is_ascii_lowercase,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"punct" => u8::is_ascii_punctuation,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"graph" => u8::is_ascii_graphic,
        b"cntrl" => u8::is_ascii_control,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    };
    Some((ClassBytes::new((0..=255).filter(is).map(|byte| range(byte, byte))), &body[end + 2..]))
}
