//! The log lines: what a mail server writes, and lines of one length.
//!
//! Every corpus ends with a newline, and a shorter one is the beginning of a longer one.

use std::collections::VecDeque;
use std::fmt;

use crate::random::Random;

/// What qmail-send, qmail-smtpd and tcpserver write on a busy day: about 64 bytes a line, newline included.
///
/// At most `bytes` bytes, cut after the last line that fits. Connections, messages and deliveries overlap as they do on
/// a real server, so neighbouring lines differ in kind and length; names and addresses are those kept for examples.
pub fn qmail(bytes: usize) -> Vec<u8> {
    let mut server = MailServer::new(bytes);
    while server.log.len() < bytes {
        server.step();
    }
    let mut log = server.log.into_bytes();
    log.truncate(bytes);
    let whole = log.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    log.truncate(whole);
    log
}

/// Lines of words, each exactly `line_len` bytes with its newline; as many as fit in `bytes`.
///
/// No lines where `line_len` is 0.
pub fn lines(bytes: usize, line_len: usize) -> Vec<u8> {
    let mut random = Random::new(line_len as u64);
    let count = bytes.checked_div(line_len).unwrap_or(0);
    let mut log = Vec::with_capacity(count * line_len);
    for _ in 0..count {
        for _ in 1..line_len {
            // A blank every six bytes or so makes it look like words to whoever splits or searches.
            let letter = random.below(32);
            log.push(if letter < 26 { b'a' + letter as u8 } else { b' ' });
        }
        log.push(b'\n');
    }
    log
}

/// Hosts that send and receive; [`crate::patterns`] names some of them.
pub(crate) const HOSTS: u64 = 1000;

const USERS: &[&str] =
    &["ann", "bob", "carol", "dave", "erin", "frank", "postmaster", "billing", "list-owner"];
const REFUSALS: &[&str] = &[
    "failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/",
    "failure: 198.51.100.7_does_not_like_recipient./Remote_host_said:_550_no_such_user/Giving_up_on_198.51.100.7./",
    "deferral: CNAME_lookup_failed_temporarily._(#4.4.3)/",
    "deferral: Sorry,_I_wasn't_able_to_establish_an_SMTP_connection._(#4.4.1)/",
];

/// A server in the middle of its work: who is connected, and what is being delivered.
struct MailServer {
    random: Random,
    log: String,
    pid: u64,
    delivery: u64,
    connected: VecDeque<u64>,
    under_way: VecDeque<Delivery>,
}

struct Delivery {
    number: u64,
    msg: u64,
    remote: bool,
    /// The message ends with this delivery.
    last: bool,
}

impl MailServer {
    fn new(bytes: usize) -> MailServer {
        MailServer {
            random: Random::new(0x716d_6c6f),
            log: String::with_capacity(bytes + 4096),
            pid: 1200,
            delivery: 0,
            connected: VecDeque::new(),
            under_way: VecDeque::new(),
        }
    }

    fn line(&mut self, words: fmt::Arguments<'_>) {
        self.log.push_str(&words.to_string());
        self.log.push('\n');
    }

    /// One thing happens: a client connects, a client leaves its mail, or a delivery ends.
    fn step(&mut self) {
        match self.random.below(3) {
            0 if self.connected.len() < 40 => self.connect(),
            1 if !self.connected.is_empty() => self.hang_up(),
            _ => self.deliver(),
        }
    }

    fn connect(&mut self) {
        self.pid = 1000 + (self.pid - 1000 + 1 + self.random.below(3)) % 31000;
        let (pid, host, port) = (self.pid, self.random.below(HOSTS), 1024 + self.random.below(60000));
        let address = self.address();
        self.connected.push_back(pid);
        self.tcpserver_status();
        self.line(format_args!("tcpserver: pid {pid} from {address}"));
        let name = format!("host{host}.example.net");
        self.line(format_args!("tcpserver: ok {pid} mx.example.org:192.0.2.1:25 {name}:{address}::{port}"));
    }

    fn hang_up(&mut self) {
        let Some(pid) = self.connected.pop_front() else { return };
        let spoiled = self.random.below(50) == 0;
        if !spoiled && self.under_way.len() < 25 {
            self.accept();
        }
        self.line(format_args!("tcpserver: end {pid} status {}", if spoiled { 256 } else { 0 }));
        self.tcpserver_status();
    }

    fn accept(&mut self) {
        let msg = 100_000 + self.random.below(900_000);
        let (size, qp) = (400 + self.random.below(40_000), 1000 + self.random.below(31_000));
        let from = self.mailbox();
        let recipients: Vec<String> = (0..=self.random.below(5)).map(|_| self.mailbox()).collect();
        for to in &recipients {
            let (host, address) = (self.random.below(HOSTS), self.address());
            let client = format!("host{host}.example.net:unknown:{address}");
            let verdict = "found existing recipient";
            self.line(format_args!(
                "CHKUSER accepted rcpt: from <{from}::> remote <{client}> rcpt <{to}> : {verdict}"
            ));
        }
        self.line(format_args!("new msg {msg}"));
        self.line(format_args!("info msg {msg}: bytes {size} from <{from}> qp {qp} uid 89"));
        for (to, left) in recipients.iter().zip((0..recipients.len()).rev()) {
            self.delivery += 1;
            let number = self.delivery;
            let remote = self.random.below(3) != 0;
            self.under_way.push_back(Delivery { number, msg, remote, last: left == 0 });
            let road = if remote { "remote" } else { "local" };
            self.line(format_args!("starting delivery {number}: msg {msg} to {road} {to}"));
            self.status();
        }
    }

    fn deliver(&mut self) {
        let Some(Delivery { number, msg, remote, last }) = self.under_way.pop_front() else {
            return self.connect();
        };
        if self.random.below(20) == 0 {
            let refusal = self.random.pick(REFUSALS);
            self.line(format_args!("delivery {number}: {refusal}"));
        } else if remote {
            let (address, queued) = (self.address(), self.random.below(1 << 40));
            let said = format!("Remote_host_said:_250_2.0.0_Ok:_queued_as_{queued:010X}/");
            self.line(format_args!("delivery {number}: success: {address}_accepted_message./{said}"));
        } else {
            self.line(format_args!("delivery {number}: success: did_1+0+0/"));
        }
        self.status();
        if last {
            self.line(format_args!("end msg {msg}"));
        }
    }

    fn status(&mut self) {
        let remote = self.under_way.iter().filter(|delivery| delivery.remote).count();
        let local = self.under_way.len() - remote;
        self.line(format_args!("status: local {local}/20 remote {remote}/40"));
    }

    fn tcpserver_status(&mut self) {
        let busy = self.connected.len();
        self.line(format_args!("tcpserver: status: {busy}/40"));
    }

    fn mailbox(&mut self) -> String {
        let (user, tag, host) = (self.random.pick(USERS), self.random.below(100), self.random.below(HOSTS));
        // Every other address is a bounce handler of a mailing list, as long as those are.
        if self.random.below(2) == 0 {
            let (who, list) = (self.random.pick(USERS), self.random.below(HOSTS));
            return format!("{user}-return-{tag}-{who}=host{list}.example.org@lists{host}.example.com");
        }
        format!("{user}{tag}@host{host}.example.com")
    }

    fn address(&mut self) -> String {
        let net = self.random.pick(&["192.0.2", "198.51.100", "203.0.113"]);
        format!("{net}.{}", 1 + self.random.below(254))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qmail_lines_are_64_bytes_long_on_average() {
        let log = qmail(4 << 20);
        let count = log.split_inclusive(|&byte| byte == b'\n').count();
        let average = log.len() as f64 / count as f64;
        assert!((60.0..=68.0).contains(&average), "{average} bytes a line");
    }

    #[test]
    fn qmail_holds_every_kind_of_line() {
        let log = String::from_utf8(qmail(1 << 20)).expect("the corpus is ASCII");
        for start in [
            "new msg ",
            "info msg ",
            "starting delivery ",
            "status: local ",
            "delivery ",
            "end msg ",
            "tcpserver: pid ",
            "tcpserver: ok ",
            "tcpserver: end ",
            "tcpserver: status: ",
        ] {
            assert!(log.lines().any(|line| line.starts_with(start)), "no line starts with {start:?}");
        }
    }

    #[test]
    fn qmail_is_whole_lines_and_a_prefix_of_itself() {
        let long = qmail(100_000);
        for bytes in [0, 1, 63, 64, 4096, 99_999] {
            let short = qmail(bytes);
            assert!(short.len() <= bytes);
            assert!(short.is_empty() || short.ends_with(b"\n"));
            assert!(long.starts_with(&short), "{bytes} bytes are not how 100000 begin");
        }
        assert!(long.len() > 100_000 - 300, "only {} bytes", long.len());
    }

    #[test]
    fn lines_have_the_length_asked_for() {
        for len in [1, 2, 20, 200, 2000] {
            let log = lines(10_000, len);
            assert_eq!(log.len(), 10_000 / len * len);
            assert!(log.split_inclusive(|&byte| byte == b'\n').all(|line| line.len() == len), "length {len}");
        }
        assert_eq!(lines(10_000, 0), b"");
        assert_eq!(lines(19, 20), b"");
    }
}
