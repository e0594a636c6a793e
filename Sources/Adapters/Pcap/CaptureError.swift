/// Why a capture cannot be read, or not to its end: one line with what to do where that is known.
package struct CaptureError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    init(opening name: String, libpcap message: String, start: [UInt8]) {
        let compressed: String? = switch start.prefix(4) {
        case [0x28, 0xb5, 0x2f, 0xfd]: "zstd"
        case [0xfd, 0x37, 0x7a, 0x58]: "xz"
        case let bytes where bytes.starts(with: [0x1f, 0x8b]): "gzip"
        default: nil
        }
        if let compressed {
            self.init("\(name): is compressed; try: \(compressed) -dc \(name) | weir replay -")
        } else if message.contains("tried to read 4 file header bytes, only got 0") {
            self.init("\(name): the file is empty")
        } else if message.contains("unknown file format") || message.contains("read 4 file header bytes") {
            let bytes = start.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
            self.init("\(name): is no packet capture; pcap and pcapng are read" + (bytes.isEmpty ? "" : " (it starts with \(bytes))"))
        } else if Shortage(message) != nil {
            self.init("\(name): the file ends inside its header; there are no frames")
        } else {
            self.init("\(name): \(message)")
        }
    }

    init(reading name: String, libpcap message: String, framesRead: Int) {
        let number = framesRead + 1
        let rest = "\(thousands(framesRead)) \(framesRead == 1 ? "frame was" : "frames were") read"
        guard let shortage = Shortage(message) else {
            self.init("\(name): frame \(thousands(number)) is corrupt (\(message)); \(rest)")
            return
        }
        let part = shortage.isHeader ? "the header of frame \(thousands(number))" : "frame \(thousands(number)) (\(thousands(shortage.got)) of \(thousands(shortage.wanted)) bytes)"
        self.init("\(name): the file ends inside \(part); \(rest)")
    }
}

/// libpcap says what is missing in words only: "truncated dump file; tried to read 1514 captured bytes, only got 64".
private struct Shortage {
    var wanted: Int
    var got: Int
    var isHeader: Bool

    init?(_ message: String) {
        guard message.hasPrefix("truncated ") else { return nil }
        let numbers = message.split { !("0"..."9").contains($0) }.compactMap { Int($0) }
        guard numbers.count == 2 else { return nil }
        (wanted, got) = (numbers[0], numbers[1])
        // A pcapng block starts with 8 bytes of type and length.
        isHeader = message.contains(" header bytes") || (message.contains("pcapng") && wanted == 8)
    }
}

private func thousands(_ number: Int) -> String {
    var text = ""
    for (index, digit) in String(number).reversed().enumerated() {
        if index > 0, index % 3 == 0 { text.append(",") }
        text.append(digit)
    }
    return String(text.reversed())
}
