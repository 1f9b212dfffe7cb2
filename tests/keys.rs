//! The commands of the server that are about keys, on a latch.

mod common;

use std::time::Duration;

use common::*;

/// The digests of values, in the order of their keys.
fn digests(server: &Server, keys: &str) -> Vec<String> {
    let reply = server.run(&format!("DEBUG DIGEST-VALUE {keys}"));
    reply.items().iter().map(Reply::text).collect()
}

/// A server with `k`: a latch of 5, counted down to 3, that expires in time.
fn with_latch() -> Server {
    let server = Server::new();
    server.run("LATCH.SET k 5 PXAT 99999999999999");
    server.run("LATCH.COUNTDOWN k 2");
    server
}

const EXPIRY: i64 = 99_999_999_999_999;

/// Panics unless `key`, in the database of `client`, is what `k` was.
#[track_caller]
fn expect_as_it_was(client: &mut Client, key: &str) {
    assert_eq!(client.run(&format!("LATCH.GET {key}")), int(3));
    assert_eq!(client.run(&format!("PEXPIRETIME {key}")), int(EXPIRY));
    client.run("LATCH.SET same 5");
    client.run("LATCH.COUNTDOWN same 2");
    client.run(&format!("PEXPIREAT same {EXPIRY}"));
    let digests = client.run(&format!("DEBUG DIGEST-VALUE {key} same"));
    assert_eq!(digests.items()[0], digests.items()[1], "in its total too");
    client.run("DEL same");
}

#[test]
fn a_copy_is_equal_and_independent() {
    let server = with_latch();
    let mut client = server.client();
    let mut of_source = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("COPY k copy"), int(1));
    expect_as_it_was(&mut client, "copy");
    let mut of_copy = server.parked("LATCH.AWAIT copy 0");

    assert_eq!(client.run("LATCH.COUNTDOWN copy 3"), int(0));
    assert_eq!(of_copy.receive(), ok());
    server.wait_parked(&of_source);
    expect_as_it_was(&mut client, "k");

    assert_eq!(client.run("COPY k copy"), int(1));
    assert_eq!(client.run("COPY k copy"), int(0), "it is there");
    let mut of_copy = server.parked("LATCH.AWAIT copy 0");
    assert_eq!(client.run("LATCH.COUNTDOWN k 3"), int(0));
    assert_eq!(of_source.receive(), ok());
    server.wait_parked(&of_copy);
    expect_as_it_was(&mut client, "copy");

    client.run("LATCH.SET k 1");
    assert_eq!(client.run("COPY k copy REPLACE"), int(1));
    assert_eq!(of_copy.receive(), gone());
    assert_eq!(client.run("LATCH.GET copy"), int(1));
    assert_eq!(client.run("PTTL copy"), int(-1));
}

#[test]
fn a_copy_in_another_database_is_another_latch_of_the_same_name() {
    let server = with_latch();
    let (mut here, mut there) = (server.client(), server.client());
    there.run("SELECT 1");
    let mut of_source = server.parked("LATCH.AWAIT k 0");
    assert_eq!(here.run("COPY k k DB 1"), int(1));
    expect_as_it_was(&mut there, "k");
    let mut of_copy = server.parked_in(1, "LATCH.AWAIT k 0");
    assert_eq!(there.run("LATCH.COUNTDOWN k 3"), int(0));
    assert_eq!(of_copy.receive(), ok());
    server.wait_parked(&of_source);
    expect_as_it_was(&mut here, "k");
    assert_eq!(here.run("LATCH.COUNTDOWN k 3"), int(0));
    assert_eq!(of_source.receive(), ok());
}

#[test]
fn a_latch_that_is_renamed_stays_what_it_is() {
    let server = with_latch();
    let mut client = server.client();
    let mut of_k = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("RENAME k k"), ok());
    server.wait_parked(&of_k);

    assert_eq!(client.run("RENAME k other"), ok());
    assert_eq!(of_k.receive(), gone());
    expect_as_it_was(&mut client, "other");

    client.run("LATCH.SET third 9");
    assert_eq!(client.run("RENAMENX other third"), int(0));
    let mut of_third = server.parked("LATCH.AWAIT third 0");
    assert_eq!(client.run("RENAME other third"), ok());
    assert_eq!(of_third.receive(), gone(), "another latch has its name");
    assert_eq!(client.run("RENAMENX third k"), int(1));
    expect_as_it_was(&mut client, "k");

    let mut of_k = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("LATCH.COUNTDOWN k 3"), int(0));
    assert_eq!(of_k.receive(), ok());
}

#[test]
fn a_latch_that_is_moved_to_another_database_stays_what_it_is() {
    let server = with_latch();
    let (mut here, mut there) = (server.client(), server.client());
    there.run("SELECT 1");
    let mut of_k = server.parked("LATCH.AWAIT k 0");
    assert_eq!(here.run("MOVE k 1"), int(1));
    assert_eq!(of_k.receive(), gone());
    assert_eq!(here.run("EXISTS k"), int(0));
    expect_as_it_was(&mut there, "k");
    here.run("LATCH.SET k 9");
    assert_eq!(there.run("MOVE k 0"), int(0), "it is there");
    expect_as_it_was(&mut there, "k");
    let mut of_k = server.parked_in(1, "LATCH.AWAIT k 0");
    assert_eq!(there.run("LATCH.COUNTDOWN k 3"), int(0));
    assert_eq!(of_k.receive(), ok());
    assert_eq!(here.run("LATCH.GET k"), int(9));
}

#[test]
fn a_client_stays_in_its_database_when_its_command_finds_an_expired_key_in_another() {
    let server = Server::new();
    let mut client = server.client();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    for command in ["COPY k k DB 1", "MOVE k 1"] {
        client.run("SELECT 1");
        client.run("LATCH.SET k 5 PX 1");
        client.run("SELECT 0");
        client.run("LATCH.SET k 7");
        eventually("the copy in the way to expire", PATIENCE, || {
            (client.run(command) == int(1)).then_some(())
        });
        client.run("SET here 1");
        assert_eq!(client.run("EXISTS here"), int(1));
        let info = client.run("CLIENT INFO").text();
        assert!(info.contains(" db=0 "), "{command}: {info}");
        client.run("FLUSHALL");
    }
}

#[test]
fn a_latch_is_an_object_like_any_other() {
    let server = with_latch();
    let mut client = server.client();
    assert_eq!(client.run("TYPE k"), Reply::Simple("countdown".into()));
    assert_eq!(client.run("OBJECT ENCODING k"), bulk("raw"));
    assert_eq!(client.run("OBJECT REFCOUNT k"), int(1));
    assert!(client.run("OBJECT IDLETIME k").int() < 10);
    assert_eq!(client.run("TOUCH k missing"), int(1));
    let object = client.run("DEBUG OBJECT k").text();
    assert!(object.contains("encoding:raw"), "{object}");
    client.run("CONFIG SET maxmemory-policy allkeys-lfu");
    client.run("LATCH.SET k 5");
    assert!(client.run("OBJECT FREQ k").int() >= 0);
}

#[test]
fn a_time_to_live_can_be_given_and_taken() {
    let server = with_latch();
    let mut client = server.client();
    assert_eq!(client.run("PERSIST k"), int(1));
    assert_eq!(client.run("PTTL k"), int(-1));
    assert_eq!(client.run("PEXPIREAT k 99999999999998"), int(1));
    assert_eq!(client.run(&format!("PEXPIREAT k {EXPIRY} GT")), int(1));
    expect_as_it_was(&mut client, "k");
    assert_eq!(client.run("PEXPIREAT k 1"), int(1));
    assert_eq!(client.run("EXISTS k"), int(0));
}

#[test]
fn the_digest_of_a_value_is_of_its_count_and_its_total() {
    let server = Server::new();
    let mut client = server.client();
    for line in [
        "LATCH.SET three-of-five 9",
        "LATCH.SET three-of-three 3",
        "LATCH.SET three-of-five 5",
        "LATCH.COUNTDOWN three-of-five",
        "LATCH.COUNTDOWN three-of-five",
        "LATCH.SET two-of-five 5",
        "LATCH.COUNTDOWN two-of-five 3",
        "LATCH.SET five 5",
        "LATCH.SET three-again 5",
        "LATCH.COUNTDOWN three-again 2",
    ] {
        client.run(line);
    }
    let different = digests(&server, "three-of-five three-of-three two-of-five five");
    for (index, digest) in different.iter().enumerate() {
        assert_eq!(digest.len(), 40, "{digest}");
        assert!(!different[..index].contains(digest), "{different:?}");
    }
    assert_eq!(digests(&server, "three-again")[0], different[0]);
}

#[test]
fn the_digest_of_all_does_not_depend_on_the_order_of_creation() {
    let lines = ["LATCH.SET a 5", "LATCH.SET b 6", "LATCH.SET c 7 EX 1000"];
    let server = Server::new();
    let empty = server.digest();
    let mut all = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        server.run("FLUSHALL");
        assert_eq!(server.digest(), empty);
        for index in order {
            server.run(lines[index]);
        }
        all.push(server.digest());
    }
    assert_ne!(all[0], empty);
    assert!(all.iter().all(|digest| *digest == all[0]), "{all:?}");
}

#[test]
fn a_latch_is_found_by_whatever_looks_for_keys() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET job:1 5");
    assert_eq!(client.run("RANDOMKEY"), bulk("job:1"));
    assert_eq!(client.run("EXISTS job:1 job:1"), int(2));
    client.run("LATCH.SET job:2 5");
    client.run("SET job:3 string");
    let mut found: Vec<_> = (client.run("KEYS job:*").items().iter()).map(Reply::text).collect();
    found.sort();
    assert_eq!(found, ["job:1", "job:2", "job:3"]);
    for kind in ["countdown", "COUNTDOWN"] {
        let reply = client.run(&format!("SCAN 0 COUNT 100 TYPE {kind}"));
        let mut found: Vec<_> = (reply.items()[1].items().iter()).map(Reply::text).collect();
        found.sort();
        assert_eq!(found, ["job:1", "job:2"], "{kind}");
    }
    let strings = client.run("SCAN 0 COUNT 100 TYPE string");
    assert_eq!(strings.items()[1], array(["job:3"]));
    assert_eq!(client.run("DBSIZE"), int(3));
}

#[test]
fn commands_for_other_types_refuse_a_latch_and_leave_it_alone() {
    let server = with_latch();
    let mut client = server.client();
    let before = server.contents();
    for line in [
        "GET k",
        "GETDEL k",
        "GETEX k PERSIST",
        "GETSET k v",
        "APPEND k v",
        "INCR k",
        "STRLEN k",
        "SETRANGE k 0 v",
        "SETBIT k 0 1",
        "BITCOUNT k",
        "PFADD k v",
        "LPUSH k v",
        "LRANGE k 0 -1",
        "BLPOP k 0",
        "HSET k f v",
        "HGETALL k",
        "SADD k v",
        "SMEMBERS k",
        "SUNIONSTORE k k",
        "ZADD k 1 v",
        "ZRANGE k 0 -1",
        "XADD k * f v",
        "XLEN k",
        "GEOADD k 1 1 v",
        "SORT k",
        "SORT k STORE k",
        "SORT_RO k",
    ] {
        assert_eq!(client.run(line), error(WRONG_TYPE), "{line}");
    }
    assert_eq!(client.run("MGET k"), array([Reply::NullBulk]));
    assert_eq!(server.contents(), before);
}

/// Runs a script of which the last key is to be number `count`.
#[track_caller]
fn script(client: &mut Client, body: &str, count: i64) {
    let script = format!("for i = 1, ARGV[1] do {body} end");
    let reply = client.call(["EVAL", &script, "0", &count.to_string()]);
    assert_eq!(reply, Reply::NullBulk, "{body}");
}

fn used_memory(server: &Server) -> i64 {
    server.info("used_memory").parse().unwrap()
}

#[test]
fn a_latch_takes_little_more_memory_than_an_integer() {
    const COUNT: i64 = 10_000;
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET latch:1 123456");
    client.run("SET value:1 123456");
    let told = ["latch:1", "value:1"].map(|key| client.run(&format!("MEMORY USAGE {key}")).int());
    let mut taken = |body: &str| {
        client.run("FLUSHALL SYNC");
        let before = used_memory(&server);
        script(&mut client, body, COUNT);
        assert_eq!(client.run("DBSIZE"), int(COUNT));
        (used_memory(&server) - before) / COUNT
    };
    let measured = [
        taken("redis.call('LATCH.SET', 'latch:' .. i, 123456 + i)"),
        taken("redis.call('SET', 'value:' .. i, 123456 + i)"),
    ];
    println!("bytes of a latch and of an integer: told {told:?}, measured {measured:?}");
    let all = if server.knows_what_a_key_takes() { vec![told, measured] } else { vec![measured] };
    for [latch, integer] in all {
        assert!(integer > 0 && latch >= integer, "{latch} and {integer}");
        assert!(latch < 3 * integer, "{latch} and {integer}");
    }
}

#[test]
fn memory_comes_back_when_latches_are_removed_in_the_background() {
    const COUNT: i64 = 10_000;
    let server = Server::new();
    let mut client = server.client();
    // Once before, for what the server allocates once.
    let create = "redis.call('LATCH.SET', 'k' .. i, i)";
    script(&mut client, create, COUNT);
    client.run("FLUSHALL SYNC");
    eventually("the memory to come back", PATIENCE, || {
        (server.info("lazyfree_pending_objects") == "0").then_some(())
    });
    let before = used_memory(&server);
    for removal in ["FLUSHALL ASYNC", "FLUSHDB ASYNC", "UNLINK", "SWAPDB 0 1"] {
        script(&mut client, create, COUNT);
        let full = used_memory(&server);
        assert!(full - before > COUNT * 24, "{before} to {full}");
        match removal {
            "UNLINK" => script(&mut client, "redis.call('UNLINK', 'k' .. i)", COUNT),
            "SWAPDB 0 1" => {
                client.run(removal);
                client.run("FLUSHALL ASYNC");
            }
            _ => assert_eq!(client.run(removal), ok()),
        }
        // The table of keys itself may shrink later.
        let limit = before + (full - before) / 5;
        eventually("the memory to come back", PATIENCE, || {
            (used_memory(&server) < limit).then_some(())
        });
        assert_eq!(client.run("DBSIZE"), int(0), "{removal}");
    }
}

#[test]
fn latches_stay_what_they_are_when_the_server_moves_them_in_memory() {
    const COUNT: i64 = 100_000;
    const KEPT: i64 = 10; // every tenth
    let server = Server::builder()
        .config("active-defrag-ignore-bytes", "1")
        .config("active-defrag-threshold-lower", "1")
        .config("active-defrag-cycle-min", "50")
        .start();
    if !server.defragments() {
        return;
    }
    let mut client = server.client();
    let create = "redis.call('LATCH.SET', 'k' .. i, i + 5) redis.call('LATCH.COUNTDOWN', 'k' .. i)";
    script(&mut client, create, COUNT);
    let thin_out = format!("if i % {KEPT} ~= 0 then redis.call('DEL', 'k' .. i) end");
    script(&mut client, &thin_out, COUNT);
    let mut waiters: Vec<_> =
        (1..=20).map(|nth| server.parked(&format!("LATCH.AWAIT k{} 0", nth * KEPT))).collect();
    let before = server.contents();

    assert_eq!(client.run("CONFIG SET activedefrag yes"), ok());
    // It stays near 2 if everything but the latches is moved.
    eventually("the holes to be closed", 3 * PATIENCE, || {
        let ratio: f64 = server.info("allocator_frag_ratio").parse().unwrap();
        (ratio < 1.7).then_some(())
    });
    let hits: i64 = server.info("active_defrag_hits").parse().unwrap();
    assert!(hits > COUNT / KEPT, "{hits} allocations moved");
    assert_eq!(server.contents(), before);
    for nth in 1..=20 {
        let left = nth * KEPT + 4;
        let line = format!("LATCH.COUNTDOWN k{} {left}", nth * KEPT);
        assert_eq!(client.run(&line), int(0));
    }
    for waiter in &mut waiters {
        assert_eq!(waiter.receive_within(Duration::from_secs(5)), Some(ok()));
    }
}
