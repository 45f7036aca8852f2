//! The suite's message line, and the words daemontools has for an errno.
//!
//! Builds messages, never prints them: a library error displays from "unable to" on, and the program puts its name and
//! level before it, once. Source of shape and words: `strerr_die.c` and `error_str.c` of daemontools 0.76.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// The system's error number, as every call of this crate reports it.
pub use rustix::io::Errno;

/// What could not be done, to which object as the user wrote it, and why.
///
/// Displays as `unable to lock directory ./main: temporary failure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    doing: String,
    errno: Option<Errno>,
}

impl Error {
    /// `doing` follows "unable to", for example `lock directory ./main`.
    pub fn new(doing: impl Into<String>, errno: Errno) -> Self {
        Error { doing: doing.into(), errno: Some(errno) }
    }

    /// A failure for which the system gave no reason, such as a processor that exits 1.
    pub fn plain(doing: impl Into<String>) -> Self {
        Error { doing: doing.into(), errno: None }
    }

    /// The reason, where the system gave one.
    pub fn errno(&self) -> Option<Errno> {
        self.errno
    }

    /// The message for trouble that is waited out, in the original's form:
    /// `unable to write to ./main/current, pausing: out of disk space`.
    pub fn pausing(&self) -> String {
        match self.errno {
            Some(errno) => format!("unable to {}, pausing: {}", self.doing, words(errno)),
            None => format!("{}, pausing", self.doing),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno {
            Some(errno) => write!(f, "unable to {}: {}", self.doing, words(errno)),
            None => f.write_str(&self.doing),
        }
    }
}

impl std::error::Error for Error {}

/// In messages these characters, which nobody uses, stand for bytes that are no UTF-8: the last 256 of Unicode.
const FIRST_BYTE: u32 = 0x10_ff00;

/// A name as it stands in a message: as it is, byte for byte, but without control characters, which could play tricks on a
/// terminal. To be written by way of [`bytes`].
///
/// ```
/// use logcore::strerr::{bytes, shown};
/// use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
/// let name = OsStr::from_bytes(b"./caf\xe9\n");
/// assert_eq!(bytes(&shown(name)), b"./caf\xe9\\n");
/// ```
pub fn shown(name: impl AsRef<OsStr>) -> String {
    let mut text = String::new();
    for chunk in name.as_ref().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let utf8 = character.encode_utf8(&mut buffer).as_bytes();
            if character.is_control() {
                text.extend(utf8.escape_ascii().map(char::from));
            } else if u32::from(character) >= FIRST_BYTE {
                text.extend(utf8.iter().map(|byte| stand_in(*byte)));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| stand_in(*byte)));
    }
    text
}

fn stand_in(byte: u8) -> char {
    char::from_u32(FIRST_BYTE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A message as it is written: the bytes that [`shown`] kept are themselves again.
pub fn bytes(message: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len());
    for character in message.chars() {
        match u32::from(character).checked_sub(FIRST_BYTE).map(u8::try_from) {
            Some(Ok(byte)) => bytes.push(byte),
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// daemontools' words for an errno.
///
/// ```
/// use logcore::strerr::{Errno, words};
/// assert_eq!(words(Errno::NOSPC), "out of disk space");
/// ```
#[doc(alias = "error_str")]
pub fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::INTR => "interrupted system call",
        Errno::NOMEM => "out of memory",
        Errno::NOENT => "file does not exist",
        Errno::TXTBSY => "text busy",
        Errno::IO => "input/output error",
        Errno::EXIST => "file already exists",
        Errno::TIMEDOUT => "timed out",
        Errno::INPROGRESS => "operation in progress",
        Errno::AGAIN => "temporary failure",
        Errno::PIPE => "broken pipe",
        Errno::PERM => "permission denied",
        Errno::ACCESS => "access denied",
        Errno::NXIO => "device not configured",
        Errno::NODEV => "device does not support operation",
        Errno::NOEXEC => "exec format error",
        Errno::TOOBIG => "argument list too long",
        Errno::BADF => "file descriptor not open",
        Errno::CHILD => "no child processes",
        Errno::FAULT => "bad address",
        Errno::INVAL => "invalid argument",
        Errno::ISDIR => "is a directory",
        Errno::NOTDIR => "not a directory",
        Errno::NOTEMPTY => "directory not empty",
        Errno::NOSPC => "out of disk space",
        Errno::DQUOT => "disk quota exceeded",
        Errno::ROFS => "read-only file system",
        Errno::MFILE => "process cannot open more files",
        Errno::NFILE => "system cannot open more files",
        Errno::FBIG => "file too big",
        Errno::LOOP => "symbolic link loop",
        Errno::NAMETOOLONG => "file name too long",
        Errno::MLINK => "too many links",
        Errno::XDEV => "cross-device link",
        Errno::SPIPE => "unseekable descriptor",
        Errno::BUSY => "device busy",
        Errno::STALE => "stale NFS file handle",
        Errno::NOLCK => "no locks available",
        Errno::NOSYS => "system call not available",
        Errno::SRCH => "no such process",
        Errno::NOTTY => "not a tty",
        Errno::DEADLK => "operation would cause deadlock",
        Errno::NOBUFS => "out of buffer space",
        Errno::PROTO => "protocol error",
        Errno::CONNREFUSED => "connection refused",
        Errno::OPNOTSUPP => "operation not supported",
        Errno::NOTCONN => "not connected",
        Errno::ISCONN => "already connected",
        Errno::CONNRESET => "connection reset",
        Errno::CONNABORTED => "connection aborted",
        Errno::SHUTDOWN => "socket shut down",
        Errno::ALREADY => "operation already in progress",
        Errno::HOSTDOWN => "host down",
        Errno::HOSTUNREACH => "host unreachable",
        Errno::NETDOWN => "network down",
        Errno::NETUNREACH => "network unreachable",
        Errno::NETRESET => "network reset",
        Errno::NONET => "machine not on network",
        Errno::ADDRINUSE => "address already used",
        Errno::ADDRNOTAVAIL => "address not available",
        Errno::AFNOSUPPORT => "address family not supported",
        Errno::PFNOSUPPORT => "protocol family not supported",
        Errno::PROTONOSUPPORT => "protocol not supported",
        Errno::PROTOTYPE => "incorrect protocol type",
        Errno::NOPROTOOPT => "protocol not available",
        Errno::SOCKTNOSUPPORT => "socket type not supported",
        Errno::NOTSOCK => "not a socket",
        Errno::DESTADDRREQ => "destination address required",
        Errno::MSGSIZE => "message too long",
        Errno::TOOMANYREFS => "too many references",
        Errno::USERS => "too many users",
        Errno::NOTBLK => "not a block device",
        Errno::DOM => "input out of range",
        Errno::RANGE => "output out of range",
        Errno::NOMSG => "no message of desired type",
        Errno::IDRM => "identifier removed",
        Errno::NOSTR => "not a stream device",
        Errno::NOSR => "out of stream resources",
        Errno::TIME => "timer expired",
        Errno::REMOTE => "too many levels of remote in path",
        Errno::REMCHG => "remote address changed",
        Errno::NOLINK => "link severed",
        Errno::ADV => "advertise error",
        Errno::SRMNT => "srmount error",
        Errno::COMM => "communication error",
        Errno::MULTIHOP => "multihop attempted",
        Errno::BADMSG => "bad message type",
        // What disks and their file systems say on Linux, and the original has no words for.
        Errno::UCLEAN => "structure needs cleaning",
        Errno::NODATA => "no data available",
        Errno::REMOTEIO => "remote input/output error",
        Errno::ILSEQ => "illegal byte sequence",
        Errno::NOMEDIUM => "no medium found",
        Errno::MEDIUMTYPE => "wrong medium type",
        Errno::NOKEY => "required key not available",
        Errno::KEYEXPIRED => "key has expired",
        Errno::KEYREVOKED => "key has been revoked",
        Errno::HWPOISON => "memory page has hardware error",
        Errno::OVERFLOW => "value too large",
        _ => "unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_messages_as_they_are_but_for_control_characters() {
        let check = |name: &[u8], wanted: &[u8]| {
            let seen = bytes(&shown(OsStr::from_bytes(name)));
            assert_eq!(seen, wanted, "{}", name.escape_ascii());
        };
        let all: Vec<u8> = (0x20..0x7f).chain(0x80..=0xff).collect();
        check(&all, &all);
        for kept in ["", "./täg", "\u{10feff}\u{10ff00}\u{10ff0a}\u{10ffff}", "\u{fffd}", "a\\b"] {
            check(kept.as_bytes(), kept.as_bytes());
        }
        check(b"\x1b[2J\r\n\t\0\x7f\xff", b"\\x1b[2J\\r\\n\\t\\x00\\x7f\xff");
        check("\u{9b}2J".as_bytes(), b"\\xc2\\x9b2J");
        assert_eq!(bytes("unable to open ./d"), b"unable to open ./d");
    }

    #[test]
    fn messages_have_the_originals_form() {
        let check = |shown: String, wanted: &str| assert_eq!(shown, wanted);
        let full = Error::new("write to ./main/current", Errno::NOSPC);
        check(full.to_string(), "unable to write to ./main/current: out of disk space");
        check(full.pausing(), "unable to write to ./main/current, pausing: out of disk space");
        let failed = Error::plain("processor failed in ./main");
        check(failed.to_string(), "processor failed in ./main");
        check(failed.pausing(), "processor failed in ./main, pausing");
    }
}
