//! Which program is ours, and which is the original.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The path of one of our programs, built by this workspace in the profile of the running test, up to date.
///
/// The environment variable `UNDER_TEST` names another program to be tested in the place of our multilog.
///
/// # Panics
///
/// When the program does not build, or the test was not started by cargo's test harness.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    if name == "multilog"
        && let Some(other) = std::env::var_os("UNDER_TEST")
    {
        return PathBuf::from(other);
    }
    static BUILT: OnceLock<Mutex<HashMap<String, PathBuf>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(name.to_owned()).or_insert_with(|| build(name)).clone()
}

/// Whether the program under test is an installed original (`UNDER_TEST=/usr/bin/multilog`): then the tests of what ours does
/// differently have nothing to say. A script around ours is ours.
#[must_use]
pub fn uses_original() -> bool {
    let is_original =
        |path: PathBuf| std::fs::read(&path).is_ok_and(|b| b.starts_with(b"\x7fELF")) && !is_ours(&path);
    std::env::var_os("UNDER_TEST").map(PathBuf::from).is_some_and(is_original)
}

fn build(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the running test");
    let profile_dir = test
        .ancestors()
        .find(|dir| dir.file_name().is_some_and(|n| n == "deps"))
        .unwrap_or(&test)
        .parent()
        .expect("cargo puts a test into target/PROFILE/deps, a program into target/PROFILE");
    let profile = match profile_dir.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["build", "--quiet", "--profile", profile, "--bin", name, "--target-dir"])
        .arg(profile_dir.parent().expect("target/PROFILE has a parent"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{name} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    profile_dir.join(name)
}

/// The path of an installed program of the original daemontools (or of ucspi-tcp, mailfront: anything that is not ours).
///
/// `None` where it is not installed, after a line `skipped: …` on stderr that names the test; where the environment variable
/// `CI` is set, this is a failure instead.
///
/// # Panics
///
/// When the program is absent and `CI` is set.
#[must_use]
pub fn original(name: &str) -> Option<PathBuf> {
    const PLACES: [&str; 5] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/command"];
    let found =
        PLACES.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file() && !is_ours(path));
    if found.is_none() {
        let thread = std::thread::current();
        let said =
            format!("skipped: {}: the original {name} is not installed", thread.name().unwrap_or("test"));
        assert!(std::env::var_os("CI").is_none(), "{said}, and CI is set");
        // Not eprintln: the test harness hides what a passing test prints.
        _ = rustix::io::write(rustix::stdio::stderr(), format!("{said}\n").as_bytes());
    }
    found
}

/// A program made by a Rust compiler is one of ours, installed over the original.
fn is_ours(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    bytes.windows(6).any(|window| window == b"/rustc")
}
