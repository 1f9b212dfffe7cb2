//! A million keys: made, saved and loaded.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::keys::Keys;
use super::{Bench, STRING};
use crate::peers::LATCH;
use crate::results::Unit::{Bytes, Seconds};
use crate::server::{Server, used_memory};

pub(super) fn row(bench: &mut Bench<'_>) -> Result<()> {
    let sides = [("LATCH.SET", LATCH), ("SET", STRING)].map(|(set, who)| {
        (Keys::new(&format!("{set} {{key}} 100 EX 86400"), bench.sizes.keys), who)
    });
    bench.long_pairs(|bench| sides.iter().try_for_each(|(keys, who)| live(bench, keys, who)))
}

fn live(bench: &mut Bench<'_>, keys: &Keys, who: &str) -> Result<()> {
    let (count, at) = (bench.sizes.keys, &[bench.sizes.keys]);
    let mut server = Server::start(bench.recipe)?;
    let mut con = server.connect()?;
    let before = used_memory(&mut con)?;
    let (create, cpu) = server.cpu_of(|| keys.make(&server.socket()))?;
    bench.add(("create", at, who), Seconds, Seconds.of(create));
    bench.add(("cpu", at, who), Seconds, cpu.map(|cpu| Seconds.of(cpu)));
    let each = (used_memory(&mut con)? - before) / count as f64;
    bench.add(("memory", at, who), Bytes, each);

    let begin = Instant::now();
    redis::cmd("SAVE").query::<()>(&mut con)?;
    bench.add(("save", at, who), Seconds, Seconds.of(begin.elapsed()));

    server.stop()?;
    server.launch()?;
    let log = server.log()?;
    let (_, after) = log.split_once("DB loaded from disk: ").context("nothing was loaded")?;
    let seconds: f64 = after.split(' ').next().unwrap_or_default().parse()?;
    bench.add(("load", at, who), Seconds, seconds.max(0.000_5)); // it counts in ms
    let left: usize = redis::cmd("DBSIZE").query(&mut server.connect()?)?;
    ensure!(left == count, "{left} keys are left of {count}");
    Ok(())
}
