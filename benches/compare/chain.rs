//! What a run file costs before its program runs: `envdir setuidgid softlimit true`, beside the same by others.
//!
//! Everybody's chain is run many times by one shell, which is timed as a whole; so is `true` without a chain.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::fail::{Fail, Unable};
use crate::find::{beside_us, on_path, runs};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::process::{GRACE, Process};
use crate::scratch::Scratch;
use crate::speed::{Speed, add, progress, said};

/// The name of this case.
pub const CHAIN: &str = "chain";

/// Whose loaders take part. Runit has one program for all three steps.
pub const WHO: [&str; 5] = ["none", "ours", "daemontools", "s6", "runit"];

/// For each of [`WHO`]: microseconds a run, the shell's fork included.
pub type Times = Vec<Outcome<Speed>>;

/// Runs everybody's chain in every round, in an order that is turned each time. Only the superuser can.
pub fn measure(options: &Options, scratch: &Scratch) -> Result<Times, Fail> {
    let mut times: Times = WHO.iter().map(|_| Outcome::Cannot).collect();
    if !options.wants(CHAIN) || !rustix::process::geteuid().is_root() {
        return Ok(times);
    }
    let env = scratch.path().join(CHAIN);
    variables(&env).unable_to(|| format!("write {}", env.display()))?;
    let runs = if options.smoke { 20 } else { 300 };
    for round in 0..options.rounds {
        progress(&format!("round {} of {}: {CHAIN}", round + 1, options.rounds));
        for turn in 0..WHO.len() {
            let who = (turn + round) % WHO.len();
            if times[who].wrong().is_none()
                && let Some(words) = chain(WHO[who], &env)?
            {
                add(&mut times[who], once(&words, runs, scratch)?);
            }
        }
    }
    progress("");
    fs::remove_dir_all(&env).unable_to(|| format!("remove {}", env.display()))?;
    Ok(times)
}

/// Five variables, as a service may have.
fn variables(dir: &Path) -> std::io::Result<()> {
    fs::create_dir(dir)?;
    (0..5).try_for_each(|n| fs::write(dir.join(format!("VARIABLE{n}")), "some value\n"))
}

/// The words of a chain up to its end; `None` where a program of it is not there.
fn chain(who: &str, env: &Path) -> Result<Option<Vec<String>>, Fail> {
    let env = env.to_string_lossy().into_owned();
    const BYTES: &str = "100000000";
    let steps: &[(&str, &[&str])] = match who {
        "none" => &[],
        "runit" => &[("chpst", &["-e", &env, "-u", "root", "-m", BYTES])],
        _ => &[("envdir", &[&env]), ("setuidgid", &["root"]), ("softlimit", &["-m", BYTES])],
    };
    let mut words = Vec::new();
    for (name, arguments) in steps.iter().chain(&[("true", &[][..])]) {
        let program = match who {
            "ours" if *name != "true" => Some(beside_us(name)?).filter(|path| runs(path)),
            "s6" if *name != "true" => on_path(&format!("s6-{name}")),
            _ => on_path(name),
        };
        let Some(program) = program else { return Ok(None) };
        words.push(program.to_string_lossy().into_owned());
        words.extend(arguments.iter().map(|&argument| argument.to_owned()));
    }
    Ok(Some(words))
}

/// Many runs, and the time of one.
fn once(words: &[String], runs: u32, scratch: &Scratch) -> Result<Outcome<f64>, Fail> {
    let place = scratch.place()?;
    let script = format!("n=0; while [ $n -lt {runs} ]; do \"$@\" || exit 1; n=$((n + 1)); done");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = Process::start(command, &place)?.finish(GRACE)?;
    let seconds = start.elapsed().as_secs_f64();
    let outcome = match status {
        Some(status) if status.success() => Outcome::Done(seconds * 1e6 / f64::from(runs)),
        Some(status) => Outcome::Wrong(format!("{status}{}", said(&place))),
        None => Outcome::Wrong("it did not come to an end".into()),
    };
    place.close()?;
    Ok(outcome)
}

/// The table: time of a run, and what of it is the chain's.
pub fn report(times: &Times) -> String {
    let mut text = format!("\n{:<13}{:<13}{:>9}{:>14}  range\n", "start", "loaders", "us", "of the chain");
    let bare = times.first().and_then(Outcome::done).map(Speed::median);
    for (who, outcome) in WHO.iter().zip(times) {
        let time = outcome.done().map(Speed::median);
        let figure = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time:.0}"));
        let own = time.zip(bare).map(|(time, bare)| time - bare);
        let range = outcome.done().map(Speed::range).map(|(low, high)| format!("{low:.0}..{high:.0} us"));
        let range = range.unwrap_or("-".into());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{CHAIN:<13}{who:<13}{:>9}{:>14}  {range}", figure(time), figure(own));
        if let Some(why) = outcome.wrong() {
            let _ = writeln!(text, "wrong: {who} in {CHAIN}: {why}");
        }
    }
    text
}
