//! Payloads that nobody dumped.

mod common;

use std::collections::HashSet;

use common::*;

/// Ends each payload: the version of the format and a checksum.
const FOOTER: usize = 2 + 8;

/// A payload of `body` that passes the checks of the server.
fn sealed(body: &[u8]) -> Vec<u8> {
    let version = 10_u16; // of Redis 7.0: newer servers read it too
    let mut payload = [body, &version.to_le_bytes()].concat();
    let checksum = crc64(&payload);
    payload.extend(checksum.to_le_bytes());
    payload
}

#[test]
fn the_checksum_is_the_one_of_the_server() {
    assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    let (_server, payload) = dumped();
    let (covered, checksum) = payload.split_at(payload.len() - 8);
    assert_eq!(crc64(covered).to_le_bytes(), checksum);
}

/// What a payload is, by its bytes.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Latch(Latch),
    /// One of ours that cannot be a latch.
    Impossible,
    /// Damaged where the server looks, not the module.
    Broken,
    /// A value of a type that is not ours.
    Foreign,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Latch {
    count: i64,
    total: i64,
    linger: i64,
    reason: Option<Vec<u8>>,
    ids: HashSet<Vec<u8>>,
}

/// The value of a module.
const MODULE: u8 = 7;
/// What kind of field comes next.
const UNSIGNED: u64 = 2;
const STRING: u64 = 5;
/// The value of a module ends.
const END: u64 = 0;
/// The longest time to linger, in ms.
const MAX_LINGER: i64 = 1 << 50;
/// The version that the module reads and writes.
const ENCODING: u64 = 1;

/// The meaning of a payload, written from the description of the format. `id`
/// is the one of the module. What ends too early goes on in the footer: the
/// server reads that too.
fn meaning(payload: &[u8], id: u64) -> Meaning {
    let mut rest = payload;
    if rest.split_off_first() != Some(&MODULE) {
        return Meaning::Foreign;
    }
    let Some(found) = number(&mut rest).filter(|found| found >> 10 == id >> 10) else {
        return Meaning::Broken;
    };
    if found & 0x3ff != ENCODING {
        return Meaning::Impossible;
    }
    match latch(&mut rest).filter(Latch::is_possible) {
        None => Meaning::Impossible,
        Some(latch) if number(&mut rest) == Some(END) => Meaning::Latch(latch),
        Some(_) => Meaning::Broken,
    }
}

impl Latch {
    fn is_possible(&self) -> bool {
        let is_text = |text: &Vec<u8>| (1..=1024).contains(&text.len());
        let is_line = |text: &Vec<u8>| !text.iter().any(|byte| b"\r\n\0".contains(byte));
        let is_open = self.count == 0;
        self.count <= self.total
            && (!is_open || self.linger > 0 && self.reason.is_none())
            && self.total - self.count >= i64::try_from(self.ids.len()).unwrap()
            && self.linger <= MAX_LINGER
            && self.ids.iter().all(is_text)
            && self.reason.iter().all(|reason| is_text(reason) && is_line(reason))
    }
}

/// Takes the fields of a latch off the front.
fn latch(rest: &mut &[u8]) -> Option<Latch> {
    let first = unsigned(rest)?;
    let count = (first >> 1).try_into().unwrap();
    if first % 2 == 0 {
        return Some(Latch { count, total: count, ..Latch::default() });
    }
    let (total, linger) = (integer(rest)?, integer(rest)?);
    let reason = match integer(rest)? {
        0 => None,
        1 => Some(text(rest)?),
        _ => return None,
    };
    let mut ids = HashSet::new();
    for _ in 0..integer(rest)? {
        if !ids.insert(text(rest)?) {
            return None;
        }
    }
    Some(Latch { count, total, linger, reason, ids })
}

fn unsigned(rest: &mut &[u8]) -> Option<u64> {
    number(rest).filter(|&kind| kind == UNSIGNED)?;
    number(rest)
}

fn integer(rest: &mut &[u8]) -> Option<i64> {
    unsigned(rest)?.try_into().ok()
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    number(rest).filter(|&kind| kind == STRING)?;
    // A number may be packed; one of four bytes or compressed text is too
    // long to be in these payloads.
    let packed = |value: i16| Some(value.to_string().into_bytes());
    match *rest.first()? {
        0xc0 => packed(i8::from_le_bytes([rest.split_off(..2)?[1]]).into()),
        0xc1 => packed(i16::from_le_bytes(rest.split_off(..3)?[1..].try_into().unwrap())),
        0xc2 => {
            let bytes = rest.split_off(..5)?[1..].try_into().unwrap();
            Some(i32::from_le_bytes(bytes).to_string().into_bytes())
        }
        0xc3.. => None,
        _ => {
            let len = usize::try_from(number(rest)?).ok()?;
            Some(rest.split_off(..len)?.to_vec())
        }
    }
}

/// Takes a number of any width off the front.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let first = *rest.split_off_first()?;
    let (high, width) = match first {
        0x00..=0x3f | 0xc0..=0xff => (first & 0x3f, 0),
        0x40..=0x7f => (first & 0x3f, 1),
        0x80 => (0, 4),
        0x81 => (0, 8),
        _ => return None,
    };
    let bytes = rest.split_off(..width)?;
    Some(bytes.iter().fold(u64::from(high), |sum, &byte| sum << 8 | u64::from(byte)))
}

/// Restores payloads, and checks that each is taken for what it means.
struct Judge {
    server: Server,
    client: Client,
    id: u64,
    /// Payloads without their footer.
    bodies: Vec<Vec<u8>>,
}

impl Judge {
    fn new() -> Judge {
        let (server, payload) = dumped();
        let mut client = server.client();
        client.run("LATCH.SET rich 10 LINGER 1.5");
        client.run("LATCH.COUNTDOWN rich 2 ID one");
        client.run("LATCH.COUNTDOWN rich ID 7");
        client.call(["LATCH.ABORT", "rich", "bad luck"]);
        client.run("LATCH.SET fresh 300");
        let mut bodies = vec![payload, dump(&mut client, "rich"), dump(&mut client, "fresh")];
        bodies.iter_mut().for_each(|body| body.truncate(body.len() - FOOTER));
        client.run("DEL rich fresh");
        let id = number(&mut &bodies[0][1..]).expect("the id of the module");
        Judge { server, client, id, bodies }
    }

    /// Restores all of them; the log must have a line for each that the
    /// module refuses, and no others.
    #[track_caller]
    fn restore(&mut self, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let (mut refused, mut foreign, before) = (0, 0, self.lines_of_module());
        for body in bodies {
            let payload = sealed(&body);
            let meaning = meaning(&payload, self.id);
            refused += usize::from(meaning == Meaning::Impossible);
            foreign += usize::from(meaning == Meaning::Foreign);
            self.check(&payload, &meaning);
        }
        let lines = self.lines_of_module() - before;
        assert!((refused..=refused + foreign).contains(&lines), "{lines} for {refused}");
    }

    #[track_caller]
    fn check(&mut self, payload: &[u8], meaning: &Meaning) {
        let reply = self.client.call(cmd!["RESTORE", "new", "0", payload]);
        let shown = payload.escape_ascii();
        match meaning {
            Meaning::Latch(latch) => {
                assert_eq!(reply, ok(), "{shown}");
                self.check_latch(latch);
            }
            Meaning::Impossible | Meaning::Broken => {
                assert!(reply.error().starts_with("ERR "), "{shown}: {reply:?}");
                assert_eq!(self.client.run("EXISTS new"), int(0), "{shown}");
            }
            // Not ours to judge, except that Redis 7.0 still reads an older
            // type of modules, and may find a latch in there.
            Meaning::Foreign => {
                if self.client.run("TYPE new").text() == "countdown" {
                    assert!(self.client.run("LATCH.GET new").int() > 0, "{shown}");
                }
            }
        }
        self.client.run("DEL new");
    }

    /// `new` is equal to the same latch made by commands, and it works.
    #[track_caller]
    fn check_latch(&mut self, latch: &Latch) {
        let client = &mut self.client;
        let total = latch.total.to_string();
        let linger = format!("{}.{:03}", latch.linger / 1000, latch.linger % 1000);
        let mut make = cmd!["LATCH.SET", "same", total, "LINGER", linger].to_vec();
        make.truncate(if latch.linger > 0 { 5 } else { 3 });
        assert_eq!(client.call(make), ok(), "{latch:?}");
        for id in &latch.ids {
            client.call(cmd!["LATCH.COUNTDOWN", "same", "ID", id]).int();
        }
        let rest = latch.total - latch.count - i64::try_from(latch.ids.len()).unwrap();
        if rest > 0 {
            client.run(&format!("LATCH.COUNTDOWN same {rest}"));
        }
        if let Some(reason) = &latch.reason {
            client.call(cmd!["LATCH.ABORT", "same", reason]);
        }
        client.run("PERSIST same"); // if it lingers
        let digests = client.run("DEBUG DIGEST-VALUE new same");
        assert_eq!(digests.items()[0], digests.items()[1], "{latch:?}");

        assert_eq!(client.run("LATCH.GET new"), int(latch.count));
        let reply = client.run("LATCH.COUNTDOWN new");
        if latch.reason.is_some() {
            assert!(reply.error().starts_with("LATCHABORTED "), "{reply:?}");
        } else {
            assert_eq!(reply, int((latch.count - 1).max(0)));
        }
        client.run("DEL same");
    }

    fn lines_of_module(&self) -> usize {
        self.server.log().matches("<latch> ").count()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let log = self.server.log();
            assert!(!log.contains("a bug in the latch module"), "{log}");
            assert_eq!(self.server.run("LATCH.GET k"), int(297), "is untouched");
        }
    }
}

#[test]
fn the_format_is_understood_by_this_test() {
    let mut judge = Judge::new();
    let plain = Latch { count: 297, total: 300, ..Latch::default() };
    let rich = Latch {
        count: 7,
        total: 10,
        linger: 1500,
        reason: Some(b"bad luck".to_vec()),
        ids: [b"one".to_vec(), b"7".to_vec()].into(),
    };
    let fresh = Latch { count: 300, total: 300, ..Latch::default() };
    for (body, latch) in judge.bodies.iter().zip([plain, rich, fresh]) {
        assert_eq!(meaning(&sealed(body), judge.id), Meaning::Latch(latch));
    }
    // A latch as it was made is one number.
    assert_eq!(ModuleValue::of(&sealed(&judge.bodies[2])).fields, [Field::Number(600)]);
    judge.restore(judge.bodies.clone());
}

#[test]
fn a_payload_with_any_byte_changed_is_refused_or_a_valid_latch() {
    let mut judge = Judge::new();
    for body in judge.bodies.clone() {
        for index in 0..body.len() {
            judge.restore((1..=u8::MAX).map(|pattern| {
                let mut changed = body.clone();
                changed[index] ^= pattern;
                changed
            }));
        }
    }
}

#[test]
fn a_payload_cut_off_anywhere_is_refused_unless_the_footer_completes_it() {
    let mut judge = Judge::new();
    for body in judge.bodies.clone() {
        judge.restore((0..body.len()).map(|len| body[..len].to_vec()));
    }
}

#[test]
fn a_payload_whose_checksum_is_wrong_does_not_reach_the_module() {
    let judge = Judge::new();
    let mut client = judge.server.client();
    let payload = dump(&mut client, "k");
    let before = judge.lines_of_module();
    for index in 0..payload.len() {
        for pattern in [0x01, 0x80, 0xff] {
            let mut changed = payload.clone();
            changed[index] ^= pattern;
            let reply = client.call(cmd!["RESTORE", "new", "0", changed]);
            assert!(reply.error().contains("checksum"), "{reply:?}");
        }
        let reply = client.call(cmd!["RESTORE", "new", "0", payload[..index]]);
        assert!(reply.error().starts_with("ERR "), "{reply:?}");
    }
    assert_eq!(judge.lines_of_module(), before);
}

/// The first of the payloads with other fields, without its footer.
fn forged(judge: &Judge, change: impl FnOnce(&mut ModuleValue)) -> Vec<u8> {
    let mut value = ModuleValue::of(&sealed(&judge.bodies[0]));
    change(&mut value);
    let mut body = value.payload();
    body.truncate(body.len() - FOOTER);
    body
}

#[test]
fn forged_numbers_are_refused_unless_they_make_a_latch() {
    const MAX: u64 = i64::MAX.cast_unsigned();
    let numbers = [0, 1, 2, 297, 300, MAX - 1, MAX, MAX + 1, u64::MAX - 1, u64::MAX];
    let mut judge = Judge::new();
    for count in numbers {
        judge.restore([forged(&judge, |value| value.fields = vec![Field::Number(count)])]);
        for total in numbers {
            for linger in [0, 9_000_000] {
                let numbers = [count << 1 | 1, total, linger].map(Field::Number);
                let body = forged(&judge, |value| value.fields[..3].clone_from_slice(&numbers));
                judge.restore([body]);
            }
        }
    }
    let longest = MAX_LINGER.cast_unsigned();
    for linger in [0, 1, 999, 1000, longest, longest + 1, MAX, MAX + 1, u64::MAX] {
        judge.restore([forged(&judge, |value| value.fields[2] = Field::Number(linger))]);
    }
    for aborted in numbers {
        judge.restore([forged(&judge, |value| value.fields[3] = Field::Number(aborted))]);
    }
    for arrived in numbers {
        judge.restore([forged(&judge, |value| value.fields[4] = Field::Number(arrived))]);
    }
}

#[test]
fn forged_texts_are_refused_unless_they_make_a_latch() {
    let mut judge = Judge::new();
    let long = vec![b'x'; 1025];
    let texts: [&[u8]; 9] =
        [b"", b"x", &long[..1024], &long, b"a\rb", b"a\nb", b"a\0b", b"\xff", b"12"];
    for text in texts.map(|text| Field::Bytes(text.to_vec())) {
        judge.restore([forged(&judge, |value| {
            value.fields.splice(3..4, [Field::Number(1), text.clone()]);
        })]);
        // Three countdowns were counted: there can be no more ids.
        for others in [vec![], vec!["a", "b"], vec!["a", "a"], vec!["a", "b", "c"]] {
            judge.restore([forged(&judge, |value| {
                let ids = others.iter().map(|id| Field::Bytes(id.as_bytes().to_vec()));
                let arrived = Field::Number(others.len() as u64 + 1);
                value.fields.splice(4.., [arrived, text.clone()].into_iter().chain(ids));
            })]);
        }
    }
    // The same id, once packed.
    judge.restore([forged(&judge, |value| {
        let fields = [Field::Number(2), Field::Packed(7), Field::Bytes(b"7".to_vec())];
        value.fields.splice(4.., fields);
    })]);
}

#[test]
fn another_version_of_the_encoding_is_refused_and_the_log_names_it() {
    let mut judge = Judge::new();
    for version in [0, 2, 3, 1023] {
        let body = forged(&judge, |value| value.id = value.id & !0x3ff | version);
        assert_eq!(meaning(&sealed(&body), judge.id), Meaning::Impossible);
        judge.restore([body]);
        let log = judge.server.log();
        assert!(log.contains(&format!("encoding {version}")), "{log}");
    }
}

#[test]
fn a_field_too_many_too_few_or_of_another_kind_is_refused() {
    let mut judge = Judge::new();
    for index in 0..5 {
        let removed = forged(&judge, |value| drop(value.fields.remove(index)));
        let added = forged(&judge, |value| value.fields.insert(index, Field::Number(0)));
        let of_text = forged(&judge, |value| value.fields[index] = Field::Bytes(b"1".to_vec()));
        for body in [&removed, &added, &of_text] {
            let meaning = meaning(&sealed(body), judge.id);
            assert!(matches!(meaning, Meaning::Impossible | Meaning::Broken), "{index}");
        }
        judge.restore([removed, added, of_text]);
    }
    let first = 10; // after the type and the id
    assert_eq!(u64::from(judge.bodies[0][first]), UNSIGNED);
    // 0 is the end, 1 signed, 3 and 4 floating point, 5 a string.
    judge.restore([0, 1, 3, 4, 5, 6, 0x3f].map(|kind| {
        let mut changed = judge.bodies[0].clone();
        changed[first] = kind;
        changed
    }));
}
