//! Every example of the README, run as it stands.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use common::{Client, Reply, Server};

/// The lines of every block of the README that is marked as `redis`.
fn examples() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).expect("a README");
    let mut examples = Vec::new();
    let mut lines = readme.lines();
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
        other => unreachable!("the README shows no such reply: {other:?}"),
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
fn every_example_of_the_readme_does_what_it_shows() {
    let server = Server::new();
    let examples = examples();
    assert!(examples.len() >= 6, "the README has {}", examples.len());
    for example in &examples {
        run(&server, example);
    }
}
