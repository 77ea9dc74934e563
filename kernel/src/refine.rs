//! One field of a format, for a whole column: `pipeline/events/formats/values.py`, natively.
//!
//! Texts come in as they are in the lines, and go out as what the field declares. What cannot
//! be read is null, or the unreadable mark of a text, and is reported by row and reason.

#![forbid(unsafe_code)]

use crate::column::{Column, Finished, Kind};
use crate::text::is_signal;
use crate::time::Dates;

use self::escapes::{backslash, is_plain, percent};
use self::numbers::{integer, number};
use self::request::part_of;
use self::times::one_time;

mod escapes;
mod numbers;
mod request;
mod times;

const UNREADABLE: &[u8] = b"\0";
const PLACEHOLDERS: [&[u8]; 5] = [
    b"-",
    b"null",
    b"undefined",
    b"anonymous",
    b"00000000-0000-0000-0000-000000000000",
];

/// Why a row has no value, or only the unreadable mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Why {
    InvalidType,
    InvalidTime,
    Unparseable,
    Placeholder,
}

/// The names of `Why`, in the order of their discriminants.
pub const NAMES: [&str; 4] = ["invalid_type", "invalid_time", "unparseable", "placeholder"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoding {
    Percent,
    Plus,
    Backslash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Method,
    Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    S,
    Ms,
    Us,
    Ns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    Rfc3339,
    Clf,
    Utc,
    /// A count since 1970, with the number of fraction digits that are microseconds.
    Unix(i8),
}

/// What is done to every value of the column.
#[derive(Debug)]
pub struct How {
    pub kind: Kind,
    /// The last item, or the first one, of a text with commas.
    pub take: Option<bool>,
    pub null: Vec<Vec<u8>>,
    pub decode: Vec<Decoding>,
    pub part: Option<Part>,
    pub identifier: bool,
    pub unit: Option<Unit>,
    pub times: Vec<Time>,
    pub no_negative: bool,
}

/// A column as the field declares it, and the rows that could not be read.
pub struct Refined {
    pub column: Finished,
    pub rows: Vec<i64>,
    pub reasons: Vec<u8>,
}

impl Decoding {
    pub fn parse(name: &str) -> Option<Decoding> {
        Some(match name {
            "percent" => Decoding::Percent,
            "plus" => Decoding::Plus,
            "\\x" => Decoding::Backslash,
            _ => return None,
        })
    }
}

impl Part {
    pub fn parse(name: &str) -> Option<Part> {
        Some(match name {
            "method" => Part::Method,
            "path" => Part::Path,
            _ => return None,
        })
    }
}

impl Unit {
    pub fn parse(name: &str) -> Option<Unit> {
        Some(match name {
            "s" => Unit::S,
            "ms" => Unit::Ms,
            "us" => Unit::Us,
            "ns" => Unit::Ns,
            _ => return None,
        })
    }

    fn in_milliseconds(self, value: f64) -> f64 {
        match self {
            Unit::S => value * 1e3,
            Unit::Ms => value,
            Unit::Us => value / 1e3,
            Unit::Ns => value / 1e6,
        }
    }
}

impl Time {
    pub fn parse(name: &str) -> Option<Time> {
        Some(match name {
            "rfc3339" => Time::Rfc3339,
            "clf" => Time::Clf,
            "date+time" => Time::Utc,
            "unix_s" => Time::Unix(6),
            "unix_ms" => Time::Unix(3),
            "unix_us" => Time::Unix(0),
            "unix_ns" => Time::Unix(-3),
            _ => return None,
        })
    }
}

/// Refine a column of texts; text i is `data[offsets[i]..offsets[i + 1]]`, empty if null.
pub fn refine(how: &How, offsets: &[i32], data: &[u8]) -> Refined {
    let count = offsets.len().saturating_sub(1);
    let mut work = Work {
        how,
        column: Column::new(how.kind, count),
        dates: Dates::default(),
        text: Vec::new(),
        spare: Vec::new(),
        last_clock: Vec::new(),
        last_micros: None,
    };
    let (mut rows, mut reasons) = (Vec::new(), Vec::new());
    for row in 0..count {
        let (from, stop) = (offsets[row] as usize, offsets[row + 1] as usize);
        if from == stop {
            continue;
        }
        if let Some(why) = work.take(row, data, from, stop) {
            rows.push(row as i64);
            reasons.push(why as u8);
        }
    }
    Refined {
        column: work.column.finish(count),
        rows,
        reasons,
    }
}

struct Work<'a> {
    how: &'a How,
    column: Column,
    dates: Dates,
    text: Vec<u8>,
    spare: Vec<u8>,
    last_clock: Vec<u8>,
    last_micros: Option<i64>,
}

impl Work<'_> {
    fn take(&mut self, row: usize, data: &[u8], from: usize, stop: usize) -> Option<Why> {
        let how = self.how;
        let (from, stop) = match how.take {
            Some(last) => item(data, from, stop, last),
            None => (from, stop),
        };
        if from == stop {
            return None;
        }
        let value = &data[from..stop];
        match how.kind {
            Kind::Signal => {
                if is_signal(value) {
                    self.column.push_text(row, b"1", 0, 1);
                }
                return None;
            }
            Kind::Time => return self.time(row, value),
            _ => {}
        }
        if how.null.iter().any(|word| word == value) {
            return None;
        }
        match how.kind {
            Kind::Int => match integer(value) {
                Some(number) if number < 0 && how.no_negative => None,
                Some(number) => {
                    self.column.set_wide(row, number);
                    None
                }
                None => Some(Why::InvalidType),
            },
            Kind::Float => match number(value, how.unit) {
                Some(number) if number < 0.0 && how.no_negative => None,
                Some(number) => {
                    self.column.set_float(row, number);
                    None
                }
                None => Some(Why::InvalidType),
            },
            Kind::Date => match self.dates.date(value) {
                Some(days) => {
                    self.column.set_days(row, days);
                    None
                }
                None => Some(Why::InvalidTime),
            },
            _ => self.words(row, data, from, stop),
        }
    }

    fn words(&mut self, row: usize, data: &[u8], from: usize, stop: usize) -> Option<Why> {
        let how = self.how;
        if &data[from..stop] == UNREADABLE {
            self.column.push_text(row, UNREADABLE, 0, 1);
            return Some(Why::InvalidType);
        }
        let (source, from, stop) = if is_plain(&how.decode, &data[from..stop]) {
            (data, from, stop)
        } else {
            if !self.decoded(&data[from..stop]) {
                self.column.push_text(row, UNREADABLE, 0, 1);
                return Some(Why::InvalidType);
            }
            (&self.text[..], 0, self.text.len())
        };
        let value = &source[from..stop];
        let (from, size) = match how.part {
            None => (from, stop - from),
            Some(part) => match part_of(value, part) {
                Some((at, size)) => (from + at, size),
                None if value.is_empty() => return None,
                None => return Some(Why::Unparseable),
            },
        };
        let value = &source[from..from + size];
        if how.identifier && is_placeholder(value) {
            return (!value.is_empty()).then_some(Why::Placeholder);
        }
        if size > 0 {
            self.column.push_text(row, source, from, size);
        }
        None
    }

    /// Remove the escapes, into `self.text`; returns whether a text is left.
    fn decoded(&mut self, value: &[u8]) -> bool {
        self.text.clear();
        self.text.extend_from_slice(value);
        for &step in &self.how.decode {
            self.spare.clear();
            match step {
                Decoding::Plus => self
                    .spare
                    .extend(self.text.iter().map(|&b| if b == b'+' { b' ' } else { b })),
                Decoding::Percent => percent(&self.text, &mut self.spare),
                Decoding::Backslash => backslash(&self.text, &mut self.spare),
            }
            std::mem::swap(&mut self.text, &mut self.spare);
            let is_text = simdutf8::basic::from_utf8(&self.text).is_ok();
            if !is_text || memchr::memchr(0, &self.text).is_some() {
                return false;
            }
        }
        true
    }

    fn time(&mut self, row: usize, value: &[u8]) -> Option<Why> {
        if self.last_clock != value {
            self.last_micros = self
                .how
                .times
                .iter()
                .find_map(|&time| one_time(&mut self.dates, &mut self.text, value, time));
            self.last_clock.clear();
            self.last_clock.extend_from_slice(value);
        }
        match self.last_micros {
            Some(micros) => {
                self.column.set_wide(row, micros);
                None
            }
            None => Some(Why::InvalidTime),
        }
    }
}

/// The first or last item between commas, without the blanks around it.
fn item(data: &[u8], mut from: usize, mut stop: usize, last: bool) -> (usize, usize) {
    if last {
        from = memchr::memrchr(b',', &data[from..stop]).map_or(from, |size| from + size + 1);
    } else {
        stop = memchr::memchr(b',', &data[from..stop]).map_or(stop, |size| from + size);
    }
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t');
    while from < stop && is_blank(data[from]) {
        from += 1;
    }
    while from < stop && is_blank(data[stop - 1]) {
        stop -= 1;
    }
    (from, stop)
}

fn is_placeholder(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' ' | b'\t'))
        || PLACEHOLDERS
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
}
