//! How many clients to release in one step: what `latch.wake-batch` trades.

use anyhow::Result;

use super::plot_names::{BATCH_LAST, BATCH_OWN, BATCH_PING};
use super::{Bench, Row, millis};
use crate::command::line;
use crate::peers::Latch;
use crate::results::{Outcome, Point, Samples};
use crate::scene::Scene;

#[derive(Debug)]
pub(crate) struct WakeBatch;

impl Row for WakeBatch {
    fn name(&self) -> &'static str {
        "wake-batch"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let (batches, n) = (&bench.sizes.batches, bench.sizes.clients);
        let mut scene = Scene::new(bench.recipe, n)?;
        let mut samples = vec![<[Samples; 3]>::default(); batches.len()];
        bench.repeat(bench.sizes.pairs, |counts| {
            for (batch, [last, ping, own]) in batches.iter().zip(&mut samples) {
                scene.run(&[line(&format!("CONFIG SET latch.wake-batch {batch}"))])?;
                let release = scene.release(&Latch, n)?;
                if counts {
                    last.push(millis(release.last));
                    ping.push(millis(release.ping));
                    own.push(millis(release.own));
                }
            }
            Ok(())
        })?;

        let mut points = Vec::new();
        for (&batch, samples) in batches.iter().zip(samples) {
            for (plot, y) in [BATCH_LAST, BATCH_PING, BATCH_OWN].into_iter().zip(samples) {
                let (plot, series) = (plot.to_owned(), "redis-latch".to_owned());
                points.push(Point { plot, series, x: batch as f64, y });
            }
        }
        Ok(Outcome { points, ..Outcome::default() })
    }
}
