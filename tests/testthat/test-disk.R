# Matrices in an HDF5 file, which are read by blocks of a few columns: fits are identical to those
# of the same matrix in memory, with and without workers.

skip_if_not_installed("HDF5Array")
skip_if_not_installed("BiocParallel")

# Sets the number of entries in a block until the test ends.
local_block_length <- function(entries, frame = parent.frame()) {
  set <- function(bytes) {
    utils::capture.output(DelayedArray::setAutoBlockSize(bytes), type = "message")
  }
  before <- DelayedArray::getAutoBlockSize()
  set(8 * entries)
  do.call(on.exit, list(bquote((.(set))(.(before))), add = TRUE), envir = frame)
}

on_disk <- function(A, columns = 16) {
  HDF5Array::writeHDF5Array(
    A, tempfile(fileext = ".h5"), "A", chunkdim = c(nrow(A), min(columns, ncol(A))),
    with.dimnames = TRUE
  )
}

# The matrix, with a function applied to each block that is read.
as_read_by <- function(A, work) {
  DelayedArray:::stash_DelayedUnaryIsoOpStack(A, work)
}

# A function that counts its calls, in a file that workers share, and calls `work` after `limit`.
after_reads <- function(limit, work, file = tempfile()) {
  file.create(file)
  force(work)
  function(block) {
    cat("x", file = file, append = TRUE)
    if (file.size(file) > limit) work()
    block
  }
}

numbers_of <- function(fit) {
  parts <- c(
    "d", "u", "v", "lambda", "sigma", "loglik", "elbo", "prior_b_fitted", "noise_sd", "path",
    "trace", "refit",
    "candidates", "certificate", "posterior", "nobs", "status", "symmetric"
  )
  unclass(fit)[intersect(parts, names(fit))]
}

quick <- nmu_control(maxiter = 6)
quietly <- function(...) suppressWarnings(suppressMessages(nmu(...)))
expect_same <- function(A, disk, ...) {
  expect_identical(numbers_of(quietly(disk, ...)), numbers_of(quietly(A, ...)))
}

set.seed(31)
square <- random_matrix(60, symmetric = TRUE)
dimnames(square) <- list(NULL, paste0("x", 1:60))
general <- replace(random_matrix(30, 90), 5:9, NA)

expect_same_numbers <- function(found, expected) {
  numbers <- c("u", "d", "loglik")
  expect_identical(unclass(found)[numbers], unclass(expected)[numbers])
}

test_that("a fit of a matrix on disk is that of the matrix", {
  local_block_length(60 * 40)
  disk <- on_disk(square)
  expect_same(square, disk, K = 3, control = quick)
  for (noise in list(noise_moments(), noise_fixed(2, 0.5), noise_notebook())) {
    expect_same(square, disk, K = 2, noise = noise, refine = FALSE, control = quick)
  }
  once <- noise_mle(ratio_floors = 1)
  expect_same(square, disk, prior = "binary", noise = once, control = quick)
  expect_same(square, disk,
    ignore_diag = TRUE, prior_b = "point_exponential", noise = once, refine = FALSE, control = quick
  )
  local_block_length(30 * 50)
  disk <- on_disk(general)
  by_row <- noise_mle(by = "row", ratio_floors = 1)
  expect_same(general, disk, K = 2, noise = by_row, control = quick)
  few <- nmu_control(maxiter = 6, K_max = 2)
  expect_same(general, disk, K = NULL, refine = FALSE, control = few)
  expect_same(general, disk,
    K = 2, prior = "point_exponential", noise = once, refine = FALSE, control = quick
  )
  expect_same(general, disk,
    fixed = list(u = rep(1, 30), v = rep(1, 90)), noise = once, control = quick
  )
})

test_that("fits are identical for every block size, chunk shape and type of entry", {
  skip_on_cran()
  fit <- function(A, ...) {
    quietly(A, noise = noise_fixed(2, 0.5), refine = FALSE, control = nmu_control(maxiter = 2), ...)
  }
  expect_same <- function(A, disk) expect_identical(numbers_of(fit(disk)), numbers_of(fit(A)))
  for (columns in c(1, 16, 60)) {
    for (entries in c(100, 1000, 60^2)) {
      local_block_length(entries)
      expect_same(square, on_disk(square, columns))
    }
  }
  # a column at a time
  local_block_length(1)
  expect_same(square[1:5, 1:5], on_disk(square[1:5, 1:5]))
  local_block_length(2000)
  whole <- round(general)
  storage.mode(whole) <- "integer"
  expect_same(whole, on_disk(whole))
  delayed <- DelayedArray::DelayedArray(general)
  expect_same(2 * general + 1, 2 * delayed + 1)
  expect_same(t(general), t(on_disk(general)))
})

test_that("the scan of a matrix on disk is that of the matrix", {
  local_block_length(700)
  for (A in list(square, general, replace(square, c(1, 7, 8), c(NA, NaN, -Inf)), square - 3)) {
    found <- scan_matrix(on_disk(A))
    expected <- core_scan(A)$ok
    expect_equal(found[names(expected)], expected, tolerance = 1e-14)
  }
  crooked <- replace(square, 60 * 3 + 58, 7)
  expect_false(scan_matrix(on_disk(crooked))$symmetric)
  expect_identical(unname(diagonal(on_disk(square))), unname(diag(square)))
  expect_refused(quietly(on_disk(replace(square, 3, Inf))), "A")
})

test_that("methods work on a matrix on disk, or report an error", {
  local_block_length(3000)
  disk <- on_disk(square)
  fit <- quietly(square, K = 2, refine = FALSE, control = quick)
  from_disk <- quietly(disk, K = 2, refine = FALSE, control = quick)
  expect_s4_class(from_disk$A, "HDF5Matrix")
  expect_identical(standard_errors(from_disk), standard_errors(fit))
  expect_identical(from_disk[1]$certificate, fit[1]$certificate)
  expect_equal(summary(from_disk)$factors, summary(fit)$factors, tolerance = 1e-12)
  expect_equal(residuals(from_disk), residuals(fit))
  expect_equal(residuals(fit, A = disk, rows = 3:4), residuals(fit, rows = 3:4))
  expect_identical(posterior_b(from_disk, 2:5, 1:3), posterior_b(fit, 2:5, 1:3))
  expect_equal(predict(fit, on_disk(square[1:3, ])), predict(fit, square[1:3, ]))
  expect_identical(matrix_panels(from_disk, disk), matrix_panels(fit, square))
  expect_output(print(from_disk))
  large <- DelayedArray::DelayedArray(matrix(1, 1, 1))[rep(1, 4000), rep(1, 4000)]
  expect_refused(dense_block(large, 1:4000, 1:4000, arg = "A"), "A")
  expect_refused(nmu(disk, underapprox = TRUE), "underapprox")
  expect_refused(nmu_em(disk, keep_b = TRUE), "keep_b")
  expect_refused(nmu(DelayedArray::DelayedArray(matrix("a"))), "A")
  expect_refused(nmu(disk[0, ]), "A")
  expect_refused(nmu(square, control = nmu_control(BPPARAM = BiocParallel::SerialParam())), "A")
  found <- nmu_em(disk, maxiter = 3)
  expected <- nmu_em(square, maxiter = 3, keep_b = FALSE)
  expect_same_numbers(found, expected)
})

test_that("a fit is the same for every backend", {
  skip_on_cran()
  # more than one tile
  square <- random_matrix(300, symmetric = TRUE)
  local_block_length(300 * 100)
  disk <- on_disk(square)
  set.seed(32)
  seed <- .Random.seed
  # sweeps for a factor and for the noise of rows; standard errors, below, sweep for all factors
  fit <- function(A, backend = NULL) {
    control <- nmu_control(maxiter = 1, BPPARAM = backend)
    numbers_of(quietly(A,
      K = 2, init = matrix(1, 300, 2), noise = noise_mle(by = "row", ratio_floors = numeric()),
      refine = FALSE, control = control
    ))
  }
  expect_identical(fit(disk, BiocParallel::SerialParam()), fit(square))
  # a new process finds the library under test, wherever it starts
  libraries <- Sys.getenv("R_LIBS")
  on.exit(Sys.setenv(R_LIBS = libraries), add = TRUE)
  Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
  backends <- list(BiocParallel::SnowParam(2))
  if (.Platform$OS.type == "unix") backends <- c(backends, BiocParallel::MulticoreParam(2))
  em <- function(A, ...) nmu_em(A, maxiter = 3, init = rep(1, 300), keep_b = FALSE, ...)
  expected <- em(square)
  for (backend in backends) {
    found <- em(disk, control = nmu_control(BPPARAM = backend))
    expect_same_numbers(found, expected)
    expect_false(BiocParallel::bpisup(backend))
  }
  expect_identical(.Random.seed, seed)
  errors <- function(A, backend) {
    fit <- quietly(A, K = 1, noise = noise_fixed(1, 1), refine = FALSE, control = quick)
    fit$control$BPPARAM <- backend
    standard_errors(fit)
  }
  expect_identical(errors(disk, BiocParallel::SerialParam()), errors(square, NULL))
})

test_that("jobs of a cluster's scheduler give the same fit", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("batchtools")
  square <- random_matrix(300, symmetric = TRUE)
  local_block_length(300 * 100)
  backend <- BiocParallel::BatchtoolsParam(2,
    cluster = "multicore",
    registryargs = BiocParallel::batchtoolsRegistryargs(file.dir = tempfile())
  )
  em <- function(A, backend = NULL) {
    control <- nmu_control(BPPARAM = backend)
    nmu_em(A, 1, 1, maxiter = 1, init = rep(1, 300), keep_b = FALSE, control = control)
  }
  invisible(capture.output(found <- suppressMessages(em(on_disk(square), backend))))
  expect_same_numbers(found, em(square))
})

test_that("if entries cannot be read, the error has the factors so far, which a fit can continue", {
  local_block_length(30 * 30)
  disk <- on_disk(general)
  fit <- function(A, ...) {
    quietly(A, K = 2, noise = noise_mle(ratio_floors = 1), refine = FALSE, control = quick, ...)
  }
  expected <- fit(general)
  counted <- tempfile()
  expect_identical(fit(as_read_by(disk, after_reads(Inf, stop, counted)))$d, expected$d)
  reads <- file.size(counted)
  kept <- integer()
  for (share in c(0.05, 0.2, 0.7, 0.99)) {
    gone <- as_read_by(disk, after_reads(share * reads, function() stop("gone, 100 %")))
    error <- expect_error(fit(gone), class = "nmu_error_blocks")
    expect_match(conditionMessage(error$parent), "gone, 100 %", fixed = TRUE)
    kept <- c(kept, if (is.null(error$fit)) 0L else error$fit$K)
    if (!is.null(error$fit)) {
      again <- fit(disk, init = error$fit)
      expect_identical(numbers_of(again), numbers_of(expected))
    }
  }
  expect_identical(range(kept), c(0L, 2L))
  for (use in list(standard_errors, residuals, posterior_b, logLik.nmu_em, summary)) {
    expect_error(use(expected, A = gone), class = "nmu_error_blocks")
  }
})

test_that("a worker that dies or stops is an error of the fit", {
  skip_on_os("windows")
  skip_on_cran()
  local_block_length(30 * 30)
  disk <- on_disk(general)
  die <- function() tools::pskill(Sys.getpid(), tools::SIGKILL)
  # a dead worker leaves connections that cannot be closed, so this is done in another session
  classes <- callr::r(function(disk, die, after_reads, as_read_by) {
    work <- list(after_reads(12, die), after_reads(12, function() stop("no more")))
    control <- function() nmu::nmu_control(BPPARAM = BiocParallel::MulticoreParam(2))
    start <- list(u = rep(1, 30), v = rep(1, 90))
    lapply(work, function(work) {
      A <- as_read_by(disk, work)
      tryCatch(
        nmu::nmu(A, init = start, noise = nmu::noise_fixed(1, 1), control = control()),
        error = class
      )
    })
  }, list(disk, die, after_reads, as_read_by))
  for (names in classes) expect_true("nmu_error_blocks" %in% names)
  # a process that was killed on another host
  classes <- callr::r(function(disk) {
    backend <- BiocParallel::bpstart(BiocParallel::SnowParam(2))
    workers <- unlist(BiocParallel::bplapply(1:2, function(i) Sys.getpid(), BPPARAM = backend))
    tools::pskill(workers[1], tools::SIGKILL)
    control <- nmu::nmu_control(BPPARAM = backend)
    tryCatch(nmu::nmu(disk, control = control), error = class)
  }, list(disk))
  expect_true("nmu_error_blocks" %in% classes)
})
