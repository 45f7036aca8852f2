//! Changes to an environment, and how envdir's files ask for them.
//!
//! Source: `pathexec_env.c` and `envdir.c` of daemontools 0.76, byte for byte: an environment is a list whose order and
//! whose odd entries are handed on, and a change is made to the list and not to a table of names. Memory that a large
//! value needs may be refused (softlimit): that is an error here, not the end.

use logcore::strerr::Errno;
use std::ffi::CString;

/// One variable to be set or removed.
///
/// It is kept as the original has it, which makes no difference between a name and an entry: the name ends at the first `=`,
/// and a variable is set if there is one. So the removal of `A=B`, a file that envdir finds empty, sets `A` to `B`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change(CString);

impl Change {
    /// Sets `name` to `value`. Errors: no memory; a NUL in either is an invalid argument.
    pub fn set(name: &[u8], value: &[u8]) -> Result<Change, Errno> {
        Change::new(&[name, b"=", value])
    }

    /// Removes `name`. Errors as [`Change::set`].
    pub fn remove(name: &[u8]) -> Result<Change, Errno> {
        Change::new(&[name])
    }

    /// What a file of envdir asks for by its name and content: empty removes the variable, all else sets it to the
    /// [`value`]. Errors as [`Change::set`].
    pub fn of_file(name: &[u8], mut content: Vec<u8>) -> Result<Change, Errno> {
        if content.is_empty() { Change::remove(name) } else { Change::set(name, value(&mut content)) }
    }

    fn new(parts: &[&[u8]]) -> Result<Change, Errno> {
        let mut entry = Vec::new();
        // With room for the NUL.
        let length = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        entry.try_reserve_exact(length).map_err(|_| Errno::NOMEM)?;
        for part in parts {
            entry.extend_from_slice(part);
        }
        CString::new(entry).map(Change).map_err(|_| Errno::INVAL)
    }
}

/// The value in a file that is not empty: its first line without spaces and tabs at the end, each NUL a newline.
///
/// ```
/// assert_eq!(supervise_lite::env::value(&mut b"two\0lines \t\nrest".to_vec()), b"two\nlines");
/// ```
pub fn value(content: &mut [u8]) -> &[u8] {
    let line = content.iter().position(|&byte| byte == b'\n').unwrap_or(content.len());
    let blanks = content[..line].iter().rev().take_while(|&byte| matches!(byte, b' ' | b'\t')).count();
    let value = &mut content[..line - blanks];
    for byte in value.iter_mut().filter(|byte| **byte == 0) {
        *byte = b'\n';
    }
    value
}

/// Makes a change. Of several entries with its name only the first goes, and the last entry of all takes that place; what is
/// set comes to the end.
pub fn apply(environment: &mut Vec<CString>, Change(entry): Change) {
    let bytes = entry.as_bytes();
    let name = bytes.iter().position(|&byte| byte == b'=').unwrap_or(bytes.len());
    let has_name = |old: &CString| {
        old.as_bytes().strip_prefix(&bytes[..name]).is_some_and(|rest| rest.first() == Some(&b'='))
    };
    if let Some(old) = environment.iter().position(has_name) {
        environment.swap_remove(old);
    }
    if name < bytes.len() {
        environment.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_first_line() {
        let check = |content: &[u8], wanted: &[u8]| {
            let mut bytes = content.to_vec();
            assert_eq!(value(&mut bytes).escape_ascii().to_string(), wanted.escape_ascii().to_string());
        };
        check(b"", b"");
        check(b"\n", b"");
        check(b"v", b"v");
        check(b"v\nw\n", b"v");
        check(b" \t v \t \n", b" \t v");
        check(b" \t", b"");
        check(b"v\r\n", b"v\r");
        check(b"\0v \0\n", b"\nv \n");
        check(b"v\n\0", b"v");
        check(b"\xff=", b"\xff=");
    }

    #[test]
    fn the_list_is_changed_as_by_the_original() {
        let check = |before: &str, name: &str, content: &str, after: &str| {
            let mut environment: Vec<_> =
                before.split_terminator(' ').map(|entry| CString::new(entry).expect("no NUL")).collect();
            let change = Change::of_file(name.as_bytes(), content.into()).expect("memory");
            apply(&mut environment, change);
            let found: Vec<_> = environment.iter().map(|entry| entry.to_string_lossy()).collect();
            assert_eq!(found.join(" "), after, "{name}: {content:?} to {before}");
        };
        check("", "A", "v", "A=v");
        check("", "A", "", "");
        check("", "A", "\n", "A=");
        check("A=1 B=2 C=3", "A", "v", "C=3 B=2 A=v");
        check("A=1 B=2 C=3", "A", "", "C=3 B=2");
        check("A=1 B=2 C=3", "C", "v", "A=1 B=2 C=v");
        check("A=1 A=2", "A", "v", "A=2 A=v");
        check("A=1 A=2", "A", "", "A=2");
        check("A AB=1", "A", "v", "A AB=1 A=v");
        check("A=1", "A=B", "v", "A=B=v");
        check("A=1", "A=B", "", "A=B");
        check("=1 A=1", "=B", "v", "A=1 =B=v");
    }

    #[test]
    fn a_nul_is_refused() {
        assert_eq!(Change::set(b"A", b"\0"), Err(Errno::INVAL));
    }
}
