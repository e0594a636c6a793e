internal import Glibc

/// One GET to a server of this machine, for programs that show what another says.
///
/// - Returns: the body, or `nil` when there is no answer of status 200 within `milliseconds`.
package func fetch(port: UInt16, path: String, withinMilliseconds milliseconds: Int = 500) -> [UInt8]? {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
        unsafe setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard connected == 0 else { return nil }
    let request = Array("GET \(path) HTTP/1.0\r\nHost: localhost\r\n\r\n".utf8)
    guard unsafe write(descriptor, request, request.count) == request.count else { return nil }
    var answer: [UInt8] = []
    unsafe withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { buffer in
        while answer.count < 1 << 22 {
            let count = unsafe read(descriptor, buffer.baseAddress, buffer.count)
            guard count > 0 else { return }
            unsafe answer.append(contentsOf: buffer.prefix(count))
        }
    }
    guard answer.starts(with: "HTTP/1.".utf8), answer.count > 12, answer[9..<12].elementsEqual("200".utf8) else { return nil }
    for index in answer.indices.dropLast(3) where answer[index...].starts(with: [13, 10, 13, 10]) { return Array(answer[(index + 4)...]) }
    return nil
}
