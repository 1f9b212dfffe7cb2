//! RESP2 and RESP3 frames, keeping every distinction the wire makes.

use std::fmt;

/// One frame from the server.
///
/// Text that is not UTF-8 is kept as its escaped form (`\xff`), so nothing is
/// lost to a replacement character.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+text`
    Simple(String),
    /// `-text`, code included
    Error(String),
    /// `:n`
    Int(i64),
    /// `$len` and that many bytes
    Bulk(Vec<u8>),
    /// `$-1`, the null of RESP2
    NullBulk,
    /// `*-1`, the null array of RESP2
    NullArray,
    /// `_`, the null of RESP3
    Null,
    /// `*n`
    Array(Vec<Reply>),
    /// `~n`
    Set(Vec<Reply>),
    /// `>n`, a message nobody asked for
    Push(Vec<Reply>),
    /// `%n`, in the order sent
    Map(Vec<(Reply, Reply)>),
    /// `#t` or `#f`
    Bool(bool),
    /// `,text`, digits as sent
    Double(String),
    /// `(text`, digits as sent
    BigNumber(String),
    /// `=len`: the format (`txt`) and the bytes
    Verbatim(String, Vec<u8>),
}

/// The reply `+OK`.
pub fn ok() -> Reply {
    Reply::Simple("OK".into())
}

/// An integer reply.
pub fn int(value: i64) -> Reply {
    Reply::Int(value)
}

/// A bulk string reply.
pub fn bulk(bytes: impl AsRef<[u8]>) -> Reply {
    Reply::Bulk(bytes.as_ref().to_vec())
}

/// An error reply; `text` starts with the error code.
pub fn error(text: &str) -> Reply {
    Reply::Error(text.into())
}

/// An array reply, of replies or of what becomes one.
pub fn array<T: Into<Reply>>(items: impl IntoIterator<Item = T>) -> Reply {
    Reply::Array(items.into_iter().map(Into::into).collect())
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        bulk(text)
    }
}

impl From<i64> for Reply {
    fn from(value: i64) -> Self {
        int(value)
    }
}

/// A command as the array of bulk strings that servers expect.
pub fn encode<A: AsRef<[u8]>>(args: impl IntoIterator<Item = A>) -> Vec<u8> {
    let mut count = 0;
    let mut bulks = Vec::new();
    for arg in args {
        let arg = arg.as_ref();
        count += 1;
        bulks.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bulks.extend_from_slice(arg);
        bulks.extend_from_slice(b"\r\n");
    }
    [format!("*{count}\r\n").as_bytes(), &bulks].concat()
}

/// `bytes` as text, escaped if they are not UTF-8.
pub(super) fn readable(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

impl Reply {
    /// Takes one frame off the front of `input`. `None`, with `input`
    /// untouched, if the frame is not all there yet; panics if it is not RESP.
    pub fn decode(input: &mut &[u8]) -> Option<Reply> {
        let mut rest = *input;
        let reply = frame(&mut rest)?;
        *input = rest;
        Some(reply)
    }

    /// The text of a simple, bulk or verbatim string; panics on anything else.
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Reply::Simple(text) => text.clone(),
            Reply::Bulk(bytes) | Reply::Verbatim(_, bytes) => readable(bytes),
            other => panic!("expected text, got {other:?}"),
        }
    }

    /// The text of an error; panics on anything else.
    #[track_caller]
    pub fn error(&self) -> &str {
        match self {
            Reply::Error(text) => text,
            other => panic!("expected an error, got {other:?}"),
        }
    }

    /// The value of an integer; panics on anything else.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Reply::Int(value) => *value,
            other => panic!("expected an integer, got {other:?}"),
        }
    }

    /// The members of an array, set or push; panics on anything else.
    #[track_caller]
    pub fn items(&self) -> &[Reply] {
        match self {
            Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => items,
            other => panic!("expected a collection, got {other:?}"),
        }
    }

    /// The value of field `name` of a map, or of the flat array that stands
    /// for a map in RESP2; panics if there is none.
    #[track_caller]
    pub fn field(&self, name: &str) -> &Reply {
        let is_name = |key: &Reply| match key {
            Reply::Bulk(bytes) => bytes == name.as_bytes(),
            Reply::Simple(text) => text == name,
            _ => false,
        };
        let found = match self {
            Reply::Map(pairs) => pairs.iter().find(|(key, _)| is_name(key)).map(|pair| &pair.1),
            Reply::Array(flat) => {
                flat.chunks_exact(2).find(|pair| is_name(&pair[0])).map(|pair| &pair[1])
            }
            other => panic!("expected fields, got {other:?}"),
        };
        match found {
            Some(value) => value,
            None => panic!("no field {name} in {self:?}"),
        }
    }
}

/// Reads as the wire does, on one line: `+OK`, `-ERR no`, `:1`, `"bulk\r\n"`,
/// `$-1`, `[:1, "two"]`.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Simple(text) => write!(f, "+{text}"),
            Reply::Error(text) => write!(f, "-{text}"),
            Reply::Int(value) => write!(f, ":{value}"),
            Reply::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Reply::NullBulk => f.write_str("$-1"),
            Reply::NullArray => f.write_str("*-1"),
            Reply::Null => f.write_str("_"),
            Reply::Array(items) => write!(f, "{items:?}"),
            Reply::Set(items) => write!(f, "~{items:?}"),
            Reply::Push(items) => write!(f, ">{items:?}"),
            Reply::Map(pairs) => {
                f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish()
            }
            Reply::Bool(value) => write!(f, "#{value}"),
            Reply::Double(text) => write!(f, ",{text}"),
            Reply::BigNumber(text) => write!(f, "({text}"),
            Reply::Verbatim(format, bytes) => write!(f, "={format}:\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// One frame, or `None` if `input` ends inside it.
fn frame(input: &mut &[u8]) -> Option<Reply> {
    let end = input.windows(2).position(|pair| pair == b"\r\n")?;
    let line = readable(&input[..end]);
    *input = &input[end + 2..];
    let (kind, text) = line.split_at_checked(1).unwrap_or_default();
    Some(match (kind, text) {
        ("$", "-1") => Reply::NullBulk,
        ("*", "-1") => Reply::NullArray,
        ("_", "") => Reply::Null,
        ("#", "t") => Reply::Bool(true),
        ("#", "f") => Reply::Bool(false),
        ("+", _) => Reply::Simple(text.into()),
        ("-", _) => Reply::Error(text.into()),
        (",", _) => Reply::Double(text.into()),
        ("(", _) => Reply::BigNumber(text.into()),
        (":", _) => Reply::Int(number(text)),
        ("$", _) => Reply::Bulk(blob(input, number(text))?),
        ("=", _) => {
            let blob = blob(input, number(text))?;
            Reply::Verbatim(readable(&blob[..3]), blob[4..].to_vec())
        }
        ("*", _) => Reply::Array(frames(input, number(text))?),
        ("~", _) => Reply::Set(frames(input, number(text))?),
        (">", _) => Reply::Push(frames(input, number(text))?),
        ("%", _) => {
            let pairs = (0..number(text)).map(|_: usize| Some((frame(input)?, frame(input)?)));
            Reply::Map(pairs.collect::<Option<_>>()?)
        }
        _ => panic!("not RESP: {line:?}"),
    })
}

fn frames(input: &mut &[u8], count: usize) -> Option<Vec<Reply>> {
    (0..count).map(|_| frame(input)).collect()
}

fn blob(input: &mut &[u8], len: usize) -> Option<Vec<u8>> {
    let (blob, rest) = input.split_at_checked(len)?;
    let (end, rest) = rest.split_at_checked(2)?;
    assert_eq!(end, b"\r\n", "a blob of {len} bytes is longer than it says");
    *input = rest;
    Some(blob.to_vec())
}

fn number<N: std::str::FromStr>(text: &str) -> N {
    text.parse().unwrap_or_else(|_| panic!("not RESP: {text:?} is no number here"))
}
