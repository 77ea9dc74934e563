//! Lines: where messages begin and end in a block of bytes.

#![forbid(unsafe_code)]

/// Messages in a block, and how many bytes of it they and their line feeds take.
pub struct Lines {
    pub starts: Vec<i64>,
    pub ends: Vec<i64>,
    pub stop: usize,
}

/// Find the complete lines, at most `most`, and leave out blank ones.
pub fn find_lines(data: &[u8], most: usize) -> Lines {
    let mut lines = Lines {
        starts: Vec::new(),
        ends: Vec::new(),
        stop: 0,
    };
    for end in memchr::memchr_iter(b'\n', data).take(most) {
        let start = std::mem::replace(&mut lines.stop, end + 1);
        if start < end && data[start..end] != *b"\r" {
            lines.starts.push(start as i64);
            lines.ends.push(end as i64);
        }
    }
    lines
}

/// Offsets and bytes of texts: the prefix, and each number in decimal digits.
pub fn numbered(prefix: &[u8], numbers: &[i64]) -> (Vec<i32>, Vec<u8>) {
    let mut data = Vec::with_capacity(numbers.len() * (prefix.len() + 12));
    let mut offsets = Vec::with_capacity(numbers.len() + 1);
    offsets.push(0);
    let mut digits = [0u8; 20];
    for &number in numbers {
        data.extend_from_slice(prefix);
        if number < 0 {
            data.push(b'-');
        }
        let (mut rest, mut at) = (number.unsigned_abs(), digits.len());
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        data.extend_from_slice(&digits[at..]);
        offsets.push(data.len() as i32);
    }
    (offsets, data)
}
