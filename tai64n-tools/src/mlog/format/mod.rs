//! How lines are written: as text with their moments in one form or another, as they are, as JSON, as syslog.

mod json;
mod syslog;
mod text;

pub use text::Look;

use super::output::Output;
use crate::local::{Form, LocalTime};
use crate::moment::Stamps;
use crate::zone::Zone;
use logcore::label::Label;
use logcore::strerr::Errno;
use std::os::fd::AsFd;

/// A format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Local time, as tai64nlocal shows it.
    #[default]
    Local,
    /// The same in UTC.
    Utc,
    /// RFC 3339 with the offset of local time.
    Iso,
    /// TAI64N labels.
    Tai64n,
    /// The bytes of the log.
    Raw,
    /// An object a line.
    Json,
    /// RFC 5424, each message behind its length (RFC 6587, octet counting).
    Syslog,
}

impl Format {
    /// Their names on the command line.
    pub const NAMES: [(&str, Format); 7] = [
        ("local", Format::Local),
        ("utc", Format::Utc),
        ("iso", Format::Iso),
        ("tai64n", Format::Tai64n),
        ("raw", Format::Raw),
        ("json", Format::Json),
        ("syslog", Format::Syslog),
    ];
}

/// Where lines come from.
#[derive(Clone, Debug)]
pub struct Origin<'a> {
    /// The service.
    pub service: &'a str,
    /// Its number, for its colour.
    pub number: usize,
    /// The file.
    pub file: std::path::PathBuf,
    /// The moment of the line before, if it is known: lines without a stamp share it, and it tells which of two equal hours is meant.
    pub last: Option<Label>,
}

/// Writes lines in a format.
pub struct Printer {
    kind: Kind,
}

enum Kind {
    /// Text without marks: a filter on whole runs.
    Filter(Box<crate::filter::Filter<text::Times>>),
    Marked(Box<text::Marked>),
    Raw,
    Json(Box<json::Json>),
    Syslog(Box<syslog::Syslog>),
}

impl Printer {
    /// `zone`: of the stamps that say none, and of local time. `host`: the name of this machine, for syslog.
    pub fn new(format: Format, zone: &Zone, look: Look, host: &[u8]) -> Self {
        let stamps = || Stamps::new(zone.clone());
        let utc = || LocalTime::new(Zone::UTC, Form { rfc3339: true, millis: false });
        let times = |times| text::Times::new(times, stamps());
        let local =
            |zone: &Zone, rfc3339| Some(LocalTime::new(zone.clone(), Form { rfc3339, millis: false }));
        let times = match format {
            Format::Local => times(local(zone, false)),
            Format::Utc => times(local(&Zone::UTC, false)),
            Format::Iso => times(local(zone, true)),
            Format::Tai64n => times(None),
            Format::Raw if look.escapes || look.colours => {
                return Printer { kind: Kind::Marked(Box::new(text::Marked::raw(look))) };
            }
            Format::Raw => return Printer { kind: Kind::Raw },
            Format::Json => return Printer { kind: Kind::Json(Box::new(json::Json::new(stamps(), utc()))) },
            Format::Syslog => {
                let syslog = syslog::Syslog::new(stamps(), utc(), host, look.escapes);
                return Printer { kind: Kind::Syslog(Box::new(syslog)) };
            }
        };
        let kind = if look == Look::default() {
            Kind::Filter(Box::new(crate::filter::Filter::new(times, true)))
        } else {
            Kind::Marked(Box::new(text::Marked::new(times, look)))
        };
        Printer { kind }
    }

    /// Writes whole lines of one log.
    ///
    /// # Errors
    /// The output takes no more.
    pub fn print<F: AsFd>(
        &mut self,
        from: &Origin<'_>,
        lines: &[u8],
        output: &mut Output<F>,
    ) -> Result<(), Errno> {
        let mut last = from.last;
        match &mut self.kind {
            Kind::Filter(filter) => {
                filter.beginning().behind(last);
                output.filter(lines, filter)
            }
            Kind::Raw => output.raw(lines),
            Kind::Marked(marked) => each(lines, output, |line, out| marked.line(from, line, &mut last, out)),
            Kind::Json(json) => each(lines, output, |line, out| json.line(from, line, &mut last, out)),
            Kind::Syslog(syslog) => each(lines, output, |line, out| syslog.line(from, line, &mut last, out)),
        }
    }

    /// Ends a line of which no more comes now.
    ///
    /// # Errors
    /// The output takes no more.
    pub fn end_line<F: AsFd>(&mut self, output: &mut Output<F>) -> Result<(), Errno> {
        match &mut self.kind {
            Kind::Filter(filter) => output.filter(b"\n", filter),
            Kind::Raw => output.raw(b"\n"),
            // These end whatever they are given.
            Kind::Marked(_) | Kind::Json(_) | Kind::Syslog(_) => Ok(()),
        }
    }
}

/// Gives the lines one by one, without their newlines.
fn each<F: AsFd>(
    lines: &[u8],
    output: &mut Output<F>,
    mut line: impl FnMut(&[u8], &mut Vec<u8>),
) -> Result<(), Errno> {
    for range in super::select::lines(lines) {
        let whole = &lines[range];
        line(whole.strip_suffix(b"\n").unwrap_or(whole), output.text()?);
    }
    Ok(())
}
