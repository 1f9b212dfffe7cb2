//! The timeout of LATCH.AWAIT: in time, alone and in a race with the opening.

mod common;

use std::time::{Duration, Instant};

use common::*;

/// The most that a timeout may be late.
const LATE: Duration = Duration::from_millis(100);

/// The most that it usually is. A server of `hz 10` that has no reason to wake
/// up would be about 100 ms late each time.
const USUALLY_LATE: Duration = Duration::from_millis(50);

/// How late a wait that was begun at `begun` for `timeout` ends now; panics if
/// it is early.
#[track_caller]
fn lateness(begun: Instant, timeout: Duration) -> Duration {
    let waited = begun.elapsed();
    match waited.checked_sub(timeout) {
        Some(late) => late,
        None => panic!("a timeout of {timeout:?} after {waited:?}"),
    }
}

fn seconds(timeout: Duration) -> String {
    timeout.as_secs_f64().to_string()
}

#[test]
fn a_timeout_is_never_early_and_at_most_100_ms_late() {
    const TIMES: usize = 7;

    let server = Server::new();
    server.run("LATCH.SET k 1");
    for (mut client, null) in server.clients() {
        for timeout in [1, 15, 50, 250].map(Duration::from_millis) {
            undisturbed(|| {
                let mut late: Vec<_> = (0..TIMES)
                    .map(|_| {
                        let begun = Instant::now();
                        client.call(["LATCH.AWAIT", "k", &seconds(timeout)]);
                        lateness(begun, timeout)
                    })
                    .collect();
                late.sort();
                let good = late[TIMES / 2] <= USUALLY_LATE && late[TIMES - 1] <= LATE;
                if good { Ok(()) } else { Err(late) }
            });
        }
        assert_eq!(client.run("LATCH.AWAIT k 0.001"), null);
    }
}

#[test]
fn a_timeout_is_usually_in_time_whoever_else_waits() {
    const TIMES: usize = 15;
    /// A server that wakes up only to look at the keys is about 10 ms late each time.
    const USUALLY: Duration = Duration::from_millis(5);

    let server = Server::new();
    server.run("LATCH.SET k 1");
    let _far = server.parked("LATCH.AWAIT k 1000");
    let (mut first, mut second) = (server.client(), server.client());
    undisturbed(|| {
        let mut late: Vec<_> = (0..TIMES)
            .map(|_| {
                // Who comes later waits less.
                let (long, short) = (Duration::from_millis(15), Duration::from_millis(10));
                let begun = Instant::now();
                first.send(["LATCH.AWAIT", "k", &seconds(long)]);
                second.send(["LATCH.AWAIT", "k", &seconds(short)]);
                assert_eq!(second.receive(), Reply::NullBulk);
                let late = lateness(begun, short);
                assert_eq!(first.receive(), Reply::NullBulk);
                late.max(lateness(begun, long))
            })
            .collect();
        late.sort();
        if late[TIMES / 2] <= USUALLY { Ok(()) } else { Err(late) }
    });
}

#[test]
fn each_of_many_clients_has_its_own_timeout() {
    const CLIENTS: u64 = 50;

    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.client()).collect();
    undisturbed(|| {
        // Who comes later waits less, so each is the next to time out.
        let waits: Vec<_> = clients
            .iter_mut()
            .zip((1..=CLIENTS).rev())
            .map(|(client, step)| {
                let timeout = Duration::from_millis(10 * step + 20);
                let begun = Instant::now();
                client.send(["LATCH.AWAIT", "k", &seconds(timeout)]);
                (client, begun, timeout)
            })
            .collect();
        let mut latest = Duration::ZERO;
        for (client, begun, timeout) in waits.into_iter().rev() {
            assert_eq!(client.receive(), Reply::NullBulk);
            latest = latest.max(lateness(begun, timeout));
        }
        if latest <= LATE { Ok(()) } else { Err(latest) }
    });
    server.wait_blocked(0);
}

#[test]
fn a_timeout_is_any_number_of_seconds() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut client = server.client();
    for (text, millis) in [
        ("0.02", 20),
        (".02", 20),
        ("2e-2", 20),
        ("0.0155", 15),
        ("0.0001", 0),
        ("1e-300", 0),
        ("1e-999", 0),
    ] {
        let begun = Instant::now();
        assert_eq!(client.call(["LATCH.AWAIT", "k", text]), Reply::NullBulk);
        lateness(begun, Duration::from_millis(millis));
    }
}

#[test]
fn a_timeout_of_zero_never_passes() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiters = ["0", "0.0", "00", "0e9"].map(|never| {
        let mut waiter = server.client();
        waiter.send(["LATCH.AWAIT", "k", never]);
        server.wait_parked(&waiter);
        waiter
    });
    // Came later, and is gone before them.
    assert_eq!(server.run("LATCH.AWAIT k 0.3"), Reply::NullBulk);
    for waiter in &mut waiters {
        server.wait_parked(waiter);
    }
    server.run("LATCH.COUNTDOWN k");
    for waiter in &mut waiters {
        waiter.receives_only(&ok());
    }
}

#[test]
fn a_timeout_may_be_longer_than_any_timer() {
    // Timers of servers count in ms or µs, in 32 or 64 bits.
    for timeout in ["2200", "2592000", "4294967.5", "18446744073.7", "1125899906842.624"] {
        let server = Server::new();
        server.run("LATCH.SET k 1");
        let mut waiter = server.parked(&format!("LATCH.AWAIT k {timeout}"));
        // Time for the timers to go wrong, if they do.
        assert_eq!(server.run("BLPOP list 0.4"), Reply::NullArray);
        assert_eq!(server.run("LATCH.AWAIT k 0.02"), Reply::NullBulk);
        server.wait_parked(&waiter);
        server.run("LATCH.COUNTDOWN k");
        waiter.receives_only(&ok());
    }
}

#[test]
fn the_server_is_idle_when_nobody_waits_any_more() {
    const WINDOW: f64 = 0.4;

    for timeout in ["0", "0.2", "2200", "3600", "86400", "2592000"] {
        let server = Server::new();
        server.run("LATCH.SET k 1");
        let mut waiter = server.parked(&format!("LATCH.AWAIT k {timeout}"));
        server.run("LATCH.COUNTDOWN k");
        waiter.receives_only(&ok());
        // Until the timers that were running have come to an end.
        server.run("BLPOP list 0.3");
        let before = effort(&server);
        server.run(&format!("BLPOP list {WINDOW}"));
        let after = effort(&server);
        let (cpu, turns) = (after.0 - before.0, after.1 - before.1);
        assert!(cpu < WINDOW / 10.0, "{cpu} s of CPU in {WINDOW} s after a wait for {timeout}");
        // It is `hz 10`, so 4 and a few for the commands.
        assert!(turns < 25.0, "{turns} turns in {WINDOW} s after a wait for {timeout}");
    }
}

/// The CPU time that the server has used, in seconds, and the turns that its
/// event loop has taken, as far as it counts them (Redis 7.0 does not).
#[track_caller]
fn effort(server: &Server) -> (f64, f64) {
    let info = server.run("INFO everything").text();
    let sum = |names: &[&str]| {
        let fields = info.lines().filter_map(|line| line.split_once(':'));
        let values = fields.filter(|(name, _)| names.contains(name)).map(|(_, value)| value);
        values.map(|value| value.parse::<f64>().expect("a number")).sum()
    };
    (sum(&["used_cpu_user", "used_cpu_sys"]), sum(&["eventloop_cycles"]))
}

#[test]
fn a_client_that_timed_out_has_changed_nothing() {
    let server = Server::new();
    server.run("LATCH.SET k 2");
    let mut patient = server.parked("LATCH.AWAIT k 0");
    let mut client = server.client();
    let mut stream = Stream::open(&server);
    for _ in 0..3 {
        assert_eq!(client.run("LATCH.AWAIT k 0.01"), Reply::NullBulk);
        assert_eq!(client.run("LATCH.GET k"), int(2));
    }
    assert_eq!(stream.so_far(), Vec::<Vec<String>>::new());
    server.wait_blocked(1);
    server.wait_parked(&patient);
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(1));
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    patient.receives_only(&ok());
}

#[test]
fn setting_the_latch_again_does_not_start_the_timeout_again() {
    let server = Server::new();
    let timeout = Duration::from_millis(300);
    let mut waiter = server.client();
    undisturbed(|| {
        server.run("LATCH.SET k 1");
        let begun = Instant::now();
        waiter.send(["LATCH.AWAIT", "k", &seconds(timeout)]);
        server.wait_parked(&waiter);
        assert_eq!(server.run("LATCH.SET k 5 EX 1000"), ok());
        assert_eq!(waiter.receive(), Reply::NullBulk);
        let late = lateness(begun, timeout);
        if late <= LATE { Ok(()) } else { Err(late) }
    });
}

#[test]
fn a_timeout_between_the_opening_and_ones_turn_is_an_opening() {
    const CLIENTS: usize = 100;

    let server = Server::new();
    server.run("CONFIG SET latch.wake-batch 1");
    server.run("LATCH.SET k 1");
    // The release of these takes a second, and the last would come last.
    let mut first: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut waiter = server.client();
            waiter.send_raw(b"LATCH.AWAIT k 0\r\nDEBUG SLEEP 0.01\r\n");
            waiter
        })
        .collect();
    server.wait_blocked(CLIENTS);
    let begun = Instant::now();
    let mut last = server.parked("LATCH.AWAIT k 0.5");
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    let opened = begun.elapsed();
    last.receives_only(&ok());
    assert!(opened < Duration::from_millis(500), "or this shows nothing");
    for waiter in &mut first {
        assert_eq!(waiter.receive(), ok());
        assert_eq!(waiter.receive(), ok(), "of DEBUG SLEEP");
    }
    server.wait_blocked(0);
}

#[test]
fn the_opening_and_an_unblock_in_one_transaction_are_one_reply_the_first() {
    let server = Server::new();
    let mut counter = server.client();
    for (mut waiter, null) in server.clients() {
        let unblock = format!("CLIENT UNBLOCK {} TIMEOUT", waiter.id());
        for (transaction, expected) in
            [(["LATCH.COUNTDOWN k", &unblock], ok()), ([&unblock, "LATCH.COUNTDOWN k"], null)]
        {
            counter.run("LATCH.SET k 1");
            waiter.send_line("LATCH.AWAIT k 0");
            server.wait_parked(&waiter);
            counter.transaction(&transaction).items();
            waiter.receives_only(&expected);
            server.wait_blocked(0);
        }
    }
}

#[test]
fn an_opening_in_the_ms_of_the_timeout_is_one_reply() {
    const ROUNDS: u64 = 200;

    let server = Server::new();
    let (mut waiter, mut counter) = (server.client(), server.client());
    let mut opened = 0;
    for round in 0..ROUNDS {
        counter.run("LATCH.SET k 1");
        waiter.send_line("LATCH.AWAIT k 0.003");
        let before = waiter.receive_within(Duration::from_millis(round % 8));
        assert_eq!(counter.run("LATCH.COUNTDOWN k"), int(0));
        let reply = before.unwrap_or_else(|| waiter.receive());
        assert!(reply == ok() || reply == Reply::NullBulk, "{reply:?}");
        opened += u64::from(reply == ok());
        assert_eq!(waiter.run("PING"), Reply::Simple("PONG".into()), "twice?");
    }
    assert!((1..ROUNDS).contains(&opened), "no race: {opened} of {ROUNDS}");
    server.wait_blocked(0);
}
