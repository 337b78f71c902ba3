# Scores of fits

or_na <- function(x) if (is.null(x)) NA else x

# Relative error, in the Frobenius norm, of the factors and of factors + `remainder`
relative_errors <- function(fit, A, remainder, ignore_diag) {
  A <- as.matrix(A)
  residual <- A - fit$u %*% (fit$d * t(fit$v))
  counted <- if (isTRUE(ignore_diag)) row(A) != col(A) else TRUE
  norm_of <- function(x) sqrt(sum(x[counted]^2))
  c(norm_of(residual), norm_of(residual - remainder)) / norm_of(A)
}

# Scores of one fit: `row`, its row of the table, and `factors`, with a row for each true factor
score_fit <- function(fit, data, seconds, ignore_diag) {
  size <- max(abs(data$A))
  matched <- if (!is.null(data$truth)) {
    as.data.frame(match_factors(fit[[data$side]], data$truth))
  }
  # the mean of b, which only fits by nmu() have
  errors <- relative_errors(fit, data$A, 1 / or_na(fit$lambda), ignore_diag)
  list(
    row = data.frame(
      # null factors do not count
      K_found = sum(fit$d > 0),
      K_true = data$K,
      mean_cosine = if (is.null(matched)) NA else mean(matched$cosine),
      worst_cosine = if (is.null(matched)) NA else min(matched$cosine),
      loglik = or_na(fit$loglik),
      seconds = seconds,
      relative_error = errors[1],
      relative_error_with_b = errors[2],
      # share of the nonnegative entries that the factors exceed
      violation_share = or_na(fit$certificate$share),
      # largest excess, as a share of the largest entry
      largest_violation = or_na(fit$certificate$largest_violation) / size
    ),
    factors = matched
  )
}

# Fits one data set by every method of its setting. Returns the same two tables for all fits.
run_job <- function(setting, name, seed, methods) {
  data <- setting$make(seed)
  if (!is.null(setting$methods)) methods <- methods[names(methods) %in% setting$methods]
  scores <- lapply(methods, function(method) {
    time <- seconds(fit <- method(data$A, data$K, ignore_diag = setting$ignore_diag))
    score_fit(fit, data, time, setting$ignore_diag)
  })
  stack <- function(table) {
    rows <- lapply(names(scores), function(method) {
      part <- scores[[method]][[table]]
      if (!is.null(part)) cbind(setting = name, method = method, seed = seed, part)
    })
    do.call(rbind, rows)
  }
  list(row = stack("row"), factors = stack("factors"))
}

# Runs every setting and seed, on several cores
run_jobs <- function(settings, methods, cores) {
  jobs <- do.call(rbind, lapply(names(settings), function(name) {
    data.frame(name = name, seed = settings[[name]]$seeds)
  }))
  run <- function(i) {
    name <- jobs$name[i]
    run_job(settings[[name]], name, jobs$seed[i], methods)
  }
  results <- parallel::mclapply(seq_len(nrow(jobs)), run, mc.cores = cores, mc.preschedule = FALSE)
  failed <- !vapply(results, is.list, NA)
  if (any(failed)) {
    first <- which(failed)[1]
    stop(jobs$name[first], ", seed ", jobs$seed[first], ": ", results[[first]])
  }
  list(
    scores = do.call(rbind, lapply(results, `[[`, "row")),
    factors = do.call(rbind, lapply(results, `[[`, "factors"))
  )
}
