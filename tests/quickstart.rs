//! What a new user tries first: the example configuration and the scripts
//! behind `make demo` and `make run`.

mod common;

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::*;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tempfile::TempDir;

/// For a script that starts hundreds of processes, on a busy machine.
const SCRIPT_PATIENCE: Duration = Duration::from_secs(120);

/// A file of the repository.
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Puts the module into `target` as `cargo build --release` would, here or on
/// macOS.
fn install_module(target: &Path) {
    let release = target.join("release");
    fs::create_dir_all(&release).expect("creating a directory");
    for name in ["liblatch.so", "liblatch.dylib"] {
        symlink(module(), release.join(name)).expect("linking the module");
    }
}

// The example configuration

/// The settings in the text of a configuration file: name and value.
fn settings(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()
}

/// The text, with every setting that is commented out taken in: a comment of
/// two words of which the first may be a name.
fn uncommented(text: &str) -> String {
    let is_setting = |words: &str| {
        let is_name =
            |word: &str| word.bytes().all(|b| b.is_ascii_lowercase() || b"-.".contains(&b));
        words.split_once(' ').is_some_and(|(name, value)| is_name(name) && !value.contains(' '))
    };
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(words) if is_setting(words) => words,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A server that runs from a copy of this text, in a directory where the module
/// is where the text looks for it. The one thing changed is the port, which
/// may be taken.
fn server_of(text: &str) -> Server {
    let mut server = Server::builder()
        .without_module()
        .config("include", "example.conf")
        .config("port", "0")
        .prepare();
    install_module(&server.dir().join("target"));
    fs::write(server.dir().join("example.conf"), text).expect("writing the text");
    server.start_again();
    server
}

/// The value of a setting, as the server shows it.
fn value(server: &Server, name: &str) -> String {
    server.run(&format!("CONFIG GET {name}")).field(name).text()
}

#[test]
fn the_example_configuration_starts_a_server_with_the_module() {
    let text = fs::read_to_string(in_repository("redis.conf.example")).unwrap();
    let server = server_of(&text);
    assert_eq!(server.run("LATCH.SET k 1"), ok());
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    assert_eq!(waiter.receive(), ok());

    let settings = settings(&text);
    assert!(settings.contains(&("loadmodule", "./target/release/liblatch.so")));
    for (name, written) in settings {
        if !["loadmodule", "port"].contains(&name) {
            assert_eq!(value(&server, name), written, "{name}");
        }
    }
}

#[test]
fn every_setting_that_the_example_shows_is_accepted() {
    let text = fs::read_to_string(in_repository("redis.conf.example")).unwrap();
    let all = uncommented(&text);
    let as_it_stands = settings(&text);
    let shown: Vec<_> =
        settings(&all).into_iter().filter(|setting| !as_it_stands.contains(setting)).collect();
    let names: Vec<_> = shown.iter().map(|(name, _)| *name).collect();
    for name in ["latch.max-waiters", "latch.wake-batch", "maxmemory"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }

    let (plain, full) = (server_of(&text), server_of(&all));
    for (name, written) in shown {
        if name.starts_with("latch.") {
            assert_eq!(value(&plain, name), written, "{name}: what is shown is the default");
        }
        // How many there may be depends on the limits of this process.
        if name != "maxclients" {
            assert_eq!(plain.run(&format!("CONFIG SET {name} {written}")), ok());
            assert_eq!(value(&full, name), value(&plain, name), "{name}");
        }
    }
}

// The scripts

/// A running script, with all that it starts: one process group. It is given a
/// directory for its temporary files, and a target directory with the module.
struct Script {
    script: Child,
    dir: TempDir,
    /// Has it ended, with all that it started?
    is_over: bool,
}

/// How a script ended, and what it wrote.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Script {
    fn start(path: &str, env: &[(&str, &str)]) -> Script {
        let dir = temp_dir();
        let (target, temporary) = (dir.path().join("target"), dir.path().join("tmp"));
        install_module(&target);
        fs::create_dir(&temporary).expect("creating a directory");
        let server = std::env::var_os("LATCH_SERVER").unwrap_or_else(|| "redis-server".into());
        let file = |name| File::create(dir.path().join(name)).expect("creating a file");
        let script = Command::new(in_repository(path))
            .env("SERVER", server)
            .env("CARGO_TARGET_DIR", target)
            .env("TMPDIR", temporary)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .process_group(0)
            .spawn()
            .expect("starting the script");
        Script { script, dir, is_over: false }
    }

    /// What it has written so far.
    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).expect("reading what it wrote")
    }

    /// Waits until its output has `text` in it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let problem = eventually(&format!("it to write {text:?}"), SCRIPT_PATIENCE, || {
            if self.wrote("out").contains(text) {
                return Some(None);
            }
            let status = self.script.try_wait().expect("asking after the script");
            status.map(Some)
        });
        let err = self.wrote("err");
        assert_eq!(problem, None, "it ended before it wrote {text:?}: {err}");
    }

    /// Waits until it has ended by itself and nothing is left of it: no
    /// process that it started, no temporary file.
    #[track_caller]
    fn end(mut self) -> Ended {
        let status = eventually("the script to end", SCRIPT_PATIENCE, || {
            self.script.try_wait().expect("asking after the script")
        });
        eventually("the processes it started to end", PATIENCE, || {
            test_kill_process_group(self.pid()).is_err().then_some(())
        });
        self.is_over = true;
        let left = fs::read_dir(self.dir.path().join("tmp")).expect("reading the directory");
        let left: Vec<_> = left.flatten().map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "{left:?}");
        Ended { code: status.code(), out: self.wrote("out"), err: self.wrote("err") }
    }

    /// Asks the script to end, but not what it has started.
    fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("a script that runs");
    }

    /// The id of the script, and of the group.
    fn pid(&self) -> Pid {
        Pid::from_child(&self.script)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Its id may be somebody else's once it is over.
        if !self.is_over {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.script.wait();
        }
    }
}

#[test]
fn the_demo_shows_what_it_promises_and_leaves_nothing_behind() {
    let demo = Script::start("scripts/demo.sh", &[]).end();
    assert_eq!(demo.code, Some(0), "{}\n{}", demo.out, demo.err);
    assert_eq!(demo.err, "");
    let mut rest = demo.out.as_str();
    for text in [
        "redis-latch on server ",
        "\n1. ",
        "LATCH.SET job 3\n    OK\n",
        "LATCH.COUNTDOWN job\n    (integer) 2\n",
        "LATCH.COUNTDOWN job\n    (integer) 1\n",
        "\n    (integer) 0\n",
        "client 1: OK, ",
        "client 5: OK, ",
        "\n2. ",
        "OK, after ",
        "\n3. ",
        "(nil), after ",
        "\n4. ",
        "LATCHGONE ",
        "\n5. ",
        "300 clients are parked\n",
        "all 300 got OK",
        "Every reply was what it should be.",
    ] {
        let Some((_, after)) = rest.split_once(text) else {
            panic!("no {text:?}, or not in its place:\n{}", demo.out)
        };
        rest = after;
    }
    assert!(!demo.out.contains('\x1b'), "no colours in a file");
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_behind() {
    let mut demo = Script::start("scripts/demo.sh", &[]);
    demo.wait_for("clients are parked");
    demo.terminate();
    let demo = demo.end();
    assert_eq!(demo.code, Some(143), "{}\n{}", demo.out, demo.err);
    assert!(!demo.out.contains("Every reply was what it should be."));
}

#[test]
fn scripts_say_in_one_line_what_they_lack() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (script, env, text) in [
        ("demo", ("SERVER", "/no/such/server"), "/no/such/server"),
        ("run", ("SERVER", "/no/such/server"), "/no/such/server"),
        ("demo", ("SERVER", "cat"), "not a Redis or Valkey server"),
        ("demo", ("CARGO_TARGET_DIR", "/no/such/target"), "make build"),
        ("run", ("CARGO_TARGET_DIR", "/no/such/target"), "make build"),
        ("run", ("PORT", &port), "is taken"),
        ("run", ("PORT", "0"), "not a port number"),
        ("run", ("PORT", "65536"), "not a port number"),
        ("run", ("PORT", "http"), "not a port number"),
    ] {
        let ended = Script::start(&format!("scripts/{script}.sh"), &[env]).end();
        assert_eq!(ended.code, Some(1), "{script} {env:?}: {}", ended.err);
        assert!(ended.err.contains(text), "{script} {env:?}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{script}: {}", ended.err);
        assert_eq!(ended.out, "", "{script} {env:?}");
    }
}

#[test]
fn a_server_started_by_hand_says_what_to_try_and_that_works() {
    let port = free_port();
    let mut run = Script::start("scripts/run.sh", &[("PORT", &port.to_string())]);
    run.wait_for("LATCH.COUNTDOWN");
    let welcome = run.wrote("out");
    let commands: Vec<_> = welcome
        .lines()
        .filter_map(|line| line.split_once(&format!("-cli -p {port} ")))
        .map(|(_, command)| command)
        .collect();
    let connect = || Client::connect_tcp(port).expect("connecting to the server");
    let [set, wait, count_down] = commands.as_slice() else {
        panic!("expected three commands: {welcome}")
    };
    assert_eq!(connect().run(set), ok());
    let mut waiter = connect();
    waiter.send_line(wait);
    waiter.nothing_within(Duration::from_millis(50));
    assert_eq!(connect().run(count_down), int(0));
    assert_eq!(waiter.receive(), ok());
    run.terminate();
    assert_eq!(run.end().code, Some(0));
}
