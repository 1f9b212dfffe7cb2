//! What a server says about itself, and waiting until it says so.

use std::time::Duration;

use super::client::Client;
use super::resp::Reply;
use super::server::Server;
use super::{PATIENCE, eventually};

impl Server {
    /// Waits until `client` is parked.
    #[track_caller]
    pub fn wait_parked(&self, client: &Client) {
        let (mut observer, id) = (self.client(), client.id());
        let is_parked = || {
            let list = observer.run(&format!("CLIENT LIST ID {id}")).text();
            let flags = list.split(' ').find_map(|field| field.strip_prefix("flags="))?;
            flags.contains('b').then_some(())
        };
        eventually(&format!("client {id} to be parked"), PATIENCE, is_parked);
    }

    /// Waits until exactly `count` clients are parked.
    #[track_caller]
    pub fn wait_blocked(&self, count: usize) {
        let (mut observer, count) = (self.client(), count.to_string());
        let is_so = || (field(&mut observer, "blocked_clients")? == count).then_some(());
        eventually(&format!("{count} clients to be parked"), PATIENCE, is_so);
    }

    /// Waits until this replica has applied everything that `master` has
    /// propagated so far.
    #[track_caller]
    pub fn wait_in_sync(&self, master: &Server) {
        let (mut here, mut there) = (self.client(), master.client());
        let is_so = || {
            let sent = field(&mut there, "master_repl_offset")?;
            let is_up = field(&mut here, "master_link_status")? == "up";
            (is_up && field(&mut here, "slave_repl_offset")? == sent).then_some(())
        };
        eventually("the replica to be in sync", PATIENCE, is_so);
    }

    /// The value of a field of INFO, in any section; panics if there is none.
    #[track_caller]
    pub fn info(&self, name: &str) -> String {
        match field(&mut self.client(), name) {
            Some(value) => value,
            None => panic!("no field {name} in INFO"),
        }
    }

    /// The processor time that it has used.
    #[track_caller]
    pub fn processor_time(&self) -> Duration {
        let seconds = |name| self.info(name).parse::<f64>().expect("a number");
        Duration::from_secs_f64(seconds("used_cpu_user") + seconds("used_cpu_sys"))
    }

    /// The digest of all data: equal data, equal digest.
    #[track_caller]
    pub fn digest(&self) -> String {
        self.run("DEBUG DIGEST").text()
    }

    /// Is this Valkey, not Redis?
    pub fn is_valkey(&self) -> bool {
        field(&mut self.client(), "valkey_version").is_some()
    }

    /// The version of the server; of Valkey its own, not the one of Redis it
    /// claims to be.
    pub fn version(&self) -> (u32, u32, u32) {
        let name = if self.is_valkey() { "valkey_version" } else { "redis_version" };
        let version = self.info(name);
        let mut numbers =
            version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
        let mut next = || numbers.next().unwrap_or(0);
        (next(), next(), next())
    }
}

impl Client {
    /// The time by the server's clock, in Unix ms.
    #[track_caller]
    pub fn time(&mut self) -> i64 {
        let time = self.run("TIME");
        let number = |reply: &Reply| reply.text().parse::<i64>().expect("a number");
        let [seconds, micros] = time.items() else { panic!("TIME has two parts: {time:?}") };
        number(seconds) * 1000 + number(micros) / 1000
    }
}

/// The value of a field of INFO.
fn field(client: &mut Client, name: &str) -> Option<String> {
    let info = client.run("INFO everything").text();
    info.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned()))
}
