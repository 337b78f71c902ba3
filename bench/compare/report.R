# Results of a run: the table of ratios and targets, and the plot of costs

# `ratios` is a list, by key, with the ratio of each round.
ratio_table <- function(goals, ratios) {
  measured <- ratios[goals$key]
  number <- function(summary) {
    vapply(measured, function(x) if (length(x) > 0) signif(summary(x), 4) else NA_real_, 0)
  }
  table <- cbind(goals, median = number(median), low = number(min), high = number(max))
  meets <- function(limit) {
    ifelse(table$better == "more", table$median >= limit, table$median <= limit)
  }
  aim <- !is.na(table$aim) & meets(table$aim)
  table$reached <- ifelse(aim, "aim", ifelse(meets(table$bound), "bound", "no"))
  rownames(table) <- NULL
  table
}

# Prints a data frame as a markdown table, for a terminal or a README
print_markdown <- function(table) {
  columns <- lapply(names(table), function(name) {
    column <- format(c(name, as.character(table[[name]])))
    c(column[1], strrep("-", nchar(column[1])), column[-1])
  })
  cat(paste("|", do.call(paste, c(columns, sep = " | ")), "|"), sep = "\n")
}

print_ratios <- function(table) {
  print_markdown(data.frame(
    what = table$what, n = table$n,
    bound = paste(ifelse(table$better == "more", "at least", "at most"), table$bound),
    aim = ifelse(is.na(table$aim), "", table$aim),
    measured = paste(signif(table$median, 3), table$unit),
    range = sprintf("%s to %s", signif(table$low, 3), signif(table$high, 3)),
    reached = table$reached
  ))
}

# Median and range of each time over the rounds
time_table <- function(times) {
  groups <- split(times, list(times$what, times$n), drop = TRUE)
  rows <- lapply(groups, function(group) {
    data.frame(
      what = group$what[1], n = group$n[1], median = signif(median(group$seconds), 4),
      low = signif(min(group$seconds), 4), high = signif(max(group$seconds), 4),
      rounds = nrow(group)
    )
  })
  table <- do.call(rbind, rows)
  table[order(table$what, table$n), ]
}

write_table <- function(table, machine, file) {
  writeLines(paste0("# ", names(machine), ": ", machine), file)
  suppressWarnings(write.table(table, file, append = TRUE, sep = ",", row.names = FALSE, na = ""))
}

# Colours of Okabe and Ito, which are distinguishable with colour blindness; symbols differ as well.
styles <- data.frame(
  what = c("plain", "plain_reference", "nmu1", "nmu2", "rcppml", "nmf", "sklearn"),
  label = c(
    "plain R, with truncnorm", "plain R, with pnorm", "nmu, 1 thread", "nmu, 2 threads",
    "RcppML, 2 threads", "NMF (Lee, Seung)", "scikit-learn"
  ),
  colour = c("#D55E00", "#E69F00", "#56B4E9", "#0072B2", "#009E73", "#CC79A7", "#000000"),
  symbol = c(15, 0, 1, 16, 2, 6, 4),
  width = c(2, 1.5, 2, 2.5, 1.5, 1.5, 1.5)
)

# Moves overlapping labels until their heights are at least `gap` apart
separate_labels <- function(heights, gap) {
  order <- order(heights)
  placed <- heights[order]
  for (sweep in 1:200) {
    overlap <- gap - diff(placed)
    close <- which(overlap > 1e-9)
    if (length(close) == 0) break
    for (i in close) {
      shift <- max(0, gap - (placed[i + 1] - placed[i])) / 2
      placed[i] <- placed[i] - shift
      placed[i + 1] <- placed[i + 1] + shift
    }
  }
  placed[order(order)]
}

# Plots the cost of an iteration against n, with logarithmic axes
plot_costs <- function(table, machine, file) {
  table <- table[table$what %in% styles$what & table$median > 0, ]
  shown <- styles[styles$what %in% table$what, ]
  grDevices::png(file, width = 1000, height = 700, res = 113)
  on.exit(grDevices::dev.off())
  par(mar = c(4, 5, 3.4, 9.5), las = 1, cex = 0.95)
  n <- sort(unique(table$n))
  plot(range(n), range(table$median), log = "xy", type = "n", axes = FALSE, xlab = "", ylab = "")
  powers <- 10^(-6:2)
  names(powers) <- c("1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s")
  abline(h = powers, v = n, col = "grey90")
  axis(1, n, n, lwd = 0, lwd.ticks = 1)
  axis(2, powers, names(powers), lwd = 0, lwd.ticks = 1)
  box(col = "grey60")
  title("Time of one iteration, one factor", adj = 0, line = 1.9)
  mtext("symmetric A of order n; NMF programs fit no remainder b", adj = 0, line = 0.7, cex = 0.85)
  mtext("n", 1, line = 2.4, cex = 0.95)
  mtext(
    paste0(machine[["processor"]], ", ", machine[["instructions"]], ", ", machine[["date"]]), 1,
    line = 2.8, adj = 1, cex = 0.7, col = "grey40"
  )
  ends <- numeric(nrow(shown))
  for (i in seq_len(nrow(shown))) {
    line <- table[table$what == shown$what[i], ]
    lines(line$n, line$median,
      type = "o", col = shown$colour[i], pch = shown$symbol[i], lwd = shown$width[i]
    )
    ends[i] <- log10(line$median[which.max(line$n)])
  }
  gap <- 0.045 * diff(par("usr")[3:4])
  text(10^par("usr")[2], 10^separate_labels(ends, gap), paste0(" ", shown$label),
    col = shown$colour, adj = 0, xpd = NA, cex = 0.9
  )
}
