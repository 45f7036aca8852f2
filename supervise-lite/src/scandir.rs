//! The scan directory: the lock that keeps a second svscan away, and what is in it.
//!
//! It stays open, and to read it again needs no descriptor: services are restarted when no descriptor is left.

use crate::scan::{Directory, Entry, Id, Log};
use crate::supervised::open_control;
use logcore::strerr::Errno;
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RawDir, SeekFrom, Stat, fchmod, flock, fstat,
    ftruncate, openat, seek, statat,
};
use rustix::io::{pread, pwrite};
use rustix::process::geteuid;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Room for many entries at once.
const BUFFER_BYTES: usize = 8192;

/// The file that is locked: whoever may read the directory could lock that.
const LOCK: &str = ".svscan";
/// For so long whoever has locked the directory has time to lock a file that has just been made.
const HEED: Duration = Duration::from_secs(1);

/// The open scan directory.
#[derive(Debug)]
pub struct ScanDir {
    dir: OwnedFd,
    /// The file that is locked, until another svscan may have it; `None` where there is only the directory to lock.
    lock: Option<OwnedFd>,
}

/// Whether the lock was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Yes.
    Yes,
    /// Another svscan has it.
    Taken,
    /// This file system has no locks.
    Cannot(Errno),
}

impl ScanDir {
    /// Opens the directory at `path`. Errors: those of open(2).
    pub fn open(path: impl rustix::path::Arg) -> Result<ScanDir, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let dir = openat(CWD, path, flags, Mode::empty())?;
        Ok(ScanDir { dir, lock: None })
    }

    /// Takes the lock that all svscans of this suite take: on a file that nobody else may open, and on the directory, which
    /// alone decides where there can be no file. It is held while this value lives.
    ///
    /// Waits only where the file was missing and the directory is locked: maybe by one that could not make the file, or whose
    /// file was removed, and that [sees it come](ScanDir::renew); maybe by a stranger, who cannot open it.
    pub fn lock(&mut self) -> Locked {
        let directory = flock(&self.dir, FlockOperation::NonBlockingLockExclusive);
        let file = self.open_lock();
        if matches!(file, Ok((_, true))) && directory == Err(Errno::WOULDBLOCK) {
            std::thread::sleep(HEED);
        }
        self.lock = file.ok().map(|(file, _)| file);
        let locked = match &self.lock {
            Some(file) => flock(file, FlockOperation::NonBlockingLockExclusive),
            None => directory,
        };
        let refusal = match locked {
            Ok(()) => return Locked::Yes,
            Err(Errno::WOULDBLOCK) => Locked::Taken,
            Err(errno) => Locked::Cannot(errno),
        };
        // One of the two may be ours.
        self.unlock();
        self.lock = None;
        refusal
    }

    /// Opens the file that is to be locked. Whether it was missing.
    fn open_lock(&self) -> Result<(OwnedFd, bool), Errno> {
        let open = |way| {
            let flags = way | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            openat(&self.dir, LOCK, flags, Mode::from_raw_mode(0o600)).and_then(ours_alone)
        };
        match open(OFlags::RDWR) {
            Err(Errno::NOENT) => Ok((open(OFlags::RDWR | OFlags::CREATE)?, true)),
            // A file system that went read-only: it can be locked all the same.
            Err(_) => Ok((open(OFlags::RDONLY)?, false)),
            Ok(file) => Ok((file, false)),
        }
    }

    /// Sees to it that the next one finds what we have locked: the file may have been removed, or can only now be made.
    pub fn renew(&mut self) {
        let there = statat(&self.dir, LOCK, AtFlags::SYMLINK_NOFOLLOW).as_ref().map(id_of).ok();
        let ours = self.lock.as_ref().and_then(|lock| fstat(lock).as_ref().map(id_of).ok());
        if ours.is_some() && ours == there {
            return;
        }
        if let Ok((file, _)) = self.open_lock()
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            self.lock = Some(file);
            self.begin();
        }
    }

    /// Notes in the file that is locked that svscan runs, until its [`end`](ScanDir::end). Whether that stood there already: an
    /// earlier one was killed since the machine was started, or still stops, and its supervises may be there still.
    ///
    /// Where there is no such file nothing is noted, and none was killed.
    pub fn begin(&self) -> bool {
        let Some(lock) = &self.lock else { return false };
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| b"unknown\n".into());
        let mut room = [0; 64];
        let noted = pread(lock, &mut room, 0).unwrap_or(0);
        let was_killed = room.get(..noted) == Some(&boot[..]);
        if !was_killed {
            // What cannot be noted is not known to the next one.
            let _ = ftruncate(lock, 0).and_then(|()| pwrite(lock, &boot, 0));
        }
        was_killed
    }

    /// Lets another svscan have the directory. From here on this one stops in order, and until its [`end`](ScanDir::end) the
    /// next one finds its supervises there, as after a kill.
    pub fn unlock(&self) {
        for locked in std::iter::once(&self.dir).chain(&self.lock) {
            // What was not locked is what was wanted.
            let _ = flock(locked, FlockOperation::Unlock);
        }
    }

    /// Notes that nothing of ours is left. Where another svscan has the directory meanwhile, what is noted is its own.
    pub fn end(&self) {
        if let Some(lock) = &self.lock
            && flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = ftruncate(lock, 0);
        }
    }

    /// The names that do not begin with a dot, with what each of them is said to be.
    ///
    /// Errors: those of getdents(2); `NOENT` when the directory has been removed.
    pub fn names(&self) -> Result<Vec<(Vec<u8>, FileType)>, Errno> {
        seek(&self.dir, SeekFrom::Start(0))?;
        let mut names = Vec::new();
        // Not readdir(3), to which a directory that has been removed is an empty one.
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let mut entries = RawDir::new(&self.dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !name.starts_with(b".") {
                names.push((name.to_vec(), entry.file_type()));
            }
        }
        Ok(names)
    }

    /// Gives letters to the supervise of every entry, and others to those of their loggers, without waiting; those that are not
    /// there are passed over.
    pub fn order_all(&self, service: &[u8], logger: &[u8]) {
        for (name, _) in self.names().unwrap_or_default() {
            let log = [&name, b"/log".as_slice()].concat();
            for (path, letters) in [(name, service), (log, logger)] {
                // Full or gone: it is told nothing.
                let _ = self.order(&path, letters);
            }
        }
    }

    /// Gives letters to the supervise of one service or logger, without waiting.
    ///
    /// Errors: those of open(2) and write(2); `NXIO` where no supervise is there.
    pub fn order(&self, path: &[u8], letters: &[u8]) -> Result<(), Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let control = openat(&self.dir, path, flags, Mode::empty()).and_then(open_control)?;
        rustix::io::write(control, letters).map(drop)
    }

    /// Keeps the directory of this name, if it is `id`; `None`: it is gone, or another.
    ///
    /// Errors: those of open(2) that say nothing of the name.
    pub fn keep(&self, name: &[u8], id: Id) -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(directory) => Ok((id_of(&fstat(&directory)?) == id).then_some(directory)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Everything that is, or may be, a service directory. `moved`: names that were moved here, complete.
    ///
    /// A name that goes meanwhile is left out. Errors: as [`names`](ScanDir::names).
    pub fn entries(&self, moved: &HashSet<Vec<u8>>) -> Result<Vec<Entry>, Errno> {
        let stat = |name: &[u8], flags| statat(&self.dir, name, flags);
        let mut entries = Vec::new();
        for (name, kind) in self.names()? {
            let kind = match kind {
                FileType::Unknown => match stat(&name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                known => known,
            };
            if !matches!(kind, FileType::Directory | FileType::Symlink) {
                continue;
            }
            let seen = match stat(&name, AtFlags::empty()) {
                Ok(target) if !is_directory(&target) => continue,
                Ok(target) => {
                    let log = match self.keep(&name, id_of(&target)) {
                        Ok(Some(service)) => statat(service, "log", AtFlags::empty()),
                        // It was pointed elsewhere meanwhile: that will be seen next time.
                        Ok(None) => continue,
                        // No descriptor is left.
                        Err(_) => stat(&[&name, b"/log".as_slice()].concat(), AtFlags::empty()),
                    };
                    let in_place = kind == FileType::Directory && !moved.contains(&name);
                    Ok(directory(&target, log, in_place))
                }
                // Not dangling but gone.
                Err(Errno::NOENT) if stat(&name, AtFlags::SYMLINK_NOFOLLOW).is_err() => continue,
                Err(errno) => Err(errno),
            };
            entries.push(Entry { name, seen });
        }
        Ok(entries)
    }
}

/// A file that is there already, and ours, may have a mode by which others could lock it.
fn ours_alone(file: OwnedFd) -> Result<OwnedFd, Errno> {
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    if stat.st_mode & 0o177 != 0 && stat.st_uid == geteuid().as_raw() {
        let _ = fchmod(&file, Mode::from_raw_mode(0o600));
    }
    Ok(file)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Which directory it is.
pub fn id_of(stat: &Stat) -> Id {
    Id { device: stat.st_dev, inode: stat.st_ino }
}

fn directory(stat: &Stat, log: Result<Stat, Errno>, in_place: bool) -> Directory {
    let changed = |stat: &Stat| [stat.st_ctime, stat.st_ctime_nsec.cast_signed()];
    let [seconds, nanos] = changed(stat);
    let [log_seconds, log_nanos] = log.as_ref().map_or([0; 2], changed);
    let log = match log {
        Ok(log) if is_directory(&log) => Log::Directory,
        Ok(_) => Log::Other,
        Err(Errno::NOENT) => Log::None,
        Err(errno) => Log::Unknown(errno),
    };
    Directory { id: id_of(stat), log, in_place, changed: [seconds, nanos, log_seconds, log_nanos] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn entries_are_directories_and_links_to_them() {
        let scratch = tempfile::tempdir().expect("a directory");
        let at = |name: &str| scratch.path().join(name);
        for name in ["plain", "logged", "logged/log", "odd", "moved", ".hidden"] {
            fs::create_dir(at(name)).expect("own directory");
        }
        for name in ["file", "odd/log"] {
            fs::write(at(name), "").expect("own directory");
        }
        for (target, name) in
            [("logged", "link"), ("nowhere", "dangling"), ("file", "link-to-file"), ("loop", "loop")]
        {
            symlink(target, at(name)).expect("own directory");
        }
        let dir = ScanDir::open(scratch.path()).expect("own directory");
        let moved = HashSet::from([b"moved".to_vec()]);
        for _ in 0..2 {
            let mut entries = dir.entries(&moved).expect("it is there");
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            let shown = |entry: &Entry| {
                let seen = entry.seen.as_ref().map(|directory| (directory.log, directory.in_place));
                (String::from_utf8_lossy(&entry.name).into_owned(), seen.map_err(|&errno| errno))
            };
            let wanted = [
                ("dangling", Err(Errno::NOENT)),
                ("link", Ok((Log::Directory, false))),
                ("logged", Ok((Log::Directory, true))),
                ("loop", Err(Errno::LOOP)),
                ("moved", Ok((Log::None, false))),
                ("odd", Ok((Log::Other, true))),
                ("plain", Ok((Log::None, true))),
            ];
            assert_eq!(
                entries.iter().map(shown).collect::<Vec<_>>(),
                wanted.map(|(name, seen)| (name.to_owned(), seen))
            );
            assert_eq!(entries[1].seen.as_ref().map(|d| d.id), entries[2].seen.as_ref().map(|d| d.id));
        }
        scratch.close().expect("own directory");
        assert_eq!(dir.entries(&moved), Err(Errno::NOENT));
    }

    #[test]
    fn one_lock_a_directory_until_it_is_given_up() {
        let scratch = tempfile::tempdir().expect("a directory");
        let open = || ScanDir::open(scratch.path()).expect("own directory");
        let (mut first, mut second) = (open(), open());
        assert_eq!([first.lock(), second.lock()], [Locked::Yes, Locked::Taken]);
        first.unlock();
        assert_eq!([second.lock(), first.lock()], [Locked::Yes, Locked::Taken]);
        drop(second);
        assert_eq!(first.lock(), Locked::Yes);
    }

    #[test]
    fn what_is_locked_is_a_file_that_others_cannot_open() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().expect("a directory");
        let lock = scratch.path().join(LOCK);
        let check = || {
            let mut dir = ScanDir::open(scratch.path()).expect("own directory");
            assert_eq!(dir.lock(), Locked::Yes);
            dir
        };
        fs::write(&lock, "").expect("own directory");
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).expect("own file");
        check();
        assert_eq!(fs::metadata(&lock).expect("it is there").permissions().mode() & 0o777, 0o600);
        // In the place of anything else it is the directory.
        fs::remove_file(&lock).expect("own file");
        rustix::fs::mknodat(CWD, &lock, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .expect("own directory");
        let dir = check();
        assert!(dir.lock.is_none());
        assert_eq!(ScanDir::open(scratch.path()).expect("own directory").lock(), Locked::Taken);
    }

    #[test]
    fn one_that_was_killed_is_known_to_the_next() {
        let scratch = tempfile::tempdir().expect("a directory");
        let begin = |wanted: bool| {
            let mut dir = ScanDir::open(scratch.path()).expect("own directory");
            assert_eq!((dir.begin(), dir.lock()), (false, Locked::Yes));
            assert_eq!(dir.begin(), wanted);
            dir
        };
        let check = |wanted: bool, in_order: bool| {
            let dir = begin(wanted);
            if in_order {
                dir.unlock();
                dir.end();
            }
        };
        check(false, true);
        check(false, false);
        check(true, false);
        check(true, true);
        check(false, false);
        // Before the machine was started again.
        fs::write(scratch.path().join(LOCK), "another boot").expect("own directory");
        check(false, false);
        check(true, true);
        // One that is killed in its stop, with the next there or not.
        begin(false).unlock();
        let first = begin(true);
        first.unlock();
        let second = begin(true);
        first.end();
        drop(second);
        check(true, true);
        check(false, true);
    }
}
