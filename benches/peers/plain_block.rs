//! The blocking API that servers have for modules, with nothing on top: see
//! `control/lib.rs`.

use super::{Peer, Wait};
use crate::command::{OK, integer, line};

pub(crate) struct PlainBlock;

impl Peer for PlainBlock {
    fn name(&self) -> &'static str {
        "blocking API"
    }

    fn about(&self) -> &'static str {
        "no latch: a module that blocks clients and answers all of them in one go"
    }

    fn create(&self, _: &str, _: usize) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn wait(&self, key: &str) -> Wait {
        Wait::Blocked { command: line(&format!("PLAIN.BLOCK {key} 0")), released: OK.into() }
    }

    fn countdown(&self, _: &str, _: usize) -> Vec<u8> {
        line("PLAIN.WAKE")
    }

    fn opened(&self, waiters: usize) -> Vec<u8> {
        integer(waiters)
    }
}
