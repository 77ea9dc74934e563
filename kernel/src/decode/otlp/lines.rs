//! The structure of a line of OTLP/JSON logs, read by the strict parser.
//!
//! Anything outside the structure is skipped and checked like any other value. A line with another
//! structure is still read to its end: whether it is JSON at all comes first.

#![forbid(unsafe_code)]

use crate::reasons::Reason;
use crate::scan::string_end;

use super::super::Work;
use super::{Out, Piece, quoted};

type Members<'a> = fn(&mut Work<'a>, &mut Out, usize, usize, usize) -> Result<usize, Reason>;

/// What an `AnyValue` holds.
#[derive(Clone, Copy)]
enum Single {
    Nothing,
    /// A text, number, Boolean or null: where it is, and how long.
    Written(usize, usize),
    Another,
}

impl<'a> Work<'a> {
    pub(super) fn take_line(&mut self, out: &mut Out, index: usize, start: usize, end: usize) {
        self.begin();
        out.line = index;
        out.before = (out.flat.data.len(), out.flat.starts.len());
        out.is_other = false;
        if let Err(reason) = self.line(out, start, end) {
            out.take_back();
            out.refuse(index, self.refusal(start, end).unwrap_or(reason));
        }
    }

    fn line(&mut self, out: &mut Out, start: usize, end: usize) -> Result<(), Reason> {
        let mut seen = false;
        self.whole(start, end, |work, from| {
            work.members(from, end, 1, |work, name, at| {
                if work.spelled(name) != b"resourceLogs" {
                    return work.skip(at, end, 1);
                }
                seen = true;
                out.is_other |= work.data.get(at) == Some(&b'n');
                work.objects(out, at, end, 1, Self::entry)
            })
        })?;
        if seen && !out.is_other {
            Ok(())
        } else {
            Err(Reason::NotInFormat)
        }
    }

    /// Read the objects of a list, which may be null, as `read` does.
    #[inline(always)]
    fn objects(
        &mut self,
        out: &mut Out,
        at: usize,
        end: usize,
        depth: usize,
        read: Members<'a>,
    ) -> Result<usize, Reason> {
        let data = self.data;
        if at >= end || data[at] != b'[' {
            out.is_other |= at < end && data[at] != b'n';
            return self.skip(at, end, depth);
        }
        self.items(at + 1, end, depth + 1, |work, at| {
            if at < end && data[at] == b'{' {
                return read(work, out, at + 1, end, depth + 2);
            }
            out.is_other = true;
            work.skip(at, end, depth + 1)
        })
    }

    /// One entry of `resourceLogs`: its resource, and the records of its scopes.
    fn entry(
        &mut self,
        out: &mut Out,
        from: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize, Reason> {
        let first = out.flat.starts.len();
        out.resource.clear();
        self.members(from, end, depth, |work, name, at| {
            match work.spelled(name) {
                b"scopeLogs" => work.objects(out, at, end, depth, Self::scope),
                b"resource" if work.data.get(at) == Some(&b'{') => {
                    out.pairs.clear();
                    let stop = work.members(at + 1, end, depth + 1, |work, name, at| match work
                        .spelled(name)
                    {
                        b"attributes" => work.objects(out, at, end, depth + 1, Self::pair),
                        _ => work.skip(at, end, depth + 1),
                    })?;
                    std::mem::swap(&mut out.pairs, &mut out.resource);
                    if out.flat.starts.len() > first {
                        out.catch_up(first);
                    }
                    Ok(stop)
                }
                b"resource" => {
                    out.is_other |= work.data.get(at) != Some(&b'n');
                    work.skip(at, end, depth)
                }
                _ => work.skip(at, end, depth),
            }
        })
    }

    fn scope(
        &mut self,
        out: &mut Out,
        from: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize, Reason> {
        self.members(from, end, depth, |work, name, at| {
            match work.spelled(name) {
                b"logRecords" => work.objects(out, at, end, depth, Self::record),
                _ => work.skip(at, end, depth),
            }
        })
    }

    fn record(
        &mut self,
        out: &mut Out,
        from: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize, Reason> {
        let data = self.data;
        let start = out.flat.data.len();
        out.flat.data.push(b'{');
        out.pairs.clear();
        let stop = self.members(from, end, depth, |work, name, at| {
            match work.spelled(name) {
                b"attributes" => return work.objects(out, at, end, depth, Self::pair),
                b"resource" => return work.skip(at, end, depth),
                _ => {}
            }
            let stop = work.skip(at, end, depth)?;
            if !matches!(data[at], b'{' | b'[') {
                quoted(work.spelled(name), &mut out.flat.data);
                out.flat.data.push(b':');
                out.flat.data.extend_from_slice(&data[at..stop]);
                out.flat.data.push(b',');
            }
            Ok(stop)
        })?;
        out.close(start);
        Ok(stop)
    }

    /// One attribute: a key and a value, from after the opening brace to after the closing one.
    fn pair(
        &mut self,
        out: &mut Out,
        from: usize,
        end: usize,
        depth: usize,
    ) -> Result<usize, Reason> {
        if let Some(stop) = self.foreseen_pair(out, from, end, depth)? {
            return Ok(stop);
        }
        let data = self.data;
        let (mut key, mut value, mut members) = (None, None, 0);
        let stop = self.members(from, end, depth, |work, name, at| {
            members += 1;
            match work.spelled(name) {
                b"value" if data.get(at) == Some(&b'{') => {
                    let (stop, single) = work.any_value(at + 1, end, depth + 1)?;
                    value = Some(single);
                    Ok(stop)
                }
                b"value" => {
                    out.is_other |= data.get(at) != Some(&b'n');
                    work.skip(at, end, depth)
                }
                b"key" => {
                    let stop = work.skip(at, end, depth)?;
                    key = (data[at] == b'"').then_some((at, stop));
                    Ok(stop)
                }
                _ => work.skip(at, end, depth),
            }
        })?;
        let Some((begin, behind)) = key else {
            out.is_other = true;
            return Ok(stop);
        };
        match value {
            Some(Single::Written(at, size)) => {
                out.pair(&data[begin..behind], &data[at..at + size]);
                if members == 2 && at > behind {
                    let middle = Piece::of(behind - 1, at);
                    out.learn(
                        Piece::of(from, begin + 1),
                        middle,
                        Piece::of(at + size, stop),
                    );
                }
            }
            Some(Single::Another) => out.pair(&data[begin..behind], b"{}"),
            Some(Single::Nothing) | None => out.pair(&data[begin..behind], b"null"),
        }
        Ok(stop)
    }

    /// The single value of an `AnyValue`, from after its opening brace.
    fn any_value(
        &mut self,
        from: usize,
        end: usize,
        depth: usize,
    ) -> Result<(usize, Single), Reason> {
        let data = self.data;
        let (mut count, mut single) = (0, Single::Nothing);
        let stop = self.members(from, end, depth, |work, name, at| {
            count += 1;
            let is_known = matches!(
                work.spelled(name),
                b"stringValue" | b"intValue" | b"doubleValue" | b"boolValue"
            );
            let stop = work.skip(at, end, depth)?;
            let is_single = count == 1 && is_known && !matches!(data[at], b'{' | b'[');
            single = if is_single {
                Single::Written(at, stop - at)
            } else {
                Single::Another
            };
            Ok(stop)
        })?;
        Ok((stop, single))
    }

    /// An attribute that is written like earlier ones; None if it is not, and nothing was done.
    #[inline(always)]
    fn foreseen_pair(
        &mut self,
        out: &mut Out,
        from: usize,
        end: usize,
        depth: usize,
    ) -> Result<Option<usize>, Reason> {
        let data = self.data;
        if depth >= self.table.limits.depth || !out.lead.is_at(data, from, end) {
            return Ok(None);
        }
        // The lead ends with the key's opening quote, the middle begins with its closing one.
        let key = from + out.lead.size;
        let behind = string_end(data, key, end);
        let is_middle = |piece: &&Piece| piece.is_at(data, behind, end);
        let Some(middle) = out.middles.iter().find(is_middle) else {
            return Ok(None);
        };
        let at = behind + middle.size;
        if at >= end || !matches!(data[at], b'"' | b'-' | b'0'..=b'9' | b't' | b'f') {
            return Ok(None);
        }
        self.check_length(behind - key);
        let stop = self.skip(at, end, depth + 1)?;
        if !out.tail.is_at(data, stop, end) {
            return Ok(None);
        }
        self.keys += 3;
        if self.keys > self.table.limits.keys {
            return Err(Reason::TooManyKeys);
        }
        out.pair(&data[key - 1..=behind], &data[at..stop]);
        Ok(Some(stop + out.tail.size))
    }
}
