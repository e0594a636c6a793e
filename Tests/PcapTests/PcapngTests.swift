import Pcap
import Testing

/// What a pcapng may hold besides packets of one interface, and how it may be wrong.
@Suite struct PcapngTests {
    /// A section with an Ethernet interface in microseconds; blocks follow.
    private func file(_ fill: (inout CaptureBytes) -> Void) -> [UInt8] {
        var file = CaptureBytes()
        file.section()
        file.interface(linkType: 1)
        fill(&file)
        return file.bytes
    }

    @Test("A simple packet is of the first interface and as old as the one before")
    func simple() {
        let result = read(
            file { file in
                file.packet(interface: 0, stamp: 5_000_000, content: [1, 2, 3])
                file.block(3) { body in
                    body.u32(9)
                    body.append([4, 5, 6, 7, 8])
                }
            })
        #expect(
            result.error == nil && result.contents == [[1, 2, 3], [4, 5, 6, 7, 8, 0, 0, 0]]
                && result.frames.map(\.time.nanoseconds) == [5_000_000_000, 5_000_000_000])
        #expect(result.frames.map(\.originalLength) == [3, 9])
    }

    @Test("A packet block of old is read, statistics and unknown blocks are passed over")
    func old() {
        let result = read(
            file { file in
                file.block(5) { body in for _ in 0..<3 { body.u32(0) } }
                file.block(0x8000_0bad) { $0.append([1, 2, 3, 4]) }
                file.block(2) { body in
                    body.u16(0)
                    body.u16(0xffff)
                    for value in [0, 7, 2, 2] as [UInt32] { body.u32(value) }
                    body.append([8, 9])
                }
            })
        #expect(result.error == nil && result.contents == [[8, 9]] && result.frames.first?.time.nanoseconds == 7000)
    }

    @Test("A second section has interfaces and a byte order of its own")
    func sections() {
        var second = CaptureBytes(bigEndian: true)
        second.section()
        second.interface(linkType: 1, resolution: 9)
        second.packet(interface: 0, stamp: 4, content: [2])
        let result = read(file { $0.packet(interface: 0, stamp: 3, content: [1]) } + second.bytes)
        #expect(result.error == nil && result.contents == [[1], [2]] && result.frames.map(\.time.nanoseconds) == [3000, 4])
    }

    @Test(
        "Clocks of every unit",
        arguments: [
            (0, 3, 3_000_000_000), (6, 3, 3000), (9, 3, 3), (12, 3999, 3), (0x80, 3, 3_000_000_000), (0x8a, 1536, 1_500_000_000),
            (0xa8, 1 << 39, 500_000_000), (0xbf, 1 << 62, 500_000_000), (0xff, 1, 0), (0x7f, 1, 0)
        ] as [(UInt8, UInt64, Int64)])
    func clocks(resolution: UInt8, stamp: UInt64, nanoseconds: Int64) {
        var file = CaptureBytes()
        file.section()
        file.interface(linkType: 1, resolution: resolution)
        file.packet(interface: 0, stamp: stamp, content: [])
        #expect(read(file.bytes).frames.map(\.time.nanoseconds) == [nanoseconds])
    }

    @Test("What cannot be is named, not believed; what came before it counts", arguments: 0...6)
    func wrong(kind: Int) {
        let result = read(
            file { file in
                file.packet(interface: 0, stamp: 1, content: [1])
                switch kind {
                case 0: file.packet(interface: 7, stamp: 1, content: [2])
                case 1: file.packet(interface: 0, stamp: 1, content: [2], claiming: 4000)
                case 2: file.block(6) { $0.u32(0) }
                case 3: for value in [6, 13] as [UInt32] { file.u32(value) }
                case 4: for value in [6, 0x7fff_fff0] as [UInt32] { file.u32(value) }
                case 5:
                    file.interface(linkType: 127)
                    file.packet(interface: 1, stamp: 1, content: [2])
                default: file.block(0x0a0d_0d0a) { body in for _ in 0..<4 { body.u32(0) } }
                }
            })
        let reasons = [
            "a packet of interface 7, which is not described", "captured length 4000", "packet block of 4 bytes", "block length 13",
            "block length 2147483632", "", "a section starts without its byte-order magic"
        ]
        let line =
            kind == 5
            ? "x: the link type of frame 2's interface is 802.11, and only Ethernet is read; 1 frame was read"
            : "x: frame 2 is corrupt (\(reasons[kind])); 1 frame was read"
        #expect(result.error == line && result.contents == [[1]])
    }

    @Test("A file that ends inside a block says which frame, and one without interfaces has none")
    func cut() {
        let whole = file { $0.packet(interface: 0, stamp: 1, content: [UInt8](repeating: 7, count: 100)) }
        #expect(read(Array(whole.dropLast(60))).error == "x: the file ends inside frame 1 (64 of 124 bytes); 0 frames were read")
        #expect(read(Array(whole.prefix(whole.count - 130))).error == "x: the file ends inside the header of frame 1; 0 frames were read")
        #expect(read(Array(whole.prefix(20))).error == "x: the file ends inside its header; there are no frames")
        #expect(read(Array(whole.prefix(28))) == Read())
    }
}
