"""What no ordinary client does, and two that are libraries. Run by record.sh."""
import random, socket, ssl, struct, sys, time

SERVER = "198.51.100.2"
RANDOM = random.Random(7)  # a hello that says the same random twice is an anomaly of its own


def connect(source="203.0.113.7", port=8443):
    s = socket.socket()
    s.bind((source, 0))
    s.settimeout(2)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.connect((SERVER, port))
    return s


def extension(kind, content):
    return struct.pack("!HH", kind, len(content)) + content


def message(*extensions):
    """A TLS 1.3 hello of this file's own, without record header."""
    fixed = b"".join([
        extension(10, b"\0\4\0\x1d\0\x17"), extension(11, b"\1\0"), extension(13, b"\0\6\4\3\x08\4\4\1"), extension(43, b"\4\3\4\3\3"),
        extension(51, b"\0\x26\0\x1d\0\x20" + bytes(range(32)))])
    block = b"".join(extensions) + fixed
    body = b"\3\3" + RANDOM.randbytes(32) + b"\x20" + bytes(32) + b"\0\6\x13\1\x13\2\xc0\x2b" + b"\1\0" + struct.pack("!H", len(block)) + block
    return b"\1" + struct.pack("!I", len(body))[1:] + body


def record(content):
    return b"\x16\3\1" + struct.pack("!H", len(content)) + content


def named(name):
    return extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name)


def send(*pieces, source="203.0.113.7"):
    s = connect(source)
    for piece in pieces:
        s.sendall(piece)
        time.sleep(0.01)  # a segment each
    s.close()


def tls(name=None):
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["http/1.1"])
    context.wrap_socket(connect(port=443), server_hostname=name).close()


def browser(kind="chrome"):
    """A current browser's hello: about 1.8 KB with X25519MLKEM768 and GREASE, more than one segment."""
    from curl_cffi import CurlOpt, requests
    try:
        requests.get("https://shop.example/", impersonate=kind, verify=False, timeout=1,
                     curl_options={CurlOpt.RESOLVE: [b"shop.example:443:" + SERVER.encode()]})
    except Exception as error:  # the server never answers the request; the hello is what counts
        print(error, file=sys.stderr)


def tag(source, target):
    """The same frames with an 802.1Q tag of VLAN 7 each."""
    data = open(source, "rb").read()
    out, at = data[:24], 24
    while at < len(data):
        seconds, fraction, kept, length = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16:at + 16 + kept]
        out += struct.pack("<IIII", seconds, fraction, kept + 4, length + 4) + frame[:12] + b"\x81\0\0\7" + frame[12:]
        at += 16 + kept
    open(target, "wb").write(out)


def sink(port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    s.listen(64)
    while True:
        c, _ = s.accept()
        try:
            while c.recv(65536):
                pass
        except OSError:
            pass
        c.close()


def main(what, *rest):
    hello = record(message(named(b"shop.example")))
    match what:
        case "sink": sink(int(rest[0]))
        case "tag": tag(*rest)
        case "tls": tls(*rest)
        case "browser": browser(*rest)
        case "ssh": send(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
        case "truncated": send(hello[:100])
        case "empty-name": send(record(message(extension(0, b"\0\0"))))
        case "many-segments": send(*(hello[i:i + 40] for i in range(0, len(hello), 40)))
        case "many-records": m = message(named(b"shop.example")); send(b"".join(record(m[i:i + 100]) for i in range(0, len(m), 100)))
        case "garbage": send(bytes(range(256)))
        case "flood":
            for i in range(16):
                send(record(message()), source="203.0.113.66")
                if i % 8 == 0: send(hello)


main(*sys.argv[1:])
