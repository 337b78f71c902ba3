#' Is x one finite number?
#' @param x Anything.
#' @return `TRUE` or `FALSE`.
#' @noRd
is_number <- function(x) {
  is.numeric(x) && !is.object(x) && length(x) == 1 && is.finite(x)
}

#' Check a scalar argument and convert it to its type
#'
#' @param x The value given.
#' @param arg Its name, for the message.
#' @param limit Upper bound.
#' @param allow_null Is `NULL` allowed? It is returned as it is.
#' @return `x` as a double, an integer or a logical, without attributes.
#' @name checks
#' @noRd
check_positive <- function(x, allow_null = FALSE, arg = caller_arg(x), call = caller_env()) {
  if (allow_null && is.null(x)) {
    return(NULL)
  }
  if (!is_number(x) || x <= 0) {
    abort_input(arg, "one positive, finite number", describe(x), call = call)
  }
  if (x > largest_size || x < 1 / largest_size) {
    expected <- sprintf("between %g and %g", 1 / largest_size, largest_size)
    abort_input(arg, expected, describe(x), call = call)
  }
  as.double(x)
}

#' @rdname checks
#' @noRd
check_nonnegative <- function(x, allow_null = FALSE, arg = caller_arg(x), call = caller_env()) {
  if (allow_null && is.null(x)) {
    return(NULL)
  }
  if (!is_number(x) || x < 0) {
    abort_input(arg, "one finite number, zero or larger", describe(x), call = call)
  }
  as.double(x)
}

#' @rdname checks
#' @param lower,upper Bounds, included.
#' @noRd
check_between <- function(x, lower, upper, allow_null = FALSE, arg = caller_arg(x),
                          call = caller_env()) {
  if (allow_null && is.null(x)) {
    return(NULL)
  }
  if (!is_number(x) || x < lower || x > upper) {
    abort_input(arg, sprintf("one number from %g to %g", lower, upper), describe(x), call = call)
  }
  as.double(x)
}

#' @rdname checks
#' @param least Lower bound, 0 or 1.
#' @noRd
check_count <- function(x, limit = .Machine$integer.max, least = 1, allow_null = FALSE,
                        arg = caller_arg(x), call = caller_env()) {
  if (allow_null && is.null(x)) {
    return(NULL)
  }
  if (is_number(x) && x > limit) {
    abort_input(arg, sprintf("at most %.0f", limit), describe(x), call = call)
  }
  if (!is_number(x) || x < least || x %% 1 > 0) {
    expected <- if (least > 0) "one positive whole number" else "one whole number, zero or larger"
    abort_input(arg, expected, describe(x), call = call)
  }
  as.integer(x)
}

#' @rdname checks
#' @noRd
check_flag <- function(x, arg = caller_arg(x), call = caller_env()) {
  if (!is.logical(x) || length(x) != 1 || is.na(x)) {
    abort_input(arg, "TRUE or FALSE", describe(x), call = call)
  }
  as.vector(x)
}

#' Check a vector of parameters, which is recycled as in R's distribution functions
#'
#' @inheritParams checks
#' @return `x` as a double vector without attributes.
#' @noRd
check_numeric_vector <- function(x, arg = caller_arg(x), call = caller_env()) {
  if (!(is.numeric(x) || is.logical(x)) || is.object(x)) {
    abort_input(arg, "a numeric vector", describe(x), call = call)
  }
  as.double(x)
}

#' Check that an argument is a fit
#'
#' @param fit The value given.
#' @return `NULL`, invisibly.
#' @noRd
check_fit <- function(fit, call = caller_env()) {
  if (!inherits(fit, "nmu_fit")) {
    abort_input("fit", "a fit, such as nmu() makes", describe(fit), call = call)
  }
}

#' Check a selection of factors, rows or columns
#'
#' @inheritParams checks
#' @param x Numbers, names, or a logical value for each.
#' @param noun The selected things, in the singular.
#' @param size Their total number.
#' @param labels Their names, or `NULL`.
#' @return Whole numbers from 1 to `size`, each at most once, and at least one.
#' @noRd
check_selection <- function(x, noun, size, labels, arg = caller_arg(x), call = caller_env()) {
  allowed <- if (is.object(x)) {
    FALSE
  } else if (is.character(x)) {
    all(x %in% labels)
  } else if (is.logical(x)) {
    length(x) == size && !anyNA(x)
  } else {
    is.numeric(x) && all(abs(x) %in% seq_len(size)) && (all(x > 0) || all(x < 0))
  }
  if (!allowed) {
    expected <- sprintf(
      "numbers from 1 to %d (or minus these), names of %ss, or TRUE or FALSE for each", size, noun
    )
    abort_input(arg, expected, describe(x), call = call)
  }
  chosen <- if (is.character(x)) match(x, labels) else seq_len(size)[x]
  if (length(chosen) == 0 || anyDuplicated(chosen)) {
    found <- sprintf(if (length(chosen) == 0) "no %s" else "a %s that is chosen twice", noun)
    expected <- sprintf("a choice of one %s or more, each of them once", noun)
    abort_input(arg, expected, found, call = call)
  }
  chosen
}

#' Check the named arguments in the dots of a function
#'
#' @param given `list(...)` of that function.
#' @param defaults Named list of all defaults.
#' @param own Names of the other arguments of that function.
#' @param slips Hints for names that are not among its arguments, see `argument_hint()`.
#' @return `defaults`, with the given values.
#' @noRd
check_extras <- function(given, defaults, own = character(), slips = list(),
                         call = caller_env()) {
  known <- names(defaults)
  labels <- names(given) %||% rep("", length(given))
  bad <- !(labels %in% known) | duplicated(labels)
  if (any(bad)) {
    abort_dots(labels[bad][1], known, own, slips, call = call)
  }
  defaults[labels] <- given
  defaults
}

#' Check that entries are finite and in range
#'
#' @param scan Result of `core_scan()`.
#' @param A The matrix, in which the first bad entry is looked for.
#' @param missing Are `NA` entries allowed?
#' @param arg Name of the argument.
#' @param rows,cols Numbers of the rows and columns of `A` if it is a block of a matrix.
#' @return `NULL`, invisibly.
#' @noRd
check_entries <- function(scan, A, missing = FALSE, arg = caller_arg(A), rows = NULL, cols = NULL,
                          call = caller_env()) {
  force(arg)
  counts <- c("NA" = if (!missing) scan$missing, "NaN" = scan$nan, "infinite" = scan$infinite)
  counts <- counts[counts > 0]
  if (length(counts) > 0) {
    bad <- function(x) if (missing) is.nan(x) | is.infinite(x) else !is.finite(x)
    first <- first_entry(A, bad, call = call)
    place <- entry_text(
      (rows %||% seq_len(nrow(A)))[first[1]], (cols %||% seq_len(ncol(A)))[first[2]],
      rownames(A)[first[1]], colnames(A)[first[2]]
    )
    found <- paste(sprintf("%.0f %s", counts, names(counts)), collapse = ", ")
    found <- paste0(found, if (sum(counts) > 1) ", the first", " in ", place)
    expected <- if (missing) "finite or NA in every entry" else "finite in every entry"
    abort_input(arg, expected, found, call = call)
  }
  if (scan$max_abs > largest_size) {
    expected <- sprintf("at most %g in size in every entry (rescale it)", largest_size)
    abort_input(arg, expected, sprintf("an entry of size %g", scan$max_abs), call = call)
  }
  if (scan$max_abs > 0 && scan$max_abs < 1 / largest_size) {
    expected <- sprintf("zero, or at least %g in its largest entry (rescale it)", 1 / largest_size)
    found <- sprintf("no entry larger than %g in size", scan$max_abs)
    abort_input(arg, expected, found, call = call)
  }
}

#' Upper bound on the absolute values of entries, lambda, sigma and their inverses: sums of squares
#' stay finite
#' @noRd
largest_size <- 1e150

#' Check that at least one entry enters the likelihood
#'
#' @param A The matrix.
#' @param scan Result of `core_scan()`.
#' @param ignore_diag Is the diagonal ignored?
#' @param noise The estimator of lambda and sigma.
#' @return `NULL`, invisibly.
#' @noRd
check_observed <- function(A, scan, ignore_diag, noise, call = caller_env()) {
  if (scan$missing == length(A)) {
    abort_input("A", "observed in at least one entry", "only NA", call = call)
  }
  if (!ignore_diag) {
    return(invisible())
  }
  if (nrow(A) != ncol(A) || nrow(A) == 1) {
    expected <- "a square matrix of two rows or more where ignore_diag = TRUE is given"
    abort_input("A", expected, describe(A), call = call)
  }
  if (noise$rule == "notebook") {
    abort_input("ignore_diag", "FALSE with noise_notebook()", "TRUE", call = call)
  }
  if (scan$missing > 0 && scan$missing - sum(is.na(diagonal(A))) == length(A) - nrow(A)) {
    expected <- "observed in at least one entry off its diagonal"
    abort_input("A", expected, "only NA there", call = call)
  }
}

#' Decide whether A is treated as symmetric
#'
#' Names that differ are those of different things: a table of treatments and outcomes is not
#' symmetric, whatever its entries.
#'
#' @param symmetric `NULL` (determined from the entries and names), `TRUE` or `FALSE`.
#' @param scan Result of `core_scan()`.
#' @param A The matrix.
#' @return `TRUE` or `FALSE`.
#' @noRd
check_symmetric <- function(symmetric, scan, A, call = caller_env()) {
  differing <- if (nrow(A) == ncol(A)) differing_name(A)
  if (is.null(symmetric)) {
    return(scan$symmetric && is.null(differing))
  }
  symmetric <- check_flag(symmetric, call = call)
  if (symmetric && !scan$symmetric) {
    expected <- "symmetric where symmetric = TRUE is given"
    hint <- if (nrow(A) == ncol(A)) {
      "If the difference is an error of measurement or rounding, give (A + t(A)) / 2; otherwise
       leave out symmetric = TRUE."
    } else {
      "Leave out symmetric = TRUE."
    }
    abort_input("A", expected, describe_asymmetry(A, call = call), hint = hint, call = call)
  }
  if (symmetric && !is.null(differing)) {
    found <- sprintf(
      "row %d named %s and column %d named %s", differing, quote_text(rownames(A)[differing]),
      differing, quote_text(colnames(A)[differing])
    )
    hint <- "If rows and columns are the same things, give them the same names; otherwise leave out
             symmetric = TRUE."
    expected <- "given with the same names of rows and columns where symmetric = TRUE is given"
    abort_input("A", expected, found, hint = hint, call = call)
  }
  symmetric
}

#' First row of a square matrix whose name is not that of its column
#'
#' @param A The matrix.
#' @return Its number; `NULL` if there is none, or if not both sides have names.
#' @noRd
differing_name <- function(A) {
  rows <- rownames(A)
  cols <- colnames(A)
  if (is.null(rows) || is.null(cols)) {
    return(NULL)
  }
  differ <- which(!mapply(identical, unname(rows), unname(cols), USE.NAMES = FALSE))
  if (length(differ) > 0) differ[1]
}

#' Call the constructor that the user named
#'
#' @inheritParams checks
#' @param known A named list of constructors without required arguments.
#' @param expected The accepted values, with `%s` for the names.
#' @return The object made by the constructor of that name.
#' @noRd
by_name <- function(x, known, expected, arg = caller_arg(x), call = caller_env()) {
  if (!is.character(x) || length(x) != 1 || !(x %in% names(known))) {
    abort_input(arg, sprintf(expected, quoted_names(known)), describe(x), call = call)
  }
  known[[x]]()
}

#' Names of a list, in quotes
#' @param known A named list.
#' @return One string.
#' @noRd
quoted_names <- function(known) {
  paste0("\"", names(known), "\"", collapse = ", ")
}

#' Match a string against choices; case-sensitive, with partial matching
#'
#' @inheritParams checks
#' @param choices The choices; all of them means the first, as in [match.arg()].
#' @return One of `choices`.
#' @noRd
check_choice <- function(x, choices, arg = caller_arg(x), call = caller_env()) {
  if (identical(x, choices)) {
    return(choices[1])
  }
  index <- if (is.character(x) && length(x) == 1) pmatch(x, choices) else NA
  if (is.na(index)) {
    expected <- paste0("one of ", paste0("\"", choices, "\"", collapse = ", "))
    abort_input(arg, expected, describe(x), call = call)
  }
  choices[index]
}
