//! From lines of OTLP/JSON logs to one flat message per log record, in the pass that checks them.
//!
//! A record becomes `{its single values, "attributes":{...},"resource":{...}}`; texts and numbers
//! are copied as written, and are read with the message that they become part of.
//! `pipeline/events/formats/otlp.py` is the specification.
//!
//! Nearly all of a line is attributes, which a producer always writes in the same way, for example
//! `{"key": "...", "value": {"stringValue": "..."}}`. The bytes around the two texts are remembered
//! and compared, as `names` does with the names of messages.

#![forbid(unsafe_code)]

use crate::reasons::Reason;
use crate::scan::same;
use crate::table::Table;

use super::{Work, guarded};

mod lines;

/// Messages made from lines, and the lines that were refused.
#[derive(Default)]
pub struct Flat {
    pub data: Vec<u8>,
    pub starts: Vec<i64>,
    pub ends: Vec<i64>,
    /// The line that each message came from.
    pub lines: Vec<i64>,
    /// The number of each message in its line.
    pub numbers: Vec<i64>,
    /// Lines that were refused, ascending.
    pub refused: Vec<i64>,
    /// The reason of each of them.
    pub reasons: Vec<u8>,
}

/// Check line i, which is `data[starts[i]..ends[i]]`, under the limits of `table`, and flatten it.
///
/// The places must be inside `data`. Never fails because of the data; see `decode`.
pub fn flatten(table: &Table, data: &[u8], starts: &[i64], ends: &[i64]) -> Flat {
    let mut work = Work::new(table, data, 0);
    let mut out = Out::default();
    guarded(
        &mut work,
        &mut out,
        starts,
        ends,
        Work::take_line,
        |_, out, index| {
            out.take_back();
            out.refuse(index, Reason::Internal);
        },
    );
    out.flat
}

/// The output so far, and what is known about the current line.
#[derive(Default)]
struct Out {
    flat: Flat,
    line: usize,
    /// Bytes and messages before this line.
    before: (usize, usize),
    /// The line is JSON, but has another structure.
    is_other: bool,
    /// Attributes of the current record or resource, as the members of an object.
    pairs: Vec<u8>,
    /// Those of the entry's resource.
    resource: Vec<u8>,
    lead: Piece,
    tail: Piece,
    middles: Vec<Piece>,
}

/// Where in the slice something is that is expected again.
#[derive(Clone, Copy, Default)]
struct Piece {
    from: usize,
    size: usize,
}

/// The most ways to write what is between an attribute's name and its value.
const MIDDLES: usize = 6;

impl Piece {
    fn of(from: usize, stop: usize) -> Piece {
        Piece {
            from,
            size: stop - from,
        }
    }

    #[inline(always)]
    fn is_at(self, data: &[u8], at: usize, end: usize) -> bool {
        self.size <= end - at && same(data, self.from, at, self.size)
    }
}

impl Out {
    fn take_back(&mut self) {
        let (size, count) = self.before;
        self.flat.data.truncate(size);
        self.flat.starts.truncate(count);
        self.flat.ends.truncate(count);
        self.flat.lines.truncate(count);
        self.flat.numbers.truncate(count);
    }

    fn refuse(&mut self, index: usize, reason: Reason) {
        self.flat.refused.push(index as i64);
        self.flat.reasons.push(reason as u8);
    }

    #[inline(always)]
    fn pair(&mut self, key: &[u8], value: &[u8]) {
        if !self.pairs.is_empty() {
            self.pairs.push(b',');
        }
        self.pairs.extend_from_slice(key);
        self.pairs.push(b':');
        self.pairs.extend_from_slice(value);
    }

    /// End the message that begins at `start`, whose single values are written.
    fn close(&mut self, start: usize) {
        let flat = &mut self.flat;
        flat.data.extend_from_slice(b"\"attributes\":{");
        flat.data.extend_from_slice(&self.pairs);
        flat.data.extend_from_slice(b"},\"resource\":{");
        flat.data.extend_from_slice(&self.resource);
        flat.data.extend_from_slice(b"}}");
        flat.numbers
            .push((flat.starts.len() - self.before.1) as i64);
        flat.starts.push(start as i64);
        flat.ends.push(flat.data.len() as i64);
        flat.lines.push(self.line as i64);
    }

    /// Add the resource to the messages from `first` on, which were written before it.
    #[cold]
    fn catch_up(&mut self, first: usize) {
        let flat = &mut self.flat;
        let begin = flat.starts[first] as usize;
        let old = flat.data.split_off(begin);
        for row in first..flat.starts.len() {
            let (from, stop) = (flat.starts[row] as usize, flat.ends[row] as usize);
            flat.starts[row] = flat.data.len() as i64;
            flat.data
                .extend_from_slice(&old[from - begin..stop - begin - 2]);
            flat.data.extend_from_slice(&self.resource);
            flat.data.extend_from_slice(b"}}");
            flat.ends[row] = flat.data.len() as i64;
        }
    }

    /// Remember how an attribute was written: its brace, key and single value, in this order.
    #[cold]
    fn learn(&mut self, lead: Piece, middle: Piece, tail: Piece) {
        if self.middles.len() == MIDDLES {
            self.middles.clear();
        }
        self.middles.push(middle);
        (self.lead, self.tail) = (lead, tail);
    }
}

/// A name as JSON writes it.
fn quoted(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in name {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let digits = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(digits[usize::from(byte >> 4)]);
                out.push(digits[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Limits;

    fn flat(line: &str) -> Option<Vec<String>> {
        let limits = Limits {
            size: 65_536,
            depth: 16,
            keys: 100,
            text: 2_048,
        };
        let table = Table::new(&[], vec![], None, limits).expect("the table is sound");
        let found = flatten(&table, line.as_bytes(), &[0], &[line.len() as i64]);
        let text = |at: usize| {
            let (start, end) = (found.starts[at] as usize, found.ends[at] as usize);
            String::from_utf8(found.data[start..end].to_vec()).expect("text")
        };
        found
            .refused
            .is_empty()
            .then(|| (0..found.starts.len()).map(text).collect())
    }

    #[test]
    fn records_become_messages_with_their_resource() {
        let line = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
            {"timeUnixNano":"1","body":{"stringValue":"x"},"attributes":[
                {"value":{"intValue":"200"},"key":"s"},{"key":"l","value":{"arrayValue":{}}}]},
            {"timeUnixNano":2}]}],"resource":{"attributes":[{"key":"r","value":{}}]}}]}"#;
        assert_eq!(
            flat(line),
            Some(vec![
                r#"{"timeUnixNano":"1","attributes":{"s":"200","l":{}},"resource":{"r":null}}"#
                    .to_string(),
                r#"{"timeUnixNano":2,"attributes":{},"resource":{"r":null}}"#.to_string(),
            ])
        );
    }

    #[test]
    fn a_line_of_another_structure_is_refused() {
        for line in [
            "{}",
            r#"{"resourceLogs":null}"#,
            r#"{"resourceLogs":[1]}"#,
            r#"{"resourceLogs":[{"scopeLogs":{}}]}"#,
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[[]]}]}]}"#,
            r#"{"resourceLogs":[{"resource":{"attributes":[{"value":{}}]}}]}"#,
        ] {
            assert_eq!(flat(line), None, "{line}");
        }
        assert_eq!(
            flat(r#"{"resourceLogs":[{"scopeLogs":null}]}"#),
            Some(vec![])
        );
    }
    #[test]
    fn what_is_foreseen_is_checked_like_anything_else() {
        let line = |attributes: &str| {
            let record = format!(r#"{{"attributes":[{attributes}]}}"#);
            let usual = r#"{"key":"a","value":{"stringValue":"x"}}"#;
            flat(&format!(
                r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"attributes":[{usual}]}},{record}]}}]}}]}}"#
            ))
            .map(|found| found[1].clone())
        };
        let made = |pairs: &str| Some(format!(r#"{{"attributes":{{{pairs}}},"resource":{{}}}}"#));
        for (attribute, pair) in [
            (r#"{"key":"b","value":{"stringValue":"y"}}"#, r#""b":"y""#),
            (
                r#"{"key":"b\"","value":{"stringValue":"\n"}}"#,
                r#""b\"":"\n""#,
            ),
            (r#"{"key":"b","value":{"stringValue":[1]}}"#, r#""b":{}"#),
            (
                r#"{"key":"b","value":{"stringValue":1,"x":2}}"#,
                r#""b":{}"#,
            ),
            (
                r#"{"key":"b","value":{"stringValue":"y"},"x":1}"#,
                r#""b":"y""#,
            ),
            (r#"{"key":"b","value":{"stringValue":null}}"#, r#""b":null"#),
        ] {
            assert_eq!(line(attribute), made(pair), "{attribute}");
        }
        for attribute in [
            r#"{"key":"b","value":{"stringValue":"\x"}}"#,
            r#"{"key":"b","value":{"stringValue":"\u0000"}}"#,
            r#"{"key":"b","value":{"stringValue":01}}"#,
            r#"{"key":"b","value":{"stringValue":"y"},"key":"c"}"#,
            r#"{"key":"b","value":{"stringValue":"y"}"#,
        ] {
            assert_eq!(line(attribute), None, "{attribute}");
        }
        let many = vec![r#"{"key":"b","value":{"stringValue":"y"}}"#; 40].join(",");
        assert_eq!(line(&many), None, "more names than a line may have");
    }

    #[test]
    fn a_resource_that_comes_late_is_that_of_its_own_entry() {
        let entry = |name: &str| {
            format!(
                r#"{{"scopeLogs":[{{"logRecords":[{{}},{{}}]}}],"resource":{{"attributes":[{{"key":"{name}","value":{{"intValue":1}}}}]}}}}"#
            )
        };
        let line = format!(r#"{{"resourceLogs":[{},{}]}}"#, entry("a"), entry("b"));
        let made = |name: &str| format!(r#"{{"attributes":{{}},"resource":{{"{name}":1}}}}"#);
        assert_eq!(
            flat(&line),
            Some(vec![made("a"), made("a"), made("b"), made("b")])
        );
    }
}
