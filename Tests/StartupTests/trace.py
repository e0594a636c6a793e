"""Whether a file is Chrome's trace-event JSON as viewers want it, by the format's own description ("Trace Event Format", the JSON Object
Format with complete and metadata events), and what is in it. Prints that as JSON, or says in one line what is wrong and exits with 1."""
import json
import sys


def check(trace):
    events = trace["traceEvents"]
    assert isinstance(events, list) and events, "traceEvents is no list with something in it"
    assert trace.get("displayTimeUnit", "ms") in ("ms", "ns"), "displayTimeUnit"
    threads, spans = {}, {}
    for number, event in enumerate(events):
        where = f"event {number}"
        assert isinstance(event.get("name"), str) and event["name"], f"{where}: no name"
        for field in ("pid", "tid"):
            assert type(event.get(field)) is int and event[field] > 0, f"{where}: {field} is no positive integer"
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name"), f"{where}: unknown metadata"
            assert isinstance(event["args"]["name"], str), f"{where}: metadata without a name"
            if event["name"] == "thread_name":
                threads[event["pid"], event["tid"]] = event["args"]["name"]
        else:
            assert event["ph"] == "X", f"{where}: neither complete nor metadata"
            for field in ("ts", "dur"):
                assert type(event.get(field)) in (int, float) and event[field] >= 0, f"{where}: {field} is no time"
            assert isinstance(event["cat"], str) and isinstance(event["args"], dict), f"{where}: no category, or no arguments"
            spans.setdefault((event["pid"], event["tid"]), []).append(event)
    assert set(spans) <= set(threads), "a thread without a name"
    assert len(set(threads.values())) == len(threads), "two threads of one name"
    depths = {}
    for thread, mine in spans.items():
        open_ends = []
        # A viewer stacks what lies within another; what overlaps without that it cannot show.
        for event in sorted(mine, key=lambda event: (event["ts"], -event["dur"])):
            while open_ends and (open_ends[-1] < event["ts"] or open_ends[-1] == event["ts"] and event["dur"] > 0):
                open_ends.pop()
            end = event["ts"] + event["dur"]
            assert not open_ends or end <= open_ends[-1], f"{event['name']} leaves what it began in"
            open_ends.append(end)
            depths[event["name"]] = len(open_ends)
    return {"threads": list(threads.values()), "names": [event["name"] for event in events if event["ph"] == "X"], "depth": max(depths.values()),
            "total_us": max(event["ts"] + event["dur"] for event in events if event["ph"] == "X")}


if __name__ == "__main__":
    try:
        print(json.dumps(check(json.load(open(sys.argv[1])))))
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        sys.exit(f"{sys.argv[1]}: {type(error).__name__}: {error}")
