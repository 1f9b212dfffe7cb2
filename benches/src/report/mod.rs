//! What is written: a page of tables, and plots.
use std::path::Path;

use crate::results::Results;

pub(crate) fn write(_out: &Path, _results: &Results) -> anyhow::Result<()> {
    Ok(())
}
