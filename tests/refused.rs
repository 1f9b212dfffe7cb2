//! Connections that the server does not park, and timeouts that it could not
//! reckon with.

mod common;

use common::*;

const CANNOT_WAIT: &str = "ERR this connection cannot wait: the server does not block it (has it a subscription?), use another one";
const OUT_OF_RANGE: &str = "ERR timeout is out of range";

/// The commands that wait for the latch `k`, with a timeout.
fn waits(timeout: &str) -> [String; 4] {
    [
        format!("LATCH.AWAIT k {timeout}"),
        format!("LATCH.AWAITALL {timeout} 2 k other MISSING WAIT"),
        format!("LATCH.AWAITANY {timeout} 2 k other MISSING WAIT"),
        format!("LATCH.ARRIVE k {timeout} ID x"),
    ]
}

#[test]
fn a_connection_with_a_subscription_waits_or_is_told_that_it_cannot() {
    let server = Server::new();
    server.run("LATCH.SET k 5");
    let mut witness = Witness::open(&server);
    for wait in waits("0") {
        let mut client = server.client3();
        client.run("SUBSCRIBE channel");
        if server.parks_subscribers() {
            client.send_line(&wait);
            server.wait_parked(&client);
            continue;
        }
        let refused = server.info("latch_refused_total").parse::<i64>().unwrap();
        let reply = witness.sees_nothing("k", || client.run(&wait));
        assert_eq!(reply, error(CANNOT_WAIT), "{wait}");
        assert_eq!(server.info("latch_refused_total"), (refused + 1).to_string());
        assert_eq!(
            (server.info("latch_waiters"), server.info("latch_waiting_keys")),
            ("0".into(), "0".into())
        );
        // What needs no parking is answered.
        assert_eq!(client.run("LATCH.AWAIT missing 0"), ok());
        assert_eq!(client.run("LATCH.GET k"), int(5));
        // And without the subscription it waits.
        client.run("UNSUBSCRIBE channel");
        client.send_line("LATCH.AWAIT k 0");
        server.wait_parked(&client);
    }
}

#[test]
fn the_longest_timeout_parks_and_a_millisecond_more_is_refused() {
    let server = Server::new();
    server.run("LATCH.SET k 9");
    let mut witness = Witness::open(&server);
    let mut waiters = Vec::new();
    for timeout in ["1125899906842.624", "1125899906842"] {
        waiters.extend(waits(timeout).map(|wait| server.parked(&wait)));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // Where the ms of a timeout and the clock fill 64 bits: newer servers refuse
    // it then, when it is too late for us.
    let edge = (i64::MAX - i64::try_from(now.as_millis()).unwrap()) / 1000;
    for timeout in ["1125899906842.625", &(edge - 100).to_string(), &edge.to_string(), "1e400"] {
        for wait in waits(timeout) {
            for (mut client, _) in server.clients() {
                let reply = witness.sees_nothing("k", || client.run(&wait));
                assert_eq!(reply, error(OUT_OF_RANGE), "{wait}");
            }
        }
    }
    // Nobody but those who wait is touched by the end.
    server.run("LATCH.SET other 1");
    assert_eq!(server.run("LATCH.ABORT k"), int(6), "those of AWAITANY wait on");
    assert_eq!(server.run("LATCH.COUNTDOWN other"), int(0));
    for (number, waiter) in waiters.iter_mut().enumerate() {
        let told = if number % 4 == 2 { bulk("other") } else { aborted("aborted") };
        waiter.receives_only(&told);
    }
    server.wait_blocked(0);
}
