"""What the measurements in Python share: processes that end with them, a broker of each kind, and what a process has used.

In a network namespace of its own, whose ports it may take: the broker 19092, the controller 9741 and 9742, the archive 9743.
"""
import os
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.dirname(sys.executable)
KAFKA = "127.0.0.1:19092"
BROKERS = ("noida", "apache", "mock")
processes = []


def refuse(line):
    print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    sys.exit(2)


def begin(programs):
    for program in ("weir", "weir-agent", "weir-controller"):
        if not os.access(f"{programs}/{program}", os.X_OK):
            refuse(f"`{programs}`: there is no {program}")
    if open("/proc/net/dev").read().count(":") != 1:
        refuse("it wants a network namespace of its own (unshare -n): it uses fixed ports")
    # An address that is not loopback: without one, librdkafka resolves none.
    subprocess.run("ip link set lo up && ip addr add 10.0.0.1/32 dev lo", shell=True, check=True)


def start(home, *words, **options):
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL} | options
    processes.append(subprocess.Popen(words, stderr=open(f"{home}/log", "ab"), **options))
    return processes[-1]


def end():
    """Ends what was started, the last first."""
    while processes:
        process = processes.pop()
        if callable(process):
            process()
            continue
        process.kill()
        process.wait()


def wait(home, what, condition, seconds=60):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if value := condition():
            return value
        time.sleep(0.005)
    raise SystemExit(f"not within {seconds} s: {what}\n{open(home + '/log').read()[-2000:]}")


def broker(home, programs, kind="noida"):
    """Starts one and returns its address; the process, where it is ours, is the last of `processes`."""
    if kind == "mock":
        return start(home, f"{programs}/weir", "broker", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True).stdout.readline().strip()
    if kind == "apache":
        kafka = os.environ.get("WEIR_KAFKA_DISTRIBUTION") or refuse("apache: WEIR_KAFKA_DISTRIBUTION does not say where Kafka is")
        subprocess.run([f"{kafka}/kafka.sh", "start", f"{home}/kafka", KAFKA.split(":")[1]], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(f"{home}/log", "ab"))
        processes.append(lambda: subprocess.run([f"{kafka}/kafka.sh", "stop", f"{home}/kafka"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    else:
        import noida_db
        start(home, f"{noida_db.__path__[0]}/noida-db", "start", "--only", "kafka", "--kafka-port", KAFKA.split(":")[1], "--data-dir", f"{home}/kafka")
    wait(home, "the broker", lambda: socket.socket().connect_ex(("127.0.0.1", int(KAFKA.split(":")[1]))) == 0)
    return KAFKA


def get(port, path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read().decode()
    except OSError:
        return None    # it is not there yet, or not well


def metric(name, port=9741, of="weir_controller_"):
    return next((int(float(line.split()[-1])) for line in (get(port, "/metrics") or "").splitlines() if line.startswith(f"{of}{name} ")), 0)


def megabytes(process):
    return next(int(line.split()[1]) / 1000 for line in open(f"/proc/{process.pid}/status") if line.startswith("VmRSS"))


def processor(process, of=lambda thread: True):
    """Seconds that its threads have computed."""
    total = 0
    for task in os.listdir(f"/proc/{process.pid}/task"):
        name, fields = open(f"/proc/{process.pid}/task/{task}/stat").read().split("(", 1)[1].rsplit(")", 1)
        if of(name):
            total += int(fields.split()[11]) + int(fields.split()[12])
    return total / os.sysconf("SC_CLK_TCK")
