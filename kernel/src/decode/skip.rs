//! Undeclared values: skipped, and checked like all others.

#![forbid(unsafe_code)]

use crate::number::number;
use crate::reasons::Reason;
use crate::scan::{skip_blank, string_end};
use crate::table::NONE;
use crate::text::unescape;

use super::Work;
use super::names::{Count, Name};

impl Work<'_> {
    /// Skip an undeclared value, checking all of it.
    pub(super) fn skip(&mut self, at: usize, end: usize, depth: usize) -> Result<usize, Reason> {
        let data = self.data;
        if at >= end {
            return Err(Reason::NotJson);
        }
        match data[at] {
            b'"' => self.skip_text(at + 1, end),
            b'-' | b'0'..=b'9' => number(data, at, end).map(|(_, stop)| stop),
            b't' => literal(data, at, end, b"true"),
            b'f' => literal(data, at, end, b"false"),
            b'n' => literal(data, at, end, b"null"),
            b'{' => self.skip_object(at + 1, end, depth + 1),
            b'[' => self.skip_list(at + 1, end, depth + 1),
            _ => Err(Reason::NotJson),
        }
    }

    fn skip_text(&mut self, from: usize, end: usize) -> Result<usize, Reason> {
        let stop = string_end(self.data, from, end);
        if stop < end && self.data[stop] == b'"' {
            self.check_length(stop - from);
            return Ok(stop + 1);
        }
        self.scratch.clear();
        let found = unescape(self.data, from, end, &mut self.scratch)?;
        self.check_escaped(self.scratch.len(), found.forbidden);
        Ok(found.stop)
    }

    fn skip_object(&mut self, from: usize, end: usize, depth: usize) -> Result<usize, Reason> {
        self.members(from, end, depth, |work, _, at| work.skip(at, end, depth))
    }

    fn skip_list(&mut self, from: usize, end: usize, depth: usize) -> Result<usize, Reason> {
        self.items(from, end, depth, |work, at| work.skip(at, end, depth))
    }

    /// Read an object that declares nothing, from after its opening brace to after the closing one:
    /// `each` is called with every name and the place of its value, and returns the place after it.
    #[inline(always)]
    pub(super) fn members(
        &mut self,
        from: usize,
        end: usize,
        depth: usize,
        mut each: impl FnMut(&mut Self, Name, usize) -> Result<usize, Reason>,
    ) -> Result<usize, Reason> {
        if depth > self.table.limits.depth {
            return Err(Reason::TooDeep);
        }
        let data = self.data;
        let base = self.names.len();
        let mut count = Count::default();
        let mut at = skip_blank(data, from, end);
        if at >= end || data[at] != b'}' {
            loop {
                let (name, stop) = self.name(NONE, at, end)?;
                count.names += 1;
                if self.keys + count.names <= self.table.limits.keys {
                    count.again |= self.is_known(name, base);
                    self.names.push(name);
                }
                let value = colon(data, stop, end)?;
                at = skip_blank(data, each(self, name, value)?, end);
                if at < end && data[at] == b'}' {
                    break;
                }
                at = comma(data, at, end)?;
            }
        }
        self.close(base, &count)?;
        Ok(at + 1)
    }

    /// Read a list, from after its opening bracket to after the closing one, in the same way.
    #[inline(always)]
    pub(super) fn items(
        &mut self,
        from: usize,
        end: usize,
        depth: usize,
        mut each: impl FnMut(&mut Self, usize) -> Result<usize, Reason>,
    ) -> Result<usize, Reason> {
        if depth > self.table.limits.depth {
            return Err(Reason::TooDeep);
        }
        let data = self.data;
        let mut at = skip_blank(data, from, end);
        if at < end && data[at] == b']' {
            return Ok(at + 1);
        }
        loop {
            at = skip_blank(data, each(self, at)?, end);
            if at < end && data[at] == b']' {
                return Ok(at + 1);
            }
            at = comma(data, at, end)?;
        }
    }

    #[inline(always)]
    pub(super) fn check_length(&mut self, size: usize) {
        if size > self.table.limits.text {
            self.text_problem.get_or_insert(Reason::StringTooLong);
        }
    }

    pub(super) fn check_escaped(&mut self, size: usize, forbidden: bool) {
        if forbidden {
            self.text_problem.get_or_insert(Reason::ForbiddenCharacter);
        }
        self.check_length(size);
    }
}

/// The place of the value after a colon that begins at `at` or after white space.
#[inline(always)]
pub(super) fn colon(data: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
    let at = skip_blank(data, at, end);
    if at >= end || data[at] != b':' {
        return Err(Reason::NotJson);
    }
    Ok(skip_blank(data, at + 1, end))
}

#[inline(always)]
pub(super) fn comma(data: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
    if at >= end || data[at] != b',' {
        return Err(Reason::NotJson);
    }
    Ok(skip_blank(data, at + 1, end))
}

#[inline(always)]
pub(super) fn literal(data: &[u8], at: usize, end: usize, word: &[u8]) -> Result<usize, Reason> {
    let stop = at + word.len();
    if stop > end || data[at..stop] != *word {
        return Err(Reason::NotJson);
    }
    Ok(stop)
}
