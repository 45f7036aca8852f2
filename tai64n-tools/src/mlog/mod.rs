//! mlog: reads log directories as journalctl reads the journal.
//!
//! ```text
//! find → log (file after file, from the start that bisect, tail or cursor give) → select → order → format → output
//!          ↑ wait (watch)                                                                             └ cursor
//! ```
//!
//! A place is kept only after the output has taken the lines before it. Memory does not grow with the size of the logs: a block
//! for each log, and one of output.

mod bisect;
mod buffer;
mod cursor;
mod file;
mod find;
mod format;
mod log;
mod options;
mod order;
mod output;
mod place;
mod progress;
mod select;
mod stat;
mod tail;
mod watch;
pub mod when;

pub use format::{Format, Look};
pub use options::{Options, Request, Whether, parse};

use crate::descriptor::Descriptor;
use crate::local::{Form, LocalTime};
use crate::logdir;
use crate::moment::Stamps;
use crate::zone::Zone;
use cursor::Cursor;
use find::Found;
use format::{Origin, Printer};
use log::{Fill, Log, Start, Trouble};
use logcore::disk::{Disk, RealDisk};
use logcore::label::Label;
use logcore::strerr::{Errno, words};
use order::{Merge, Next, Source};
use output::Output;
use progress::Progress;
use select::{Patterns, Select, lines};
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use watch::Watch;

/// With a cursor so much is written before the place is kept; what a kill repeats is no more.
const CURSOR_BYTES: usize = 64 * 1024;

/// And where nothing is wanted so much is read: what a kill makes us read again.
const PASSED_BYTES: u64 = 16 * 1024 * 1024;

/// Logs that had nothing are asked again this often while another one has much.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// New services of what the user named are looked for this often while it is waited.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What surrounds the program.
#[derive(Debug)]
pub struct Surroundings {
    /// Of local time.
    pub zone: Zone,
    /// The name of this machine.
    pub host: Vec<u8>,
    /// The output is a terminal of so many columns.
    pub terminal: Option<usize>,
    /// Colours are not wanted: the value of `NO_COLOR`.
    pub no_color: Option<std::ffi::OsString>,
    /// Progress may be shown on standard error.
    pub shows_progress: bool,
}

/// Why it came to nothing.
#[derive(Debug)]
pub enum Fail {
    /// The output takes no more.
    Output(Errno),
    /// A message from "unable to" on.
    Unable(String),
    /// The arguments make no sense.
    Usage(String),
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Fail::Output(errno)
    }
}

/// Reads what `options` ask for to `output`. `say` is told what is wrong, and what is worth a word: level and message.
///
/// Returns whether everything could be read.
///
/// # Errors
/// Nothing more can be done: see [`Fail`].
pub fn read<F: AsFd>(
    options: &Options,
    around: &Surroundings,
    output: F,
    say: &mut dyn FnMut(&str),
) -> Result<bool, Fail> {
    let select = select(options)?;
    let mut run = Run {
        options,
        around,
        select,
        merge: Merge::default(),
        names: Vec::new(),
        pending: Vec::new(),
        tried: HashSet::new(),
        said: HashSet::new(),
        is_awaited: false,
        looked: Instant::now(),
        cursor: None,
        watch: options.follows.then(Watch::new),
        is_complete: true,
        progress: Progress::new(around.shows_progress),
        say,
    };
    if let Some(path) = &options.cursor {
        let mut cursor =
            Cursor::open(path).map_err(|error| Fail::Unable(cursor::unable_to_read(path, &error)))?;
        // Before any line is out: a shipper that cannot keep its place would ship the same lines with every start.
        cursor.write_anew().map_err(|error| Fail::Unable(cursor::unable_to_write(path, &error)))?;
        run.cursor = Some(cursor);
    }
    let is_first = run.cursor.as_ref().is_none_or(Cursor::is_empty);
    for path in &options.paths {
        run.take_up(path, is_first);
    }
    run.check_services()?;
    if options.stat {
        run.count(output)?
    } else {
        run.print(output)?
    }
    Ok(run.is_complete)
}

fn select(options: &Options) -> Result<Select, Fail> {
    let patterns = |patterns: &[String]| match patterns {
        [] => Ok(None),
        some => Patterns::new(some).map(Some).map_err(|error| {
            let reason = match error.syntax_error() {
                Some(regex_syntax::Error::Parse(error)) => error.kind().to_string(),
                Some(regex_syntax::Error::Translate(error)) => error.kind().to_string(),
                _ => error.to_string(),
            };
            let pattern = error.pattern().and_then(|pattern| patterns.get(pattern.as_usize()));
            let pattern = pattern.map_or_else(String::new, |pattern| format!(" {pattern}"));
            Fail::Usage(format!("unable to understand regular expression{pattern}: {reason}"))
        }),
    };
    let (include, exclude) = (patterns(&options.include)?, patterns(&options.exclude)?);
    let &Options { since, until, reads_all, .. } = options;
    // Who comes back finds what was too late this time.
    Ok(Select { since, until, ends_at_until: options.cursor.is_some(), reads_all, include, exclude })
}

/// One run of the program.
struct Run<'a> {
    options: &'a Options,
    around: &'a Surroundings,
    select: Select,
    merge: Merge,
    /// Of each source: its service.
    names: Vec<String>,
    /// What the user named and is not there yet, or has no log yet.
    pending: Vec<PathBuf>,
    /// Logs that were opened, or could not be, as they were found and as the cursor names them: neither is tried again.
    tried: HashSet<PathBuf>,
    /// What was said of directories that cannot be read: what is waited for is looked at again and again.
    said: HashSet<String>,
    /// Without any log there may be one yet: a service that is named is not there, or a log was removed.
    is_awaited: bool,
    /// When logs were last looked for.
    looked: Instant,
    cursor: Option<Cursor>,
    watch: Option<Watch>,
    is_complete: bool,
    progress: Progress,
    say: &'a mut dyn FnMut(&str),
}

impl Run<'_> {
    fn warn(&mut self, message: &str) {
        self.progress.clear();
        (self.say)(message);
    }

    fn unable(&mut self, message: &str) {
        self.is_complete = false;
        self.warn(message);
    }

    /// Makes sources of what the user named.
    fn take_up(&mut self, path: &Path, is_first: bool) {
        if let Some(watch) = &mut self.watch {
            // Watched before it is looked at: whatever comes later is told.
            for below in ["", "log", "log/main"] {
                watch.add(&path.join(below));
            }
        }
        let mut unreadable = Vec::new();
        let found = find::logs(path, &mut |path, errno| unreadable.push((path.to_owned(), errno)));
        for (path, errno) in &unreadable {
            let message = format!("unable to read {}: {}", path.display(), words(*errno));
            if self.said.insert(message.clone()) {
                self.unable(&message);
            }
        }
        match found {
            Ok(found) if !found.is_empty() => {
                for found in found {
                    self.add(found, is_first);
                }
            }
            Ok(_) if !unreadable.is_empty() && !self.options.follows => (),
            Err(Errno::NOENT) | Ok(_) if self.options.follows => self.pending.push(path.to_owned()),
            Ok(_) => self.unable(&format!("unable to read {}: no log in this directory", path.display())),
            Err(errno) => {
                // A file of a log is named by mistake.
                let hint = if errno == Errno::NOTDIR { "; tai64nlocal reads files" } else { "" };
                self.unable(&format!("unable to read {}: {}{hint}", path.display(), words(errno)));
            }
        }
    }

    fn add(&mut self, found: Found, is_first: bool) {
        let Found { path, service } = found;
        let wanted = &self.options.services;
        // A log that was found before goes on by itself, wherever a link leads now.
        if !(wanted.is_empty() || wanted.contains(&service)) || self.tried.contains(&path) {
            return;
        }
        let key = log::key(&path);
        if !self.tried.insert(key.clone()) {
            return;
        }
        let identity = log::identity(&path);
        if self.merge.sources.iter().any(|source| source.log.is_in(identity)) {
            return;
        }
        self.tried.insert(path.clone());
        if let Some(watch) = &mut self.watch {
            watch.add(&path);
        }
        let options = self.options;
        let start = match self.cursor.as_ref().and_then(|cursor| cursor.place(&key)) {
            Some(place) => Start::At(place.clone()),
            None => match (options.last.filter(|_| is_first), options.since) {
                (Some(last), _) => Start::Last(last),
                _ if options.reads_all => Start::Oldest,
                (None, Some(since)) => Start::Since(since),
                (None, None) => Start::Oldest,
            },
        };
        let stamps = Stamps::new(self.around.zone.clone());
        let leaves_partial = self.cursor.is_some();
        let before = self.read_bytes();
        let progress = &mut self.progress;
        let has_read = &mut |bytes| progress.show(|| before + bytes);
        let (path_shown, follows) = (path.clone(), options.follows);
        match Log::new(path_shown, follows, leaves_partial, stamps.clone(), &start, &self.select, has_read) {
            Ok(log) => {
                self.merge.add(Source::new(log, self.select.clone(), stamps));
                self.names.push(service);
            }
            Err(errno) => self.unable(&format!("unable to read {}: {}", path.display(), words(errno))),
        }
    }

    /// A service that is not there ends it, or is waited for.
    fn check_services(&mut self) -> Result<(), Fail> {
        let options = self.options;
        for missing in &options.services {
            if self.names.contains(missing) {
                continue;
            }
            if options.follows {
                self.is_awaited = true;
                self.warn(&format!("unable to find service {missing}, waiting for it: no such log"));
            } else if self.pending.is_empty() {
                return Err(Fail::Unable(format!("unable to find service {missing}: no such log")));
            }
        }
        Ok(())
    }

    /// Writes lines until there are no more, or nobody wants them.
    fn print<F: AsFd>(&mut self, output: F) -> Result<(), Fail> {
        let mut output = Output::new(output);
        let mut printer = self.printer();
        let mut printed = self.merge.sources.len();
        let mut skip = self.lines_too_many();
        let mut asked = Instant::now();
        // The log whose line has no end yet, a piece of a very long one, and where it goes on.
        let mut open: Option<(PathBuf, u64)> = None;
        let mut unkept = 0;
        let mut kept_at = self.read_bytes();
        loop {
            self.troubles();
            if printed != self.merge.sources.len() {
                if open.take().is_some() {
                    printer.end_line(&mut output)?;
                }
                // With a second log lines are marked with their service.
                printer = self.printer();
                printed = self.merge.sources.len();
            }
            match self.merge.next() {
                Next::Run { source, len } => {
                    if self.around.terminal.is_some() {
                        self.progress.clear();
                    } else {
                        self.show_progress();
                    }
                    let skipped = skip_lines(&self.merge.sources[source].run()[..len], &mut skip);
                    self.merge.sources[source].take(skipped);
                    let last = self.merge.sources[source].moment_before();
                    let (path, at) = (self.merge.sources[source].log.path(), self.merge.sources[source].at());
                    if open.take_if(|open| open.0 != path || open.1 != at).is_some() {
                        printer.end_line(&mut output)?;
                    }
                    let (from, run) = self.run(source, len - skipped, last);
                    let run = self.cut(run);
                    let taken = run.len();
                    if taken > 0 {
                        printer.print(&from, run, &mut output)?;
                        open = (!run.ends_with(b"\n")).then(|| (path.to_owned(), at + taken as u64));
                    }
                    self.merge.sources[source].take(taken);
                    unkept += skipped + taken;
                    if self.cursor.is_some() && unkept >= CURSOR_BYTES {
                        self.keep(&mut output)?;
                        unkept = 0;
                    }
                }
                Next::Passed => {
                    // Who waits for the next line has those before it.
                    if !output.is_empty() {
                        self.progress.clear();
                        output.flush()?;
                    }
                    self.show_progress();
                    let read = self.read_bytes();
                    if self.cursor.is_some() && read - kept_at >= PASSED_BYTES {
                        self.keep(&mut output)?;
                        kept_at = read;
                    }
                }
                Next::Idle => self.wait(&mut output)?,
                Next::End if self.options.follows && self.may_come() => self.wait(&mut output)?,
                Next::End => break,
            }
            if self.options.follows && asked.elapsed() > ASK_AGAIN {
                self.merge.wake();
                // While one log is never at its end nobody waits.
                self.look_again();
                asked = Instant::now();
            }
        }
        self.troubles();
        if open.is_some() {
            printer.end_line(&mut output)?;
        }
        self.keep(&mut output)?;
        if let Some(cursor) = &self.cursor {
            cursor.sync_name();
        }
        Ok(())
    }

    /// Whether a log may come where there is no more of the others.
    fn may_come(&mut self) -> bool {
        self.drop_removed();
        !self.pending.is_empty() || (self.is_awaited && self.merge.sources.is_empty())
    }

    fn read_bytes(&self) -> u64 {
        self.merge.sources.iter().map(|source| source.log.read_bytes()).sum()
    }

    fn show_progress(&mut self) {
        let sources = &self.merge.sources;
        self.progress.show(|| sources.iter().map(|source| source.log.read_bytes()).sum());
    }

    fn printer(&self) -> Printer {
        let is_terminal = self.around.terminal.is_some();
        let no_color = self.around.no_color.as_deref();
        let look = Look {
            names: self.merge.sources.len() + self.pending.len() > 1,
            colours: self.options.colours.decide(is_terminal, no_color),
            escapes: self.options.escapes.decide(is_terminal, None),
        };
        Printer::new(self.options.format, &self.around.zone, look, &self.around.host)
    }

    /// Each log has its own last lines; of all together these are too many.
    fn lines_too_many(&self) -> u64 {
        let lines: u64 = self.merge.sources.iter().map(|source| source.log.last_lines()).sum();
        self.options.last.map_or(0, |last| lines.saturating_sub(last))
    }

    fn run(&self, source: usize, len: usize, last: Option<Label>) -> (Origin<'_>, &[u8]) {
        let Source { log, .. } = &self.merge.sources[source];
        let file = match self.options.format {
            Format::Json => log.path().join(log.file_name()),
            _ => PathBuf::new(),
        };
        let from = Origin { service: &self.names[source], number: source, file, last };
        (from, &self.merge.sources[source].run()[..len])
    }

    /// As much as may be written before the place is kept.
    fn cut<'r>(&self, run: &'r [u8]) -> &'r [u8] {
        let mut len = run.len();
        if self.cursor.is_some() && len > CURSOR_BYTES {
            len = memchr::memrchr(b'\n', &run[..CURSOR_BYTES])
                .or_else(|| memchr::memchr(b'\n', run))
                .map_or(len, |end| end + 1);
        }
        &run[..len]
    }

    /// Writes what waits, and keeps the places behind it.
    fn keep<F: AsFd>(&mut self, output: &mut Output<F>) -> Result<(), Fail> {
        self.progress.clear();
        output.flush()?;
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        for source in &mut self.merge.sources {
            if let Some(place) = source.log.place() {
                cursor.set(source.log.key(), place);
            }
        }
        let path = self.options.cursor.as_deref().unwrap_or(Path::new(""));
        cursor.write().map_err(|error| Fail::Unable(cursor::unable_to_write(path, &error)))
    }

    /// Drops logs whose directories were removed, once they are read to the end.
    fn drop_removed(&mut self) {
        self.troubles();
        for number in (0..self.merge.sources.len()).rev() {
            let source = &self.merge.sources[number];
            if source.has_ended() && source.log.is_removed() {
                let source = self.merge.remove(number);
                self.names.remove(number);
                // What comes under the same name is another log.
                self.tried.remove(source.log.path());
                self.tried.remove(source.log.key());
                if let Some(cursor) = &mut self.cursor {
                    cursor.forget(source.log.key());
                }
                self.is_awaited = true;
            }
        }
    }

    /// Waits until there may be more.
    fn wait<F: AsFd>(&mut self, output: &mut Output<F>) -> Result<(), Fail> {
        self.keep(output)?;
        self.drop_removed();
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let mut is_seen = true;
        for Source { log, .. } in &mut self.merge.sources {
            if log.is_elsewhere() {
                watch.add(log.path());
                is_seen = false;
            }
        }
        // What came before it was watched nobody tells.
        if is_seen && !watch.wait(output.descriptor()) {
            return Err(Fail::Output(Errno::PIPE));
        }
        self.merge.wake();
        for path in std::mem::take(&mut self.pending) {
            self.take_up(&path, false);
        }
        self.look_again();
        Ok(())
    }

    /// Takes up logs that have come since, once in a while.
    fn look_again(&mut self) {
        if self.looked.elapsed() < LOOK_AGAIN {
            return;
        }
        self.looked = Instant::now();
        let options = self.options;
        for found in options.paths.iter().filter_map(|path| find::logs(path, &mut |_, _| ()).ok()).flatten() {
            self.add(found, false);
        }
    }

    /// Tells what went wrong with the logs.
    fn troubles(&mut self) {
        for source in self.merge.troubled() {
            self.troubles_of(source);
        }
    }

    fn troubles_of(&mut self, source: usize) {
        for trouble in self.merge.sources[source].log.troubles() {
            match trouble {
                Trouble::Unable(message) => self.unable(&message),
                Trouble::Note(message) => self.warn(&message),
                Trouble::Lost(path, from, until) => {
                    let show = |moment| when::show(moment, &self.around.zone);
                    let from = from.map_or("an unknown moment".into(), show);
                    let until = until.map_or("the next line".into(), show);
                    let path = path.display();
                    self.unable(&format!(
                        "{path}: lines between {from} and {until} may be gone: old logs were removed before they were read"
                    ));
                }
            }
        }
    }

    /// `--stat`.
    fn count<F: AsFd>(&mut self, output: F) -> Result<(), Fail> {
        let mut output = Descriptor(output);
        let mut utc = LocalTime::new(Zone::UTC, Form { rfc3339: true, millis: true });
        let mut stamps = Stamps::new(self.around.zone.clone());
        for number in 0..self.merge.sources.len() {
            let mut stat = stat::Stat::default();
            let source = &mut self.merge.sources[number];
            let path = source.log.path().to_owned();
            if let Ok(files) = RealDisk.open_dir(&path).and_then(|dir| logdir::list(&dir)) {
                stat.files = files.len() as u64;
                stat.bytes = files.iter().filter_map(|file| Some(file.stat?.size)).sum();
            }
            while self.merge.sources[number].fill() == Fill::Lines {
                self.show_progress();
                let source = &mut self.merge.sources[number];
                let last = source.moment_before();
                stat.count(source.run(), last, &mut stamps);
                source.take(usize::MAX / 2);
            }
            self.progress.clear();
            self.troubles_of(number);
            let service = &self.names[number];
            let shown = if self.options.format == Format::Json {
                stat.json(&path, service, &mut utc)
            } else {
                let columns = self.around.terminal.unwrap_or(80).saturating_sub(3);
                stat.show(&path, service, &self.around.zone, columns).into_bytes()
            };
            output.write_all(&shown)?;
        }
        Ok(())
    }
}

/// The bytes of the first lines that are left out.
fn skip_lines(run: &[u8], skip: &mut u64) -> usize {
    let mut len = 0;
    if *skip > 0 {
        for line in lines(run).take(usize::try_from(*skip).unwrap_or(usize::MAX)) {
            len = line.end;
            *skip -= 1;
        }
    }
    len
}
