//! The method and the path of a request line, a URL or a path.

#![forbid(unsafe_code)]

use super::Part;

/// The place and size of the method or the path of a request line, URL or path.
pub(super) fn part_of(text: &[u8], part: Part) -> Option<(usize, usize)> {
    let line = request(text);
    match (part, line) {
        (Part::Method, Some((method, _, _))) => Some((0, method)),
        (Part::Method, None) => None,
        (Part::Path, Some((_, from, stop))) => path(text, from, stop),
        (Part::Path, None) => path(text, 0, text.len()),
    }
}

/// The size of a request line's method, and the place of its target.
fn request(text: &[u8]) -> Option<(usize, usize, usize)> {
    let is_word = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    let method = text.iter().take_while(|byte| is_word(byte)).count();
    if !(1..=32).contains(&method) || text.get(method) != Some(&b' ') {
        return None;
    }
    let from = method + 1;
    let target = &text[from..];
    if target.is_empty() || target[0] == b' ' {
        return None;
    }
    Some((method, from, text.len() - version(&target[1..])))
}

/// The size of ` HTTP/1.1` or ` HTTP/2` at the end.
fn version(text: &[u8]) -> usize {
    let is_version = |size: usize| {
        text.len() >= size && {
            let end = &text[text.len() - size..];
            end.starts_with(b" HTTP/")
                && end[6].is_ascii_digit()
                && (size == 7 || (end[7] == b'.' && end[8].is_ascii_digit()))
        }
    };
    [9, 7]
        .into_iter()
        .find(|&size| is_version(size))
        .unwrap_or(0)
}

fn path(text: &[u8], mut from: usize, stop: usize) -> Option<(usize, usize)> {
    let target = &text[from..stop];
    if let Some(size) = origin(target) {
        from += size;
        if from >= stop || text[from] != b'/' {
            // A URL without a path means its root: any slash in it will do.
            let slash = memchr::memchr(b'/', target)?;
            return Some((from - size + slash, 1));
        }
    }
    if from >= stop || text[from] != b'/' {
        return None;
    }
    let size = memchr::memchr2(b'?', b'#', &text[from..stop]).unwrap_or(stop - from);
    Some((from, size))
}

/// The size of the leading `scheme://authority`.
fn origin(text: &[u8]) -> Option<usize> {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-');
    let scheme = text.iter().take_while(|byte| is_scheme(byte)).count();
    if !(1..=32).contains(&scheme)
        || !text[0].is_ascii_alphabetic()
        || !text[scheme..].starts_with(b"://")
    {
        return None;
    }
    let host = &text[scheme + 3..];
    Some(scheme + 3 + memchr::memchr3(b'/', b'?', b'#', host).unwrap_or(host.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, part: Part) -> Option<&str> {
        part_of(text.as_bytes(), part).map(|(from, size)| &text[from..from + size])
    }

    #[test]
    fn a_request_line_has_a_method_and_a_path() {
        let line = "GET https://h:443/a b?c HTTP/1.1";
        assert_eq!(part(line, Part::Method), Some("GET"));
        assert_eq!(part(line, Part::Path), Some("/a b"));
        assert_eq!(part("GET http://h HTTP/1.1", Part::Path), Some("/"));
        assert_eq!(part("GET * HTTP/1.1", Part::Path), None);
        assert_eq!(part("GET  /", Part::Path), None);
        assert_eq!(part("/a#b", Part::Path), Some("/a"));
    }
}
