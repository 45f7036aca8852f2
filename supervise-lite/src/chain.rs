//! One program in the place of another: where it is looked for, and what its failure is called.
//!
//! Source: `pathexec_run.c` of daemontools 0.76. Neither a shell nor the C library's rules of search come into it: a file
//! without `#!` is an "exec format error", and any errno but those of a missing or forbidden file ends the search.

use crate::die;
use crate::sys::{self, Words};
use logcore::strerr::Errno;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Where a program is looked for when `PATH` is not set.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// The files that may be the program `name`, in the order in which they are tried.
///
/// `path`: the value of `PATH`, `None` where it is not set. A name with a slash is itself; an empty component of `path` is
/// the current directory, and so is an empty `path`. A name with a NUL in it is no file: the list is empty.
///
/// ```
/// use std::ffi::OsStr;
/// let found = supervise_lite::chain::candidates(OsStr::new("svc"), Some(OsStr::new("/command::/bin")));
/// assert_eq!(found, [c"/command/svc".to_owned(), c"./svc".to_owned(), c"/bin/svc".to_owned()]);
/// ```
pub fn candidates(name: &OsStr, path: Option<&OsStr>) -> Vec<CString> {
    let name = name.as_bytes();
    if name.contains(&b'/') {
        return CString::new(name).into_iter().collect();
    }
    let places = path.map_or(DEFAULT_PATH, OsStr::as_bytes).split(|&byte| byte == b':');
    let file = |place: &[u8]| {
        let place = if place.is_empty() { b"." } else { place };
        CString::new([place, b"/", name].concat())
    };
    places.filter_map(|place| file(place).ok()).collect()
}

/// Puts the first of `candidates` that can be executed in the place of this process, with the signals and descriptors that
/// it was started with (see [`sys::exec`]); returns only when none can, with the reason.
///
/// A missing file is passed over, so is a forbidden one and a directory, but its errno is what is reported when nothing is
/// found behind it. Makes only calls that are allowed between fork and exec, and does not allocate.
pub fn exec_first(candidates: &[CString], arguments: &Words, environment: &Words) -> Errno {
    let mut reason = Errno::NOENT;
    for file in candidates {
        match sys::exec(file, arguments, environment) {
            Errno::NOENT => (),
            errno @ (Errno::ACCESS | Errno::PERM | Errno::ISDIR) => reason = errno,
            errno => return errno,
        }
    }
    reason
}

/// The program that a chain loader gives its place to, with all that exec needs made beforehand.
#[derive(Debug)]
pub struct Next<'a> {
    name: &'a OsStr,
    candidates: Vec<CString>,
    arguments: Words,
    /// What it gets as its environment: ours, unless changed. Where it is looked for does not depend on it.
    pub environment: Words,
}

impl<'a> Next<'a> {
    /// The program and its arguments, as they stand at the end of our own; `None` if there are none. It is looked for in our
    /// `PATH` and gets our environment.
    pub fn new(words: &'a [OsString]) -> Option<Next<'a>> {
        let name = words.first()?;
        // What exec gave us has no NUL in it; what has one cannot be given on.
        let arguments = words.iter().map(|word| CString::new(word.as_bytes()).ok()).collect::<Option<_>>()?;
        Some(Next {
            name,
            candidates: candidates(name, std::env::var_os("PATH").as_deref()),
            arguments: Words::new(arguments),
            environment: Words::environment(),
        })
    }

    /// Becomes the program, with the signals and descriptors that we were started with (see [`sys::exec`]), or dies:
    /// `LOADER: fatal: unable to run NAME: reason`, 111.
    #[doc(alias = "pathexec")]
    pub fn run(self, loader: &str) -> ! {
        let reason = exec_first(&self.candidates, &self.arguments, &self.environment);
        die::unable(loader, &[b"run ", self.name.as_bytes()].concat(), reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_as_the_original_does() {
        let check = |name: &str, path: Option<&str>, wanted: &[&str]| {
            let found = candidates(OsStr::new(name), path.map(OsStr::new));
            let found: Vec<_> = found.iter().map(|file| file.to_str().expect("text")).collect();
            assert_eq!(found, wanted, "{name} in {path:?}");
        };
        check("svc", None, &["/bin/svc", "/usr/bin/svc"]);
        check("svc", Some(""), &["./svc"]);
        check("svc", Some("/a:"), &["/a/svc", "./svc"]);
        check("./svc", Some("/a"), &["./svc"]);
        check("", Some("/a"), &["/a/"]);
        check("a\0b", Some("/a"), &[]);
    }
}
