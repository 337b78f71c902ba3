test_that("every argument of every exported function is in the table", {
  known <- calls_that_work()
  public <- public_functions()
  expect_setequal(names(known), unlist(public))
  for (name in names(known)) {
    arguments <- arguments_of(name)
    if (name %in% public$methods) arguments <- arguments[-1]
    expect_identical(setdiff(arguments, names(known[[!!name]]$accepts)), character())
  }
})

# Outcome of a call: "accepted", "refused", or a description of what is wrong.
outcome <- function(name, arguments, arg) {
  problem <- NULL
  record <- function(condition) {
    if (!inherits(condition, c("nmu_warning", "nmu_message"))) {
      problem <<- paste("unclassed:", conditionMessage(condition))
    }
    tryInvokeRestart(if (inherits(condition, "warning")) "muffleWarning" else "muffleMessage")
  }
  work <- function() {
    utils::capture.output(do.call(name, arguments, quote = TRUE, envir = asNamespace("nmu")))
    "accepted"
  }
  result <- tryCatch(
    withCallingHandlers(work(), warning = record, message = record),
    nmu_error_input = function(error) {
      # for an argument with parts, the part is named
      named <- identical(sub("[$].*", "", error$arg), arg)
      explained <- grepl(sprintf("`%s` must be", error$arg), conditionMessage(error), fixed = TRUE)
      # the function that the user called, not one of those that check its arguments
      called <- identical(conditionCall(error)[[1]], as.name(name))
      if (!called) {
        paste("names another function:", deparse(conditionCall(error)[[1]])[1])
      } else if (named && explained) {
        "refused"
      } else {
        paste("names another argument:", conditionMessage(error))
      }
    },
    error = function(error) paste("unclassed:", conditionMessage(error))
  )
  if (is.null(problem)) result else problem
}

test_that("every argument rejects invalid values with an error that names it", {
  set.seed(1)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  values <- bad_values()
  known <- calls_that_work()
  # one in this many values is tested for each argument, in turn
  share <- if (extended_tests()) 1 else if (on_cran()) 9 else 3
  refused <- turn <- 0
  for (name in names(known)) {
    accepts <- known[[name]]$accepts
    for (arg in setdiff(names(accepts), "...")) {
      expect_identical(setdiff(accepts[[arg]], names(values)), character())
      turn <- turn + 1
      asked <- seq_along(values) %% share == turn %% share
      for (value in names(values)[asked]) {
        arguments <- known[[name]]$base
        arguments[arg] <- values[value]
        expected <- if (value %in% accepts[[arg]]) "accepted" else "refused"
        found <- outcome(name, arguments, arg)
        expect(found == expected, sprintf("%s(%s = <%s>): %s", name, arg, value, found))
        refused <- refused + (found == "refused")
      }
    }
    if ("..." %in% names(accepts)) {
      unknown <- c(known[[name]]$base, list(`{stop()} %s %n` = 1))
      expect_identical(outcome(name, unknown, "..."), "refused")
    }
  }
  expect_gt(refused, 2400 / share)
})

test_that("values that are invalid only together with others are errors", {
  A <- matrix(c(4, 2, 1, 2, 3, 1, 1, 1, 2), 3)
  fit <- suppressMessages(nmu(A))
  for (value in list(NA, 1, "a", matrix("a"), list(), A[1:2, ], data.frame(a = "x"))) {
    drawn <- outcome("plot.nmu_fit", list(fit, type = "residuals", A = value), "A")
    expect_identical(drawn, "refused")
  }
  wrong <- list(
    list("nmu", "K", list(A = A, K = 1e9)),
    list("nmu", "K", list(A = A, K = 10)),
    list("nmu_em", "maxiter", list(A = A, maxiter = 0)),
    list("nmu_em", "maxiter", list(A = A, maxiter = 1e10)),
    list("nmu", "init", list(A = A, init = c(1, -1, 1))),
    list("nmu", "init", list(A = A, init = numeric(3))),
    list("nmu", "init", list(A = A, init = list(u = 1:3, v = 1:3))),
    list("nmu", "fixed", list(A = A, fixed = diag(2))),
    list("nmu", "A", list(A = A * 1e300)),
    list("nmu", "A", list(A = A * 1e-300)),
    list("nmu", "A", list(A = A * 5e-324)),
    list("nmu_em", "A", list(A = A * 1e300)),
    list("nmu_em", "A", list(A = A * 1e-300)),
    list("nmu", "A", list(A = A > NA)),
    list("nmu", "A", list(A = diag(NA, 2) + NA, ignore_diag = TRUE)),
    list("nmu", "A", list(A = matrix(c(1, NA, NA, 1), 2), ignore_diag = TRUE)),
    list("nmu_em", "A", list(A = replace(A, 1, NA))),
    list("nmu", "A", list(A = replace(A, 1, NaN))),
    list("nmu", "A", list(A = replace(A, 1, -Inf))),
    list("normal_means", "s", list(x = 1:3, s = 1:2, prior = "flat")),
    list("nmu", "A", list(A = A[1:2, ], ignore_diag = TRUE)),
    list("nmu", "ignore_diag", list(A = A, noise = "notebook", ignore_diag = TRUE)),
    list("nmu", "K", list(A = A, noise = "notebook", K = NULL)),
    list("nmu", "underapprox", list(A = A, noise = "notebook", underapprox = TRUE)),
    list("nmu", "noise", list(A = A, noise = strrep("%s", 100))),
    list("nmu", "init", list(A = A[1:2, ], init = list(u = diag(2), v = 1:3))),
    list("noise_mle", "se", list(se = c(1, 2e10))),
    list("prior_mixture", "scales", list(scales = c(1, 1))),
    list("prior_mixture", "weights", list(scales = c(1, 2), weights = c(0, 0))),
    list("nmu", "prior", list(A = A, prior = list("flat", "%s")))
  )
  for (case in wrong) {
    expect_identical(outcome(case[[1]], case[[3]], case[[2]]), "refused")
  }
})

# The log-likelihood in plain R: pairs of a symmetric matrix count once, its diagonal half. Without
# a remainder, lambda is infinite and the residual Gaussian.
plain_log_lik <- function(fit, A) {
  x <- A - fit$u %*% (fit$d * t(fit$v))
  x <- x[!is.na(x)]
  lambda <- fit$lambda
  sigma <- fit$sigma
  value <- if (is.infinite(lambda)) {
    sum(stats::dnorm(x, sd = sigma, log = TRUE))
  } else {
    z <- x / sigma - lambda * sigma
    sum(log(lambda) + (lambda * sigma)^2 / 2 - lambda * x + stats::pnorm(z, log.p = TRUE))
  }
  if (fit$symmetric) value / 2 else value
}

test_that("extreme matrices are fitted", {
  set.seed(2)
  A <- random_matrix(6)
  B <- random_matrix(5, 3)
  edge <- list(
    zero = 0 * A, one = A * 0 + 1, minus_one = A * 0 - 1, negative = -abs(A),
    single = matrix(3), single_zero = matrix(0), single_negative = matrix(-3),
    row = B[1, , drop = FALSE], column = B[, 1, drop = FALSE], zero_row = matrix(0, 1, 4),
    one_entry = replace(0 * B, 5, 2), one_large = replace(B, 5, 1e140), identity = diag(5),
    equal_rows = B[c(1, 1, 1, 2, 2), ], equal_columns = B[, c(1, 1, 2)], rank_one = outer(1:5, 1:3),
    checkerboard = outer(1:4, 1:4, function(i, j) (-1)^(i + j)), large = B * 1e140,
    small = B * 1e-140, with_subnormals = replace(B, 1:4, 5e-324),
    wide_range = B * 10^matrix(-7:7, 5, 3), whole = matrix(1:6, 2), logical = B > 1,
    missing_row = replace(B, cbind(2, 1:3), NA), almost_all_missing = replace(B * NA, 4, 1),
    heavy_tails = matrix(rcauchy(15), 5)
  )
  for (name in names(edge)) {
    A <- edge[[name]]
    for (K in unique(c(1, min(3, length(A))))) {
      fit <- silently(nmu(A, K = K))
      size <- sqrt(mean(A^2, na.rm = TRUE))
      expect_gte(min(fit$d), 0)
      norms <- c(colSums(fit$u^2), colSums(fit$v^2))
      expect_lte(max(pmin(abs(norms), abs(norms - 1))), 1e-12)
      expected <- plain_log_lik(fit, A)
      expect_lte(abs(fit$loglik - expected), 1e-6 * max(abs(expected), length(A)))
      # the log-likelihood is at least that without factors
      none <- replace(fit, "d", list(0 * fit$d))
      expect_gte(fit$loglik, plain_log_lik(none, A) - 1e-8 * length(A))
      expect_true(all(is.finite(residuals(fit)[!is.na(A)])))
      expect_true(is.finite(size))
    }
    if (!anyNA(A)) {
      fit <- suppressWarnings(nmu_em_estlambda(A, maxiter = 10))
      expect_true(all(is.finite(c(fit$d, fit$u, fit$v, fit$b, fit$lambda, fit$sigma))))
      expect_gte(min(fit$b), 0)
    }
  }
})

test_that("extreme settings terminate, with the same result", {
  A <- random_matrix(5)
  patient <- nmu_em(A, maxiter = 1e9, tol = 1e-6)
  expect_true(patient$converged)
  expect_lt(patient$iterations, 1e6)
  fit <- suppressMessages(nmu(A, control = nmu_control(maxiter = 1e9)))
  expect_identical(fit$d, suppressMessages(nmu(A))$d)
  # as many factors as there are entries
  expect_length(suppressMessages(nmu(A[1:2, 1:3], K = 6))$d, 6)
  expect_identical(nmu_control(threads = 1e6)$threads, 1000000L)
  many <- suppressMessages(nmu(A, control = nmu_control(threads = some_threads(64))))
  expect_identical(many$u, suppressMessages(nmu(A))$u)
})
