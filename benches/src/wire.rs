//! Commands and replies as the bytes that go over the wire.

use redis::{Cmd, Connection, RedisResult, Script, Value};

use crate::peers::scripts;

/// A command written as one would type it; `EVALSHA` is followed by the name of
/// a script.
pub(crate) fn command(text: &str) -> Vec<u8> {
    let mut words = text.split_whitespace();
    let mut command = Cmd::new();
    while let Some(word) = words.next() {
        command.arg(word);
        if word == "EVALSHA" {
            let script = words.next().and_then(|name| scripts().get(name));
            command.arg(Script::new(script.expect("the script is in the table")).get_hash());
        }
    }
    command.get_packed_command()
}

/// A reply as it comes, with a space for each end of a line. An error has one
/// line.
pub(crate) fn reply(text: &str) -> Vec<u8> {
    let text = if text.starts_with('-') { text.into() } else { text.replace(' ', "\r\n") };
    (text + "\r\n").into_bytes()
}

/// The same, parsed.
pub(crate) fn value(text: &str) -> RedisResult<Value> {
    redis::parse_redis_value(&reply(text))
}

/// Loads all scripts.
pub(crate) fn load_scripts(con: &mut Connection) -> RedisResult<()> {
    scripts().values().try_for_each(|script| Script::new(script).load(con).map(drop))
}
