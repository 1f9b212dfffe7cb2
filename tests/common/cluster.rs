//! A cluster of real servers on this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::client::{Client, cmd};
use super::resp::{Reply, int, ok};
use super::retrying::Retrying;
use super::server::Server;
use super::{PATIENCE, eventually};

/// Three masters, each with a third of the slots and one replica.
pub struct Cluster {
    /// The masters, then their replicas in the same order.
    pub nodes: Vec<Server>,
    ids: Vec<String>,
}

/// How many masters there are.
const MASTERS: usize = 3;
/// All slots.
const SLOTS: usize = 16384;
/// The slots of one master.
const SHARE: usize = SLOTS.div_ceil(MASTERS);
/// How long a node may be silent before the others take it for dead, in ms.
const NODE_TIMEOUT: &str = "2000";
/// How long the cluster may take to agree on something.
const AGREEMENT: Duration = Duration::from_secs(30);

impl Cluster {
    /// Starts the nodes and returns when they work together.
    #[track_caller]
    pub fn new() -> Cluster {
        let nodes: Vec<_> = (0..2 * MASTERS).map(|_| node().start()).collect();
        let ids = nodes.iter().map(|node| node.run("CLUSTER MYID").text()).collect();
        let cluster = Cluster { nodes, ids };
        cluster.found();
        cluster
    }

    fn found(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            assert_eq!(node.run(&format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1)), ok());
            if index < MASTERS {
                let (first, end) = (index * SHARE, SLOTS.min((index + 1) * SHARE));
                let line = format!("CLUSTER ADDSLOTSRANGE {first} {}", end - 1);
                assert_eq!(node.run(&line), ok());
            }
            // Everybody meets everybody: faster than waiting for gossip.
            for other in &self.nodes[..index] {
                let bus = other.run("CONFIG GET cluster-port").items()[1].text();
                let line = format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port());
                assert_eq!(node.run(&line), ok());
            }
        }
        for (index, replica) in self.nodes.iter().enumerate().skip(MASTERS) {
            let line = format!("CLUSTER REPLICATE {}", self.ids[index - MASTERS]);
            eventually("the replica to know its master", AGREEMENT, || {
                (replica.run(&line) == ok()).then_some(())
            });
        }
        self.wait_ready();
    }

    /// Waits until all nodes, and nobody else, agree that all slots are served
    /// and each master has its replica.
    #[track_caller]
    pub fn wait_ready(&self) {
        eventually("the cluster to be ready", AGREEMENT, || {
            self.nodes.iter().all(|node| self.is_content(node)).then_some(())
        });
    }

    fn is_content(&self, node: &Server) -> bool {
        let all = self.nodes.len();
        let info = node.run("CLUSTER INFO").text();
        let says = |line: &str| info.lines().any(|other| other == line);
        let known = node.run("CLUSTER NODES").text();
        let count = |part: &str| known.lines().filter(|line| line.contains(part)).count();
        says("cluster_state:ok")
            && says(&format!("cluster_slots_ok:{SLOTS}"))
            && says(&format!("cluster_known_nodes:{all}"))
            && count(" connected") == all
            && count("slave ") == all - MASTERS
            && match node.info("role").as_str() {
                "master" => node.run("INFO replication").text().contains("state=online"),
                _ => node.info("master_link_status") == "up",
            }
    }

    /// The slot of a key, as any node that lives computes it.
    #[track_caller]
    pub fn slot(&self, key: impl AsRef<[u8]>) -> i64 {
        let line = cmd!["CLUSTER", "KEYSLOT", key];
        let mut ports = self.nodes.iter().map(Server::port);
        let mut client = ports.find_map(|port| Client::connect_tcp(port).ok());
        client.as_mut().expect("a node that lives").call(line).int()
    }

    /// Which node was given the slot of a key, in the beginning.
    #[track_caller]
    pub fn home(&self, key: impl AsRef<[u8]>) -> usize {
        usize::try_from(self.slot(key)).unwrap() / SHARE
    }

    /// The first master of a key, its replica, and another master.
    #[track_caller]
    pub fn around(&self, key: impl AsRef<[u8]>) -> (&Server, &Server, &Server) {
        let home = self.home(key);
        (&self.nodes[home], &self.nodes[home + MASTERS], &self.nodes[(home + 1) % MASTERS])
    }

    /// The id of a node in the cluster.
    pub fn id(&self, node: &Server) -> &str {
        let index = self.nodes.iter().position(|other| other.port() == node.port());
        &self.ids[index.expect("a node of this cluster")]
    }

    /// A client that simply asks again.
    pub fn client(&self) -> Retrying {
        let ports: Vec<_> = self.nodes.iter().map(Server::port).collect();
        let mut rounds = ports.into_iter().cycle();
        Retrying::new(move || rounds.next())
    }

    /// The answer to a command, wherever its key is.
    #[track_caller]
    pub fn run(&self, line: &str) -> Reply {
        self.client().ask(line).reply
    }

    /// Opens a slot for moving: keys that are missing at `from` are looked for
    /// at `to`.
    #[track_caller]
    pub fn begin_move(&self, slot: i64, from: &Server, to: &Server) {
        let line = format!("CLUSTER SETSLOT {slot} IMPORTING {}", self.id(from));
        assert_eq!(to.run(&line), ok());
        let line = format!("CLUSTER SETSLOT {slot} MIGRATING {}", self.id(to));
        assert_eq!(from.run(&line), ok());
    }

    /// Sends a key to a node whose slot is open for it.
    #[track_caller]
    pub fn migrate(&self, key: &str, from: &Server, to: &Server) {
        let line = format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port());
        assert_eq!(from.run(&line), ok());
    }

    /// Gives a slot to a node.
    #[track_caller]
    pub fn end_move(&self, slot: i64, from: &Server, to: &Server) {
        let line = format!("CLUSTER SETSLOT {slot} NODE {}", self.id(to));
        for node in [to, from] {
            assert_eq!(node.run(&line), ok());
        }
    }

    /// Waits until a node is a master, or a replica.
    #[track_caller]
    pub fn wait_role(&self, node: &Server, role: &str) {
        eventually(&format!("a node to be a {role}"), AGREEMENT, || {
            (node.info("role") == role).then_some(())
        });
    }
}

impl Server {
    /// A new connection, in the state that lets it read from a replica in a
    /// cluster, that has sent `line` and is parked by it.
    #[track_caller]
    pub fn parked_readonly(&self, line: &str) -> Client {
        let mut client = self.client();
        assert_eq!(client.run("READONLY"), ok());
        client.send_line(line);
        self.wait_parked(&client);
        client
    }

    /// Waits until `count` clients or more are parked on `key`, as this node
    /// sees it.
    #[track_caller]
    pub fn wait_waiters(&self, key: &str, count: i64) {
        let mut observer = self.client();
        observer.run("READONLY");
        eventually(&format!("{count} clients to be parked on {key}"), PATIENCE, || {
            let info = observer.run(&format!("LATCH.INFO {key}"));
            let is_latch = matches!(info, Reply::Array(_));
            (is_latch && info.field("waiters").int() >= count).then_some(())
        });
    }

    /// Waits until the clock of this server has advanced so far that it has
    /// looked at all of its clients and keys, as it does once a second.
    #[track_caller]
    pub fn wait_round(&self) {
        let now = || self.info("server_time_usec").parse::<u64>().expect("a number");
        let begin = now();
        eventually("the time to pass", PATIENCE, || (now() > begin + 1_500_000).then_some(()));
    }
}

fn node() -> super::builder::Builder {
    Server::builder()
        .tcp()
        .config("cluster-enabled", "yes")
        .config("cluster-port", &bus_port().to_string())
        .config("cluster-node-timeout", NODE_TIMEOUT)
        // A replica may be out of touch with its master for as long as it likes.
        .config("cluster-replica-validity-factor", "0")
        .config("repl-ping-replica-period", "1")
}

/// A free port for the nodes to talk to each other. Not one that the system
/// gives away by itself: one such could find, while its node is down, that it
/// is connected to itself.
fn bus_port() -> u16 {
    const RANGE: std::ops::Range<u16> = 11_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test processes that run side by side begin at different places.
        let number =
            NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(37));
        let port =
            RANGE.start + u16::try_from(number % u32::from(RANGE.end - RANGE.start)).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
