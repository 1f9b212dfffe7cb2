//! Plain `PUBLISH`: not a latch, but the least it can take to tell so many
//! clients something.

use super::{Peer, Wait};
use crate::command::{integer, line};

pub(crate) struct Publish;

impl Peer for Publish {
    fn name(&self) -> &'static str {
        "PUBLISH"
    }

    fn about(&self) -> &'static str {
        "no latch: one `PUBLISH` to clients that have subscribed"
    }

    fn create(&self, _: &str, _: usize) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn wait(&self, key: &str) -> Wait {
        Wait::Subscribed { channel: key.into(), message: "0".into() }
    }

    fn countdown(&self, key: &str, _: usize) -> Vec<u8> {
        line(&format!("PUBLISH {key} 0"))
    }

    fn opened(&self, waiters: usize) -> Vec<u8> {
        integer(waiters)
    }
}
