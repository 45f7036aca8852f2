//! Real ext4 file systems on loop images, in a mount namespace of a process of ours: they go with it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Scratch;

use super::Tally;

/// Runs this program again as root of a mount namespace of its own; what it prints last are the figures of a [`Tally`], the lines
/// before them what was wrong.
pub(super) fn inside(words: &[String]) -> Tally {
    inside_one_of(&["-m"], words)
}

/// The same for what needs no real root, where user namespaces are allowed.
pub(super) fn inside_as_anybody(words: &[String]) -> Tally {
    inside_one_of(&["-Urm", "-m"], words)
}

fn inside_one_of(namespaces: &[&str], words: &[String]) -> Tally {
    let Ok(program) = std::env::current_exe() else { return Tally::skipped("this program has no path") };
    let mut reasons = String::new();
    for namespaces in namespaces {
        let output = match Command::new("unshare").arg(namespaces).arg(&program).args(words).output() {
            Ok(output) => output,
            Err(error) => return Tally::skipped(format!("unshare cannot be started: {error}")),
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<&str> = said.lines().collect();
        if let Some(tally) = lines.pop().and_then(Tally::parse) {
            let words = lines.iter().map(|&line| line.to_owned()).collect();
            return Tally { words, ..tally };
        }
        reasons.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    Tally::skipped(reasons.trim().replace('\n', "; "))
}

/// Runs a program of the system that says nothing when all is well.
pub(super) fn run<S: AsRef<OsStr>>(program: &str, words: impl IntoIterator<Item = S>) -> Result<(), String> {
    let output = Command::new(program).args(words).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// An ext4 file system in a file.
pub(super) struct Ext4 {
    image: PathBuf,
    /// Where it is mounted.
    pub(super) place: PathBuf,
}

impl Ext4 {
    /// Makes it in `dir`, and mounts it.
    pub(super) fn new(dir: &Path, bytes: u64, options: &[&str]) -> Result<Ext4, String> {
        let disk = Ext4 { image: dir.join("image"), place: dir.join("place") };
        let failed = |error: std::io::Error| error.to_string();
        let image = std::fs::File::create(&disk.image).map_err(failed)?;
        image.set_len(bytes).map_err(failed)?;
        std::fs::create_dir_all(&disk.place).map_err(failed)?;
        let words = ["-q", "-F", "-N", "256"].iter().chain(options).map(OsStr::new);
        run("mkfs.ext4", words.chain([disk.image.as_os_str()]))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Mounts it, again perhaps.
    pub(super) fn mount(&self) -> Result<(), String> {
        run("mount", ["-o".as_ref(), "loop".as_ref(), self.image.as_os_str(), self.place.as_os_str()])
    }

    /// Unmounts it.
    pub(super) fn unmount(&self) -> Result<(), String> {
        run("umount", [&self.place])
    }

    /// Makes the disk shorter or longer under the file system: writes behind its end fail, each as a whole.
    pub(super) fn resize(&self, bytes: u64) -> Result<(), String> {
        let image =
            std::fs::File::options().write(true).open(&self.image).map_err(|error| error.to_string())?;
        image.set_len(bytes).map_err(|error| error.to_string())?;
        self.device().map_or(Ok(()), |device| run("losetup", ["-c", &device]))
    }

    /// The loop device, while it is mounted.
    fn device(&self) -> Option<String> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let place = self.place.display().to_string();
        mounts.lines().find_map(|line| {
            let (device, rest) = line.split_once(' ')?;
            rest.starts_with(&format!("{place} ")).then(|| device.to_owned())
        })
    }

    /// What a power cut does: from now on nothing reaches the disk, what waits in memory included.
    pub(super) fn cut(&self) -> Result<(), String> {
        run("xfs_io", ["-x".as_ref(), "-c".as_ref(), "shutdown".as_ref(), self.place.as_os_str()])
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        // Mounted or not: the namespace ends soon.
        _ = self.unmount();
    }
}

/// In this namespace, the id of this run of the machine is what is in a file of ours, to be changed as by a restart.
pub(super) fn own_boot_id(scratch: &Scratch) -> Result<PathBuf, String> {
    let path = scratch.join("boot_id");
    std::fs::write(&path, "0\n").map_err(|error| error.to_string())?;
    run("mount", ["--bind".as_ref(), path.as_os_str(), "/proc/sys/kernel/random/boot_id".as_ref()])?;
    Ok(path)
}
