//! `LATCH.ARRIVE key timeout ID id [MISSING OPEN|ERROR]`: every state of the key, where the
//! client can be parked, where it must not be, and where it is refused.

mod common;

use common::states::{ABORTED, CLOSED, Cell, MISSING, OPEN, STRING, prepare};
use common::*;

const FULL_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// One countdown is missing: `r` is recorded.
const LAST: &[&str] = &["LATCH.SET k 2 EX 1000", "LATCH.COUNTDOWN k ID r"];

/// A row: the state, the id and the option, what is replied where the client can park (`None`:
/// it parks), and whether the arrival counts.
struct Row {
    state: &'static [&'static str],
    options: &'static str,
    reply: Option<Reply>,
    counts: bool,
}

fn table() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |state, options, reply, counts| {
        rows.push(Row { state, options, reply, counts });
    };
    row(MISSING, "ID new", Some(ok()), false);
    row(MISSING, "ID new MISSING OPEN", Some(ok()), false);
    row(MISSING, "ID new MISSING ERROR", Some(error(NO_LATCH)), false);
    for options in ["ID new", "ID new MISSING ERROR"] {
        row(CLOSED, options, None, true);
        row(LAST, options, Some(ok()), true);
    }
    // One that was added counts as any other.
    row(CLOSED, "ID p", None, true);
    for options in ["ID r", "MISSING ERROR ID r"] {
        row(CLOSED, options, None, false);
        row(LAST, options, None, false);
        row(OPEN, options, Some(ok()), false);
    }
    for id in ["new", "p"] {
        let [lax, strict] = match id {
            "new" => ["ID new", "ID new MISSING ERROR"],
            _ => ["ID p", "ID p MISSING ERROR"],
        };
        row(OPEN, lax, Some(ok()), false);
        row(OPEN, strict, Some(error(LATCH_OPEN)), false);
    }
    for options in ["ID new", "ID r", "ID p", "ID new MISSING ERROR"] {
        row(ABORTED, options, Some(aborted("no")), false);
        row(STRING, options, Some(error(WRONG_TYPE)), false);
    }
    rows
}

impl Row {
    /// The cell, where `parked` is replied in place of parking; only where `may_count` may it
    /// have counted then.
    fn cell(&self, parked: &Reply, may_count: bool) -> Cell {
        let reply = self.reply.clone().unwrap_or_else(|| parked.clone());
        if !self.counts || (self.reply.is_none() && !may_count) {
            return Cell::Same(reply);
        }
        let id = if self.options.starts_with("ID p") { "p" } else { "new" };
        let sent = format!("LATCH.COUNTDOWN k 1 ID {id}");
        let events: &[_] = match self.state {
            LAST => &["latch.countdown", "latch.open", "del"],
            _ => &["latch.countdown"],
        };
        Cell::Changed(reply, events, Some(sent))
    }

    fn line(&self) -> String {
        format!("LATCH.ARRIVE k 0 {}", self.options)
    }
}

#[test]
fn where_it_can_park_it_counts_once_and_parks_while_the_latch_is_closed() {
    let server = Server::new();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    for row in table() {
        if row.reply.is_some() {
            row.cell(&ok(), true).check(&mut witness, &mut client, row.state, &row.line());
            continue;
        }
        prepare(&mut client, row.state);
        let mut waiter = None;
        // Others hear of it at once, before it is over.
        let cell = row.cell(&ok(), true);
        cell.check_call(&mut witness, &row.line(), || {
            waiter = Some(server.parked(&row.line()));
            ok()
        });
        client.run("LATCH.COUNTDOWN k 9");
        waiter.unwrap().receives_only(&ok());
    }
}

#[test]
fn a_wait_that_ends_in_another_way_has_counted_all_the_same() {
    let server = Server::new();
    let mut client = server.client();
    for row in table().into_iter().filter(|row| row.reply.is_none()) {
        prepare(&mut client, row.state);
        let before = client.run("LATCH.GET k").int();
        let after = int(before - i64::from(row.counts));
        for timeout in ["0.001", "0.002"] {
            let line = row.line().replace("k 0", &format!("k {timeout}"));
            assert_eq!(client.run(&line), Reply::NullBulk, "{line}");
            assert_eq!(client.run("LATCH.GET k"), after, "{line}");
        }
        let mut waiter = server.parked(&row.line());
        client.run("LATCH.ABORT k no");
        waiter.receives_only(&aborted("no"));
        assert_eq!(client.run("LATCH.GET k"), after);
    }
}

#[test]
fn where_nobody_may_block_it_counts_and_is_null_unless_it_opens() {
    let server = Server::builder().config("loadmodule", &caller()).start();
    let (mut witness, mut client) = (Witness::open(&server), server.client());
    let script = "return redis.pcall('LATCH.ARRIVE', KEYS[1], 0, unpack(ARGV))";
    for how in ["a transaction", "a script", "a module's call"] {
        for row in table() {
            prepare(&mut client, row.state);
            let mut cell = row.cell(&Reply::NullBulk, true);
            // Whether what a module calls is propagated is for that module to say.
            if let (Cell::Changed(_, _, propagated), "a module's call") = (&mut cell, how) {
                *propagated = None;
            }
            let line = row.line();
            let mut call = || match how {
                "a transaction" => client.transaction(&[&line]).items()[0].clone(),
                "a script" => {
                    let words = ["EVAL", script, "1", "k"].into_iter();
                    told(client.call(words.chain(row.options.split(' '))))
                }
                _ => client.run(&format!("CALLER.CALL {line}")),
            };
            cell.check_call(&mut witness, &format!("{line} in {how}"), &mut call);
        }
    }
    server.wait_blocked(0);
}

/// The reply to a script, without what some servers say of errors in one.
fn told(reply: Reply) -> Reply {
    match reply {
        Reply::Error(text) => error(text.split(" script: ").next().expect("a text").trim_end()),
        reply => reply,
    }
}

#[test]
fn who_is_refused_a_place_has_not_been_counted_and_who_needs_none_is_not_refused() {
    let server = Server::new();
    let mut client = server.client();
    client.run("SELECT 1");
    client.run("LATCH.SET other 1");
    let _waiter = server.parked_in(1, "LATCH.AWAIT other 0");
    client.run("SELECT 0");
    let mut witness = Witness::open(&server);
    for (setting, back, refusal) in [
        ("latch.max-waiters 1", "latch.max-waiters 0", FULL),
        ("maxmemory 1", "maxmemory 0", FULL_MEMORY),
    ] {
        for row in table() {
            server.run("FLUSHDB");
            row.state.iter().for_each(|line| _ = client.run(line));
            assert_eq!(server.run(&format!("CONFIG SET {setting}")), ok());
            let cell = row.cell(&error(refusal), false);
            let line = row.line();
            cell.check_call(&mut witness, &format!("{line} with {setting}"), || client.run(&line));
            assert_eq!(server.run(&format!("CONFIG SET {back}")), ok());
        }
    }
}

#[test]
fn a_connection_that_is_not_parked_has_not_been_counted() {
    let server = Server::new();
    if server.parks_subscribers() {
        return;
    }
    let mut witness = Witness::open(&server);
    let mut client = server.client();
    let mut subscriber = server.client3();
    subscriber.run("SUBSCRIBE channel");
    let refusal = "ERR this connection cannot wait: the server does not block it (has it a subscription?), use another one";
    for row in table() {
        prepare(&mut client, row.state);
        let line = row.line();
        let cell = row.cell(&error(refusal), false);
        cell.check_call(&mut witness, &line, || subscriber.run(&line));
    }
}

#[test]
fn on_a_replica_nobody_arrives() {
    let master = Server::builder().tcp().start();
    let replica = Server::builder().replica_of(&master).start();
    let mut client = master.client();
    for row in table() {
        prepare(&mut client, row.state);
        replica.wait_in_sync(&master);
        let reply = replica.run(&row.line());
        assert!(reply.error().starts_with("READONLY "), "{}: {reply:?}", row.line());
    }
}

#[test]
fn a_barrier_that_is_used_again_is_noticed() {
    let server = Server::new();
    server.run("LATCH.SET start 2 LINGER 100");
    let mut first = server.parked("LATCH.ARRIVE start 0 ID a MISSING ERROR");
    assert_eq!(server.run("LATCH.ARRIVE start 0 ID b MISSING ERROR"), ok());
    first.receives_only(&ok());
    // Who asks again passes, as before; who comes for another round does not.
    assert_eq!(server.run("LATCH.ARRIVE start 0 ID a MISSING ERROR"), ok());
    assert_eq!(server.run("LATCH.ARRIVE start 0 ID c MISSING ERROR"), error(LATCH_OPEN));
    assert_eq!(server.run("LATCH.ARRIVE start 0 ID c"), ok(), "alone");
    assert_eq!(server.run("LATCH.ARRIVE strat 0 ID c MISSING ERROR"), error(NO_LATCH));
}
