/// Builds the bytes of a ClientHello, every field by its name, so that a test can say which one is wrong.
struct HelloBytes {
    var version: UInt16 = 0x0303
    var session: [UInt8] = Array(repeating: 0x5e, count: 32)
    var ciphers: [UInt16] = [0x1301, 0xc02b]
    var compression: [UInt8] = [0]
    /// `nil`: no extension block at all.
    var extensions: [(type: UInt16, content: [UInt8])]? = []

    var message: [UInt8] {
        var body =
            number(version) + [UInt8](repeating: 0xaa, count: 32) + vector8(session) + vector16(ciphers.flatMap(number))
            + vector8(compression)
        if let extensions { body += vector16(extensions.flatMap { number($0.type) + vector16($0.content) }) }
        return [1, UInt8(body.count >> 16), UInt8(body.count >> 8 & 255), UInt8(body.count & 255)] + body
    }

    static func serverName(_ name: [UInt8], kind: UInt8 = 0) -> (UInt16, [UInt8]) { (0, vector16([kind] + vector16(name))) }
    static func serverName(_ name: String) -> (UInt16, [UInt8]) { serverName(Array(name.utf8)) }
    static func protocols(_ names: [String]) -> (UInt16, [UInt8]) { (16, vector16(names.flatMap { vector8(Array($0.utf8)) })) }
    static func versions(_ versions: [UInt16]) -> (UInt16, [UInt8]) { (43, vector8(versions.flatMap(number))) }
    static func algorithms(_ algorithms: [UInt16]) -> (UInt16, [UInt8]) { (13, vector16(algorithms.flatMap(number))) }
    static func groups(_ groups: [UInt16]) -> (UInt16, [UInt8]) { (10, vector16(groups.flatMap(number))) }
    static func points(_ formats: [UInt8]) -> (UInt16, [UInt8]) { (11, vector8(formats)) }
}

func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
func vector8(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count)] + bytes }
func vector16(_ bytes: [UInt8]) -> [UInt8] { number(UInt16(bytes.count)) + bytes }
