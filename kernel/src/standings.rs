//! The opt-out list: the hash chained over its lines, and what its ordinary lines say.
//!
//! Ordinary is a line of an account that opted out once and did not change its mind, written as
//! `pipeline/io/standings/entries.py` writes it. Every other line is left to that module, so
//! that there is one judge of what a line may be.

#![forbid(unsafe_code)]

use crate::time::Dates;
use crate::token;

/// What stands for a line that is not ordinary.
pub const OTHER: i64 = i64::MIN;

const HEAD: &[u8] = b"{\"token\":\"";
const BEGIN: &[u8] = b"\",\"intervals\":[[\"";
const WRITTEN: &[u8] = b"\",null]],\"erased\":null,\"restricted\":null,\"at\":\"";
const TAIL: &[u8] = b"\"}";
const DIGITS: usize = 32;
const TIME: usize = 27;

/// The lines of a block, one element each.
#[derive(Default)]
pub struct Standings {
    /// First and second half of the token, as numbers that sort as its digits do.
    pub high: Vec<u64>,
    pub low: Vec<u64>,
    /// When the account opted out, in microseconds since 1970, or `OTHER`.
    pub since: Vec<i64>,
    /// Where each other line starts and ends, in order.
    pub others: Vec<i64>,
}

/// The SHA-256 chained over the complete lines of a block: of the chain so far and the line.
pub fn chain_lines(mut chain: [u8; 32], data: &[u8]) -> [u8; 32] {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', data) {
        chain = token::sha256(&[&chain, &data[start..end]]);
        start = end + 1;
    }
    chain
}

/// Read the complete lines of a block.
pub fn standings(data: &[u8]) -> Standings {
    let mut found = Standings::default();
    let mut dates = (Dates::default(), Dates::default());
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', data) {
        let (high, low, since) = ordinary(&data[start..end], &mut dates).unwrap_or_else(|| {
            found.others.extend([start as i64, end as i64]);
            (0, 0, OTHER)
        });
        found.high.push(high);
        found.low.push(low);
        found.since.push(since);
        start = end + 1;
    }
    found
}

/// Token and time of an ordinary line, None for any other.
fn ordinary(line: &[u8], dates: &mut (Dates, Dates)) -> Option<(u64, u64, i64)> {
    let (token, rest) = line.strip_prefix(HEAD)?.split_at_checked(DIGITS)?;
    let (since, rest) = rest.strip_prefix(BEGIN)?.split_at_checked(TIME)?;
    let (at, rest) = rest.strip_prefix(WRITTEN)?.split_at_checked(TIME)?;
    if rest != TAIL {
        return None;
    }
    time(at, &mut dates.1)?;
    let (high, low) = token.split_at(DIGITS / 2);
    Some((number(high)?, number(low)?, time(since, &mut dates.0)?))
}

/// Sixteen lower-case hexadecimal digits as a number.
fn number(digits: &[u8]) -> Option<u64> {
    let mut value = 0;
    for &digit in digits {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(nibble);
    }
    Some(value)
}

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`, from 1970 on, exactly as the list writes it.
fn time(text: &[u8], dates: &mut Dates) -> Option<i64> {
    let written = text[10] == b'T' && text[19] == b'.' && text[26] == b'Z';
    // A leap second is a time to the pipeline and none to the list.
    let exact = written && text[20..26].iter().all(u8::is_ascii_digit) && text[17] != b'6';
    if exact { dates.time(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"{\"token\":\"00112233445566778899aabbccddeeff\",\"intervals\":\
        [[\"2026-11-24T12:00:00.000001Z\",null]],\"erased\":null,\"restricted\":null,\
        \"at\":\"2026-11-24T12:00:00.000000Z\"}\n";

    #[test]
    fn an_ordinary_line_is_token_and_time() {
        let found = standings(LINE);
        assert_eq!(found.high, [0x0011_2233_4455_6677]);
        assert_eq!(found.low, [0x8899_aabb_ccdd_eeff]);
        assert_eq!(found.since, [1_795_521_600_000_001]);
        assert!(found.others.is_empty());
    }

    #[test]
    fn a_line_with_any_byte_changed_is_another_line_or_says_another_thing() {
        let right = standings(LINE);
        for at in 0..LINE.len() - 1 {
            let mut line = LINE.to_vec();
            line[at] = b'A';
            let found = standings(&line);
            assert_eq!(found.since, [OTHER], "byte {at}");
            assert_eq!(found.others, [0, LINE.len() as i64 - 1]);
            line[at] = LINE[at] ^ 1;
            let found = standings(&line);
            let same =
                (&found.high, &found.low, &found.since) == (&right.high, &right.low, &right.since);
            // Only the time of writing may differ unseen: nothing depends on it.
            assert!(!same || at > LINE.len() - 31, "byte {at}");
        }
    }

    #[test]
    fn what_is_not_a_time_of_the_list_is_left_to_it() {
        for wrong in ["2026-02-30T12:00:00.000001Z", "2026-11-24T12:00:60.000000Z"] {
            let line = String::from_utf8(LINE.to_vec()).unwrap();
            let line = line.replace("2026-11-24T12:00:00.000001Z", wrong);
            assert_eq!(standings(line.as_bytes()).since, [OTHER], "{wrong}");
        }
    }

    #[test]
    fn blocks_may_be_cut_anywhere_between_lines() {
        let lines = [LINE, b"\n", b"   \n", LINE].concat();
        let whole = chain_lines([0; 32], &lines);
        let cut = LINE.len() + 1;
        let first = chain_lines([0; 32], &lines[..cut]);
        assert_eq!(chain_lines(first, &lines[cut..]), whole);
        assert_eq!(standings(&lines).others.len(), 4);
        assert_eq!(chain_lines([7; 32], b"torn"), [7; 32]);
    }
}
