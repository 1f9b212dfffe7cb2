//! Crowds that wait for overlapping sets of latches, against an oracle of a few
//! lines.

mod common;

use common::*;

/// What may happen to a latch.
const FATES: [(&str, Fate); 5] = [
    ("LATCH.COUNTDOWN {}", Fate::Opens),
    ("LATCH.SET {} 0", Fate::Opens),
    ("LATCH.SET {} 0 LINGER 100", Fate::Opens),
    ("LATCH.ABORT {} {}", Fate::Aborted),
    ("DEL {}", Fate::Gone),
];

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Opens,
    Aborted,
    Gone,
}

/// What a client of these keys is told after all that has happened: each key
/// and its fate, in order. `None`: it is still parked.
fn oracle(is_all: bool, keys: &[String], history: &[(String, Fate)]) -> Option<Reply> {
    let told = |(key, fate): &(String, Fate)| match fate {
        Fate::Opens if is_all => ok(),
        Fate::Opens => bulk(key),
        Fate::Aborted => aborted(key),
        Fate::Gone => gone(),
    };
    let mine: Vec<_> = history.iter().filter(|(key, _)| keys.contains(key)).collect();
    let decisive = mine.iter().find(|(_, fate)| (*fate == Fate::Opens) != is_all);
    let is_over = keys.iter().all(|key| mine.iter().any(|(other, _)| other == key));
    decisive.or_else(|| mine.last().filter(|_| is_over)).map(|event| told(event))
}

#[test]
fn crowds_on_overlapping_sets_of_latches_are_told_what_an_oracle_says() {
    const CLIENTS: usize = 200;
    const KEYS: usize = 12;

    let server = Server::builder().module_args(["latch.wake-batch", "16"]).start();
    for seed in 0..4 {
        let mut random = Random::new(seed);
        server.run("FLUSHALL");
        let mut keys: Vec<_> = (0..KEYS).map(|key| format!("k{key}")).collect();
        for key in &keys {
            server.run(&format!("LATCH.SET {key} 1"));
        }
        let mut crowd: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let is_all = random.below(2) == 0;
                let mine: Vec<_> =
                    (0..=random.below(5)).map(|_| keys[random.below(KEYS)].clone()).collect();
                let name = if is_all { "ALL" } else { "ANY" };
                let line = format!("LATCH.AWAIT{name} 0 {} {}", mine.len(), mine.join(" "));
                let mut client =
                    if random.below(2) == 0 { server.client() } else { server.client3() };
                client.send_line(&line);
                (client, is_all, mine)
            })
            .collect();
        server.wait_blocked(CLIENTS);

        random.shuffle(&mut keys);
        let mut history = Vec::new();
        for key in keys {
            let (line, fate) = FATES[random.below(FATES.len())];
            let line = line.replace("{}", &key);
            // Half of them are used again at once, for a round nobody is in.
            let again = format!("LATCH.SET {key} 1");
            match random.below(2) {
                0 => _ = server.run(&line),
                _ => _ = server.client().transaction(&[&line, &again]),
            }
            history.push((key, fate));
            let parked =
                crowd.iter().filter(|(_, is_all, mine)| oracle(*is_all, mine, &history).is_none());
            server.wait_blocked(parked.count());
        }
        for (client, is_all, mine) in &mut crowd {
            let told = oracle(*is_all, mine, &history).expect("all is over");
            client.receives_only(&told);
        }
        assert_eq!(server.info("latch_waiters"), "0");
        assert_eq!(server.run("LATCH.WAITERS"), array::<Reply>([]));
    }
}
