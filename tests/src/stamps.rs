//! Stamps, told and removed by their form alone.

/// The form of the stamp before each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// No stamp.
    None,
    /// `t`: `@`, 24 lower-case hexadecimal digits, a space: 26 bytes.
    Tai64n,
    /// `d`: `2024-07-29 10:36:08.811661123 `, 30 bytes.
    Date,
    /// `m`: `2024-07-29 10:36:08.811 `, 24 bytes.
    Milli,
    /// `T`: `1795327880.245411 `; the seconds have ten digits until the year 2286, so 18 bytes.
    Accustamp,
}

impl Stamp {
    /// The stamp that a script asks for: by the first byte of its first action.
    #[must_use]
    pub fn of_script<S: AsRef<str>>(script: &[S]) -> Stamp {
        match script.first().and_then(|action| action.as_ref().bytes().next()) {
            Some(b't') => Stamp::Tai64n,
            Some(b'd') => Stamp::Date,
            Some(b'm') => Stamp::Milli,
            Some(b'T') => Stamp::Accustamp,
            _ => Stamp::None,
        }
    }

    /// One character for each byte: `x` hexadecimal, `9` decimal, others themselves.
    fn form(self) -> &'static [u8] {
        match self {
            Stamp::None => b"",
            Stamp::Tai64n => b"@xxxxxxxxxxxxxxxxxxxxxxxx ",
            Stamp::Date => b"9999-99-99 99:99:99.999999999 ",
            Stamp::Milli => b"9999-99-99 99:99:99.999 ",
            Stamp::Accustamp => b"9999999999.999999 ",
        }
    }

    /// How many bytes it takes, the space included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a length of a form, not of a collection")]
    pub fn len(self) -> usize {
        self.form().len()
    }

    /// The stamp and what follows it, or `None` when the line does not start with such a stamp.
    #[must_use]
    pub fn split(self, line: &[u8]) -> Option<(&[u8], &[u8])> {
        let (stamp, rest) = line.split_at_checked(self.len())?;
        let fits = stamp.iter().zip(self.form()).all(|(&byte, &form)| match form {
            b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            b'9' => byte.is_ascii_digit(),
            _ => byte == form,
        });
        fits.then_some((stamp, rest))
    }

    /// The text with each line's stamp replaced by `<t> `, `<d> ` and so on; a line that has none stays as it is.
    #[must_use]
    pub fn mask(self, text: &[u8]) -> Vec<u8> {
        let mark: &[u8] = match self {
            Stamp::None => return text.to_vec(),
            Stamp::Tai64n => b"<t> ",
            Stamp::Date => b"<d> ",
            Stamp::Milli => b"<m> ",
            Stamp::Accustamp => b"<T> ",
        };
        let mut out = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            match self.split(line) {
                Some((_, rest)) => {
                    out.extend_from_slice(mark);
                    out.extend_from_slice(rest);
                }
                None => out.extend_from_slice(line),
            }
        }
        out
    }

    /// The text without stamps; a line that has none stays as it is.
    #[must_use]
    pub fn strip(self, text: &[u8]) -> Vec<u8> {
        let lines = text.split_inclusive(|&byte| byte == b'\n');
        lines.flat_map(|line| self.split(line).map_or(line, |(_, rest)| rest)).copied().collect()
    }
}

/// The text with every TAI64N label in it, wherever it stands, replaced by `@LABEL`: for messages that name an old log.
#[must_use]
pub fn mask_labels(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'@') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let label =
            rest.get(1..25).is_some_and(|hex| hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        out.extend_from_slice(if label { b"@LABEL" } else { b"@" });
        rest = &rest[if label { 25 } else { 1 }..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_told_by_its_form() {
        let check = |stamp: Stamp, line: &str, want: Option<&str>| {
            let rest = stamp.split(line.as_bytes()).map(|(_, rest)| rest);
            assert_eq!(rest, want.map(str::as_bytes), "{stamp:?} {line}");
        };
        check(Stamp::Tai64n, "@400000006abcdef012345678 x", Some("x"));
        check(Stamp::Tai64n, "@400000006ABCDEF012345678 x", None);
        check(Stamp::Tai64n, "@400000006abcdef012345678", None);
        check(Stamp::Date, "2024-07-29 10:36:08.811661123 ", Some(""));
        check(Stamp::Date, "2024-07-29T10:36:08.811661123 x", None);
        check(Stamp::Milli, "2024-07-29 10:36:08.811 x", Some("x"));
        check(Stamp::Accustamp, "1795327880.245411 x", Some("x"));
        check(Stamp::None, "x", Some("x"));
    }

    #[test]
    fn labels_in_messages_are_masked() {
        let text = b"unable to link to ./d/@400000006abcdef012345678.s, @x, a@";
        assert_eq!(mask_labels(text), b"unable to link to ./d/@LABEL.s, @x, a@");
    }
}
