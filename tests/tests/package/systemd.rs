//! The unit under a real systemd: the first process of a namespace of its own, on a copy of this machine that forgets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use tests::rig::skipped;
use tests::tree::{COUNTS, LOGS, SOON, Tree, children};
use tests::{Cmd, Output, Running, program, wait_for, wait_until};

use super::PROGRAMS;

/// Makes the machine and becomes its first process. Its disk is this one's, and what is written stays in memory.
const BOOT: &str = r#"set -e
memory=$1 programs=$2 source=$3 store=$4
mount --make-rprivate /
mount -t tmpfs tmpfs "$memory"
mkdir "$memory/upper" "$memory/work" "$memory/root"
mount -t overlay -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" overlay "$memory/root"
tmpfs() { mkdir -p "$1"; mount -t tmpfs tmpfs "$1"; }
see() { mkdir -p "$2"; mount --bind "$1" "$2"; }
cd "$memory/root"
for dir in dev sys run tmp etc/systemd/system; do tmpfs $dir; done
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev
mount -t proc proc proc
# The kernel's settings are everybody's.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mkdir -p sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
: >etc/fstab
rm -rf service command
see "$programs" built
see "$source" source
see "$store" ".$store"
see "$store/service" service
for unit in udevd udev-trigger tmpfiles-setup-dev remount-fs; do
    ln -s /dev/null etc/systemd/system/systemd-$unit.service
done
mkdir this-machine
pivot_root . this-machine
cd /
umount -l this-machine
echo made
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target --log-target=null
"#;

/// A machine on which our package is installed and a service counts. It ends when dropped.
struct Machine {
    running: Option<Running>,
    /// Its first process, as it is known here; `None`: there is none.
    first: Option<Pid>,
    group: PathBuf,
    tree: Tree,
}

impl Machine {
    /// `None`, said, where none can be made.
    fn new() -> Option<Machine> {
        if !Path::new("/lib/systemd/systemd").exists() {
            skipped("no systemd");
            return None;
        }
        let source = Path::new(super::PACKAGE).parent().expect("it is in one");
        let programs = PROGRAMS.map(program);
        let built = programs[0].parent().expect("it is in one");
        let tree = Tree::new(&[]);
        tree.service("counter", COUNTS, LOGS);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let Some(groups) = mounts.find(|fields| fields.get(2) == Some(&"cgroup2")) else {
            skipped("no control groups of the second version");
            return None;
        };
        let group = Path::new(groups[1]).join(tree.join("").file_name()?);
        if let Err(error) = fs::create_dir(&group) {
            skipped(&format!("no control group {}: {error}", group.display()));
            return None;
        }
        fs::create_dir(tree.join("memory")).expect("own directory");
        let enter = r#"echo $$ >"$0"/cgroup.procs && exec "$@""#;
        let boot = Cmd::new("sh")
            .args(["-c", BOOT, "boot"])
            .args([&tree.join("memory"), built, source, &tree.join("")])
            .behind(["unshare", "-m", "-p", "-u", "-i", "-n", "-C", "-f", "--kill-child"])
            .behind(["sh".as_ref(), "-c".as_ref(), enter.as_ref(), group.as_os_str()])
            .limit(Duration::from_secs(300));
        let running = boot.spawn_on(Stdio::null());
        wait_until(SOON, "the machine is made", || running.has_ended() || running.stdout() == b"made\n");
        let first = children(running.pid()).into_iter().next();
        let mut machine = Machine { first, running: Some(running), group, tree };
        if first.is_none() {
            let why = machine.running.take().expect("it is there").wait_open();
            skipped(&format!("no machine for systemd: {why}"));
            return None;
        }
        wait_until(SOON, "systemd has started", || {
            machine.says("systemctl is-active basic.target") == "active"
        });
        assert_eq!(machine.does("cd /source && exec package/install /built").status(), "exit 0");
        machine.tree.wait_until_it_counts("counter");
        Some(machine)
    }

    /// Runs a command there.
    fn does(&self, command: &str) -> Output {
        let first = self.first.expect("it was made").as_raw_nonzero().to_string();
        Cmd::new("nsenter")
            .args([
                "-t",
                &first,
                "-a",
                "env",
                "-i",
                "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "sh",
                "-c",
            ])
            .arg(command)
            .limit(Duration::from_secs(130))
            .run(b"")
    }

    /// What a command prints there.
    fn says(&self, command: &str) -> String {
        String::from_utf8_lossy(&self.does(command).stdout).trim_end().to_owned()
    }

    /// A property of the unit.
    fn unit(&self, property: &str) -> String {
        self.says(&format!("systemctl show svscan --value -p {property}"))
    }

    #[track_caller]
    fn systemctl(&self, verb: &str) {
        let out = self.does(&format!("systemctl {verb} svscan"));
        assert_eq!(out.status(), "exit 0", "{out}");
    }

    /// The process of the service, once it runs and counts; `not`: not this one.
    fn service(&self, not: &str) -> String {
        let pid = wait_for(SOON, "the service runs", || {
            let line = self.says("svstat /service/counter");
            let pid = line.strip_prefix("/service/counter: up (pid ")?.split(')').next()?.to_owned();
            (pid != not).then_some(pid)
        });
        self.tree.wait_until_it_counts("counter");
        pid
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.running = None;
        // What systemd has made in it, inmost first; processes leave it a moment after they have ended.
        let remove = r#"for round in 1 2 3 4 5 6 7 8 9; do
            find "$1" -depth -type d -exec rmdir {} + 2>/dev/null; [ -d "$1" ] || exit 0; sleep 0.1; done"#;
        Cmd::new("sh").args(["-c", remove, "sh"]).arg(&self.group).run(b"");
    }
}

#[test]
fn the_unit_runs_the_tree_and_stops_it_without_losing_a_line() {
    let Some(machine) = Machine::new() else { return };
    assert_eq!(machine.says("systemctl is-enabled svscan"), "enabled");
    let (svscanboot, service) = (machine.unit("MainPID"), machine.service(""));
    // What is wrong is in the journal.
    machine.tree.script("store/bad/run", "");
    fs::write(machine.tree.join("store/bad/run"), "#!/nowhere\n").expect("own file");
    machine.tree.link("bad");
    machine.systemctl("reload");
    wait_until(SOON, "the journal has the error", || {
        machine.says("journalctl -u svscan -o cat").contains("supervise: fatal: unable to start bad/run: ")
    });
    assert_eq!((machine.unit("MainPID"), machine.service("")), (svscanboot.clone(), service.clone()));
    // The logger is far behind.
    machine.does("pkill -STOP -x multilog");
    std::thread::sleep(Duration::from_millis(300));
    machine.systemctl("stop");
    assert_eq!((machine.unit("ActiveState"), machine.unit("Result")), ("inactive".into(), "success".into()));
    assert_eq!(machine.says("pgrep -l 'svscan|supervise|multilog|readproctitle'"), "");
    machine.tree.has_every_line("counter", 1);
    machine.systemctl("start");
    let second = machine.service(&service);
    machine.systemctl("restart");
    machine.service(&second);
    assert_ne!(machine.unit("MainPID"), svscanboot);
    machine.systemctl("stop");
    machine.tree.has_every_line("counter", 3);
}

#[test]
fn what_dies_is_started_again() {
    let Some(machine) = Machine::new() else { return };
    for (round, victim) in ["svscan", "svscanboot"].into_iter().enumerate() {
        let service = machine.service("");
        assert_eq!(machine.says(&format!("pkill -KILL -x -e {victim}")).lines().count(), 1);
        machine.service(&service);
        assert_eq!(machine.unit("NRestarts"), (round + 1).to_string());
        assert_eq!(machine.unit("ActiveState"), "active");
        assert_eq!(machine.says("pgrep -x svscan").lines().count(), 1);
    }
}

/// The unit waits, and leaves the services alone, while somebody's own svscan has the directory.
#[test]
fn an_svscan_that_was_started_by_hand_is_left_alone() {
    let Some(machine) = Machine::new() else { return };
    machine.systemctl("stop");
    machine.tree.has_every_line("counter", 1);
    machine.does("setsid svscan /service >/dev/null 2>&1 &");
    let service = machine.service("");
    machine.systemctl("start");
    wait_until(SOON, "the unit has tried twice", || {
        machine.unit("NRestarts").parse().is_ok_and(|tries: u32| tries > 1)
    });
    let journal = machine.says("journalctl -u svscan -o cat");
    assert!(
        journal.contains("svscanboot: fatal: unable to lock /service: another svscan is running there"),
        "{journal}"
    );
    assert_eq!(machine.service(""), service);
    machine.does("pkill -TERM -x svscan");
    machine.service(&service);
    machine.systemctl("stop");
    machine.tree.has_every_line("counter", 3);
}

#[test]
fn when_the_machine_is_halted_every_line_is_in_the_log() {
    let Some(mut machine) = Machine::new() else { return };
    machine.service("");
    machine.does("/bin/kill -s RTMIN+3 1");
    machine.running.take().expect("it runs").wait_open();
    machine.tree.has_every_line("counter", 1);
}
