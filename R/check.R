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
#' @param call The user's call.
#' @param limit Upper bound.
#' @return `x` as a double, an integer or a logical, without attributes.
#' @name checks
#' @noRd
check_positive <- function(x, arg, call) {
  if (!is_number(x) || x <= 0) {
    abort_input(arg, "one positive, finite number", describe(x), call)
  }
  if (x > largest_size || x < 1 / largest_size) {
    expected <- sprintf("between %g and %g", 1 / largest_size, largest_size)
    abort_input(arg, expected, describe(x), call)
  }
  as.double(x)
}

#' @rdname checks
#' @noRd
check_nonnegative <- function(x, arg, call) {
  if (!is_number(x) || x < 0) {
    abort_input(arg, "one finite number, zero or larger", describe(x), call)
  }
  as.double(x)
}

#' @rdname checks
#' @param lower,upper Bounds, included.
#' @noRd
check_between <- function(x, arg, lower, upper, call) {
  if (!is_number(x) || x < lower || x > upper) {
    abort_input(arg, sprintf("one number from %g to %g", lower, upper), describe(x), call)
  }
  as.double(x)
}

#' @rdname checks
#' @param least Lower bound, 0 or 1.
#' @noRd
check_count <- function(x, arg, call, limit = .Machine$integer.max, least = 1) {
  if (is_number(x) && x > limit) {
    abort_input(arg, sprintf("at most %.0f", limit), describe(x), call)
  }
  if (!is_number(x) || x < least || x %% 1 > 0) {
    expected <- if (least > 0) "one positive whole number" else "one whole number, zero or larger"
    abort_input(arg, expected, describe(x), call)
  }
  as.integer(x)
}

#' @rdname checks
#' @noRd
check_flag <- function(x, arg, call) {
  if (!is.logical(x) || length(x) != 1 || is.na(x)) {
    abort_input(arg, "TRUE or FALSE", describe(x), call)
  }
  as.vector(x)
}

#' Check a vector of parameters, which is recycled as in R's distribution functions
#'
#' @inheritParams checks
#' @return `x` as a double vector without attributes.
#' @noRd
check_numeric_vector <- function(x, arg, call) {
  if (!(is.numeric(x) || is.logical(x)) || is.object(x)) {
    abort_input(arg, "a numeric vector", describe(x), call)
  }
  as.double(x)
}

#' Check that an argument is a fit
#'
#' @param fit The value given.
#' @param call The user's call.
#' @return `NULL`, invisibly.
#' @noRd
check_fit <- function(fit, call) {
  if (!inherits(fit, "nmu_fit")) {
    abort_input("fit", "a fit, such as nmu() makes", describe(fit), call)
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
check_selection <- function(x, arg, noun, size, labels, call) {
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
    abort_input(arg, expected, describe(x), call)
  }
  chosen <- if (is.character(x)) match(x, labels) else seq_len(size)[x]
  if (length(chosen) == 0 || anyDuplicated(chosen)) {
    found <- sprintf(if (length(chosen) == 0) "no %s" else "a %s that is chosen twice", noun)
    abort_input(arg, sprintf("a choice of one %s or more, each of them once", noun), found, call)
  }
  chosen
}

#' Check the named arguments in the dots of a function
#'
#' @param given `list(...)` of that function.
#' @param defaults Named list of all defaults.
#' @param call The user's call.
#' @return `defaults`, with the given values.
#' @noRd
check_extras <- function(given, defaults, call) {
  known <- names(defaults)
  labels <- names(given) %||% rep("", length(given))
  bad <- !(labels %in% known) | duplicated(labels)
  if (any(bad)) {
    label <- labels[bad][1]
    found <- if (label == "") {
      "an argument without a name"
    } else if (label %in% known) {
      sprintf("%s twice", quote_text(label))
    } else {
      sprintf("an unknown name, %s", quote_text(label))
    }
    expected <- if (length(known) > 0) {
      paste("named arguments among", paste(known, collapse = ", "))
    } else {
      "empty"
    }
    abort_input("...", expected, found, call)
  }
  defaults[labels] <- given
  defaults
}

#' Check that entries are finite and in range
#'
#' @param scan Result of `core_scan()`.
#' @param call The user's call.
#' @param missing Are `NA` entries allowed?
#' @param arg Name of the argument.
#' @return `NULL`, invisibly.
#' @noRd
check_entries <- function(scan, call, missing = FALSE, arg = "A") {
  counts <- c("NA" = if (!missing) scan$missing, "NaN" = scan$nan, "infinite" = scan$infinite)
  counts <- counts[counts > 0]
  if (length(counts) > 0) {
    found <- paste(sprintf("%.0f %s", counts, names(counts)), collapse = ", ")
    expected <- if (missing) "finite or NA in every entry" else "finite in every entry"
    abort_input(arg, expected, found, call)
  }
  if (scan$max_abs > largest_size) {
    expected <- sprintf("at most %g in size in every entry (rescale it)", largest_size)
    abort_input(arg, expected, sprintf("an entry of size %g", scan$max_abs), call)
  }
  if (scan$max_abs > 0 && scan$max_abs < 1 / largest_size) {
    expected <- sprintf("zero, or at least %g in its largest entry (rescale it)", 1 / largest_size)
    abort_input(arg, expected, sprintf("no entry larger than %g in size", scan$max_abs), call)
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
#' @param call The user's call.
#' @return `NULL`, invisibly.
#' @noRd
check_observed <- function(A, scan, ignore_diag, noise, call) {
  if (scan$missing == length(A)) {
    abort_input("A", "observed in at least one entry", "only NA", call)
  }
  if (!ignore_diag) {
    return(invisible())
  }
  if (nrow(A) != ncol(A) || nrow(A) == 1) {
    expected <- "a square matrix of two rows or more where ignore_diag = TRUE is given"
    abort_input("A", expected, describe(A), call)
  }
  if (noise$rule == "notebook") {
    abort_input("ignore_diag", "FALSE with noise_notebook()", "TRUE", call)
  }
  if (scan$missing > 0 && scan$missing - sum(is.na(diagonal(A))) == length(A) - nrow(A)) {
    abort_input("A", "observed in at least one entry off its diagonal", "only NA there", call)
  }
}

#' Decide whether A is treated as symmetric
#'
#' @param symmetric `NULL` (determined from the entries), `TRUE` or `FALSE`.
#' @param scan Result of `core_scan()`.
#' @param A The matrix, used in the message only.
#' @param call The user's call.
#' @return `TRUE` or `FALSE`.
#' @noRd
check_symmetric <- function(symmetric, scan, A, call) {
  if (is.null(symmetric)) {
    return(scan$symmetric)
  }
  symmetric <- check_flag(symmetric, "symmetric", call)
  if (symmetric && !scan$symmetric) {
    found <- sprintf("an asymmetric %d x %d matrix", nrow(A), ncol(A))
    abort_input("A", "symmetric where symmetric = TRUE is given", found, call)
  }
  symmetric
}

#' Call the constructor that the user named
#'
#' @inheritParams checks
#' @param known A named list of constructors without required arguments.
#' @param expected The accepted values, with `%s` for the names.
#' @return The object made by the constructor of that name.
#' @noRd
by_name <- function(x, known, arg, expected, call) {
  if (!is.character(x) || length(x) != 1 || !(x %in% names(known))) {
    names <- paste0("\"", names(known), "\"", collapse = ", ")
    abort_input(arg, sprintf(expected, names), describe(x), call)
  }
  known[[x]]()
}

#' Match a string against choices; case-sensitive, with partial matching
#'
#' @inheritParams checks
#' @param choices The choices; all of them means the first, as in [match.arg()].
#' @return One of `choices`.
#' @noRd
check_choice <- function(x, arg, choices, call) {
  if (identical(x, choices)) {
    return(choices[1])
  }
  index <- if (is.character(x) && length(x) == 1) pmatch(x, choices) else NA
  if (is.na(index)) {
    expected <- paste0("one of ", paste0("\"", choices, "\"", collapse = ", "))
    abort_input(arg, expected, describe(x), call)
  }
  choices[index]
}
