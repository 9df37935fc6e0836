//! `tpc fmt`.

use super::args::{FmtArgs, Shown};
use super::session::{complain, print};
use super::{exit, files};
use crate::diag::Diags;
use crate::diag::render::{Format, render};
use crate::source::SourceMap;
use crate::syntax::format;
use similar::TextDiff;
use std::path::Path;

pub(super) fn main(args: &FmtArgs, _shown: &Shown) -> i32 {
    args.files.iter().map(|file| format_file(file, args)).max().unwrap_or(exit::FINE)
}

fn format_file(file: &str, args: &FmtArgs) -> i32 {
    let (name, text) = match files::source(file, "<stdin>") {
        Ok(source) => source,
        Err(problem) => {
            complain(&format!("error: {problem}"));
            return exit::USAGE;
        }
    };
    let mut sources = SourceMap::default();
    let mut diags = Diags::default();
    let id = sources.add(name, text.clone());
    let Some(formatted) = format(sources.get(id), &mut diags) else {
        complain(&render(&diags, &sources, Format::Human));
        return exit::WRONG;
    };
    let changed = formatted != text;
    if args.diff && changed {
        let diff = TextDiff::from_lines(&text, &formatted);
        print(&diff.unified_diff().header(file, file).to_string());
    }
    if args.check || args.diff {
        if args.check && changed {
            complain(&format!("{file}: would be reformatted"));
        }
        return if changed { exit::WRONG } else { exit::FINE };
    }
    if file == "-" {
        print(&formatted);
    } else if changed
        && let Err(problem) = files::write(Path::new(file), formatted.as_bytes(), true)
    {
        complain(&format!("error: {problem}"));
        return exit::USAGE;
    }
    exit::FINE
}
