//! What makes no sense: commands of any words, and bytes that are no protocol.

use super::common::Random;
use super::deeds::KEYS;
use super::oracle::Call;

/// A command of the module with any arguments.
pub fn command(random: &mut Random) -> Call {
    const NAMES: [&str; 14] = [
        "LATCH.SET",
        "LATCH.COUNTDOWN",
        "LATCH.AWAIT",
        "LATCH.AWAITALL",
        "LATCH.AWAITANY",
        "LATCH.ARRIVE",
        "LATCH.ADD",
        "LATCH.ABORT",
        "LATCH.GET",
        "LATCH.INFO",
        "LATCH.ARRIVED",
        "LATCH.PENDING",
        "LATCH.WAITERS",
        "LATCH.HELP",
    ];
    const WORDS: [&str; 29] = [
        "",
        "0",
        "-1",
        "1",
        "2",
        "0.1",
        "1e-320",
        "1e400",
        "nan",
        "inf",
        "0x10",
        " 1",
        "ID",
        "MISSING",
        "WAIT",
        "OPEN",
        "ERROR",
        "NX",
        "XX",
        "IFOPEN",
        "PX",
        "EXAT",
        "KEEPTTL",
        "LINGER",
        "COUNT",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "9223372036854775",
    ];
    let mut words = vec![random.pick(&NAMES).as_bytes().to_vec()];
    for _ in 0..random.below(7) {
        words.push(match random.below(8) {
            0..4 => random.pick(&WORDS).as_bytes().to_vec(),
            4..6 => random.pick(&KEYS).as_bytes().to_vec(),
            6 => random.bytes(20),
            _ => random.bytes(3000),
        });
    }
    Call::nonsense(words)
}

/// Bytes that may begin as the protocol says.
pub fn noise(random: &mut Random) -> Vec<u8> {
    let start: &[&str] = &[
        "",
        "*3\r\n$11\r\nLATCH.AWAIT\r\n",
        "*2\r\n$9\r\nLATCH.GET\r\n$",
        "*-1\r\n",
        "LATCH.SET a ",
    ];
    [random.pick(start).as_bytes(), &random.bytes(200), b"\r\n"].concat()
}
