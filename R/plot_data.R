# Data of plot() and autoplot(), as tables.

#' Accent colour, readable for the colour blind
#' @noRd
accent <- "#C2410C"

#' Colour of bars
#' @noRd
plain <- "#31688E"

#' Colours of a continuous or a discrete scale
#'
#' @param n Number of colours.
#' @param end Position on the viridis scale at which to stop: its end is too light for lines.
#' @return Colours.
#' @noRd
viridis <- function(n, end = 1) {
  grDevices::hcl.colors(101, "viridis")[1 + round(100 * seq(0, end, length.out = n))]
}

#' Check the grouping of rows or columns
#'
#' @param group `NULL`, a vector, or a list of `u` and `v`.
#' @param fit The fit.
#' @return A list of `u` and `v`, each `NULL`, a factor, or numbers to sort by.
#' @noRd
check_group <- function(group, fit, call = caller_env()) {
  factors <- fit_factors(fit)
  if (is.null(group)) {
    return(list())
  }
  if (!is.list(group)) {
    group <- list(u = group)
  }
  unknown <- setdiff(names(group) %||% "", c("u", "v"))
  if (length(unknown) > 0) {
    found <- sprintf("an element named %s", quote_text(unknown[1]))
    abort_input("group", "a vector, or a list with elements u and v", found, call = call)
  }
  for (side in names(group)) {
    value <- group[[side]]
    rows <- nrow(factors[[side]])
    if (!is.null(value) && (!is.atomic(value) || length(value) != rows || anyNA(value))) {
      expected <- sprintf(
        "a factor, or numbers to sort by, with an entry for each of %d rows of %s, without NA",
        rows, side
      )
      abort_input("group", expected, describe(value), call = call)
    }
    if (!is.null(value) && !is.numeric(value)) {
      group[[side]] <- droplevels(as.factor(value))
    }
  }
  group
}

#' Loadings of some factors in the order in which they are drawn
#'
#' @param fit A fit.
#' @param side `"u"` or `"v"`.
#' @param shown Numbers of the factors.
#' @param by `NULL`, a factor, or numbers to sort by.
#' @param scale One of `loading_scales`.
#' @return A list of `values` (a matrix), `labels` (of the rows), `group` (a factor, or `NULL`) and
#'   `titles` (of the factors).
#' @noRd
loading_panels <- function(fit, side, shown, by, scale = loading_scales[1]) {
  factors <- fit_factors(fit)
  values <- scaled_loadings(factors, side, scale)
  order <- if (is.null(by)) seq_len(nrow(values)) else order(by)
  names <- colnames(values)[shown]
  list(
    values = values[order, shown, drop = FALSE],
    labels = strtrim(drawn_names(row_labels(values)), 18)[order],
    group = if (is.factor(by)) by[order],
    titles = sprintf("%s%s: d = %s", if (fit$symmetric) "" else paste0(side, " of "), names,
      signif_text(factors$d[shown])
    )
  )
}

#' Names as they are drawn: a missing one is "NA"
#' @param names A vector, or `NULL`.
#' @return Strings, or `NULL`.
#' @noRd
drawn_names <- function(names) {
  if (!is.null(names)) replace(as.character(names), is.na(names), "NA")
}

#' Largest number of cells on a side of an image of a matrix
#' @noRd
most_cells <- 200

#' Decompose A into the matrices of the model
#'
#' Large matrices are averaged over blocks of entries, a few rows at a time, so that no second
#' matrix of the size of A is needed.
#'
#' @param fit A fit.
#' @param A Its data.
#' @param most Largest number of cells on a side.
#' @return A named list of four matrices.
#' @noRd
matrix_panels <- function(fit, A, most = most_cells, call = caller_env()) {
  cells <- function(size) ceiling(seq_len(size) * min(most, size) / size)
  rows <- split(seq_len(nrow(A)), cells(nrow(A)))
  columns <- cells(ncol(A))
  factors <- fit_factors(fit)
  across <- function(x) {
    if (max(columns) == ncol(x) && nrow(x) == 1) {
      return(x[1, ])
    }
    observed <- colSums(!is.na(x))
    total <- rowsum(cbind(colSums(x, na.rm = TRUE), observed), columns)
    total[, 1] / ifelse(total[, 2] > 0, total[, 2], NA)
  }
  lines <- lapply(rows, function(some) {
    block <- as.matrix(A[some, , drop = FALSE])
    if (isTRUE(fit$ignore_diag)) {
      block[cbind(seq_along(some), some)] <- NA
    }
    part <- factors
    part$u <- factors$u[some, , drop = FALSE]
    fitted <- low_rank(part)
    b <- posterior_block(fit, A, some, seq_len(ncol(A)), 0, call = call)$mean
    lapply(list(block, fitted, b, block - fitted - b), across)
  })
  panels <- lapply(1:4, function(index) {
    panel <- do.call(rbind, lapply(lines, `[[`, index))
    dimnames(panel) <- NULL
    if (identical(dim(panel), dim(A))) {
      dimnames(panel) <- lapply(factors[c("u", "v")], function(x) drawn_names(rownames(x)))
      names(dimnames(panel)) <- NULL
    }
    panel
  })
  stats::setNames(panels, matrix_titles)
}

#' Titles of the four matrices; the first is the sum of the others
#' @noRd
matrix_titles <- c("A", "fitted", "b (posterior mean)", "noise: A - fitted - b")

#' Histogram of the observed residuals, and their density under the model
#'
#' @param fit A fit.
#' @param A Its data.
#' @param breaks As in [graphics::hist()].
#' @return A list of `bars`, an object of class `histogram`; `density`, a data frame of `x` and `y`;
#'   and `top`, the upper limit of the vertical axis.
#' @noRd
residual_histogram <- function(fit, A, breaks = 50, call = caller_env()) {
  residual <- residual_block(fit, A, call = call)
  if (isTRUE(fit$ignore_diag)) {
    diag(residual) <- NA
  }
  residual <- residual[!is.na(residual)]
  x <- seq(min(residual), max(residual), length.out = 400)
  sigmas <- unique(as.vector(entry_sigma(fit)))
  if (length(sigmas) > 200) {
    sigmas <- stats::quantile(sigmas, (1:200 - 0.5) / 200, names = FALSE)
  }
  densities <- vapply(sigmas, FUN.VALUE = x, FUN = function(sigma) {
    residual_density(x, replace(fit, "sigma", sigma))
  })
  density <- data.frame(x = x, y = rowMeans(densities))
  bars <- graphics::hist(residual, breaks = breaks, plot = FALSE)
  # at the lower bound on sigma the density may be a spike that would hide the histogram
  top <- max(bars$density, min(max(density$y), 1.5 * max(bars$density)))
  list(bars = bars, density = density, top = top)
}

#' Log-likelihood of every iteration
#'
#' @param fit A fit.
#' @return A data frame: `part` (a factor: the label of the factor, or the joint refit), `stage`,
#'   `iteration` (cumulative) and `loglik`.
#' @noRd
trace_lines <- function(fit) {
  if (!inherits(fit, "nmu")) {
    count <- length(fit$loglik)
    return(data.frame(
      part = factor(rep("k1", count)), stage = rep(1, count), iteration = seq_len(count),
      loglik = fit$loglik
    ))
  }
  names <- colnames(fit$u)[match(fit$trace$factor, fit$path$factor)]
  # factors that were tried and dropped have no name
  names[is.na(names)] <- paste0("k", fit$trace$factor[is.na(names)])
  refit <- fit$refit$trace
  part <- c(names, rep("joint refit", length(refit$loglik)))
  data.frame(
    part = factor(part, unique(part)),
    stage = c(fit$trace$stage, refit$stage),
    iteration = seq_along(part),
    loglik = c(fit$trace$loglik, refit$loglik)
  )
}

#' Weights and log-likelihood for each number of factors
#'
#' @param fit A fit.
#' @return A data frame: `panel`, `K`, `value`, `series`.
#' @noRd
scree_points <- function(fit) {
  K <- length(fit$d)
  points <- function(panel, series, K, value) {
    known <- is.finite(value)
    rows <- data.frame(K = K[known], value = value[known])
    cbind(panel = rep(panel, nrow(rows)), series = rep(series, nrow(rows)), rows)
  }
  table <- points("weight d", "fit", seq_len(K), fit$d)
  if (inherits(fit, "nmu")) {
    table <- rbind(
      table, points("log-likelihood of the first K", "path", seq_len(K), fit$path$loglik),
      if (!is.null(fit$refit$loglik)) {
        points("log-likelihood of the first K", "joint refit", K, fit$refit$loglik)
      }
    )
  }
  if (!is.null(fit$candidates)) {
    rated <- fit$candidates[!is.na(fit$candidates$criterion), ]
    series <- if (is.null(fit$refit)) "path" else "joint refit"
    table <- rbind(
      table, points("criterion (larger is better)", series, rated$K, rated$criterion)
    )
  }
  table$panel <- factor(table$panel, unique(table$panel))
  table$series <- factor(table$series, c("fit", "path", "joint refit"))
  table
}

#' Range of the log-likelihood in a plot of the trace
#'
#' The first iterations may have values far below all later ones, which would leave no room for
#' these: below the lowest end of a stage, at most half of the range above it is shown.
#'
#' @param lines Value of `trace_lines()`.
#' @return Two numbers.
#' @noRd
trace_limits <- function(lines) {
  ends <- tapply(lines$loglik, list(lines$part, lines$stage), utils::tail, 1)
  top <- max(lines$loglik)
  lowest <- min(ends, na.rm = TRUE)
  room <- max(top - lowest, 0.02 * abs(top))
  c(max(min(lines$loglik), lowest - 0.5 * room), top)
}
