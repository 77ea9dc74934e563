//! Lines of text taken apart into columns of text, as `pipeline/events/formats/lines.py` says.
//!
//! A plan is data: literals with captures between them, or columns between separators. Every
//! value is checked, even one that no column takes: a line is refused for what is in it.

#![forbid(unsafe_code)]

use crate::column::{Column, Finished, Kind};
use crate::reasons::Reason;
use crate::scan::skip_blank;
use crate::table::NONE;

/// The limits of a line.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub size: usize,
    pub text: usize,
}

/// A value and the literal that ends it; without one it extends to the end of the line.
#[derive(Debug)]
pub struct Capture {
    pub column: u16,
    pub literal: Vec<u8>,
}

/// How lines are taken apart.
#[derive(Debug)]
pub enum Plan {
    /// The first of these that fits: the leading text, then captures.
    Patterns(Vec<(Vec<u8>, Vec<Capture>)>),
    /// Columns between separators, at least this many; more than are named are skipped unless the
    /// number is exact.
    Columns {
        separator: u8,
        quoted: bool,
        columns: Vec<u16>,
        least: usize,
        exact: bool,
    },
}

/// The result for the lines.
pub struct Split {
    pub rows: usize,
    pub columns: Vec<Finished>,
    pub refused: Vec<i64>,
    pub reasons: Vec<u8>,
}

/// Take apart line i, which is `data[starts[i]..ends[i]]`, for every i; `count` columns.
pub fn split(
    plan: &Plan,
    limits: Limits,
    count: usize,
    data: &[u8],
    starts: &[i64],
    ends: &[i64],
) -> Split {
    let mut columns: Vec<Column> = (0..count)
        .map(|_| Column::new(Kind::Text, starts.len()))
        .collect();
    let (mut refused, mut reasons) = (Vec::new(), Vec::new());
    let mut row = 0;
    let mut found: Vec<(u16, usize, usize)> = Vec::new();
    for (index, (&start, &end)) in starts.iter().zip(ends).enumerate() {
        found.clear();
        match take(plan, limits, data, start as usize, end as usize, &mut found) {
            Ok(()) => {
                for &(column, from, size) in &found {
                    if column != NONE && size > 0 {
                        columns[usize::from(column)].push_text(row, data, from, size);
                    }
                }
                row += 1;
            }
            Err(reason) => {
                refused.push(index as i64);
                reasons.push(reason as u8);
            }
        }
    }
    Split {
        rows: row,
        columns: columns.into_iter().map(|one| one.finish(row)).collect(),
        refused,
        reasons,
    }
}

fn take(
    plan: &Plan,
    limits: Limits,
    data: &[u8],
    start: usize,
    mut end: usize,
    found: &mut Vec<(u16, usize, usize)>,
) -> Result<(), Reason> {
    let line = &data[start..end];
    if line.len() > limits.size {
        return Err(Reason::TooLarge);
    }
    if skip_blank(line, 0, line.len()) == line.len() {
        return Err(Reason::Empty);
    }
    if simdutf8::basic::from_utf8(line).is_err() {
        return Err(Reason::NotUtf8);
    }
    if line.starts_with(b"\xEF\xBB\xBF") || memchr::memchr(0, line).is_some() {
        return Err(Reason::ForbiddenCharacter);
    }
    end -= usize::from(line.ends_with(b"\r"));
    let fits = match plan {
        Plan::Patterns(all) => all.iter().any(|(lead, captures)| {
            found.clear();
            pattern(lead, captures, data, start, end, found)
        }),
        Plan::Columns {
            separator,
            quoted,
            columns,
            least,
            exact,
        } => {
            let count = delimited(*separator, *quoted, columns, data, start, end, found);
            count.is_some_and(|n| n >= *least && (!exact || n == columns.len()))
        }
    };
    if !fits {
        return Err(Reason::NotInFormat);
    }
    if found.iter().any(|&(_, _, size)| size > limits.text) {
        return Err(Reason::StringTooLong);
    }
    Ok(())
}

fn pattern(
    lead: &[u8],
    captures: &[Capture],
    data: &[u8],
    start: usize,
    end: usize,
    found: &mut Vec<(u16, usize, usize)>,
) -> bool {
    if !data[start..end].starts_with(lead) {
        return false;
    }
    let mut at = start + lead.len();
    for capture in captures {
        let stop = if capture.literal.is_empty() {
            end
        } else if capture.literal[0] == b'"' {
            match unescaped(&data[at..end], &capture.literal) {
                Some(size) => at + size,
                None => return false,
            }
        } else {
            match memchr::memmem::find(&data[at..end], &capture.literal) {
                Some(size) => at + size,
                None => return false,
            }
        };
        found.push((capture.column, at, stop - at));
        at = stop + capture.literal.len();
    }
    at == end
}

/// The place of a literal that begins with a quote, skipping escaped ones.
fn unescaped(text: &[u8], literal: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'\\' {
            at += 2;
        } else if text[at..].starts_with(literal) {
            return Some(at);
        } else {
            at += 1;
        }
    }
}

/// Values between separators; returns how many there are, None if a quoted one does not end.
fn delimited(
    separator: u8,
    quoted: bool,
    columns: &[u16],
    data: &[u8],
    start: usize,
    end: usize,
    found: &mut Vec<(u16, usize, usize)>,
) -> Option<usize> {
    let mut at = start;
    let mut count = 0;
    loop {
        let (from, stop, next) = if quoted && at < end && data[at] == b'"' {
            let size = unescaped(&data[at + 1..end], b"\"")?;
            let stop = at + 1 + size;
            if stop + 1 < end && data[stop + 1] != separator {
                return None;
            }
            (at + 1, stop, stop + 1)
        } else {
            let stop = memchr::memchr(separator, &data[at..end]).map_or(end, |size| at + size);
            (at, stop, stop)
        };
        let column = columns.get(count).copied().unwrap_or(NONE);
        found.push((column, from, stop - from));
        count += 1;
        if next >= end {
            return Some(count);
        }
        at = next + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { size: 100, text: 9 };

    fn reasons(plan: &Plan, line: &[u8]) -> Vec<u8> {
        split(plan, LIMITS, 2, line, &[0], &[line.len() as i64]).reasons
    }

    fn quoted(columns: Vec<u16>, exact: bool) -> Plan {
        let least = columns.len();
        Plan::Columns {
            separator: b' ',
            quoted: true,
            columns,
            least,
            exact,
        }
    }

    #[test]
    fn a_quote_that_does_not_end_is_refused() {
        let plan = quoted(vec![0, 1], false);
        assert_eq!(reasons(&plan, b"a \"b"), [Reason::NotInFormat as u8]);
        assert_eq!(reasons(&plan, b"a \"b\"c"), [Reason::NotInFormat as u8]);
        assert_eq!(reasons(&plan, br#"a "b\" c" d"#), []);
    }

    #[test]
    fn a_long_value_is_refused_also_where_no_column_takes_it() {
        assert_eq!(
            reasons(&quoted(vec![0, NONE], true), b"a 0123456789"),
            [Reason::StringTooLong as u8]
        );
    }

    #[test]
    fn a_pattern_must_fit_to_the_end_of_the_line() {
        let capture = |column, literal: &[u8]| Capture {
            column,
            literal: literal.into(),
        };
        let plan = Plan::Patterns(vec![(
            b"[".into(),
            vec![capture(0, b"] \""), capture(1, b"\"")],
        )]);
        assert_eq!(reasons(&plan, b"[a] \"b\""), []);
        assert_eq!(reasons(&plan, b"[a] \"b\" "), [Reason::NotInFormat as u8]);
        assert_eq!(reasons(&plan, b"[a] \"b\\\""), [Reason::NotInFormat as u8]);
    }

    #[test]
    fn a_separator_at_the_end_is_followed_by_an_empty_value() {
        let plan = quoted(vec![0, 1], true);
        assert_eq!(reasons(&plan, b"a "), []);
        assert_eq!(reasons(&plan, b"a"), [Reason::NotInFormat as u8]);
    }
}
