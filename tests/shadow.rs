//! Clients are blocked under a name that nobody creates, whatever the name of their
//! key: the server has no reason to look at them when the key is made again.

mod common;

use std::time::{Duration, Instant};

use common::*;

/// Valkey 9.1 looks at each of them for each of them.
const CROWD: usize = 3000;
/// What a disturbance may add.
const SLACK: Duration = Duration::from_millis(10);

/// A crowd on one key, on a server of its own.
struct Scene {
    server: Server,
    client: Client,
    key: &'static str,
    waiters: Vec<Client>,
}

impl Scene {
    fn new(key: &'static str) -> Scene {
        let server = Server::new();
        let mut client = server.client();
        client.run("LATCH.SET other 1");
        let waiters = (0..CROWD).map(|_| server.client()).collect();
        Scene { server, client, key, waiters }
    }

    /// The shortest time of a few that these commands take in one go, with the crowd
    /// parked, of which everybody is told `told`.
    #[track_caller]
    fn shortest(&mut self, lines: &[&[&str]], told: &Reply) -> Duration {
        const ATTEMPTS: usize = 3;

        let key = self.key;
        let name = |word: &&str| if *word == "<k>" { key.to_owned() } else { (*word).to_owned() };
        let commands: Vec<_> =
            lines.iter().flat_map(|words| encode(words.iter().map(name))).collect();
        let mut time_once = || {
            self.client.call(["DEL", key]);
            assert_eq!(self.client.call(["LATCH.SET", key, "1"]), ok());
            for waiter in &mut self.waiters {
                waiter.send(["LATCH.AWAIT", key, "0"]);
            }
            self.server.wait_blocked(CROWD);
            let begun = Instant::now();
            self.client.send_raw(&commands);
            for words in lines {
                let reply = self.client.receive();
                assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
            }
            let time = begun.elapsed();
            for waiter in &mut self.waiters {
                assert_eq!(&waiter.receive(), told, "{key:?}");
            }
            time
        };
        let shortest = (0..ATTEMPTS).map(|_| time_once()).min().expect("an attempt");
        for waiter in &mut self.waiters {
            assert_eq!(waiter.run("PING"), Reply::Simple("PONG".into()), "{key:?}: twice?");
        }
        shortest
    }
}

#[test]
fn a_key_of_any_name_is_made_again_as_fast_as_another() {
    let set_again: &[&[&str]] =
        &[&["MULTI"], &["LATCH.COUNTDOWN", "<k>"], &["LATCH.SET", "<k>", "1"], &["EXEC"]];
    let copy_over: &[&[&str]] = &[&["COPY", "other", "<k>", "REPLACE"]];
    let mut usual: Option<[Duration; 2]> = None;
    for key in ["ab", "}", "a}b", ""] {
        let mut scene = Scene::new(key);
        let times = [scene.shortest(set_again, &ok()), scene.shortest(copy_over, &gone())];
        println!("{key:?}: {times:?}");
        for (time, usual) in times.into_iter().zip(*usual.get_or_insert(times)) {
            assert!(time <= 10 * usual + SLACK, "{key:?}: {time:?}, and of another {usual:?}");
            assert!(time < Duration::from_secs(1), "{key:?}: {time:?}");
        }
    }
}
