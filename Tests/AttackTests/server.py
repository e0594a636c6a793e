"""The TLS servers that are attacked, and others that speak something else on a watched port.

usage: server.py DIR   DIR holds cert.pem and key.pem. What it accepts, answers and ends it prints, a line each; "ready" when all listen.
"""
import socket
import ssl
import sys
import threading

HOME = sys.argv[1]
THIS, PRINTING = threading.local(), threading.Lock()
TLS, MULTIPATH, RETRYING, DEFERRED, SSH, SMTP, HTTP, CONNECT, PROXIED = 443, 8443, 4443, 5443, 2222, 2525, 8080, 3128, 6443


def say(*words):
    with PRINTING:
        print(*words, flush=True)


def told(connection, direction, version, content, kind, data):
    """OpenSSL's own word of what it sends: a ServerHello, or an alert."""
    if direction == "write" and (content == 22 and kind == 2 or content == 21):
        say("wrote", *THIS.peer)


def context(curve=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(f"{HOME}/cert.pem", f"{HOME}/key.pem")
    if curve:
        made.set_ecdh_curve(curve)
    made._msg_callback = told
    return made


CONTEXTS = {RETRYING: context("secp384r1")}
ORDINARY = context()


def tls(s, port):
    s = CONTEXTS.get(port, ORDINARY).wrap_socket(s, server_side=True)
    while data := s.recv(4096):
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" if data.startswith(b"GET ") else data)
        if data.startswith(b"GET "):
            break
    s.close()


def line(s):
    data = b""
    while not data.endswith(b"\n") and (more := s.recv(1)):
        data += more
    return data


def ssh(s, port):
    s.sendall(b"SSH-2.0-stage\r\n")
    s.sendall(b"you said " + line(s))


def smtp(s, port):
    s.sendall(b"220 stage ESMTP\r\n")
    while (said := line(s)) and not said.startswith(b"STARTTLS"):
        s.sendall(b"250-stage\r\n250 STARTTLS\r\n")
    s.sendall(b"220 go ahead\r\n")
    tls(s, port)


def http(s, port):
    while line(s) not in (b"\r\n", b""):
        pass
    s.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def connect(s, port):
    while line(s) not in (b"\r\n", b""):
        pass
    s.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    tls(s, port)


def exactly(s, size):
    data = b""
    while len(data) < size and (more := s.recv(size - len(data))):
        data += more
    return data


def proxied(s, port):
    if s.recv(1, socket.MSG_PEEK) == b"\r":
        exactly(s, int.from_bytes(exactly(s, 16)[14:], "big"))
    else:
        line(s)
    tls(s, port)


def one(s, peer, port, speak):
    THIS.peer = peer
    say("took", *peer)
    try:
        s.settimeout(40)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        speak(s, port)
    except (OSError, ValueError):
        pass
    finally:
        s.close()
        say("ended", *peer)


def listen(port, speak):
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 262 if port == MULTIPATH else 0)
    except OSError:
        listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port == DEFERRED:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    if port in (TLS, RETRYING):
        listener.setsockopt(socket.IPPROTO_TCP, 23, 256)    # TCP_FASTOPEN
    listener.bind(("::", port))
    listener.listen(4096)
    return listener


def serve(listener, port, speak):
    while True:
        s, peer = listener.accept()
        peer = (peer[0].removeprefix("::ffff:"), peer[1])
        threading.Thread(target=one, args=(s, peer, port, speak), daemon=True).start()


SPEAKERS = {TLS: tls, MULTIPATH: tls, RETRYING: tls, DEFERRED: tls, SSH: ssh, SMTP: smtp, HTTP: http, CONNECT: connect, PROXIED: proxied}
if __name__ == "__main__":
    threading.stack_size(256 << 10)
    for number, (port, speak) in enumerate(SPEAKERS.items()):
        threading.Thread(target=serve, args=(listen(port, speak), port, speak), daemon=True).start()
    say("ready")
    sys.stdin.read()
