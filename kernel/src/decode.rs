//! Strict decoding: one pass over a message's bytes, straight into columns.
//!
//! `pipeline/events/decode/strict.py` is the specification; this has the same meaning in a fortieth
//! of the time. Three things make it fast. The bytes between two values (the comma, the name,
//! the colon) are first compared with those of the last message: producers write the same names
//! over and over. Texts are scanned eight bytes at a time. And values go to their columns at
//! once; a message that turns out to be refused takes its row back.
//!
//! A message is judged in `judge`, the names of its objects are read in `names`, declared values in
//! `values`, and all others are passed over in `skip`. All four work on the one `Work`.
//!
//! Reasons are in the order of the specification: first those about the bytes (`refusal`), then
//! what a parser meets on its way, then texts, then the event, its version and its fields.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::column::{Column, Finished};
use crate::reasons::Reason;
use crate::table::{NONE, Table};
use crate::time::Dates;

use self::names::{Name, Step};

mod judge;
mod names;
pub mod otlp;
mod skip;
mod values;

/// Messages whose bytes are checked to be UTF-8 in one go: few enough to stay in the cache.
const CHECKED_TOGETHER: usize = 64;

/// The result for a slice.
pub struct Decoded {
    pub rows: usize,
    pub columns: Vec<Finished>,
    /// Messages that were refused, by their numbers in the slice, ascending.
    pub refused: Vec<i64>,
    /// The reason of each of them.
    pub reasons: Vec<u8>,
    /// How often a column's value was made null, and why.
    pub nulled: Vec<(u16, u8, u64)>,
}

/// Decode message i, which is `data[starts[i]..ends[i]]`, for every i.
///
/// The places must be inside `data`. Never fails because of the data: a message on which the code
/// itself fails is refused as `internal`, and the others go on.
pub fn decode(table: &Table, data: &[u8], starts: &[i64], ends: &[i64]) -> Decoded {
    let mut work = Work::new(table, data, starts.len());
    let take = |work: &mut Work, (): &mut (), index, start, end| work.take(index, start, end);
    guarded(&mut work, &mut (), starts, ends, take, |work, (), index| {
        work.take_back_everything();
        work.refuse(index, Reason::Internal);
    });
    work.finish()
}

/// Call `take` with the number and the place of every message, and `failed` where it panics.
fn guarded<'a, S>(
    work: &mut Work<'a>,
    state: &mut S,
    starts: &[i64],
    ends: &[i64],
    take: impl Fn(&mut Work<'a>, &mut S, usize, usize, usize),
    failed: impl Fn(&mut Work<'a>, &mut S, usize),
) {
    let mut next = 0;
    while next < starts.len() {
        let run = AssertUnwindSafe(|| {
            while next < starts.len() {
                if next.is_multiple_of(CHECKED_TOGETHER) {
                    let stop = starts.len().min(next + CHECKED_TOGETHER);
                    work.check_utf8(&starts[next..stop], &ends[next..stop]);
                }
                take(
                    work,
                    state,
                    next,
                    starts[next] as usize,
                    ends[next] as usize,
                );
                next += 1;
            }
        });
        if catch_unwind(run).is_err() {
            failed(work, state, next);
            next += 1;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    WrongType,
    Wrong,
    Right,
    Number(i64),
}
struct Work<'a> {
    table: &'a Table,
    data: &'a [u8],
    is_utf8: bool,
    columns: Vec<Column>,
    row: usize,
    refused: Vec<i64>,
    reasons: Vec<u8>,
    nulled: Vec<[u64; 2]>,
    dates: Dates,
    // Of the last message that was understood:
    steps: Vec<Step>,
    places: Vec<u16>,
    // Of the message at hand:
    stamps: Vec<u32>,
    stamp: u32,
    made: Vec<Step>,
    at_step: usize,
    in_step: bool,
    keys: usize,
    names: Vec<Name>,
    arena: Vec<u8>,
    scratch: Vec<u8>,
    touched: Vec<u16>,
    problems: Vec<(u16, Reason)>,
    text_problem: Option<Reason>,
    event: Said,
    version: Said,
    event_column: u16,
    version_column: u16,
}

impl<'a> Work<'a> {
    fn new(table: &'a Table, data: &'a [u8], messages: usize) -> Work<'a> {
        let identity = table.identity.as_ref();
        Work {
            table,
            data,
            is_utf8: false,
            columns: table
                .kinds
                .iter()
                .map(|&kind| Column::new(kind, messages))
                .collect(),
            row: 0,
            refused: Vec::new(),
            reasons: Vec::new(),
            nulled: vec![[0; 2]; table.kinds.len()],
            dates: Dates::default(),
            steps: Vec::new(),
            places: vec![0; table.nodes.len()],
            stamps: vec![0; table.nodes.len()],
            stamp: 0,
            made: Vec::new(),
            at_step: 0,
            in_step: true,
            keys: 0,
            names: Vec::new(),
            arena: Vec::new(),
            scratch: Vec::new(),
            touched: Vec::new(),
            problems: Vec::new(),
            text_problem: None,
            event: Said::Nothing,
            version: Said::Nothing,
            event_column: identity.map_or(NONE, |found| found.event_column),
            version_column: identity.map_or(NONE, |found| found.version_column),
        }
    }

    /// Find out whether all of these messages are certainly UTF-8.
    fn check_utf8(&mut self, starts: &[i64], ends: &[i64]) {
        let (low, high) = (starts[0] as usize, ends[ends.len() - 1] as usize);
        let is_cut = |at: usize| self.data.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let is_whole = |(start, end): (&i64, &i64)| {
            let (start, end) = (*start as usize, *end as usize);
            low <= start && end <= high && !is_cut(start) && !is_cut(end)
        };
        self.is_utf8 = low <= high
            && starts.iter().zip(ends).all(is_whole)
            && simdutf8::basic::from_utf8(&self.data[low..high]).is_ok();
    }

    /// Decode one message into the next row, or refuse it.
    fn take(&mut self, index: usize, start: usize, end: usize) {
        self.begin();
        match self.message(start, end) {
            Ok(()) => self.accept(),
            Err(reason) => {
                let reason = self.refusal(start, end).unwrap_or(reason);
                self.take_back();
                self.refuse(index, reason);
            }
        }
    }

    fn begin(&mut self) {
        self.stamp += 1;
        self.at_step = 0;
        self.in_step = true;
        self.keys = 0;
        self.names.clear();
        self.arena.clear();
        self.touched.clear();
        self.problems.clear();
        self.text_problem = None;
        self.event = Said::Nothing;
        self.version = Said::Nothing;
    }

    fn accept(&mut self) {
        for &(column, reason) in &self.problems {
            self.nulled[usize::from(column)][usize::from(reason == Reason::InvalidTime)] += 1;
        }
        if !self.in_step {
            std::mem::swap(&mut self.steps, &mut self.made);
        }
        self.row += 1;
    }

    fn take_back(&mut self) {
        for &column in &self.touched {
            self.columns[usize::from(column)].cut(self.row);
        }
    }

    /// After a failure of our own: it is unknown how far the row had got.
    #[cold]
    fn take_back_everything(&mut self) {
        for column in &mut self.columns {
            column.cut(self.row);
        }
        self.steps.clear();
    }

    fn refuse(&mut self, index: usize, reason: Reason) {
        self.refused.push(index as i64);
        self.reasons.push(reason as u8);
    }

    fn finish(self) -> Decoded {
        let mut nulled = Vec::new();
        for (column, counts) in self.nulled.iter().enumerate() {
            for (count, reason) in counts
                .iter()
                .zip([Reason::InvalidType, Reason::InvalidTime])
            {
                if *count > 0 {
                    nulled.push((column as u16, reason as u8, *count));
                }
            }
        }
        let rows = self.row;
        Decoded {
            rows,
            columns: self
                .columns
                .into_iter()
                .map(|column| column.finish(rows))
                .collect(),
            refused: self.refused,
            reasons: self.reasons,
            nulled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Kind;
    use crate::table::Limits;

    #[test]
    fn a_failure_of_our_own_refuses_its_message_alone() {
        let limits = Limits {
            size: 65_536,
            depth: 6,
            keys: 100,
            text: 2_048,
        };
        let fields = [(vec!["a".to_string()], Kind::Text)];
        let table = Table::new(&fields, vec![], None, limits).expect("the table is sound");
        let data = br#"{"a":"x"}fail!{"a":"y"}fail!"#;
        let found = decode(&table, data, &[0, 9, 14, 23], &[9, 14, 23, 28]);
        assert_eq!((found.rows, found.refused), (2, vec![1, 3]));
        assert_eq!(found.reasons, [Reason::Internal as u8; 2]);
    }
}
