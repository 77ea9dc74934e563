//! Bytes at the very end of a page that is followed by an unreadable one: an over-read crashes.

#![cfg(unix)]

mod common;

use common::table;
use kernel::decode::decode;
use kernel::lines::find_lines;
use kernel::records::find_records;
use kernel::token::{Key, TextColumn, tokens};

const PAGE: usize = 4096;

/// Two pages of which the second cannot be read.
struct Guarded(*mut u8);

impl Guarded {
    fn new() -> Guarded {
        // SAFETY: an anonymous mapping of our own, checked, whose second page is only protected.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let at = libc::mmap(std::ptr::null_mut(), 2 * PAGE, access, flags, -1, 0);
            assert_ne!(at, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(at.byte_add(PAGE), PAGE, libc::PROT_NONE), 0);
            Guarded(at.cast())
        }
    }

    /// The bytes, ending where the readable page ends.
    fn hold(&mut self, bytes: &[u8]) -> &[u8] {
        assert!(bytes.len() <= PAGE);
        // SAFETY: both ranges lie inside of the readable page.
        unsafe {
            let start = self.0.add(PAGE - bytes.len());
            start.copy_from(bytes.as_ptr(), bytes.len());
            std::slice::from_raw_parts(start, bytes.len())
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, whole.
        unsafe { libc::munmap(self.0.cast(), 2 * PAGE) };
    }
}

#[test]
fn nothing_is_read_beyond_the_last_byte() {
    let whole = br#"{"event":"e","version":1,"id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","at":"2026-05-01T10:20:30.5+01:00","day":"2026-01-01","size":-12.5e3,"tags":["x","\u00e9"],"gpc":["1"],"u":{"v":[true,null]},"\u0077":1}"#;
    let table = table();
    let mut page = Guarded::new();
    for stop in 0..=whole.len() {
        let data = page.hold(&whole[..stop]);
        let found = decode(&table, data, &[0, 0], &[stop as i64, stop as i64]);
        assert_eq!(found.rows, if stop == whole.len() { 2 } else { 0 });
    }
}

#[test]
fn lines_records_and_tokens_stay_inside_as_well() {
    let mut page = Guarded::new();
    for size in 0..200 {
        let data = page.hold(&vec![b'x'; size]);
        assert_eq!(find_lines(data, 10).stop, 0);
        let column = TextColumn {
            offsets: &[0, size as i32],
            data,
        };
        assert_eq!(
            tokens(&column, &[&Key::new(&[7; 32])], None, b"p", 16).len(),
            32
        );
        assert!(size == 0 || find_records(data, 3, 0, 0).is_none());
    }
}
