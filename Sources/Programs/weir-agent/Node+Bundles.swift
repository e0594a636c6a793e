internal import AgentCore
internal import Arguments
internal import Bundles
internal import Commands
internal import Detection
internal import Front
internal import Glibc
internal import Linux
internal import Log
internal import Messages
internal import Metrics
internal import Rollout
internal import Units

/// What of bundles the loop knows.
struct BundleTally {
    var status: NodeStatus.Bundles?
    var taken = 0
    var refused: [BundleRefusal.Reason: Int] = [:]
    var unsaved = 0
    var expires: Instant?
    /// The words of the policy that runs.
    var text: [UInt8]?
}

extension BundleSettings {
    /// - Returns: `nil` where the command line asks for none.
    init?(_ arguments: Arguments<AgentOptions>, node: String, state: String?, account: Account?) throws {
        let keys = arguments.bundleKeys, directory = arguments.bundles, readsTopic = arguments.bundleTopic
        guard !keys.isEmpty else {
            let given = [("bundles", directory != nil), ("bundle-topic", readsTopic), ("bundle-floor", arguments.isGiven(\.bundleFloor))]
            if let name = given.first(where: \.1)?.0 {
                throw Refusal.wrong("--\(name): no bundle is believed without a key; --bundle-key FILE is wanted with it")
            }
            return nil
        }
        guard directory != nil || readsTopic else {
            throw Refusal.wrong("--bundle-key: bundles come from somewhere; --bundles DIR or --bundle-topic is wanted with it")
        }
        guard arguments.policy.policy == nil else {
            throw Refusal.wrong("--policy FILE and --bundle-key exclude each other: the policy is what the bundle says")
        }
        guard keys.count <= BundleBook.mostKeys / 2 else {
            throw Refusal.wrong("--bundle-key: \(keys.count) keys; at most \(BundleBook.mostKeys / 2) are believed")
        }
        var known: [BundleKey] = []
        for path in keys {
            let key: BundleKey
            do throws(KeyFile.Problem) { key = try KeyFile.readPublic(path) } catch { throw Refusal.wrong("--bundle-key \(error)") }
            if !known.contains(where: { $0.id == key.id }) { known.append(key) }
        }
        var desk = BundleDesk(node: node, keys: known, floor: arguments.bundleFloor), lost: [String] = []
        if let state {
            do {
                if let kept = try Self.load(state, account) { lost = desk.restore(kept) }
            } catch let error as BundleState.Damaged { lost = ["\(state)/\(error); sequence numbers begin anew"] }
        }
        var found: [BundleDesk.Offer] = [], folder = directory.map { BundleDirectory($0) }
        reading: if let directory {
            // As the user who will have to read it from then on.
            do {
                let read = { () throws(Errno) in try folder?.news() ?? [] }
                found = try account.map { try $0.handlingFiles(read) ?? [] } ?? read()
            } catch {
                // What is kept protects this node until the directory is there; the thread says that it is not.
                guard desk.book.running == nil, !readsTopic else { break reading }
                let who = account.map { "user \($0.name) cannot read it: " } ?? ""
                throw Refusal.wrong("--bundles \(directory): \(who)\(error)")
            }
        }
        let outcomes = desk.consider(found, at: Instant(nanoseconds: Clock.wall)).filter { $0.verdict != .known }
        (self.directory, self.readsTopic, self.desk, self.outcomes, self.lost) = (folder, readsTopic, desk, outcomes, lost)
    }

    /// The directory may be its later user's, behind ones where that one may not go, or still root's.
    private static func load(_ path: String, _ account: Account?) throws -> BundleState? {
        guard File.exists(path) else { return nil }
        guard let account else { return try BundleState.load(from: path) }
        let held = try HeldDirectory(making: path), place = held.path
        if let found = try? account.handlingFiles({ () throws(BundleState.Damaged) in try BundleState.load(from: place) }) { return found }
        return try BundleState.load(from: place)
    }
}

extension Node {
    /// What was found before the loop began.
    func beginBundles() {
        guard let bundles = settings.bundles else { return }
        for line in bundles.lost {
            log.write(.error, "a kept policy bundle is given up: \(line)")
            audit?.file.note(.bundleReturned, at: wall, [("why", line)] + (bundles.desk.book.running.map { fields(of: $0) } ?? []))
        }
        if settings.state == nil {
            log.write(
                .warning, "without --state no bundle is kept: after a restart an older one would be taken, and without a source none runs")
        }
        if let running = bundles.desk.book.running, !bundles.outcomes.contains(where: { $0.bundle == running }) {
            log.write(.info, "policy bundle of an earlier run in force", fields(of: running))
        }
        note(bundles.outcomes, bundles.desk.book.running)
    }

    /// The new policy takes the way of a reload.
    func hearBundles() {
        guard let news = bundleWatch?.take() else { return }
        for line in news.troubles { log.write(.error, "policy bundles: \(line)") }
        bundleTally.unsaved += news.unsaved
        note(news.outcomes, news.running)
        guard var next = news.policy else { return }
        if let mode = settings.mode { next.mode = mode }
        guard next != policy else { return }
        core.use(next, known, at: wall, in: self)
        reloads.accepted += 1
        log.write(.info, "policy in force", [("policy", next.name), ("policy.version", next.version), ("mode", next.mode.rawValue)])
    }

    private func note(_ outcomes: [BundleDesk.Outcome], _ running: SignedBundle?) {
        var status = bundleTally.status ?? NodeStatus.Bundles()
        for outcome in outcomes {
            let from = [("from", outcome.origin)]
            switch outcome.verdict {
            case .runs:
                bundleTally.taken += 1
                (status.waiting, status.refused) = (nil, nil)
                if let bundle = outcome.bundle {
                    log.write(.info, "policy bundle taken", fields(of: bundle) + from)
                    audit?.file.note(.bundleTaken, at: wall, fields(of: bundle) + from)
                }
            case .changesKey(let next):
                bundleTally.taken += 1
                status.refused = nil
                let keys = [("key", outcome.bundle?.key ?? ""), ("next", next.id), ("next.name", next.name)]
                log.write(.warning, "bundle key replaced", keys + from)
                audit?.file.note(.keyReplaced, at: wall, keys + from)
            case .waits:
                if let bundle = outcome.bundle {
                    status.waiting = NodeStatus.Bundle(bundle)
                    log.write(.info, "policy bundle waits: this node is none of its canaries", fields(of: bundle) + from)
                    audit?.file.note(.bundleWaits, at: wall, fields(of: bundle) + from)
                }
            case .refused(let refusal):
                bundleTally.refused[refusal.reason, default: 0] += 1
                status.refused = NodeStatus.Bundles.Refused(
                    reason: refusal.reason.rawValue, sequence: outcome.bundle?.bundle.sequence, digest: outcome.bundle?.digest)
                let what =
                    [("reason", refusal.reason.rawValue), ("why", "\(refusal)")] + (outcome.bundle.map { fields(of: $0) } ?? []) + from
                malformedBundles.write(log, .error, "policy bundle refused", what)
                audit?.file.note(.bundleRefused, at: wall, what)
            case .known: break
            }
        }
        status.running = running.map { NodeStatus.Bundle($0) }
        bundleTally.status = status
        bundleTally.expires = running?.bundle.expires
        if case .policy(let text, _) = running?.bundle.content { bundleTally.text = Array(text.utf8) }
    }

    private func fields(of bundle: SignedBundle) -> [(String, String)] {
        [
            ("bundle", bundle.bundle.name), ("sequence", "\(bundle.bundle.sequence)"), ("digest", bundle.digest), ("key", bundle.key),
            ("canary", "\(bundle.bundle.canary)%")
        ]
    }

    func addBundles(to board: Metrics) {
        board.set(
            board.counter("weir_agent_audit_dropped_total", "steps that the audit log of --state has not: too many at once, or no room"),
            to: UInt64(audit?.file.dropped ?? 0))
        for reason in BundleRefusal.Reason.allCases {
            board.set(
                board.counter(
                    "weir_agent_bundles_refused_total", "policy bundles that were not taken; what runs stays",
                    labels: [("reason", reason.rawValue)]), to: UInt64(bundleTally.refused[reason] ?? 0))
        }
        board.set(
            board.counter("weir_agent_bundles_taken_total", "policy bundles and changes of keys that were taken"),
            to: UInt64(bundleTally.taken))
        board.set(
            board.counter("weir_agent_bundles_unsaved_total", "times that what is known of bundles could not be written to --state"),
            to: UInt64(bundleTally.unsaved))
        board.set(
            board.gauge("weir_agent_bundle_sequence", "number of the policy bundle that runs; 0 where none does"),
            to: Double(bundleTally.status?.running?.sequence ?? 0))
        board.set(
            board.gauge("weir_agent_bundle_waiting", "a policy bundle is there, and this node is none of its canaries"),
            to: bundleTally.status?.waiting == nil ? 0 : 1)
    }
}

extension NodeStatus.Bundle {
    init(_ bundle: SignedBundle) {
        self.init(
            name: bundle.bundle.name, sequence: bundle.bundle.sequence, digest: bundle.digest, key: bundle.key,
            canaryPercent: bundle.bundle.canary)
    }
}
