//! Clients that leave a wait before it is over: whatever the way, they get at
//! most one reply, leave nothing behind, and nobody else notices.

mod common;

use std::time::Duration;

use common::*;

/// A latch with three clients, of which the one in the middle is to leave.
struct Scene {
    server: Server,
    leaver: Client,
    others: [Client; 2],
}

impl Scene {
    fn new() -> Scene {
        Scene::with(Server::client)
    }

    /// A scene in which the leaver is prepared like this.
    fn with(prepare: impl FnOnce(&Server) -> Client) -> Scene {
        let server = Server::new();
        server.run("LATCH.SET k 1");
        let before = server.parked("LATCH.AWAIT k 0");
        let mut leaver = prepare(&server);
        leaver.send_line("LATCH.AWAIT k 0");
        server.wait_parked(&leaver);
        let after = server.parked("LATCH.AWAIT k 0");
        Scene { server, leaver, others: [before, after] }
    }

    /// The command that does `what` to the leaver.
    fn client_command(&self, what: &str) -> String {
        what.replace("<id>", &self.leaver.id().to_string())
    }

    /// Panics unless the leaver, and nobody else, has left, and the latch
    /// works as if it had never been there. The leaver may still be connected.
    #[track_caller]
    fn has_lost_only_the_leaver(&mut self) {
        self.server.wait_blocked(2);
        for other in &self.others {
            self.server.wait_parked(other);
        }
        assert_eq!(self.server.run("LATCH.GET k"), int(1));
        self.opens();
    }

    /// Panics unless the next countdown releases the others, and the latch can
    /// be used again.
    #[track_caller]
    fn opens(&mut self) {
        assert_eq!(self.server.run("LATCH.COUNTDOWN k"), int(0));
        for other in &mut self.others {
            other.receives_only(&ok());
        }
        works_as_ever(&self.server);
    }
}

/// Panics unless nobody is parked, and clients can be as before.
#[track_caller]
fn works_as_ever(server: &Server) {
    server.wait_blocked(0);
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
    server.wait_blocked(0);
}

#[test]
fn a_client_may_close_its_connection() {
    let Scene { server, leaver, others } = Scene::new();
    drop(leaver);
    let leaver = server.client(); // has nothing to do with it
    Scene { server, leaver, others }.has_lost_only_the_leaver();
}

#[test]
fn what_a_client_has_pipelined_does_not_run_once_it_is_gone() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut leaver = server.client();
    leaver.send_raw(b"LATCH.AWAIT k 0\r\nSET run 1\r\n");
    server.wait_parked(&leaver);
    drop(leaver);
    works_as_ever(&server);
    assert_eq!(server.run("EXISTS run"), int(0));
}

#[test]
fn a_client_may_be_killed() {
    let mut scene = Scene::new();
    let kill = scene.client_command("CLIENT KILL ID <id>");
    assert_eq!(scene.server.run(&kill), int(1));
    scene.leaver.expect_closed();
    scene.has_lost_only_the_leaver();
}

#[test]
fn a_client_may_lose_its_user() {
    let mut scene = Scene::with(|server| {
        assert_eq!(server.run("ACL SETUSER guest on nopass ~* +@all"), ok());
        let mut guest = server.client();
        assert_eq!(guest.run("AUTH guest x"), ok());
        guest
    });
    assert_eq!(scene.server.run("ACL DELUSER guest"), int(1));
    scene.leaver.expect_closed();
    scene.has_lost_only_the_leaver();
}

#[test]
fn a_client_may_be_unblocked_as_if_its_timeout_had_passed() {
    for how in ["CLIENT UNBLOCK <id>", "CLIENT UNBLOCK <id> TIMEOUT"] {
        for (prepare, null) in [
            (Server::client as fn(&Server) -> Client, Reply::NullBulk),
            (Server::client3, Reply::Null),
        ] {
            let mut scene = Scene::with(prepare);
            let unblock = scene.client_command(how);
            assert_eq!(scene.server.run(&unblock), int(1));
            scene.leaver.receives_only(&null);
            assert_eq!(scene.server.run(&unblock), int(0), "is not blocked");
            scene.has_lost_only_the_leaver();
        }
    }
}

#[test]
fn a_client_may_be_unblocked_with_an_error() {
    let mut scene = Scene::new();
    let unblock = scene.client_command("CLIENT UNBLOCK <id> ERROR");
    assert_eq!(scene.server.run(&unblock), int(1));
    scene.leaver.receives_only(&error("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
    scene.has_lost_only_the_leaver();
}

#[test]
fn a_client_that_was_unblocked_may_wait_again() {
    let mut scene = Scene::new();
    let unblock = scene.client_command("CLIENT UNBLOCK <id>");
    for _ in 0..5 {
        assert_eq!(scene.server.run(&unblock), int(1));
        assert_eq!(scene.leaver.receive(), Reply::NullBulk);
        scene.leaver.send_line("LATCH.AWAIT k 0");
        scene.server.wait_parked(&scene.leaver);
    }
    scene.server.wait_blocked(3);
    assert_eq!(scene.server.run("LATCH.COUNTDOWN k"), int(0));
    for client in scene.others.iter_mut().chain([&mut scene.leaver]) {
        client.receives_only(&ok());
    }
    works_as_ever(&scene.server);
}

#[test]
fn a_client_that_left_before_the_opening_is_not_told_of_it() {
    for (leave, expected) in [
        ("CLIENT UNBLOCK <id> TIMEOUT", Some(Reply::NullBulk)),
        ("CLIENT UNBLOCK <id> ERROR", Some(error("UNBLOCKED client unblocked via CLIENT UNBLOCK"))),
        ("CLIENT KILL ID <id>", None),
    ] {
        let mut scene = Scene::new();
        let leave = scene.client_command(leave);
        let done = scene.server.client().transaction(&[&leave, "LATCH.COUNTDOWN k"]);
        assert_eq!(done, array([1, 0]));
        match expected {
            Some(reply) => scene.leaver.receives_only(&reply),
            None => scene.leaver.expect_closed(),
        }
        for other in &mut scene.others {
            other.receives_only(&ok());
        }
        works_as_ever(&scene.server);
    }
}

#[test]
fn a_client_may_be_killed_between_the_opening_and_its_turn() {
    // In the step that the countdown takes itself, and before a later one.
    for batch in [256, 1] {
        let mut scene = Scene::new();
        scene.server.run(&format!("CONFIG SET latch.wake-batch {batch}"));
        let kill = scene.client_command("CLIENT KILL ID <id>");
        let done = scene.server.client().transaction(&["LATCH.COUNTDOWN k", &kill]);
        assert_eq!(done, array([0, 1]));
        // It may have been told: the order of the two is the server's.
        let told = scene.leaver.receive_to_the_end();
        assert!(told.is_empty() || told == [ok()], "{told:?}");
        for other in &mut scene.others {
            other.receives_only(&ok());
        }
        works_as_ever(&scene.server);
    }
}

#[test]
fn a_client_may_be_killed_between_the_removal_and_its_turn() {
    let mut scene = Scene::new();
    let kill = scene.client_command("CLIENT KILL ID <id>");
    let done = scene.server.client().transaction(&["DEL k", &kill]);
    assert_eq!(done, array([1, 1]));
    let told = scene.leaver.receive_to_the_end();
    assert!(told.is_empty() || told == [gone()], "{told:?}");
    for other in &mut scene.others {
        other.receives_only(&gone());
    }
    works_as_ever(&scene.server);
}

#[test]
fn a_crowd_may_close_in_the_middle_of_its_release() {
    const CLIENTS: usize = 200;

    let server = Server::new();
    server.run("CONFIG SET latch.wake-batch 1");
    server.run("LATCH.SET k 1");
    let mut first = server.parked("LATCH.AWAIT k 0");
    let mut second = server.client();
    second.send_raw(b"LATCH.AWAIT k 0\r\nDEBUG SLEEP 0.2\r\n");
    server.wait_parked(&second);
    let crowd = server.crowd(CLIENTS, "LATCH.AWAIT k 0");
    let mut last = server.parked("LATCH.AWAIT k 0");
    server.run("LATCH.COUNTDOWN k");
    first.receives_only(&ok());
    // All of them close while the server is held up by the second.
    drop(crowd);
    last.receives_only(&ok());
    assert_eq!([second.receive(), second.receive()], [ok(), ok()]);
    works_as_ever(&server);
}

#[test]
fn a_crowd_may_close_at_once() {
    const CLIENTS: usize = 1000;

    let server = Server::new();
    server.run("LATCH.SET k 1");
    let crowd = server.crowd(CLIENTS, "LATCH.AWAIT k 0");
    let mut stayed = server.parked("LATCH.AWAIT k 0");
    drop(crowd);
    server.wait_blocked(1);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    stayed.receives_only(&ok());
    works_as_ever(&server);
}

#[test]
fn a_client_that_wants_no_replies_waits_all_the_same() {
    for (silence, speak, expected) in [
        ("CLIENT REPLY OFF", Some("CLIENT REPLY ON"), ok()),
        ("CLIENT REPLY SKIP", None, Reply::Simple("PONG".into())),
    ] {
        let server = Server::new();
        server.run("LATCH.SET k 1");
        let mut mute = server.client();
        mute.send_line(silence);
        mute.send_line("LATCH.AWAIT k 0");
        server.wait_parked(&mute);
        server.run("LATCH.COUNTDOWN k");
        server.wait_blocked(0);
        mute.send_line(speak.unwrap_or("PING"));
        mute.receives_only(&expected);
        works_as_ever(&server);
    }
}

#[test]
fn a_client_may_reset_its_connection_behind_a_wait() {
    let mut scene = Scene::new();
    scene.leaver.send_line("RESET");
    scene.server.wait_parked(&scene.leaver);
    scene.opens();
    assert_eq!(scene.leaver.receive(), ok());
    assert_eq!(scene.leaver.receive(), Reply::Simple("RESET".into()));
}

#[test]
fn clients_wait_while_writes_are_paused() {
    let mut scene = Scene::new();
    assert_eq!(scene.server.run("CLIENT PAUSE 100000 WRITE"), ok());
    let mut counter = scene.server.client();
    counter.send_line("LATCH.COUNTDOWN k");
    let mut late = scene.server.parked("LATCH.AWAIT k 0");
    assert_eq!(scene.server.run("LATCH.AWAIT k 0.01"), Reply::NullBulk);
    assert_eq!(scene.server.run("LATCH.GET k"), int(1));
    for client in scene.others.iter().chain([&scene.leaver, &late]) {
        scene.server.wait_parked(client);
    }
    assert_eq!(scene.server.run("CLIENT UNPAUSE"), ok());
    assert_eq!(counter.receive(), int(0));
    for client in scene.others.iter_mut().chain([&mut scene.leaver, &mut late]) {
        client.receives_only(&ok());
    }
    works_as_ever(&scene.server);
}

#[test]
fn a_timeout_passes_while_everything_is_paused() {
    const PAUSE: Duration = Duration::from_millis(1500);

    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut paused = server.client();
    let mut waiter = server.parked("LATCH.AWAIT k 0.3");
    assert_eq!(server.run(&format!("CLIENT PAUSE {} ALL", PAUSE.as_millis())), ok());
    paused.send_line("PING");
    assert_eq!(waiter.receive(), Reply::NullBulk);
    paused.nothing_within(Duration::from_millis(1));
    assert_eq!(paused.receive(), Reply::Simple("PONG".into()));
    works_as_ever(&server);
}

#[test]
fn the_timeout_of_a_wait_that_comes_in_a_pause_is_that_of_blpop() {
    const PAUSE: Duration = Duration::from_millis(500);

    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiters = [server.client(), server.client()];
    assert_eq!(server.run(&format!("CLIENT PAUSE {} ALL", PAUSE.as_millis())), ok());
    for (waiter, line) in waiters.iter_mut().zip(["LATCH.AWAIT k 0.2", "BLPOP list 0.2"]) {
        waiter.send_line(line);
        waiter.nothing_within(PAUSE / 5);
    }
    // It begins with the end of the pause, or, on some servers, never.
    let [of_latch, of_list] = &mut waiters;
    let patience = if server.counts_timeouts_after_a_pause() { PATIENCE } else { 4 * PAUSE };
    let told = [of_latch.receive_within(patience), of_list.receive_within(PAUSE)];
    let expected = match server.counts_timeouts_after_a_pause() {
        true => [Some(Reply::NullBulk), Some(Reply::NullArray)],
        false => [None, None],
    };
    assert_eq!(told, expected);
    server.run("LATCH.COUNTDOWN k");
    if told[0].is_none() {
        assert_eq!(of_latch.receive(), ok());
    }
}

#[test]
fn a_shutdown_closes_the_connections_of_all_who_wait() {
    let mut server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiters = server.crowd(50, "LATCH.AWAIT k 0");
    server.stop();
    for waiter in &mut waiters {
        waiter.expect_closed();
    }
    server.start_again();
    works_as_ever(&server);
}

#[test]
fn a_shutdown_right_behind_an_opening_ends_the_connections_of_those_not_told_yet() {
    const CROWD: usize = 2000;

    for batch in [256, 1] {
        let server = Server::new();
        server.run(&format!("CONFIG SET latch.wake-batch {batch}"));
        server.run("LATCH.SET k 1");
        let mut waiters = server.crowd(CROWD, "LATCH.AWAIT k 0");
        let mut admin = server.client();
        assert_eq!(admin.run("LATCH.COUNTDOWN k"), int(0));
        admin.send_line("SHUTDOWN NOSAVE");
        admin.expect_closed();
        let told = waiters.iter_mut().map(Client::receive_to_the_end);
        let told = told.inspect(|told| assert!(told.is_empty() || *told == [ok()], "{told:?}"));
        let told = told.filter(|told| !told.is_empty()).count();
        assert!((batch..CROWD).contains(&told), "{told} with batches of {batch}");
    }
}

#[test]
fn a_shutdown_in_one_go_with_an_opening_may_end_them_all() {
    let server = Server::new();
    server.run("LATCH.SET k 1");
    let mut waiters = server.crowd(300, "LATCH.AWAIT k 0");
    let mut admin = server.client();
    admin.send_raw(b"LATCH.COUNTDOWN k\r\nSHUTDOWN NOSAVE\r\n");
    for waiter in &mut waiters {
        let told = waiter.receive_to_the_end();
        assert!(told.is_empty() || told == [ok()], "{told:?}");
    }
}

/// Who was released by this is sent away by that, which comes right behind it.
#[track_caller]
fn is_released_and_sent_away(opening: &str, away: &str) {
    for in_a_transaction in [false, true] {
        let mut scene = Scene::new();
        let away = scene.client_command(away);
        let mut lines = vec![opening, &away];
        if in_a_transaction {
            lines.insert(0, "MULTI");
            lines.push("EXEC");
        }
        let mut client = scene.server.client();
        client.send_raw((lines.join("\r\n") + "\r\n").as_bytes());
        for line in &lines {
            assert!(!matches!(client.receive(), Reply::Error(_)), "{line}");
        }
        let mut told = vec![scene.leaver.receive()];
        if away.starts_with("CLIENT UNBLOCK") {
            scene.leaver.send_line("PING");
            while told.last() != Some(&Reply::Simple("PONG".into())) {
                told.push(scene.leaver.receive());
            }
            told.pop();
        } else {
            told.extend(scene.leaver.receive_to_the_end());
        }
        // Nobody is released in the middle of a transaction, so who is sent away in
        // it has not been.
        let both = !in_a_transaction && !scene.server.unblocks_once();
        let (last, before) = told.split_last().expect("a reply");
        assert!(last.error().starts_with("UNBLOCKED "), "{lines:?}: {told:?}");
        assert_eq!(before, &vec![ok(); usize::from(both)][..], "{lines:?}");
    }
}

#[test]
fn a_client_that_is_released_and_unblocked_with_an_error_in_one_go_is_told_the_error() {
    is_released_and_sent_away("LATCH.COUNTDOWN k", "CLIENT UNBLOCK <id> ERROR");
    is_released_and_sent_away("LATCH.SET k 0", "CLIENT UNBLOCK <id> ERROR");
}

#[test]
fn a_client_that_is_released_by_a_server_that_becomes_a_replica_is_told_that() {
    // Of a master that nobody can be.
    is_released_and_sent_away("LATCH.COUNTDOWN k", "REPLICAOF 127.0.0.1 1");
}

#[test]
fn a_client_that_the_server_evicts_for_its_memory_is_forgotten() {
    let server = Server::new();
    let mut admin = server.client();
    admin.run("CLIENT NO-EVICT ON");
    admin.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let mut stays = server.client();
    stays.run("CLIENT NO-EVICT ON");
    stays.send_line("LATCH.AWAIT k 0");
    server.wait_parked(&stays);
    // What it sends while it is parked, the server keeps for it. There is no
    // limit yet: the connection must not close in the middle of sending.
    waiter.send_raw(b"*2\r\n$4\r\nECHO\r\n$1000000\r\n");
    waiter.send_raw(&[b'x'; 300_000]);
    admin.run("CONFIG SET maxmemory-clients 250kb");
    waiter.expect_closed();
    eventually("the evicted client to be forgotten", PATIENCE, || {
        admin.run("INFO latch").text().contains("latch_waiters:1\r").then_some(())
    });
    assert_eq!(admin.run("LATCH.COUNTDOWN k"), int(0));
    assert_eq!(stays.receive(), ok());
}

#[test]
fn a_client_on_a_key_of_an_odd_name_gets_one_reply_too() {
    // Were they blocked on the key itself, the server would look at them when it is
    // made.
    let server = Server::new();
    for name in ["k", "a}b", "{}x", ""] {
        let mut client = server.client();
        client.call(["LATCH.SET", name, "1"]);
        let mut waiter = server.client();
        waiter.send(["LATCH.AWAIT", name, "0"]);
        server.wait_parked(&waiter);
        let id = waiter.id().to_string();
        client.send_raw(
            &[
                encode(["DEL", name]),
                encode(["LATCH.SET", name, "1"]),
                encode(["CLIENT", "UNBLOCK", &id, "ERROR"]),
            ]
            .concat(),
        );
        for _ in 0..3 {
            client.receive();
        }
        assert!(matches!(waiter.receive(), Reply::Error(_)), "{name:?}");
        assert_eq!(waiter.run("PING"), Reply::Simple("PONG".into()), "{name:?}: twice?");
    }
}
