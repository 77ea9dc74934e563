//! Numbers as lines write them, with a unit where one is declared.

#![forbid(unsafe_code)]

use super::Unit;

pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !(1..=19).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits
        .iter()
        .fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    i64::try_from(if digits.len() < text.len() {
        -size
    } else {
        size
    })
    .ok()
}

pub(super) fn number(text: &[u8], unit: Option<Unit>) -> Option<f64> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let mut at = sign + digits(&text[sign..]);
    if !(1..=32).contains(&(at - sign)) {
        return None;
    }
    if text.get(at) == Some(&b'.') {
        let size = digits(&text[at + 1..]);
        if !(1..=32).contains(&size) {
            return None;
        }
        at += 1 + size;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let from = at + 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let size = digits(text.get(from..)?);
        if !(1..=4).contains(&size) {
            return None;
        }
        at = from + size;
    }
    let value: f64 = std::str::from_utf8(&text[..at]).ok()?.parse().ok()?;
    let unit = match (&text[at..], unit) {
        (b"", unit) => unit,
        (word, Some(_)) => Some(Unit::parse(std::str::from_utf8(word).ok()?)?),
        (_, None) => return None,
    };
    let value = unit.map_or(value, |unit| unit.in_milliseconds(value));
    value.is_finite().then_some(value)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_only_where_a_unit_is_declared() {
        assert_eq!(number(b"12ms", Some(Unit::S)), Some(12.0));
        assert_eq!(number(b"12ms", None), None);
        assert_eq!(number(b"0.25", Some(Unit::S)), Some(250.0));
        for text in [
            "", "-", "1.", ".5", "1e", "1e+", "1e99999", "1e999", "+1", "1x",
        ] {
            assert_eq!(number(text.as_bytes(), Some(Unit::S)), None, "{text}");
        }
    }
}
