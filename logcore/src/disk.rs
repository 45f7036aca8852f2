//! Every call on directories and files, and the clock: one trait, so that tests can fail, kill or replay each call.
//!
//! A directory is a descriptor and a file is a name in it: nothing is reached by a path once the directory is open, no
//! symbolic link is followed, and no descriptor survives into a program we run. [`RealDisk`] is the system itself, without
//! logic of its own.

use crate::label::Label;
use crate::strerr::Errno;
use command_fds::{CommandFdExt, FdMapping};
use nix::sys::time::TimeSpec;
use rustix::fs::{
    self, Access, AtFlags, FileType, FlockOperation, Mode, OFlags, RawDir, RenameFlags, StatxAttributes,
    StatxFlags,
};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// What the calls return.
pub type Result<T> = std::result::Result<T, Errno>;

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file: the only kind that is written to or becomes an old log.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// FIFO, socket, device.
    Other,
}

/// What is known of a file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Whether the owner's x bit is set: complete and synced.
    pub safe: bool,
    /// Length, bytes.
    pub size: u64,
    /// Hard links.
    pub links: u64,
    /// Inode number, unique within the directory's file system.
    pub inode: u64,
    /// When it was last written to, Unix seconds.
    pub modified: i64,
    /// Whether it is ours, so that we may set its mode; all files are root's.
    pub owned: bool,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// An existing file to read.
    Read,
    /// An existing file to append to and to read back.
    Append,
    /// A new file of this mode (the umask counts) to append to and to read back; the name must be free.
    New(u32),
    /// `lock`: made when missing, mode 0600, to read and write.
    Lock,
}

/// How a processor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Exit code 0.
    Well,
    /// Anything else: another code, or a signal.
    Badly,
}

/// The files of a processor, by descriptor number.
pub struct ProcessorFiles<F> {
    /// 0: the file to process.
    pub previous: F,
    /// 1: what it makes of it.
    pub processed: F,
    /// 4: what it remembered last time.
    pub state: F,
    /// 5: what it remembers for next time.
    pub newstate: F,
}

/// All calls on directories and files. Names are single components.
///
/// Implementations hold no logic: every method is one call of the system, or the few that stand for one.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open directory.
    type Dir: Send + Sync;
    /// An open file. One descriptor serves a file for its whole life here: errors of writing back are reported once per
    /// descriptor, so opening it anew could swallow one.
    type File: Send + Sync;
    /// A running processor.
    type Child: Send;

    /// The time now, from the clock that people set.
    fn now(&self) -> Label;
    /// The time since the machine was started, from the clock that nobody sets: for pauses and limits.
    fn uptime(&self) -> Duration;
    /// Waits, on the clock of [`uptime`](Self::uptime).
    fn sleep(&self, pause: Duration);
    /// Starts a thread for slow work on the disk.
    fn start_thread(&self, work: Box<dyn FnOnce() + Send>) -> Result<()>;
    /// Makes the last component of `path`, mode 0700.
    fn make_dir(&self, path: &Path) -> Result<()>;
    /// Opens a directory.
    fn open_dir(&self, path: &Path) -> Result<Self::Dir>;
    /// Opens a status file to be written over, made with mode 0600 when missing; its last component is no link.
    fn open_status(&self, path: &Path) -> Result<Self::File>;
    /// Opens a file. A link is refused with ELOOP; a FIFO or device is not waited for.
    fn open(&self, dir: &Self::Dir, name: &OsStr, how: How) -> Result<Self::File>;
    /// What `name` is, itself and not what it links to.
    fn stat(&self, dir: &Self::Dir, name: &OsStr) -> Result<Stat>;
    /// What an open file is.
    fn stat_file(&self, file: &Self::File) -> Result<Stat>;
    /// Whether names in the directory may be made, renamed and removed, as far as that shows before it is done.
    fn may_change_names(&self, dir: &Self::Dir) -> Result<()>;
    /// EPERM where `name` has to stay as it is, whoever we are: an attribute of the file system says so.
    fn may_rename(&self, dir: &Self::Dir, name: &OsStr) -> Result<()>;
    /// Sets the permission bits of an open file.
    fn set_mode(&self, file: &Self::File, mode: u32) -> Result<()>;
    /// Takes the exclusive lock without waiting; EAGAIN when somebody has it. Held until the file is dropped.
    fn lock(&self, file: &Self::File) -> Result<()>;
    /// Renames `from` to `to`, replacing nothing: EEXIST when `to` is there.
    fn rename_new(&self, dir: &Self::Dir, from: &OsStr, to: &OsStr) -> Result<()>;
    /// Renames `from` to `to`, replacing it.
    fn rename(&self, dir: &Self::Dir, from: &OsStr, to: &OsStr) -> Result<()>;
    /// Removes a name that is not a directory's.
    fn unlink(&self, dir: &Self::Dir, name: &OsStr) -> Result<()>;
    /// Calls `each` with every name in the directory and what it is, in no order.
    fn list(&self, dir: &Self::Dir, each: &mut dyn FnMut(&OsStr, Kind)) -> Result<()>;
    /// Appends; returns how many bytes were taken, at least one.
    fn append(&self, file: &Self::File, bytes: &[u8]) -> Result<usize>;
    /// Reads at an offset; 0 at the end.
    fn read_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> Result<usize>;
    /// Writes at the start of the file, over what is there; the rest of it stays.
    fn overwrite(&self, file: &Self::File, bytes: &[u8]) -> Result<()>;
    /// Cuts the file to `size` bytes.
    fn truncate(&self, file: &Self::File, size: u64) -> Result<()>;
    /// fsync: data and what is known of the file. An error means the un-synced data may be gone, and is told once.
    fn sync(&self, file: &Self::File) -> Result<()>;
    /// fsync of the directory: its names are on disk afterwards.
    fn sync_dir(&self, dir: &Self::Dir) -> Result<()>;
    /// Starts `/bin/sh -c command` in the directory with descriptors 0 1 2 4 5 and no others, in a process group of its own.
    ///
    /// `path` is where the directory was opened, for systems without /proc.
    fn run(
        &self,
        dir: &Self::Dir,
        path: &Path,
        command: &OsStr,
        files: ProcessorFiles<Self::File>,
    ) -> Result<Self::Child>;
    /// Whether the processor has ended, without waiting.
    fn ended(&self, child: &mut Self::Child) -> Result<Option<Ended>>;
    /// Asks (TERM) or forces (KILL) the processor and what it started to end.
    fn kill(&self, child: &mut Self::Child, force: bool);
}

/// The finisher's thread needs little: it calls the system and copies through a small buffer.
const STACK_BYTES: usize = 128 * 1024;

/// Names of a directory are read so many bytes at a time.
const LIST_BYTES: usize = 2048;

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::Regular,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

fn stat_of(stat: fs::Stat) -> Stat {
    let euid = rustix::process::geteuid();
    Stat {
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)),
        safe: stat.st_mode & Mode::XUSR.as_raw_mode() != 0,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        // The type of these two differs between architectures.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        links: stat.st_nlink as u64,
        inode: stat.st_ino,
        modified: stat.st_mtime,
        owned: euid.is_root() || stat.st_uid == euid.as_raw(),
    }
}

impl Disk for RealDisk {
    type Dir = OwnedFd;
    type File = File;
    type Child = Child;

    fn now(&self) -> Label {
        // Asked of the C library, which a test (or an admin) may have given another clock. It has always an answer.
        let now = nix::time::ClockId::CLOCK_REALTIME.now().unwrap_or(TimeSpec::new(0, 0));
        Label::from_unix(now.tv_sec(), u32::try_from(now.tv_nsec()).unwrap_or(0))
    }

    fn uptime(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::try_from(now).unwrap_or_default()
    }

    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }

    fn start_thread(&self, work: Box<dyn FnOnce() + Send>) -> Result<()> {
        let thread = std::thread::Builder::new().name("finisher".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(work).map(drop).map_err(errno)
    }

    fn make_dir(&self, path: &Path) -> Result<()> {
        fs::mkdir(path, Mode::RWXU)
    }

    fn open_dir(&self, path: &Path) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        retry_on_intr(|| fs::open(path, flags, Mode::empty()))
    }

    fn open_status(&self, path: &Path) -> Result<File> {
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NONBLOCK
            | OFlags::NOCTTY;
        retry_on_intr(|| fs::open(path, flags, Mode::RUSR | Mode::WUSR)).map(File::from)
    }

    fn open(&self, dir: &OwnedFd, name: &OsStr, how: How) -> Result<File> {
        // NONBLOCK: a FIFO or a device under this name must not make us wait. On a regular file it means nothing.
        let always = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let (flags, mode) = match how {
            How::Read => (OFlags::RDONLY, Mode::empty()),
            How::Append => (OFlags::RDWR | OFlags::APPEND, Mode::empty()),
            How::New(mode) => {
                (OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(mode))
            }
            How::Lock => (OFlags::RDWR | OFlags::CREATE, Mode::RUSR | Mode::WUSR),
        };
        retry_on_intr(|| fs::openat(dir, name, flags | always, mode)).map(File::from)
    }

    fn stat(&self, dir: &OwnedFd, name: &OsStr) -> Result<Stat> {
        fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(stat_of)
    }

    fn stat_file(&self, file: &File) -> Result<Stat> {
        fs::fstat(file).map(stat_of)
    }

    fn may_change_names(&self, dir: &OwnedFd) -> Result<()> {
        match fs::accessat(dir, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => Err(errno),
            // It may, or the kernel does not say.
            _ => self.may_rename(dir, OsStr::new(".")),
        }
    }

    fn may_rename(&self, dir: &OwnedFd, name: &OsStr) -> Result<()> {
        let stays = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND;
        match fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) {
            Ok(known) if known.stx_attributes.intersects(stays) => Err(Errno::PERM),
            _ => Ok(()),
        }
    }

    fn set_mode(&self, file: &File, mode: u32) -> Result<()> {
        fs::fchmod(file, Mode::from_raw_mode(mode))
    }

    fn lock(&self, file: &File) -> Result<()> {
        retry_on_intr(|| fs::flock(file, FlockOperation::NonBlockingLockExclusive))
    }

    fn rename_new(&self, dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<()> {
        match fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
            // The file system or the kernel has no such rename.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => (),
            other => return other,
        }
        match fs::linkat(dir, from, dir, to, AtFlags::empty()) {
            Ok(()) => {
                return fs::unlinkat(dir, from, AtFlags::empty()).inspect_err(|_| {
                    // One name or the other, not both: the next try begins anew.
                    let _ = fs::unlinkat(dir, to, AtFlags::empty());
                });
            }
            Err(Errno::EXIST) => return Err(Errno::EXIST),
            // No hard links here, or not for this file. We hold the lock: a name that is absent stays absent.
            Err(_) => (),
        }
        match fs::statat(dir, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => fs::renameat(dir, from, dir, to),
            Err(other) => Err(other),
        }
    }

    fn rename(&self, dir: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<()> {
        fs::renameat(dir, from, dir, to)
    }

    fn unlink(&self, dir: &OwnedFd, name: &OsStr) -> Result<()> {
        fs::unlinkat(dir, name, AtFlags::empty())
    }

    fn list(&self, dir: &OwnedFd, each: &mut dyn FnMut(&OsStr, Kind)) -> Result<()> {
        // A descriptor of its own, so that the shared offset of `dir` does not matter.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listed = retry_on_intr(|| fs::openat(dir, ".", flags, Mode::empty()))?;
        let mut buffer = Vec::with_capacity(LIST_BYTES);
        let mut entries = RawDir::new(listed, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let kind = match entry.file_type() {
                // Not every file system tells here. What is gone by now is of no kind that matters.
                FileType::Unknown => self.stat(dir, name).map_or(Kind::Other, |stat| stat.kind),
                told => kind_of(told),
            };
            each(name, kind);
        }
        Ok(())
    }

    fn append(&self, file: &File, bytes: &[u8]) -> Result<usize> {
        match retry_on_intr(|| rustix::io::write(file, bytes)) {
            // No error and no progress: nothing will change that soon.
            Ok(0) if !bytes.is_empty() => Err(Errno::NOSPC),
            other => other,
        }
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        retry_on_intr(|| rustix::io::pread(file, &mut *buffer, offset))
    }

    fn overwrite(&self, file: &File, bytes: &[u8]) -> Result<()> {
        file.write_all_at(bytes, 0).map_err(errno)
    }

    fn truncate(&self, file: &File, size: u64) -> Result<()> {
        retry_on_intr(|| fs::ftruncate(file, size))
    }

    fn sync(&self, file: &File) -> Result<()> {
        // Not repeated on EINTR: whatever the error, only the first answer is true.
        fs::fsync(file)
    }

    fn sync_dir(&self, dir: &OwnedFd) -> Result<()> {
        match fs::fsync(dir) {
            // A file system that cannot do this says so; the names are then as safe as they get.
            Err(Errno::INVAL | Errno::BADF) => Ok(()),
            other => other,
        }
    }

    fn run(&self, dir: &OwnedFd, path: &Path, command: &OsStr, files: ProcessorFiles<File>) -> Result<Child> {
        let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd()));
        let cwd = if by_descriptor.exists() { &by_descriptor } else { path };
        let mut sh = Command::new("/bin/sh");
        sh.arg0("sh").arg("-c").arg(command).current_dir(cwd).process_group(0);
        sh.stdin(files.previous).stdout(files.processed);
        let kept = vec![
            FdMapping { parent_fd: files.state.into(), child_fd: 4 },
            FdMapping { parent_fd: files.newstate.into(), child_fd: 5 },
        ];
        sh.fd_mappings(kept).map_err(|_| Errno::INVAL)?;
        sh.spawn().map_err(errno)
    }

    fn ended(&self, child: &mut Child) -> Result<Option<Ended>> {
        let status = match child.try_wait().map_err(errno) {
            // The system forgets our children (SIGCHLD was ignored when we started, and no /proc told us): nothing can be
            // believed.
            Err(Errno::CHILD) => return Ok(Some(Ended::Badly)),
            other => other?,
        };
        Ok(status.map(|status| if status.success() { Ended::Well } else { Ended::Badly }))
    }

    fn kill(&self, child: &mut Child, force: bool) {
        let signal = if force { Signal::KILL } else { Signal::TERM };
        // Its process group bears its id while it is not reaped, which only `ended` does. No such group: it has ended.
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, signal);
        }
    }
}
