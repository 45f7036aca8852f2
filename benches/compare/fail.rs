//! Why the comparison cannot go on: `unable to …: reason`.

use std::fmt;
use std::io;

use logcore::strerr::{Errno, words};

/// A reason to stop the whole comparison; a logger that does its work badly is a figure, not a failure.
#[derive(Debug)]
pub struct Fail {
    doing: String,
    reason: String,
}

impl Fail {
    /// `doing` follows "unable to"; `reason` follows the colon.
    pub fn new(doing: impl Into<String>, reason: impl Into<String>) -> Fail {
        Fail { doing: doing.into(), reason: reason.into() }
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to {}: {}", self.doing, self.reason)
    }
}

/// Gives a failed call of the system the name of what was wanted.
pub trait Unable<T> {
    /// Turns the error into a [`Fail`]; `doing` follows "unable to".
    fn unable_to(self, doing: impl FnOnce() -> String) -> Result<T, Fail>;
}

impl<T, E: Into<io::Error>> Unable<T> for Result<T, E> {
    fn unable_to(self, doing: impl FnOnce() -> String) -> Result<T, Fail> {
        self.map_err(|error| Fail::new(doing(), reason(&error.into())))
    }
}

/// The suite's words for an error of the system.
pub fn reason(error: &io::Error) -> String {
    // A library may have wrapped the error and lost its number; its kind is still there.
    let errno = Errno::from_io_error(error).or(match error.kind() {
        io::ErrorKind::NotFound => Some(Errno::NOENT),
        io::ErrorKind::PermissionDenied => Some(Errno::ACCESS),
        io::ErrorKind::StorageFull => Some(Errno::NOSPC),
        io::ErrorKind::ReadOnlyFilesystem => Some(Errno::ROFS),
        _ => None,
    });
    errno.map_or_else(|| error.to_string(), |errno| words(errno).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_error_keeps_its_words() {
        let bare = io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());
        assert_eq!(reason(&bare), "out of disk space");
        let wrapped = io::Error::new(io::ErrorKind::NotFound, "at path /x");
        assert_eq!(reason(&wrapped), "file does not exist");
    }
}
