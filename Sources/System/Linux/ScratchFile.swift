internal import CLinux
internal import Glibc

/// A file without a name: children read it by its path under /proc, and it is gone with us, however we end.
package struct ScratchFile: ~Copyable {
    private let descriptor: FileDescriptor

    package init(_ name: String, _ text: String) throws(Errno) { try self.init(name, Array(text.utf8)) }

    package init(_ name: String, _ bytes: [UInt8]) throws(Errno) {
        let descriptor = try unsafe FileDescriptor(owning: weir_scratch_file(name))
        guard unsafe write(descriptor.rawValue, bytes, bytes.count) == bytes.count else { throw .current }
        self.descriptor = descriptor
    }

    package var path: String { "/proc/\(getpid())/fd/\(descriptor.rawValue)" }
}

/// A TCP port of loopback that nobody listens on at this moment.
package func freePort() -> UInt16? {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            guard unsafe bind(descriptor, pointer, size) == 0, unsafe getsockname(descriptor, pointer, &size) == 0 else { return nil }
            return unsafe UnsafeRawPointer(pointer).load(fromByteOffset: 2, as: UInt16.self).bigEndian
        }
    }
}

/// The running program's own file.
package var ownExecutable: String {
    unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
        let count = unsafe readlink("/proc/self/exe", buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
        return count > 0 ? unsafe String(decoding: buffer.prefix(count), as: UTF8.self) : ""
    }
}
