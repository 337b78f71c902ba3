//! Times single operations of the core on a matrix in a file, for `compare.R`, which itself times whole fits.
//!
//! ```text
//! measure about                                     prints the instruction set detected at run time
//! measure FILE ORDER REPEATS WORK/THREADS ...       prints a line `work,threads,seconds` for each task
//! ```
//!
//! FILE contains a symmetric matrix as doubles. WORK is `product` (of A with a vector), `pass`, `likelihood` (a pass
//! with the log-likelihood), `curvature` (a pass with curvatures as well), `prior` (a maximization of the ELBO under a
//! binary prior, per sweep), `total` (the sum of the entries that a pass reads), `start` (initial loadings), or `fit`
//! (initial loadings and 20 iterations). Tasks are interleaved, so that a temporary slowdown of the machine affects all
//! of them. Seconds are the median over the repeats.

use nmu_bench::case::{Case, PARAMS};
use nmu_bench::total::{instruction_set, upper_triangle};
use nmu_core::em::{iterate, NotebookEm};
use nmu_core::init::leading_init;
use nmu_core::pass::PassLevel;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    if arguments == ["about"] {
        println!("{}", instruction_set());
        return Ok(());
    }
    let [file, order, repeats, tasks @ ..] = arguments else {
        return Err("usage: measure FILE ORDER REPEATS WORK/THREADS ...".into());
    };
    let (order, repeats): (usize, usize) = (order.parse()?, repeats.parse()?);
    let values = read(file)?;
    if order.checked_mul(order) != Some(values.len()) {
        return Err(format!("{file} has {} entries, not {order}²", values.len()).into());
    }
    let case = Case::symmetric(&values, order, 0);
    let tasks = tasks.iter().map(|text| Task::parse(text)).collect::<Result<Vec<_>, _>>()?;

    let calls: Vec<usize> = tasks.iter().map(|task| calls(|| task.run(&case, &values, order))).collect();
    let mut seconds = vec![Vec::new(); tasks.len()];
    for _ in 0..repeats {
        for ((task, &calls), seconds) in tasks.iter().zip(&calls).zip(&mut seconds) {
            seconds.push(time(calls, || task.run(&case, &values, order)));
        }
    }
    println!("work,threads,seconds");
    for (task, seconds) in tasks.iter().zip(&mut seconds) {
        println!("{},{},{:e}", task.name, task.threads, median(seconds));
    }
    Ok(())
}

fn read(file: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    Ok(bytes.chunks_exact(8).map(|word| f64::from_le_bytes(std::array::from_fn(|index| word[index]))).collect())
}

/// A kind of work, on a number of threads.
struct Task {
    name: String,
    work: Work,
    threads: usize,
}

#[derive(Clone, Copy)]
enum Work {
    Product,
    Pass(PassLevel),
    InitialLoadings,
    Fit,
    Prior,
    Total,
}

impl Task {
    fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let (name, threads) = text.split_once('/').ok_or_else(|| format!("no threads in {text}"))?;
        let work = match name {
            "product" => Work::Product,
            "pass" => Work::Pass(PassLevel::Expectation),
            "likelihood" => Work::Pass(PassLevel::Likelihood),
            "curvature" => Work::Pass(PassLevel::Curvature),
            "start" => Work::InitialLoadings,
            "fit" => Work::Fit,
            "prior" => Work::Prior,
            "total" => Work::Total,
            _ => return Err(format!("unknown work {name}").into()),
        };
        Ok(Self { name: name.to_owned(), work, threads: threads.parse()? })
    }

    /// Runs the task and returns how many operations that were.
    fn run(&self, case: &Case, values: &[f64], order: usize) -> usize {
        let threads = Threads::new(self.threads);
        match self.work {
            Work::Product => drop(black_box(case.product(self.threads))),
            Work::Pass(level) => drop(black_box(case.pass(level, self.threads))),
            Work::Prior => return black_box(case.fit_with_prior(self.threads)),
            Work::InitialLoadings => drop(black_box(leading_init(&case.view(), threads, &mut no_report))),
            Work::Total => drop(black_box(upper_triangle(black_box(values), order, self.threads))),
            Work::Fit => {
                let view = case.view();
                let method = NotebookEm {
                    params: PARAMS,
                    estimator: None,
                    rounds: 1,
                    iterations: 20,
                    tolerance: 0.0,
                    trace: false,
                };
                drop(black_box(iterate(&view, None, &method, threads, &mut no_report)));
            }
        }
        1
    }
}

/// Seconds per operation, after a first call that is not timed: the caches still hold data of the task before.
fn time(calls: usize, mut work: impl FnMut() -> usize) -> f64 {
    work();
    let start = Instant::now();
    let operations: usize = (0..calls).map(|_| work()).sum();
    start.elapsed().as_secs_f64() / operations as f64
}

/// The number of calls that take about 30 milliseconds together. In a fit, too, passes follow one another, so that a
/// second core stays awake.
fn calls(mut work: impl FnMut() -> usize) -> usize {
    time(1, &mut work);
    (3e-2 / time(1, work)).ceil().clamp(1.0, 1e4) as usize
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}
