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

/// Returns the supports of at most [`MAX_FACTORS`] factors with these loadings on `length` elements, sorted by their bits.
pub(crate) fn supports(loadings: &[&[f64]], length: usize) -> Vec<Support> {
    let bits = |element: usize| -> u64 {
        loadings.iter().enumerate().map(|(factor, w)| u64::from(w[element] != 0.0) << factor).sum()
    };
    // A tree, because there may be as many supports as elements.
    let mut by_bits: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for element in checked(0..length) {
        by_bits.entry(bits(element)).or_default().push(element as u32);
    }
    by_bits.into_iter().map(|(bits, elements)| Support { bits, elements }).collect()
}

#[cfg(test)]
mod tests {
    use crate::support::supports;

    #[test]
    fn supports_are_sorted_by_bits_and_elements_are_increasing() {
        let loadings: [&[f64]; 2] = [&[0.0, 1.0, 2.0, 0.0, 0.5, 0.0], &[0.0, 1.0, 0.0, 3.0, 0.1, 0.0]];
        let actual = supports(&loadings, 6).into_iter().map(|support| (support.bits, support.elements));
        assert!(actual.eq([(0, vec![0, 5]), (1, vec![2]), (2, vec![3]), (3, vec![1, 4])]));
    }
}
