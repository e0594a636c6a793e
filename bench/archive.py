"""The archive: rows a second into it, bytes a row, and its answers beside DuckDB's on the same files.

usage (by `make bench-archive`): python3 archive.py PROGRAMS [EVENTS [TABLE]]     a table that is there already is only asked
Both are asked with one thread, and the best of five counts; of weir query the whole process is timed, of DuckDB its query alone.
"""

import glob
import os
import subprocess
import sys
import tempfile
import time

import duckdb
import lab

REGION = [word for node in (1, 4, 7) for word in ("--place", f"node-{node}")]
IN_REGION = "place in ('node-1', 'node-4', 'node-7')"
QUESTIONS = [
    ("critical, sources of 3 of 12 places", ["--severity", "critical", *REGION], "source_prefix", f"{IN_REGION} and severity = 'critical'"),
    ("sources of 3 of 12 places", REGION, "source_prefix", IN_REGION),
    ("sources of all places", [], "source_prefix", "true"),
    ("one source, by hour", ["--by", "hour", "--source", "203.0.2.3"], "hour", "source_address = '203.0.2.3'"),
    ("anomalies of all places", ["--by", "anomaly"], "anomalies", "true"),
]


def best(body):
    took = []
    for _ in range(5):
        began = time.monotonic()
        body()
        took.append(time.monotonic() - began)
    return min(took)


def ask(programs, table):
    files = glob.glob(f"{table}/place=*/hour=*/*.parquet")
    database = duckdb.connect()
    database.execute("set threads=1")
    source = f"read_parquet({files!r}, hive_partitioning=true, hive_types_autocast=false)"
    query = [f"{programs}/weir", "query", "--archive", table, "--until", "2026-11-27T00:00:00Z", "--last", "72h", "--threads", "1"]
    for what, options, group, condition in QUESTIONS:
        def ours():
            return subprocess.run(query + options, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr

        sql = (
            f"select {group} as g, count(*) as n, sum(seen), sum(reset + dropped), min(time), max(time) from {source} "
            f"where kind = 'event' and not rehearsal and {condition} group by g order by n desc, g limit 20"
        )
        times, said = (best(ours), best(lambda: database.execute(sql).fetchall())), ours().strip().removeprefix("weir: ")
        print(f"  {what:36} weir query {times[0]:.3f} s   DuckDB {times[1]:.3f} s   ({said})", flush=True)


def main():
    words = sys.argv[1:]
    if not 1 <= len(words) <= 3 or any(not word.isdigit() for word in words[1:2]):
        lab.refuse("usage: python3 archive.py PROGRAMS [EVENTS [TABLE]]")
    programs, count = words[0], int((words + ["10000000"])[1])
    if len(words) == 3:
        return ask(programs, words[2])
    with tempfile.TemporaryDirectory(prefix="weir-archive-") as home:
        table = os.path.join(home, "table")
        made = subprocess.run([f"{programs}/weir-bench", "archive", table, str(count)], check=True, stdout=subprocess.PIPE, text=True)
        rows, size, files = made.stdout.split()
        print(f"{count:,} events in {files} files: {float(rows):,.0f} rows/s on one core, {float(size):.1f} bytes a row", flush=True)
        ask(programs, table)


if __name__ == "__main__":
    main()
