//! A list of tokens: each waiter takes one. Who opens has to know how many
//! waiters there are.

use redis::Script;

use super::{Peer, Wait, call, set};
use crate::command::{array, bulk, line};

pub(crate) struct List {
    countdown: Script,
}

impl List {
    pub(crate) fn new() -> Self {
        let countdown = "
            local left = redis.call('DECR', KEYS[1])
            if left <= 0 then redis.call('DEL', KEYS[1]) end
            local tokens = left == 0 and tonumber(ARGV[1]) or 0
            while tokens > 0 do
                local some = {}
                for i = 1, math.min(tokens, 1000) do some[i] = '1' end
                redis.call('RPUSH', KEYS[2], unpack(some))
                tokens = tokens - #some
            end
            return left";
        Self { countdown: Script::new(countdown) }
    }

    /// The command that waits for a token of any of these.
    pub(crate) fn waiting_for(keys: &[String]) -> Vec<u8> {
        let lists: Vec<_> = keys.iter().map(|key| tokens(key)).collect();
        line(&format!("BLPOP {} 0", lists.join(" ")))
    }
}

impl Peer for List {
    fn name(&self) -> &'static str {
        "BLPOP"
    }

    fn about(&self) -> &'static str {
        "a script of `DECR` and, at zero, `RPUSH` of as many tokens as there are waiters, who \
         wait in `BLPOP`"
    }

    fn scripts(&self) -> Vec<Script> {
        vec![self.countdown.clone()]
    }

    fn create(&self, key: &str, count: usize) -> Vec<Vec<u8>> {
        set(key, count)
    }

    fn wait(&self, key: &str) -> Wait {
        Wait::Blocked {
            command: Self::waiting_for(&[key.to_owned()]),
            released: array(&[bulk(&tokens(key)), bulk("1")]),
        }
    }

    fn countdown(&self, key: &str, waiters: usize) -> Vec<u8> {
        call(&self.countdown, &[key, &tokens(key)], &[&waiters.to_string()])
    }
}

fn tokens(key: &str) -> String {
    format!("{key}:tokens")
}
