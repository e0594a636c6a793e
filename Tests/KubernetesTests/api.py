"""A stand-in for a Kubernetes API server, for no real one can be had here: the scale subresource of Deployments, nodes, and as much discovery as kubectl
wants. It is faithful in what Weir relies on: bearer tokens, resource versions and their conflicts, merge patches, statuses. It is not Kubernetes.

usage: api.py PORT CERT KEY TOKEN [CONFLICTS]; of the first CONFLICTS patches each finds that somebody was faster.
"""
import http.server
import json
import ssl
import sys
import threading

PORT, CERT, KEY, TOKEN = int(sys.argv[1]), *sys.argv[2:5]
conflicts = int(sys.argv[5]) if len(sys.argv) > 5 else 0
lock = threading.Lock()
deployments = {("shop", "web"): {"replicas": 2, "version": 100}}
patches = []
maps = {}
NODES = {"kind": "NodeList", "apiVersion": "v1", "items": [
    {"metadata": {"name": "node-a"}, "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]},
     "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.10"}, {"type": "Hostname", "address": "node-a"}]}}]}


def resource(name, kind, group=None, verbs=("get", "list", "patch")):
    return {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": list(verbs), **({"group": group[0], "version": group[1]} if group else {})}


class API(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status, reason): self.answer(status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": status})

    def handle_one(self, method):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.fail(401, "Unauthorized")
        path = self.path.split("?")[0].rstrip("/")
        parts = path.strip("/").split("/")
        if path == "/api": return self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis": return self.answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
            {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}], "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}]})
        if path == "/api/v1": return self.answer(200, {"kind": "APIResourceList", "groupVersion": "v1", "resources": []})
        if path == "/apis/apps/v1": return self.answer(200, {"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
            resource("deployments", "Deployment"), resource("deployments/scale", "Scale", ("autoscaling", "v1"), ("get", "patch", "update"))]})
        if path == "/api/v1/nodes": return self.answer(200, NODES)
        if parts[:3] == ["api", "v1", "namespaces"] and parts[4:5] == ["configmaps"]: return self.config_map(method, parts, body)
        if path == "/test/patches": return self.answer(200, {"patches": patches})
        if len(parts) < 7 or parts[:4] != ["apis", "apps", "v1", "namespaces"] or parts[5] != "deployments":
            return self.fail(404, "NotFound")
        with lock:
            deployment = deployments.get((parts[4], parts[6]))
            if deployment is None:
                return self.fail(404, "NotFound")
            return self.deployment(method, parts, deployment, body)

    def config_map(self, method, parts, body):
        with lock:
            wanted = json.loads(body) if body else {}
            name = parts[5] if len(parts) > 5 else (wanted.get("metadata") or {}).get("name")
            known = maps.get((parts[3], name))
            if method == "POST":
                if known: return self.fail(409, "AlreadyExists")
                if self.headers.get("Content-Type") != "application/json": return self.fail(415, "UnsupportedMediaType")
                known = maps[parts[3], name] = {}
            if known is None: return self.fail(404, "NotFound")
            for key, value in (wanted.get("data") or {}).items():
                known.pop(key, None)
                if value is not None: known[key] = value
            meta = {"name": name, "namespace": parts[3]}
            self.answer(201 if method == "POST" else 200, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": known})

    def deployment(self, method, parts, deployment, body):
        global conflicts
        meta = {"name": parts[6], "namespace": parts[4], "resourceVersion": str(deployment["version"]), "uid": "u"}
        is_scale = parts[7:] == ["scale"]
        if method in ("PATCH", "PUT"):
            wanted = json.loads(body)
            if method == "PATCH" and self.headers.get("Content-Type") != "application/merge-patch+json":
                return self.fail(415, "UnsupportedMediaType")
            if conflicts > 0:
                conflicts -= 1
                deployment["version"] += 1        # somebody was faster
            version = (wanted.get("metadata") or {}).get("resourceVersion")
            if version and version != str(deployment["version"]):
                return self.fail(409, "Conflict")
            deployment["replicas"] = wanted["spec"]["replicas"]
            deployment["version"] += 1
            patches.append({"by": self.headers.get("User-Agent", ""), "replicas": deployment["replicas"]})
            meta["resourceVersion"] = str(deployment["version"])
        if is_scale:
            spec = {"replicas": deployment["replicas"]} if deployment["replicas"] else {}
            return self.answer(200, {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": {"replicas": deployment["replicas"], "selector": "app=web"}})
        self.answer(200, {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": meta, "spec": {"replicas": deployment["replicas"]}, "status": {"replicas": deployment["replicas"]}})

    def do_GET(self): self.handle_one("GET")
    def do_POST(self): self.handle_one("POST")
    def do_PATCH(self): self.handle_one("PATCH")
    def do_PUT(self): self.handle_one("PUT")
    def log_message(self, *arguments): pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), API)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERT, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
