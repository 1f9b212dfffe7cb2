//! The replication stream, command by command.

use super::client::Client;
use super::resp::readable;
use super::server::Server;
use super::{MARK_CHANNEL, publish_mark};

/// A replica that only listens: it yields what the server propagates, exactly
/// as it does, MULTI and EXEC included. What keeps a link alive (PING,
/// REPLCONF) and SELECT are left out unless asked for. It acknowledges
/// nothing, so the server drops it after `repl-timeout`, a minute.
pub struct Stream {
    replica: Client,
    marker: Client,
    skipped: Vec<&'static str>,
}

impl Stream {
    /// Attaches to `server`; the stream begins with what it propagates from
    /// now on.
    #[track_caller]
    pub fn open(server: &Server) -> Stream {
        let mut replica = server.client();
        replica.send_line("PSYNC ? -1");
        let answer = line(&mut replica);
        assert!(answer.starts_with("+FULLRESYNC"), "expected a full resync, got {answer}");
        // A snapshot of known length: the other form, which ends with a mark,
        // is only for a replica that said it is capable of it (`capa eof`).
        let header = line(&mut replica);
        let length = header.strip_prefix('$').and_then(|length| length.parse().ok());
        match length {
            Some(length) => replica.take_exactly(length),
            None => panic!("expected a snapshot, got {header}"),
        };
        Stream { replica, marker: server.client(), skipped: vec!["PING", "REPLCONF", "SELECT"] }
    }

    /// Yields the commands called `name` too.
    pub fn including(mut self, name: &str) -> Stream {
        self.skipped.retain(|skipped| *skipped != name);
        self
    }

    /// The next command; panics if none comes.
    #[track_caller]
    pub fn next_command(&mut self) -> Vec<String> {
        loop {
            let frame = self.replica.receive();
            let command: Vec<_> = frame.items().iter().map(|arg| arg.text()).collect();
            if !self.skipped.iter().any(|skipped| command[0].eq_ignore_ascii_case(skipped)) {
                return command;
            }
        }
    }

    /// The commands propagated since the last call. Does not wait and does
    /// not miss any: it sends a mark and reads up to it, so an empty list
    /// proves that nothing was propagated.
    #[track_caller]
    pub fn so_far(&mut self) -> Vec<Vec<String>> {
        let mark = publish_mark(&mut self.marker);
        let mut commands = Vec::new();
        loop {
            let command = self.next_command();
            match command.as_slice() {
                [_, channel, text] if channel == MARK_CHANNEL && *text == mark => return commands,
                // The mark of another observer.
                [_, channel, _] if channel == MARK_CHANNEL => {}
                _ => commands.push(command),
            }
        }
    }
}

/// The next line that is not an empty one, as the server sends to keep the
/// link alive.
fn line(replica: &mut Client) -> String {
    loop {
        let line = readable(replica.take_line().trim_ascii());
        if !line.is_empty() {
            return line;
        }
    }
}
