//! What of a frame goes elsewhere than to log directories: alerts, standard output, status files.

use super::{Broken, Pump, Say, Stopped, TRY_PAUSE, again};
use crate::alert::alert;
use crate::complaint::Complaint;
use crate::disk::Disk;
use crate::io::{Io, To};
use crate::split;
use crate::strerr::{Errno, Error};
use std::time::Duration;

/// A write of so many bytes into a pipe is done whole or not at all. Source: PIPE_BUF in pipe(7).
const WRITE_BYTES: usize = 4096;

/// Standard error.
pub(super) struct Alerts {
    pub(super) terminal: bool,
    /// For each `e` of the script the group of lines it shows.
    pub(super) groups: Vec<usize>,
}

/// Standard output, and how far it is with the frame.
#[derive(Default)]
pub(super) struct Output {
    /// For each `o` of the script the group of lines it selects; a line of several is printed once.
    pub(super) groups: Vec<usize>,
    /// Bytes of the frame that are written.
    pub(super) written: usize,
    /// The last line that was written has not ended.
    in_line: bool,
    complaint: Complaint,
}

/// Waits for a stream to take a write: until it says that it can, and where that was not so, for a moment.
#[derive(Default)]
struct Patience {
    asked: bool,
}

impl Patience {
    fn next(&mut self, to: To) -> (Option<Duration>, Option<To>) {
        self.asked = !self.asked;
        if self.asked { (None, Some(to)) } else { (Some(Duration::from_millis(10)), None) }
    }
}

impl<I: Io, D: Disk> Pump<I, D> {
    /// Brings the alerts of the frame to standard error, each in one write.
    pub(super) fn alert(&mut self, frame: &[u8], say: Say<'_>) -> Result<(), Stopped> {
        if self.alerts.groups.is_empty() {
            return Ok(());
        }
        let mut alerts = Vec::new();
        for (line, head) in self.framer.heads(frame) {
            for _ in self.alerts.groups.iter().filter(|group| self.framer.wants(line, **group)) {
                alerts.extend(alert(head, self.alerts.terminal));
            }
        }
        for alert in alerts.split_inclusive(|byte| *byte == b'\n') {
            let (mut written, mut patience) = (0, Patience::default());
            while written < alert.len() {
                match self.io.write(To::Alerts, &alert[written..]) {
                    Ok(more) => (written, patience) = (written + more, Patience::default()),
                    Err(Errno::AGAIN) if self.stopping.is_some() => return Err(Stopped),
                    Err(Errno::AGAIN) => {
                        let (timeout, to) = patience.next(To::Alerts);
                        self.pause(timeout, to, say);
                    }
                    // Nobody is left to be told.
                    Err(_) => break,
                }
            }
        }
        Ok(())
    }

    /// Brings what any `o` wants of the frame to standard output.
    pub(super) fn print(&mut self, frame: &[u8], say: Say<'_>) -> Result<(), Broken> {
        if self.output.groups.is_empty() {
            return Ok(());
        }
        self.print_all(say, |pump| {
            let text = pump.framer.wanted(frame, &pump.output.groups, &mut pump.scratch);
            print_some(&mut pump.io, &mut pump.output, text)
        })
    }

    /// Ends a line that was printed in pieces, when nothing more comes of it.
    pub(super) fn end_output(&mut self, say: Say<'_>) -> Result<(), Broken> {
        self.output.written = 0;
        if !self.output.in_line {
            return Ok(());
        }
        self.print_all(say, |pump| print_some(&mut pump.io, &mut pump.output, b"\n"))
    }

    /// Tries until all is printed.
    fn print_all(
        &mut self,
        say: Say<'_>,
        mut print: impl FnMut(&mut Self) -> Result<(), Errno>,
    ) -> Result<(), Broken> {
        let mut pause = TRY_PAUSE;
        let mut patience = Patience::default();
        loop {
            let before = self.output.written;
            let Err(errno) = print(self) else { break };
            let full = matches!(errno, Errno::NOSPC | Errno::DQUOT);
            if !full && !matches!(errno, Errno::AGAIN | Errno::INTR) {
                return Err(Broken::Output(errno));
            }
            if self.stopping.is_some() {
                return Err(Broken::Stopped);
            }
            if full {
                let message = Error::new("write output", errno).pausing();
                self.output.complaint.tell(message, self.disk.uptime(), say);
                self.pause(Some(pause.lengthen()), None, say);
                continue;
            }
            if self.output.written > before {
                patience = Patience::default();
            }
            let (timeout, to) = patience.next(To::Output);
            self.pause(timeout, to, say);
        }
        if let Some(lasted) = self.output.complaint.settled(self.disk.uptime()) {
            say(again("output", lasted));
        }
        Ok(())
    }

    /// Brings the last line that each status file wants to it. One that cannot be written is not waited for: its next line is
    /// another chance.
    pub(super) fn show(&mut self, frame: &[u8], say: Say<'_>) {
        // Only the last line stays, so only that is shown; the later of two lines last, should two actions name one file.
        let mut last: Vec<_> = self
            .statuses
            .iter_mut()
            .filter_map(|shown| {
                let selected = self.framer.heads(frame).filter(|(line, _)| self.framer.wants(*line, shown.0));
                Some((selected.last()?, shown))
            })
            .collect();
        last.sort_by_key(|((line, _), _)| *line);
        for ((_, head), (_, status, complaint)) in last {
            let uptime = self.disk.uptime();
            match status.show(head) {
                Ok(()) => drop(complaint.settled(uptime)),
                Err(error) => complaint.tell(error.to_string(), uptime, say),
            }
        }
    }
}

/// Prints what is left of `text`, as far as that goes without waiting.
fn print_some(io: &mut impl Io, output: &mut Output, text: &[u8]) -> Result<(), Errno> {
    while output.written < text.len() {
        let piece = piece(&text[output.written..]);
        let written = io.write(To::Output, piece)?;
        output.written += written;
        output.in_line = !piece[..written].ends_with(b"\n");
    }
    Ok(())
}

/// The beginning of `text` for one write: as many whole lines as 4096 bytes hold; of a longer line a piece.
///
/// So a reader never sees a part of a line that is not that long, whenever we die.
fn piece(text: &[u8]) -> &[u8] {
    let most = &text[..text.len().min(WRITE_BYTES)];
    match split::whole_bytes(most) {
        0 => most,
        whole => &most[..whole],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_whole_lines_unless_one_is_too_long() {
        let check = |text: &[u8], wanted: usize| {
            assert_eq!(piece(text).len(), wanted, "{} bytes", text.len());
        };
        let long = [b'x'; 4096];
        check(b"", 0);
        check(b"a\nb\n", 4);
        check(b"a\nb", 2);
        check(&[b"a\n", &long[..4093], b"\n"].concat(), 4096);
        check(&[b"a\n", &long[..4094], b"\n"].concat(), 2);
        check(&[&long[..4095], b"\n"].concat(), 4096);
        check(&[&long[..], b"\n"].concat(), 4096);
    }
}
