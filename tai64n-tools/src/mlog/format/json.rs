//! A line as a JSON object: `time` in UTC and `label`, both null without a stamp, `service`, `file`, `message`; and `file_escaped` or
//! `escaped`, true, where the file's name or the message is not UTF-8.

use super::Origin;
use crate::escape::for_json;
use crate::filter::TEXT_BYTES;
use crate::local::LocalTime;
use crate::moment::Stamps;
use logcore::label::Label;

pub struct Json {
    stamps: Stamps,
    utc: LocalTime,
}

impl Json {
    pub fn new(stamps: Stamps, utc: LocalTime) -> Self {
        Json { stamps, utc }
    }

    pub fn line(&mut self, from: &Origin<'_>, line: &[u8], last: &mut Option<Label>, out: &mut Vec<u8>) {
        let stamp = self.stamps.read(line, *last);
        *last = stamp.map(|stamp| stamp.moment).or(*last);
        let mut place = [0; TEXT_BYTES];
        let time = stamp.and_then(|stamp| self.utc.write(stamp.moment, &mut place));
        out.extend_from_slice(b"{\"time\":");
        string_or_null(time.map(|len| &place[..len]), out);
        out.extend_from_slice(b",\"label\":");
        string_or_null(stamp.map(|stamp| stamp.moment.format()).as_ref().map(|label| &label[..]), out);
        out.extend_from_slice(b",\"service\":");
        for_json(from.service.as_bytes(), out);
        out.extend_from_slice(b",\"file\":");
        if for_json(from.file.as_os_str().as_encoded_bytes(), out) {
            out.extend_from_slice(b",\"file_escaped\":true");
        }
        out.extend_from_slice(b",\"message\":");
        let message = stamp.map_or(0, |stamp| stamp.len.min(line.len()));
        if for_json(&line[message..], out) {
            out.extend_from_slice(b",\"escaped\":true");
        }
        out.extend_from_slice(b"}\n");
    }
}

fn string_or_null(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        Some(text) => drop(for_json(text, out)),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Form;
    use crate::zone::Zone;

    #[test]
    fn a_line_is_an_object() {
        let utc = LocalTime::new(Zone::UTC, Form { rfc3339: true, millis: false });
        let mut json = Json::new(Stamps::new(Zone::UTC), utc);
        let mut check = |line: &[u8], wanted: &str| {
            let from = Origin { service: "smtpd", number: 0, file: "main/current".into(), last: None };
            let mut out = Vec::new();
            json.line(&from, line, &mut None, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), wanted.to_owned() + "\n");
        };
        check(
            b"@400000003b4a39c23294b13c tcp: \"x\"",
            r#"{"time":"2001-07-09T23:09:44.848605500+00:00","label":"@400000003b4a39c23294b13c","service":"smtpd","file":"main/current","message":"tcp: \"x\""}"#,
        );
        check(
            b"no stamp \xff",
            r#"{"time":null,"label":null,"service":"smtpd","file":"main/current","message":"no stamp \\xff","escaped":true}"#,
        );
    }
}
