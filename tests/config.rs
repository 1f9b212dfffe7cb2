//! The settings of the module: where they can be given, and what they do.

mod common;

use std::fs;
use std::path::Path;

use common::*;

/// Name, default, smallest and largest value of every setting.
const SETTINGS: [(&str, i64, i64, i64); 3] = [
    ("latch.max-waiters", 0, 0, 1_000_000),
    ("latch.max-keys", 1000, 1, 1_000_000),
    ("latch.wake-batch", 256, 1, 1_000_000),
];

/// The present value of a setting.
#[track_caller]
fn get(server: &Server, name: &str) -> i64 {
    let text = server.run(&format!("CONFIG GET {name}")).field(name).text();
    text.parse().expect("a number")
}

/// The reply to CONFIG SET.
#[track_caller]
fn set(server: &Server, name: &str, value: impl ToString) -> Reply {
    let value = value.to_string();
    server.client().call(["CONFIG", "SET", name, &value])
}

#[track_caller]
fn assert_did_not_crash(log: &str) {
    for trace in ["crashed by signal", "a bug in the latch module", "STACK TRACE", "ASSERTION"] {
        assert!(!log.contains(trace), "{log}");
    }
}

/// The rows of a table of settings: what is in each cell.
fn rows(document: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(path).expect(document);
    let rows = text.lines().filter(|line| line.starts_with("| `latch."));
    rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`').into()).collect())
        .collect()
}

#[test]
fn every_setting_is_documented_as_it_is() {
    let server = Server::new();
    let mut names: Vec<_> = SETTINGS.iter().map(|(name, ..)| *name).collect();
    let readme = rows("README.md");
    let documented: Vec<_> = readme.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(documented, names);
    for ((name, default, min, max), row) in SETTINGS.iter().zip(&readme) {
        assert_eq!(row[2..4], [default.to_string(), format!("{min} … {max}")], "{name}");
    }
    let operating = rows("docs/operating.md");
    let documented: Vec<_> = operating.iter().map(|row| (row[1].as_str(), &*row[2])).collect();
    let defaults = SETTINGS.map(|(name, default, ..)| (name, default.to_string()));
    assert_eq!(documented, defaults.each_ref().map(|(name, default)| (*name, &**default)));

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example");
    let example = fs::read_to_string(example).expect("the example");
    for (name, default, ..) in SETTINGS {
        assert!(example.contains(&format!("\n# {name} {default}\n")), "{name} in the example");
    }
    names.sort_unstable();
    let known = server.run("CONFIG GET latch.*");
    let mut known: Vec<_> = known.items().iter().step_by(2).map(Reply::text).collect();
    known.sort_unstable();
    assert_eq!(known, names);
}

#[test]
fn every_setting_has_its_default() {
    let server = Server::new();
    for (mut client, _) in server.clients() {
        let all = client.run("CONFIG GET latch.*");
        for (name, default, ..) in SETTINGS {
            assert_eq!(all.field(name), &bulk(default.to_string()), "{name}");
        }
        let values = match all {
            Reply::Map(pairs) => pairs.len(),
            flat => flat.items().len() / 2,
        };
        assert_eq!(values, SETTINGS.len());
    }
}

#[test]
fn a_setting_can_be_changed_within_its_bounds() {
    let server = Server::new();
    for (name, _, min, max) in SETTINGS {
        for value in [min, max, 77, min] {
            assert_eq!(set(&server, name, value), ok(), "{name} {value}");
            assert_eq!(get(&server, name), value, "{name}");
        }
        assert_eq!(set(&server, &name.to_uppercase(), 5), ok());
        assert_eq!(get(&server, name), 5, "names have no case");
    }
    let both = server.run("CONFIG SET latch.max-waiters 6 latch.wake-batch 7");
    assert_eq!(both, ok());
    assert_eq!(get(&server, "latch.max-waiters"), 6);
    assert_eq!(get(&server, "latch.wake-batch"), 7);
}

#[test]
fn a_value_out_of_bounds_is_refused_with_the_text_of_the_server() {
    let server = Server::new();
    for (name, _, min, max) in SETTINGS {
        let failed = format!("ERR CONFIG SET failed (possibly related to argument '{name}') -");
        let bounds = format!("{failed} argument must be between {min} and {max} inclusive");
        let number = format!("{failed} argument couldn't be parsed into an integer");
        assert_eq!(set(&server, name, 77), ok());
        for value in [min - 1, max + 1, i64::MIN, i64::MAX] {
            assert_eq!(set(&server, name, value), error(&bounds), "{value}");
        }
        for value in ["", "x", "1.5", " 1", "1gb", "9223372036854775808"] {
            assert_eq!(set(&server, name, value), error(&number), "{value}");
        }
        assert_eq!(get(&server, name), 77);
    }
    let both = server.run("CONFIG SET latch.wake-batch 5 latch.max-waiters -1");
    assert!(both.error().starts_with("ERR CONFIG SET failed"));
    assert_eq!(get(&server, "latch.wake-batch"), 77, "all or nothing");
}

#[test]
fn settings_may_be_arguments_of_loadmodule() {
    for (args, max_waiters, wake_batch) in [
        (&["latch.max-waiters", "5"][..], 5, 256),
        (&["latch.wake-batch", "7"], 0, 7),
        (&["latch.wake-batch", "7", "latch.max-waiters", "5"], 5, 7),
        (&["LATCH.Max-Waiters", "5", "latch.WAKE-batch", "7"], 5, 7),
        (&["latch.max-waiters", "0", "latch.wake-batch", "1"], 0, 1),
        (&["latch.max-waiters", "1000000"], 1_000_000, 256),
    ] {
        let server = Server::builder().module_args(args.to_vec()).start();
        assert_eq!(get(&server, "latch.max-waiters"), max_waiters, "{args:?}");
        assert_eq!(get(&server, "latch.wake-batch"), wake_batch, "{args:?}");
        // They are no more than a beginning.
        assert_eq!(set(&server, "latch.wake-batch", 9), ok());
        assert_eq!(get(&server, "latch.wake-batch"), 9);
    }
}

#[test]
fn an_argument_that_cannot_be_taken_stops_the_server_with_one_line_that_helps() {
    const NAMES: &str = "only latch.max-waiters, latch.max-keys, latch.wake-batch";
    const WAITERS: &str = "latch.max-waiters needs a number from 0 to 1000000";
    const BATCH: &str = "latch.wake-batch needs a number from 1 to 1000000";
    for (args, help) in [
        (&["latch.max-waiters"][..], WAITERS),
        (&["latch.max-waiters", "-1"], WAITERS),
        (&["latch.max-waiters", "1000001"], WAITERS),
        (&["latch.max-waiters", ""], WAITERS),
        (&["latch.max-waiters", "all"], WAITERS),
        (&["latch.max-waiters", "1.5"], WAITERS),
        (&["latch.max-waiters", "latch.wake-batch", "7"], WAITERS),
        (&["latch.wake-batch", "0"], BATCH),
        (&["latch.wake-batch", "9223372036854775808"], BATCH),
        (&["latch.max-waiters", "5", "latch.wake-batch"], BATCH),
        (&["latch.max-keys", "0"], "latch.max-keys needs a number from 1 to 1000000"),
        (&["wake-batch", "7"], NAMES),
        (&["latch.nope", "7"], NAMES),
        (&["latch.max-waiters", "5", "latch.nope", "7"], NAMES),
        (&["7"], NAMES),
        (&[""], NAMES),
        (&["100%", "%s%n"], NAMES),
    ] {
        let mut server = Server::builder().module_args(args.to_vec()).prepare();
        let log = server.refuses_to_start();
        let lines: Vec<_> = log.lines().filter(|l| l.contains("<latch>")).collect();
        let [line] = lines.as_slice() else {
            panic!("{args:?}: expected one line of the module:\n{log}")
        };
        assert!(line.contains(help), "{args:?}: {line}");
        assert_did_not_crash(&log);
    }
}

#[test]
fn an_argument_cannot_forge_lines_of_the_log() {
    let forged = "x\r\n1:M 01 Jan 2026 00:00:00.000 # All is well";
    let mut server = Server::builder().module_args([forged, "7"]).prepare();
    let log = server.refuses_to_start();
    assert!(log.lines().any(|line| line.contains("<latch>") && line.contains("All is well")));
    assert!(!log.lines().any(|line| line.starts_with("1:M")), "{log}");
}

#[test]
fn settings_may_be_lines_after_loadmodule() {
    let builder =
        || Server::builder().config("latch.max-waiters", "5").config("Latch.Wake-Batch", "7");
    for builder in [builder(), builder().module_args(["latch.wake-batch", "9"])] {
        let server = builder.start();
        assert_eq!(get(&server, "latch.max-waiters"), 5);
        assert_eq!(get(&server, "latch.wake-batch"), 7);
    }
}

#[test]
fn a_line_that_cannot_be_taken_stops_the_server() {
    for (name, value, help) in [
        ("latch.max-waiters", "-1", "between 0 and 1000000"),
        ("latch.wake-batch", "0", "between 1 and 1000000"),
        ("latch.wake-batch", "1000001", "between 1 and 1000000"),
        ("latch.wake-batch", "x", "parsed into an integer"),
        ("latch.nope", "1", "Module Configuration detected"),
    ] {
        let mut server = Server::builder().config(name, value).prepare();
        let log = server.refuses_to_start();
        assert!(log.contains(help), "{name} {value}:\n{log}");
        assert_did_not_crash(&log);
    }
}

#[test]
fn a_rewritten_configuration_keeps_the_values() {
    for args in [&[][..], &["latch.max-waiters", "5", "latch.wake-batch", "6"]] {
        let mut server = Server::builder().module_args(args.to_vec()).start();
        // Twice: once away from what the file says, then back to the default.
        for (max_waiters, wake_batch) in [(70, 80), (0, 256)] {
            assert_eq!(set(&server, "latch.max-waiters", max_waiters), ok());
            assert_eq!(set(&server, "latch.wake-batch", wake_batch), ok());
            assert_eq!(server.run("CONFIG REWRITE"), ok());
            server.restart();
            assert_eq!(get(&server, "latch.max-waiters"), max_waiters, "{args:?}");
            assert_eq!(get(&server, "latch.wake-batch"), wake_batch, "{args:?}");
        }
        let file = fs::read_to_string(server.dir().join("conf")).unwrap();
        let lines = file.lines().filter(|line| line.starts_with("loadmodule"));
        assert_eq!(lines.count(), 1, "{file}");
    }
}

/// A server that can load modules while it runs, and has not loaded ours.
fn without_the_module() -> Server {
    Server::builder().without_module().config("enable-module-command", "yes").start()
}

#[test]
fn the_module_can_be_loaded_into_a_running_server() {
    let server = without_the_module();
    let mut client = server.client();
    let path = module().to_string_lossy().into_owned();
    let config = ["CONFIG", "latch.max-waiters", "5"];
    let args = ["ARGS", "latch.wake-batch", "7"];
    let words = ["MODULE", "LOADEX", &path].into_iter();
    assert_eq!(client.call(words.chain(config).chain(args)), ok());
    assert_eq!(get(&server, "latch.max-waiters"), 5);
    assert_eq!(get(&server, "latch.wake-batch"), 7);
    assert_eq!(client.run("LATCH.SET k 1"), ok());
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
    assert_eq!(waiter.receive(), ok());
    // Not while its type may be in use, says the server.
    assert!(client.run("MODULE UNLOAD latch").error().contains("types"));
    assert_eq!(client.run("LATCH.GET k"), int(0));
}

#[test]
fn loading_the_module_twice_is_refused_and_changes_nothing() {
    let server = Server::builder()
        .config("enable-module-command", "yes")
        .module_args(["latch.wake-batch", "9"])
        .start();
    server.run("LATCH.SET k 1");
    let mut waiter = server.parked("LATCH.AWAIT k 0");
    let path = module().to_string_lossy().into_owned();
    for args in [&[][..], &["latch.wake-batch", "7"], &["latch.nope", "7"]] {
        let load = ["MODULE", "LOAD", &path];
        let refusal = server.client().call(load.iter().chain(args));
        assert!(refusal.error().starts_with("ERR "), "{refusal:?}");
        assert_eq!(get(&server, "latch.wake-batch"), 9, "{args:?}");
    }
    let reason = "latch was not loaded: a module of this name is loaded already";
    assert_eq!(server.log().matches(reason).count(), 3);
    server.wait_parked(&waiter);
    assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
    waiter.receives_only(&ok());
    assert_did_not_crash(&server.log());
}

/// The descriptors that the server has open.
#[cfg(target_os = "linux")]
fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_module_that_was_not_loaded_leaves_nothing_open() {
    let path = module().to_string_lossy().into_owned();
    let server = without_the_module();
    let mut client = server.client();
    client.run("PING");
    let before = descriptors(&server);
    for words in [
        &["MODULE", "LOAD", &path, "latch.nope", "7"][..],
        &["MODULE", "LOADEX", &path, "CONFIG", "latch.wake-batch", "0"],
        &["MODULE", "LOADEX", &path, "CONFIG", "latch.wake-batch", "x"],
    ] {
        assert!(client.call(words).error().starts_with("ERR "));
        assert_eq!(descriptors(&server), before, "{words:?}");
    }
}

#[test]
fn a_setting_that_the_module_does_not_have_is_refused_when_it_is_loaded() {
    let server = without_the_module();
    if !server.survives_unknown_settings() {
        return;
    }
    let path = module().to_string_lossy().into_owned();
    let refusal = server.client().call(["MODULE", "LOADEX", &path, "CONFIG", "latch.nope", "3"]);
    assert!(refusal.error().starts_with("ERR "), "{refusal:?}");
    if server.version() >= (8, 0, 0) {
        // Redis 7.0 refuses, and has loaded it all the same.
        assert_eq!(server.client().call(["MODULE", "LOAD", &path]), ok());
    }
    assert_eq!(server.run("LATCH.SET k 1"), ok());
    assert_did_not_crash(&server.log());
}

#[test]
fn a_module_that_was_not_loaded_leaves_a_running_server_unharmed() {
    let path = module().to_string_lossy().into_owned();
    for words in [
        &["MODULE", "LOAD", &path, "latch.nope", "7"][..],
        &["MODULE", "LOAD", &path, "%s\0%n", "7"],
        &["MODULE", "LOAD", &path, "latch.max-waiters", "5", "latch.nope", "7"],
        &["MODULE", "LOAD", &path, "latch.wake-batch", "0"],
        &["MODULE", "LOADEX", &path, "ARGS", "latch.wake-batch"],
        &["MODULE", "LOADEX", &path, "CONFIG", "latch.wake-batch", "0"],
        &["MODULE", "LOADEX", &path, "CONFIG", "latch.wake-batch", "x"],
    ] {
        let server = without_the_module();
        let mut client = server.client();
        let refusal = client.call(words);
        assert!(refusal.error().starts_with("ERR "), "{refusal:?}");
        assert!(client.run("LATCH.SET k 1").error().contains("unknown"));
        assert_eq!(client.run("CONFIG GET latch.*"), array::<Reply>([]));
        // Whatever the module listens to when it is loaded.
        for command in ["FLUSHALL", "SWAPDB 0 1", "SET k v PX 1", "DEBUG RELOAD", "GET k"] {
            let reply = client.run(command);
            assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
        }
        eventually("the key to expire", PATIENCE, || {
            (client.run("EXISTS k") == int(0)).then_some(())
        });
        assert_eq!(client.call(["MODULE", "LOAD", &path]), ok(), "{words:?}");
        for (name, default, ..) in SETTINGS {
            assert_eq!(get(&server, name), default, "{name} after {words:?}");
        }
        assert_eq!(client.run("LATCH.SET k 1"), ok());
        assert_eq!(client.run("LATCH.COUNTDOWN k"), int(0));
        assert_did_not_crash(&server.log());
    }
}
