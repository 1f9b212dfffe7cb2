//! The fixture itself, against a plain server.

mod common;

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::*;

/// Long enough for a reply to cross a local socket.
const SHORT: Duration = Duration::from_millis(50);

fn plain() -> Builder {
    Server::builder().without_module()
}

#[test]
fn a_frame_is_decoded_only_when_it_is_whole() {
    let wire = b"*3\r\n$4\r\na\r\nb\r\n%1\r\n+k\r\n_\r\n:-7\r\n";
    for cut in 0..wire.len() {
        let mut part = &wire[..cut];
        assert_eq!(Reply::decode(&mut part), None, "at {cut}");
        assert_eq!(part.len(), cut, "an undecoded frame is left alone");
    }
    let input = [&wire[..], b"+next"].concat();
    let mut rest = input.as_slice();
    let map = Reply::Map(vec![(Reply::Simple("k".into()), Reply::Null)]);
    assert_eq!(Reply::decode(&mut rest), Some(array([bulk("a\r\nb"), map, int(-7)])));
    assert_eq!(rest, b"+next");
}

#[test]
fn every_kind_of_frame_is_told_apart() {
    let frames: [(&str, Reply); 12] = [
        ("+OK\r\n", ok()),
        ("-ERR no\r\n", error("ERR no")),
        ("$2\r\nOK\r\n", bulk("OK")),
        ("$0\r\n\r\n", bulk("")),
        ("$-1\r\n", Reply::NullBulk),
        ("*-1\r\n", Reply::NullArray),
        ("_\r\n", Reply::Null),
        ("*0\r\n", array::<Reply>([])),
        ("~1\r\n#t\r\n", Reply::Set(vec![Reply::Bool(true)])),
        (">1\r\n,inf\r\n", Reply::Push(vec![Reply::Double("inf".into())])),
        ("(123\r\n", Reply::BigNumber("123".into())),
        ("=5\r\ntxt:x\r\n", Reply::Verbatim("txt".into(), b"x".to_vec())),
    ];
    for (wire, reply) in &frames {
        assert_eq!(Reply::decode(&mut wire.as_bytes()).as_ref(), Some(reply));
    }
    for (index, (_, reply)) in frames.iter().enumerate() {
        assert!(frames[index + 1..].iter().all(|(_, other)| other != reply));
    }
}

#[test]
fn a_failed_assertion_shows_the_frame_as_the_wire_does() {
    let reply = array([bulk(b"a\r\n\xff"), Reply::NullBulk, error("ERR no"), array([1, 2])]);
    assert_eq!(format!("{reply:?}"), r#"["a\r\n\xff", $-1, -ERR no, [:1, :2]]"#);
}

#[test]
fn a_command_is_encoded_as_an_array_of_bulks() {
    let command = cmd!["SET", b"\xff", String::from("two words")];
    assert_eq!(encode(&command), b"*3\r\n$3\r\nSET\r\n$1\r\n\xff\r\n$9\r\ntwo words\r\n");
}

#[test]
fn the_two_protocols_have_different_nulls() {
    let server = plain().start();
    let (mut two, mut three) = (server.client(), server.client3());
    assert_eq!(two.run("GET missing"), Reply::NullBulk);
    assert_eq!(two.run("BLPOP missing 0.01"), Reply::NullArray);
    assert_eq!(three.run("GET missing"), Reply::Null);
    assert_eq!(three.run("BLPOP missing 0.01"), Reply::Null);

    two.run("HSET h f 1");
    assert_eq!(two.run("HGETALL h"), array(["f", "1"]));
    assert_eq!(three.run("HGETALL h"), Reply::Map(vec![("f".into(), "1".into())]));
    for client in [&mut two, &mut three] {
        assert_eq!(client.run("HGETALL h").field("f"), &bulk("1"));
    }
}

#[test]
fn a_wait_that_times_out_inside_a_frame_loses_nothing() {
    // A server of one reply, which comes in two parts.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (resume, resumed) = mpsc::channel();
    let peer = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut encode(["CLIENT", "ID"])).unwrap();
        socket.write_all(b":1\r\n$11\r\nhello").unwrap();
        resumed.recv().unwrap();
        socket.write_all(b" world\r\n").unwrap();
    });
    let mut client = Client::connect_tcp(port).unwrap();
    client.nothing_within(SHORT);
    resume.send(()).unwrap();
    assert_eq!(client.receive(), bulk("hello world"));
    client.expect_closed();
    peer.join().unwrap();
}

#[test]
fn a_command_may_be_sent_in_parts_and_several_at_once() {
    let server = plain().tcp().start();
    for mut client in [server.client(), Client::connect_tcp(server.port()).unwrap()] {
        client.send_raw(b"*2\r\n$4\r\nECHO\r\n$2\r\n");
        client.nothing_within(SHORT);
        client.send_raw(b"hi\r\nPING\r\n");
        assert_eq!(client.receive(), bulk("hi"));
        assert_eq!(client.receive(), Reply::Simple("PONG".into()));
        client.send_raw(b"*1\r\n!nonsense\r\n");
        assert!(client.receive().error().starts_with("ERR Protocol error"));
        client.expect_closed();
    }
}

#[test]
fn a_parked_client_stays_silent_until_it_is_released() {
    let server = plain().start();
    let mut first = server.parked("BLPOP list 0");
    let mut second = server.parked("BLPOP list 0");
    server.wait_blocked(2);
    first.nothing_within(SHORT);
    assert_eq!(server.run("RPUSH list x"), int(1));
    assert_eq!(first.receive(), array(["list", "x"]));
    server.wait_parked(&second);
    assert_eq!(server.run(&format!("CLIENT UNBLOCK {}", second.id())), int(1));
    assert_eq!(second.receive(), Reply::NullArray);
    server.wait_blocked(0);
    assert_eq!(server.run(&format!("CLIENT KILL ID {}", second.id())), int(1));
    second.expect_closed();
}

#[test]
fn silence_is_not_mistaken_for_a_reply_nor_a_reply_for_silence() {
    let server = plain().start();
    let mut client = server.parked("BLPOP list 0");
    assert_eq!(client.receive_within(SHORT), None);
    server.run("RPUSH list x");
    let failed = catch_unwind(AssertUnwindSafe(|| client.nothing_within(PATIENCE)));
    let text = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(text.starts_with(r#"expected silence, got ["list", "x"]; last sent: "#), "{text}");
}

#[test]
fn nothing_is_left_of_a_server_whose_test_panicked() {
    let mut seen = None;
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let server = plain().start();
        seen = Some((server.pid(), server.dir().to_owned()));
        panic!("as a failed assertion would");
    }));
    assert!(failed.is_err());
    let (pid, dir) = seen.unwrap();
    assert!(!is_alive(pid));
    assert!(!dir.exists());
}

#[test]
fn nothing_is_left_of_a_server_whose_test_process_is_killed() {
    const CHILD: &str = "LATCH_FIXTURE_CHILD";

    if env::var_os(CHILD).is_some() {
        let server = plain().start();
        println!("server {}", server.pid());
        // It is killed before this ends, and nothing is dropped.
        let _ = io::stdin().read(&mut [0]);
        return;
    }
    // What it cannot remove any more is removed with this.
    let dir = temp_dir();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("nothing_is_left_of_a_server_whose_test_process_is_killed")
        .env(CHILD, "1")
        .env("TMPDIR", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The name of the test may stand before it.
    let pid = lines.find_map(|line| {
        let line = line.unwrap();
        line.split_once("server ")?.1.parse::<u32>().ok()
    });
    let pid = pid.expect("the id of a server");
    assert!(is_alive(pid));
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the server to end", PATIENCE, || (!is_alive(pid)).then_some(()));
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let numbers = |seed| {
        let mut random = Random::new(seed);
        let mut order: Vec<_> = (0..100).collect();
        random.shuffle(&mut order);
        (order, random.bytes(100), random.below(1 << 40), random.once_in(2))
    };
    assert_eq!(numbers(7), numbers(7));
    assert_ne!(numbers(7), numbers(8));
}

#[test]
fn a_crash_keeps_what_the_append_only_file_has() {
    let mut server = plain().config("appendonly", "yes").config("appendfsync", "always").start();
    let mut client = server.client();
    client.run("SET k v");
    let digest = server.digest();
    let pid = server.pid();
    server.kill9();
    client.expect_closed();
    assert!(!is_alive(pid));
    server.start_again();
    assert_eq!(server.run("GET k"), bulk("v"));
    assert_eq!(server.digest(), digest);
}

#[test]
fn a_restart_keeps_what_the_configuration_says() {
    let mut server = plain().start();
    server.run("SET k v");
    server.restart();
    assert_eq!(server.run("GET k"), Reply::NullBulk);
    assert_eq!(server.client().call(["CONFIG", "SET", "save", "3600 1"]), ok());
    assert_eq!(server.run("CONFIG REWRITE"), ok());
    server.run("SET k v");
    server.restart();
    assert_eq!(server.run("GET k"), bulk("v"));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let failed = catch_unwind(|| plain().config("nonsense", "1").start());
    assert!(failed.is_err());

    let mut server = plain().config("dbfilename", "bad.rdb").prepare();
    let file = server.dir().join("bad.rdb");
    fs::write(&file, "this is not a snapshot").unwrap();
    assert!(server.refuses_to_start().contains("Wrong signature"));
    fs::remove_file(file).unwrap();
    server.start_again();
    assert_eq!(server.run("DBSIZE"), int(0));
}

#[test]
fn a_replica_catches_up() {
    let master = plain().tcp().start();
    master.run("SET before 1");
    let early = plain().replica_of(&master).start();
    early.wait_in_sync(&master);
    let late = plain().start();
    late.replicate(&master);
    late.wait_in_sync(&master);
    master.run("SET after 1");
    for replica in [&early, &late] {
        replica.wait_in_sync(&master);
        assert_eq!(replica.digest(), master.digest());
        assert_eq!(replica.info("role"), "slave");
    }
}

#[test]
fn the_stream_shows_exactly_what_is_propagated() {
    let server = plain().start();
    server.run("SET before 1");
    let mut stream = Stream::open(&server);
    assert_eq!(stream.so_far(), Vec::<Vec<String>>::new());
    let mut client = server.client();
    client.run("SET k 3 PXAT 99999999999999");
    client.run("GET k");
    client.run("MULTI");
    client.run("INCR k");
    client.call(["APPEND", "k", "two words"]);
    client.run("EXEC");
    assert_eq!(
        stream.so_far(),
        [
            vec!["SET", "k", "3", "PXAT", "99999999999999"],
            vec!["MULTI"],
            vec!["INCR", "k"],
            vec!["APPEND", "k", "two words"],
            vec!["EXEC"],
        ]
    );

    let mut stream = Stream::open(&server).including("SELECT");
    client.run("SELECT 5");
    client.run("SET k 4");
    assert_eq!(stream.next_command(), ["SELECT", "5"]);
    assert_eq!(stream.next_command(), ["SET", "k", "4"]);
}

#[test]
fn events_come_in_order_and_none_is_missed() {
    let server = plain().start();
    let (mut events, mut stream) = (Events::open(&server), Stream::open(&server));
    assert!(events.so_far().is_empty());
    server.run("SET k 1");
    server.run("RENAME k l");
    server.run("DEL l l");
    assert_eq!(events.so_far(), ["set k", "rename_from k", "rename_to l", "del l"]);
    assert_eq!(stream.so_far().len(), 3, "the marks of others are left out");
}

#[test]
fn the_server_is_named_by_its_own_version() {
    let server = plain().start();
    assert!(server.version() >= (7, 0, 0));
    assert_eq!(server.is_valkey(), server.log().contains("Valkey"));
    assert!(server.log().contains("Server initialized"));
    assert!(Path::new(&server.info("config_file")).starts_with(server.dir()));
}
