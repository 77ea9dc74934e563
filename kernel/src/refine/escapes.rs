//! Escapes that log writers use: `%41`, `+` and `\\x41`.

#![forbid(unsafe_code)]

use super::Decoding;

pub(super) fn is_plain(steps: &[Decoding], value: &[u8]) -> bool {
    steps.iter().all(|step| {
        let mark = match step {
            Decoding::Percent => b'%',
            Decoding::Plus => b'+',
            Decoding::Backslash => b'\\',
        };
        memchr::memchr(mark, value).is_none()
    })
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

fn pair(text: &[u8], at: usize) -> Option<u8> {
    Some(hex(*text.get(at)?)? << 4 | hex(*text.get(at + 1)?)?)
}

pub(super) fn percent(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        match (text[at], pair(text, at + 1)) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

pub(super) fn backslash(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        let Some(&next) = text.get(at + 1).filter(|_| text[at] == b'\\') else {
            out.push(text[at]);
            at += 1;
            continue;
        };
        if let (b'x', Some(byte)) = (next, pair(text, at + 2)) {
            out.push(byte);
            at += 4;
            continue;
        }
        out.push(match next {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            other => other,
        });
        at += 2;
    }
}
