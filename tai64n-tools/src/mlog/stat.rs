//! Figures of a log: files, bytes, lines, from when to when, and how many lines an hour.

use super::when;
use crate::escape::{for_json, shown};
use crate::filter::TEXT_BYTES;
use crate::local::LocalTime;
use crate::moment::Stamps;
use crate::zone::Zone;
use logcore::label::Label;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const HOUR: i64 = 3600;

/// A chart is no wider than this, whatever the terminal.
const MOST_COLUMNS: usize = 160;

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Files of the log.
    pub files: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Lines that are wanted.
    pub lines: u64,
    first: Option<Label>,
    last: Option<Label>,
    /// Lines in each hour since 1970 in which there are any.
    hours: BTreeMap<i64, u64>,
}

impl Stat {
    /// Counts lines; one without a stamp shares the moment of the line before. `last`: of the line before them all, wanted or not.
    pub fn count(&mut self, lines: &[u8], mut last: Option<Label>, stamps: &mut Stamps) {
        let hour_of = |moment: Option<Label>| moment.map(|moment| moment.unix_seconds().div_euclid(HOUR));
        let (mut hour, mut count) = (hour_of(last), 0);
        for range in super::select::lines(lines) {
            self.lines += 1;
            last = stamps.read(&lines[range], last).map(|stamp| stamp.moment).or(last);
            self.first = self.first.into_iter().chain(last).min();
            if hour_of(last) != hour {
                self.add(hour, std::mem::take(&mut count));
                hour = hour_of(last);
            }
            count += 1;
        }
        self.last = last.or(self.last);
        self.add(hour, count);
    }

    fn add(&mut self, hour: Option<i64>, count: u64) {
        if let Some(hour) = hour.filter(|_| count > 0) {
            *self.hours.entry(hour).or_default() += count;
        }
    }

    /// Text for people, with a chart of at most `columns` bars.
    pub fn show(&self, path: &Path, service: &str, zone: &Zone, columns: usize) -> String {
        let mut text = format!("{} ({})\n", shown(path.as_os_str().as_bytes()), shown(service));
        let count = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let (files, lines) = (count(self.files, "file"), count(self.lines, "line"));
        text += &format!("  {files}, {}, {lines}\n", size(self.bytes));
        if let (Some(first), Some(last)) = (self.first, self.last) {
            text += &format!("  {} to {}\n", when::show(first, zone), when::show(last, zone));
        }
        let (bars, step) = self.bars(columns.clamp(1, MOST_COLUMNS));
        if let Some(most) = bars.iter().max() {
            // Eighths, and a blank where there is nothing at all.
            let bar = |lines: &u64| match (lines * 8).div_ceil((*most).max(1)) {
                0 => ' ',
                eighths => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][eighths.clamp(1, 8) as usize - 1],
            };
            text += &format!("  {}\n", bars.iter().map(bar).collect::<String>());
            let each = if step == 1 { "an hour".into() } else { format!("{step} hours") };
            text += &format!("  a column is {each}; the highest, {}\n", count(*most, "line"));
        }
        text
    }

    /// Lines in each column, and the hours of a column.
    fn bars(&self, columns: usize) -> (Vec<u64>, i64) {
        let (Some((first, _)), Some((last, _))) = (self.hours.first_key_value(), self.hours.last_key_value())
        else {
            return (Vec::new(), 1);
        };
        let hours = last - first + 1;
        let step = hours.max(1).div_euclid(columns as i64) + i64::from(hours % columns as i64 != 0);
        let mut bars = vec![0; usize::try_from((hours - 1) / step + 1).unwrap_or(columns)];
        for (hour, lines) in &self.hours {
            if let Ok(at) = usize::try_from((hour - first) / step) {
                bars[at] += lines;
            }
        }
        (bars, step)
    }

    /// The same as a JSON object and a newline.
    pub fn json(&self, path: &Path, service: &str, utc: &mut LocalTime) -> Vec<u8> {
        let mut out = b"{\"service\":".to_vec();
        for_json(service.as_bytes(), &mut out);
        out.extend_from_slice(b",\"directory\":");
        if for_json(path.as_os_str().as_encoded_bytes(), &mut out) {
            out.extend_from_slice(b",\"directory_escaped\":true");
        }
        let figures = format!(",\"files\":{},\"bytes\":{},\"lines\":{}", self.files, self.bytes, self.lines);
        out.extend_from_slice(figures.as_bytes());
        let mut time = |moment: Option<Label>, out: &mut Vec<u8>| {
            let mut place = [0; TEXT_BYTES];
            match moment.and_then(|moment| utc.write(moment, &mut place)) {
                Some(len) => drop(for_json(&place[..len], out)),
                None => out.extend_from_slice(b"null"),
            }
        };
        out.extend_from_slice(b",\"first\":");
        time(self.first, &mut out);
        out.extend_from_slice(b",\"last\":");
        time(self.last, &mut out);
        out.extend_from_slice(b",\"hours\":[");
        for (number, (hour, lines)) in self.hours.iter().enumerate() {
            out.extend_from_slice(if number > 0 { b",{\"hour\":" } else { b"{\"hour\":" });
            time(Some(Label::from_unix(hour * HOUR, 0)), &mut out);
            out.extend_from_slice(format!(",\"lines\":{lines}}}").as_bytes());
        }
        out.extend_from_slice(b"]}\n");
        out
    }
}

/// Bytes, in a unit that people read.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::Form;

    fn counted(lines: &[(i64, &str)]) -> Stat {
        let text: String = lines
            .iter()
            .map(|(second, rest)| {
                let label = Label::from_unix(*second, 0).format();
                format!("{} {rest}\n", label.escape_ascii())
            })
            .collect();
        let mut stat = Stat { files: 1, bytes: text.len() as u64, ..Stat::default() };
        stat.count(text.as_bytes(), None, &mut Stamps::new(Zone::UTC));
        stat
    }

    #[test]
    fn lines_are_counted_by_the_hour() {
        let stat = counted(&[(3600, "a"), (3601, "b\n b"), (7199, "c"), (18_000, "d")]);
        assert_eq!((stat.lines, stat.bars(10)), (5, (vec![4, 0, 0, 0, 1], 1)));
        assert_eq!(stat.bars(5), (vec![4, 0, 0, 0, 1], 1));
        assert_eq!(stat.bars(4), (vec![4, 0, 1], 2));
        assert_eq!(stat.bars(1), (vec![5], 5));
        let shown = stat.show(Path::new("main"), "x", &Zone::UTC, 80);
        let wanted = "main (x)\n  1 file, 115 bytes, 5 lines\n  1970-01-01 01:00:00 to 1970-01-01 05:00:00\n  \
                      █   ▂\n  a column is an hour; the highest, 4 lines\n";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn nothing_has_no_chart() {
        assert_eq!(
            Stat::default().show(Path::new("main"), "x", &Zone::UTC, 80),
            "main (x)\n  0 files, 0 bytes, 0 lines\n"
        );
    }

    #[test]
    fn json_has_the_same() {
        let utc = || LocalTime::new(Zone::UTC, Form { rfc3339: true, millis: true });
        let json = |stat: &Stat| {
            String::from_utf8_lossy(&stat.json(Path::new("main"), "x", &mut utc())).into_owned()
        };
        assert_eq!(
            json(&counted(&[(3600, "a")])),
            r#"{"service":"x","directory":"main","files":1,"bytes":28,"lines":1,"first":"1970-01-01T01:00:00.000+00:00","last":"1970-01-01T01:00:00.000+00:00","hours":[{"hour":"1970-01-01T01:00:00.000+00:00","lines":1}]}"#.to_owned() + "\n"
        );
        assert!(json(&Stat::default()).contains(r#""first":null,"last":null,"hours":[]}"#));
    }
}
