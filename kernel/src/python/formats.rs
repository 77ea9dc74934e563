//! What Python sees of formats: lines taken apart, flattened and refined.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::column::Kind;
use crate::memory::{Buffer, Held, elements};
use crate::refine::{Decoding, How, Part, Time, Unit};
use crate::split::{Capture, Plan};
use crate::table::NONE;
use crate::{decode, lines, refine, split};

use super::{Places, Table, all_arrays, arrays, check_columns, check_texts, refused, wide};

/// How lines of text are taken apart; see `kernel.pyi`.
#[pyclass(frozen, module = "pipeline.kernel")]
pub(super) struct Splitter {
    plan: Plan,
    limits: split::Limits,
    count: usize,
}

type Pattern = (Vec<u8>, Vec<(u16, Vec<u8>)>);

#[pymethods]
impl Splitter {
    /// Lines that fit one of these patterns.
    #[staticmethod]
    fn of_patterns(patterns: Vec<Pattern>, count: usize, limits: (usize, usize)) -> PyResult<Self> {
        let captures = patterns.iter().flat_map(|(_, captures)| captures);
        check_taken(captures.map(|(column, _)| *column), count)?;
        let made = patterns.into_iter().map(|(lead, captures)| {
            let captures = captures.into_iter();
            let made = captures.map(|(column, literal)| Capture { column, literal });
            (lead, made.collect())
        });
        Ok(Self::of(Plan::Patterns(made.collect()), count, limits))
    }

    /// Lines of values between separators.
    #[staticmethod]
    fn of_columns(
        separator: u8,
        quoted: bool,
        columns: Vec<u16>,
        least: usize,
        exact: bool,
        count: usize,
        limits: (usize, usize),
    ) -> PyResult<Self> {
        check_taken(columns.iter().copied(), count)?;
        let plan = Plan::Columns {
            separator,
            quoted,
            columns,
            least,
            exact,
        };
        Ok(Self::of(plan, count, limits))
    }

    fn __repr__(&self) -> String {
        format!("Splitter({} columns)", self.count)
    }
}

impl Splitter {
    fn of(plan: Plan, count: usize, (size, text): (usize, usize)) -> Splitter {
        let limits = split::Limits { size, text };
        Splitter {
            plan,
            limits,
            count,
        }
    }
}

/// A value may belong to no column.
fn check_taken(columns: impl Iterator<Item = u16>, count: usize) -> PyResult<()> {
    check_columns(columns.filter(|&column| column != NONE), count)
}

/// Take lines apart; see `kernel.pyi`.
#[pyfunction]
#[pyo3(name = "split")]
pub(super) fn split_lines<'py>(
    py: Python<'py>,
    splitter: &Splitter,
    data: PyBuffer<u8>,
    starts: PyBuffer<i64>,
    ends: PyBuffer<i64>,
) -> PyResult<Bound<'py, PyTuple>> {
    let Places { data, starts, ends } = Places::new(&data, &starts, &ends)?;
    let Splitter {
        plan,
        limits,
        count,
    } = splitter;
    let found = py.detach(|| split::split(plan, *limits, *count, data, starts, ends));
    let columns = all_arrays(py, found.columns)?;
    (
        found.rows,
        columns,
        wide(found.refused),
        Buffer::new(Held::Bytes(found.reasons)),
    )
        .into_pyobject(py)
}

/// Flatten lines of OTLP/JSON logs; see `kernel.pyi`.
#[pyfunction]
#[pyo3(name = "flatten")]
pub(super) fn flatten_lines<'py>(
    py: Python<'py>,
    table: &Table,
    data: PyBuffer<u8>,
    starts: PyBuffer<i64>,
    ends: PyBuffer<i64>,
) -> PyResult<Bound<'py, PyTuple>> {
    let Places { data, starts, ends } = Places::new(&data, &starts, &ends)?;
    let flat = py.detach(|| decode::otlp::flatten(&table.0, data, starts, ends));
    (
        Buffer::new(Held::Bytes(flat.data)),
        wide(flat.starts),
        wide(flat.ends),
        wide(flat.lines),
        wide(flat.numbers),
        wide(flat.refused),
        Buffer::new(Held::Bytes(flat.reasons)),
    )
        .into_pyobject(py)
}

/// What a format does to one column; see `kernel.pyi`.
#[pyclass(frozen, module = "pipeline.kernel")]
pub(super) struct Refinement(How);

#[pymethods]
impl Refinement {
    #[new]
    #[pyo3(signature = (kind, *, take, null, decode, part, identifier, unit, times, no_negative))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        kind: &str,
        take: Option<String>,
        null: Vec<Vec<u8>>,
        decode: Vec<String>,
        part: Option<String>,
        identifier: bool,
        unit: Option<String>,
        times: Vec<String>,
        no_negative: bool,
    ) -> PyResult<Refinement> {
        let unknown = || refused("an operation is unknown");
        let decode: Option<_> = decode.iter().map(|name| Decoding::parse(name)).collect();
        let times: Option<_> = times.iter().map(|name| Time::parse(name)).collect();
        let part = part.map(|name| Part::parse(&name).ok_or_else(unknown));
        let unit = unit.map(|name| Unit::parse(&name).ok_or_else(unknown));
        Ok(Refinement(How {
            kind: Kind::parse(kind).ok_or_else(unknown)?,
            take: take.map(|word| word == "last"),
            null,
            decode: decode.ok_or_else(unknown)?,
            part: part.transpose()?,
            identifier,
            unit: unit.transpose()?,
            times: times.ok_or_else(unknown)?,
            no_negative,
        }))
    }

    fn __repr__(&self) -> &'static str {
        "Refinement(...)"
    }
}

/// Refine a column of texts; see `kernel.pyi`.
#[pyfunction]
#[pyo3(name = "refine")]
pub(super) fn refine_column<'py>(
    py: Python<'py>,
    how: &Refinement,
    offsets: PyBuffer<i32>,
    data: PyBuffer<u8>,
) -> PyResult<Bound<'py, PyTuple>> {
    let (offsets, data) = (elements(&offsets)?, elements(&data)?);
    check_texts(offsets, data)?;
    let found = py.detach(|| refine::refine(&how.0, offsets, data));
    let column = arrays(py, found.column)?;
    let reasons = Buffer::new(Held::Bytes(found.reasons));
    (column, wide(found.rows), reasons).into_pyobject(py)
}

/// Texts made of a prefix and a number; see `kernel.pyi`.
#[pyfunction]
pub(super) fn numbered(prefix: &[u8], numbers: PyBuffer<i64>) -> PyResult<(Buffer, Buffer)> {
    let numbers = elements(&numbers)?;
    if numbers.len().saturating_mul(prefix.len() + 20) > i32::MAX as usize {
        return Err(refused("a column is larger than its texts can be"));
    }
    let (offsets, data) = lines::numbered(prefix, numbers);
    Ok((
        Buffer::new(Held::Codes(offsets)),
        Buffer::new(Held::Bytes(data)),
    ))
}
