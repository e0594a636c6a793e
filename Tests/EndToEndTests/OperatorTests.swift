import JSON
import Testing

/// What an operator types, against a real agent and the built-in broker in a process of its own.
@Suite(.serialized, .enabled(if: isRoot, "network namespaces and BPF need root"))
struct OperatorTests {
    @Test("A block that an operator limits reaches the kernel through the topic, also when the node enforces only later; a release lifts it")
    func limits() throws {
        try play("operator") { seen throws(JSONError) in
            #expect(try seen.string("nothing") == "nothing is limited\n")
            #expect(try seen.integer("free") == 5)
            #expect(try seen.integer("observed") == 5, "a node that observes refuses nothing, whoever asks")
            #expect(try seen.integer("limited") == 1, "two sources of the block share its one a second")
            #expect(try seen.integer("refused") > 0)
            let table = try seen.string("table")
            #expect(table.contains("203.0.113.0/24") && table.contains("operator"), "\(table)")
            try seen.object("listed") { limit throws(JSONError) in
                #expect(try limit.string("schema") == "weir.dev/limit/v1")
                #expect(try limit.string("prefix") == "203.0.113.0/24")
                #expect(try limit.string("class") == "all")
                #expect(try limit.integer("per_second") == 1)
                #expect(try limit.string("origin") == "operator")
            }
            #expect(try seen.integer("more") == 2)
            #expect(try seen.string("unknown") == "weir: 192.0.2.1/32 is not limited\n")
            #expect(try seen.strings("last") == ["203.0.113.66/32"])
        }
    }

    @Test("A topic is readable from its beginning or from now on, for people and for programs, until Ctrl-C")
    func tail() throws {
        try play("tail") { seen throws(JSONError) in
            let event = try seen.string("event")
            #expect(event.contains("203.0.113.66/32  limited  missing_sni"), "\(event)")
            try seen.object("raw") { raw throws(JSONError) in
                #expect(try raw.string("schema") == "weir.dev/throttle-event/v1")
                #expect(try raw.string("source.address") == "203.0.113.66")
            }
            let limits = try seen.strings("limits")
            #expect(limits.count == 2 && limits[0].hasPrefix("192.0.2.0/24  all  3/s  reset  until ") && limits[1] == "192.0.2.0/24|all  released", "\(limits)")
            let new = try seen.strings("new")
            #expect(!new.isEmpty && new.allSatisfy { $0.hasPrefix("198.18.0.0/24  all  ") }, "only what came later: \(new)")
            #expect(try seen.strings("codes") == ["0", "0", "0", "0"])
        }
    }

    @Test("The doctor tries what Weir needs, says what is missing and what to do, and its exit code says which")
    func doctor() throws {
        try play("doctor") { seen throws(JSONError) in
            let root = try seen.string("root"), broker = try seen.string("with_kafka"), none = try seen.string("without_kafka"), nobody = try seen.string("nobody")
            for part in ["✓ kernel ", "BTF", "✓ privileges", "✓ the probe loads", "✓ it attaches", "– Kafka"] { #expect(root.contains(part), "\(part): \(root)") }
            #expect(!root.contains("✗"), "\(root)")
            #expect(broker.contains("✓ Kafka at 127.0.0.1:"), "\(broker)")
            #expect(none.contains("✗ Kafka at 127.0.0.1:1") && none.contains("Connection refused") && none.contains("is it running"), "\(none)")
            #expect(try seen.integer("nobody_code") == 3)
            #expect(nobody.contains("✗ privileges") && nobody.contains("CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON missing: run as root"), "\(nobody)")
        }
    }
}
