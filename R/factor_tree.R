#' The tree of nested factors
#'
#' If the groups that factors represent are nested or disjoint, they form a tree: each factor is
#' a branch, below the smallest factor whose group contains its own, and each row of `A` (or column)
#' is a tip, below the smallest group that contains it. `factor_tree()` finds this tree, and reports
#' the factors that do not fit into it.
#'
#' The group of a factor is the set \eqn{S} of its largest loadings whose indicator has the largest
#' squared cosine with them, \eqn{(\sum_{i \in S} u_i)^2 / |S|}{(sum of u over S)^2 / |S|}: there is
#' no threshold to choose. Factors are added in the order of decreasing weight `d`. A factor is left
#' out if it is null, or if its group is neither nested with nor disjoint from that of a factor in
#' the tree. Nested means that at least a share `nesting` of the smaller group is shared, disjoint
#' that at most `1 - nesting` is. Members that violate the nesting are assigned to the group of the
#' heavier factor, or of the parent.
#'
#' @param fit A fit made by [nmu()], [nmu_em()] or [nmu_em_estlambda()].
#' @param side `"u"` (rows of `A` as tips) or `"v"` (columns). Case-sensitive.
#' @param lengths Lengths of the branches: `"d"`, the weights; or `"entry"`, \eqn{d_k} divided
#'   by the size of the group (symmetric `A` only), which is the contribution of a factor with equal
#'   loadings to each entry of its group. The covariance of a trait that evolves along a
#'   tree, such as `ape::vcv()`, is the sum of these over the branches that two tips share, so
#'   that they estimate its branch lengths. Case-sensitive; may be abbreviated.
#' @param nesting One number from 0.5 to 1, see above.
#'
#' @return An object of class `nmu_tree`, a list with
#'
#'   * `branches`: a data frame with a row for each factor in the tree, larger groups first:
#'     `factor` (its name), `parent` (name, or `NA` below the root), `length`, `size` (number of
#'     tips below it);
#'   * `tips`: a data frame with a row for each row (or column) of `A`: `tip` (its name, or number)
#'     and `parent` (the smallest factor that contains it, or `NA`);
#'   * `left_out`: a data frame of the factors that are not in the tree: `factor` and `conflict`,
#'     the factor that it overlaps (`NA` if it is null or its group has no members left).
#'
#'   [print()] and [plot()][nmu_tree_methods] show it, `as_newick()` and `ape::as.phylo()` convert
#'   it to other formats.
#'
#' @section Errors: Class `nmu_error_input` if an argument is not as described.
#'
#' @seealso [as_newick()], [plot()][plot.nmu_fit] with `type = "tree"`.
#'
#' @examples
#' set.seed(1)
#' A <- sim_tree(n = 20)
#' # the joint fit of refine = TRUE mixes branches
#' tree <- factor_tree(nmu(A, K = NULL, refine = FALSE))
#' tree
#' plot(tree)
#' @export
factor_tree <- function(fit, side = c("u", "v"), lengths = c("d", "entry"), nesting = 0.9) {
  check_fit(fit)
  side <- check_choice(side, c("u", "v"))
  lengths <- check_choice(lengths, c("d", "entry"))
  nesting <- check_between(nesting, 0.5, 1)
  if (lengths == "entry" && !fit$symmetric) {
    abort_input("lengths", "\"d\" where A is not symmetric", "\"entry\"")
  }
  factors <- fit_factors(fit)
  loadings <- coef(fit, side = side)
  groups <- apply(loadings, 2, core_group)
  dim(groups) <- dim(loadings)
  laminar <- laminar_family(groups, factors$d, nesting)
  new_tree(laminar, groups, factors$d, loadings, lengths)
}

#' Set of largest entries whose indicator has the largest cosine with a vector
#'
#' @param x A nonnegative vector.
#' @return `TRUE` or `FALSE` for each entry; all `FALSE` for a null vector.
#' @noRd
core_group <- function(x) {
  if (all(x <= 0)) {
    return(rep(FALSE, length(x)))
  }
  falling <- order(x, decreasing = TRUE)
  cosine <- cumsum(x[falling])^2 / seq_along(x)
  seq_along(x) %in% falling[seq_len(which.max(cosine))]
}

#' Select factors whose groups are nested or disjoint
#'
#' @param groups A logical matrix with a column for each factor.
#' @param d Their weights: of two conflicting factors, the heavier stays.
#' @param nesting As in [factor_tree()].
#' @return A list of `kept`, numbers of factors, and `conflict`, for each factor the one that it
#'   overlaps, or `NA`.
#' @noRd
laminar_family <- function(groups, d, nesting) {
  kept <- integer(0)
  conflict <- rep(NA_integer_, ncol(groups))
  for (k in order(d, decreasing = TRUE)) {
    size <- sum(groups[, k])
    if (size == 0) {
      next
    }
    shared <- colSums(groups[, kept, drop = FALSE] & groups[, k])
    share <- shared / pmin(size, colSums(groups[, kept, drop = FALSE]))
    clash <- which(share < nesting & share > 1 - nesting)
    if (length(clash) == 0) {
      kept <- c(kept, k)
    } else {
      conflict[k] <- kept[clash[1]]
    }
  }
  list(kept = kept, conflict = conflict)
}

#' Assemble the tree from factors and tips
#'
#' @param laminar Value of `laminar_family()`.
#' @param groups,d As there.
#' @param loadings The loadings, for their names.
#' @param lengths As in [factor_tree()].
#' @return An object of class `nmu_tree`.
#' @noRd
new_tree <- function(laminar, groups, d, loadings, lengths) {
  names <- colnames(loadings)
  # larger groups first, so that parents precede their children
  sizes <- colSums(groups)
  kept <- laminar$kept[order(-sizes[laminar$kept], -d[laminar$kept])]
  parent <- stats::setNames(rep(NA_integer_, ncol(groups)), names)
  owner <- rep(NA_integer_, nrow(groups))
  placed <- integer(0)
  for (k in kept) {
    inside <- colSums(groups[, placed, drop = FALSE] & groups[, k]) / sum(groups[, k])
    above <- utils::tail(placed[inside > 0.5], 1)
    # members of the parent that no sibling has
    free <- if (length(above) > 0) owner %in% above else is.na(owner)
    members <- groups[, k] & free
    if (!any(members)) {
      next
    }
    parent[k] <- if (length(above) > 0) above else NA_integer_
    owner[members] <- k
    placed <- c(placed, k)
  }
  below <- tips_below(owner, parent, placed)
  size <- if (lengths == "entry") sizes[placed] else 1
  out <- setdiff(seq_along(d), placed)
  structure(
    list(
      branches = data.frame(
        factor = names[placed], parent = names[parent[placed]], length = d[placed] / size,
        size = below
      ),
      tips = data.frame(tip = as.character(row_labels(loadings)), parent = names[owner]),
      left_out = data.frame(factor = names[out], conflict = names[laminar$conflict[out]])
    ),
    class = "nmu_tree"
  )
}

#' Count the tips below each factor
#'
#' @param owner The smallest factor that contains each tip.
#' @param parent The parent of each factor.
#' @param placed The factors in the tree, parents first.
#' @return Counts.
#' @noRd
tips_below <- function(owner, parent, placed) {
  count <- tabulate(owner, length(parent))
  for (k in rev(placed)) {
    if (!is.na(parent[k])) {
      count[parent[k]] <- count[parent[k]] + count[k]
    }
  }
  count[placed]
}
