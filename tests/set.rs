//! `LATCH.SET`: creating, resetting, opening and refusing.

mod common;

use std::time::Duration;

use common::*;

/// What a command is expected to do to the latch `k`.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Nothing,
    /// It has this count now.
    Closed(i64),
    /// It is open and its key is gone.
    Opened,
}
use Effect::{Closed, Nothing, Opened};

#[test]
fn sets_resets_opens_or_leaves_alone() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    for (mut client, null) in server.clients() {
        for (before, args, met, effect) in [
            // No latch.
            (0, "5", true, Closed(5)),
            (0, "5 NX", true, Closed(5)),
            (0, "5 XX", false, Nothing),
            (0, "0", true, Nothing),
            (0, "0 NX", true, Nothing),
            (0, "0 XX", false, Nothing),
            (0, "0 EX 100", true, Nothing),
            // A latch with a count of three.
            (3, "5", true, Closed(5)),
            (3, "5 NX", false, Nothing),
            (3, "5 NX EX 100", false, Nothing),
            (3, "5 XX", true, Closed(5)),
            (3, "0", true, Opened),
            (3, "0 NX", false, Nothing),
            (3, "0 XX", true, Opened),
            (3, "0 EX 100", true, Opened),
        ] {
            client.run("DEL k");
            if before > 0 {
                assert_eq!(client.run(&format!("LATCH.SET k {before} EX 1000")), ok());
            }
            let case = format!("{args}, where the count is {before}");
            let (reply, seen) = witness.see("k", || client.run(&format!("LATCH.SET k {args}")));
            assert_eq!(reply, if met { ok() } else { null.clone() }, "{case}");
            let (count, events) = match effect {
                Nothing => {
                    assert_eq!(seen, Seen::default(), "{case}");
                    (before, &[][..])
                }
                Closed(count) => (count, &["latch.set k"][..]),
                Opened => (0, &["latch.set k", "latch.open k", "del k"][..]),
            };
            assert_eq!(seen.events, events, "{case}");
            let changed = !events.is_empty();
            assert_eq!(seen.broke_watch, changed, "{case}");
            assert_eq!(seen.changed_data, changed, "{case}");
            assert_eq!(!seen.propagated.is_empty(), changed, "{case}");
            assert_eq!(client.run("LATCH.GET k"), int(count), "{case}");
            assert_eq!(client.run("EXISTS k"), int((count > 0).into()), "{case}");
        }
    }
}

#[test]
fn a_reset_latch_is_as_good_as_new() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 5");
    let fresh = server.digest();
    for start in ["LATCH.SET k 9 EX 1000", "LATCH.SET k 5", "LATCH.SET k 2"] {
        client.run(start);
        client.run("LATCH.COUNTDOWN k");
        assert_ne!(server.digest(), fresh, "a latch remembers what it was set to");
        client.run("LATCH.SET k 5");
        assert_eq!(server.digest(), fresh, "after {start}");
    }
    assert_eq!(client.run("LATCH.COUNTDOWN k 4"), int(1));
}

#[test]
fn clients_parked_on_a_latch_that_is_reset_wait_for_the_new_count() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 1");
    let mut waiters = [server.parked("LATCH.AWAIT k 0"), server.parked("LATCH.AWAIT k 0")];
    for reset in ["LATCH.SET k 2", "LATCH.SET k 3 XX EX 1000"] {
        assert_eq!(client.run(reset), ok());
        for waiter in &mut waiters {
            waiter.nothing_within(Duration::from_millis(20));
            server.wait_parked(waiter);
        }
    }
    assert_eq!(client.run("LATCH.COUNTDOWN k 2"), int(1));
    server.wait_blocked(2);
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    for mut waiter in waiters {
        assert_eq!(waiter.receive(), ok());
    }
}

#[test]
fn a_count_of_zero_releases_the_clients_parked() {
    let server = Server::new();
    for args in ["0", "0 XX", "0 PX 1"] {
        server.run("LATCH.SET k 3");
        let mut waiters = [server.parked("LATCH.AWAIT k 0"), server.parked("LATCH.AWAIT k 0")];
        assert_eq!(server.run(&format!("LATCH.SET k {args}")), ok());
        for waiter in &mut waiters {
            assert_eq!(waiter.receive(), ok(), "{args}");
        }
        assert_eq!(server.run("EXISTS k"), int(0), "{args}");
    }
}

#[test]
fn every_expiry_option_sets_the_time_to_live() {
    let server = Server::new();
    let mut client = server.client();
    for relation in ["creates", "resets"] {
        for (option, seconds, millis) in [
            ("EX 100", 100, 0),
            ("PX 123456", 0, 123_456),
            ("ex 1", 1, 0),
            ("EX 31536000000", 31_536_000_000, 0),
        ] {
            if relation == "creates" {
                client.run("DEL k");
            }
            let earliest = client.time() + 1000 * seconds + millis;
            assert_eq!(client.run(&format!("LATCH.SET k 5 {option}")), ok());
            let latest = client.time() + 1000 * seconds + millis;
            let at = client.run("PEXPIRETIME k").int();
            assert!(
                (earliest..=latest).contains(&at),
                "{option} {relation}: {at} is not from {earliest} to {latest}"
            );
        }
        for (option, at) in [
            ("EXAT 33333333333", 33_333_333_333_000),
            ("PXAT 33333333333333", 33_333_333_333_333),
            ("PXAT 9223372036854775807", i64::MAX),
        ] {
            if relation == "creates" {
                client.run("DEL k");
            }
            assert_eq!(client.run(&format!("LATCH.SET k 5 {option}")), ok());
            assert_eq!(client.run("PEXPIRETIME k"), int(at), "{option} {relation}");
        }
    }
}

#[test]
fn a_time_to_live_is_kept_only_if_asked_for() {
    const AT: i64 = 33_333_333_333_333;
    const NONE: i64 = -1;
    let server = Server::new();
    let mut client = server.client();
    for (before, command, after) in [
        (AT, "LATCH.SET k 5", NONE),
        (AT, "LATCH.SET k 5 XX", NONE),
        (AT, "LATCH.SET k 5 KEEPTTL", AT),
        (AT, "LATCH.SET k 5 XX KEEPTTL", AT),
        (AT, "LATCH.SET k 5 NX", AT),
        (AT, "LATCH.SET k 5 NX PXAT 44444444444444", AT),
        (AT, "LATCH.SET k 5 PXAT 44444444444444", 44_444_444_444_444),
        (AT, "LATCH.COUNTDOWN k", AT),
        (NONE, "LATCH.SET k 5", NONE),
        (NONE, "LATCH.SET k 5 KEEPTTL", NONE),
        (NONE, "LATCH.COUNTDOWN k", NONE),
    ] {
        client.run("LATCH.SET k 3");
        if before != NONE {
            client.run(&format!("PEXPIREAT k {before}"));
        }
        client.run(command);
        assert_eq!(client.run("PEXPIRETIME k"), int(after), "{command} where it was {before}");
    }
    client.run("DEL k");
    assert_eq!(client.run("LATCH.SET k 5 KEEPTTL"), ok());
    assert_eq!(client.run("PEXPIRETIME k"), int(NONE));
}

#[test]
fn a_time_that_has_passed_leaves_no_latch() {
    let server = Server::new();
    let mut client = server.client();
    for option in ["PXAT 1", "EXAT 1"] {
        for before in ["DEL k", "LATCH.SET k 3"] {
            client.run(before);
            assert_eq!(client.run(&format!("LATCH.SET k 5 {option}")), ok());
            assert_eq!(client.run("LATCH.GET k"), int(0), "{option} after {before}");
            assert_eq!(client.run("EXISTS k"), int(0), "{option} after {before}");
        }
    }
}

#[test]
fn options_come_in_any_order_and_case() {
    const AT: i64 = 33_333_333_333_333;
    let server = Server::new();
    let mut client = server.client();
    for (created, options, at) in [
        (true, "NX PXAT 33333333333333", AT),
        (true, "PXAT 33333333333333 NX", AT),
        (true, "nx pxat 33333333333333", AT),
        (true, "pXaT 33333333333333 Nx", AT),
        (true, "eXAt 33333333333 nX", AT - 333),
        (true, "keepttl NX", -1),
        (true, "NX KeepTTL", -1),
        (false, "XX PXAT 33333333333333", AT),
        (false, "pxat 33333333333333 xx", AT),
        (false, "xX keepTTL", AT),
        (false, "KEEPTTL Xx", AT),
    ] {
        if created {
            client.run("DEL k");
        }
        assert_eq!(client.run(&format!("latch.Set k 5 {options}")), ok());
        assert_eq!(client.run("LATCH.GET k"), int(5), "{options}");
        assert_eq!(client.run("PEXPIRETIME k"), int(at), "{options}");
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let syntax = [
        "5 FOO",
        "0 FOO",
        "5 FOO NX",
        "5 NX FOO",
        "5 6",
        "5 NX NX",
        "5 XX XX",
        "5 NX XX",
        "5 xx nx",
        "0 NX XX",
        "5 EX",
        "5 PX",
        "5 NX EXAT",
        "5 XX PXAT",
        "5 EX 100 EX 100",
        "5 EX 100 PX 100",
        "5 EXAT 9999999999 PXAT 9999999999999",
        "5 KEEPTTL KEEPTTL",
        "5 KEEPTTL EX 100",
        "5 PXAT 9999999999999 KEEPTTL",
        "5 EX 100 100",
        "5 KEEPTTL 100",
        "5 GET",
        "5 NXX",
        "5 N",
    ];
    let lines = syntax.map(|args| {
        let words = args.split(' ').map(str::to_owned).collect::<Vec<_>>();
        (words, SYNTAX)
    });
    let counts = NO_INTEGERS.iter().copied();
    let counts = counts.chain(["-1", "-9223372036854775808", "NX"]);
    let counts = counts.map(|count| (vec![count.into()], NOT_AN_INTEGER));
    let times = NO_INTEGERS.iter().map(|time| {
        let words = ["5".into(), "PX".into(), (*time).into()];
        (words.to_vec(), NOT_AN_INTEGER)
    });
    let refusals: Vec<_> = lines.into_iter().chain(counts).chain(times).collect();

    for before in ["DEL k", "LATCH.SET k 3 PXAT 33333333333333"] {
        server.run(before);
        let exists = server.run("EXISTS k") == int(1);
        let waiter = exists.then(|| server.parked("LATCH.AWAIT k 0"));
        for (mut client, _) in server.clients() {
            for (args, text) in &refusals {
                let reply = witness.sees_nothing("k", || {
                    let words = ["LATCH.SET".to_owned(), "k".to_owned()];
                    client.call(words.iter().chain(args))
                });
                assert_eq!(reply, error(text), "{args:?} after {before}");
            }
        }
        if let Some(mut waiter) = waiter {
            server.wait_parked(&waiter);
            server.run("LATCH.COUNTDOWN k 3");
            assert_eq!(waiter.receive(), ok());
        }
    }
}

#[test]
fn times_to_live_are_refused_as_the_set_command_of_the_server_does() {
    let server = Server::new();
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    client.run("LATCH.SET k 3 PXAT 33333333333333");
    for (options, text) in [
        ("EX 0", INVALID_EXPIRE),
        ("PX 0", INVALID_EXPIRE),
        ("EXAT 0", INVALID_EXPIRE),
        ("PXAT 0", INVALID_EXPIRE),
        ("EX -1", INVALID_EXPIRE),
        ("PX -1", INVALID_EXPIRE),
        ("EXAT -1", INVALID_EXPIRE),
        ("PXAT -9223372036854775808", INVALID_EXPIRE),
        ("EX 9223372036854775807", INVALID_EXPIRE),
        ("PX 9223372036854775807", INVALID_EXPIRE),
        ("EXAT 9223372036854775807", INVALID_EXPIRE),
        // In ms it still fits, but not after what has passed since 1970.
        ("EX 9223372036854775", INVALID_EXPIRE),
        // And this does not fit in ms.
        ("EXAT 9223372036854776", INVALID_EXPIRE),
        ("EX 1.5", NOT_AN_INTEGER),
        ("PX 1s", NOT_AN_INTEGER),
        ("EXAT NX", NOT_AN_INTEGER),
        ("PXAT 9223372036854775808", NOT_AN_INTEGER),
    ] {
        let of_core = client.run(&format!("SET string x {options}"));
        let of_core = of_core.error().replace("'set'", "'latch.set'");
        assert_eq!(of_core, text, "{options}");
        // A condition that is not met does not excuse it, nor does a count of 0.
        for args in [format!("5 {options}"), format!("5 NX {options}"), format!("0 {options}")] {
            let reply = witness.sees_nothing("k", || client.run(&format!("LATCH.SET k {args}")));
            assert_eq!(reply, error(text), "{args}");
        }
    }
}

const INVALID_EXPIRE: &str = "ERR invalid expire time in 'latch.set' command";

#[test]
fn a_count_may_be_as_large_as_an_integer_of_the_protocol() {
    let server = Server::new();
    for (mut client, _) in server.clients() {
        for count in [1, 1 << 53, (1 << 53) + 1, i64::MAX - 1, i64::MAX] {
            assert_eq!(client.run(&format!("LATCH.SET k {count}")), ok());
            assert_eq!(client.run("LATCH.GET k"), int(count));
        }
    }
}

#[test]
fn times_to_live_of_one_script_run_from_one_time() {
    let server = Server::new();
    if server.version() < (7, 2, 0) {
        return; // goes by the clock, and offers modules nothing else
    }
    let mut client = server.client();
    let spin = "for i = 1, 3e7 do end";
    let script = format!(
        "redis.call('SET', 's', 'v', 'PX', 100000) {spin} \
         redis.call('LATCH.SET', 'k', 1, 'PX', 100000) \
         redis.call('LATCH.SET', 'l', 1, 'LINGER', 100) {spin} \
         redis.call('LATCH.SET', 'm', 1, 'EX', 100) \
         redis.call('LATCH.COUNTDOWN', 'l')"
    );
    let mut stream = Stream::open(&server);
    assert_eq!(client.call(["EVAL", &script, "0"]), client.run("GET nothing"));
    let times: Vec<_> =
        ["s", "k", "l", "m"].map(|key| client.run(&format!("PEXPIRETIME {key}")).int()).into();
    assert!(times.iter().all(|&at| at == times[0]), "{times:?}");
    // And so it is propagated.
    let propagated: Vec<_> = stream.so_far().iter().map(|words| words.join(" ")).collect();
    let propagated = propagated.join("\n");
    let of_m = format!("LATCH.SET m 1 PXAT {}", times[0]);
    assert!(propagated.contains(&of_m), "{propagated}");
    assert!(propagated.contains(&format!("PEXPIREAT l {}", times[0])), "{propagated}");
}
