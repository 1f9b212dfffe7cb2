//! `LATCH.HELP`

use std::ffi::{CStr, CString};

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Kind, Spec};
use border::string::Str;

use super::COMMANDS;
use crate::args::Args;
use crate::error::Error;

/// Returns what the commands are.
#[derive(Debug)]
pub(crate) struct Help;

impl Command for Help {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.help",
        flags: c"allow-loading allow-stale",
        categories: c"slow",
        summary: c"Print this help.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: 1,
        keys: KeyUse::NONE,
        args: &[],
    };

    fn run(_call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        Args::new(args).finish()?;
        let first = "LATCH.<command> [<arg> [value] [opt] ...]. Commands are:".into();
        let lines = COMMANDS.iter().flat_map(|command| entry(command.spec));
        let line = |line: String| Reply::Line(CString::new(line).unwrap_or_default());
        Ok(Reply::Array([first].into_iter().chain(lines).map(line).collect()))
    }
}

/// What comes before all lines of an entry but the first.
const INDENT: &str = "    ";

/// A command, as the `HELP` of core's commands shows one: its syntax, and what it does,
/// indented.
fn entry(spec: &Spec) -> Vec<String> {
    let name = text(spec.name).rsplit('.').next().unwrap_or_default().to_uppercase();
    let mut lines = wrap(name, spec.args.iter().flat_map(pieces));
    let mut words = text(spec.summary).split(' ').map(str::to_owned);
    let first = format!("{INDENT}{}", words.next().unwrap_or_default());
    lines.extend(wrap(first, words));
    lines
}

/// A line and all that goes on with it, in lines of no more than 78 letters, if that can
/// be.
fn wrap(first: String, more: impl Iterator<Item = String>) -> Vec<String> {
    const WIDTH: usize = 78;

    let (mut lines, mut line) = (Vec::new(), first);
    for part in more {
        if line.len() + 1 + part.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("{INDENT}{part}")));
        } else {
            line = format!("{line} {part}");
        }
    }
    lines.push(line);
    lines
}

/// The syntax of an argument, in pieces between which a line may end.
fn pieces(arg: &Arg) -> Vec<String> {
    syntax(arg).replace(" | ", "\n| ").lines().map(str::to_owned).collect()
}

/// An argument: `<name>`, `WORD <name>`, `A | B`, in brackets if it may be left out.
fn syntax(arg: &Arg) -> String {
    let value = match arg.kind {
        Kind::Word => None,
        Kind::OneOf(choices) => Some(choices.iter().map(syntax).collect::<Vec<_>>().join(" | ")),
        _ => Some(format!("<{}>", text(arg.name))),
    };
    let word = arg.word.map(|word| text(word).to_owned());
    let mut shown = word.into_iter().chain(value.clone()).collect::<Vec<_>>().join(" ");
    if arg.is_repeated {
        // The word comes once.
        shown = format!("{shown} [{} ...]", value.unwrap_or_default());
    }
    if arg.is_optional { format!("[{shown}]") } else { shown }
}

fn text(text: &'static CStr) -> &'static str {
    text.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_shown_as_core_shows_it() {
        const CHOICES: &[Arg] =
            &[Arg::word(c"a", c"A"), Arg::new(c"seconds", Kind::Integer).after(c"B")];

        for (arg, shown) in [
            (Arg::new(c"key", Kind::Key), "<key>"),
            (Arg::new(c"key", Kind::Key).repeated(), "<key> [<key> ...]"),
            (Arg::new(c"reason", Kind::String).optional(), "[<reason>]"),
            (Arg::new(c"id", Kind::String).after(c"ID").optional(), "[ID <id>]"),
            (Arg::new(c"id", Kind::String).after(c"ID").repeated(), "ID <id> [<id> ...]"),
            (Arg::new(c"choice", Kind::OneOf(CHOICES)).optional(), "[A | B <seconds>]"),
            (Arg::new(c"choice", Kind::OneOf(CHOICES)).after(c"C"), "C A | B <seconds>"),
        ] {
            assert_eq!(syntax(&arg), shown);
        }
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        for line in COMMANDS.iter().flat_map(|command| entry(command.spec)) {
            assert!(line.len() <= 78, "{line}");
        }
    }
}
