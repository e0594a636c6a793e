# Weir. `make help` explains every target.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BPF_CLANG ?= clang
BPF_FLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Werror -Wno-unused-function -Ibpf/shared/include -Ibpf -I/usr/include/$(shell uname -m)-linux-gnu
BPF_SOURCES := $(wildcard bpf/*.h bpf/*.bpf.c bpf/shared/include/weir/*.h)
BPF_OBJECTS := bpf/build/weir.bpf.o bpf/build/weir.may_goto.bpf.o

.PHONY: bpf
bpf: $(BPF_OBJECTS) ## the kernel's programs, for both kinds of kernel

# DWARF is of no use to the kernel; BTF stays.
bpf/build/weir.bpf.o: $(BPF_SOURCES)
	@mkdir -p bpf/build
	$(BPF_CLANG) $(BPF_FLAGS) -c bpf/weir.bpf.c -o $@.tmp
	bpftool gen object $@ $@.tmp && rm $@.tmp

bpf/build/weir.may_goto.bpf.o: $(BPF_SOURCES)
	@mkdir -p bpf/build
	$(BPF_CLANG) $(BPF_FLAGS) -DWEIR_MAY_GOTO -c bpf/weir.bpf.c -o $@.tmp
	bpftool gen object $@ $@.tmp && rm $@.tmp
