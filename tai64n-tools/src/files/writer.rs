//! The one output of many files.

use crate::descriptor::Descriptor;
use crate::filter::{Block, Sink};
use logcore::strerr::Errno;
use std::os::fd::AsFd;

/// Writes the text of jobs one after the other.
///
/// A file that was cut by an outage ends in the middle of a line. What comes next is glued to it, as `cat` would do and as it
/// should be where a line goes on in the next file; unless a label begins it, which only begins lines.
pub struct Writer<F> {
    output: Descriptor<F>,
    in_line: bool,
    job_begins: bool,
}

impl<F: AsFd> Writer<F> {
    pub fn new(output: F) -> Self {
        Writer { output: Descriptor(output), in_line: false, job_begins: true }
    }

    /// What follows is another job's.
    pub fn next_job(&mut self) {
        self.job_begins = true;
    }
}

impl<F: AsFd> Sink for Writer<F> {
    type Error = Errno;

    fn put(&mut self, block: &mut Block, labelled: bool) -> Result<(), Errno> {
        if self.job_begins && labelled && self.in_line {
            self.output.write_all(b"\n")?;
        }
        self.job_begins = false;
        self.in_line = !block.filled().ends_with(b"\n");
        self.output.put(block, labelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;
    use crate::local::{Form, LocalTime};
    use crate::zone::Zone;
    use std::io::{Read, Seek};

    #[test]
    fn a_label_begins_a_line_and_nothing_else_does() {
        let mut file = tempfile::tempfile().expect("a file");
        let mut writer = Writer::new(&file);
        for text in ["torn", "@400000000000000a00000000 whole\n", "cut ", "", "here\n", "torn", "@foo"] {
            let mut block = Block::default();
            Filter::new(LocalTime::new(Zone::UTC, Form::default()), true).change(
                text.as_bytes(),
                true,
                &mut block,
            );
            writer.next_job();
            if !text.is_empty() {
                writer.put(&mut block, text.starts_with("@4")).expect("there is room");
            }
        }
        let mut found = String::new();
        file.rewind().expect("it is a file");
        file.read_to_string(&mut found).expect("it is text");
        assert_eq!(found, "torn\n1970-01-01 00:00:00.000000000 whole\ncut here\ntorn@foo");
    }
}
