"""The archive's table as others read it: pyarrow, DuckDB and delta-rs, held against the records and against weir query.

usage: python3 archive.py rows TABLE RECORDS    every row and column against the records, a JSON object a line
       python3 archive.py query WEIR TABLE      what weir query says against the same question in SQL
       python3 archive.py offsets TABLE         how often each offset of each partition is there, a JSON object
Prints what differs, and ends with 1 then.
"""

import collections
import datetime
import ipaddress
import json
import subprocess
import sys

import duckdb
import pyarrow.parquet as parquet
from deltalake import DeltaTable

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
TOPICS = {"event": "security-throttle-events", "loss": "security-throttle-events", "limit": "security-throttle-limits",
          "ended": "security-throttle-limits", "decision": "security-scale-decisions"}


def micros(text):
    """RFC 3339 with nanoseconds, cut to microseconds."""
    if text is None:
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00") - EPOCH
    return round(seconds.total_seconds()) * 1_000_000 + int((fraction + "0" * 9)[:9]) // 1000


def number(text):
    address = ipaddress.ip_address(text)
    return int(address) if address.version == 4 else int(address) >> 65


def plain(value):
    if isinstance(value, datetime.datetime):
        delta = value - EPOCH
        return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds
    return value


def expected(record):
    """The row of a record, by the topics' schemas alone."""
    body = json.loads(record["value"]) if record["value"] is not None else {}
    schema = body.get("schema", "")
    row = {"log_partition": record["partition"], "log_offset": record["offset"], "appended": micros(record["appended"]),
           "time": micros(record["time"]), "id": record["id"], "place": record["place"]}
    row["hour"] = record["time"][:13]
    row["trace_id"] = body.get("trace_id")
    if "throttle-event" in schema:
        limit, counts, latency = body["limit"] or {}, body["counts"], body["latency_us"]
        row |= {
            "kind": "event", "node": body["node"], "source_prefix": body["source.prefix"], "source_address": body["source.address"],
            "source_number": number(body["source.address"]), "source_port": body["source.port"],
            "proxy_address": body.get("network.peer.address"), "destination_address": body["destination.address"],
            "destination_port": body["destination.port"], "transport": body["network.transport"], "workload": body["workload"],
            "interface": body["interface"], "direction": body["direction"], "anomalies": ",".join(body["anomalies"]),
            "severity": body["severity"], "completeness": body["completeness"], "proof": body["proof"],
            "reach": body.get("reach", "source"), "server_name": body["tls.client.server_name"],
            "tls_version": body["tls.client.version"], "alpn": ",".join(body["tls.client.alpn"]) or None,
            "ja3": body["tls.client.ja3"], "ja4": body["tls.client.ja4"], "action": body["action"],
            "limit_class": limit.get("class"), "limit_per_second": limit.get("per_second"), "limit_answer": limit.get("answer"),
            "until": micros(limit.get("until")), "limit_enforced": limit.get("enforced"), "since": micros(counts["since"]),
            "seen": counts["seen"], "suppressed": counts["suppressed"], "reset": counts["reset"], "dropped": counts["dropped"],
            "would_refuse": counts.get("would_refuse", 0), "enforced_by": body["enforced_by"],
            "seen_to_decided_us": latency["seen_to_decided"], "seen_to_enforced_us": latency["seen_to_enforced"],
            "policy_name": body["policy"]["name"], "policy_version": body["policy"]["version"],
            "rehearsal": body.get("rehearsal", False)}
    elif "loss" in schema:
        row |= {"kind": "loss", "node": body["node"], "since": micros(body["since"]), "until": micros(body["until"]),
                "lost": ",".join(f"{loss['what']}:{loss['cause']}:{loss['count']}" for loss in body["losses"])}
    elif "scale-decision" in schema:
        why = body["reason"]
        row |= {"kind": "decision", "workload": body["workload"], "source_prefix": why["source.prefix"],
                "source_number": number(why["source.prefix"].split("/")[0]), "desired_replicas": body["desired_replicas"],
                "previous_replicas": body["previous_replicas"], "mode": body["mode"], "events_in_window": why["events_in_window"],
                "window_seconds": why["window_seconds"], "more_than": why["more_than"], "sources_over": why["sources_over"],
                "until": micros(body["until"]), "generation": body["generation"]}
    else:
        prefix, name = record["key"].split("|")
        row |= {"kind": "ended", "source_prefix": prefix, "source_number": number(prefix.split("/")[0]), "limit_class": name}
        if body:
            why = body["reason"]
            row |= {"kind": "limit", "limit_per_second": body["per_second"], "limit_answer": body["answer"],
                    "until": micros(body["until"]), "anomalies": ",".join(why["anomalies"]), "origin": body["origin"],
                    "generation": body["generation"], "step": body["step"], "released": body.get("released", False),
                    "has_refused": body.get("has_refused", False), "rehearsal": body.get("rehearsal", False),
                    "events_in_window": why["events_in_window"], "event_ids": ",".join(why["event_ids"]) or None}
    return row


def differences(reader, rows, wanted):
    """By place in the log."""
    found = collections.defaultdict(list)
    for row in rows:
        row = {name: plain(value) for name, value in row.items()}
        found[TOPICS[row["kind"]], row["log_partition"], row["log_offset"]].append(row)
    for key in sorted(wanted.keys() | found.keys()):
        if len(found[key]) != (key in wanted):
            yield f"{reader}: {key} is there {len(found[key])} times"
            continue
        row = found[key][0]
        for name in row.keys() | wanted[key].keys():
            if row.get(name) != wanted[key].get(name):
                yield f"{reader}: {key} {name}: {row.get(name)!r}, but the record says {wanted[key].get(name)!r}"


def files(table):
    return [uri.removeprefix("file://") for uri in table.file_uris()]


def of_pyarrow(table):
    """File by file, with the checksums of its pages, and its extremes held against its rows; the partition from the path."""
    for name in files(table):
        parts = dict(part.split("=", 1) for part in name.split("/") if "=" in part)
        file = parquet.ParquetFile(name, page_checksum_verification=True)
        for group in range(file.num_row_groups):
            data, meta = file.read_row_group(group), file.metadata.row_group(group)
            for index in range(meta.num_columns):
                column, statistics = meta.column(index), meta.column(index).statistics
                values = [value for value in data.column(column.path_in_schema).to_pylist() if value is not None]
                if statistics.null_count != data.num_rows - len(values):
                    raise SystemExit(f"{name}: {column.path_in_schema}: wrong number of nulls")
                order = (lambda value: value.encode()) if values and isinstance(values[0], str) else (lambda value: value)
                if values and (statistics.min != min(values, key=order) or statistics.max != max(values, key=order)):
                    raise SystemExit(f"{name}: {column.path_in_schema}: wrong extremes")
            yield from ({**row, **parts} for row in data.to_pylist())


def of_duckdb(table):
    database = duckdb.connect()
    database.execute("set timezone='UTC'")
    cursor = database.execute("select * from read_parquet(?, hive_partitioning=true, hive_types_autocast=false)", [files(table)])
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row)) for row in cursor.fetchall())


def of_delta(table):
    return table.to_pyarrow_table().to_pylist()


def rows(where, records):
    table, wanted = DeltaTable(where), {}
    with open(records) as lines:
        for line in lines:
            record = json.loads(line)
            wanted[record["topic"], record["partition"], record["offset"]] = expected(record)
    wrong = []
    for reader in (of_pyarrow, of_duckdb, of_delta):
        wrong += differences(reader.__name__, reader(table), wanted)
    for line in wrong[:20]:
        print(line)
    print(f"{len(wanted)} records, {len(files(table))} files, {len(wrong)} differences")
    return bool(wrong)


SEVERITIES = ["info", "low", "med", "high", "critical"]
GROUPS = {"source": "source_prefix", "hour": "strftime(time, '%Y-%m-%dT%H')", "ja4": "ja4", "workload": "workload", "node": "node",
          "destination": "destination_address", "severity": "severity", "anomaly": "unnest(string_split(anomalies, ','))"}


def questions(start):
    """Options, and the same as a condition."""
    def between(text, seconds):
        end = micros(text)
        return f"epoch_us(time) >= {end - seconds * 1_000_000} and epoch_us(time) < {end}"

    whole = ["--until", start[:11] + "23:59:59Z", "--last", "24h"], between(start[:11] + "23:59:59Z", 86400)
    part = ["--until", start[:11] + "13:30:00Z", "--last", "90m"], between(start[:11] + "13:30:00Z", 5400)
    block, first = ipaddress.ip_network("203.0.113.64/27"), int(ipaddress.ip_address("203.0.113.64"))
    event, plain_ = "kind = 'event'", "not rehearsal"
    ipv4 = f"source_number between {first} and {first + block.num_addresses - 1} and source_address like '203.%'"
    ipv6 = "source_address like '2001:db8:0:7:%' or source_address = '2001:db8:0:7::'"
    for options, when in (whole, part):
        yield options, [event, when, plain_]
        yield options + ["--rehearsals"], [event, when]
        yield options + ["--place", "eu"], [event, when, plain_, "place = 'eu'"]
        yield options + ["--source", str(block)], [event, when, plain_, ipv4]
        yield options + ["--source", "2001:db8:0:7::/64"], [event, when, plain_, f"({ipv6})"]
        yield options + ["--anomaly", "missing_sni"], [event, when, plain_, "list_contains(string_split(anomalies, ','), 'missing_sni')"]
        yield options + ["--severity", "high"], [event, when, plain_, "severity in ('high', 'critical')"]
        yield (options + ["--workload", "shop/web", "--node", "eu-west-1"],
               [event, when, plain_, "workload = 'shop/web'", "node = 'eu-west-1'"])
        yield options + ["--of", "limits"], ["kind = 'limit'", when, plain_]
        yield options + ["--of", "decisions"], ["kind = 'decision'", when]


def query(weir, where):
    table, database, wrong, asked = DeltaTable(where), duckdb.connect(), 0, 0
    database.execute("set timezone='UTC'")
    source = "read_parquet(?, hive_partitioning=true, hive_types_autocast=false)"
    database.execute(f"create table rows as select * from {source}", [files(table)])
    start = database.execute("select strftime(min(time), '%Y-%m-%dT%H:%M:%SZ') from rows").fetchone()[0]
    for number, (options, conditions) in enumerate(questions(start)):
        # Each question by a few groups; all of them have their turn.
        for turn in range(3):
            group = list(GROUPS)[(number * 3 + turn) % len(GROUPS)]
            for column in (GROUPS[group],):
                words = [weir, "query", "--archive", where, "--format", "json", "--top", "1000000", "--by", group]
                words += ["--threads", str(1 + turn % 2)]
                done = subprocess.run(words + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                if done.returncode:
                    raise SystemExit(f"{words + options}: {done.stderr}")
                said = {}
                for line in done.stdout.splitlines():
                    row = json.loads(line)
                    said[row["group"]] = (row["records"], row["hellos"], row["refused"], micros(row["first"]), micros(row["last"]))
                sql = (f"select {column} as g, count(*), sum(coalesce(seen, 0)), sum(coalesce(reset, 0) + coalesce(dropped, 0)), "
                       f"min(epoch_us(time)), max(epoch_us(time)) from rows where {' and '.join(conditions)} group by g")
                if group == "anomaly":
                    # A row without the column counts as one without an anomaly.
                    sql = sql.replace(column, "unnest(coalesce(string_split(anomalies, ','), [null]))")
                wanted = {row[0] or None: tuple(row[1:]) for row in database.execute(sql).fetchall()}
                asked += 1
                if said != wanted:
                    wrong += 1
                    differ = [key for key in said.keys() | wanted.keys() if said.get(key) != wanted.get(key)][:3]
                    for key in differ:
                        print(f"{' '.join(words[1:] + options)}: {key}: {said.get(key)}, but DuckDB says {wanted.get(key)}")
    print(f"{asked} questions, {wrong} differ")
    return bool(wrong)


def offsets(where):
    table = DeltaTable(where)
    count = collections.Counter()
    for batch in (parquet.read_table(name, columns=["kind", "log_partition", "log_offset"]) for name in files(table)):
        for row in batch.to_pylist():
            count[f"{TOPICS[row['kind']]}/{row['log_partition']}/{row['log_offset']}"] += 1
    print(json.dumps(count))
    return False


if __name__ == "__main__":
    raise SystemExit({"rows": rows, "query": query, "offsets": offsets}[sys.argv[1]](*sys.argv[2:]))
