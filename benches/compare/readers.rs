//! mlog beside what one would use without it: a log directory in memory, read whole.

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
use crate::scratch::{Place, Scratch};
use crate::speed::{Speed, add, progress, said};

/// What is read, and by whom.
pub struct Reader {
    pub name: &'static str,
    /// Arguments of mlog before the directory.
    ours: &'static [&'static str],
    /// What the peer is called, and what a shell makes of the files.
    pub peer: &'static str,
    shell: &'static str,
    /// The program the peer cannot do without.
    needs: &'static str,
    /// Only lines with the rare word come out; else all.
    is_rare: bool,
    /// Bytes that a line gains.
    gain: u64,
}

/// A word that is in one line of a hundred thousand.
const RARE: &str = "needle-in-the-hay";
const RARE_EVERY: u64 = 100_000;

pub const READERS: [Reader; 3] = [
    Reader {
        name: "mlog-raw",
        ours: &["-o", "raw"],
        peer: "cat",
        shell: "exec cat \"$@\"",
        needs: "cat",
        is_rare: false,
        gain: 0,
    },
    Reader {
        name: "mlog-local",
        ours: &["-o", "local"],
        peer: "tai64nlocal",
        shell: "cat \"$@\" | tai64nlocal",
        needs: "tai64nlocal",
        is_rare: false,
        gain: 4,
    },
    Reader {
        name: "mlog-grep",
        ours: &["-o", "raw", "-g", RARE],
        peer: "grep",
        shell: "exec grep -h needle-in-the-hay \"$@\"",
        needs: "grep",
        is_rare: true,
        gain: 0,
    },
];

/// Bytes of a log file.
const FILE_BYTES: u64 = 16_000_000;
/// The log is so many times the bytes of a case: 1 GB unless told otherwise.
const PARTS: u64 = 4;

/// For each of [`READERS`], ours and the peer.
pub type Speeds = Vec<[Outcome<Speed>; 2]>;

/// Runs ours and the peer in turn in every round.
pub fn measure(options: &Options, scratch: &Scratch) -> Result<Speeds, Fail> {
    let mut speeds: Speeds = READERS.iter().map(|_| [Outcome::Cannot, Outcome::Cannot]).collect();
    if !READERS.iter().any(|reader| options.wants(reader.name)) {
        return Ok(speeds);
    }
    let place = scratch.place()?;
    let log = place.log();
    let log_bytes = PARTS * options.bytes as u64;
    let log = Log::save(&log, log_bytes).unable_to(|| format!("write {}", log.display()))?;
    for (reader, row) in READERS.iter().zip(&mut speeds).filter(|(reader, _)| options.wants(reader.name)) {
        for round in 0..options.rounds {
            progress(&format!("round {} of {}: {}", round + 1, options.rounds, reader.name));
            for turn in 0..2 {
                let who = (turn + round) % 2;
                let Some(command) = reader.command(who, &log)? else { continue };
                if round == 0
                    && let Some(mistake) = reader.mistake(command, &log, scratch)?
                {
                    row[who] = Outcome::Wrong(mistake);
                }
                if let (None, Some(command)) = (row[who].wrong(), reader.command(who, &log)?) {
                    add(&mut row[who], reader.once(command, &log, scratch)?);
                }
            }
        }
    }
    progress("");
    place.close()?;
    Ok(speeds)
}

/// A log directory, and what is in it.
struct Log {
    dir: PathBuf,
    files: Vec<PathBuf>,
    all: Answer,
    rare: Answer,
}

impl Log {
    /// The lines of the ordinary case with labels 100 microseconds apart.
    fn save(dir: &Path, bytes: u64) -> io::Result<Log> {
        let input = Input::of_bytes(case::ORDINARY, usize::try_from(bytes).unwrap_or(usize::MAX));
        let mut log =
            Log { dir: dir.to_owned(), files: Vec::new(), all: Answer::default(), rare: Answer::default() };
        let lines: Vec<&[u8]> = input.lines().collect();
        let mut lines = lines.iter().cycle();
        let mut micros: i64 = 1_700_000_000_000_000;
        while log.all.bytes < bytes {
            let mut text = Vec::new();
            while (text.len() as u64) < FILE_BYTES && log.all.bytes < bytes {
                let start = text.len();
                text.extend_from_slice(&label(micros));
                text.push(b' ');
                let is_rare = log.all.lines.is_multiple_of(RARE_EVERY);
                if is_rare {
                    text.extend_from_slice(RARE.as_bytes());
                }
                text.extend_from_slice(lines.next().unwrap_or(&&b"\n"[..]));
                let len = (text.len() - start) as u64;
                log.all.lines += 1;
                log.all.bytes += len;
                if is_rare {
                    log.rare.lines += 1;
                    log.rare.bytes += len;
                }
                micros += 100;
            }
            let name = if log.all.bytes < bytes {
                format!("{}.s", label(micros).escape_ascii())
            } else {
                "current".into()
            };
            let path = dir.join(name);
            let mut file = BufWriter::new(File::create_new(&path)?);
            file.write_all(&text)?;
            file.flush()?;
            log.files.push(path);
        }
        Ok(log)
    }
}

fn label(micros: i64) -> [u8; 25] {
    let nanos = u32::try_from(micros % 1_000_000).unwrap_or(0) * 1000;
    Label::from_unix(micros / 1_000_000, nanos).format()
}

impl Reader {
    fn command(&self, who: usize, log: &Log) -> Result<Option<Command>, Fail> {
        let mut command = if who == 0 {
            let Some(program) = Some(beside_us("mlog")?).filter(|path| runs(path)) else { return Ok(None) };
            let mut command = Command::new(program);
            command.args(self.ours).arg(&log.dir);
            command
        } else {
            if on_path(self.needs).is_none() {
                return Ok(None);
            }
            let mut command = Command::new("sh");
            command.args(["-c", self.shell, "sh"]).args(&log.files);
            command
        };
        command.stdin(Stdio::null());
        Ok(Some(command))
    }

    /// What has to come out.
    fn wanted(&self, log: &Log) -> Answer {
        let Answer { lines, bytes } = if self.is_rare { log.rare } else { log.all };
        Answer { lines, bytes: bytes + lines * self.gain }
    }

    /// Runs once without a clock and counts what comes out.
    fn mistake(&self, mut command: Command, log: &Log, scratch: &Scratch) -> Result<Option<String>, Fail> {
        let place = scratch.place()?;
        let path = place.log().join("current");
        command.stdout(File::create(&path).unable_to(|| format!("create {}", path.display()))?);
        let status = Process::start(command, &place)?.finish(limit(log))?;
        let found = count(&place.log()).unable_to(|| format!("count {}", path.display()))?;
        let wanted = self.wanted(log);
        let ended_well = status.is_some_and(|status| status.success());
        let mistake = (!ended_well || found != wanted).then(|| {
            let said = said(&place);
            let Answer { lines, bytes } = found;
            format!("{lines} lines of {bytes} bytes instead of {}, {}{said}", wanted.lines, wanted.bytes)
        });
        place.close()?;
        Ok(mistake)
    }

    /// One run from before the start to after the end. What is rare goes to a file: grep that writes to /dev/null stops at the first.
    fn once(&self, mut command: Command, log: &Log, scratch: &Scratch) -> Result<Outcome<f64>, Fail> {
        let place: Place = scratch.place()?;
        if self.is_rare {
            let path = place.log().join("current");
            command.stdout(File::create(&path).unable_to(|| format!("create {}", path.display()))?);
        } else {
            command.stdout(Stdio::null());
        }
        let start = Instant::now();
        let status = Process::start(command, &place)?.finish(limit(log))?;
        let seconds = start.elapsed().as_secs_f64();
        let outcome = match status {
            Some(status) if status.success() => Outcome::Done(log.all.bytes as f64 / 1e6 / seconds),
            Some(status) => Outcome::Wrong(format!("{status}{}", said(&place))),
            None => Outcome::Wrong("it did not come to an end".into()),
        };
        place.close()?;
        Ok(outcome)
    }
}

/// Whoever does not manage 1 MB/s hangs.
fn limit(log: &Log) -> Duration {
    GRACE + Duration::from_secs(log.all.bytes / 1_000_000)
}
