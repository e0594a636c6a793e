/// Why a capture cannot be read, or not to its end: one line with what to do where that is known.
package struct CaptureError: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    init(opening name: String, libpcap message: String, start: [UInt8]) {
        let compressed: String? =
            switch start.prefix(4) {
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
            self.init(endsInHeader: name)
        } else {
            self.init("\(name): \(message)")
        }
    }

    init(endsInHeader name: String) { self.init("\(name): the file ends inside its header; there are no frames") }

    /// - Parameter framesRead: `nil` when it is the whole file's.
    init(name: String, linkType: String, accepted: [String], framesRead: Int?) {
        let whose = framesRead == nil ? "its link type" : "the link type of frame \(thousands(framesRead! + 1))'s interface"
        self.init(
            "\(name): \(whose) is \(linkType), and only \(accepted.joined(separator: ", ")) is read"
                + (framesRead.map { "; \(Self.rest($0))" } ?? ""))
    }

    init(reading name: String, _ failure: PcapngReader.Failure, framesRead: Int) {
        let number = thousands(framesRead + 1)
        switch failure {
        case .cut(_, nil): self.init("\(name): the file ends inside the header of frame \(number); \(Self.rest(framesRead))")
        case .cut(let got, let wanted?):
            self.init(
                "\(name): the file ends inside frame \(number) (\(thousands(got)) of \(thousands(wanted)) bytes); \(Self.rest(framesRead))")
        case .corrupt(let what): self.init("\(name): frame \(number) is corrupt (\(what)); \(Self.rest(framesRead))")
        }
    }

    private static func rest(_ framesRead: Int) -> String {
        "\(thousands(framesRead)) \(framesRead == 1 ? "frame was" : "frames were") read"
    }

    init(reading name: String, libpcap message: String, framesRead: Int) {
        let number = framesRead + 1
        let rest = Self.rest(framesRead)
        guard let shortage = Shortage(message) else {
            self.init("\(name): frame \(thousands(number)) is corrupt (\(message)); \(rest)")
            return
        }
        let part =
            shortage.isHeader
            ? "the header of frame \(thousands(number))"
            : "frame \(thousands(number)) (\(thousands(shortage.got)) of \(thousands(shortage.wanted)) bytes)"
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
        isHeader = message.contains(" header bytes")
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
