//! Whether a message is accepted: what its bytes, shape, event and version are refused for.

#![forbid(unsafe_code)]

use crate::reasons::Reason;
use crate::scan::{is_deeper, skip_blank};
use crate::table::ROOT;

use super::{Said, Work};

impl Work<'_> {
    /// What the bytes themselves are refused for, before anything that a parser meets.
    #[cold]
    pub(super) fn refusal(&self, start: usize, end: usize) -> Option<Reason> {
        let message = &self.data[start..end];
        if message.len() > self.table.limits.size {
            Some(Reason::TooLarge)
        } else if skip_blank(message, 0, message.len()) == message.len() {
            Some(Reason::Empty)
        } else if !self.is_utf8 && simdutf8::basic::from_utf8(message).is_err() {
            Some(Reason::NotUtf8)
        } else if memchr::memchr(0, message).is_some() {
            Some(Reason::ForbiddenCharacter)
        } else if is_deeper(message, self.table.limits.depth) {
            Some(Reason::TooDeep)
        } else {
            None
        }
    }

    pub(super) fn message(&mut self, start: usize, end: usize) -> Result<(), Reason> {
        self.whole(start, end, |work, at| work.object(ROOT, at, end, 1))?;
        self.judge()
    }

    /// A message that is one object, which `read` reads from after its opening brace to after the
    /// closing one.
    #[inline(always)]
    pub(super) fn whole(
        &mut self,
        start: usize,
        end: usize,
        read: impl FnOnce(&mut Self, usize) -> Result<usize, Reason>,
    ) -> Result<(), Reason> {
        let data = self.data;
        if end - start > self.table.limits.size {
            return Err(Reason::TooLarge);
        }
        #[cfg(test)]
        assert!(data[start..end] != *b"fail!", "a test asked for it");
        if !self.is_utf8 && simdutf8::basic::from_utf8(&data[start..end]).is_err() {
            return Err(Reason::NotUtf8);
        }
        let at = skip_blank(data, start, end);
        if at == end {
            return Err(Reason::Empty);
        }
        let is_object = data[at] == b'{';
        let stop = if is_object {
            read(self, at + 1)?
        } else {
            self.skip(at, end, 0)?
        };
        if skip_blank(data, stop, end) != end {
            return Err(Reason::NotJson);
        }
        match self.text_problem {
            Some(problem) => Err(problem),
            None if is_object => Ok(()),
            None => Err(Reason::NotObject),
        }
    }

    /// Refuse a message of another event, of an unknown version, or without a required value.
    fn judge(&mut self) -> Result<(), Reason> {
        let table = self.table;
        if table.identity.is_none() {
            return Ok(());
        }
        match self.event {
            Said::Nothing => return Err(Reason::MissingField),
            Said::Right => {}
            Said::Wrong => return Err(Reason::WrongEvent),
            Said::WrongType | Said::Number(_) => return Err(Reason::InvalidType),
        }
        let number = match self.version {
            Said::Nothing => return Err(Reason::MissingField),
            Said::Number(number) => number,
            _ => return Err(Reason::InvalidType),
        };
        let version = table
            .versions
            .iter()
            .rev()
            .find(|version| version.number == number);
        let version = version.ok_or(Reason::UnknownVersion)?;
        if !version.complete {
            let (columns, row) = (&mut self.columns, self.row);
            for &column in &self.touched {
                if !version.declared[usize::from(column)] {
                    columns[usize::from(column)].cut(row);
                }
            }
            self.problems
                .retain(|(column, _)| version.declared[usize::from(*column)]);
        }
        for (column, reason) in &self.problems {
            if version.decisive[usize::from(*column)] {
                return Err(*reason);
            }
        }
        for &column in &version.required {
            if !self.columns[usize::from(column)].has(self.row) {
                return Err(Reason::MissingField);
            }
        }
        Ok(())
    }
}
