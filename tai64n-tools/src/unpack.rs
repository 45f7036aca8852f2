//! Compressed files, told by their first bytes whatever their names say.
//!
//! Processors (`multilog !gzip`) and administrators compress old logs under any name, and a log may be renamed. What decompresses
//! is read as far as it goes: a file that was cut short gives its whole part, then an error.
//!
//! But the first bytes of a log can be anybody's: the rest of a line that was cut at the end of the file before. So a file is
//! taken for packed only where something can be unpacked, and all of it where lines with stamps are in what should be packed.

use crate::moment::{STAMP_BYTES, Stamps};
use crate::zone::Zone;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use memchr::memchr_iter;
use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of compressed data read at once.
const PACKED_BYTES: usize = 64 * 1024;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Any number of gzip members.
    Gzip,
    /// Any number of Zstandard frames.
    Zstd,
    /// Any number of xz streams. One that was cut short gives whole chunks, of 64 KiB packed.
    Xz,
    /// Known, so that it is not taken for text; not read.
    Bzip2,
}

/// How packed files begin; `#` is a digit.
const MARKS: [(&[u8], Packing); 5] = [
    (b"\x1f\x8b\x08", Packing::Gzip),
    (b"\x28\xb5\x2f\xfd", Packing::Zstd),
    (b"\xfd7zXZ\0", Packing::Xz),
    (b"BZh#1AY&SY", Packing::Bzip2),
    // Nothing, packed.
    (b"BZh#\x17rE8P\x90", Packing::Bzip2),
];

/// Whether `first` is as the mark says, as far as both go.
fn fits(mark: &[u8], first: &[u8]) -> bool {
    mark.iter()
        .zip(first)
        .all(|(mark, byte)| if *mark == b'#' { byte.is_ascii_digit() } else { mark == byte })
}

/// Most memory an xz file may ask for, KiB: more than `xz -9` needs, and less than a damaged header can say.
const XZ_MEMORY_KIB: u32 = 128 * 1024;

/// Reads the first bytes of `input`: as many as tell whether it is compressed, or somewhat more.
///
/// Returns them, to be put before the rest, and the packing if there is one.
///
/// # Errors
/// The input cannot be read.
pub fn sniff(input: &mut impl Read) -> io::Result<(Vec<u8>, Option<Packing>)> {
    let mut first = Vec::new();
    loop {
        let Some((mark, packing)) = MARKS.iter().find(|(mark, _)| fits(mark, &first)) else {
            return Ok((first, None));
        };
        if first.len() >= mark.len() {
            return Ok((first, Some(*packing)));
        }
        let mut byte = [0];
        match input.read(&mut byte) {
            Ok(0) => return Ok((first, None)),
            Ok(_) => first.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

/// What is packed in `first` and the `rest` behind it.
///
/// # Errors
/// No memory for the decoder, or there is none for this packing. Damage shows when it is read.
pub fn unpack<R: Read + Send + 'static>(
    packing: Packing,
    first: Vec<u8>,
    rest: R,
) -> io::Result<Box<dyn Read + Send>> {
    let packed = BufReader::with_capacity(PACKED_BYTES, Cursor::new(first).chain(rest));
    Ok(match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(packed)?),
        Packing::Bzip2 => {
            let why = "compressed with bzip2, which is not read; unpack it with bzip2 -d";
            return Err(io::Error::new(ErrorKind::Unsupported, why));
        }
        Packing::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB)),
    })
}

/// What a file turned out to be.
#[derive(Debug)]
pub enum Content {
    /// Text.
    Plain,
    /// Text, packed.
    Packed(Packing),
    /// It begins like what is packed, and cannot be unpacked: all that can be shown is what is there. The error says so.
    Damaged(io::Error),
}

/// Looks what a regular file is. Cost: where it seems to be packed, a pass over its bytes.
///
/// # Errors
/// It cannot be read, or is packed in a way that is not read here.
pub fn look(file: &Arc<File>) -> io::Result<Content> {
    let whole = || At { file: Arc::clone(file), offset: 0 };
    let (_, Some(packing)) = sniff(&mut whole())? else { return Ok(Content::Plain) };
    let try_most = |most| io::copy(&mut unpack(packing, Vec::new(), whole())?.take(most), &mut io::sink());
    let is_log = has_stamped_line(file)?;
    match try_most(if is_log { u64::MAX } else { 1 }) {
        Ok(_) => Ok(Content::Packed(packing)),
        Err(error) if error.raw_os_error().is_some() => Err(error),
        Err(error) if !is_log && matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::OutOfMemory) => {
            Err(error)
        }
        Err(_) => {
            let why = "compressed data is damaged; shown as it is";
            Ok(Content::Damaged(io::Error::new(ErrorKind::Unsupported, why)))
        }
    }
}

/// Whether a line begins with a stamp behind the first line. In what is packed that is rare: only what no packing makes
/// shorter stays as it was.
fn has_stamped_line(file: &File) -> io::Result<bool> {
    let mut stamps = Stamps::new(Zone::UTC);
    let (mut bytes, mut offset) = (vec![0; PACKED_BYTES], 0);
    loop {
        let len = file.read_at(&mut bytes, offset)?;
        if memchr_iter(b'\n', &bytes[..len]).any(|end| stamps.read(&bytes[end + 1..len], None).is_some()) {
            return Ok(true);
        }
        // A stamp across the end is met again.
        match len.checked_sub(STAMP_BYTES) {
            None | Some(0) => return Ok(false),
            Some(done) => offset += done as u64,
        }
    }
}

/// A file read at an offset of our own.
#[derive(Debug)]
pub struct At {
    /// The file.
    pub file: Arc<File>,
    /// Where the next byte is read.
    pub offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, self.offset) {
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
                Ok(read) => {
                    self.offset += read as u64;
                    return Ok(read);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).expect("memory")
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect("memory");
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn read(packed: Vec<u8>) -> (Vec<u8>, Option<ErrorKind>) {
        let mut input = Cursor::new(packed);
        let (first, packing) = sniff(&mut input).expect("memory does not fail");
        let mut text = Vec::new();
        let mut reader = unpack(packing.expect("it is packed"), first, input).expect("memory");
        let result = reader.read_to_end(&mut text);
        (text, result.err().map(|error| error.kind()))
    }

    #[test]
    fn whole_files_of_one_part_and_of_two() {
        for pack in [gzip, zstd, xz] {
            for text in [&b""[..], b"x", &[b'x'; 200_000]] {
                assert_eq!(read(pack(text)), (text.to_vec(), None));
                let twice = [pack(text), pack(text)].concat();
                assert_eq!(read(twice), ([text, text].concat(), None));
            }
        }
    }

    #[test]
    fn what_is_cut_short_is_read_as_far_as_it_goes() {
        let text: Vec<u8> = (0..300_000u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for pack in [gzip, zstd, xz] {
            let mut packed = pack(&text);
            packed.truncate(packed.len() / 2);
            let (found, error) = read(packed);
            assert!(found.len() > text.len() / 8 && text.starts_with(&found), "{} bytes", found.len());
            assert_eq!(error, Some(ErrorKind::UnexpectedEof));
        }
    }

    #[test]
    fn other_files_are_not_packed() {
        for bytes in [
            &b""[..],
            b"\x1f",
            b"\x1f\x8b",
            b"\x1f\x8b\x00x",
            b"\x28\xb5\x2f",
            b"@4000 x\n",
            b"\xfd",
            b"\xfd7zXZ",
        ] {
            let mut input = Cursor::new(bytes);
            let (first, packing) = sniff(&mut input).expect("memory does not fail");
            assert_eq!(packing, None);
            assert_eq!(first, &bytes[..input.position() as usize]);
        }
    }
}
