// What is asked of every verdict, as one instruction each. What the standard library and the compiler would give is generic, and
// outside this module it is reached through their tables: a tenth of a replay's time.
extension AnomalySet {
    package var isEmpty: Bool { rawValue == 0 }
    package func union(_ other: AnomalySet) -> AnomalySet { AnomalySet(rawValue: rawValue | other.rawValue) }
    package func intersection(_ other: AnomalySet) -> AnomalySet { AnomalySet(rawValue: rawValue & other.rawValue) }
    package func subtracting(_ other: AnomalySet) -> AnomalySet { AnomalySet(rawValue: rawValue & ~other.rawValue) }
    package mutating func formUnion(_ other: AnomalySet) { self = union(other) }
    package static func == (left: AnomalySet, right: AnomalySet) -> Bool { left.rawValue == right.rawValue }
}

extension Kind { package static func == (left: Kind, right: Kind) -> Bool { left.rawValue == right.rawValue } }
extension Completeness { package static func == (left: Completeness, right: Completeness) -> Bool { left.rawValue == right.rawValue } }
extension Outcome { package static func == (left: Outcome, right: Outcome) -> Bool { left.rawValue == right.rawValue } }

extension Proof {
    package static func == (left: Proof, right: Proof) -> Bool { left.rawValue == right.rawValue }
    package static func > (left: Proof, right: Proof) -> Bool { left.rawValue > right.rawValue }
    package static func >= (left: Proof, right: Proof) -> Bool { left.rawValue >= right.rawValue }
}
