//! Times as lines write them: RFC 3339, Common Log Format, two columns, counts since 1970.

#![forbid(unsafe_code)]

use crate::time::Dates;

use super::Time;

const LAST_MICROSECOND: i128 = 253_402_300_799_999_999;
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

pub(super) fn one_time(
    dates: &mut Dates,
    text: &mut Vec<u8>,
    value: &[u8],
    time: Time,
) -> Option<i64> {
    match time {
        Time::Rfc3339 => dates.time(value),
        Time::Utc => {
            if !matches!(value.get(10), Some(b' ' | b'T')) {
                return None;
            }
            text.clear();
            text.extend_from_slice(value);
            text[10] = b'T';
            text.push(b'Z');
            dates.time(text)
        }
        Time::Clf => {
            let value: &[u8; 26] = value.try_into().ok()?;
            if value[2] != b'/' || value[6] != b'/' || value[11] != b':' || value[20] != b' ' {
                return None;
            }
            let month = MONTHS.chunks(3).position(|name| *name == value[3..6])? + 1;
            text.clear();
            text.extend_from_slice(&value[7..11]);
            text.push(b'-');
            text.extend_from_slice(&[b'0' + (month / 10) as u8, b'0' + (month % 10) as u8, b'-']);
            text.extend_from_slice(&value[..2]);
            text.push(b'T');
            text.extend_from_slice(&value[12..20]);
            text.extend_from_slice(&value[21..24]);
            text.push(b':');
            text.extend_from_slice(&value[24..]);
            dates.time(text)
        }
        Time::Unix(digits) => unix(value, digits),
    }
}

fn unix(value: &[u8], digits: i8) -> Option<i64> {
    let point = memchr::memchr(b'.', value);
    let whole = &value[..point.unwrap_or(value.len())];
    let fraction = point.map_or(&b""[..], |at| &value[at + 1..]);
    if whole.is_empty() || whole.len() > 19 || fraction.len() > 32 {
        return None;
    }
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let mut micros = whole
        .iter()
        .fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    for place in 0..digits.max(0) as usize {
        let digit = fraction.get(place).map_or(0, |digit| digit - b'0');
        micros = micros * 10 + i128::from(digit);
    }
    if digits < 0 {
        micros /= 1_000;
    }
    (micros <= LAST_MICROSECOND).then_some(micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_since_1970_ends_with_the_year_9999() {
        assert_eq!(unix(b"1714551630.2500009", 6), Some(1_714_551_630_250_000));
        assert_eq!(
            unix(b"1714551630250000999", -3),
            Some(1_714_551_630_250_000)
        );
        assert_eq!(unix(b"9999999999999999999", 6), None);
        assert_eq!(unix(b".5", 6), None);
    }
}
