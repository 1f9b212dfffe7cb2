//! A server of the benchmark's own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::iter;
use std::path::{Path, PathBuf};
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use redis::{Client, Connection, FromRedisValue, InfoDict};
use tempfile::TempDir;

use crate::machine::run_on_cores;
use crate::peers::{BEFORE, LATCH};
use crate::process::Process;
use crate::wire::load_scripts;

/// How long anything may take before it is called broken. Far more than a slow
/// machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Settings of every server, beside its socket, its directory and the modules.
pub(crate) const SETTINGS: &str = "--port 0 --save '' --appendonly no --maxclients 17000";

/// How a server is started.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) program: PathBuf,
    /// The latch first.
    pub(crate) modules: Vec<PathBuf>,
    /// The latch as it was before.
    pub(crate) before: Option<PathBuf>,
    /// What runs the program, if it does not run by itself.
    pub(crate) under: Vec<OsString>,
}

impl Recipe {
    /// The servers on which to measure somebody: for the latch also one with the
    /// module as it was before, if there is one to compare with.
    pub(crate) fn of<'a>(&self, who: &'a str) -> Vec<(&'a str, Self)> {
        let before = self.before.iter().filter(|_| who == LATCH).map(|before| {
            let modules = [slice::from_ref(before), &self.modules[1..]].concat();
            (BEFORE, Self { modules, ..self.clone() })
        });
        iter::once((who, self.clone())).chain(before).collect()
    }

    /// The same without the latch.
    pub(crate) fn without_latch(&self) -> Self {
        Self { modules: self.modules[1..].to_vec(), ..self.clone() }
    }
}

/// A server in a temporary directory, on a unix socket there. It ends when this
/// is dropped or the benchmark ends.
#[derive(Debug)]
pub(crate) struct Server {
    recipe: Recipe,
    process: Option<Process>,
    dir: TempDir,
}

impl Server {
    /// A new one, which has all scripts.
    pub(crate) fn start(recipe: &Recipe) -> Result<Self> {
        // A short path: a unix socket's may not exceed 108 bytes.
        let dir = tempfile::Builder::new().prefix("latch-bench").tempdir()?;
        let mut server = Self { recipe: recipe.clone(), process: None, dir };
        server.launch()?;
        load_scripts(&mut server.connect()?)?;
        Ok(server)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("sock")
    }

    /// A connection as a client library has it.
    pub(crate) fn connect(&self) -> Result<Connection> {
        let client = Client::open(format!("unix://{}", self.socket().display()))?;
        let connection = client.get_connection()?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// Does something, and tells how long the server's main thread has run
    /// meanwhile, where the system knows. Unlike time on the clock, it hardly
    /// depends on what else the machine does.
    pub(crate) fn cpu_of<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Option<Duration>)> {
        let cpu_time = || self.process.as_ref().and_then(Process::cpu_time);
        let before = cpu_time();
        let done = work()?;
        let spent = cpu_time().zip(before).map(|(after, before)| after - before);
        Ok((done, spent))
    }

    pub(crate) fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.dir().join("log"))?).into_owned())
    }

    /// Ends it with SHUTDOWN, and leaves its directory.
    pub(crate) fn stop(&mut self) -> Result<()> {
        // The connection ends before there is a reply.
        let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<()>(&mut self.connect()?);
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let status = patiently("the server has ended", || process.ended())?;
        ensure!(status.success(), "the server ended with {status}:\n{}", self.log()?);
        Ok(())
    }

    /// Starts it in its directory, with what it saved there.
    pub(crate) fn launch(&mut self) -> Result<()> {
        let mut words = self.recipe.under.clone();
        words.push(self.recipe.program.clone().into());
        words.extend(SETTINGS.split(' ').map(|word| word.trim_matches('\'').into()));
        words.extend(["--dir".into(), self.dir().into()]);
        words.extend(["--unixsocket".into(), self.socket().into()]);
        for module in &self.recipe.modules {
            words.extend(["--loadmodule".into(), module.into()]);
        }
        let log = File::create(self.dir().join("log"))?;
        run_on_cores(true);
        let process = Process::spawn(&words, self.dir(), log);
        run_on_cores(false);
        let mut process = process.with_context(|| format!("starting {}", words[0].display()))?;

        // Until it is there and has loaded what it had saved.
        patiently("the server answers", || {
            let ended = process.ended()?;
            ensure!(ended.is_none(), "the server did not start:\n{}", self.log()?);
            let con = self.connect().ok();
            Ok(con.and_then(|mut con| redis::cmd("PING").query::<()>(&mut con).ok()))
        })?;
        self.process = Some(process);
        Ok(())
    }
}

/// Tries until there is something.
pub(crate) fn patiently<T>(
    until: &str,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
        ensure!(Instant::now() < deadline, "gave up waiting until {until}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What the server tells of itself.
pub(crate) fn info<T: FromRedisValue>(
    con: &mut Connection,
    section: &str,
    field: &str,
) -> Result<T> {
    let info: InfoDict = redis::cmd("INFO").arg(section).query(con)?;
    info.get(field).with_context(|| format!("no {field}"))
}

/// Bytes that the server has allocated.
pub(crate) fn used_memory(con: &mut Connection) -> Result<f64> {
    info(con, "memory", "used_memory")
}

/// Its name and version, such as `Redis 7.0.15`.
pub(crate) fn title(con: &mut Connection) -> Result<String> {
    let valkey = info(con, "server", "valkey_version").map(|version: String| ("Valkey", version));
    let (name, version) =
        valkey.or_else(|_| anyhow::Ok(("Redis", info(con, "server", "redis_version")?)))?;
    Ok(format!("{name} {version}"))
}

/// Waits until so many clients are blocked.
pub(crate) fn wait_blocked(con: &mut Connection, clients: usize) -> Result<()> {
    patiently(&format!("{clients} clients are parked"), || {
        // Answered after all that had arrived before it.
        redis::cmd("PING").query::<()>(con)?;
        let blocked: usize = info(con, "clients", "blocked_clients")?;
        Ok((blocked == clients).then_some(()))
    })
}
