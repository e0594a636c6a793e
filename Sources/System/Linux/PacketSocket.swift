internal import CLinux
internal import Glibc

/// Frames as they are, out by one interface; for tests and measurements in namespaces of their own.
package struct PacketSocket: ~Copyable {
    private let descriptor: FileDescriptor

    package init(_ interface: Interface) throws(Errno) {
        descriptor = try FileDescriptor(owning: weir_packet_socket(CInt(interface.index)))
    }

    package func send(_ frame: [UInt8]) throws(Errno) {
        guard unsafe Glibc.send(descriptor.rawValue, frame, frame.count, 0) == frame.count else { throw .current }
    }
}
