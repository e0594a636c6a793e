"""Honest visits by the thousand over a link that loses, reorders and repeats: clients and server in C, over OpenSSL."""
import json
import subprocess

from network import HOME, start, wait

SECONDS = "120"         # a visit may take: a lost segment is sent again after 1, 3, 7, 15, 31 and 63 seconds
PORTS = "443,4443"      # the second asks for another group


class Crowd:
    def __init__(self, network, program):
        self.program = program
        network.server.process.kill()
        network.server.process.wait()
        key = [f"{HOME.name}/cert.pem", f"{HOME.name}/key.pem"]
        network.server_namespace.sh("sysctl -qw net.ipv4.tcp_tw_reuse=1")
        self.server = start([*network.server_namespace.enter, program, "serve", *key, PORTS], stdout=subprocess.PIPE)
        wait("the server", lambda: self.listens(network))

    def listens(self, network):
        done = subprocess.run([*network.server_namespace.enter, "ss", "-Hltn", "sport = :4443"], stdout=subprocess.PIPE, text=True)
        return "4443" in done.stdout

    def visit(self, family, count, at_once):
        """How many succeeded, were refused, and failed otherwise, as the clients saw it."""
        target, source = ("198.51.100.2", "198.19.100.1") if family == 4 else ("2001:db8:1::2", "2001:db9:64::1")
        words = [self.program, "visit", target, source, "200", str(count), str(at_once), SECONDS, PORTS]
        return json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)


def play(stage, programs, count):
    """`refused` is what either side says: the clients, and the agent of answers that it counted against anybody."""
    crowd, rows = Crowd(stage.network, f"{programs}/weir-bench"), []
    for family in (4, 6):
        before = stage.agent.status()["counters"]["answers_counted"] + stage.agent.status()["counters"]["answers_refused"]
        said = crowd.visit(family, count // 2, 1000)
        counters = stage.agent.status()["counters"]
        counted = counters["answers_counted"] + counters["answers_refused"] - before
        rows.append({"trick": "visits over a bad link", "family": family, "attempted": count // 2, "succeeded": said["succeeded"],
                     "refused": said["refused"] + counted, "why": []})
    return rows
