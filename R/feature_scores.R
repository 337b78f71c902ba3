#' Effects of the factors on features
#'
#' For a fit of the covariance of samples, such as one of [gram()], which features distinguish the
#' samples of a factor? Each feature, a column of `X`, is regressed by least squares on the loadings
#' of all factors together and an intercept.
#'
#' The loadings of each factor are divided by the largest of them, so that an effect is the expected
#' difference of a feature between a sample without the factor and the one with its largest
#' loading, all else being equal, in the units of `X`. The z-score is the effect divided by its
#' standard error, which assumes that the residuals of a feature have the same variance in all
#' samples; it ignores that the loadings were estimated, from the same data. Effects do not depend
#' on whether `gram()` has centred the features, and z-scores not on whether it has scaled them.
#'
#' The intercept is left out where a constant is a combination of the loadings already. Where
#' loadings are collinear (the smallest eigenvalue of the matrix of their cosines is below 1e-8), a
#' ridge of 1e-6 is added to its diagonal, which divides an effect between them. Null factors have
#' no effect, `NA`.
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()], with a row for each sample.
#' @param X The features of these samples: a matrix in memory as for [gram()], with a row for each
#'   row of the fit, in the same order: if both have row names, they must agree. `NA` is an error.
#'
#' @return An object of class `nmu_feature_scores`, a list of the matrices `effect`, `se` and `z`,
#'   each with a row for each feature and a column for each factor; `df`, the residual degrees of
#'   freedom; `intercept`, whether there is one; and `ridge`, zero or 1e-6. `se` and `z` are `NA` if
#'   `df` is below one. A feature that the factors fit exactly has infinite z-scores, or `NaN` where
#'   the effect is zero. [top_features()] lists the features with the largest z-scores.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described.
#'
#' @seealso [top_features()], [gram()].
#'
#' @examples
#' set.seed(1)
#' groups <- matrix(rbinom(80 * 2, 1, 0.4), 80)
#' X <- groups %*% matrix(rnorm(2 * 300), 2) + rnorm(80 * 300)
#' colnames(X) <- paste0("gene", 1:300)
#' fit <- nmu(gram(X), K = 2)
#' scores <- feature_scores(fit, X)
#' scores
#' top_features(scores, n = 3)
#' @export
feature_scores <- function(fit, X) {
  check_fit(fit)
  X <- check_features(X)
  loadings <- fit_factors(fit)$u
  check_samples(X, loadings)
  used <- colSums(loadings) > 0
  design <- loadings[, used, drop = FALSE]
  design <- design / rep(apply(design, 2, max), each = nrow(design))
  intercept <- !spans_constant(design)
  regression <- plan_regression(if (intercept) cbind(1, design) else design)
  tables <- regress_features(X, regression)
  if (intercept) {
    tables <- lapply(tables, function(table) table[, -1, drop = FALSE])
  }
  labels <- list(colnames(X), colnames(loadings))
  tables <- lapply(tables, function(table) {
    all <- matrix(NA_real_, ncol(X), ncol(loadings), dimnames = labels)
    all[, used] <- table
    all
  })
  structure(
    list(
      effect = tables$effect, se = tables$se, z = tables$effect / tables$se, df = regression$df,
      intercept = intercept, ridge = regression$ridge
    ),
    class = "nmu_feature_scores"
  )
}

#' Check that features are those of the samples of a fit
#'
#' @param X Value of `check_features()`.
#' @param loadings The loadings of the samples.
#' @return `NULL`, invisibly.
#' @noRd
check_samples <- function(X, loadings, call = caller_env()) {
  if (nrow(X) != nrow(loadings)) {
    expected <- sprintf("a matrix with %d rows, one for each row of the fit", nrow(loadings))
    abort_input("X", expected, describe(X), call = call)
  }
  new <- rownames(X)
  old <- rownames(loadings)
  if (!is.null(new) && !is.null(old) && !identical(new, old)) {
    first <- which(is.na(new) | is.na(old) | new != old)[1]
    in_row <- function(labels) sprintf("%s in row %d", quote_text(labels[first]), first)
    expected <- paste("given with the rows that were fitted,", in_row(old))
    abort_input("X", expected, in_row(new), call = call)
  }
}

#' Smallest eigenvalue of cosines between columns that are not collinear
#' @noRd
least_eigenvalue <- 1e-8

#' What is added to the diagonal of the cosines of collinear columns
#' @noRd
collinear_ridge <- 1e-6

#' Is a constant a combination of the columns?
#' @param design A matrix.
#' @return `TRUE` or `FALSE`.
#' @noRd
spans_constant <- function(design) {
  ones <- rep(1, nrow(design))
  rest <- qr.resid(qr(design), ones)
  sum(rest^2) <= least_eigenvalue * nrow(design)
}

#' Prepare the regression of features on the columns of a matrix
#'
#' @param design A matrix without zero columns.
#' @return A list of the `design`; `solve`, the matrix that takes its products with a feature to
#'   coefficients; `unit_se`, their standard errors for residuals of variance 1; `df`, the residual
#'   degrees of freedom; and the `ridge`.
#' @noRd
plan_regression <- function(design) {
  size <- sqrt(colSums(design^2))
  cosines <- crossprod(design / rep(size, each = nrow(design)))
  values <- eigen(cosines, symmetric = TRUE, only.values = TRUE)$values
  collinear <- length(values) > 0 && min(values) < least_eigenvalue
  ridge <- if (collinear) collinear_ridge else 0
  inverse <- solve(cosines + diag(ridge, ncol(design)))
  list(
    design = design,
    solve = inverse / outer(size, size),
    unit_se = sqrt(diag(inverse %*% cosines %*% inverse)) / size,
    df = nrow(design) - sum(diag(inverse %*% cosines)),
    ridge = ridge
  )
}

#' Regress features on the columns of a matrix, some features at a time
#'
#' @param X Value of `check_features()`.
#' @param regression Value of `plan_regression()`.
#' @param most Largest number of entries of `X` that are used at a time.
#' @return A list of `effect` and `se`, matrices with a row for each feature.
#' @noRd
regress_features <- function(X, regression, most = largest_block) {
  design <- regression$design
  ranges <- block_ranges(ncol(X), max(most %/% nrow(X), 1))
  parts <- lapply(ranges, function(range) {
    block <- dense_block(X, seq_len(nrow(X)), seq(range[1], range[2]))
    effect <- regression$solve %*% crossprod(design, block)
    residual <- colSums((block - design %*% effect)^2)
    variance <- if (regression$df >= 1) residual / regression$df else residual * NA
    list(effect = t(effect), se = outer(sqrt(variance), regression$unit_se))
  })
  list(
    effect = do.call(rbind, lapply(parts, `[[`, "effect")),
    se = do.call(rbind, lapply(parts, `[[`, "se"))
  )
}

#' @rdname feature_scores
#' @param x An object of class `nmu_feature_scores`.
#' @param ... Must be empty.
#' @method print nmu_feature_scores
#' @export
print.nmu_feature_scores <- function(x, ...) {
  refuse_dots(...)
  cli::cat_line(cli::style_bold(sprintf(
    "<nmu_feature_scores> %d features, %d factors", nrow(x$z), ncol(x$z)
  )))
  largest <- function(z) {
    top <- utils::head(order(z, decreasing = TRUE, na.last = NA), 5)
    labels <- (rownames(x$z) %||% seq_len(nrow(x$z)))[top]
    if (length(top) == 0) "no effects" else paste(labels, collapse = ", ")
  }
  cat_wrapped(sprintf("%s: %s", colnames(x$z), apply(x$z, 2, largest)))
  invisible(x)
}
