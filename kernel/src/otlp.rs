//! Lines of OTLP/JSON logs to one flat message for each log record.
//!
//! The lines were decoded strictly before, so here is only their structure. A record becomes
//! `{its single values, "attributes":{...},"resource":{...}}`; texts and numbers are copied as they
//! are written, and are read, under all limits, with the message that they become part of.

#![forbid(unsafe_code)]

use self::cursor::{Cursor, quoted};

mod cursor;

/// Messages made from lines, and the lines that have another structure.
#[derive(Default)]
pub struct Flat {
    pub data: Vec<u8>,
    pub starts: Vec<i64>,
    pub ends: Vec<i64>,
    /// The line that each message came from.
    pub lines: Vec<i64>,
    /// The number of each message in its line.
    pub numbers: Vec<i64>,
    pub refused: Vec<i64>,
}

/// Flatten line i, which is `data[starts[i]..ends[i]]`, for every i.
pub fn flatten(data: &[u8], starts: &[i64], ends: &[i64]) -> Flat {
    let mut flat = Flat::default();
    let mut attributes = Vec::new();
    let mut resource = Vec::new();
    for (line, (&start, &end)) in starts.iter().zip(ends).enumerate() {
        let (size, count) = (flat.data.len(), flat.starts.len());
        let mut at = Cursor {
            data,
            at: start as usize,
            end: end as usize,
        };
        if at
            .line(line as i64, &mut flat, &mut resource, &mut attributes)
            .is_none()
        {
            flat.data.truncate(size);
            flat.starts.truncate(count);
            flat.ends.truncate(count);
            flat.lines.truncate(count);
            flat.numbers.truncate(count);
            flat.refused.push(line as i64);
        }
    }
    flat
}
impl Cursor<'_> {
    fn line(
        &mut self,
        line: i64,
        flat: &mut Flat,
        resource: &mut Vec<u8>,
        attributes: &mut Vec<u8>,
    ) -> Option<()> {
        let mut seen = false;
        let mut number = 0;
        self.members(|at, key| {
            if key != b"resourceLogs" {
                return at.skip();
            }
            seen = true;
            at.items(|at| at.entry(line, &mut number, flat, resource, attributes))
        })?;
        seen.then_some(())
    }

    /// One entry of `resourceLogs`: its resource, and the records of its scopes.
    fn entry(
        &mut self,
        line: i64,
        number: &mut i64,
        flat: &mut Flat,
        resource: &mut Vec<u8>,
        attributes: &mut Vec<u8>,
    ) -> Option<()> {
        resource.clear();
        let mut scopes = None;
        self.members(|at, key| match key {
            b"resource" if at.is_null() => at.skip(),
            b"resource" => at.members(|at, key| match key {
                b"attributes" => at.pairs(resource),
                _ => at.skip(),
            }),
            b"scopeLogs" => {
                scopes = Some(*at);
                at.skip()
            }
            _ => at.skip(),
        })?;
        let Some(mut at) = scopes else {
            return Some(());
        };
        at.items_or_null(|at| {
            at.members(|at, key| match key {
                b"logRecords" => at.items_or_null(|at| {
                    let start = flat.data.len() as i64;
                    at.record(&mut flat.data, resource, attributes)?;
                    flat.starts.push(start);
                    flat.ends.push(flat.data.len() as i64);
                    flat.lines.push(line);
                    flat.numbers.push(*number);
                    *number += 1;
                    Some(())
                }),
                _ => at.skip(),
            })
        })
    }

    fn record(
        &mut self,
        out: &mut Vec<u8>,
        resource: &[u8],
        attributes: &mut Vec<u8>,
    ) -> Option<()> {
        attributes.clear();
        out.push(b'{');
        self.members(|at, key| match key {
            b"attributes" => at.pairs(attributes),
            b"resource" => at.skip(),
            _ if matches!(at.byte()?, b'{' | b'[') => at.skip(),
            _ => {
                quoted(key, out);
                out.push(b':');
                at.copy(out)?;
                out.push(b',');
                Some(())
            }
        })?;
        out.extend_from_slice(b"\"attributes\":{");
        out.extend_from_slice(attributes);
        out.extend_from_slice(b"},\"resource\":{");
        out.extend_from_slice(resource);
        out.extend_from_slice(b"}}");
        Some(())
    }

    /// A list of keys and values, or null, as the members of an object.
    fn pairs(&mut self, out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        self.items_or_null(|at| {
            let (mut name, mut value) = (None, None);
            at.members(|at, key| {
                match key {
                    b"key" if at.byte()? == b'"' => name = Some(*at),
                    b"value" => value = Some(*at),
                    _ => {}
                }
                at.skip()
            })?;
            if !out.is_empty() {
                out.push(b',');
            }
            name?.copy(out)?;
            out.push(b':');
            match value {
                Some(mut at) if !at.is_null() => at.any_value(out),
                _ => {
                    out.extend_from_slice(b"null");
                    Some(())
                }
            }
        })
    }

    /// The single value of an `AnyValue`; an object without members for any other kind of value.
    fn any_value(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let (mut count, mut single) = (0, None);
        self.members(|at, key| {
            count += 1;
            let known: [&[u8]; 4] = [b"stringValue", b"intValue", b"doubleValue", b"boolValue"];
            if known.contains(&key) && !matches!(at.byte()?, b'{' | b'[') {
                single = Some(*at);
            }
            at.skip()
        })?;
        match (count, single) {
            (0, _) => out.extend_from_slice(b"null"),
            (1, Some(mut at)) => at.copy(out)?,
            _ => out.extend_from_slice(b"{}"),
        }
        Some(())
    }

    // -- JSON that is known to be sound ---------------------------------------------------------
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(line: &str) -> Option<Vec<String>> {
        let found = flatten(line.as_bytes(), &[0], &[line.len() as i64]);
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
}
