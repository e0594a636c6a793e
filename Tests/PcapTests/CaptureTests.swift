import Glibc
import Pcap
import Testing
import Units

struct Read: Equatable {
    var frames: [Capture.Frame] = []
    var contents: [[UInt8]] = []
    var error: String?
}

/// Everything of a file, and how it ended. The file's own name becomes `x`.
func read(_ path: String) -> Read {
    var result = Read()
    do throws(CaptureError) {
        var capture = try Capture(path: path)
        while try capture.next({ frame, bytes in
            result.frames.append(frame)
            result.contents.append(bytes.withUnsafeBytes { Array($0) })
        }) {}
    } catch { result.error = error.description.split(separator: path, omittingEmptySubsequences: false).joined(separator: "x") }
    return result
}

func read(_ bytes: [UInt8]) -> Read {
    let file = TemporaryFile(bytes)
    return read(file.path)
}

private let contents = [[UInt8]](arrayLiteral: Array(0..<60), Array(repeating: 7, count: 1000), [])
private let frames = contents.enumerated().map {
    (seconds: UInt32(1_700_000_000), fraction: UInt32($0.offset + 5), content: $0.element, original: UInt32($0.element.count + 3))
}

@Suite struct CaptureTests {
    @Test("Both byte orders and both precisions give the same frames", arguments: [false, true], [false, true])
    func dialects(bigEndian: Bool, nanoseconds: Bool) {
        let result = read(CaptureBytes.pcap(bigEndian: bigEndian, nanoseconds: nanoseconds, frames: frames))
        #expect(result.error == nil && result.contents == contents)
        #expect(result.frames.map(\.number) == [1, 2, 3] && result.frames.map(\.originalLength) == [63, 1003, 3])
        #expect(result.frames.map(\.time.nanoseconds) == [5, 6, 7].map { 1_700_000_000_000_000_000 + $0 * (nanoseconds ? 1 : 1000) })
    }

    @Test("pcapng too", arguments: [false, true])
    func pcapng(bigEndian: Bool) {
        let result = read(CaptureBytes.pcapng(bigEndian: bigEndian, frames: contents.map { (1_700_000_000_000_000_009, $0) }))
        #expect(result.error == nil && result.contents == contents)
        #expect(result.frames.map(\.time.nanoseconds) == Array(repeating: 1_700_000_000_000_000_009, count: 3))
    }

    @Test("A file without frames is read to its end")
    func none() {
        #expect(read(CaptureBytes.pcap(frames: [])) == Read())
    }

    @Test(
        "What is no capture is refused in one line",
        arguments: [
            ([], "x: the file is empty"),
            (
                Array("PK\u{3}\u{4}abcdefghijklmnopqrstuvwxyz".utf8),
                "x: is no packet capture; pcap and pcapng are read (it starts with 50 4b 03 04)"
            ),
            ([0xd4], "x: is no packet capture; pcap and pcapng are read (it starts with d4)"),
            ([0xd4, 0xc3, 0xb2, 0xa1, 2, 0], "x: the file ends inside its header; there are no frames"),
            ([0x1f, 0x8b, 8, 0, 0, 0, 0, 0], "x: is compressed; try: gzip -dc x | weir replay -"),
            ([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0], "x: is compressed; try: zstd -dc x | weir replay -")
        ] as [([UInt8], String)])
    func foreign(bytes: [UInt8], line: String) {
        #expect(read(bytes).error == line)
    }

    @Test("A path that is no file is refused in one line")
    func paths() {
        #expect(read("/nowhere/a.pcap").error == "x: cannot be read: No such file or directory")
        #expect(read("/tmp").error == "x: is a directory; a capture is a file")
    }

    @Test(
        "Another link type is refused by its name",
        arguments: [
            (101, "raw IP"), (113, "Linux cooked (-i any)"), (276, "Linux cooked (-i any)"), (127, "802.11"), (143, "DOCSIS"),
            (147, "unknown (147)")
        ] as [(UInt32, String)])
    func linkType(value: UInt32, name: String) {
        #expect(read(CaptureBytes.pcap(linkType: value, frames: frames)).error == "x: its link type is \(name), and only Ethernet is read")
    }

    @Test("A file that ends inside a frame says which, and how much of it is there")
    func truncated() {
        let file = CaptureBytes.pcap(frames: frames)
        #expect(read(Array(file[..<(24 + 76 + 16 + 64)])).error == "x: the file ends inside frame 2 (64 of 1,000 bytes); 1 frame was read")
        #expect(read(Array(file[..<(24 + 10)])).error == "x: the file ends inside the header of frame 1; 0 frames were read")
    }

    @Test("A length that cannot be is named, not believed")
    func corrupt() {
        var file = CaptureBytes.pcap(frames: frames)
        file.replaceSubrange(24 + 76 + 8..<24 + 76 + 12, with: [0xff, 0xff, 0xff, 0xff])
        let error = read(file).error
        #expect(
            error?.hasPrefix("x: frame 2 is corrupt (invalid packet capture length 4294967295") == true
                && error?.hasSuffix("; 1 frame was read") == true)
    }

    @Test("Cut anywhere, what comes before the cut is read, and the rest is one line")
    func prefixes() {
        for file in [
            CaptureBytes.pcap(frames: frames), CaptureBytes.pcap(bigEndian: true, frames: frames),
            CaptureBytes.pcapng(frames: contents.map { (9, $0) })
        ] {
            let whole = read(file)
            for length in file.indices where length < 300 || length % 7 == 0 || length > file.count - 60 {
                let part = read(Array(file[..<length]))
                #expect(whole.contents.starts(with: part.contents) && whole.frames.starts(with: part.frames))
                #expect(part.error == nil || (part.error!.hasPrefix("x: ") && !part.error!.contains("\n")), "\(length)")
                #expect(part.error != nil || part.frames.count < 3)
            }
        }
    }

    @Test("Damaged at random, it ends in a value or one line", arguments: 1...10)
    func damage(seed: UInt64) {
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let good = seed % 2 == 0 ? CaptureBytes.pcap(frames: frames) : CaptureBytes.pcapng(frames: contents.map { (9, $0) })
        for _ in 0..<100 {
            var bytes = good
            for _ in 0...random(8) { bytes[random(min(bytes.count, 300))] = [0, 0xff, 0x7f, 0x80, UInt8(random(256))][random(5)] }
            #expect(read(bytes).error?.contains("\n") != true)
        }
    }

    @Test("It knows how far it is")
    func progress() throws {
        let bytes = CaptureBytes.pcap(frames: frames)
        let file = TemporaryFile(bytes)
        var capture = try Capture(path: file.path)
        #expect(capture.bytesTotal == bytes.count && capture.bytesRead == 24 && capture.linkType == .ethernet)
        _ = try capture.next { _, _ in }
        #expect(capture.bytesRead == 24 + 16 + 60 && capture.framesRead == 1)
    }

    @Test("A pipe is read too, without a size")
    func pipe() throws {
        var ends: [CInt] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        let bytes = CaptureBytes.pcap(frames: frames)
        #expect(write(ends[1], bytes, bytes.count) == bytes.count)
        close(ends[1])
        defer { close(ends[0]) }
        var capture = try Capture(path: "/proc/self/fd/\(ends[0])")
        #expect(capture.bytesTotal == nil)
        while try capture.next({ _, _ in }) {}
        #expect(capture.framesRead == 3 && capture.bytesRead == 3 * 16 + 1060)
    }
}
