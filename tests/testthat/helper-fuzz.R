# Random problems for the fitting functions and methods. A problem is drawn from its number: a
# matrix in one of the accepted forms, settings, and sometimes an invalid argument.

one_of <- function(...) {
  values <- list(...)
  values[[sample.int(length(values), 1)]]
}

chance <- function(share) stats::runif(1) < share

# Entries of a random kind and scale.
fuzz_entries <- function(count) {
  entries <- switch(sample.int(7, 1),
    stats::rexp(count), stats::rnorm(count), round(3 * stats::runif(count)),
    stats::rbinom(count, 1, 0.3) * stats::rexp(count), rep(stats::rnorm(1), count),
    numeric(count), stats::rcauchy(count)
  )
  entries * one_of(1, 1, 1, 1e5, 1e-5, 1e100, 1e-100)
}

# A random numeric matrix, with names that messages must not interpret.
fuzz_numbers <- function() {
  size <- sample.int(7, 2, replace = TRUE)
  square <- chance(0.6)
  if (square) size[2] <- size[1]
  A <- matrix(fuzz_entries(prod(size)), size[1])
  if (chance(0.2)) A[sample.int(length(A), ceiling(length(A) / 4))] <- NA
  if (square && chance(0.7)) A[lower.tri(A)] <- t(A)[lower.tri(A)]
  words <- c("a", "%s", "{stop()}", "b b", "\u00e9", "1", "k1", "%n %d")
  if (chance(0.3)) {
    dimnames(A) <- lapply(dim(A), function(n) sample(words, n, replace = chance(0.3)))
  }
  if (chance(0.1)) rownames(A) <- NULL
  A
}

# The same matrix in a random accepted form.
fuzz_matrix <- function() {
  A <- fuzz_numbers()
  of_type <- function(A, type) {
    storage.mode(A) <- type
    A
  }
  switch(sample.int(12, 1),
    of_type(A > 0, "logical"),
    of_type(round(A / max(abs(A), 1, na.rm = TRUE) * 5), "integer"),
    as.data.frame(A, row.names = seq_len(nrow(A))),
    methods::as(A, "CsparseMatrix"),
    methods::as(methods::as(A, "CsparseMatrix"), "TsparseMatrix"),
    Matrix::Matrix(A),
    Matrix::Diagonal(x = A[, 1]),
    A, A, A, A, A
  )
}

fuzz_prior <- function() {
  one_of(
    "flat", prior_flat(), "exponential", prior_exponential(2), "point_exponential",
    prior_point_exponential(weight = 0.4), "binary", prior_binary(weight = 0.5), "mixture",
    prior_mixture(scales = c(0, 0.1, 1)), c("flat", "binary"), list("exponential", prior_flat())
  )
}

# Settings of nmu(), some of which are invalid for some matrices.
fuzz_settings <- function(A) {
  size <- max(abs(as.matrix(A)), 0, na.rm = TRUE)
  unit <- if (size > 0) size else 1
  draw <- list(
    # as many as there are entries if these are few, since more are slow
    K = function() one_of(1, 2, 3, 3, min(prod(dim(A)), 12), NULL),
    prior = fuzz_prior,
    prior_v = fuzz_prior,
    noise = function() {
      one_of(
        "mle", "moments", "notebook", noise_fixed(10^stats::runif(1, -2, 2) / unit, unit * 0.1),
        noise_mle(floor = 0), noise_mle(cap = 0.5, ratio_floors = NULL), noise_mle(by = "row"),
        noise_mle(by = "column"), noise_mle(se = stats::rexp(nrow(A)) + 0.1)
      )
    },
    prior_b = function() {
      one_of(
        "point_exponential", prior_point_exponential(weight = 0.7), prior_mixture("exponential")
      )
    },
    symmetric = function() FALSE,
    ignore_diag = function() TRUE,
    refine = function() FALSE,
    underapprox = function() TRUE,
    init = function() {
      u <- matrix(stats::rexp(2 * nrow(A)), ncol = 2)
      one_of(u, u[, 1], list(u = u, v = matrix(stats::rexp(2 * ncol(A)), ncol = 2)))
    },
    fixed = function() one_of(rep(1, nrow(A)), list(u = rep(1, nrow(A)), v = rep(1, ncol(A)))),
    control = function() {
      nmu_control(
        threads = some_threads(sample.int(3, 1)), maxiter = one_of(NULL, 1, 5),
        keep_data = chance(0.5), verbose = chance(0.5)
      )
    }
  )
  often <- c(
    K = 0.7, prior = 0.3, prior_v = 0.2, noise = 0.5, prior_b = 0.15, symmetric = 0.1,
    ignore_diag = 0.15, refine = 0.3, underapprox = 0.1, init = 0.1, fixed = 0.1, control = 0.5
  )
  chosen <- stats::runif(length(draw)) < often[names(draw)]
  lapply(draw[chosen], function(draw) draw())
}

# The function and the arguments of the call.
fuzz_problem <- function(number) {
  set.seed(number)
  A <- fuzz_matrix()
  name <- sample(c("nmu", "nmu_em", "nmu_em_estlambda"), 1, prob = c(8, 1, 1))
  settings <- if (name == "nmu") fuzz_settings(A) else list(maxiter = sample.int(20, 1))
  arguments <- c(list(A = A), settings)
  if (chance(0.1)) {
    arguments[sample(setdiff(arguments_of(name), "A"), 1)] <- sample(bad_values(), 1)
  }
  list(name = name, arguments = arguments)
}

# The log-likelihood of a fit in plain R: residuals are a mixture of exponentials plus noise, whose
# standard deviation may differ between entries.
fuzz_loglik <- function(fit, A) {
  x <- A - fit$u %*% (fit$d * t(fit$v))
  if (fit$ignore_diag) diag(x) <- NA
  s <- matrix(fit$sigma, nrow(A), ncol(A))
  if (!is.null(fit$noise_sd)) {
    s[] <- if (fit$symmetric) {
      sqrt(outer(fit$noise_sd, fit$noise_sd))
    } else if (fit$noise$by == "row") {
      rep(fit$noise_sd, ncol(A))
    } else {
      rep(fit$noise_sd, each = nrow(A))
    }
  }
  if (!is.null(fit$noise$se)) {
    se <- fit$noise$se
    scale <- if (fit$symmetric) sqrt(outer(se, se)) else matrix(se, nrow(A), ncol(A))
    s <- fit$sigma * scale / sqrt(mean(scale^2))
  }
  terms <- vapply(seq_len(nrow(fit$prior_b_fitted)), FUN.VALUE = x, FUN = function(k) {
    mean <- fit$prior_b_fitted$mean[k]
    log(fit$prior_b_fitted$weight[k]) + if (mean > 0) {
      z <- x / s - s / mean
      (s / mean)^2 / 2 - x / mean - log(mean) + stats::pnorm(z, log.p = TRUE)
    } else {
      stats::dnorm(x, 0, s, log = TRUE)
    }
  })
  terms <- matrix(terms, length(x))
  top <- apply(terms, 1, max)
  sum(top + log(rowSums(exp(terms - top))), na.rm = TRUE) / if (fit$symmetric) 2 else 1
}

# Calls the methods of a fit; each result as numbers that must be finite, or NULL.
fuzz_uses <- function(fit, A) {
  observed <- function(x) as.matrix(x)[!is.na(A)]
  new <- A[1, , drop = FALSE]
  list(
    print = function() utils::capture.output(print(fit), print(summary(fit, A = A))),
    coef = function() c(coef(fit), coef(fit, "v")),
    fitted = function() fitted(fit),
    residuals = function() observed(residuals(fit, A = A)),
    logLik = function() logLik(fit, A = A),
    predict = function() {
      loadings <- predict(fit, new)
      if (all(is.na(new))) NULL else loadings
    },
    simulate = function() simulate(fit, nsim = 1, seed = 1)[[1]],
    posterior_b = function() unlist(posterior_b(fit, draws = 1, A = A)),
    standard_errors = function() utils::capture.output(print(standard_errors(fit, A = A))),
    factor_tree = function() utils::capture.output(print(factor_tree(fit))),
    match_factors = function() match_factors(fit, fit)$cosine,
    some = function() fit[1]$d,
    tables = function() utils::capture.output(print(as.data.frame(fit)), print(top_features(fit))),
    shapes = function() c(as_svd(fit)$d, as_nmf(fit)$w),
    plot = function() {
      type <- one_of("loadings", "matrices", "residuals", "trace", "scree", "tree")
      plot(fit, type = type, A = A)
      NULL
    }
  )
}

# Evaluates a call. Returns its value, or NULL after an error of class nmu_error_input. A condition
# without a class of the package is an error.
fuzz_call <- function(what, call) {
  record <- function(condition) {
    if (!inherits(condition, c("nmu_warning", "nmu_message"))) {
      stop(what, ": unclassed: ", conditionMessage(condition), call. = FALSE)
    }
    tryInvokeRestart(if (inherits(condition, "warning")) "muffleWarning" else "muffleMessage")
  }
  refused <- function(condition) {
    if (!grepl("must be", conditionMessage(condition), fixed = TRUE)) {
      stop(what, ": an odd message: ", conditionMessage(condition), call. = FALSE)
    }
    NULL
  }
  tryCatch(
    withCallingHandlers(call(), warning = record, message = record),
    nmu_error_input = refused
  )
}

# Outcome of a problem: "fitted", "refused", or a description of what is wrong.
fuzz_outcome <- function(number) {
  tryCatch(
    {
      problem <- fuzz_problem(number)
      fit <- fuzz_call(problem$name, function() {
        do.call(problem$name, problem$arguments, quote = TRUE)
      })
      if (is.null(fit)) "refused" else fuzz_check(fit, problem$arguments$A)
    },
    error = function(error) conditionMessage(error)
  )
}

fuzz_check <- function(fit, A) {
  A <- unname(as.matrix(A)) + 0
  norms <- c(colSums(as.matrix(fit$u)^2), colSums(as.matrix(fit$v %||% fit$u)^2))
  stopifnot(
    "norms are 0 or 1" = pmin(abs(norms), abs(norms - 1)) < 1e-12,
    "sizes" = c(NROW(fit$u), NROW(fit$v %||% fit$u)) == dim(A)
  )
  if (inherits(fit, "nmu") && fit$status != "lambda") {
    expected <- fuzz_loglik(fit, A)
    off <- abs(fit$loglik - expected) / max(abs(expected), length(A))
    if (off > 1e-6) stop(sprintf("loglik %.15g, expected %.15g", fit$loglik, expected))
    counted <- !is.na(A) & !(fit$ignore_diag & row(A) == col(A))
    stopifnot("nobs" = fit$nobs == sum(counted) / if (fit$symmetric) 2 else 1)
  }
  uses <- fuzz_uses(fit, A)
  for (name in names(uses)) {
    value <- fuzz_call(name, uses[[name]])
    if (is.numeric(value) && !all(is.finite(value))) stop(name, ": not finite")
  }
  "fitted"
}
