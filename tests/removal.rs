//! Everything that takes a latch from under its clients, and what does not.

mod common;

use std::time::Duration;

use common::*;

/// A removal is told at once; this is for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A server with a latch `k` in database 0, of count 2, and clients parked on
/// it, and some other latches and keys.
struct Scene {
    server: Server,
    client: Client,
    waiters: Vec<Client>,
}

impl Scene {
    fn new() -> Scene {
        Scene::on(Server::new())
    }

    fn on(server: Server) -> Scene {
        let mut client = server.client();
        for line in
            ["LATCH.SET k 2", "LATCH.SET other 1", "SET string 1", "RPUSH list 2 1", "SADD set a b"]
        {
            assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
        }
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        let mut three = server.client3();
        three.send_line("LATCH.AWAIT k 0");
        server.wait_parked(&three);
        // One that has other plans.
        waiters.extend([three, server.parked("LATCH.AWAIT k 1000")]);
        Scene { server, client, waiters }
    }

    /// Does this, and panics unless it works.
    #[track_caller]
    fn does(&mut self, line: &str) {
        let reply = self.client.run(line);
        assert!(
            !matches!(reply, Reply::Error(_) | Reply::Int(0) | Reply::NullBulk),
            "{line}: {reply:?}"
        );
    }

    /// Panics unless all of them are told at once that the latch is gone, and
    /// can wait for a new one.
    #[track_caller]
    fn all_are_told(&mut self) {
        self.all_receive_gone_at_once();
        self.all_can_wait_again();
    }

    /// Panics unless all of them are told that the latch is gone, and nobody
    /// else is parked.
    #[track_caller]
    fn all_receive_gone_at_once(&mut self) {
        self.server.expect_all_told();
        self.all_receive_gone_within(AT_ONCE);
    }

    #[track_caller]
    fn all_receive_gone_within(&mut self, patience: Duration) {
        for waiter in &mut self.waiters {
            waiter.receives_within(patience, &gone());
        }
        self.server.wait_blocked(0);
    }

    #[track_caller]
    fn all_can_wait_again(&mut self) {
        self.client.run("SELECT 0");
        self.client.run("DEL k");
        assert_eq!(self.client.run("LATCH.SET k 1"), ok());
        for waiter in &mut self.waiters {
            waiter.send_line("LATCH.AWAIT k 0");
            self.server.wait_parked(waiter);
        }
        assert_eq!(self.client.run("LATCH.COUNTDOWN k"), int(0));
        for waiter in &mut self.waiters {
            waiter.receives_only(&ok());
        }
        self.server.wait_blocked(0);
    }

    /// Panics unless all of them are still parked, and the latch is what it was.
    #[track_caller]
    fn nobody_is_told(&mut self, after: &str) {
        for waiter in &self.waiters {
            self.server.wait_parked(waiter);
        }
        assert_eq!(self.server.run("LATCH.GET k"), int(2), "after {after}");
    }

    /// Panics unless two countdowns release all of them.
    #[track_caller]
    fn two_countdowns_open(&mut self) {
        assert_eq!(self.server.run("LATCH.COUNTDOWN k"), int(1));
        self.server.wait_blocked(self.waiters.len());
        assert_eq!(self.server.run("LATCH.COUNTDOWN k"), int(0));
        for waiter in &mut self.waiters {
            waiter.receives_only(&ok());
        }
        self.server.wait_blocked(0);
    }
}

/// A removal by one command.
#[track_caller]
fn tells_all(line: &str) {
    let mut scene = Scene::new();
    scene.does(line);
    scene.all_are_told();
}

// The key

#[test]
fn deleting_the_key_tells_all() {
    for line in ["DEL k", "UNLINK k", "DEL other k", "UNLINK string k"] {
        tells_all(line);
    }
}

#[test]
fn overwriting_the_key_tells_all() {
    for line in [
        "SET k v",
        "MSET a 1 k 1",
        "SORT list STORE k",
        "SORT nothing STORE k",
        "SUNIONSTORE k set",
        "SINTERSTORE k set nothing",
        "ZUNIONSTORE k 1 set",
        "BITOP NOT k string",
        "RENAME string k",
        "RENAME other k",
        "COPY string k REPLACE",
        "COPY other k REPLACE",
    ] {
        // Of these, some reply the length of what they stored, which is 0.
        let mut scene = Scene::new();
        assert!(!matches!(scene.client.run(line), Reply::Error(_)), "{line}");
        scene.all_are_told();
    }
}

#[test]
fn restoring_over_the_key_tells_all() {
    for source in ["string", "other", "k"] {
        let mut scene = Scene::new();
        let Reply::Bulk(payload) = scene.client.run(&format!("DUMP {source}")) else {
            panic!("no payload of {source}")
        };
        let restore = cmd!["RESTORE", "k", "0", payload, "REPLACE"];
        assert_eq!(scene.client.call(restore), ok());
        scene.all_are_told();
    }
}

#[test]
fn taking_the_latch_elsewhere_tells_all() {
    for line in ["RENAME k elsewhere", "RENAMENX k elsewhere", "RENAME k string", "MOVE k 1"] {
        tells_all(line);
    }
}

#[test]
fn removing_one_latch_leaves_the_clients_of_others_alone() {
    let mut scene = Scene::new();
    let mut waiter = scene.server.parked("LATCH.AWAIT other 0");
    scene.does("DEL other");
    waiter.receives_within(AT_ONCE, &gone());
    scene.nobody_is_told("DEL other");
    scene.two_countdowns_open();
}

#[test]
fn clients_may_wait_for_the_latch_where_it_is_now() {
    for line in ["RENAME k elsewhere", "MOVE k 1"] {
        let mut scene = Scene::new();
        scene.does(line);
        scene.all_receive_gone_at_once();
        let (db, key) = if line.starts_with("MOVE") { (1, "k") } else { (0, "elsewhere") };
        let wait = format!("LATCH.AWAIT {key} 0");
        let mut waiters = [scene.server.parked_in(db, &wait), scene.server.parked_in(db, &wait)];
        scene.client.run(&format!("SELECT {db}"));
        assert_eq!(scene.client.run(&format!("LATCH.COUNTDOWN {key}")), int(1));
        scene.server.wait_blocked(2);
        assert_eq!(scene.client.run(&format!("LATCH.COUNTDOWN {key}")), int(0));
        for waiter in &mut waiters {
            waiter.receives_only(&ok());
        }
    }
}

#[test]
fn clients_parked_on_a_key_are_told_when_another_latch_takes_its_place() {
    let mut scene = Scene::new();
    let mut of_other = scene.server.parked("LATCH.AWAIT other 0");
    // Both lose theirs: one was overwritten, the other has moved.
    scene.does("RENAME other k");
    of_other.receives_within(AT_ONCE, &gone());
    scene.all_receive_gone_at_once();
    let mut late = scene.server.parked("LATCH.AWAIT k 0");
    assert_eq!(scene.client.run("LATCH.COUNTDOWN k"), int(0));
    late.receives_only(&ok());
}

// The database

#[test]
fn flushing_tells_all() {
    for line in
        ["FLUSHDB", "FLUSHDB SYNC", "FLUSHDB ASYNC", "FLUSHALL", "FLUSHALL SYNC", "FLUSHALL ASYNC"]
    {
        tells_all(line);
    }
}

#[test]
fn flushing_all_databases_tells_the_clients_of_each() {
    for how in ["SYNC", "ASYNC"] {
        let mut scene = Scene::new();
        for db in [1, 15] {
            scene.client.run(&format!("SELECT {db}"));
            scene.client.run("LATCH.SET k 2");
            scene.waiters.push(scene.server.parked_in(db, "LATCH.AWAIT k 0"));
        }
        scene.does(&format!("FLUSHALL {how}"));
        scene.all_receive_gone_at_once();
    }
}

#[test]
fn flushing_another_database_tells_nobody() {
    let mut scene = Scene::new();
    scene.client.run("SELECT 1");
    scene.client.run("LATCH.SET k 1");
    let mut there = scene.server.parked_in(1, "LATCH.AWAIT k 0");
    scene.does("FLUSHDB");
    there.receives_within(AT_ONCE, &gone());
    scene.does("FLUSHDB ASYNC");
    scene.nobody_is_told("FLUSHDB of another database");
    scene.two_countdowns_open();
}

#[test]
fn swapping_two_databases_tells_the_clients_of_both() {
    // The other one is empty, or has a latch of the same name.
    for there in [false, true] {
        for swap in ["SWAPDB 0 1", "SWAPDB 1 0"] {
            let mut scene = Scene::new();
            if there {
                scene.client.run("SELECT 1");
                scene.client.run("LATCH.SET k 1");
                scene.waiters.push(scene.server.parked_in(1, "LATCH.AWAIT k 0"));
            }
            scene.does(swap);
            scene.all_receive_gone_at_once();
            // The latch is where it was not, and works there.
            let mut late = scene.server.parked_in(1, "LATCH.AWAIT k 0");
            scene.client.run("SELECT 1");
            assert_eq!(scene.client.run("LATCH.COUNTDOWN k 2"), int(0));
            late.receives_only(&ok());
        }
    }
}

#[test]
fn swapping_other_databases_tells_nobody() {
    let mut scene = Scene::new();
    scene.client.run("SELECT 1");
    scene.client.run("LATCH.SET k 9");
    scene.does("SWAPDB 1 2");
    scene.does("SWAPDB 0 0");
    scene.nobody_is_told("SWAPDB of other databases");
    scene.two_countdowns_open();
}

// The memory

#[test]
fn eviction_tells_all() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let mut scene = Scene::new();
        scene.does(&format!("CONFIG SET maxmemory-policy {policy}"));
        for filler in 0..500 {
            scene.does(&format!("SET filler{filler} x"));
        }
        // So little that every key has to go.
        scene.does("CONFIG SET maxmemory 1");
        scene.all_receive_gone_within(PATIENCE);
        scene.does("CONFIG SET maxmemory 0");
        scene.all_can_wait_again();
    }
}

#[test]
fn eviction_spares_a_latch_that_the_policy_spares() {
    let mut scene = Scene::new();
    scene.does("CONFIG SET maxmemory-policy volatile-ttl");
    scene.does("EXPIRE other 1000");
    scene.does("EXPIRE string 1000");
    let mut evicted = scene.server.parked("LATCH.AWAIT other 0");
    scene.does("CONFIG SET maxmemory 1");
    evicted.receives_within(PATIENCE, &gone());
    scene.nobody_is_told("eviction");
    scene.two_countdowns_open();
}

#[test]
fn a_latch_that_is_waited_for_looks_used_but_to_a_policy_that_goes_by_changes() {
    for (policy, looks_used) in [("allkeys-lru", true), ("allkeys-lrm", false)] {
        let mut scene = Scene::new();
        let set = format!("CONFIG SET maxmemory-policy {policy}");
        if scene.client.run(&set) != ok() {
            println!("this server has no {policy}: nothing to check");
            continue;
        }
        let mut idle = |key: &str| scene.client.run(&format!("OBJECT IDLETIME {key}")).int();
        // In seconds.
        eventually("another key to look idle", PATIENCE, || (idle("list") >= 3).then_some(()));
        assert_eq!(idle("k") < 2, looks_used, "{policy}: {}", idle("k"));
        scene.two_countdowns_open();
    }
}

// What is no removal

#[test]
fn looking_at_a_latch_or_changing_what_is_around_it_tells_nobody() {
    let mut scene = Scene::new();
    for line in [
        "RENAME other another",
        "DEL string",
        "COPY k copy",
        "COPY k k DB 1",
        "COPY copy copy2",
        "EXPIRE k 1000",
        "PEXPIRE k 2000000",
        "PERSIST k",
        "EXISTS k",
        "TYPE k",
        "TTL k",
        "TOUCH k",
        "DUMP k",
        "OBJECT ENCODING k",
        "OBJECT REFCOUNT k",
        "OBJECT IDLETIME k",
        "OBJECT FREQ k",
        "MEMORY USAGE k",
        "DEBUG OBJECT k",
        "DEBUG DIGEST-VALUE k",
        "SCAN 0",
        "RANDOMKEY",
        "KEYS *",
        "LATCH.GET k",
        "LATCH.SET k 2 NX",
        "LATCH.SET missing 1 XX",
        "LATCH.COUNTDOWN missing",
        "DEL missing",
        "RENAMENX k list",
        "RENAME missing k",
        "MOVE k 1",
        "COPY string k",
        "RESTORE k 0 nonsense REPLACE",
        "GET k",
        "SET k v GET",
        "SET k v NX",
        "SETNX k v",
        "MSETNX k v a b",
        "APPEND k v",
        "LPUSH k v",
        "SADD k v",
        "SWAPDB 0 99",
        "CONFIG SET active-expire-effort 10",
        "SCRIPT FLUSH",
    ] {
        // Many of these are errors, and rightly so.
        scene.client.run(line);
        scene.nobody_is_told(line);
    }
    scene.two_countdowns_open();
}

#[test]
fn a_copy_has_its_own_clients() {
    let mut scene = Scene::new();
    scene.does("COPY k copy");
    let mut of_copy = scene.server.parked("LATCH.AWAIT copy 0");
    assert_eq!(scene.client.run("LATCH.COUNTDOWN copy 2"), int(0));
    of_copy.receives_only(&ok());
    scene.nobody_is_told("opening the copy");
    scene.does("COPY k copy");
    let mut of_copy = scene.server.parked("LATCH.AWAIT copy 0");
    assert_eq!(scene.client.run("LATCH.COUNTDOWN k 2"), int(0));
    for waiter in &mut scene.waiters {
        waiter.receives_only(&ok());
    }
    scene.server.wait_parked(&of_copy);
    assert_eq!(scene.client.run("LATCH.COUNTDOWN copy 2"), int(0));
    of_copy.receives_only(&ok());
}

#[test]
fn what_a_script_does_under_the_debugger_is_done_to_a_copy() {
    /// The time of the server's processor that goes by in this while, if it is busy.
    const WHILE: Duration = Duration::from_millis(300);

    let server = Server::new();
    for line in ["DEL", "LATCH.COUNTDOWN", "LATCH.ABORT"] {
        server.run("LATCH.SET k 1");
        // More than a batch: the copy would go on releasing them.
        let mut waiters = server.crowd(300, "LATCH.AWAIT k 0");
        let mut debugger = server.client();
        assert_eq!(debugger.run("SCRIPT DEBUG YES"), ok());
        // It runs in a process that the server forks.
        debugger.send(["EVAL", &format!("return redis.call('{line}', KEYS[1])"), "1", "k"]);
        debugger.receive();
        debugger.send(["continue"]);
        debugger.receive_to_the_end();
        let before = server.processor_time();
        std::thread::sleep(WHILE);
        assert!(server.processor_time() - before < WHILE / 2, "busy after {line}");
        for waiter in &mut waiters {
            server.wait_parked(waiter);
        }
        assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
        for waiter in &mut waiters {
            waiter.receives_only(&ok());
        }
    }
}

#[test]
fn what_is_written_over_latches_is_kept_while_the_keyspace_grows() {
    const LATCHES: usize = 8;
    const ROUNDS: usize = 300;

    let server = Server::new();
    let mut client = server.client();
    let mut random = Random::new(7);
    let mut waiters: Vec<_> = (0..LATCHES).map(|_| server.client()).collect();
    for _ in 0..ROUNDS {
        client.run("FLUSHALL");
        client.run("SET source new");
        for (latch, waiter) in waiters.iter_mut().enumerate() {
            client.run(&format!("LATCH.SET k{latch} 1 PX 100000"));
            waiter.send_line(&format!("LATCH.AWAIT k{latch} 0"));
        }
        server.wait_blocked(LATCHES);
        // All at once, so that the tables of the keyspace are being moved in most of
        // the rounds, and the server has no time to finish that in between.
        let mut lines = Vec::new();
        for filler in 0..*random.pick(&[0, 3, 7, 15, 30, 60, 120, 250]) {
            lines.push(format!("SET filler:{filler} new"));
        }
        for latch in 0..LATCHES {
            for filler in 0..random.below(4) {
                lines.push(format!("SET more:{latch}:{filler} new"));
            }
            let over = random.pick(&["SET <k> new", "COPY source <k> REPLACE", "SET <k> new"]);
            lines.push(over.replace("<k>", &format!("k{latch}")));
        }
        let commands = lines.iter().map(|line| encode(line.split(' ')));
        client.send_raw(&commands.collect::<Vec<_>>().concat());
        for line in &lines {
            let reply = client.receive();
            assert!(reply == ok() || reply == int(1), "{line}: {reply:?}");
        }
        for (latch, waiter) in waiters.iter_mut().enumerate() {
            assert_eq!(waiter.receive(), gone());
            assert_eq!(client.run(&format!("GET k{latch}")), bulk("new"));
        }
    }
}
