//! The page: what its template, `page.md.jinja`, has to work with.

use std::sync::Arc;

use anyhow::{Context, Result};
use indicatif::HumanCount;
use itertools::Itertools;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};

use super::numbers::spread;
use super::plots::Plot;
use crate::bystander::PAUSE;
use crate::peers::{self, BEFORE};
use crate::pump::{LANES, PIPELINE};
use crate::results::{Measure, Results};
use crate::server::SETTINGS;

const MISSING: &str = "–";

pub(super) fn page(results: &Results, plots: &[Plot], notes: &str) -> Result<String> {
    let mut page = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    page.set_syntax(syntax.build()?);
    page.set_undefined_behavior(UndefinedBehavior::Strict);
    page.add_filter("thousands", |number: u64| HumanCount(number).to_string());
    page.add_filter("spread", |of: Serde<Option<Measure>>| show(of.0.as_ref()));
    page.add_filter("least", |of: Serde<Option<Measure>>| show(least(of).0.as_ref()));
    page.add_function("verdict", verdict);
    page.add_function("worst", |target: &str, a, b| verdict(target, least(a), least(b)));
    add_lookups(&mut page, results);
    let context = context! {
        servers => Serde(results.servers().collect_vec()),
        runs => Serde(results.rows.iter().map(|row| &row.run).unique().collect_vec()),
        events => events(results),
        peers => Serde(peers::all().collect_vec()),
        pause => PAUSE.as_micros() as u64,
        lanes => LANES,
        pipeline => PIPELINE,
        settings => SETTINGS,
        before => BEFORE,
        plots => Serde(plots),
        notes,
    };
    page.render_named_str("page.md.jinja", include_str!("page.md.jinja"), context)
        .context("writing the page")
}

/// What finds measures in the results:
///
/// - `find(server, row, what, who, at)`: one of them, or none,
/// - `sizes(server, row, what)`: what it was measured at, in that order,
/// - `whos(server, rows)`: of whom these rows have measured anything.
fn add_lookups(page: &mut Environment<'_>, results: &Results) {
    let all = Arc::new(results.clone());
    let results = Arc::clone(&all);
    page.add_function(
        "find",
        move |server: &str, row: &str, what: &str, who: &str, at: Option<Vec<usize>>| {
            let is_it = |it: &&Measure| it.what == what && it.who == who;
            let is_there = |it: &&Measure| at.as_ref().is_none_or(|at| it.at == *at);
            let found = results.measures(server, row).filter(is_it).find(is_there);
            Value::from(Serde(found))
        },
    );
    let results = Arc::clone(&all);
    page.add_function("sizes", move |server: &str, row: &str, what: &str| {
        let measures = results.measures(server, row).filter(|it| it.what == what);
        Value::from(Serde(measures.map(|it| &it.at).unique().collect_vec()))
    });
    page.add_function("whos", move |server: &str, rows: Vec<String>| {
        let measures = rows.iter().flat_map(|row| all.measures(server, row));
        Value::from(Serde(measures.map(|it| &it.who).unique().collect_vec()))
    });
}

fn show(measure: Option<&Measure>) -> String {
    let measure = measure.filter(|it| !it.samples.is_empty());
    measure.map_or(MISSING.into(), |it| spread(&it.samples, Some(it.unit)))
}

/// The same with the smallest of the values only: for the worst of several runs,
/// of which all but one may be the machine's.
fn least(of: Serde<Option<Measure>>) -> Serde<Option<Measure>> {
    Serde(
        of.0.map(|it| Measure { samples: [it.samples.quantile(0.0)].into_iter().collect(), ..it }),
    )
}

/// The rest of a line of the targets: `≤ 1.2` is for A / B, with a unit, as in
/// `≤ 1 %`, for A − B, and `A ≤ 2 ms` for A alone.
fn verdict(target: &str, a: Serde<Option<Measure>>, b: Serde<Option<Measure>>) -> String {
    let (a, b) = (a.0.as_ref(), b.0.as_ref());
    let found = match (target.strip_prefix("A "), a, b) {
        (Some(limit), Some(a), _) => Some((limit, a.samples.clone(), Some(a.unit))),
        (None, Some(a), Some(b)) if target.split(' ').count() > 2 => {
            Some((target, a.samples.pairs(&b.samples, |a, b| a - b), Some(a.unit)))
        }
        (None, Some(a), Some(b)) => Some((target, a.samples.pairs(&b.samples, |a, b| a / b), None)),
        _ => None,
    };
    let (measured, met) = match found {
        Some((limit, found, unit)) => (spread(&found, unit), is_met(limit, found.median())),
        None => (MISSING.into(), MISSING),
    };
    [target, &measured, met, &show(a), &show(b)].join(" | ") + " |"
}

fn is_met(limit: &str, median: f64) -> &'static str {
    let mut words = limit.split(' ');
    let (sign, limit) = (words.next(), words.next());
    let limit: f64 = limit.and_then(|limit| limit.parse().ok()).unwrap_or(f64::NAN);
    let is_met = if sign == Some("≥") { median >= limit } else { median <= limit };
    if is_met { "yes" } else { "**no**" }
}

/// What was seen, once for all servers on which it was the same.
fn events(results: &Results) -> Vec<Value> {
    let rows = results.rows.iter().filter(|row| !row.facts.is_empty());
    let seen = rows.map(|row| (&row.facts, &row.run.server)).into_group_map();
    seen.into_iter()
        .sorted_by_key(|(_, servers)| servers[0])
        .map(|(facts, servers)| context! { servers => Serde(servers), facts => Serde(facts) })
        .collect()
}
