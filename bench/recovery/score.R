# Scores of fits

# Scores of one fit: `row`, its row of the table, and `factors`, with a row for each true factor
score_fit <- function(fit, data, seconds) {
  size <- max(abs(data$A))
  matched <- if (!is.null(data$truth)) {
    as.data.frame(match_factors(fit, data$truth, side = data$side))
  }
  list(
    row = data.frame(
      # null factors do not count
      K_found = sum(fit$d > 0),
      mean_cosine = if (is.null(matched)) NA else mean(matched$cosine),
      worst_cosine = if (is.null(matched)) NA else min(matched$cosine),
      loglik = fit$loglik,
      seconds = seconds,
      relative_error = fit$certificate$error,
      # share of the nonnegative entries that the factors exceed
      violation_share = fit$certificate$share,
      # largest excess, as a share of the largest entry
      largest_violation = fit$certificate$largest_violation / size
    ),
    factors = matched
  )
}

# Fits one data set by every method. Returns the same two tables for all fits.
run_job <- function(setting, name, seed, methods) {
  data <- setting$make(seed)
  scores <- lapply(methods, function(method) {
    time <- seconds(fit <- method(data$A, data$K))
    score_fit(fit, data, time)
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
