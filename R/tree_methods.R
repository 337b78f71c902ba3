#' Methods for trees of factors
#'
#' @param x An object of class `nmu_tree`, made by [factor_tree()]; for `as_newick()` also a fit.
#' @param labels `TRUE` or `FALSE`: whether to label the tips. `NULL` means: if there are at most
#'   60.
#' @param ... `plot()`: passed on to [graphics::plot.default()]. `as_newick()`: arguments of
#'   [factor_tree()] if `x` is a fit. Otherwise must be empty.
#'
#' @return
#' * `print()`, `plot()`: the tree, invisibly. `plot()` draws a branch of the given length for each
#'   factor, from the root on the left, and the tips; without labels, each
#'   bracket represents all tips of one factor.
#' * `as_newick()`: one string, the tree in the Newick format, with factors as names of inner nodes
#'   and tips of length zero. Names that the format does not allow are quoted.
#' * `ape::as.phylo()`: an object of class `phylo` of the package ape, with factors as
#'   `node.label`. Factors with a single child are kept; `ape::collapse.singles()` removes them.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described.
#'
#' @examples
#' set.seed(1)
#' fit <- nmu(sim_tree(n = 2), K = NULL, refine = FALSE)
#' as_newick(fit)
#' plot(factor_tree(fit))
#' if (requireNamespace("ape", quietly = TRUE)) {
#'   ape::as.phylo(factor_tree(fit))
#' }
#' @name nmu_tree_methods
NULL

#' @rdname nmu_tree_methods
#' @method print nmu_tree
#' @export
print.nmu_tree <- function(x, ...) {
  refuse_dots(...)
  cli::cat_line(cli::style_bold(sprintf(
    "<nmu_tree> %d tip%s, %d factor%s", nrow(x$tips), if (nrow(x$tips) == 1) "" else "s",
    nrow(x$branches), if (nrow(x$branches) == 1) "" else "s"
  )))
  for (line in tree_lines(x, NA, "")) cli::cat_line(line)
  alone <- sum(is.na(x$tips$parent))
  if (alone > 0) {
    cli::cat_line(sprintf("%d tip%s in no factor", alone, if (alone == 1) "" else "s"))
  }
  if (nrow(x$left_out) > 0) {
    why <- ifelse(is.na(x$left_out$conflict), "", sprintf(" (overlaps %s)", x$left_out$conflict))
    cat_wrapped(paste("left out:", paste0(x$left_out$factor, why, collapse = ", ")))
  }
  invisible(x)
}

#' Format the branches below a factor as lines of text
#'
#' @param tree The tree.
#' @param parent Name of the factor, or `NA` for the root.
#' @param indent Prefix of each line.
#' @return Strings.
#' @noRd
tree_lines <- function(tree, parent, indent) {
  branches <- tree$branches
  children <- children_of(branches, parent)
  unlist(lapply(children, function(child) {
    line <- branches[child, ]
    text <- sprintf(
      "%s%s: length %s, %d tip%s", indent, line$factor, signif_text(line$length), line$size,
      if (line$size == 1) "" else "s"
    )
    c(text, tree_lines(tree, line$factor, paste0(indent, "  ")))
  }))
}

#' Rows of a table whose parent is a factor
#'
#' @param table `branches` or `tips` of a tree.
#' @param parent Name of the factor, or `NA` for the root.
#' @return Row numbers.
#' @noRd
children_of <- function(table, parent) {
  which(if (is.na(parent)) is.na(table$parent) else table$parent %in% parent)
}

#' @rdname nmu_tree_methods
#' @export
as_newick <- function(x, ...) {
  permitted <- if (inherits(x, "nmu_fit")) tree_arguments() else character()
  refuse_dots(..., permitted = permitted)
  if (inherits(x, "nmu_fit")) {
    x <- factor_tree(x, ...)
  } else if (!inherits(x, "nmu_tree")) {
    abort_input("x", "a fit, or a tree made by factor_tree()", describe(x))
  }
  below <- function(parent) {
    inner <- vapply(children_of(x$branches, parent), FUN.VALUE = "", FUN = function(child) {
      line <- x$branches[child, ]
      sprintf("%s%s:%.10g", below(line$factor), newick_name(line$factor), line$length)
    })
    tips <- sprintf("%s:0", newick_name(x$tips$tip[children_of(x$tips, parent)]))
    sprintf("(%s)", paste(c(inner, tips), collapse = ","))
  }
  paste0(below(NA), ";")
}

#' Names of the arguments of factor_tree() other than the fit
#' @return Strings.
#' @noRd
tree_arguments <- function() {
  setdiff(names(formals(factor_tree)), "fit")
}

#' Quote names for the Newick format
#' @param x Names.
#' @return Strings.
#' @noRd
newick_name <- function(x) {
  ifelse(grepl("^[A-Za-z0-9.]+$", x), x, sprintf("'%s'", gsub("'", "''", x, fixed = TRUE)))
}

#' @rdname nmu_tree_methods
#' @exportS3Method ape::as.phylo
as.phylo.nmu_tree <- function(x, ...) { # nolint: object_name_linter.
  refuse_dots(...)
  tips <- nrow(x$tips)
  node <- function(factor) {
    ifelse(is.na(factor), tips + 1L, tips + 1L + match(factor, x$branches$factor))
  }
  branches <- x$branches
  phylo <- list(
    edge = cbind(
      c(node(branches$parent), node(x$tips$parent)),
      c(tips + 1L + seq_len(nrow(branches)), seq_len(tips))
    ),
    edge.length = c(branches$length, rep(0, tips)),
    tip.label = x$tips$tip,
    node.label = c("", branches$factor),
    Nnode = nrow(branches) + 1L
  )
  storage.mode(phylo$edge) <- "integer"
  phylo$edge <- unname(phylo$edge)
  # ape expects the edges in this order
  ape::reorder.phylo(structure(phylo, class = "phylo"), "cladewise")
}

#' @rdname nmu_tree_methods
#' @method plot nmu_tree
#' @export
plot.nmu_tree <- function(x, labels = NULL, ...) {
  labels <- labels %||% (nrow(x$tips) <= 60)
  labels <- check_flag(labels)
  draw_tree(tree_layout(x, labels), ...)
  invisible(x)
}

#' Compute the layout of a tree
#'
#' @param tree The tree.
#' @param labels `TRUE` for a line per tip, `FALSE` for one for all tips of a factor.
#' @return A list of data frames: `segments` (`x`, `xend`, `y`, `yend`), `branches` (`x`, `y`,
#'   `label`), at the middle of each branch, `tips` (`x`, `y`, `label`).
#' @noRd
tree_layout <- function(tree, labels) {
  state <- new.env()
  state$row <- 0
  state$tips <- state$branches <- list()
  # a tree with a single row of tips has no segments
  state$segments <- list(data.frame(x = 0, xend = 0, y = 0, yend = 0)[0, ])
  add <- function(what, ...) state[[what]] <- c(state[[what]], list(data.frame(...)))
  # adds the subtree at depth x below a factor, and returns its vertical position
  place <- function(parent, x) {
    heights <- vapply(children_of(tree$branches, parent), FUN.VALUE = 0, FUN = function(child) {
      line <- tree$branches[child, ]
      y <- place(line$factor, x + line$length)
      add("segments", x = x, xend = x + line$length, y = y, yend = y)
      add("branches", x = x + line$length / 2, y = y, label = line$factor)
      y
    })
    members <- tree$tips$tip[children_of(tree$tips, parent)]
    if (!labels && length(members) > 0) {
      members <- sprintf("%d tip%s", length(members), if (length(members) == 1) "" else "s")
    }
    for (label in strtrim(drawn_names(members), 24)) {
      state$row <- state$row + 1
      add("tips", x = x, y = state$row, label = label)
      heights <- c(heights, state$row)
    }
    if (length(heights) > 1) {
      add("segments", x = x, xend = x, y = min(heights), yend = max(heights))
    }
    mean(range(heights))
  }
  place(NA_character_, 0)
  lapply(mget(c("segments", "branches", "tips"), state), function(rows) do.call(rbind, rows))
}

#' Draw a tree
#' @param layout Value of `tree_layout()`.
#' @param ... Passed on to [graphics::plot.default()].
#' @noRd
draw_tree <- function(layout, ...) {
  tips <- layout$tips
  size <- min(0.85, 30 / max(tips$y))
  widest <- max(nchar(tips$label)) * size
  old <- set_margins(c(4, 1, 2, min(1 + widest * 0.55, 12)))
  on.exit(graphics::par(old))
  reach <- max(layout$segments$xend, tips$x)
  draw_with(function(...) graphics::plot.default(0, 0, ...), list(
    type = "n", xlim = c(0, reach), ylim = rev(range(tips$y)) + c(0.5, -0.5), axes = FALSE,
    xlab = "length", ylab = ""
  ), ...)
  graphics::axis(1)
  lines <- layout$segments
  graphics::segments(lines$x, lines$y, lines$xend, lines$yend, col = "grey30", lwd = 2)
  graphics::text(
    tips$x, tips$y, tips$label,
    pos = 4, xpd = NA, cex = size, offset = 0.3
  )
  if (!is.null(layout$branches)) {
    graphics::text(
      layout$branches$x, layout$branches$y, layout$branches$label,
      pos = 3, cex = 0.8, offset = 0.2, col = accent, font = 2, xpd = NA
    )
  }
}
