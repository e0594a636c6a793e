#!/usr/bin/env bash
# The shared C under libFuzzer with address and undefined-behaviour checks. Usage: fuzz/run.sh SECONDS
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=fuzz/build
mkdir -p "$build/corpus"
compiler=$(command -v clang-19 || command -v clang)
echo "fuzz: building with $compiler"
"$compiler" -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment \
  -Ibpf/shared/include -o "$build/engine_fuzz" fuzz/engine_fuzz.c bpf/shared/engine.c bpf/shared/table.c
python3 fuzz/seeds.py Tests/Fixtures "$build/seeds"
echo "fuzz: running for $seconds s from $(ls "$build/seeds" | wc -l) seeds"
"$build/engine_fuzz" -max_total_time="$seconds" -max_len=8192 -artifact_prefix="$build/crash-" -print_final_stats=1 "$build/corpus" "$build/seeds" > "$build/log" 2>&1 || {
  tail -n 40 "$build/log" >&2
  echo "fuzz: a crash; its input is in $build, run $build/engine_fuzz on it" >&2
  exit 1
}
awk '/stat::number_of_executed_units/{n=$2} /stat::average_exec_per_sec/{r=$2} END{printf "fuzz: %d inputs, %d a second, no crash\n", n, r}' "$build/log"
