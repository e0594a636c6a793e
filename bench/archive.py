"""The archive: rows a second into it, bytes a row, and its answers beside DuckDB's on the same files.

usage (by `make bench-archive`): python3 archive.py PROGRAMS [EVENTS]
Both are asked with one thread, the whole process is timed, and the best of five counts; DuckDB's import is left out.
"""
import os
import subprocess
import sys
import tempfile
import time

import duckdb

import lab

QUESTIONS = [
    ("sources of 3 of 12 places, severity critical, 72 h", ["--by", "source", "--severity", "critical"] + [w for n in (1, 4, 7) for w in ("--place", f"node-{n}")],
     "source_prefix", "place in ('node-1', 'node-4', 'node-7') and severity = 'critical'"),
    ("sources of 3 of 12 places, 72 h", ["--by", "source"] + [w for n in (1, 4, 7) for w in ("--place", f"node-{n}")], "source_prefix", "place in ('node-1', 'node-4', 'node-7')"),
    ("sources of all places, 72 h", ["--by", "source"], "source_prefix", "true"),
    ("one source, by hour", ["--by", "hour", "--source", "203.0.2.3"], "hour", "source_address = '203.0.2.3'"),
    ("anomalies of all places, 72 h", ["--by", "anomaly"], "anomalies", "true"),
]


def best(body):
    took = []
    for _ in range(5):
        began = time.monotonic()
        body()
        took.append(time.monotonic() - began)
    return min(took)


def main():
    if not 2 <= len(sys.argv) <= 3 or len(sys.argv) == 3 and not sys.argv[2].isdigit():
        lab.refuse("usage: python3 archive.py PROGRAMS [EVENTS]")
    programs, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 10_000_000
    with tempfile.TemporaryDirectory(prefix="weir-archive-") as home:
        table = f"{home}/table"
        rows, size, files = subprocess.run([f"{programs}/weir-bench", "archive", table, str(count)], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        print(f"{count:,} events in {files} files: {float(rows):,.0f} rows/s into the table on one core, {float(size):.1f} bytes a row")
        names = [os.path.join(folder, name) for folder, _, all_names in os.walk(table) for name in all_names if name.endswith(".parquet") and "_delta_log" not in folder]
        database = duckdb.connect()
        database.execute("set threads=1")
        database.execute("create view rows as select * from read_parquet($1, hive_partitioning=true, hive_types_autocast=false)".replace("$1", repr(names)))
        for what, options, group, condition in QUESTIONS:
            words = [f"{programs}/weir", "query", "--archive", table, "--until", "2026-11-27T00:00:00Z", "--last", "72h", "--threads", "1", *options]
            ours = best(lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            said = subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr.strip()
            sql = (f"select {group} as g, count(*) as n, sum(seen), sum(reset + dropped), min(time), max(time) from rows "
                   f"where kind = 'event' and not rehearsal and {condition} group by g order by n desc, g limit 20")
            theirs = best(lambda: database.execute(sql).fetchall())
            print(f"  {what:52} weir query {ours:.3f} s   DuckDB {theirs:.3f} s   ({said.removeprefix('weir: ')})")


if __name__ == "__main__":
    main()
