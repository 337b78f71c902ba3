#' Plot a fit
#'
#' Draws in base graphics either the loadings, a panel for each factor, or the residuals: a
#' histogram with the density that the model expects of them: [demg()] at the fitted
#' \eqn{\lambda} and \eqn{\sigma}, or the mixture of such densities that `prior_b` makes.
#'
#' @param x A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param type `"loadings"` (of rows; and of columns in a second column of panels, where `A`
#'   is not symmetric) or `"residuals"`. Case matters, the beginning of a word is enough.
#' @param factors Whole numbers: which factors to draw; by default all, but at most 12 (6
#'   where `A` is not symmetric).
#' @param A The data, for `type = "residuals"` where the fit has not kept them.
#' @param ... Passed on to [graphics::barplot()] or [graphics::hist()].
#'
#' @return The fit, invisibly.
#'
#' @section Errors: Class `nmu_error_input` where `type` or `factors` is not as described or
#'   the data are needed and neither kept nor given.
#'
#' @examples
#' fit <- nmu(Harman74.cor$cov, K = 2)
#' plot(fit)
#' plot(fit, type = "residuals")
#' @export
plot.nmu_fit <- function(x, type = c("loadings", "residuals"), factors = NULL, A = NULL, ...) {
  call <- quote(plot(x))
  type <- check_choice(type, "type", c("loadings", "residuals"), call)
  if (type == "residuals") {
    plot_residuals(x, fit_data(x, A, call), ...)
  } else {
    plot_loadings(x, check_factors(factors, x, call), ...)
  }
  invisible(x)
}

#' Check which factors are to be drawn
#'
#' @param factors The numbers given, or `NULL`.
#' @param fit The fit.
#' @param call The user's call.
#' @return Whole numbers from 1 to K.
#' @noRd
check_factors <- function(factors, fit, call) {
  K <- length(fit$d)
  if (is.null(factors)) {
    return(seq_len(min(K, if (fit$symmetric) 12 else 6)))
  }
  if (!is.numeric(factors) || length(factors) == 0 || !all(factors %in% seq_len(K))) {
    found <- if (is.numeric(factors) && length(factors) > 0) {
      format(factors[!(factors %in% seq_len(K))][1], digits = 15)
    } else {
      describe(factors)
    }
    abort_input("factors", sprintf("whole numbers from 1 to %d", K), found, call)
  }
  as.integer(factors)
}

#' Draw the loadings as bars
#'
#' @param fit A fit.
#' @param shown Which factors.
#' @param ... Passed on to [graphics::barplot()].
#' @noRd
plot_loadings <- function(fit, shown, ...) {
  factors <- fit_factors(fit)
  sides <- if (fit$symmetric) "u" else c("u", "v")
  labels <- lapply(factors[sides], bar_labels)
  layout <- if (fit$symmetric) grDevices::n2mfrow(length(shown)) else c(length(shown), 2)
  longest <- max(nchar(unlist(labels)))
  old <- graphics::par(mfrow = layout, mar = c(min(1 + longest / 2, 8), 4, 2, 1), las = 2)
  on.exit(graphics::par(old))
  for (k in shown) {
    for (side in sides) {
      graphics::barplot(
        factors[[side]][, k],
        names.arg = labels[[side]], cex.names = 0.8, col = "#0072B2", border = NA,
        main = sprintf("%s%d, d = %s", side, k, signif_text(factors$d[k])),
        ...
      )
    }
  }
}

#' Labels under the bars of a factor
#'
#' @param x Matrix of factors.
#' @return Row names cut to 14 characters, row numbers where there are none, and nothing
#'   where they are too many to be read.
#' @noRd
bar_labels <- function(x) {
  if (nrow(x) > 60) {
    return(rep("", nrow(x)))
  }
  strtrim(rownames(x) %||% seq_len(nrow(x)), 14)
}

#' Draw the histogram of the residuals with the density expected
#'
#' @param fit A fit.
#' @param A Its data.
#' @param ... Passed on to [graphics::hist()].
#' @noRd
plot_residuals <- function(fit, A, ...) {
  residual <- as.vector(residuals(fit, A = A))
  grid <- seq(min(residual), max(residual), length.out = 400)
  density <- residual_density(grid, fit)
  bars <- graphics::hist(residual, breaks = 50, plot = FALSE)
  graphics::hist(
    residual,
    breaks = 50, freq = FALSE, col = "grey85", border = "grey60", xlab = "residual",
    main = noise_text(fit), ylim = range(0, density, bars$density), ...
  )
  graphics::lines(grid, density, col = "#D55E00", lwd = 2)
}
