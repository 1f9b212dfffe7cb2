//! Who may use which command on which keys.

mod common;

use std::fs;

use common::*;

/// What a user needs to run a command.
struct Needs {
    /// A use of it, on `job:1`.
    line: &'static str,
    /// Any of these categories.
    categories: &'static [&'static str],
    /// To read the key, and to write it.
    read: bool,
    write: bool,
}

const fn needs(line: &'static str, categories: &'static [&'static str], keys: &str) -> Needs {
    let (read, write) = match keys.as_bytes() {
        b"R" => (true, false),
        b"W" => (false, true),
        b"RW" => (true, true),
        _ => (false, false),
    };
    Needs { line, categories, read, write }
}

/// Every command of the module.
const COMMANDS: [Needs; 14] = [
    needs("LATCH.SET job:1 5", &["write", "fast"], "W"),
    needs("LATCH.COUNTDOWN job:1", &["write", "fast"], "RW"),
    needs("LATCH.AWAIT job:1 0.01", &["read", "slow", "blocking"], "R"),
    needs("LATCH.AWAITALL 0.01 2 job:1 job:2", &["read", "slow", "blocking"], "R"),
    needs("LATCH.AWAITANY 0.01 1 job:1", &["read", "slow", "blocking"], "R"),
    needs("LATCH.ARRIVE job:1 0.01 ID a", &["write", "slow", "blocking"], "RW"),
    needs("LATCH.ADD job:1 1", &["write", "fast"], "RW"),
    needs("LATCH.ABORT job:1", &["write", "fast"], "RW"),
    needs("LATCH.GET job:1", &["read", "fast"], "R"),
    needs("LATCH.INFO job:1", &["read", "fast"], "R"),
    needs("LATCH.ARRIVED job:1", &["read", "slow"], "R"),
    needs("LATCH.PENDING job:1", &["read", "slow"], "R"),
    needs("LATCH.WAITERS", &["admin", "dangerous", "slow"], ""),
    needs("LATCH.HELP", &["slow"], ""),
];

/// Categories to be looked at; the last ones have none of our commands.
const CATEGORIES: [&str; 9] =
    ["read", "write", "fast", "slow", "blocking", "admin", "dangerous", "keyspace", "connection"];

/// A server with a user under test.
struct Guarded {
    server: Server,
    witness: Witness,
}

impl Guarded {
    fn new() -> Guarded {
        let server = Server::new();
        let witness = Witness::open(&server);
        Guarded { server, witness }
    }

    /// Checks which of the commands a user with these rules may run.
    fn check<'a>(&mut self, rules: &str, commands: impl IntoIterator<Item = (&'a str, bool)>) {
        let server = &self.server;
        let words = ["ACL", "SETUSER", "someone", "reset", "on", "nopass"];
        let setting = server.client().call(words.into_iter().chain(rules.split(' ')));
        assert_eq!(setting, ok(), "{rules}");
        for (command, allowed) in commands {
            server.run("LATCH.SET job:1 5 EX 1000");
            server.run("LATCH.SET other 5");
            let mut client = server.client();
            assert_eq!(client.run("AUTH someone secret"), ok());
            match self.witness.see("job:1", || client.run(command)) {
                (Reply::Error(text), seen) => {
                    assert!(text.starts_with("NOPERM "), "{rules}: {command}: {text}");
                    assert!(!allowed, "{rules} should allow {command}: {text}");
                    assert_eq!(seen, Seen::default(), "{rules}: {command}");
                }
                (reply, _) => assert!(allowed, "{rules} should not allow {command}: {reply:?}"),
            }
        }
    }
}

#[test]
fn categories_hold_the_commands() {
    let server = Server::new();
    let are_listed = server.lists_module_categories();
    for category in CATEGORIES {
        let members = server.run(&format!("ACL CAT {category}"));
        let members = members.items().iter().map(|name| name.text());
        let mut found: Vec<_> = members.filter(|name| name.starts_with("latch")).collect();
        let ours = COMMANDS.iter().filter(|known| known.categories.contains(&category));
        let ours = ours.filter(|_| are_listed);
        let mut expected: Vec<_> =
            ours.map(|known| known.line.split(' ').next().unwrap().to_lowercase()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{category}");
    }
}

#[test]
fn a_category_allows_its_commands() {
    let mut guarded = Guarded::new();
    let has_categories = guarded.server.has_module_categories();
    for category in CATEGORIES {
        let commands = COMMANDS.iter().map(|known| {
            let allowed = has_categories && known.categories.contains(&category);
            (known.line, allowed)
        });
        guarded.check(&format!("-@all +@{category} ~*"), commands);
    }
}

#[test]
fn a_user_may_be_allowed_one_command_on_some_keys() {
    Guarded::new().check(
        "-@all +latch.countdown ~job:*",
        [
            ("LATCH.COUNTDOWN job:1", true),
            ("LATCH.COUNTDOWN job:1 5", true),
            ("LATCH.COUNTDOWN job:none", true),
            ("LATCH.COUNTDOWN other", false),
            ("LATCH.COUNTDOWN job", false),
            ("LATCH.SET job:1 5", false),
            ("LATCH.AWAIT job:1 0.01", false),
            ("LATCH.GET job:1", false),
            ("DEL job:1", false),
        ],
    );
}

#[test]
fn key_permissions_go_by_what_a_command_does_with_its_key() {
    let mut guarded = Guarded::new();
    for (keys, read, write) in [
        ("%R~job:*", true, false),
        ("%W~job:*", false, true),
        ("%RW~job:*", true, true),
        ("~job:*", true, true),
        ("~other", false, false),
        ("%R~job:* %W~other", true, false),
    ] {
        let commands =
            COMMANDS.iter().map(|known| (known.line, known.read <= read && known.write <= write));
        guarded.check(&format!("+@all {keys}"), commands);
    }
}

#[test]
fn of_several_keys_all_must_be_allowed() {
    Guarded::new().check(
        "+@all %R~job:1 %R~job:3",
        [
            ("LATCH.AWAITANY 0.01 1 job:1", true),
            ("LATCH.AWAITANY 0.01 2 job:1 job:3", true),
            ("LATCH.AWAITANY 0.01 2 job:1 job:2", false),
            ("LATCH.AWAITALL 0.01 3 job:2 job:1 job:3", false),
            ("LATCH.AWAITALL 0.01 1 job:2 MISSING WAIT", false),
        ],
    );
}

/// The lines of the manual that make users.
fn users_of_the_manual() -> Vec<&'static str> {
    let manual = include_str!("../docs/operating.md");
    manual.lines().filter(|line| line.starts_with("ACL SETUSER ")).collect()
}

#[test]
fn the_users_of_the_manual_may_do_their_job_and_nothing_else() {
    let server = Server::new();
    let lines = users_of_the_manual();
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert_eq!(server.run(line), ok(), "{line}");
    }
    for (user, allowed, refused) in [
        (
            "worker",
            &[
                "LATCH.COUNTDOWN job:1",
                "LATCH.COUNTDOWN job:1 ID a",
                "LATCH.ADD job:1 1 ID b",
                "LATCH.INFO job:1",
                "LATCH.ABORT job:2",
                "WAIT 0 1",
            ][..],
            ["LATCH.SET job:1 9", "LATCH.AWAIT job:1 1", "LATCH.COUNTDOWN other", "CLIENT LIST"],
        ),
        (
            "waiter",
            &["LATCH.AWAIT job:1 0.01", "LATCH.GET job:1", "HELLO 3", "PING"],
            [
                "LATCH.COUNTDOWN job:1",
                "LATCH.AWAIT other 1",
                "LATCH.ARRIVE job:1 1 ID a",
                "DEL job:1",
            ],
        ),
        (
            "planner",
            &[
                "LATCH.SET job:3 1",
                "LATCH.ADD job:1 1",
                "LATCH.INFO job:1",
                "MULTI",
                "LATCH.COUNTDOWN job:1",
                "EXEC",
                "WAIT 0 1",
                "SELECT 0",
            ],
            ["LATCH.ABORT job:1", "LATCH.SET other 1", "DEL job:1", "LATCH.WAITERS"],
        ),
    ] {
        server.run("LATCH.SET job:1 9");
        server.run("LATCH.SET job:2 9");
        let mut client = server.client();
        assert_eq!(client.run(&format!("AUTH {user} secret")), ok());
        for line in allowed {
            let reply = client.run(line);
            assert!(!matches!(reply, Reply::Error(_)), "{user}: {line}: {reply:?}");
        }
        for line in refused {
            let reply = client.run(line);
            assert!(reply.error().starts_with("NOPERM "), "{user}: {line}: {reply:?}");
        }
    }
}

/// A server that has its users in a file, with a user `guest` of these rules.
fn server_with_guest(rules: &str) -> Server {
    let mut server = Server::builder().config("aclfile", "users.acl").prepare();
    write_guest(&server, rules);
    server.start_again();
    server
}

/// Writes the file of users.
fn write_guest(server: &Server, rules: &str) {
    let users = format!("user default on nopass ~* &* +@all\nuser guest on nopass {rules}\n");
    fs::write(server.dir().join("users.acl"), users).expect("writing the users");
}

/// Takes from a user what a wait needs, while it is parked: another key, or the
/// command. `change` is told the new rules.
fn who_is_parked_loses(change: impl Fn(&Server, &str), stays: bool) {
    const ALL: &str = "~* +@all";

    for rules in ["~other +@all", "~* +@all -latch.await -blpop"] {
        let server = server_with_guest(ALL);
        server.run("LATCH.SET k 1");
        let guest = |line: &str| {
            let mut client = server.client();
            assert_eq!(client.run("AUTH guest x"), ok());
            client.send_line(line);
            server.wait_parked(&client);
            client
        };
        let (mut waiter, mut other) = (guest("LATCH.AWAIT k 0"), guest("BLPOP list 0"));
        change(&server, rules);
        if !stays {
            waiter.expect_closed();
            other.expect_closed();
            server.wait_blocked(0);
            continue;
        }
        server.wait_parked(&waiter);
        assert_eq!(server.run("LATCH.COUNTDOWN k"), int(0));
        server.run("RPUSH list x");
        // It was allowed to wait when it asked.
        assert_eq!(waiter.receive(), ok(), "{rules}");
        let reply = other.receive();
        match server.checks_permissions_again() {
            true => assert!(reply.error().starts_with("NOPERM "), "{reply:?}"),
            false => assert_eq!(reply, array([bulk("list"), bulk("x")])),
        }
        let again = waiter.run("LATCH.AWAIT k 0");
        assert!(again.error().starts_with("NOPERM "), "{rules}: {again:?}");
    }
}

#[test]
fn a_parked_client_that_loses_its_key_or_command_hears_of_the_opening_still() {
    let change = |server: &Server, rules: &str| {
        let line = format!("ACL SETUSER guest resetkeys {rules}");
        assert_eq!(server.run(&line), ok());
    };
    who_is_parked_loses(change, true);
}

#[test]
fn so_it_does_if_the_users_are_loaded_again_unless_the_server_closes_it() {
    let stays = Server::new().keeps_clients_at_acl_load();
    let change = |server: &Server, rules: &str| {
        write_guest(server, rules);
        assert_eq!(server.run("ACL LOAD"), ok());
    };
    who_is_parked_loses(change, stays);
}
