//! Kafka record batches (format 2), once they are unpacked: where each value is.

#![forbid(unsafe_code)]

/// Values of a batch by their places, with their offsets in the partition.
#[derive(Debug, Default, PartialEq)]
pub struct Records {
    pub starts: Vec<i64>,
    pub ends: Vec<i64>,
    pub offsets: Vec<i64>,
}

/// Find the offset and value of each of `count` records; leading ones below `floor` are left out.
///
/// A null value counts as empty. None if the records do not fill `data` exactly.
pub fn find_records(data: &[u8], count: usize, base: i64, floor: i64) -> Option<Records> {
    let mut found = Records::default();
    let mut at = 0;
    for _ in 0..count {
        let size = varint(data, &mut at)? >> 1;
        let end = at
            .checked_add(usize::try_from(size).ok()?)
            .filter(|end| *end <= data.len())?;
        at += 1; // attributes: none are defined
        while *data.get(at)? > 127 {
            at += 1; // time: not needed
        }
        at += 1;
        let offset = base.checked_add((varint(data, &mut at)? >> 1) as i64)?;
        let key = varint(data, &mut at)?;
        if key != 1 {
            at = at.checked_add(usize::try_from(key >> 1).ok()?)?;
        }
        let size = varint(data, &mut at)?;
        let size = if size & 1 == 1 {
            0
        } else {
            usize::try_from(size >> 1).ok()?
        };
        let stop = at.checked_add(size).filter(|stop| *stop <= end)?;
        if offset >= floor || !found.offsets.is_empty() {
            found.starts.push(at as i64);
            found.ends.push(stop as i64);
            found.offsets.push(offset);
        }
        at = end;
    }
    (at == data.len()).then_some(found)
}

/// An unsigned varint of at most 64 bits, before zigzag.
#[inline(always)]
fn varint(data: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..=63).step_by(7) {
        let byte = *data.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}
