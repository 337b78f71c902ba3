# Printed tables

# Numbers as text, NA as an empty string
number <- function(x, form) ifelse(is.na(x), "", sprintf(form, x))

span <- function(x) paste(unique(range(x)), collapse = " to ")

# One row for each setting and method: means over the seeds, and the worst seed
summary_table <- function(scores, settings) {
  in_order <- function(column) factor(scores[[column]], unique(scores[[column]]))
  groups <- split(scores, list(in_order("method"), in_order("setting")), drop = TRUE)
  rows <- lapply(groups, function(group) {
    data.frame(
      setting = settings[[group$setting[1]]]$label,
      method = group$method[1],
      seeds = as.character(nrow(group)),
      K = span(group$K_true),
      `K found` = span(group$K_found),
      `mean cosine` = number(mean(group$mean_cosine), "%.4f"),
      `worst seed` = number(min(group$mean_cosine), "%.4f"),
      `worst factor` = number(min(group$worst_cosine), "%.4f"),
      loglik = number(mean(group$loglik), "%.1f"),
      seconds = number(mean(group$seconds), "%.3g"),
      error = number(mean(group$relative_error), "%.3g"),
      `error with b` = number(mean(group$relative_error_with_b), "%.3g"),
      violated = number(100 * max(group$violation_share), "%.2f %%"),
      `largest violation` = number(max(group$largest_violation), "%.2g"),
      check.names = FALSE
    )
  })
  do.call(rbind, rows)
}

# The cosine of each true factor, for the named settings, which have one seed
factor_table <- function(results, settings, names) {
  shown <- merge(
    data.frame(setting = names), unique(results$scores[c("setting", "method")])
  )
  rows <- lapply(seq_len(nrow(shown)), function(i) {
    rows_of <- function(table) {
      table[table$setting == shown$setting[i] & table$method == shown$method[i], ]
    }
    factors <- rows_of(results$factors)
    cosines <- as.list(stats::setNames(number(factors$cosine, "%.4f"), factors$truth))
    data.frame(
      setting = settings[[shown$setting[i]]]$label, method = shown$method[i], cosines,
      loglik = number(rows_of(results$scores)$loglik, "%.1f")
    )
  })
  do.call(rbind, rows)
}
