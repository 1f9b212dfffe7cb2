//! Many keys, and the commands that make them.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use itertools::Itertools;

use crate::pump::{PIPELINE, Pump};
use crate::wire::command;

/// The key of a number.
pub(super) fn key(number: usize) -> String {
    format!("latch:{number:010}")
}

/// The commands that make keys: pipelines, and how many are in each.
pub(super) struct Keys(Vec<(Vec<u8>, usize)>);

impl Keys {
    /// Commands such as `SET {key} 100`.
    pub(super) fn new(text: &str, count: usize) -> Self {
        Self::of((0..count).map(|number| command(&text.replace("{key}", &key(number)))))
    }

    /// Any commands.
    pub(super) fn of(commands: impl Iterator<Item = Vec<u8>>) -> Self {
        let pipelines = commands.chunks(PIPELINE);
        let pipelines = pipelines.into_iter().map(Itertools::collect_vec);
        Self(pipelines.map(|commands| (commands.concat(), commands.len())).collect())
    }

    /// Makes the keys.
    pub(super) fn make(&self, socket: &Path) -> Result<Duration> {
        self.send(socket, b'+')
    }

    /// Sends the commands, to which each reply is of a kind.
    pub(super) fn send(&self, socket: &Path, kind: u8) -> Result<Duration> {
        let chunks = self.0.iter().map(|(bytes, count)| (bytes.as_slice(), *count));
        Pump::connect(socket)?.run(chunks, kind)
    }
}
