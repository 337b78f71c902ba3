quiet <- nmu_control(verbose = FALSE)
loud <- nmu_control(verbose = TRUE)

# Classes of the messages that code raises, in their order
messages_of <- function(code) {
  found <- character(0)
  withCallingHandlers(code, message = function(condition) {
    found <<- c(found, class(condition)[1])
    tryInvokeRestart("muffleMessage")
  })
  found
}

test_that("what was chosen is said once, each by its own class, and only if asked", {
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
  # what the user has said is not said again
  expect_identical(
    messages_of(nmu(abs(A), K = 1, symmetric = TRUE, control = loud)), character(0)
  )
  expect_identical(
    messages_of(nmu_em(A, 1, 0.1, control = loud)),
    paste0("nmu_message_", c("symmetric", "negative"))
  )
  expect_identical(messages_of(nmu(diag(3), control = quiet)), "nmu_message_bound")
  expect_silent(suppressMessages(nmu(rough, control = loud), classes = "nmu_message"))
  expect_snapshot(nmu(rough, K = NULL, control = loud)$K)
})

test_that("verbose follows the session and the option", {
  rlang::with_interactive(expect_true(nmu_control()$verbose))
  rlang::with_interactive(expect_false(nmu_control()$verbose), FALSE)
  old <- options(nmu.verbose = FALSE)
  on.exit(options(old))
  rlang::with_interactive(expect_false(nmu_control()$verbose))
})

test_that("the core tells how a fit goes, and a bar is only shown where it is wanted", {
  skip_on_cran()
  old <- options(cli.progress_show_after = 0)
  on.exit(options(old))
  set.seed(2)
  A <- random_matrix(300)
  fit <- function(control) suppressMessages(nmu(A, K = 6, noise = "notebook", control = control))
  # as if a fit were going on: the ticks of another one are then seen from here
  local_progress(6, loud)
  expect_null(running$start)
  rlang::with_interactive(local_progress(6, quiet))
  expect_null(running$start)
  rlang::with_interactive(local_progress(6, loud))
  output <- capture.output(found <- fit(quiet), type = "message")
  expect_type(running$bar, "character")
  # ticks swallow errors: here there is none to swallow
  output <- capture.output(
    expect_error(show_progress("factor", 6, 7, -2), NA),
    type = "message"
  )
  end_progress()
  expect_identical(ls(running), character(0))
  # a fit of its own leaves nothing behind, also where it fails
  output <- capture.output(found <- rlang::with_interactive(fit(loud)), type = "message")
  expect_identical(ls(running), character(0))
})

test_that("what the bar says is where the fit is, in its own units", {
  skip_on_cran()
  seen <- list()
  told <- function(stage, factor, iteration, loglik) {
    seen[[length(seen) + 1]] <<- data.frame(stage, factor, iteration, loglik)
  }
  # the core calls the function that stands in the namespace
  real <- progress_tick
  assignInNamespace("progress_tick", told, "nmu")
  on.exit(assignInNamespace("progress_tick", real, "nmu"))
  set.seed(4)
  # large enough for the fit to be told of several times
  A <- 1000 * sim_blocks(n = 1200)
  fit <- suppressMessages(nmu(A, K = 3, control = nmu_control(tol = 1e-13)))
  ticks <- do.call(rbind, seen)
  expect_gt(nrow(ticks), 2)
  # where a climb begins is told, but not in the trace
  climbs <- ticks[!is.na(ticks$loglik) & ticks$iteration > 0, ]
  gaps <- vapply(seq_len(nrow(climbs)), function(row) {
    tick <- climbs[row, ]
    values <- if (tick$stage == "factor") {
      fit$trace$loglik[fit$trace$factor == tick$factor]
    } else {
      fit$refit$trace$loglik
    }
    min(abs(values - tick$loglik)) / abs(tick$loglik)
  }, numeric(1))
  expect_lt(max(gaps), 1e-6)
  expect_gt(nrow(climbs), 0)
})

test_that("the text of the bar", {
  running$total <- 4
  on.exit(end_progress())
  expect_identical(progress_text("factor", 1, 0, NA, 3), "factor 1 of 4, start")
  expect_identical(
    progress_text("factor", 3, 7, -1234.567, 60),
    "factor 3 of 4, iteration 7, log-likelihood -1235, ETA 1m 0s"
  )
  expect_identical(progress_text("refit", 2, 9, NA, 9), "refit of 2 factors, iteration 9")
  expect_identical(
    progress_text("noise", 2, 9, 5, 9), "lambda and sigma, iteration 9, log-likelihood 5"
  )
  running$total <- NA
  expect_identical(progress_text("factor", 2, 7, NA, 60), "factor 2, iteration 7")
  expect_identical(format_seconds(c(39.7)), "40s")
  expect_identical(format_seconds(3900), "1h 5m")
})
