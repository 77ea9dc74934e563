//! Columns as Arrow lays them out, filled row by row.
//!
//! A row without a value in a column costs nothing: texts catch up at the next value, numbers are
//! in memory that is zero from the start. A row can be taken back until the next one begins.

#![forbid(unsafe_code)]

/// What a column holds and how its JSON values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text; anything else is the unreadable mark.
    Text,
    /// Whether a privacy signal is on: `1` or null.
    Signal,
    /// Any single value as its JSON text (strings unescaped).
    Scalar,
    Int,
    Float,
    /// RFC 3339 text to microseconds.
    Time,
    /// ISO date to days.
    Date,
    /// List of texts; empty ones and nulls are left out.
    List,
    /// The first text of a list; anything else as `Scalar`.
    First,
    /// The last text of a list; anything else as `Scalar`.
    Last,
}

impl Kind {
    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Kind> {
        Some(match name {
            "text" => Kind::Text,
            "signal" => Kind::Signal,
            "scalar" => Kind::Scalar,
            "int" => Kind::Int,
            "float" => Kind::Float,
            "time" => Kind::Time,
            "date" => Kind::Date,
            "list" => Kind::List,
            "first" => Kind::First,
            "last" => Kind::Last,
            _ => return None,
        })
    }
}

/// Short texts are copied in one piece of this size, and the next one overwrites the excess.
const PIECE: usize = 32;

/// Texts one after another.
#[derive(Default)]
pub struct Texts {
    offsets: Vec<i32>,
    rows: usize,
    data: Vec<u8>,
    size: usize,
}

impl Texts {
    fn new(rows: usize) -> Texts {
        Texts {
            offsets: vec![0; rows + 1],
            ..Texts::default()
        }
    }

    /// Rows up to `row` have no text.
    #[inline(always)]
    fn catch_up(&mut self, row: usize) {
        while self.rows < row {
            self.rows += 1;
            self.offsets[self.rows] = self.size as i32;
        }
    }

    #[inline(always)]
    fn append(&mut self, source: &[u8], from: usize, size: usize) {
        let at = self.size;
        if self.data.len() < at + size + PIECE {
            self.grow(size);
        }
        if size <= PIECE && from + PIECE <= source.len() {
            self.data[at..at + PIECE].copy_from_slice(&source[from..from + PIECE]);
        } else {
            self.data[at..at + size].copy_from_slice(&source[from..from + size]);
        }
        self.size = at + size;
    }

    #[cold]
    fn grow(&mut self, size: usize) {
        let wanted = (self.data.len() * 2).max(self.size + size + 4096);
        self.data.resize(wanted, 0);
    }

    #[inline(always)]
    fn push(&mut self, row: usize, source: &[u8], from: usize, size: usize) {
        self.catch_up(row);
        self.append(source, from, size);
        self.rows += 1;
        if self.rows >= self.offsets.len() {
            self.offsets.push(0);
        }
        self.offsets[self.rows] = self.size as i32;
    }

    fn cut(&mut self, rows: usize) {
        if self.rows > rows {
            self.rows = rows;
            self.size = self.offsets[rows] as usize;
        }
    }

    /// Offsets and bytes of the first `rows` texts, without the excess memory.
    fn finish(mut self, rows: usize) -> (Vec<i32>, Vec<u8>) {
        self.catch_up(rows);
        self.offsets.truncate(rows + 1);
        self.data.truncate(self.size);
        (self.offsets, self.data)
    }
}

enum Store {
    Texts(Texts),
    Wide(Vec<i64>),
    Floats(Vec<f64>),
    Days(Vec<i32>),
    Lists {
        offsets: Vec<i32>,
        rows: usize,
        items: Texts,
    },
}

/// One column under construction.
pub struct Column {
    pub kind: Kind,
    store: Store,
    valid: Vec<u64>,
    count: usize,
}

/// A column's buffers; validity is left out where every row has a value.
pub struct Finished {
    pub valid: Option<Vec<u64>>,
    pub body: Body,
}

/// What the rows hold.
pub enum Body {
    /// No row has a value.
    Nothing,
    Texts(Vec<i32>, Vec<u8>),
    Wide(Vec<i64>),
    Floats(Vec<f64>),
    Days(Vec<i32>),
    Lists(Vec<i32>, Vec<i32>, Vec<u8>),
}

impl Column {
    /// An empty column that will have at most `rows` rows.
    pub fn new(kind: Kind, rows: usize) -> Column {
        let store = match kind {
            Kind::Text | Kind::Signal | Kind::Scalar | Kind::First | Kind::Last => {
                Store::Texts(Texts::new(rows))
            }
            Kind::Int | Kind::Time => Store::Wide(vec![0; rows]),
            Kind::Float => Store::Floats(vec![0.0; rows]),
            Kind::Date => Store::Days(vec![0; rows]),
            Kind::List => Store::Lists {
                offsets: vec![0; rows + 1],
                rows: 0,
                items: Texts::new(0),
            },
        };
        Column {
            kind,
            store,
            valid: vec![0; rows.div_ceil(64)],
            count: 0,
        }
    }

    #[inline(always)]
    fn mark(&mut self, row: usize) {
        self.valid[row >> 6] |= 1 << (row & 63);
        self.count += 1;
    }

    /// Whether the row has a value.
    #[inline(always)]
    pub fn has(&self, row: usize) -> bool {
        self.valid[row >> 6] >> (row & 63) & 1 == 1
    }

    #[inline(always)]
    pub fn push_text(&mut self, row: usize, source: &[u8], from: usize, size: usize) {
        if let Store::Texts(texts) = &mut self.store {
            texts.push(row, source, from, size);
            self.mark(row);
        }
    }

    #[inline(always)]
    pub fn set_wide(&mut self, row: usize, value: i64) {
        if let Store::Wide(values) = &mut self.store {
            values[row] = value;
            self.mark(row);
        }
    }

    #[inline(always)]
    pub fn set_float(&mut self, row: usize, value: f64) {
        if let Store::Floats(values) = &mut self.store {
            values[row] = value;
            self.mark(row);
        }
    }

    #[inline(always)]
    pub fn set_days(&mut self, row: usize, value: i32) {
        if let Store::Days(values) = &mut self.store {
            values[row] = value;
            self.mark(row);
        }
    }

    /// Add one text to the list of a row that `close_list` will end.
    pub fn push_item(&mut self, source: &[u8], from: usize, size: usize) {
        if let Store::Lists { items, .. } = &mut self.store {
            items.push(items.rows, source, from, size);
        }
    }

    /// End the row's list, or discard its items if it is not to be kept.
    pub fn close_list(&mut self, row: usize, keep: bool) {
        if let Store::Lists {
            offsets,
            rows,
            items,
        } = &mut self.store
        {
            if !keep {
                items.cut(offsets[*rows] as usize);
                return;
            }
            while *rows < row {
                offsets[*rows + 1] = offsets[*rows];
                *rows += 1;
            }
            *rows += 1;
            offsets[*rows] = items.rows as i32;
            self.mark(row);
        }
    }

    /// Take back the values of `row` and later rows.
    pub fn cut(&mut self, row: usize) {
        match &mut self.store {
            Store::Texts(texts) => texts.cut(row),
            Store::Wide(values) => clear(values, row),
            Store::Floats(values) => clear(values, row),
            Store::Days(values) => clear(values, row),
            Store::Lists {
                offsets,
                rows,
                items,
            } => {
                *rows = (*rows).min(row);
                items.cut(offsets[*rows] as usize);
            }
        }
        if row >> 6 < self.valid.len() && self.has(row) {
            self.valid[row >> 6] &= !(1 << (row & 63));
            self.count -= 1;
        }
    }

    /// The buffers of the first `rows` rows.
    pub fn finish(mut self, rows: usize) -> Finished {
        if self.count == 0 {
            return Finished {
                valid: None,
                body: Body::Nothing,
            };
        }
        self.valid.truncate(rows.div_ceil(64));
        let valid = (self.count < rows).then_some(self.valid);
        let body = match self.store {
            Store::Texts(texts) => {
                let (offsets, data) = texts.finish(rows);
                Body::Texts(offsets, data)
            }
            Store::Wide(values) => Body::Wide(cropped(values, rows)),
            Store::Floats(values) => Body::Floats(cropped(values, rows)),
            Store::Days(values) => Body::Days(cropped(values, rows)),
            Store::Lists {
                mut offsets,
                rows: closed,
                items,
            } => {
                for row in closed..rows {
                    offsets[row + 1] = offsets[row];
                }
                offsets.truncate(rows + 1);
                let count = items.rows;
                let (bounds, data) = items.finish(count);
                Body::Lists(offsets, bounds, data)
            }
        };
        Finished { valid, body }
    }
}

fn clear<T: Default>(values: &mut [T], row: usize) {
    if let Some(value) = values.get_mut(row) {
        *value = T::default();
    }
}

fn cropped<T>(mut values: Vec<T>, rows: usize) -> Vec<T> {
    values.truncate(rows);
    values
}
