//! What one row adds to a climb: all of its arithmetic, free of branches so that it fills vector registers.

/// A move of one element of `v`.
#[derive(Clone, Copy)]
pub(super) struct Move {
    /// The difference.
    change: f64,
    /// The difference of the squares.
    square_change: f64,
    /// `1/to`; infinite for zero, where the column sets no limit.
    inverse: f64,
}

impl Move {
    pub(super) fn new(from: f64, to: f64) -> Self {
        Self { change: to - from, square_change: to * to - from * from, inverse: 1.0 / to }
    }
}

/// The lesser, or `b` where `a` is NaN: one instruction.
#[inline(always)]
pub(super) fn lesser(a: f64, b: f64) -> f64 {
    if a < b {
        a
    } else {
        b
    }
}

/// An entry as a summand and whether it is observed, as a weight.
#[inline(always)]
pub(super) fn summand(entry: f64) -> (f64, f64) {
    if entry.is_nan() {
        (0.0, 0.0)
    } else {
        (entry, 1.0)
    }
}

/// A row as a climb sees it.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// `s_i = Σ R_ij v_j`.
    pub(super) product: f64,
    /// `q_i = Σ v_j²` over the observed entries of the row.
    pub(super) square: f64,
    /// What `u_i` may be at most.
    pub(super) limit: f64,
}

impl Row {
    /// The best `u_i`, and zero where nothing observed asks for one.
    #[inline(always)]
    pub(super) fn best(self) -> f64 {
        let free = if self.square > 0.0 { self.product / self.square } else { 0.0 };
        lesser(free, self.limit)
    }

    /// What the row adds to the gain where `u_i` is `follower`.
    #[inline(always)]
    pub(super) fn gain(self, follower: f64) -> f64 {
        follower * (2.0 * self.product - follower * self.square)
    }

    /// The row after a move, from the limit that the other columns set.
    #[inline(always)]
    pub(super) fn after(self, step: Move, entry: f64) -> Self {
        let limit = lesser(entry * step.inverse, self.limit);
        let (entry, weight) = summand(entry);
        // What is left of a sum from which its only part is taken is rounding, and may be negative.
        let product = (self.product + entry * step.change).max(0.0);
        let square = (self.square + weight * step.square_change).max(0.0);
        Self { product, square, limit }
    }
}
