//! Texts that several tests send or expect.

/// The reply to options that are unknown, repeated or contradictory.
pub const SYNTAX: &str = "ERR syntax error";
/// The reply to a number that is none, or out of range.
pub const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
/// The reply to a key of another type.
pub const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
/// The reply to those who find no place to wait.
pub const FULL: &str = "ERR max number of latch waiters reached";
/// The reply where there must be a latch.
pub const NO_LATCH: &str = "NOLATCH there is no latch at this key";
/// The reply where the latch must be closed.
pub const LATCH_OPEN: &str = "LATCHOPEN the latch is open";

/// What the server takes for no integer, be it for its form or for its size.
pub const NO_INTEGERS: [&str; 18] = [
    "",
    "-",
    "x",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "1\0",
    "01",
    "-0",
    "1.0",
    "1e3",
    "0x10",
    "1_000",
    "1,000",
    "\u{661}",
    "9223372036854775808",
    "-9223372036854775809",
];
