planted <- function(rows = 60, columns = 20, rank = 3) {
  u <- matrix(rexp(rows * rank), rows)
  v <- matrix(rexp(columns * rank), columns)
  tcrossprod(u, v) + rexp(rows * columns, 5) + rnorm(rows * columns, sd = 0.1)
}

small <- {
  set.seed(21)
  planted(15, 8, 2)
}

test_that("folds partition the observed entries and are balanced", {
  set.seed(1)
  observed <- matrix(runif(600) > 0.2, 30)
  for (count in c(2, 5, 7)) {
    assignment <- check_folds(count, observed, FALSE)
    expect_identical(!is.na(assignment), observed)
    expect_setequal(assignment[observed], seq_len(count))
    for (fold in seq_len(count)) {
      inside <- observed & assignment == fold
      # within columns, sizes differ by at most one
      expect_true(all(abs(colSums(inside) - colSums(observed) / count) < 1))
      expect_true(all(abs(rowSums(inside) - rowSums(observed) / count) < 3))
    }
  }
})

test_that("pairs of a symmetric matrix are in one fold, and the diagonal as it is given", {
  set.seed(2)
  A <- sim_blocks(6)
  A[2, 5] <- A[5, 2] <- NA
  cv <- nmu_cv(A, K = 1, folds = 4)
  expect_identical(cv$assignment, t(cv$assignment))
  expect_identical(is.na(cv$assignment), is.na(A))
  balance <- apply(cv$assignment, 1, tabulate, 4)
  expect_true(all(balance >= 1))
  cv <- nmu_cv(A, K = 1, folds = 4, ignore_diag = TRUE)
  off <- is.na(A)
  diag(off) <- TRUE
  expect_identical(is.na(cv$assignment), off)
  expect_identical(sum(cv$folds$entries), sum(!off))
})

test_that("a row or column is never held out as a whole", {
  set.seed(3)
  A <- small
  A[3, -2] <- NA
  A[4, -c(2, 3)] <- NA
  cv <- nmu_cv(A, K = 1, folds = 4)
  expect_identical(cv$assignment[3, 2], NA_integer_)
  for (fold in 1:4) {
    train <- !is.na(A) & !cv$assignment %in% fold
    expect_true(all(rowSums(train) > 0) && all(colSums(train) > 0))
  }
})

# Both measures in plain R, from a fit to the training set.
plain_measures <- function(A, cv, fold, ...) {
  out <- which(cv$assignment == fold)
  fit <- suppressMessages(nmu(replace(A, out, NA), ...))
  x <- A[out] - (fit$u %*% (fit$d * t(fit$v)))[out]
  prior <- fit$prior_b_fitted
  sd <- if (is.null(fit$noise_sd)) fit$sigma else fit$noise_sd[row(A)[out]]
  loglik <- function(ratio) {
    sd <- ratio * sd
    density <- function(mean) {
      if (mean == 0) dnorm(x, sd = sd, log = TRUE) else demg(x, 1 / mean, sd, log = TRUE)
    }
    terms <- vapply(prior$mean, density, x) + rep(log(prior$weight), each = length(x))
    top <- apply(terms, 1, max)
    mean(top + log(rowSums(exp(terms - top))))
  }
  # the best of a grid, refined
  grid <- 2^seq(0, 30, by = 0.25)
  near <- grid[which.max(vapply(grid, loglik, 0))]
  best <- optimize(loglik, c(max(near / 2, 1), 2 * near), maximum = TRUE, tol = 1e-8)$objective
  c(error = mean((x - 1 / fit$lambda)^2), loglik = max(best, loglik(1)))
}

test_that("measures of the held-out entries are those of plain R", {
  set.seed(4)
  cases <- list(
    list(A = small, K = 2, prior = "exponential"),
    list(A = replace(small, c(3, 50), NA), K = 1, prior_b = prior_point_exponential(weight = 0.7)),
    list(A = small, K = 1, noise = noise_mle(by = "row", floor = 0.1)),
    list(A = sim_blocks(6), K = 2, prior = "exponential"),
    list(A = sim_blocks(6), K = 1, ignore_diag = TRUE, refine = FALSE)
  )
  for (case in cases) {
    cv <- do.call(nmu_cv, c(case, folds = 3))
    for (fold in 1:3) {
      expected <- do.call(plain_measures, c(list(cv = cv, fold = fold), case))
      row <- cv$folds[cv$folds$fold == fold, ]
      expect_equal(row$loglik, expected[["loglik"]], tolerance = 1e-8)
      expect_equal(row$error, expected[["error"]], tolerance = 1e-8)
    }
  }
})

test_that("the summary has means and standard errors over folds, and the choice", {
  set.seed(5)
  cv <- nmu_cv(small, K = 3:1, prior = c("flat", "exponential"), folds = 3)
  expect_identical(nrow(cv$summary), 6L)
  expect_identical(nrow(cv$folds), 18L)
  for (row in 1:6) {
    one <- merge(cv$summary[row, c("K", "prior")], cv$folds)
    expect_equal(cv$summary$loglik[row], mean(one$loglik))
    expect_equal(cv$summary$error_se[row], sd(one$error) / sqrt(3))
  }
  expect_identical(cv$best, which.max(cv$summary$loglik))
  expect_identical(cv$K, cv$summary$K[cv$best])
  expect_identical(cv$prior$family, cv$summary$prior[cv$best])
  expect_identical(cv$prior_b, prior_exponential())
})

test_that("ties go to fewer factors, and one standard error to the fewest within it", {
  table <- data.frame(
    K = c(3L, 2L, 1L, 4L), prior = "flat", prior_b = "exponential",
    loglik = c(-1, -1, -1.4, NA), loglik_se = c(0.5, 0.5, 0.1, NA)
  )
  expect_identical(best_model(table), 2L)
  expect_identical(one_se_count(table, 2L), 1L)
  table$loglik_se <- NA
  expect_identical(one_se_count(table, 2L), 2L)
})

test_that("clean groups are found although training underestimates the noise", {
  skip_on_cran()
  for (seed in c(4, 7, 8)) {
    set.seed(seed)
    K <- sample(2:5, 1)
    groups <- diag(K)[sample(rep(1:K, length.out = 40)), ]
    A <- tcrossprod(groups, matrix(rexp(35 * K), 35)) +
      matrix(rexp(1400, 4) + rnorm(1400, 0, 0.1), 40)
    # rated with the sigma of the fits, the choice was 1 each time
    expect_identical(suppressWarnings(nmu_cv(A, K = 1:6))$K, K)
  }
})

test_that("the number of planted factors is found", {
  set.seed(1)
  cv <- suppressWarnings(nmu_cv(planted(), K = 1:5, prior = "exponential", folds = 3))
  expect_identical(cv$K, 3L)
  expect_identical(cv$summary$K[which.min(cv$summary$error)], 3L)
  set.seed(1)
  cv <- nmu_cv(sim_tree(10), K = c(2, 4, 6, 7), prior = "binary")
  # a seventh factor is within a small part of the standard error
  expect_identical(cv$one_se, 6L)
  expect_identical(cv$summary$K[which.min(cv$summary$error)], 6L)
  # the noise of a pair is a sum of two exponentials: a constant explains its least values
  set.seed(1)
  cv <- suppressWarnings(nmu_cv(sim_blocks(), K = 1:3, prior = "exponential"))
  expect_identical(cv$one_se, 2L)
})

test_that("set.seed() determines the result, and fits draw nothing", {
  run <- function(...) {
    set.seed(6)
    nmu_cv(small, K = 1:2, folds = 3, ...)
  }
  expect_identical(run(), run())
  cv <- run()
  again <- nmu_cv(small, K = 1:2, folds = cv$assignment)
  expect_identical(again$summary, cv$summary)
  before <- .Random.seed
  nmu_cv(small, K = 1, folds = cv$assignment)
  expect_identical(.Random.seed, before)
})

test_that("workers do not change the result", {
  skip_if_not_installed("BiocParallel")
  skip_on_os("windows")
  run <- function(workers) {
    set.seed(7)
    cv <- nmu_cv(small, K = 1:3, folds = 3, BPPARAM = workers)
    cv[names(cv) != "call"]
  }
  alone <- run(NULL)
  expect_identical(run(BiocParallel::SerialParam()), alone)
  expect_identical(run(BiocParallel::MulticoreParam(2)), alone)
})

test_that("a sparse matrix is cross-validated like the same dense one", {
  A <- small * (small > 1)
  set.seed(8)
  dense <- nmu_cv(A, K = 1, folds = 3)
  set.seed(8)
  sparse <- nmu_cv(Matrix::Matrix(A, sparse = TRUE), K = 1, folds = 3)
  expect_identical(sparse$summary, dense$summary)
  large <- Matrix::sparseMatrix(i = 1, j = 1, x = 1, dims = c(1e4, 1e4))
  expect_refused(nmu_cv(large, K = 1), "A")
  skip_if_not_installed("DelayedArray")
  expect_refused(nmu_cv(DelayedArray::DelayedArray(A), K = 1), "A")
})

test_that("priors may be objects, names and schedules, with labels", {
  set.seed(9)
  cv <- nmu_cv(
    small,
    K = 1, folds = 2, refine = FALSE,
    prior = list("flat", half = prior_binary(weight = 0.5), list("exponential", "binary"), "flat"),
    prior_b = prior_mixture("exponential", scales = c(0, 1), weights = c(1, 1))
  )
  expect_identical(cv$summary$prior, c("flat", "half", "exponential, then binary", "flat_1"))
  expect_identical(unique(cv$summary$prior_b), "mixture")
  expect_equal(cv$summary$loglik[1], cv$summary$loglik[4])
  fit <- suppressMessages(nmu(small, K = cv, prior = cv$prior, prior_b = cv$prior_b))
  expect_s3_class(fit, "nmu")
})

test_that("nmu() accepts a cross-validation as K", {
  set.seed(10)
  cv <- nmu_cv(small, K = 1:2, folds = 2)
  fit <- suppressMessages(nmu(small, K = cv))
  same <- suppressMessages(nmu(small, K = cv$K))
  expect_identical(unclass(fit)[names(fit) != "call"], unclass(same)[names(same) != "call"])
  expect_refused(nmu(small[1, 1, drop = FALSE], K = structure(list(K = 2), class = "nmu_cv")), "K")
})

test_that("failures and warnings of single fits are recorded, and signalled once", {
  local_replacement("rate_held_out", function(fit, A, held_out) {
    if (fit$K == 2) abort_nmu("No luck.", "core")
    cli::cli_warn("Not much luck.")
    list(error = 1, loglik = -1)
  })
  set.seed(11)
  expect_warning(
    cv <- nmu_cv(small, K = 1:2, folds = 2), "4 of 4 fits .* \\(2 failed\\)",
    class = "nmu_warning_cv"
  )
  expect_identical(cv$K, 1L)
  expect_identical(cv$summary$failed, c(0L, 2L))
  expect_identical(is.na(cv$summary$loglik), c(FALSE, TRUE))
  expect_match(cv$folds$problem, "luck", all = TRUE)
  expect_output(print(cv), "2 failed")
  expect_error(nmu_cv(small, K = 2, folds = 2), "No luck", class = "nmu_error_cv")
})

test_that("an interrupt and errors that are not of a fit end the computation", {
  local_replacement("rate_held_out", function(...) signal_interrupt())
  expect_error(nmu_cv(small, K = 1, folds = 2), class = "nmu_error_interrupted")
  local_replacement("rate_held_out", function(...) stop("a bug"))
  expect_error(nmu_cv(small, K = 1, folds = 2), "a bug")
})

test_that("print, summary, tables and plots show the choice", {
  set.seed(12)
  cv <- suppressWarnings(nmu_cv(small, K = 1:3, prior = c("flat", "exponential"), folds = 2))
  expect_output(expect_identical(print(cv), cv), "K = .*one standard error")
  expect_output(print(summary(cv)), "[*].*exponential")
  expect_identical(tidy.nmu_cv(cv), cv$summary)
  row <- glance.nmu_cv(cv)
  expect_identical(c(row$K, row$one_se, row$folds, row$fits), c(cv$K, cv$one_se, 2L, 12L))
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (type in c("loglik", "error")) {
    expect_identical(plot(cv, type = type, main = "title"), cv)
    skip_if_not_installed("ggplot2")
    drawn <- ggplot2::ggplot_build(ggplot2::autoplot(cv, type = type))
    expect_identical(nrow(drawn$data[[2]]), 6L)
  }
  expect_refused(plot(cv, type = "scree"), "type")
})

test_that("progress counts fits", {
  expect_identical(count_text(1, 10, "fold 1, K = 2", 0), "fit 1 of 10, fold 1, K = 2")
  expect_identical(
    count_text(6, 10, "fold 1, K = 3", 50), "fit 6 of 10, fold 1, K = 3, ETA 50s"
  )
})

test_that("invalid input is an error that names its argument", {
  A <- small
  folds <- matrix(rep(1:3, 40), 15)
  symmetric <- crossprod(A)
  # arguments without a message of their own are in test-bad-input.R
  expect_refused(nmu_cv(A, K = c(1, 1)), "K")
  expect_refused(nmu_cv(A, K = c(1, 1e9)), "K")
  expect_refused(nmu_cv(A, K = NULL), "K")
  expect_refused(nmu_cv(A, prior = list()), "prior")
  expect_refused(nmu_cv(A, prior_b = c("exponential", "binary")), "prior_b")
  expect_refused(nmu_cv(A, folds = 121), "folds")
  expect_refused(nmu_cv(A, folds = folds[-1, ]), "folds")
  expect_refused(nmu_cv(A, folds = folds - 1), "folds")
  expect_refused(nmu_cv(A, folds = 0 * folds + 1), "folds")
  expect_refused(nmu_cv(A, folds = replace(folds, TRUE, NA)), "folds")
  expect_refused(nmu_cv(replace(A, folds == 2, NA), folds = folds), "folds")
  expect_refused(nmu_cv(symmetric, folds = matrix(rep(1:2, 32), 8)), "folds")
  expect_refused(nmu_cv(diag(2), K = 1, folds = 3, ignore_diag = TRUE), "folds")
  expect_refused(nmu_cv(A, init = 1), "init")
  expect_refused(nmu_cv(A, fixed = 1), "fixed")
  expect_refused(nmu_cv(A, noise = "notebook"), "noise")
  expect_refused(nmu_cv(A, underapprox = TRUE, prior = "binary"), "prior")
  ones <- list(u = rep(1, 15), v = rep(1, 8))
  expect_refused(nmu_cv(A, underapprox = TRUE, fixed = ones), "underapprox")
  expect_refused(nmu_cv(A, ignore_diag = TRUE), "A")
  expect_refused(nmu_cv(A, symmetric = TRUE), "A")
  expect_refused(nmu_cv(A, k = 3), "...")
  expect_refused(nmu_cv(A, BPPARAM = 2), "BPPARAM")
  skip_if_not_installed("BiocParallel")
  control <- nmu_control(BPPARAM = BiocParallel::SerialParam())
  expect_refused(nmu_cv(A, control = control), "control")
})
