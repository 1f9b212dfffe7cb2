//! What is written: benchmarks.md, which has the tables, and the plots.

mod numbers;
mod page;
mod plots;

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::results::Results;

/// Written by people, and put at the end of the page.
const NOTES: &str = "benchmarks-notes.md";

/// Writes all of it into the folder `out`.
pub(crate) fn write(out: &Path, results: &Results) -> Result<()> {
    let notes = out.join(NOTES);
    let notes = if notes.exists() { fs::read_to_string(notes)? } else { String::new() };
    let plots = plots::draw(out, results)?;
    Ok(fs::write(out.join("benchmarks.md"), page::page(results, &plots, &notes)?)?)
}
