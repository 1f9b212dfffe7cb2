//! What a latch costs the server in memory, as it says itself.

use anyhow::Result;

use super::{Bench, Row};
use crate::peers::{Latch, Peer};
use crate::results::{Finding, Measure, Outcome, Target, Unit};
use crate::server::Server;

/// What an integer string is called.
pub(super) const STRING: &str = "integer string";

#[derive(Debug)]
pub(crate) struct KeyMemory;

impl Row for KeyMemory {
    fn name(&self) -> &'static str {
        "key-memory"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let server = Server::start(bench.recipe)?;
        let mut con = server.connect()?;
        let mut measures = Vec::new();
        let mut findings = Vec::new();
        for length in [5, 16, 40] {
            let key = "k".repeat(length);
            let mut usage = |set: &str, who: &str| -> Result<Measure> {
                let what = format!("`MEMORY USAGE`, key of {length} bytes");
                let mut measure = Measure::new(&what, who, Unit::Bytes);
                redis::cmd("DEL").arg(&key).query::<()>(&mut con)?;
                redis::cmd(set).arg(&key).arg(100).query::<()>(&mut con)?;
                measure.samples.push(redis::cmd("MEMORY").arg("USAGE").arg(&key).query(&mut con)?);
                Ok(measure)
            };
            let latch = usage("LATCH.SET", Latch.name())?;
            let string = usage("SET", STRING)?;
            if length == 16 {
                findings.push(Finding::ratio(
                    format!(
                        "`MEMORY USAGE` of a latch, against that of an integer string with the \
                         same key of {length} bytes"
                    ),
                    Target::AtMost(1.5),
                    &latch,
                    &string,
                ));
            }
            measures.extend([latch, string]);
        }
        Ok(Outcome { findings, measures, ..Outcome::default() })
    }
}
