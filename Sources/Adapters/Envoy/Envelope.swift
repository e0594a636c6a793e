internal import GRPC

/// A message written from the inside out, around bytes of which only the count is known: so what is large is copied once and not at each level.
struct Envelope {
    private(set) var head: [UInt8] = [], tail: [UInt8] = []
    private let count: Int

    init(around count: Int) { self.count = count }

    mutating func before(_ fill: (inout ProtobufWriter) -> Void) {
        var writer = ProtobufWriter()
        fill(&writer)
        head = writer.bytes + head
    }

    mutating func after(_ fill: (inout ProtobufWriter) -> Void) {
        var writer = ProtobufWriter()
        fill(&writer)
        tail += writer.bytes
    }

    /// All that there is becomes one field of what is around it.
    mutating func wrap(_ field: Int) {
        let size = head.count + count + tail.count
        before { $0.opening(field, of: size) }
    }

    /// ... becomes a TypedExtensionConfig of this name.
    mutating func wrap(_ name: String, _ type: String) {
        wrap(2)
        before { $0.string(1, "type.googleapis.com/" + type) }
        wrap(2)
        before { $0.string(1, name) }
    }
}
