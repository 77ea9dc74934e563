//! Routes: the automaton of the catalogue's templates, walked over a column of paths.
//!
//! It answers for ordinary paths. Those with an escape, blank, backslash or control character,
//! or that do not begin with a slash, are left to the rule itself (`values/routes.py`).

#![forbid(unsafe_code)]

/// Answer for a path that has to be taken apart by the rule.
pub const UNUSUAL: i32 = -1;
const DEAD: i32 = 0;
const START: i32 = 1;

/// Where a state leads: to one state for each word that it knows, to another for any other text.
struct State {
    words: Vec<(Box<[u8]>, i32)>,
    other: i32,
}

/// The tree of templates with its choices made in advance; state 0 is dead, 1 the start.
pub struct Automaton {
    states: Vec<State>,
    depth: usize,
}

impl Automaton {
    /// `steps` has a row for each state: where each word leads, and, last, where other text leads.
    pub fn new(
        words: &[Vec<u8>],
        steps: Vec<Vec<i32>>,
        depth: usize,
    ) -> Result<Automaton, &'static str> {
        let count = steps.len();
        let within = |next: &i32| usize::try_from(*next).is_ok_and(|next| next < count);
        if count < 2 || depth > 255 {
            return Err("an automaton without a start, or with too many levels");
        }
        let mut states = Vec::with_capacity(count);
        for row in steps {
            if row.len() != words.len() + 1 || !row.iter().all(within) {
                return Err("a step leads out of the automaton");
            }
            let other = row[words.len()];
            let known = words.iter().zip(&row).filter(|(_, next)| **next != other);
            states.push(State {
                words: known
                    .map(|(word, next)| (word.as_slice().into(), *next))
                    .collect(),
                other,
            });
        }
        Ok(Automaton { states, depth })
    }

    /// The state after the last segment of each path, or `UNUSUAL`.
    pub fn run(&self, offsets: &[i32], data: &[u8]) -> Vec<i32> {
        let paths = offsets.windows(2);
        paths
            .map(|pair| self.walk(&data[pair[0] as usize..pair[1] as usize]))
            .collect()
    }

    fn walk(&self, path: &[u8]) -> i32 {
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
        let path = &path[..end.unwrap_or(path.len())];
        // A path with more segments than any route matches none, however they are spelled.
        let count = path.iter().filter(|byte| **byte == b'/').count();
        if count > self.depth || path.is_empty() {
            return DEAD;
        }
        if path[0] != b'/' || path.iter().any(is_unusual) {
            return UNUSUAL;
        }
        let segments = path[1..].split(|byte| *byte == b'/');
        segments.fold(START, |state, segment| self.next(state, segment))
    }

    fn next(&self, state: i32, segment: &[u8]) -> i32 {
        let state = &self.states[state as usize];
        let known = state.words.iter().find(|(word, _)| **word == *segment);
        known.map_or(state.other, |(_, next)| *next)
    }
}

fn is_unusual(byte: &u8) -> bool {
    matches!(byte, 0..=0x20 | 0x7f | b'%' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/a/{id}`, where neither an empty nor a dotted segment is a parameter.
    fn automaton() -> Automaton {
        let words: Vec<Vec<u8>> = ["a", "", ".."]
            .iter()
            .map(|word| word.as_bytes().into())
            .collect();
        let steps = vec![vec![0; 4], vec![2, 0, 0, 0], vec![3, 0, 0, 3], vec![0; 4]];
        Automaton::new(&words, steps, 2).unwrap()
    }

    fn ends(paths: &[&str]) -> Vec<i32> {
        let mut offsets = vec![0];
        let mut data = Vec::new();
        for path in paths {
            data.extend_from_slice(path.as_bytes());
            offsets.push(data.len() as i32);
        }
        automaton().run(&offsets, &data)
    }

    #[test]
    fn walks_ordinary_paths() {
        let paths = [
            "/a/b",
            "/a",
            "/b",
            "/a/",
            "/a/..",
            "/a/b/c",
            "/a/b?c=/%",
            "",
            "/a/a",
        ];
        assert_eq!(ends(&paths), [3, 2, 0, 0, 0, 0, 3, 0, 3]);
    }

    #[test]
    fn leaves_the_others_to_the_rule() {
        assert_eq!(
            ends(&["a/b", "/a/%62", "/a/b c", "/a/\\", "/\u{7f}"]),
            [UNUSUAL; 5]
        );
    }

    #[test]
    fn refuses_what_leads_out() {
        assert!(Automaton::new(&[], vec![vec![0], vec![2]], 1).is_err());
        assert!(Automaton::new(&[b"a".to_vec()], vec![vec![0], vec![1]], 1).is_err());
        assert!(Automaton::new(&[], vec![vec![0]], 1).is_err());
    }
}
