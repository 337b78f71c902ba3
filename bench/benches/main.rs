//! Benches of the core: `cargo bench --features avx512`, or with `-- pass` those whose name contains `pass`.
//!
//! What a fit costs against other programs is the matter of `compare.R`.

mod fit;
mod moments;
mod pass;
mod start;

fn main() {
    divan::main();
}
