//! A scan directory with services, and the svscan that runs it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;

use crate::{Cmd, LogDir, Output, Running, Scratch, Signal, wait_for, wait_until};

/// Longer than anything here takes on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// A service for [`Tree::reaped_late`]: five times it leaves five orphans that end soon, and counts how often one of them that
/// had ended is still there, unreaped, half a second later. Then it writes a line for its logger and stays.
pub const LEAVES_ORPHANS: &str = "dead() { ps -e -o pid=,stat= | awk '$2 ~ /^Z/ { print $1 }' >$1; }
late=0
for round in 1 2 3 4 5; do
    for orphan in 1 2 3 4 5; do (sleep 0.05 &); done
    sleep 0.2
    dead before
    sleep 0.5
    dead after
    grep -q -x -F -f before after && late=$((late + 1))
done
echo written
echo $late >late.new; mv late.new late
exec sleep 1000";

/// A service for [`Tree::has_every_line`]: it writes numbered lines, and goes on where it was ended. `n` is there from its end
/// until it counts again. It counts within one command, so that TERM comes before or after a line.
pub const COUNTS: &str = r#"n=$(cat n 2>/dev/null || echo 0)
trap 'echo "ended after $n"; echo $n >n; exit' TERM
rm -f n
while :; do echo "line $((n = n + 1))"; [ $((n % 100)) != 0 ] || sleep 0.01; done"#;

/// Its logger.
pub const LOGS: &str = "exec multilog t s16384 n99999 ./main";

/// Services in `store`, links to them in `service`, programs in `bin`. What still runs when it is dropped is killed.
#[derive(Debug)]
pub struct Tree {
    scratch: Scratch,
    svscan: Option<Running>,
}

impl Tree {
    /// An empty scan directory. `programs`: what `bin` leads to, such as `supervise`.
    ///
    /// # Panics
    ///
    /// Where the temporary directory cannot be written.
    #[must_use]
    pub fn new(programs: &[&Path]) -> Tree {
        let scratch = Scratch::new();
        for dir in ["bin", "service", "store"] {
            fs::create_dir(scratch.join(dir)).expect("own directory");
        }
        let tree = Tree { scratch, svscan: None };
        programs.iter().for_each(|program| tree.install(program));
        tree
    }

    /// Puts a program into `bin`, in the place of one of the same name.
    ///
    /// # Panics
    ///
    /// Where the temporary directory cannot be written.
    pub fn install(&self, program: &Path) {
        let name = program.file_name().expect("a program has a name");
        let (new, old) = (self.join("bin/new"), self.join("bin").join(name));
        symlink(program, &new).expect("own directory");
        fs::rename(new, old).expect("own directory");
    }

    /// Puts copies of programs into `bin`: for services of users who cannot reach the build directory.
    ///
    /// # Panics
    ///
    /// Where the temporary directory cannot be written.
    pub fn copy(&self, programs: &[PathBuf]) {
        let copied = Cmd::new("cp").args(programs).arg(self.join("bin")).run(b"");
        assert_eq!(copied.status(), "exit 0", "{copied}");
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.scratch.join(inside)
    }

    /// `PATH` with `bin` first.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.join("bin").display())
    }

    /// A shell script, mode 0755, its directory made with it.
    ///
    /// # Panics
    ///
    /// Where the temporary directory cannot be written.
    pub fn script(&self, path: &str, text: &str) {
        let path = self.join(path);
        fs::create_dir_all(path.parent().expect("it has a directory")).expect("own directory");
        // By another process: a child that another test forks meanwhile would hold our open file, and "text busy" it would be.
        let write = Cmd::new("sh").args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(&path);
        let written = write.run(format!("#!/bin/sh\n{text}\n").as_bytes());
        assert_eq!(written.status(), "exit 0", "{written}");
    }

    /// A service in the store, with its logger if `log` is not empty.
    pub fn store(&self, name: &str, run: &str, log: &str) {
        self.script(&format!("store/{name}/run"), run);
        if !log.is_empty() {
            self.script(&format!("store/{name}/log/run"), log);
        }
    }

    /// The link that makes svscan run it.
    ///
    /// # Panics
    ///
    /// Where there is such a name.
    pub fn link(&self, name: &str) {
        symlink(self.join("store").join(name), self.join("service").join(name)).expect("own directory");
    }

    /// [`store`](Tree::store) and [`link`](Tree::link).
    pub fn service(&self, name: &str, run: &str, log: &str) {
        self.store(name, run, log);
        self.link(name);
    }

    /// What starts `svscan` on the scan directory.
    #[must_use]
    pub fn command(&self, svscan: &Path) -> Cmd {
        Cmd::new(svscan).arg(self.join("service")).env("PATH", self.path()).limit(Duration::from_secs(200))
    }

    /// Starts it.
    pub fn start(&mut self, svscan: &Path) {
        self.run(self.command(svscan));
    }

    /// Starts a command in the place of svscan.
    pub fn run(&mut self, command: Cmd) {
        self.svscan = Some(command.spawn_on(Stdio::null()));
    }

    /// The svscan that runs.
    ///
    /// # Panics
    ///
    /// When none was started.
    #[must_use]
    pub fn svscan(&self) -> &Running {
        self.svscan.as_ref().expect("it was started")
    }

    /// What it has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.svscan().stderr()).into_owned()
    }

    /// TERM, and what is left of it when it has ended.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn stop(&mut self) -> Output {
        let svscan = self.svscan.take().expect("it was started");
        svscan.signal(Signal::TERM);
        svscan.wait_open()
    }

    /// kill -9 for svscan alone.
    pub fn kill(&mut self) -> Output {
        self.svscan.take().expect("it was started").kill()
    }

    /// What supervise says of a service: its process (`None`: down) and wish. `None` where it never ran.
    #[must_use]
    pub fn status(&self, service: &str) -> Option<(Option<Pid>, u8)> {
        let status = fs::read(self.join("store").join(service).join("supervise/status")).ok()?;
        let pid = i32::from_le_bytes(status.get(12..16)?.try_into().ok()?);
        Some((Pid::from_raw(pid), *status.get(17)?))
    }

    /// The process of a service once it runs; `not`: not this one.
    pub fn pid(&self, service: &str, not: Option<Pid>) -> Pid {
        wait_for(SOON, &format!("{service} runs"), || {
            let pid = self.status(service)?.0?;
            (Some(pid) != not && is_running(pid)).then_some(pid)
        })
    }

    /// The supervise of a service, once there is one; `not`: not this one.
    pub fn supervise(&self, service: &str, not: Option<Pid>) -> Pid {
        let dir = fs::canonicalize(self.join("store").join(service)).expect("it is stored");
        wait_for(SOON, &format!("{service} is supervised"), || {
            self.processes().into_iter().find(|&pid| {
                Some(pid) != not
                    && name(pid) == "supervise"
                    && is_running(pid)
                    && fs::read_link(proc(pid, "cwd")).is_ok_and(|cwd| cwd == dir)
            })
        })
    }

    /// How many of its five times the service `name`, which [`LEAVES_ORPHANS`], found one that nobody had reaped.
    ///
    /// # Panics
    ///
    /// When it does not come to its end.
    #[must_use]
    pub fn reaped_late(&self, name: &str) -> u32 {
        let late = self.join("store").join(name).join("late");
        wait_for(SOON, "it has looked", || fs::read_to_string(&late).ok()?.trim_end().parse().ok())
    }

    /// Waits until the service `name` [counts](COUNTS): TERM makes it say where it has ended.
    pub fn wait_until_it_counts(&self, name: &str) {
        let dir = self.join("store").join(name);
        let current = dir.join("log/main/current");
        wait_until(SOON, "it counts", || {
            fs::metadata(&current).is_ok_and(|current| current.len() > 1000) && !dir.join("n").exists()
        });
    }

    /// The service `name`, which [counts](COUNTS) and [logs](LOGS), has ended by itself so many times, and every line is in its log.
    ///
    /// # Panics
    ///
    /// When it is not so.
    #[track_caller]
    pub fn has_every_line(&self, name: &str, times: usize) {
        let dir = self.join("store").join(name);
        let (mut last, mut ends) = (0, 0);
        for line in LogDir::new(dir.join("log/main")).lines() {
            let line = String::from_utf8(line).expect("text");
            let (_, text) = line.split_once(' ').expect("a stamp");
            match text.strip_prefix("ended after ") {
                Some(count) => {
                    assert_eq!(count, last.to_string());
                    ends += 1;
                }
                None => {
                    last += 1;
                    assert_eq!(text, format!("line {last}"));
                }
            }
        }
        assert_eq!(ends, times);
        assert_eq!(fs::read_to_string(dir.join("n")).expect("it ended"), format!("{last}\n"));
    }

    /// Every process that works in a directory of this tree.
    ///
    /// # Panics
    ///
    /// Where `/proc` is not mounted.
    #[must_use]
    pub fn processes(&self) -> Vec<Pid> {
        self.scratch.processes()
    }

    /// Waits until nothing works here any more.
    pub fn wait_for_peace(&self) {
        wait_until(SOON, "all processes have ended", || self.processes().is_empty());
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.svscan = None;
        // Only after a failure, or where a test killed svscan, is anything left to end.
        self.scratch.clear();
    }
}

/// What `/proc` has of a process under this name.
#[must_use]
pub fn proc(pid: Pid, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/{file}", pid.as_raw_nonzero()))
}

/// The name of a process, as pgrep sees it; empty when it has ended.
#[must_use]
pub fn name(pid: Pid) -> String {
    fs::read_to_string(proc(pid, "comm")).unwrap_or_default().trim_end().to_owned()
}

/// Whether it runs: a zombie does not.
#[must_use]
pub fn is_running(pid: Pid) -> bool {
    state(pid).is_some_and(|state| !['Z', 'X'].contains(&state))
}

/// Whether it was stopped, as by SIGSTOP.
#[must_use]
pub fn is_stopped(pid: Pid) -> bool {
    state(pid) == Some('T')
}

/// The letter that proc(5) gives for its state.
fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(proc(pid, "stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The children of a process.
#[must_use]
pub fn children(pid: Pid) -> Vec<Pid> {
    let own = pid.as_raw_nonzero();
    let text = fs::read_to_string(proc(pid, &format!("task/{own}/children"))).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).filter_map(Pid::from_raw).collect()
}

/// The arguments of a process, with blanks between.
#[must_use]
pub fn arguments(pid: Pid) -> String {
    let bytes = fs::read(proc(pid, "cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ")
}

/// The number behind a name in `/proc/PID/status`; 0 when the process has ended.
#[must_use]
pub fn figure(pid: Pid, name: &str) -> u64 {
    let text = fs::read_to_string(proc(pid, "status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

impl Tree {
    /// Whether mounts can be made here: only for the superuser. If not, after a line that says so.
    #[must_use]
    pub fn can_mount(&self) -> bool {
        let probe = Cmd::new("true").behind(self.on_a_read_only_view()).run(b"");
        if probe.status() != "exit 0" {
            crate::rig::skipped("no namespace of mounts can be made here");
        }
        probe.status() == "exit 0"
    }

    /// The words before a command to whom the scan directory, and nothing else, is read-only.
    #[must_use]
    pub fn on_a_read_only_view(&self) -> Vec<String> {
        let mount =
            "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 99; shift; exec \"$@\"";
        let service = self.join("service").display().to_string();
        ["unshare", "-m", "sh", "-c", mount, "sh"].map(String::from).into_iter().chain([service]).collect()
    }

    /// Starts `svscanboot` in a process group of its own, where its fixed `PATH` leads to `bin` first; `before`: words of what
    /// starts it. False, after a line that says so, where no mount can be made: only for the superuser.
    pub fn boot(&mut self, before: &[&str]) -> bool {
        let mount = "mount --bind \"$1\" /usr/local/bin || exit 99; shift; exec \"$@\"";
        let words = ["unshare", "-m", "sh", "-c", mount, "sh"].map(String::from).into_iter();
        let words: Vec<String> = words.chain([self.join("bin").display().to_string()]).collect();
        let probe = Cmd::new("true").behind(&words).run(b"");
        if probe.status() != "exit 0" {
            crate::rig::skipped("no namespace of mounts can be made here");
            return false;
        }
        let svscanboot = Cmd::new(self.join("bin/svscanboot")).arg(self.join("service"));
        let command = svscanboot.behind(before).behind(words).behind(["setsid"]);
        self.run(command.limit(Duration::from_secs(300)));
        true
    }
}
