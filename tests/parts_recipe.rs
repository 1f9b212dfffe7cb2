//! A count that nobody knows beforehand: the recipe of the README, and its second form of
//! `docs/guarantees.md`, with planners that die and start again.

mod common;

use common::*;

const PARTS: [&str; 3] = ["part-1", "part-2", "part-3"];

/// What a planner holds while it plans: more than there can be parts, in the second form.
const MANY: u64 = 1_000_000_000;

/// A step of a planner.
enum Step {
    /// A command that it sends, with a reply that is no error.
    Send(String),
    /// It starts this part.
    Start(&'static str),
}

/// What a planner does, from the beginning to the end.
fn steps(hold: u64) -> Vec<Step> {
    let send = |line: String| Step::Send(line);
    let set = format!("LATCH.SET job:7 {hold} NX ID planner EX 86400 LINGER 3600");
    let mut steps = vec![send(set)];
    for part in PARTS {
        steps.extend([send(format!("LATCH.ADD job:7 1 ID {part}")), Step::Start(part)]);
    }
    if hold == MANY {
        steps.push(send("MULTI".into()));
        steps.extend(PARTS.map(|part| send(format!("LATCH.ADD job:7 1 ID {part}"))));
    }
    let let_go = format!("LATCH.COUNTDOWN job:7 {hold} ID planner");
    if hold == MANY {
        steps.extend([send(let_go + " MISSING ERROR"), send("EXEC".into())]);
    } else {
        steps.push(send(let_go));
    }
    steps
}

/// A planner does some of its steps, and dies. `start` is told of each part that it starts.
fn plan(server: &Server, steps: &[Step], mut start: impl FnMut(&'static str)) {
    let mut planner = server.client();
    for step in steps {
        match step {
            Step::Start(part) => start(part),
            Step::Send(line) => {
                let reply = planner.run(line);
                assert!(!matches!(reply, Reply::Error(_) | Reply::NullBulk), "{line}: {reply:?}");
            }
        }
    }
}

/// A worker does a part.
fn work(server: &Server, part: &str) -> Reply {
    server.run(&format!("LATCH.COUNTDOWN job:7 ID {part}"))
}

/// All parts are done, whoever asks, and however often what was done is done again.
fn is_over(server: &Server, hold: u64) {
    assert_eq!(server.run("LATCH.AWAIT job:7 0 MISSING ERROR"), ok());
    let mut expected = PARTS.to_vec();
    expected.push("planner");
    assert_eq!(server.run("LATCH.ARRIVED job:7"), array(expected));
    plan(server, &steps(hold), |part| assert_eq!(work(server, part), int(0)));
    assert_eq!(server.run("LATCH.INFO job:7").field("state"), &bulk("open"));
}

#[test]
fn a_planner_that_dies_at_any_step_and_starts_again_is_not_noticed() {
    let server = Server::new();
    for hold in [1, MANY] {
        let steps = steps(hold);
        for (first, second) in (0..=steps.len()).flat_map(|at| [(at, at), (at, at / 2)]) {
            server.run("FLUSHALL");
            let mut waiter = server.parked("LATCH.AWAIT job:7 0 MISSING WAIT");
            for until in [first, second, steps.len()] {
                plan(&server, &steps[..until], |_| server.wait_parked(&waiter));
            }
            assert_eq!(server.run("LATCH.PENDING job:7"), array(PARTS), "{first}, {second}");
            for (part, left) in PARTS.into_iter().zip([2, 1, 0]) {
                server.wait_parked(&waiter);
                assert_eq!(work(&server, part), int(left), "{part} after {first}, {second}");
            }
            waiter.receives_only(&ok());
            is_over(&server, hold);
        }
    }
}

#[test]
fn so_it_is_if_each_part_is_done_as_it_is_started_and_twice_if_it_is_started_twice() {
    let server = Server::new();
    for hold in [1, MANY] {
        let steps = steps(hold);
        // Once it has let go, all are done.
        for until in 0..steps.len() {
            server.run("FLUSHALL");
            let mut waiter = server.parked("LATCH.AWAIT job:7 0 MISSING WAIT");
            for until in [until, steps.len()] {
                plan(&server, &steps[..until], |part| {
                    server.wait_parked(&waiter);
                    work(&server, part).int();
                });
            }
            waiter.receives_only(&ok());
            let info = server.run("LATCH.INFO job:7");
            assert_eq!(info.field("opened-by"), &bulk("planner"), "died at {until}");
            is_over(&server, hold);
        }
    }
}

/// A planner starts all parts and dies, and then `mishap`. Another starts all over, while a
/// worker of the first one, that was slow, is done with its part.
fn start_over(hold: u64, mishap: &str) -> (Server, Client) {
    let server = Server::new();
    let steps = steps(hold);
    let before_the_end = steps.len() - if hold == MANY { 6 } else { 1 };
    plan(&server, &steps[..before_the_end], |_| {});
    assert_eq!(server.run(mishap), int(1));
    plan(&server, &steps[..1], |_| {});
    let waiter = server.parked("LATCH.AWAIT job:7 0");
    work(&server, PARTS[0]).int();
    (server, waiter)
}

#[test]
fn where_its_time_runs_out_under_the_job_the_first_form_opens_early() {
    let (server, mut waiter) = start_over(1, "PEXPIRE job:7 -1");
    waiter.receives_only(&ok());
    assert_eq!(server.run("LATCH.ARRIVED job:7"), array([PARTS[0]]), "of three");
}

#[test]
fn and_the_second_form_does_not() {
    let (server, mut waiter) = start_over(MANY, "PEXPIRE job:7 -1");
    plan(&server, &steps(MANY), |_| server.wait_parked(&waiter));
    for (part, left) in [(PARTS[0], 2), (PARTS[1], 1), (PARTS[1], 1), (PARTS[2], 0)] {
        server.wait_parked(&waiter);
        assert_eq!(work(&server, part), int(left), "{part}");
    }
    waiter.receives_only(&ok());
    is_over(&server, MANY);
}

#[test]
fn the_second_form_says_so_if_the_latch_is_gone_when_it_lets_go() {
    let server = Server::new();
    let steps = steps(MANY);
    let to_the_transaction = steps.len() - 6;
    plan(&server, &steps[..to_the_transaction], |_| {});
    assert_eq!(server.run("PEXPIRE job:7 -1"), int(1));
    let lines: Vec<_> = steps[to_the_transaction + 1..steps.len() - 1]
        .iter()
        .filter_map(|step| match step {
            Step::Send(line) => Some(line.as_str()),
            Step::Start(_) => None,
        })
        .collect();
    let replies = server.client().transaction(&lines);
    let missing = error("NOLATCH there is no latch at this key");
    assert_eq!(replies.items(), vec![missing; PARTS.len() + 1]);
}

#[test]
fn an_addition_that_a_failover_has_lost_is_made_up_for_by_the_second_form() {
    for lost in 0..PARTS.len() {
        let server = Server::new();
        let mut steps = steps(MANY);
        steps.remove(1 + 2 * lost);
        let mut waiter = server.parked("LATCH.AWAIT job:7 0 MISSING WAIT");
        // The first and the last are done before the planner lets go.
        let is_quick = |part| [PARTS[0], PARTS[2]].contains(&part);
        plan(&server, &steps, |part| {
            if is_quick(part) {
                work(&server, part).int();
            }
        });
        server.wait_parked(&waiter);
        assert_eq!(server.run("LATCH.PENDING job:7"), array([PARTS[1]]), "lost: {lost}");
        assert_eq!(work(&server, PARTS[1]), int(0));
        waiter.receives_only(&ok());
        is_over(&server, MANY);
    }
}

#[test]
fn parts_that_split_add_their_own_before_they_are_done() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET job:7 1 NX ID planner LINGER 3600");
    client.run("LATCH.ADD job:7 1 ID 1");
    let mut waiter = server.parked("LATCH.AWAIT job:7 0");
    client.run("LATCH.COUNTDOWN job:7 ID planner");
    // Each part below 8 splits in two, and each is done twice.
    for part in 1..16 {
        server.wait_parked(&waiter);
        for _ in 0..2 {
            if part < 8 {
                client.run(&format!("LATCH.ADD job:7 1 ID {}", 2 * part));
                client.run(&format!("LATCH.ADD job:7 1 ID {}", 2 * part + 1));
            }
            client.run(&format!("LATCH.COUNTDOWN job:7 ID {part}"));
        }
    }
    waiter.receives_only(&ok());
    let info = client.run("LATCH.INFO job:7");
    assert_eq!((info.field("total"), info.field("arrived")), (&int(16), &int(16)));
    assert_eq!(info.field("opened-by"), &bulk("15"));
}
