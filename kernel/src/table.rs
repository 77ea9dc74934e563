//! Which values of a message become which columns, and what a version of an event asks for.
//!
//! Python builds a table once, from schemas or from a format. Fields are named by paths, so a
//! table is a tree: a node can be a column, an object with further fields in it, or both.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::column::Kind;

/// No node, no column.
pub const NONE: u16 = u16::MAX;
/// The node of the message itself.
pub const ROOT: u16 = 0;

/// The limits of a message.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub size: usize,
    pub depth: usize,
    pub keys: usize,
    pub text: usize,
}

/// How a message of one version is judged.
#[derive(Debug)]
pub struct Version {
    pub number: i64,
    /// For each column, whether the version declares it.
    pub declared: Vec<bool>,
    /// Columns without which a message is refused.
    pub required: Vec<u16>,
    /// For each column, whether an unreadable value refuses the message.
    pub decisive: Vec<bool>,
    /// Whether every column is declared.
    pub complete: bool,
}

/// The columns that say which event and version a message has.
#[derive(Debug)]
pub struct Identity {
    pub event: Vec<u8>,
    pub event_column: u16,
    pub version_column: u16,
}

/// One place in the tree of names.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    pub column: u16,
    pub branch: bool,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    parent: u16,
    node: u16,
    name: Vec<u8>,
}

/// A whole table.
#[derive(Debug)]
pub struct Table {
    pub nodes: Vec<Node>,
    pub kinds: Vec<Kind>,
    pub versions: Vec<Version>,
    pub identity: Option<Identity>,
    pub limits: Limits,
    entries: Vec<Option<Entry>>,
    seeds: [u64; 2],
}

impl Table {
    /// A table of these columns; errors say what is wrong with the declaration.
    pub fn new(
        fields: &[(Vec<String>, Kind)],
        versions: Vec<Version>,
        identity: Option<Identity>,
        limits: Limits,
    ) -> Result<Table, &'static str> {
        if fields.len() >= usize::from(NONE) {
            return Err("too many fields");
        }
        let random = RandomState::new();
        let mut table = Table {
            nodes: vec![Node {
                column: NONE,
                branch: true,
            }],
            kinds: fields.iter().map(|(_, kind)| *kind).collect(),
            versions,
            identity,
            limits,
            entries: Vec::new(),
            seeds: [random.hash_one(1), random.hash_one(2)],
        };
        let mut found: HashMap<(u16, &str), u16> = HashMap::new();
        for (column, (path, _)) in fields.iter().enumerate() {
            let mut node = ROOT;
            for name in path {
                table.nodes[usize::from(node)].branch = true;
                let next = table.nodes.len();
                if next >= usize::from(NONE) {
                    return Err("too many names");
                }
                node = *found.entry((node, name)).or_insert(next as u16);
                if usize::from(node) == next {
                    table.nodes.push(Node {
                        column: NONE,
                        branch: false,
                    });
                }
            }
            let place = &mut table.nodes[usize::from(node)];
            if node == ROOT || place.column != NONE {
                return Err("a path is empty or named twice");
            }
            place.column = column as u16;
        }
        table
            .entries
            .resize_with((found.len() * 4).next_power_of_two(), || None);
        for ((parent, name), node) in found {
            let hash = table.hash(parent, name.as_bytes());
            let mut at = table.place(hash);
            while table.entries[at].is_some() {
                at = (at + 1) & (table.entries.len() - 1);
            }
            table.entries[at] = Some(Entry {
                hash,
                parent,
                node,
                name: name.into(),
            });
        }
        Ok(table)
    }

    fn place(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.entries.len() - 1)
    }

    /// The node of a name inside `parent`, or `NONE`.
    #[inline]
    pub fn find(&self, parent: u16, hash: u64, name: &[u8]) -> u16 {
        let mut at = self.place(hash);
        while let Some(entry) = &self.entries[at] {
            if entry.hash == hash && entry.parent == parent && entry.name == name {
                return entry.node;
            }
            at = (at + 1) & (self.entries.len() - 1);
        }
        NONE
    }

    /// A hash of a name that nobody outside this process can predict.
    #[inline]
    pub fn hash(&self, parent: u16, name: &[u8]) -> u64 {
        let mut state = self.seeds[0] ^ (u64::from(parent) << 48) ^ name.len() as u64;
        let mut chunks = name.chunks_exact(8);
        for chunk in &mut chunks {
            state = self.mix(state ^ u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        }
        let mut last = 0;
        for &byte in chunks.remainder() {
            last = last << 8 | u64::from(byte);
        }
        self.mix(state ^ last)
    }

    #[inline(always)]
    fn mix(&self, value: u64) -> u64 {
        let wide = u128::from(value) * u128::from(self.seeds[1] | 1);
        (wide as u64) ^ (wide >> 64) as u64
    }
}
