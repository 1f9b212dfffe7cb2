//! Rules of the source that no compiler knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The longest that a file may be, in lines.
const LONGEST: usize = 500;

/// Every Rust file below a folder of the project.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no Rust file");
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tokens of a file, and in place of each group its delimiters and what is in it.
/// Comments are no tokens.
fn tokens(path: &Path) -> Vec<TokenTree> {
    fn flatten(stream: TokenStream, flat: &mut Vec<TokenTree>) {
        for token in stream {
            flat.push(token.clone());
            if let TokenTree::Group(group) = token {
                flatten(group.stream(), flat);
            }
        }
    }
    let mut flat = Vec::new();
    flatten(read(path).parse().expect("Rust"), &mut flat);
    flat
}

/// The top-level modules of the module that a file names: `latch` in `crate::latch::Round`.
fn names_of_modules(path: &Path) -> BTreeSet<String> {
    let tokens: Vec<_> = tokens(path).iter().map(ToString::to_string).collect();
    let paths = tokens.windows(4).filter(|it| it[0] == "crate" && it[1] == ":" && it[2] == ":");
    paths.map(|it| it[3].clone()).collect()
}

/// The top-level module that a file of `src` is in.
fn module_of(path: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(src).expect("a file of src").iter().next().expect("its name");
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

#[test]
fn no_file_is_too_long_to_be_read_at_one_go() {
    for path in ["src", "border/src", "tests", "benches"].into_iter().flat_map(files) {
        let lines = read(&path).lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", path.display());
    }
}

#[test]
fn what_the_documentation_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_docs = fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.unwrap().path());
    let others = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name));
    let mut seen = 0;
    for path in in_docs.chain(others).filter(|it| it.extension().is_some_and(|it| it == "md")) {
        let text = read(&path);
        // Between backticks: every second part.
        for name in text.split('`').skip(1).step_by(2) {
            let folder = name.split('/').next().expect("a part");
            let is_path = name.contains('/') && root.join(folder).is_dir();
            if is_path && !name.contains([' ', '*', '<', '…']) && folder != "target" {
                assert!(root.join(name).exists(), "{} names {name}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} were found");
}

#[test]
fn no_module_needs_one_that_needs_it() {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in files("src") {
        let module = module_of(&path);
        let others = names_of_modules(&path).into_iter().filter(|other| *other != module);
        needs.entry(module.clone()).or_default().extend(others);
    }
    assert!(needs["commands"].contains("lot") && needs["lot"].contains("latch"), "{needs:?}");
    // Takes away, again and again, what needs nothing that is left.
    while !needs.is_empty() {
        let left: BTreeSet<_> = needs.keys().cloned().collect();
        needs.retain(|_, needed| needed.iter().any(|module| left.contains(module)));
        assert!(needs.len() < left.len(), "these go in circles: {needs:?}");
    }
}

/// Whether a body is a call of `guarded` or `or_abort`, and nothing else.
fn is_guarded(body: &Group) -> bool {
    let mut body = body.stream().into_iter();
    let name = body.next().map(|token| token.to_string());
    let call = matches!(body.next(), Some(TokenTree::Group(_)));
    let rest: Vec<_> = body.map(|token| token.to_string()).collect();
    matches!(name.as_deref(), Some("guarded" | "or_abort"))
        && call
        && (rest.is_empty() || rest == [";"])
}

#[test]
fn every_function_that_the_server_calls_is_guarded_against_panics() {
    let mut seen = 0;
    for path in files("border/src") {
        let tokens = tokens(&path);
        for (at, token) in tokens.iter().enumerate() {
            let is = |ahead: usize, text: &str| tokens[at + ahead].to_string() == text;
            // `extern "C" fn name`; one without a name is a type.
            let is_callback = token.to_string() == "extern"
                && is(2, "fn")
                && matches!(tokens[at + 3], TokenTree::Ident(_));
            let is_entry = token.to_string() == "fn" && is(1, "on_load");
            if !is_callback && !is_entry {
                continue;
            }
            // The first block after the name is the body; its tokens follow those of the
            // arguments.
            let body = tokens[at..].iter().find_map(|token| match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                _ => None,
            });
            // What the macro `module` defines hands all to `on_load`, or is a number.
            let is_exported =
                ["RedisModule_OnLoad", "RedisModule_OnUnload"].map(|name| is(3, name));
            let body = body.expect("a body");
            let is_safe = is_exported.contains(&true) || is_guarded(body);
            assert!(is_safe, "{}: {body}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} were found");
}
