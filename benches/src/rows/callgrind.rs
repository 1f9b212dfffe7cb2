//! What callgrind has counted, of one object of a process.
//!
//! Its format: `ob=` and `fn=` say of what the lines of cost are that follow, and
//! `cob=`, `cfn=` and `calls=` what it calls, with the cost of those calls in the
//! line after them. A name is written once as `(number) name`, and later as the
//! number alone.

use std::collections::HashMap;

use anyhow::{Context, Result};

/// What the code of an object and the calls out of it have cost, in instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) own: u64,
    /// Of the calls, with all that they lead to. What comes back into the object
    /// from a call that is left out is counted like all else.
    pub(super) calls: u64,
    pub(super) allocations: u64,
}

/// Calls that are left out: they are the price of blocking at all, and the reply
/// is what it is for. Here, and below, how names begin after `RM_` or `VM_`.
const LEFT_OUT: [&str; 3] = ["BlockClient", "UnblockClient", "ReplyWith"];

const ALLOCATIONS: [&str; 5] = ["Alloc", "Calloc", "Realloc", "TryAlloc", "CreateString"];

/// What an object has cost, whose file has this name.
pub(super) fn cost(counted: &str, file: &str) -> Result<Cost> {
    let (mut objects, mut functions) = (HashMap::new(), HashMap::new());
    let (mut object, mut callee_object, mut callee, mut calls) = ("", None, "", None);
    let mut cost = Cost::default();
    for line in counted.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "ob" => object = full(&mut objects, value)?,
                "fn" => drop(full(&mut functions, value)?),
                "cob" => callee_object = Some(full(&mut objects, value)?),
                "cfn" => callee = full(&mut functions, value)?,
                "calls" => calls = value.split(' ').next().map(str::parse::<u64>),
                _ => {}
            }
            continue;
        }
        if !line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            continue;
        }
        let spent: u64 = line.split(' ').nth(1).context("a line has no cost")?.parse()?;
        let called = callee_object.take().unwrap_or(object);
        let (calls, is_ours) = (calls.take().transpose()?, object.ends_with(file));
        match calls {
            _ if !is_ours => {}
            None => cost.own += spent,
            Some(times) if !called.ends_with(file) => {
                cost.calls += if is_one_of(callee, &LEFT_OUT) { 0 } else { spent };
                cost.allocations += if is_one_of(callee, &ALLOCATIONS) { times } else { 0 };
            }
            Some(_) => {}
        }
    }
    Ok(cost)
}

fn full<'c>(names: &mut HashMap<&'c str, &'c str>, text: &'c str) -> Result<&'c str> {
    let (number, name) = text.split_once(')').context("a name has no number")?;
    if !name.is_empty() {
        names.insert(number, name.trim_start());
    }
    names.get(number).copied().context("a number has no name")
}

fn is_one_of(function: &str, names: &[&str]) -> bool {
    let name = function.strip_prefix("RM_").or_else(|| function.strip_prefix("VM_"));
    name.is_some_and(|name| names.iter().any(|begin| name.starts_with(begin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: &str = "\
events: Ir
summary: 1000
ob=(1) /usr/bin/server
fn=(1) main
7 100
cob=(2) /modules/liblatch.so
cfn=(2) latch::run
calls=2 0
7 700
ob=(2)
fn=(2)
0 30
+2 4
cfn=(3) latch::park
calls=2 0
* 500
cob=(3) /lib/libc.so.6
cfn=(4) memcpy
calls=9 264
0 50
fn=(3)
0 6
cob=(1)
cfn=(5) RM_Alloc
calls=3 0
0 70
cob=(1)
cfn=(6) RM_BlockClientOnKeys
calls=2 0
0 300
ob=(1)
fn=(6)
9 290
cob=(2)
cfn=(2)
calls=1 0
0 10
";

    #[test]
    fn its_own_code_and_calls_out_of_it_count_and_blocking_does_not() {
        let expected = Cost { own: 40, calls: 120, allocations: 3 };
        assert_eq!(cost(COUNTED, "liblatch.so").expect("it can be read"), expected);
        let nothing = cost(COUNTED, "libother.so").expect("it can be read");
        assert_eq!(nothing, Cost::default());
    }

    #[test]
    fn a_number_without_a_name_is_an_error() {
        assert!(cost("fn=(1)\n0 1\n", "liblatch.so").is_err());
    }
}
