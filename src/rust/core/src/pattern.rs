//! Which factors have a loading where: the elements of one side of a matrix, grouped by that.

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

    /// Whether some factor has a loading in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.bits & other.bits != 0
    }
}

/// The patterns of at most [`MOST_FACTORS`] factors, whose loadings on `length` elements are given, in the order of their bits.
pub(crate) fn patterns(loadings: &[&[f64]], length: usize) -> Vec<Pattern> {
    let mut found: Vec<Pattern> = Vec::new();
    let mut last = 0;
    for element in 0..length {
        let of = |(factor, w): (usize, &&[f64])| u64::from(w[element] != 0.0) << factor;
        let bits: u64 = loadings.iter().enumerate().map(of).sum();
        // Neighbours are mostly alike.
        if found.get(last).is_none_or(|pattern| pattern.bits != bits) {
            last = found.binary_search_by_key(&bits, |pattern| pattern.bits).unwrap_or_else(|place| {
                found.insert(place, Pattern { bits, elements: Vec::new() });
                place
            });
        }
        found[last].elements.push(element as u32);
    }
    found
}
