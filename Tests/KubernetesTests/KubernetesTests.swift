import Glibc
import JSON
import Linux
import Testing

private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"
private let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""

private struct Failure: Error, CustomStringConvertible { let description: String }

/// Plays a scenario of stage.py in namespaces without names, and reads what it observed.
private func play<Result>(_ scenario: String, _ read: (borrowing JSONObject) throws(JSONError) -> Result) throws -> Result {
    let candidates: [String] = ["\(products)/weir-controller", "\(root)/.build/debug/weir-controller"]
    let controller = candidates.first { path in access(path, X_OK) == 0 } ?? "weir-controller"
    let words = ["unshare", "-n", "-m", python, "\(root)/Tests/KubernetesTests/stage.py", controller, scenario]
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

/// The real controller and kubectl, against a stand-in for the API server (api.py), for no real one can be had on this machine.
@Suite(.serialized, .enabled(if: geteuid() == 0, "namespaces need root"))
struct KubernetesTests {
    @Test(
        "A Deployment is scaled out through conflicts, never in while somebody else has more, back after calm; what the cluster calls nodes is never limited"
    )
    func scale() throws {
        try play("scale") { seen throws(JSONError) in
            #expect(try seen.integer("before") == 2)
            #expect(try seen.integer("first") == 3)
            #expect(try seen.string("by_hand") == "deployment.apps/web scaled")
            #expect(try seen.integer("after") == 7)
            #expect(try seen.integer("log") == 2, "out once and back once")
            #expect(try seen.boolean("alive"))
        }
    }

    @Test("What a killed controller had scaled out goes back, whoever acts next, before or after the decision's end")
    func restarted() throws {
        try play("restarted") { seen throws(JSONError) in
            let isLeft = try seen.object("left") { left throws(JSONError) in left.has("shop.web") }
            #expect(!isLeft, "the entry stays")
        }
    }

    @Test("Who observes scales nothing")
    func observed() throws {
        try play("observed") { seen throws(JSONError) in #expect(try seen.integer("replicas") == 2) }
    }

    @Test("A token that is refused is said in one line, and tried again when it was renewed")
    func refused() throws {
        try play("refused") { seen throws(JSONError) in
            let line = try seen.string("token")
            #expect(line.contains("401; is the service account's token valid?"))
            #expect(try seen.boolean("alive"))
        }
    }

    @Test("kubectl reads the external metrics with the aggregator's certificate; a stranger's, or none, is forbidden")
    func metrics() throws {
        try play("metrics") { seen throws(JSONError) in
            #expect(try seen.strings("idle") == ["2"])
            #expect(try seen.strings("busy") == ["3"])
            #expect(try seen.strings("other").isEmpty)
            #expect(try seen.string("kind") == "ExternalMetricValueList")
            #expect(try seen.string("groups") == "external.metrics.k8s.io")
            #expect(try seen.string("resources") == "weir-replicas")
            let unknown = try seen.string("unknown"), selector = try seen.string("selector")
            #expect(unknown.contains("NotFound") && selector.contains("BadRequest"))
            #expect(try seen.integer("with") == 200)
            #expect(try seen.integer("stranger") == 403)
            #expect(try seen.integer("without") == 403)
        }
    }

    @Test("Outside a pod it says what is missing")
    func wrong() throws {
        try play("wrong") { seen throws(JSONError) in
            for (name, part) in [("outside", "KUBERNETES_SERVICE_HOST"), ("no account", "service account")] as [(StaticString, String)] {
                try seen.object(name) { one throws(JSONError) in
                    #expect(try one.integer("code") == 3)
                    let error = try one.string("error")
                    #expect(error.contains(part) && error.split(separator: "\n").count == 1)
                }
            }
        }
    }
}
