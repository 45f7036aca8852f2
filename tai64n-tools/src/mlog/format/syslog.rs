//! A line as a syslog message of RFC 5424, behind its length in octets as RFC 6587 asks for on TCP, so that any bytes can be in it.

use super::Origin;
use crate::escape;
use crate::filter::TEXT_BYTES;
use crate::local::LocalTime;
use crate::moment::Stamps;
use logcore::label::Label;

/// Facility daemon, severity informational.
const PRIORITY: usize = 3 * 8 + 6;
/// `2024-07-29T10:36:08.811661`: the RFC has microseconds at most.
const TIME_BYTES: usize = 26;
/// Longest names that the RFC allows.
const HOST_BYTES: usize = 255;
const APP_BYTES: usize = 48;

pub struct Syslog {
    stamps: Stamps,
    utc: LocalTime,
    host: Vec<u8>,
    header: Vec<u8>,
    /// Messages are shown as for a terminal; their text.
    escaped: Option<Vec<u8>>,
}

impl Syslog {
    pub fn new(stamps: Stamps, utc: LocalTime, host: &[u8], escapes: bool) -> Self {
        let escaped = escapes.then(Vec::new);
        Syslog { stamps, utc, host: name(host, HOST_BYTES), header: Vec::new(), escaped }
    }

    pub fn line(&mut self, from: &Origin<'_>, line: &[u8], last: &mut Option<Label>, out: &mut Vec<u8>) {
        let stamp = self.stamps.read(line, *last);
        *last = stamp.map(|stamp| stamp.moment).or(*last);
        let mut place = [0; TEXT_BYTES];
        let time = last.and_then(|moment| self.utc.write(moment, &mut place));

        self.header.clear();
        self.header.extend_from_slice(format!("<{PRIORITY}>1 ").as_bytes());
        match time {
            Some(_) => {
                self.header.extend_from_slice(&place[..TIME_BYTES]);
                self.header.push(b'Z');
            }
            None => self.header.push(b'-'),
        }
        self.header.push(b' ');
        self.header.extend_from_slice(&self.host);
        self.header.push(b' ');
        self.header.extend_from_slice(&name(from.service.as_bytes(), APP_BYTES));
        self.header.extend_from_slice(b" - - - ");

        let mut message = &line[stamp.map_or(0, |stamp| stamp.len.min(line.len()))..];
        if let Some(escaped) = &mut self.escaped {
            escaped.clear();
            escape::for_terminal(message, escaped);
            message = escaped;
        }
        out.extend_from_slice((self.header.len() + message.len()).to_string().as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.header);
        out.extend_from_slice(message);
    }
}

/// A name as the RFC allows it: printable, without blanks, `-` for none.
fn name(bytes: &[u8], most: usize) -> Vec<u8> {
    match &bytes[..bytes.len().min(most)] {
        [] => b"-".to_vec(),
        some => some.iter().map(|byte| if byte.is_ascii_graphic() { *byte } else { b'_' }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Form;
    use crate::zone::Zone;

    #[test]
    fn a_line_is_a_frame() {
        let utc = LocalTime::new(Zone::UTC, Form { rfc3339: true, millis: false });
        let mut syslog = Syslog::new(Stamps::new(Zone::UTC), utc, b"mail.example", false);
        let mut last = None;
        let mut check = |service: &str, line: &[u8], wanted: &str| {
            let from = Origin { service, number: 0, file: "main/current".into(), last };
            let mut out = Vec::new();
            syslog.line(&from, line, &mut last, &mut out);
            assert_eq!(out.escape_ascii().to_string(), wanted);
        };
        check("smtpd", b"first", "38 <30>1 - mail.example smtpd - - - first");
        let time = "2001-07-09T23:09:44.848605Z";
        check(
            "smtpd",
            b"@400000003b4a39c23294b13c a\nb\xff",
            &format!("63 <30>1 {time} mail.example smtpd - - - a\\nb\\xff"),
        );
        check("my log", b"x", &format!("61 <30>1 {time} mail.example my_log - - - x"));
        check("", b"", &format!("55 <30>1 {time} mail.example - - - - "));
    }
}
