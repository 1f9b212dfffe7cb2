//! The benchmark of redis-latch: measures the module side by side with what
//! else one could use, on servers that it starts, and writes docs/benchmarks.md
//! and its plots.
//!
//! - `rows/` has what is measured, and a table of it,
//! - `peers.rs` a table of the ways to wait for a countdown,
//! - `report/` what is written,
//! - `../control/` the module that does nothing but block clients.

mod bystander;
mod crowd;
mod machine;
mod options;
mod peers;
mod process;
mod pump;
mod report;
mod results;
mod rows;
mod scene;
mod server;
mod sockets;
mod stall;
mod waiter;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use machine::Machine;
use options::{Options, Sizes};
use results::{Results, Run};
use rows::Bench;
use server::{Recipe, Server};

fn main() -> Result<()> {
    let options = Options::parse();
    fs::create_dir_all(&options.out)?;
    let file = options.out.join("benchmarks.json");
    // A run replaces what it measures and leaves the other servers and rows.
    let mut results = Results::read(&file)?;
    if !options.report {
        measure(&options, &mut results, &file)?;
    }
    report::write(&options.out, &results)?;
    println!("wrote {}", options.out.join("benchmarks.md").display());
    Ok(())
}

fn measure(options: &Options, results: &mut Results, file: &Path) -> Result<()> {
    let sizes = Sizes::new(options);
    let rows = rows::chosen(&options.only)?;
    let (files, most) = (rlimit::increase_nofile_limit(u64::MAX)?, sizes.most_clients() + 100);
    ensure!(
        files >= most as u64,
        "{files} files may be open, and {most} are needed: see ulimit -n"
    );

    let find = |module: &PathBuf| {
        fs::canonicalize(module).with_context(|| format!("{} is missing", module.display()))
    };
    let modules = vec![find(&options.module)?, find(&options.control)?];
    let before = options.before.as_ref().map(find).transpose()?;
    let bar = ProgressBar::new((rows.len() * options.servers.len()) as u64);
    bar.set_style(ProgressStyle::with_template(
        "{elapsed_precise} [{pos}/{len}] {prefix}, {wide_msg}",
    )?);
    for program in &options.servers {
        // The server runs in a directory of its own, so its path is absolute. Its
        // links are not resolved: its name decides what it does.
        let program = which::which(program).with_context(|| program.display().to_string())?;
        let recipe =
            Recipe { program, modules: modules.clone(), before: before.clone(), under: Vec::new() };
        let run = look_at(&recipe)?;
        for (name, row) in &rows {
            bar.set_prefix(format!("{}: {name}", run.server));
            // Without a terminal there is a line for each row instead.
            if bar.is_hidden() {
                eprintln!("{:6.1} s  {}", bar.elapsed().as_secs_f64(), bar.prefix());
            }
            let mut bench = Bench::new(&recipe, &sizes, &bar);
            row(&mut bench).with_context(|| bar.prefix())?;
            results.put(bench.outcome(run.clone(), name));
            results.write(file)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    eprintln!("measured in {:.0} s", bar.elapsed().as_secs_f64());
    Ok(())
}

/// What is measured, and on what.
fn look_at(recipe: &Recipe) -> Result<Run> {
    let server = Server::start(recipe)?;
    let mut con = server.connect()?;
    let module = server::info(&mut con, "latch", "latch_version")?;
    Ok(Run { server: server::title(&mut con)?, module, machine: Machine::this() })
}
