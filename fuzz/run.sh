#!/usr/bin/env bash
# Every fuzzer, each with a share of the time. Usage: fuzz/run.sh SECONDS
# The shared C runs under libFuzzer with address and undefined-behaviour checks: the parsers, and the flow machine against a model of a server's stack.
# The parsers in Swift draw their inputs themselves (Tests/FuzzTests).
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=fuzz/build
parsers=$(grep -c '@Test' Tests/FuzzTests/ParserTests.swift)
share() { echo $(( seconds * $1 / 8 > 0 ? seconds * $1 / 8 : 1 )); }
mkdir -p "$build"
compiler=$(command -v clang-19 || command -v clang)
echo "fuzz: building with $compiler"
compile() {
  "$compiler" -g -O2 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment \
    -Ibpf/shared/include -ISources/System/CQUIC/include -o "$build/$1" "${@:2}" bpf/shared/*.c -lcrypto
}
compile engine_fuzz fuzz/engine_fuzz.c
compile flow_fuzz fuzz/flow/flow_fuzz.c
compile quic_fuzz fuzz/quic_fuzz.c Sources/System/CQUIC/*.c
python3 fuzz/seeds.py Tests/Fixtures "$build/engine-seeds"
python3 fuzz/programs.py "$build/flow-seeds"
python3 fuzz/datagrams.py "$build/quic-seeds"

# NAME SECONDS LENGTH
run() {
  mkdir -p "$build/$1-corpus"
  echo "fuzz: $1 for $2 s from $(find "$build/$1-seeds" -type f | wc -l) seeds"
  "$build/$1_fuzz" -max_total_time="$2" -max_len="$3" -artifact_prefix="$build/$1-" -print_final_stats=1 "$build/$1-corpus" "$build/$1-seeds" > "$build/$1.log" 2>&1 || {
    tail -n 40 "$build/$1.log" >&2
    echo "fuzz: $1 found something; its input is in $build: LOUD=1 $build/$1_fuzz INPUT shows it" >&2
    exit 1
  }
  awk -v name="$1" '/stat::number_of_executed_units/{n=$2} /stat::average_exec_per_sec/{r=$2} END{printf "fuzz: %s: %d inputs, %d a second, nothing found\n", name, n, r}' "$build/$1.log"
}
run engine "$(share 2)" 8192
run flow "$(share 3)" 400
run quic "$(share 1)" 4096

each=$(( $(share 2) / parsers > 0 ? $(share 2) / parsers : 1 ))
echo "fuzz: $parsers parsers in Swift, $each s each"
swift build --build-tests --explicit-target-dependency-import-check error > "$build/swift.log" 2>&1 || { tail -n 20 "$build/swift.log" >&2; exit 1; }
WEIR_FUZZ_SECONDS=$each WEIR_FUZZ_SEED=$(date +%s) swift test --skip-build --no-parallel --filter FuzzTests.ParserTests > "$build/swift.log" 2>&1 || {
  grep -E 'fuzz:|✘|recorded an issue|Fatal' "$build/swift.log" >&2 || tail -n 40 "$build/swift.log" >&2
  echo "fuzz: a parser failed; of a trap the input is in /tmp/weir-fuzz-PID-PARSER" >&2
  exit 1
}
grep 'fuzz:' "$build/swift.log"
