//! Decoding as a whole: every message is accounted for, and no message changes what another means.
//! What a message means is compared with the specification from Python (`tests/property`).

mod common;

use common::{decode_all, table, texts};
use kernel::column::Body;
use kernel::reasons::NAMES;
use proptest::prelude::*;

const GOOD: &[u8] =
    br#"{"event":"e","version":1,"id":"a","size":1.5,"tags":["x","","y"],"gpc":"1"}"#;

fn reasons(messages: &[&[u8]]) -> Vec<&'static str> {
    decode_all(&table(), messages)
        .reasons
        .iter()
        .map(|&code| NAMES[usize::from(code)])
        .collect()
}

#[test]
fn rows_and_refusals_keep_their_order() {
    let found = decode_all(&table(), &[GOOD, b"", GOOD, b"{}", b"[", GOOD]);
    assert_eq!((found.rows, found.refused), (3, vec![1, 3, 4]));
    let names: Vec<_> = found
        .reasons
        .iter()
        .map(|&code| NAMES[usize::from(code)])
        .collect();
    assert_eq!(names, ["empty", "missing_field", "not_json"]);
}

#[test]
fn a_version_is_read_by_its_own_fields() {
    let first = br#"{"event":"e","version":1,"id":"a","later":5}"#;
    let second = br#"{"event":"e","version":2,"id":"b","later":"x"}"#;
    let lacking = br#"{"event":"e","version":2,"id":"c"}"#;
    let found = decode_all(&table(), &[first, second, lacking]);
    assert_eq!((found.rows, found.refused.as_slice()), (2, [2].as_slice()));
    assert_eq!(texts(&found, 8), ["", "x"]);
    assert!(found.nulled.is_empty());
}

#[test]
fn a_refused_message_leaves_nothing_in_the_columns() {
    let bad = br#"{"event":"e","version":1,"id":"SECRET","size":9,"tags":["SECRET"],"id":"x"}"#;
    let found = decode_all(&table(), &[bad, GOOD, bad]);
    assert_eq!(texts(&found, 2), ["a"]);
    for column in &found.columns {
        if let Body::Texts(_, data) | Body::Lists(_, _, data) = &column.body {
            assert!(!data.windows(6).any(|window| window == b"SECRET"));
        }
    }
}

#[test]
fn a_foreseen_name_must_stand_where_it_may_stand() {
    let first_again = br#"{"x":1"event":"e","version":1,"id":"a"}"#;
    let comma_first = br#"{,"version":1,"event":"e","id":"a"}"#;
    let spaced = br#"{"event": "e","version": 1,"id": "a"}"#;
    assert_eq!(
        reasons(&[GOOD, first_again, GOOD, comma_first, spaced]),
        ["not_json"; 2]
    );
}

#[test]
fn names_are_compared_after_unescaping_and_inside_of_what_nobody_declared() {
    let plain = br#"{"event":"e","version":1,"id":"a","\u0069d":"b"}"#;
    let nested = br#"{"event":"e","version":1,"id":"a","x":[{"y":1,"\u0079":2}]}"#;
    let twice = br#"{"event":"e","version":1,"id":"a","x":1,"z":2,"x":3}"#;
    assert_eq!(reasons(&[GOOD, plain, nested, twice]), ["duplicate_key"; 3]);
}

fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(br#"{"event":"e","version":1,"id":"a""#.to_vec()),
        Just(br#""tags":["a",null]"#.to_vec()),
        Just(br#""at":"2026-05-01T10:20:30.5Z""#.to_vec()),
        "[\\[\\]{},:\"\\\\0-9eE+.-]{0,4}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..4),
        Just(b",".to_vec()),
        Just(b"}".to_vec()),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_are_lost_invented_or_a_failure(
        messages in proptest::collection::vec(near_json(), 0..12)
    ) {
        let all: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let found = decode_all(&table(), &all);
        prop_assert_eq!(found.rows + found.refused.len(), all.len());
        let internal = NAMES.iter().position(|name| *name == "internal").unwrap() as u8;
        prop_assert!(!found.reasons.contains(&internal));
    }

    #[test]
    fn a_message_means_the_same_alone_and_among_others(
        messages in proptest::collection::vec(near_json(), 1..8)
    ) {
        let table = table();
        let all: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let together = decode_all(&table, &all);
        let mut alone = Vec::new();
        for message in &all {
            alone.extend(decode_all(&table, &[message]).reasons);
        }
        prop_assert_eq!(together.reasons, alone);
    }
}
