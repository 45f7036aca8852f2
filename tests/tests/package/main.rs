//! Does the installer install everything or say why not, and touch nothing else? And does systemd run the tree by our unit?

mod systemd;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use tests::{Cmd, Output, Scratch, program};

const PROGRAMS: [&str; 18] = [
    "svscan",
    "svscanboot",
    "supervise",
    "svc",
    "svok",
    "svstat",
    "readproctitle",
    "setuidgid",
    "envuidgid",
    "envdir",
    "softlimit",
    "setlock",
    "pgrphack",
    "fghack",
    "multilog",
    "tai64n",
    "tai64nlocal",
    "mlog",
];
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../package");

/// A machine below `root`, and programs in `built` that only have their names.
fn machine(scratch: &Scratch) {
    for dir in ["built", "root/proc/1", "root/etc", "root/run", "root/dev"] {
        fs::create_dir_all(scratch.join(dir)).expect("own directory");
    }
    for program in PROGRAMS {
        file(&scratch.join("built").join(program), program, 0o755);
    }
}

fn file(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().expect("it has a directory")).expect("own directory");
    fs::write(path, text).expect("own directory");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
}

fn install(scratch: &Scratch) -> Output {
    let install = Path::new(PACKAGE).join("install");
    Cmd::new(install).arg(scratch.join("built")).env("ROOT", scratch.join("root")).run(b"")
}

fn text(scratch: &Scratch, path: &str) -> String {
    fs::read_to_string(scratch.join("root").join(path)).unwrap_or_default()
}

#[test]
fn programs_links_and_a_unit_where_systemd_runs() {
    let scratch = Scratch::new();
    machine(&scratch);
    let root = scratch.join("root");
    fs::create_dir_all(root.join("run/systemd/system")).expect("own directory");
    // Leftovers that the original's installer would change.
    file(&root.join("etc/inittab"), "# not read\n", 0o644);
    file(&root.join("etc/rc.local"), "#!/bin/sh\nexit 0\n", 0o755);
    for _ in 0..2 {
        let out = install(&scratch);
        assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()), "{out}");
        for program in PROGRAMS {
            assert_eq!(text(&scratch, &format!("command/{program}")), program);
            assert_eq!(
                fs::metadata(root.join("command").join(program)).expect("there").mode() & 0o777,
                0o755
            );
            let link = fs::read_link(root.join("usr/local/bin").join(program)).expect("a link");
            assert_eq!(link, Path::new("/command").join(program));
        }
        assert_eq!(fs::read_dir(root.join("command")).expect("there").count(), PROGRAMS.len());
        let man = root.join("usr/local/share/man/man8");
        for program in PROGRAMS {
            let page = fs::read_to_string(man.join(format!("{program}.8"))).expect("a page");
            assert!(page.contains(&format!(".Nm {program}\n")), "{program}");
        }
        assert_eq!(fs::read_dir(man).expect("there").count(), PROGRAMS.len());
        assert!(root.join("service").is_dir());
        let unit = fs::read_to_string(Path::new(PACKAGE).join("svscan.service")).expect("ours");
        assert_eq!(text(&scratch, "etc/systemd/system/svscan.service"), unit);
        assert_eq!(text(&scratch, "etc/inittab"), "# not read\n");
        assert_eq!(text(&scratch, "etc/rc.local"), "#!/bin/sh\nexit 0\n");
        assert_eq!(fs::metadata(root.join("etc/rc.local")).expect("there").mode() & 0o777, 0o755);
    }
    let other = root.join("etc/systemd/system/daemontools.service");
    for starts in ["svscanboot /etc/service/", "svscan /service"] {
        file(&other, &format!("[Service]\nExecStart=/usr/bin/{starts}\n"), 0o644);
        let out = install(&scratch);
        assert_eq!(out.status(), "exit 0");
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(said.contains("daemontools.service starts an svscan already, and is left alone"), "{out}");
    }
}

#[test]
fn one_line_in_inittab_where_the_first_process_reads_it() {
    let line = "SV:123456:respawn:/command/svscanboot\n";
    let check = |fifo: bool, exe: &str, wanted: &str| {
        let scratch = Scratch::new();
        machine(&scratch);
        let root = scratch.join("root");
        file(&root.join("etc/inittab"), "id:3:initdefault:\n", 0o600);
        file(&root.join("proc/1/comm"), "init\n", 0o644);
        symlink(exe, root.join("proc/1/exe")).expect("own directory");
        if fifo {
            assert_eq!(Cmd::new("mkfifo").arg(root.join("run/initctl")).run(b"").status(), "exit 0");
        }
        for _ in 0..2 {
            let out = install(&scratch);
            assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()), "{out}");
            assert_eq!(text(&scratch, "etc/inittab"), format!("id:3:initdefault:\n{wanted}"));
            assert_eq!(fs::metadata(root.join("etc/inittab")).expect("there").mode() & 0o777, 0o600);
            assert!(!root.join("etc/systemd").exists() && !root.join("etc/rc.local").exists());
        }
    };
    check(true, "/sbin/init", line);
    check(false, "/bin/busybox", line);
    check(false, "/sbin/openrc-init", "");
}

/// Nobody can use what only root may look into, and a line of its own needs the one before to be ended.
#[test]
fn neither_a_strict_umask_nor_an_unended_inittab_does_harm() {
    let scratch = Scratch::new();
    machine(&scratch);
    let root = scratch.join("root");
    file(&root.join("etc/inittab"), "id:3:initdefault:\nlast", 0o600);
    file(&root.join("proc/1/comm"), "init\n", 0o644);
    symlink("/bin/busybox", root.join("proc/1/exe")).expect("own directory");
    let script = r#"umask 077 && cd "$0" && ROOT=root exec "$1" built"#;
    let install = Path::new(PACKAGE).join("install");
    let out = Cmd::new("sh").args(["-c", script]).arg(scratch.path()).arg(install).run(b"");
    assert_eq!((out.status(), out.messages()), ("exit 0".into(), String::new()), "{out}");
    let wanted = "id:3:initdefault:\nlast\nSV:123456:respawn:/command/svscanboot\n";
    assert_eq!(text(&scratch, "etc/inittab"), wanted);
    for dir in ["command", "usr/local/bin", "usr/local/share/man/man8", "service"] {
        assert_eq!(fs::metadata(root.join(dir)).expect("there").mode() & 0o777, 0o755, "{dir}");
    }
}

#[test]
fn it_stops_at_the_first_error() {
    let scratch = Scratch::new();
    machine(&scratch);
    let root = scratch.join("root");
    fs::create_dir_all(root.join("run/systemd/system")).expect("own directory");
    fs::remove_file(scratch.join("built/tai64nlocal")).expect("own file");
    let out = install(&scratch);
    assert_eq!(out.status(), "exit 111");
    assert!(out.messages().starts_with("install: fatal: no program "), "{out}");
    assert!(!root.join("command").exists() && !root.join("service").exists(), "nothing has been done");
    // A program that cannot be put in its place: no boot entry for it.
    file(&scratch.join("built/tai64nlocal"), "tai64nlocal", 0o755);
    fs::create_dir_all(root.join("command/multilog{new}/in-the-way")).expect("own directory");
    let out = install(&scratch);
    assert_ne!(out.status(), "exit 0", "{out}");
    assert!(!root.join("etc/systemd").exists());
}

#[test]
fn run_files_that_cannot_be_started_are_named() {
    let scratch = Scratch::new();
    machine(&scratch);
    let run = |service: &str, text: &str, mode: u32| {
        file(&scratch.join("root/service").join(service).join("run"), text, mode);
    };
    run("good", "#!/bin/sh\nexec x\n", 0o755);
    run("good/log", "#!/bin/sh\nexec x\n", 0o755);
    run("plain", "#!/bin/sh\nexec x\n", 0o644);
    run("dos/log", "#!/bin/sh\r\nexec x\r\n", 0o755);
    run("bare", "exec x\n", 0o755);
    let out = install(&scratch);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let service = scratch.join("root/service");
    let said: Vec<&str> = said.lines().filter(|line| line.contains("/service/")).collect();
    assert_eq!(
        said,
        [
            format!("install: {}/bare/run: no #! line", service.display()),
            format!("install: {}/plain/run is not executable: chmod +x", service.display()),
            format!("install: {}/dos/log/run: the first line ends in CR: convert to LF", service.display()),
        ]
    );
    assert_eq!(out.status(), "exit 0", "{out}");
}

#[test]
fn systemd_understands_the_unit() {
    let analyze = Path::new("/usr/bin/systemd-analyze");
    if !analyze.is_file() {
        return tests::rig::skipped("systemd-analyze is not installed");
    }
    let scratch = Scratch::new();
    // It looks for the program, which is not installed here.
    let unit = fs::read_to_string(Path::new(PACKAGE).join("svscan.service")).expect("ours");
    let here = unit.replace("/command/svscanboot", "/bin/true");
    fs::write(scratch.join("svscan.service"), here).expect("own directory");
    let out = Cmd::new(analyze).args(["verify", "--man=no"]).arg(scratch.join("svscan.service")).run(b"");
    let about_it: Vec<_> =
        out.messages().lines().filter(|l| l.contains("svscan")).map(str::to_owned).collect();
    assert_eq!(about_it, Vec::<String>::new(), "{out}");
}

/// Three have none: their words are all for others, as with the originals.
#[test]
fn every_help_fits_the_smallest_terminal() {
    for name in PROGRAMS.iter().filter(|name| !["pgrphack", "fghack", "readproctitle"].contains(name)) {
        let out = Cmd::new(program(name)).arg("--help").run(b"");
        let help = String::from_utf8(out.stdout.clone()).expect("text");
        assert!((3..=24).contains(&help.lines().count()), "{out}");
        let wide = help.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{name}");
    }
}
