//! One line that says what is going on.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    begin: Instant,
    prefix: String,
}

impl Progress {
    /// `rows` in all. Without a terminal there is a line for each row instead.
    pub(crate) fn new(rows: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{elapsed_precise} [{pos}/{len}] {wide_msg}");
            let bar = ProgressBar::new(rows as u64);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, begin: Instant::now(), prefix: String::new() }
    }

    /// A row begins.
    pub(crate) fn row(&mut self, server: &str, row: &str) {
        self.prefix = format!("{server}: {row}");
        match &self.bar {
            Some(bar) => bar.set_message(self.prefix.clone()),
            None => eprintln!("{:6.1} s  {}", self.begin.elapsed().as_secs_f64(), self.prefix),
        }
    }

    /// Where the row is.
    pub(crate) fn step(&self, step: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}, {step}", self.prefix));
        }
    }

    /// The row is over.
    pub(crate) fn row_done(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("measured in {:.0} s", self.begin.elapsed().as_secs_f64());
    }
}
