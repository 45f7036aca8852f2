//! What is in a log directory: the proof that a logger did its work.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Lines and bytes, in a log or expected there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub lines: u64,
    pub bytes: u64,
}

/// Files of a log directory that hold no lines.
const NO_LOGS: &[&str] = &["lock", "state", "newstate", "config"];

/// Counts every line and byte of every log file in `dir`.
pub fn count(dir: &Path) -> io::Result<Answer> {
    let mut buffer = vec![0; 1 << 20];
    let mut answer = Answer::default();
    for entry in logs(dir)? {
        let mut file = File::open(entry?.path())?;
        loop {
            let got = file.read(&mut buffer)?;
            if got == 0 {
                break;
            }
            answer.bytes += got as u64;
            answer.lines += newlines(&buffer[..got]);
        }
    }
    Ok(answer)
}

/// The bytes in the log so far. A file that goes while we look (an old log gets its name) is looked for again later.
pub fn bytes(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in logs(dir)? {
        match entry?.metadata() {
            Ok(metadata) => sum += metadata.len(),
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}

fn logs(dir: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    let log = |entry: &io::Result<fs::DirEntry>| match entry {
        Ok(entry) => !NO_LOGS.iter().any(|name| entry.file_name() == *name),
        Err(_) => true,
    };
    Ok(fs::read_dir(dir)?.filter(log))
}

/// Newlines in `bytes`.
pub fn newlines(bytes: &[u8]) -> u64 {
    // 255 comparisons fit a byte, so the compiler can add sixteen or more at once.
    let few = |bytes: &[u8]| bytes.iter().map(|&byte| u8::from(byte == b'\n')).sum::<u8>();
    bytes.chunks(255).map(|chunk| u64::from(few(chunk))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_newlines_of_any_length() {
        for len in [0, 1, 254, 255, 256, 1000] {
            assert_eq!(newlines(&vec![b'\n'; len]), len as u64);
            assert_eq!(newlines(&vec![b'x'; len]), 0);
        }
    }

    #[test]
    fn counts_logs_and_nothing_else() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        for (name, text) in [("current", "a\nb\n"), ("@4000.s", "c\n"), ("lock", "x\n"), ("config", "s1\n")] {
            fs::write(dir.path().join(name), text)?;
        }
        assert_eq!(count(dir.path())?, Answer { lines: 3, bytes: 6 });
        assert_eq!(bytes(dir.path())?, 6);
        Ok(())
    }
}
