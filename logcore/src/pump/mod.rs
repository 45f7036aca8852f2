//! The road itself: wait, look, split, stamp, select, append, take; signals; pauses.
//!
//! Between look and take nothing but the input and the log holds a line, so a kill at any instruction loses none. The batch
//! is taken only when every destination has it; a destination that cannot take it holds the input back, but for status files.
//! Standard output comes first, then alerts, status files and directories: a reader that stays away must not have the same lines
//! logged again with each start.
//! All waits end with a signal.

mod streams;

use streams::{Alerts, Output};

use crate::complaint::{self, Complaint, Pause};
use crate::cyclog::{Blocked, Cyclog, Opened, Writer};
use crate::disk::Disk;
use crate::frame::{Framer, Partial};
use crate::io::{Io, To};
use crate::label::Label;
use crate::script::{Script, Sink};
use crate::select::Selector;
use crate::signals::Request;
use crate::source::{BATCH_BYTES, Look};
use crate::split::HEAD_BYTES;
use crate::stamp::{Stamper, Zone};
use crate::status::Status;
use crate::strerr::{Errno, Error};
use std::time::Duration;

/// After TERM a frame that only waits for a finisher gets this long to reach every directory.
const STOP_GRACE: Duration = Duration::from_millis(200);
/// After TERM everything ends within this time; what is not finished then is left for the next start.
const STOP_LIMIT: Duration = Duration::from_millis(900);

/// Between two tries of what fails while lines wait for it.
const TRY_PAUSE: Pause = Pause::new(Duration::from_millis(10), Duration::from_millis(100));
/// Between two tries of what fails while no line comes.
const TROUBLE_PAUSE: Duration = Duration::from_millis(100);

/// Where warnings go: text without program and level.
pub type Say<'a> = &'a mut dyn FnMut(String);

/// How the road ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At the end of the input or by a signal; all that was taken is in the log.
    Clean,
    /// The input is broken, nobody reads the output any more, or data could not be brought to disk.
    Failed,
}

/// A directory, and how far it is with the frame.
struct Outlet<D: Disk> {
    group: usize,
    cyclog: Cyclog<D>,
    /// Bytes of the frame that are in the log.
    written: usize,
    complaint: Complaint,
    /// The trouble came while no line did: it may pass before one comes.
    is_idle: bool,
}

impl<D: Disk> Outlet<D> {
    fn complain(&mut self, error: &Error, uptime: Duration, say: Say<'_>) {
        self.complaint.tell(error.pausing(), uptime, say);
    }

    /// Says that it works again where it was complained of, unless a new file is still under way: the finisher or the end
    /// holds that back, and nobody has tried again.
    fn settle(&mut self, uptime: Duration, say: Say<'_>) {
        if !self.cyclog.is_settled() {
            return;
        }
        self.is_idle = false;
        if let Some(lasted) = self.complaint.settled(uptime) {
            say(again(&self.cyclog.shown(), lasted));
        }
    }
}

/// All of a running multilog.
pub struct Pump<I, D: Disk> {
    io: I,
    alerts: Alerts,
    output: Output,
    disk: D,
    framer: Framer,
    statuses: Vec<(usize, Status<D>, Complaint)>,
    outlets: Vec<Outlet<D>>,
    batch: Vec<u8>,
    scratch: Vec<u8>,
    /// When a signal asked for the end, by [`Disk::uptime`].
    stopping: Option<Duration>,
    /// A signal asked for new files.
    rotate: bool,
}

/// A signal asked for the end while a destination could not take a frame.
struct Stopped;

impl<I: Io, D: Disk> Pump<I, D> {
    /// Opens everything a script names: status files first, then all directories, and only when all are open and locked is
    /// any of them changed.
    ///
    /// `say` takes warnings. `boot`: the id of this run of the machine, if known.
    ///
    /// # Errors
    /// Something cannot be opened: nothing of the input has been taken.
    // Inlined, the room that opening takes on the stack would stay below all that comes after.
    #[inline(never)]
    pub fn new(script: Script, io: I, disk: D, boot: Option<String>, say: Say<'_>) -> Result<Self, Error> {
        let groups = script.groups();
        let selector = Selector::new(&script.rules, &groups);
        let group = |rules: usize| groups.iter().position(|group| *group == rules).unwrap_or(0);
        let mut alerted = Vec::new();
        let mut output = Output::default();
        let mut statuses = Vec::new();
        let mut configs = Vec::new();
        let mut smallest = u64::MAX;
        for destination in script.destinations {
            let group = group(destination.rules);
            match destination.sink {
                Sink::Alert => alerted.push(group),
                Sink::Output => output.groups.push(group),
                Sink::Status(path) => {
                    let status = Status::open(disk.clone(), &path)?;
                    statuses.push((group, status, Complaint::default()));
                }
                Sink::Cyclog(config) => {
                    smallest = smallest.min(config.size);
                    configs.push((group, config));
                }
            }
        }
        let writer = Writer { boot, input: io.identity() };
        let opened: Vec<_> = configs
            .into_iter()
            .map(|(group, config)| Ok((group, Opened::open(disk.clone(), config, &writer)?)))
            .collect::<Result<_, Error>>()?;
        let outlets = opened
            .into_iter()
            .map(|(group, opened)| {
                let cyclog = opened.recover(&writer, io.bell(), say)?;
                Ok(Outlet { group, cyclog, written: 0, complaint: Complaint::default(), is_idle: false })
            })
            .collect::<Result<_, Error>>()?;
        let stamper = script.stamp.map(|kind| Stamper::new(kind, Zone::Local));
        let heads = !alerted.is_empty() || !statuses.is_empty();
        let alerts = Alerts { terminal: io.alerts_to_terminal(), groups: alerted };
        Ok(Pump {
            io,
            alerts,
            output,
            disk,
            framer: Framer::new(stamper, selector, heads, smallest),
            statuses,
            outlets,
            batch: vec![0; BATCH_BYTES],
            scratch: Vec::new(),
            stopping: None,
            rotate: false,
        })
    }

    /// Moves lines until the input ends or a signal says so, and closes everything cleanly.
    pub fn run(mut self, say: Say<'_>) -> End {
        self.mend_torn();
        let moved = self.move_lines(say);
        // A reader that has gone or stands still will not miss it.
        let _ = self.end_output(say);
        let closed = self.close(say);
        if moved == End::Clean { closed } else { moved }
    }

    /// Decides about torn last lines by what the input begins with, before anything is taken from it.
    fn mend_torn(&mut self) {
        if !self.outlets.iter().any(|outlet| outlet.cyclog.torn()) {
            return;
        }
        let len = self.io.look(&mut self.batch).map_or(0, |look| look.len);
        let batch = &self.batch[..len];
        let now = self.disk.now();
        for outlet in self.outlets.iter_mut().filter(|outlet| outlet.cyclog.torn()) {
            let mut pending = Vec::new();
            let mut rest = batch;
            loop {
                let taken = self.framer.fill(rest, Partial::End, None, now);
                pending.extend(self.framer.sources(rest, outlet.group));
                rest = &rest[taken..];
                if taken == 0 {
                    break;
                }
            }
            outlet.cyclog.mend(self.framer.stamp(), &pending);
        }
    }

    fn move_lines(&mut self, say: Say<'_>) -> End {
        // What is known of the partial line at the head of the input.
        let mut waiting: Option<Waiting> = None;
        let mut hung_up = false;
        loop {
            // What was heard in a pause is done before the next wait.
            if self.stopping.is_some() {
                return self.log_held(say);
            }
            self.rotate_if_told();
            let due = self.tick(say);
            let again = waiting.as_ref().filter(|_| self.io.peeks()).and_then(|waiting| waiting.patience);
            let timeout = due.into_iter().chain(again).min();
            let woken = match self.io.wait(timeout, again.is_some()) {
                Ok(woken) => woken,
                Err(error) => {
                    say(error.to_string());
                    return End::Failed;
                }
            };
            if woken.input {
                hung_up = woken.hung_up;
            }
            if woken.signals {
                self.hear_signals();
                continue;
            }
            if !woken.input && again.is_none() {
                continue;
            }
            let mut batch = std::mem::take(&mut self.batch);
            let seen = self.look_and_log(&mut batch, &mut waiting, hung_up, say);
            self.batch = batch;
            match seen {
                Ok(false) => (),
                Ok(true) => return End::Clean,
                Err(Broken::Stopped) => return self.log_held(say),
                Err(broken @ (Broken::Input(errno) | Broken::Output(errno))) => {
                    let doing =
                        if matches!(broken, Broken::Input(_)) { "read input" } else { "write output" };
                    say(Error::new(doing, errno).to_string());
                    self.log_held(say);
                    return End::Failed;
                }
            }
        }
    }

    /// One batch. Returns whether the input is over.
    fn look_and_log(
        &mut self,
        batch: &mut [u8],
        waiting: &mut Option<Waiting>,
        hung_up: bool,
        say: Say<'_>,
    ) -> Result<bool, Broken> {
        let Look { len, ended } = match self.io.look(batch) {
            Ok(look) => look,
            Err(Errno::AGAIN) => return Ok(false),
            Err(errno) => return Err(Broken::Input(errno)),
        };
        let over = ended || hung_up;
        let now = self.disk.now();
        self.outlets.iter_mut().for_each(|outlet| outlet.cyclog.turn(now));
        let first_seen = waiting.as_ref().map(|waiting| waiting.since);
        let mut done = self.log(&batch[..len], Partial::Wait, first_seen, now, say)?;
        if done == 0 && len > 0 {
            let clogged = waiting.as_ref().is_some_and(|waiting| waiting.clogged);
            let partial = self.judge_partial(batch, len, clogged, over).map_err(Broken::Input)?;
            let Some(partial) = partial else { return Ok(false) };
            done = self.log(&batch[..len], partial, first_seen, now, say)?;
        }
        if len == 0 {
            return Ok(ended);
        }
        if done < len {
            self.wait_for_more(batch, len, done, waiting, now).map_err(Broken::Input)?;
        } else {
            *waiting = None;
        }
        Ok(false)
    }

    /// What to do with a partial line that is all a look has found, `len` bytes. `clogged`: its writer is held up by it. `over`: there
    /// is no writer any more. `None`: it has grown; look again.
    fn judge_partial(
        &mut self,
        batch: &mut [u8],
        len: usize,
        clogged: bool,
        over: bool,
    ) -> Result<Option<Partial>, Errno> {
        if len == batch.len() || self.framer.is_inside() || clogged {
            return Ok(Some(Partial::Stream));
        }
        if !self.io.hides_more(len) {
            return Ok(Some(if over { Partial::End } else { Partial::Wait }));
        }
        if self.has_grown(batch, len) {
            return Ok(None);
        }
        // No look finds the rest of it while this is in its way.
        if len >= HEAD_BYTES {
            return Ok(Some(Partial::Stream));
        }
        self.io.hold(&batch[..len])?;
        Ok(Some(Partial::Wait))
    }

    /// Whether more has come since a look that found `len` bytes. What is asked of the input after a look is answered for
    /// what is there by then; so before a partial line is taken for one that cannot grow, it is looked at again.
    fn has_grown(&mut self, batch: &mut [u8], len: usize) -> bool {
        // What is wrong with the input shows at the next look.
        self.io.look(batch).map_or(true, |again| again.len != len)
    }

    /// A partial line is left in the input, of whose `len` bytes `done` are logged: how long to wait for the rest of it.
    fn wait_for_more(
        &mut self,
        batch: &mut [u8],
        len: usize,
        done: usize,
        waiting: &mut Option<Waiting>,
        now: Label,
    ) -> Result<(), Errno> {
        let left = len - done;
        match waiting {
            // Lines were logged, and there may be more: look again before waiting.
            None => *waiting = Some(Waiting::new(now)),
            Some(_) if done > 0 => *waiting = Some(Waiting::new(now)),
            Some(same) if same.len == left => {
                let uptime = self.disk.uptime();
                if uptime < same.due {
                    // Not the time ended the wait: what is asked below wakes who waits for a pipe that we may also write to.
                    same.patience = Some(same.due - uptime);
                    return Ok(());
                }
                let patience = same.lengthen(uptime);
                // The writer may be unable to write the rest.
                if patience >= Waiting::CLOGGED
                    && self.io.is_clogged(left, patience)
                    && !self.has_grown(batch, len)
                {
                    if left < HEAD_BYTES {
                        self.io.hold(&batch[..len])?;
                    } else {
                        same.clogged = true;
                    }
                }
            }
            Some(grown) => {
                grown.pause.reset();
                grown.len = left;
                grown.lengthen(self.disk.uptime());
            }
        }
        Ok(())
    }

    /// Logs the lines of a batch and takes them from the input. Returns how many bytes that was.
    fn log(
        &mut self,
        batch: &[u8],
        partial: Partial,
        first_seen: Option<Label>,
        now: Label,
        say: Say<'_>,
    ) -> Result<usize, Broken> {
        let (mut done, mut untaken, mut files) = (0, 0, self.files());
        while done < batch.len() {
            let first_seen = first_seen.filter(|_| done == 0);
            let frame = &batch[done..];
            let framed = self.framer.fill(frame, partial, first_seen, now);
            if framed == 0 {
                break;
            }
            if let Err((settled, broken)) = self.bring(frame, say) {
                self.framer.go_back(frame, settled);
                self.io.take(untaken + settled).map_err(Broken::Input)?;
                return Err(broken);
            }
            (done, untaken) = (done + framed, untaken + framed);
            // A file that has ended may have cost a sync and a processor: what is in it is not to be written again.
            if files != self.files() {
                self.io.take(untaken).map_err(Broken::Input)?;
                (untaken, files) = (0, self.files());
            }
        }
        self.io.take(untaken).map_err(Broken::Input)?;
        Ok(done)
    }

    /// Counts the files that have ended.
    fn files(&self) -> u64 {
        self.outlets.iter().map(|outlet| outlet.cyclog.files()).sum()
    }

    /// Brings the frame to every destination, however long that takes. If that is not to be: how many of its bytes all of them
    /// have, and why.
    fn bring(&mut self, frame: &[u8], say: Say<'_>) -> Result<(), (usize, Broken)> {
        self.outlets.iter_mut().for_each(|outlet| outlet.written = 0);
        self.output.written = 0;
        // First of all who may end it: nothing else is to be there again after each start.
        self.print(frame, say).map_err(|broken| {
            // What it got is not done with before it is shown.
            let shows = !self.alerts.groups.is_empty() || !self.statuses.is_empty();
            (if shows { 0 } else { self.settle_for_less(frame) }, broken)
        })?;
        self.alert(frame, say).map_err(|Stopped| (0, Broken::Stopped))?;
        self.show(frame, say);
        self.deliver(frame, say).map_err(|Stopped| (self.settle_for_less(frame), Broken::Stopped))
    }

    /// Brings the frame to every directory.
    fn deliver(&mut self, frame: &[u8], say: Say<'_>) -> Result<(), Stopped> {
        let mut pause = TRY_PAUSE;
        loop {
            let (mut blocked, mut trouble) = (false, false);
            for index in 0..self.outlets.len() {
                match self.append(frame, index, say) {
                    Ok(()) => (),
                    Err(Blocked::Finisher) => blocked = true,
                    Err(Blocked::Trouble(error)) => {
                        (blocked, trouble) = (true, true);
                        self.outlets[index].is_idle = false;
                        self.outlets[index].complain(&error, self.disk.uptime(), say);
                    }
                }
            }
            if !blocked {
                return Ok(());
            }
            let grace = self.stopping.map(|since| (since + STOP_GRACE).saturating_sub(self.disk.uptime()));
            if grace.is_some_and(|left| trouble || left.is_zero()) {
                return Err(Stopped);
            }
            let again = trouble.then(|| pause.lengthen());
            self.pause(again.into_iter().chain(grace).min(), None, say);
        }
    }

    /// Brings the rest of the frame to one directory.
    fn append(&mut self, frame: &[u8], index: usize, say: Say<'_>) -> Result<(), Blocked> {
        let outlet = &mut self.outlets[index];
        let text = self.framer.wanted(frame, &[outlet.group], &mut self.scratch);
        while outlet.written < text.len() {
            outlet.written += outlet.cyclog.append(&text[outlet.written..])?;
        }
        outlet.cyclog.sync_now()?;
        // Where a new file is under way still, `tick` sees it through.
        outlet.is_idle = true;
        outlet.settle(self.disk.uptime(), say);
        Ok(())
    }

    /// Waits, not for input: for a signal, the finishers, the time, or until a write can be made there.
    fn pause(&mut self, timeout: Option<Duration>, to: Option<To>, say: Say<'_>) {
        let due = self.tick(say);
        let timeout = due.into_iter().chain(timeout).min();
        self.io.pause(timeout, to);
        self.hear_signals();
        self.rotate_if_told();
        for outlet in &mut self.outlets {
            outlet.cyclog.listen(say);
        }
    }

    /// The road ends before every destination has the frame. Returns how many of its bytes all of them have, to be taken. What a
    /// directory got of the rest, which stays in the input, is taken back, if it can be: not where it reaches back into a
    /// file that is full.
    fn settle_for_less(&mut self, frame: &[u8]) -> usize {
        let (mut all, _) = self.framer.settled(frame, &self.output.groups, self.output.written);
        let mut whole = all;
        for outlet in &mut self.outlets {
            let (source, vain) = self.framer.settled(frame, &[outlet.group], outlet.written);
            let kept = if vain == 0 {
                0
            } else if outlet.cyclog.take_back(vain, false) {
                outlet.written -= vain;
                0
            } else {
                // So much of the line is logged, and the next logger logs the rest.
                vain.saturating_sub(self.framer.stamp_bytes())
            };
            (all, whole) = (all.min(source + kept), whole.min(source));
        }
        let is_ahead = |groups: &[usize], written| {
            let (wanted, in_line) = self.framer.wanted_of(frame, groups, all);
            in_line && written > wanted
        };
        // Whoever has more of that line would have it torn there: better it is begun again for all.
        if is_ahead(&self.output.groups, self.output.written)
            || self.outlets.iter().any(|outlet| is_ahead(&[outlet.group], outlet.written))
        {
            all = whole;
        }
        // What is held dies with us: better twice than nowhere.
        let can_be_again = self.io.held().is_empty();
        for outlet in &mut self.outlets {
            let (wanted, in_line) = self.framer.wanted_of(frame, &[outlet.group], all);
            let more = outlet.written.saturating_sub(wanted);
            // What stays is there again, in whole lines.
            if more > 0 && !(can_be_again && outlet.cyclog.take_back(more, in_line)) {
                outlet.cyclog.break_line();
            }
        }
        all
    }

    /// What could not be left in the input is logged before we stop, its last line ended.
    fn log_held(&mut self, say: Say<'_>) -> End {
        let held = self.io.held().to_vec();
        if held.is_empty() {
            return End::Clean;
        }
        if self.log(&held, Partial::End, None, self.disk.now(), say).is_ok() {
            return End::Clean;
        }
        // A reader that stays away does not keep them from the directories.
        self.alerts.groups.clear();
        self.output.groups.clear();
        let held = self.io.held().to_vec();
        // It failed all the same.
        let _ = self.log(&held, Partial::End, None, self.disk.now(), say);
        End::Failed
    }

    fn hear_signals(&mut self) {
        while let Some(request) = self.io.request() {
            match request {
                Request::Rotate => self.rotate = true,
                Request::Stop if self.stopping.is_none() => self.stopping = Some(self.disk.uptime()),
                Request::Stop => (),
            }
        }
    }

    fn rotate_if_told(&mut self) {
        if std::mem::take(&mut self.rotate) {
            for outlet in &mut self.outlets {
                outlet.cyclog.rotate();
            }
        }
    }

    /// What is due by the clock, and what finishers have to say. Returns when to come back.
    fn tick(&mut self, say: Say<'_>) -> Option<Duration> {
        let mut due = None;
        for outlet in &mut self.outlets {
            outlet.cyclog.listen(say);
            let next = match outlet.cyclog.tick() {
                Ok(next) => {
                    if outlet.is_idle {
                        outlet.settle(self.disk.uptime(), say);
                    }
                    next
                }
                Err(error) => {
                    outlet.is_idle = true;
                    outlet.complain(&error, self.disk.uptime(), say);
                    Some(TROUBLE_PAUSE)
                }
            };
            due = due.into_iter().chain(next).min();
        }
        due
    }

    /// The clean end of every directory.
    fn close(&mut self, say: Say<'_>) -> End {
        let mut pause = TRY_PAUSE;
        loop {
            let uptime = self.disk.uptime();
            let deadline = self.stopping.map(|since| since + STOP_LIMIT);
            let (mut trouble, mut open, mut safe) = (false, false, true);
            for outlet in &mut self.outlets {
                outlet.cyclog.listen(say);
                match outlet.cyclog.close(self.stopping.is_some()) {
                    Ok(on_disk) => {
                        safe &= on_disk;
                        // After a stop nothing of what failed has been tried again.
                        if on_disk && self.stopping.is_none() {
                            outlet.settle(uptime, say);
                        }
                    }
                    Err(Blocked::Finisher) => open = true,
                    Err(Blocked::Trouble(error)) => {
                        (open, trouble) = (true, true);
                        outlet.is_idle = false;
                        outlet.complain(&error, self.disk.uptime(), say);
                    }
                }
            }
            if !open || deadline.is_some_and(|deadline| uptime >= deadline) {
                for outlet in &self.outlets {
                    outlet.cyclog.give_up();
                }
                safe &= !open && !self.outlets.iter().any(|outlet| outlet.cyclog.in_doubt());
                break if safe { End::Clean } else { End::Failed };
            }
            let limit = deadline.map(|deadline| deadline - uptime);
            let again = trouble.then(|| pause.lengthen());
            let timeout = limit.into_iter().chain(again).min();
            self.pause(timeout, None, say);
        }
    }
}

/// A destination that was complained of works again.
fn again(shown: &str, lasted: Duration) -> String {
    format!("{shown}: writing again after {}, nothing was lost", complaint::shown(lasted))
}

/// Why a batch was not logged to its end.
enum Broken {
    /// A signal asked for the end.
    Stopped,
    Input(Errno),
    /// Nobody reads it any more.
    Output(Errno),
}

/// A partial line at the head of the input.
struct Waiting {
    /// Its length at a look that found nothing else.
    len: usize,
    /// When its first byte was seen.
    since: Label,
    pause: Pause,
    /// How long to wait for more, now that a look has found nothing else.
    patience: Option<Duration>,
    /// When that is over, by [`Disk::uptime`].
    due: Duration,
    /// The writer is held up by it: pass on what is there.
    clogged: bool,
}

impl Waiting {
    /// After a pause of this length it is asked whether the writer is held up.
    const CLOGGED: Duration = Duration::from_millis(16);

    fn new(since: Label) -> Self {
        // A writer that fills the pipe in the middle of one write sleeps without an edge for us when the pipe was not empty
        // (pipe_write wakes readers only `if (was_empty)`): so an edge alone is not enough, there must be a time.
        let pause = Pause::new(Duration::from_millis(1), Duration::from_secs(1));
        Waiting { len: 0, since, pause, patience: None, due: Duration::ZERO, clogged: false }
    }

    /// Waits longer than the last time.
    fn lengthen(&mut self, uptime: Duration) -> Duration {
        let patience = self.pause.lengthen();
        (self.patience, self.due) = (Some(patience), uptime + patience);
        patience
    }
}
