//! JSON strings with escapes.

#![forbid(unsafe_code)]

use crate::reasons::Reason;
use crate::scan::string_end;

/// What unescaping a string found.
pub struct Unescaped {
    /// The place after the closing quote.
    pub stop: usize,
    /// It contains NUL or a lone surrogate. (A surrogate is kept as three bytes, which no valid
    /// text has, so that different names stay different and equal ones equal.)
    pub forbidden: bool,
}

/// Append to `out` the string whose content begins at `at`; it is not JSON if it does not end.
pub fn unescape(
    data: &[u8],
    mut at: usize,
    end: usize,
    out: &mut Vec<u8>,
) -> Result<Unescaped, Reason> {
    let mut forbidden = false;
    loop {
        let plain = string_end(data, at, end);
        out.extend_from_slice(&data[at..plain]);
        if plain >= end {
            return Err(Reason::NotJson);
        }
        match data[plain] {
            b'"' => {
                return Ok(Unescaped {
                    stop: plain + 1,
                    forbidden,
                });
            }
            b'\\' if plain + 1 < end => {
                at = plain + 2;
                let byte = match data[plain + 1] {
                    b'"' => b'"',
                    b'\\' => b'\\',
                    b'/' => b'/',
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'u' => {
                        let (code, stop) = code_point(data, at, end)?;
                        forbidden |= code == 0 || (0xD800..0xE000).contains(&code);
                        push_code(out, code);
                        at = stop;
                        continue;
                    }
                    _ => return Err(Reason::NotJson),
                };
                out.push(byte);
            }
            _ => return Err(Reason::NotJson),
        }
    }
}

/// The code point whose hexadecimal digits begin at `at`; two escapes if they are a pair.
fn code_point(data: &[u8], at: usize, end: usize) -> Result<(u32, usize), Reason> {
    let first = hex(data, at, end)?;
    let next = at + 4;
    if !(0xD800..0xDC00).contains(&first) || next + 2 > end || data[next..next + 2] != *b"\\u" {
        return Ok((first, next));
    }
    let second = hex(data, next + 2, end)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Ok((first, next));
    }
    Ok((
        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
        next + 6,
    ))
}

fn hex(data: &[u8], at: usize, end: usize) -> Result<u32, Reason> {
    if at + 4 > end {
        return Err(Reason::NotJson);
    }
    let mut value = 0;
    for &byte in &data[at..at + 4] {
        let digit = (byte as char).to_digit(16).ok_or(Reason::NotJson)?;
        value = value << 4 | digit;
    }
    Ok(value)
}

fn push_code(out: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xE0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3F) as u8,
            0x80 | (code & 0x3F) as u8,
        ]),
    }
}

/// Whether one of a header's comma-separated values is exactly `1`.
pub fn is_signal(text: &[u8]) -> bool {
    text.split(|&byte| byte == b',').any(|part| {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let start = part
            .iter()
            .position(|byte| !blank(byte))
            .unwrap_or(part.len());
        let stop = part
            .iter()
            .rposition(|byte| !blank(byte))
            .map_or(start, |last| last + 1);
        part[start..stop] == *b"1"
    })
}
