//! `DUMP`, `RESTORE` and `MIGRATE`.

mod common;

use common::*;

#[test]
fn a_refused_payload_leaves_the_latch_it_should_replace_and_its_clients_alone() {
    let (server, payload) = dumped();
    let mut client = server.client();
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let mut bad = ModuleValue::of(&payload);
    bad.fields[0] = Field::Number(2 * 301 + 1);
    let reply = client.call(cmd!["RESTORE", "k", "0", bad.payload(), "REPLACE"]);
    assert_eq!(reply, error("ERR Bad data format"));
    server.wait_parked(&waiter);
    assert_eq!(client.run("LATCH.COUNTDOWN k 296"), int(1));
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    assert_eq!(waiter.receive(), ok());
}

/// The names of all keys, in order.
fn keys(client: &mut Client) -> Vec<Vec<u8>> {
    let name = |key: &Reply| match key {
        Reply::Bulk(name) => name.clone(),
        other => panic!("expected a name, got {other:?}"),
    };
    let mut keys: Vec<_> = client.run("KEYS *").items().iter().map(name).collect();
    keys.sort();
    keys
}

#[test]
fn dump_and_restore_make_an_equal_latch_of_any_latch() {
    let server = Server::new();
    make_latches(&server);
    let mut client = server.client();
    for key in keys(&mut client) {
        let shown = key.escape_ascii();
        let payload = dump(&mut client, &key);
        let expiry = client.call(cmd!["PEXPIRETIME", key]).int();
        let at = expiry.max(0).to_string();
        assert_eq!(client.call(cmd!["RESTORE", "new", at, payload, "ABSTTL"]), ok());
        assert_eq!(client.run("PEXPIRETIME new"), int(expiry), "{shown}");
        let digests = client.call(cmd!["DEBUG", "DIGEST-VALUE", key, "new"]);
        assert_eq!(digests.items()[0], digests.items()[1], "{shown}");
        let infos = [&key[..], b"new"].map(|key| client.call(cmd!["LATCH.INFO", key]));
        for field in [
            "state",
            "count",
            "total",
            "arrived",
            "linger-ms",
            "reason",
            "pending",
            "opened-by",
            "set-by",
        ] {
            assert_eq!(infos[0].field(field), infos[1].field(field), "{shown}");
        }
        for ids in ["LATCH.ARRIVED", "LATCH.PENDING"] {
            let [old, new] = [&key[..], b"new"].map(|key| client.call(cmd![ids, key]));
            assert_eq!(old, new, "{ids} {shown}");
        }
        client.run("DEL new");
    }
}

#[test]
fn restore_takes_the_time_to_live_it_is_given() {
    let (server, _) = dumped();
    let mut client = server.client();
    let payload = dump(&mut client, "k");
    let at = "99999999999999";
    assert_eq!(client.call(cmd!["RESTORE", "in", "50000", payload]), ok());
    assert!((1..=50_000).contains(&client.run("PTTL in").int()));
    assert_eq!(client.call(cmd!["RESTORE", "at", at, payload, "ABSTTL"]), ok());
    assert_eq!(client.run("PEXPIRETIME at").int().to_string(), at);
    assert_eq!(client.call(cmd!["RESTORE", "past", "1", payload, "ABSTTL"]), ok());
    assert_eq!(client.run("EXISTS past"), int(0));

    let busy = client.call(cmd!["RESTORE", "in", "0", payload]);
    assert!(busy.error().starts_with("BUSYKEY "), "{busy:?}");
    assert_eq!(client.call(cmd!["RESTORE", "in", "0", payload, "REPLACE"]), ok());
    assert_eq!(client.run("PTTL in"), int(-1));
    assert_eq!(client.run("LATCH.COUNTDOWN in"), int(296));
    assert_eq!(client.run("LATCH.GET k"), int(297), "another latch");
}

#[test]
fn a_latch_that_is_replaced_is_gone_for_its_clients() {
    let (server, _) = dumped();
    let mut client = server.client();
    let payload = dump(&mut client, "k");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.call(cmd!["RESTORE", "k", "0", payload, "REPLACE"]), ok());
    assert_eq!(waiter.receive(), gone());
    assert_eq!(client.run("LATCH.GET k"), int(297));
}

#[test]
fn migrate_moves_a_latch_as_it_is_to_another_server() {
    let (there, here) = (Server::builder().tcp().start(), Server::new());
    make_latches(&here);
    let mut waiter = here.parked("LATCH.AWAIT counted 0");
    let mut client = here.client();
    let port = there.port();
    let migrate = ["MIGRATE", "127.0.0.1", &port.to_string(), "", "0", "5000", "KEYS"];
    let digest = here.digest();
    for db in [0, 3] {
        client.run(&format!("SELECT {db}"));
        let size = client.run("DBSIZE");
        let mut command = migrate.map(|word| word.as_bytes().to_vec()).to_vec();
        command[4] = db.to_string().into();
        command.extend(keys(&mut client));
        command.insert(6, b"COPY".into());
        assert_eq!(client.call(&command), ok());
        assert_eq!(client.run("DBSIZE"), size);
        command[6] = b"REPLACE".into();
        assert_eq!(client.call(&command), ok());
        assert_eq!(client.run("DBSIZE"), int(0));
    }
    assert_eq!(there.digest(), digest);
    assert_eq!(waiter.receive(), gone());
    assert_eq!(there.run("LATCH.COUNTDOWN counted"), int(3));
    assert_eq!(there.run("LATCH.COUNTDOWN drained"), int(0));
    assert!((900_000..=1_000_000).contains(&there.run("PTTL timed").int()));
}
