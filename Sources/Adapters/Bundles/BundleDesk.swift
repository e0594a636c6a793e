package import Detection
internal import Messages
internal import PolicyFile
package import Rollout
package import Units

/// Where bundles are looked at: it verifies, parses and judges what is offered, and knows what runs.
package struct BundleDesk: Sendable {
    /// A document, and where it came from.
    package struct Offer: Sendable {
        package var origin: String
        package var document: [UInt8]
        /// Looked at before: what it is refused for has been said.
        package var isKnown: Bool

        package init(origin: String, document: [UInt8], isKnown: Bool = false) {
            self.origin = origin
            self.document = document
            self.isKnown = isKnown
        }
    }

    /// What became of one offer.
    package struct Outcome: Sendable, Equatable {
        package var origin: String
        /// `nil` where no signature holds.
        package var bundle: SignedBundle?
        package var verdict: BundleBook.Verdict
    }

    package let node: String
    package private(set) var book: BundleBook
    /// That of the bundle that runs; `nil` where none does.
    package private(set) var policy: Policy?

    package init(node: String, keys: [BundleKey], floor: Int) {
        self.node = node
        book = BundleBook(keys: keys, floor: floor)
    }

    /// As an earlier run left it. A bundle that this program cannot read (an older one may not know a field) makes room for the last good
    /// one before it.
    /// - Returns: what was given up, a line each.
    package mutating func restore(_ state: BundleState) -> [String] {
        var lost: [String] = [], kept: [SignedBundle] = []
        // A change by a key that nobody names any more says nothing that matters.
        for document in state.changes { if let change = try? Envelope.open(document, keys: book.allKeys) { book.follow(change) } }
        for document in state.kept {
            do throws(BundleRefusal) {
                let opened = try Envelope.open(document, keys: book.allKeys)
                // Nothing else ever runs.
                guard case .policy = opened.bundle.content else { throw BundleRefusal(.notParseable, "\(opened.digest) is no policy") }
                kept.append(opened)
            } catch { lost.append("\(error)") }
        }
        book.restore(sequences: state.sequences, kept: kept)
        if kept.count > book.kept.count { lost.append("\(kept.count - book.kept.count) of them are below --bundle-floor \(book.floor)") }
        while let running = book.running, policy == nil {
            do throws(BundleRefusal) { policy = try Self.policy(of: running.bundle) } catch {
                lost.append("\(error)")
                _ = book.dropRunning()
            }
        }
        return lost
    }

    package var state: BundleState {
        BundleState(changes: book.changes.map(\.document), sequences: book.sequences, kept: book.kept.map(\.document))
    }

    /// Takes what can be taken, the lowest number first, so of a directory with a history the newest runs and none of the others is told
    /// of as old. What an unknown key has signed is looked at again once a key has been replaced.
    package mutating func consider(_ offers: [Offer], at now: Instant) -> [Outcome] {
        var outcomes: [Outcome] = [], left = offers
        // Each turn but the last follows a key, and there are so many.
        for _ in 0...BundleBook.mostKeys {
            var signed: [(offer: Offer, bundle: SignedBundle)] = [], strangers: [(offer: Offer, refusal: BundleRefusal)] = []
            for offer in left {
                do throws(BundleRefusal) { signed.append((offer, try Envelope.open(offer.document, keys: book.keys))) } catch {
                    if error.reason == .unknownKey {
                        strangers.append((offer, error))
                    } else {
                        outcomes.append(Outcome(origin: offer.origin, bundle: nil, verdict: .refused(error)))
                    }
                }
            }
            signed.sort { $0.bundle.bundle.sequence < $1.bundle.bundle.sequence }
            var isChanged = false
            for (offer, bundle) in signed {
                let verdict = take(bundle, at: now)
                if case .changesKey = verdict { isChanged = true }
                outcomes.append(Outcome(origin: offer.origin, bundle: bundle, verdict: verdict))
            }
            guard isChanged, !strangers.isEmpty else {
                outcomes += strangers.map { Outcome(origin: $0.offer.origin, bundle: nil, verdict: .refused($0.refusal)) }
                break
            }
            left = strangers.map(\.offer)
        }
        let known = Set(offers.filter(\.isKnown).map(\.origin))
        return outcomes.filter { outcome in
            switch outcome.verdict {
            case .refused, .waits: !known.contains(outcome.origin)
            default: true
            }
        }
    }

    private mutating func take(_ offered: SignedBundle, at now: Instant) -> BundleBook.Verdict {
        var read: Policy?
        do throws(BundleRefusal) { read = try Self.policy(of: offered.bundle) } catch { return .refused(error) }
        let verdict = book.take(offered, place: Envelope.place(of: node, in: offered.digest), at: now)
        if verdict == .runs { policy = read }
        return verdict
    }

    /// `nil` for a bundle that holds none.
    package static func policy(of bundle: PolicyBundle) throws(BundleRefusal) -> Policy? {
        guard case .policy(let text, _) = bundle.content else { return nil }
        do throws(PolicyError) { return try PolicyFile.parse(bytes: Array(text.utf8), name: bundle.name) } catch {
            throw BundleRefusal(.notParseable, "its policy: \(error)")
        }
    }
}
