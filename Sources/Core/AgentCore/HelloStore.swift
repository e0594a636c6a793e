internal import Units

/// The bytes of each source's latest hello, until the source's event is made. Bounded: the oldest bytes make room for new ones.
///
/// A place belongs to one source and moves with it, so no source can be given the bytes of another.
struct HelloStore: Sendable {
    struct Place: Sendable {
        /// A position in the stream of all bytes that were ever placed.
        fileprivate var start: UInt64 = 0
        fileprivate var room = 0
        fileprivate var count = 0

        /// The source's latest verdict has no hello.
        mutating func clear() { count = 0 }
    }

    /// Its room is reserved at start, and its pages are touched as they are needed.
    private var bytes: [UInt8] = []
    /// One past the last place, as a position in the stream.
    private var end: UInt64 = 0
    private let capacity: Int
    /// Rooms are multiples of this, so that a source whose hellos differ a little in length keeps its place.
    private static let unit = 256

    /// - Parameter capacity: bytes; a hello that is longer is cut.
    init(capacity: Int) {
        precondition(capacity >= Self.unit, "a store of hellos has room for one")
        self.capacity = capacity
        bytes.reserveCapacity(capacity)
    }

    mutating func keep(_ hello: RawSpan, in place: inout Place) {
        let count = min(hello.byteCount, capacity / Self.unit * Self.unit)
        if count > place.room || !isHere(place) {
            place.room = max(1, (count + Self.unit - 1) / Self.unit) * Self.unit
            let offset = Int(end % UInt64(capacity))
            // A hello lies in one piece: what is left before the end of the memory stays empty.
            if offset + place.room > capacity { end += UInt64(capacity - offset) }
            place.start = end
            end += UInt64(place.room)
            let needed = self.offset(of: place) + place.room
            // Within the room that was reserved, so nothing is allocated.
            if bytes.count < needed { bytes.append(contentsOf: repeatElement(0, count: needed - bytes.count)) }
        }
        place.count = count
        hello.extracting(first: count).copy(to: &bytes, at: offset(of: place))
    }

    /// Gives the source's hello to `body`; an empty one if there is none. `nil`: there was one, and newer ones have taken its room.
    func read<Result>(_ place: Place, _ body: (RawSpan) -> Result) -> Result? {
        guard place.count > 0 else { return body(RawSpan()) }
        guard isHere(place) else { return nil }
        let start = offset(of: place)
        return bytes.withRawBytes(start..<start + place.count, body)
    }

    private func offset(of place: Place) -> Int { Int(place.start % UInt64(capacity)) }

    /// Its first byte is overwritten as soon as the stream is further than the memory is long.
    private func isHere(_ place: Place) -> Bool { place.room > 0 && end - place.start <= UInt64(capacity) }
}
