//! A small table with a column of each kind, in two versions.

#![allow(dead_code)] // each test uses its part

use kernel::column::{Body, Kind};
use kernel::decode::{Decoded, decode};
use kernel::table::{Identity, Limits, Table, Version};

pub const LIMITS: Limits = Limits {
    size: 65_536,
    depth: 6,
    keys: 100,
    text: 2_048,
};

pub fn table() -> Table {
    let names = [
        ("event", Kind::Text),
        ("version", Kind::Int),
        ("id", Kind::Text),
        ("at", Kind::Time),
        ("day", Kind::Date),
        ("size", Kind::Float),
        ("tags", Kind::List),
        ("gpc", Kind::Signal),
        ("later", Kind::Text),
    ];
    let fields: Vec<_> = names
        .map(|(name, kind)| (vec![name.to_string()], kind))
        .into();
    let version = |number: i64, count: usize, required: Vec<u16>| Version {
        number,
        declared: (0..9).map(|at| at < count).collect(),
        decisive: (0..9).map(|at| required.contains(&at)).collect(),
        required,
        complete: count == 9,
    };
    let versions = vec![
        version(1, 8, vec![0, 1, 2]),
        version(2, 9, vec![0, 1, 2, 8]),
    ];
    let identity = Identity {
        event: b"e".into(),
        event_column: 0,
        version_column: 1,
    };
    Table::new(&fields, versions, Some(identity), LIMITS).expect("the table is sound")
}

/// Decode messages that lie one after another, with nothing between them.
pub fn decode_all(table: &Table, messages: &[&[u8]]) -> Decoded {
    let data = messages.concat();
    let (mut starts, mut ends, mut at) = (vec![], vec![], 0);
    for message in messages {
        starts.push(at);
        at += message.len() as i64;
        ends.push(at);
    }
    decode(table, &data, &starts, &ends)
}

/// The texts of a column, empty where there is none.
pub fn texts(decoded: &Decoded, column: usize) -> Vec<String> {
    match &decoded.columns[column].body {
        Body::Texts(offsets, data) => offsets
            .windows(2)
            .map(|pair| String::from_utf8(data[pair[0] as usize..pair[1] as usize].into()).unwrap())
            .collect(),
        _ => vec![String::new(); decoded.rows],
    }
}
