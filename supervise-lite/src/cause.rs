//! Why a program could not be executed, as far as its file tells: the kernel's errno is often that of something else.
//!
//! A missing interpreter is a missing file to it, and so is one whose name ends in the CR of a file from another system.

use logcore::strerr::Errno;
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, accessat, openat, stat};
use rustix::io::{read, retry_on_intr};

/// How much of a first line the kernel looks at.
const HEAD_BYTES: usize = 256;

/// What can be seen of a file that was not executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// It is a directory.
    pub is_directory: bool,
    /// Somebody may execute it.
    pub is_executable: bool,
    /// Its first bytes; as many as the kernel looks at, fewer if there are no more or they cannot be read.
    pub head: Vec<u8>,
}

impl Seen {
    /// Looks at the file; `None` if there is none. Waits for nothing, whatever kind of file it is.
    pub fn of(path: &str) -> Option<Seen> {
        let stat = stat(path).ok()?;
        let mut head = vec![0; HEAD_BYTES];
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let count = retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))
            .and_then(|file| retry_on_intr(|| read(&file, &mut head[..])));
        head.truncate(count.unwrap_or(0));
        Some(Seen {
            is_directory: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
            is_executable: stat.st_mode & 0o111 != 0,
            head,
        })
    }

    /// The first line, without its end; `None` unless it names an interpreter.
    fn interpreter_line(&self) -> Option<&[u8]> {
        self.head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()
    }
}

/// The likely cause of `errno`, in brackets, with what is to be done where that is clear; empty where nothing is.
///
/// `exists`: whether there is a file of this name.
pub fn likely(errno: Errno, seen: &Seen, exists: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let line = seen.interpreter_line();
    match errno {
        Errno::ACCESS if seen.is_directory => b" (is a directory)".to_vec(),
        Errno::ACCESS if !seen.is_executable => b" (not executable: chmod +x)".to_vec(),
        Errno::ACCESS => b" (interpreter not executable, or mounted noexec)".to_vec(),
        Errno::NOENT if line.is_some_and(|line| line.ends_with(b"\r")) => {
            b" (first line ends in CR: convert to LF)".to_vec()
        }
        Errno::NOENT => match line.and_then(interpreter) {
            Some(path) if !exists(path) => {
                [b" (interpreter ", path.escape_ascii().to_string().as_bytes(), b" not found)"].concat()
            }
            _ => Vec::new(),
        },
        Errno::NOEXEC if line.is_none() => b" (no #! line)".to_vec(),
        _ => Vec::new(),
    }
}

/// As [`likely`], of the file itself.
pub fn likely_of(path: &str, errno: Errno) -> Vec<u8> {
    let exists = |path: &[u8]| accessat(CWD, path, Access::EXISTS, AtFlags::empty()).is_ok();
    Seen::of(path).map_or_else(Vec::new, |seen| likely(errno, &seen, exists))
}

/// The first word behind `#!`.
fn interpreter(line: &[u8]) -> Option<&[u8]> {
    line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_tells_the_cause() {
        let check = |errno: Errno, head: &str, is_executable: bool, wanted: &str| {
            let seen = Seen { is_directory: false, is_executable, head: head.into() };
            let cause = likely(errno, &seen, |path| path == b"/bin/sh");
            assert_eq!(String::from_utf8_lossy(&cause), wanted, "{errno:?} of {head:?}");
        };
        check(Errno::ACCESS, "#!/bin/sh\n", false, " (not executable: chmod +x)");
        check(Errno::ACCESS, "#!/bin/sh\n", true, " (interpreter not executable, or mounted noexec)");
        check(Errno::NOENT, "#!/bin/sh\r\n", true, " (first line ends in CR: convert to LF)");
        check(Errno::NOENT, "#!/bin/sh\r", true, " (first line ends in CR: convert to LF)");
        check(Errno::NOENT, "#! /bin/bsh -e\n", true, " (interpreter /bin/bsh not found)");
        check(Errno::NOENT, "#!\t/bin/b\u{1b}sh", true, " (interpreter /bin/b\\x1bsh not found)");
        check(Errno::NOENT, "#!/bin/sh\n", true, "");
        check(Errno::NOENT, "#!\n", true, "");
        check(Errno::NOENT, "", true, "");
        check(Errno::NOEXEC, "exec true\n", true, " (no #! line)");
        check(Errno::NOEXEC, "", true, " (no #! line)");
        check(Errno::NOEXEC, "#!\n", true, "");
        check(Errno::NOMEM, "", true, "");
        let directory = Seen { is_directory: true, is_executable: true, head: Vec::new() };
        assert_eq!(likely(Errno::ACCESS, &directory, |_| true), b" (is a directory)");
    }
}
