#' Match the factors of a fit to true ones
#'
#' Finds the one-to-one matching of the factors of a fit to true factors with the largest
#' sum of cosines. It measures how well a fit recovers a known structure, or how well two
#' fits agree, regardless of the order of factors.
#'
#' The cosine of two loading vectors does not depend on their scale. A pair with a cosine of zero or
#' less is not matched, so that a null factor (a zero column) has no partner. The numbers of factors
#' may differ: a true factor without a partner has cosine 0, which enters the mean;
#' factors of the fit without a partner are reported, but do not enter it.
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()], or a numeric matrix
#'   with a column for each factor.
#' @param truth A numeric matrix with a column for each true factor, such as
#'   `attr(A, "loadings")` of [sim_tree()], or another fit. It has as many rows as the loadings
#'   of the fit. Entries of both matrices are finite; they may be negative.
#' @param side `"u"` (row loadings) or `"v"` (column loadings): the side of a fit that is
#'   compared; not used for a matrix. Case-sensitive.
#'
#' @return An object of class `nmu_match`, a data frame with a row for each true factor:
#'
#'   * `truth`: its name, the column name in `truth`, or `"k1"`, `"k2"` ... if there is none;
#'   * `factor`: the number of the factor of the fit that it is matched with, or `NA`;
#'   * `cosine`: their cosine, 0 without a partner.
#'
#'   Its attribute `"extra"` contains the numbers of the factors of the fit without a
#'   partner, `"mean_cosine"` the mean of `cosine`. `as.data.frame()` returns a plain data frame
#'   without them, as does `[`, since they refer to the whole matching.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described.
#'
#' @source H. W. Kuhn (1955), The Hungarian method for the assignment problem, *Naval Research
#'   Logistics Quarterly* 2, 83-97; computed by [clue::solve_LSAP()].
#'
#' @seealso [top_features()] for the features of a factor.
#'
#' @examples
#' set.seed(1)
#' A <- sim_tree(n = 8)
#' # the joint fit of refine = TRUE mixes branches
#' fit <- nmu(A, K = 7, refine = FALSE)
#' found <- match_factors(fit, attr(A, "loadings"))
#' found
#' attr(found, "mean_cosine")
#'
#' # do two estimators agree?
#' match_factors(fit, nmu(A, K = 6, noise = noise_notebook()))
#' @export
match_factors <- function(fit, truth, side = "u") {
  side <- check_choice(side, c("u", "v"))
  loadings <- loadings_of(fit, side)
  truth <- loadings_of(truth, side)
  if (nrow(truth) != nrow(loadings)) {
    expected <- sprintf("a matrix with %d rows, as many as fit has loadings", nrow(loadings))
    abort_input("truth", expected, describe(truth))
  }
  if (ncol(truth) == 0) {
    abort_input("truth", "a matrix with at least one column", describe(truth))
  }
  cosine <- crossprod(unit_columns(truth), unit_columns(loadings))
  partner <- best_partners(cosine)
  matched <- cosine[cbind(seq_along(partner), partner)]
  matched[is.na(partner)] <- 0
  pairs <- data.frame(
    truth = colnames(truth) %||% factor_names(ncol(truth)),
    factor = partner,
    # may exceed 1 by rounding
    cosine = pmin(matched, 1)
  )
  structure(
    pairs,
    extra = setdiff(seq_len(ncol(loadings)), partner),
    mean_cosine = mean(pairs$cosine),
    class = c("nmu_match", "data.frame")
  )
}

#' Loadings of a fit, or a matrix of loadings
#'
#' @param x A fit or a matrix.
#' @param arg Its name, for the message.
#' @param side Which side of a fit.
#' @return A double matrix with a column for each factor.
#' @noRd
loadings_of <- function(x, side, arg = caller_arg(x), call = caller_env()) {
  if (inherits(x, "nmu_fit")) {
    return(fit_factors(x)[[side]])
  }
  numbers <- is.matrix(x) && (is.numeric(x) || is.logical(x)) && !is.object(x)
  if (!numbers || nrow(x) == 0) {
    expected <- "a fit, or a numeric matrix with a column for each factor"
    abort_input(arg, expected, describe(x), call = call)
  }
  if (!all(is.finite(x))) {
    found <- sprintf("%d NA, NaN or infinite", sum(!is.finite(x)))
    abort_input(arg, "finite in every entry", found, call = call)
  }
  storage.mode(x) <- "double"
  x
}

#' Scale columns to unit norm; zero columns stay zero
#'
#' @param x A finite matrix.
#' @return A matrix of its size.
#' @noRd
unit_columns <- function(x) {
  scale_by <- function(x, size) x / rep(ifelse(size > 0, size, 1), each = nrow(x))
  # by the largest entry first: squares may overflow or underflow
  x <- scale_by(x, apply(abs(x), 2, max))
  scale_by(x, sqrt(colSums(x^2)))
}

#' Find the one-to-one matching with the largest sum of scores
#'
#' @param score A matrix: the score of each pair of a row and a column.
#' @return For each row its column, or `NA` without a match of positive score.
#' @noRd
best_partners <- function(score) {
  if (ncol(score) == 0) {
    return(rep(NA_integer_, nrow(score)))
  }
  worth <- pmax(score, 0)
  # solve_LSAP() requires at most as many rows as columns
  partner <- if (nrow(worth) <= ncol(worth)) {
    as.integer(clue::solve_LSAP(worth, maximum = TRUE))
  } else {
    match(seq_len(nrow(worth)), clue::solve_LSAP(t(worth), maximum = TRUE))
  }
  none <- !is.na(partner) & worth[cbind(seq_along(partner), partner)] == 0
  replace(partner, none, NA)
}

#' @rdname match_factors
#' @param x An object of class `nmu_match`.
#' @param row.names,optional As in [as.data.frame()], and not used.
#' @param ... Must be empty.
#' @method as.data.frame nmu_match
#' @export
as.data.frame.nmu_match <- function(x, row.names = NULL, optional = FALSE, ...) { # nolint
  refuse_dots(...)
  attributes(x) <- attributes(x)[c("names", "row.names")]
  class(x) <- "data.frame"
  x
}

#' Subset a matching
#'
#' @param x An object of class `nmu_match`.
#' @param ... As for a data frame.
#' @return The subset of the plain data frame, without the class and its attributes.
#' @noRd
#' @export
`[.nmu_match` <- function(x, ...) {
  as.data.frame(x)[...]
}

#' @rdname match_factors
#' @method print nmu_match
#' @export
print.nmu_match <- function(x, ...) {
  refuse_dots(...)
  extra <- attr(x, "extra")
  cli::cat_line(cli::style_bold(sprintf(
    "<nmu_match> %d of %d true factors matched, mean cosine %s",
    sum(!is.na(x$factor)), nrow(x), format_cosine(mean(x$cosine))
  )))
  table <- as.data.frame(x)
  table$factor <- ifelse(is.na(x$factor), "none", x$factor)
  table$cosine <- format_cosine(x$cosine)
  print(table, row.names = FALSE)
  if (length(extra) > 0) {
    cli::cat_line("factors of the fit without partner: ", paste(extra, collapse = ", "))
  }
  invisible(x)
}

#' Format cosines with four decimals
#' @param x Cosines.
#' @return A character vector.
#' @noRd
format_cosine <- function(x) {
  sprintf("%.4f", x)
}
