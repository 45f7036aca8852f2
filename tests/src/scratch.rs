//! A directory for one test.

use rustix::process::{Pid, Signal};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A temporary directory named after the running test. It goes when dropped, unless the test panics: then it stays and is named
/// in the test's output.
#[derive(Debug)]
pub struct Scratch {
    dir: Option<tempfile::TempDir>,
}

impl Scratch {
    /// A fresh, empty directory, mode 0755, so that a program which gave up its privileges can reach it.
    ///
    /// # Panics
    ///
    /// Where the system's temporary directory cannot be written.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a directory; a default should not")]
    pub fn new() -> Scratch {
        Scratch::below(&std::env::temp_dir())
    }

    /// The same on a file system in memory, where there is one: for thousands of short lives in which a sync should cost nothing.
    ///
    /// # Panics
    ///
    /// As `new`.
    #[must_use]
    pub fn in_memory() -> Scratch {
        let memory = Path::new("/dev/shm");
        let usable = rustix::fs::access(memory, rustix::fs::Access::WRITE_OK).is_ok();
        if usable { Scratch::below(memory) } else { Scratch::new() }
    }

    /// A fresh, empty directory in this one.
    ///
    /// # Panics
    ///
    /// Where none can be made.
    #[must_use]
    pub fn within(&self) -> Scratch {
        Scratch::below(self.path())
    }

    fn below(parent: &Path) -> Scratch {
        let thread = std::thread::current();
        let name: String = thread
            .name()
            .unwrap_or("test")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let dir = tempfile::Builder::new()
            .prefix(&format!("{name}."))
            .tempdir_in(parent)
            .expect("the temporary directory can be written");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("own directory");
        Scratch { dir: Some(dir) }
    }

    /// The directory itself: absolute.
    ///
    /// # Panics
    ///
    /// Never: the directory is there until this value is dropped.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.as_ref().expect("held until drop").path()
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.path().join(inside)
    }

    /// Every process that works in a directory inside.
    ///
    /// # Panics
    ///
    /// Where `/proc` is not mounted.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        let pids = std::fs::read_dir("/proc").expect("/proc is mounted").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let inside = |pid: &i32| {
            std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(self.path()))
        };
        pids.filter(inside).filter_map(Pid::from_raw).collect()
    }

    /// Kills every process that works inside, those too that are started meanwhile: for what a failed test leaves behind.
    pub fn clear(&self) {
        for _ in 0..200 {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for pid in left {
                // Gone already, if it fails.
                _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A copy of a program inside, mode 0755: for users who cannot reach the build directory.
    ///
    /// # Panics
    ///
    /// Where the program cannot be read.
    #[must_use]
    pub fn install(&self, program: &Path) -> PathBuf {
        let copy = self.join(program.file_name().expect("a program has a name"));
        // By another process: a child that is forked elsewhere meanwhile would hold our open copy, and "text busy" it would be.
        let copied = std::process::Command::new("cp").arg(program).arg(&copy).status();
        assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("own file");
        copy
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(dir) = self.dir.take() else { return };
        if std::thread::panicking() {
            eprintln!("kept: {}", dir.keep().display());
        }
    }
}
