"""Those who do nothing wrong: every connection has to succeed, and none may be refused."""
import concurrent.futures
import os
import socket
import ssl
import subprocess
import sys
import time

from attack import Attack, Trick
from hellos import named
from network import HERE
from wire import ACK, FIN, PSH, URG, packed

PYTHON = os.environ.get("WEIR_PYTHON") or os.path.join(HERE, "../../.deps/venv/bin/python3")
people = []


def honest(says, families=(4, 6), shapes=("direct",), count=12):
    """For a function of one visit, of which `count` happen at once; it returns whether it succeeded."""
    def add(visit):
        people.append((says, families, shapes, count, visit))
        return visit
    return add


def context(**more):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    for name, value in more.items():
        setattr(made, name, value)
    return made


CLIENT = context()
OLDER = context(maximum_version=ssl.TLSVersion.TLSv1_2)


class Visit:
    def __init__(self, stage, number, family, turn):
        self.stage, self.family, self.turn = stage, family, turn
        self.source = f"198.19.{number}.7" if family == 4 else f"2001:db9:{0x100 + number:x}::7"
        self.target = "198.51.100.2" if family == 4 else "2001:db8:1::2"

    def raw(self, port, protocol=0, timeout=20):
        s = socket.socket(socket.AF_INET6 if self.family == 6 else socket.AF_INET, socket.SOCK_STREAM, protocol)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.bind((self.source, 0))
        s.settimeout(timeout)
        s.connect((self.target, port))
        return s

    def tls(self, raw, how=CLIENT, name="shop.example", close=True, **more):
        s = how.wrap_socket(raw, server_hostname=name, **more)
        s.sendall(b"hello\n")
        if s.recv(100) != b"hello\n":
            return None
        if close:
            s.close()
        return s


@honest("OpenSSL, TLS 1.3")
def ordinary(visit):
    return visit.tls(visit.raw(443))


@honest("OpenSSL, TLS 1.2")
def older(visit):
    return visit.tls(visit.raw(443), OLDER)


@honest("two hundred connections at once from one address", count=200)
def crowd(visit):
    return visit.tls(visit.raw(443))


@honest("a HelloRetryRequest")
def retry(visit):
    return visit.tls(visit.raw(4443))


@honest("resumption")
def resumed(visit):
    first = visit.tls(visit.raw(443), close=False)
    session = first.session
    first.close()
    second = visit.tls(visit.raw(443), close=False, session=session)
    return second and second.session_reused


@honest("a PROXY header in a segment of its own")
def proxied(visit):
    raw = visit.raw(6443)
    raw.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n" if visit.family == 4 else b"PROXY TCP6 2001:db8::1 2001:db8::2 5000 443\r\n")
    return visit.tls(raw)


def by_hand(visit, raw_send):
    """OpenSSL with its bytes in our hands: `raw_send` sends the hello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = CLIENT.wrap_bio(incoming, outgoing, server_hostname="shop.example")
    s = None
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            s = raw_send(outgoing.read()) if s is None else s
            data = outgoing.read()
            if data:
                s.sendall(data)
            data = s.recv(65536)
            if not data:
                return False
            incoming.write(data)
    s.sendall(outgoing.read())
    s.close()
    return True


@honest("Fast Open", count=3)
def fast_open(visit):
    def send(hello):
        s = socket.socket(socket.AF_INET6 if visit.family == 6 else socket.AF_INET)
        s.bind((visit.source, 0))
        s.sendto(hello, 0x20000000, (visit.target, 443))
        return s
    return by_hand(visit, send) and by_hand(visit, send)


@honest("a hello written in three parts, a while between them")
def slowly(visit):
    def send(hello):
        s = visit.raw(443)
        for part in (hello[:3], hello[3:100], hello[100:]):
            s.sendall(part)
            time.sleep(0.15)
        return s
    return by_hand(visit, send)


@honest("Multipath TCP")
def multipath(visit):
    return visit.tls(visit.raw(8443, 262))


@honest("half-close: the client has said all before the answer comes")
def half_closed(visit):
    def send(hello):
        s = visit.raw(443)
        s.sendall(hello)
        return s
    return by_hand(visit, send)


@honest("a browser's hello with a post-quantum share, in two segments", count=3)
def browser(visit):
    host = visit.target if visit.family == 4 else f"[{visit.target}]"
    done = subprocess.run([PYTHON, "-c", f"""
from curl_cffi import Curl, CurlOpt
c = Curl(); c.impersonate("chrome131"); c.setopt(CurlOpt.URL, b"https://shop.example/"); c.setopt(CurlOpt.RESOLVE, ["shop.example:443:{host}"])
c.setopt(CurlOpt.INTERFACE, b"host!{visit.source}")
c.setopt(CurlOpt.SSL_VERIFYPEER, 0); c.setopt(CurlOpt.SSL_VERIFYHOST, 0); c.setopt(CurlOpt.CONNECT_ONLY, 1); c.perform(); print("ok")"""],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if not done.stdout.strip().endswith("ok"):
        raise OSError(f"{PYTHON}: {done.stdout[-300:]}")
    return True


@honest("SSH's banner comes first")
def ssh(visit):
    s = visit.raw(2222)
    banner = s.recv(100)
    s.sendall(b"SSH-2.0-visitor\r\n")
    return banner.startswith(b"SSH-2.0") and b"you said" in s.recv(200)


@honest("plain HTTP gets its 400")
def http(visit):
    s = visit.raw(8080)
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    return s.recv(200).startswith(b"HTTP/1.1 400")


# A hello behind STARTTLS is nobody's to judge yet: it counts, and three a second pass.
@honest("SMTP and STARTTLS", count=3)
def smtp(visit):
    s = visit.raw(2525)
    s.recv(100)
    s.sendall(b"EHLO visitor\r\n")
    s.recv(200)
    s.sendall(b"STARTTLS\r\n")
    s.recv(100)
    return visit.tls(s)


@honest("CONNECT, then a named hello within")
def connect(visit):
    s = visit.raw(3128)
    s.sendall(b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    return b"200" in s.recv(200) and visit.tls(s)


@honest("MTU 576 (IPv6: 1,280), loss 5 %, reordering 25 %, duplication 10 %", shapes=("pumped",), count=150)
def bad_link(visit):
    return visit.tls(visit.raw(443, timeout=60))


@honest("the same with a HelloRetryRequest", shapes=("pumped",), count=50)
def bad_link_retry(visit):
    return visit.tls(visit.raw(4443, timeout=60))


def by_segments(says, send):
    """Twelve connections by hand with a named hello, which `send` brings."""
    people.append((says, (4, 6), ("direct",), 0, send))


by_segments("segments of one byte", lambda f, hello: f.whole(hello, size=1))
by_segments("two halves, the second first", lambda f, hello: (f.send(100, hello[100:]), f.send(0, hello[:100])))
by_segments("every segment twice", lambda f, hello: [f.whole(hello, size=90) for _ in range(2)])
by_segments("the hello once more in other pieces", lambda f, hello: (f.whole(hello, size=90), f.whole(hello, size=61)))
by_segments("a keep-alive of one byte before the hello", lambda f, hello: (f.send(-1, b"\0", ACK), f.send(0, hello)))
by_segments("a keep-alive of one byte behind the hello", lambda f, hello: (f.send(0, hello), f.send(len(hello) - 1, hello[-1:], ACK)))
by_segments("the hello and the FIN in one segment", lambda f, hello: f.send(0, hello, FIN | ACK | PSH))
by_segments("a tail loss probe: the last segment once more", lambda f, hello: (f.whole(hello, size=90), f.send(len(hello) - 30, hello[-30:])))
by_segments("a damaged copy of something else's, far from its numbers", lambda f, hello: (f.send(1 << 24, b"x" * 50, PSH | ACK | URG, urgent=1), f.send(0, hello)))
by_segments("blind forgers who do not know the numbers",
            lambda f, hello: [f.send(0, hello)] + [f.send(1 << 21 | i << 24, b"\x16\x03\x01\0\x05\x01", PSH | ACK | URG, ack=1 << 20, urgent=1) for i in range(20)])


def all_by_hand(stage, number, family, send):
    attack = Attack(stage, number, family, Trick("", None))
    attack.open()
    for flow in attack.flows:
        send(flow, named())
    attack.wait()
    stage.witness.catch_up()
    answered = stage.witness.answered_ports(packed(attack.source))
    for flow in attack.flows:
        flow.end()
    attack.wire.close()
    return attack.source, attack.opened, len(answered)


def visits(stage, number, family, says, count, visit):
    why = []
    def one(turn):
        try:
            return bool(visit(Visit(stage, number, family, turn)))
        except OSError as error:
            why.append(str(error))
            return False
    if count:
        with concurrent.futures.ThreadPoolExecutor(min(count, 64)) as pool:
            succeeded = sum(pool.map(one, range(count)))
        source, attempted = Visit(stage, number, family, 0).source, count
    else:
        source, attempted, succeeded = all_by_hand(stage, number, family, visit)
    return {"trick": says, "family": family, "attempted": attempted, "succeeded": succeeded, "refused": stage.agent.refused(source),
            "why": sorted(set(why))[:3]}


def play(stage, shape, words):
    if not os.access(PYTHON, os.X_OK):
        print(f"skipped, {PYTHON} is missing: a browser's hello", file=sys.stderr)
        people[:] = [one for one in people if one[4] is not browser]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(visits, stage, number + 1, family, says, count, visit) for number, (says, families, shapes, count, visit) in enumerate(people)
                if shape in shapes and all(word in says for word in words) for family in families]
        return [job.result() for job in jobs]
