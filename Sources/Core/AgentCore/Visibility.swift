/// Whether the probe sees what an interface carries. Attached is not the same: a program in front of it may keep all frames to itself.
package struct Visibility: Sendable {
    package enum Finding: Sendable, Equatable {
        /// The interface's frames grow and the probe's do not.
        case blind(frames: UInt64)
        /// It sees again.
        case sees
    }

    private struct Reading: Sendable {
        var frames: UInt64
        var seen: UInt64
        var isBlind = false
    }

    /// So many frames between two readings, of which none was seen, are no chance: a few may pass before the probe is on, or never reach
    /// its hooks.
    package static let threshold: UInt64 = 100

    private var readings: [UInt32: Reading] = [:]

    package init() {}

    package var blind: [UInt32] { readings.filter(\.value.isBlind).keys.sorted() }

    /// Two counts of one moment: the interface's own, and the probe's on it. What is new since the last ones comes back.
    package mutating func note(_ interface: UInt32, frames: UInt64, seen: UInt64) -> Finding? {
        guard var last = readings[interface], frames >= last.frames, seen >= last.seen else {
            // The first reading, or a counter began anew.
            readings[interface] = Reading(frames: frames, seen: seen)
            return nil
        }
        let carried = frames - last.frames, saw = seen > last.seen
        // Few frames are gathered until they say something.
        guard saw || carried >= Self.threshold else { return nil }
        let wasBlind = last.isBlind
        last = Reading(frames: frames, seen: seen, isBlind: !saw)
        readings[interface] = last
        return last.isBlind == wasBlind ? nil : saw ? .sees : .blind(frames: carried)
    }

    package mutating func forget(_ interface: UInt32) { readings[interface] = nil }
}
