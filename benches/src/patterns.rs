//! Scripts of many patterns, as people write them to keep noise out of a mail log.

use crate::corpora::HOSTS;

/// How much of the qmail corpus the patterns match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matches {
    /// About one line in a hundred, however many patterns: a list of exceptions, most of them for another day.
    Rarely,
    /// Most lines: a log thinned out by kind of line.
    Often,
}

/// `n` script arguments with one star pattern each, for lines that begin with a `t` stamp.
///
/// The stamp belongs to the line that is matched, so each pattern begins with a star that runs over it to the blank.
pub fn patterns(n: usize, matches: Matches) -> Vec<String> {
    let behind_stamp = |action: String| format!("{}* {}", &action[..1], &action[1..]);
    unstamped(n, matches).into_iter().map(behind_stamp).collect()
}

/// The same patterns for lines without a stamp.
pub fn unstamped(n: usize, matches: Matches) -> Vec<String> {
    match matches {
        Matches::Rarely => (0..n as u64).map(exception).collect(),
        Matches::Often => (0..n as u64).map(kind).collect(),
    }
}

/// One host or one odd event; every fifth takes back what an earlier one dropped.
fn exception(i: u64) -> String {
    let host = i * 37 % HOSTS;
    match i % 5 {
        0 => format!("-tcpserver: ok * mx.example.org:192.0.2.1:25 host{host}.example.net:*"),
        1 => format!("-info msg *: bytes * from <billing{}@host*", i % 100),
        2 => format!("-starting delivery *: msg * to remote *@host{host}.example.com"),
        3 => format!("-delivery *: success: 203.0.113.{}_accepted_message.*", i % 254),
        _ => format!("+info msg *: bytes {i}* from <postmaster{}@*", i % 100),
    }
}

/// One kind of line, then the exceptions to it.
fn kind(i: u64) -> String {
    match i {
        0 => "-status: *".into(),
        1 => "-tcpserver: *".into(),
        2 => "+tcpserver: end * status 256".into(),
        3 => "-new msg *".into(),
        4 => "-end msg *".into(),
        5 => "-delivery * success: *".into(),
        6 => "+delivery * failure: *".into(),
        7 => "-starting delivery * to local *".into(),
        8 => "-info msg * from <*@*> *".into(),
        _ => exception(i),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpora;
    use logcore::naive::star_matches;

    fn matching(actions: &[String], stamp: &str) -> f64 {
        let log = corpora::qmail(1 << 20);
        let lines: Vec<Vec<u8>> = log
            .trim_ascii_end()
            .split(|&byte| byte == b'\n')
            .map(|line| [stamp.as_bytes(), line].concat())
            .collect();
        let any = |line: &&Vec<u8>| actions.iter().any(|action| star_matches(&action.as_bytes()[1..], line));
        lines.iter().filter(any).count() as f64 / lines.len() as f64
    }

    #[test]
    fn as_many_as_asked_for() {
        for n in [0, 1, 10, 100] {
            assert_eq!(patterns(n, Matches::Rarely).len(), n);
            assert_eq!(patterns(n, Matches::Often).len(), n);
        }
    }

    #[test]
    fn rarely_is_rare_and_often_is_often() {
        for n in [1, 10, 100] {
            let rare = matching(&unstamped(n, Matches::Rarely), "");
            assert!(rare > 0.0 && rare < 0.02, "{n} patterns match {rare} of the lines");
        }
        let often = matching(&unstamped(10, Matches::Often), "");
        assert!(often > 0.5, "10 patterns match only {often} of the lines");
    }

    #[test]
    fn a_stamp_changes_nothing() {
        let stamp = "@400000006b03212a24c190df ";
        for kind in [Matches::Rarely, Matches::Often] {
            assert_eq!(matching(&patterns(100, kind), stamp), matching(&unstamped(100, kind), ""));
        }
    }
}
