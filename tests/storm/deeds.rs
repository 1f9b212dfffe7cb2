//! What the clients of the storm do, drawn by lot.

use super::common::{Random, cmd};
use super::edges;
use super::nonsense;
use super::oracle::Call;
use super::scripts::{Step, script};

/// The databases in use.
pub const DATABASES: usize = 3;

/// Few keys, so that everybody meets everybody. Some have no shadow name made
/// from them the usual way.
pub const KEYS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "", "a}b", "{}x", "{t}k"];

/// Ids of countdowns, few enough to come twice.
const IDS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

/// What a deed may refer to.
pub struct World<'a> {
    /// The ids of clients of the same server.
    pub clients: &'a [i64],
    /// Payloads of `DUMP`.
    pub dumps: &'a [Vec<u8>],
    /// Keys that somebody has waited for of late, and that have no others.
    pub new_keys: &'a [String],
    /// May it switch its replies off? Not where the server may be too busy to
    /// switch them on again.
    pub may_be_silent: bool,
    /// Is `CLIENT UNBLOCK` safe now?
    pub may_unblock: bool,
    /// And with `ERROR`, on a server where that races with a release?
    pub may_unblock_with_error: bool,
    /// May it flush a database, and be unblocked meanwhile?
    pub may_flush: bool,
    /// May it ask for the memory of a key?
    pub may_ask_for_sizes: bool,
    /// May it park?
    pub may_park: bool,
    /// Are writes refused, so that they are no use but now and then?
    pub read_only: bool,
}

/// A thing for a client to do.
pub enum Deed {
    /// A command.
    One(Call),
    /// A transaction, perhaps with a key under `WATCH`.
    Transaction(Option<Call>, Vec<Call>),
    /// Commands whose replies the client does not want.
    Silent(Vec<Call>),
    /// Another database.
    Select(usize),
    /// Bytes that are no protocol.
    Noise(Vec<u8>),
    /// The connection closes without a word.
    Leave,
}

impl<'a> World<'a> {
    /// A key, now and then one of those that are new.
    fn key(&self, random: &mut Random) -> &'a str {
        if !self.new_keys.is_empty() && random.once_in(16) {
            return random.pick::<String>(self.new_keys);
        }
        random.pick::<&str>(&KEYS)
    }
}

/// Draws a deed.
pub fn deed(random: &mut Random, world: &World<'_>) -> Deed {
    match random.below(1000) {
        0..700 => Deed::One(any(random, world)),
        700..790 => {
            let watched = random.once_in(4).then(|| Call::new(cmd!["WATCH", random.pick(&KEYS)]));
            let mut calls = several(random, world);
            if random.once_in(6) {
                calls.insert(random.below(calls.len() + 1), quick_script(random, world));
            }
            Deed::Transaction(watched, calls)
        }
        790..880 => Deed::One(quick_script(random, world)),
        880..910 if world.may_be_silent => Deed::Silent(several(random, world)),
        880..910 => Deed::One(any(random, world)),
        910..950 => Deed::Select(random.below(DATABASES)),
        950..970 => Deed::One(nonsense::command(random)),
        970..980 => Deed::Noise(nonsense::noise(random)),
        _ => Deed::Leave,
    }
}

/// A script that runs a few commands and returns the reply to the last.
fn quick_script(random: &mut Random, world: &World<'_>) -> Call {
    script(several(random, world).into_iter().map(Step::Run).collect())
}

/// A script that changes latches and spends some ms in between or behind; by
/// itself, or within a transaction.
pub fn slow_deed(random: &mut Random, world: &World<'_>) -> Deed {
    let mut steps: Vec<_> =
        (0..=random.below(3)).map(|_| Step::Run(change(random, world))).collect();
    let at = 1 + random.below(steps.len());
    steps.insert(at, Step::Spin(5 + random.below(56)));
    let script = script(steps);
    if random.once_in(3) {
        let mut calls = vec![any(random, world), change(random, world), any(random, world)];
        calls.insert(random.below(4), script);
        return Deed::Transaction(None, calls);
    }
    Deed::One(script)
}

/// Opens, makes, or takes away a latch, or does anything.
fn change(random: &mut Random, world: &World<'_>) -> Call {
    let key = world.key(random);
    match random.below(6) {
        0 | 1 => Call::new(cmd!["LATCH.COUNTDOWN", key, "9999"]),
        2 => Call::new(cmd!["LATCH.COUNTDOWN", key]),
        3 => set(random, key),
        4 => Call::new(cmd!["DEL", key]),
        _ => any(random, world),
    }
}

/// One to five commands; often a latch is opened and armed again among them.
fn several(random: &mut Random, world: &World<'_>) -> Vec<Call> {
    let mut calls: Vec<_> = (0..=random.below(4)).map(|_| any(random, world)).collect();
    if random.once_in(3) {
        let key = *random.pick(&KEYS);
        calls.push(Call::new(cmd!["LATCH.COUNTDOWN", key, "9999"]));
        if world.may_unblock && !world.clients.is_empty() && random.once_in(2) {
            calls.push(unblock(random, world));
        }
        let count = (1 + random.below(3)).to_string();
        calls.push(Call::new(cmd!["LATCH.SET", key, count]));
    }
    calls
}

/// Any command.
fn any(random: &mut Random, world: &World<'_>) -> Call {
    match random.below(100) {
        0..75 => latch(random, world),
        75..95 if !world.read_only || random.once_in(8) => keyspace(random, world),
        _ if world.clients.is_empty() => Call::line("INFO latch"),
        95..98 if world.may_unblock && random.once_in(4) => unblock(random, world),
        98 if random.once_in(2) => {
            let id = random.pick(world.clients).to_string();
            Call::new(cmd!["CLIENT", "KILL", "ID", id])
        }
        _ => Call::line("INFO latch"),
    }
}

fn unblock(random: &mut Random, world: &World<'_>) -> Call {
    let id = random.pick(world.clients).to_string();
    let mut words = cmd!["CLIENT", "UNBLOCK", id].to_vec();
    match random.below(3) {
        0 if world.may_unblock_with_error => words.push(b"ERROR".to_vec()),
        1 => words.push(b"TIMEOUT".to_vec()),
        _ => {}
    }
    Call::new(words)
}

/// A command of the module.
fn latch(random: &mut Random, world: &World<'_>) -> Call {
    let key = world.key(random);
    let small = (1 + random.below(3)).to_string();
    let all = random.once_in(8) || !world.read_only;
    match random.below(100) {
        0..35 if world.may_park => wait(random, key),
        0..90 if !all => Call::new(cmd!["LATCH.AWAIT", key, "0.01", "MISSING", "WAIT"]),
        0..55 => set(random, key),
        55..85 => {
            let mut words = cmd!["LATCH.COUNTDOWN", key].to_vec();
            if random.once_in(3) {
                words.push(small.into_bytes());
            }
            if random.once_in(3) {
                words.extend(cmd!["ID", random.pick(&IDS)]);
            }
            words.extend(strictness(random));
            Call::new(words)
        }
        85..88 => {
            let mut words = cmd!["LATCH.ADD", key, small].to_vec();
            if random.once_in(2) {
                words.extend(cmd!["ID", random.pick(&IDS)]);
            }
            Call::new(words)
        }
        88..90 => Call::new(cmd!["LATCH.ABORT", key]),
        90 => Call::new(cmd!["LATCH.ABORT", key, random.bytes(40)]),
        91 | 92 => Call::new(cmd!["LATCH.GET", key]),
        93..96 => Call::new(cmd!["LATCH.INFO", key]),
        96 if random.once_in(3) => Call::new(cmd!["LATCH.ARRIVED", key]),
        96 if random.once_in(2) => Call::new(cmd!["LATCH.ARRIVED", key, "ID", random.pick(&IDS)]),
        96 => Call::new(cmd!["LATCH.PENDING", key, "COUNT", small]),
        97 => Call::line("LATCH.WAITERS"),
        98 => Call::new(cmd!["LATCH.WAITERS", "COUNT", small]),
        _ => Call::line("LATCH.HELP"),
    }
}

/// A command that parks.
fn wait(random: &mut Random, key: &str) -> Call {
    let timeout = match random.below(16) {
        0..3 => "0".into(),
        3..6 => format!("0.00{}", 1 + random.below(9)),
        6 | 7 => edges::timeout(random),
        _ => format!("0.{}", 1 + random.below(9)),
    };
    if random.once_in(5) {
        let mut words = cmd!["LATCH.ARRIVE", key, timeout, "ID", random.pick(&IDS)].to_vec();
        words.extend(strictness(random));
        return Call::new(words);
    }
    let mut words = match random.below(4) {
        kind @ (0 | 1) => {
            let name = ["LATCH.AWAITALL", "LATCH.AWAITANY"][kind];
            // The same key may be among them twice.
            let others: Vec<_> = (0..random.below(3)).map(|_| *random.pick(&KEYS)).collect();
            let number = (1 + others.len()).to_string();
            let mut words = cmd![name, timeout, number, key].to_vec();
            words.extend(others.iter().map(|other| other.as_bytes().to_vec()));
            words
        }
        _ => cmd!["LATCH.AWAIT", key, timeout].to_vec(),
    };
    if random.once_in(2) {
        words.extend(cmd!["MISSING", random.pick(&["OPEN", "ERROR", "WAIT"])]);
    }
    Call::new(words)
}

/// What a latch that is not there is to something that counts down.
fn strictness(random: &mut Random) -> Vec<Vec<u8>> {
    match random.once_in(3) {
        true => cmd!["MISSING", random.pick(&["OPEN", "ERROR"])].to_vec(),
        false => Vec::new(),
    }
}

fn set(random: &mut Random, key: &str) -> Call {
    let count = random.below(5).to_string();
    let mut words = cmd!["LATCH.SET", key, count].to_vec();
    let millis = (1 + random.below(500)).to_string();
    match random.below(12) {
        0 => words.extend(cmd!["PX", millis]),
        1 => words.extend(cmd!["KEEPTTL"]),
        2 => words.extend(cmd!["EX", "1"]),
        3 => words.extend(cmd!["EXAT", "1"]),
        4 => {
            let (unit, value) = edges::lifetime(random);
            words.extend(cmd![unit, value]);
        }
        _ => {}
    }
    match random.below(6) {
        0 => words.extend(cmd!["NX"]),
        1 => words.extend(cmd!["XX"]),
        2 => words.extend(cmd!["IFOPEN"]),
        _ => {}
    }
    if random.once_in(6) {
        words.extend(cmd!["ID", random.pick(&IDS)]);
    }
    if random.once_in(4) {
        let seconds = if random.once_in(8) {
            edges::linger(random).into()
        } else {
            format!("0.{}", 1 + random.below(9))
        };
        words.extend(cmd!["LINGER", seconds]);
    }
    Call::new(words)
}

/// A command of the server that moves, removes, copies or looks at a key.
fn keyspace(random: &mut Random, world: &World<'_>) -> Call {
    let (key, other) = (world.key(random), *random.pick(&KEYS));
    let db = random.below(DATABASES).to_string();
    let millis = random.below(300).to_string();
    Call::new(match random.below(40) {
        0..4 => cmd!["DEL", key].to_vec(),
        4 | 5 => cmd!["UNLINK", key].to_vec(),
        6 | 7 => cmd!["RENAME", key, other].to_vec(),
        8 => cmd!["RENAMENX", key, other].to_vec(),
        9 | 10 => cmd!["COPY", key, other, "DB", db].to_vec(),
        11 => cmd!["COPY", key, other, "REPLACE"].to_vec(),
        12 | 13 => cmd!["MOVE", key, db].to_vec(),
        14..18 => cmd!["DUMP", key].to_vec(),
        18..22 if !world.dumps.is_empty() => {
            let mut payload = random.pick(world.dumps).clone();
            if random.once_in(4) {
                let at = random.below(payload.len());
                payload[at] ^= 1 << random.below(8);
            }
            let mut words = cmd!["RESTORE", key, millis, payload].to_vec();
            if random.once_in(2) {
                words.push(b"REPLACE".to_vec());
            }
            words
        }
        22..24 => cmd!["EXPIRE", key, "1"].to_vec(),
        24 => cmd!["EXPIRE", key, "-1"].to_vec(),
        25..29 => cmd!["PEXPIRE", key, millis].to_vec(),
        29 => cmd!["PERSIST", key].to_vec(),
        30 | 31 => cmd!["SET", key, "string"].to_vec(),
        32 => cmd!["TYPE", key].to_vec(),
        33 => cmd!["OBJECT", "ENCODING", key].to_vec(),
        34 if world.may_ask_for_sizes => cmd!["MEMORY", "USAGE", key].to_vec(),
        35 => cmd!["TTL", key].to_vec(),
        36 if world.may_flush => cmd!["FLUSHDB"].to_vec(),
        36 => cmd!["FLUSHDB", "ASYNC"].to_vec(),
        _ => cmd!["EXISTS", key].to_vec(),
    })
}
