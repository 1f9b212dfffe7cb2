//! Keyspace events, in order.

use super::client::Client;
use super::server::Server;
use super::{MARK_CHANNEL, publish_mark};

/// A subscriber to every event of database 0.
pub struct Events {
    subscriber: Client,
    marker: Client,
}

/// What the channels of events begin with.
const CHANNEL: &str = "__keyevent@0__:";

impl Events {
    /// Switches events on and subscribes.
    #[track_caller]
    pub fn open(server: &Server) -> Events {
        assert_eq!(server.run("CONFIG SET notify-keyspace-events EA"), super::ok());
        let (mut subscriber, marker) = (server.client(), server.client());
        subscriber.call(["PSUBSCRIBE", &format!("{CHANNEL}*")]).items();
        subscriber.call(["SUBSCRIBE", MARK_CHANNEL]).items();
        Events { subscriber, marker }
    }

    /// The events since the last call, each as `"del key"`. Does not wait and
    /// does not miss any, so an empty list proves that there was none.
    #[track_caller]
    pub fn so_far(&mut self) -> Vec<String> {
        let mark = publish_mark(&mut self.marker);
        let mut events = Vec::new();
        loop {
            let message: Vec<_> =
                self.subscriber.receive().items().iter().map(|part| part.text()).collect();
            match message.as_slice() {
                [.., channel, text] if channel == MARK_CHANNEL => {
                    if *text == mark {
                        return events;
                    }
                }
                [.., channel, key] => {
                    let event = channel.strip_prefix(CHANNEL).expect("the channel of an event");
                    events.push(format!("{event} {key}"));
                }
                _ => panic!("expected a message, got {message:?}"),
            }
        }
    }
}
