//! Values of declared fields: written to their columns, or noted as invalid.

#![forbid(unsafe_code)]

use crate::column::Kind;
use crate::number::{Number, number};
use crate::reasons::Reason;
use crate::scan::{skip_blank, string_end};
use crate::table::NONE;
use crate::text::{is_signal, unescape};

use super::skip::{comma, literal};
use super::{Said, Work};

/// Stands in a text column for a value that was there but is not text (`model.UNREADABLE`).
const UNREADABLE: &[u8] = b"\0";

/// A value, or part of one, that is neither text nor number.
#[derive(Clone, Copy)]
enum Other {
    Literal(&'static [u8]),
    Nested,
}
impl Work<'_> {
    /// Read the value of a declared name.
    #[inline(always)]
    pub(super) fn value(
        &mut self,
        node: u16,
        at: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize, Reason> {
        let data = self.data;
        if at >= end {
            return Err(Reason::NotJson);
        }
        let place = self.table.nodes[usize::from(node)];
        match data[at] {
            b'"' => {
                let from = at + 1;
                let stop = string_end(data, from, end);
                if stop < end && data[stop] == b'"' {
                    self.check_length(stop - from);
                    if stop > from {
                        self.text(place.column, data, from, stop - from);
                    }
                    return Ok(stop + 1);
                }
                self.escaped(place.column, from, end)
            }
            b'-' | b'0'..=b'9' => {
                let (value, stop) = number(data, at, end)?;
                self.number(place.column, value, at, stop);
                Ok(stop)
            }
            b'n' => literal(data, at, end, b"null"),
            _ => self.rare(node, at, end, depth),
        }
    }

    fn escaped(&mut self, column: u16, from: usize, end: usize) -> Result<usize, Reason> {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let found = unescape(self.data, from, end, &mut text);
        if let Ok(found) = &found {
            self.check_escaped(text.len(), found.forbidden);
            if !text.is_empty() {
                self.text(column, &text, 0, text.len());
            }
        }
        self.scratch = text;
        found.map(|found| found.stop)
    }

    fn rare(&mut self, node: u16, at: usize, end: usize, depth: usize) -> Result<usize, Reason> {
        let place = self.table.nodes[usize::from(node)];
        let kind = self.table.kinds.get(usize::from(place.column));
        let (stop, other) = match self.data[at] {
            b't' => (
                literal(self.data, at, end, b"true")?,
                Other::Literal(b"true"),
            ),
            b'f' => (
                literal(self.data, at, end, b"false")?,
                Other::Literal(b"false"),
            ),
            b'[' if matches!(
                kind,
                Some(Kind::List | Kind::Signal | Kind::First | Kind::Last)
            ) =>
            {
                return self.list(place.column, at + 1, end, depth + 1);
            }
            b'{' if place.branch => (self.object(node, at + 1, end, depth + 1)?, Other::Nested),
            _ => (self.skip(at, end, depth)?, Other::Nested),
        };
        self.other(place.column, other);
        Ok(stop)
    }

    #[inline(always)]
    fn text(&mut self, column: u16, source: &[u8], from: usize, size: usize) {
        if column == NONE {
            return;
        }
        let row = self.row;
        let target = &mut self.columns[usize::from(column)];
        match target.kind {
            Kind::Text | Kind::Scalar | Kind::First | Kind::Last => {
                target.push_text(row, source, from, size);
            }
            Kind::Time => match self.dates.time(&source[from..from + size]) {
                Some(micros) => target.set_wide(row, micros),
                None => return self.problems.push((column, Reason::InvalidTime)),
            },
            Kind::Date => match self.dates.date(&source[from..from + size]) {
                Some(days) => target.set_days(row, days),
                None => return self.problems.push((column, Reason::InvalidTime)),
            },
            Kind::Signal => {
                if !is_signal(&source[from..from + size]) {
                    return;
                }
                target.push_text(row, b"1", 0, 1);
            }
            Kind::Int | Kind::Float | Kind::List => {
                self.problems.push((column, Reason::InvalidType));
                if column == self.version_column {
                    self.version = Said::WrongType;
                }
                return;
            }
        }
        self.touched.push(column);
        if column == self.event_column {
            let right = self
                .table
                .identity
                .as_ref()
                .map(|identity| &identity.event[..]);
            let is_right = right == Some(&source[from..from + size]);
            self.event = if is_right { Said::Right } else { Said::Wrong };
        }
    }

    #[inline(always)]
    fn number(&mut self, column: u16, value: Number, at: usize, stop: usize) {
        if column == NONE {
            return;
        }
        let row = self.row;
        let target = &mut self.columns[usize::from(column)];
        match (target.kind, value) {
            (Kind::Int, Number::Int(value)) => {
                target.set_wide(row, value);
                if column == self.version_column {
                    self.version = Said::Number(value);
                }
            }
            (Kind::Float, Number::Int(value)) => target.set_float(row, value as f64),
            (Kind::Float, Number::Float(value)) => target.set_float(row, value),
            (Kind::Scalar | Kind::First | Kind::Last, _) => {
                target.push_text(row, self.data, at, stop - at);
            }
            _ => return self.other(column, Other::Nested),
        }
        self.touched.push(column);
    }

    /// A value that is there and cannot be what the field declares.
    fn other(&mut self, column: u16, value: Other) {
        if column == NONE {
            return;
        }
        let row = self.row;
        let target = &mut self.columns[usize::from(column)];
        match (target.kind, value) {
            (Kind::Signal, _) => return,
            (Kind::Scalar | Kind::First | Kind::Last, Other::Literal(word)) => {
                target.push_text(row, word, 0, word.len());
                return self.touched.push(column);
            }
            (Kind::Text | Kind::Scalar | Kind::First | Kind::Last, _) => {
                target.push_text(row, UNREADABLE, 0, UNREADABLE.len());
                self.touched.push(column);
            }
            _ => {}
        }
        self.problems.push((column, Reason::InvalidType));
        if column == self.event_column {
            self.event = Said::WrongType;
        } else if column == self.version_column {
            self.version = Said::WrongType;
        }
    }

    /// A list that holds something other than texts, where one of them was to be taken.
    #[cold]
    fn nothing_else(&mut self, column: u16, at: usize) -> usize {
        self.other(column, Other::Nested);
        at + 1
    }

    /// Read a list of texts, or of the values of a header.
    fn list(
        &mut self,
        column: u16,
        from: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize, Reason> {
        if depth > self.table.limits.depth {
            return Err(Reason::TooDeep);
        }
        let data = self.data;
        let kind = self.columns[usize::from(column)].kind;
        let mut one: Vec<u8> = Vec::new();
        self.touched.push(column);
        let (mut good, mut is_on) = (true, false);
        let mut at = skip_blank(data, from, end);
        if at >= end || data[at] != b']' {
            loop {
                match data.get(at).filter(|_| at < end) {
                    Some(b'"') => {
                        let mut text = std::mem::take(&mut self.scratch);
                        text.clear();
                        let found = unescape(data, at + 1, end, &mut text);
                        if let Ok(found) = &found {
                            self.check_escaped(text.len(), found.forbidden);
                            if kind == Kind::Signal {
                                is_on |= is_signal(&text);
                            } else if kind != Kind::List {
                                if !text.is_empty() && (kind == Kind::Last || one.is_empty()) {
                                    std::mem::swap(&mut one, &mut text);
                                }
                            } else if !text.is_empty() && good {
                                let target = &mut self.columns[usize::from(column)];
                                target.push_item(&text, 0, text.len());
                            }
                        }
                        self.scratch = text;
                        at = found?.stop;
                    }
                    Some(b'n') => at = literal(data, at, end, b"null")?,
                    _ => {
                        good = false;
                        at = self.skip(at, end, depth)?;
                    }
                }
                at = skip_blank(data, at, end);
                if at < end && data[at] == b']' {
                    break;
                }
                at = comma(data, at, end)?;
            }
        }
        let row = self.row;
        let target = &mut self.columns[usize::from(column)];
        if kind == Kind::Signal {
            if is_on {
                target.push_text(row, b"1", 0, 1);
            }
        } else if kind != Kind::List {
            if !good {
                return Ok(self.nothing_else(column, at));
            }
            if !one.is_empty() {
                target.push_text(row, &one, 0, one.len());
            }
        } else {
            target.close_list(row, good);
            if !good {
                self.problems.push((column, Reason::InvalidType));
            }
        }
        Ok(at + 1)
    }
}
