//! The one module with `unsafe`: memory that crosses to Python and back without a copy.
//!
//! Measured gain over copying each column into a `bytes` object: see `docs/benchmarks.md`. Nothing
//! here interprets bytes.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::{PyErr, ffi};

/// Memory that the kernel filled and Python reads. It never changes again.
#[pyclass(frozen, module = "pipeline.kernel")]
pub struct Buffer(Held);

/// What a buffer can hold.
pub enum Held {
    Bytes(Vec<u8>),
    Codes(Vec<i32>),
    Wide(Vec<i64>),
    Words(Vec<u64>),
    Floats(Vec<f64>),
}

impl Held {
    fn span(&self) -> (*const c_void, usize) {
        fn of<T>(values: &[T]) -> (*const c_void, usize) {
            (values.as_ptr().cast(), size_of_val(values))
        }
        match self {
            Held::Bytes(values) => of(values),
            Held::Codes(values) => of(values),
            Held::Wide(values) => of(values),
            Held::Words(values) => of(values),
            Held::Floats(values) => of(values),
        }
    }
}

impl Buffer {
    pub fn new(held: Held) -> Buffer {
        Buffer(held)
    }
}

#[pymethods]
impl Buffer {
    /// # Safety
    /// Python calls it with a view to be filled, as its buffer protocol says.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let (at, size) = slf.get().0.span();
        // SAFETY: the view holds a reference to the object, which is frozen, so the memory stays
        // where it is; it is given out as read-only.
        let answer = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), at.cast_mut(), size as isize, 1, flags)
        };
        if answer == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }

    fn __len__(&self) -> usize {
        self.0.span().1
    }

    fn __repr__(&self) -> &'static str {
        "Buffer(...)"
    }
}

/// The elements of a Python buffer, without a copy.
///
/// Nobody may write to it while the slice lives: the readers of `pipeline/io` fill a buffer before
/// they hand it out, and not again until the slice is committed or forgotten.
pub fn elements<T: Element>(buffer: &PyBuffer<T>) -> PyResult<&[T]> {
    if !buffer.is_c_contiguous() {
        return Err(PyValueError::new_err("a buffer is not contiguous"));
    }
    if buffer.item_count() == 0 {
        return Ok(&[]);
    }
    // SAFETY: `PyBuffer::get` has checked type and alignment, the buffer is contiguous and is held
    // by `buffer`, which outlives the slice.
    Ok(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.item_count()) })
}
