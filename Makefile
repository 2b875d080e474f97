# letgo's everyday commands. Each installs what this machine lacks first (scripts/bootstrap).
#
#   make demo      build letgo and a small Go service, load it, let the load go, run `letgo why` on it
#   make test      format, lints and every test, on the oldest, a middle and the newest Go
#   make matrix    every test on every Go version and kind of build
#   make soak      1,000 releases, 10,000 tunes and 10,000 frozen copies under load, and letgo killed
#                  at each of its steps
#   make bench     the benchmarks (docs/benchmarks.md)
#   make fuzz      each fuzz target for FUZZ_SECONDS (60)
#   make lint      format, clippy, house rules, licences and advisories, the Go programs under lab/
#   make build     letgo alone, in target/release

LETGO_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/letgo
FUZZ_SECONDS ?= 60
export LETGO_CACHE
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH):/usr/local/go/bin:$(LETGO_CACHE)/go/bin

TARGET := $(or $(CARGO_TARGET_DIR),target)
SKIPS := $(abspath $(TARGET))/skips.txt
LAB := $(abspath $(TARGET))/lab
GO_BUILD := GOFLAGS= GOWORK=off CGO_ENABLED=0 go build -buildvcs=false -trimpath

.PHONY: demo test test-go matrix bench fuzz lint lint-go build bootstrap
.SILENT:

build:
	scripts/bootstrap build
	cargo build --release --locked --quiet --package letgo

demo: build
	cd lab/demo && $(GO_BUILD) -ldflags='-s -w' -o $(LAB)/sessions ./sessions
	cd lab/demo && $(GO_BUILD) -o $(LAB)/load ./load
	$(LAB)/load -service $(LAB)/sessions -letgo $(TARGET)/release/letgo

test: bootstrap test-go fuzz/Cargo.lock
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo test --manifest-path fuzz/Cargo.toml --target-dir $(TARGET) --quiet
	$(call cargo_test,)

matrix: bootstrap
	$(call cargo_test,LETGO_TIER=matrix)

soak: bootstrap
	LETGO_SOAK=full cargo test --package letgo --locked --test control -- \
		--nocapture --test-threads 1 soak:: killing::
	LETGO_SOAK=full cargo test --package letgo --locked --test frozen -- \
		--nocapture --test-threads 1 soak:: killing::

# What could not be tested here says so while it runs; the count comes before the last tests.
define cargo_test
	mkdir -p $(TARGET) && : > $(SKIPS)
	$(1) LETGO_SKIPS=$(SKIPS) cargo test --workspace --locked --lib --bins --tests
	echo "skipped for lack of a privilege or a tool: $$(wc -l < $(SKIPS))"; cat $(SKIPS)
	cargo test --workspace --locked --doc
endef

# The fuzz crate is a workspace of its own, with the dependencies of this one.
fuzz/Cargo.lock: Cargo.lock
	cp Cargo.lock fuzz/Cargo.lock

bench: bootstrap
	cargo bench --workspace --locked

fuzz: fuzz/Cargo.lock
	scripts/bootstrap fuzz
	fuzz/run $(FUZZ_SECONDS)

lint: bootstrap lint-go
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo xtask tidy
	if cargo deny --version >/dev/null 2>&1; then cargo deny --log-level warn check; \
	else echo "lint: cargo-deny is not installed; licences and advisories are not checked"; fi

test-go: bootstrap
	for dir in $$(find lab -name '*_test.go' -exec dirname {} + | sort -u); do \
		(cd $$dir && GOFLAGS=-buildvcs=false go test .) || exit 1; \
	done

lint-go: bootstrap
	test -z "$$(gofmt -l lab)" || { gofmt -d lab; exit 1; }
	for module in $$(find lab -name go.mod); do \
		(cd $$(dirname $$module) && GOFLAGS=-buildvcs=false go vet ./...) || exit 1; \
	done

bootstrap:
	scripts/bootstrap
