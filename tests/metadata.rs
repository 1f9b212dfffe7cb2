//! What the server tells about the module: its commands, its type, its version.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::*;

/// What is known of a command.
struct Known {
    name: &'static str,
    arity: i64,
    flags: &'static str,
    categories: &'static str,
    keys: Keys,
    key_flags: &'static str,
    since: &'static str,
}

/// Which arguments are keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    First,
    /// As many as the second argument says, after it.
    Counted,
}

/// Every command of the module.
const COMMANDS: [Known; 14] = [
    Known {
        name: "latch.set",
        arity: -3,
        flags: "denyoom fast module write",
        categories: "@fast @write",
        keys: Keys::First,
        key_flags: "OW update",
        since: "0.1.0",
    },
    Known {
        name: "latch.countdown",
        arity: -2,
        flags: "fast module write",
        categories: "@fast @write",
        keys: Keys::First,
        key_flags: "RW access update",
        since: "0.1.0",
    },
    Known {
        name: "latch.await",
        arity: -3,
        flags: "blocking module readonly",
        categories: "@blocking @read @slow",
        keys: Keys::First,
        key_flags: "RO access",
        since: "0.1.0",
    },
    Known {
        name: "latch.awaitall",
        arity: -4,
        flags: "blocking module movablekeys readonly",
        categories: "@blocking @read @slow",
        keys: Keys::Counted,
        key_flags: "RO access",
        since: "0.1.0",
    },
    Known {
        name: "latch.awaitany",
        arity: -4,
        flags: "blocking module movablekeys readonly",
        categories: "@blocking @read @slow",
        keys: Keys::Counted,
        key_flags: "RO access",
        since: "0.1.0",
    },
    Known {
        name: "latch.arrive",
        arity: -5,
        flags: "blocking module write",
        categories: "@blocking @slow @write",
        keys: Keys::First,
        key_flags: "RW access update",
        since: "0.1.0",
    },
    Known {
        name: "latch.add",
        arity: -3,
        flags: "fast module write",
        categories: "@fast @write",
        keys: Keys::First,
        key_flags: "RW access update",
        since: "0.1.0",
    },
    Known {
        name: "latch.abort",
        arity: -2,
        flags: "fast module write",
        categories: "@fast @write",
        keys: Keys::First,
        key_flags: "RW access update",
        since: "0.1.0",
    },
    Known {
        name: "latch.get",
        arity: 2,
        flags: "fast module readonly",
        categories: "@fast @read",
        keys: Keys::First,
        key_flags: "RO access",
        since: "0.1.0",
    },
    Known {
        name: "latch.info",
        arity: 2,
        flags: "fast module readonly",
        categories: "@fast @read",
        keys: Keys::First,
        key_flags: "RO access",
        since: "0.1.0",
    },
    Known {
        name: "latch.arrived",
        arity: -2,
        flags: "module readonly",
        categories: "@read @slow",
        keys: Keys::First,
        key_flags: "RO access",
        since: "0.1.0",
    },
    Known {
        name: "latch.pending",
        arity: -2,
        flags: "module readonly",
        categories: "@read @slow",
        keys: Keys::First,
        key_flags: "RO access",
        since: "0.1.0",
    },
    Known {
        name: "latch.waiters",
        arity: -1,
        flags: "admin module readonly",
        categories: "@admin @dangerous @slow",
        keys: Keys::None,
        key_flags: "",
        since: "0.1.0",
    },
    Known {
        name: "latch.help",
        arity: 1,
        flags: "loading module stale",
        categories: "@slow",
        keys: Keys::None,
        key_flags: "",
        since: "0.1.0",
    },
];

/// The texts of a collection, sorted and joined with spaces.
fn sorted(reply: &Reply) -> String {
    let texts: BTreeSet<_> = reply.items().iter().map(|item| item.text()).collect();
    texts.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn command_info_knows_arity_flags_categories_and_keys() {
    let server = Server::new();
    let has_categories = server.has_module_categories();
    for (mut client, _) in server.clients() {
        for known in &COMMANDS {
            let name = known.name;
            let reply = client.call(["COMMAND", "INFO", name]);
            let info = reply.items()[0].items();
            assert_eq!(info[0].text(), name);
            assert_eq!(info[1], int(known.arity), "{name}");
            assert_eq!(sorted(&info[2]), known.flags, "{name}");
            let range = if known.keys == Keys::First { [1, 1, 1] } else { [0; 3] };
            assert_eq!(info[3..6], range.map(int), "keys of {name}");
            let categories = if has_categories { known.categories } else { "" };
            assert_eq!(sorted(&info[6]), categories, "{name}");
            let (begin, find) = match known.keys {
                Keys::First => ("1", "range lastkey 0 keystep 1 limit 0"),
                Keys::Counted => ("2", "keynum keynumidx 0 firstkey 1 keystep 1"),
                Keys::None => {
                    assert_eq!(info[8].items(), [], "{name}");
                    continue;
                }
            };
            let [spec] = info[8].items() else { panic!("{name} has one key spec: {:?}", info[8]) };
            assert_eq!(sorted(spec.field("flags")), known.key_flags, "{name}");
            let index = format!("index index {begin}");
            assert_eq!(search(spec.field("begin_search")), index, "{name}");
            assert_eq!(search(spec.field("find_keys")), find, "{name}");
        }
    }
}

/// How a key spec looks for keys: what it does, and with which numbers.
fn search(reply: &Reply) -> String {
    let pairs = match reply.field("spec") {
        Reply::Map(pairs) => pairs.clone(),
        flat => flat.items().chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
    };
    let numbers = pairs.iter().map(|(name, value)| format!(" {} {}", name.text(), value.int()));
    reply.field("type").text() + &numbers.collect::<String>()
}

#[test]
fn command_docs_describe_every_command() {
    let server = Server::new();
    for (mut client, _) in server.clients() {
        for known in &COMMANDS {
            let name = known.name;
            let docs = client.call(["COMMAND", "DOCS", name]);
            let docs = docs.field(name);
            assert_eq!(docs.field("group").text(), "module", "{name}");
            assert_eq!(docs.field("module").text(), "latch", "{name}");
            assert_eq!(docs.field("since").text(), known.since, "{name}");
            let summary = docs.field("summary").text();
            let is_sentence = summary.starts_with(char::is_uppercase) && summary.ends_with('.');
            assert!(is_sentence, "{name}: {summary}");
            let complexity = docs.field("complexity").text();
            assert!(complexity.starts_with("O("), "{name}: {complexity}");
        }
    }
}

/// What each argument is, by its name.
const TYPES: [(&str, &str); 14] = [
    ("condition", "oneof"),
    ("count", "integer"),
    ("decrement", "integer"),
    ("expiration", "oneof"),
    ("id", "string"),
    ("increment", "integer"),
    ("key", "key"),
    ("linger-seconds", "double"),
    ("milliseconds", "integer"),
    ("missing", "oneof"),
    ("numkeys", "integer"),
    ("reason", "string"),
    ("seconds", "integer"),
    ("timeout", "double"),
];

#[test]
fn the_syntax_of_every_command_is_the_same_in_its_docs_in_the_help_and_in_the_readme() {
    let server = Server::new();
    for (mut client, _) in server.clients() {
        let mut expected = Vec::new();
        for Known { name, .. } in &COMMANDS {
            let docs = client.call(["COMMAND", "DOCS", name]);
            let arguments = optional(docs.field(name), "arguments").map_or(&[][..], Reply::items);
            expected.push(format!("{} {}", name.to_uppercase(), syntax(arguments, " ")));
        }
        let expected: Vec<_> = expected.iter().map(|line| line.trim().to_owned()).collect();
        let of_help = syntax_of_help(&client.run("LATCH.HELP"));
        assert_eq!(of_help, BTreeSet::from_iter(expected.iter().cloned()));
        let bare = |line: &String| line.replace(['<', '>'], "");
        assert_eq!(syntax_of_readme(), BTreeSet::from_iter(expected.iter().map(bare)));
    }
}

/// Arguments as a reference shows them.
fn syntax(arguments: &[Reply], separator: &str) -> String {
    let arguments = arguments.iter().map(|argument| {
        let Argument { name, token, kind } = read(argument);
        if let Some((_, expected)) = TYPES.iter().find(|(known, _)| *known == name) {
            assert_eq!(kind, *expected, "{name}");
        } else {
            let expected = if name.starts_with("unix-time-") { "unix-time" } else { "pure-token" };
            assert_eq!(kind, expected, "{name}");
        }
        let value = match kind.as_str() {
            "pure-token" => String::new(),
            "oneof" => syntax(argument.field("arguments").items(), " | "),
            _ => format!("<{name}>"),
        };
        let shown = format!("{token} {value}").trim().to_owned();
        if kind == "key" {
            assert_eq!(argument.field("key_spec_index"), &int(0), "the one key spec");
        }
        match optional(argument, "flags").map(sorted).as_deref() {
            None => shown,
            Some("optional") => format!("[{shown}]"),
            // A word in front comes once.
            Some("multiple") => format!("{shown} [{value} ...]"),
            Some("multiple optional") => format!("[{shown} [{value} ...]]"),
            Some(flags) => format!("{shown} ({flags}?)"),
        }
    });
    arguments.collect::<Vec<_>>().join(separator)
}

/// The syntax of each command in `LATCH.HELP`: a line that is not indented, and those that
/// go on with it.
fn syntax_of_help(help: &Reply) -> BTreeSet<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in help.items()[1..].iter().map(Reply::text) {
        match line.strip_prefix("    ") {
            None => commands.push(format!("LATCH.{line}")),
            Some(more) if more.starts_with(['[', '|']) => {
                let command = commands.last_mut().expect("a command comes first");
                *command = format!("{command} {more}");
            }
            Some(_) => {} // what it does
        }
    }
    commands.into_iter().collect()
}

/// The syntax of each command in the README: in the blocks of `text` that begin with a
/// command.
fn syntax_of_readme() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).unwrap();
    let blocks = readme.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands = blocks.filter(|block| block.starts_with("LATCH."));
    let lines = commands.flat_map(|block| {
        let joined = block.replace("\n    ", " ");
        joined.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    lines.collect()
}

struct Argument {
    name: String,
    token: String,
    kind: String,
}

fn read(argument: &Reply) -> Argument {
    let name = argument.field("name").text();
    // Redis 7.0 does not tell it; the others make it up from the name.
    if let Some(display) = optional(argument, "display_text") {
        assert_eq!(display.text(), name);
    }
    Argument {
        token: optional(argument, "token").map_or_else(String::new, |token| token.text()),
        kind: argument.field("type").text(),
        name,
    }
}

/// A field that may be missing.
fn optional<'a>(reply: &'a Reply, name: &str) -> Option<&'a Reply> {
    let is_there = match reply {
        Reply::Map(pairs) => pairs.iter().any(|(key, _)| key.text() == name),
        flat => flat.items().chunks(2).any(|pair| pair[0].text() == name),
    };
    is_there.then(|| reply.field(name))
}

#[test]
fn only_what_is_known_here_is_a_command_of_the_module() {
    let server = Server::new();
    let known: BTreeSet<_> = COMMANDS.iter().map(|known| known.name).collect();
    let known = known.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(sorted(&server.run("COMMAND LIST FILTERBY MODULE latch")), known);
    assert_eq!(sorted(&server.run("COMMAND LIST FILTERBY PATTERN latch*")), known);
}

#[test]
fn the_server_finds_the_key_of_a_command() {
    let server = Server::new();
    for (command, keys, flags) in [
        ("LATCH.SET a 5", &["a"][..], "OW update"),
        ("LATCH.SET a 5 NX EX 100", &["a"], "OW update"),
        ("LATCH.SET a 5 IFOPEN ID b", &["a"], "OW update"),
        ("LATCH.COUNTDOWN a", &["a"], "RW access update"),
        ("LATCH.COUNTDOWN a 5 ID b", &["a"], "RW access update"),
        ("LATCH.AWAIT a 0", &["a"], "RO access"),
        ("LATCH.AWAITALL 0 2 a b", &["a", "b"], "RO access"),
        ("LATCH.AWAITANY 0 2 a b MISSING WAIT", &["a", "b"], "RO access"),
        ("LATCH.AWAITANY 0 1 a", &["a"], "RO access"),
        ("LATCH.ARRIVE a 0 ID b", &["a"], "RW access update"),
        ("LATCH.ADD a 1", &["a"], "RW access update"),
        ("LATCH.ADD a 1 ID b", &["a"], "RW access update"),
        ("LATCH.ABORT a b", &["a"], "RW access update"),
        ("LATCH.GET a", &["a"], "RO access"),
        ("LATCH.INFO a", &["a"], "RO access"),
        ("LATCH.ARRIVED a", &["a"], "RO access"),
        ("LATCH.ARRIVED a ID b c", &["a"], "RO access"),
        ("LATCH.PENDING a COUNT 5", &["a"], "RO access"),
    ] {
        let found = server.run(&format!("COMMAND GETKEYS {command}"));
        assert_eq!(found, array(keys.iter().copied()), "{command}");
        let found = server.run(&format!("COMMAND GETKEYSANDFLAGS {command}"));
        let found =
            found.items().iter().map(|key| (key.items()[0].text(), sorted(&key.items()[1])));
        let expected = keys.iter().map(|&key| (key.to_owned(), flags.to_owned()));
        assert!(found.eq(expected), "{command}");
    }
}

#[test]
fn a_latch_is_of_a_type_of_its_own() {
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET k 5");
    client.run("SET string x");
    assert_eq!(client.run("TYPE k"), Reply::Simple("countdown".into()));
    assert_eq!(client.run("SCAN 0 TYPE countdown").items()[1], array(["k"]));
    assert_eq!(client.run("OBJECT ENCODING k"), bulk("raw"));
    assert_eq!(client.run("OBJECT REFCOUNT k"), int(1));
    client.run("LATCH.COUNTDOWN k 5");
    assert_eq!(client.run("TYPE k"), Reply::Simple("none".into()));
}

#[test]
fn using_a_latch_counts_as_access_to_its_key() {
    const ACCESSES: [&str; 3] = ["LATCH.GET k", "LATCH.COUNTDOWN k", "LATCH.AWAIT k 0.01"];
    let server = Server::new();
    let mut client = server.client();
    client.run("LATCH.SET saved 5");
    let Reply::Bulk(payload) = client.run("DUMP saved") else { panic!("expected a payload") };
    let restore = |property: &str| {
        let mut client = server.client();
        let command = cmd!["RESTORE", "k", "0", payload, "REPLACE", property, "200"];
        assert_eq!(client.call(command), ok());
    };
    for command in ACCESSES {
        restore("IDLETIME");
        assert!(client.run("OBJECT IDLETIME k").int() >= 200);
        client.run(command);
        assert!(client.run("OBJECT IDLETIME k").int() < 200, "{command}");
    }
    assert_eq!(client.run("CONFIG SET maxmemory-policy allkeys-lfu"), ok());
    // Every access counts, and time takes nothing away.
    assert_eq!(client.run("CONFIG SET lfu-log-factor 0"), ok());
    assert_eq!(client.run("CONFIG SET lfu-decay-time 0"), ok());
    for command in ACCESSES {
        restore("FREQ");
        assert_eq!(client.run("OBJECT FREQ k"), int(200));
        client.run(command);
        assert!(client.run("OBJECT FREQ k").int() > 200, "{command}");
    }
}

#[test]
fn the_module_list_has_the_version_of_the_package() {
    let server = Server::builder().module_args(["latch.wake-batch", "9"]).start();
    let number = |text: &str| text.parse::<i64>().unwrap();
    let version = 10_000 * number(env!("CARGO_PKG_VERSION_MAJOR"))
        + 100 * number(env!("CARGO_PKG_VERSION_MINOR"))
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    for (mut client, _) in server.clients() {
        let list = client.run("MODULE LIST");
        let entry = list
            .items()
            .iter()
            .find(|entry| entry.field("name").text() == "latch")
            .expect("the module is loaded");
        assert_eq!(entry.field("ver"), &int(version));
        assert_eq!(entry.field("path").text(), module().to_string_lossy());
        assert_eq!(entry.field("args"), &array(["latch.wake-batch", "9"]));
    }
}
