//! JSON numbers: 64-bit integers, and finite floats with correct rounding.

#![forbid(unsafe_code)]

use crate::reasons::Reason;

/// A number as JSON writes it: an integer has neither fraction nor exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

const MOST_DIGITS: usize = 19;
const EXACT: u64 = 1 << 53;
/// Powers of ten that a float holds exactly (Clinger 1990).
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The number that begins at `at` (a digit or a minus), and the place after it.
///
/// As in the specification, the first byte that cannot belong to the number ends it: `1.` is the
/// integer 1 before a stray point, `01` is 0 before a stray 1.
#[inline]
pub fn number(data: &[u8], start: usize, end: usize) -> Result<(Number, usize), Reason> {
    let mut at = start;
    let negative = data[at] == b'-';
    at += usize::from(negative);
    let first = at;
    let mut value = 0u64;
    match data.get(at).filter(|_| at < end) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits(data, at, end, &mut value),
        _ => return Err(Reason::NotJson),
    }
    let whole = at - first;
    let mut fraction = 0;
    if at + 1 < end && data[at] == b'.' && data[at + 1].is_ascii_digit() {
        let from = at + 1;
        at = digits(data, from, end, &mut value);
        fraction = at - from;
    }
    let mut exponent = false;
    if at < end && matches!(data[at], b'e' | b'E') {
        let signed = at + 1 + usize::from(at + 1 < end && matches!(data[at + 1], b'+' | b'-'));
        let mut ignored = 0;
        let stop = digits(data, signed, end, &mut ignored);
        if stop > signed {
            exponent = true;
            at = stop;
        }
    }
    if fraction == 0 && !exponent {
        return Ok((Number::Int(integer(value, whole, negative)?), at));
    }
    if !exponent && whole + fraction <= MOST_DIGITS && value <= EXACT && fraction < TENS.len() {
        let size = value as f64 / TENS[fraction];
        return Ok((Number::Float(if negative { -size } else { size }), at));
    }
    let text = std::str::from_utf8(&data[start..at]).map_err(|_| Reason::NotJson)?;
    let float: f64 = text.parse().map_err(|_| Reason::NotJson)?;
    if float.is_finite() {
        Ok((Number::Float(float), at))
    } else {
        Err(Reason::NumberOutOfRange)
    }
}

/// The place after the digits that begin at `at`; `value` continues with them, modulo 2^64.
#[inline(always)]
fn digits(data: &[u8], mut at: usize, end: usize, value: &mut u64) -> usize {
    while at < end {
        let digit = data[at].wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

fn integer(size: u64, digits: usize, negative: bool) -> Result<i64, Reason> {
    let limit = i64::MAX as u64 + u64::from(negative);
    if digits > MOST_DIGITS || size > limit {
        return Err(Reason::NumberOutOfRange);
    }
    Ok(if negative {
        (size as i64).wrapping_neg()
    } else {
        size as i64
    })
}
