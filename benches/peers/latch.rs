//! The module.

use super::{Peer, Wait};
use crate::command::{OK, line};

pub(crate) struct Latch;

impl Latch {
    /// The command that waits until all of these have opened.
    pub(crate) fn waiting_for(keys: &[String]) -> Vec<u8> {
        match keys {
            [key] => line(&format!("LATCH.AWAIT {key} 0")),
            keys => line(&format!("LATCH.AWAITALL 0 {} {}", keys.len(), keys.join(" "))),
        }
    }
}

impl Peer for Latch {
    fn name(&self) -> &'static str {
        "redis-latch"
    }

    fn about(&self) -> &'static str {
        "this module: `LATCH.AWAIT` in the waiter, `LATCH.COUNTDOWN` in the worker"
    }

    fn create(&self, key: &str, count: usize) -> Vec<Vec<u8>> {
        vec![line(&format!("LATCH.SET {key} {count}"))]
    }

    fn wait(&self, key: &str) -> Wait {
        Wait::Blocked { command: Self::waiting_for(&[key.to_owned()]), released: OK.into() }
    }

    fn countdown(&self, key: &str, _: usize) -> Vec<u8> {
        line(&format!("LATCH.COUNTDOWN {key}"))
    }

    fn countdown_again(&self, key: &str, _: usize) -> Vec<u8> {
        line(&format!("LATCH.COUNTDOWN {key} ID worker-1"))
    }
}
