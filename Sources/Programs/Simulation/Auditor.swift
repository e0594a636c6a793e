internal import AgentCore
internal import ControllerCore
internal import Detection
internal import Messages
internal import Support
internal import Units
internal import Vocabulary

/// Holds the promises against what happened. It sees what a witness outside Weir would see: frames that leave, records that are
/// stored. Each rule stands under the sentence that it holds, and its name is what a failing seed prints.
final class Auditor {
    enum Rule: String, CaseIterable {
        case atMostThreeAnswers, nobodyInnocentIsRefused, operatorsLimitHolds, limitsOfTheDiskHold, noLimitWithoutAnomaly, everyLimitEnds,
            noEventWithoutMaker
        case nothingIsLostUncounted, scaledForAReason, saidOnce, everybodyCommits, windowsAreALogsFunction, nodesAgree, listsAgree,
            spoolsDrain, everybodyIsAnswered, accountsBalance
        case whoAttacksIsLimited
    }

    struct Violation {
        let rule: Rule
        let at: Time
        let what: String
    }

    unowned var cluster: Cluster!
    private let scenario: Scenario
    private(set) var violations: [Violation] = []
    private static let most = 20

    init(_ scenario: Scenario) { self.scenario = scenario }

    private func violated(_ rule: Rule, _ what: @autoclosure () -> String) {
        if violations.count < Self.most { violations.append(Violation(rule: rule, at: cluster.now, what: what())) }
    }

    private struct Way: Hashable {
        let node: Int
        let source: Prefix
    }

    private func source(_ plan: ClientPlan) -> Prefix { cluster.policy.sourcePrefix(of: plan.address) }

    // MARK: Answers

    private(set) var answers = 0
    private(set) var refusals = 0
    private var unclean: [Way: [Time]] = [:]
    private var all: [Way: [Time]] = [:]

    /// In any sliding second at most three answers leave to connections of one source that are not clean, where an agent watched
    /// all the while. (A second answer within a second of the first belongs to it.)
    func answered(_ connection: Connection, _ answer: Server.Answer, _ node: Node) {
        answers += 1
        let way = Way(node: node.number, source: source(connection.plan))
        guard node.isEnforcing, connection.life == node.life else { return }
        holdOperatorsLimit(way, connection)
        guard !answer.isNamed, connection.plan.kind != .allowed,
            !cluster.policy.neverLimited.contains(where: { $0.contains(connection.plan.address) })
        else { return }
        if let first = connection.answeredAt, cluster.now - first < 1_000 { return }
        unclean[way, default: []].append(cluster.now)
        unclean[way]!.removeAll { cluster.now - $0 >= 1_000 }
        if unclean[way]!.count > 3 {
            violated(.atMostThreeAnswers, "\(way.source) got \(unclean[way]!.count) answers within a second on node\(way.node)")
        }
    }

    /// What counts begins anew where an agent begins, or where nothing was refused for a while.
    private func beginAnew(_ number: Int) {
        unclean = unclean.filter { $0.key.node != number }
        all = all.filter { $0.key.node != number }
    }

    func changedMode(_ node: Node) { beginAnew(node.number) }

    func changedPolicy() { (unclean, all) = ([:], [:]) }

    /// Who names a server, stays under the limit, or is allowed, is never refused; unless an operator said so.
    func refused(_ connection: Connection, _ node: Node) {
        refusals += 1
        switch connection.plan.kind {
        case .attacker, .spoofed: return
        case .customer, .slow:
            if let word = operators[source(connection.plan)], cluster.now < word.matters, !isLifted(word, node) { return }
            violated(.nobodyInnocentIsRefused, "\(connection.plan.kind) \(connection.conversation.client) on node\(node.number)")
        case .allowed: violated(.nobodyInnocentIsRefused, "an allowed source \(connection.conversation.client) on node\(node.number)")
        }
    }

    /// An honest connection gets its answer, whatever its link does to it.
    func ended(_ connection: Connection) {
        guard connection.plan.kind == .customer, connection.answeredAt == nil, !connection.isRefused else { return }
        violated(.everybodyIsAnswered, "\(connection.conversation.client) port \(connection.conversation.clientPort)")
    }

    // MARK: Operators

    private struct Word {
        var isRelease: Bool
        /// Its topic was made anew: on some nodes it stands until its end, on others nobody has heard of it.
        var isVague = false
        var stored: Time
        var end: Instant
        /// How long somebody may be refused because of it: also on nodes that hear late of a release.
        var matters: Time
    }

    private var operators: [Prefix: Word] = [:]
    /// Whether nobody is refused any more because of it on a node that could read of its end.
    private func isLifted(_ word: Word, _ node: Node) -> Bool {
        word.isRelease && !word.isVague && cluster.now > word.stored + Self.patience && isWell(node)
    }

    /// For a while it has run, with a broker, and it has read everything.
    private func isWell(_ node: Node) -> Bool {
        node.isRunning && node.hasReadAll && cluster.broker.isUp
            && cluster.now > max(quietSince[node.number, default: 0], node.stoppedUntil, node.noRoomUntil) + Self.patience
    }

    /// Since when each node has surely applied what operators said.
    private static let patience: Time = 4_000

    private func note(_ limit: Limit) {
        let until = cluster.now + Int((limit.until - cluster.wall).wholeNanoseconds / 1_000_000), before = operators[limit.key.prefix]
        operators[limit.key.prefix] = Word(
            isRelease: limit.isRelease, stored: cluster.now, end: limit.until,
            matters: limit.isRelease ? before?.matters ?? 0 : max(until + 22_000, before?.matters ?? 0))
    }

    /// An operator's limit of one a second holds for everything that the source does, on each node that could read it.
    private func holdOperatorsLimit(_ way: Way, _ connection: Connection) {
        guard let word = operators[way.source], !word.isRelease, !word.isVague, cluster.now > word.stored + Self.patience,
            // It ends when the node's clock says so, and does not begin again when that is set back.
            max(cluster.wall, cluster.nodes[way.node].latestWall) < word.end,
            isWell(cluster.nodes[way.node]),
            !cluster.policy.neverLimited.contains(where: { $0.contains(connection.plan.address) })
        else { return all[way] = nil }
        if let first = connection.answeredAt, cluster.now - first < 1_000 { return }
        all[way, default: []].append(cluster.now)
        all[way]!.removeAll { cluster.now - $0 >= 1_000 }
        if all[way]!.count > 1 {
            violated(.operatorsLimitHolds, "\(way.source) got \(all[way]!.count) answers within a second on node\(way.node)")
        }
    }

    /// When something last went wrong with each node that keeps it from reading.
    private var quietSince: [Int: Time] = [:]

    // MARK: Lives

    /// Limits of the disk hold before the first frame is seen.
    func started(_ node: Node, limitsOnDisk: Int, held: Int, mode: Policy.Mode) {
        beginAnew(node.number)
        quietSince[node.number] = cluster?.now ?? 0
        let account = node.account()
        if account.held + account.lacking < limitsOnDisk {
            violated(.limitsOfTheDiskHold, "node\(node.number) knows \(account.held) of \(limitsOnDisk)")
        }
    }

    func killed(_ node: Node, unsaved: [String], records: Int, due: Bool) {
        quietSince[node.number] = cluster.now
        lost.formUnion(unsaved)
    }

    // MARK: Events

    private(set) var recordsSeen = 0, recordsLost = 0
    private var made: [String: ThrottleEvent] = [:]
    private var storedEvents: Set<String> = []
    /// Given up, and counted where it was.
    private var lost: Set<String> = []
    var eventsMade: Int { made.count }

    func recorded(_ node: Int) { recordsSeen += 1 }
    func lostInRing(_ node: Int) { recordsLost += 1 }
    func made(_ event: ThrottleEvent) { made[event.id] = event }
    func dropped(_ event: ThrottleEvent) { lost.insert(event.id) }

    // MARK: Topics

    private var limitsOf: Set<Prefix> = []
    private var causes: [String: String] = [:]
    private var decisions = 0
    private(set) var limitsStored = 0
    private var eventTimes: [Prefix: Set<String>] = [:]
    private var hasLostLimits = false

    func limitsWereLost() {
        hasLostLimits = true
        operators = operators.mapValues { word in
            var word = word
            word.isVague = true
            return word
        }
    }

    func stored(_ topic: TopicName, _ record: Record, _ partition: Int, _ offset: Int64) {
        switch record.body {
        case .event(let event): storedEvent(event)
        case .limit(let limit): storedLimit(limit, record)
        case .decision(let decision): storedDecision(decision, record)
        case .tombstone:
            guard let key = Limit.Key(record.key), let word = operators[key.prefix], key.limitClass == .all else { return }
            operators[key.prefix] = Word(isRelease: true, stored: cluster.now, end: word.end, matters: word.matters)
        }
    }

    /// Every event on the topic was made by a node, and tells of something that happened.
    private func storedEvent(_ event: ThrottleEvent) {
        storedEvents.insert(event.id)
        eventTimes[event.sourcePrefix, default: []].insert(event.id)
        if made[event.id] == nil { violated(.noEventWithoutMaker, event.id) }
    }

    /// A controller's limit is for a source that completed a handshake and did something wrong, and it ends.
    private func storedLimit(_ limit: Limit, _ record: Record) {
        guard limit.origin == .controller else { return note(limit) }
        limitsStored += 1
        limitsOf.insert(limit.key.prefix)
        let culprit = scenario.clients.first { source($0) == limit.key.prefix }
        if culprit?.kind != .attacker && culprit?.kind != .slow {
            violated(.noLimitWithoutAnomaly, "\(limit.key) for \(limit.anomalies.list.map(\.id))")
        }
        if !limit.isRelease, limit.until - cluster.wall > .seconds(12 + 30 + 60) {
            violated(.everyLimitEnds, "\(limit.key) until \(limit.until.rfc3339)")
        }
    }

    /// A workload is scaled because one source exceeded the threshold, and each cause is answered by one number of replicas: also
    /// where a replica that was stopped says its word after another has answered.
    private func storedDecision(_ decision: ScaleDecision, _ record: Record) {
        decisions += 1
        let events = eventTimes[decision.sourcePrefix]?.count ?? 0
        if decision.eventsInWindow > events || decision.eventsInWindow <= decision.moreThan {
            violated(
                .scaledForAReason,
                "\(decision.workload) for \(decision.eventsInWindow) events of \(decision.sourcePrefix), which had \(events)")
        }
        guard let id = record.id else { return }
        let said = "\(decision.workload) \(decision.desiredReplicas)"
        if let before = causes[id], before != said { violated(.saidOnce, "\(id) was answered by \(before) and by \(said)") }
        causes[id] = said
    }

    // MARK: The end: everything has healed, and what was on its way has arrived

    func conclude() {
        let waiting = cluster.nodes.map(\.waiting).reduce(0, +)
        if waiting > 0 { violated(.spoolsDrain, "\(waiting) events wait") }
        let missing = made.keys.filter { !storedEvents.contains($0) && !lost.contains($0) }
        if missing.count > waiting { violated(.nothingIsLostUncounted, "\(missing.count) events, \(missing.sorted()[0]) for one") }
        for (partition, log) in cluster.broker.events.enumerated() where (cluster.broker.committed[partition]?.offset ?? 0) != log.next {
            violated(.everybodyCommits, "partition \(partition): \(cluster.broker.committed[partition]?.offset ?? 0) of \(log.next)")
        }
        compare(all: true)
        compareWindows()
        // Whoever told of a source while everybody enforced has limited it.
        guard !scenario.faults.enumerated().contains(where: { scenario.kept.contains($0.offset) && $0.element.isPolicy }) else { return }
        for plan in scenario.clients where plan.kind == .attacker && eventTimes[source(plan)] != nil && !limitsOf.contains(source(plan)) {
            violated(.whoAttacksIsLimited, "\(source(plan))")
        }
    }

    /// Whatever a node's agent saw or made in its life went somewhere, or is still there, or is counted as lost, by cause.
    private func compareAccounts() {
        for node in cluster.nodes {
            guard let accounts = node.accounts else { continue }
            for account in Accounts.Account.allCases where accounts.imbalance(of: account) != 0 {
                violated(.accountsBalance, "node\(node.number): \(account.rawValue) by \(accounts.imbalance(of: account))")
            }
        }
    }

    /// All nodes that have read everything hold what stands on the topic, and all lists for Envoy say the same.
    /// - Parameter all: everybody has had the time to read everything.
    func compare(all: Bool = false) {
        compareAccounts()
        let bounds = LimitBounds(cluster.policy), allowed = AllowList(cluster.policy.neverLimited)
        var last: [String: Limit?] = [:]
        for record in cluster.broker.limits.records {
            if case .limit(let limit) = record.body { last[record.key] = limit } else { last[record.key] = .some(nil) }
        }
        for node in cluster.nodes where all || isWell(node) {
            // What ends about now has ended on one of the two; of a clock that was set back nobody knows when it heard what.
            func standing(after time: Instant) -> Int {
                last.values.count { limit in
                    guard let limit, !limit.isRelease, limit.until > time else { return false }
                    return bounds.excess(limit, at: node.wall) == nil && !allowed.covers(limit.key.prefix)
                }
            }
            let least = standing(after: max(node.latestWall, node.wall) + .milliseconds(1_200))
            let most = standing(after: node.wall - .milliseconds(1_200))
            let account = node.account()
            // Limits outlive their topic; none is lifted because a topic was made anew.
            let agrees = account.held >= least && (hasLostLimits || account.held <= most)
            if persists("node\(node.number)", agrees, all) {
                let lacks = account.named.map { "\($0.key) \($0.reason)" }
                violated(.nodesAgree, "node\(node.number) holds \(account.held) of \(least) to \(most); lacks \(lacks)")
            }
        }
        guard !hasLostLimits else { return }
        let fresh = Replica.list(of: cluster.broker.limits, under: cluster.policy, at: cluster.wall)
        // A word of its own that is on its way counts for whoever said it.
        for replica in cluster.replicas where all || replica.hasReadAll && !replica.isSpeaking {
            let list = Set(replica.edge.filter { $0.value > cluster.wall }.keys)
            if persists("replica\(replica.number)", list == fresh, all) {
                violated(.listsAgree, "replica \(replica.number): \(list.symmetricDifference(fresh).map(\.description).sorted())")
            }
        }
    }

    /// A lesser word that came last is overruled within a second or two, by the replica that knows better: only what lasts is a
    /// disagreement.
    private func persists(_ who: String, _ agrees: Bool, _ all: Bool) -> Bool {
        disagreements[who] = agrees ? 0 : disagreements[who, default: 0] + 1
        return !agrees && (all || disagreements[who]! > 3)
    }

    private var disagreements: [String: Int] = [:]

    /// Who reads the log from its beginning counts what those count who lived through it.
    private func compareWindows() {
        var controller = Controller(policy: cluster.policy, sources: 4_096, limits: 4_096)
        for (partition, log) in cluster.broker.events.enumerated() {
            for record in log.records {
                guard case .event(let event) = record.body else { continue }
                _ = controller.consider(event, at: LogPosition(partition: partition, offset: record.offset), appended: record.appended)
            }
        }
        for replica in cluster.replicas {
            guard let core = replica.core else { continue }
            for plan in scenario.clients where core.assigned.contains(cluster.broker.partition(of: source(plan).description)) {
                for time in [cluster.wall, cluster.wall - .seconds(12), cluster.wall - .seconds(16)] {
                    let (theirs, ours) = (
                        core.controller.eventsInWindow(of: source(plan), at: time),
                        controller.eventsInWindow(of: source(plan), at: time)
                    )
                    if theirs != ours {
                        return violated(
                            .windowsAreALogsFunction,
                            "replica \(replica.number) counts \(theirs) events of \(source(plan)), the log has \(ours)")
                    }
                }
            }
        }
    }
}
