#' Check the priors of both sides of a factor
#'
#' @param prior,prior_v Lists of priors, as `check_priors()` returns them.
#' @param noise The estimator of lambda and sigma.
#' @param underapprox Is a certified underapproximation asked for?
#' @param call The user's call.
#' @return A list of `prior` and `prior_v`, lists of equal length: where one is shorter, its last
#'   prior stays. Both are empty where there is nothing but flat priors.
#' @noRd
check_schedule <- function(prior, prior_v, noise, underapprox, call) {
  flat <- function(x) all(vapply(x, inherits, NA, "nmu_prior_flat"))
  for (side in list(list(arg = "prior", x = prior), list(arg = "prior_v", x = prior_v))) {
    reason <- if (underapprox) "with underapprox = TRUE" else "with noise_notebook()"
    if (!flat(side$x) && (underapprox || noise$rule == "notebook")) {
      found <- paste(vapply(side$x, `[[`, "", "family"), collapse = ", ")
      abort_input(side$arg, paste("prior_flat()", reason), found, call)
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
#' @param before The number of other factors before these.
#' @param size The number of rows and of columns of the matrix.
#' @return A list of `sd` and `zero`, each a list of matrices `u` and `v`, and of
#'   `hyperparameters`, a list with an element for each factor; `NULL` where there are no priors.
#' @noRd
posterior_model <- function(beliefs, before, size) {
  if (is.null(beliefs)) {
    return(NULL)
  }
  side <- function(factors, rows, what) {
    if (all(vapply(factors, is.null, NA))) {
      return(NULL)
    }
    columns <- lapply(factors, function(factor) factor[[what]] %||% rep(NA_real_, rows))
    unknown <- matrix(NA_real_, rows, before)
    cbind(unknown, do.call(cbind, columns))
  }
  both <- function(what) {
    list(
      u = side(beliefs$rows, size[1], what),
      v = side(beliefs$columns, size[2], what)
    )
  }
  hyperparameters <- Map(
    function(u, v) list(u = u$hyperparameters, v = v$hyperparameters),
    beliefs$rows, beliefs$columns
  )
  list(
    sd = both("sd"), zero = both("zero"),
    hyperparameters = c(vector("list", before), hyperparameters)
  )
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
