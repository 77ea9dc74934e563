//! What Python sees: `pipeline.kernel`, described in `pipeline/kernel.pyi`.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::column::{Body, Finished, Kind};
use crate::memory::{Buffer, Held, elements};
use crate::table::{Identity, Limits, NONE, Version};
use crate::{decode as decoding, lines, reasons, records, refine, routes, table, token};

use self::formats::{Refinement, Splitter};

mod formats;
mod lists;

/// Which values of a message become which columns.
#[pyclass(frozen, module = "pipeline.kernel")]
struct Table(table::Table);

type Declared = (i64, Vec<u16>, Vec<u16>, Vec<u16>);

#[pymethods]
impl Table {
    #[new]
    #[pyo3(signature = (fields, *, limits, versions = vec![], identity = None))]
    fn new(
        fields: Vec<(Vec<String>, String)>,
        limits: (usize, usize, usize, usize),
        versions: Vec<Declared>,
        identity: Option<(String, u16, u16)>,
    ) -> PyResult<Table> {
        let count = fields.len();
        let mut kinds = Vec::with_capacity(count);
        for (path, kind) in fields {
            let kind = Kind::parse(&kind).ok_or_else(|| refused("a kind is unknown"))?;
            kinds.push((path, kind));
        }
        let mut known = Vec::with_capacity(versions.len());
        for (number, declared, required, decisive) in versions {
            let all = [&declared, &required, &decisive];
            check_columns(all.into_iter().flatten().copied(), count)?;
            let flags = |columns: &[u16]| {
                let mut flags = vec![false; count];
                columns
                    .iter()
                    .for_each(|&column| flags[usize::from(column)] = true);
                flags
            };
            let declared = flags(&declared);
            let complete = declared.iter().all(|&is_declared| is_declared);
            known.push(Version {
                number,
                complete,
                declared,
                required,
                decisive: flags(&decisive),
            });
        }
        let identity = identity.map(|(event, event_column, version_column)| Identity {
            event: event.into_bytes(),
            event_column,
            version_column,
        });
        if let Some(found) = &identity {
            let of = |column: u16| kinds.get(usize::from(column)).map(|(_, kind)| *kind);
            if of(found.event_column) != Some(Kind::Text)
                || of(found.version_column) != Some(Kind::Int)
            {
                return Err(refused("the event is no text or its version no integer"));
            }
        }
        let (size, depth, keys, text) = limits;
        if depth > 64 || size > 1 << 30 || keys >= usize::from(NONE) {
            return Err(refused("a limit is beyond what the kernel can hold"));
        }
        let limits = Limits {
            size,
            depth,
            keys,
            text,
        };
        table::Table::new(&kinds, known, identity, limits)
            .map(Table)
            .map_err(refused)
    }

    fn __repr__(&self) -> String {
        format!("Table({} columns)", self.0.kinds.len())
    }
}

/// A key, ready to make tokens.
#[pyclass(frozen, module = "pipeline.kernel")]
struct TokenKey(token::Key);

#[pymethods]
impl TokenKey {
    #[new]
    fn new(key: &[u8]) -> TokenKey {
        TokenKey(token::Key::new(key))
    }

    /// The whole HMAC of each value.
    fn digests<'py>(
        &self,
        py: Python<'py>,
        prefix: &[u8],
        values: Vec<Bound<'py, pyo3::types::PyBytes>>,
    ) -> Vec<Bound<'py, pyo3::types::PyBytes>> {
        values
            .iter()
            .map(|value| pyo3::types::PyBytes::new(py, &self.0.digest(prefix, value.as_bytes())))
            .collect()
    }

    fn __repr__(&self) -> &'static str {
        "TokenKey(...)"
    }
}

fn refused(why: &'static str) -> PyErr {
    PyValueError::new_err(why)
}

fn wide(values: Vec<i64>) -> Buffer {
    Buffer::new(Held::Wide(values))
}

/// Decode messages; see `kernel.pyi`.
#[pyfunction]
fn decode<'py>(
    py: Python<'py>,
    table: &Table,
    data: PyBuffer<u8>,
    starts: PyBuffer<i64>,
    ends: PyBuffer<i64>,
) -> PyResult<Bound<'py, PyTuple>> {
    let Places { data, starts, ends } = Places::new(&data, &starts, &ends)?;
    let found = py.detach(|| decoding::decode(&table.0, data, starts, ends));
    let columns = all_arrays(py, found.columns)?;
    (
        found.rows,
        columns,
        wide(found.refused),
        Buffer::new(Held::Bytes(found.reasons)),
        found.nulled,
    )
        .into_pyobject(py)
}

/// A column's buffers in Arrow's order; none of them for a column without any value.
fn arrays(py: Python<'_>, column: Finished) -> PyResult<Vec<Option<Py<Buffer>>>> {
    let valid = column.valid.map(Held::Words);
    let held = match column.body {
        Body::Nothing => return Ok(vec![]),
        Body::Texts(offsets, data) => vec![Held::Codes(offsets), Held::Bytes(data)],
        Body::Wide(values) => vec![Held::Wide(values)],
        Body::Floats(values) => vec![Held::Floats(values)],
        Body::Days(values) => vec![Held::Codes(values)],
        Body::Lists(offsets, bounds, data) => {
            vec![Held::Codes(offsets), Held::Codes(bounds), Held::Bytes(data)]
        }
    };
    let all = std::iter::once(valid).chain(held.into_iter().map(Some));
    all.map(|held| held.map(|held| Py::new(py, Buffer::new(held))).transpose())
        .collect()
}

/// Messages in a slice, checked to be inside it.
struct Places<'a> {
    data: &'a [u8],
    starts: &'a [i64],
    ends: &'a [i64],
}

impl<'a> Places<'a> {
    fn new(
        data: &'a PyBuffer<u8>,
        starts: &'a PyBuffer<i64>,
        ends: &'a PyBuffer<i64>,
    ) -> PyResult<Places<'a>> {
        let (data, starts, ends) = (elements(data)?, elements(starts)?, elements(ends)?);
        if data.len() > i32::MAX as usize {
            return Err(refused("a slice is larger than its columns can be"));
        }
        let inside =
            |(start, end): (&i64, &i64)| 0 <= *start && start <= end && *end as usize <= data.len();
        if starts.len() != ends.len() || !starts.iter().zip(ends).all(inside) {
            return Err(refused("a message lies outside of its slice"));
        }
        Ok(Places { data, starts, ends })
    }
}

/// Refuse column numbers beyond those of the table.
fn check_columns(mut columns: impl Iterator<Item = u16>, count: usize) -> PyResult<()> {
    if columns.any(|column| usize::from(column) >= count) {
        return Err(refused("a column is named that is not there"));
    }
    Ok(())
}

/// The columns of a slice, each as its buffers.
fn all_arrays(py: Python<'_>, columns: Vec<Finished>) -> PyResult<Vec<Vec<Option<Py<Buffer>>>>> {
    columns
        .into_iter()
        .map(|column| arrays(py, column))
        .collect()
}

fn check_texts(offsets: &[i32], data: &[u8]) -> PyResult<()> {
    let ordered = offsets
        .windows(2)
        .all(|pair| 0 <= pair[0] && pair[0] <= pair[1]);
    let fits = offsets
        .last()
        .is_none_or(|last| *last as usize <= data.len());
    if ordered && fits {
        Ok(())
    } else {
        Err(refused("the buffers do not fit together"))
    }
}

/// Route templates, ready to be walked; see `kernel.pyi`.
#[pyclass(frozen, module = "pipeline.kernel")]
struct Routes(routes::Automaton);

#[pymethods]
impl Routes {
    #[new]
    fn new(words: Vec<Vec<u8>>, steps: Vec<Vec<i32>>, depth: usize) -> PyResult<Routes> {
        routes::Automaton::new(&words, steps, depth)
            .map(Routes)
            .map_err(refused)
    }

    /// The state after each path, -1 for one that the rule has to take apart.
    fn run(&self, py: Python<'_>, offsets: PyBuffer<i32>, data: PyBuffer<u8>) -> PyResult<Buffer> {
        let (offsets, data) = (elements(&offsets)?, elements(&data)?);
        check_texts(offsets, data)?;
        let states = py.detach(|| self.0.run(offsets, data));
        Ok(Buffer::new(Held::Codes(states)))
    }

    fn __repr__(&self) -> &'static str {
        "Routes(...)"
    }
}

/// Find the complete lines of a block; see `kernel.pyi`.
#[pyfunction]
fn find_lines(
    py: Python<'_>,
    data: PyBuffer<u8>,
    most: usize,
) -> PyResult<(Buffer, Buffer, usize)> {
    let data = elements(&data)?;
    let found = py.detach(|| lines::find_lines(data, most));
    Ok((wide(found.starts), wide(found.ends), found.stop))
}

/// Find the values of a Kafka record batch; see `kernel.pyi`.
#[pyfunction]
fn find_records(
    data: PyBuffer<u8>,
    count: usize,
    base: i64,
    floor: i64,
) -> PyResult<Option<(Buffer, Buffer, Buffer)>> {
    let found = records::find_records(elements(&data)?, count, base, floor);
    Ok(found.map(|found| (wide(found.starts), wide(found.ends), wide(found.offsets))))
}

/// Make a column of tokens; see `kernel.pyi`.
#[pyfunction]
fn tokens(
    py: Python<'_>,
    offsets: PyBuffer<i32>,
    data: PyBuffer<u8>,
    keys: Vec<Py<TokenKey>>,
    epochs: Option<PyBuffer<i64>>,
    prefix: &[u8],
    size: usize,
) -> PyResult<Buffer> {
    let (offsets, data) = (elements(&offsets)?, elements(&data)?);
    let epochs = epochs.as_ref().map(elements).transpose()?;
    let rows = offsets.len().saturating_sub(1);
    check_texts(offsets, data)?;
    if epochs.is_some_and(|all| all.len() != rows) || size > 32 {
        return Err(refused("the buffers do not fit together"));
    }
    if rows.saturating_mul(size * 2) > i32::MAX as usize {
        return Err(refused("a column is larger than its tokens can be"));
    }
    let keys: Vec<&token::Key> = keys.iter().map(|key| &key.get().0).collect();
    let column = token::TextColumn { offsets, data };
    let digits = py.detach(|| token::tokens(&column, &keys, epochs, prefix, size));
    Ok(Buffer::new(Held::Bytes(digits)))
}

/// Strict decoding, lines, record batches and tokens; see `docs/architecture.md`.
#[pymodule]
fn kernel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // A panic becomes a rejection (`decode`); its text goes nowhere, whatever it says.
    std::panic::set_hook(Box::new(|_| {}));
    module.add("REASONS", PyTuple::new(module.py(), reasons::NAMES)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Table>()?;
    module.add_class::<TokenKey>()?;
    module.add_class::<Buffer>()?;
    module.add_function(wrap_pyfunction!(decode, module)?)?;
    module.add("WHYS", PyTuple::new(module.py(), refine::NAMES)?)?;
    module.add_class::<Splitter>()?;
    module.add_class::<Refinement>()?;
    module.add_class::<Routes>()?;
    module.add_function(wrap_pyfunction!(formats::split_lines, module)?)?;
    module.add_function(wrap_pyfunction!(formats::refine_column, module)?)?;
    module.add_function(wrap_pyfunction!(formats::flatten_lines, module)?)?;
    module.add_function(wrap_pyfunction!(formats::numbered, module)?)?;
    module.add_function(wrap_pyfunction!(find_lines, module)?)?;
    module.add_function(wrap_pyfunction!(find_records, module)?)?;
    module.add_function(wrap_pyfunction!(lists::chain_lines, module)?)?;
    module.add_function(wrap_pyfunction!(lists::read_standings, module)?)?;
    module.add_function(wrap_pyfunction!(tokens, module)?)
}
