"""Attacks of many kinds on a real TLS server behind the real agent, each from a source of its own, counted by a witness who knows nothing of Weir.

usage: unshare -n python3 stage.py AGENT SHAPE ANSWER SET [FILTER]
    SHAPE   direct, single, clsact, routed, dnat, one_armed, pumped; bare: no agent at all, where every trick has to reach the server
    ANSWER  reset, drop
    SET     all, core, alone, honest, balanced; forgers, flood (routed); crowd (pumped), FILTER: how many visits
            quic; stopped: QUIC, opened in the packet, while the agent stands still
            hunt, FILTER: from which combination to which (hunt.py)
prints a line of JSON for each trick, and one for the stage.
"""
import concurrent.futures
import json
import os
import sys
import time

import attack
import balanced
import crowd
import cuts      # noqa: F401  each of these adds its tricks to the list
import answers   # noqa: F401
import datagrams # noqa: F401
import decoys    # noqa: F401
import flood
import forgers
import honest
import hunt
import mixed     # noqa: F401
import openings  # noqa: F401
import quic
import network
from network import Agent, Network, end_all
from witness import Witness

sys.setswitchinterval(0.001)


class Stage:
    def __init__(self, program, shape, answer, more=""):
        network = {"single": "direct", "clsact": "direct", "bare": "direct"}.get(shape, shape)
        self.answer = answer
        self.shape, self.network = network, Network(
            network, single_frames=shape == "single", programs=os.path.dirname(program))
        self.witness, self.agent = Witness("c0"), None
        if shape != "bare":
            options = ["--attach", "clsact"] if shape == "clsact" else []
            self.agent = Agent(program, self.network.watched, self.network.interface, answer, options, more)

    def play(self, number, family, trick):
        try:
            return attack.Attack(self, number, family, trick).play()
        except Exception as error:
            import traceback
            return {"trick": trick.says, "family": family, "error": "".join(traceback.format_exception(error)[-3:])}


def chosen(which, shape, words):
    if which == "hunt":
        yield from ((number + 1, family, trick) for number, trick in enumerate(hunt.tricks(words)) for family in trick.families)
        return
    for number, trick in enumerate(attack.tricks):
        if (which == "alone") != trick.alone or which == "core" and not trick.core or trick.shapes and shape not in trick.shapes:
            continue
        if all(word in trick.says for word in words):
            for family in trick.families:
                yield number + 1, family, trick


def main(program, shape, answer, which, *words):
    stage = Stage(program, shape, answer, "  quic: {inPacket: true}\n" if which == "stopped" else "")
    began = time.monotonic()
    if which == "honest":
        rows = honest.play(stage, stage.shape, words)
    elif which == "crowd":
        rows = crowd.play(stage, os.path.dirname(program), int(words[0]) if words else 20_000)
    elif which == "quic":
        rows = quic.play(stage, words)
        if stage.agent:
            stage.agent.reload("spec:\n", "spec:\n  quic: {inPacket: true}\n", "unavailable")
    elif which == "stopped":
        rows = quic.play_stopped(stage, words)
    elif which == "balanced":
        rows = balanced.play(stage)
    elif which == "flood":
        rows = flood.play(stage)
    elif which == "forgers":
        rows = forgers.play(stage, words, network)
    else:
        rows = tricks(stage, which, words)
    result = {"rows": rows, "bad_sums": stage.witness.bad_sums, "seconds": int(time.monotonic() - began)}
    if stage.agent:
        result["counters"] = {name: value for name, value in stage.agent.status()["counters"].items() if value}
        result["code"] = stage.agent.stop()
    return result


def tricks(stage, which, words):
    with concurrent.futures.ThreadPoolExecutor(1 if which == "alone" else 10) as pool:
        jobs = [pool.submit(stage.play, *job) for job in chosen(which, stage.shape, words)]
        return [job.result() for job in jobs]


if __name__ == "__main__":
    try:
        result = main(*sys.argv[1:])
        for row in result.pop("rows"):
            print(json.dumps(row))
        print(json.dumps(result), flush=True)
    finally:
        sys.stdout.flush()
        end_all()
    os._exit(0)
