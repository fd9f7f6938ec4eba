//! Paths of keys, `optim.lr`, of which it is asked whether one lies within another.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

/// A set of paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths(BTreeSet<String>);

impl Paths {
    /// Adds a path; the empty one is the whole document.
    pub(super) fn insert(&mut self, path: String) {
        self.0.insert(path);
    }

    /// Whether this very path is there.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// Whether one of them is `path`, lies within it or around it.
    pub(super) fn overlap(&self, path: &str) -> bool {
        let mut around = std::iter::successors(Some(path), |path| Some(path.rsplit_once('.')?.0));
        let below = format!("{path}.");
        let within = || self.0.range::<str, _>((Excluded(&*below), Unbounded)).next();
        self.contains("")
            || around.any(|path| self.contains(path))
            || (path.is_empty() && !self.0.is_empty())
            || within().is_some_and(|found| found.starts_with(&below))
    }
}

impl Extend<String> for Paths {
    fn extend<I: IntoIterator<Item = String>>(&mut self, paths: I) {
        self.0.extend(paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the rule by its words.
    #[test]
    fn overlapping_is_being_within() {
        let within = |inner: &str, outer: &str| {
            outer.is_empty() || format!("{inner}.").starts_with(&format!("{outer}."))
        };
        let names = ["", "a", "a.b", "a.b.c", "ab", "a-b", "a.bc", "b", "b.0.c"];
        for one in names {
            let mut paths = Paths::default();
            assert!(!paths.overlap(one));
            paths.insert(one.to_owned());
            for other in names {
                assert_eq!(
                    paths.overlap(other),
                    within(one, other) || within(other, one),
                    "{one:?}, {other:?}"
                );
            }
        }
    }
}
