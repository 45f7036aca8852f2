//! The logger that is put to the test: ours, or any other by its command.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Cmd, original, program};

use super::workload::{Processor, Workload};

/// A logger and how it is told what to do.
#[derive(Debug, Clone)]
pub struct Logger {
    /// As the table calls it.
    pub name: String,
    /// Whether it is held to all rules, or only to what every logger promises.
    pub ours: bool,
    words: Vec<String>,
}

impl Logger {
    /// Our multilog, built now.
    #[must_use]
    pub fn ours() -> Logger {
        Logger::new("multilog", true, vec![program("multilog").display().to_string(), "{script}".to_owned()])
    }

    /// An installed multilog that is not ours; `None`, said, where there is none.
    #[must_use]
    pub fn original() -> Option<Logger> {
        let path = original("multilog")?.display().to_string();
        Some(Logger::new("the original multilog", false, vec![path, "{script}".to_owned()]))
    }

    /// The logger of a command, its words divided by blanks. In the place of a word `{script}` come the arguments of multilog;
    /// for others in the place of `{dir}` the directory, of `{size}` and `{num}` its numbers, and of `{stamp}` and `{processor}` (with what
    /// is around it) a `t` and the command, or nothing at all.
    ///
    /// `s6-log` and `svlogd` alone say how these are called.
    ///
    /// # Errors
    ///
    /// There is no word.
    pub fn parse(text: &str) -> Result<Logger, String> {
        let text = match text {
            "s6-log" => "s6-log -b -- n{num} s{size} {stamp} !{processor} {dir}",
            "svlogd" => "svlogd -{stamp} {dir}",
            text if !text.contains(' ') => &format!("{text} {{script}}"),
            text => text,
        };
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let first = words.first().ok_or("a logger has a name")?;
        let name =
            PathBuf::from(first).file_name().map_or_else(|| first.clone(), |name| name.display().to_string());
        Ok(Logger::new(&name, false, words))
    }

    fn new(name: &str, ours: bool, words: Vec<String>) -> Logger {
        Logger { name: name.to_owned(), ours, words }
    }

    /// Whether it has the means for this.
    #[must_use]
    pub fn can(&self, workload: &Workload) -> bool {
        self.ours
            || workload.is_common()
            || (self.speaks_script() && workload.found.is_empty() && !workload.synced)
    }

    fn speaks_script(&self) -> bool {
        self.words.iter().any(|word| word == "{script}")
    }

    /// The command, to be started in `place`.
    ///
    /// # Panics
    ///
    /// Where what it needs beside its arguments cannot be written.
    #[must_use]
    pub fn cmd(&self, workload: &Workload, processor: Processor, place: &Path) -> Cmd {
        let dir = workload.dirs[0].0;
        if self.name == "svlogd" {
            // It is told by a file, and makes no directory.
            let command = processor.command().map(|command| format!("!{command}\n")).unwrap_or_default();
            let config = format!("s{}\nn{}\n{command}", workload.size, workload.num);
            fs::create_dir_all(place.join(dir)).expect("own directory");
            fs::write(place.join(dir).join("config"), config).expect("own directory");
        }
        let mut cmd = Cmd::new(&self.words[0]).cwd(place);
        for word in &self.words[1..] {
            let parts = [("{stamp}", workload.stamped.then_some("t")), ("{processor}", processor.command())];
            if word == "{script}" {
                cmd = cmd.args(workload.script(processor));
            } else if parts.iter().all(|(place, part)| !word.contains(place) || part.is_some()) {
                let word = parts
                    .iter()
                    .fold(word.clone(), |word, (place, part)| word.replace(place, part.unwrap_or("")));
                let word = word.replace("{size}", &workload.size.to_string());
                let word = word.replace("{num}", &workload.num.to_string());
                cmd = cmd.arg(word.replace("{dir}", &format!("./{dir}")));
            }
        }
        cmd
    }
}
