import Detection
import Evidence
import Glibc
import Linux
import Messages
import Pcap
import Probe
import Support
import Testing
import Units
import Vocabulary
import Wire

/// Directories of their own, gone afterwards.
private final class Directory {
    let path = "/tmp/weir-evidence-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    init() { mkdir(path, 0o700) }
    deinit {
        for name in EvidenceWriter.names { unlink("\(path)/\(name)") }
        rmdir(path)
    }
    func size(_ index: Int) -> Int {
        var status = stat()
        return stat("\(path)/\(EvidenceWriter.names[index])", &status) == 0 ? Int(status.st_size) : -1
    }
}

@Suite struct EvidenceTests {
    private let directory = Directory()

    private func event(_ number: Int, source: String = "203.0.113.7", server: String = "198.51.100.2") -> ThrottleEvent {
        let source = Address(source)!
        var event = ThrottleEvent(
            id: "node:1:\(number)", time: Instant(nanoseconds: 1_700_000_000_000_000_000 + Int64(number) * 1000), node: "node",
            sourceAddress: source, sourcePrefix: Prefix(source, length: 128), destinationAddress: Address(server)!,
            anomalies: AnomalySet(.missingSNI), severity: .high, traceID: String(repeating: "0", count: 24) + String(10_000_000 + number))
        (event.interface, event.sourcePort, event.destinationPort) = ("eth0", 40_000, 443)
        return event
    }

    /// Without its record's header.
    private func message(_ number: Int, name: String? = nil) -> [UInt8] {
        Array(Hello(serverName: name, number: number).stream().dropFirst(5))
    }

    @Test("What is kept is read again byte by byte, also by the next agent")
    func kept() throws {
        for life in 0..<2 {
            var writer = try EvidenceWriter(directory: directory.path, size: 1 << 20)
            for number in 0..<3 { writer.keep(event(life * 3 + number), message(number).span.bytes) }
            writer.keep(event(100), [UInt8]().span.bytes)
            writer.flush()
            #expect((writer.counts.kept, writer.counts.over, writer.counts.unwritten) == (3, 0, 0))
        }
        let found = try EvidenceReader.read(directory: directory.path)
        #expect(found.unreadable == 0 && found.evidence.map(\.event) == (0..<6).map { event($0) })
        #expect(found.evidence.map(\.hello) == (0..<6).map { message($0 % 3) })
    }

    @Test("The files never take more than their size, and what is left is the newest")
    func bounded() throws {
        var writer = try EvidenceWriter(directory: directory.path, size: 64 << 10)
        for number in 0..<500 {
            writer.keep(event(number), message(number).span.bytes)
            writer.flush()
            #expect(directory.size(0) + directory.size(1) <= 64 << 10)
        }
        // What waits is never more than a file may have, and whole lines of it are kept.
        for number in 0..<100 { writer.keep(event(number), [UInt8](repeating: 7, count: 16_000).span.bytes) }
        writer.flush()
        #expect(directory.size(0) + directory.size(1) <= 64 << 10)
        #expect(writer.counts.kept == 501 && writer.counts.over == 99 && writer.counts.unwritten == 0)
        for number in 0..<500 {
            writer.keep(event(number), message(number).span.bytes)
            writer.flush()
        }
        let numbers = try EvidenceReader.read(directory: directory.path).evidence.map { Int($0.event.id.split(separator: ":")[2])! }
        #expect(numbers.count > 10 && numbers == Array((500 - numbers.count)..<500))
    }

    @Test("A flood of sources keeps thirty-two between two flushes, and counts the rest")
    func flood() throws {
        var writer = try EvidenceWriter(directory: directory.path, size: 1 << 20)
        for number in 0..<100 { writer.keep(event(number), message(1).span.bytes) }
        writer.flush()
        #expect((writer.counts.kept, writer.counts.over, writer.counts.unwritten) == (32, 68, 0))
    }

    @Test("Lines that are cut or turned into something else are passed over, the others read")
    func damaged() throws {
        var writer = try EvidenceWriter(directory: directory.path, size: 1 << 20)
        for number in 0..<5 { writer.keep(event(number), message(number).span.bytes) }
        writer.flush()
        let path = "\(directory.path)/\(EvidenceWriter.names[0])"
        let whole = Array(try #require(File.read(path, limit: 1 << 20)).utf8)
        var random = SplitMix64(7)
        for _ in 0..<200 {
            var bytes = whole
            for _ in 0..<random.below(4) { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next()) }
            _ = File.write(path, Array(bytes.prefix(random.below(bytes.count + 1))))
            let found = try EvidenceReader.read(directory: directory.path)
            #expect(found.evidence.count <= 5)
        }
        _ = File.write(path, Array(whole.dropLast(10)))
        let found = try EvidenceReader.read(directory: directory.path)
        #expect(found.evidence.map(\.event) == (0..<4).map { event($0) } && found.unreadable == 1)
    }

    @Test("Where no agent has kept any, that is said; what is no file is not opened")
    func absent() throws {
        #expect(throws: Errno.noEntry) { try EvidenceReader.read(directory: directory.path) }
        symlink("/etc/passwd", "\(directory.path)/\(EvidenceWriter.names[0])")
        #expect(throws: Errno.self) { _ = try EvidenceWriter(directory: directory.path, size: 1 << 20) }
    }

    @Test(
        "The made-up connection gives the engine the same hello, and tshark reads it without a complaint",
        arguments: [("203.0.113.7", "198.51.100.2"), ("2001:db8::7", "2001:db8:1::2"), ("2001:db8::7", "198.51.100.2")])
    func capture(source: String, server: String) throws {
        for hello in [
            message(1), message(2, name: "shop.example"), Array(Hello(serverName: nil, padding: 3000, number: 3).stream().dropFirst(5))
        ] {
            var writer = PcapngWriter(application: "weir", interface: "eth0")
            let frames = Retelling(client: Address(source)!, clientPort: 40_000, server: Address(server)!, serverPort: 443)
                .frames(Retelling.records(of: hello))
            for (index, frame) in frames.enumerated() {
                writer.add(frame, at: Instant(nanoseconds: 1_700_000_000_123_456_789 + Int64(index)), comment: "an évènement")
            }
            let path = "\(directory.path)/capture.pcapng"
            defer { unlink(path) }
            #expect(File.write(path, writer.bytes))
            var policy = Policy(), told: [[UInt8]] = [], proofs: [Proof] = [], times: [Instant] = []
            policy.capture = .all
            var engine = NativeEngine(KernelPolicy(policy), enforcing: false)
            var reader = try Capture(path: path)
            while try reader.next({ frame, bytes in
                times.append(frame.time)
                engine.run(bytes, wireSize: frame.originalLength, at: UInt64(frame.number)) { record in
                    guard let handshake = Handshake(record) else { return }
                    proofs.append(handshake.proof)
                    let raw = record.extracting(droppingFirst: Handshake.size)
                    told.append(raw.withUnsafeBytes { Array($0.prefix(handshake.rawLength)) })
                }
            }) {}
            #expect(told == [hello] && proofs == [.tracked])
            #expect(times.first == Instant(nanoseconds: 1_700_000_000_123_456_789))
            var shark = try Child(
                "tshark",
                [
                    "tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-e",
                    "tls.handshake.type", "-e", "tcp.checksum.status", "-e", "_ws.malformed"
                ], output: true)
            var bytes: [UInt8] = []
            while let more = shark.take() {
                bytes += more
                var target = pollfd(fd: shark.outputDescriptor, events: Int16(POLLIN), revents: 0)
                if more.isEmpty { poll(&target, 1, 1000) }
            }
            while shark.poll() == nil {}
            let rows = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
                $0.split(separator: "\t", omittingEmptySubsequences: false)
            }
            #expect(rows.count == frames.count && rows.last?.first == "1" && rows.allSatisfy { $0[1] == "1" && $0[2].isEmpty }, "\(rows)")
        }
    }
}
