//! Which factors have a loading where: the elements of one side of a matrix, grouped by that.

use crate::runtime::cancel::checked;
use std::collections::BTreeMap;

/// The most factors: a pattern is a set of bits.
pub(crate) const MAX_FACTORS: usize = 64;

/// The elements on which the same factors have a loading, and those factors.
pub(crate) struct Support {
    bits: u64,
    /// The elements, rising.
    pub(crate) elements: Vec<u32>,
}

impl Support {
    /// The factors that have a loading.
    pub(crate) fn factors(&self) -> impl Iterator<Item = usize> {
        let bits = self.bits;
        (0..MAX_FACTORS).filter(move |factor| bits >> factor & 1 == 1)
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Whether some factor has a loading in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.bits & other.bits != 0
    }
}

/// The patterns of at most [`MAX_FACTORS`] factors, whose loadings on `length` elements are given, in the order of their bits.
pub(crate) fn supports(loadings: &[&[f64]], length: usize) -> Vec<Support> {
    let bits = |element: usize| -> u64 {
        loadings.iter().enumerate().map(|(factor, w)| u64::from(w[element] != 0.0) << factor).sum()
    };
    // A tree, since there may be as many patterns as elements.
    let mut found: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for element in checked(0..length) {
        found.entry(bits(element)).or_default().push(element as u32);
    }
    found.into_iter().map(|(bits, elements)| Support { bits, elements }).collect()
}

#[cfg(test)]
mod tests {
    use crate::support::supports;

    #[test]
    fn patterns_are_in_the_order_of_their_bits_and_elements_in_their_own() {
        let loadings: [&[f64]; 2] = [&[0.0, 1.0, 2.0, 0.0, 0.5, 0.0], &[0.0, 1.0, 0.0, 3.0, 0.1, 0.0]];
        let found = supports(&loadings, 6).into_iter().map(|pattern| (pattern.bits, pattern.elements));
        assert!(found.eq([(0, vec![0, 5]), (1, vec![2]), (2, vec![3]), (3, vec![1, 4])]));
    }
}
