# Weir. `make help` explains every target.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

SECONDS ?=
EVENTS ?=
PREFIX ?= /usr/local
DESTDIR ?=
VENV := .deps/venv
KERNELS := .deps/kernels
# Test targets with real kernels, brokers, proxies or stacks.
REAL := EndToEndTests|EnvoyTests|KubernetesTests|IntegrationTests
# A floor may only use floors below it, and says so in Package.swift: the build checks it.
SWIFT_FLAGS := --explicit-target-dependency-import-check error
# The run-time library goes into each program: one file to copy, and a millisecond less at start.
# Exclusive access is checked in every test; a fifth of replay's time is what the check costs.
# A tenth is what calls between modules cost that could be a few instructions.
RELEASE_FLAGS := -c release --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked -Xswiftc -cross-module-optimization $(SWIFT_FLAGS)
export WEIR_PYTHON := $(abspath $(VENV)/bin/python3)
# Tests use a real Apache Kafka where one lies beside the project, and any broker that KAFKA_BOOTSTRAP names.
export WEIR_KAFKA_DISTRIBUTION ?= $(abspath $(wildcard ../shared/kafka))

BPF_CLANG ?= clang
BPF_FLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Werror -Wno-unused-function -Ibpf/shared/include -Ibpf -I/usr/include/$(shell uname -m)-linux-gnu
BPF_SOURCES := $(wildcard bpf/*.h bpf/*.bpf.c bpf/shared/include/weir/*.h)
BPF_OBJECTS := bpf/build/weir.bpf.o bpf/build/weir.may_goto.bpf.o

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make run [SECONDS=30] [SUMMARY=file.json] [IFACE=eth0] [KAFKA=host:port]"
	@echo "  make sim [SEED=n] [RUNS=n] [KEEP=fault,fault] [PLANT=name]"
	@echo "  make fuzz [SECONDS=60]      make install [PREFIX=/usr/local] [DESTDIR=]      KAFKA_BOOTSTRAP=host:port make test"

.PHONY: run
run: build ## everything from nothing: the closed loop on this machine, or on IFACE
	@exec .build/release/weir run $(if $(SECONDS),--for $(SECONDS)s) $(if $(SUMMARY),--summary $(SUMMARY)) $(if $(IFACE),--interface '$(IFACE)') $(if $(KAFKA),--kafka $(KAFKA))

.PHONY: test
test: deps bpf ## every test; those that lack a privilege or a part say so and are skipped
	swift build --build-tests $(SWIFT_FLAGS)
	swift test --skip-build --skip '$(REAL)|AttackTests'
	@# Real brokers and real handshakes next, two at a time: they wait for most of their time, and share two cores with what they test.
	swift test --skip-build --parallel --experimental-maximum-parallelization-width 2 --filter '$(REAL)'
	@# Attacks alone: what they count is a second's.
	swift test --skip-build --no-parallel --filter AttackTests
	@# The same seeds each time, and one that nobody has seen.
	@$(MAKE) --no-print-directory sim SEED=1 RUNS=500
	@$(MAKE) --no-print-directory sim

.PHONY: test-kernels
test-kernels: deps bpf ## the real agent on Debian's kernels 6.1 and 6.12, under an emulator; four minutes
	@if .ci/deps-kernels $(KERNELS); then \
		swift build --build-tests $(SWIFT_FLAGS) && Tests/KernelTests/run $(KERNELS) .build/debug; \
	elif [ $$? = 4 ] && [ -z "$(REQUIRED)" ]; then echo "make test-kernels: skipped: the kernels are not here and cannot be downloaded"; \
	else exit 1; fi

.PHONY: deps-kernels
deps-kernels: ## what test-kernels needs: an emulator and two kernels, in .deps; says what it downloads
	@.ci/deps-kernels $(KERNELS)

.PHONY: build
build: deps bpf ## weir, weir-agent, weir-controller and weir-archive, optimised, in .build/release
	swift build $(RELEASE_FLAGS)

.PHONY: agent
agent: deps bpf ## the agent alone
	swift build $(RELEASE_FLAGS) --product weir-agent

.PHONY: deps
deps: ## what is needed from Debian and PyPI; says what it installs
	@.ci/deps $(VENV)

.PHONY: bpf
bpf: $(BPF_OBJECTS) ## the kernel's programs, for kernels with may_goto and without

# DWARF is of no use to the kernel; BTF stays.
bpf/build/weir.bpf.o: $(BPF_SOURCES)
	@mkdir -p bpf/build
	@$(BPF_CLANG) $(BPF_FLAGS) -c bpf/weir.bpf.c -o $@.tmp
	@bpftool gen object $@ $@.tmp && rm $@.tmp && echo "built $@"

bpf/build/weir.may_goto.bpf.o: $(BPF_SOURCES)
	@mkdir -p bpf/build
	@$(BPF_CLANG) $(BPF_FLAGS) -DWEIR_MAY_GOTO -c bpf/weir.bpf.c -o $@.tmp
	@bpftool gen object $@ $@.tmp && rm $@.tmp && echo "built $@"

.PHONY: quic-tables
quic-tables: ## the constants that opening QUIC Initials in the packet needs, from bpf/quic_tables.py; a test compares
	python3 bpf/quic_tables.py bpf/shared/include/weir/quic_tables.h

.PHONY: check
check: test build ## the tests, without those of other kernels, and a short demonstration that keeps its promises
	.build/release/weir run --for 20s

.PHONY: bench
bench: build ## each claim of speed, as a ratio to its baseline in the same run
	swift build $(RELEASE_FLAGS) --product weir-bench
	.build/release/weir-bench

.PHONY: bench-cluster
bench-cluster: build ## until every node, an Envoy, KEDA and the decisions topic know of an attack; BROKER=noida|mock|apache
	unshare -n $(VENV)/bin/python3 bench/cluster.py .build/release $(if $(BROKER),$(BROKER),noida)

.PHONY: bench-events
bench-events: build ## how many events a second one controller takes from Kafka, and one weir-archive; BROKER=noida|apache
	swift build $(RELEASE_FLAGS) --product weir-bench
	unshare -n $(VENV)/bin/python3 bench/events.py .build/release $(if $(BROKER),$(BROKER),noida)

.PHONY: bench-envoy
bench-envoy: build ## what 10,000 and 100,000 limited sources cost a real Envoy: time to its ACK, one more source, memory
	unshare -n $(VENV)/bin/python3 bench/envoy.py .build/release

.PHONY: bench-goodput
bench-goodput: build ## visits of well-behaved clients under attack: with Weir, with nftables, with neither; SECONDS
	unshare -n $(VENV)/bin/python3 -B bench/goodput.py .build/release $(SECONDS)

.PHONY: bench-honest
bench-honest: build ## honest visits over a bad link with Weir enforcing, a million or COUNT: none may be refused
	swift build $(RELEASE_FLAGS) --product weir-bench
	unshare -n $(VENV)/bin/python3 -B bench/honest.py .build/release $(COUNT)

.PHONY: bench-archive
bench-archive: build ## rows a second into the archive, bytes a row, and weir query beside DuckDB on the same files; EVENTS
	swift build $(RELEASE_FLAGS) --product weir-bench
	$(VENV)/bin/python3 -B bench/archive.py .build/release $(EVENTS)

.PHONY: fuzz
fuzz: deps bpf ## every parser of others' bytes and the flow machine, each with a share of SECONDS (60)
	fuzz/run.sh $(if $(SECONDS),$(SECONDS),60)

.PHONY: attacks
attacks: build ## the scripts of ../shared/attacks on the built executables, where they lie beside the project
	@if [ -x ../shared/attacks/all.sh ]; then ../shared/attacks/all.sh .build/release; else echo "make attacks: skipped: ../shared/attacks is not here"; fi

.PHONY: sim
sim: deps ## nodes, controllers, a broker and attackers on one clock, with faults from SEED (a new one), RUNS times (1)
	swift build $(RELEASE_FLAGS) --product weir-sim
	.build/release/weir-sim $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(KEEP),--keep $(KEEP)) $(if $(PLANT),--plant $(PLANT))

LICENCES = $(VENV)/bin/python3 -B .ci/licences
PROGRAMS ?= .build/release/weir .build/release/weir-agent .build/release/weir-controller .build/release/weir-archive
SITE ?= $(wildcard $(VENV)/lib/python3*/site-packages)

.PHONY: sbom
sbom: build ## what the programs and the tests are made of: sbom/weir.cdx.json (CycloneDX) and weir.spdx.json (SPDX)
	$(LICENCES) sbom $(PROGRAMS) --site $(SITE) --out sbom

.PHONY: licenses
licenses: build ## fails on a licence that we cannot keep, and says what brought it and a way out; PROGRAMS, SITE
	$(LICENCES) check $(PROGRAMS) --site $(SITE)

.PHONY: format
format: ## Swift as the toolchain's formatter writes it; a test asks for that
	swift format format -i -r -p --configuration .swift-format Sources Tests bench

.PHONY: metrics-page
metrics-page: bpf ## docs/metrics.md, made from what the programs say of themselves
	swift build $(SWIFT_FLAGS)
	unshare -n $(VENV)/bin/python3 Tests/ManifestTests/metrics.py .build/debug . > docs/metrics.md.new
	mv docs/metrics.md.new docs/metrics.md

.PHONY: hunt
hunt: build ## tricks that nobody has tried: RUNS (100) combinations from SEED (a new one), SHAPE and ANSWER as stage.py has them
	$(VENV)/bin/python3 -B Tests/AttackTests/hunt.py .build/release/weir-agent "$(SEED)" $(or $(RUNS),100) \
		$(or $(SHAPE),direct) $(or $(ANSWER),reset)

.PHONY: chaos
chaos: build ## five minutes of attack while everything goes wrong that can; SECONDS, SEED, ONLY=fault
	unshare -nm $(VENV)/bin/python3 -B Tests/ChaosTests/chaos.py .build/release \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

.PHONY: soak
soak: build ## twenty minutes of attack and honest visits; memory and descriptors have to stay as they are; SECONDS
	unshare -nm $(VENV)/bin/python3 -B Tests/ChaosTests/soak.py .build/release $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: install
install: build ## into PREFIX (/usr/local)
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(addprefix .build/release/,weir weir-agent weir-controller weir-archive)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/weir manifests/policy.yaml
	@mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	.build/release/weir completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	@mkdir -p $(DESTDIR)$(PREFIX)/share/man/man1
	for program in weir weir-agent weir-controller weir-archive; do \
		.build/release/weir manual $$program > $(DESTDIR)$(PREFIX)/share/man/man1/$$program.1; \
	done

.PHONY: clean
clean: ## what was built; not what was installed
	rm -rf .build bpf/build fuzz/build sbom
