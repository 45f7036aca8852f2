//! A last line without its end, after a killed logger: is its source still in the input?
//!
//! The input is taken only after the write, so the line that was being written when the logger died is still there, behind
//! the lines that were written before it. Content decides only together with the identity of the input (kept in `lock`):
//! the caller has checked that it is the same pipe. In doubt the answer is no, and the line is kept with an end.

use crate::disk::Disk;
use crate::split::HEAD_BYTES;
use crate::stamp::StampKind;
use memchr::memrchr;

/// So much of the end of `current` is compared: the longest output of a batch of long lines, and more.
const WINDOW_BYTES: u64 = 128 * 1024;

/// Size of `current` up to its last whole line, when the torn line behind it begins one of the `pending` lines, and the
/// lines before it are the pending lines before that one (as far back as both go; stamps are not compared).
///
/// `size`: of `current`; `begins_line`: it begins with the beginning of a line. A longer torn line than the head may have been
/// streamed, its source gone: that is a no.
pub(super) fn source_is_pending<D: Disk>(
    disk: &D,
    current: &D::File,
    (size, begins_line): (u64, bool),
    stamp: Option<StampKind>,
    pending: &[&[u8]],
) -> Option<u64> {
    let start = size.saturating_sub(WINDOW_BYTES);
    let mut window = vec![0; usize::try_from(size - start).ok()?];
    let mut filled = 0;
    while filled < window.len() {
        match disk.read_at(current, start + filled as u64, &mut window[filled..]).ok()? {
            0 => return None,
            read => filled += read,
        }
    }
    let whole = match memrchr(b'\n', &window) {
        Some(at) => at + 1,
        None if start == 0 => 0,
        None => return None,
    };
    let tail = &window[whole..];
    let payload = match stamp {
        // The middle of a line whose beginning is in the file before, and taken long ago.
        _ if whole == 0 && !begins_line => return None,
        Some(kind) if kind.begins(tail) => b"",
        Some(kind) => kind.strip(tail)?,
        None => tail,
    };
    if payload.len() >= HEAD_BYTES {
        return None;
    }
    let text = |line: &[u8]| -> Vec<u8> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        stamp.and_then(|kind| kind.strip(line)).unwrap_or(line).to_vec()
    };
    // The oldest line of the window may itself be cut by the window.
    let cut = usize::from(start > 0);
    let written: Vec<Vec<u8>> =
        window[..whole].split_inclusive(|byte| *byte == b'\n').skip(cut).map(text).collect();
    let before_agrees = |index: usize| {
        let pending = pending[..index].iter().rev().map(|line| line.strip_suffix(b"\n").unwrap_or(line));
        pending.zip(written.iter().rev()).all(|(pending, written)| pending == &written[..])
    };
    let found = (0..pending.len()).any(|index| pending[index].starts_with(payload) && before_agrees(index));
    found.then_some(start + whole as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{How, RealDisk};
    use std::ffi::OsStr;

    fn cut(current: &str, stamp: Option<StampKind>, pending: &[&str]) -> Option<u64> {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let dir = RealDisk.open_dir(scratch.path()).expect("it is there");
        let file = RealDisk.open(&dir, OsStr::new("current"), How::New(0o644)).expect("it is empty");
        RealDisk.append(&file, current.as_bytes()).expect("a few bytes");
        let pending: Vec<&[u8]> = pending.iter().map(|line| line.as_bytes()).collect();
        let size = current.len() as u64;
        // A file that is shorter than it should be says nothing.
        assert_eq!(source_is_pending(&RealDisk, &file, (size + 1, true), stamp, &pending), None);
        source_is_pending(&RealDisk, &file, (size, true), stamp, &pending)
    }

    #[test]
    fn torn_lines_are_cut_only_when_their_source_is_pending() {
        let check = |current: &str, pending: &[&str], wanted: Option<u64>| {
            assert_eq!(cut(current, None, pending), wanted, "{current:?} {pending:?}");
        };
        check("a\nb\nc", &["a\n", "b\n", "cd\n"], Some(4));
        check("a\nb\nc", &["b\n", "cd\n"], Some(4));
        check("a\nb\nc", &["x\n", "cd\n"], None);
        check("a\nb\nc", &["cd\n"], Some(4));
        check("a\nb\nc", &["x\n", "b\n", "cd\n"], None);
        check("a\nb\nc", &["cd"], Some(4));
        check("a\nb\nc", &["d\n"], None);
        check("a\nb\nc", &[], None);
        check("c", &["x\n", "cd\n"], Some(0));
        check(&format!("a\n{}", "c".repeat(999)), &[&"c".repeat(1500)], Some(2));
        check(&format!("a\n{}", "c".repeat(1000)), &[&"c".repeat(1500)], None);
    }

    #[test]
    fn stamps_are_not_compared() {
        let t = Some(StampKind::Tai64n);
        let a = "@4000000066a754823060f743 ";
        let check = |current: String, pending: &[&str], wanted: Option<usize>| {
            assert_eq!(cut(&current, t, pending), wanted.map(|at| at as u64), "{current:?} {pending:?}");
        };
        check(format!("{a}one\n{a}tw"), &["one\n", "two\n"], Some(30));
        check(format!("{a}one\n{a}tw"), &["one\n", "three\n"], None);
        check(format!("{a}one\n{}", &a[..9]), &["one\n", "two\n"], Some(30));
        // Part of a stamp holds no input.
        check(format!("{a}one\n{}", &a[..9]), &["uno\n"], Some(30));
        check(format!("{a}one\ntw"), &["one\n", "two\n"], None);
        check(format!("{a}tw"), &["two\n"], Some(0));
        check(a[..9].to_owned(), &["two\n"], Some(0));
    }

    #[test]
    fn of_a_long_file_the_end_is_compared() {
        let line = |text: &str| format!("{text}{}\n", "x".repeat(999 - text.len()));
        let whole: Vec<String> = (0..200).map(|number| line(&number.to_string())).collect();
        let current = whole.concat() + "tw";
        let pending: Vec<&str> = whole.iter().map(|line| &**line).chain(["two\n"]).collect();
        assert_eq!(cut(&current, None, &pending), Some(200_000));
        // What lies before the window may be anything, what lies in it may not.
        let other = line("other");
        let mut before = pending.clone();
        before[0] = &other;
        assert_eq!(cut(&current, None, &before), Some(200_000));
        let mut within = pending;
        within[100] = &other;
        assert_eq!(cut(&current, None, &within), None);
        assert_eq!(cut(&format!("a\n{}", "x".repeat(200_000)), None, &["x\n"]), None);
    }
}
