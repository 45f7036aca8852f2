//! What of a frame goes elsewhere than to log directories: alerts, standard output, status files.

use super::{Broken, Pump, Say, Stopped, again};
use crate::alert::alert;
use crate::complaint::{Complaint, Pause};
use crate::disk::Disk;
use crate::io::{Io, Stream};
use crate::split;
use crate::strerr::{Errno, Error};
use std::time::Duration;

/// A write of so many bytes is done whole or not at all, and without waiting once poll(2) has found room. Source: PIPE_BUF in
/// pipe(7).
const WRITE_BYTES: usize = 4096;

/// Where alerts go.
pub(super) struct Alerts {
    pub(super) terminal: bool,
    /// For each `e` of the script the group of lines it shows.
    pub(super) groups: Vec<usize>,
}

/// An `o` of the script, and how far it is with the frame.
pub(super) struct Output {
    pub(super) group: usize,
    /// Bytes of the frame that are written.
    pub(super) written: usize,
    pub(super) complaint: Complaint,
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
            // When it fails otherwise, nobody is left to be told.
            while self.io.write(Stream::Alerts, alert) == Err(Errno::AGAIN) {
                if self.stopping.is_some() {
                    return Err(Stopped);
                }
                self.pause(None, Some(Stream::Alerts), say);
            }
        }
        Ok(())
    }

    /// Brings what each `o` wants of the frame to standard output.
    pub(super) fn print(&mut self, frame: &[u8], say: Say<'_>) -> Result<(), Broken> {
        let mut pause = Pause::new(Duration::from_millis(10), Duration::from_millis(100));
        for index in 0..self.outputs.len() {
            while let Err(errno) = self.print_one(frame, index, say) {
                if errno == Errno::PIPE {
                    return Err(Broken::Output(errno));
                }
                if self.stopping.is_some() {
                    return Err(Broken::Stopped);
                }
                if errno == Errno::AGAIN {
                    self.pause(None, Some(Stream::Output), say);
                } else {
                    let message = Error::new("write output", errno).pausing();
                    if self.outputs[index].complaint.is_news(&message, self.disk.uptime()) {
                        say(message);
                    }
                    self.pause(Some(pause.lengthen()), None, say);
                }
            }
        }
        Ok(())
    }

    fn print_one(&mut self, frame: &[u8], index: usize, say: Say<'_>) -> Result<(), Errno> {
        let output = &mut self.outputs[index];
        let text = self.framer.wanted(frame, output.group, &mut self.scratch);
        while output.written < text.len() {
            output.written += self.io.write(Stream::Output, piece(&text[output.written..]))?;
        }
        if let Some(lasted) = output.complaint.settled(self.disk.uptime()) {
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
                Err(error) => {
                    let message = error.to_string();
                    if complaint.is_news(&message, uptime) {
                        say(message);
                    }
                }
            }
        }
    }
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
