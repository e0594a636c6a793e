/// A replica's place in the group that reads the events, as a value. What it may do follows from its state, and a state lists its
/// successors: news that does not fit is refused, so nothing is answered before others' latest words are known.
package struct Membership: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        /// The topics of our own words have not been read to their ends.
        case recollecting
        /// In the group, without partitions.
        case joined
        /// Partitions are given, and wait until others' latest words have been read.
        case assigned(Set<Int>)
        case answering(Set<Int>)
    }

    package enum News: Sendable, Equatable {
        /// The limits and decisions topics have been read to their ends.
        case recollected
        case assigned(Set<Int>)
        /// Others' latest words have been read, and so has the place to begin from.
        case begun
        case revoked
    }

    package private(set) var state = State.recollecting
    package init() {}

    /// Returns false when such news has no place in this state; it stays as it is then.
    package mutating func hear(_ news: News) -> Bool {
        guard let next = successor(news) else { return false }
        state = next
        return true
    }

    private func successor(_ news: News) -> State? {
        switch (state, news) {
        case (.recollecting, .recollected): .joined
        case (.joined, .assigned(let partitions)), (.assigned, .assigned(let partitions)),
            (.answering, .assigned(let partitions)):
            .assigned(partitions)
        case (.assigned(let partitions), .begun): .answering(partitions)
        case (.joined, .revoked), (.assigned, .revoked), (.answering, .revoked): .joined
        case (.recollecting, _), (.joined, _), (.assigned, _), (.answering, _): nil
        }
    }

    package var isAnswering: Bool { if case .answering = state { true } else { false } }
}
