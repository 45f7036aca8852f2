//! tai64n and tai64nlocal beside the same programs of others: a file in memory in, /dev/null out, one process at a time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use logcore::label::Label;

use crate::answer::{Answer, count};
use crate::case;
use crate::fail::{Fail, Unable};
use crate::find::{beside_us, on_path, runs};
use crate::input::Input;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::process::{GRACE, Process};
use crate::scratch::Scratch;
use crate::speed::{Speed, add, progress, said};

/// A program and what it does to a line.
pub struct Filter {
    pub name: &'static str,
    /// The lines have labels.
    labelled: bool,
    /// Bytes that a line gains.
    gain: u64,
    /// The input is one `part`th of a case's bytes: the original shows 35 MB of labelled lines a second.
    part: usize,
}

pub const FILTERS: [Filter; 2] = [
    Filter { name: "tai64n", labelled: false, gain: LABEL + 1, part: 1 },
    Filter { name: "tai64nlocal", labelled: true, gain: SHOWN - LABEL, part: 4 },
];

/// Bytes of a label.
const LABEL: u64 = "@4000000000000000deadbeef".len() as u64;
/// Bytes of the time that stands for it.
const SHOWN: u64 = "2024-07-29 10:36:08.811661123".len() as u64;

/// Whose programs take part, and what they put before the name.
pub const WHO: [(&str, &str); 3] = [("ours", ""), ("daemontools", ""), ("s6", "s6-")];

/// For each of [`FILTERS`], for each of [`WHO`].
pub type Speeds = Vec<Vec<Outcome<Speed>>>;

/// Runs every filter of everybody in every round, in an order that is turned each time.
pub fn measure(options: &Options, scratch: &Scratch) -> Result<Speeds, Fail> {
    let mut speeds = Speeds::new();
    for filter in &FILTERS {
        let mut row: Vec<Outcome<Speed>> = WHO.iter().map(|_| Outcome::Cannot).collect();
        if options.wants(filter.name) {
            let path = scratch.path().join(filter.name);
            let answer =
                filter.save_input(options, &path).unable_to(|| format!("write {}", path.display()))?;
            for round in 0..options.rounds {
                progress(&format!("round {} of {}: {}", round + 1, options.rounds, filter.name));
                for turn in 0..WHO.len() {
                    let who = (turn + round) % WHO.len();
                    let Some(program) = filter.program(who)? else { continue };
                    if round == 0
                        && let Some(mistake) = filter.mistake(&program, &path, answer, scratch)?
                    {
                        row[who] = Outcome::Wrong(mistake);
                    }
                    if row[who].wrong().is_none() {
                        add(&mut row[who], once(&program, &path, answer, scratch)?);
                    }
                }
            }
            std::fs::remove_file(&path).unable_to(|| format!("remove {}", path.display()))?;
        }
        progress("");
        speeds.push(row);
    }
    Ok(speeds)
}

impl Filter {
    fn program(&self, who: usize) -> Result<Option<PathBuf>, Fail> {
        let (who, prefix) = WHO[who];
        Ok(match who {
            "ours" => Some(beside_us(self.name)?).filter(|path| runs(path)),
            _ => on_path(&format!("{prefix}{}", self.name)),
        })
    }

    /// The lines of the ordinary case, with labels 100 microseconds apart where labels are to be converted.
    fn save_input(&self, options: &Options, path: &Path) -> io::Result<Answer> {
        let input = Input::of_bytes(case::ORDINARY, (options.bytes / self.part).max(1));
        let mut file = BufWriter::new(File::create_new(path)?);
        let mut answer = Answer::default();
        let mut micros: i64 = 1_700_000_000_000_000;
        while answer.bytes < input.whole.bytes {
            for line in input.lines() {
                if self.labelled {
                    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1000;
                    file.write_all(&Label::from_unix(micros / 1_000_000, nanos).format())?;
                    file.write_all(b" ")?;
                    micros += 100;
                    answer.bytes += LABEL + 1;
                }
                file.write_all(line)?;
                answer.bytes += line.len() as u64;
                answer.lines += 1;
            }
        }
        file.flush()?;
        Ok(answer)
    }

    /// Runs once without a clock and counts what comes out.
    fn mistake(
        &self,
        program: &Path,
        input: &Path,
        answer: Answer,
        scratch: &Scratch,
    ) -> Result<Option<String>, Fail> {
        let place = scratch.place()?;
        let path = place.log().join("current");
        let stdout = File::create(&path).unable_to(|| format!("create {}", path.display()))?;
        let mut command = Command::new(program);
        command.stdin(open(input)?).stdout(stdout);
        let status = Process::start(command, &place)?.finish(limit(answer))?;
        let wanted = Answer { bytes: answer.bytes + answer.lines * self.gain, ..answer };
        let found = count(&place.log()).unable_to(|| format!("count {}", path.display()))?;
        let ended_well = status.is_some_and(|status| status.success());
        let mistake = (!ended_well || found != wanted).then(|| {
            let said = said(&place);
            format!(
                "{} lines of {} bytes instead of {}, {}{said}",
                found.lines, found.bytes, wanted.lines, wanted.bytes
            )
        });
        place.close()?;
        Ok(mistake)
    }
}

/// One run from before the start to after the end.
fn once(program: &Path, input: &Path, answer: Answer, scratch: &Scratch) -> Result<Outcome<f64>, Fail> {
    let place = scratch.place()?;
    let mut command = Command::new(program);
    command.stdin(open(input)?).stdout(Stdio::null());
    let start = Instant::now();
    let status = Process::start(command, &place)?.finish(limit(answer))?;
    let seconds = start.elapsed().as_secs_f64();
    let outcome = match status {
        Some(status) if status.success() => Outcome::Done(answer.bytes as f64 / 1e6 / seconds),
        Some(status) => Outcome::Wrong(format!("{status}{}", said(&place))),
        None => Outcome::Wrong("it did not come to an end".into()),
    };
    place.close()?;
    Ok(outcome)
}

fn open(path: &Path) -> Result<File, Fail> {
    File::open(path).unable_to(|| format!("open {}", path.display()))
}

/// Whoever does not manage 1 MB/s hangs.
fn limit(answer: Answer) -> Duration {
    GRACE + Duration::from_secs(answer.bytes / 1_000_000)
}
