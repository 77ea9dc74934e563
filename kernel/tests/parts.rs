//! The parts against what the standard library or a published vector says.

use kernel::lines::find_lines;
use kernel::number::{Number, number};
use kernel::records::find_records;
use kernel::text::{is_signal, unescape};
use kernel::time::Dates;
use kernel::token::{Key, TextColumn, tokens};
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn tokens_are_hmac_sha256_by_the_vectors_of_rfc_4231() {
    let cases: [(&[u8], &[u8], &str); 4] = [
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ];
    for (key, data, expected) in cases {
        for cut in 0..=data.len() {
            assert_eq!(
                hex(&Key::new(key).digest(&data[..cut], &data[cut..])),
                expected
            );
        }
    }
}

#[test]
fn a_row_has_the_key_of_its_epoch_and_none_without_one() {
    let keys = [Key::new(&[1; 32]), Key::new(&[2; 32])];
    let column = TextColumn {
        offsets: &[0, 1, 1, 2, 3],
        data: b"aaa",
    };
    let found = tokens(
        &column,
        &[&keys[0], &keys[1]],
        Some(&[0, 0, 1, -1]),
        b"",
        16,
    );
    let first = hex(&keys[0].digest(b"", b"a")[..16]);
    let third = hex(&keys[1].digest(b"", b"a")[..16]);
    assert_eq!(found[..32], *first.as_bytes());
    assert_eq!(found[32..64], [0; 32]);
    assert_eq!(found[64..96], *third.as_bytes());
    assert_eq!(found[96..], [0; 32]);
}

#[test]
fn signals_are_exactly_one_of_a_headers_values() {
    for on in ["1", " 1 ", "0,1", "\t1,x"] {
        assert!(is_signal(on.as_bytes()));
    }
    for off in ["", "11", "1.0", "true", "0, 0", "\u{a0}1"] {
        assert!(!is_signal(off.as_bytes()));
    }
}

#[test]
fn times_are_cut_and_zones_taken_off() {
    let mut dates = Dates::default();
    assert_eq!(dates.time(b"1970-01-01T01:00:00.0000019+01:00"), Some(1));
    assert_eq!(dates.time(b"1970-01-01T00:00:00"), None);
    assert_eq!(dates.time(b"1969-12-31T23:59:59Z"), None);
    assert_eq!(
        dates.time(b"9999-12-31T23:59:60z"),
        Some(253_402_300_799_999_999)
    );
    assert_eq!(dates.time(b"9999-12-31T23:59:59-00:01"), None);
    assert_eq!(dates.date(b"2024-02-29"), Some(19_782));
    assert_eq!(dates.date(b"2023-02-29"), None);
}

fn zigzag(value: usize) -> Vec<u8> {
    let (mut rest, mut out) = (value << 1, vec![]);
    while rest > 127 {
        out.push(rest as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

proptest! {
    #[test]
    fn integers_and_floats_are_those_of_the_standard_library(text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
        let found = number(text.as_bytes(), 0, text.len());
        if text.contains(['.', 'e', 'E']) {
            let expected: f64 = text.parse().unwrap();
            match found {
                Ok((Number::Float(value), stop)) => {
                    prop_assert_eq!((value.to_bits(), stop), (expected.to_bits(), text.len()));
                }
                Ok(other) => prop_assert!(false, "an integer: {:?}", other),
                Err(_) => prop_assert!(!expected.is_finite()),
            }
        } else {
            prop_assert_eq!(found.ok(), text.parse().ok().map(|value| (Number::Int(value), text.len())));
        }
    }

    #[test]
    fn unescaping_gives_back_what_was_escaped(text in "\\PC{0,20}") {
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        let data = format!("{escaped}\"");
        let mut out = vec![];
        let found = unescape(data.as_bytes(), 0, data.len(), &mut out).ok().unwrap();
        prop_assert_eq!((out, found.stop, found.forbidden), (text.into_bytes(), data.len(), false));
    }

    #[test]
    fn lines_put_together_again_are_the_block(lines in proptest::collection::vec("[a-z\r]{0,5}", 0..9)) {
        let block = lines.concat_lines();
        let found = find_lines(block.as_bytes(), 100);
        let kept: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.is_empty() && *line != "\r").collect();
        let made: Vec<&str> = found.starts.iter().zip(&found.ends).map(|(start, end)| &block[*start as usize..*end as usize]).collect();
        prop_assert_eq!((made, found.stop), (kept, block.len()));
    }

    #[test]
    fn records_are_found_with_keys_headers_and_any_size(
        values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        floor in 0i64..25,
    ) {
        let mut data = vec![];
        for (at, value) in values.iter().enumerate() {
            let mut record = vec![0, 0x80, 1];
            record.extend(zigzag(at));
            for part in [&key, value] {
                match part {
                    None => record.push(1),
                    Some(bytes) => { record.extend(zigzag(bytes.len())); record.extend(bytes); }
                }
            }
            record.push(0);
            data.extend(zigzag(record.len()));
            data.extend(record);
        }
        let found = find_records(&data, values.len(), 100, 100 + floor).unwrap();
        let expected: Vec<Vec<u8>> = values.iter().skip(floor as usize).map(|value| value.clone().unwrap_or_default()).collect();
        let made: Vec<Vec<u8>> = found.starts.iter().zip(&found.ends).map(|(start, end)| data[*start as usize..*end as usize].to_vec()).collect();
        prop_assert_eq!(made, expected);
        prop_assert!(data.is_empty() || find_records(&data[..data.len() - 1], values.len(), 100, 0).is_none());
    }
}

trait ConcatLines {
    fn concat_lines(&self) -> String;
}

impl ConcatLines for Vec<String> {
    fn concat_lines(&self) -> String {
        self.iter().map(|line| format!("{line}\n")).collect()
    }
}
