"""What every trick has in common: twelve connections of one source at once, the trick on each, and what became of them."""
import os
import time

from hellos import nameless
from network import SERVER, SERVER6
from wire import ACK, Flow, Wire, packed
from witness import most_in_a_second

COUNT = 12
tricks = []


class Trick:
    def __init__(self, says, run, families=(4, 6), core=False, alone=False, least=1, shapes=None, opens=True, hangs=0, reaches=True, quiet=8, skip=0, silent=0):
        self.says, self.run, self.families, self.core, self.alone = says, run, families, core, alone
        self.least, self.shapes, self.opens, self.hangs, self.reaches, self.quiet, self.skip, self.silent = least, shapes, opens, hangs, reaches, quiet, skip, silent


def trick(says, **how):
    """For a function of an attack whose connections are open."""
    def add(run):
        tricks.append(Trick(says, run, **how))
        return run
    return add


def each(says, **how):
    """For a function of one open connection."""
    def add(run):
        def all_of_them(attack):
            for flow in attack.flows:
                run(flow)
        tricks.append(Trick(says, all_of_them, **how))
        return run
    return add


class Attack:
    def __init__(self, stage, number, family, trick):
        self.stage, self.network, self.trick, self.family = stage, stage.network, trick, family
        self.number = number
        self.source = f"198.18.{number}.66" if family == 4 else f"2001:db8:{0x100 + number:x}::66"
        self.ordinary = f"198.19.{number}.66" if family == 4 else f"2001:db9:{0x100 + number:x}::66"
        self.target = SERVER if family == 4 else SERVER6
        self.wire = Wire(self.network, self.source, self.target)
        self.flows, self.sockets, self.since, self.opened = [], [], time.time(), 0

    def open(self, count=COUNT, server_port=443, ports=None, acks=True, syn=None, **more):
        """So many connections, all of them open before any says a word."""
        ports = ports or [20000 + 7 * i for i in range(count)]
        flows = [Flow(self.wire, port, server_port, **more) for port in ports]
        for _ in range(5):
            missing = [flow for flow in flows if flow.server_isn is None]
            if not missing:
                break
            for flow in missing:
                flow.syn(**(syn(flow) if syn else {}))
            self.wire.hear(0.5, lambda: all(flow.server_isn is not None for flow in missing))
        opened = [flow for flow in flows if flow.server_isn is not None]
        if acks:
            for flow in opened:
                flow.ack()
        self.flows += opened
        self.opened += len(opened)
        return opened

    def hear(self, seconds, flows=None):
        flows = self.flows if flows is None else flows
        self.wire.hear(seconds, lambda: all(flow.said for flow in flows))

    def told(self):
        """Have all sockets been told something? What each was told."""
        said = []
        for s in self.sockets:
            try:
                s.settimeout(0.5)
                data = s.recv(4096)
                said.append("answer" if data else "end")
            except ConnectionError:
                said.append("reset")
            except OSError:
                said.append(None)
        return said

    def wait(self):
        """Until every client was told something; with the answer `drop`, until the server's side of what was not answered has ended."""
        end = time.monotonic() + self.trick.quiet
        while time.monotonic() < end:
            self.hear(0.25)
            if all(flow.said or self.stage.answer == "drop" and self.network.server.is_over(self.source, flow.ports[0]) for flow in self.flows):
                break

    def play(self):
        if self.trick.opens:
            self.open()
        self.trick.run(self)
        self.wait()
        said = [flow.said for flow in self.flows] + self.told()
        source = self.ordinary if self.sockets else self.source
        self.stage.witness.catch_up()
        events = self.stage.witness.events(packed(source), self.since, self.trick.skip)
        answered = self.stage.witness.answered_ports(packed(source))
        hanging = self.stage.network.server.open_ports(source) - answered
        if hanging:                                     # a refusal may need the server's own retransmission
            self.wire.hear(0.6)
            hanging = self.stage.network.server.open_ports(source) - self.stage.witness.answered_ports(packed(source))
            events = self.stage.witness.events(packed(source), self.since, self.trick.skip)
        wrote = self.stage.network.server.answers(source)
        for flow in self.flows:
            flow.end()
        for s in self.sockets:
            s.close()
        self.wire.close()
        return {"trick": self.trick.says, "family": self.family, "opened": self.opened, "answered": len({who for _, who in events}),
                "most": most_in_a_second(events), "written": wrote, "reset": said.count("reset"), "silent": said.count(None), "hanging": len(hanging),
                "wrong": sorted({word for word in said if word and word.startswith("reset at")}), "least": self.trick.least, "hangs": self.trick.hangs,
                "reaches": self.trick.reaches, "may_be_silent": self.trick.silent}


@each("a nameless hello in one segment", core=True)
def plain(flow):
    flow.whole(nameless())
