//! What is shown of the ids of a latch: `LATCH.ARRIVED`, `LATCH.PENDING` and `LATCH.INFO`.

mod common;

use std::time::{Duration, Instant};

use common::states::{ABORTED, CLOSED, MISSING, OPEN, STRING, fields, prepare};
use common::*;

/// A question, of which nothing can be seen but its reply.
#[track_caller]
fn ask(witness: &mut Witness, client: &mut Client, line: &str) -> Reply {
    witness.sees_nothing("k", || client.run(line))
}

#[test]
fn what_is_known_of_an_id_is_shown_alike_by_all() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for (lines, arrived, pending) in [
            (&["LATCH.ADD k 1 ID a"][..], false, true),
            (&["LATCH.COUNTDOWN k ID a"], true, false),
            (&["LATCH.ARRIVE k 0.001 ID a"], true, false),
            (&["LATCH.ADD k 1 ID a", "LATCH.COUNTDOWN k ID a"], true, false),
            (&["LATCH.COUNTDOWN k ID a", "LATCH.ADD k 1 ID a"], true, false),
        ] {
            for end in [None, Some("LATCH.ABORT k no"), Some("LATCH.COUNTDOWN k 99")] {
                prepare(&mut client, &["LATCH.SET k 5 LINGER 100"]);
                for line in lines.iter().copied().chain(end) {
                    client.run(line);
                }
                let mut ask = |line: &str| ask(&mut witness, &mut client, line);
                let ids = |is_there: bool| array(is_there.then_some("a"));
                assert_eq!(ask("LATCH.ARRIVED k"), ids(arrived), "{lines:?} {end:?}");
                assert_eq!(ask("LATCH.ARRIVED k ID a"), array([i64::from(arrived)]), "{lines:?}");
                assert_eq!(ask("LATCH.PENDING k"), ids(pending), "{lines:?} {end:?}");
                let number = |is_there: bool| u8::from(is_there).to_string();
                let found = fields(&mut client, ["arrived", "pending"]);
                assert_eq!(found, [arrived, pending].map(number), "{lines:?} {end:?}");
            }
        }
    }
}

#[test]
fn of_some_ids_it_is_said_in_order_which_have_arrived() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, _) in server.clients() {
        for (state, zero_or_one) in [(MISSING, 0), (CLOSED, 1), (OPEN, 1), (ABORTED, 1)] {
            prepare(&mut client, state);
            let mut ask = |line: &str| ask(&mut witness, &mut client, line);
            let reply = ask("LATCH.ARRIVED k ID new r p r ID");
            assert_eq!(reply, array([0, zero_or_one, 0, zero_or_one, 0]), "{state:?}");
            assert_eq!(ask("latch.arrived k id r"), array([zero_or_one]), "{state:?}");
        }
        prepare(&mut client, CLOSED);
        let ids: Vec<_> = (0..5000).map(|n| if n % 2 == 0 { "r" } else { "p" }).collect();
        let words = ["LATCH.ARRIVED", "k", "ID"].into_iter().chain(ids);
        let expected = array((0..5000).map(|n| i64::from(n % 2 == 0)));
        assert_eq!(client.call(words), expected);
    }
}

#[test]
fn ids_are_any_bytes_and_sorted_as_bytes() {
    const IDS: [&[u8]; 7] = [b"\0", b"\r\n\0\xff", b"12", b"2", b"B", b"a", b"\xff"];

    let server = Server::new();
    let mut witness = Witness::open(&server);
    let longest = [b'x'; 1024];
    let mut ids = IDS.to_vec();
    ids.insert(6, &longest);
    for (mut client, _) in server.clients() {
        prepare(&mut client, &["LATCH.SET k 100"]);
        for id in ids.iter().rev() {
            client.call(cmd!["LATCH.ADD", "k", "1", "ID", id]).int();
        }
        let all = || array(ids.iter().map(bulk));
        assert_eq!(ask(&mut witness, &mut client, "LATCH.PENDING k"), all());
        for id in ids.iter().rev() {
            client.call(cmd!["LATCH.COUNTDOWN", "k", "ID", id]).int();
            assert_eq!(client.call(cmd!["LATCH.ARRIVED", "k", "ID", id]), array([1]));
        }
        assert_eq!(ask(&mut witness, &mut client, "LATCH.ARRIVED k"), all());
        assert_eq!(ask(&mut witness, &mut client, "LATCH.PENDING k"), array::<Reply>([]));
    }
}

#[test]
fn as_many_are_pending_as_are_asked_for_or_100() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    for part in (0..150).rev() {
        client.run(&format!("LATCH.ADD k 1 ID part-{part:03}"));
    }
    for (options, number) in [
        ("", 100),
        (" COUNT 1", 1),
        (" count 149", 149),
        (" COUNT 150", 150),
        (" COUNT 9223372036854775807", 150),
    ] {
        let reply = ask(&mut witness, &mut client, &format!("LATCH.PENDING k{options}"));
        let expected: Vec<_> = (0..number).map(|part| bulk(format!("part-{part:03}"))).collect();
        assert_eq!(reply, array(expected), "{options}");
    }
    assert_eq!(fields(&mut client, ["pending"]), ["150"]);
}

#[test]
fn what_is_wrong_is_refused() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    for state in [MISSING, CLOSED, STRING] {
        prepare(&mut client, state);
        for (line, text) in [
            ("LATCH.ARRIVED k ID", SYNTAX),
            ("LATCH.ARRIVED k r", SYNTAX),
            ("LATCH.ARRIVED k FOO r", SYNTAX),
            ("LATCH.PENDING k 5", SYNTAX),
            ("LATCH.PENDING k COUNT", SYNTAX),
            ("LATCH.PENDING k COUNT 5 5", SYNTAX),
            ("LATCH.PENDING k FOO 5", SYNTAX),
            ("LATCH.PENDING k COUNT 0", NOT_AN_INTEGER),
            ("LATCH.PENDING k COUNT -1", NOT_AN_INTEGER),
            ("LATCH.PENDING k COUNT x", NOT_AN_INTEGER),
            ("LATCH.ARRIVED", "ERR wrong number of arguments for 'latch.arrived' command"),
            ("LATCH.PENDING", "ERR wrong number of arguments for 'latch.pending' command"),
        ] {
            assert_eq!(ask(&mut witness, &mut client, line), error(text), "{line}");
        }
        for id in [&b""[..], &[b'x'; 1025]] {
            let reply = client.call(cmd!["LATCH.ARRIVED", "k", "ID", "r", id]);
            assert_eq!(reply, error("ERR id must have 1 to 1024 bytes"));
        }
    }
    for line in ["LATCH.ARRIVED k", "LATCH.ARRIVED k ID r", "LATCH.PENDING k"] {
        assert_eq!(ask(&mut witness, &mut client, line), error(WRONG_TYPE), "{line}");
    }
}

#[test]
fn a_replica_and_a_script_may_ask() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    prepare(&mut master.client(), CLOSED);
    replica.wait_in_sync(&master);
    assert_eq!(replica.run("LATCH.PENDING k"), array(["p"]));
    assert_eq!(replica.run("LATCH.ARRIVED k ID r p"), array([1, 0]));
    let script = "return redis.call('LATCH.PENDING', KEYS[1], 'COUNT', 5)";
    assert_eq!(replica.client().call(["EVAL_RO", script, "1", "k"]), array(["p"]));
}

#[test]
fn the_few_that_are_missing_of_very_many_are_found_in_time() {
    const PARTS: usize = 200_000;
    /// For a debug build of a client on a loaded machine.
    const SOON: Duration = Duration::from_secs(1);

    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    client.send_line("CLIENT REPLY OFF");
    for command in ["LATCH.ADD k 1 ID", "LATCH.COUNTDOWN k ID"] {
        let parts = if command.contains("ADD") { 0..PARTS } else { 100..PARTS };
        let lines = parts.map(|part| format!("{command} {part:08}\r\n"));
        let lines: Vec<_> = lines.collect();
        lines.chunks(1000).for_each(|lines| client.send_raw(lines.concat().as_bytes()));
    }
    client.send_line("CLIENT REPLY ON");
    assert_eq!(client.receive_within(Duration::from_secs(60)), Some(ok()));
    let begin = Instant::now();
    let missing = client.run("LATCH.PENDING k");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    let expected: Vec<_> = (0..100).map(|part| bulk(format!("{part:08}"))).collect();
    assert_eq!(missing, array(expected));
    assert_eq!(fields(&mut client, ["count", "pending"]), ["101", "100"]);
}
