# Every target is quick where its work is done already. `make` alone lists them.
CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(PATH):$(CARGO_BIN)

MANIFEST := src/rust/Cargo.toml
# Tests, lints and checks run against a library of their own: the nmu that you use stays as it is.
TEST_LIB := $(CURDIR)/.lib
# R CMD check builds the package in another place; it shares cargo's artefacts with this one.
TARGET_DIR := $(CURDIR)/src/rust/target

.PHONY: help setup install demo build test lint document check dist bench sparse disk recovery site clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what is missing to run, test and check nmu (Debian, Ubuntu)
	@tools/setup.sh test

install: ## build nmu and install it into your R library
	@tools/setup.sh run
	@tools/install.sh

demo: install ## install nmu and what it needs, then fit two matrices and draw them
	@Rscript tools/demo.R

build: ## build nmu and install it into .lib, where the tests find it
	@tools/setup.sh test
	@tools/install.sh "$(TEST_LIB)"

test: ## the whole suite: Rust, R, and whether generated files are up to date
	@tools/setup.sh test
	cargo test --manifest-path $(MANIFEST) --locked --release --workspace $$(tools/features.sh)
	@tools/install.sh "$(TEST_LIB)"
	@R_LIBS="$(TEST_LIB)" Rscript tools/test.R
	@Rscript tools/wrappers.R --check
	@Rscript tools/document.R --check

lint: ## rustfmt, clippy, rustdoc and lintr, all without a complaint
	@tools/setup.sh test
	for manifest in $(MANIFEST) bench/Cargo.toml; do \
	  cargo fmt --manifest-path $$manifest --all --check && \
	  cargo clippy --manifest-path $$manifest --release --locked --workspace --all-targets \
	    --target-dir $(dir $(MANIFEST))target $$(tools/features.sh) -- -D warnings || exit 1; \
	done
	RUSTDOCFLAGS="-D warnings" cargo doc --manifest-path $(MANIFEST) --release --locked --no-deps \
	  --workspace --document-private-items $$(tools/features.sh)
	Rscript tools/lint.R

document: ## regenerate NAMESPACE, man/ and R/extendr-wrappers.R
	@tools/setup.sh test
	@Rscript tools/document.R
	@tools/install.sh "$(TEST_LIB)"
	@Rscript tools/wrappers.R

check: ## R CMD build and R CMD check, failing on an error or a warning
	@tools/setup.sh test
	NMU_TARGET_DIR="$(TARGET_DIR)" tools/check.sh

dist: ## the release tarball of the last commit, with the sources of all crates
	@tools/setup.sh test
	@tools/dist.sh
	@tools/offline.sh nmu_*.tar.gz

bench: ## time nmu against plain R and other programs; ARGS=--quick for a trial
sparse: ## what fits of large sparse matrices cost; ARGS=--quick for a trial
disk: ## a fit of a matrix on disk in little memory; ARGS=--quick for few iterations
recovery: ## how well known structure is found; ARGS=--quick for a trial
bench sparse disk recovery:
	@tools/setup.sh bench
	@tools/install.sh "$(TEST_LIB)"
	R_LIBS="$(TEST_LIB)" Rscript bench/$(patsubst bench,compare,$@).R $(ARGS)

site: ## the web site of help and vignettes, into docs/
	@tools/setup.sh site
	@tools/install.sh "$(TEST_LIB)"
	R_LIBS="$(TEST_LIB)" Rscript tools/site.R

clean: ## remove what was built
	rm -rf .lib demo-output docs src/Makevars src/*.o src/*.so src/vendor src/.cargo src/rust/target \
	  bench/target bench/results
