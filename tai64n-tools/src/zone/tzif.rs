//! A zone file (TZif, RFC 8536): moments of change, the offset after each, a rule for the time after the last, leap seconds.
//!
//! Read as glibc reads it (`time/tzfile.c`, 2.36). Pure: bytes in, offsets out. A file that contradicts itself is none.

use super::Span;
use super::rule::Rule;

/// Length of a header.
const HEADER: usize = 44;

/// A zone file's content.
#[derive(Clone, Debug, Default)]
pub struct ZoneFile {
    /// Unix seconds, ascending; in files with leap seconds, those are counted.
    changes: Vec<i64>,
    /// Seconds east of UTC after each of `changes`.
    easts: Vec<i64>,
    /// Seconds east of UTC before the first change.
    before: i64,
    /// After the last change; `None`: its offset stays.
    rule: Option<Rule>,
    leaps: Vec<Leap>,
}

/// From `second` on the count is `total` seconds ahead of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leap {
    second: i64,
    total: i64,
}

/// Counts of a header, in its order.
struct Counts {
    version: u8,
    utc_marks: usize,
    standard_marks: usize,
    leaps: usize,
    changes: usize,
    types: usize,
    names: usize,
}

impl Counts {
    /// Bytes that follow the header when a moment takes `wide` bytes. `None`: more than can be.
    fn bytes(&self, wide: usize) -> Option<usize> {
        let leaps = self.leaps.checked_mul(wide + 4)?;
        let changes = self.changes.checked_mul(wide + 1)?;
        let marks = self.utc_marks.checked_add(self.standard_marks)?;
        let types = self.types.checked_mul(6)?.checked_add(self.names)?;
        leaps.checked_add(changes)?.checked_add(marks)?.checked_add(types)
    }
}

impl ZoneFile {
    /// Reads a file's bytes; `None` when they are no zone file, or a broken one.
    pub fn parse(bytes: &[u8]) -> Option<ZoneFile> {
        let mut rest = Bytes(bytes);
        let old = rest.counts()?;
        if old.version == 0 {
            return ZoneFile::body(&mut rest, &old, 4);
        }
        // The first part is for readers of 32 bits.
        rest.take(old.bytes(4)?)?;
        let counts = rest.counts()?;
        let mut zone = ZoneFile::body(&mut rest, &counts, 8)?;
        let footer = rest.0.strip_prefix(b"\n").unwrap_or_default();
        let footer = footer.split(|byte| *byte == b'\n').next().unwrap_or_default();
        zone.rule = Rule::parse(footer);
        Some(zone)
    }

    fn body(rest: &mut Bytes<'_>, counts: &Counts, wide: usize) -> Option<ZoneFile> {
        let changes = rest.take(counts.changes.checked_mul(wide)?)?.chunks_exact(wide).map(integer).collect();
        let indices = rest.take(counts.changes)?;
        let types = rest.take(counts.types.checked_mul(6)?)?;
        rest.take(counts.names)?;
        let leaps = rest.take(counts.leaps.checked_mul(wide + 4)?)?.chunks_exact(wide + 4);
        let leaps = leaps.map(|leap| Leap { second: integer(&leap[..wide]), total: integer(&leap[wide..]) });
        let leaps = leaps.collect();
        rest.take(counts.standard_marks + counts.utc_marks)?;

        let east = |kind: &[u8]| integer(&kind[..4]);
        let of_index = |index: &u8| types.chunks_exact(6).nth(usize::from(*index)).map(east);
        let easts = indices.iter().map(of_index).collect::<Option<_>>()?;
        let mut kinds = types.chunks_exact(6);
        let before = kinds.clone().find(|kind| kind[4] == 0).or_else(|| kinds.next()).map(east)?;
        let zone = ZoneFile { changes, easts, before, rule: None, leaps };
        zone.changes.is_sorted().then_some(zone)
    }

    /// The offset at a moment as this file counts them, and the seconds around it that have the same.
    ///
    /// `second` is within the years that [`Zone`](super::Zone) shows.
    pub fn span(&self, second: i64) -> Span {
        let past = self.changes.partition_point(|change| *change <= second);
        let from = past.checked_sub(1).map_or(i64::MIN, |last| self.changes[last]);
        let until = self.changes.get(past).copied().unwrap_or(i64::MAX);
        let span = match (&self.rule, past) {
            (_, 0) => Span::new(from, until, self.before),
            (Some(rule), _) if past == self.changes.len() => {
                let span = rule.span(second);
                Span { from: span.from.max(from), ..span }
            }
            (_, past) => Span::new(from, until, self.easts[past - 1]),
        };
        self.leap(second, span)
    }

    /// Takes the leap seconds out of a span.
    fn leap(&self, second: i64, span: Span) -> Span {
        let past = self.leaps.partition_point(|leap| leap.second <= second);
        let until = span.until.min(self.leaps.get(past).map_or(i64::MAX, |leap| leap.second));
        let Some(last) = past.checked_sub(1) else { return Span { until, ..span } };
        let Leap { second: added, total } = self.leaps[last];
        let before = last.checked_sub(1).map_or(0, |last| self.leaps[last].total);
        let is_leap = second == added && total > before;
        let (from, until) = if is_leap { (added, added + 1) } else { (span.from.max(added + 1), until) };
        Span { from: from.min(second), until, counted: total, is_leap, ..span }
    }
}

/// What is left of a file.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn counts(&mut self) -> Option<Counts> {
        let header = self.take(HEADER)?;
        let count = |at: usize| usize::try_from(integer(&header[20 + 4 * at..24 + 4 * at])).ok();
        header.starts_with(b"TZif").then_some(Counts {
            version: header[4],
            utc_marks: count(0)?,
            standard_marks: count(1)?,
            leaps: count(2)?,
            changes: count(3)?,
            types: count(4)?,
            names: count(5)?,
        })
    }
}

/// A signed number of four or eight bytes, the highest first.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with changes (second, type), types (seconds east, daylight), leap seconds and a footer.
    fn file(changes: &[(i64, u8)], types: &[(i32, u8)], leaps: &[(i64, i32)], footer: &str) -> Vec<u8> {
        let header = |counts: [u32; 6]| {
            let mut header = b"TZif2".to_vec();
            header.resize(20, 0);
            header.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
            header
        };
        let len = |len: usize| u32::try_from(len).expect("a small table");
        let mut bytes = header([0; 6]);
        bytes.extend(header([0, 0, len(leaps.len()), len(changes.len()), len(types.len()), 4]));
        bytes.extend(changes.iter().flat_map(|(second, _)| second.to_be_bytes()));
        bytes.extend(changes.iter().map(|(_, kind)| kind));
        for (east, daylight) in types {
            bytes.extend(east.to_be_bytes());
            bytes.extend([*daylight, 0]);
        }
        bytes.extend(b"XST\0");
        for (second, total) in leaps {
            bytes.extend(second.to_be_bytes());
            bytes.extend(total.to_be_bytes());
        }
        bytes.extend(format!("\n{footer}\n").bytes());
        bytes
    }

    #[test]
    fn offsets_change_where_the_file_says_and_go_on_by_its_rule() {
        let bytes = file(&[(100, 1), (200, 0)], &[(10, 1), (20, 0)], &[], "XST-1");
        let zone = ZoneFile::parse(&bytes).expect("a good file");
        let check = |second, from, until, east| {
            assert_eq!(zone.span(second), Span::new(from, until, east), "at {second}");
        };
        check(-5, i64::MIN, 100, 20);
        check(99, i64::MIN, 100, 20);
        check(100, 100, 200, 20);
        check(199, 100, 200, 20);
        check(200, 200, i64::MAX, 3600);
    }

    #[test]
    fn without_a_rule_the_last_offset_stays() {
        let zone = ZoneFile::parse(&file(&[(100, 1)], &[(10, 0), (20, 0)], &[], "")).expect("a good file");
        assert_eq!(zone.span(1 << 40), Span::new(100, i64::MAX, 20));
    }

    #[test]
    fn a_leap_second_is_the_sixtieth() {
        let bytes = file(&[], &[(0, 0)], &[(1000, 1), (2001, 2)], "");
        let zone = ZoneFile::parse(&bytes).expect("a good file");
        let check = |second, from, until, counted, is_leap| {
            assert_eq!(zone.span(second), Span { from, until, east: 0, counted, is_leap }, "at {second}");
        };
        check(999, i64::MIN, 1000, 0, false);
        check(1000, 1000, 1001, 1, true);
        check(1001, 1001, 2001, 1, false);
        check(2001, 2001, 2002, 2, true);
        check(9999, 2002, i64::MAX, 2, false);
    }

    #[test]
    fn broken_files_are_none() {
        let good = file(&[(100, 1), (200, 0)], &[(10, 1), (20, 0)], &[(50, 1)], "XST-1");
        assert!(ZoneFile::parse(&good).is_some());
        let footer = "\nXST-1\n".len();
        for len in 0..good.len() - footer {
            assert!(ZoneFile::parse(&good[..len]).is_none(), "cut to {len} bytes");
        }
        assert!(ZoneFile::parse(&file(&[(100, 2)], &[(10, 1), (20, 0)], &[], "")).is_none(), "no such type");
        assert!(ZoneFile::parse(&file(&[(9, 0), (5, 0)], &[(10, 1)], &[], "")).is_none(), "not ascending");
        assert!(ZoneFile::parse(&file(&[], &[], &[], "")).is_none(), "no type at all");
        let mut vast = good.clone();
        vast[20..44].fill(0x7f);
        assert!(ZoneFile::parse(&vast).is_none(), "counts beyond the file");
    }
}
