//! supervise beside the supervisors of others: how soon a dead service runs again, how soon one is stopped, and what the
//! supervisor keeps for itself meanwhile. Each has eight services, which write down their process and sleep.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fail::{Fail, Unable};
use crate::find::{beside_us, on_path, runs};
use crate::memory;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::process::{GRACE, Process, pause};
use crate::scratch::{Place, Scratch};
use crate::speed::progress;

/// The name of this case.
pub const SERVICES: &str = "services";

/// Who takes part: name, supervisor, the program that gives orders; the order to stop, and the one to stop and leave.
const WHO: [(&str, &str, &str, &str, &str); 4] = [
    ("ours", "supervise", "svc", "-d", "-dx"),
    ("daemontools", "supervise", "svc", "-d", "-dx"),
    ("runit", "runsv", "sv", "down", "exit"),
    ("s6", "s6-supervise", "s6-svc", "-d", "-dx"),
];

/// How many services each has.
const SERVICES_EACH: usize = 8;
/// No supervisor holds back the restart of a service that has lived so long.
const LONG_LIFE: Duration = Duration::from_millis(1200);

/// The medians of one.
pub struct Figures {
    /// From death to the first command of the next process.
    restart: Duration,
    /// From before the order to the end of the process.
    stop: Duration,
    /// Private memory of the supervisor in kB.
    pub private: u64,
}

/// For each of [`WHO`].
pub fn measure(options: &Options, scratch: &Scratch) -> Result<Vec<Outcome<Figures>>, Fail> {
    let mut outcomes = Vec::new();
    for (who, supervisor, orders, stop, leave) in WHO {
        let programs = [supervisor, orders].map(|name| program(who, name));
        let [Ok(Some(supervisor)), Ok(Some(orders))] = programs else {
            outcomes.push(Outcome::Cannot);
            continue;
        };
        if !options.wants(SERVICES) {
            outcomes.push(Outcome::Cannot);
            continue;
        }
        progress(&format!("{SERVICES}: {who}"));
        outcomes.push(one(&supervisor, &orders, stop, leave, scratch)?);
    }
    progress("");
    Ok(outcomes)
}

fn program(who: &str, name: &str) -> Result<Option<PathBuf>, Fail> {
    Ok(match who {
        "ours" => Some(beside_us(name)?).filter(|path| runs(path)),
        _ => on_path(name),
    })
}

/// A service directory and its supervisor.
struct Service {
    place: Place,
    process: Process,
}

impl Service {
    fn start(supervisor: &Path, scratch: &Scratch) -> Result<Service, Fail> {
        let place = scratch.place()?;
        let run = place.log().join("run");
        let script = "#!/bin/sh\necho $$ >pid.new\nmv pid.new pid\nexec sleep 1000\n";
        fs::write(&run, script).unable_to(|| format!("write {}", run.display()))?;
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755))
            .unable_to(|| format!("change the mode of {}", run.display()))?;
        let mut command = Command::new(supervisor);
        command.arg(place.log()).stdin(std::process::Stdio::null());
        let process = Process::start(command, &place)?;
        Ok(Service { place, process })
    }

    /// The process of the service, as it wrote it down itself.
    fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.place.log().join("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    fn order(&self, orders: &Path, what: &str) -> Result<(), Fail> {
        let status =
            Command::new(orders).arg(what).arg(self.place.log()).stdout(std::process::Stdio::null()).status();
        status.map(drop).unable_to(|| format!("run {}", orders.display()))
    }
}

fn one(
    supervisor: &Path,
    orders: &Path,
    stop: &str,
    leave: &str,
    scratch: &Scratch,
) -> Result<Outcome<Figures>, Fail> {
    let services: Vec<_> =
        (0..SERVICES_EACH).map(|_| Service::start(supervisor, scratch)).collect::<Result<_, _>>()?;
    let (mut restarts, mut stops, mut privates) = (Vec::new(), Vec::new(), Vec::new());
    if services.iter().any(|service| until(|| service.pid().is_some()).is_none()) {
        return Ok(Outcome::Wrong("a service does not start".into()));
    }
    pause(LONG_LIFE)?;
    for service in &services {
        privates.push(memory::of_process(service.process.pid())?.idle_private);
        let Some(old) = service.pid() else { continue };
        kill_process(old, Signal::KILL).unable_to(|| "kill a service".into())?;
        restarts.extend(until(|| service.pid() != Some(old)));
    }
    for service in &services {
        let Some(old) = service.pid() else { continue };
        let start = Instant::now();
        service.order(orders, stop)?;
        stops.extend(until(|| is_gone(old)).map(|_| start.elapsed()));
    }
    for service in services {
        service.order(orders, leave)?;
        if service.process.finish(GRACE)?.is_none() {
            return Ok(Outcome::Wrong("it does not leave".into()));
        }
        service.place.close()?;
    }
    let whole = restarts.len() == SERVICES_EACH && stops.len() == SERVICES_EACH;
    Ok(match (median(restarts), median(stops), median(privates)) {
        (Some(restart), Some(stop), Some(private)) if whole => {
            Outcome::Done(Figures { restart, stop, private })
        }
        _ => Outcome::Wrong("a service was not started again, or not stopped".into()),
    })
}

/// Nobody waits for it any more, at most its parent.
fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// How long it takes until `done`; `None` after ten seconds.
fn until(done: impl Fn() -> bool) -> Option<Duration> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if done() {
            return Some(start.elapsed());
        }
        sleep(Duration::from_micros(50));
    }
    None
}

fn median<T: Ord + Copy>(mut figures: Vec<T>) -> Option<T> {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied()
}

/// A row for each.
pub fn table(outcomes: &[Outcome<Figures>]) -> String {
    let mut text = format!(
        "\n{:<13}{:>20}{:>18}{:>20}\n",
        "supervisor", "death to restart", "order to end", "idle, private"
    );
    for ((who, ..), outcome) in WHO.iter().zip(outcomes) {
        let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
        let cells = match outcome {
            Outcome::Done(figures) => {
                [millis(figures.restart), millis(figures.stop), format!("{} kB", figures.private)]
            }
            Outcome::Cannot => ["-"; 3].map(String::from),
            Outcome::Wrong(_) => ["wrong"; 3].map(String::from),
        };
        text += &format!("{who:<13}{:>20}{:>18}{:>20}\n", cells[0], cells[1], cells[2]);
    }
    for ((who, ..), outcome) in WHO.iter().zip(outcomes) {
        if let Some(why) = outcome.wrong() {
            text += &format!("wrong: {who} in {SERVICES}: {why}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_even_number_is_the_upper_one() {
        assert_eq!(median(vec![3, 1, 2]), Some(2));
        assert_eq!(median(vec![4, 1, 3, 2]), Some(3));
        assert_eq!(median(Vec::<u8>::new()), None);
    }
}
