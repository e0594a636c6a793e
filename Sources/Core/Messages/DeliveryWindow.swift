/// What is on its way to a peer that reports each delivery: handed over, acknowledged, to be tried again. Agent and controller use
/// it for Kafka, whatever keeps the records themselves. Their numbers rise by one from record to record, and the order of the
/// numbers is the order in which they are handed over.
package struct DeliveryWindow: Sendable, Equatable {
    /// All up to here have been handed over once; what of them came back is before it again.
    package private(set) var handedOver: Int64
    private var underWay: Set<Int64> = []
    /// Those of them that did not wait for their turn.
    private var passing: Set<Int64> = []
    /// Nothing is tried again before, in the caller's nanoseconds.
    private var retryAt: UInt64 = 0

    package init(handedOver: Int64 = 0) { self.handedOver = handedOver }

    package var count: Int { underWay.count }
    package var countPassing: Int { passing.count }
    package var countInTurn: Int { underWay.count - passing.count }
    package func isUnderWay(_ number: Int64) -> Bool { underWay.contains(number) }

    /// Whether nothing before it waits, so that it may go at once without overtaking anything.
    package func isNext(_ number: Int64) -> Bool { handedOver == number - 1 }

    /// Whether something up to `last` waits for its turn, and the time for it has come.
    package func isDue(upTo last: Int64, at now: UInt64 = .max) -> Bool { handedOver < last && now >= retryAt }

    /// The peer has taken it.
    package mutating func handOver(_ number: Int64) {
        handedOver = max(handedOver, number)
        underWay.insert(number)
    }

    /// The peer has taken it before others that wait: their turn is what it was.
    package mutating func pass(by number: Int64) {
        underWay.insert(number)
        passing.insert(number)
    }

    /// There is nothing to hand over up to here: it is under way already, or gone.
    package mutating func pass(_ number: Int64) { handedOver = max(handedOver, number) }

    package mutating func delivered(_ number: Int64) {
        underWay.remove(number)
        passing.remove(number)
    }

    /// It came back. It is tried again, not before `retryAt`; what was handed over after it and is under way is not.
    package mutating func failed(_ number: Int64, retryAt: UInt64 = 0) {
        delivered(number)
        handedOver = min(handedOver, number - 1)
        self.retryAt = retryAt
    }

    /// The peer has forgotten all that it had, or its place was taken by another. `first` is the first that is still there.
    package mutating func beginAnew(from first: Int64 = 1) {
        underWay.removeAll()
        passing.removeAll()
        handedOver = first - 1
    }
}
