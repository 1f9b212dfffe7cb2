//! A replica ends up with what its master has, whatever is done.

mod common;

use common::*;

/// Something to do with a latch or two, be it possible or not.
fn command(random: &mut Random) -> String {
    const OPTIONS: [&str; 16] = [
        "",
        "",
        "NX",
        "XX",
        "KEEPTTL",
        "XX KEEPTTL",
        "PX 3",
        "EX 9000",
        "NX EX 9000",
        "PXAT 99999999999999",
        "LINGER 9000",
        "PX 3 LINGER 0.003",
        "ID a",
        "NX ID a LINGER 9000",
        "IFOPEN ID b",
        "IFOPEN LINGER 9000",
    ];
    let (key, other) = (random.below(8), random.below(8));
    let (number, db) = (random.below(12), random.below(3));
    match random.below(32) {
        0..6 => format!("LATCH.SET k{key} {number} {}", random.pick(&OPTIONS)),
        6..12 => format!("LATCH.COUNTDOWN k{key} {}", 1 + number / 3),
        12 | 13 => format!("LATCH.COUNTDOWN k{key} ID {number}"),
        14 => format!("LATCH.COUNTDOWN k{key} 2 ID {number} MISSING ERROR"),
        15 => format!("LATCH.ARRIVE k{key} 0.001 ID {number}"),
        16 if random.once_in(3) => format!("LATCH.ADD k{key} {number}"),
        16 => format!("LATCH.ADD k{key} 1 ID {number}"),
        17 => format!("LATCH.ABORT k{key} reason-{number}"),
        18 => format!("{} k{key}", random.pick(&["DEL", "UNLINK", "PERSIST"])),
        19 => format!("PEXPIRE k{key} {}", random.pick(&["1", "8000000", "0"])),
        20 => format!("{} k{key} k{other}", random.pick(&["RENAME", "RENAMENX"])),
        21 => format!("COPY k{key} k{other} {}", random.pick(&["", "REPLACE"])),
        22 => format!("COPY k{key} k{other} DB {db}"),
        23 => format!("MOVE k{key} {db}"),
        24 => format!("SELECT {db}"),
        25 => format!("SWAPDB {db} {}", random.below(3)),
        26 => format!("SET k{key} string"),
        27 if number == 0 => "FLUSHDB".into(),
        28 if number == 0 => "FLUSHALL ASYNC".into(),
        _ => format!("LATCH.GET k{key}"),
    }
}

fn commands(random: &mut Random, count: usize) -> Vec<String> {
    (0..count).map(|_| command(random)).collect()
}

/// Panics unless the replica ends up with what its master has.
#[track_caller]
fn expect_equal(master: &Server, replica: &Server) {
    replica.wait_in_sync(master);
    // What expires between two looks at the servers differs for a moment.
    let equal = || (replica.contents() == master.contents()).then_some(());
    eventually("the replica to have what its master has", PATIENCE, equal);
}

/// Does `commands` in one go while the replica is away, and waits until it
/// begins to come back: after so much that it has to load everything again, or
/// to be told what it missed.
#[track_caller]
fn do_unseen(master: &Server, commands: &[String], much: bool) {
    let counter = if much { "sync_full" } else { "sync_partial_ok" };
    let before = master.info(counter);
    let filler = format!("SET filler {}", "x".repeat(10_000));
    let mut all = vec!["CLIENT KILL TYPE replica"];
    all.extend(commands.iter().map(String::as_str));
    if much {
        all.extend([filler.as_str(); 20]);
    }
    master.client().transaction(&all);
    eventually("the replica to come back", PATIENCE, || {
        (master.info(counter) != before).then_some(())
    });
}

#[test]
fn a_replica_ends_up_with_what_its_master_has_whatever_is_done() {
    let seed = seed_from("LATCH_SEED");
    println!("LATCH_SEED={seed}");
    let mut random = Random::new(seed);
    let master = Server::builder().tcp().config("repl-backlog-size", "16kb").start();
    let replica = Server::builder().replica_of(&master).start();
    replica.wait_in_sync(&master);
    let mut client = master.client();
    let mut opened = 0;
    for round in 0..40 {
        for command in commands(&mut random, 100) {
            let reply = client.run(&command);
            opened += usize::from(reply == int(0) && command.starts_with("LATCH.COUNTDOWN"));
        }
        expect_equal(&master, &replica);
        if round % 10 == 5 {
            do_unseen(&master, &commands(&mut random, 60), round % 20 == 5);
            expect_equal(&master, &replica);
        }
    }
    assert!(opened > 100, "only {opened} latches were opened");
}
