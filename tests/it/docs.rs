//! The blocks of the documentation: programs check, or fail with the code they name.

use crate::golden::{blocks, diagnose};
use crate::tidy::{complain, files, read, root, shown};
use tpc::diag::render::{Format, render};

/// The README and every page but those of the error codes, which `golden` runs.
#[test]
fn programs_on_pages_are_checked() {
    let pages = files("docs", "md").into_iter().filter(|page| !shown(page).contains("docs/errors"));
    let mut problems = Vec::new();
    let mut count = 0;
    for page in pages.chain([root().join("README.md")]) {
        for (info, text) in blocks(&read(&page)) {
            count += 1;
            let (diags, sources) = diagnose("example.tp", &text, &root().join("programs"));
            let said = render(&diags, &sources, Format::Human);
            match info.strip_prefix("fails=") {
                Some(code) if !said.contains(&format!("[{code}]")) => {
                    problems.push(format!("{}: not {code}:\n{text}\n{said}", shown(&page)));
                }
                None if diags.has_errors() => {
                    problems.push(format!("{}:\n{text}\n{said}", shown(&page)));
                }
                Some(_) | None => {}
            }
        }
    }
    assert!(count > 20, "only {count} blocks were found");
    complain(&problems);
}
