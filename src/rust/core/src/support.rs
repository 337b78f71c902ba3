//! Supports of the factors: the elements of one side of a matrix, grouped by the factors that have a loading there.

use crate::runtime::cancel::checked;
use std::collections::BTreeMap;

/// The maximal number of factors: a set of factors is held as bits of one word.
pub(crate) const MAX_FACTORS: usize = 64;

/// A set of factors, and the elements on which exactly these have a loading.
pub(crate) struct Support {
    bits: u64,
    /// The elements, in increasing order.
    pub(crate) elements: Vec<u32>,
}

impl Support {
    /// The factors of the set.
    pub(crate) fn factors(&self) -> impl Iterator<Item = usize> {
        let bits = self.bits;
        (0..MAX_FACTORS).filter(move |factor| bits >> factor & 1 == 1)
    }

    /// The number of factors.
    pub(crate) fn count(&self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Whether some factor is in both sets.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.bits & other.bits != 0
    }
}

/// Returns the supports of at most [`MAX_FACTORS`] factors on `length` elements, sorted by their bits. `contains` tells whether
/// a factor has a loading at an element.
pub(crate) fn supports(factors: usize, length: usize, contains: impl Fn(usize, usize) -> bool) -> Vec<Support> {
    let bits =
        |element: usize| -> u64 { (0..factors).map(|factor| u64::from(contains(factor, element)) << factor).sum() };
    // A tree, because there may be as many supports as elements.
    let mut by_bits: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for element in checked(0..length) {
        by_bits.entry(bits(element)).or_default().push(element as u32);
    }
    by_bits.into_iter().map(|(bits, elements)| Support { bits, elements }).collect()
}

/// Returns the supports of the nonzero loadings.
pub(crate) fn loading_supports(loadings: &[&[f64]], length: usize) -> Vec<Support> {
    supports(loadings.len(), length, |factor, element| loadings[factor][element] != 0.0)
}

#[cfg(test)]
mod tests {
    use crate::support::loading_supports;

    #[test]
    fn supports_are_sorted_by_bits_and_elements_are_increasing() {
        let loadings: [&[f64]; 2] = [&[0.0, 1.0, 2.0, 0.0, 0.5, 0.0], &[0.0, 1.0, 0.0, 3.0, 0.1, 0.0]];
        let actual = loading_supports(&loadings, 6).into_iter().map(|support| (support.bits, support.elements));
        assert!(actual.eq([(0, vec![0, 5]), (1, vec![2]), (2, vec![3]), (3, vec![1, 4])]));
    }
}
