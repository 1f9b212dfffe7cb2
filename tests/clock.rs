//! The wall clock of the server is set back or forward while clients wait.

mod common;

use std::time::Duration;

use common::*;

fn server_with_a_clock() -> Server {
    Server::builder().with_clock().start()
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "the clock of a server can be set on Linux only")]
fn a_clock_is_set_for_one_server_and_stays_so() {
    let (mut server, other) = (server_with_a_clock(), server_with_a_clock());
    let hour = Duration::from_secs(3600);
    // What it is ahead of the other, in whole seconds.
    let ahead = |server: &Server| {
        let before = other.client().time();
        let time = server.client().time();
        let after = other.client().time();
        assert!(before <= after);
        (time - after).div_euclid(1000)..=(time - before).div_euclid(1000)
    };
    assert!(ahead(&server).contains(&0));
    server.set_clock_back(hour);
    assert!(ahead(&server).contains(&-3600));
    server.restart();
    assert!(ahead(&server).contains(&-3600));
    server.set_clock_forward(2 * hour);
    assert!(ahead(&server).contains(&3600));
    // It goes by the same clock itself.
    eventually("an uptime of more than an hour", PATIENCE, || {
        let uptime: u64 = server.info("uptime_in_seconds").parse().expect("a number");
        (uptime >= 3600).then_some(())
    });
}
