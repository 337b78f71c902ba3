#' Check the priors of both sides of a factor
#'
#' @param prior,prior_v Lists of priors, as `check_priors()` returns them.
#' @param noise The estimator of lambda and sigma.
#' @param underapprox Is a certified underapproximation asked for?
#' @param call The user's call.
#' @return A list of `prior` and `prior_v`, lists of equal length: where one is shorter, its last
#'   prior stays. Both are empty where there is nothing but flat priors.
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
  # a fit begins without priors, so flat ones at the beginning are no stage
  idle <- mapply(function(u, v) flat(list(u, v)), schedule$prior, schedule$prior_v)
  lapply(schedule, `[`, cumsum(!idle) > 0)
}

#' A schedule as the core takes it
#'
#' In a fit a flat prior means that loadings are where the likelihood is largest.
#'
#' @param schedule What `check_schedule()` returned.
#' @param record Where the failure of a user's function is noted.
#' @return A list of options.
#' @noRd
core_schedule <- function(schedule, record) {
  lapply(schedule, function(priors) {
    lapply(core_priors(priors, record), function(prior) {
      if (prior$family == "flat") list(family = "maximum") else prior
    })
  })
}

#' What is believed of the loadings, as a fit has it
#'
#' @param beliefs Lists that the core returned for some factors, or `NULL`.
#' @param count The number of these factors.
#' @param before The number of other factors before them.
#' @param size The number of rows and of columns of the matrix.
#' @param earlier What an earlier fit believed of those others, or `NULL`.
#' @return A list of `sd` and `zero`, each a list of matrices `u` and `v`, and of
#'   `hyperparameters`, a list with an element for each factor; `NULL` where there are no priors.
#' @noRd
posterior_model <- function(beliefs, count, before, size, earlier = NULL) {
  if (is.null(beliefs) && is.null(earlier)) {
    return(NULL)
  }
  beliefs <- beliefs %||% list(rows = vector("list", count), columns = vector("list", count))
  side <- function(factors, rows, what, known) {
    if (is.null(known) && all(vapply(factors, is.null, NA))) {
      return(NULL)
    }
    columns <- lapply(factors, function(factor) factor[[what]] %||% rep(NA_real_, rows))
    cbind(known %||% matrix(NA_real_, rows, before), do.call(cbind, columns))
  }
  both <- function(what) {
    list(
      u = side(beliefs$rows, size[1], what, earlier[[what]]$u),
      v = side(beliefs$columns, size[2], what, earlier[[what]]$v)
    )
  }
  hyperparameters <- Map(
    function(u, v) list(u = u$hyperparameters, v = v$hyperparameters),
    beliefs$rows, beliefs$columns
  )
  list(
    sd = both("sd"), zero = both("zero"),
    hyperparameters = c(earlier$hyperparameters %||% vector("list", before), hyperparameters)
  )
}

#' What was believed of some of the factors of a fit
#'
#' @param posterior That of the fit, or `NULL`.
#' @param factors Which ones, as numbers.
#' @param symmetric Is `A` symmetric, so that both sides are one?
#' @return A list like that of `posterior_model()`, or `NULL`.
#' @noRd
posterior_of <- function(posterior, factors, symmetric) {
  if (is.null(posterior)) {
    return(NULL)
  }
  columns <- function(sides) {
    list(u = sides$u[, factors, drop = FALSE], v = if (!symmetric) sides$v[, factors, drop = FALSE])
  }
  posterior[c("sd", "zero")] <- lapply(posterior[c("sd", "zero")], columns)
  posterior$hyperparameters <- posterior$hyperparameters[factors]
  posterior
}

#' Priors of a fit, and what became of their hyperparameters, as text
#'
#' @param fit A fit of class `nmu`.
#' @return Strings, or `NULL` where there are no priors.
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

#' Hyperparameters of a factor as text
#'
#' @param name The factor.
#' @param known Its hyperparameters, a list of `u` and `v`.
#' @return A string for each side that has some.
#' @noRd
factor_text <- function(name, known) {
  sides <- Filter(function(side) length(known[[side]]) > 0, c("u", "v"))
  vapply(sides, function(side) {
    numbers <- known[[side]]
    if (identical(names(numbers), c("scales", "weights"))) {
      # of the grid of a mixture, what has weight
      numbers <- lapply(numbers, `[`, numbers$weights >= 0.005)
    }
    values <- vapply(numbers, hyperparameter_text, "")
    of <- if (identical(sides, "u")) "" else paste0(" ", side)
    sprintf("  %s%s: %s", name, of, paste(names(values), "=", values, collapse = ", "))
  }, "", USE.NAMES = FALSE)
}

#' Name what is believed as the loadings are named
#'
#' @param posterior What `posterior_model()` returned.
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
  posterior[c("sd", "zero")] <- lapply(posterior[c("sd", "zero")], name)
  names(posterior$hyperparameters) <- factors
  posterior
}
