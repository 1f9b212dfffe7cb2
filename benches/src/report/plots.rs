//! The plots, as SVG: in each a panel for every server.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::results::{Point, Results, Run, Unit};
use crate::rows::plot_names::{BATCH_LAST, BATCH_PING, LAST, PING, RATES};
use crate::rows::thousands;

const PANEL: (u32, u32) = (640, 400);
/// What of its width is for the legend.
const LEGEND: u32 = 130;

const COLOURS: [RGBColor; 8] = [
    RGBColor(204, 0, 0),
    RGBColor(31, 119, 180),
    RGBColor(120, 120, 120),
    RGBColor(44, 140, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(140, 86, 75),
    RGBColor(23, 170, 190),
];

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A curve: what is on it, and what is below it.
struct Plot {
    file: &'static str,
    title: &'static str,
    /// The points of these plots.
    names: &'static [&'static str],
    x: &'static str,
    y: &'static str,
}

const CURVES: [Plot; 3] = [
    Plot {
        file: "bench-release.svg",
        title: "Time until the last client is released",
        names: &[LAST],
        x: "clients",
        y: "ms",
    },
    Plot {
        file: "bench-ping.svg",
        title: "Worst PING of another client during a release",
        names: &[PING],
        x: "clients",
        y: "ms",
    },
    Plot {
        file: "bench-wake-batch.svg",
        title: "Release of 8,000 clients in steps",
        names: &[BATCH_LAST, BATCH_PING],
        x: "latch.wake-batch",
        y: "ms",
    },
];

const BARS: (&str, &str) = ("bench-throughput.svg", "Countdowns per second, pipelined");

/// Draws all plots there are numbers for; the title and the file of each.
pub(super) fn draw(out: &Path, results: &Results) -> Result<Vec<(String, String)>> {
    let mut drawn = Vec::new();
    for plot in &CURVES {
        let has_points = |run: &Run| !points(run, plot).is_empty();
        if panels(out, results, plot.file, has_points, |panel, server, run| {
            curve(panel, server, plot, &points(run, plot))
        })? {
            drawn.push((plot.title.to_owned(), plot.file.to_owned()));
        }
    }
    let (file, title) = BARS;
    if panels(
        out,
        results,
        file,
        |run| !rates(run).is_empty(),
        |panel, server, run| bars(panel, &format!("{title}, {server}"), &rates(run)),
    )? {
        drawn.push((title.to_owned(), file.to_owned()));
    }
    Ok(drawn)
}

/// Draws a panel for each server that has something to show.
fn panels(
    out: &Path,
    results: &Results,
    file: &str,
    has: impl Fn(&Run) -> bool,
    draw: impl Fn(&Panel<'_>, &str, &Run) -> Result<()>,
) -> Result<bool> {
    let runs: Vec<_> = results.servers.iter().filter(|(_, run)| has(run)).collect();
    if runs.is_empty() {
        return Ok(false);
    }
    let (columns, rows) = (runs.len().min(2), runs.len().div_ceil(2));
    let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
    let path = out.join(file);
    let root = SVGBackend::new(&path, size).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (panel, (server, run)) in root.split_evenly((rows, columns)).iter().zip(runs) {
        draw(panel, server, run)?;
    }
    root.present().map_err(failed)?;
    Ok(true)
}

fn points<'r>(run: &'r Run, plot: &Plot) -> Vec<&'r Point> {
    let points = run.rows.values().flat_map(|row| &row.points);
    points.filter(|point| plot.names.contains(&point.plot.as_str())).collect()
}

/// Who, and how many a second.
fn rates(run: &Run) -> Vec<(&str, f64)> {
    let measures = run.rows.get(RATES).into_iter().flat_map(|row| &row.measures);
    let rates = measures.filter(|measure| measure.unit == Unit::PerSecond);
    rates.map(|measure| (measure.who.as_str(), measure.samples.median())).collect()
}

fn curve(panel: &Panel<'_>, server: &str, plot: &Plot, points: &[&Point]) -> Result<()> {
    let range = |of: &dyn Fn(&Point) -> f64| {
        let values = || points.iter().map(|point| of(point));
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        (low / 1.3..high * 1.3).log_scale()
    };
    let mut measured: Vec<_> = points.iter().map(|point| point.x).collect();
    measured.dedup();
    let x = range(&|point| point.x).with_key_points(measured);
    let mut chart = ChartBuilder::on(panel)
        .caption(format!("{}, {server}", plot.title), ("sans-serif", 17))
        .margin(12)
        .margin_right(LEGEND)
        .x_label_area_size(38)
        .y_label_area_size(56)
        .build_cartesian_2d(x, range(&|point| point.y.median()))
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(plot.x)
        .y_desc(plot.y)
        .x_label_formatter(&|x| thousands(*x as usize))
        .y_label_formatter(&|y| if *y < 1.0 { format!("{y:.1}") } else { format!("{y:.0}") })
        .draw()
        .map_err(failed)?;

    let mut series: Vec<(&str, &str)> = Vec::new();
    for point in points {
        let name = (point.plot.as_str(), point.series.as_str());
        if !series.contains(&name) {
            series.push(name);
        }
    }
    for (row, (colour, name)) in (0..).zip(COLOURS.into_iter().zip(series)) {
        let line: Vec<_> = points
            .iter()
            .filter(|point| (point.plot.as_str(), point.series.as_str()) == name)
            .map(|point| (point.x, point.y.median()))
            .collect();
        let dots = line.iter().map(|&at| Circle::new(at, 3, colour.filled()));
        chart.draw_series(dots).map_err(failed)?;
        let line = LineSeries::new(line.iter().copied(), colour.stroke_width(2));
        chart.draw_series(line).map_err(failed)?;

        // With one series of each plot it is the plot that tells them apart.
        let label = match plot.names {
            [_] => name.1,
            _ if name.0 == BATCH_LAST => "all released",
            _ => "worst PING",
        };
        let (x, y) = (PANEL.0 as i32 - LEGEND as i32 + 10, 60 + 20 * row);
        let sample = PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2));
        panel.draw(&sample).map_err(failed)?;
        let text = Text::new(label.to_owned(), (x + 24, y - 6), ("sans-serif", 13));
        panel.draw(&text).map_err(failed)?;
    }
    Ok(())
}

fn bars(panel: &Panel<'_>, title: &str, rates: &[(&str, f64)]) -> Result<()> {
    let most = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let names: Vec<_> = rates.iter().map(|(who, _)| *who).collect();
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(100)
        .build_cartesian_2d(0.0..most * 1.1, (0..rates.len() - 1).into_segmented())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(WHITE)
        .y_labels(rates.len())
        .x_label_formatter(&|x| format!("{:.0}k", x / 1e3))
        .y_label_formatter(&|y| match y {
            SegmentValue::CenterOf(i) => names.get(*i).copied().unwrap_or_default().to_owned(),
            _ => String::new(),
        })
        .draw()
        .map_err(failed)?;
    let bars = rates.iter().enumerate().map(|(i, (who, rate))| {
        let colour = if *who == "redis-latch" { COLOURS[0] } else { COLOURS[1] };
        let mut bar = Rectangle::new(
            [(0.0, SegmentValue::Exact(i)), (*rate, SegmentValue::Exact(i + 1))],
            colour.mix(0.85).filled(),
        );
        bar.set_margin(5, 5, 0, 0);
        bar
    });
    chart.draw_series(bars).map_err(failed)?;
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing a plot: {error}")
}
