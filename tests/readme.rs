//! Every example of the README and of other pages, run as it stands, and the servers that
//! they name.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use common::{Client, Reply, Server};

/// A file of the project.
fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines of every block of a page that is marked as `redis`.
fn examples(page: &str) -> Vec<Vec<String>> {
    let page = text(page);
    let mut examples = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == "```redis" {
            let block = lines.by_ref().take_while(|line| *line != "```");
            examples.push(block.map(str::to_owned).collect());
        }
    }
    examples
}

/// A reply as `redis-cli` shows it.
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Simple(text) => text.clone(),
        Reply::Error(text) => format!("(error) {text}"),
        Reply::Int(n) => format!("(integer) {n}"),
        Reply::NullBulk => "(nil)".into(),
        Reply::Bulk(_) => format!("\"{}\"", reply.text()),
        Reply::Array(items) if items.is_empty() => "(empty array)".into(),
        Reply::Array(items) => items
            .iter()
            .zip(1..)
            .map(|(item, n)| format!("{n}) {}", shown(item)))
            .collect::<Vec<_>>()
            .join("\n"),
        other => unreachable!("no page shows such a reply: {other:?}"),
    }
}

/// The words of a command line; one in quotes may have spaces.
fn words(line: &str) -> Vec<&str> {
    let quoted = line.split('"').enumerate();
    quoted
        .flat_map(
            |(n, part)| {
                if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() }
            },
        )
        .collect()
}

/// Runs one example: `name> command`, then its reply, or nothing if the client
/// is parked; `name: reply` when a parked client is released.
fn run(server: &Server, example: &[String]) {
    server.run("FLUSHALL");
    let mut clients: HashMap<String, Client> = HashMap::new();
    let mut lines = example.iter().peekable();
    while let Some(line) = lines.next() {
        if let Some((name, command)) = line.split_once("> ") {
            let client = clients.entry(name.into()).or_insert_with(|| server.client());
            client.send(words(command));
            let names = |line: &str, mark: &str| {
                line.split_once(mark)
                    .is_some_and(|(name, _)| name.chars().all(char::is_alphanumeric))
            };
            let is_reply = |line: &String| !names(line, "> ") && !names(line, ": ");
            let mut expected = Vec::new();
            while let Some(reply) = lines.next_if(|line| is_reply(line)) {
                expected.push(reply.as_str());
            }
            if expected.is_empty() {
                server.wait_parked(client);
            } else {
                assert_eq!(shown(&client.receive()), expected.join("\n"), "{line}");
            }
        } else if let Some((name, expected)) = line.split_once(": ") {
            let client = clients.get_mut(name).expect("a client that is parked");
            assert_eq!(shown(&client.receive()), expected, "{line}");
        } else {
            unreachable!("an example has a line that is neither command nor reply: {line}");
        }
    }
}

#[test]
fn every_example_does_what_it_shows() {
    let server = Server::new();
    for (page, at_least) in [("README.md", 15), ("docs/guarantees.md", 7), ("docs/operating.md", 1)]
    {
        let examples = examples(page);
        assert!(examples.len() >= at_least, "{page} has {}", examples.len());
        for example in &examples {
            run(&server, example);
        }
    }
}

/// The servers of a list in scripts/common.sh: for each kind the versions, the
/// oldest first.
fn servers(lists: &[&str]) -> [Vec<Vec<u32>>; 2] {
    let scripts = text("scripts/common.sh");
    let names = lists.iter().flat_map(|list| {
        let line = scripts.lines().find_map(|line| line.strip_prefix(list)?.strip_prefix("='"));
        line.expect("a list").trim_end_matches('\'').split(' ')
    });
    let mut versions = [Vec::new(), Vec::new()];
    for name in names {
        let (kind, version) = name.split_once('-').expect("a kind and a version");
        let version = version.split('.').map(|n| n.parse().expect("a number")).collect();
        versions[usize::from(kind == "valkey")].push(version);
    }
    versions.iter_mut().for_each(|of_a_kind| of_a_kind.sort());
    versions
}

fn dotted(version: &[u32]) -> String {
    version.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// As in "Redis 7.0, 8.2 and Valkey 9.1".
fn in_words(lists: &[&str]) -> String {
    let [redis, valkey] = servers(lists)
        .map(|versions| versions.iter().map(|it| dotted(it)).collect::<Vec<_>>().join(", "));
    format!("Redis {redis} and Valkey {valkey}")
}

/// Panics unless the text says so, wherever its lines end.
#[track_caller]
fn expect_said(name: &str, what: &str) {
    let words = text(name).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(what), "{name} should say: {what}");
}

#[test]
fn the_servers_that_were_run_are_those_of_the_list() {
    let all = format!("was run on {}.", in_words(&["server_names", "by_hand"]));
    expect_said("README.md", &all);
    expect_said("docs/operating.md", &all);
    expect_said("README.md", &format!("the tests on {} (", in_words(&["server_names"])));
}

#[test]
fn the_oldest_servers_of_the_list_are_those_that_the_module_asks_for() {
    let [redis, valkey] =
        servers(&["server_names", "by_hand"]).map(|versions| dotted(&versions[0]));
    let needs = format!("needs Redis {redis} or newer, or Valkey {valkey} or newer");
    expect_said("border/src/entry.rs", &needs);
    expect_said("README.md", &format!("Redis {redis} and newer and Valkey {valkey} and newer"));
}
