//! Payloads that nobody dumped.

mod common;
#[path = "payload/meaning.rs"]
mod meaning;

use common::*;
use meaning::{Latch, MAX_LINGER, Meaning, UNSIGNED, meaning, number, number_of};

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
        for line in [
            "LATCH.SET rich 10 ID planner LINGER 1.5",
            "LATCH.ADD rich 2 ID 7",
            "LATCH.ADD rich 1 ID part",
            "LATCH.COUNTDOWN rich 2 ID one",
            "LATCH.COUNTDOWN rich ID 7",
            "LATCH.ABORT rich unlucky",
            "LATCH.SET open 1 LINGER 1",
            "LATCH.ADD open 2 ID a",
            "LATCH.COUNTDOWN open ID b",
            "LATCH.COUNTDOWN open 9 ID a",
            "LATCH.SET fresh 300",
        ] {
            assert!(!matches!(client.run(line), Reply::Error(_)), "{line}");
        }
        let mut bodies = vec![payload];
        bodies.extend(["rich", "open", "fresh"].map(|key| dump(&mut client, key)));
        bodies.iter_mut().for_each(|body| body.truncate(body.len() - FOOTER));
        client.run("DEL rich open fresh");
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
        let first = (latch.total - number_of(latch.announced())).to_string();
        let linger = format!("{}.{:03}", latch.linger / 1000, latch.linger % 1000);
        let mut make = cmd!["LATCH.SET", "same", first].to_vec();
        make.extend(latch.set_by.iter().flat_map(|id| cmd!["ID", id]));
        make.extend((latch.linger > 0).then(|| cmd!["LINGER", linger]).into_iter().flatten());
        assert_eq!(client.call(make), ok(), "{latch:?}");
        for id in latch.announced() {
            client.call(cmd!["LATCH.ADD", "same", "1", "ID", id]).int();
        }
        // What opened it comes last.
        let rest = latch.total - latch.count - number_of(latch.recorded());
        let rest = (rest > 0).then(|| format!("LATCH.COUNTDOWN same {rest}"));
        let (before, after) = if latch.opened_by.is_some() { (rest, None) } else { (None, rest) };
        before.into_iter().for_each(|line| assert!(client.run(&line).int() > 0));
        let others = latch.recorded().filter(|id| Some(*id) != latch.opened_by.as_ref());
        for id in others.chain(&latch.opened_by) {
            client.call(cmd!["LATCH.COUNTDOWN", "same", "ID", id]).int();
        }
        after.into_iter().for_each(|line| assert_eq!(client.run(&line), int(latch.count)));
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
    let ids = |ids: &[&str]| ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    let rich = Latch {
        count: 10,
        total: 13,
        linger: 1500,
        set_by: Some(b"planner".to_vec()),
        reason: Some(b"unlucky".to_vec()),
        opened_by: None,
        ids: [ids(&["one"]), ids(&["part"]), ids(&["7"])],
    };
    let open = Latch {
        total: 3,
        linger: 1000,
        opened_by: Some(b"a".to_vec()),
        ids: [ids(&["b"]), ids(&[]), ids(&["a"])],
        ..Latch::default()
    };
    let fresh = Latch { count: 300, total: 300, ..Latch::default() };
    for (body, latch) in judge.bodies.iter().zip([plain, rich, open, fresh]) {
        assert_eq!(meaning(&sealed(body), judge.id), Meaning::Latch(latch.into()));
    }
    // A latch as it was made is one number.
    assert_eq!(ModuleValue::of(&sealed(&judge.bodies[3])).fields, [Field::Number(600)]);
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
    // Whether there are texts, and the numbers of ids.
    for field in 3..9 {
        judge.restore(
            numbers
                .map(|number| forged(&judge, |value| value.fields[field] = Field::Number(number))),
        );
    }
}

#[test]
fn forged_texts_are_refused_unless_they_make_a_latch() {
    let mut judge = Judge::new();
    let long = vec![b'x'; 1025];
    let texts: [&[u8]; 9] =
        [b"", b"x", &long[..1024], &long, b"a\rb", b"a\nb", b"a\0b", b"\xff", b"12"];
    for text in texts.map(|text| Field::Bytes(text.to_vec())) {
        for field in 3..6 {
            judge.restore([forged(&judge, |value| {
                value.fields.splice(field..=field, [Field::Number(1), text.clone()]);
            })]);
        }
        // Three countdowns were counted: there can be no more recorded ids.
        for others in [vec![], vec!["a", "b"], vec!["a", "a"], vec!["a", "b", "c"]] {
            for field in 6..9 {
                judge.restore([forged(&judge, |value| {
                    let ids = others.iter().map(|id| Field::Bytes(id.as_bytes().to_vec()));
                    let ids = [Field::Number(others.len() as u64 + 1), text.clone()]
                        .into_iter()
                        .chain(ids);
                    value.fields.splice(field..=field, ids);
                })]);
            }
        }
    }
    // The same id, once packed.
    judge.restore([forged(&judge, |value| {
        let fields = [Field::Number(2), Field::Packed(7), Field::Bytes(b"7".to_vec())];
        value.fields.splice(6..=6, fields);
    })]);
}

/// A latch of total 3 that lingers, with these ids: recorded only, announced only, both.
fn with_ids(judge: &Judge, count: u64, opened_by: Option<&str>, ids: [&str; 3]) -> Vec<u8> {
    let text = |text: &str| Field::Bytes(text.as_bytes().to_vec());
    forged(judge, |value| {
        value.fields = [count << 1 | 1, 3, 1000, 0, 0].map(Field::Number).to_vec();
        value.fields.push(Field::Number(opened_by.is_some().into()));
        value.fields.extend(opened_by.map(text));
        for ids in ids.map(|ids| ids.split_whitespace().map(text).collect::<Vec<_>>()) {
            value.fields.push(Field::Number(ids.len() as u64));
            value.fields.extend(ids);
        }
    })
}

#[test]
fn ids_are_refused_unless_commands_could_have_led_to_them() {
    let mut judge = Judge::new();
    let few = ["", "a", "b", "a b", "a b c", "a b c d"];
    for recorded in few {
        for announced in few {
            for both in ["", "e", "a", "e f"] {
                for opened_by in [None, Some("a"), Some("e"), Some("x")] {
                    let ids = [recorded, announced, both];
                    judge
                        .restore([0, 1, 2, 3].map(|count| with_ids(&judge, count, opened_by, ids)));
                }
            }
        }
    }
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
    for index in 0..9 {
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
