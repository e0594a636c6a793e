internal import CWire

/// What the probe has seen of an interface. Segments are those of watched ports.
package struct InterfaceCounts: Sendable, Equatable {
    /// Frames of any kind, both ways.
    package var frames: UInt64
    /// Segments that came in from clients, and those of them that bear data.
    package var fromClients: UInt64, clientPayloads: UInt64
    /// Segments that went out from servers, and those of them that bear data.
    package var fromServers: UInt64, serverPayloads: UInt64

    /// Numbers of `struct weir_ways` (wire.h).
    package static let ways = MemoryLayout<weir_ways>.size / 8

    /// - Parameter ways: in the order of `struct weir_ways`.
    package init(frames: UInt64, ways: [UInt64]) {
        precondition(ways.count == Self.ways, "struct weir_ways has that many numbers")
        self.frames = frames
        (fromClients, clientPayloads) = (ways[0], ways[1])
        (fromServers, serverPayloads) = (ways[2], ways[3])
    }
}
