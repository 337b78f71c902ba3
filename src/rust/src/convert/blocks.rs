//! A matrix that R reads a block at a time, or has others go over.

use extendr_api::prelude::*;
use nmu_core::storage::{Remote, Storage};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

/// The matrix that R has opened (`R/blocks.R`), one at a time. No object of R is in here, so that a pass may share it; R's
/// functions are found by their names, and raise no errors.
pub(super) struct Blocks {
    nrow: usize,
    ncol: usize,
    /// How many entries are held at a time.
    room: usize,
    /// How many columns are stored together.
    step: usize,
    /// Whether others go over the entries.
    spread: bool,
    /// R's own thread, the only one that may call R.
    owner: ThreadId,
    window: Mutex<Window>,
    lost: AtomicBool,
}

/// The block read last, column after column.
#[derive(Clone, Default)]
struct Window {
    rows: Range<usize>,
    columns: Range<usize>,
    values: Vec<f64>,
}

impl Blocks {
    pub(super) fn new(nrow: usize, ncol: usize, room: usize, step: usize, spread: bool) -> Self {
        let (room, step, owner) = (room.max(1), step.max(1), thread::current().id());
        Self { nrow, ncol, room, step, spread, owner, window: Mutex::default(), lost: AtomicBool::new(false) }
    }

    /// The block to read where `rows` of a column are asked for: with the columns that come after it, as many as there is
    /// room for, up to the end of what is stored together. Above a diagonal the rows of these reach further down.
    fn around(&self, column: usize, rows: &Range<usize>) -> (Range<usize>, Range<usize>) {
        let triangle = rows.end == column + 1;
        let width = if triangle {
            // The root of width · (above + width) = room.
            let above = (rows.len() - 1) as f64;
            ((above * above + 4.0 * self.room as f64).sqrt() - above) / 2.0
        } else {
            self.room as f64 / rows.len().max(1) as f64
        };
        let end = (column + (width as usize).max(1)).min(self.ncol);
        let whole = end - end % self.step;
        let end = if end < self.ncol && whole > column { whole } else { end };
        let last_row = if triangle { end.clamp(rows.end, self.nrow) } else { rows.end };
        (rows.start..last_row, column..end)
    }

    fn read(&self, rows: Range<usize>, columns: Range<usize>) -> Option<Window> {
        if self.is_lost() || thread::current().id() != self.owner {
            return None;
        }
        let (first_row, first_column) = (rows.start + 1, columns.start + 1);
        let call = format!("nmu:::block_entries({first_row}, {}, {first_column}, {})", rows.end, columns.end);
        let block = eval_string(&call).ok()?;
        let values = block.as_real_slice().filter(|values| values.len() == rows.len() * columns.len())?.to_vec();
        Some(Window { rows, columns, values })
    }

    fn lose<T>(&self) -> Option<T> {
        self.lost.store(true, Ordering::Relaxed);
        None
    }
}

impl Window {
    fn has(&self, column: usize, rows: &Range<usize>) -> bool {
        self.columns.contains(&column) && self.rows.start <= rows.start && rows.end <= self.rows.end
    }

    fn entries(&self, column: usize, rows: &Range<usize>) -> &[f64] {
        let first = (column - self.columns.start) * self.rows.len() + rows.start - self.rows.start;
        &self.values[first..first + rows.len()]
    }
}

impl Storage for Blocks {
    fn nrow(&self) -> usize {
        self.nrow
    }

    fn ncol(&self) -> usize {
        self.ncol
    }

    fn remote(&self) -> Option<&dyn Remote> {
        self.spread.then_some(self)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Zeros once a block could not be read: the fit is then near its end, and none of it will be used.
    fn column<'a>(&'a self, column: usize, rows: Range<usize>, buffer: &'a mut [f64]) -> &'a [f64] {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if !window.has(column, &rows) {
            // The old block is let go first, so that only one is held.
            *window = Window::default();
            let (block_rows, columns) = self.around(column, &rows);
            if let Some(block) = self.read(block_rows, columns).or_else(|| self.lose()) {
                *window = block;
            }
        }
        if window.has(column, &rows) {
            buffer.copy_from_slice(window.entries(column, &rows));
        } else {
            buffer.fill(0.0);
        }
        buffer
    }
}

impl Remote for Blocks {
    fn evaluate(&self, request: &[f64], lengths: &[usize]) -> Option<Vec<Vec<f64>>> {
        if self.is_lost() || thread::current().id() != self.owner {
            return None;
        }
        responses(request, lengths).or_else(|| self.lose())
    }
}

fn responses(request: &[f64], lengths: &[usize]) -> Option<Vec<Vec<f64>>> {
    let send = eval_string("nmu:::block_answers").ok()?.as_function()?;
    let found = List::try_from(send.call(pairlist!(request = request, tiles = lengths.len() as i32)).ok()?).ok()?;
    let found: Vec<Vec<f64>> = found.values().filter_map(|response| response.as_real_vector()).collect();
    found.iter().map(Vec::len).eq(lengths.iter().copied()).then_some(found)
}
