//! The plots, as SVG: in each a panel for every server.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use indicatif::HumanCount;
use itertools::Itertools;
use plotters::coord::Shift;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

use crate::peers::LATCH;
use crate::results::{Measure, Results, Samples};

const PANEL: (u32, u32) = (640, 400);
/// What of its width is for the legend.
const LEGEND: u32 = 165;

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

/// A plot, as `plots.toml` says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plot {
    title: String,
    file: String,
    row: String,
    series: BTreeMap<String, String>,
    #[serde(default)]
    least: bool,
    over: Option<String>,
}

/// A measure, and the name of the series it is of.
type Named<'r> = (String, &'r Measure);

impl Plot {
    /// All of them.
    fn all() -> Result<Vec<Self>> {
        let mut table: BTreeMap<String, _> = toml::from_str(include_str!("plots.toml"))?;
        table.remove("plot").context("no plots")
    }

    fn measures<'r>(&'r self, results: &'r Results, server: &str) -> Vec<Named<'r>> {
        let named = |measure: &'r Measure| {
            let name = self.series.get(&measure.what)?;
            Some((name.replace("{who}", &measure.who), measure))
        };
        results.measures(server, &self.row).filter_map(named).collect()
    }
}

/// Draws all plots there are numbers for, and answers which.
pub(super) fn draw(out: &Path, results: &Results) -> Result<Vec<Plot>> {
    let mut plots = Plot::all()?;
    plots.retain(|plot| results.rows.iter().any(|row| row.row == plot.row));
    for plot in &plots {
        let panels = results.servers().map(|server| (server, plot.measures(results, server)));
        let panels = panels.filter(|(_, measures)| !measures.is_empty()).collect_vec();
        // Its errors borrow from the drawing.
        draw_panels(&out.join(&plot.file), plot, &panels)
            .map_err(|error| anyhow!("drawing {}: {error}", plot.file))?;
    }
    Ok(plots)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw_panels(path: &Path, plot: &Plot, panels: &[(&str, Vec<Named<'_>>)]) -> Drawn {
    let (columns, rows) = (panels.len().min(2), panels.len().div_ceil(2));
    let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, (server, measures)) in root.split_evenly((rows, columns)).iter().zip(panels) {
        let title = format!("{}, {server}", plot.title);
        match &plot.over {
            Some(over) => curves(panel, &title, over, plot.least, measures)?,
            None => bars(panel, &title, measures)?,
        }
    }
    Ok(root.present()?)
}

fn curves(
    panel: &Panel<'_>,
    title: &str,
    over: &str,
    least: bool,
    measures: &[Named<'_>],
) -> Drawn {
    let value = |of: &Samples| if least { of.quantile(0.0) } else { of.median() };
    let at = |measure: &Measure| (measure.at[0] as f64, value(&measure.samples));
    let points = measures.iter().map(|(series, measure)| (&**series, at(measure))).collect_vec();
    let range = |values: &[f64]| {
        let (low, high) =
            values.iter().fold((f64::MAX, 0.0_f64), |(low, high), &it| (low.min(it), high.max(it)));
        (low / 1.3..high * 1.3).log_scale()
    };
    let (xs, ys): (Vec<_>, Vec<_>) = points.iter().map(|(_, at)| *at).unzip();
    let x = range(&xs).with_key_points(xs.iter().copied().dedup().collect());
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .margin_right(LEGEND)
        .x_label_area_size(38)
        .y_label_area_size(56)
        .build_cartesian_2d(x, range(&ys))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(over)
        .y_desc("ms")
        .x_label_formatter(&|x| HumanCount(*x as u64).to_string())
        .y_label_formatter(&|y| if *y < 1.0 { format!("{y:.1}") } else { format!("{y:.0}") })
        .draw()?;

    let names = points.iter().map(|(series, _)| *series).unique();
    for (row, (colour, name)) in (0..).zip(COLOURS.into_iter().zip(names)) {
        let line = points.iter().filter(|(series, _)| *series == name).map(|(_, at)| *at);
        chart.draw_series(line.clone().map(|at| Circle::new(at, 3, colour.filled())))?;
        chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;

        let (x, y) = (PANEL.0 as i32 - LEGEND as i32 + 10, 60 + 20 * row);
        panel.draw(&PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)))?;
        panel.draw(&Text::new(name, (x + 24, y - 6), ("sans-serif", 13)))?;
    }
    Ok(())
}

fn bars(panel: &Panel<'_>, title: &str, measures: &[Named<'_>]) -> Drawn {
    let rates = measures.iter().map(|(who, it)| (&**who, it.samples.median())).collect_vec();
    let most = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(100)
        .build_cartesian_2d(0.0..most * 1.1, (0..rates.len() - 1).into_segmented())?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(WHITE)
        .y_labels(rates.len())
        .x_label_formatter(&|x| format!("{:.0}k", x / 1e3))
        .y_label_formatter(&|y| match y {
            SegmentValue::CenterOf(i) => rates.get(*i).map_or("", |(who, _)| who).to_owned(),
            _ => String::new(),
        })
        .draw()?;
    chart.draw_series(rates.iter().enumerate().map(|(i, (who, rate))| {
        let colour = if *who == LATCH { COLOURS[0] } else { COLOURS[1] };
        let corners = [(0.0, SegmentValue::Exact(i)), (*rate, SegmentValue::Exact(i + 1))];
        let mut bar = Rectangle::new(corners, colour.mix(0.85).filled());
        bar.set_margin(5, 5, 0, 0);
        bar
    }))?;
    Ok(())
}
