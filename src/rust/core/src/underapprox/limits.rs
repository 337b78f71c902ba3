//! What the columns still to be visited allow the rows, while a climb goes from column to column.

use crate::underapprox::row::lesser;
use crate::underapprox::working_copy::Block;

/// How many columns' limits are held at a time. All of them would be as large as the matrix.
const AT_A_TIME: usize = 32;

/// The least `R_ij/v_j` over the columns of the support that are still to come.
pub(super) struct Coming<'a> {
    columns: &'a Block,
    /// The columns with `v_j > 0`, and their elements.
    support: Vec<(usize, f64)>,
    /// How many of them are visited.
    visited: usize,
    /// The limits that come after each [`AT_A_TIME`] columns, the last first.
    milestones: Vec<Vec<f64>>,
    /// The limits after each column of the present ones, the last first, as far as they are not visited.
    present: Vec<Vec<f64>>,
}

impl<'a> Coming<'a> {
    #[inline(always)]
    pub(super) fn new(columns: &'a Block, v: &[f64]) -> Self {
        let support: Vec<(usize, f64)> = v.iter().copied().enumerate().filter(|&(_, element)| element > 0.0).collect();
        let mut limits = vec![f64::INFINITY; columns.length()];
        let mut milestones = Vec::new();
        for part in support.chunks(AT_A_TIME).rev() {
            milestones.push(limits.clone());
            part.iter().for_each(|&(index, element)| lower(&mut limits, columns.column(index), element));
        }
        Self { columns, support, visited: 0, milestones, present: vec![limits] }
    }

    /// The limits, one a row.
    #[inline(always)]
    pub(super) fn limits(&self) -> &[f64] {
        self.present.last().map_or(&[], Vec::as_slice)
    }

    /// The next column of the support is visited: it no longer comes.
    #[inline(always)]
    pub(super) fn visit(&mut self) {
        self.present.pop();
        if self.visited % AT_A_TIME == 0 {
            let part = self.support[self.visited..].iter().take(AT_A_TIME).skip(1);
            self.present = self.milestones.pop().into_iter().collect();
            for &(index, element) in part.rev() {
                let mut limits = self.limits().to_vec();
                lower(&mut limits, self.columns.column(index), element);
                self.present.push(limits);
            }
        }
        self.visited += 1;
    }
}

/// Lowers limits to what a column with an element sets.
#[inline(always)]
pub(super) fn lower(limits: &mut [f64], column: &[f64], element: f64) {
    let inverse = 1.0 / element;
    for (limit, &entry) in limits.iter_mut().zip(column) {
        *limit = lesser(entry * inverse, *limit);
    }
}
