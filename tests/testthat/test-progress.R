quiet <- nmu_control(verbose = FALSE)
loud <- nmu_control(verbose = TRUE)

# Classes of the messages of code, in their order.
messages_of <- function(code) {
  found <- character(0)
  withCallingHandlers(code, message = function(condition) {
    found <<- c(found, class(condition)[1])
    tryInvokeRestart("muffleMessage")
  })
  found
}

test_that("choices from the data are reported once, with a class for each, only if verbose", {
  set.seed(1)
  A <- sim_blocks(n = 4)
  A[1, 5] <- A[5, 1] <- -0.1
  rough <- A
  rough[1, 2] <- rough[2, 1] <- NA
  expect_identical(
    messages_of(nmu(rough, K = NULL, control = loud)),
    paste0("nmu_message_", c("symmetric", "missing", "negative", "K"))
  )
  expect_identical(messages_of(nmu(rough, K = NULL, control = quiet)), character(0))
  # the user's choices are not reported
  noise <- noise_fixed(lambda = 5, sigma = 0.1)
  expect_identical(
    messages_of(nmu(abs(A), K = 1, symmetric = TRUE, noise = noise, control = loud)), character(0)
  )
  expect_identical(
    messages_of(nmu_em(A, 1, 0.1, control = loud)),
    paste0("nmu_message_", c("symmetric", "negative"))
  )
  expect_silent(suppressMessages(nmu(rough, control = loud), classes = "nmu_message"))
  expect_snapshot(nmu(rough, K = NULL, control = loud)$K, cnd_class = TRUE)
})

test_that("a bound is reported where it hides factors, and lowering it then finds these", {
  text_of <- function(code) {
    others <- paste0("nmu_message_", c("K", "negative"))
    message <- expect_message(suppressMessages(code, classes = others), class = "nmu_message_bound")
    gsub("\\s+", " ", cli::ansi_strip(conditionMessage(message)))
  }
  lower <- noise_mle(floor = 1e-4)
  for (seed in c(3, 4)) {
    set.seed(seed)
    U <- cbind(100 * rexp(30), (runif(30) < 0.5) * rexp(30), (runif(30) < 0.5) * rexp(30))
    V <- cbind(rexp(20), (runif(20) < 0.5) * rexp(20), (runif(20) < 0.5) * rexp(20))
    A <- tcrossprod(U, V) + matrix(rexp(600, if (seed == 3) 10 else 3) + rnorm(600, sd = 0.05), 30)
    text <- text_of(fit <- nmu(A, K = NULL, control = loud))
    expect_match(text, "0.01 times the standard deviation of `A`.*`noise_mle\\(floor = 0.0001\\)`")
    expect_identical(fit$K, 1L)
    expect_identical(fit$refit$bound, if (seed == 3) "both" else "sigma")
    if (seed == 4) expect_output(print(fit), "sigma at its bound: larger than b", fixed = TRUE)
    fit <- nmu(A, K = NULL, noise = lower)
    expect_identical(fit$K, 3L)
    expect_no_message(
      nmu(A, K = NULL, noise = lower, control = loud), class = "nmu_message_bound"
    )
  }
  # the bound of the greedy path follows the residuals
  text <- text_of(nmu(A, K = 1, refine = FALSE, control = loud))
  expect_match(text, "of what the last factor is fitted to", fixed = TRUE)
  expect_no_message(nmu(A, K = 2, refine = FALSE, control = loud), class = "nmu_message_bound")
})

test_that("bounds are not reported where there is nothing to do", {
  # no noise beside b, or no b
  expect_identical(nmu(iris[, 1:4], K = 3)$refit$bound, "sigma")
  expect_identical(messages_of(nmu(iris[, 1:4], K = 3, control = loud)), character(0))
  expect_identical(nmu(faithful)$refit$bound, "lambda")
  expect_identical(messages_of(nmu(faithful, control = loud)), character(0))
  symmetric <- tcrossprod(1:4)
  expect_identical(messages_of(nmu(symmetric, control = quiet)), character(0))
  zero <- noise_mle(floor = 0)
  expect_identical(
    messages_of(nmu(symmetric, noise = zero, control = loud)), "nmu_message_symmetric"
  )
  # exact data, zeros, and as many factors as columns
  exact <- outer(1:5, 1:7)
  for (case in list(list(exact), list(exact, K = 3), list(0 * exact), list(trees, K = 3))) {
    expect_identical(do.call(nmu, case)$refit$bound, "both")
    expect_identical(messages_of(do.call(nmu, c(case, list(control = loud)))), character(0))
  }
})

test_that("verbose follows the session and the option", {
  rlang::with_interactive(expect_true(nmu_control()$verbose))
  rlang::with_interactive(expect_false(nmu_control()$verbose), FALSE)
  old <- options(nmu.verbose = FALSE)
  on.exit(options(old))
  rlang::with_interactive(expect_false(nmu_control()$verbose))
})

test_that("a progress bar is shown only if requested in an interactive session", {
  skip_on_cran()
  old <- options(cli.progress_show_after = 0)
  on.exit(options(old))
  set.seed(2)
  A <- random_matrix(300)
  fit <- function(control) suppressMessages(nmu(A, K = 6, noise = "notebook", control = control))
  expect_null(local_progress(6, loud))
  expect_null(rlang::with_interactive(local_progress(6, quiet)))
  report <- rlang::with_interactive(local_progress(6, loud))
  bar <- environment(report)$bar
  local({
    local_progress_report(report)
    output <- capture.output(found <- fit(quiet), type = "message")
  })
  expect_type(bar$id, "character")
  # report() hides errors; without it there is none
  output <- capture.output(
    expect_error(show_progress(bar, "factor", 6, 7, -2), NA),
    type = "message"
  )
  end_progress(bar)
  expect_null(bar$id)
  # a fit removes its own bar
  shown <- new_progress(6)
  local_replacement("new_progress", function(...) shown)
  output <- capture.output(found <- rlang::with_interactive(fit(loud)), type = "message")
  expect_identical(sort(ls(shown)), c("start", "times", "total"))
})

test_that("reports have the state of the fit, in its own units", {
  skip_on_cran()
  reports <- list()
  local_progress_report(function(stage, factor, iteration, loglik) {
    reports[[length(reports) + 1]] <<- data.frame(stage, factor, iteration, loglik)
  })
  set.seed(4)
  # large enough for several reports
  A <- 1000 * sim_blocks(n = 1200)
  fit <- suppressMessages(nmu(A, K = 3, control = nmu_control(tol = 1e-13)))
  reports <- do.call(rbind, reports)
  expect_gt(nrow(reports), 2)
  # the state before the first iteration is reported, but not in the trace
  updates <- reports[!is.na(reports$loglik) & reports$iteration > 0, ]
  gaps <- vapply(seq_len(nrow(updates)), function(row) {
    report <- updates[row, ]
    if (report$stage != "factor") {
      # of the joint fits, some with a factor more, the last is the one that is kept
      last <- row == nrow(updates)
      return(if (last) abs(report$loglik - fit$loglik) / abs(fit$loglik) else 0)
    }
    values <- fit$trace$loglik[fit$trace$factor == report$factor]
    min(abs(values - report$loglik)) / abs(report$loglik)
  }, numeric(1))
  expect_lt(max(gaps), 1e-6)
  expect_gt(nrow(updates), 0)
})

test_that("the text of the bar", {
  expect_identical(progress_text(4, "factor", 1, 0, NA, 3), "factor 1 of 4, start")
  expect_identical(
    progress_text(4, "factor", 3, 7, -1234.567, 60),
    "factor 3 of 4, iteration 7, log-likelihood -1235, ETA 1m 0s"
  )
  expect_identical(progress_text(4, "refit", 2, 9, NA, 9), "refit of 2 factors, iteration 9")
  expect_identical(
    progress_text(4, "noise", 2, 9, 5, 9), "lambda and sigma, iteration 9, log-likelihood 5"
  )
  expect_identical(progress_text(NA, "factor", 2, 7, NA, 60), "factor 2, iteration 7")
  expect_identical(format_seconds(c(39.7)), "40s")
  expect_identical(format_seconds(3900), "1h 5m")
})
