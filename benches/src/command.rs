//! Commands and replies as the bytes that go over the wire.

use redis::ToRedisArgs;

/// A command of words.
pub(crate) fn command<W: ToRedisArgs>(words: &[W]) -> Vec<u8> {
    let mut cmd = redis::Cmd::new();
    for word in words {
        cmd.arg(word);
    }
    cmd.get_packed_command()
}

/// A command written as one would type it.
pub(crate) fn line(line: &str) -> Vec<u8> {
    command(&line.split_whitespace().collect::<Vec<_>>())
}

/// The reply `OK`.
pub(crate) const OK: &[u8] = b"+OK\r\n";

/// An integer reply.
pub(crate) fn integer(value: usize) -> Vec<u8> {
    format!(":{value}\r\n").into_bytes()
}

/// A bulk reply.
pub(crate) fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// An array reply, of replies.
pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
}
