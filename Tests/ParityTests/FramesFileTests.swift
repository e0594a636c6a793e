import Glibc
import Testing
import Units

private let path = getenv("WEIR_FRAMES").map { String(cString: $0) }

/// For kernels that run elsewhere: `make test-kernels` replays this capture there and here, and compares.
@Suite struct FramesFileTests {
    @Test(
        "The frames of these tests go into one capture: recordings, shapes, mutants, balancers",
        .enabled(if: path != nil, "WEIR_FRAMES names no file")
    )
    func write() throws {
        var capture = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1].flatMap(Self.little), second: UInt32 = 1_000, frames = 0
        var random = SplitMix64(MutationTests.seed)
        let recordings = Recording.all.filter { !$0.frames.isEmpty }
        let mutants = (0..<MutationTests.mutants).map { MutationTests.mutant($0, of: recordings, &random).frames }
        for conversation in Recording.all.map(\.frames) + Shape.all.map(\.frames) + mutants + proxiedFrames {
            // Two seconds apart, so that no limit is in the way of the next one; what is in one lies a millisecond apart.
            second += 2
            for (index, frame) in conversation.enumerated() where (54...Recording.kernelLimit).contains(frame.count) {
                let size = UInt32(frame.count)
                for word in [second + UInt32(index / 1000), UInt32(index % 1000) * 1000, size, size] { capture += Self.little(word) }
                capture += frame
                frames += 1
            }
        }
        let file = try #require(fopen(path ?? "", "w"))
        #expect(fwrite(capture, 1, capture.count, file) == capture.count && frames > 1000)
        fclose(file)
    }

    private static func little(_ word: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
}
