//! Source files and positions in them.
//!
//! A [`Span`] is a half-open range of bytes in one file. Files enter only through a [`Loader`], so that everything
//! below `cli` stays free of IO and tests can run on files held in memory.

use std::collections::BTreeMap;

/// A file known to a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A half-open byte range `start..end` in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        Self { file, start: clamp(start), end: clamp(end) }
    }

    /// The smallest span that covers `self` and `other`, both in the same file.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The range in bytes.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Offsets are 32 bits: sources above 4 GiB are refused by the loader of the command line.
fn clamp(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// One source file: its display name and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's id.
    pub id: FileId,
    /// The name shown in diagnostics, as the user typed it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// All files of one compilation, in the order in which they were met.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Source>,
}

impl SourceMap {
    /// Adds a file and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(clamp(self.files.len()));
        self.files.push(Source { id, name: name.into(), text: text.into() });
        id
    }

    /// The file with this id.
    ///
    /// # Panics
    /// If the id comes from another map.
    pub fn get(&self, id: FileId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// All files in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }

    /// The text that a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file).text.get(span.range()).unwrap_or("")
    }

    /// One-based line and column (in characters) of the start of a span.
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let text = &self.get(span.file).text;
        let mut start = (span.start as usize).min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// The name of the file that `path` means in the file called `from`: beside it, without `.` and `x/..`.
pub fn beside(from: &str, path: &str) -> String {
    let folder = from.rfind('/').map_or("", |end| &from[..=end]);
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{folder}{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| !["", ".."].contains(last)) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// How files named in a program (`use`, `csv`, `npy`) come in.
pub trait Loader: Sync {
    /// The bytes of `path`, which is relative to the directory of the file called `from`.
    ///
    /// # Errors
    /// A sentence that says why the file cannot be read.
    fn load(&self, from: &str, path: &str) -> Result<Vec<u8>, String>;
}

/// Files held in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryLoader(pub BTreeMap<String, Vec<u8>>);

impl Loader for MemoryLoader {
    fn load(&self, from: &str, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(&beside(from, path)).cloned().ok_or_else(|| "no such file".to_owned())
    }
}
