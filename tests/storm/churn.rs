//! Clients in short waits on ever-new keys: what looks after those who wait
//! has no end of them to look at.

use super::common::{Random, cmd};
use super::oracle::Call;

/// How new keys begin, the last ways such that no hash tag can be made of them.
const STARTS: [&str; 4] = ["new:", "{new}", "}", "n}"];

/// A short wait on keys that nobody has named before, and these keys.
pub fn short_wait(random: &mut Random) -> (Call, Vec<String>) {
    let timeout = format!("0.{:03}", 1 + random.below(60));
    let number = match random.below(4) {
        0 => 2 + random.below(4),
        1 if random.once_in(2) => 20,
        _ => 1,
    };
    let keys: Vec<_> = (0..number).map(|_| new_key(random)).collect();
    let mut words = if number == 1 {
        cmd!["LATCH.AWAIT", keys[0], timeout].to_vec()
    } else {
        let name = random.pick(&["LATCH.AWAITALL", "LATCH.AWAITALL", "LATCH.AWAITANY"]);
        let mut words = cmd![name, timeout, number.to_string()].to_vec();
        words.extend(keys.iter().map(|key| key.as_bytes().to_vec()));
        words
    };
    words.extend(cmd!["MISSING", "WAIT"]);
    (Call::new(words), keys)
}

fn new_key(random: &mut Random) -> String {
    format!("{}{}", random.pick(&STARTS), random.below(1 << 40))
}
