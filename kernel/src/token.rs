//! Tokens: HMAC-SHA256, of whose key only the two keyed states are kept.

#![forbid(unsafe_code)]

use sha2::block_api::compress256;
use zeroize::Zeroize;

const BLOCK: usize = 64;
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A key, ready to make tokens. Wiped when it is dropped; shows nothing.
pub struct Key {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Drop for Key {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl Key {
    /// The states of SHA-256 after the padded key (RFC 2104).
    pub fn new(key: &[u8]) -> Key {
        let mut block = [0; BLOCK];
        if key.len() > BLOCK {
            block[..32].copy_from_slice(&hash(START, 0, &[key]));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let mut made = Key {
            inner: START,
            outer: START,
        };
        block.iter_mut().for_each(|byte| *byte ^= 0x36);
        compress256(&mut made.inner, &[block]);
        block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        compress256(&mut made.outer, &[block]);
        block.zeroize();
        made
    }

    /// HMAC-SHA256 of `prefix` followed by `value`.
    #[inline]
    pub fn digest(&self, prefix: &[u8], value: &[u8]) -> [u8; 32] {
        let inner = hash(self.inner, BLOCK, &[prefix, value]);
        hash(self.outer, BLOCK, &[&inner])
    }
}

/// SHA-256 of the parts.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    hash(START, 0, parts)
}

/// SHA-256 of the parts, continuing from a state that has absorbed `before` bytes.
#[inline]
fn hash(mut state: [u32; 8], before: usize, parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    let mut used = 0;
    let mut total = before;
    for part in parts {
        total += part.len();
        let mut rest = *part;
        while used + rest.len() >= BLOCK {
            let (now, later) = rest.split_at(BLOCK - used);
            block[used..].copy_from_slice(now);
            compress256(&mut state, &[block]);
            block = [0; BLOCK];
            (used, rest) = (0, later);
        }
        block[used..used + rest.len()].copy_from_slice(rest);
        used += rest.len();
    }
    block[used] = 0x80;
    if used >= BLOCK - 8 {
        compress256(&mut state, &[block]);
        block = [0; BLOCK];
    }
    block[BLOCK - 8..].copy_from_slice(&(total as u64 * 8).to_be_bytes());
    compress256(&mut state, &[block]);
    let mut digest = [0; 32];
    for (target, word) in digest.chunks_exact_mut(4).zip(state) {
        target.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// A text column as Arrow lays it out, from its first row on.
pub struct TextColumn<'a> {
    pub offsets: &'a [i32],
    pub data: &'a [u8],
}

/// The token of each text of a column as hexadecimal digits, NULs for an empty text.
///
/// `keys[epochs[i]]` is the key of row i, or `keys[0]` of every row; a row whose number names no
/// key has no token.
pub fn tokens(
    column: &TextColumn<'_>,
    keys: &[&Key],
    epochs: Option<&[i64]>,
    prefix: &[u8],
    size: usize,
) -> Vec<u8> {
    let rows = column.offsets.len().saturating_sub(1);
    let mut digits = vec![0; rows * size * 2];
    if size == 0 {
        return digits;
    }
    for (row, place) in digits.chunks_exact_mut(size * 2).enumerate() {
        let value = &column.data[column.offsets[row] as usize..column.offsets[row + 1] as usize];
        let epoch = epochs.map_or(Some(0), |all| usize::try_from(all[row]).ok());
        if let Some(key) = epoch
            .and_then(|epoch| keys.get(epoch))
            .filter(|_| !value.is_empty())
        {
            write_hex(place, &key.digest(prefix, value));
        }
    }
    digits
}

fn write_hex(place: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in place.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}
