//! What Python sees of lists that only grow.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::memory::{Buffer, Held, elements};
use crate::standings;

use super::wide;

/// Chain a hash over lines; see `kernel.pyi`.
#[pyfunction]
pub(super) fn chain_lines<'py>(
    py: Python<'py>,
    chain: [u8; 32],
    data: PyBuffer<u8>,
) -> PyResult<Bound<'py, PyBytes>> {
    let data = elements(&data)?;
    let chain = py.detach(|| standings::chain_lines(chain, data));
    Ok(PyBytes::new(py, &chain))
}

/// Read lines of the opt-out list; see `kernel.pyi`.
#[pyfunction]
#[pyo3(name = "standings")]
pub(super) fn read_standings(
    py: Python<'_>,
    data: PyBuffer<u8>,
) -> PyResult<(Buffer, Buffer, Buffer, Buffer)> {
    let data = elements(&data)?;
    let found = py.detach(|| standings::standings(data));
    Ok((
        Buffer::new(Held::Words(found.high)),
        Buffer::new(Held::Words(found.low)),
        wide(found.since),
        wide(found.others),
    ))
}
