//! A place in a line that was decoded strictly before: what is there, and what comes after it.

#![forbid(unsafe_code)]

use crate::scan::{skip_blank, string_end};
use crate::text::unescape;

#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) data: &'a [u8],
    pub(super) at: usize,
    pub(super) end: usize,
}
impl Cursor<'_> {
    pub(super) fn byte(&self) -> Option<u8> {
        self.data[..self.end].get(self.at).copied()
    }

    pub(super) fn is_null(&self) -> bool {
        self.byte() == Some(b'n')
    }

    pub(super) fn blank(&mut self) {
        self.at = skip_blank(self.data, self.at, self.end);
    }

    /// The value, as it is written.
    pub(super) fn copy(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let from = self.at;
        self.skip()?;
        out.extend_from_slice(&self.data[from..self.at]);
        Some(())
    }

    /// Pass over a value.
    pub(super) fn skip(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.byte()? {
                b'"' => self.text()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                _ => {
                    let from = self.at;
                    while self.byte().is_some_and(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
                    }) {
                        self.at += 1;
                    }
                    if self.at == from {
                        return None;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    pub(super) fn text(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at = string_end(self.data, self.at, self.end);
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 2,
            }
        }
    }

    /// Call `each` at the value of every member of an object, which it passes over.
    pub(super) fn members(
        &mut self,
        mut each: impl FnMut(&mut Self, &[u8]) -> Option<()>,
    ) -> Option<()> {
        if self.byte()? != b'{' {
            return None;
        }
        self.at += 1;
        let mut unescaped = Vec::new();
        while !self.ends_with(b'}')? {
            let from = self.at + 1;
            self.text()?;
            let data = self.data;
            let mut key = &data[from..self.at - 1];
            if memchr::memchr(b'\\', key).is_some() {
                unescaped.clear();
                unescape(data, from, self.end, &mut unescaped).ok()?;
                key = &unescaped;
            }
            self.blank();
            self.at += 1; // the colon
            self.blank();
            each(self, key)?;
        }
        Some(())
    }

    /// Pass over what stands between two values; whether it was the end instead.
    pub(super) fn ends_with(&mut self, end: u8) -> Option<bool> {
        self.blank();
        match self.byte()? {
            byte if byte == end => {
                self.at += 1;
                return Some(true);
            }
            b',' => {
                self.at += 1;
                self.blank();
            }
            _ => {}
        }
        Some(false)
    }

    /// Call `each` at every item of a list, which it passes over.
    pub(super) fn items(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.byte()? != b'[' {
            return None;
        }
        self.at += 1;
        while !self.ends_with(b']')? {
            each(self)?;
        }
        Some(())
    }

    pub(super) fn items_or_null(
        &mut self,
        each: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        if self.is_null() {
            return self.skip();
        }
        self.items(each)
    }
}

/// A name as JSON writes it.
pub(super) fn quoted(name: &[u8], out: &mut Vec<u8>) {
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
