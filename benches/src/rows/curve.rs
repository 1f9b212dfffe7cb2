//! Releases of more and more clients, for the plots.

use anyhow::Result;

use super::plot_names::{LAST, PING};
use super::{Bench, Row, millis, thousands};
use crate::peers::{self, Wait};
use crate::results::{Outcome, Point, Samples};
use crate::scene::{KEY, Scene};

/// More clients than this cannot poll on one thread.
const MOST_POLLING: usize = 8_000;

#[derive(Debug)]
pub(crate) struct Curve;

impl Row for Curve {
    fn name(&self) -> &'static str {
        "curve"
    }

    fn run(&self, bench: &Bench<'_>) -> Result<Outcome> {
        let mut points = Vec::new();
        for &n in &bench.sizes.curve {
            let mut peers = peers::all();
            if n > MOST_POLLING {
                peers.retain(|peer| !matches!(peer.wait(KEY), Wait::Polling(_)));
            }
            let mut samples = vec![(Samples::default(), Samples::default()); peers.len()];
            let mut scene = Scene::new(bench.recipe, n)?;
            for turn in 0..bench.sizes.long_pairs {
                bench.progress.step(&format!("{} clients, {turn}", thousands(n)));
                for (peer, (last, ping)) in peers.iter().zip(&mut samples) {
                    let release = scene.release(&**peer, n)?;
                    last.push(millis(release.last));
                    ping.push(millis(release.ping));
                }
            }
            for (peer, (last, ping)) in peers.iter().zip(samples) {
                for (plot, y) in [(LAST, last), (PING, ping)] {
                    let (plot, series) = (plot.to_owned(), peer.name().to_owned());
                    points.push(Point { plot, series, x: n as f64, y });
                }
            }
        }
        Ok(Outcome { points, ..Outcome::default() })
    }
}
