//! Three scripts, and a client that asks every 100 ms.

use std::time::Duration;

use redis::Script;

use super::{Peer, Wait, call};
use crate::command::integer;
use crate::crowd::Polling;

pub(crate) struct EveryTenth {
    create: Script,
    countdown: Script,
    is_closed: Script,
}

impl EveryTenth {
    pub(crate) fn new() -> Self {
        let create = "return redis.call('SET', KEYS[1], ARGV[1])";
        let countdown = "
            local left = redis.call('DECR', KEYS[1])
            if left <= 0 then redis.call('DEL', KEYS[1]) end
            return left";
        let is_closed = "return redis.call('EXISTS', KEYS[1])";
        Self {
            create: Script::new(create),
            countdown: Script::new(countdown),
            is_closed: Script::new(is_closed),
        }
    }
}

impl Peer for EveryTenth {
    fn name(&self) -> &'static str {
        "polling"
    }

    fn about(&self) -> &'static str {
        "three scripts (`SET`; `DECR` and `DEL` at zero; `EXISTS`), and waiters that call the \
         last every 100 ms"
    }

    fn scripts(&self) -> Vec<Script> {
        vec![self.create.clone(), self.countdown.clone(), self.is_closed.clone()]
    }

    fn create(&self, key: &str, count: usize) -> Vec<Vec<u8>> {
        vec![call(&self.create, &[key], &[&count.to_string()])]
    }

    fn wait(&self, key: &str) -> Wait {
        Wait::Polling(Polling {
            ask: call(&self.is_closed, &[key], &[]),
            not_yet: integer(1),
            open: integer(0),
            every: Duration::from_millis(100),
        })
    }

    fn countdown(&self, key: &str, _: usize) -> Vec<u8> {
        call(&self.countdown, &[key], &[])
    }
}
