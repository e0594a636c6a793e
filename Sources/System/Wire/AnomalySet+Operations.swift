// What a set of options is asked for every verdict, as one instruction each. Those that the standard library would give are
// generic, and outside this module they are reached through its tables: a tenth of a replay's time.
extension AnomalySet {
    package var isEmpty: Bool { rawValue == 0 }
    package func union(_ other: AnomalySet) -> AnomalySet { AnomalySet(rawValue: rawValue | other.rawValue) }
    package func intersection(_ other: AnomalySet) -> AnomalySet { AnomalySet(rawValue: rawValue & other.rawValue) }
    package func subtracting(_ other: AnomalySet) -> AnomalySet { AnomalySet(rawValue: rawValue & ~other.rawValue) }
    package mutating func formUnion(_ other: AnomalySet) { self = union(other) }
    package static func == (left: AnomalySet, right: AnomalySet) -> Bool { left.rawValue == right.rawValue }
}
