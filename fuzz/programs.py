"""Programs for flow_fuzz, in words. usage: programs.py TO: one seed for each."""
import pathlib
import sys

NAMELESS, NAMED, NAMELESS_RECORDS, NAMED_RECORDS, ZEROS, HTTP, PROXY2, PROXY1, CONNECT, SSLV2, MALFORMED, CIPHER_CHANGE, DATA, WARNING, NEST, OPENING, LONG = range(17)
OPEN, WHOLE, PART, ACK, SYN, END, TIME, APPLICATION, WINDOW, SHIFT, PUSH_OUT, ORDER, FRAGMENTS, SHUT, AGAIN, DECOY, H_OPEN, H_WHOLE, H_PART, H_ACK, H_END, BLIND = range(22)
ALL, EVEN, ODD, ONE, OTHERS = 0, 1 << 5, 2 << 5, 4 << 5, 7 << 5
# Bits of the two header bytes, the second from 256 on.
LAST_WINS, OLD_ACKS, FAST_OPEN, COOKIES, LAGS, PROXIES, CONNECTS, RETRY = (1 << i for i in range(8))
FORWARDED, ROUTED, THREE, LEAST, DROP, EARLY_DATA, PREAMBLE, RECORDS = (1 << 8 + i for i in range(8))
HIDDEN, OLD, SECOND, FLAGS = 1, 2 << 1, 64, 128        # control; the acknowledgement's kind is in bits 1 to 3
UP, DOWN, CURSOR, TAKEN, QUEUED, HELLO, HELLO_AND, NESTED, FAR, FAR_BACK, AT_NESTED = 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 14


def part(text, start=0, size=0, place=0, byte=0, control=0, more=0):
    return [PART, text, start, size, place, byte, control, more]


def whole(text, control=0):
    return [WHOLE, text, control]


def syn(control=0, place=0, byte=0, data=0):
    return [SYN, control, place, byte, data]


def to(mask, step):
    return [step[0] | mask, *step[1:]]


OPENED = [OPEN]
PROGRAMS = {
    "plain": (0, OPENED, whole(NAMELESS), [TIME, 4], OPENED, whole(NAMELESS)),
    "honest": (EARLY_DATA, [H_OPEN], [H_PART, 30, 20, 0], [H_PART, 0, 40, 1], [H_WHOLE, 0], [H_ACK, 0]),
    "honest behind a balancer": (PROXIES | PREAMBLE, [H_OPEN], [H_PART, 0, 90, 0], [H_WHOLE, 0], [H_ACK, 0], [H_END]),
    "honest after a HelloRetryRequest": (RETRY, [H_OPEN], [H_WHOLE, 0], [H_ACK, 0], [H_WHOLE, 0], [H_ACK, 0], [H_END]),
    "honest and idle at first": (0, [H_OPEN], [H_ACK, 2], [H_WHOLE, 0], [H_ACK, 0]),
    "honest in disorder behind a balancer, and once more": (
        PROXIES | PREAMBLE | EARLY_DATA | RECORDS, [H_OPEN], [H_PART, 143, 45, 1], [H_WHOLE, 1], [H_WHOLE, 1], [H_WHOLE, 0]),
    "blind": (0, [H_OPEN], [BLIND, 1, 1, 0, 0], [H_WHOLE, 0], [BLIND, 1, 1, 0, 1], [H_ACK, 0]),
    "half with an old acknowledgement": (OLD_ACKS, OPENED, part(NAMELESS, size=60, control=OLD), whole(NAMED)),
    "begins early, before any ACK": (0, to(EVEN, syn()), to(EVEN, part(NAMELESS, more=5)), to(ODD, OPENED), to(ODD, whole(NAMELESS))),
    "a cookie for a lower number": (COOKIES, syn(), [SHIFT, SECOND, FAR_BACK, 0], whole(NAMELESS, SECOND)),
    "a cookie for a lower number, promoted": (COOKIES, OPENED, [END, 0, 0, 0], [SHIFT, SECOND, FAR_BACK, 0], whole(NAMELESS, SECOND)),
    "a cookie for a higher number": (COOKIES, syn(), [SHIFT, SECOND, UP, 1], [ACK, SECOND], whole(NAMED, HIDDEN), whole(NAMELESS, SECOND)),
    "the same cookie again": (COOKIES, OPENED, whole(NAMELESS), [END, 0, 16, 0], [ACK, 2], whole(NAMELESS, 2)),
    "the same cookie's SYN again": (COOKIES, OPENED, whole(NAMELESS), [END, 0, 16, 0], OPENED, whole(NAMELESS)),
    "the same cookie again, by one byte": (COOKIES, OPENED, [WINDOW, 1], whole(NAMELESS), [WINDOW, 7], [ACK, 0], [END, 0, 16, 0], OPENED, whole(NAMELESS)),
    "a cookie after a close": (COOKIES, OPENED, whole(NAMED), [END, 128, 16, 0], [SHUT], [SHIFT, SECOND, QUEUED, 0], [ACK, SECOND], whole(NAMELESS, SECOND)),
    "nested behind a PROXY header": (0, OPENED, part(PROXY2, control=HIDDEN), whole(NEST)),
    "SYN data at another number": (0, syn(HIDDEN, data=NAMED), syn(SECOND, HELLO), whole(NAMELESS, SECOND)),
    "SYN data that opens": (0, syn(HIDDEN, data=OPENING), syn(SECOND, AT_NESTED), whole(NAMELESS, SECOND)),
    "a first segment twice": (LEAST, OPENED, part(NAMED, size=60, control=HIDDEN), part(NAMELESS, size=60), part(NAMELESS, start=60)),
    "a second hello held": (RETRY, OPENED, whole(NAMELESS), [TIME, 6], whole(NAMELESS), part(NAMED, place=TAKEN)),
    "a second hello ahead of the first's answer": (
        RETRY | LAGS, OPENED, [WINDOW, 6], whole(NAMED), part(NAMELESS, place=CURSOR), [APPLICATION], part(NAMED, place=HELLO, control=HIDDEN), [WINDOW, 7], [ACK, 0]),
    "a banner and an answer with one acknowledgement": (FAST_OPEN | LAGS | CONNECTS, syn(data=CONNECT + 17), [APPLICATION], whole(NAMED), [AGAIN], [APPLICATION]),
    "a cookie after the server closed": (COOKIES, OPENED, whole(WARNING), [SHUT], [TIME, 1], whole(NAMELESS)),
    "a cookie for a stream that begins a byte early": (COOKIES, OPENED, [END, 0, 0, 0], part(NAMED, more=1)),
    "pushed out between a proxy's answer and the server's": (CONNECTS, OPENED, whole(CONNECT), [PUSH_OUT], whole(NAMELESS)),
    "two answers in one segment": (RETRY | LAGS, OPENED, whole(NAMED), part(NAMELESS, place=CURSOR), [APPLICATION]),
    "honest in disorder behind a balancer": (PROXIES | PREAMBLE, [H_OPEN], [H_PART, 120, 20, 0], [H_PART, 0, 120, 0], [H_ACK, 0]),
    "malformed, and once more": (LEAST, OPENED, part(MALFORMED, start=17, size=3, place=TAKEN), part(MALFORMED, control=HIDDEN), part(MALFORMED, control=HIDDEN), whole(MALFORMED)),
    "Fast Open, and an acknowledgement of what was held": (
        FAST_OPEN | LAGS | RETRY, syn(data=NAMELESS + 17), [APPLICATION], [SHIFT, 0, 0, 0], part(NAMELESS, place=NESTED, byte=4, control=4 << 1), [APPLICATION], [ACK, 0], [AGAIN]),
    "a second answer behind the rest of the first": (
        RETRY, OPENED, [WINDOW, 3], whole(NAMED), part(NAMELESS, place=TAKEN), [WINDOW, 7], [ACK, 0]),
    "malformed": (LEAST, OPENED, whole(MALFORMED)),
    "urgent": (0, OPENED, part(NAMED, control=FLAGS, more=4 << 5 | 5)),
    "fragments turned round": (0, OPENED, [FRAGMENTS, NAMELESS, 1, 0, 0, 0, 128]),
    "pushed out": (RETRY, OPENED, [PUSH_OUT], whole(NAMELESS), [TIME, 6], part(NAMELESS, place=TAKEN)),
    "Fast Open": (FAST_OPEN, syn(data=17), [ACK, 0], [TIME, 2 | 16]),
}

if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, (bits, *steps) in PROGRAMS.items():
        (target / name.replace(" ", "-")).write_bytes(bytes([bits & 255, bits >> 8]) + b"".join(bytes(step) for step in steps))
