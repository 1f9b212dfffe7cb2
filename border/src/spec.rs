//! What the server is told about a command, and what a command can be described from.

use std::ffi::{CStr, c_int};

use redis_module::raw;

/// What there is to know of a command.
#[derive(Debug)]
pub struct Spec {
    /// Its name, in lower case.
    pub name: &'static CStr,
    /// Command flags of the module API, separated by spaces.
    pub flags: &'static CStr,
    /// ACL categories; servers before Redis 7.2 have none for modules.
    pub categories: &'static CStr,
    /// What it does, in a sentence or two.
    pub summary: &'static CStr,
    /// How its time grows.
    pub complexity: &'static CStr,
    /// The version of the module that had it first.
    pub since: &'static CStr,
    /// The number of arguments with the name; negative: at least so many.
    pub arity: c_int,
    /// Where its keys are, and what it does with them.
    pub keys: KeyUse,
    /// Its arguments.
    pub args: &'static [Arg],
}

/// Which arguments of a command are keys, and what it does with them.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse {
    pub(crate) place: KeyPlace,
    pub(crate) flags: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    None,
    /// The first argument.
    First,
    /// As many as the second argument says, after it.
    Counted,
}

impl KeyUse {
    /// There are none.
    pub const NONE: Self = Self { place: KeyPlace::None, flags: 0 };
    /// Of one key, the first argument, it returns something about the value.
    pub const READ: Self = Self {
        place: KeyPlace::First,
        flags: raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
    };
    /// The same of several keys: as many as the second argument says, after it.
    pub const READ_MANY: Self = Self { place: KeyPlace::Counted, ..Self::READ };
    /// It changes the value of one key, the first argument, and returns something about it.
    pub const UPDATE: Self = Self {
        place: KeyPlace::First,
        flags: raw::REDISMODULE_CMD_KEY_RW
            | raw::REDISMODULE_CMD_KEY_ACCESS
            | raw::REDISMODULE_CMD_KEY_UPDATE,
    };
    /// It replaces the value of one key, the first argument, whatever it was.
    pub const OVERWRITE: Self = Self {
        place: KeyPlace::First,
        flags: raw::REDISMODULE_CMD_KEY_OW | raw::REDISMODULE_CMD_KEY_UPDATE,
    };
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A key.
    Key,
    /// An integer.
    Integer,
    /// Any text.
    String,
    /// A number that may have decimals.
    Double,
    /// A point in time.
    UnixTime,
    /// Nothing but its word.
    Word,
    /// One of several others.
    OneOf(&'static [Arg]),
}

/// One argument of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// What it is called.
    pub name: &'static CStr,
    /// What it is.
    pub kind: Kind,
    /// The word that comes before it.
    pub word: Option<&'static CStr>,
    /// Whether it may be left out.
    pub is_optional: bool,
    /// Whether it may come several times.
    pub is_repeated: bool,
}

impl Arg {
    /// An argument.
    pub const fn new(name: &'static CStr, kind: Kind) -> Self {
        Self { name, kind, word: None, is_optional: false, is_repeated: false }
    }

    /// A word by itself.
    pub const fn word(name: &'static CStr, word: &'static CStr) -> Self {
        Self::new(name, Kind::Word).after(word)
    }

    /// The same, after a word.
    pub const fn after(self, word: &'static CStr) -> Self {
        Self { word: Some(word), ..self }
    }

    /// The same, one or more times.
    pub const fn repeated(self) -> Self {
        Self { is_repeated: true, ..self }
    }

    /// The same, but it may be left out.
    pub const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }
}
