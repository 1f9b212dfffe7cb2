//! Does a countdown cost more when many are parked on the key?

use anyhow::Result;

use super::Bench;
use crate::peers::LATCH;
use crate::pump::Pump;
use crate::results::Unit;
use crate::scene::{Scene, run};
use crate::wire::command;

pub(super) fn row(bench: &mut Bench<'_>) -> Result<()> {
    let (sizes, count) = (bench.sizes, bench.sizes.commands);
    // All are connected all the time: only parking makes the difference.
    let mut scene = Scene::new(bench.recipe, sizes.many)?;
    let mut pump = Pump::connect(&scene.server.socket())?;
    bench.pairs(|bench| {
        for n in [0, sizes.few, sizes.many] {
            run(&mut scene.con, LATCH.create(count + 1))?;
            scene.wait(&LATCH, n)?;
            let time = pump.repeat(&LATCH.countdown(n), count, b':')?;
            if n > 0 {
                scene.crowd.open(&LATCH, n)?;
            } else {
                run(&mut scene.con, [command("DEL latch")])?;
            }
            let each = Unit::Micros.of(time) / count as f64;
            bench.add("cost", &[n], LATCH.name, Unit::Micros, each);
        }
        Ok(())
    })
}
