//! Libraries that a test makes for a server to load.

use std::env::{self, consts};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The module of `modules/caller.rs`, which calls commands on behalf of a client.
#[track_caller]
pub fn caller() -> String {
    example("caller")
}

/// Our module, with the command that panics. Cargo gives it the name of the one
/// without: so it is built in a folder of its own, or it would take its place.
#[track_caller]
pub fn faulty() -> String {
    // Nobody debugs it, and all it depends on is there twice.
    let small = ["--config", "profile.dev.debug=0"];
    let what = ["--lib", "--features", "fault-injection"];
    build(&target().join("faulty"), &[what.as_slice(), &small].concat(), "latch")
}

/// An example of this package.
#[track_caller]
pub(super) fn example(name: &str) -> String {
    build(&target(), &["--example", name], &format!("examples/{name}"))
}

/// Builds a library of this package with cargo, and answers with its path.
#[track_caller]
fn build(target: &Path, what: &[&str], library: &str) -> String {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--target-dir"])
        .arg(target)
        .args(what)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo");
    assert!(built.success(), "cargo build {}", what.join(" "));
    let mut path = target.join("debug").join(library);
    let name = path.file_name().expect("a name").to_str().expect("a name in UTF-8");
    path.set_file_name(format!("{}{name}{}", consts::DLL_PREFIX, consts::DLL_SUFFIX));
    path.into_os_string().into_string().expect("a path in UTF-8")
}

/// The folder that cargo builds in.
fn target() -> PathBuf {
    // <target>/<profile>/deps/<this test>
    let test = env::current_exe().expect("the path of this test");
    test.ancestors().nth(3).expect("the folder cargo builds in").to_owned()
}
