//! What is to be converted, cut into pieces of work.
//!
//! A plain file of a certain size gives several jobs, so that one large file is converted in parallel too; each begins with a line.
//! What has no size or must be unpacked is one job. Files are opened when their turn comes.

use crate::descriptor::{Descriptor, Patient};
use crate::filter::Feed;
use crate::logdir;
use crate::unpack::{At, Content, look, sniff, unpack};
use logcore::disk::{Disk, How, RealDisk};
use memchr::memrchr;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a plain file in one job, a line more or less.
const PART_BYTES: u64 = 1024 * 1024;

/// The end of a line is looked for in so many bytes before the end of a part. In a line that is longer no label can lie across
/// the cut.
const CUT_BYTES: u64 = 4096;

/// The argument for standard input. It is read from where it stands, whatever it is.
const STDIN: &str = "-";

/// One piece of work.
pub struct Job {
    /// The file as the user wrote it, or the directory he wrote and the name in it.
    pub shown: Arc<Path>,
    /// Its bytes, or why there are none.
    pub feed: io::Result<Input>,
    /// They begin with a line.
    pub at_start: bool,
}

/// The bytes of a job.
pub enum Input {
    /// From one offset of a file to another.
    Part {
        file: Arc<File>,
        from: u64,
        until: u64,
    },
    /// First what was read to see what it is, then the rest; what is not a file may have to be waited for.
    Stream(Cursor<Vec<u8>>, Descriptor<File>),
    Unpacked(Box<dyn Read + Send>),
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Part { file, from, until } => {
                let most = usize::try_from(*until - *from).unwrap_or(usize::MAX).min(buffer.len());
                let len = file.read_at(&mut buffer[..most], *from)?;
                *from += len as u64;
                Ok(len)
            }
            Input::Stream(first, rest) => match first.read(buffer)? {
                0 => rest.read(buffer),
                len => Ok(len),
            },
            Input::Unpacked(reader) => reader.read(buffer),
        }
    }
}

impl Feed for Input {
    fn is_ready(&self) -> bool {
        match self {
            Input::Stream(first, rest) => first.position() < first.get_ref().len() as u64 || rest.is_ready(),
            _ => true,
        }
    }

    fn wait(&self) -> io::Result<()> {
        match self {
            Input::Stream(_, rest) => rest.wait(),
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }
}

/// The jobs of paths, in order.
pub struct Jobs {
    paths: std::vec::IntoIter<PathBuf>,
    /// Files of the directory at hand.
    files: VecDeque<InDir>,
    /// The plain file at hand.
    plain: Option<Plain>,
}

/// A file of a log directory.
struct InDir {
    dir: Arc<OwnedFd>,
    shown: PathBuf,
    file: logdir::LogFile,
}

/// A plain file, and how much of it has been given out.
struct Plain {
    shown: Arc<Path>,
    file: Arc<File>,
    from: u64,
    at_start: bool,
    /// Its size when it was opened: what is written later is not waited for.
    size: u64,
}

impl Jobs {
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Jobs { paths: paths.into_iter(), files: VecDeque::new(), plain: None }
    }

    /// The first job of a file; the others come from `plain`.
    fn open(&mut self, shown: &Path, file: io::Result<File>) -> Option<Job> {
        let shown: Arc<Path> = shown.into();
        let feed = match file.and_then(|file| recognise(&shown, file)) {
            Ok(Recognised::Plain(plain, damage)) => {
                self.plain = Some(plain);
                Err(damage?)
            }
            Ok(Recognised::Other(input)) => Ok(input),
            Err(error) => Err(error),
        };
        Some(Job { shown, feed, at_start: true })
    }

    /// Takes up a path. `None`: its jobs come from `files` or `plain`.
    fn take_up(&mut self, path: PathBuf) -> Option<Job> {
        if path == Path::new(STDIN) {
            let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            return self.open(&path, stdin);
        }
        if !path.is_dir() {
            let file = File::open(&path);
            return self.open(&path, file);
        }
        match list(&path) {
            Ok(files) => {
                self.files = files;
                None
            }
            Err(error) => Some(Job { shown: path.into(), feed: Err(error), at_start: true }),
        }
    }
}

impl Iterator for Jobs {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        loop {
            let job = if let Some(plain) = &mut self.plain {
                let job = plain.next_part();
                if job.is_none() {
                    self.plain = None;
                }
                job
            } else if let Some(InDir { dir, shown, file }) = self.files.pop_front() {
                let open = || RealDisk.open(&dir, &file.name, How::Read);
                self.open(&shown, file.open.unwrap_or_else(open).map_err(io::Error::from))
            } else {
                let path = self.paths.next()?;
                self.take_up(path)
            };
            if job.is_some() {
                return job;
            }
        }
    }
}

impl Plain {
    fn next_part(&mut self) -> Option<Job> {
        if self.from >= self.size {
            return None;
        }
        let (until, next_at_start) = self.cut();
        let input = Input::Part { file: Arc::clone(&self.file), from: self.from, until };
        let job = Job { shown: Arc::clone(&self.shown), feed: Ok(input), at_start: self.at_start };
        (self.from, self.at_start) = (until, next_at_start);
        Some(job)
    }

    /// Where the next part ends, and whether a line begins there.
    fn cut(&self) -> (u64, bool) {
        let end = self.from.saturating_add(PART_BYTES);
        if end >= self.size {
            return (self.size, true);
        }
        let mut bytes = [0; CUT_BYTES as usize];
        let start = end - CUT_BYTES;
        // What cannot be read now cannot be read by the worker either, and the worker says so.
        let len = self.file.read_at(&mut bytes, start).unwrap_or(0);
        match memrchr(b'\n', &bytes[..len]) {
            Some(at) => (start + at as u64 + 1, true),
            None => (end, false),
        }
    }
}

enum Recognised {
    /// And what is to be told of it.
    Plain(Plain, Option<io::Error>),
    Other(Input),
}

/// Tells what an open file is by its first bytes.
fn recognise(shown: &Arc<Path>, file: File) -> io::Result<Recognised> {
    let meta = file.metadata()?;
    // Files of /proc have no size either.
    if meta.is_file() && meta.len() > 0 && shown.as_ref() != Path::new(STDIN) {
        let file = Arc::new(file);
        let is_plain = shown.file_name().is_some_and(logdir::is_never_packed);
        let damage = match if is_plain { Content::Plain } else { look(&file)? } {
            Content::Plain => None,
            Content::Damaged(error) => Some(error),
            Content::Packed(packing) => {
                let text = unpack(packing, Vec::new(), At { file, offset: 0 })?;
                return Ok(Recognised::Other(Input::Unpacked(text)));
            }
        };
        let plain = Plain { shown: Arc::clone(shown), file, from: 0, at_start: true, size: meta.len() };
        return Ok(Recognised::Plain(plain, damage));
    }
    let mut file = Patient(Descriptor(file));
    let (first, packing) = sniff(&mut file)?;
    Ok(Recognised::Other(match packing {
        Some(packing) => Input::Unpacked(unpack(packing, first, file)?),
        None => Input::Stream(Cursor::new(first), file.0),
    }))
}

/// The files of a log directory.
fn list(path: &Path) -> io::Result<VecDeque<InDir>> {
    let dir = Arc::new(RealDisk.open_dir(path)?);
    let files = logdir::list(&dir)?;
    if files.is_empty() {
        return Err(ErrorKind::NotFound.into());
    }
    let in_dir = |file: logdir::LogFile| InDir { dir: Arc::clone(&dir), shown: path.join(&file.name), file };
    Ok(files.into_iter().map(in_dir).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn parts(content: &[u8]) -> Vec<(u64, u64, bool)> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("there is room");
        let file = Arc::new(file);
        let size = content.len() as u64;
        let mut plain = Plain { shown: Path::new("x").into(), file, from: 0, at_start: true, size };
        std::iter::from_fn(|| plain.next_part())
            .map(|job| match job.feed {
                Ok(Input::Part { from, until, .. }) => (from, until, job.at_start),
                _ => panic!("a plain file has plain parts"),
            })
            .collect()
    }

    #[test]
    fn parts_begin_with_lines_where_these_are_short() {
        const PART: usize = PART_BYTES as usize;
        let check = |content: &[u8], wanted: &[(usize, usize, bool)]| {
            let wanted: Vec<_> =
                wanted.iter().map(|&(from, until, start)| (from as u64, until as u64, start)).collect();
            assert_eq!(parts(content), wanted);
        };
        check(b"", &[]);
        check(b"x", &[(0, 1, true)]);
        let mut content = vec![b'x'; PART];
        check(&content, &[(0, PART, true)]);
        content.push(b'x');
        check(&content, &[(0, PART, true), (PART, PART + 1, false)]);
        content[PART - 10] = b'\n';
        check(&content, &[(0, PART - 9, true), (PART - 9, PART + 1, true)]);
        content[PART - 1] = b'\n';
        check(&content, &[(0, PART, true), (PART, PART + 1, true)]);
    }
}
