//! A place before the last lines of a log: so many bytes before its end.

use super::bisect::{self, line_start};
use super::buffer::BLOCK_BYTES;
use super::file::Opened;
use crate::logdir::LogFile;
use crate::moment::{STAMP_BYTES, Stamps};
use std::io::Read;

/// The first attempt; each further one goes twice as far.
pub const FIRST_BYTES: u64 = 64 * 1024;

/// A line without a stamp belongs to one before it, which is looked for so many lines back.
const MOST_UNSTAMPED: usize = 1000;

/// Where the line begins, in which file and at which offset, that lies some `bytes` before the end of `files`.
///
/// Unless it is the very end it is a line with a stamp, if there is one near. Of a compressed file it is the beginning, unless it is
/// the very end, and whatever it holds counts as enough. A file that cannot be read has no bytes; it is told when it is read for its lines.
pub fn before_end(
    files: &[LogFile],
    bytes: u64,
    stamps: &mut Stamps,
    open: &mut dyn FnMut(usize) -> Option<Opened>,
) -> (usize, u64) {
    let mut left = bytes;
    for file in (0..files.len()).rev() {
        let Some(opened) = open(file) else { continue };
        if !opened.is_plain() && left == 0 {
            return (file, text_len(&opened));
        }
        if !opened.is_plain() {
            // Compressed it is a tenth or less of its text.
            let size = 10 * files[file].stat.map_or(0, |stat| stat.size);
            if size >= left {
                return (file, 0);
            }
            left -= size;
            continue;
        }
        let Ok(size) = opened.size_now() else { continue };
        if size < left {
            left -= size;
            continue;
        }
        let mut at = line_start(&opened, size - left).unwrap_or(0);
        let most = if bytes > 0 { MOST_UNSTAMPED } else { 0 };
        for _ in 0..most {
            let head = opened.bytes(at, STAMP_BYTES).unwrap_or_default();
            let both = stamps.both(&head);
            if let Some((first, second)) = both
                && first != second
                && let Ok(begin) = bisect::first(&opened, first, stamps)
            {
                // Which of two equal hours it is in is told by the lines from their beginning on.
                at = at.min(begin);
            }
            if at == 0 || both.is_some() {
                break;
            }
            at = line_start(&opened, at - 1).unwrap_or(0);
        }
        return (file, at);
    }
    (0, 0)
}

/// The length of a file's text, as far as it can be read: only reading tells that of a compressed one.
fn text_len(file: &Opened) -> u64 {
    let Ok(mut text) = file.text(0) else { return 0 };
    let (mut buffer, mut len) = (vec![0; BLOCK_BYTES], 0);
    while let Ok(read @ 1..) = text.read(&mut buffer) {
        len += read as u64;
    }
    len
}
