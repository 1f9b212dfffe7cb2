//! A server of the benchmark's own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use redis::{Client, Connection, InfoDict};
use tempfile::TempDir;

use crate::machine::{Cores, run_on};

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
    /// What runs the program, if it does not run by itself.
    pub(crate) under: Vec<OsString>,
}

impl Recipe {
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
    pub(crate) fn start(recipe: &Recipe) -> Result<Self> {
        // A short path: a unix socket's may not exceed 108 bytes.
        let dir = tempfile::Builder::new().prefix("latch-bench").tempdir()?;
        let mut server = Self { recipe: recipe.clone(), process: None, dir };
        server.launch()?;
        Ok(server)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("sock")
    }

    /// A connection for what is not measured.
    pub(crate) fn connect(&self) -> Result<Connection> {
        let client = Client::open(format!("unix://{}", self.socket().display()))?;
        let connection = client.get_connection()?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// The time that its main thread has run, where the system tells: unlike
    /// time on the clock, it hardly depends on what else the machine does.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let id = self.process.as_ref()?.child.id();
        let stat = fs::read_to_string(format!("/proc/{id}/task/{id}/schedstat")).ok()?;
        stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }

    /// Does something, and tells how long its main thread has run meanwhile.
    pub(crate) fn cpu_of<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Option<Duration>)> {
        let before = self.cpu_time();
        let done = work()?;
        let spent = self.cpu_time().zip(before).map(|(after, before)| after - before);
        Ok((done, spent))
    }

    pub(crate) fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.dir().join("log"))?).into_owned())
    }

    /// Ends it with SHUTDOWN, and leaves its directory.
    pub(crate) fn stop(&mut self) -> Result<()> {
        // The connection ends before there is a reply.
        let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<()>(&mut self.connect()?);
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let status = process.wait()?;
        ensure!(status.success(), "the server ended with {status}:\n{}", self.log()?);
        Ok(())
    }

    /// Starts it again in its directory, with what it saved there.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        fs::remove_file(self.dir().join("log"))?;
        self.launch()
    }

    fn launch(&mut self) -> Result<()> {
        let mut words = self.recipe.under.clone();
        words.push(self.recipe.program.clone().into());
        words.extend(SETTINGS.split(' ').map(|word| word.trim_matches('\'').into()));
        words.extend(["--dir".into(), self.dir().into()]);
        words.extend(["--unixsocket".into(), self.socket().into()]);
        for module in &self.recipe.modules {
            words.extend(["--loadmodule".into(), module.into()]);
        }
        let log = File::create(self.dir().join("log"))?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(self.dir()).stdout(log.try_clone()?).stderr(log);
        run_on(Cores::Server);
        let process = Process::spawn(command);
        run_on(Cores::Clients);
        self.process = Some(process.with_context(|| format!("starting {}", words[0].display()))?);

        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            if self.process.as_mut().is_none_or(|process| process.has_ended()) {
                bail!("the server did not start:\n{}", self.log()?);
            }
            ensure!(Instant::now() < deadline, "the server does not answer:\n{}", self.log()?);
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether it is there and has loaded what it had saved.
    fn answers(&self) -> bool {
        let pong = self.connect().map(|mut con| redis::cmd("PING").query::<String>(&mut con));
        pong.is_ok_and(|pong| pong.is_ok())
    }
}

/// A process that does not outlive the benchmark.
#[derive(Debug)]
struct Process {
    child: Child,
    watchdog: Child,
}

impl Process {
    fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).spawn()?;
        // Its standard input is a pipe from the benchmark. When that is killed,
        // and nothing is dropped, the pipe closes and `read` returns.
        let watchdog = Command::new("sh")
            .args(["-c", "read _; kill -9 \"$0\"", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watchdog {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "the server does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first: the id of a server that has been waited for may
        // be somebody else's. What has ended already cannot be killed.
        for child in [&mut self.watchdog, &mut self.child] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the server tells of itself.
pub(crate) fn info(con: &mut Connection, section: &str) -> Result<InfoDict> {
    Ok(redis::cmd("INFO").arg(section).query(con)?)
}

/// Bytes that the server has allocated.
pub(crate) fn used_memory(con: &mut Connection) -> Result<f64> {
    info(con, "memory")?.get("used_memory").context("no used_memory")
}

/// Its name and version, such as `Redis 7.0.15`.
pub(crate) fn title(con: &mut Connection) -> Result<String> {
    let info = info(con, "server")?;
    let (name, version) = match info.get::<String>("valkey_version") {
        Some(version) => ("Valkey", version),
        None => ("Redis", info.get("redis_version").context("no redis_version")?),
    };
    Ok(format!("{name} {version}"))
}

/// Waits until so many clients are blocked.
pub(crate) fn wait_blocked(con: &mut Connection, clients: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Answered after all that had arrived before it.
        redis::cmd("PING").query::<()>(con)?;
        let blocked: usize =
            info(con, "clients")?.get("blocked_clients").context("no blocked_clients")?;
        if blocked == clients {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{blocked} clients are parked, not {clients}");
        thread::sleep(Duration::from_millis(2));
    }
}
