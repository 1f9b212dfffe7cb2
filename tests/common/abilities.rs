//! What some servers cannot do: the one place that names them.
//!
//! A test that stands on one of these asks for it, and expects less where it is
//! not there. All of it is the server's own; nothing here excuses the module.

use super::resp::{Reply, ok};
use super::server::Server;

impl Server {
    /// Does the server have this command? Says so if not.
    pub fn has_command(&self, command: &str) -> bool {
        let reply = self.client().call(["COMMAND", "INFO", command]);
        let known = matches!(reply.items()[0], Reply::Array(_));
        if !known {
            println!("this server has no {command}: nothing to test");
        }
        known
    }

    /// Are there ACL categories for commands of modules? Not on Redis 7.0.
    pub fn has_module_categories(&self) -> bool {
        self.version() >= (7, 2, 0)
    }

    /// Does `ACL CAT <category>` name commands of modules? Not on Redis before
    /// 8.0 and Valkey before 8.1, though their rules go by these categories.
    pub fn lists_module_categories(&self) -> bool {
        self.version() >= if self.is_valkey() { (8, 1, 0) } else { (8, 0, 0) }
    }

    /// Does a client that is released and sent away in one go (`CLIENT UNBLOCK …
    /// ERROR`, `REPLICAOF`) get one reply? On Redis 7.0, 7.2 and Valkey 7.2 it gets
    /// both.
    pub fn unblocks_once(&self) -> bool {
        self.version() >= (7, 4, 0)
    }

    /// Does `ACL LOAD` keep the connections of users whose rules it has changed? Redis
    /// 7.0, 7.2 and Valkey 7.2 close them.
    pub fn keeps_clients_at_acl_load(&self) -> bool {
        self.version() >= (7, 4, 0)
    }

    /// Is a blocked client of `BLPOP` asked for its permissions again when it is its
    /// turn? Not on Redis 7.0.
    pub fn checks_permissions_again(&self) -> bool {
        self.version() >= (7, 2, 0)
    }

    /// Does a blocking command that comes during `CLIENT PAUSE … ALL` time out after
    /// it? Redis 7.4, 8.0 and Valkey 8.0 to 8.1.1 forget its timeout.
    pub fn counts_timeouts_after_a_pause(&self) -> bool {
        let forgets = match self.is_valkey() {
            true => (8, 0, 0)..(8, 1, 2),
            false => (7, 4, 0)..(8, 2, 0),
        };
        !forgets.contains(&self.version())
    }

    /// Does a server live on if a module deletes a key in the event `new` of that key?
    /// Redis 7.0 does not, whatever has made the key, `SET` among them.
    pub fn survives_deletions_of_new_keys(&self) -> bool {
        self.version() >= (7, 2, 0)
    }

    /// Does it survive `MODULE LOADEX … CONFIG` with a setting that the module does not have?
    /// Redis 7.2, 7.4 and Valkey do not, whatever the module.
    pub fn survives_unknown_settings(&self) -> bool {
        !self.is_valkey() && !((7, 2, 0)..(8, 0, 0)).contains(&self.version())
    }

    /// Does it count the turns of its event loop? Redis 7.0 does not.
    pub fn counts_turns(&self) -> bool {
        self.version() >= (7, 2, 0)
    }

    /// Does the module let itself be told of expiries? Not by Valkey 8.1 and newer,
    /// some of which leave a client in another database for that.
    pub fn tells_of_expiries(&self) -> bool {
        !self.is_valkey() || self.version() < (8, 1, 0)
    }

    /// Does a module's command park a RESP3 connection that has a subscription?
    /// Valkey 8.1.1 and newer do not.
    pub fn parks_subscribers(&self) -> bool {
        !self.is_valkey() || self.version() < (8, 1, 1)
    }

    /// Does the server survive `CLIENT UNBLOCK` of a client that waits for its
    /// flush? Redis 7.4.1 and 8.0.2 take it for a bug of their own and end.
    pub fn may_unblock_a_flush(&self) -> bool {
        self.is_valkey() || !((7, 4, 0)..(8, 2, 0)).contains(&self.version())
    }

    /// Can it defragment its memory? Servers that were built with libc's malloc or
    /// with a shared jemalloc must say that they cannot, and so does this. Redis
    /// 7.2.4 and 7.4.1 move a fifth of what they should, strings or latches, and go
    /// on for ever without finding the rest.
    #[track_caller]
    pub fn defragments(&self) -> bool {
        let gets_stuck = !self.is_valkey() && ((7, 2, 0)..(8, 0, 0)).contains(&self.version());
        match self.run("CONFIG SET activedefrag yes") {
            Reply::Error(text) => {
                let refused = "Active defragmentation cannot be enabled: it requires a";
                assert!(text.contains(refused), "{text}");
                eprintln!("this server was not built to defragment: nothing else to check");
                false
            }
            reply => {
                assert_eq!(reply, ok());
                assert_eq!(self.run("CONFIG SET activedefrag no"), ok());
                !gets_stuck
            }
        }
    }

    /// Is it the C library that allocates its memory? So it is where the server
    /// was built without jemalloc.
    pub fn has_libc_malloc(&self) -> bool {
        self.info("mem_allocator") == "libc"
    }

    /// Is `MEMORY USAGE` right? Redis 8.6.2 and 8.10.2 with libc's malloc count
    /// of a string what was asked for, not what was given, and ask malloc for the
    /// size of a module's key at an address that it has not given, if the key has
    /// a time to live: the answer is nonsense, or the server crashes.
    pub fn knows_what_a_key_takes(&self) -> bool {
        self.is_valkey() || self.version() < (8, 6, 0) || !self.has_libc_malloc()
    }
}
