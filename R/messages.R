# Messages about choices made from the data. Each message has its own class, so that it can be
# caught or silenced by suppressMessages(classes = ). Warnings and errors are in conditions.R.

#' Signal a message of the package
#'
#' @param kind One word: the class is `nmu_message_<kind>`.
#' @param text A cli template, a literal of this package.
#' @param envir Environment in which the template is evaluated.
#' @return `NULL`, invisibly.
#' @noRd
inform_nmu <- function(kind, text, envir = parent.frame()) {
  cli::cli_inform(
    c(i = text),
    class = c(paste0("nmu_message_", kind), "nmu_message"), .envir = envir
  )
}

#' Report how the data are read
#'
#' @param scan Result of `core_scan()`.
#' @param symmetric Was A found to be symmetric? `NULL` if the user said so.
#' @param control The settings.
#' @return `NULL`, invisibly.
#' @noRd
signal_data <- function(scan, symmetric, control) {
  if (!control$verbose) {
    return(invisible())
  }
  if (isTRUE(symmetric)) {
    inform_nmu("symmetric", "{.arg A} is symmetric, so {.field v} is {.field u}.")
  }
  if (isFALSE(symmetric) && scan$symmetric) {
    inform_nmu(
      "names",
      "The entries of {.arg A} are symmetric, but its row and column names differ: they are not
       taken for the same things, and have loadings of their own."
    )
  }
  if (scan$missing > 0) {
    inform_nmu("missing", "{scan$missing} entr{?y is/ies are} NA and left out.")
  }
  if (scan$negative > 0) {
    inform_nmu(
      "negative", "{scan$negative} entr{?y is/ies are} negative: factors exceed {?it/them}."
    )
  }
}

#' Report that there is no remainder, or that the diagonal is ignored, where that was not asked for
#'
#' @param prior_b,ignore_diag The values given.
#' @param chosen A list of `prior_b` and `ignore_diag`, the values chosen.
#' @param control The settings.
#' @return `NULL`, invisibly.
#' @noRd
signal_zeros <- function(prior_b, ignore_diag, chosen, control) {
  if (!control$verbose) {
    return(invisible())
  }
  if (is.null(prior_b) && chosen$prior_b$family == "none") {
    inform_nmu(
      "prior_b",
      "More than half of the entries are zero, so there is no remainder
       ({.code prior_b = \"none\"}); {.code prior_b = \"exponential\"} fits one."
    )
  }
  if (is.null(ignore_diag) && chosen$ignore_diag) {
    inform_nmu(
      "ignore_diag",
      "All diagonal entries are zero, as in a graph without loops, and are left out
       ({.code ignore_diag = TRUE}); {.code ignore_diag = FALSE} fits them."
    )
  }
}

#' Report the chosen number of factors
#'
#' @param fit A fit.
#' @return `NULL`, invisibly.
#' @noRd
signal_factor_count <- function(fit) {
  if (!fit$control$verbose || is.null(fit$candidates)) {
    return(invisible())
  }
  # without the model without factors, which has only the fixed ones
  count <- length(unique(fit$candidates$K)) - 1
  new <- fit$path$status != "fixed"
  if (all(fit$d[new] == 0)) {
    inform_nmu("K", "{.arg K}: no factor improves the fit.")
  } else {
    inform_nmu("K", "{.arg K}: {fit$K} factor{?s} chosen, {count} candidate{?s} tried.")
  }
}

#' Report rows and columns with fewer observed entries than factors
#'
#' Only those with missing entries count: a matrix may have fewer columns than factors.
#'
#' @param fit A fit.
#' @param A The data.
#' @param missing The number of missing entries.
#' @return `NULL`, invisibly.
#' @noRd
signal_few_observed <- function(fit, A, missing, call = caller_env()) {
  rank <- sum(fit$d > 0)
  if (!fit$control$verbose || missing == 0 || rank == 0) {
    return(invisible())
  }
  absent <- count_missing(A, fit, call = call)
  ignored <- if (fit$ignore_diag) !is.na(diagonal(A)) else 0
  few <- function(absent, size) which(absent > 0 & size - absent - ignored < rank)
  labels <- lapply(fit_factors(fit)[c("u", "v")], row_labels)
  inform_few_observed(
    list(
      row = labels$u[few(absent$rows, ncol(A))],
      column = if (!fit$symmetric) labels$v[few(absent$columns, nrow(A))]
    ),
    rank
  )
}

#' Give the message about rows and columns with few observed entries
#'
#' @param lines A named list of their names or numbers, `row` and perhaps `column`.
#' @param rank The number of factors that are not null.
#' @return `NULL`, invisibly.
#' @noRd
inform_few_observed <- function(lines, rank) {
  lines <- lines[lengths(lines) > 0]
  if (length(lines) == 0) {
    return(invisible())
  }
  parts <- vapply(names(lines), FUN.VALUE = "", FUN = function(kind) {
    labels <- lines[[kind]]
    count <- length(labels)
    first <- utils::head(labels, 3)
    shown <- if (is.character(first)) vapply(first, quote_text, "") else first
    more <- if (count > 3) ", ..."
    plural <- if (count > 1) "s"
    paste0(count, " ", kind, plural, " (", paste(shown, collapse = ", "), more, ")")
  })
  inform_nmu(
    "few_observed",
    "Fewer entries are observed than there are factors, {rank}, in {parts}. The data do not
     determine the loadings there: of those that fit alike, one is returned."
  )
}

#' The least ratio of the explained share to that of the best approximation without a message
#' @noRd
low_explained <- 0.5

#' Share of the squared norm that the best approximation of the same rank explains
#'
#' @param certificate The certificate of a fit, or `NULL`.
#' @return One number, or `NA`.
#' @noRd
best_share <- function(certificate) {
  best <- certificate$best
  if (length(best) > 0) best[length(best)] else NA_real_
}

#' Report that the factors explain little, compared with the best approximation of the same rank
#'
#' @param fit A fit.
#' @param negative The number of negative entries.
#' @return `NULL`, invisibly.
#' @noRd
signal_explained <- function(fit, negative) {
  explained <- fit$certificate$explained
  best <- best_share(fit$certificate)
  if (!fit$control$verbose || is.na(best) || explained >= low_explained * best) {
    return(invisible())
  }
  shares <- sprintf("%.0f", 100 * c(explained, best))
  rank <- length(fit$d)
  remedy <- if (negative > 0) {
    "Factors are nonnegative and do not explain negative entries; for the others, try another
     {.arg K}."
  } else {
    "If the entries are skewed, as counts are, fit {.code log1p(A)}; otherwise try another
     {.arg K}."
  }
  inform_nmu(
    "explained",
    paste(
      "The factors explain {shares[1]} % of the squared norm of {.arg A}, the best approximation of
       rank {rank} {shares[2]} %.", remedy
    )
  )
}

#' Largest sigma of exact data, as a share of the root mean square of A
#'
#' The core reduces the lower bound on sigma where the data are a sum of the factors.
#' @noRd
exact_sigma <- 1e-7

#' Report that the lower bound on sigma, not the data, determines lambda and sigma
#'
#' This is so if sigma is at its bound and larger than the remainder: what the factors leave is then
#' smaller than the bound. With as many factors as rows or columns, or exact data, residuals say
#' nothing about the noise. Sigma at its bound and below the remainder means that the data show no
#' noise beside b, and lambda at its bound that they show no b: neither leaves anything to do.
#'
#' @param fit A fit.
#' @param rms The root mean square of A.
#' @return `NULL`, invisibly.
#' @noRd
signal_bounds <- function(fit, rms) {
  floor <- fit$noise$floor %||% 0
  factors <- fit_factors(fit)
  exact <- rms == 0 || fit$sigma <= exact_sigma * rms ||
    sum(fit$d > 0) >= min(nrow(factors$u), nrow(factors$v))
  if (!fit$control$verbose || floor == 0 || exact || !is_floor_large(fit)) {
    return(invisible())
  }
  lower <- sprintf("noise_%s(floor = %g)", fit$noise$rule, floor / 100)
  beside <- if (has_no_remainder(fit)) "" else ", and larger than the remainder"
  both <- if (has_no_remainder(fit)) {
    "{.field sigma}"
  } else {
    "{.field lambda} and {.field sigma}"
  }
  of <- if (is.null(fit$refit)) "what the last factor is fitted to" else "{.arg A}"
  inform_nmu(
    "bound",
    paste0(
      "{.field sigma} is at its lower bound, {floor} times the standard deviation of ", of, beside,
      ": this bound, not the data, determines ", both,
      ", and may hide weak factors. Fit with {.code {lower}}."
    )
  )
}

#' Is sigma at its lower bound, and larger than the remainder?
#'
#' 1 / lambda is both the mean and the standard deviation of an exponential remainder.
#'
#' @param fit A fit.
#' @param bound Its active bounds.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_floor_large <- function(fit, bound = active_bound(fit)) {
  bound == "both" || (bound == "sigma" && fit$lambda * fit$sigma >= 1)
}

#' The bounds on lambda and sigma that are active in the final model
#'
#' @param fit A fit.
#' @return `"none"`, `"lambda"`, `"sigma"` or `"both"`.
#' @noRd
active_bound <- function(fit) {
  if (!inherits(fit, "nmu")) {
    return("none")
  }
  bound <- fit$refit$bound %||% fit$path$bound[length(fit$d)]
  if (is.na(bound)) "none" else bound
}
