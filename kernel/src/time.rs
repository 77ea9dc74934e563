//! RFC 3339 times and ISO dates, exactly as `pipeline/events/decode/times.py` reads them.

#![forbid(unsafe_code)]

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;
const LAST_DAY: i64 = 2_932_896; // 9999-12-31

/// Caches the last date, which the next message usually shares.
#[derive(Default)]
pub struct Dates {
    text: [u8; 10],
    days: Option<i64>,
}

impl Dates {
    /// Days since 1970-01-01 (negative before) of `YYYY-MM-DD`; None if that is no date.
    #[inline]
    fn days(&mut self, text: &[u8; 10]) -> Option<i64> {
        if self.days.is_none() || *text != self.text {
            self.days = civil_days(text);
            self.text = *text;
        }
        self.days
    }

    /// Days since 1970-01-01 of a text that is exactly an ISO date from 1970 on.
    pub fn date(&mut self, text: &[u8]) -> Option<i32> {
        let days = self.days(text.try_into().ok()?)?;
        (days >= 0).then_some(days as i32)
    }

    /// Microseconds since 1970 in UTC of an RFC 3339 time; fractions are cut, a leap second is the
    /// last microsecond of its minute.
    #[inline]
    pub fn time(&mut self, text: &[u8]) -> Option<i64> {
        let (date, rest) = text.split_first_chunk::<10>()?;
        let days = self.days(date)?;
        let (clock, rest) = rest.split_first_chunk::<9>()?;
        if !matches!(clock[0], b'T' | b't') || clock[3] != b':' || clock[6] != b':' {
            return None;
        }
        let hour = two(clock[1], clock[2])?;
        let minute = two(clock[4], clock[5])?;
        let mut second = two(clock[7], clock[8])?;
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (mut micros, rest) = fraction(rest)?;
        if second == 60 {
            (second, micros) = (59, SECOND - 1);
        }
        let seconds = days * DAY + hour * 3_600 + minute * 60 + second - offset(rest)?;
        let value = seconds * SECOND + micros;
        (0..(LAST_DAY + 1) * DAY * SECOND)
            .contains(&value)
            .then_some(value)
    }
}

fn civil_days(text: &[u8; 10]) -> Option<i64> {
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = two(text[0], text[1])? * 100 + two(text[2], text[3])?;
    let month = two(text[5], text[6])?;
    let day = two(text[8], text[9])?;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || day == 0 || day > length {
        return None;
    }
    // Days from a civil date with years that begin in March (H. Hinnant, chrono algorithms).
    let shifted = year - i64::from(month <= 2);
    let within = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + within - 719_468)
}

#[inline(always)]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
}

/// Microseconds of an optional fraction, and what follows it.
#[inline]
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    if text.first() != Some(&b'.') {
        return Some((0, text));
    }
    let digits = text[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        let digit = if place < digits {
            text[1 + place] - b'0'
        } else {
            0
        };
        micros = micros * 10 + i64::from(digit);
    }
    Some((micros, &text[1 + digits..]))
}

/// How many seconds a zone is ahead of UTC.
#[inline]
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (two(a, b)?, two(c, d)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = (hours * 60 + minutes) * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}
