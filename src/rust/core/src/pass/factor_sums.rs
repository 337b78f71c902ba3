//! What a sweep for several factors finds, and how it is written down.

use crate::noise::ResidualParams;
use crate::pass::remote::protocol::{pieces, shape, Request, WireFormat};
use crate::pass::tile::Tile;
use crate::pass::{PassStats, RowColSums};
use faer::Mat;
use std::ops::Range;

/// A column a factor, over the rows and over the columns of the matrix; where that is symmetric `columns` has no rows.
pub(crate) struct FactorSums {
    pub(crate) rows: Mat<f64>,
    pub(crate) columns: Mat<f64>,
}

/// The slopes and curvatures of the log-likelihood in the loadings of several factors.
pub(crate) struct MultiFactorOutput {
    /// `(x − b̄) v_k` and `(x − b̄)ᵀ u_k`.
    pub(crate) products: FactorSums,
    /// `Σ_j m_ij v_jk²` and `Σ_i m_ij u_ik²`; of no factor where not asked for.
    pub(crate) curvatures: FactorSums,
    /// The sums over the entries.
    pub(crate) sums: PassStats,
}

/// What the residual's moments are taken about.
pub(crate) fn shift(params: ResidualParams) -> f64 {
    1.0 / params.lambda
}

impl FactorSums {
    /// The column of one factor.
    pub(crate) fn of(&self, factor: usize) -> RowColSums {
        let column = |panel: &Mat<f64>| panel.col_as_slice(factor).to_vec();
        RowColSums { rows: column(&self.rows), columns: column(&self.columns) }
    }

    pub(crate) fn zeros(rows: usize, columns: usize, factors: usize) -> Self {
        Self { rows: Mat::zeros(rows, factors), columns: Mat::zeros(columns, factors) }
    }

    /// Adds those of a tile; of a symmetric matrix both go to the rows.
    pub(crate) fn add(&mut self, tile: &Tile, part: &Self) {
        let add = |total: &mut Mat<f64>, range: &Range<usize>, part: &Mat<f64>| {
            let mut total = total.as_mut().subrows_mut(range.start, range.len());
            total += part;
        };
        add(&mut self.rows, &tile.rows, &part.rows);
        let columns = if self.columns.nrows() == 0 { &mut self.rows } else { &mut self.columns };
        add(columns, &tile.columns, &part.columns);
    }
}

impl WireFormat for MultiFactorOutput {
    fn shape(errand: &Request, tile: &Tile) -> Vec<usize> {
        let Request::MultiFactor { factors, .. } = errand else { return Vec::new() };
        shape(errand, tile, factors.len())
    }

    fn write(&self) -> Vec<f64> {
        let mut numbers = Vec::new();
        let panels = [&self.products, &self.curvatures];
        for panel in panels.iter().flat_map(|panels| [&panels.rows, &panels.columns]) {
            panel.col_iter().for_each(|column| numbers.extend(column.iter()));
        }
        numbers.extend(self.sums.to_numbers());
        numbers
    }

    fn read(errand: &Request, tile: &Tile, numbers: &[f64]) -> Option<Self> {
        let Request::MultiFactor { params, .. } = errand else { return None };
        let pieces = pieces(numbers, &Self::shape(errand, tile))?;
        let panel = |lines: usize, numbers: &[f64]| {
            Mat::from_fn(lines, numbers.len() / lines.max(1), |line, factor| numbers[factor * lines + line])
        };
        let panels = |from: usize| FactorSums {
            rows: panel(tile.rows.len(), pieces[from]),
            columns: panel(tile.columns.len(), pieces[from + 1]),
        };
        let sums = PassStats::from_numbers(pieces[4], shift(*params))?;
        Some(Self { products: panels(0), curvatures: panels(2), sums })
    }
}
