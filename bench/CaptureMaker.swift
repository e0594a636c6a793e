internal import Detection
internal import Glibc
internal import Linux
internal import Pcap
internal import Probe
internal import Units
internal import Vocabulary

/// Captures of any size for measuring replay: the recorded clients' hellos (Tests/Fixtures), varied into many fingerprints and given
/// many names. The same seed gives the same bytes.
struct CaptureMaker: ~Copyable {
    enum Kind: String, CaseIterable {
        /// One conversation a hello, and nothing but the hello, of 100,000 stacks drawn evenly from 131,072 sources: nothing is warm.
        case diverse
        /// The same hellos in short whole conversations: TCP handshake, hello, answer, FIN.
        case short
        /// One conversation a hello, and nothing but the hello: what a capture filter for hellos leaves.
        case hellos
        /// Whole conversations: TCP handshake, hello, answer, data, FIN; and as much data again on a port that is not TLS's.
        case mixed
    }

    private var random: SplitMix64
    private let recorded: [HelloShape]
    private let shapes: [HelloShape]
    private let names: [[UInt8]]
    private let sources: [UInt32]
    private var file: CaptureFile
    private var ports: [UInt16] = []
    private static let maximumSegment = 1448, stacks = 2000, diverseStacks = 100_000, diverseSources = 131_072
    private let seed: UInt64

    /// - Parameter fixtures: the folder of recordings.
    init(writing path: String, seed: UInt64 = 20_261_125, fixtures: String) throws {
        let recorded = try HelloShape.recorded(in: fixtures).sorted { ($0.isRare ? 1 : 0, $0.size) < ($1.isRare ? 1 : 0, $1.size) }
        file = try CaptureFile(path)
        random = SplitMix64(seed)
        self.seed = seed
        self.recorded = recorded
        precondition(!recorded.isEmpty, "no recordings in \(fixtures)")
        shapes = (0..<Self.stacks).map { index in
            var own = SplitMix64(seed &+ UInt64(index) &* 7919)
            return recorded[index * recorded.count / Self.stacks].varied(index % (Self.stacks / recorded.count + 1), &own)
        }
        let words = ["shop", "api", "cdn", "mail", "static", "img", "login", "video", "news", "edge"]
        names = (0..<50_000).map { index in
            var own = SplitMix64(seed &+ UInt64(index) &* 104_729)
            return Array("\(words[own.below(10)])\(own.below(1000)).\(String(own.next() >> 34, radix: 36)).example".utf8)
        }
        sources = (0..<200_000).map { 0x0b00_0000 + $0 * 61 }
    }

    /// - Returns: frames and bytes written.
    mutating func make(_ kind: Kind, hellos: Int) throws -> (frames: Int, bytes: Int) {
        switch kind {
        case .diverse: for number in 0..<hellos { try lone(diverseConversation(number), diverseHello()) }
        case .short: try dialogues(hellos)
        case .hellos: for number in 0..<hellos { try lone(conversation(number), hello()) }
        case .mixed: try mixed(hellos)
        }
        try file.flush()
        return (file.frames, file.bytes)
    }

    /// Few stacks make most of the traffic; old versions, and hellos of more than a segment, a tenth.
    private mutating func hello() -> [UInt8] {
        let shape = shapes[skewed(shapes.count)]
        return shape.stream(name: random.below(50) == 0 ? nil : names[skewed(names.count)], &random)
    }

    /// Every stack as often as any other. It is made anew each time: so many of them would be this program's memory, and count as its
    /// children's.
    private mutating func diverseHello() -> [UInt8] {
        let number = random.below(Self.diverseStacks)
        var own = SplitMix64(seed &+ UInt64(number) &* 7919)
        let shape = recorded[number % recorded.count].varied(2 * (number / recorded.count), &own)
        return shape.withGREASE(&random).stream(name: random.below(50) == 0 ? nil : names[random.below(names.count)], &random)
    }

    private mutating func diverseConversation(_ number: Int) -> Endpoints {
        Endpoints(
            client: 0x0b00_0000 + UInt32(random.below(Self.diverseSources)) * 61, server: 0xc633_6402 + UInt32(number & 63),
            clientPort: UInt16(1024 + random.below(64_000)), serverPort: 443)
    }

    private mutating func skewed(_ count: Int) -> Int {
        let x = Double(random.next() >> 11) / Double(1 << 53)
        return min(Int(Double(count) * x * x * x), count - 1)
    }

    private mutating func conversation(_ number: Int) -> Endpoints {
        Endpoints(
            client: sources[random.below(sources.count)], server: 0xc633_6402 + UInt32(number & 63),
            clientPort: UInt16(1024 + (number &* 31) % 64_000), serverPort: 443)
    }

    private mutating func lone(_ ends: Endpoints, _ stream: [UInt8]) throws {
        var at = 0
        let sequence = UInt32(truncatingIfNeeded: random.next())
        while at < stream.count {
            let size = min(Self.maximumSegment, stream.count - at)
            try file.append(
                ends, fromClient: true, sequence: sequence &+ UInt32(at), acknowledged: 1, flags: 0x18, stream[at..<(at + size)])
            at += size
        }
    }

    /// 64 short conversations at a time, a frame of each in turn.
    private mutating func dialogues(_ count: Int) throws {
        let bulk = (0..<4096).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        var active: [Dialogue] = [], begun = 0
        while begun < count || !active.isEmpty {
            while active.count < 64, begun < count {
                let ends = diverseConversation(begun)
                active.append(
                    Dialogue(ends: ends, hello: diverseHello(), sequence: UInt32(truncatingIfNeeded: random.next()), answers: 1))
                begun += 1
            }
            for index in active.indices { try active[index].step(&file, bulk) }
            active.removeAll { $0.isOver }
        }
    }

    /// 64 conversations at a time, a frame of each in turn.
    private mutating func mixed(_ count: Int) throws {
        let bulk = (0..<4096).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        var active: [Dialogue] = [], begun = 0
        while begun < count || !active.isEmpty {
            while active.count < 64, begun < count {
                var ends = conversation(begun)
                active.append(Dialogue(ends: ends, hello: hello(), sequence: UInt32(truncatingIfNeeded: random.next())))
                ends.serverPort = 5432
                active.append(Dialogue(ends: ends, hello: nil, sequence: UInt32(truncatingIfNeeded: random.next())))
                begun += 1
            }
            for index in active.indices { try active[index].step(&file, bulk) }
            active.removeAll { $0.isOver }
        }
    }
}

struct Trouble: Error, CustomStringConvertible { let description: String }
