//! The storm itself: one thread, and all the clients in turn.

use std::collections::{BTreeMap, VecDeque};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::churn;
use super::common::{Random, Reply, Server};
use super::deeds::{DATABASES, Deed, World, deed, slow_deed};
use super::oracle::Call;
use super::peer::{Peer, Turn};
use super::probe::Probe;
use super::weather::{Weather, pauses_take_timeouts};

/// Clients of each server.
const CROWD: usize = 40;

/// Those of them that do nothing but wait on new keys, the last ones.
const CHURNERS: usize = 8;

/// How many new keys the others may hear of.
const NEW_KEYS: usize = 16;

/// Every so many clients there is one that nobody singles out to kill or
/// unblock, and that does not leave while it waits: had it been forgotten, it
/// would still be there in the end.
const LEFT_ALONE: usize = 4;

/// How many lines of what happened last a failure shows.
const TRACE: usize = 1000;

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Master,
    Replica,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Master, Side::Replica];

    /// The side of a client.
    pub fn of(peer: &Peer) -> Side {
        if peer.on_replica { Side::Replica } else { Side::Master }
    }
}

/// What is so in one storm, and not in another.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Are all data flushed, evicted or loaded anew now and then?
    pub upheavals: bool,
    /// Is a server busy when a script is slow?
    pub busy_by_scripts: bool,
}

/// What is to be undone.
#[derive(Clone, Copy, Debug)]
pub enum Repair {
    FewWaiters,
    Memory,
}

/// Everything that is going on.
pub struct Storm<'a> {
    seed: u64,
    pub random: Random,
    pub servers: [&'a Server; 2],
    pub peers: Vec<Peer>,
    /// Two more clients that make trouble, one for each server.
    control: Vec<Peer>,
    /// Those that watch whether waiters are looked after.
    pub probes: Vec<Probe>,
    dumps: Vec<Vec<u8>>,
    /// The keys that churning clients have named last.
    new_keys: Vec<String>,
    trace: VecDeque<String>,
    began: Instant,
    tally: BTreeMap<String, u64>,
    /// When the next trouble is due.
    pub trouble_at: Instant,
    /// What has to be set right, and when.
    pub repairs: Vec<(Instant, Side, Repair)>,
    /// How it is on either server.
    pub weather: [Weather; 2],
    /// Are all data flushed, evicted or loaded anew now and then?
    pub upheavals: bool,
    /// Is `CLIENT PAUSE ALL` bad for timeouts?
    pub pauses_take_timeouts: bool,
    /// Until when nobody must send `CLIENT UNBLOCK`.
    pub no_unblocking_until: Option<Instant>,
    /// Where everybody is about to be killed, newcomers included.
    pub killing_all: Option<Side>,
    /// Does `CLIENT UNBLOCK … ERROR` race with a release?
    pub unblocking_races: bool,
    /// What the servers do not survive, whatever modules they have.
    may_flush: bool,
    may_ask_for_sizes: bool,
}

impl<'a> Storm<'a> {
    /// A storm over a master and its replica.
    pub fn new(seed: u64, random: Random, servers: [&'a Server; 2], habits: Habits) -> Storm<'a> {
        let mut storm = Storm {
            seed,
            random,
            servers,
            peers: Vec::new(),
            control: Vec::new(),
            probes: Vec::new(),
            dumps: Vec::new(),
            new_keys: Vec::new(),
            trace: VecDeque::new(),
            began: Instant::now(),
            tally: BTreeMap::new(),
            trouble_at: Instant::now(),
            repairs: Vec::new(),
            weather: [Weather::new(habits.busy_by_scripts); 2],
            upheavals: habits.upheavals,
            pauses_take_timeouts: pauses_take_timeouts(servers[0]),
            no_unblocking_until: None,
            killing_all: None,
            unblocking_races: !servers[0].unblocks_once(),
            may_flush: servers[0].may_unblock_a_flush(),
            may_ask_for_sizes: servers[0].knows_what_a_key_takes(),
        };
        for side in Side::BOTH {
            storm.control.push(storm.controller(side));
            storm.probes.push(Probe::new(storm.servers, side));
            for _ in 0..CROWD {
                let peer = storm.newcomer(side);
                storm.peers.push(peer);
            }
        }
        storm
    }

    fn controller(&self, side: Side) -> Peer {
        let mut peer = self.connect(side, false, 0);
        peer.may_close = true;
        peer
    }

    fn newcomer(&mut self, side: Side) -> Peer {
        let resp3 = self.random.once_in(3);
        let db = self.random.below(DATABASES);
        let mut peer = self.connect(side, resp3, db);
        peer.may_close = self.killing_all == Some(side);
        peer
    }

    fn connect(&self, side: Side, resp3: bool, db: usize) -> Peer {
        let server = self.servers[side as usize];
        match Peer::connect(server, side == Side::Replica, resp3, db) {
            Ok(peer) => peer,
            Err(error) => self.fail(&format!("cannot connect to the {side:?}: {error}")),
        }
    }

    /// A while of it: a turn for everybody, and trouble if it is due.
    pub fn rage(&mut self) {
        self.pass(true);
        self.repair(Instant::now());
        if Instant::now() >= self.trouble_at {
            self.make_trouble();
            let millis = 5 + self.random.below(60) as u64;
            self.trouble_at = Instant::now() + Duration::from_millis(millis);
        }
    }

    /// A turn for everybody; do they start anything new?
    pub fn pass(&mut self, acting: bool) {
        let mut quiet = true;
        let clients = Side::BOTH.map(|side| self.clients_of(side));
        for at in 0..self.peers.len() {
            quiet &= !self.listen(at);
            if acting {
                self.act(at, &clients);
            }
        }
        self.probe();
        for at in 0..self.control.len() {
            let mut peer = self.control.remove(at);
            if matches!(self.turn(&mut peer), Turn::Closed) {
                peer = self.controller(Side::BOTH[at]);
            }
            self.control.insert(at, peer);
        }
        if quiet {
            sleep(Duration::from_micros(200));
        }
    }

    /// The clients of a server that may be killed or unblocked.
    fn clients_of(&self, side: Side) -> Vec<i64> {
        let others = self.peers.iter().enumerate().filter(|(at, _)| !is_left_alone(*at));
        let here = others.filter(|(_, peer)| Side::of(peer) == side);
        here.filter_map(|(_, peer)| peer.id).collect()
    }

    /// Takes what has come for a client. Was there anything?
    fn listen(&mut self, at: usize) -> bool {
        let mut peer = self.peers.remove(at);
        let side = Side::of(&peer);
        let is_gone = matches!(self.turn(&mut peer), Turn::Closed)
            || peer.leaves.is_some_and(|at| Instant::now() >= at);
        let brought = std::mem::take(&mut peer.brought);
        if is_gone {
            peer = self.newcomer(side);
        }
        self.peers.insert(at, peer);
        let any = !brought.is_empty();
        for (sent, reply) in brought {
            self.note(&sent, reply);
        }
        any
    }

    /// Lets the probes go on.
    fn probe(&mut self) {
        for mut probe in std::mem::take(&mut self.probes) {
            let ends = probe.peers().map(|peer| self.turn(peer));
            if ends.iter().any(|end| matches!(end, Turn::Closed)) {
                probe = probe.again(self.servers);
            }
            if let Some(text) = probe.go_on() {
                self.trace(text);
            }
            self.probes.push(probe);
        }
    }

    /// The probes leave, whatever they wait for.
    pub fn dismiss_probes(&mut self) {
        for probe in self.probes.drain(..) {
            let what = format!("arrivals by RENAME noticed on the {:?}", probe.side);
            self.tally.insert(what, probe.noticed);
        }
    }

    fn turn(&mut self, peer: &mut Peer) -> Turn {
        let mut lines = Vec::new();
        let weather = self.weather[Side::of(peer) as usize];
        let turn = peer.turn(&weather, |line| lines.push(line));
        lines.into_iter().for_each(|line| self.trace(line));
        match turn {
            Ok(turn) => turn,
            Err(problem) => self.fail(&format!("{}: {problem}", peer.name())),
        }
    }

    /// Keeps payloads, and counts who was told what.
    fn note(&mut self, sent: &str, reply: Reply) {
        const DUMPS: usize = 32;

        let told = match &reply {
            Reply::Error(text) => text.split(' ').next().unwrap_or_default().to_owned(),
            Reply::Simple(text) => text.split(' ').next().unwrap_or_default().to_owned(),
            Reply::NullBulk | Reply::NullArray | Reply::Null => "null".into(),
            Reply::Int(0) => "0".into(),
            Reply::Int(_) => "number".into(),
            _ => "data".into(),
        };
        let name = sent.split(' ').next().unwrap_or_default().trim_end_matches(':');
        if name.starts_with("LATCH.") && name.is_ascii() {
            *self.tally.entry(format!("{name} {told}")).or_default() += 1;
        }
        if let (true, Reply::Bulk(payload)) = (sent.starts_with("DUMP "), reply) {
            if self.dumps.len() == DUMPS {
                let oldest = self.random.below(DUMPS);
                self.dumps.swap_remove(oldest);
            }
            self.dumps.push(payload);
        }
    }

    /// Lets an idle client do something; a client that waits may just leave.
    fn act(&mut self, at: usize, clients: &[Vec<i64>; 2]) {
        let peer = &self.peers[at];
        if !peer.is_idle() {
            // What it sent is done even so, perhaps at a bad time.
            let may_leave = !is_left_alone(at) && !peer.is_owed("CLIENT UNBLOCK");
            if may_leave && self.random.once_in(3000) {
                self.trace(format!("{} leaves", self.peers[at].name()));
                let side = Side::of(&self.peers[at]);
                self.peers[at] = self.newcomer(side);
            }
            return;
        }
        let churns = at % CROWD >= CROWD - CHURNERS;
        if peer.leaves.is_some() || !(churns || self.random.once_in(3)) {
            return;
        }
        let deed = if churns { self.churn() } else { self.draw(at, clients, deed) };
        self.start(at, &deed);
    }

    fn draw(
        &mut self,
        at: usize,
        clients: &[Vec<i64>; 2],
        draw: fn(&mut Random, &World<'_>) -> Deed,
    ) -> Deed {
        let peer = &self.peers[at];
        let side = Side::of(peer) as usize;
        let world = World {
            clients: &clients[side],
            dumps: &self.dumps,
            new_keys: &self.new_keys,
            may_be_silent: !self.weather[side].busy_by_scripts,
            may_unblock: self.no_unblocking_until.is_none(),
            may_unblock_with_error: !self.unblocking_races,
            may_flush: self.may_flush,
            may_ask_for_sizes: self.may_ask_for_sizes,
            // A few never wait, so that something happens.
            may_park: at % 4 != 3,
            read_only: peer.on_replica,
        };
        draw(&mut self.random, &world)
    }

    fn churn(&mut self) -> Deed {
        let (call, keys) = churn::short_wait(&mut self.random);
        self.new_keys.extend(keys);
        let surplus = self.new_keys.len().saturating_sub(NEW_KEYS);
        self.new_keys.drain(..surplus);
        Deed::One(call)
    }

    fn start(&mut self, at: usize, deed: &Deed) {
        self.trace(format!("{} -> {}", self.peers[at].name(), deed.text()));
        let side = Side::of(&self.peers[at]);
        for call in deed.calls() {
            self.mark_targets(side, call);
        }
        self.peers[at].perform(deed);
    }

    /// A client that has nothing else to do runs a slow script.
    pub fn run_a_slow_script(&mut self, side: Side) {
        let is_free =
            |peer: &Peer| Side::of(peer) == side && peer.is_idle() && peer.leaves.is_none();
        let free: Vec<_> = (0..self.peers.len()).filter(|&at| is_free(&self.peers[at])).collect();
        if !free.is_empty() {
            let at = *self.random.pick(&free);
            let clients = Side::BOTH.map(|side| self.clients_of(side));
            let deed = self.draw(at, &clients, slow_deed);
            self.start(at, &deed);
        }
    }

    /// Notes whom a command is about to kill or unblock.
    pub fn mark_targets(&mut self, side: Side, call: &Call) {
        let name = call.name();
        let id = call.words.iter().find_map(|word| std::str::from_utf8(word).ok()?.parse().ok());
        let here = self.peers.iter_mut().filter(|peer| Side::of(peer) == side);
        for peer in here.filter(|peer| peer.id.is_some() && peer.id == id) {
            peer.may_close |= name == "CLIENT KILL";
            peer.unblocked |= name == "CLIENT UNBLOCK";
        }
    }

    /// The reply to a command; meanwhile the others go on, or only listen.
    pub fn control(&mut self, side: Side, call: &Call, acting: bool) -> Reply {
        self.trace(format!("{side:?} -> {}", call.text()));
        let text = call.text();
        loop {
            self.control[side as usize].brought.clear();
            self.control[side as usize].ask(call);
            while !self.control[side as usize].is_idle() {
                self.pass(acting);
            }
            let brought = std::mem::take(&mut self.control[side as usize].brought);
            // Else the connection was killed, and this is a new one.
            if let Some((sent, reply)) = brought.into_iter().next_back()
                && sent == text
                && !is_busy(&reply)
            {
                return reply;
            }
        }
    }

    /// [`control`](Self::control) of a line, while the others go on.
    pub fn do_now(&mut self, side: Side, line: &str) -> Reply {
        self.control(side, &Call::line(line), true)
    }

    /// Passes, starting nothing new, until it is so; fails if it is not so in
    /// time.
    pub fn until(&mut self, what: &str, patience: Duration, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        while !is_so(self) {
            if Instant::now() > deadline {
                let owed: Vec<_> = self.peers.iter().filter_map(Peer::owed).collect();
                self.fail(&format!("not within {patience:?}: {what}; owed:\n{}", owed.join("\n")));
            }
            self.pass(false);
        }
    }

    fn trace(&mut self, line: String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        let at = self.began.elapsed().as_secs_f64();
        self.trace.push_back(format!("{at:9.4} {line:.160}"));
    }

    /// Ends the test with all there is to know. The problem comes first, too:
    /// whoever shortens the output cuts its middle.
    pub fn fail(&self, problem: &str) -> ! {
        eprintln!("--- the problem\n{problem:.2000}");
        let trace: Vec<_> = self.trace.iter().map(String::as_str).collect();
        eprintln!("--- what happened last\n{}\n---", trace.join("\n"));
        for server in self.servers {
            // Of a crash, what the end of the log does not show any more.
            let log = server.log();
            for part in ["BUG REPORT START", "CURRENT CLIENT INFO"] {
                let lines = log.lines().skip_while(|line| !line.contains(part)).take(60);
                eprintln!("{}", lines.collect::<Vec<_>>().join("\n"));
            }
        }
        panic!("{problem}\nLATCH_STORM_SEED={}", self.seed);
    }

    /// Who was told what, how often.
    pub fn tally(&self) -> String {
        let lines = self.tally.iter().map(|(what, times)| format!("{times:8} {what}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn is_left_alone(at: usize) -> bool {
    at.is_multiple_of(LEFT_ALONE)
}

fn is_busy(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(text) if text.starts_with("BUSY "))
}
