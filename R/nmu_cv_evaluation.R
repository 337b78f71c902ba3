# Fits of a cross-validation, their rating by the held-out entries, and the table of results.

#' Fit all models to all training sets
#'
#' @param jobs Data frame of `fold` and `model`.
#' @param A A double matrix.
#' @param assignment The folds.
#' @param models List of the arguments of each model.
#' @param settings Further arguments.
#' @param control The settings; `verbose` refers to the progress bar.
#' @param workers `NULL`, or a backend.
#' @return A list of the values of `run_cv_job()`.
#' @noRd
run_cv_jobs <- function(jobs, A, assignment, models, settings, control, workers,
                        call = caller_env()) {
  report <- local_count(nrow(jobs), control)
  control$verbose <- FALSE
  work <- lapply(seq_len(nrow(jobs)), function(index) {
    list(fold = jobs$fold[index], model = models[[jobs$model[index]]])
  })
  common <- list(A = A, assignment = assignment, settings = settings, control = control)
  if (!is.null(workers)) {
    # large models, which come last, are shared among all workers
    turn <- order(seq_along(work) %% BiocParallel::bpnworkers(workers))
    parts <- BiocParallel::bplapply(work[turn], run_cv_job, common = common, BPPARAM = workers)
    parts[turn] <- parts
  } else {
    parts <- lapply(seq_along(work), function(index) {
      report(index, sprintf("fold %d, K = %d", work[[index]]$fold, work[[index]]$model$K))
      part <- run_cv_job(work[[index]], common)
      rethrow_cv(part$stop, call = call)
      part
    })
  }
  for (part in parts) {
    rethrow_cv(part$stop, call = call)
  }
  parts
}

#' Raise an error of a fit that ends the cross-validation
#' @param condition A condition, or `NULL`.
#' @noRd
rethrow_cv <- function(condition, call = caller_env()) {
  if (inherits(condition, "nmu_error_interrupted")) {
    signal_interrupt(call = call)
  }
  if (!is.null(condition)) {
    stop(condition)
  }
}

#' Fit a model to a training set and rate it by the held-out entries
#'
#' Runs in a worker, and raises no error.
#'
#' @param job A list of `fold` and `model`.
#' @param common A list of `A`, `assignment`, `settings` and `control`.
#' @return A list of `entries`, `error`, `loglik`, `status`, `problem`, and `stop`, the condition of
#'   an interrupt or of an error that is not one of a fit, or `NULL`.
#' @noRd
run_cv_job <- function(job, common) {
  held_out <- which(common$assignment == job$fold)
  result <- list(
    entries = length(held_out), error = NA_real_, loglik = NA_real_, status = "failed"
  )
  problems <- character()
  note <- function(condition) {
    problems <<- c(problems, cli::ansi_strip(conditionMessage(condition)))
  }
  fit_and_rate <- function() {
    train <- replace(common$A, held_out, NA)
    arguments <- c(list(A = train, control = common$control), job$model, common$settings)
    # absent arguments have their defaults in nmu()
    fit <- do.call(nmu, Filter(Negate(is.null), arguments))
    c(rate_held_out(fit, common$A, held_out), status = fit$status)
  }
  stopped <- NULL
  rated <- tryCatch(
    withCallingHandlers(
      fit_and_rate(),
      warning = function(condition) {
        note(condition)
        tryInvokeRestart("muffleWarning")
      },
      nmu_message = function(condition) tryInvokeRestart("muffleMessage")
    ),
    error = function(condition) {
      single <- inherits(condition, c("nmu_error_core", "nmu_error_prior"))
      if (single) note(condition) else stopped <<- condition
      list()
    }
  )
  result[names(rated)] <- rated
  problem <- if (length(problems) > 0) paste(problems, collapse = " ") else NA_character_
  c(result, problem = problem, stop = list(stopped))
}

#' Rate a fit by entries that were held out
#'
#' The noise of entries that were fitted is underestimated if factors are many, so sigma is
#' estimated again, at or above that of the fit, from the held-out entries.
#'
#' @param fit A fit of class `nmu`.
#' @param A The data with the held-out entries.
#' @param held_out Numbers of these entries.
#' @return A list of `error` and `loglik`, both per entry.
#' @noRd
rate_held_out <- function(fit, A, held_out, call = caller_env()) {
  b_prior <- fitted_b_prior(fit)
  residual <- A[held_out] - low_rank(fit_factors(fit))[held_out]
  test <- matrix(NA_real_, nrow(A), ncol(A))
  test[held_out] <- A[held_out]
  loglik_at <- function(log_ratio) {
    fit$sigma <- fit$sigma * exp(log_ratio)
    if (!is.null(fit$noise_sd)) {
      fit$noise_sd <- fit$noise_sd * exp(log_ratio)
    }
    evaluate_fit(core_log_likelihood, fit, test, call = call)
  }
  largest <- max(0, log(10 * sqrt(mean(residual^2)) / fit$sigma))
  above <- if (largest > 0) {
    stats::optimize(loglik_at, c(0, largest), maximum = TRUE, tol = 1e-6)$objective
  }
  loglik <- max(loglik_at(0), above)
  # pairs of a symmetric matrix count once, the diagonal half
  count <- length(held_out) / if (fit$symmetric) 2 else 1
  list(
    error = mean((residual - sum(b_prior$weight * b_prior$mean))^2),
    loglik = loglik / count
  )
}

#' Table of all fits
#'
#' @param jobs Data frame of `fold` and `model`.
#' @param parts Values of `run_cv_job()`.
#' @param models Data frame of the labels of each model.
#' @return A data frame as `folds` of an `nmu_cv` object.
#' @noRd
cv_fold_table <- function(jobs, parts, models) {
  column <- function(name, type) vapply(parts, `[[`, type, name)
  data.frame(
    fold = jobs$fold, models[jobs$model, ], entries = column("entries", 0L),
    error = column("error", 0), loglik = column("loglik", 0), status = column("status", ""),
    problem = column("problem", ""), row.names = NULL
  )
}

#' Create an object of class nmu_cv
#'
#' @param folds Value of `cv_fold_table()`.
#' @param models Value of `cv_models()`.
#' @param model The number of the model of each row of `folds`.
#' @param assignment The folds of entries.
#' @param matched_call The call.
#' @return An object of class `nmu_cv`.
#' @noRd
new_nmu_cv <- function(folds, models, model, assignment, matched_call, call = caller_env()) {
  mean_of <- function(x) as.vector(tapply(x, model, mean))
  se_of <- function(x) as.vector(tapply(x, model, function(x) stats::sd(x) / sqrt(length(x))))
  count_of <- function(x) as.integer(tapply(x, model, sum))
  summary <- data.frame(
    models$table,
    error = mean_of(folds$error), error_se = se_of(folds$error),
    loglik = mean_of(folds$loglik), loglik_se = se_of(folds$loglik),
    failed = count_of(folds$status == "failed"),
    unconverged = count_of(!folds$status %in% c("converged", "failed"))
  )
  best <- best_model(summary)
  if (is.na(best)) {
    reason <- folds$problem[folds$status == "failed"][1]
    abort_nmu(
      c("No combination of {.arg K}, {.arg prior} and {.arg prior_b} could be fitted in all folds.",
        x = "The first failure: {reason}"
      ),
      kind = "cv", call = call
    )
  }
  structure(
    list(
      summary = summary, folds = folds, K = summary$K[best],
      prior = unlist_one(models$list[[best]]$prior), prior_b = models$list[[best]]$prior_b,
      best = best, one_se = one_se_count(summary, best), assignment = assignment,
      call = matched_call
    ),
    class = "nmu_cv"
  )
}

#' The single element of a list, or the list if it has several
#' @param x A list.
#' @noRd
unlist_one <- function(x) {
  if (length(x) == 1) x[[1]] else x
}

#' Row with the largest held-out log-likelihood, of several the one with the fewest factors
#' @param summary Data frame of all combinations.
#' @return A row number, or `NA` if all failed.
#' @noRd
best_model <- function(summary) {
  order(-summary$loglik, summary$K, na.last = NA)[1]
}

#' Choose the number of factors by the rule of one standard error
#' @param summary Data frame of all combinations.
#' @param best The best row.
#' @return A whole number.
#' @noRd
one_se_count <- function(summary, best) {
  slack <- summary$loglik_se[best]
  alike <- summary$prior == summary$prior[best] & summary$prior_b == summary$prior_b[best]
  least <- summary$loglik[best] - if (is.na(slack)) 0 else slack
  min(summary$K[which(alike & summary$loglik >= least)])
}

#' Warn about fits with problems
#' @param folds Value of `cv_fold_table()`.
#' @noRd
signal_cv_problems <- function(folds, call = caller_env()) {
  noted <- which(!is.na(folds$problem))
  if (length(noted) == 0) {
    return(invisible())
  }
  total <- nrow(folds)
  failed <- sum(folds$status == "failed")
  first <- folds$problem[noted[1]]
  cli::cli_warn(
    c(
      "{length(noted)} of {total} fits gave a warning or failed ({failed} failed).",
      x = "The first: {first}",
      i = "The column {.field problem} of {.field folds} has all of them."
    ),
    class = c("nmu_warning_cv", "nmu_warning"), call = error_call(call)
  )
}
