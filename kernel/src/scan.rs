//! Scans bytes eight at a time, in safe code: no read leaves the slice.

#![forbid(unsafe_code)]

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const QUOTES: u64 = ONES * b'"' as u64;
const SLASHES: u64 = ONES * b'\\' as u64;
const SPACES: u64 = ONES * 0x20;

/// The eight bytes from `at` on, which the caller knows to be there.
#[inline(always)]
pub fn word(data: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(data[at..at + 8].try_into().expect("eight bytes"))
}

#[inline(always)]
fn marks(word: u64) -> u64 {
    let quote = word ^ QUOTES;
    let slash = word ^ SLASHES;
    // A borrow can only mark bytes above a real hit, and the lowest hit is what counts.
    ((quote.wrapping_sub(ONES) & !quote)
        | (slash.wrapping_sub(ONES) & !slash)
        | (word.wrapping_sub(SPACES) & !word))
        & HIGHS
}

/// The first quote, backslash or control character from `at` on, or `end`.
#[inline(always)]
pub fn string_end(data: &[u8], mut at: usize, end: usize) -> usize {
    while at + 8 <= end {
        let found = marks(word(data, at));
        if found != 0 {
            return at + (found.trailing_zeros() >> 3) as usize;
        }
        at += 8;
    }
    while at < end {
        let byte = data[at];
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            return at;
        }
        at += 1;
    }
    end
}

/// Whether `size` bytes from `left` on equal those from `right` on; both ranges are in `data`.
#[inline(always)]
pub fn same(data: &[u8], left: usize, right: usize, size: usize) -> bool {
    let (a, b) = (&data[left..left + size], &data[right..right + size]);
    if size < 8 {
        return a == b;
    }
    let mut at = 0;
    while at + 8 <= size {
        if word(a, at) != word(b, at) {
            return false;
        }
        at += 8;
    }
    word(a, size - 8) == word(b, size - 8)
}

/// The first byte from `at` on that is not JSON white space, or `end`.
#[inline(always)]
pub fn skip_blank(data: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && matches!(data[at], b' ' | b'\t' | b'\r' | b'\n') {
        at += 1;
    }
    at
}

/// Whether nesting is deeper than `most` anywhere, as the specification counts it: brackets
/// outside strings, whether or not the rest is JSON.
pub fn is_deeper(message: &[u8], most: usize) -> bool {
    let mut depth = 0isize;
    let mut at = 0;
    while at < message.len() {
        match message[at] {
            b'{' | b'[' => {
                depth += 1;
                if depth > most as isize {
                    return true;
                }
            }
            b'}' | b']' => depth -= 1,
            b'"' => {
                at += 1;
                while at < message.len() && message[at] != b'"' {
                    at += if message[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}
