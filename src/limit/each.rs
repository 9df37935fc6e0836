//! One value for each entry of an array.

use std::ops::Index;

/// One value for each entry, stored once where all entries share it, as those of a large matrix do.
#[derive(Clone, Debug, PartialEq)]
pub enum Each<T> {
    /// The value of so many entries.
    Shared(T, usize),
    /// In row-major order.
    Own(Vec<T>),
}

impl<T: Copy> Each<T> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        match self {
            Self::Shared(_, count) => *count,
            Self::Own(values) => values.len(),
        }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In row-major order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.len()).map(|k| self[k])
    }

    /// Values that differ, or the one that is shared.
    pub fn distinct(&self) -> &[T] {
        match self {
            Self::Shared(_, 0) => &[],
            Self::Shared(value, _) => std::slice::from_ref(value),
            Self::Own(values) => values,
        }
    }

    /// In row-major order.
    pub fn to_vec(&self) -> Vec<T> {
        self.iter().collect()
    }
}

impl<T> Index<usize> for Each<T> {
    type Output = T;

    fn index(&self, entry: usize) -> &T {
        match self {
            Self::Shared(value, count) => {
                assert!(entry < *count, "entry {entry} of {count}");
                value
            }
            Self::Own(values) => &values[entry],
        }
    }
}

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl<T> From<Vec<T>> for Each<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Own(values)
    }
}
