//! From what the user named to log directories: a log itself, a service with its log, a scan directory with many.

use crate::logdir::is_log;
use logcore::disk::{Disk, Kind, RealDisk};
use logcore::strerr::Errno;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// A log below more directories than this is not found: a scan directory's is four deep (`service`, name, `log`, `main`).
const DEPTH: usize = 4;

/// A log that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The directory: what the user named, and what is below.
    pub path: PathBuf,
    /// The service whose log it is, by the names of the directories.
    pub service: String,
}

/// The logs that `path` stands for: itself, or all below it, in the order of their names. None when there are none.
///
/// Links to directories are followed, as svscan follows them, and no directory is looked at twice. Names that begin with a point
/// are passed over, as svscan does.
///
/// # Errors
/// The directory cannot be read. One below it that cannot be read is told to `unreadable`, unless it is one in which no log is.
pub fn logs(path: &Path, unreadable: &mut dyn FnMut(&Path, Errno)) -> Result<Vec<Found>, Errno> {
    let mut logs = Vec::new();
    let mut seen = HashSet::new();
    below(path, DEPTH, &mut seen, &mut logs, unreadable)?;
    Ok(logs)
}

fn below(
    path: &Path,
    depth: usize,
    seen: &mut HashSet<(u64, u64)>,
    logs: &mut Vec<Found>,
    unreadable: &mut dyn FnMut(&Path, Errno),
) -> Result<(), Errno> {
    let dir = RealDisk.open_dir(path)?;
    let stat = rustix::fs::fstat(&dir)?;
    if !seen.insert((stat.st_dev, stat.st_ino)) {
        return Ok(());
    }
    let mut names: Vec<(OsString, Kind)> = Vec::new();
    RealDisk.list(&dir, &mut |name, kind| names.push((name.to_owned(), kind)))?;
    let files = names.iter().filter(|(_, kind)| *kind == Kind::Regular);
    if is_log(files.map(|(name, _)| name.as_os_str())) {
        logs.push(Found { path: path.to_owned(), service: service(path) });
        return Ok(());
    }
    if depth > 0 {
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        let is_dir = |(name, kind): &(OsString, Kind)| {
            matches!(kind, Kind::Directory | Kind::Link) && !name.as_encoded_bytes().starts_with(b".")
        };
        for (name, _) in names.into_iter().filter(is_dir) {
            let path = path.join(&name);
            match below(&path, depth - 1, seen, logs, unreadable) {
                Ok(()) | Err(Errno::NOTDIR | Errno::NOENT | Errno::LOOP) => (),
                // Every service has these, closed to others.
                Err(_) if name == "supervise" || name == "env" => (),
                Err(errno) => unreadable(&path, errno),
            }
        }
    }
    Ok(())
}

/// The name of the service: of the directory that has `log/…` in it, or of the log directory itself, `main` and the like not counted.
fn service(path: &Path) -> String {
    let whole = std::path::absolute(path).ok();
    let whole = match path.components().next_back() {
        // What `.` and `..` are called is known to the system only.
        Some(Component::Normal(_)) => whole,
        _ => path.canonicalize().ok().or(whole),
    };
    let names: Vec<&OsStr> = whole.iter().flat_map(|path| path.iter()).filter(|name| *name != "/").collect();
    let text = |name: &OsStr| name.to_string_lossy().into_owned();
    let is_plain = |name: &OsStr| name == "main" || name == "log" || name == "logs";
    match names.iter().rposition(|name| *name == "log") {
        // As in /service/smtpd/log/main; but /var/log/smtpd is no service's.
        Some(at) if at + 2 >= names.len() && at > 0 && names[at - 1] != "var" => match names.get(at + 1) {
            Some(log) if !is_plain(log) => format!("{}/{}", text(names[at - 1]), text(log)),
            _ => text(names[at - 1]),
        },
        _ => {
            let name = names.iter().rev().find(|name| !is_plain(name)).or(names.last());
            name.map_or_else(|| "/".into(), |name| text(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn services_are_told_by_directories() {
        let check = |path: &str, wanted: &str| assert_eq!(service(Path::new(path)), wanted, "{path}");
        check("/service/smtpd/log/main", "smtpd");
        check("/service/smtpd/log", "smtpd");
        check("/service/smtpd/log/errors", "smtpd/errors");
        check("/var/log/qmail/smtpd", "smtpd");
        check("/var/log/smtpd", "smtpd");
        check("/var/multilog/dnscache/main", "dnscache");
        check("/main", "main");
        check("/", "/");
    }

    #[test]
    fn a_log_a_service_and_a_scan_directory() {
        let scan = tempfile::tempdir().expect("a directory");
        let log = |path: &str, file: &str| {
            let dir = scan.path().join(path);
            fs::create_dir_all(&dir).expect("our own directory");
            fs::write(dir.join(file), "").expect("our own directory");
        };
        log("b/log/main", "current");
        log("a/log/main", "@400000003b4a39c23294b13c.s");
        log("a/log/errors", "previous");
        log("c", "current");
        log(".hidden/log/main", "current");
        log("d/notes", "@other.s");
        std::os::unix::fs::symlink(scan.path(), scan.path().join("loop")).expect("our own directory");
        let found = |path: &str| -> Vec<String> {
            let unreadable = &mut |path: &Path, errno| panic!("{}: {errno}", path.display());
            let logs = logs(&scan.path().join(path), unreadable).expect("our own directories");
            logs.into_iter().map(|log| log.service).collect()
        };
        assert_eq!(found("b/log/main"), ["b"]);
        assert_eq!(found("b"), ["b"]);
        assert_eq!(found("a"), ["a/errors", "a"]);
        assert_eq!(found(""), ["a/errors", "a", "b", "c"]);
        assert_eq!(found("d"), [""; 0]);
        assert_eq!(logs(Path::new("/nonexistent"), &mut |_, _| ()), Err(Errno::NOENT));
    }
}
