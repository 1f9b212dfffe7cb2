//! `LATCH.HELP`

use std::ffi::CStr;

use crate::args::Args;
use crate::error::Error;
use crate::ffi::command::{Command, KeyUse, Spec};
use crate::ffi::context::{Context, Reply};
use crate::ffi::string::Str;

/// Replies what the commands are.
#[derive(Debug)]
pub(crate) struct Help;

/// As the `HELP` of core's commands: a line each, its meaning indented.
const LINES: &[&CStr] = &[
    c"LATCH.<command> [<arg> [value] [opt] ...]. Commands are:",
    c"SET <key> <count> [NX|XX] [EX <s>|PX <ms>|EXAT <s>|PXAT <ms>|KEEPTTL]",
    c"    [LINGER <seconds>]",
    c"    Create a latch, or reset it. A count of 0 opens it. With LINGER it stays",
    c"    for so long after it has opened.",
    c"COUNTDOWN <key> [<decrement>] [ID <id>]",
    c"    Count down; at 0 the latch opens and its waiters are released. An id",
    c"    counts once. Return what remains.",
    c"AWAIT <key> <timeout> [MISSING OPEN|ERROR|WAIT]",
    c"    Wait until the latch opens, at most <timeout> seconds (0: for ever).",
    c"AWAITALL <timeout> <numkeys> <key> [<key> ...] [MISSING OPEN|ERROR|WAIT]",
    c"    Wait until all of the latches have opened.",
    c"AWAITANY <timeout> <numkeys> <key> [<key> ...] [MISSING OPEN|ERROR|WAIT]",
    c"    Wait until one of the latches opens. Return its name.",
    c"ARRIVE <key> <timeout> [ID <id>]",
    c"    Count down by one and wait for the rest.",
    c"ADD <key> <increment>",
    c"    Raise the count of a closed latch. Return it.",
    c"ABORT <key> [<reason>]",
    c"    Break a closed latch: its waiters get an error with the reason. Return",
    c"    their number.",
    c"GET <key>",
    c"    Return the remaining count, 0 if open or missing.",
    c"INFO <key>",
    c"    Return state, counts, waiters and times of the latch.",
    c"ARRIVED <key>",
    c"    Return the ids that were counted.",
    c"WAITERS [COUNT <count>]",
    c"    Return the keys that clients are parked on, most waiters first.",
    c"HELP",
    c"    Print this help.",
];

impl Command for Help {
    const SPEC: Spec = Spec {
        name: c"latch.help",
        flags: c"allow-loading allow-stale",
        categories: c"slow",
        summary: c"Returns helpful text about the commands.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: 1,
        keys: KeyUse::NONE,
        args: &[],
    };

    fn run(_ctx: Context<'_>, args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        args.finish()?;
        Ok(Reply::Lines(LINES))
    }
}
