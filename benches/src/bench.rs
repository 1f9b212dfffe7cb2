//! The benchmark of redis-latch: measures the module side by side with what
//! else one could use, on servers that it starts, and writes docs/benchmarks.md
//! and its plots.
//!
//! - `rows/` has one file for each thing that is measured,
//! - `../peers/` one for each way to wait for a countdown,
//! - `report/` what is written,
//! - `../control/` the module that does nothing but block clients.

mod bystander;
mod command;
mod crowd;
mod machine;
mod options;
#[path = "../peers/mod.rs"]
mod peers;
mod progress;
mod pump;
mod report;
mod results;
mod rows;
mod scene;
mod server;
mod waiter;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use machine::{Machine, raise_open_files};
use options::{Options, Sizes};
use progress::Progress;
use results::Results;
use rows::{Bench, Row};
use server::{Recipe, Server};

fn main() -> Result<()> {
    let options = Options::parse();
    fs::create_dir_all(&options.out)?;
    let file = options.out.join("benchmarks.json");
    // A run replaces what it measures and leaves the other servers and rows.
    let mut results = read(&file)?;
    if !options.report {
        measure(&options, &mut results, &file)?;
    }
    report::write(&options.out, &results)?;
    println!("wrote {}", options.out.join("benchmarks.md").display());
    Ok(())
}

fn measure(options: &Options, results: &mut Results, file: &Path) -> Result<()> {
    let sizes = Sizes::new(options);
    let rows = chosen(&options.only)?;
    let files = raise_open_files()?;
    let most = sizes.many.max(sizes.clients).max(sizes.idle_clients) + 100;
    ensure!(files >= most, "{files} files may be open, and {most} are needed: see ulimit -n");

    let mut progress = Progress::new(rows.len() * options.servers.len());
    for program in &options.servers {
        let modules = [&options.module, &options.control].map(fs::canonicalize);
        let [module, control] = modules;
        let module = module.context("the module is missing")?;
        let control = control.context("the control module is missing")?;
        // The server runs in a directory of its own, so a path must not be
        // relative; a bare name is looked up on the PATH.
        let program = match program.components().count() {
            1 => program.clone(),
            // Not with its links resolved: its name decides what it does.
            _ => std::path::absolute(program)?,
        };
        let recipe = Recipe { program, modules: vec![module, control], under: Vec::new() };
        let mut con = Server::start(&recipe).and_then(|server| {
            let con = server.connect()?;
            Ok((con, server))
        })?;
        let title = server::title(&mut con.0)?;
        let version = server::info(&mut con.0, "latch")?.get("latch_version").unwrap_or_default();
        drop(con);

        let run = results.servers.entry(title.clone()).or_default();
        (run.machine, run.module) = (Machine::this(), version);
        for row in &rows {
            progress.row(&title, row.name());
            let bench = Bench { recipe: &recipe, sizes: &sizes, progress: &progress };
            let outcome = row.run(&bench).with_context(|| format!("{title}: {}", row.name()))?;
            let run = results.servers.entry(title.clone()).or_default();
            run.rows.insert(row.name().to_owned(), outcome);
            write(file, results)?;
            progress.row_done();
        }
    }
    progress.finish();
    Ok(())
}

/// The rows of these names; all if there are none.
fn chosen(only: &[String]) -> Result<Vec<Box<dyn Row>>> {
    let mut rows = rows::all();
    let names: Vec<_> = rows.iter().map(|row| row.name()).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no row {unknown}, only {}", names.join(", "));
    }
    rows.retain(|row| only.is_empty() || only.iter().any(|name| name == row.name()));
    Ok(rows)
}

fn read(file: &Path) -> Result<Results> {
    if !file.exists() {
        return Ok(Results::default());
    }
    serde_json::from_slice(&fs::read(file)?).with_context(|| format!("reading {}", file.display()))
}

fn write(file: &Path, results: &Results) -> Result<()> {
    Ok(fs::write(file, serde_json::to_string_pretty(results)? + "\n")?)
}
