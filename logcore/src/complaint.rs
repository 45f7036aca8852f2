//! When to say that something does not work: at each change, then once a minute while it lasts.

use std::time::Duration;

const AGAIN: Duration = Duration::from_secs(60);

/// What was last complained of.
#[derive(Debug, Default)]
pub struct Complaint {
    said: Option<(String, Duration)>,
    since: Option<Duration>,
}

impl Complaint {
    /// Whether `message` is to be said now: it is new, or was last said a minute ago. `uptime`: see
    /// [`Disk::uptime`](crate::disk::Disk::uptime).
    pub fn is_news(&mut self, message: &str, uptime: Duration) -> bool {
        self.since.get_or_insert(uptime);
        match &self.said {
            Some((said, at)) if said == message && uptime.saturating_sub(*at) < AGAIN => false,
            _ => {
                self.said = Some((message.to_owned(), uptime));
                true
            }
        }
    }

    /// Says `message` if that is [news](Self::is_news).
    pub fn tell(&mut self, message: String, uptime: Duration, say: &mut dyn FnMut(String)) {
        if self.is_news(&message, uptime) {
            say(message);
        }
    }

    /// It works again: for how long it did not, if it was complained of.
    pub fn settled(&mut self, uptime: Duration) -> Option<Duration> {
        self.said = None;
        self.since.take().map(|since| uptime.saturating_sub(since))
    }
}

/// How long it did not work, as people read it: `2.7 s`.
pub fn shown(lasted: Duration) -> String {
    format!("{}.{} s", lasted.as_secs(), lasted.subsec_millis() / 100)
}

/// Pauses between tries: each twice as long as the last, from `least` to `most`.
#[derive(Debug)]
pub struct Pause {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Pause {
    /// Pauses from `least` to `most`.
    pub const fn new(least: Duration, most: Duration) -> Self {
        Pause { least, most, next: least }
    }

    /// How long to wait now; the next pause is twice as long, up to the most.
    pub fn lengthen(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.most);
        now
    }

    /// There was progress: the next pause is the least again.
    pub fn reset(&mut self) {
        self.next = self.least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_news_once_a_minute() {
        let mut complaint = Complaint::default();
        let mut check = |message: &str, seconds: u64, wanted: bool| {
            assert_eq!(
                complaint.is_news(message, Duration::from_secs(seconds)),
                wanted,
                "{message} at {seconds}"
            );
        };
        check("full", 0, true);
        check("full", 59, false);
        check("full", 60, true);
        check("broken", 61, true);
        check("broken", 62, false);
        assert_eq!(complaint.settled(Duration::from_secs(70)), Some(Duration::from_secs(70)));
        assert_eq!(complaint.settled(Duration::from_secs(71)), None);
        assert!(complaint.is_news("broken", Duration::from_secs(72)));
    }

    #[test]
    fn pauses_double_up_to_the_most() {
        let millis = Duration::from_millis;
        let mut pause = Pause::new(millis(10), millis(100));
        let seen: Vec<_> = (0..6).map(|_| pause.lengthen().as_millis()).collect();
        assert_eq!(seen, [10, 20, 40, 80, 100, 100]);
        pause.reset();
        assert_eq!(pause.lengthen(), millis(10));
    }
}
