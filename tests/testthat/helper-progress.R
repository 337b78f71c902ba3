# Replaces a function of the package until `frame` exits.
local_replacement <- function(name, value, frame = parent.frame()) {
  before <- utils::getFromNamespace(name, "nmu")
  utils::assignInNamespace(name, value, "nmu")
  defer(utils::assignInNamespace(name, before, "nmu"), frame)
}

# Has the core report the progress of all fits to a function, until `frame` exits.
local_progress_report <- function(report, frame = parent.frame()) {
  local_replacement("local_progress", function(...) report, frame)
}
