import Detection
import Glibc
import Probe
import Support
import Testing
import Units

/// Recorded conversations, made wrong: WEIR_SEED and WEIR_MUTANTS say how and how many.
@Suite struct MutationTests {
    static let seed = getenv("WEIR_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20_261_125
    static let mutants = getenv("WEIR_MUTANTS").flatMap { Int(String(cString: $0)) } ?? 400

    @Test(
        "Both engines agree about what no client would send", .enabled(if: geteuid() == 0, "loading BPF needs root"),
        arguments: [false, true])
    func agree(enforcing: Bool) throws {
        var random = SplitMix64(Self.seed &+ (enforcing ? 1 : 0))
        let recordings = Recording.all.filter { !$0.frames.isEmpty }
        let pair = try EnginePair(KernelPolicy(everything), enforcing: enforcing)
        var records = 0
        for number in 0..<Self.mutants {
            let (recording, frames) = Self.mutant(number, of: recordings, &random)
            for frame in frames {
                let (ours, theirs) = try pair.run(frame)
                records += ours.count
                guard ours == theirs else {
                    Issue.record("seed \(Self.seed), mutant \(number) of \(recording.name): \(frame)")
                    return
                }
            }
            if number % 50 == 49 {
                let (ours, theirs) = pair.giveUp()
                #expect(ours == theirs, "seed \(Self.seed), after mutant \(number)")
                records += ours.count
            }
        }
        #expect(records > Self.mutants / 4)
    }

    static func mutant(_ number: Int, of recordings: [Recording], _ random: inout SplitMix64) -> (recording: Recording, frames: [[UInt8]]) {
        let recording = recordings.randomElement(using: &random)!
        // Twenty thousand ports, sixteen at a time.
        var frames = recording.from(port: UInt16(1024 + number % 1250 * 16))
        for _ in 0...Int.random(in: 0...4, using: &random) { mutate(&frames, &random) }
        return (recording, frames)
    }

    private static func mutate(_ frames: inout [[UInt8]], _ random: inout SplitMix64) {
        guard !frames.isEmpty else { return }
        let index = Int.random(in: 0..<frames.count, using: &random), size = frames[index].count
        switch Int.random(in: 0..<8, using: &random) {
        case 0 where size > 0: frames[index][Int.random(in: 0..<size, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where size > 0: frames[index][Int.random(in: 0..<size, using: &random)] = UInt8.random(in: 0...255, using: &random)
        case 2: frames[index] = Array(frames[index].prefix(Int.random(in: 0...size, using: &random)))
        case 3: frames.insert(frames[index], at: Int.random(in: 0...frames.count, using: &random))
        case 4: frames.swapAt(index, Int.random(in: 0..<frames.count, using: &random))
        case 5: frames.remove(at: index)
        case 6: split(&frames, index, &random)
        default: corruptPayload(&frames[index], &random)
        }
    }

    /// One segment as two, the second perhaps over part of the first.
    private static func split(_ frames: inout [[UInt8]], _ index: Int, _ random: inout SplitMix64) {
        let frame = frames[index]
        guard let segment = Recording.segment(frame), segment.payload.count > 1, frame[12] == 8 else { return }
        let start = frame.count - segment.payload.count, cut = Int.random(in: 1..<segment.payload.count, using: &random),
            back = Int.random(in: 0...min(cut, 40), using: &random)
        func part(_ range: Range<Int>) -> [UInt8] {
            var part = Array(frame[..<start]) + segment.payload[range]
            let length = part.count - 14
            (part[16], part[17]) = (UInt8(length >> 8), UInt8(length & 255))
            var sequence = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(frame[segment.at + 4 + $1]) } &+ UInt32(range.lowerBound)
            for byte in (0..<4).reversed() {
                part[segment.at + 4 + byte] = UInt8(sequence & 255)
                sequence >>= 8
            }
            return part
        }
        frames[index] = part(0..<cut)
        frames.insert(part((cut - back)..<segment.payload.count), at: Bool.random(using: &random) ? index : index + 1)
    }

    /// Where lengths and types of the hello are, more often than its random bytes.
    private static func corruptPayload(_ frame: inout [UInt8], _ random: inout SplitMix64) {
        guard let segment = Recording.segment(frame), !segment.payload.isEmpty else { return }
        let start = frame.count - segment.payload.count
        frame[
            min(
                frame.count - 1,
                start + Int.random(in: 0..<min(segment.payload.count, Bool.random(using: &random) ? 11 : 400), using: &random))] = [
                0, 1, 2, 22, 127, 128, 255
            ].randomElement(using: &random)!
    }
}
