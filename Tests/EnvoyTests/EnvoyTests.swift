import Glibc
import JSON
import Linux
import Testing

private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"
private let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
private let envoy = "\(python.split(separator: "/").dropLast().map { "/" + $0 }.joined())/envoy"

private struct Failure: Error, CustomStringConvertible { let description: String }

/// Plays a scenario of stage.py in a network namespace without a name, and reads what it observed.
private func play<Result>(_ scenario: String, _ read: (borrowing JSONObject) throws(JSONError) -> Result) throws -> Result {
    let candidates: [String] = ["\(products)/weir-controller", "\(root)/.build/debug/weir-controller"]
    let controller = candidates.first { path in access(path, X_OK) == 0 } ?? "weir-controller"
    let words = ["unshare", "-n", python, "\(root)/Tests/EnvoyTests/stage.py", controller, scenario]
    var child = try Child(words[0], words, output: true, errorsToo: true), bytes: [UInt8] = []
    while let more = child.take() {
        bytes += more
        if more.isEmpty {
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            poll(&target, 1, 1000)
        }
    }
    var code: Int?
    while code == nil { code = child.poll() }
    let text = String(decoding: bytes, as: UTF8.self)
    guard code == 0, let line = text.split(separator: "\n").last(where: { $0.hasPrefix("{") }) else {
        throw Failure(description: "\(scenario): \(text.suffix(3000))")
    }
    var parser = JSONParser()
    let object = Array(line.utf8)
    return try parser.object(object.span.bytes, read)
}

/// The real controller, a real Envoy (manifests/envoy/bootstrap.yaml as it is shipped) and Python's own gRPC and protobuf.
@Suite(
    .serialized, .enabled(if: geteuid() == 0, "a network namespace needs root"),
    .enabled(if: access(envoy, X_OK) == 0, "Envoy is not installed: make deps"))
struct EnvoyTests {
    @Test(
        "A listed source passes three times in any second while others are pushed, everybody else is untouched, and a release lifts at once"
    )
    func list() throws {
        try play("http_list") { seen throws(JSONError) in
            #expect(try seen.integer("free") == 20)
            #expect(try seen.integer("most") <= 3)
            #expect(try seen.integer("passed") > 0)
            #expect(try seen.integer("asked") > seen.integer("passed"))
            #expect(try seen.integer("others") == seen.integer("others_asked"))
            #expect(try seen.integer("pushes") >= 5)
            #expect(try seen.integer("refused") == 0)
            #expect(try seen.integer("listed") == 20)
            #expect(try seen.integer("streams") == 1)
        }
    }

    @Test(
        "Envoy starts without the controller, keeps its limits while that is down, and hears what came meanwhile; no limit is lifted by a restart"
    )
    func away() throws {
        try play("away") { seen throws(JSONError) in
            #expect(try seen.integer("without") == 20)
            // One in 334 ms passes; twenty requests take far less.
            #expect(try seen.integer("down") >= 18)
            #expect(try seen.integer("after") >= 18)
            #expect(try seen.integer("refused") == 0)
        }
    }

    @Test("TLS passed through is counted by our rate-limit service, in any sliding second")
    func passthrough() throws {
        try play("passthrough") { seen throws(JSONError) in
            #expect(try seen.integer("free") == 20)
            #expect(try seen.integer("most") <= 3)
            #expect(try seen.integer("passed") >= 3)
            #expect(try seen.integer("others") == seen.integer("others_asked"))
            #expect(try seen.integer("over") > 0)
            #expect(try seen.integer("refused") == 0)
        }
    }

    @Test(
        "A listed source's nameless connections are limited where tls_inspector runs; its named ones, and those of listeners without it, are not; class all limits each"
    )
    func anomaly() throws {
        try play("anomaly") { seen throws(JSONError) in
            #expect(try seen.integer("most_ended") <= 3)
            #expect(try seen.integer("most_passed") <= 3)
            #expect(try seen.integer("refused_ended") > 0)
            #expect(try seen.integer("refused_passed") > 0)
            #expect(try seen.integer("neighbour") == 40)
            try seen.object("anomalous") { passed throws(JSONError) in
                for kind in ["named", "named_passed", "plain", "blind", "blind_named"] as [StaticString] {
                    #expect(try passed.integer(kind) == 20, "\(kind)")
                }
            }
            #expect(try seen.integer("outside") == 20)
            #expect(try seen.integer("refused") == 0)
        }
    }

    @Test("Python's protobuf reads what is pushed; two replicas say the same; what was refused is not sent again; limits end by themselves")
    func protobuf() throws {
        try play("protobuf") { seen throws(JSONError) in
            try seen.object("empty") { empty throws(JSONError) in
                #expect(try empty.strings("addresses").isEmpty)
                #expect(try empty.string("network") == "RBAC")
                #expect(try empty.integer("else") == 0)
            }
            try seen.object("found") { found throws(JSONError) in
                #expect(try found.strings("addresses") == ["192.0.2.1/32", "198.51.100.0/24", "203.0.113.9/32", "2001:db8:7::/64"])
                #expect(try found.strings("nameless") == ["192.0.2.77/32"])
                #expect(try found.string("network") == "RateLimit")
                #expect(try found.string("prefix") == "weir_")
                #expect(try found.integer("else") == 0)
            }
            #expect(try seen.boolean("same"))
            #expect(try seen.integer("repeated") == 0)
            #expect(try seen.boolean("log"))
            #expect(try seen.strings("three") == ["198.51.100.0/24", "2001:db8:7::/64", "203.0.113.9/32"])
        }
    }

    @Test("KEDA hears the replicas that are wanted, and transitions only; another replica says the same")
    func keda() throws {
        try play("keda") { seen throws(JSONError) in
            #expect(try seen.integer("before") == 2)
            #expect(try seen.boolean("idle"))
            #expect(try seen.integer("after") == 3)
            #expect(try seen.integer("replica") == 3)
            #expect(try seen.boolean("active"))
            #expect(try seen.string("missing") == "NOT_FOUND")
            #expect(try seen.string("garbage") == "INVALID_ARGUMENT")
            #expect(try seen.string("unreleased") == "UNIMPLEMENTED")
        }
    }

    @Test("With an authority, who has no certificate is told nothing, and neither is who speaks plain text; Envoy with one is")
    func mutual() throws {
        try play("mutual") { seen throws(JSONError) in
            #expect(try seen.boolean("with"))
            #expect(try !seen.boolean("without"))
            #expect(try !seen.boolean("plain"))
        }
    }

    @Test("Garbage, stalled streams, floods and vanishing peers: the others are served, and memory stays")
    func hostile() throws {
        try play("hostile") { seen throws(JSONError) in
            try seen.object("codes") { codes throws(JSONError) in
                #expect(try codes.string("garbage") == "INVALID_ARGUMENT")
                #expect(try codes.string("stream") == "INVALID_ARGUMENT")
                #expect(try codes.string("nothing") == "OK")
                #expect(try codes.string("unknown") == "UNIMPLEMENTED")
                #expect(try codes.string("huge") == "RESOURCE_EXHAUSTED")
                #expect(try codes.string("another type") == "DEADLINE_EXCEEDED")
            }
            #expect(try seen.boolean("alive"))
            #expect(try seen.integer("malformed") == 2)
            #expect(try seen.integer("listed") == 4, "the three and the one; nothing of what cannot be")
            #expect(try seen.integer("refused") == 0)
            #expect(try seen.integer("grown") < 40_000, "kilobytes, with two hundred peers of all kinds")
        }
    }

    @Test("Options that cannot be get one line and an exit code")
    func wrong() throws {
        try play("wrong") { seen throws(JSONError) in
            for (name, code, part) in [
                ("taken", 3, "--grpc 127.0.0.1:9742"), ("half", 2, "go together"), ("no file", 2, "/nowhere"), ("no key", 2, "no PEM file"),
                ("other key", 3, "cannot be used"),
                ("open", 2, "--insecure"), ("open six", 2, "--insecure"), ("named", 2, "--insecure"), ("insecure", 3, "cannot be had"),
                ("metrics", 2, "--external-metrics 0.0.0.0:9743"), ("metrics insecure", 3, "--grpc 127.0.0.1:9742")
            ] as [(StaticString, Int, String)] {
                try seen.object(name) { one throws(JSONError) in
                    #expect(try one.integer("code") == code, "\(name)")
                    let error = try one.string("error")
                    #expect(error.contains(part) && error.split(separator: "\n").count == 1, "\(error)")
                }
            }
        }
    }
}
