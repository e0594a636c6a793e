import Glibc
import Messages
import Testing

/// PyPI `jsonschema` as the independent validator: of this machine's python3, or of the virtual environment that `make deps` fills.
@Suite struct SchemaTests {
    static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    static let python = ["\(root)/.deps/venv/bin/python3", "python3"].first { run("\($0) -c 'import jsonschema' 2>/dev/null") == 0 }

    static func run(_ command: String) -> CInt {
        guard let pipe = popen(command, "r") else { return -1 }
        return pclose(pipe)
    }

    private func validate(_ schema: String, _ bytes: [UInt8]) throws -> Bool {
        let path = "/tmp/weir-schema-\(getpid())-\(UInt64.random(in: 0 ... .max)).json"
        let file = try #require(fopen(path, "w"))
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        defer { unlink(path) }
        let program =
            "import json,sys,jsonschema; s=json.load(open(sys.argv[1])); jsonschema.Draft202012Validator.check_schema(s); jsonschema.Draft202012Validator(s).validate(json.load(open(sys.argv[2])))"
        return Self.run(
            "\(try #require(Self.python)) -c '\(program)' '\(Self.root)/manifests/schemas/\(schema).v1.schema.json' \(path) 2>/dev/null")
            == 0
    }

    @Test(
        "What we write is what our schemas describe, says a validator that is not ours",
        .enabled(if: python != nil, "python3 has no jsonschema (make deps)"))
    func valid() throws {
        var bare = Examples.event()
        (bare.workload, bare.version, bare.ja3, bare.ja4, bare.limit, bare.seenToDecided, bare.seenToEnforced) = (
            nil, nil, nil, nil, nil, nil, nil
        )
        #expect(try validate("throttle-event", Examples.event().encoded()))
        #expect(try validate("throttle-event", bare.encoded()))
        var keyed = Examples.event()
        (keyed.communityID, keyed.groups, keyed.keyShares, keyed.encryptedHello) = (
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg=", ["X25519MLKEM768", "x25519"], ["X25519MLKEM768"], .offered
        )
        #expect(try validate("throttle-event", keyed.encoded()))
        #expect(try !validate("throttle-event", Array(keyed.encoded().text.replacing("\"offered\"", with: "\"perhaps\"").utf8)))
        #expect(try validate("limit", Examples.limit().encoded()))
        #expect(try validate("limit", Examples.limit().released(at: Examples.limit().until).encoded()))
        var rehearsed = (event: Examples.event(), limit: Examples.limit())
        (rehearsed.event.isRehearsal, rehearsed.limit.isRehearsal) = (true, true)
        (rehearsed.event.counts.wouldRefuse, rehearsed.limit.hasRefused) = (7, true)
        #expect(try validate("throttle-event", rehearsed.event.encoded()) && validate("limit", rehearsed.limit.encoded()))
        #expect(try !validate("limit", Array(rehearsed.limit.encoded().text.replacing("\"rehearsal\":true", with: "\"rehearsal\":1").utf8)))
        #expect(try validate("scale-decision", Examples.decision().encoded()))
        #expect(try validate("loss", Examples.notice().encoded()))
        var quiet = Examples.status()
        (quiet.lacks, quiet.lacking) = ([], 0)
        #expect(try validate("node-status", Examples.status().encoded()))
        #expect(try validate("node-status", quiet.encoded()))
        #expect(try validate("node-status", Examples.bundledStatus().encoded()))
        quiet.bundles = NodeStatus.Bundles()
        quiet.bundles?.refused = NodeStatus.Bundles.Refused(reason: "unsigned")
        #expect(try validate("node-status", quiet.encoded()))
        quiet.bundles?.refused?.reason = "perhaps"
        #expect(try !validate("node-status", quiet.encoded()))
        quiet.bundles = nil
        quiet.lacks = NodeStatus.Reason.allCases.map { NodeStatus.Lack(key: Examples.limit().key, reason: $0) }
        #expect(try validate("node-status", quiet.encoded()))
    }

    @Test(
        "The schemas tell the messages apart, and want every member", .enabled(if: python != nil, "python3 has no jsonschema (make deps)"))
    func invalid() throws {
        #expect(try !validate("throttle-event", Examples.limit().encoded()))
        #expect(try !validate("limit", Examples.decision().encoded()))
        #expect(try !validate("scale-decision", Examples.event().encoded()))
        #expect(try !validate("loss", Examples.event().encoded()) && !validate("throttle-event", Examples.notice().encoded()))
        #expect(try !validate("loss", Array(Examples.noticeText.replacing("512", with: "0").utf8)))
        #expect(try !validate("node-status", Examples.limit().encoded()))
        #expect(try !validate("node-status", Array(Examples.statusText.replacing("\"allowed\"", with: "\"because\"").utf8)))
        #expect(try !validate("limit", Array("{\"schema\":\"weir.dev/limit/v1\"}".utf8)))
    }
}
