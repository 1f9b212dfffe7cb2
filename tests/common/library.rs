//! Libraries that a test makes for a server to load.

use std::env;
use std::process::Command;

/// The module of `modules/caller.rs`, which calls commands on behalf of a client.
#[track_caller]
pub fn caller() -> String {
    build(&["--example", "caller"], "debug/examples/caller")
}

/// Builds a library of this package with cargo, and answers with its path.
#[track_caller]
pub fn build(what: &[&str], library: &str) -> String {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet"])
        .args(what)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo");
    assert!(built.success(), "cargo build {}", what.join(" "));
    // <target>/<profile>/deps/<this test>
    let test = env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(3).expect("the folder cargo builds in");
    let (prefix, suffix) = (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let (folder, name) = library.rsplit_once('/').expect("a folder");
    let path = target.join(folder).join(format!("{prefix}{name}{suffix}"));
    path.to_str().expect("a path in UTF-8").to_owned()
}
