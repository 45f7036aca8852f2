//! The one file with unsafe: what neither std nor rustix can say.
//!
//! Two things are here. What this process was started with is recorded before the Rust runtime changes it (SIGPIPE is
//! ignored by it, closed descriptors 0 to 2 are opened), so that a program we start can be given the same. And fork and
//! exec, with nothing in between but calls that are allowed there.

use logcore::strerr::Errno;
use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::Relaxed};

use crate::chain;
use crate::die::TROUBLE;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

/// Whether SIGPIPE was ignored when we started.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
/// Which of the descriptors 0, 1, 2 were closed when we started.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// The signals that were blocked when we started, signal n as bit n - 1, until [`forget_blocked`].
static BLOCKED: AtomicU64 = AtomicU64::new(0);

/// Runs before `main`, and before the runtime that surrounds it.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

extern "C" fn record() {
    // SAFETY: sigaction and sigprocmask only write into what they are given, which is valid; fcntl of any number is sound.
    unsafe {
        let mut old = MaybeUninit::<libc::sigaction>::zeroed();
        libc::sigaction(libc::SIGPIPE, null(), old.as_mut_ptr());
        PIPE_IGNORED.store(old.assume_init().sa_sigaction == libc::SIG_IGN, Relaxed);
        let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, null(), mask.as_mut_ptr());
        let mask = mask.assume_init();
        let blocked = (1..=64).filter(|&signal| libc::sigismember(&mask, signal) == 1);
        BLOCKED.store(blocked.fold(0, |set, signal| set | 1 << (signal - 1)), Relaxed);
        for (fd, closed) in CLOSED.iter().enumerate() {
            closed.store(libc::fcntl(fd as c_int, libc::F_GETFD) == -1, Relaxed);
        }
    }
}

/// Which of the descriptors 0, 1, 2 were closed when we started. The runtime has put /dev/null there.
pub fn closed_at_start() -> [bool; 3] {
    CLOSED.each_ref().map(|closed| closed.load(Relaxed))
}

/// The last error of the C library.
fn errno() -> Errno {
    // SAFETY: the address is this thread's own errno.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// A NULL-terminated list of strings, as execve(2) takes arguments and an environment.
#[derive(Debug)]
pub struct Words {
    // The pointers point into these; the strings never move on the heap.
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Words {
    /// The strings, in order.
    pub fn new(strings: Vec<CString>) -> Words {
        let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(null());
        Words { strings, pointers }
    }

    /// The environment as it is now, byte for byte and in its order, entries without `=` included.
    pub fn environment() -> Words {
        unsafe extern "C" {
            static environ: *const *const c_char;
        }
        let mut strings = Vec::new();
        // SAFETY: environ is NULL or a NULL-terminated list of C strings; nobody changes it in our programs of one thread.
        unsafe {
            let mut entry = environ;
            while !entry.is_null() && !(*entry).is_null() {
                strings.push(CStr::from_ptr(*entry).to_owned());
                entry = entry.add(1);
            }
        }
        Words::new(strings)
    }

    /// The strings, in order.
    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

/// Closes what was closed when we started and is held by the runtime's /dev/null. For programs that give their place to
/// another and use none of 0, 1, 2 before; not for those that open something there.
pub fn close_again() {
    for (fd, closed) in CLOSED.iter().enumerate() {
        if closed.load(Relaxed) {
            // SAFETY: nothing of ours lives on the number of a descriptor that the runtime opened. It stays open until exec,
            // so that no later file of ours gets the number.
            unsafe { libc::fcntl(fd as c_int, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// Puts the file in the place of this process, with SIGPIPE as it was when we started; mask, other signals and descriptors
/// are handed on as they are. Returns only when it fails.
///
/// Makes only calls that are allowed between fork and exec, and does not allocate.
pub fn exec(file: &CStr, arguments: &Words, environment: &Words) -> Errno {
    // SAFETY: the pointers are NULL-terminated lists of C strings that live until the call returns; a disposition without a
    // handler is sound to set.
    unsafe {
        let ignored = PIPE_IGNORED.load(Relaxed);
        libc::signal(libc::SIGPIPE, if ignored { libc::SIG_IGN } else { libc::SIG_DFL });
        libc::execve(file.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr());
    }
    let failed = errno();
    // SAFETY: as above. A message to a closed pipe is then an error again, not our end.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    failed
}

/// A program to be started in a child.
#[derive(Debug)]
pub struct Program<'a> {
    /// The files that may be the program, see [`chain::candidates`].
    pub candidates: &'a [CString],
    /// Its arguments, its name first.
    pub arguments: &'a Words,
    /// Its environment.
    pub environment: &'a Words,
    /// The way from our directory to that in which it starts.
    pub way: &'a [Step<'a>],
    /// Open files and the descriptors they become. Those it does not name stay as they are.
    pub descriptors: &'a [(BorrowedFd<'a>, c_int)],
    /// Its limit of open files, soft and hard; `None`: ours.
    pub open_files: Option<libc::rlimit>,
}

/// A part of the way to a directory.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// To one that is open.
    Open(BorrowedFd<'a>),
    /// To that of this name.
    Name(&'a CStr),
    /// None: it must be the one of this `st_dev` and `st_ino`.
    Is(u64, u64),
}

impl Step<'_> {
    /// Makes only calls that are allowed after fork.
    fn go(self) -> Result<(), Errno> {
        match self {
            Step::Open(directory) => rustix::process::fchdir(directory),
            Step::Name(name) => rustix::process::chdir(name),
            Step::Is(device, inode) => {
                let stat = rustix::fs::stat(c".")?;
                // The name leads elsewhere: the one that is meant is gone.
                if (stat.st_dev, stat.st_ino) == (device, inode) { Ok(()) } else { Err(Errno::NOENT) }
            }
        }
    }
}

/// What a child could not do before the program ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Move its descriptors to their places.
    Descriptors(Errno),
    /// Change to its directory.
    Directory(Errno),
    /// Execute the program.
    Exec(Errno),
}

/// A child that was forked, and its word on whether the program runs.
#[derive(Debug)]
pub struct Child {
    /// Its process id. Nobody has waited for it yet.
    pub pid: Pid,
    report: OwnedFd,
}

impl Child {
    /// Why the program did not run: `None` when it runs or ran. Waits for the exec if that has not happened yet; after the
    /// death of the child it does not wait.
    pub fn failed(&self) -> Option<Failed> {
        let mut word = [0; 8];
        let count = rustix::io::retry_on_intr(|| rustix::io::read(&self.report, &mut word)).unwrap_or(0);
        if count < word.len() {
            return None;
        }
        let (stage, errno) = word.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, i32::from_ne_bytes);
        let errno = Errno::from_raw_os_error(number(errno));
        Some([Failed::Descriptors, Failed::Directory, Failed::Exec][number(stage).clamp(0, 2) as usize](
            errno,
        ))
    }
}

/// Readable once it is known whether the program runs: then [`Child::failed`] does not wait.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }
}

/// What [`spawn`] starts from here on has no signal blocked, whatever we were started with, as where a shell starts it.
pub fn forget_blocked() {
    BLOCKED.store(0, Relaxed);
}

/// Starts a program in a child: descriptors, directory, limit, then SIGCHLD by default and not blocked, SIGPIPE and the mask
/// as they were when we started. A child that does not get to its program exits 111 without a word; ask [`Child::failed`].
///
/// The caller has one thread. Errors: no descriptors, no process.
pub fn spawn(program: &Program) -> Result<Child, Errno> {
    let (report, word) = pipe_with(PipeFlags::CLOEXEC)?;
    // SAFETY: we have one thread, and the child makes only calls that are allowed after fork (it allocates nothing and
    // drops nothing before _exit).
    match unsafe { libc::fork() } {
        -1 => Err(errno()),
        0 => {
            let (stage, errno) = run(program);
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&stage.to_ne_bytes());
            bytes[4..].copy_from_slice(&errno.raw_os_error().to_ne_bytes());
            let _ = rustix::io::write(&word, &bytes);
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(TROUBLE) }
        }
        // SAFETY: fork gave the parent a positive number.
        pid => Ok(Child { pid: unsafe { Pid::from_raw_unchecked(pid) }, report }),
    }
}

/// The child: never returns when all goes well, else the stage and its errno.
fn run(program: &Program) -> (i32, Errno) {
    for (from, to) in program.descriptors {
        // SAFETY: dup2 and fcntl of any numbers are sound; nothing of ours in this child is used from those numbers.
        let done = unsafe {
            if from.as_raw_fd() == *to {
                libc::fcntl(*to, libc::F_SETFD, 0)
            } else {
                libc::dup2(from.as_raw_fd(), *to)
            }
        };
        if done == -1 {
            return (0, errno());
        }
    }
    if let Err(errno) = program.way.iter().try_for_each(|step| step.go()) {
        return (1, errno);
    }
    // SAFETY: valid pointers; no handlers are set, only defaults.
    unsafe {
        if let Some(limit) = &program.open_files {
            libc::setrlimit(libc::RLIMIT_NOFILE, limit);
        }
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let mut mask = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(mask.as_mut_ptr());
        let blocked = BLOCKED.load(Relaxed);
        for signal in (1..=64).filter(|&signal| signal != libc::SIGCHLD && blocked >> (signal - 1) & 1 == 1) {
            libc::sigaddset(mask.as_mut_ptr(), signal);
        }
        libc::sigprocmask(libc::SIG_SETMASK, mask.as_ptr(), null_mut());
    }
    (2, chain::exec_first(program.candidates, program.arguments, program.environment))
}

impl Words {
    /// The strings, in order, to be changed.
    pub fn into_strings(self) -> Vec<CString> {
        self.strings
    }
}

/// The last argument in the memory that the kernel shows as our command line; null before it is known and once it is taken.
static LAST_ARGUMENT: AtomicPtr<c_char> = AtomicPtr::new(null_mut());

/// The GNU C library calls what is in `.init_array` with main's arguments; others do not.
#[cfg(target_env = "gnu")]
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD_ARGUMENTS: extern "C" fn(c_int, *const *mut c_char) = {
    extern "C" fn record(count: c_int, arguments: *const *mut c_char) {
        let Some(last) = count.checked_sub(1).and_then(|last| usize::try_from(last).ok()) else { return };
        // SAFETY: there are `count` pointers.
        LAST_ARGUMENT.store(unsafe { *arguments.add(last) }, Relaxed);
    }
    record
};

/// Our last argument where `ps` looks for it: what is written there is shown as the end of our command line. `None` without
/// arguments, at the second call, and with a C library that does not tell us where it is.
///
/// [`std::env::args_os`] reads the same memory: ask it before.
pub fn last_argument() -> Option<&'static mut [u8]> {
    let start = LAST_ARGUMENT.swap(null_mut(), Relaxed);
    if start.is_null() {
        return None;
    }
    // SAFETY: a C string that belongs to us as long as we live; the swap gives it out once, and nobody else uses it (see
    // above). Its NUL is left out and stays.
    unsafe { Some(std::slice::from_raw_parts_mut(start.cast(), CStr::from_ptr(start).count_bytes())) }
}

/// User and group of an account, from wherever the system keeps accounts (nsswitch.conf). `None` if it is not known, or cannot be
/// asked for.
pub fn account(name: &CStr) -> Option<(u32, u32)> {
    let mut buffer: Vec<c_char> = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = null_mut();
        // SAFETY: all pointers are valid for the call, and the buffer has the length told.
        let failed = unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr(),
                buffer.len(),
                &raw mut found,
            )
        };
        // An entry that does not fit; none is so long that memory ends before.
        if failed == libc::ERANGE && buffer.len() < 1 << 24 {
            buffer.resize(buffer.len() * 2, 0);
            continue;
        }
        // SAFETY: found is null or points to entry, which is then filled.
        return unsafe { found.as_ref() }.map(|entry| (entry.pw_uid, entry.pw_gid));
    }
}

/// What a call of the C library said.
fn done(result: c_int) -> Result<(), Errno> {
    if result == -1 { Err(errno()) } else { Ok(()) }
}

/// Makes `group` our only supplementary group.
pub fn set_groups(group: u32) -> Result<(), Errno> {
    // SAFETY: a list of one.
    done(unsafe { libc::setgroups(1, &raw const group) })
}

/// Makes the groups that `name` is a member of, and `group`, our supplementary groups.
pub fn init_groups(name: &CStr, group: u32) -> Result<(), Errno> {
    // SAFETY: a C string.
    done(unsafe { libc::initgroups(name.as_ptr(), group) })
}

/// Makes `group` our group; for the superuser also the real and the saved one.
pub fn set_group(group: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    done(unsafe { libc::setgid(group) })
}

/// Makes `user` our user; for the superuser also the real and the saved one, which is for good.
pub fn set_user(user: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    done(unsafe { libc::setuid(user) })
}

/// Goes on as two processes: `None` in the child, the child in the parent. The caller has one thread; both may do everything.
pub fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: without other threads there is no lock that the child would find taken for ever.
    match unsafe { libc::fork() } {
        -1 => Err(errno()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Lets SIGCHLD do what it does by default: who ignores it is never told of a dead child, and we may have inherited that.
pub fn notice_children() {
    // SAFETY: a disposition without a handler is sound to set.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Whether the signal is ignored, as INT is in a job that a shell put into the background.
pub fn is_ignored(signal: c_int) -> bool {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction only writes into what it is given, which is valid also where it fails.
    unsafe {
        libc::sigaction(signal, null(), old.as_mut_ptr());
        old.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_runs_or_says_why_not() {
        let check = |file: &str, way: &[Step], wanted: Option<Failed>, code: i32| {
            let candidates = [CString::new(file).expect("no NUL")];
            let arguments = Words::new(vec![c"sh".into(), c"-c".into(), c"exit 7".into()]);
            let environment = Words::environment();
            let program = Program {
                candidates: &candidates,
                arguments: &arguments,
                environment: &environment,
                way,
                descriptors: &[],
                open_files: None,
            };
            let child = spawn(&program).expect("a process");
            assert_eq!(child.failed(), wanted, "{file}");
            let status = rustix::process::waitpid(Some(child.pid), rustix::process::WaitOptions::empty());
            assert_eq!(status.expect("a child").expect("it has ended").1.exit_status(), Some(code), "{file}");
        };
        let root = rustix::fs::stat("/").expect("it is there");
        let is_root = Step::Is(root.st_dev, root.st_ino);
        check("/bin/sh", &[Step::Name(c"/"), is_root, Step::Name(c"bin")], None, 7);
        check("/bin/sh", &[Step::Name(c"/bin"), is_root], Some(Failed::Directory(Errno::NOENT)), TROUBLE);
        check("/bin/sh", &[Step::Name(c"/nowhere")], Some(Failed::Directory(Errno::NOENT)), TROUBLE);
        check("/nowhere", &[], Some(Failed::Exec(Errno::NOENT)), TROUBLE);
        check("/", &[], Some(Failed::Exec(Errno::ACCESS)), TROUBLE);
    }
}
