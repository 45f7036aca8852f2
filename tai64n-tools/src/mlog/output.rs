//! Standard output, in blocks. What was not written yet is known: the places that a cursor keeps are those before it.

use crate::descriptor::Descriptor;
use crate::filter::{Beginning, Block, Filter, Sink};
use logcore::strerr::Errno;
use std::os::fd::AsFd;

/// Bytes written at once.
const BLOCK_BYTES: usize = 128 * 1024;

/// Runs of so many bytes are written from where they are.
const RUN_BYTES: usize = 32 * 1024;

/// The output.
pub struct Output<F> {
    descriptor: Descriptor<F>,
    block: Block,
    text: Vec<u8>,
}

impl<F: AsFd> Output<F> {
    /// Nothing waits yet.
    pub fn new(descriptor: F) -> Self {
        Output { descriptor: Descriptor(descriptor), block: Block::default(), text: Vec::new() }
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.block.filled().is_empty() && self.text.is_empty()
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// It takes no more.
    pub fn flush(&mut self) -> Result<(), Errno> {
        if self.is_empty() {
            return Ok(());
        }
        self.ask()?;
        if !self.block.filled().is_empty() {
            self.descriptor.put(&mut self.block, false)?;
        }
        if !self.text.is_empty() {
            self.descriptor.write_all(&self.text)?;
            self.text.clear();
        }
        Ok(())
    }

    /// Where a line is to be added.
    ///
    /// # Errors
    /// What was there had to be written, and could not.
    pub fn text(&mut self) -> Result<&mut Vec<u8>, Errno> {
        if self.text.len() >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(&mut self.text)
    }

    /// Adds lines as they are.
    ///
    /// # Errors
    /// It takes no more.
    pub fn raw(&mut self, lines: &[u8]) -> Result<(), Errno> {
        if lines.len() < RUN_BYTES {
            self.text()?.extend_from_slice(lines);
            return Ok(());
        }
        self.flush()?;
        self.ask()?;
        self.descriptor.write_all(lines)
    }

    /// A connection takes bytes for a while after its reader has gone: so that few are lost there, it is asked before.
    fn ask(&self) -> Result<(), Errno> {
        if self.descriptor.is_gone() { Err(Errno::PIPE) } else { Ok(()) }
    }

    /// Adds lines through a filter.
    ///
    /// # Errors
    /// It takes no more.
    pub fn filter<B: Beginning>(&mut self, lines: &[u8], filter: &mut Filter<B>) -> Result<(), Errno> {
        let mut used = 0;
        loop {
            let progress = filter.change(&lines[used..], true, &mut self.block);
            used += progress.used;
            if !progress.is_full {
                return Ok(());
            }
            self.flush()?;
        }
    }

    /// The descriptor.
    pub fn descriptor(&self) -> &F {
        &self.descriptor.0
    }
}
