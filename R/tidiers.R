#' A fit as data frames
#'
#' Loadings, factors, parameters and entries of a fit as data frames. `tidy()`,
#' `glance()` and `augment()` are methods for the generics of the package generics, which broom
#' re-exports; attach one of these to use them.
#'
#' @param x A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param matrix `"d"` (a row for each factor), `"u"` or `"v"` (a row for each loading).
#'   Case-sensitive.
#' @param A,data The data, if the fit does not contain them (`keep_data = FALSE`). `augment()`
#'   requires them; `tidy()` uses them for the share of a factor, and `glance()` for the
#'   log-likelihood of an `nmu_em` fit; both are `NA` without.
#' @param newdata For `augment()`: new rows in place of the data, as in
#'   [predict()][predict.nmu_fit], by which their loadings are found. `data` must then be `NULL`.
#' @param scale `"weighted"` or `"unit"`, see [coef()][nmu_methods]: the scale of loadings.
#' @param row.names,optional,stringsAsFactors As in [as.data.frame()].
#' @param ... Must be empty: an unknown argument is an error that names the likely one.
#'
#' @return Plain data frames.
#'
#' * `as.data.frame()`: a row for each loading: `factor`, `side` (`"u"`, and `"v"` if
#'   `A` is not symmetric), `feature` (a name, or a number if `A` has no names), `loading`
#'   (by default \eqn{\sqrt{d_k} u_k}{sqrt(d_k) u_k} as in [coef()][nmu_methods]).
#' * `tidy()`: with `matrix = "d"` the table of [summary()][nmu_methods] and the `status` of each
#'   factor; with `"u"` or `"v"` the loadings of that side, as in `as.data.frame()`: `factor`,
#'   `feature`, `loading`.
#' * `glance()`: one row: `K`, `lambda`, `sigma`, `logLik`, `df`, `AIC`, `BIC`, `nobs`,
#'   `relative_error`; `violated`, the share of the entries that the factors exceed; `explained`,
#'   the share of the squared norm that they explain, and `best_explained`, that of the best
#'   approximation of the same rank (see the section Certificate of [nmu_object]; all four are `NA`
#'   if the fit has no certificate); `status`, `converged`.
#' * `augment()`: a row for each entry of `A` (or of `newdata`), column by column: `row`,
#'   `column` (names, or numbers), `value`, `.fitted`, `.resid` (`value - .fitted`), and the
#'   posterior mean and standard deviation of the remainder, `.b` and `.b_sd`, as in
#'   [posterior_b()].
#'
#' @section Errors: Class `nmu_error_input` if `matrix` is not one of its choices, if the data
#'   are required and neither kept nor given, or given with another size, if `newdata` is not as
#'   [predict()][predict.nmu_fit] requires, if an argument is unknown, and if `augment()` is
#'   called for more than ten million entries of a matrix that is sparse or on disk.
#'
#' @examples
#' fit <- nmu(USArrests, K = 2)
#' as.data.frame(fit)[c(1:2, 101:104), ]
#' if (requireNamespace("generics", quietly = TRUE)) {
#'   print(generics::tidy(fit))
#'   print(generics::glance(fit))
#'   print(head(generics::augment(fit), 3))
#' }
#' @name nmu_tables
NULL

#' @rdname nmu_tables
#' @method as.data.frame nmu_fit
#' @export
as.data.frame.nmu_fit <- function(x, row.names = NULL, optional = FALSE, # nolint
                                  scale = c("weighted", "unit"), ...,
                                  stringsAsFactors = FALSE) { # nolint
  refuse_dots(...)
  scale <- check_choice(scale, loading_scales)
  sides <- if (x$symmetric) "u" else c("u", "v")
  tables <- lapply(sides, function(side) {
    table <- loading_table(scaled_loadings(fit_factors(x), side, scale))
    data.frame(
      factor = table$factor, side = side, table[c("feature", "loading")],
      stringsAsFactors = stringsAsFactors
    )
  })
  table <- do.call(rbind, tables)
  if (!is.null(row.names)) {
    rownames(table) <- row.names
  }
  table
}

#' Loadings in long format
#'
#' @param loadings A matrix with a named column for each factor.
#' @return A data frame: `factor`, `feature`, `loading`.
#' @noRd
loading_table <- function(loadings) {
  data.frame(
    factor = rep(colnames(loadings), each = nrow(loadings)),
    feature = rep(as.character(row_labels(loadings)), ncol(loadings)),
    loading = as.vector(loadings)
  )
}

#' Row names, or row numbers if there are none
#'
#' @param x A matrix.
#' @return A vector.
#' @noRd
row_labels <- function(x) {
  rownames(x) %||% seq_len(nrow(x))
}

#' @rdname nmu_tables
#' @exportS3Method generics::tidy
tidy.nmu_fit <- function(x, matrix = c("d", "u", "v"), # nolint: object_name_linter.
                         A = NULL, scale = c("weighted", "unit"), ...) {
  refuse_dots(...)
  matrix <- check_choice(matrix, c("d", "u", "v"))
  scale <- check_choice(scale, loading_scales)
  if (matrix != "d") {
    return(loading_table(scaled_loadings(fit_factors(x), matrix, scale)))
  }
  status <- if (inherits(x, "nmu")) x$path$status else x$status
  data.frame(factor_table(x, A), status = status)
}

#' @rdname nmu_tables
#' @exportS3Method generics::glance
glance.nmu_fit <- function(x, A = NULL, ...) { # nolint: object_name_linter.
  refuse_dots(...)
  known <- inherits(x, "nmu") || !is.null(A) || !is.null(x$A)
  value <- if (known) log_lik_of(x, A) else new_log_lik(NA_real_, x, if (x$estimated) 2 else 0)
  data.frame(
    K = length(x$d),
    lambda = x$lambda,
    sigma = x$sigma,
    logLik = as.numeric(value),
    df = attr(value, "df"),
    AIC = stats::AIC(value),
    BIC = stats::BIC(value),
    nobs = stats::nobs(x),
    relative_error = x$certificate$error %||% NA_real_,
    violated = x$certificate$share %||% NA_real_,
    explained = x$certificate$explained %||% NA_real_,
    best_explained = best_share(x$certificate),
    status = x$status,
    converged = x$converged
  )
}

#' @rdname nmu_tables
#' @exportS3Method generics::augment
augment.nmu_fit <- function(x, data = NULL, newdata = NULL, ...) { # nolint: object_name_linter.
  refuse_dots(...)
  if (is.null(newdata)) {
    A <- fit_data(x, data, arg = "data")
    A <- dense_block(A, seq_len(nrow(A)), seq_len(ncol(A)), arg = "data")
  } else {
    if (!is.null(data)) {
      abort_input("data", "NULL where newdata is given", describe(data))
    }
    A <- check_new_rows(x, newdata)
    x <- fit_of_new_rows(x, new_loadings(x, A))
  }
  rows <- seq_len(nrow(A))
  cols <- seq_len(ncol(A))
  posterior <- posterior_block(x, A, rows, cols, 0)
  fitted <- fitted(x)
  names <- lapply(fit_factors(x)[c("u", "v")], row_labels)
  value <- as.vector(A)
  data.frame(
    row = rep(names$u, length(names$v)),
    column = rep(names$v, each = length(names$u)),
    value = value,
    .fitted = as.vector(fitted),
    .resid = value - as.vector(fitted),
    .b = as.vector(posterior$mean),
    .b_sd = as.vector(posterior$sd)
  )
}
