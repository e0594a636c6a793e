import Bundles
import Detection
import Fingerprints
import GRPC
import Glibc
import JSON
import Messages
import Pcap
import PolicyFile
import Rollout
import Support
import Testing
import Units
import Vocabulary

private let folder = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/"

private func contents(of path: String) -> [UInt8] {
    guard let stream = fopen(folder + path, "r") else { return [] }
    defer { fclose(stream) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    return Array(bytes[..<fread(&bytes, 1, bytes.count, stream)])
}

/// Every parser of bytes that others write, but for the shared C, which has libFuzzer (fuzz/run.sh). None may trap; each error is one line.
@Suite(.serialized) struct ParserTests {
    @Test("Policy files")
    func policy() {
        let whole = contents(of: "manifests/policy.yaml"),
            start = "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: a}\n"
        let short = [
            "spec: {}\n",
            "spec:\n  detections:\n    missing_sni: {severity: high, limit: {perSecond: 3, for: 10m}}\n  allow: {cidrs: [10.0.0.0/8, 2001:db8::/32]}\n",
            "spec:\n  scaleOut:\n    targets:\n      - match: {ports: [443], serverNames: [\"*.a\"]}\n        workload: a/b\n        max: 3\n"
        ]
        #expect(whole.count > 1000)
        Fuzz.run(
            "policy", seeds: [whole] + short.map { Array((start + $0).utf8) },
            words: [
                "&a ", "*a", "!!int ", "? ", "- ", "[", "{", "}", "]", ": ", "\t", "\n  ", "\n---\n", "|\n", "\"", "'", "#",
                "99999999999999999999h", "-1", "1e9", "~", "null", "yes",
                "0.0.0.0/0", "::/0", "10.0.0.0/33", "all", "critical", "\u{feff}", "<<: ", "%YAML 1.1\n"
            ]
        ) { input in
            do {
                let policy = try PolicyFile.parse(bytes: input, name: "policy.yaml")
                return policy.ports.isEmpty || policy.name.isEmpty ? "a policy without ports or name" : nil
            } catch { return Fuzz.fault(in: "\(error)") }
        }
    }

    /// What is read, said again, is read as the same.
    private func messages<Value: Equatable>(
        _ name: String, _ seeds: [[UInt8]], _ read: (inout MessageReader, RawSpan) throws -> Value, _ encode: (Value) -> [UInt8]
    ) {
        var reader = MessageReader()
        Fuzz.run(
            name, seeds: seeds,
            words: [
                "{", "}", "[", "]", "\"", "\\", "\\u0000", "\\ud800", ",", ":", "null", "true", "1e400", "-0", "9223372036854775808",
                "\"id\":", "\"released\":true,",
                "\"until\":\"9999-12-31T23:59:59Z\"", "\"prefix\":\"::/0\"", "2262-04-11T23:47:16.854775808Z", "/33", "::ffff:1.2.3.4/128",
                "|all", "\u{2028}"
            ]
        ) { input in
            do {
                let value = try read(&reader, input.span.bytes), said = encode(value)
                guard let again = try? read(&reader, said.span.bytes) else {
                    return "what was read and said again is refused: \(String(decoding: said, as: UTF8.self))"
                }
                return again == value ? nil : "what was read and said again reads as something else"
            } catch { return Fuzz.fault(in: "\(error)") }
        }
    }

    @Test("Throttle events")
    func events() {
        var event = ThrottleEvent(
            id: "node-a:6f1c2a90:42", time: Instant(rfc3339: "2026-11-24T10:00:00.123456789Z")!, node: "node-a",
            sourceAddress: Address("203.0.113.7")!,
            sourcePrefix: Prefix("203.0.113.7/32")!, destinationAddress: Address("198.51.100.2")!,
            anomalies: AnomalySet([.missingSNI, .notTLS]), severity: .high, traceID: "4bf9")
        let plain = event.encoded()
        event.alpn = ["h2", "http/1.1"]
        event.serverName = "a\u{1}\"b\\"
        event.limit = ThrottleEvent.Limit(
            limitClass: .anomalous, perSecond: 3, answer: .reset, until: Instant(rfc3339: "2026-11-24T10:10:00Z")!, enforced: true)
        event.isRehearsal = true
        messages("events", [plain, event.encoded()], { reader, bytes in try reader.throttleEvent(bytes) }) { $0.encoded() }
    }

    @Test("Notices of loss")
    func losses() {
        let time = Instant(rfc3339: "2026-11-24T10:00:10Z")!
        let notice = LossNotice(
            id: "node-a:6f1c2a90:loss:1", time: time, node: "node-a", since: time, until: time,
            losses: [
                LossNotice.Loss(what: .records, cause: "ring_full", count: 512),
                LossNotice.Loss(what: .events, cause: "a\u{1}\"b", count: 7)
            ])
        messages("losses", [notice.encoded()], { reader, bytes in try reader.lossNotice(bytes) }) { $0.encoded() }
    }

    @Test("Limits")
    func limits() {
        var limit = Limit(
            key: Limit.Key("2001:db8::/64|all")!, perSecond: 3, answer: .drop, until: Instant(rfc3339: "2026-11-24T10:10:00Z")!,
            generation: 17,
            anomalies: AnomalySet(.missingSNI), traceID: "4bf9")
        let plain = limit.encoded()
        (limit.origin, limit.isRelease, limit.eventIDs) = (.operator, true, ["a", "b"])
        messages("limits", [plain, limit.encoded()], { reader, bytes in try reader.limit(bytes) }) { $0.encoded() }
    }

    @Test("Scale decisions")
    func decisions() {
        let decision = ScaleDecision(
            workload: "shop/web", desiredReplicas: 5, previousReplicas: 4, mode: .enforce, sourcePrefix: Prefix("203.0.113.7/32")!,
            eventsInWindow: 13,
            windowSeconds: 300, moreThan: 12, sourcesOver: 1, until: Instant(rfc3339: "2026-11-24T10:15:00Z")!, generation: 3,
            traceID: "4bf9")
        messages("decisions", [decision.encoded()], { reader, bytes in try reader.scaleDecision(bytes) }) { $0.encoded() }
    }

    @Test("What nodes say of themselves")
    func nodes() {
        var status = NodeStatus(
            node: "node-a", time: Instant(rfc3339: "2026-11-24T10:00:00.5Z")!, started: Instant(rfc3339: "2026-11-24T09:00:00Z")!,
            version: "0.1.0",
            mode: .enforce, interfaces: ["eth0", "wg0"], policyName: "default", policyVersion: "sha256:1c9e", nextOffset: 42)
        status.lacks = [NodeStatus.Lack(key: Limit.Key("203.0.113.7/32|all")!, reason: .allowed)]
        var bundled = status, bundles = NodeStatus.Bundles()
        bundles.running = NodeStatus.Bundle(name: "shop", sequence: 7, digest: "sha256:00", key: "f8f9e225f8229912", canaryPercent: 10)
        bundles.refused = NodeStatus.Bundles.Refused(reason: "older", sequence: 6)
        bundled.bundles = bundles
        messages("nodes", [status.encoded(), bundled.encoded()], { reader, bytes in try reader.nodeStatus(bytes) }) { $0.encoded() }
    }

    @Test("Signed policies: whatever the bytes are, only what the key signed is opened")
    func bundles() {
        let key = PrivateKey(name: "shop")!, time = Instant(rfc3339: "2026-11-24T10:00:00.5Z")!
        let text = "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: a}\n"
        let signed = [
            PolicyBundle(name: "a", sequence: 1, signed: time, expires: time, content: .policy(text: text, canary: 10)),
            PolicyBundle(name: "keys", sequence: 2, signed: time, expires: time, content: .key(key.public))
        ]
        Fuzz.run(
            "bundles", seeds: signed.map { Envelope.seal($0, by: key) },
            words: [
                "{", "}", "[", "]", "\"", ",", ":", "=", "==", "AA==", "\"payload\":", "\"signatures\":[]", "\"keyid\":", "\"sig\":\"\"",
                "null",
                "\\u0000", "1e400"
            ]
        ) { input in
            do {
                let opened = try Envelope.open(input, keys: [key.public])
                return signed.contains(opened.bundle) ? nil : "a bundle that nobody signed: \(opened.bundle)"
            } catch { return Fuzz.fault(in: "\(error)") }
        }
        // What stands behind the signature: whoever has the key may write anything.
        Fuzz.run(
            "payloads", seeds: signed.map { $0.encoded() },
            words: ["\"sequence\":-1", "\"canary_percent\":0", "\"kind\":\"\"", "\"next_key\":{}", "9999-12-31T23:59:59Z"]
        ) { input in
            do {
                let bundle = try Envelope.bundle(input)
                guard let again = try? Envelope.bundle(bundle.encoded()) else { return "what was read and said again is refused" }
                return again == bundle ? nil : "what was read and said again reads as something else"
            } catch { return Fuzz.fault(in: "\(error)") }
        }
    }

    @Test("Captures, of both formats")
    func captures() {
        let names = ["pcapng.pcapng", "lone-hello.pcap", "vlan-no-name.pcap", "truncated.pcap", "openssl-nanoseconds.pcap"]
        let path = "/tmp/weir-fuzz-\(getpid())-capture.in"
        let file = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0o600)
        var room: [UInt8] = []
        defer {
            close(file)
            unlink(path)
        }
        // The first frames as if they were of links that have much to say: PPP, FDDI, 802.11, Prism, radiotap, AVS, PPI, NFLOG.
        let links = [9, 10, 50, 105, 119, 127, 163, 192, 239].map { number in
            Array(
                contents(of: "Tests/Fixtures/lone-hello.pcap").prefix(6000).enumerated().map {
                    $0.offset == 20 ? UInt8(number) : $0.element
                })
        }
        Fuzz.run(
            "captures", seeds: names.map { Array(contents(of: "Tests/Fixtures/\($0)").prefix(6000)) } + links,
            words: ["\n\r\r\n", "\u{1}\0\0\0", "\u{6}\0\0\0"]
        ) { input in
            Fuzz.store(input, in: file)
            var frames = 0, bytes = 0
            do {
                var capture = try Capture(path: path)
                while try capture.nextEthernet(&room, { _, frame in bytes += frame.byteCount }) { frames += 1 }
            } catch { if let fault = Fuzz.fault(in: "\(error)") { return fault } }
            // A frame has a header of sixteen bytes at least; an Ethernet header may have been put before it.
            return frames > input.count / 12 || bytes > input.count + 14 * frames
                ? "\(frames) frames with \(bytes) bytes out of \(input.count)" : nil
        }
    }

    /// Fields as they were read, messages within messages where the bytes allow it.
    private static func walk(_ bytes: ArraySlice<UInt8>, depth: Int, _ count: inout Int) {
        var reader = ProtobufReader(bytes)
        while let next = try? reader.next() {
            count += 1
            if depth < 4, let inner = next.value.bytes { walk(inner, depth: depth + 1, &count) }
        }
    }

    @Test("Protobuf messages")
    func protobuf() {
        var writer = ProtobufWriter()
        writer.string(1, "7")
        writer.string(3, "weir_limited_sources")
        writer.message(6) { inner in
            inner.varint(1, 13)
            inner.string(2, "no")
            inner.double(3, 0.5)
        }
        writer.varint(536_870_911, .max)
        Fuzz.run("protobuf", seeds: [writer.bytes], words: ["\u{8}", "\u{12}", "\u{1a}\u{2}", "\u{7f}", "\u{2}\u{0}"]) { input in
            var reader = ProtobufReader(input[...]), again = ProtobufWriter(), fields: [String] = [], count = 0
            Self.walk(input[...], depth: 0, &count)
            guard count <= 5 * input.count else { return "\(count) fields in \(input.count) bytes" }
            do throws(Malformed) {
                while let (field, value) = try reader.next() {
                    switch value {
                    case .varint(let number) where number != 0: again.varint(field, number)
                    case .fixed64(let bits) where bits != 0: again.double(field, Double(bitPattern: bits))
                    case .data(let bytes): again.data(field, Array(bytes))
                    default: continue
                    }
                    fields.append("\(field) \(value)")
                }
                var second = ProtobufReader(again.bytes[...]), found: [String] = []
                while let (field, value) = try second.next() { found.append("\(field) \(value)") }
                // A slice's indices are not part of what it says.
                return found == fields ? nil : "fields written again are others: \(fields) \(found)"
            } catch { return nil }
        }
    }

    @Test("Hellos: names and fingerprints, the quick way and the slow one")
    func hellos() {
        let seeds = [Hello(), Hello(serverName: nil, versions: []), Hello(serverName: "a.b", alpn: ["h2", "http/1.1"], padding: 300)].map(
            \.message)
        var quick = HelloReader(capacity: 64)
        Fuzz.run("hellos", seeds: seeds) { input in
            let reading = quick.read(input.span.bytes, over: .tcp), slow = ClientHello(input)
            guard let slow, let fingerprint = Fingerprint(slow) else {
                return reading?.stack == nil ? nil : "a fingerprint of what has none"
            }
            guard let reading else { return "a hello that only the slow way reads" }
            let name = reading.serverName(in: input.span.bytes)
            guard name == slow.serverName else { return "name \(name ?? "none"), not \(slow.serverName ?? "none")" }
            guard reading.protocols(in: input.span.bytes) == slow.alpnNames else { return "protocols differ" }
            return reading.stack?.ja3 == fingerprint.ja3 && reading.stack?.ja4 == fingerprint.ja4 ? nil : "fingerprints differ"
        }
    }
}
