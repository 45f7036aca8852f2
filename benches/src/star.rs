//! What a script selects, by the slow twin: the answer that loggers are checked against; and star patterns for loggers that
//! speak another language.

use logcore::naive;
use logcore::select::Sign;

/// True if the script's patterns leave `line` selected; `line` comes with its stamp and without its newline.
///
/// `actions`: script arguments in order; what has no sign is passed over.
pub fn selected<'a>(actions: impl IntoIterator<Item = &'a str>, line: &[u8]) -> bool {
    let rules: Vec<(Sign, &[u8])> = actions
        .into_iter()
        .filter_map(|action| match action.as_bytes() {
            [b'+', pattern @ ..] => Some((Sign::Plus, pattern)),
            [b'-', pattern @ ..] => Some((Sign::Minus, pattern)),
            _ => None,
        })
        .collect();
    naive::select(&rules, &[rules.len()], line) == [true]
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
    fn the_last_sign_that_matches_decides() {
        let script = ["t", "-*", "+* keep*", "s4096"];
        assert!(selected(script, b"@4 keep me"));
        assert!(!selected(script, b"@4 drop me"));
        assert!(selected([], b""));
    }

    #[test]
    fn only_the_head_counts() {
        let mut line = vec![b'x'; 999];
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
