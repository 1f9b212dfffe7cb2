//! The latch on pub/sub, as client libraries have it: the count is an integer,
//! the waiter subscribes and then reads the count again, lest it has missed the
//! message.

use redis::Script;

use super::{Peer, Wait, call, set};

pub(crate) struct PubSub {
    countdown: Script,
}

impl PubSub {
    pub(crate) fn new() -> Self {
        let countdown = "
            local left = redis.call('DECR', KEYS[1])
            if left <= 0 then redis.call('DEL', KEYS[1]) end
            if left == 0 then redis.call('PUBLISH', KEYS[2], '0') end
            return left";
        Self { countdown: Script::new(countdown) }
    }
}

impl Peer for PubSub {
    fn name(&self) -> &'static str {
        "pub/sub latch"
    }

    fn about(&self) -> &'static str {
        "a script of `DECR`, `DEL` and `PUBLISH` at zero; the waiter has subscribed and then \
         read the count again"
    }

    fn scripts(&self) -> Vec<Script> {
        vec![self.countdown.clone()]
    }

    fn create(&self, key: &str, count: usize) -> Vec<Vec<u8>> {
        set(key, count)
    }

    fn wait(&self, key: &str) -> Wait {
        Wait::Subscribed { channel: channel(key), message: "0".into() }
    }

    fn countdown(&self, key: &str, _: usize) -> Vec<u8> {
        call(&self.countdown, &[key, &channel(key)], &[])
    }
}

fn channel(key: &str) -> String {
    format!("{key}:opened")
}
