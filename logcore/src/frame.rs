//! A frame: the next lines of a batch, stamped and selected, as the destinations get them.
//!
//! Bounded, so that memory is: a batch of very short lines takes several frames. Input that needs neither stamps nor
//! selection is not copied: the frame is then a piece of the batch itself. The only state between two frames is the stamp's
//! clock and, inside a line too long for a batch, who wants that line.

use crate::label::Label;
use crate::select::Selector;
use crate::split;
use crate::stamp::{STAMP_BYTES, Stamper};

/// Most bytes of a frame's text when it is copied; one line can go beyond. With an ordinary line it stays within six pages.
const TEXT_BYTES: usize = 24 * 1024 - 512;
/// Lines up to this length are copied in one piece.
const SHORT_LINE: usize = 128;
/// Room for the text of a frame and one long line. A block of this size comes from the system untouched: only what is
/// written over takes memory.
const TEXT_ROOM: usize = 128 * 1024;
/// Most lines of a frame.
const LINES: usize = 2048;

/// What to do with a line whose end has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// Leave it in the input.
    Wait,
    /// It is too long to wait for: decide by its head, and pass on what is there.
    Stream,
    /// Nothing more comes: end it.
    End,
}

/// One line, or one piece of a long line.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Its end in the text of the frame.
    text_end: u32,
    /// Its end in the batch.
    source_end: u32,
}

impl Line {
    /// Both ends are small: see [`BATCH_MOST`].
    fn new(text_end: usize, source_end: usize) -> Self {
        Line { text_end: text_end as u32, source_end: source_end as u32 }
    }

    fn text_end(self) -> usize {
        self.text_end as usize
    }

    fn source_end(self) -> usize {
        self.source_end as usize
    }
}

/// No more of a batch is looked at at a time.
const BATCH_MOST: usize = 1 << 30;

/// Bytes that are copied together, in a buffer that is grown rarely and never emptied.
#[derive(Default)]
struct Text {
    buffer: Vec<u8>,
    len: usize,
}

impl Text {
    fn clear(&mut self) {
        self.len = 0;
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// Makes room for a stamp and `more` bytes.
    #[inline]
    fn reserve(&mut self, more: usize) {
        let needed = self.len + STAMP_BYTES + more;
        if self.buffer.len() < needed {
            self.grow(needed);
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        // What growing leaves behind stays in memory, so the first time is the last for ordinary batches.
        let mut larger = vec![0; needed.max(TEXT_ROOM)];
        larger[..self.len].copy_from_slice(self.bytes());
        self.buffer = larger;
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.buffer[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// A stamp, and the line that stands from `start` to `end` in the batch.
    ///
    /// Copies of constant length need no call: what they copy too much is written over by what comes next.
    #[inline]
    fn push_stamped(&mut self, stamper: &mut Stamper, batch: &[u8], start: usize, end: usize) {
        let line = end - start;
        self.reserve(line + SHORT_LINE);
        let place = &mut self.buffer[self.len..];
        // There is room for a stamp: it was reserved.
        let stamp = place.first_chunk_mut().map_or(0, |place| stamper.stamp(place));
        let place = &mut place[stamp..];
        match (batch[start..].first_chunk::<SHORT_LINE>(), place.first_chunk_mut::<SHORT_LINE>()) {
            (Some(short), Some(place)) if line <= SHORT_LINE => *place = *short,
            _ => place[..line].copy_from_slice(&batch[start..end]),
        }
        self.len += stamp + line;
    }
}

/// Makes frames of batches.
pub struct Framer {
    stamper: Option<Stamper>,
    selector: Selector,
    /// Lines are looked at one by one: they are stamped, selected, or shown by an alert.
    by_line: bool,
    /// A frame is closed when its text has so many bytes; one line can go beyond.
    most: usize,
    /// The text, when it is not a piece of the batch.
    text: Text,
    copied: bool,
    /// Bytes of the batch in the frame.
    taken: usize,
    lines: Vec<Line>,
    /// The first line goes on a line that an earlier frame began: no stamp, no head.
    continues: bool,
    /// For line `l` and group `g`, at `l * groups + g`; empty when every group wants every line.
    wanted: Vec<bool>,
    /// For each group how many lines it wants; not counted when every group wants every line.
    counts: Vec<usize>,
    /// Inside a line that is streamed: who wants it.
    inside: Option<Vec<bool>>,
}

impl Framer {
    /// `heads`: whether some destination asks for the heads of lines. `most`: a frame is closed when its text
    /// has so many bytes, or earlier: the size of the smallest log file, so that few files end within one frame.
    pub fn new(stamper: Option<Stamper>, selector: Selector, heads: bool, most: u64) -> Self {
        let by_line = stamper.is_some() || !selector.wants_all() || heads;
        let counts = vec![0; selector.groups()];
        Framer {
            stamper,
            selector,
            by_line,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            text: Text::default(),
            copied: false,
            taken: 0,
            lines: Vec::with_capacity(if by_line { LINES } else { 1 }),
            continues: false,
            wanted: Vec::new(),
            counts,
            inside: None,
        }
    }

    /// The stamp of lines, if they get one.
    pub(crate) fn stamp(&self) -> Option<crate::stamp::StampKind> {
        self.stamper.as_ref().map(Stamper::kind)
    }

    /// Length of the last stamp, its space included; 0 without stamps.
    pub(crate) fn stamp_bytes(&self) -> usize {
        self.stamper.as_ref().map_or(0, Stamper::stamp_bytes)
    }

    /// Whether the next byte goes on a line that has been begun in the log.
    pub fn is_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// Makes the next frame of `batch` and returns how many of its bytes are in it: 0 when there is no whole line and
    /// `partial` says to wait.
    ///
    /// `now`: when the batch was looked at. `first_seen`: when the first byte of its first line was, if before.
    pub fn fill(&mut self, batch: &[u8], partial: Partial, first_seen: Option<Label>, now: Label) -> usize {
        let batch = &batch[..batch.len().min(BATCH_MOST)];
        self.lines.clear();
        self.continues = self.inside.is_some();
        self.wanted.clear();
        self.text.clear();
        self.counts.fill(0);
        self.copied = self.stamper.is_some();
        self.taken = if self.by_line {
            self.fill_by_line(batch, partial, first_seen, now)
        } else {
            self.fill_at_once(batch, partial)
        };
        self.taken
    }

    fn fill_at_once(&mut self, batch: &[u8], partial: Partial) -> usize {
        let whole = match batch.get(..self.most).map(split::whole_bytes) {
            None | Some(0) => split::whole_bytes(batch),
            Some(whole) => whole,
        };
        let rest = whole < batch.len();
        let taken = match partial {
            Partial::End if rest && whole == 0 => {
                self.end_copied(batch);
                batch.len()
            }
            // A last line without its end is a frame of its own.
            Partial::Wait | Partial::End => whole,
            Partial::Stream => batch.len(),
        };
        let text_end = if self.copied { self.text.len } else { taken };
        if taken > 0 {
            self.lines.push(Line::new(text_end, taken));
            let ended = self.copied || batch[..taken].ends_with(b"\n");
            self.inside = (!ended).then(Vec::new);
        }
        taken
    }

    fn fill_by_line(
        &mut self,
        batch: &[u8],
        partial: Partial,
        first_seen: Option<Label>,
        now: Label,
    ) -> usize {
        let mut taken = 0;
        if self.inside.is_some() {
            let end = memchr::memchr(b'\n', batch).map(|at| at + 1);
            taken = end.unwrap_or(batch.len());
            self.go_on(&batch[..taken], end.is_some() || partial == Partial::End);
            if end.is_none() {
                return taken;
            }
        }
        if let Some(stamper) = &mut self.stamper {
            stamper.at(first_seen.unwrap_or(now));
        }
        let mut first = first_seen.is_some();
        let rest = &batch[taken..];
        let mut lines = split::lines(rest);
        let most = self.most.min(TEXT_BYTES);
        while self.lines.len() < LINES && self.text.len < most {
            let start = taken + lines.offset();
            if lines.next().is_none() {
                break;
            }
            self.add(batch, start, taken + lines.offset());
            if first {
                first = false;
                self.set_clock(now);
            }
        }
        let offset = lines.offset();
        let last = lines.partial();
        if self.lines.is_empty() && !last.is_empty() && partial != Partial::Wait {
            if partial == Partial::End && !self.copied {
                self.text.push(&batch[..taken + offset]);
                self.copied = true;
            }
            self.add(batch, batch.len() - last.len(), batch.len());
            if partial == Partial::End {
                self.text.push(b"\n");
                self.lines.pop();
                self.lines.push(Line::new(self.text.len, batch.len()));
            } else {
                let last = self.lines.len() - 1;
                self.inside = Some((0..self.counts.len()).map(|group| self.wants(last, group)).collect());
            }
            self.set_clock(now);
            return batch.len();
        }
        taken + offset
    }

    fn set_clock(&mut self, now: Label) {
        if let Some(stamper) = &mut self.stamper {
            stamper.at(now);
        }
    }

    /// A piece of the line that is streamed.
    fn go_on(&mut self, piece: &[u8], ended: bool) {
        let wanted = self.inside.take().unwrap_or_default();
        if self.copied || (ended && !piece.ends_with(b"\n")) {
            self.copied = true;
            self.text.push(piece);
            if ended && !piece.ends_with(b"\n") {
                self.text.push(b"\n");
            }
        }
        let text_end = if self.copied { self.text.len } else { piece.len() };
        self.lines.push(Line::new(text_end, piece.len()));
        if !self.selector.wants_all() {
            self.wanted.extend_from_slice(&wanted);
            count(&mut self.counts, &wanted);
        }
        if !ended {
            self.inside = Some(wanted);
        }
    }

    /// A line, or the beginning of one, that stands from `start` to `end` in the batch.
    #[inline(always)]
    fn add(&mut self, batch: &[u8], start: usize, end: usize) {
        let text_start = self.text.len;
        let (text_end, seen) = if let Some(stamper) = &mut self.stamper {
            self.text.push_stamped(stamper, batch, start, end);
            (self.text.len, &self.text.bytes()[text_start..])
        } else if self.copied {
            self.text.push(&batch[start..end]);
            (self.text.len, &batch[start..end])
        } else {
            (end, &batch[start..end])
        };
        self.lines.push(Line::new(text_end, end));
        if !self.selector.wants_all() {
            let first = self.wanted.len();
            self.wanted.resize(first + self.counts.len(), true);
            let wanted = &mut self.wanted[first..];
            self.selector.select(split::head(seen), wanted);
            count(&mut self.counts, wanted);
        }
    }

    fn end_copied(&mut self, last: &[u8]) {
        self.copied = true;
        self.text.push(last);
        self.text.push(b"\n");
    }

    /// The whole text of the frame.
    fn text<'a>(&'a self, batch: &'a [u8]) -> &'a [u8] {
        if self.copied { self.text.bytes() } else { &batch[..self.taken] }
    }

    /// The lines with their text.
    fn pieces<'a>(&'a self, batch: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8])> {
        let text = self.text(batch);
        let mut start = 0;
        self.lines.iter().enumerate().map(move |(index, line)| {
            let piece = &text[start..line.text_end()];
            start = line.text_end();
            (index, piece)
        })
    }

    /// Whether `group` wants line number `line` of the frame.
    pub(crate) fn wants(&self, line: usize, group: usize) -> bool {
        self.wanted.get(line * self.counts.len() + group).is_none_or(|wanted| *wanted)
    }

    fn any_wants(&self, line: usize, groups: &[usize]) -> bool {
        groups.iter().any(|group| self.wants(line, *group))
    }

    /// The text that any of these groups wants; gathered in `scratch` where it is not in one piece.
    pub fn wanted<'a>(&'a self, batch: &'a [u8], groups: &[usize], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match groups.iter().map(|group| self.counts[*group]).max() {
            _ if self.selector.wants_all() => self.text(batch),
            None | Some(0) => b"",
            Some(count) if count == self.lines.len() => self.text(batch),
            _ => {
                scratch.clear();
                for (index, piece) in self.pieces(batch) {
                    if self.any_wants(index, groups) {
                        scratch.extend_from_slice(piece);
                    }
                }
                scratch
            }
        }
    }

    /// What alerts and status files see of each line: no `\n`, 1000 bytes at most; with its number in the frame.
    pub(crate) fn heads<'a>(&'a self, batch: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8])> {
        self.pieces(batch)
            .filter(|(index, _)| !(self.continues && *index == 0))
            .map(|(index, piece)| (index, split::head(piece)))
    }

    /// The lines that `group` wants, as they are in the batch, unstamped.
    pub(crate) fn sources<'a, 'b>(
        &'a self,
        batch: &'b [u8],
        group: usize,
    ) -> impl Iterator<Item = &'b [u8]> + use<'a, 'b> {
        let mut start = 0;
        let piece = move |(index, line): (usize, &Line)| {
            let piece = &batch[start..line.source_end()];
            start = line.source_end();
            (index, piece)
        };
        // Without a look at single lines the frame is one piece of many lines.
        self.lines
            .iter()
            .enumerate()
            .map(piece)
            .filter(move |(index, _)| self.wants(*index, group))
            .flat_map(|(_, piece)| piece.split_inclusive(|byte| *byte == b'\n'))
    }

    /// When these groups got only the first `written` bytes of what they want together: how many bytes of the batch they need no
    /// more, and how many bytes behind them they got in vain, being the beginning of a line.
    pub(crate) fn settled(&self, batch: &[u8], groups: &[usize], written: usize) -> (usize, usize) {
        let (mut source, mut left) = (0, written);
        for (index, piece) in self.pieces(batch) {
            if self.any_wants(index, groups) {
                if left < piece.len() {
                    // Text that stands in the batch as it is can be settled in part: by lines, and what an earlier frame has
                    // begun, by bytes.
                    let continued = self.continues && index == 0;
                    let part = match split::whole_bytes(&piece[..left]) {
                        0 if continued => left,
                        whole if !self.by_line => whole,
                        _ => 0,
                    };
                    return (source + part, left - part);
                }
                left -= piece.len();
            }
            source = self.lines[index].source_end();
        }
        (source, 0)
    }

    /// Only the first `source` bytes of the frame are done with: the next one begins behind them, be it inside a line.
    pub(crate) fn go_back(&mut self, batch: &[u8], source: usize) {
        let Some(index) = self.lines.iter().position(|line| source < line.source_end()) else { return };
        let inside = if source == 0 { self.continues } else { batch[source - 1] != b'\n' };
        self.inside = inside.then(|| (0..self.counts.len()).map(|group| self.wants(index, group)).collect());
    }

    /// So many bytes of what these groups want stand for the first `source` bytes of the batch; and whether they end in the
    /// middle of a line.
    pub(crate) fn wanted_of(&self, batch: &[u8], groups: &[usize], source: usize) -> (usize, bool) {
        let (mut wanted, mut start) = (0, 0);
        let mut in_line = self.continues && !self.lines.is_empty() && self.any_wants(0, groups);
        for (index, piece) in self.pieces(batch) {
            if start >= source {
                break;
            }
            let end = self.lines[index].source_end();
            if self.any_wants(index, groups) {
                let bare = self.continues && index == 0;
                let part = if bare { source - start } else { source - start + self.stamp_bytes() };
                let part = if end <= source { piece.len() } else { part.min(piece.len()) };
                in_line = !piece[..part].ends_with(b"\n");
                wanted += part;
            }
            start = end;
        }
        (wanted, in_line)
    }
}

fn count(counts: &mut [usize], wanted: &[bool]) {
    for (count, wanted) in counts.iter_mut().zip(wanted) {
        *count += usize::from(*wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;
    use crate::select::{Rule, Sign};
    use crate::stamp::{StampKind, Zone};

    fn framer(stamp: Option<StampKind>, deselect: Option<&str>) -> Framer {
        let rules: Vec<Rule> = deselect
            .map(|text| Rule { sign: Sign::Minus, pattern: Pattern::star(text.as_bytes()) })
            .into_iter()
            .collect();
        let groups = if rules.is_empty() { vec![0] } else { vec![0, 1] };
        Framer::new(
            stamp.map(|kind| Stamper::new(kind, Zone::Fixed(0))),
            Selector::new(&rules, &groups),
            false,
            u64::MAX,
        )
    }

    fn now() -> Label {
        Label::from_unix(7, 0)
    }

    /// Feeds the batches and returns what each group gets.
    fn road(framer: &mut Framer, batches: &[(&str, Partial)]) -> Vec<String> {
        let mut got = vec![String::new(); framer.counts.len()];
        for (batch, partial) in batches {
            let mut rest = batch.as_bytes();
            loop {
                let taken = framer.fill(rest, *partial, None, now());
                for (group, got) in got.iter_mut().enumerate() {
                    let mut scratch = Vec::new();
                    got.push_str(&String::from_utf8_lossy(framer.wanted(rest, &[group], &mut scratch)));
                }
                rest = &rest[taken..];
                if taken == 0 || rest.is_empty() {
                    break;
                }
            }
        }
        got
    }

    #[test]
    fn lines_reach_the_groups_that_want_them() {
        use Partial::{End, Stream, Wait};
        let check = |deselect: Option<&str>, batches: &[(&str, Partial)], wanted: &[&str]| {
            assert_eq!(road(&mut framer(None, deselect), batches), wanted, "{deselect:?} {batches:?}");
        };
        check(None, &[("a\nb\nc", Wait)], &["a\nb\n"]);
        check(None, &[("a\nb\nc", End)], &["a\nb\nc\n"]);
        check(None, &[("aaa", Stream), ("bb", Stream), ("b\nc\n", Wait)], &["aaabbb\nc\n"]);
        check(None, &[("aaa", Stream), ("b", End)], &["aaab\n"]);
        check(Some("b*"), &[("a\nb\nc", Wait)], &["a\nb\n", "a\n"]);
        check(Some("b*"), &[("a\nb\nc", End)], &["a\nb\nc\n", "a\nc\n"]);
        check(Some("b*"), &[("bb", Stream), ("b\nc\n", Wait)], &["bbb\nc\n", "c\n"]);
        check(Some("b*"), &[("bb", Stream), ("b", End)], &["bbb\n", ""]);
        check(Some("b*"), &[("aa", Stream), ("b\nb\n", Wait)], &["aab\nb\n", "aab\n"]);
    }

    #[test]
    fn stamps_go_before_lines_and_not_into_them() {
        let got = road(
            &mut framer(Some(StampKind::Accustamp), Some("* b*")),
            &[("a\nb\n\n", Partial::Wait), ("cc", Partial::Stream), ("c\n", Partial::Wait)],
        );
        let all = "7.000000 a\n7.000000 b\n7.000000 \n7.000000 ccc\n";
        assert_eq!(got, [all, "7.000000 a\n7.000000 \n7.000000 ccc\n"]);
    }

    #[test]
    fn a_line_keeps_the_moment_its_first_byte_was_seen() {
        let mut framer = framer(Some(StampKind::Accustamp), None);
        let batch = b"a\nb\n";
        framer.fill(batch, Partial::Wait, Some(Label::from_unix(5, 0)), now());
        assert_eq!(framer.wanted(batch, &[0], &mut Vec::new()), b"5.000000 a\n7.000000 b\n");
    }

    #[test]
    fn a_frame_is_bounded() {
        let batch = "\n".repeat(32 * 1024);
        let mut framer = framer(Some(StampKind::Tai64n), None);
        let got = road(&mut framer, &[(&batch, Partial::Wait)]);
        assert_eq!(got[0].len(), 27 * batch.len());
        assert_eq!(framer.text.buffer.len(), TEXT_ROOM);
        assert!(framer.lines.capacity() <= LINES);
    }

    #[test]
    fn what_was_written_in_part_is_settled_by_lines() {
        let check = |stamp, deselect: Option<&str>, written: usize, wanted: (usize, usize)| {
            let mut framer = framer(stamp, deselect);
            let batch = b"a\nb\ncc\nd";
            framer.fill(batch, Partial::Wait, None, now());
            let group = framer.counts.len() - 1;
            assert_eq!(framer.settled(batch, &[group], written), wanted, "{deselect:?} {written}");
        };
        check(None, None, 0, (0, 0));
        check(None, None, 3, (2, 1));
        check(None, None, 7, (7, 0));
        // "b" is not wanted: it is settled with what stands before it.
        check(None, Some("b"), 1, (0, 1));
        check(None, Some("b"), 2, (4, 0));
        check(None, Some("b"), 4, (4, 2));
        check(Some(StampKind::Accustamp), None, 12, (2, 1));
    }

    #[test]
    fn what_is_not_done_with_is_framed_again_as_it_was() {
        let check = |stamp, deselect: Option<&str>, source: usize, wanted: &str| {
            let mut framer = framer(stamp, deselect);
            framer.fill(b"aaa", Partial::Stream, None, now());
            let batch = b"aa\nbb\ncc\n";
            let taken = framer.fill(batch, Partial::Wait, None, now());
            assert_eq!(taken, batch.len());
            framer.go_back(batch, source);
            let got = road(&mut framer, &[(&String::from_utf8_lossy(&batch[source..]), Partial::Wait)]);
            assert_eq!(got.last().map(String::as_str), Some(wanted), "{stamp:?} {deselect:?} {source}");
        };
        let t = Some(StampKind::Accustamp);
        check(None, None, 0, "aa\nbb\ncc\n");
        check(None, None, 4, "b\ncc\n");
        check(t, None, 0, "aa\n7.000000 bb\n7.000000 cc\n");
        check(t, None, 1, "a\n7.000000 bb\n7.000000 cc\n");
        check(t, None, 3, "7.000000 bb\n7.000000 cc\n");
        check(t, None, 5, "\n7.000000 cc\n");
        check(t, None, 6, "7.000000 cc\n");
        check(t, None, 9, "");
        // Who wants the line is known from its head.
        check(t, Some("*bb"), 4, "7.000000 cc\n");
        check(t, Some("*aaa"), 1, "7.000000 bb\n7.000000 cc\n");
        check(None, Some("b"), 4, "b\ncc\n");
    }

    #[test]
    fn behind_a_line_that_was_begun_before_it_is_settled_by_lines() {
        let check = |deselect: Option<&str>, written: usize, wanted: (usize, usize)| {
            let mut framer = framer(None, deselect);
            framer.fill(b"aaa", Partial::Stream, None, now());
            let batch = b"aaa\nbb\ncc\n";
            framer.fill(batch, Partial::Wait, None, now());
            assert_eq!(framer.settled(batch, &[0], written), wanted, "{deselect:?} {written}");
        };
        for deselect in [None, Some("x")] {
            check(deselect, 0, (0, 0));
            check(deselect, 2, (2, 0));
            check(deselect, 4, (4, 0));
            check(deselect, 6, (4, 2));
            check(deselect, 10, (10, 0));
        }
    }
}
