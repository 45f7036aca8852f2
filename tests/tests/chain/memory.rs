//! How little a loader needs to start.

use crate::{clean, place};
use tests::{Cmd, original, program};

/// All eight.
const NAMES: [&str; 8] =
    ["setuidgid", "envuidgid", "envdir", "softlimit", "setlock", "pgrphack", "fghack", "readproctitle"];

#[test]
fn the_c_library_is_the_only_one() {
    if !cfg!(all(target_env = "gnu", target_os = "linux")) {
        tests::rig::skipped("the loader of another C library shows nothing");
        return;
    }
    for name in NAMES {
        // This makes the loader of the GNU C library show what it would load.
        let out = Cmd::new(program(name)).env("LD_TRACE_LOADED_OBJECTS", "1").run(b"");
        let loaded = String::from_utf8_lossy(&out.stdout).into_owned();
        let name_of = |line: &str| line.trim().split([' ', '(']).next().unwrap_or_default().to_owned();
        let libraries: Vec<_> = loaded.lines().map(name_of).collect();
        assert!(libraries.iter().any(|library| library.starts_with("libc.so")), "{out}");
        let others = libraries.iter().filter(|library| {
            !["libc.so", "linux-vdso", "/lib64/ld-", "/lib/ld-"]
                .iter()
                .any(|known| library.starts_with(known))
        });
        assert_eq!(others.count(), 0, "{out}");
    }
}

#[test]
fn where_the_originals_start_with_two_megabytes_ours_do() {
    let Some(softlimit) = original("softlimit") else { return };
    let scratch = place();
    for (name, words) in crate::loaders() {
        let starts = |path: &std::path::Path, bytes: &str| {
            let cmd = clean(path, words).arg("/nowhere").cwd(scratch.path());
            let out = cmd.behind([softlimit.as_os_str(), "-m".as_ref(), bytes.as_ref()]).run(b"");
            out.messages() == format!("{name}: fatal: unable to run /nowhere: file does not exist\n")
        };
        let Some(original) = original(name) else { return };
        // Programs that were not optimised are larger.
        let most = if cfg!(debug_assertions) { "4000000" } else { "3000000" };
        for bytes in ["2000000", most] {
            assert!(starts(&program(name), bytes) || !starts(&original, bytes), "{name} under -m {bytes}");
        }
    }
}
