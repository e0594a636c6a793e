"""Is every manifest what a cluster would take, and does everything that it passes to Weir exist?

usage: check.py PROGRAMS; prints one line for each thing that is wrong, and the number of what was looked at at last.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

PROGRAMS = sys.argv[1]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VERSION = "1.29"
wrong, looked = [], 0

# What of the custom kinds has to be there, as far as Weir relies on it; their own schemas cannot be had without a network.
CUSTOM = {
    ("keda.sh/v1alpha1", "ScaledObject"): ["spec.scaleTargetRef.name", "spec.triggers.0.type", "spec.triggers.0.metadata.scalerAddress", "spec.triggers.0.metadata.workload"],
    ("keda.sh/v1alpha1", "TriggerAuthentication"): ["spec.secretTargetRef.0.parameter", "spec.secretTargetRef.0.key"],
    ("networking.istio.io/v1alpha3", "EnvoyFilter"): ["spec.configPatches.0.applyTo", "spec.configPatches.0.patch.operation", "spec.configPatches.1.patch.value.config_discovery.type_urls"],
    ("monitoring.coreos.com/v1", "PrometheusRule"): ["spec.groups.0.rules.0.expr"],
    ("kafka.strimzi.io/v1beta2", "KafkaTopic"): ["spec.partitions", "spec.replicas", "spec.config"],
    ("kafka.strimzi.io/v1beta2", "KafkaUser"): ["spec.authentication.type", "spec.authorization.type", "spec.authorization.acls.0.resource.name", "spec.authorization.acls.0.operations"],
}


def options(program):
    done = subprocess.run([os.path.join(PROGRAMS, program), "--help"], stdout=subprocess.PIPE, text=True)
    return set(re.findall(r"--[a-z][a-z-]*", done.stdout))


KNOWN = {"agent": options("weir-agent"), "controller": options("weir-controller")}


def at(document, path):
    for part in path.split("."):
        try:
            document = document[int(part)] if isinstance(document, list) else document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def check(name, document):
    global looked
    looked += 1
    kind = (document.get("apiVersion"), document.get("kind"))
    if kind in CUSTOM:
        wrong.extend(f"{name}: {kind[1]} lacks {path}" for path in CUSTOM[kind] if at(document, path) is None)
    elif kind[0] == "apiregistration.k8s.io/v1":
        wrong.extend(f"{name}: APIService lacks {path}" for path in ["spec.group", "spec.version", "spec.service.name", "spec.groupPriorityMinimum"] if at(document, path) is None)
    else:
        try:
            kubernetes_validate.validate(document, VERSION, strict=True)
        except Exception as error:
            wrong.append(f"{name}: {kind[1]} {document['metadata']['name']}: {str(error).splitlines()[0]}")
    for container in at(document, "spec.template.spec.containers") or []:
        volumes = {volume["name"] for volume in document["spec"]["template"]["spec"].get("volumes", [])}
        mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        wrong.extend(f"{name}: no volume {mount['name']}" for mount in container.get("volumeMounts", []) if mount["name"] not in volumes)
        for argument in container["args"]:
            option, _, value = argument.partition("=")
            if option not in KNOWN[container["name"]]:
                wrong.append(f"{name}: weir-{container['name']} has no {option}")
            if value.startswith("/etc/") and not any(value.startswith(mount) for mount in mounts):
                wrong.append(f"{name}: {value} is mounted nowhere")
            if option == "--kafka-config":
                # What kafka.conf proposes has to be there as well.
                for path in re.findall(r"=(/etc/\S+)", open(f"{ROOT}/manifests/base/kafka.conf").read()):
                    if not any(path.startswith(mount + "/") for mount in mounts):
                        wrong.append(f"{name}: {path} of kafka.conf is mounted nowhere")


def documents(text): return [document for document in yaml.safe_load_all(text) if document]


for overlay in ("observe", "enforce"):
    done = subprocess.run(["kubectl", "kustomize", f"{ROOT}/manifests/overlays/{overlay}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        wrong.append(f"overlays/{overlay}: {done.stderr.strip().splitlines()[-1]}")
    built = documents(done.stdout)
    for document in built:
        check(f"overlays/{overlay}", document)
    modes = [argument for document in built for container in at(document, "spec.template.spec.containers") or [] for argument in container["args"] if argument.startswith("--mode=")]
    if modes != [f"--mode={overlay}"] * 2:
        wrong.append(f"overlays/{overlay}: the modes are {modes}")
    for document in built:
        if document["kind"] == "ConfigMap" and "policy.yaml" in document.get("data", {}):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(document["data"]["policy.yaml"])
                file.flush()
                done = subprocess.run([os.path.join(PROGRAMS, "weir"), "policy", "check", file.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                if done.returncode:
                    wrong.append(f"overlays/{overlay}: its policy: {done.stdout.strip()}")

for path in sorted(glob.glob(f"{ROOT}/manifests/*/*.yaml")):
    name = os.path.relpath(path, f"{ROOT}/manifests")
    if name.split("/")[0] in ("autoscaling", "istio", "monitoring", "kafka"):
        for document in documents(open(path).read()):
            check(name, document)

# Rules: promtool takes them, and the metrics that they ask for are ours.
rules = documents(open(f"{ROOT}/manifests/monitoring/prometheusrule.yaml").read())[0]
with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
    yaml.safe_dump({"groups": rules["spec"]["groups"]}, file)
    file.flush()
    done = subprocess.run(["promtool", "check", "rules", file.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        wrong.append(f"monitoring: {done.stdout.strip()}")
# What two of them say of three nodes: one stops reading, one lacks limits, all is well with the third.
with tempfile.TemporaryDirectory() as folder:
    yaml.safe_dump({"groups": rules["spec"]["groups"]}, open(f"{folder}/rules.yaml", "w"))
    def series(name, node, values): return {"series": f'{name}{{instance="{node}"}}', "values": values}
    def fires(at, alert, *nodes, severity="warning"): return {"eval_time": at, "alertname": alert, "exp_alerts": [{"exp_labels": {"instance": node, "severity": severity}} for node in nodes]}
    values = [series("weir_agent_limits_next_offset", "a", "0+10x20"), series("weir_agent_limits_next_offset", "b", "0+10x4 40x15"), series("weir_agent_limits_next_offset", "c", "0 0+10x19"),
              series("weir_agent_limits_lacking", "a", "0x20"), series("weir_agent_limits_lacking", "b", "0x20"), series("weir_agent_limits_lacking", "c", "0x5 2x14"),
              series("weir_agent_ready", "a", "1x20"), series("weir_agent_ready", "b", "0x1 1x19"), series("weir_agent_ready", "c", "1x5 0x14")]
    alerts = [fires("4m", "WeirNodeBehind"), fires("15m", "WeirNodeBehind", "b"), fires("5m", "WeirLimitsLacking"), fires("15m", "WeirLimitsLacking", "c"),
              fires("3m", "WeirNotReady"), fires("15m", "WeirNotReady", "c", severity="critical")]
    for test in alerts:
        for alert in test["exp_alerts"]:
            rule = next(rule for group in rules["spec"]["groups"] for rule in group["rules"] if rule["alert"] == test["alertname"])
            value = {"WeirNodeBehind": "40", "WeirLimitsLacking": "2", "WeirNotReady": "0"}[test["alertname"]]
            alert["exp_annotations"] = {"summary": rule["annotations"]["summary"].replace("{{ $labels.instance }}", alert["exp_labels"]["instance"]).replace("{{ $value }}", value)}
    yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [{"interval": "1m", "input_series": values, "alert_rule_test": alerts}]}, open(f"{folder}/test.yaml", "w"))
    done = subprocess.run(["promtool", "test", "rules", f"{folder}/test.yaml"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    looked += 1
    if done.returncode:
        wrong.append(f"monitoring: {done.stdout.strip()}")
sources = "".join(open(path).read() for path in glob.glob(f"{ROOT}/Sources/**/*.swift", recursive=True))
for group in rules["spec"]["groups"]:
    for rule in group["rules"]:
        for metric in re.findall(r"weir_[a-z_]+", rule["expr"]):
            stem = re.sub(r"^weir_(probe|agent|controller|archive)_|_total$", "", metric)
            looked += 1
            if f'"{stem}"' not in sources and f'{stem}_total"' not in sources and f"{metric}\"" not in sources:
                wrong.append(f"monitoring: nothing is called {metric}")

# The unit: systemd takes it, and its options exist.
unit = open(f"{ROOT}/manifests/systemd/weir-agent.service").read()
looked += 1
start = re.search(r"^ExecStart=\S+ (.*)$", unit, re.M).group(1)
wrong.extend(f"systemd: weir-agent has no {option}" for option in re.findall(r"--[a-z-]+", start) if option not in KNOWN["agent"])

print("\n".join(wrong + [f"looked at {looked}"]))
sys.exit(1 if wrong else 0)
