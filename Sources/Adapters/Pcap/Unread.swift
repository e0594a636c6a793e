extension Capture {
    /// Frames whose link header hides what is behind it, counted by why. What bears no packet at all, as a beacon does, is none of them.
    package struct Unread: Sendable, Equatable {
        package enum Cause: String, CaseIterable, Sendable {
            /// The capture ends inside the link header.
            case cut = "cut_in_link_header"
            /// 802.11 or PPP, encrypted or compressed.
            case encrypted = "encrypted_by_link"
            /// A part of a frame that 802.11 has cut in pieces.
            case fragment = "fragmented_by_link"
            /// Its receiver found it damaged, or its lengths disagree.
            case damaged
            /// The link header names a protocol that is none of IP's.
            case other = "of_other_protocols"
        }

        private var counts = InlineArray<5, Int>(repeating: 0)

        package init() {}

        package subscript(cause: Cause) -> Int { counts[Self.place(cause)] }

        mutating func note(_ cause: Cause) { counts[Self.place(cause)] += 1 }

        private static func place(_ cause: Cause) -> Int {
            switch cause {
            case .cut: 0
            case .encrypted: 1
            case .fragment: 2
            case .damaged: 3
            case .other: 4
            }
        }

        package static func == (left: Unread, right: Unread) -> Bool { Cause.allCases.allSatisfy { left[$0] == right[$0] } }
    }
}
