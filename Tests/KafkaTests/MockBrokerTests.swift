import Glibc
import Kafka
import Messages
import Testing

/// Against librdkafka's mock cluster, over real sockets.
@Suite(.serialized, .timeLimit(.minutes(1))) struct MockBrokerTests {
    private static let topic = "security-throttle-limits"

    /// Waits on the descriptors as the programs do, until `done` or half a minute.
    private func loop(_ descriptors: CInt..., until done: () -> Bool) {
        for _ in 0..<300 where !done() {
            var polls = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            poll(&polls, nfds_t(polls.count), 100)
        }
    }

    @Test("What is produced comes back with its key, headers and value, and a report for each token; a tombstone stays one")
    func roundTrip() throws {
        let broker = try MockBroker()
        let configuration = try KafkaConfiguration(bootstrap: broker.bootstrap)
        let producer = try KafkaProducer(configuration, name: "test")
        #expect(
            try producer.produce(
                topic: Self.topic, key: "a", value: Array("one".utf8), headers: [("ce_id", "n:1"), ("ce_type", "t")], token: 7) == .accepted
        )
        #expect(try producer.produce(topic: Self.topic, key: "b", value: nil, token: .max) == .accepted)
        #expect(try producer.produce(topic: Self.topic, key: "c", value: [], token: 0) == .accepted)
        var tokens: [UInt64] = []
        loop(producer.eventDescriptor) {
            producer.drain { if case .delivered(let token, nil) = $0 { tokens.append(token) } }
            return tokens.count == 3
        }
        #expect(tokens == [7, .max, 0])
        #expect(producer.inFlight == 0)

        let follower = try KafkaFollower(configuration, topics: [Self.topic], name: "test")
        var seen: [String] = []
        loop(follower.eventDescriptor) {
            follower.drain { event in
                switch event {
                case .record(let record):
                    seen.append(
                        "\(record.key) \(record.value.map { String(decoding: $0, as: UTF8.self) } ?? "tombstone") \(record.header("ce_id") ?? "-") \(record.offset)"
                    )
                    #expect(record.timestamp != nil)
                default: break
                }
            }
            return follower.isCaughtUp
        }
        #expect(seen == ["a one n:1 0", "b tombstone - 1", "c  - 2"])
    }

    @Test("A full queue is an answer, and is counted")
    func full() throws {
        let broker = try MockBroker()
        broker.set(isDown: true)
        let producer = try KafkaProducer(KafkaConfiguration(bootstrap: broker.bootstrap), name: "test", maximumQueued: 2)
        for expected in [KafkaProducer.Acceptance.accepted, .accepted, .queueFull] {
            #expect(try producer.produce(topic: Self.topic, key: "a", value: [1], token: 1) == expected)
        }
        #expect(producer.refused == 1)
        #expect(producer.inFlight == 2)
        #expect(producer.close(withinMilliseconds: 10) == 2)
    }

    @Test("Records survive a broker that is down at the start and again later; its loss and its return are each told once")
    func outage() throws {
        let broker = try MockBroker()
        broker.set(isDown: true)
        let producer = try KafkaProducer(KafkaConfiguration(bootstrap: broker.bootstrap), name: "test")
        var delivered: Set<UInt64> = [], changes: [String] = [], failures = 0
        func drain() {
            producer.drain { event in
                switch event {
                case .delivered(let token, nil): delivered.insert(token)
                case .delivered(_, .some): failures += 1
                case .notice(.connected): changes.append("up")
                case .notice(.disconnected): changes.append("down")
                default: break
                }
            }
        }
        func produce(_ tokens: ClosedRange<UInt64>) throws {
            for token in tokens { #expect(try producer.produce(topic: Self.topic, key: "a", value: [1], token: token) == .accepted) }
        }
        try produce(1...100)
        loop(producer.eventDescriptor) {
            drain(); return changes == ["down"]
        }
        broker.set(isDown: false)
        loop(producer.eventDescriptor) {
            drain(); return delivered.count == 100
        }
        broker.set(isDown: true)
        loop(producer.eventDescriptor) {
            drain(); return changes.count == 3
        }
        try produce(101...200)
        broker.set(isDown: false)
        loop(producer.eventDescriptor) {
            drain(); return delivered.count == 200 && changes.count == 4
        }
        #expect(delivered.count == 200)
        #expect(failures == 0)
        #expect(changes == ["down", "up", "down", "up"])
    }

    @Test("A group's member starts where it says, commits with a note, and finds both again")
    func group() throws {
        let broker = try MockBroker()
        let configuration = try KafkaConfiguration(bootstrap: broker.bootstrap)
        let producer = try KafkaProducer(configuration, name: "test")
        for token in 0..<10 as Range<UInt64> { _ = try producer.produce(topic: Self.topic, key: "a", value: [UInt8(token)], token: token) }
        #expect(producer.close(withinMilliseconds: 5000) == 0)
        let partition = KafkaPartition(topic: Self.topic, partition: 0)

        func run(from start: Int64, until last: Int64, commit: KafkaPosition?) throws -> (offsets: [Int64], committed: KafkaPosition?) {
            let consumer = try KafkaConsumer(configuration, group: "g", name: "test")
            try consumer.subscribe([Self.topic])
            var offsets: [Int64] = [], assigned = false
            loop(consumer.eventDescriptor) {
                consumer.drain { event in
                    switch event {
                    case .assigned: assigned = true
                    case .record(let record): offsets.append(record.offset)
                    default: break
                    }
                }
                return assigned
            }
            let committed = try consumer.committed([partition], withinMilliseconds: 5000)[partition]
            #expect(try consumer.endOffset(of: partition, withinMilliseconds: 5000) == 10)
            try consumer.assign([KafkaPosition(partition, offset: start)])
            loop(consumer.eventDescriptor) {
                consumer.drain { event in
                    switch event {
                    case .record(let record): offsets.append(record.offset)
                    default: break
                    }
                }
                return offsets.last == last
            }
            if let commit { try consumer.commit([commit], withinMilliseconds: 5000) }
            consumer.close(withinMilliseconds: 2000)
            return (offsets, committed)
        }

        let first = try run(from: 4, until: 9, commit: KafkaPosition(partition, offset: 8, metadata: "t=5"))
        #expect(first.offsets == [4, 5, 6, 7, 8, 9])
        #expect(first.committed == nil)
        let second = try run(from: KafkaPosition.beginning, until: 9, commit: nil)
        #expect(second.offsets == Array(0...9))
        #expect(second.committed == KafkaPosition(partition, offset: 8, metadata: "t=5"))
    }

    @Test("A broker that is slow to say where a partition ends holds nobody up for longer than was agreed")
    func boundedQuestions() throws {
        let broker = try MockBroker()
        let configuration = try KafkaConfiguration(bootstrap: broker.bootstrap)
        let producer = try KafkaProducer(configuration, name: "test")
        _ = try producer.produce(topic: Self.topic, key: "a", value: [1], token: 1)
        #expect(producer.close(withinMilliseconds: 5000) == 0)
        let partition = KafkaPartition(topic: Self.topic, partition: 0),
            consumer = try KafkaConsumer(configuration, group: "g", name: "test")
        // The leader is known from here on; what is asked below is only the leader's answer.
        #expect(try consumer.endOffset(of: partition, withinMilliseconds: 5000) == 1)
        broker.set(roundTripMilliseconds: 2500)
        #expect { try consumer.endOffset(of: partition, withinMilliseconds: 100) } throws: { ($0 as? KafkaError)?.isTimeout == true }
        broker.set(roundTripMilliseconds: 0)
    }

    @Test("A follower reads every partition, and knows when it has read all")
    func follower() throws {
        let broker = try MockBroker()
        let configuration = try KafkaConfiguration(bootstrap: broker.bootstrap)
        let producer = try KafkaProducer(configuration, name: "test")
        for token in 0..<200 as Range<UInt64> {
            _ = try producer.produce(topic: Topic.events.name, key: "\(token)", value: [1], token: token)
        }
        #expect(producer.close(withinMilliseconds: 5000) == 0)
        let follower = try KafkaFollower(configuration, topics: [Topic.events.name, Topic.limits.name], name: "test")
        var keys: Set<String> = []
        loop(follower.eventDescriptor) {
            follower.drain { event in
                switch event {
                case .record(let record): keys.insert(record.key)
                default: break
                }
            }
            return follower.isCaughtUp
        }
        #expect(keys.count == 200)
        #expect(follower.partitions.count == 13)
    }
}
