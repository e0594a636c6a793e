import ControllerCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

/// Some replicas that answer a partition each, over a limits and a decisions topic that deliver late, are read late, and are compacted.
private struct Cluster {
    struct Record {
        var key: String
        var id: String
        var time: Instant
        var output: Controller.Output
    }

    struct Replica {
        var controller: Controller
        /// Said, and not on the topic yet.
        var said: [Record] = []
        /// Records of the topic read.
        var read = 0
        var partitions: Set<Int>
    }

    static let partitions = 3
    static let sources = 1...6

    var random: SplitMix64
    var now = 0.0
    /// What compaction has taken is `nil`, and keeps its offset.
    var topic: [Record?] = []
    var replicas: [Replica]
    var events = [[ThrottleEvent]](repeating: [], count: partitions)
    /// How far each partition's events have been answered.
    var answered = [Int](repeating: 0, count: partitions)
    var serial = 0

    init(seed: UInt64) {
        random = SplitMix64(seed)
        replicas = (0..<Self.partitions).map { Replica(controller: Self.controller(), partitions: [$0]) }
    }

    /// Says much: a step costs nothing but four seconds, and limits are short.
    static func controller() -> Controller {
        Script {
            $0.scaleOut.moreThan = 3
            $0.scaleOut.targets[0].cooldown = .seconds(4)
            ($0.scaleOut.targets[0].max, $0.scaleOut.targets[0].budgetPerHour) = (1000, 1000)
            $0.escalation = [.seconds(8), .seconds(20), .seconds(60)]
        }.controller
    }

    static func key(_ source: Int) -> Limit.Key { Limit.Key(prefix: Script.source(source), limitClass: .anomalous) }

    mutating func live(steps: Int) {
        for _ in 0..<steps {
            now += Double.random(in: 0...1, using: &random)
            let replica = replicas.indices.randomElement(using: &random)!
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<30: attack()
            case 30..<60: answer(replica)
            case 60..<73: deliver(replica, atMost: Int.random(in: 1...3, using: &random))
            case 73..<90: read(replica, atMost: Int.random(in: 1...6, using: &random))
            case 90..<95: command()
            case 95..<97: compact(below: replicas.map(\.read).min()!)
            case 97..<98: move(to: replica)
            default: tick(replica)
            }
        }
    }

    /// Everything said is delivered and read, and what follows from it as well.
    mutating func settle() {
        for _ in 0..<10 {
            for replica in replicas.indices { deliver(replica, atMost: .max) }
            for replica in replicas.indices { read(replica, atMost: .max) }
            for replica in replicas.indices { tick(replica) }
            if replicas.allSatisfy({ $0.said.isEmpty }) { return }
        }
        Issue.record("the replicas go on answering each other")
    }

    /// One that knows nothing but what compaction has left.
    mutating func newcomer() -> Controller {
        compact(below: topic.count)
        var fresh = Replica(controller: Self.controller(), partitions: [])
        Self.read(&fresh, topic, upTo: topic.count)
        return fresh.controller
    }

    private mutating func attack() {
        let source = Self.sources.randomElement(using: &random)!
        serial += 1
        events[source % Self.partitions].append(Script.event(now, source: source, id: serial) { $0.limit?.until = Script.at(now + 8) })
    }

    private mutating func answer(_ replica: Int) {
        guard let partition = replicas[replica].partitions.sorted().randomElement(using: &random),
            answered[partition] < events[partition].count
        else { return }
        let event = events[partition][answered[partition]], position = LogPosition(partition: partition, offset: Int64(answered[partition]))
        answered[partition] += 1
        say(replica, replicas[replica].controller.consider(event, at: position), position.id, event.time)
    }

    private mutating func tick(_ replica: Int) {
        say(
            replica, replicas[replica].controller.tick(at: Script.at(now), partitions: replicas[replica].partitions).outputs,
            "weir-controller", Script.at(now))
    }

    private mutating func say(_ replica: Int, _ outputs: [Controller.Output], _ id: String, _ time: Instant) {
        for output in outputs {
            let key =
                switch output {
                case .limit(let limit): limit.key.description
                case .forget(let key): key.description
                case .scale(let decision): decision.workload
                }
            replicas[replica].said.append(Record(key: key, id: id, time: time, output: output))
        }
    }

    private mutating func deliver(_ replica: Int, atMost most: Int) {
        for record in replicas[replica].said.prefix(most) { topic.append(record) }
        replicas[replica].said.removeFirst(min(most, replicas[replica].said.count))
    }

    private mutating func read(_ replica: Int, atMost most: Int) {
        Self.read(
            &replicas[replica], topic, upTo: most < topic.count - replicas[replica].read ? replicas[replica].read + most : topic.count)
    }

    private static func read(_ replica: inout Replica, _ topic: [Record?], upTo end: Int) {
        while replica.read < end {
            defer { replica.read += 1 }
            guard let record = topic[replica.read] else { continue }
            switch record.output {
            case .limit(let limit): replica.controller.apply(limit, id: record.id, at: record.time)
            case .forget(let key): replica.controller.release(key, at: record.time)
            case .scale(let decision): replica.controller.apply(decision, id: record.id, at: record.time)
            }
        }
    }

    /// An operator, who knows the topic as it stands.
    private mutating func command() {
        let key = Self.key(Self.sources.randomElement(using: &random)!), time = Script.at(now)
        serial += 1
        var limit = Limit(
            key: key, perSecond: 100 + serial, answer: .drop, until: time + .seconds(Int.random(in: 1...60, using: &random)),
            generation: Limit.operatorsGeneration(after: known(key), at: time), anomalies: [], traceID: "")
        limit.origin = .operator
        if serial % 3 == 0 { limit = limit.released(at: time) }
        topic.append(Record(key: key.description, id: "operator:\(serial)", time: time, output: .limit(limit)))
    }

    private func known(_ key: Limit.Key) -> Int? {
        for case let record? in topic.reversed() where record.key == key.description {
            if case .limit(let limit) = record.output { return limit.generation } else { return nil }
        }
        return nil
    }

    /// Of each key the last record stays, as far as everybody who lives has read.
    private mutating func compact(below end: Int) {
        var later: Set<String> = []
        for offset in topic.indices.reversed() {
            guard let record = topic[offset], !later.insert(record.key).inserted, offset < end else { continue }
            topic[offset] = nil
        }
    }

    /// A partition goes to another replica, which reads what there is and answers again what had perhaps not been committed. What the former owner said
    /// may still be under way, and come long after.
    private mutating func move(to replica: Int) {
        let partition = Int.random(in: 0..<Self.partitions, using: &random)
        for other in replicas.indices { replicas[other].partitions.remove(partition) }
        replicas[replica].partitions.insert(partition)
        read(replica, atMost: .max)
        answered[partition] = max(0, answered[partition] - Int.random(in: 0...3, using: &random))
    }
}

@Suite struct ConvergenceTests {
    /// All that a controller's answers depend on, as far as the topics tell: what is wanted and limited from now on, and what it would say next.
    private func view(_ controller: Controller, _ now: Double) -> [String] {
        var lines = stride(from: 0, through: 1000, by: 1).map { "+\($0): \(controller.wantedReplicas(at: Script.at(now + Double($0))))" }
        for source in Cluster.sources {
            for second in stride(from: 0, through: 100, by: 1) {
                lines.append(
                    "\(source) +\(second): "
                        + (controller.standingLimit(Cluster.key(source), at: Script.at(now + Double(second))).map {
                            "\($0.perSecond)/s until \($0.until)"
                        } ?? "-"))
            }
        }
        var controller = controller
        for event in 0..<4 {
            // Of a partition that nobody has had, so its place in the log says nothing.
            let position = LogPosition(partition: Cluster.partitions, offset: Int64(event))
            let outputs = controller.consider(Script.event(now + 10 + Double(event), source: 99, id: 1_000_000 + event), at: position)
            lines += outputs.decisions.map { "next: \($0.previousReplicas) to \($0.desiredReplicas), generation \($0.generation)" }
        }
        return lines
    }

    @Test(
        "However their words cross on the topics, the replicas and a newcomer that reads only what compaction left want and limit the same",
        arguments: 1...60 as ClosedRange<UInt64>)
    func converges(seed: UInt64) throws {
        var cluster = Cluster(seed: seed)
        cluster.live(steps: 1500)
        let counts = cluster.replicas.map(\.controller.counts)
        #expect(
            counts.reduce(0) { $0 + $1.scaleSteps } > 5 && counts.reduce(0) { $0 + $1.limitsSet } > 5
                && counts.reduce(0) { $0 + $1.limitsOverruled } > 0, "seed \(seed) tells nothing")
        cluster.settle()
        let views = cluster.replicas.map { view($0.controller, cluster.now) } + [view(cluster.newcomer(), cluster.now)]
        #expect(views[0].contains { $0.hasPrefix("next") })
        for (replica, other) in views.enumerated().dropFirst() {
            let differences = zip(views[0], other).filter { $0 != $1 }
            #expect(
                differences.isEmpty && views[0].count == other.count,
                "seed \(seed): replica 0 and \(replica == 3 ? "a newcomer" : "\(replica)") differ: \(differences.first.map { "\($0)" } ?? "")"
            )
        }
    }

    @Test("A word under way is not undone by what stands before it on the topic, our own earlier one included; what stands after it holds")
    func underWay() throws {
        var script = Script()
        let ours = script.flood(0..<200).decisions
        #expect(ours.map(\.desiredReplicas) == [3, 4])
        func wanted() -> Int? { script.controller.wantedReplicas(at: Script.at(200))[Script.workload] }
        func ids(_ offset: Int64) -> String { LogPosition(partition: 0, offset: offset).id }
        var theirs = ours[1]
        (theirs.desiredReplicas, theirs.previousReplicas) = (5, 4)
        let other = LogPosition(partition: 1, offset: 7).id
        script.controller.apply(ours[0], id: ids(12), at: Script.at(12))
        #expect(wanted() == 4)
        script.controller.apply(theirs, id: other, at: Script.at(192))
        #expect(wanted() == 4)
        script.controller.apply(ours[1], id: ids(192), at: Script.at(192))
        #expect(wanted() == 4)
        // From here on the topic has nothing of ours to come, so that its last word holds: also one that somebody said long ago and could not deliver.
        script.controller.apply(theirs, id: other, at: Script.at(192))
        #expect(wanted() == 5)
        script.controller.apply(ours[0], id: ids(12), at: Script.at(12))
        #expect(wanted() == 3)
    }

    @Test("Nor is a limit, when our words are late and what they say is over by the time they come back")
    func late() {
        var script = Script { $0.escalation = [.seconds(1)] }
        func see(_ second: Double, _ id: Int) -> [Limit] {
            script.see(Script.event(second, id: id) { $0.limit?.until = Script.at(second + 1) }).limits
        }
        let ours = see(0, 1) + see(5, 2)
        #expect(ours.map(\.generation) == [1, 2])
        script.controller.apply(ours[0], id: LogPosition(partition: 0, offset: 0).id, at: Script.at(100))
        #expect(see(5.2, 3) == [])
    }

    @Test(
        "A lesser word that came after an operator's is answered by that one once, by who reads its events, and only when nobody else has")
    func restated() {
        func limit(_ perSecond: Int, _ origin: Limit.Origin, generation: Int) -> Limit {
            var limit = Limit(
                key: Cluster.key(1), perSecond: perSecond, answer: .reset, until: Script.at(60), generation: generation,
                anomalies: AnomalySet(.missingSNI), traceID: "")
            limit.origin = origin
            return limit
        }
        let operators = limit(100, .operator, generation: 1), lesser = limit(3, .controller, generation: 1),
            id = LogPosition(partition: 1, offset: 7).id
        var script = Script()
        script.controller.apply(operators, id: "operator:1", at: Script.at(0))
        script.controller.apply(lesser, id: id, at: Script.at(1))
        #expect(script.controller.tick(at: Script.at(2), partitions: [0, 2]).outputs == [])
        #expect(script.controller.tick(at: Script.at(2), partitions: [1]).outputs == [.limit(operators)])
        #expect(script.controller.tick(at: Script.at(3), partitions: [1]).outputs == [])
        script.controller.apply(operators, id: nil, at: Script.at(2))
        script.controller.apply(lesser, id: id, at: Script.at(4))
        script.controller.apply(operators, id: nil, at: Script.at(5))
        #expect(script.controller.tick(at: Script.at(6), partitions: [1]).outputs == [])
        #expect(script.controller.counts.limitsRestated == 1)
        // What has ended is nobody's to defend.
        script.controller.apply(lesser, id: id, at: Script.at(7))
        #expect(script.controller.tick(at: Script.at(60), partitions: [1]).outputs == [])
    }
}
