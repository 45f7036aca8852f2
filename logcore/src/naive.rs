//! The slow, obvious twin of [`split`](crate::split), [`select`](crate::select) and of star patterns: the oracle of tests and
//! fuzzers, and nothing else. Written from the manual, byte by byte, sharing no code with what it checks.

use crate::select::Sign;

/// The lines of the whole input; the last one may lack its `\n`.
pub fn lines(input: &[u8]) -> Vec<&[u8]> {
    input.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Whether a star pattern matches the whole line.
pub fn star_matches(pattern: &[u8], line: &[u8]) -> bool {
    let (mut p, mut l) = (0, 0);
    while p < pattern.len() {
        if pattern[p] == b'*' {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            while l < line.len() && line[l] != pattern[p] {
                l += 1;
            }
            if l == line.len() {
                return false;
            }
        } else {
            if l == line.len() || line[l] != pattern[p] {
                return false;
            }
            p += 1;
            l += 1;
        }
    }
    l == line.len()
}

/// The original's walk: for each group the state that the rules before it leave.
///
/// `rules`: sign and star pattern. `groups`: how many rules stand before each group.
pub fn select(rules: &[(Sign, &[u8])], groups: &[usize], line: &[u8]) -> Vec<bool> {
    let head = &line[..line.len().min(1000)];
    let walk = |before: usize| {
        let mut selected = true;
        for (sign, pattern) in &rules[..before] {
            match sign {
                Sign::Plus if !selected && star_matches(pattern, head) => selected = true,
                Sign::Minus if selected && star_matches(pattern, head) => selected = false,
                _ => (),
            }
        }
        selected
    };
    groups.iter().map(|&before| walk(before)).collect()
}
