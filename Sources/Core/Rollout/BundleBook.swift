internal import Messages
package import Units

/// A bundle whose signature holds.
package struct SignedBundle: Sendable, Equatable {
    package let bundle: PolicyBundle
    /// `sha256:` and the payload's hash: a bundle's name everywhere.
    package let digest: String
    /// The id of the key that signed it.
    package let key: String
    /// The envelope as it came.
    package let document: [UInt8]

    package init(bundle: PolicyBundle, digest: String, key: String, document: [UInt8]) {
        self.bundle = bundle
        self.digest = digest
        self.key = key
        self.document = document
    }
}

/// What a node knows of bundles: whom it believes, how far each key has counted, what it ran, and what it does with the next one. Pure;
/// who calls it verifies signatures and parses policies before.
package struct BundleBook: Sendable, Equatable {
    package enum Verdict: Sendable, Equatable {
        /// It is the one to run.
        case runs
        /// What it is has been done before: it runs, or its key is known.
        case known
        /// This node is none of its canaries.
        case waits
        /// Its key has been replaced.
        case changesKey(BundleKey)
        case refused(BundleRefusal)
    }

    /// Good bundles that are kept, the running one among them.
    package static let mostKept = 4
    /// Those of the options and of key changes, retired ones included.
    package static let mostKeys = 16

    /// Those of the agent's options.
    package let given: [BundleKey]
    /// No bundle with a lower number is taken, whoever signed it.
    package let floor: Int
    /// Changes of keys that were followed, in their order. What they retired is not believed again, whatever the options say.
    package private(set) var changes: [SignedBundle] = []
    /// The highest number that was taken, by the key's id.
    package private(set) var sequences: [String: Int] = [:]
    /// Bundles that ran here, the last one to run at the end.
    package private(set) var kept: [SignedBundle] = []

    package init(keys: [BundleKey], floor: Int = 0) {
        given = keys
        self.floor = floor
    }

    /// A change of keys that an earlier run has followed, verified by `allKeys` again.
    package mutating func follow(_ change: SignedBundle) {
        if case .key = change.bundle.content, changes.count < Self.mostKeys { changes.append(change) }
    }

    /// The rest as an earlier run left it.
    package mutating func restore(sequences: [String: Int], kept: [SignedBundle]) {
        self.sequences = sequences
        // What is below a floor that somebody has raised since is not run again.
        self.kept = Array(kept.filter { $0.bundle.sequence >= floor }.suffix(Self.mostKept))
    }

    /// What runs; `nil` before the first bundle.
    package var running: SignedBundle? { kept.last }

    /// Named by key changes.
    private var added: [BundleKey] {
        changes.compactMap { if case .key(let next) = $0.bundle.content { next } else { nil } }
    }

    /// Ids of keys that another has replaced.
    private var retired: [String] { changes.map(\.key) }

    /// Those that are believed.
    package var keys: [BundleKey] {
        var known: Set<String> = Set(retired)
        return (given + added).filter { known.insert($0.id).inserted }
    }

    /// All that have been, to verify what is kept.
    package var allKeys: [BundleKey] { given + added }

    /// Takes a bundle, or says why not.
    /// - Parameter place: this node's for this bundle (`Canary`).
    package mutating func take(_ offered: SignedBundle, place: UInt64, at now: Instant) -> Verdict {
        let bundle = offered.bundle, last = sequences[offered.key] ?? 0
        if offered.digest == running?.digest { return .known }
        if bundle.sequence < floor {
            return .refused(.init(.belowFloor, "sequence \(bundle.sequence) is below --bundle-floor \(floor)"))
        }
        if bundle.sequence <= last {
            // A key change that was followed lies on its topic for ever.
            if bundle.sequence == last, isDone(bundle) { return .known }
            return .refused(.init(.older, "sequence \(bundle.sequence) is not above \(last), the last one taken of key \(offered.key)"))
        }
        guard now < bundle.expires else { return .refused(.init(.expired, "it expired at \(bundle.expires.rfc3339)")) }
        switch bundle.content {
        case .policy(_, let canary):
            guard Canary.takes(place, percent: canary) else { return .waits }
            run(offered)
            sequences[offered.key] = bundle.sequence
            return .runs
        case .key(let next):
            guard next.id != offered.key else { return .refused(.init(.notParseable, "next_key: it is the key that signs")) }
            if let refusal = refusal(of: next) { return .refused(refusal) }
            changes.append(offered)
            sequences[offered.key] = bundle.sequence
            return .changesKey(next)
        }
    }

    /// The last good one before what runs, which is then forgotten: it does no good. `nil` where there is none.
    package mutating func dropRunning() -> SignedBundle? {
        _ = kept.popLast()
        return running
    }

    private mutating func run(_ bundle: SignedBundle) {
        kept.removeAll { $0.digest == bundle.digest }
        kept.append(bundle)
        if kept.count > Self.mostKept { kept.removeFirst(kept.count - Self.mostKept) }
    }

    private func refusal(of next: BundleKey) -> BundleRefusal? {
        guard !retired.contains(next.id) else {
            return .init(.unknownKey, "the next key \(next.id) has been replaced before")
        }
        guard given.count + changes.count < Self.mostKeys else {
            return .init(
                .tooManyKeys, "this node has seen \(Self.mostKeys) keys; name the one that holds with --bundle-key and a new --state")
        }
        return nil
    }

    private func isDone(_ bundle: PolicyBundle) -> Bool {
        switch bundle.content {
        case .key(let next): allKeys.contains { $0.id == next.id }
        case .policy: false
        }
    }
}
