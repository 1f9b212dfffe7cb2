//! A dataset that is loaded in place of the old one. A latch that comes back
//! is the latch its clients wait for.

mod common;

use common::*;

/// Latches in several databases, each of count 2 and with clients parked on it.
struct Scene {
    server: Server,
    parked: Vec<(u32, String, Client)>,
}

impl Scene {
    fn new(builder: Builder) -> Scene {
        let mut scene = Scene { server: builder.start(), parked: Vec::new() };
        for (db, key) in [(0, "a"), (0, "b"), (3, "a"), (3, "c"), (0, "x}y")] {
            scene.add(db, key);
        }
        scene
    }

    /// Sets a latch and parks two clients on it.
    fn add(&mut self, db: u32, key: &str) {
        let mut client = self.server.client();
        client.run(&format!("SELECT {db}"));
        assert_eq!(client.run(&format!("LATCH.SET {key} 2")), ok());
        for _ in 0..2 {
            let waiter = self.server.parked_in(db, &format!("LATCH.AWAIT {key} 0"));
            self.parked.push((db, key.into(), waiter));
        }
    }

    #[track_caller]
    fn all_are_parked(&self) {
        self.server.wait_blocked(self.parked.len());
    }

    /// Panics unless each latch is still there, and two countdowns of it
    /// release its clients, and only them.
    #[track_caller]
    fn all_latches_work(mut self) {
        let mut client = self.server.client();
        while let Some((db, key, mut first)) = self.parked.pop() {
            let (_, _, mut second) = self.parked.pop().expect("clients come in pairs");
            client.run(&format!("SELECT {db}"));
            assert_eq!(client.run(&format!("LATCH.COUNTDOWN {key}")), int(1));
            self.server.wait_blocked(self.parked.len() + 2);
            assert_eq!(client.run(&format!("LATCH.COUNTDOWN {key}")), int(0));
            first.receives_only(&ok());
            second.receives_only(&ok());
            self.all_are_parked();
        }
    }
}

#[test]
fn clients_stay_parked_on_latches_that_come_back() {
    let scene = Scene::new(Server::builder());
    for _ in 0..3 {
        assert_eq!(scene.server.run("DEBUG RELOAD"), ok());
        scene.all_are_parked();
    }
    scene.all_latches_work();
}

#[test]
fn clients_stay_parked_on_latches_that_come_back_from_an_append_only_file() {
    let scene = Scene::new(Server::builder().config("appendonly", "yes"));
    // Latches that came and went, so that the file has their history.
    for line in ["LATCH.SET b 1", "LATCH.COUNTDOWN missing", "LATCH.SET b 3", "LATCH.COUNTDOWN b"] {
        scene.server.run(line);
    }
    for _ in 0..3 {
        assert_eq!(scene.server.run("DEBUG LOADAOF"), ok());
        scene.all_are_parked();
    }
    scene.all_latches_work();
}

#[test]
fn clients_stay_parked_on_latches_that_are_loaded_over_those_there_are() {
    let mut scene = Scene::new(Server::builder());
    for _ in 0..3 {
        assert_eq!(scene.server.run("DEBUG RELOAD NOFLUSH MERGE"), ok());
        scene.all_are_parked();
    }
    // One that is not in the file, and one that has counted since.
    scene.add(7, "new");
    scene.server.run("LATCH.SET b 9");
    assert_eq!(scene.server.run("DEBUG RELOAD NOSAVE NOFLUSH MERGE"), ok());
    scene.all_are_parked();
    scene.all_latches_work();
}

#[test]
fn what_a_load_puts_in_the_place_of_a_latch_removes_it() {
    for (over, told) in [("SET k v", gone()), ("LATCH.SET k 2", ok())] {
        let server = Server::new();
        let mut client = server.client();
        client.run(over);
        assert_eq!(client.run("SAVE"), ok());
        client.run("DEL k");
        client.run("LATCH.SET k 1");
        let mut waiter = server.parked("LATCH.AWAIT k 0");
        assert_eq!(client.run("DEBUG RELOAD NOSAVE NOFLUSH MERGE"), ok());
        if told == ok() {
            // The latch that is there now is the one.
            assert_eq!(client.run("LATCH.COUNTDOWN k"), int(1));
            server.wait_parked(&waiter);
            assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
        }
        waiter.receives_only(&told);
    }
}

#[test]
fn clients_of_latches_that_do_not_come_back_are_told_so() {
    let mut scene = Scene::new(Server::builder());
    assert_eq!(scene.server.run("SAVE"), ok());
    let kept = scene.parked.len();
    scene.add(0, "new");
    scene.add(7, "a");
    assert_eq!(scene.server.run("DEBUG RELOAD NOSAVE"), ok());
    for (_, _, waiter) in &mut scene.parked.split_off(kept) {
        waiter.receives_only(&gone());
    }
    scene.all_are_parked();
    scene.all_latches_work();
}

#[test]
fn many_clients_of_many_latches_stay_parked() {
    const LATCHES: usize = 200;

    let server = Server::new();
    let mut client = server.client();
    let mut waiters = Vec::new();
    for latch in 0..LATCHES {
        client.run(&format!("LATCH.SET k{latch} 1"));
        let mut waiter = server.client();
        waiter.send_line(&format!("LATCH.AWAIT k{latch} 0"));
        waiters.push(waiter);
    }
    server.wait_blocked(LATCHES);
    assert_eq!(client.run("DEBUG RELOAD"), ok());
    for (latch, waiter) in waiters.iter_mut().enumerate() {
        assert_eq!(client.run(&format!("LATCH.COUNTDOWN k{latch}")), int(0));
        waiter.receives_only(&ok());
    }
    server.wait_blocked(0);
}

/// Sends all of this in one go, to a latch of count 1; panics unless the
/// clients parked on it receive `expected`.
#[track_caller]
fn ends_with(lines: &[&str], expected: &Reply) {
    for batch in [256, 1] {
        let server = Server::new();
        server.run(&format!("CONFIG SET latch.wake-batch {batch}"));
        server.run("LATCH.SET k 1");
        let mut waiters = server.crowd(3, "LATCH.AWAIT k 0");
        let mut client = server.client();
        client.send_raw((lines.join("\r\n") + "\r\n").as_bytes());
        for line in lines {
            assert!(!matches!(client.receive(), Reply::Error(_)), "{line}");
        }
        for waiter in &mut waiters {
            assert_eq!(&waiter.receive(), expected, "{lines:?}");
            assert_eq!(waiter.run("PING"), Reply::Simple("PONG".into()), "{lines:?}: twice?");
        }
        server.wait_blocked(0);
    }
}

#[test]
fn what_ended_before_a_load_has_ended() {
    ends_with(&["LATCH.COUNTDOWN k", "LATCH.SET k 1", "DEBUG RELOAD"], &ok());
    ends_with(&["DEL k", "LATCH.SET k 1", "DEBUG RELOAD"], &gone());
    ends_with(&["SWAPDB 0 1", "LATCH.SET k 1", "DEBUG RELOAD"], &gone());
}

#[test]
fn a_flush_before_a_load_is_a_removal() {
    ends_with(&["FLUSHALL", "DEBUG RELOAD"], &gone());
    ends_with(&["FLUSHALL", "LATCH.SET k 1", "DEBUG RELOAD"], &gone());
    ends_with(&["FLUSHDB", "LATCH.SET k 1", "DEBUG RELOAD", "LATCH.COUNTDOWN k"], &gone());
}

#[test]
fn a_countdown_right_behind_a_load_counts() {
    ends_with(&["DEBUG RELOAD", "LATCH.COUNTDOWN k"], &ok());
    ends_with(&["DEBUG RELOAD", "DEBUG RELOAD", "LATCH.SET k 0"], &ok());
}

#[test]
fn a_removal_right_behind_a_load_is_a_removal() {
    ends_with(&["DEBUG RELOAD", "DEL k"], &gone());
    ends_with(&["DEBUG RELOAD", "DEL k", "LATCH.SET k 1"], &gone());
    ends_with(&["DEBUG RELOAD", "FLUSHALL", "LATCH.SET k 1"], &gone());
}

#[test]
fn a_client_that_parks_right_behind_a_load_joins_those_who_wait() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let mut late = server.client();
    late.send_raw(b"DEBUG RELOAD\r\nLATCH.AWAIT k 0\r\n");
    assert_eq!(late.receive(), ok());
    server.wait_parked(&late);
    server.wait_parked(&waiter);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
    late.receives_only(&ok());
}

#[test]
fn what_an_aof_tells_of_was_before_those_who_wait_while_it_is_loaded() {
    let server = Server::builder().config("appendonly", "yes").start();
    for line in ["LATCH.SET opened 1", "LATCH.COUNTDOWN opened", "LATCH.SET k 1", "FLUSHALL"] {
        server.run(line);
    }
    let mut told = server.parked("LATCH.AWAIT opened 0 MISSING WAIT");
    assert_eq!(server.run("LATCH.SET opened 0"), ok());
    told.receives_only(&ok());
    server.run("LATCH.SET k 5");
    let mut to_come = server.parked("LATCH.AWAIT opened 0 MISSING WAIT");
    let mut flushed = server.parked("LATCH.AWAIT k 0");
    assert_eq!(server.run("DEBUG LOADAOF"), ok());
    // Its database was emptied within the load, which is where a latch may go.
    flushed.receives_only(&gone());
    assert_eq!(server.run("LATCH.GET k"), int(5));
    server.wait_parked(&to_come);
    assert_eq!(server.run("LATCH.SET opened 1"), ok());
    assert_eq!(server.run("LATCH.COUNTDOWN opened"), int(0));
    to_come.receives_only(&ok());
}
