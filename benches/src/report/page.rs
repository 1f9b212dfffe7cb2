//! The page: its text, and what goes where.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::tables::{spread, table, target};
use crate::bystander::PAUSE;
use crate::peers;
use crate::pump::{LANES, PIPELINE};
use crate::results::{Fact, Measure, Outcome, Results, Run, Target, Unit};
use crate::rows;
use crate::rows::plot_names::{BATCH_LAST, BATCH_OWN, BATCH_PING};
use crate::server::SETTINGS;

const MISSING: &str = "–";

/// The rows whose measures are of all peers, and those with tables of their own.
const OF_PEERS: [&str; 4] = ["release", "wake-one", "throughput", "parked-memory"];
const OF_IDLE: [&str; 1] = ["idle-cost"];
const OF_MODULE: [&str; 1] = ["module-cost"];
const OF_KEYS: [&str; 2] = ["key-memory", "million"];
const OF_INSTRUCTIONS: [&str; 1] = ["instructions"];

pub(super) fn page(results: &Results, plots: &[(String, String)], notes: &str) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n\
         <!-- Written by `make bench`. To change the text, change benches/src/report/page.rs; \
         what is at the end comes from benchmarks-notes.md. -->\n\n\
         Every row is measured side by side with what it is compared to, in one run on one \
         server, in turn: A B A B. What is measured is the ratio A / B of two neighbours (for bytes \
         and per cent of a core, A − B): the median, and from the smallest to the largest. The replies are compared byte by byte, \
         and a wrong one fails the run.\n\n## Targets\n\n",
    );
    for (server, run) in &results.servers {
        section(&mut page, &format!("### {server}\n"), &targets(run));
    }
    page += "## Plots\n\nMedians; both axes of the curves are logarithmic.\n\n";
    for (title, file) in plots {
        let _ = writeln!(page, "![{title}]({file})\n");
    }
    page += "## What one could use instead\n\n";
    for peer in peers::all() {
        let _ = writeln!(page, "- **{}**: {}.", peer.name(), peer.about());
    }
    page += "\nMeasured by the same program, in turn with the latch. 8,000 polling clients keep not only \
             the server but also the one thread busy that runs them.\n\n";
    for (server, run) in &results.servers {
        section(&mut page, &format!("### All of them on {server}\n"), &by_peer(run));
    }
    page += "## Waiting while nothing happens\n\n\
             Clients are connected and keys with a time to live are made; later all clients wait. \
             Before and after that the server is left alone for a few seconds, and the CPU is what \
             its main thread takes of a core. Then another client sends its `PING`s, and still \
             nobody is released. With `BLPOP` as many clients wait for as many keys.\n\n";
    for (server, run) in &results.servers {
        section(
            &mut page,
            &format!("### Nothing happens on {server}\n"),
            &by_measure(run, &OF_IDLE),
        );
    }
    page += "## A server that uses no latch\n\n\
             Commands that have nothing to do with a latch, in turn on a server with the module \
             and on one without it.\n\n";
    for (server, run) in &results.servers {
        section(&mut page, &format!("### No latch on {server}\n"), &by_measure(run, &OF_MODULE));
    }
    page += "## Memory of keys\n\n";
    for (server, run) in &results.servers {
        section(&mut page, &format!("### Keys on {server}\n"), &by_measure(run, &OF_KEYS));
    }
    page += "## When things do not go as planned\n\n\
             What a client sees within a second that waits for a count of 2. `redis-latch` sends \
             its countdown with an `ID`; the others have nothing like it.\n\n";
    page += &events(results);
    page += "## How many to release in one step\n\n\
             `latch.wake-batch`: fewer in one step let other clients in sooner, more of them are \
             quicker.\n\n";
    for (server, run) in &results.servers {
        section(&mut page, &format!("### Steps on {server}\n"), &batches(run));
    }
    page += "## Instructions\n\n\
             Of the server, each, counted by valgrind's callgrind over its whole life and less \
             those of a server to which nothing was done. They do not depend on the machine's \
             speed or load.\n\n";
    for (server, run) in &results.servers {
        section(
            &mut page,
            &format!("### Instructions on {server}\n"),
            &by_measure(run, &OF_INSTRUCTIONS),
        );
    }
    page += &method(results);
    if !notes.is_empty() {
        page += "\n";
        page += notes;
    }
    page
}

fn section(page: &mut String, heading: &str, body: &str) {
    if !body.is_empty() {
        let _ = writeln!(page, "{heading}\n{body}");
    }
}

/// The findings, and how they came about.
fn targets(run: &Run) -> String {
    let findings: Vec<_> = outcomes(run).flat_map(|(_, row)| &row.findings).collect();
    if findings.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| {
            let unit = match finding.target {
                Target::Bytes(_) => Some(Unit::Bytes),
                Target::Percent(_) => Some(Unit::Percent),
                Target::AtMost(_) | Target::AtLeast(_) => None,
            };
            let met = finding.target.is_met_by(finding.measured.median());
            let side = |index: usize| {
                let side = finding.sides.get(index);
                side.map_or(MISSING.into(), |side| spread(&side.samples, Some(side.unit)))
            };
            vec![
                finding.what.clone(),
                target(finding.target),
                spread(&finding.measured, unit),
                if met { "yes" } else { "**no**" }.into(),
                side(0),
                side(1),
            ]
        })
        .collect();
    let head = ["what", "target", "measured", "met", "A", "B"].map(Into::into);
    table(&head, &rows)
}

/// What the rows have measured, in the order they are measured in.
fn outcomes(run: &Run) -> impl Iterator<Item = (&'static str, &Outcome)> {
    let names = rows::all().into_iter().map(|row| row.name());
    names.filter_map(|name| Some((name, run.rows.get(name)?)))
}

/// A line for each of the peers.
fn by_peer(run: &Run) -> String {
    let (whats, whos, cell) = measures(run, &OF_PEERS);
    let line = |who: &&str| {
        let cells = whats.iter().map(|what| cell(what, who));
        std::iter::once((*who).to_owned()).chain(cells).collect()
    };
    lines(&whats, whos.iter().map(line).collect())
}

/// A line for each thing that was measured.
fn by_measure(run: &Run, of: &[&str]) -> String {
    let (whats, whos, cell) = measures(run, of);
    let line = |what: &&str| {
        let cells = whos.iter().map(|who| cell(what, who));
        std::iter::once((*what).to_owned()).chain(cells).collect()
    };
    lines(&whos, whats.iter().map(line).collect())
}

/// What some rows have measured, of whom, and what of whom is how much.
fn measures<'r>(
    run: &'r Run,
    of: &[&str],
) -> (Vec<&'r str>, Vec<&'r str>, impl Fn(&str, &str) -> String + use<'r>) {
    let measures: Vec<&Measure> = outcomes(run)
        .filter(|(row, _)| of.contains(row))
        .flat_map(|(_, outcome)| &outcome.measures)
        .collect();
    let whats = distinct(measures.iter().map(|measure| measure.what.as_str()));
    let whos = distinct(measures.iter().map(|measure| measure.who.as_str()));
    let cell = move |what: &str, who: &str| {
        let found = measures.iter().find(|measure| measure.what == what && measure.who == who);
        found
            .filter(|found| !found.samples.is_empty())
            .map_or(MISSING.into(), |found| spread(&found.samples, Some(found.unit)))
    };
    (whats, whos, cell)
}

/// A table with these heads above all columns but the first; nothing if there
/// are none.
fn lines(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { table(&head("", heads), &rows) }
}

/// What was seen, once for all servers on which it was the same.
fn events(results: &Results) -> String {
    let facts_of =
        |run: &Run| -> Vec<Fact> { outcomes(run).flat_map(|(_, row)| row.facts.clone()).collect() };
    let mut text = String::new();
    let mut seen: Vec<(Vec<Fact>, Vec<&str>)> = Vec::new();
    for (server, run) in &results.servers {
        let facts = facts_of(run);
        match seen.iter_mut().find(|(known, _)| *known == facts) {
            Some((_, servers)) => servers.push(server),
            None => seen.push((facts, vec![server])),
        }
    }
    for (facts, servers) in seen.iter().filter(|(facts, _)| !facts.is_empty()) {
        let events = distinct(facts.iter().map(|fact| fact.event.as_str()));
        let whos = distinct(facts.iter().map(|fact| fact.who.as_str()));
        let cell = |event: &str, who: &str| {
            let fact = facts.iter().find(|fact| fact.event == event && fact.who == who);
            fact.map_or(MISSING.into(), |fact| fact.seen.clone())
        };
        let rows: Vec<_> = whos
            .iter()
            .map(|who| {
                let cells = events.iter().map(|event| cell(event, who));
                std::iter::once((*who).to_owned()).chain(cells).collect()
            })
            .collect();
        let _ =
            writeln!(text, "On {}:\n\n{}", servers.join(", "), table(&head("", &events), &rows));
    }
    text
}

fn batches(run: &Run) -> String {
    let points: Vec<_> = run.rows.values().flat_map(|row| &row.points).collect();
    let cell = |plot: &str, x: f64| {
        let point = points.iter().find(|point| point.plot == plot && point.x == x);
        point.map_or(MISSING.into(), |point| spread(&point.y, Some(Unit::Millis)))
    };
    let rows: Vec<_> = points
        .iter()
        .filter(|point| point.plot == BATCH_LAST)
        .map(|point| {
            let cells = [BATCH_LAST, BATCH_PING, BATCH_OWN].map(|plot| cell(plot, point.x));
            [vec![point.x.to_string()], cells.to_vec()].concat()
        })
        .collect();
    let head = [
        "`latch.wake-batch`",
        "all released",
        "worst `PING` of another client",
        "the countdown's own reply",
    ];
    if rows.is_empty() { String::new() } else { table(&head.map(Into::into), &rows) }
}

fn method(results: &Results) -> String {
    let mut text = format!(
        "## How it was measured\n\n\
         - `make bench` measures on all servers of `make servers`; `make bench SERVER=redis-7.0` on \
         one, and leaves the numbers of the others. `make bench-quick` only shows that the \
         benchmark works. The numbers themselves are in [benchmarks.json](benchmarks.json).\n\
         - Each row starts a server of its own: `{SETTINGS} --unixsocket … --dir … --loadmodule …`, \
         with this module and [the one that only blocks](../benches/control/lib.rs).\n\
         - All clients of a crowd are on one thread with one `epoll`, on unix sockets. It runs on \
         the last core, the server on the others.\n\
         - A release is timed from right before the countdown is written until the last client's \
         reply has been read.\n\
         - The CPU time is that of the server's main thread. It hardly depends on what else the \
         machine does, as time on the clock and ratios of it do.\n\
         - The other client has a thread of its own, and sends a `PING` {} µs after each `PONG`; its \
         worst is the longest of those that overlap the release.\n\
         - Where nothing happens, a server that is busy for a while delays one `PING` and not \
         those that would have come in that time: what it does ten times a second is in the worst \
         0.1 % of them, but not in the worst 1 %.\n\
         - Throughput: {LANES} connections with {PIPELINE} pipelined commands each.\n\
         - One client woken: blocking sockets, no pipeline, and a sample is the median of many.\n\n",
        PAUSE.as_micros()
    );
    let head = ["server", "module", "CPU", "cores", "system", "compiler"].map(Into::into);
    let rows: Vec<_> = results
        .servers
        .iter()
        .map(|(server, run)| {
            let machine = &run.machine;
            vec![
                server.clone(),
                run.module.clone(),
                machine.cpu.clone(),
                machine.cores.to_string(),
                machine.system.clone(),
                machine.rustc.clone(),
            ]
        })
        .collect();
    text += &table(&head, &rows);
    text
}

/// Each of them once, in the order they come.
fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    words.filter(|word| seen.insert(*word)).collect()
}

fn head(first: &str, others: &[&str]) -> Vec<String> {
    std::iter::once(first).chain(others.iter().copied()).map(str::to_owned).collect()
}
