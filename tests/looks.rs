//! What is found by looking at the keys that clients wait for, how soon, and that
//! nobody is troubled by the looking.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::*;

/// How late a look may be on a machine that does other things too: what is to be
/// noticed within a second, and some.
const NOTICED: Duration = Duration::from_millis(2500);

/// Clients that keep parking for a short time on keys that nobody has had before,
/// as long as this lives.
struct Churn {
    stop: &'static AtomicBool,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Churn {
    const CLIENTS: usize = 10;

    fn on(server: &Server) -> Churn {
        let stop: &'static AtomicBool = Box::leak(Box::default());
        let clients = (0..Churn::CLIENTS).map(|number| {
            let mut client = server.client();
            thread::spawn(move || {
                for round in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                    let wait = format!("LATCH.AWAIT churn:{number}:{round} 0.01 MISSING WAIT");
                    assert_eq!(client.run(&wait), Reply::NullBulk);
                }
            })
        });
        Churn { stop, clients: clients.collect() }
    }

    /// Waits until many more have come and gone.
    fn goes_on(&self, server: &Server) {
        let parked = || server.info("latch_await_parked_total").parse::<u64>().unwrap();
        let before = parked();
        eventually("the churn to go on", PATIENCE, || (parked() > before + 300).then_some(()));
    }

    /// Panics if one of them was told anything else than that its time was over.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client of the churn");
        }
    }
}

/// The clients are all told this, within the time from now.
#[track_caller]
fn all_told(clients: &mut [Client], told: &Reply, patience: Duration) {
    let deadline = Instant::now() + patience;
    for client in clients {
        match client.receive_within(deadline.saturating_duration_since(Instant::now())) {
            Some(reply) => assert_eq!(&reply, told),
            None => panic!("not told within {patience:?}"),
        }
    }
}

#[test]
fn a_latch_that_comes_by_rename_is_noticed_whoever_else_comes() {
    let server = Server::new();
    let mut client = server.client();
    let churn = Churn::on(&server);
    for key in ["first", "second", "third"] {
        let mut waiters = [
            server.parked(&format!("LATCH.AWAIT {key} 0 MISSING WAIT")),
            server.parked(&format!("LATCH.AWAITALL 0 2 {key} never MISSING WAIT")),
        ];
        // They have been looked at, and have to be again.
        churn.goes_on(&server);
        bring_an_aborted_latch(&mut client, key);
        all_told(&mut waiters, &aborted("no"), NOTICED);
    }
    churn.end();
}

#[test]
fn a_latch_that_comes_by_rename_is_noticed_between_slow_commands_and_new_waits() {
    let server = Server::new();
    let mut client = server.client();
    let mut waiter = server.parked("LATCH.AWAIT k 0 MISSING WAIT");
    let stop: &'static AtomicBool = Box::leak(Box::default());
    let busy: Vec<_> = (0..3)
        .map(|number| {
            let mut client = server.client();
            thread::spawn(move || {
                for round in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                    // In one go, so that it parks behind a slow command, with no time
                    // for timers in between.
                    let new = format!("new:{number}:{round}");
                    client.send_raw(
                        &[
                            encode(["DEBUG", "SLEEP", "0.15"]),
                            encode(["LATCH.AWAIT", &new, "0.001", "MISSING", "WAIT"]),
                        ]
                        .concat(),
                    );
                    assert_eq!([client.receive(), client.receive()], [ok(), Reply::NullBulk]);
                }
            })
        })
        .collect();
    // They are in step by then: none of the turns is without one of them.
    eventually("the server to be busy", PATIENCE, || {
        let parked: u64 = server.info("latch_await_parked_total").parse().unwrap();
        (parked > 9).then_some(())
    });
    bring_an_aborted_latch(&mut client, "k");
    // Each turn of the server takes longer than it should be until the next look.
    waiter.receives_within(Duration::from_secs(6), &aborted("no"));
    stop.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|client| client.join().expect("a busy client"));
}

#[test]
fn an_expiry_is_told_whoever_else_comes_and_though_the_server_does_not_look() {
    let server = Server::new();
    let mut client = server.client();
    assert_eq!(client.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    let churn = Churn::on(&server);
    let mut waiters: Vec<_> = (0..20)
        .map(|latch| {
            client.run(&format!("LATCH.SET k{latch} 1 PX 1000"));
            server.parked(&format!("LATCH.AWAIT k{latch} 0"))
        })
        .collect();
    all_told(&mut waiters, &expired(), Duration::from_secs(1) + NOTICED);
    churn.end();
}

#[test]
fn an_expiry_is_told_on_a_replica_whoever_else_comes_and_though_its_master_is_silent() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    replica.wait_in_sync(&master);
    master.run("DEBUG SET-ACTIVE-EXPIRE 0");
    let churn = Churn::on(&replica);
    master.run("LATCH.SET early 1 PX 4000");
    replica.wait_in_sync(&master);
    let mut waiters = [replica.parked("LATCH.AWAIT early 0")];
    all_told(&mut waiters, &expired(), Duration::from_secs(4) + NOTICED);
    churn.end();
}

#[test]
fn thousands_who_come_after_one_are_noticed_as_soon() {
    const KEYS: usize = 2000;

    let server = Server::new();
    let mut client = server.client();
    let first = server.parked("LATCH.AWAIT first 0 MISSING WAIT");
    // Each waits for many, so that there are not as many connections.
    let keys: Vec<_> = (0..KEYS).map(|key| format!("k{key}")).collect();
    let mut waiters: Vec<_> = keys.chunks(10).map(|_| server.client()).collect();
    for (waiter, keys) in waiters.iter_mut().zip(keys.chunks(10)) {
        waiter.send_line(&format!("LATCH.AWAITALL 0 10 {} MISSING WAIT", keys.join(" ")));
    }
    server.wait_blocked(1 + KEYS / 10);
    for keys in keys.chunks(10) {
        bring_an_aborted_latch(&mut client, &keys[9]);
    }
    all_told(&mut waiters, &aborted("no"), NOTICED);
    server.wait_parked(&first);
}

#[test]
fn a_latch_that_comes_is_noticed_among_sixty_thousand_keys() {
    const KEYS: usize = 60_000;

    let server = Server::new();
    let mut client = server.client();
    for keys in (0..KEYS).collect::<Vec<_>>().chunks(1000) {
        let sets = keys.iter().map(|key| encode(["LATCH.SET", &format!("k{key}"), "1"]));
        client.send_raw(&sets.collect::<Vec<_>>().concat());
        keys.iter().for_each(|_| assert_eq!(client.receive(), ok()));
    }
    let waiters: Vec<_> = (0..KEYS)
        .map(|key| format!("k{key}"))
        .collect::<Vec<_>>()
        .chunks(1000)
        .map(|keys| server.parked(&format!("LATCH.AWAITALL 0 1000 {}", keys.join(" "))))
        .collect();
    // A second, and one more for every 10,000 keys beyond the first; and some.
    let mut late = server.parked("LATCH.AWAIT late 0 MISSING WAIT");
    bring_an_aborted_latch(&mut client, "late");
    late.receives_within(Duration::from_secs(6) + NOTICED, &aborted("no"));
    drop(waiters);
}

#[test]
fn thousands_that_expire_in_one_moment_are_told_soon() {
    const KEYS: usize = 20_000;
    const EACH: usize = 1000;
    /// With a pause after each pass of looking it would be several seconds on Redis 7.0,
    /// where a look removes what it finds expired.
    const SOON: Duration = Duration::from_secs(1);

    let server = Server::new();
    let mut client = server.client();
    assert_eq!(client.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    let keys: Vec<_> = (0..KEYS).map(|key| format!("k{key}")).collect();
    undisturbed(|| {
        let ends = Instant::now() + Duration::from_secs(3);
        let at = client.time() + 3000;
        for keys in keys.chunks(EACH) {
            let sets =
                keys.iter().map(|key| encode(["LATCH.SET", key, "1", "PXAT", &at.to_string()]));
            client.send_raw(&sets.collect::<Vec<_>>().concat());
            keys.iter().for_each(|_| assert_eq!(client.receive(), ok()));
        }
        // Each is told when the last of its latches has expired.
        let mut waiters: Vec<_> = keys.chunks(EACH).map(|_| server.client()).collect();
        for (waiter, keys) in waiters.iter_mut().zip(keys.chunks(EACH)) {
            waiter.send_line(&format!("LATCH.AWAITANY 0 {EACH} {}", keys.join(" ")));
        }
        let told: Vec<_> = waiters.iter_mut().map(Client::receive).collect();
        let late = Instant::now().saturating_duration_since(ends);
        if told.iter().any(|reply| reply != &expired()) {
            return Err(format!("not parked in time: {told:?}"));
        }
        if late <= SOON { Ok(()) } else { Err(format!("{late:?}")) }
    });
}

#[test]
fn what_clients_of_another_database_wait_for_is_looked_at_there() {
    let server = Server::new();
    let mut client = server.client();
    assert_eq!(client.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
    // There are latches of these names in the first one, too.
    client.run("LATCH.SET comes 1");
    client.run("LATCH.SET expires 1");
    let _first = [server.parked("LATCH.AWAIT comes 0"), server.parked("LATCH.AWAIT expires 0")];
    client.run("SELECT 3");
    let mut comes = server.parked_in(3, "LATCH.AWAIT comes 0 MISSING WAIT");
    bring_an_aborted_latch(&mut client, "comes");
    comes.receives_within(NOTICED, &aborted("no"));
    client.run("LATCH.SET expires 1 PX 300");
    let mut expires = server.parked_in(3, "LATCH.AWAIT expires 0");
    expires.receives_within(NOTICED, &expired());
    server.wait_blocked(2);
}

/// The share of a core that the server uses while nothing happens for a second.
fn idle_share(server: &Server) -> f64 {
    let mut client = server.client();
    let (before, begun) = (server.processor_time(), Instant::now());
    assert_eq!(client.run("BLPOP nothing 1"), Reply::NullArray);
    (server.processor_time() - before).as_secs_f64() / begun.elapsed().as_secs_f64()
}

#[test]
fn a_hundred_thousand_keys_that_are_waited_for_cost_next_to_nothing() {
    const KEYS: usize = 100_000;

    let server = Server::new();
    let keys: Vec<_> = (0..KEYS).map(|key| format!("k{key}")).collect();
    let waiters: Vec<_> = keys
        .chunks(1000)
        .map(|keys| {
            server.parked(&format!("LATCH.AWAITALL 0 1000 {} MISSING WAIT", keys.join(" ")))
        })
        .collect();
    undisturbed(|| {
        let share = idle_share(&server);
        if share < 0.025 { Ok(()) } else { Err(share) }
    });
    drop(waiters);
}

#[test]
fn a_name_of_many_bytes_is_kept_once_and_not_copied_to_be_looked_at() {
    const BYTES: usize = 32 << 20;
    const WAITERS: usize = 4;

    let server = Server::new();
    server.run("SET other x"); // else the server need not hash the name to look
    let used = || server.info("used_memory").parse::<usize>().unwrap();
    let before = used();
    let name = vec![b'x'; BYTES];
    let waiters: Vec<_> = (0..WAITERS)
        .map(|_| {
            let mut waiter = server.client();
            waiter.send(cmd!["LATCH.AWAIT", name, "0", "MISSING", "WAIT"]);
            server.wait_parked(&waiter);
            waiter
        })
        .collect();
    // The server keeps the command of each, with some room to spare, and for a while
    // what it read that into; the module keeps the name once for all of them. With
    // one more copy for each it would be more than twice as much.
    eventually("the name to be kept once", Duration::from_secs(30), || {
        (used() - before < 2 * WAITERS * BYTES).then_some(())
    });
    undisturbed(|| {
        let share = idle_share(&server);
        if share < 0.025 { Ok(()) } else { Err(share) }
    });
    drop(waiters);
}

#[test]
fn looking_counts_nothing_and_announces_nothing() {
    let server = Server::new();
    server.run("LATCH.SET k 1 EX 1000");
    server.run("CONFIG SET notify-keyspace-events KEAm");
    let waiters =
        [server.parked("LATCH.AWAIT k 0"), server.parked("LATCH.AWAIT missing 0 MISSING WAIT")];
    let mut events = server.client();
    events.run("PSUBSCRIBE __key*");
    let counted =
        || ["keyspace_hits", "keyspace_misses", "expired_keys"].map(|name| server.info(name));
    let before = counted();
    // Time for some tours.
    assert_eq!(server.client().run("BLPOP nothing 2"), Reply::NullArray);
    assert_eq!(counted(), before.clone());
    // BLPOP looks for its list as it comes and goes.
    while let Some(event) = events.receive_within(Duration::from_millis(10)) {
        let text = format!("{event:?}");
        assert!(text.contains("nothing"), "{text}");
    }
    drop(waiters);
}

#[test]
fn a_latch_that_is_waited_for_does_not_look_idle() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    server.run("LATCH.SET alone 1");
    let waiter = server.parked("LATCH.AWAIT k 0");
    let mut client = server.client();
    let mut idle = |key: &str| client.run(&format!("OBJECT IDLETIME {key}")).int();
    eventually("the other one to be idle", PATIENCE, || (idle("alone") >= 4).then_some(()));
    assert!(idle("k") <= 2, "{}", idle("k"));
    drop(waiter);
}
