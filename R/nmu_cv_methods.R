#' Methods for cross-validations
#'
#' @param x,object An object of class `nmu_cv`, made by [nmu_cv()]; `x` of `print()` may also be its
#'   summary.
#' @param type What to draw against the number of factors: the held-out log-likelihood per entry,
#'   `"loglik"`, or the mean squared error, `"error"`. Case-sensitive; may be abbreviated.
#' @param ... `plot()`: passed on to [graphics::plot.default()]; these arguments override the
#'   settings of this package. Otherwise not used.
#'
#' @return
#' * `print()`: the object, invisibly; `format()`: the printed text, a character vector.
#' * `summary()`: an object of class `summary.nmu_cv`, a list of `title`, `table` (the element
#'   `summary` of the object), `best` (the chosen row) and `choice` (text). It prints as the table,
#'   in which `*` marks the chosen row, without priors that are the same throughout and without
#'   counts of failures that are zero.
#' * `plot()`: the object, invisibly; `autoplot()`: an object of class `ggplot`. A line for each
#'   combination of priors, with bars of one standard error. Vertical lines are the chosen number of
#'   factors (solid) and that by the rule of one standard error (dashed, if it differs).
#' * `tidy()`: the element `summary` of the object, a plain data frame; `glance()`: a data frame of
#'   one row: `K`, `one_se`, `prior`, `prior_b` (labels), `error`, `error_se`, `loglik`, `loglik_se`
#'   of the choice; `folds`, `fits`, `failed`, `unconverged`, numbers of folds and of fits. Both are
#'   methods for the generics of the package generics.
#'
#' @section Errors: Class `nmu_error_input` if `type` is not one of its choices.
#'
#' @examples
#' set.seed(1)
#' A <- tcrossprod(matrix(rexp(60), 30), matrix(rexp(24), 12)) + rexp(360, 5)
#' cv <- nmu_cv(A, K = 1:3, folds = 3)
#' summary(cv)
#' plot(cv)
#' plot(cv, type = "error")
#' if (requireNamespace("ggplot2", quietly = TRUE)) {
#'   ggplot2::autoplot(cv)
#' }
#' @name nmu_cv_methods
NULL

#' @rdname nmu_cv_methods
#' @method print nmu_cv
#' @export
print.nmu_cv <- function(x, ...) {
  refuse_dots(...)
  cat_wrapped(format(x))
  invisible(x)
}

#' @rdname nmu_cv_methods
#' @method format nmu_cv
#' @export
format.nmu_cv <- function(x, ...) {
  refuse_dots(...)
  c(cli::style_bold(cv_title(x)), cv_choice_text(x), cv_problem_text(x$summary))
}

#' Format the title of a cross-validation
#' @param cv An object of class `nmu_cv`.
#' @return One string.
#' @noRd
cv_title <- function(cv) {
  folds <- length(unique(cv$folds$fold))
  sprintf(
    "<nmu_cv> %d x %d matrix, %d fold%s, %d combination%s", nrow(cv$assignment),
    ncol(cv$assignment), folds, if (folds == 1) "" else "s", nrow(cv$summary),
    if (nrow(cv$summary) == 1) "" else "s"
  )
}

#' Format the choice of a cross-validation
#' @param cv An object of class `nmu_cv`.
#' @return Strings.
#' @noRd
cv_choice_text <- function(cv) {
  chosen <- cv$summary[cv$best, ]
  with_se <- function(value, se) {
    se <- if (!is.na(se)) sprintf(" (se %s)", signif_text(se))
    paste0(signif_text(value), se)
  }
  c(
    sprintf(
      "K = %d (one standard error: %d), prior %s, prior_b %s", cv$K, cv$one_se, chosen$prior,
      chosen$prior_b
    ),
    sprintf(
      "held-out log-likelihood per entry = %s, mean squared error = %s",
      with_se(chosen$loglik, chosen$loglik_se), with_se(chosen$error, chosen$error_se)
    )
  )
}

#' Format the numbers of fits that failed or did not converge
#' @param table Data frame of all combinations.
#' @return One string, or `NULL` if there are none.
#' @noRd
cv_problem_text <- function(table) {
  counts <- c(failed = sum(table$failed), "not converged" = sum(table$unconverged))
  counts <- counts[counts > 0]
  if (length(counts) > 0) {
    paste("fits:", paste(sprintf("%d %s", counts, names(counts)), collapse = ", "))
  }
}

#' @rdname nmu_cv_methods
#' @method summary nmu_cv
#' @export
summary.nmu_cv <- function(object, ...) {
  refuse_dots(...)
  structure(
    list(
      title = cv_title(object), table = object$summary, best = object$best,
      choice = c(cv_choice_text(object), cv_problem_text(object$summary))
    ),
    class = "summary.nmu_cv"
  )
}

#' @rdname nmu_cv_methods
#' @method print summary.nmu_cv
#' @export
print.summary.nmu_cv <- function(x, ...) {
  refuse_dots(...)
  cli::cat_line(cli::style_bold(x$title))
  shown <- x$table
  numbers <- c("error", "error_se", "loglik", "loglik_se")
  shown[numbers] <- lapply(shown[numbers], signif_text)
  # the priors of the choice are printed below
  same <- vapply(shown, function(column) length(unique(column)) == 1, NA)
  none <- vapply(shown, identical, NA, integer(nrow(shown)))
  shown <- shown[!(names(shown) %in% c("prior", "prior_b") & same) & !none]
  mark <- replace(rep("", nrow(shown)), x$best, "*")
  print(data.frame(" " = mark, shown, check.names = FALSE), row.names = FALSE)
  cat_wrapped(x$choice)
  invisible(x)
}

#' @rdname nmu_cv_methods
#' @exportS3Method generics::tidy
tidy.nmu_cv <- function(x, ...) { # nolint: object_name_linter.
  refuse_dots(...)
  x$summary
}

#' @rdname nmu_cv_methods
#' @exportS3Method generics::glance
glance.nmu_cv <- function(x, ...) { # nolint: object_name_linter.
  refuse_dots(...)
  chosen <- x$summary[x$best, ]
  measures <- c("prior", "prior_b", "error", "error_se", "loglik", "loglik_se")
  data.frame(
    K = x$K, one_se = x$one_se, chosen[measures],
    folds = length(unique(x$folds$fold)), fits = nrow(x$folds),
    failed = sum(x$summary$failed), unconverged = sum(x$summary$unconverged), row.names = NULL
  )
}

#' Points of the plot of a cross-validation
#'
#' @param cv An object of class `nmu_cv`.
#' @param type `"loglik"` or `"error"`.
#' @return A data frame without failed combinations: `K`, `value`, `lower`, `upper` (one standard
#'   error; the value itself where that is not known) and `series`, a factor: the priors that
#'   differ.
#' @noRd
cv_points <- function(cv, type) {
  table <- cv$summary
  labels <- Filter(function(label) length(unique(label)) > 1, table[c("prior", "prior_b")])
  series <- if (length(labels) > 0) do.call(paste, c(labels, sep = ", ")) else ""
  se <- table[[paste0(type, "_se")]]
  se[is.na(se)] <- 0
  value <- table[[type]]
  points <- data.frame(
    K = table$K, value = value, lower = value - se, upper = value + se,
    series = factor(series, unique(series))
  )
  points <- points[is.finite(value), ]
  points[order(points$series, points$K), ]
}

#' Types of plots of a cross-validation, with their labels
#' @noRd
cv_plot_types <- c(
  loglik = "held-out log-likelihood per entry", error = "held-out mean squared error"
)

#' Numbers of factors that a plot marks
#' @param cv An object of class `nmu_cv`.
#' @return A data frame of `K` and `line`, the type of the line.
#' @noRd
cv_marks <- function(cv) {
  marks <- data.frame(K = c(cv$K, cv$one_se), line = c("solid", "dashed"))
  marks[!duplicated(marks$K), ]
}

#' @rdname nmu_cv_methods
#' @export
plot.nmu_cv <- function(x, type = c("loglik", "error"), ...) {
  type <- check_choice(type, names(cv_plot_types))
  points <- cv_points(x, type)
  marks <- cv_marks(x)
  colours <- viridis(nlevels(points$series), 0.9)
  several <- nlevels(points$series) > 1
  if (several) {
    old <- graphics::par(mar = c(4, 4, 2, 11))
    on.exit(graphics::par(old))
  }
  draw_with(function(...) graphics::plot.default(points$K, points$value, ...), list(
    type = "n", ylim = range(points$lower, points$upper), xlab = "K",
    ylab = cv_plot_types[[type]], bty = "n", xaxt = "n"
  ), ...)
  graphics::axis(1, sort(unique(points$K)))
  graphics::abline(v = marks$K, lty = marks$line, col = "grey70")
  for (one in split(points, points$series)) {
    colour <- colours[as.integer(one$series)]
    graphics::segments(one$K, one$lower, one$K, one$upper, col = colour)
    graphics::lines(one$K, one$value, col = colour)
    graphics::points(one$K, one$value, col = colour, pch = 16)
  }
  if (several) {
    corner <- graphics::par("usr")
    graphics::legend(
      corner[2], corner[4],
      legend = levels(points$series), col = colours, lty = 1, pch = 16, bty = "n", xpd = NA,
      cex = 0.85
    )
  }
  invisible(x)
}

#' @rdname nmu_cv_methods
#' @exportS3Method ggplot2::autoplot
autoplot.nmu_cv <- function(object, type = c("loglik", "error"), # nolint: object_name_linter.
                            ...) {
  refuse_dots(...)
  type <- check_choice(type, names(cv_plot_types))
  points <- cv_points(object, type)
  marks <- cv_marks(object)
  known <- levels(points$series)
  ggplot2::ggplot(
    points, ggplot2::aes(x = .data$K, y = .data$value, colour = .data$series)
  ) +
    ggplot2::geom_vline(xintercept = marks$K, linetype = marks$line, colour = "grey70") +
    ggplot2::geom_linerange(ggplot2::aes(ymin = .data$lower, ymax = .data$upper)) +
    ggplot2::geom_line(data = several("series")) +
    ggplot2::geom_point(size = 2) +
    ggplot2::scale_colour_manual(values = viridis(length(known), 0.9), limits = known) +
    ggplot2::scale_x_continuous(breaks = sort(unique(points$K))) +
    ggplot2::labs(y = cv_plot_types[[type]], colour = NULL) +
    gg_theme() +
    ggplot2::theme(legend.position = if (length(known) > 1) "bottom" else "none")
}
