//! Scripts that run commands of the storm, some of them slow.

use super::oracle::{Call, Kind};

/// Runs commands, each with its number of words before it, and returns the
/// reply to the last. A number below zero is ms to be spent on nothing.
///
/// They are spent by the clock of the processor; where a script has none
/// (Redis 7.0) `TIME` goes on, which elsewhere stands still in a script.
const SCRIPT: &str = "local os = rawget(_G, 'os') \
    local function now() \
        if os then return os.clock() end \
        local time = redis.call('TIME') \
        return tonumber(time[1]) + tonumber(time[2]) / 1000000 \
    end \
    local function spin(millis) \
        local over = now() + millis / 1000 \
        while now() < over do for _ = 1, 100 do end end \
    end \
    local at, reply = 1, false \
    while at <= #ARGV do \
        local words = tonumber(ARGV[at]) \
        if words < 0 then \
            spin(-words) \
            at = at + 1 \
        else \
            reply = redis.pcall(unpack(ARGV, at + 1, at + words)) \
            at = at + words + 1 \
        end \
    end \
    return reply";

/// What a script does.
pub enum Step {
    Run(Call),
    /// Nothing, for so many ms.
    Spin(usize),
}

/// A script of these steps. What a script may not do is left out.
pub fn script(steps: Vec<Step>) -> Call {
    let mut words = vec![b"EVAL".to_vec(), SCRIPT.into(), b"0".to_vec()];
    let mut texts = Vec::new();
    let mut last = None;
    for step in steps {
        match step {
            Step::Run(call) if call.words[0] == b"CLIENT" => {}
            Step::Run(call) => {
                words.push(call.words.len().to_string().into());
                words.extend(call.words.iter().cloned());
                texts.push(call.text());
                last = Some(Box::new(call));
            }
            Step::Spin(millis) => {
                words.push(format!("-{millis}").into());
                texts.push(format!("{millis} ms"));
            }
        }
    }
    Call { words, kind: Kind::Script { last, text: texts.join(", ") } }
}
