//! Objects that declare fields: which name comes next, predicted from the last message or read.

#![forbid(unsafe_code)]

use crate::reasons::Reason;
use crate::scan::{same, skip_blank, string_end};
use crate::table::NONE;
use crate::text::unescape;

use super::Work;
use super::skip::{colon, comma};

/// A name, and the bytes between the previous value and its own, in an earlier message.
///
/// Here and in `Name` there is no padding between the parts: copying it took a tenth of the time.
#[derive(Clone, Copy)]
pub(super) struct Step {
    from: u32,
    size: u32,
    parent: u32,
    node: u32,
    name: Name,
}

/// A name, by where it is.
#[derive(Clone, Copy)]
pub(super) struct Name {
    hash: u64,
    from: u32,
    /// The size, and `ESCAPED` if it was written with escapes and is in `Work::arena`.
    shape: u32,
}

const ESCAPED: u32 = 1 << 31;

impl Name {
    fn new(hash: u64, from: usize, size: usize, escaped: bool) -> Name {
        Name {
            hash,
            from: from as u32,
            shape: size as u32 | if escaped { ESCAPED } else { 0 },
        }
    }

    fn is_escaped(self) -> bool {
        self.shape & ESCAPED != 0
    }

    /// Its bytes, in the slice or in the arena.
    #[inline(always)]
    fn bytes<'a>(self, data: &'a [u8], arena: &'a [u8]) -> &'a [u8] {
        let (from, size) = (self.from as usize, (self.shape & !ESCAPED) as usize);
        let all = if self.is_escaped() { arena } else { data };
        &all[from..from + size]
    }
}
/// How many names of an object were seen, and whether one was repeated.
#[derive(Default)]
pub(super) struct Count {
    pub(super) names: usize,
    pub(super) again: bool,
}
impl Work<'_> {
    /// Read the members of an object that declares fields, from after its opening brace to after
    /// the closing one.
    pub(super) fn object(
        &mut self,
        parent: u16,
        mut at: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize, Reason> {
        if depth > self.table.limits.depth {
            return Err(Reason::TooDeep);
        }
        let data = self.data;
        let base = self.names.len();
        let mut count = Count::default();
        loop {
            if at < end && data[at] == b'}' {
                break;
            }
            let is_first = count.names == 0;
            let lead = if is_first { b'"' } else { b',' };
            let known = self.foreseen(parent, at, end, lead);
            let (node, name) = if let Some(index) = known {
                let step = &self.steps[index];
                at += step.size as usize;
                (step.node as u16, step.name)
            } else {
                at = skip_blank(data, at, end);
                if at < end && data[at] == b'}' {
                    break;
                }
                let (stop, node, name) = self.step(parent, at, end, is_first)?;
                at = stop;
                (node, name)
            };
            count.names += 1;
            if node == NONE {
                self.note(name, base, &mut count);
                at = self.skip(at, end, depth)?;
            } else if self.stamps[usize::from(node)] == self.stamp {
                count.again = true;
                at = self.skip(at, end, depth)?;
            } else {
                self.stamps[usize::from(node)] = self.stamp;
                at = self.value(node, at, end, depth)?;
            }
        }
        self.close(base, &count)?;
        Ok(at + 1)
    }

    /// The number of the step of the last message that fits here.
    #[inline(always)]
    fn foreseen(&mut self, parent: u16, at: usize, end: usize, lead: u8) -> Option<usize> {
        // A first name has no comma before it and any other has one, wherever it was before.
        if at >= end || self.data[at] != lead {
            return None;
        }
        let first = self.at_step;
        for index in first..self.steps.len().min(first + 2) {
            let step = &self.steps[index];
            // A value begins right after it: with white space there are other bytes in between.
            let size = step.size as usize;
            let fits =
                size < end - at && step.parent == u32::from(parent) && self.data[at + size] > b' ';
            if fits && same(self.data, step.from as usize, at, size) {
                if !self.in_step || index > first {
                    self.leave(index);
                }
                self.at_step = index + 1;
                return Some(index);
            }
        }
        None
    }

    /// Note a step of the last message in a message that also has other steps.
    #[inline(never)]
    fn leave(&mut self, index: usize) {
        if self.in_step {
            self.fall_out();
        }
        self.made.push(self.steps[index]);
    }

    /// From here on the message has different names from the last one, or another order.
    fn fall_out(&mut self) {
        self.in_step = false;
        self.made.clear();
        self.made.extend_from_slice(&self.steps[..self.at_step]);
    }

    /// Read what is before a value: comma, name and colon. Returns the place after it.
    fn step(
        &mut self,
        parent: u16,
        from: usize,
        end: usize,
        first: bool,
    ) -> Result<(usize, u16, Name), Reason> {
        let data = self.data;
        let start = if first { from } else { comma(data, from, end)? };
        let (name, stop) = self.name(parent, start, end)?;
        let at = colon(data, stop, end)?;
        let node = self
            .table
            .find(parent, name.hash, name.bytes(data, &self.arena));
        if self.in_step {
            self.fall_out();
        }
        if node != NONE {
            let place = usize::from(self.places[usize::from(node)]);
            if self
                .steps
                .get(place)
                .is_some_and(|known| known.node == u32::from(node))
            {
                self.at_step = place + 1;
            }
            self.places[usize::from(node)] = self.made.len().min(usize::from(NONE)) as u16;
        }
        if !name.is_escaped() && self.made.len() <= self.table.limits.keys {
            let (parent, node) = (u32::from(parent), u32::from(node));
            let size = (at - from) as u32;
            self.made.push(Step {
                from: from as u32,
                size,
                parent,
                node,
                name,
            });
        }
        Ok((at, node, name))
    }

    /// Read a name, whose quote is at `at`; returns the place after it.
    #[inline(always)]
    pub(super) fn name(
        &mut self,
        parent: u16,
        at: usize,
        end: usize,
    ) -> Result<(Name, usize), Reason> {
        let data = self.data;
        if at >= end || data[at] != b'"' {
            return Err(Reason::NotJson);
        }
        let from = at + 1;
        let stop = string_end(data, from, end);
        if stop < end && data[stop] == b'"' {
            self.check_length(stop - from);
            let hash = self.table.hash(parent, &data[from..stop]);
            return Ok((Name::new(hash, from, stop - from, false), stop + 1));
        }
        let start = self.arena.len();
        let found = unescape(data, from, end, &mut self.arena)?;
        let size = self.arena.len() - start;
        self.check_escaped(size, found.forbidden);
        let hash = self.table.hash(parent, &self.arena[start..]);
        Ok((Name::new(hash, start, size, true), found.stop))
    }

    /// Note an undeclared name of the object whose names begin at `base`.
    #[inline(always)]
    fn note(&mut self, name: Name, base: usize, count: &mut Count) {
        if self.keys + count.names > self.table.limits.keys {
            return; // too many names already, provided that the rest is JSON at all
        }
        // A message with the same names as the last one so far has no repeated name.
        if !self.in_step && self.is_known(name, base) {
            count.again = true;
        }
        self.names.push(name);
    }

    /// The bytes of a name, unescaped.
    #[inline(always)]
    pub(super) fn spelled(&self, name: Name) -> &[u8] {
        name.bytes(self.data, &self.arena)
    }

    pub(super) fn is_known(&self, name: Name, base: usize) -> bool {
        let bytes = |name: Name| name.bytes(self.data, &self.arena);
        let is_same = |known: &Name| known.hash == name.hash && bytes(*known) == bytes(name);
        self.names[base..].iter().any(is_same)
    }

    pub(super) fn close(&mut self, base: usize, count: &Count) -> Result<(), Reason> {
        self.names.truncate(base);
        self.keys += count.names;
        if self.keys > self.table.limits.keys {
            return Err(Reason::TooManyKeys);
        }
        if count.again {
            Err(Reason::DuplicateKey)
        } else {
            Ok(())
        }
    }
}
