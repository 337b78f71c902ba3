set.seed(71)
symmetric <- random_matrix(12, symmetric = TRUE)
dimnames(symmetric) <- rep(list(letters[1:12]), 2)
states <- as.matrix(USArrests)[1:30, ]
gaps <- replace(states, c(3, 40, 77), NA)
bare <- nmu_control(keep_data = FALSE)
quiet <- function(...) suppressMessages(nmu(..., refine = FALSE))
fits <- list(
  nmu = quiet(symmetric, K = 2),
  hollow = quiet(symmetric, K = 2, ignore_diag = TRUE),
  table = quiet(states, K = 3),
  gaps = quiet(gaps, K = 2),
  notebook = nmu(symmetric, K = 2, noise = "notebook"),
  em = nmu_em(symmetric, 1, 0.3),
  em_table = nmu_em(states, 0.05, 10)
)

observed_residual <- function(fit) {
  x <- residuals(fit)
  if (isTRUE(fit$ignore_diag)) diag(x) <- NA
  x
}

# expects draws from N(mean, sd^2) truncated to [0, Inf)
expect_truncnorm <- function(draws, mean, sd) {
  moments <- truncnorm_moments(mean, sd)
  expect_true(all(is.finite(draws)) && all(draws >= 0))
  expect_lt(abs(mean(draws) - moments$mean), 4 * sqrt(moments$var / length(draws)))
  expect_lt(abs(stats::var(draws) / moments$var - 1), 4 * sqrt(8 / length(draws)))
  above <- function(b) exp(pnorm((mean - b) / sd, log.p = TRUE) - moments$log_mass)
  expect_gt(stats::ks.test(draws, function(b) 1 - above(b))$p.value, 1e-3)
}

test_that("the posterior of b has the moments of the truncated normal", {
  for (fit in fits) {
    found <- posterior_b(fit)
    expect_s3_class(found, "nmu_posterior")
    expect_named(found, c("mean", "sd"))
    expect_identical(dimnames(found$mean), dimnames(fit$A))
    expect_identical(dimnames(found$sd), dimnames(fit$A))
    x <- observed_residual(fit)
    known <- !is.na(x)
    moments <- truncnorm_moments(x[known] - fit$lambda * fit$sigma^2, fit$sigma)
    expect_equal(found$mean[known], moments$mean, tolerance = 1e-10)
    expect_equal(found$sd[known], sqrt(moments$var), tolerance = 1e-10)
    # entries that were not observed have the prior
    expect_equal(found$mean[!known], rep(1 / fit$lambda, sum(!known)))
    expect_equal(found$sd[!known], rep(1 / fit$lambda, sum(!known)))
  }
  expect_identical(sum(is.na(observed_residual(fits$hollow))), 12L)
  expect_identical(sum(is.na(observed_residual(fits$gaps))), 3L)
  # b of the converged iteration
  long <- nmu_em(states, 0.05, 10, maxiter = 2000)
  expect_close(posterior_b(long)$mean, long$b, 1e-6)
})

test_that("a block is a part of the whole", {
  whole <- posterior_b(fits$table)
  states <- rownames(fits$table$A)
  kinds <- colnames(fits$table$A)
  blocks <- list(
    list(3:1, c(2, 4)), list(-(4:30), -1), list(states[c(9, 2)], kinds[3]),
    list(c(TRUE, logical(29)), c(TRUE, FALSE, TRUE, FALSE)), list(NULL, "Rape"), list(5, NULL)
  )
  for (block in blocks) {
    found <- posterior_b(fits$table, block[[1]], block[[2]])
    rows <- block[[1]] %||% TRUE
    cols <- block[[2]] %||% TRUE
    expect_equal(found$mean, whole$mean[rows, cols, drop = FALSE])
    expect_equal(found$sd, whole$sd[rows, cols, drop = FALSE])
  }
  hollow <- posterior_b(fits$hollow, c(2, 5), c("e", "a"))
  expect_equal(hollow$mean, posterior_b(fits$hollow)$mean[c(2, 5), c("e", "a")])
  expect_equal(hollow$mean[[2, 1]], 1 / fits$hollow$lambda)
  unnamed <- posterior_b(quiet(unname(symmetric), K = 2), 1:2, 1:3)
  expect_null(dimnames(unnamed$mean))
  expect_equal(unnamed$mean, unname(posterior_b(fits$nmu, 1:2, 1:3)$mean))
})

test_that("draws follow the posterior, in every regime", {
  for (z in c(-1e4, -30, -3, 0, 3, 30)) {
    # one entry, with a posterior mean before truncation of z sigma
    fit <- nmu_em(matrix(2 * z + 0.5 * 2^2), 0.5, 2, init = list(u = 1))
    fit$d <- 0
    set.seed(72)
    drawn <- posterior_b(fit, draws = 5000)$draws
    expect_identical(dim(drawn), c(1L, 1L, 5000L))
    if (z > -1e3) {
      expect_truncnorm(drawn[1, 1, ], 2 * z, 2)
    } else {
      # exponential to double precision
      expect_true(all(is.finite(drawn)) && all(drawn > 0))
      expect_gt(stats::ks.test(drawn[1, 1, ] * -z / 2, "pexp")$p.value, 1e-3)
    }
  }
})

test_that("draws of a block are in their places and follow set.seed()", {
  set.seed(73)
  found <- posterior_b(fits$gaps, 3:12, draws = 4000)
  expect_identical(dimnames(found$draws), c(dimnames(found$mean), list(NULL)))
  error <- (apply(found$draws, 1:2, mean) - found$mean) / (found$sd / sqrt(4000))
  expect_lt(max(abs(error)), 4)
  expect_lt(max(abs(apply(found$draws, 1:2, sd) / found$sd - 1)), 0.15)
  # an entry that was not observed
  prior <- found$draws[1, 1, ] * fits$gaps$lambda
  expect_true(is.na(fits$gaps$A[3, 1]))
  expect_gt(stats::ks.test(prior, "pexp")$p.value, 1e-3)

  draw <- function(seed) {
    set.seed(seed)
    posterior_b(fits$gaps, draws = 2)$draws
  }
  expect_identical(draw(1), draw(1))
  expect_true(all(draw(1) != draw(2)))
  first <- draw(1)
  expect_true(all(posterior_b(fits$gaps, draws = 2)$draws != first))
  before <- .Random.seed
  posterior_b(fits$gaps)
  expect_identical(.Random.seed, before)
})

test_that("a posterior is printed in a few lines", {
  set.seed(74)
  expect_snapshot({
    posterior_b(fits$table, 1:3, 2:3)
    posterior_b(fits$table, 1, draws = 1)
  })
  found <- posterior_b(fits$nmu)
  expect_output(expect_identical(withVisible(print(found))$visible, FALSE))
})

# Standard error from a second difference of the log-likelihood
second_difference <- function(value, size) {
  step <- 1e-3 * size
  1 / sqrt((2 * value(0) - value(step) - value(-step)) / step^2)
}

test_that("standard errors are those of second differences of the log-likelihood", {
  for (fit in fits) {
    known <- !is.na(observed_residual(fit))
    share <- if (fit$symmetric) 0.5 else 1
    factors <- fit_factors(fit)
    loglik <- function(part, index, step) {
      factors[[part]][index] <- factors[[part]][index] + step
      if (fit$symmetric) factors$v <- factors$u
      share * sum(demg((fit$A - low_rank(factors))[known], fit$lambda, fit$sigma, log = TRUE))
    }
    errors <- standard_errors(fit)
    expect_named(errors, c("d", "u", "v"))
    for (part in if (fit$symmetric) c("d", "u") else c("d", "u", "v")) {
      expect_identical(dim(errors[[part]]), dim(factors[[part]]))
      expect_identical(dimnames(errors[[part]]), dimnames(factors[[part]]))
      free <- which(factors[[part]] > 0)
      expected <- vapply(free, FUN.VALUE = 0, FUN = function(index) {
        value <- function(step) loglik(part, index, step)
        suppressWarnings(second_difference(value, errors[[part]][index]))
      })
      expect_equal(errors[[part]][free], expected, tolerance = 1e-4)
      expect_true(all(is.na(errors[[part]][-free])) || length(free) == length(factors[[part]]))
    }
    if (fit$symmetric) expect_identical(errors$v, errors$u)
    expect_false(anyNA(errors$d))
  }
})

test_that("standard errors have the units of A, and null factors have none", {
  errors <- standard_errors(fits$table)
  scaled <- standard_errors(quiet(states * 2^300, K = 3))
  expect_identical(scaled$u, errors$u)
  expect_identical(scaled$d, errors$d * 2^300)
  set.seed(1)
  tree <- nmu(sim_tree(n = 40), K = 7, noise = noise_notebook())
  expect_identical(tree$d[7], 0)
  errors <- standard_errors(tree)
  expect_identical(c(errors$d[7], errors$u[, 7]), rep(NA_real_, 81))
  expect_identical(is.na(errors$d), tree$d == 0)
})

test_that("standard errors are the standard deviations of estimates", {
  set.seed(75)
  u <- rep(c(0.9, 0.4), each = 20)
  truth <- noise_fixed(2, 0.5)
  weights <- replicate(40, {
    A <- 4 * tcrossprod(u) + matrix(rexp(1600, 2) + rnorm(1600, sd = 0.5), 40)
    fit <- nmu(A, noise = truth, symmetric = FALSE)
    c(fit$d, standard_errors(fit)$d)
  })
  ratio <- mean(weights[2, ]) / sd(weights[1, ])
  expect_gt(ratio, 0.6)
  expect_lt(ratio, 1.5)
})

test_that("simulated matrices follow the model", {
  for (fit in fits) {
    drawn <- simulate(fit, nsim = 2, seed = 76)
    expect_named(drawn, c("sim_1", "sim_2"))
    for (A in drawn) {
      expect_identical(dimnames(A), dimnames(fitted(fit)))
      expect_identical(dim(A), dim(fit$A))
      expect_false(anyNA(A))
      expect_identical(isSymmetric(A), fit$symmetric)
    }
    expect_false(identical(drawn[[1]], drawn[[2]]))
  }
  # the residual has the EMG distribution
  drawn <- simulate(fits$nmu, nsim = 40, seed = 77)
  rest <- unlist(lapply(drawn, function(A) (A - fitted(fits$nmu))[upper.tri(A, diag = TRUE)]))
  exact <- function(q) pemg(q, fits$nmu$lambda, fits$nmu$sigma)
  expect_gt(stats::ks.test(rest, exact)$p.value, 1e-3)
})

test_that("simulate follows R's conventions about seeds", {
  set.seed(78)
  before <- .Random.seed
  first <- simulate(fits$table)
  expect_identical(attr(first, "seed"), before)
  expect_false(identical(.Random.seed, before))
  .GlobalEnv$.Random.seed <- attr(first, "seed") # nolint: object_name_linter.
  expect_identical(simulate(fits$table), first)

  before <- .Random.seed
  second <- simulate(fits$table, seed = 5)
  expect_identical(.Random.seed, before)
  expect_identical(attr(second, "seed"), structure(5L, kind = as.list(RNGkind())))
  expect_identical(simulate(fits$table, seed = 5), second)
  rm(".Random.seed", envir = globalenv())
  expect_identical(simulate(fits$table, seed = 5), second)
  expect_length(simulate(fits$table, nsim = 3), 3)
})

test_that("loadings of new rows maximise the likelihood", {
  for (fit in fits[c("table", "gaps", "nmu", "em_table")]) {
    columns <- coef(fit, side = "v")
    set.seed(79)
    new <- fitted(fit)[c(2, 9, 4, 7), ] + matrix(remg(4 * nrow(columns), fit$lambda, fit$sigma), 4)
    new[2, 2] <- NA
    found <- predict(fit, new)
    expect_identical(dimnames(found), list(rownames(new), colnames(columns)))
    for (row in 1:4) {
      loss <- function(l) {
        density <- demg(new[row, ] - drop(columns %*% l), fit$lambda, fit$sigma, log = TRUE)
        -sum(density, na.rm = TRUE)
      }
      start <- rep(mean(found[row, ]) + 0.1, ncol(columns))
      best <- optim(
        start, loss, method = "L-BFGS-B", lower = 0, control = list(factr = 10, maxit = 1000)
      )
      expect_lte(loss(found[row, ]), best$value + 1e-8 * abs(best$value))
      expect_close(found[row, ], best$par, 1e-3)
    }
    expect_equal(predict(fit, new, type = "fitted"), found %*% t(columns))
    # identical for each row separately
    expect_identical(predict(fit, new[3, , drop = FALSE])[1, ], found[3, ])
  }
})

test_that("predicted loadings of the rows that were fitted are those of a joint fit", {
  set.seed(8)
  A <- tcrossprod(matrix(rexp(60), 30), matrix(rexp(24), 12)) + rexp(360, 5) + rnorm(360, sd = 0.1)
  joint <- nmu(A, K = 2)
  expect_close(predict(joint, A), coef(joint), 1e-4)
  greedy <- nmu(A, K = 2, refine = FALSE)
  expect_gt(max(abs(predict(greedy, A) - coef(greedy))), 0.01)
})

test_that("predict without new rows returns the fit", {
  for (fit in fits) {
    expect_identical(predict(fit), coef(fit))
    expect_identical(predict(fit, type = "fitted"), fitted(fit))
  }
})

test_that("predicted loadings of fitted rows are at least as likely", {
  for (fit in fits[c("table", "gaps", "em_table")]) {
    known <- !is.na(fit$A)
    loglik <- function(W) sum(demg((fit$A - W)[known], fit$lambda, fit$sigma, log = TRUE))
    expect_gte(loglik(predict(fit, fit$A, type = "fitted")), loglik(fitted(fit)) - 1e-8)
  }
  # the loadings of a converged single factor are already optimal
  single <- nmu(states)
  expect_close(predict(single, states), coef(single), 1e-5)
})

test_that("rows without observations have NA loadings, null factors zeros", {
  new <- rbind(a = states[3, ], b = NA, c = 0)
  found <- predict(fits$table, new)
  expect_identical(unname(found["b", ]), rep(NA_real_, 3))
  expect_false(anyNA(found[c("a", "c"), ]))
  expect_true(all(is.na(predict(fits$table, new, type = "fitted")["b", ])))
  expect_true(all(is.na(predict(fits$table, replace(new, TRUE, NA)))))
  pair <- states[3:4, ]
  expect_identical(predict(fits$table, as.data.frame(pair)), predict(fits$table, pair))

  set.seed(1)
  A <- sim_tree(n = 40)
  tree <- nmu(A, K = 7, noise = noise_notebook())
  found <- predict(tree, A[1:3, ])
  expect_identical(found[, 7], numeric(3))
  expect_true(all(rowSums(found) > 0))
  absorbed <- nmu_em(sim_blocks(n = 4), 0.01, 1)
  expect_identical(absorbed$d, 0)
  expect_identical(unname(predict(absorbed, sim_blocks(n = 4))), matrix(0, 8, 1))
})

test_that("prediction is cheap", {
  set.seed(80)
  A <- random_matrix(100, 80)
  fit <- quiet(A, K = 4)
  # an iteration reads one row, and these iterations are enough
  few <- nrow(fit$trace) %/% 4L
  rows <- A[1:20, ]
  expect_no_warning(
    found <- new_loadings(fit, rows, maxiter = few)
  )
  expect_identical(found, predict(fit, rows))
})

test_that("an early end of the search is a warning", {
  for (code in list(
    quote(new_loadings(fits$table, states, maxiter = 1L)),
    quote(signal_prediction(c("converged", "stalled"), quote(predict(fit))))
  )) {
    expect_warning(eval(code), class = "nmu_warning_predict")
  }
  error <- expect_error(
    signal_prediction("interrupted", quote(predict(fit))), class = "nmu_error_interrupted"
  )
  expect_s3_class(error, "nmu_error")
})

test_that("data that the fit has not kept are given as A", {
  slim <- quiet(states, K = 3, control = bare)
  expect_refused(posterior_b(slim), "A")
  expect_refused(standard_errors(slim), "A")
  expect_refused(posterior_b(slim, A = states[1:3, ]), "A")
  expect_refused(standard_errors(slim, A = symmetric), "A")
  expect_identical(posterior_b(slim, 1:2, A = states), posterior_b(fits$table, 1:2))
  expect_identical(standard_errors(slim, A = states), standard_errors(fits$table))
  expect_identical(predict(slim, states[1:2, ]), predict(fits$table, states[1:2, ]))
  expect_length(simulate(slim, seed = 1), 1)
  for (value in c(NaN, Inf)) {
    expect_refused(posterior_b(slim, A = replace(states, 2, value)), "A")
    expect_refused(standard_errors(slim, A = replace(states, 2, value)), "A")
  }
  lopsided <- quiet(symmetric, control = bare)
  expect_refused(standard_errors(lopsided, A = replace(symmetric, 2, 0)), "A")
})

test_that("arguments are checked", {
  expect_refused(posterior_b(states), "fit")
  expect_refused(standard_errors(states), "fit")
  for (value in list(
    0, 31, 1.5, c(1, -2), NA, "x", TRUE, list(1), c(1, 1), integer(0), logical(30)
  )) {
    expect_refused(posterior_b(fits$table, rows = value), "rows")
    expect_refused(posterior_b(fits$table, cols = value), "cols")
  }
  for (value in list(-1, 1.5, NA, Inf, "1", c(1, 2), NULL, TRUE)) {
    expect_refused(posterior_b(fits$table, draws = value), "draws")
  }
  for (value in list(0, -1, 1.5, NA, "1", c(1, 2), NULL)) {
    expect_refused(simulate(fits$table, nsim = value), "nsim")
  }
  for (value in list(1.5, NA, Inf, 1e10, "1", c(1, 2), TRUE)) {
    expect_refused(simulate(fits$table, seed = value), "seed")
  }
  expect_refused(predict(fits$table, states, type = "response"), "type")
  for (value in list(
    1:4, "a", states[, 1:3], cbind(states, 1), states[0, ], mean, list(states), iris[1:4, -1],
    replace(states, 2, NaN),
    replace(states, 2, Inf), replace(states, 2, 1e151), states[, 4:1],
    structure(states, dimnames = list(NULL, c("Murder", "Assault", "{x}", NA)))
  )) {
    expect_refused(predict(fits$table, value), "newdata")
  }
  # names on one side only are ignored
  unnamed <- predict(fits$table, unname(states))
  expect_identical(unname(unnamed), unname(predict(fits$table, states)))
  expect_null(rownames(unnamed))
})

test_that("errors come from the function called", {
  calls <- list(
    posterior_b = quote(posterior_b(1)), standard_errors = quote(standard_errors(1)),
    predict = quote(predict(fits$table, "a")), simulate = quote(simulate(fits$table, 0))
  )
  for (name in names(calls)) {
    error <- tryCatch(eval(calls[[name]]), error = identity)
    expect_identical(as.character(error$call[[1]]), name)
  }
})

test_that("messages read well", {
  show_message <- function(code) {
    cat(conditionMessage(tryCatch(code, condition = identity)), sep = "\n")
  }
  expect_snapshot({
    show_message(posterior_b(fits$table, rows = 99))
    show_message(posterior_b(fits$table, cols = c("Rape", "Rape")))
    show_message(predict(fits$table, states[, 4:1]))
    show_message(predict(fits$table, states[, 1:2]))
    show_message(signal_prediction(c("converged", "stalled", "maxiter"), quote(predict(fit))))
  })
})

test_that("draws of entries that were not observed come from the prior", {
  fit <- suppressMessages(
    nmu(diag(4) + 1, K = 1, prior_b = prior_point_exponential(weight = 0.5), ignore_diag = TRUE)
  )
  set.seed(1)
  draws <- posterior_b(fit, rows = 2, cols = 2, draws = 400)$draws
  expect_identical(dim(draws), c(1L, 1L, 400L))
  expect_lt(abs(mean(draws == 0) - 0.5), 0.1)
})
