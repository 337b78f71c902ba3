# Methods for ggplot2::autoplot(). ggplot2 is only suggested, so that its functions are called with
# their namespace; columns are accessed by .data, as its documentation recommends for packages.

#' @rdname plot.nmu_fit
#' @exportS3Method ggplot2::autoplot
autoplot.nmu_fit <- function(object, type = c( # nolint: object_name_linter.
                               "loadings", "matrices", "residuals", "trace", "scree", "tree"
                             ),
                             factors = NULL, A = NULL, group = NULL,
                             style = c("bars", "lines"), scale = c("weighted", "unit"), ...) {
  type <- check_choice(type, plot_types)
  style <- check_choice(style, c("bars", "lines"))
  scale <- check_choice(scale, loading_scales)
  refuse_dots(..., permitted = if (type == "tree") tree_arguments() else character())
  switch(type,
    loadings = gg_loadings(
      object, check_factors(factors, object), check_group(group, object), style, scale
    ),
    matrices = gg_matrices(matrix_panels(object, check_drawable(type, object, A))),
    residuals = gg_residuals(object, check_drawable(type, object, A)),
    trace = gg_trace(check_trace(object)),
    scree = gg_scree(object),
    tree = autoplot.nmu_tree(factor_tree(object, ...))
  )
}

#' Plots of a fit by ggplot2
#'
#' @param fit,shown,group,style,scale,panels,A As in `plot_loadings()`, `plot_matrices()` and
#'   `plot_residuals()`.
#' @return An object of class `ggplot`.
#' @name gg
#' @noRd
gg_loadings <- function(fit, shown, group, style, scale) {
  sides <- if (fit$symmetric) "u" else c("u", "v")
  tables <- lapply(sides, function(side) {
    panels <- loading_panels(fit, side, shown, group[[side]], scale)
    size <- nrow(panels$values)
    data.frame(
      # columns are far from rows on the axis, so that each position has one label
      position = rep(seq_len(size) + if (side == "v") 1e6 else 0, length(shown)),
      label = if (size > 60) "" else panels$labels, value = as.vector(panels$values),
      group = if (is.null(panels$group)) "" else as.character(panels$group),
      panel = factor(rep(panels$titles, each = size), panels$titles)
    )
  })
  table <- do.call(rbind, tables)
  # the two sides of a factor are next to each other
  titles <- lapply(tables, function(table) levels(table$panel))
  table$panel <- factor(table$panel, unique(as.vector(do.call(rbind, titles))))
  known <- unlist(lapply(group[sides], levels))
  table$group <- factor(table$group, unique(c(known, table$group)))
  known <- unique(known)
  colours <- c(stats::setNames(viridis(length(known), 0.9), known), stats::setNames(plain, ""))
  axis <- unique(table[table$label != "", c("position", "label")])
  marks <- if (style == "bars") {
    list(ggplot2::geom_col(ggplot2::aes(fill = .data$group), width = 0.85))
  } else {
    list(
      ggplot2::geom_line(data = several("panel"), colour = "grey60"),
      ggplot2::geom_point(ggplot2::aes(colour = .data$group), size = 1)
    )
  }
  ggplot2::ggplot(table, ggplot2::aes(x = .data$position, y = .data$value)) +
    marks +
    ggplot2::facet_wrap(
      "panel",
      scales = if (fit$symmetric) "fixed" else "free", ncol = if (!fit$symmetric) 2
    ) +
    ggplot2::scale_x_continuous(
      breaks = axis$position, labels = axis$label,
      guide = ggplot2::guide_axis(check.overlap = TRUE)
    ) +
    ggplot2::scale_fill_manual(
      values = colours, breaks = known, aesthetics = c("fill", "colour")
    ) +
    ggplot2::labs(x = NULL, y = "loading", fill = NULL, colour = NULL) +
    gg_theme() +
    ggplot2::theme(
      axis.text.x = ggplot2::element_text(angle = 90, hjust = 1, vjust = 0.5, size = 7),
      legend.position = if (length(known) > 0) "bottom" else "none"
    )
}

#' Rows of a table in groups of two or more: ggplot2 warns about lines of a single point
#'
#' @param by Names of the columns that define a line.
#' @return A function of the table, for the argument `data` of a layer.
#' @noRd
several <- function(by) {
  function(table) {
    count <- stats::ave(seq_len(nrow(table)), interaction(table[by]), FUN = length)
    table[count > 1, ]
  }
}

#' @rdname gg
#' @noRd
gg_theme <- function() {
  # plots are saved with their background, and readable on a dark page, too
  ggplot2::theme_minimal() +
    ggplot2::theme(
      panel.grid.minor = ggplot2::element_blank(),
      plot.background = ggplot2::element_rect(fill = "white", colour = NA)
    )
}

#' @rdname gg
#' @noRd
gg_matrices <- function(panels) {
  cells <- lapply(names(panels), function(title) {
    panel <- panels[[title]]
    data.frame(
      row = as.vector(row(panel)), column = as.vector(col(panel)), value = as.vector(panel),
      panel = factor(title, names(panels))
    )
  })
  labels <- if (nrow(panels[[1]]) <= 40) rownames(panels[[1]])
  rows <- if (is.null(labels)) {
    ggplot2::scale_y_reverse(breaks = NULL, expand = c(0, 0))
  } else {
    ggplot2::scale_y_reverse(
      breaks = seq_along(labels), labels = strtrim(labels, 18), expand = c(0, 0)
    )
  }
  ggplot2::ggplot(
    do.call(rbind, cells), ggplot2::aes(x = .data$column, y = .data$row, fill = .data$value)
  ) +
    ggplot2::geom_raster() +
    ggplot2::facet_wrap("panel", nrow = 1) +
    ggplot2::scale_x_continuous(breaks = NULL, expand = c(0, 0)) +
    rows +
    ggplot2::scale_fill_gradientn(colours = viridis(20), na.value = "white") +
    ggplot2::labs(x = NULL, y = NULL, fill = NULL) +
    gg_theme() +
    ggplot2::theme(axis.text.y = ggplot2::element_text(size = 7))
}

#' @rdname gg
#' @noRd
gg_residuals <- function(fit, A, call = caller_env()) {
  histogram <- residual_histogram(fit, A, call = call)
  bars <- histogram$bars
  table <- data.frame(x = bars$mids, y = bars$density, width = diff(bars$breaks))
  ggplot2::ggplot(table, ggplot2::aes(x = .data$x, y = .data$y)) +
    ggplot2::geom_col(width = table$width, fill = "grey85", colour = "grey60") +
    ggplot2::geom_line(data = histogram$density, colour = accent, linewidth = 0.9) +
    ggplot2::coord_cartesian(ylim = c(0, histogram$top)) +
    ggplot2::labs(
      x = "residual A - fitted", y = "density", title = noise_text(fit),
      subtitle = "bars: residuals; line: EMG density of the model"
    ) +
    gg_theme()
}

#' @rdname gg
#' @noRd
gg_trace <- function(fit) {
  table <- trace_lines(fit)
  table$run <- interaction(table$part, table$stage)
  ggplot2::ggplot(
    table, ggplot2::aes(
      x = .data$iteration, y = .data$loglik, colour = .data$part, group = .data$run
    )
  ) +
    ggplot2::geom_line(data = several("run"), linewidth = 0.8) +
    ggplot2::geom_point(size = 0.5) +
    ggplot2::scale_colour_manual(
      values = viridis(nlevels(table$part), 0.9), limits = levels(table$part)
    ) +
    ggplot2::coord_cartesian(ylim = trace_limits(table)) +
    ggplot2::labs(x = "cumulative iteration", y = "log-likelihood", colour = NULL) +
    gg_theme()
}

#' @rdname gg
#' @noRd
gg_scree <- function(fit) {
  table <- scree_points(fit)
  present <- sort(unique(as.integer(table$series)))
  known <- levels(table$series)[present]
  ggplot2::ggplot(
    table, ggplot2::aes(
      x = .data$K, y = .data$value, colour = .data$series, shape = .data$series
    )
  ) +
    ggplot2::geom_line(data = several(c("panel", "series"))) +
    ggplot2::geom_point(size = 2) +
    # weights start at zero
    ggplot2::geom_blank(data = replace(table[table$panel == "weight d", ], "value", 0)) +
    ggplot2::facet_wrap("panel", scales = "free") +
    ggplot2::scale_colour_manual(
      values = c("grey30", plain, accent)[present], limits = known
    ) +
    ggplot2::scale_shape_manual(values = c(15, 16, 17)[present], limits = known) +
    ggplot2::scale_x_continuous(breaks = function(limits) {
      whole <- pretty(limits)
      whole[whole %% 1 == 0]
    }) +
    ggplot2::labs(y = NULL, colour = NULL, shape = NULL) +
    gg_theme() +
    ggplot2::theme(legend.position = if (length(present) > 1) "bottom" else "none")
}

#' @rdname nmu_tree_methods
#' @param object An object of class `nmu_tree`.
#' @exportS3Method ggplot2::autoplot
autoplot.nmu_tree <- function(object, labels = NULL, ...) { # nolint: object_name_linter.
  refuse_dots(...)
  labels <- labels %||% (nrow(object$tips) <= 60)
  labels <- check_flag(labels)
  layout <- tree_layout(object, labels)
  reach <- max(layout$segments$xend, layout$tips$x)
  plot <- ggplot2::ggplot(layout$segments) +
    ggplot2::geom_segment(
      ggplot2::aes(x = .data$x, y = .data$y, xend = .data$xend, yend = .data$yend),
      colour = "grey30", linewidth = 0.9
    ) +
    ggplot2::geom_text(
      ggplot2::aes(x = .data$x, y = .data$y, label = .data$label),
      data = layout$tips, hjust = 0, nudge_x = 0.01 * reach,
      size = min(3.2, 100 / max(layout$tips$y))
    ) +
    ggplot2::scale_y_reverse(breaks = NULL) +
    ggplot2::scale_x_continuous(expand = ggplot2::expansion(c(0.02, 0.35))) +
    ggplot2::labs(x = "length", y = NULL) +
    gg_theme()
  if (is.null(layout$branches)) {
    return(plot)
  }
  plot + ggplot2::geom_text(
    ggplot2::aes(x = .data$x, y = .data$y, label = .data$label),
    data = layout$branches, vjust = -0.5, size = 3, colour = accent, fontface = "bold"
  )
}
