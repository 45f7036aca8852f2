//! What a script selects, found in the slowest and plainest way: the answer that loggers are checked against.

/// Patterns see this much of a line, stamp included.
const HEAD_BYTES: usize = 1000;

/// True if the script's patterns leave `line` selected; `line` comes with its stamp and without its newline.
///
/// `actions`: script arguments in order. The last `+` or `-` that matches decides; what has no sign is passed over.
pub fn selected<'a>(actions: impl IntoIterator<Item = &'a str>, line: &[u8]) -> bool {
    let head = &line[..line.len().min(HEAD_BYTES)];
    actions.into_iter().fold(true, |selected, action| match action.as_bytes() {
        [b'+', pattern @ ..] if matches(pattern, head) => true,
        [b'-', pattern @ ..] if matches(pattern, head) => false,
        _ => selected,
    })
}

/// True if the star pattern covers the whole of `text`.
///
/// A star runs to the first occurrence of the byte after it and never tries a later one; a final star takes the rest.
pub fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    loop {
        (pattern, text) = match (pattern, text) {
            ([], _) => return text.is_empty(),
            ([b'*'], _) => return true,
            // A final star has just been dealt with, so a byte follows this one.
            ([b'*', after @ ..], _) => match text.iter().position(|byte| *byte == after[0]) {
                Some(place) => (after, &text[place..]),
                None => return false,
            },
            ([own, pattern @ ..], [byte, text @ ..]) if own == byte => (pattern, text),
            _ => return false,
        }
    }
}

/// The same pattern as a POSIX extended regular expression, for loggers that speak only those.
///
/// A star before a byte becomes "anything but that byte", which is exactly what it means. Two stars in a row, where the
/// second is looked for as a byte and is a star as well, cannot be said this way; no pattern here has them.
pub fn to_regex(pattern: &str) -> String {
    let mut regex = String::from("^");
    let mut rest = pattern.chars();
    while let Some(own) = rest.next() {
        let next = rest.clone().next();
        match (own, next) {
            ('*', None) => return regex,
            ('*', Some(next)) => {
                rest.next();
                regex += &format!("[^{next}]*");
                literal(next, &mut regex);
            }
            _ => literal(own, &mut regex),
        }
    }
    regex.push('$');
    regex
}

fn literal(own: char, regex: &mut String) {
    if ".[]()+?{}|^$*\\".contains(own) {
        regex.push('\\');
    }
    regex.push(own);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
        };
        check("", "", true);
        check("", "a", false);
        check("hello", "hello", true);
        check("hello", "hello world", false);
        check("a*b", "axb", true);
        check("a*b", "axbb", false);
        check("*ab", "xab", true);
        check("*ab", "aab", false);
        check("a*", "a", true);
        check("**", "a*b", true);
        check("**", "ab", false);
        check("[*] x", "[12] x", true);
        check("* fatal: *", "@4000 fatal: x", true);
    }

    #[test]
    fn the_last_sign_that_matches_decides() {
        let script = ["t", "-*", "+* keep*", "s4096"];
        assert!(selected(script, b"@4 keep me"));
        assert!(!selected(script, b"@4 drop me"));
        assert!(selected([], b""));
    }

    #[test]
    fn only_the_head_counts() {
        let mut line = vec![b'x'; HEAD_BYTES - 1];
        line.extend(b"yz");
        assert!(!selected(["-*y"], &line), "the 1000th byte counts and is the last");
        assert!(selected(["-*z"], &line), "the 1001st does not");
    }

    #[test]
    fn as_regex() {
        assert_eq!(to_regex("status: *"), "^status: ");
        assert_eq!(to_regex("end"), "^end$");
        assert_eq!(to_regex("delivery * failure: *"), "^delivery [^ ]* failure: ");
        assert_eq!(to_regex("*.x"), "^[^.]*\\.x$");
    }
}
