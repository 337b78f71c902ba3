#' Check the priors of both sides of a factor
#'
#' @param prior,prior_v Lists of priors, from `check_priors()`.
#' @param noise The estimator of lambda and sigma.
#' @param underapprox Is a certified underapproximation requested?
#' @return A list of `prior` and `prior_v`, lists of equal length: the shorter one is extended by
#'   its last prior. Both are empty if all priors are flat.
#' @noRd
check_schedule <- function(prior, prior_v, noise, underapprox, call = caller_env()) {
  flat <- function(x) all(vapply(x, inherits, NA, "nmu_prior_flat"))
  for (side in list(list(arg = "prior", x = prior), list(arg = "prior_v", x = prior_v))) {
    reason <- if (underapprox) "with underapprox = TRUE" else "with noise_notebook()"
    if (!flat(side$x) && (underapprox || noise$rule == "notebook")) {
      found <- paste(vapply(side$x, `[[`, "", "family"), collapse = ", ")
      abort_input(side$arg, paste("prior_flat()", reason), found, call = call)
    }
  }
  stages <- max(length(prior), length(prior_v))
  fill <- function(x) x[pmin(seq_len(stages), length(x))]
  schedule <- list(prior = fill(prior), prior_v = fill(prior_v))
  # a fit starts without priors, so flat ones at the beginning are no stage
  empty <- mapply(function(u, v) flat(list(u, v)), schedule$prior, schedule$prior_v)
  lapply(schedule, `[`, cumsum(!empty) > 0)
}

#' Convert a schedule to the form that the core expects
#'
#' In a fit, a flat prior means maximum likelihood loadings.
#'
#' @param schedule Value of `check_schedule()`.
#' @param record Environment that stores the failure of a user's function.
#' @return A list of options.
#' @noRd
core_schedule <- function(schedule, record) {
  lapply(schedule, function(priors) {
    lapply(core_priors(priors, record), function(prior) {
      if (prior$family == "flat") list(family = "maximum") else prior
    })
  })
}

#' Convert the posteriors of loadings to their form in a fit
#'
#' @param posteriors Posteriors of some factors from the core, or `NULL`.
#' @param count The number of these factors.
#' @param before The number of other factors before them.
#' @param size The number of rows and of columns of the matrix.
#' @param earlier The posterior of those others in an earlier fit, or `NULL`.
#' @return A list of `sd` and `lfsr`, each a list of matrices `u` and `v`, and of
#'   `hyperparameters`, a list with an element for each factor; `NULL` without priors.
#' @noRd
posterior_model <- function(posteriors, count, before, size, earlier = NULL) {
  if (is.null(posteriors) && is.null(earlier)) {
    return(NULL)
  }
  posteriors <- posteriors %||% list(rows = vector("list", count), columns = vector("list", count))
  side <- function(factors, rows, what, known) {
    if (is.null(known) && all(vapply(factors, is.null, NA))) {
      return(NULL)
    }
    columns <- lapply(factors, function(factor) factor[[what]] %||% rep(NA_real_, rows))
    cbind(known %||% matrix(NA_real_, rows, before), do.call(cbind, columns))
  }
  both <- function(what) {
    list(
      u = side(posteriors$rows, size[1], what, earlier[[what]]$u),
      v = side(posteriors$columns, size[2], what, earlier[[what]]$v)
    )
  }
  hyperparameters <- Map(
    function(u, v) list(u = u$hyperparameters, v = v$hyperparameters),
    posteriors$rows, posteriors$columns
  )
  list(
    sd = both("sd"), lfsr = both("lfsr"),
    hyperparameters = c(earlier$hyperparameters %||% vector("list", before), hyperparameters)
  )
}

#' Select the posterior of some factors of a fit
#'
#' @param posterior The posterior of the fit, or `NULL`.
#' @param factors Numbers of the factors.
#' @param symmetric Is `A` symmetric, so that both sides are the same?
#' @return A list in the form of that of `posterior_model()`, or `NULL`.
#' @noRd
subset_posterior <- function(posterior, factors, symmetric) {
  if (is.null(posterior)) {
    return(NULL)
  }
  columns <- function(sides) {
    list(u = sides$u[, factors, drop = FALSE], v = if (!symmetric) sides$v[, factors, drop = FALSE])
  }
  posterior[c("sd", "lfsr")] <- lapply(posterior[c("sd", "lfsr")], columns)
  posterior$hyperparameters <- posterior$hyperparameters[factors]
  posterior
}

#' Format the priors of a fit with their estimated hyperparameters
#'
#' @param fit A fit of class `nmu`.
#' @return Strings, or `NULL` without priors.
#' @noRd
schedule_text <- function(fit) {
  if (is.null(fit$posterior)) {
    return(NULL)
  }
  of_side <- function(priors) {
    names <- vapply(priors, function(prior) prior$name %||% prior$family, "")
    paste(names, collapse = ", then ")
  }
  priors <- if (identical(fit$prior, fit$prior_v)) {
    paste("prior:", of_side(fit$prior))
  } else {
    sprintf("prior of u: %s; of v: %s", of_side(fit$prior), of_side(fit$prior_v))
  }
  bound <- if (!is.null(fit$elbo)) sprintf(" (ELBO = %s)", signif_text(fit$elbo))
  known <- fit$posterior$hyperparameters
  shown <- utils::head(names(known), 10)
  factors <- unlist(lapply(shown, function(name) factor_text(name, known[[name]])))
  c(paste0(priors, bound), factors, if (length(known) > length(shown)) "  ...")
}

#' Format the hyperparameters of a factor
#'
#' @param name The label of the factor.
#' @param known Its hyperparameters, a list of `u` and `v`.
#' @return A string for each side that has hyperparameters.
#' @noRd
factor_text <- function(name, known) {
  sides <- Filter(function(side) length(known[[side]]) > 0, c("u", "v"))
  vapply(sides, function(side) {
    numbers <- known[[side]]
    if (identical(names(numbers), c("scales", "weights"))) {
      # of the grid of a mixture, only components with weight
      numbers <- lapply(numbers, `[`, numbers$weights >= 0.005)
    }
    values <- vapply(numbers, hyperparameter_text, "")
    of <- if (identical(sides, "u")) "" else paste0(" ", side)
    sprintf("  %s%s: %s", name, of, paste(names(values), "=", values, collapse = ", "))
  }, "", USE.NAMES = FALSE)
}

#' Set the dimnames of the posterior to those of the loadings
#'
#' @param posterior Value of `posterior_model()`.
#' @param rows Names of the rows and of the columns of the matrix, `u` and `v`.
#' @param factors Names of the factors.
#' @return `posterior`.
#' @noRd
name_posterior <- function(posterior, rows, factors) {
  if (is.null(posterior)) {
    return(NULL)
  }
  name <- function(sides) {
    for (side in c("u", "v")) {
      if (!is.null(sides[[side]])) {
        dimnames(sides[[side]]) <- list(rows[[side]], factors)
      }
    }
    sides$v <- sides$v %||% sides$u
    sides
  }
  posterior[c("sd", "lfsr")] <- lapply(posterior[c("sd", "lfsr")], name)
  names(posterior$hyperparameters) <- factors
  posterior
}
