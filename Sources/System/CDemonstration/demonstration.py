"""The people of `weir run`: a TLS server and its clients, real ones, each in a namespace of its own.

Each client counts for itself what it tried and what it got, and says so on standard output, one JSON object a line.
"""
import asyncio
import json
import os
import ssl
import subprocess
import sys
import time

PORT = 443
TIMEOUT = 5.0


def certificate():
    """A throw-away key and certificate that never touch a disk."""
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=demo.example", "-keyout", "/dev/stdout", "-out", "/dev/stdout"],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    descriptor = os.memfd_create("certificate")
    os.write(descriptor, made)
    return f"/proc/self/fd/{descriptor}"


async def serve(addresses):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate())

    async def answer(reader, writer):
        try:
            await asyncio.wait_for(reader.read(1024), TIMEOUT)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
        except (OSError, ssl.SSLError, asyncio.TimeoutError):
            writer.transport.abort()

    asyncio.get_running_loop().set_exception_handler(lambda loop, what: None)  # a reset handshake is the point
    servers = [await asyncio.start_server(answer, address, PORT, ssl=context, backlog=1024, ssl_handshake_timeout=TIMEOUT) for address in addresses]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


class Count:
    """What one client tried and got."""

    def __init__(self):
        self.attempted = self.succeeded = self.refused = 0
        self.spans = []
        self.most = 0

    def success(self, before, after):
        self.succeeded += 1
        self.spans.append((before, after))
        # Four handshakes are surely within one second when the last had ended less than one after the first began; what the
        # kernel admitted a second apart is never counted as less, however late this process was woken.
        self.spans = [span for span in self.spans if span[0] > after - 1.0]
        self.most = max(self.most, len(self.spans))

    def say(self):
        print(json.dumps({"attempted": self.attempted, "succeeded": self.succeeded, "refused": self.refused, "most": self.most}), flush=True)


async def handshake(count, server, name, context):
    before = time.monotonic()
    succeeded = False
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(server, PORT, ssl=context, server_hostname=name), TIMEOUT)
        succeeded = True
        count.success(before, time.monotonic())
        writer.transport.abort()
    except (OSError, ssl.SSLError, asyncio.TimeoutError):
        pass
    count.attempted += 1
    if not succeeded:
        count.refused += 1


async def attempt(server, name, per_second):
    """Handshakes at a steady rate, whatever becomes of the ones before."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    count, pending, interval = Count(), set(), 1.0 / per_second
    due, said = time.monotonic(), 0.0
    while True:
        # Without a name Python sends no server_name extension.
        task = asyncio.ensure_future(handshake(count, server, name or None, context))
        pending.add(task)
        task.add_done_callback(pending.discard)
        due += interval
        while True:
            now = time.monotonic()
            if now - said > 0.2:
                count.say()
                said = now
            if now >= due and len(pending) < 512:
                break
            await asyncio.sleep(min(max(due - now, 0.001), 0.2))


def post_quantum(server, name, per_second):
    """A current browser's hello, X25519MLKEM768 and all: about 1.8 KB, so that it spans two segments."""
    from curl_cffi import Curl, CurlError, CurlOpt, CurlSslVersion  # noqa: F401
    count, interval = Count(), 1.0 / per_second
    due = time.monotonic()
    host = f"[{server}]" if ":" in server else server
    while True:
        before = time.monotonic()
        curl = Curl()
        curl.impersonate("chrome131")
        curl.setopt(CurlOpt.URL, f"https://{name}/".encode())
        curl.setopt(CurlOpt.RESOLVE, [f"{name}:{PORT}:{host}".encode()])
        curl.setopt(CurlOpt.SSL_VERIFYPEER, 0)
        curl.setopt(CurlOpt.SSL_VERIFYHOST, 0)
        curl.setopt(CurlOpt.CONNECT_ONLY, 1)
        curl.setopt(CurlOpt.TIMEOUT_MS, int(TIMEOUT * 1000))
        count.attempted += 1
        try:
            curl.perform()
            count.success(before, time.monotonic())
        except CurlError:
            count.refused += 1
        curl.close()
        count.say()
        due += interval
        time.sleep(max(0.0, due - time.monotonic()))


def main(role, *rest):
    try:
        if role == "serve":
            asyncio.run(serve(rest))
        elif role == "attempt":
            asyncio.run(attempt(rest[0], rest[1], float(rest[2])))
        elif role == "post-quantum":
            post_quantum(rest[0], rest[1], float(rest[2]))
        elif role == "can-post-quantum":
            import curl_cffi  # noqa: F401
    except (KeyboardInterrupt, BrokenPipeError):
        pass


main(*sys.argv[1:])
