//! What a tree of services costs: a thousand of them with loggers, that do nothing.
//!
//! Timed are the start of all, and from a new directory to its running service; counted is what the supervisors do while all
//! is quiet. Every run file first writes a byte to a file, whose size is how many have started.

use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fail::{Fail, Unable};
use crate::find::{beside_us, on_path, runs};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::process::{Process, pause};
use crate::scratch::Scratch;
use crate::speed::{progress, said};

/// The name of this case.
pub const TREE: &str = "tree";

/// Who takes part, and the program that scans.
const WHO: [(&str, &str); 4] =
    [("ours", "svscan"), ("daemontools", "svscan"), ("s6", "s6-svscan"), ("runit", "runsvdir")];

/// With the one that comes later, as many as daemontools and runit take.
const MOST: u64 = 999;

/// Longer than anybody takes for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// One tree's figures.
pub struct Tree {
    start_millis: f64,
    pub new_millis: f64,
    /// Of all processes that are not services or loggers.
    pub wakes_per_minute: f64,
    cpu_millis_per_minute: f64,
}

/// For each of [`WHO`].
pub type Trees = Vec<Outcome<Tree>>;

/// Runs everybody's tree once: it takes long enough.
pub fn measure(options: &Options, scratch: &Scratch) -> Result<Trees, Fail> {
    if !options.wants(TREE) {
        return Ok(WHO.iter().map(|_| Outcome::Cannot).collect());
    }
    let (services, quiet) = if options.smoke { (5, 1) } else { (MOST, 15) };
    let mut trees = Trees::new();
    for (who, scanner) in WHO {
        progress(&format!("{TREE}: {who}"));
        let program = match who {
            "ours" => Some(beside_us(scanner)?).filter(|path| runs(path)),
            _ => on_path(scanner),
        };
        trees.push(match program {
            Some(program) => once(who, &program, services, Duration::from_secs(quiet), scratch)?,
            None => Outcome::Cannot,
        });
    }
    progress("");
    Ok(trees)
}

/// The tree of one.
struct Running<'a> {
    dir: &'a Path,
}

impl Running<'_> {
    fn started(&self) -> io::Result<u64> {
        Ok(fs::metadata(self.dir.join("started"))?.len())
    }

    /// Waits until so many have started; false if they do not.
    fn wait(&self, count: u64) -> Result<bool, Fail> {
        let start = Instant::now();
        while self.started().unable_to(|| "count what has started".into())? < count {
            if start.elapsed() > PATIENCE {
                return Ok(false);
            }
            pause(Duration::from_micros(500))?;
        }
        Ok(true)
    }

    /// Every process that works here.
    fn processes(&self) -> Vec<(Pid, String)> {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        let here = |pid: &Pid| {
            fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()))
                .is_ok_and(|cwd| cwd.starts_with(self.dir))
        };
        let name = |pid: Pid| {
            (pid, fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default())
        };
        pids.filter(here).map(name).collect()
    }

    /// Sleeps ended and processor time used by all supervisors since they started: ticks of 10 ms.
    fn work(&self) -> (u64, u64) {
        let mut sum = (0, 0);
        for (pid, name) in self.processes() {
            if name.trim_end() == "sleep" {
                continue;
            }
            let proc = |file: &str| {
                fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap_or_default()
            };
            let status = proc("status");
            let wakes = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum.0 += wakes.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
            // Behind the name: state, then from field 4 on; user and system time are fields 14 and 15.
            let stat = proc("stat");
            let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_whitespace();
            sum.1 += fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
        }
        sum
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Some supervisors put their services into sessions of their own.
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for (pid, _) in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn once(
    who: &str,
    program: &Path,
    services: u64,
    quiet: Duration,
    scratch: &Scratch,
) -> Result<Outcome<Tree>, Fail> {
    let place = scratch.place()?;
    let dir = place.log();
    let scan = dir.join("scan");
    let prepared = fs::write(dir.join("started"), "").and_then(|()| {
        (0..services).try_for_each(|number| service(&scan.join(format!("s{number:04}")), &dir))
    });
    prepared
        .and_then(|()| service(&dir.join("new"), &dir))
        .unable_to(|| format!("write {}", dir.display()))?;

    let running = Running { dir: &dir };
    let start = Instant::now();
    let process = Process::start(command(who, program, &scan)?, &place)?;
    let wrong = |what: &str| Ok(Outcome::Wrong(format!("{what}{}", said(&place))));
    if !running.wait(2 * services)? {
        return wrong("not all services start");
    }
    let start_millis = start.elapsed().as_secs_f64() * 1000.0;
    // What has to settle does so within this; somebody looks every five seconds.
    pause(Duration::from_secs(6).min(quiet))?;
    let (before, clock) = (running.work(), Instant::now());
    pause(quiet)?;
    let (after, minutes) = (running.work(), clock.elapsed().as_secs_f64() / 60.0);
    let start = Instant::now();
    fs::rename(dir.join("new"), scan.join("new")).unable_to(|| "move a service".into())?;
    if !running.wait(2 * services + 2)? {
        return wrong("a new service does not start");
    }
    let new_millis = start.elapsed().as_secs_f64() * 1000.0;
    drop(process);
    drop(running);
    place.close()?;
    Ok(Outcome::Done(Tree {
        start_millis,
        new_millis,
        wakes_per_minute: (after.0 - before.0) as f64 / minutes,
        cpu_millis_per_minute: (after.1 - before.1) as f64 * 10.0 / minutes,
    }))
}

/// A service with a logger, that both do nothing.
fn service(at: &Path, dir: &Path) -> io::Result<()> {
    for at in [at.to_owned(), at.join("log")] {
        fs::create_dir_all(&at)?;
        let run = at.join("run");
        fs::write(&run, format!("#!/bin/sh\necho >>{}/started\nexec sleep 100000\n", dir.display()))?;
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn command(who: &str, program: &Path, scan: &Path) -> Result<Command, Fail> {
    let mut command = Command::new(program);
    match who {
        // It finds its own supervise before the original's.
        "ours" => {
            let own = program.parent().map(PathBuf::from);
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)));
            command.env(
                "PATH",
                path.map_err(io::Error::other).unable_to(|| "put ours on the search path".into())?,
            );
        }
        // Without these it takes 500 services, and looks only when told.
        "s6" => _ = command.args(["-c", "5000", "-t", "5000"]),
        _ => {}
    }
    command.arg(scan).stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}

/// The table.
pub fn report(trees: &Trees) -> String {
    let mut text = format!(
        "\n{:<13}{:>12}{:>12}{:>16}{:>16}\n",
        "tree", "start ms", "new ms", "wakes/min idle", "CPU ms/min idle"
    );
    for ((who, _), outcome) in WHO.iter().zip(trees) {
        let figure = |figure: fn(&Tree) -> f64| {
            outcome.done().map_or("-".to_owned(), |tree| format!("{:.0}", figure(tree)))
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{who:<13}{:>12}{:>12}{:>16}{:>16}",
            figure(|tree| tree.start_millis),
            figure(|tree| tree.new_millis),
            figure(|tree| tree.wakes_per_minute),
            figure(|tree| tree.cpu_millis_per_minute),
        );
        if let Some(why) = outcome.wrong() {
            let _ = writeln!(text, "wrong: {who} in {TREE}: {why}");
        }
    }
    text
}
