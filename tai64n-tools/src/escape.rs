//! Bytes of a log, or of a name, as text: for a terminal, which control characters could damage, and for JSON.

use std::fmt::Write;

/// Adds `bytes` with everything a terminal would obey shown as `\x1b`: controls but the tab, DEL, C1, and what is not UTF-8.
pub fn for_terminal(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        let mut from = 0;
        let text = chunk.valid();
        for (at, character) in text.char_indices().filter(|(_, c)| c.is_control() && *c != '\t') {
            out.extend_from_slice(&text.as_bytes()[from..at]);
            from = at + character.len_utf8();
            text.as_bytes()[at..from].iter().for_each(|byte| hex(*byte, out));
        }
        out.extend_from_slice(&text.as_bytes()[from..]);
        chunk.invalid().iter().for_each(|byte| hex(*byte, out));
    }
}

/// Text with names in it that somebody else chose, as [`for_terminal`] has it: one line, and nothing to obey.
pub fn shown(text: impl AsRef<[u8]>) -> String {
    let mut out = Vec::new();
    for_terminal(text.as_ref(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\x");
    out.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
}

/// Adds a JSON string, quotes included. Of bytes that are not UTF-8 each is `\xNN` there, and each backslash of such a
/// string is doubled, so that the bytes can be had back; then the answer is true.
pub fn for_json(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    out.push(b'"');
    let is_escaped = match std::str::from_utf8(bytes) {
        Ok(text) => {
            json_text(text, out);
            false
        }
        Err(_) => {
            let mut text = String::new();
            for chunk in bytes.utf8_chunks() {
                text.push_str(&chunk.valid().replace('\\', "\\\\"));
                for byte in chunk.invalid() {
                    // Writing to a String does not fail.
                    let _ = write!(text, "\\x{byte:02x}");
                }
            }
            json_text(&text, out);
            true
        }
    };
    out.push(b'"');
    is_escaped
}

fn json_text(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    // 0xc2 begins C1, and some harmless characters too.
    while let Some(at) = rest.iter().position(|byte| matches!(byte, ..b' ' | b'"' | b'\\' | 0x7f | 0xc2)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (short, len): (&[u8], usize) = match special {
            [b'"', ..] => (b"\\\"", 1),
            [b'\\', ..] => (b"\\\\", 1),
            [b'\n', ..] => (b"\\n", 1),
            [b'\r', ..] => (b"\\r", 1),
            [b'\t', ..] => (b"\\t", 1),
            // DEL and C1 need no escape in JSON, but a terminal obeys them.
            [0xc2, code @ 0x80..=0x9f, ..] => {
                out.extend_from_slice(format!("\\u00{code:02x}").as_bytes());
                (b"", 2)
            }
            [0xc2, ..] => (b"\xc2", 1),
            [code, ..] => {
                out.extend_from_slice(format!("\\u00{code:02x}").as_bytes());
                (b"", 1)
            }
            [] => (b"", 0),
        };
        out.extend_from_slice(short);
        rest = &special[len..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        let check = |bytes: &[u8], wanted: &str| {
            let mut out = Vec::new();
            for_terminal(bytes, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), wanted, "{}", bytes.escape_ascii());
        };
        check(b"", "");
        check(b"plain\ttext", "plain\ttext");
        check("grün".as_bytes(), "grün");
        check(b"\x1b[31m\x00\r\x7f", "\\x1b[31m\\x00\\x0d\\x7f");
        check("\u{9b}31m".as_bytes(), "\\xc2\\x9b31m");
        check(b"\x9b31m \xff\xc3", "\\x9b31m \\xff\\xc3");
    }

    #[test]
    fn json_is_json_and_bytes_can_be_had_back() {
        let check = |bytes: &[u8], wanted: &str, is_escaped: bool| {
            let mut out = Vec::new();
            assert_eq!(for_json(bytes, &mut out), is_escaped, "{}", bytes.escape_ascii());
            assert_eq!(String::from_utf8_lossy(&out), wanted, "{}", bytes.escape_ascii());
        };
        check(b"", r#""""#, false);
        check(b"a\"b\\c\td\r", r#""a\"b\\c\td\r""#, false);
        check(b"\x00\x1b\x7f", r#""\u0000\u001b\u007f""#, false);
        check("grün \u{9b}".as_bytes(), r#""grün \u009b""#, false);
        check(b"\xff\\x", r#""\\xff\\\\x""#, true);
    }
}
