//! What goes to standard error: alerts (`e`), one write each.

use std::io::Write;

/// An alert shows so much of a line. Source: multilog.8, daemontools 0.76.
const ALERT_BYTES: usize = 200;

/// The alert for a line: 200 bytes of it whole, else its first 200 and `...`; with a newline.
///
/// `for_terminal`: control characters and bytes that are not ASCII text are escaped, so that a log cannot play tricks on
/// who reads it.
pub fn alert(head: &[u8], for_terminal: bool) -> Vec<u8> {
    let shown = &head[..head.len().min(ALERT_BYTES)];
    let mut alert = Vec::with_capacity(ALERT_BYTES + 4);
    if for_terminal {
        for byte in shown {
            // Writing to a Vec cannot fail.
            let _ = match byte {
                b'\t' | b' '..=b'~' => alert.write_all(&[*byte]),
                other => write!(alert, "\\x{other:02x}"),
            };
        }
    } else {
        alert.extend_from_slice(shown);
    }
    if head.len() > ALERT_BYTES {
        alert.extend_from_slice(b"...");
    }
    alert.push(b'\n');
    alert
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_cut_after_200_bytes() {
        let check = |len: usize, wanted: &str| {
            let got = String::from_utf8(alert(&vec![b'x'; len], false)).expect("it is text");
            assert_eq!(got, wanted, "{len}");
        };
        check(0, "\n");
        check(200, &format!("{}\n", "x".repeat(200)));
        check(201, &format!("{}...\n", "x".repeat(200)));
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert_eq!(alert(b"a\x1b[2J\xff", true), b"a\\x1b[2J\\xff\n");
        assert_eq!(alert(b"a\x1b", false), b"a\x1b\n");
    }
}
