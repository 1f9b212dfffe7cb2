//! Replies to clients.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_long};
use std::rc::Rc;

use crate::command::Call;
use crate::context::Context;
use crate::entry::name;

/// A reply to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The simple string `OK`.
    Ok,
    /// Null: `$-1` in RESP2, `_` in RESP3.
    Null,
    /// An integer.
    Integer(i64),
    /// A simple string.
    Line(CString),
    /// A bulk string.
    Bulk(Rc<[u8]>),
    /// An array.
    Array(Vec<Reply>),
    /// A map in RESP3, its fields and values in turn in RESP2.
    Map(Vec<(&'static str, Reply)>),
    /// An error.
    Error(Refusal),
    /// None: the client is blocked, or has been answered through its [`Call`].
    Answered,
}

/// The text of an error reply, without the leading `-`: a code, a space, a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Cow<'static, CStr>);

impl Refusal {
    /// A refusal in these words.
    pub fn new(text: impl Into<Cow<'static, CStr>>) -> Self {
        Self(text.into())
    }

    /// What a client is told when a bug of ours was caught before it could end the server.
    pub(crate) fn of_a_bug() -> Self {
        let text = format!("ERR internal error of the {} module, see the server log", name());
        Self::new(CString::new(text).unwrap_or_default())
    }
}

/// A text as a line of the protocol can carry it, in which CR and LF end a reply.
fn one_line(text: &CStr) -> Cow<'_, CStr> {
    let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n');
    if !text.to_bytes().iter().any(breaks) {
        return Cow::Borrowed(text);
    }
    let line = text.to_bytes().iter().map(|byte| if breaks(byte) { b' ' } else { *byte });
    Cow::Owned(CString::new(line.collect::<Vec<_>>()).unwrap_or_default())
}

impl Call<'_> {
    /// Answers with an array of bulk strings, none of which is copied beforehand: `len` of
    /// them, with an empty one for each that is missing.
    pub fn reply_with<'b>(self, len: usize, items: impl Iterator<Item = &'b [u8]>) -> Reply {
        if self.claim() {
            self.reply_array(len);
            let mut missing = Missing { ctx: *self, items: len };
            for item in items.take(len) {
                self.reply_bulk(item);
                missing.items -= 1;
            }
        }
        Reply::Answered
    }
}

/// What is missing of an array. It is made up for also if that ends by a panic: a client
/// would wait for ever.
struct Missing<'a> {
    ctx: Context<'a>,
    items: usize,
}

impl Drop for Missing<'_> {
    fn drop(&mut self) {
        (0..self.items).for_each(|_| self.ctx.reply_bulk(b""));
    }
}

impl Context<'_> {
    /// Replies to the client of this context.
    pub(crate) fn reply(self, reply: Reply) {
        let ctx = self.as_ptr();
        match reply {
            Reply::Ok => self.reply_line(c"OK"),
            Reply::Null => {
                // SAFETY: the context is valid.
                unsafe { api!(RedisModule_ReplyWithNull)(ctx) };
            }
            Reply::Integer(n) => {
                // SAFETY: the context is valid.
                unsafe { api!(RedisModule_ReplyWithLongLong)(ctx, n) };
            }
            Reply::Line(line) => self.reply_line(&one_line(&line)),
            Reply::Bulk(bytes) => self.reply_bulk(&bytes),
            Reply::Array(items) => {
                self.reply_array(items.len());
                items.into_iter().for_each(|item| self.reply(item));
            }
            Reply::Map(fields) => self.reply_map(fields),
            Reply::Error(Refusal(text)) => {
                let text = one_line(&text);
                // SAFETY: the context is valid and the text ends with a NUL.
                unsafe { api!(RedisModule_ReplyWithError)(ctx, text.as_ptr()) };
            }
            Reply::Answered => self.reply(Reply::Error(Refusal::of_a_bug())), // it was not
        }
    }

    /// Begins an array; as many replies must follow.
    fn reply_array(self, len: usize) {
        let len = c_long::try_from(len).unwrap_or(c_long::MAX);
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_ReplyWithArray)(self.as_ptr(), len) };
    }

    fn reply_bulk(self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: the context is valid; `start` points to `len` bytes, which
        // the server copies.
        unsafe { api!(RedisModule_ReplyWithStringBuffer)(self.as_ptr(), start, len) };
    }

    fn reply_line(self, line: &CStr) {
        // SAFETY: the context is valid and the line ends with a NUL.
        unsafe { api!(RedisModule_ReplyWithSimpleString)(self.as_ptr(), line.as_ptr()) };
    }

    fn reply_map(self, fields: Vec<(&'static str, Reply)>) {
        let len = c_long::try_from(fields.len()).unwrap_or(c_long::MAX);
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_ReplyWithMap)(self.as_ptr(), len) };
        for (name, value) in fields {
            self.reply_bulk(name.as_bytes());
            self.reply(value);
        }
    }
}
