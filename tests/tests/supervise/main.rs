//! supervise, svc, svok and svstat beside Debian's: does each work with each, do they say and write the same, and what becomes of
//! a service when something goes wrong?

mod clock;
mod inherit;
mod interchange;
mod orders;
mod qmailctl;
mod tools;
mod trouble;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use tests::{Cmd, Output, Running, Scratch, original, program, wait_for, wait_until};

/// What only a hanging program exceeds.
pub const SOON: Duration = Duration::from_secs(20);
const NAMES: [&str; 4] = ["supervise", "svc", "svok", "svstat"];

/// Somebody's four programs.
#[derive(Clone, Debug)]
pub struct Set {
    supervise: PathBuf,
    svc: PathBuf,
    svok: PathBuf,
    svstat: PathBuf,
}

impl Set {
    fn of([supervise, svc, svok, svstat]: [PathBuf; 4]) -> Set {
        Set { supervise, svc, svok, svstat }
    }
}

/// Ours.
pub fn ours() -> Set {
    Set::of(NAMES.map(program))
}

/// Debian's, or nothing where they are not installed.
pub fn theirs() -> Option<Set> {
    let found: Vec<_> = NAMES.into_iter().map(original).collect::<Option<_>>()?;
    Some(Set::of(found.try_into().expect("four names, four programs")))
}

/// A service directory `s`, and at most one supervise for it. Everything started in it ends with it.
pub struct Service {
    scratch: Scratch,
}

/// The bytes of a status that tell states apart: process, paused, wish.
pub type State = (u32, u8, u8);

impl Service {
    /// With this shell script as `./run`.
    pub fn new(script: &str) -> Service {
        let service = Service { scratch: Scratch::new() };
        fs::create_dir(service.dir()).expect("own directory");
        service.write_run(&format!("#!/bin/sh\n{script}\n"));
        service
    }

    /// As `new`, normally down.
    pub fn down(script: &str) -> Service {
        let service = Service::new(script);
        fs::write(service.join("down"), "").expect("own directory");
        service
    }

    /// Puts another `./run` in its place.
    pub fn write_run(&self, text: &str) {
        // Never written in place: a script that runs is busy.
        fs::write(self.join("run.new"), text).expect("own directory");
        fs::set_permissions(self.join("run.new"), fs::Permissions::from_mode(0o755)).expect("own file");
        fs::rename(self.join("run.new"), self.join("run")).expect("own directory");
    }

    /// The service directory.
    pub fn dir(&self) -> PathBuf {
        self.scratch.join("s")
    }

    /// A file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// A program on the service: `PROGRAM ARGUMENTS… s`, in the directory above.
    pub fn cmd(&self, program: &Path, arguments: &[&str]) -> Cmd {
        Cmd::new(program).args(arguments).arg("s").cwd(self.scratch.path()).limit(Duration::from_secs(60))
    }

    /// Runs a program on the service to its end.
    pub fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        self.cmd(program, arguments).run(b"")
    }

    /// Orders by our svc, which must have nothing to say.
    pub fn svc(&self, letters: &str) {
        let out = self.run(&program("svc"), &[letters]);
        assert_eq!((out.status().as_str(), out.messages().as_str()), ("exit 0", ""), "svc {letters}");
    }

    /// Starts a supervise and waits until svok finds it.
    pub fn start(&self, supervise: &Path) -> Running {
        self.start_as(self.cmd(supervise, &[]))
    }

    /// As `start`, for a supervise in other circumstances.
    pub fn start_as(&self, supervise: Cmd) -> Running {
        let running = supervise.spawn_on(Stdio::null());
        wait_until(SOON, "supervise runs", || {
            assert!(!running.has_ended(), "{}", String::from_utf8_lossy(&running.stderr()));
            self.run(&program("svok"), &[]).status() == "exit 0"
        });
        running
    }

    /// The bytes of the status.
    pub fn status(&self) -> Vec<u8> {
        // Between two names there is always one of them.
        fs::read(self.join("supervise/status")).expect("a status")
    }

    /// What of them tells states apart.
    pub fn state(&self) -> State {
        let status = self.status();
        assert_eq!(status.len(), 18, "{status:?}");
        (u32::from_le_bytes(status[12..16].try_into().expect("four bytes")), status[16], status[17])
    }

    /// Waits for a state.
    #[track_caller]
    pub fn wait_for_state(&self, what: &str, wanted: impl Fn(State) -> bool) -> State {
        wait_for(SOON, &format!("{what}, not {:?}", self.state()), || {
            Some(self.state()).filter(|&s| wanted(s))
        })
    }

    /// Waits for a process, and gives its number.
    #[track_caller]
    pub fn wait_until_up(&self) -> u32 {
        self.wait_for_state("it is up", |(pid, ..)| pid != 0).0
    }

    /// Waits until there is none.
    #[track_caller]
    pub fn wait_until_down(&self) {
        self.wait_for_state("it is down", |(pid, ..)| pid == 0);
    }

    /// Whether anything but a supervise works in the directory, whatever the status says.
    pub fn runs(&self) -> bool {
        let dir = fs::canonicalize(self.dir()).expect("own directory");
        let here = |pid: &Pid| {
            fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|cwd| cwd == dir)
        };
        self.scratch.processes().iter().any(|pid| here(pid) && tests::tree::name(*pid) != "supervise")
    }

    /// The lines of a file in the service directory, none if it is not there.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a file has so many lines, and gives them.
    #[track_caller]
    pub fn wait_for_lines(&self, name: &str, count: usize) -> Vec<String> {
        wait_for(SOON, &format!("{count} lines in {name}"), || {
            Some(self.lines(name)).filter(|l| l.len() >= count)
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.scratch.clear();
    }
}

/// A service that stays.
pub const STAYS: &str = "echo start >>starts; exec sleep 1000";
/// One that ends at once.
pub const ENDS: &str = "echo start >>starts";

/// Ends a supervise in order.
pub fn finish(service: &Service, running: Running) -> Output {
    service.svc("-dx");
    running.wait()
}
