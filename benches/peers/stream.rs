//! A stream of one entry, which is added at zero and read by all.

use redis::Script;

use super::{Peer, Wait, call, set};
use crate::command::{array, bulk, line};

pub(crate) struct Stream {
    countdown: Script,
}

impl Stream {
    pub(crate) fn new() -> Self {
        let countdown = "
            local left = redis.call('DECR', KEYS[1])
            if left <= 0 then redis.call('DEL', KEYS[1]) end
            if left == 0 then redis.call('XADD', KEYS[2], '1-1', 'open', '1') end
            return left";
        Self { countdown: Script::new(countdown) }
    }
}

impl Peer for Stream {
    fn name(&self) -> &'static str {
        "XREAD BLOCK"
    }

    fn about(&self) -> &'static str {
        "a script of `DECR` and, at zero, `XADD` to a stream that the waiters read with \
         `XREAD BLOCK`; somebody has to remove the stream later"
    }

    fn scripts(&self) -> Vec<Script> {
        vec![self.countdown.clone()]
    }

    fn create(&self, key: &str, count: usize) -> Vec<Vec<u8>> {
        set(key, count)
    }

    fn wait(&self, key: &str) -> Wait {
        let stream = stream(key);
        let entry = array(&[bulk("1-1"), array(&[bulk("open"), bulk("1")])]);
        Wait::Blocked {
            command: line(&format!("XREAD BLOCK 0 STREAMS {stream} 0")),
            released: array(&[array(&[bulk(&stream), array(&[entry])])]),
        }
    }

    fn countdown(&self, key: &str, _: usize) -> Vec<u8> {
        call(&self.countdown, &[key, &stream(key)], &[])
    }

    fn clean(&self, key: &str) -> Vec<Vec<u8>> {
        vec![line(&format!("DEL {}", stream(key)))]
    }
}

fn stream(key: &str) -> String {
    format!("{key}:opened")
}
