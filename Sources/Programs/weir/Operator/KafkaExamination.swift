internal import Glibc
internal import Kafka
internal import Linux
internal import Messages

/// What `weir doctor` finds out about Kafka: whether it answers this configuration, and whether Weir's topics can be used.
struct KafkaExamination {
    struct Finding {
        /// `nil`: neither good nor bad.
        let isGood: Bool?
        let what: String
        let more: String
    }

    private(set) var findings: [Finding] = []

    init(_ configuration: KafkaConfiguration) {
        let servers = configuration.value(of: "bootstrap.servers") ?? ""
        do throws(KafkaError) {
            if let refusal = try Self.connect(configuration) {
                add(false, "Kafka at \(servers)", refusal)
            } else {
                add(true, "Kafka at \(servers)", "answers")
                try examineTopics(configuration)
            }
        } catch { add(false, "Kafka at \(servers)", Self.text(error)) }
    }

    private mutating func add(_ isGood: Bool?, _ what: String, _ more: String) {
        findings.append(Finding(isGood: isGood, what: what, more: more))
    }

    private static func text(_ error: KafkaError) -> String { error.advice.map { "\(error.reason); \($0)" } ?? error.reason }

    /// As an agent and a controller do it: what they need of the cluster is asked for by connecting. Why that fails, if it does.
    private static func connect(_ configuration: KafkaConfiguration) throws(KafkaError) -> String? {
        let producer = try KafkaProducer(configuration, name: "weir-doctor")
        var outcome: String?? = .none
        // A missing permission is told of a little later than that the broker answers.
        wait(milliseconds: 5000) {
            producer.drain { event in
                switch event {
                case .notice(.connected): outcome = .some(nil)
                case .notice(.disconnected(let outage)): outcome = .some(outage.description)
                default: break
                }
            }
            return outcome != nil
        }
        guard case .some(nil) = outcome else {
            return (outcome ?? nil) ?? "does not answer within 5 s; is it running, and is bootstrap.servers right?"
        }
        var refusal: String?
        wait(milliseconds: 500) {
            producer.drain { event in
                if case .notice(.failure(let error)) = event, error.isFatal || error.isAuthorization { refusal = text(error) }
            }
            return refusal != nil
        }
        return refusal
    }

    private mutating func examineTopics(_ configuration: KafkaConfiguration) throws(KafkaError) {
        let follower = try KafkaFollower(configuration, topics: Topic.all.map(\.name), name: "weir-doctor", patience: 1000)
        var missing: [String] = [], there: [String] = []
        for topic in Topic.all {
            do throws(KafkaError) {
                let count = try follower.partitionCount(of: topic.name, withinMilliseconds: 2000)
                there.append(topic.name)
                if count != topic.partitions, topic != .events {
                    add(false, "topic \(topic.name)", "has \(count) partitions; it has to have \(topic.partitions)")
                }
            } catch {
                if error.isUnknownTopic { missing.append(topic.name) } else { add(false, "topic \(topic.name)", Self.text(error)) }
            }
        }
        if !missing.isEmpty {
            let advice = "weir-controller makes missing topics where it has the permission; manifests/kafka/topics.yaml lists them"
            // Before the first controller there are none, which is as it should be.
            add(
                there.isEmpty ? nil : false, "topics",
                "\(missing.joined(separator: ", ")) \(missing.count == 1 ? "is" : "are") not there; \(advice)")
        }
        guard there.contains(Topic.limits.name) else { return }
        var refusal: String?, hasRead = false
        Self.wait(milliseconds: 3000) {
            follower.drain { event in
                switch event {
                case .notice(.failure(let error)) where error.isAuthorization: refusal = Self.text(error)
                case .endOfPartition(let position) where position.partition.topic == Topic.limits.name: hasRead = true
                case .record(let record) where record.topic == Topic.limits.name: hasRead = true
                default: break
                }
            }
            return refusal != nil || hasRead
        }
        if let refusal {
            add(false, "topics", refusal)
        } else if hasRead, missing.isEmpty {
            add(true, "topics", "they are there, and the limits can be read")
        }
        if refusal == nil, !hasRead { add(false, "topics", "\(Topic.limits.name) cannot be read within 3 s") }
    }

    private static func wait(milliseconds: Int, until done: () -> Bool) {
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        while !done(), Clock.monotonic < end { usleep(5000) }
    }
}
