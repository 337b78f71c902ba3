# Plots in base graphics. Each function restores the graphical parameters of the device.

#' Draw with default settings that the user may override
#'
#' @param draw A function of `...`.
#' @param ours A named list of defaults.
#' @param ... Arguments of the user.
#' @return The value of `draw`.
#' @noRd
draw_with <- function(draw, ours, ...) {
  given <- list(...)
  do.call(draw, c(ours[setdiff(names(ours), names(given))], given))
}

#' Set the margins of a figure, less than is asked for where it is small
#'
#' The plot itself has at least 30 per cent of the width and of the height.
#'
#' @param wanted Margins in lines: bottom, left, top, right.
#' @param figure Width and height of the figure, in inches.
#' @return The earlier setting, for [graphics::par()].
#' @noRd
set_margins <- function(wanted, figure = graphics::par("fin")) {
  old <- graphics::par(mar = wanted)
  inches <- graphics::par("mai")
  room <- 0.7 * figure
  shrink <- function(sides, room) wanted[sides] * min(1, room / max(sum(inches[sides]), 1e-6))
  wanted[c(2, 4)] <- shrink(c(2, 4), room[1])
  wanted[c(1, 3)] <- shrink(c(1, 3), room[2])
  graphics::par(mar = wanted)
  old
}

#' Draw the loadings, a panel for each factor
#'
#' @param fit A fit.
#' @param shown Numbers of the factors.
#' @param group Value of `check_group()`.
#' @param style `"bars"` or `"lines"`.
#' @param scale One of `loading_scales`.
#' @param ... Passed on to [graphics::barplot()] or [graphics::plot.default()].
#' @noRd
plot_loadings <- function(fit, shown, group, style, scale, ...) {
  sides <- if (fit$symmetric) "u" else c("u", "v")
  layout <- if (fit$symmetric) grDevices::n2mfrow(length(shown)) else c(length(shown), 2)
  panels <- lapply(stats::setNames(sides, sides), function(side) {
    panels <- loading_panels(fit, side, shown, group[[side]], scale)
    # labels must leave room for what they name
    width <- if (length(panels$labels) > 60) 0 else if (layout[1] > 2) 10 else 18
    panels$labels <- strtrim(panels$labels, width)
    panels
  })
  old <- graphics::par(mfrow = layout, las = 2)
  on.exit(graphics::par(old))
  for (index in seq_along(shown)) {
    for (side in sides) draw_loadings(panels[[side]], index, style, ...)
  }
}

#' Draw the loadings of one factor
#'
#' @param panels Value of `loading_panels()`.
#' @param index The number of the column.
#' @param style,... As in `plot_loadings()`.
#' @noRd
draw_loadings <- function(panels, index, style, ...) {
  group <- panels$group
  # names of a few groups are horizontal, those of many are rotated
  turned <- nlevels(group) > 4
  names <- if (is.null(group)) panels$labels else if (turned) strtrim(levels(group), 14) else ""
  bottom <- max(nchar(names))
  wanted <- min(1.2 + bottom * 0.45, 9)
  old <- set_margins(c(wanted, 3.5, 2, 0.5))
  on.exit(graphics::par(old))
  # in a small figure, only what has room of each label
  if (graphics::par("mar")[1] < wanted) {
    panels$labels <- strtrim(panels$labels, max((graphics::par("mar")[1] - 1.2) / 0.45, 0))
  }
  colours <- if (is.null(group)) plain else viridis(nlevels(group), 0.9)[group]
  value <- panels$values[, index]
  small <- min(0.75, 26 / length(value))
  # a null factor has an empty panel, which starts at zero like all others
  limits <- c(0, if (any(value > 0)) max(value) else 1)
  if (style == "bars") {
    at <- draw_with(function(...) graphics::barplot(value, ...), list(
      names.arg = if (is.null(group)) panels$labels else rep("", length(value)), cex.names = small,
      col = colours, border = NA, space = if (length(value) > 60) 0 else 0.2, ylim = limits,
      main = panels$titles[index], cex.main = 0.95
    ), ...)
  } else {
    at <- seq_along(value)
    draw_with(function(...) graphics::plot.default(at, value, ...), list(
      type = "n", xaxt = "n", xlab = "", ylab = "", bty = "n", ylim = limits,
      main = panels$titles[index], cex.main = 0.95
    ), ...)
    graphics::lines(at, value, col = "grey60")
    graphics::points(at, value, col = colours, pch = 16, cex = 0.6)
    if (is.null(group)) {
      graphics::axis(1, at, panels$labels, tick = FALSE, cex.axis = small, line = -0.8)
    }
  }
  if (!is.null(group)) {
    middle <- tapply(as.vector(at), group, mean)
    for (level in seq_along(middle)) {
      graphics::mtext(
        strtrim(levels(group)[level], 14), 1,
        at = middle[level], las = if (turned) 2 else 1, cex = 0.6, line = 0.1
      )
    }
  }
}

#' Draw A and its decomposition, on one scale
#'
#' @param panels Value of `matrix_panels()`.
#' @param ... Passed on to [graphics::image()].
#' @noRd
plot_matrices <- function(panels, ...) {
  limits <- range(unlist(panels), finite = TRUE)
  if (diff(limits) == 0) {
    limits <- limits + c(-0.5, 0.5)
  }
  colours <- viridis(100)
  size <- grDevices::dev.size()
  wide <- size[1] > 2 * size[2]
  old <- graphics::par(c("mar", "mfrow"))
  on.exit(graphics::par(old))
  frame <- if (wide) matrix(1:4, 1) else matrix(1:4, 2, byrow = TRUE)
  # centimetres of the scale
  key <- min(2.2, 0.2 * 2.54 * size[1])
  graphics::layout(cbind(frame, 5), widths = c(rep(1, ncol(frame)), graphics::lcm(key)))
  # the size of a figure of a layout is known only when it has been started
  figure <- c((size[1] - key / 2.54) / ncol(frame), size[2] / nrow(frame))
  for (title in names(panels)) {
    panel <- panels[[title]]
    labels <- if (nrow(panel) <= 40) rownames(panel)
    left <- if (is.null(labels)) 1 else min(1 + 0.4 * max(nchar(strtrim(labels, 14))), 7)
    set_margins(c(1, left, 2, 0.5), figure)
    upright <- t(panel[rev(seq_len(nrow(panel))), , drop = FALSE])
    draw_with(function(...) graphics::image(upright, ...), list(
      zlim = limits, col = colours, axes = FALSE, main = title, cex.main = 1
    ), ...)
    if (!is.null(labels)) {
      at <- if (length(labels) > 1) seq(1, 0, length.out = length(labels)) else 0
      graphics::axis(
        2, at, strtrim(labels, 14),
        tick = FALSE, las = 1, cex.axis = 0.6, line = -0.8, gap.axis = 0
      )
    }
    graphics::box(col = "grey70")
  }
  set_margins(c(1, 0.5, 2, 3), c(key / 2.54, size[2]))
  graphics::image(
    1, seq(limits[1], limits[2], length.out = 101), matrix(1:100, 1),
    col = colours, axes = FALSE, xlab = "", ylab = ""
  )
  graphics::axis(4, las = 1, cex.axis = 0.8)
}

#' Draw the histogram of the residuals with the density of the model
#'
#' @param fit A fit.
#' @param A Its data.
#' @param breaks As in [graphics::hist()].
#' @param ... Passed on to the plot of a histogram.
#' @noRd
plot_residuals <- function(fit, A, breaks = 50, ..., call = caller_env()) {
  histogram <- residual_histogram(fit, A, breaks, call = call)
  old <- set_margins(graphics::par("mar"))
  on.exit(graphics::par(old))
  draw_with(function(...) plot(histogram$bars, ...), list(
    freq = FALSE, col = "grey85", border = "grey60", xlab = "residual A - fitted",
    main = noise_text(fit), ylim = c(0, histogram$top)
  ), ...)
  graphics::lines(histogram$density, col = accent, lwd = 2)
  graphics::legend(
    "topright",
    legend = c("residuals", "EMG density of the model"), bty = "n", cex = 0.85,
    fill = c("grey85", NA), border = c("grey60", NA), lty = c(NA, 1), lwd = 2, col = c(NA, accent)
  )
}

#' Draw the log-likelihood against the iterations
#'
#' @param fit A fit.
#' @param ... Passed on to [graphics::plot.default()].
#' @noRd
plot_trace <- function(fit, ...) {
  lines <- trace_lines(fit)
  colours <- viridis(nlevels(lines$part), 0.9)
  old <- set_margins(c(4, 4, 2, 8.5))
  on.exit(graphics::par(old))
  draw_with(function(...) graphics::plot.default(lines$iteration, lines$loglik, ...), list(
    type = "n", ylim = trace_limits(lines), xlab = "cumulative iteration",
    ylab = "log-likelihood", bty = "n"
  ), ...)
  for (run in split(lines, list(lines$part, lines$stage), drop = TRUE)) {
    graphics::lines(run$iteration, run$loglik, col = colours[run$part[1]], lwd = 2)
    if (nrow(run) == 1) {
      graphics::points(run$iteration, run$loglik, col = colours[run$part[1]], pch = 16, cex = 0.6)
    }
  }
  corner <- graphics::par("usr")
  graphics::legend(
    corner[2], corner[4],
    legend = levels(lines$part), col = colours, lwd = 2, bty = "n", xpd = NA, cex = 0.85
  )
}

#' Draw weights and log-likelihood against the number of factors
#'
#' @param fit A fit.
#' @param ... Passed on to [graphics::plot.default()].
#' @noRd
plot_scree <- function(fit, ...) {
  points <- scree_points(fit)
  panels <- split(points, points$panel)
  old <- graphics::par(mfrow = c(1, length(panels)))
  on.exit(graphics::par(old))
  old <- c(old, set_margins(c(4, 4, 2.5, 1)))
  colours <- c(plain, plain, accent)
  for (title in names(panels)) {
    panel <- panels[[title]]
    present <- sort(unique(as.integer(panel$series)))
    # the axis of weights includes zero, also if all are zero
    zero <- c(0, if (all(panel$value == 0)) 1)
    # room for the legend below the points
    room <- if (length(present) > 1) 0.2 * diff(range(panel$value)) else 0
    draw_with(function(...) graphics::plot.default(panel$K, panel$value, ...), list(
      type = "n", xlab = "K", ylab = "", main = title, cex.main = 1, bty = "n", xaxt = "n",
      ylim = range(panel$value, min(panel$value) - room, if (title == "weight d") zero)
    ), ...)
    whole <- pretty(panel$K)
    graphics::axis(1, whole[whole %% 1 == 0])
    for (one in split(panel, panel$series, drop = TRUE)) {
      style <- as.integer(one$series[1])
      graphics::lines(one$K, one$value, col = colours[style])
      graphics::points(one$K, one$value, col = colours[style], pch = c(16, 16, 17)[style])
    }
    if (length(present) > 1) {
      graphics::legend(
        "bottomright",
        legend = levels(panel$series)[present], col = colours[present], lty = 1,
        pch = c(16, 16, 17)[present], bty = "n", cex = 0.85
      )
    }
  }
}
