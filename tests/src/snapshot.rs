//! Everything below a directory at one moment: to say that two are alike, or that nothing has changed.

use std::fmt;
use std::path::Path;

use crate::{LogDir, Show, Stamp, mask_labels};

/// One file, directory, link or FIFO below the directory.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path below the directory.
    pub path: String,
    /// `f` file, `d` directory, `l` symbolic link, `p` FIFO, `?` other.
    pub kind: char,
    /// The permission bits.
    pub mode: u32,
    /// The content of a file, the target of a link.
    pub content: Vec<u8>,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Item { path, kind, mode, content } = self;
        let head = &content[..content.len().min(40)];
        let more = if content.len() > 40 { "…" } else { "" };
        write!(f, "{path} {kind} {mode:04o} {} \"{}{more}\"", content.len(), Show(head))
    }
}

/// All items below a directory, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The items; a directory stands before what is in it.
    pub items: Vec<Item>,
}

impl Snapshot {
    /// What is below `dir` now. FIFOs and devices are not opened, links not followed.
    #[must_use]
    pub fn of(dir: impl AsRef<Path>) -> Snapshot {
        let mut items = Vec::new();
        collect(dir.as_ref(), "", &mut items);
        Snapshot { items }
    }

    /// The same, made comparable between two programs: stamps in contents and labels in names masked, and what is in a `lock`
    /// file left out.
    #[must_use]
    pub fn masked(mut self, stamp: Stamp) -> Snapshot {
        for item in &mut self.items {
            item.path = String::from_utf8_lossy(&mask_labels(item.path.as_bytes())).into_owned();
            item.content = if item.path.ends_with("/lock") { Vec::new() } else { stamp.mask(&item.content) };
        }
        self
    }
}

fn collect(dir: &Path, prefix: &str, items: &mut Vec<Item>) {
    for entry in LogDir::new(dir).entries() {
        let (path, at) = (format!("{prefix}{}", entry.name), dir.join(&entry.name));
        let content = match entry.kind {
            'f' => std::fs::read(&at).expect("a file that can be read"),
            'l' => std::fs::read_link(&at).expect("a link").into_os_string().into_encoded_bytes(),
            _ => Vec::new(),
        };
        items.push(Item { path: path.clone(), kind: entry.kind, mode: entry.mode, content });
        if entry.kind == 'd' {
            collect(&at, &format!("{path}/"), items);
        }
    }
}
