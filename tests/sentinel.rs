//! Latches on a master that sentinels watch over.

mod common;

use std::time::Duration;

use common::*;

/// What the sentinels call their master.
const NAME: &str = "latch";
/// How long sentinels may take over something.
const AGREEMENT: Duration = Duration::from_secs(30);

/// A master, two replicas of it and three sentinels, two of which decide.
struct Deployment {
    /// The first is the first master.
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Deployment {
    /// Starts all and returns when everybody knows everybody.
    #[track_caller]
    fn new() -> Deployment {
        let master = Server::builder().tcp().start();
        let replica = || Server::builder().tcp().replica_of(&master).start();
        let replicas = [replica(), replica()];
        let sentinels = [(); 3].map(|()| sentinel_of(&master)).into();
        let servers = [master].into_iter().chain(replicas).collect();
        let deployment = Deployment { servers, sentinels };
        deployment.wait_ready();
        deployment
    }

    /// Waits until all sentinels know each other, and a master that is well
    /// and has two replicas that are, too.
    #[track_caller]
    fn wait_ready(&self) {
        let is_well =
            |node: &Reply| matches!(node.field("flags").text().as_str(), "master" | "slave");
        let knows_all = |sentinel: &Server| {
            let master = sentinel.run(&format!("SENTINEL MASTER {NAME}"));
            let list = sentinel.run(&format!("SENTINEL REPLICAS {NAME}"));
            let is_linked = |replica: &&Reply| {
                is_well(replica) && replica.field("master-link-status").text() == "ok"
            };
            is_well(&master)
                && master.field("num-other-sentinels") == &bulk("2")
                && list.items().iter().filter(is_linked).count() == 2
                && sentinel.run(&format!("SENTINEL CKQUORUM {NAME}")).text().starts_with("OK ")
        };
        eventually("the sentinels to be ready", AGREEMENT, || {
            self.sentinels.iter().all(knows_all).then_some(())
        });
    }

    /// A client that simply asks again: the master, as the sentinels say.
    fn client(&self) -> Retrying {
        let ports: Vec<_> = self.sentinels.iter().map(Server::port).collect();
        let mut rounds = ports.into_iter().cycle();
        Retrying::new(move || {
            let mut sentinel = Client::connect_tcp(rounds.next()?).ok()?;
            Some(master_by(&mut sentinel))
        })
    }

    /// Waits until at least `count` clients are parked on `key` at some server
    /// that lives: the wait of one that found a master too late goes on at a
    /// replica.
    #[track_caller]
    fn wait_waiters(&self, key: &str, count: usize) {
        let line = format!("LATCH.INFO {key}");
        let parked_at = |server: &Server| {
            let info = Client::connect_tcp(server.port()).ok()?.run(&line);
            matches!(info, Reply::Array(_)).then(|| info.field("waiters").int())
        };
        eventually(&format!("{count} clients to be parked on {key}"), PATIENCE, || {
            let parked: i64 = self.servers.iter().filter_map(parked_at).sum();
            (parked >= i64::try_from(count).unwrap()).then_some(())
        });
    }

    /// Waits until all sentinels name another master than the first; it, and
    /// the replica that was not chosen.
    #[track_caller]
    fn wait_switch(&self) -> (&Server, &Server) {
        let first = self.servers[0].port();
        let new = eventually("another master", AGREEMENT, || {
            let ports = self.sentinels.iter().map(|sentinel| master_by(&mut sentinel.client()));
            let ports: Vec<_> = ports.collect();
            (ports[0] != first && ports.iter().all(|port| *port == ports[0])).then_some(ports[0])
        });
        match &self.servers[1..] {
            [chosen, other] if chosen.port() == new => (chosen, other),
            [other, chosen] => (chosen, other),
            _ => unreachable!("there are two replicas"),
        }
    }
}

fn sentinel_of(master: &Server) -> Server {
    let sentinel = Server::builder()
        .sentinel()
        .config("sentinel", &format!("monitor {NAME} 127.0.0.1 {} 2", master.port()))
        .config("sentinel", &format!("down-after-milliseconds {NAME} 1500"))
        .config("sentinel", &format!("failover-timeout {NAME} 10000"))
        .start();
    // They look at each other rarely, for the haste of a test.
    let hurry = "SENTINEL DEBUG INFO-PERIOD 500 PUBLISH-PERIOD 500 PING-PERIOD 250 ASK-PERIOD 250";
    let reply = sentinel.run(hurry);
    if reply != ok() {
        println!("this sentinel cannot be hurried: {reply:?}");
    }
    sentinel
}

/// The port of the master, as a sentinel knows it.
fn master_by(sentinel: &mut Client) -> u16 {
    let address = sentinel.run(&format!("SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}"));
    address.items()[1].text().parse().expect("a port")
}

/// Clients that are parked on `job`, which has two more countdowns to come.
struct Parked {
    asking: Vec<Pending>,
    on_master: Client,
    on_replicas: Vec<(u16, Client)>,
}

/// Makes the latch `job` and parks clients on it, all over.
fn park_on_job(deployment: &Deployment) -> Parked {
    let master = &deployment.servers[0];
    let mut client = master.client();
    assert_eq!(client.run("LATCH.SET job 4 EX 1000"), ok());
    assert_eq!(client.run("LATCH.COUNTDOWN job ID one"), int(3));
    assert_eq!(client.run("WAIT 2 5000"), int(2));
    let asking = ["LATCH.AWAIT job 0", "LATCH.AWAITALL 0 1 job", "LATCH.ARRIVE job 0 ID two"];
    let asking = asking.map(|line| deployment.client().asks(line)).into();
    let on_master = master.parked("LATCH.AWAIT job 0");
    master.wait_waiters("job", 4);
    let on_replicas = deployment.servers[1..].iter();
    let on_replicas =
        on_replicas.map(|replica| (replica.port(), replica.parked("LATCH.AWAIT job 0"))).collect();
    // The arrival counts, and counts once.
    assert_eq!(client.run("LATCH.COUNTDOWN job ID two"), int(2));
    for replica in &deployment.servers[1..] {
        replica.wait_in_sync(master);
    }
    Parked { asking, on_master, on_replicas }
}

/// Opens `job` at the new master, and sees that everybody hears of it.
fn open_job(event: &str, deployment: &Deployment, parked: Parked) {
    let (master, _) = deployment.wait_switch();
    deployment.wait_waiters("job", parked.asking.len());
    for (id, left) in [("one", 2), ("two", 2), ("three", 1), ("four", 0)] {
        let line = format!("LATCH.COUNTDOWN job ID {id}");
        assert_eq!(deployment.client().ask(&line).reply, int(left), "{id}");
    }
    for waiter in parked.asking {
        ends_right(event, waiter);
    }
    for (port, mut client) in parked.on_replicas {
        let chosen = if port == master.port() { "chosen" } else { "other" };
        let event = format!("{event}, parked on the {chosen} replica");
        let words = client.last_words();
        println!("{event}: {words:?}");
        assert!(words == Some(ok()) || was_sent_away(&words), "{event}: {words:?}");
    }
}

/// A server that changes its role sends its clients away, or a sentinel does
/// by closing their connections.
fn was_sent_away(words: &Option<Reply>) -> bool {
    words.as_ref().is_none_or(|reply| reply.error().starts_with("UNBLOCKED "))
}

/// Sees that all servers have what the new master has, and that all is as it
/// was, with other roles.
fn assert_one_master(deployment: &Deployment) {
    let (master, other) = deployment.wait_switch();
    deployment.wait_ready();
    assert_eq!(master.run("LATCH.SET next 3 EX 1000"), ok());
    assert_eq!(master.run("LATCH.COUNTDOWN next ID one"), int(2));
    for replica in [&deployment.servers[0], other] {
        assert_eq!(replica.info("role"), "slave");
        assert_same(replica, master);
    }
    let mut waiter = deployment.servers[0].parked("LATCH.AWAIT next 0");
    assert_eq!(master.run("LATCH.COUNTDOWN next 2"), int(0));
    waiter.receives_only(&ok());
}

#[test]
fn waiters_find_the_new_master_after_the_old_one_died() {
    let mut deployment = Deployment::new();
    let mut parked = park_on_job(&deployment);
    deployment.servers[0].kill9();
    parked.on_master.expect_closed();
    open_job("kill -9", &deployment, parked);

    deployment.servers[0].start_again();
    assert_one_master(&deployment);
}

#[test]
fn waiters_find_the_new_master_after_a_failover_by_hand() {
    fail_over(&Deployment::new(), &format!("SENTINEL FAILOVER {NAME}"));
}

#[test]
fn waiters_find_the_new_master_after_a_failover_that_the_old_one_takes_part_in() {
    let deployment = Deployment::new();
    let reply = deployment.sentinels[0].run("SENTINEL FAILOVER nobody COORDINATED");
    if reply.error().starts_with("ERR wrong number of arguments") {
        println!("this sentinel has no FAILOVER ... COORDINATED: nothing to test");
        return;
    }
    fail_over(&deployment, &format!("SENTINEL FAILOVER {NAME} COORDINATED"));
}

fn fail_over(deployment: &Deployment, command: &str) {
    let mut parked = park_on_job(deployment);
    assert_eq!(deployment.sentinels[0].run(command), ok());
    deployment.wait_switch();
    // The old master goes on as one until the sentinels have turned it.
    let words = parked.on_master.last_words();
    println!("{command}: {words:?}");
    assert!(was_sent_away(&words), "{words:?}");
    open_job(command, deployment, parked);
    assert_one_master(deployment);
}
