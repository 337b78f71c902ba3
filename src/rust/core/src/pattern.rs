//! Which factors have a loading where: the elements of one side of a matrix, grouped by that.

use crate::cancel::heeded;
use std::collections::BTreeMap;

/// The most factors: a pattern is a set of bits.
pub(crate) const MOST_FACTORS: usize = 64;

/// The elements on which the same factors have a loading, and those factors.
pub(crate) struct Pattern {
    bits: u64,
    /// The elements, rising.
    pub(crate) elements: Vec<u32>,
}

impl Pattern {
    /// The factors that have a loading.
    pub(crate) fn factors(&self) -> impl Iterator<Item = usize> {
        let bits = self.bits;
        (0..MOST_FACTORS).filter(move |factor| bits >> factor & 1 == 1)
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Whether some factor has a loading in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.bits & other.bits != 0
    }
}

/// The patterns of at most [`MOST_FACTORS`] factors, whose loadings on `length` elements are given, in the order of their bits.
pub(crate) fn patterns(loadings: &[&[f64]], length: usize) -> Vec<Pattern> {
    let bits = |element: usize| -> u64 {
        loadings.iter().enumerate().map(|(factor, w)| u64::from(w[element] != 0.0) << factor).sum()
    };
    // A tree, since there may be as many patterns as elements.
    let mut found: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for element in heeded(0..length) {
        found.entry(bits(element)).or_default().push(element as u32);
    }
    found.into_iter().map(|(bits, elements)| Pattern { bits, elements }).collect()
}

#[cfg(test)]
mod tests {
    use super::patterns;

    #[test]
    fn patterns_are_in_the_order_of_their_bits_and_elements_in_their_own() {
        let loadings: [&[f64]; 2] = [&[0.0, 1.0, 2.0, 0.0, 0.5, 0.0], &[0.0, 1.0, 0.0, 3.0, 0.1, 0.0]];
        let found = patterns(&loadings, 6).into_iter().map(|pattern| (pattern.bits, pattern.elements));
        assert!(found.eq([(0, vec![0, 5]), (1, vec![2]), (2, vec![3]), (3, vec![1, 4])]));
    }
}
