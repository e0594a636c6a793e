"""How many events a second one controller takes from Kafka, and one weir-archive: half a million, stored before they start; beside them the same consumer
that does nothing with them.

usage (by `make bench-events`): unshare -n python3 events.py PROGRAMS [noida|apache] [EVENTS]
One controller, one broker process, both on this machine's cores; ends within five minutes.
"""
import signal
import subprocess
import sys
import tempfile
import time

import lab

SECONDS = 300


def measure(home, programs, kind, count):
    open(f"{home}/policy.yaml", "w").write(
        "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: bench}\nspec:\n  mode: enforce\n"
        "  scaleOut: {targets: [{workload: shop/web, min: 2, max: 20}]}\n")
    kafka = lab.broker(home, programs, kind)
    subprocess.run([f"{programs}/weir-bench", "events", "produce", kafka, str(count)], check=True)
    plain = float(subprocess.run([f"{programs}/weir-bench", "events", "read", kafka, str(count)], check=True, stdout=subprocess.PIPE, text=True).stdout)
    controller = lab.start(home, f"{programs}/weir-controller", "--kafka", kafka, "--policy", f"{home}/policy.yaml", "--listen", "127.0.0.1:9741", "--grpc", "127.0.0.1:9742")
    considered = 'events_total{outcome="considered"}'
    lab.wait(home, "the first event", lambda: lab.metric(considered))
    began, before, used = time.monotonic(), lab.metric(considered), lab.processor(controller)
    lab.wait(home, "the last event", lambda: time.sleep(0.05) or lab.metric(considered) == count, 200)
    took, more = time.monotonic() - began, count - before
    used = lab.processor(controller) - used
    said = sum(lab.metric(f'outputs_total{{decision="{decision}"}}') for decision in ("limit_set", "limit_renewed", "scale_step", "scale_renewed"))
    malformed = lab.metric('failures_total{what="malformed_record"}')
    if malformed:
        raise SystemExit(f"{malformed} events were malformed")
    print(f"{count:,} events of 10,000 sources, broker: {kind}\n"
          f"  controller   {more / took:9,.0f} events/s   ({said:,} limits and decisions said; {1e6 * used / more:.1f} us of processor time an event, {lab.megabytes(controller):.0f} MB)\n"
          f"  only read    {count / plain:9,.0f} events/s   (the same consumer, nothing done with them)")
    controller.kill()
    controller.wait()
    lab.processes.remove(controller)
    archive(home, programs, kafka, count)


def archive(home, programs, kafka, count):
    """From the first commit to the last: a commit has 100,000 rows at most, and comes after a second at the latest."""
    words = ("--kafka", kafka, "--archive", f"{home}/archive", "--every", "1s", "--listen", "127.0.0.1:9743")
    writer, written = lab.start(home, f"{programs}/weir-archive", *words), 'records_total{outcome="written"}'

    def rows():
        return lab.metric(written, 9743, "weir_archive_")
    lab.wait(home, "the first commit", rows)
    began, before = time.monotonic(), rows()
    lab.wait(home, "the last commit", lambda: time.sleep(0.05) or rows() >= count, 200)
    took, used = time.monotonic() - began, lab.processor(writer)
    count = rows()
    size = lab.metric("bytes_total", 9743, "weir_archive_") / count
    print(f"  archive      {(count - before) / took:9,.0f} events/s   ({1e6 * used / count:.1f} us of processor time an event, "
          f"{lab.megabytes(writer):.0f} MB, {size:.1f} bytes a row)")


def main():
    words = sys.argv[1:]
    if not 1 <= len(words) <= 3:
        lab.refuse("usage: unshare -n python3 events.py PROGRAMS [noida|apache] [EVENTS]")
    programs, kind, count = words + ["noida", "500000"][len(words) - 1:]
    if kind not in ("noida", "apache"):
        lab.refuse(f"`{kind}`: noida or apache is expected (the built-in broker keeps 100,000 records a partition at most)")
    if not (count.isascii() and count.isdigit() and 1000 <= int(count) <= 5_000_000):
        lab.refuse(f"`{count}`: a number of events from 1000 to 5,000,000 is expected")
    if kind == "noida" and int(count) > 500_000:
        lab.refuse("noida answers a fetch with more than it was asked for: from a million events on librdkafka refuses it; 500,000 at most, or apache")
    lab.begin(programs)

    def late(*_):
        raise SystemExit(f"not done within {SECONDS} s")
    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    with tempfile.TemporaryDirectory(prefix="weir-events-") as home:
        try:
            measure(home, programs, kind, int(count))
        finally:
            lab.end()


main()
