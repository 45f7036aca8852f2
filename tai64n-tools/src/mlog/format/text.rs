//! Lines as text: the moment, the service where there are several, the message.

use super::Origin;
use crate::escape;
use crate::filter::{Begin, Beginning, Place, TEXT_BYTES};
use crate::local::LocalTime;
use crate::moment::Stamps;
use logcore::label::{LABEL_BYTES, Label};

/// What is done for people, beyond the times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Each line names its service.
    pub names: bool,
    /// Times are dimmed, services coloured.
    pub colours: bool,
    /// What a terminal would obey is shown instead.
    pub escapes: bool,
}

/// Changes how moments are written.
pub struct Times {
    /// `None`: TAI64N labels.
    local: Option<LocalTime>,
    stamps: Stamps,
    /// The moment of the line before, if it is known; where that has a label it is read when it is asked for.
    last: Option<Label>,
    label: Option<[u8; LABEL_BYTES]>,
}

impl Times {
    pub fn new(local: Option<LocalTime>, stamps: Stamps) -> Self {
        Times { local, stamps, last: None, label: None }
    }

    /// What comes next comes behind a line of this moment, if it is known.
    pub fn behind(&mut self, last: Option<Label>) {
        (self.last, self.label) = (last, None);
    }

    /// Writes the moment of a line; its bytes there, and those of the line that it stands for. None without a stamp.
    fn stamp(&mut self, line: &[u8], place: &mut Place) -> Option<(usize, usize)> {
        if let Some(label) = self.label.take() {
            self.last = self.stamps.read(&label, None).map(|stamp| stamp.moment).or(self.last);
        }
        let stamp = self.stamps.read(line, self.last)?;
        self.last = Some(stamp.moment);
        let written = match &mut self.local {
            Some(local) => local.write(stamp.moment, place)?,
            None => {
                place[..LABEL_BYTES].copy_from_slice(&stamp.moment.format());
                LABEL_BYTES
            }
        };
        Some((written, stamp.len))
    }
}

impl Beginning for Times {
    #[inline]
    fn begin(&mut self, head: &[u8], ended: bool, place: &mut Place) -> Begin {
        const LEAVE: Begin = Begin::Change { taken: 0, written: 0 };
        match (head.first(), &mut self.local) {
            (Some(b'@'), local) => {
                let begin = local.as_mut().map_or(LEAVE, |local| local.begin(head, ended, place));
                if begin != LEAVE || (local.is_none() && self.stamps.read(head, None).is_some()) {
                    self.label = head.first_chunk().copied();
                }
                begin
            }
            (Some(b'0'..=b'9'), _) => match self.stamp(head, place) {
                Some((written, taken)) if head[taken - 1] == b' ' => {
                    place[written] = b' ';
                    Begin::Change { taken, written: written + 1 }
                }
                Some((written, taken)) => Begin::Change { taken, written },
                None => LEAVE,
            },
            _ => LEAVE,
        }
    }
}

/// Lines with marks for people.
pub struct Marked {
    /// `None`: stamps stay as they are.
    times: Option<Times>,
    look: Look,
}

/// Colours that are told apart on dark and on light.
const COLOURS: [&str; 6] = ["\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[31m"];
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Marked {
    pub fn new(times: Times, look: Look) -> Self {
        Marked { times: Some(times), look }
    }

    /// The bytes of the log, made harmless.
    pub fn raw(look: Look) -> Self {
        Marked { times: None, look: Look { names: false, ..look } }
    }

    pub fn line(&mut self, from: &Origin<'_>, line: &[u8], last: &mut Option<Label>, out: &mut Vec<u8>) {
        let mut place = [0; TEXT_BYTES];
        let stamp = self.times.as_mut().and_then(|times| {
            times.behind(*last);
            let stamp = times.stamp(line, &mut place);
            *last = times.last;
            stamp
        });
        let (written, taken) = stamp.unwrap_or((0, 0));
        if written > 0 {
            self.coloured(DIM, &place[..written], out);
            out.push(b' ');
        }
        if self.look.names {
            // Of the bytes of a log nothing is changed that nobody asked for; but a name must not end the line.
            let service = escape::shown(from.service);
            self.coloured(COLOURS[from.number % COLOURS.len()], service.as_bytes(), out);
            out.extend_from_slice(b": ");
        }
        self.text(&line[taken.min(line.len())..], out);
        out.push(b'\n');
    }

    fn coloured(&self, colour: &str, text: &[u8], out: &mut Vec<u8>) {
        let (before, after) = if self.look.colours { (colour, PLAIN) } else { ("", "") };
        out.extend_from_slice(before.as_bytes());
        self.text(text, out);
        out.extend_from_slice(after.as_bytes());
    }

    fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        if self.look.escapes {
            escape::for_terminal(text, out);
        } else {
            out.extend_from_slice(text);
        }
    }
}
