import Detection
import Glibc
import Kafka
import Linux
import Messages
import Units
import Vocabulary

/// An event as an agent writes it, with all that it knows of an ordinary nameless hello.
func plainEvent(_ number: Int, of address: Address, at time: Instant) -> ThrottleEvent {
    var event = ThrottleEvent(
        id: "node-a:6f1c2a90:\(number)", time: time, node: "node-a", sourceAddress: address, sourcePrefix: Prefix(address, length: 128),
        destinationAddress: Address(ipv4: 0xc633_6402), anomalies: AnomalySet(.missingSNI), severity: .high,
        traceID: "4bf92f3577b34da6a3ce929d0e0e4736")
    (event.interface, event.workload, event.version, event.alpn) = ("eth0", "shop/web", "1.3", ["h2"])
    (event.ja3, event.ja4) = ("d41d8cd98f00b204e9800998ecf8427e", "t13i1516h2_8daaf6152771_e5627efa2ab1")
    event.limit = ThrottleEvent.Limit(limitClass: .anomalous, perSecond: 3, answer: .reset, until: time + .seconds(600), enforced: true)
    (event.action, event.enforcedBy, event.seenToDecided, event.seenToEnforced) = (.limited, .kernel, 14, 0)
    return event
}

/// Stores so many events of 10,000 sources, as the agent's publisher does.
func produceEvents(_ bootstrap: String, count: Int) throws {
    let producer = try KafkaProducer(try KafkaConfiguration(bootstrap: bootstrap), name: "weir-bench")
    guard try producer.create([Topic.events], withinMilliseconds: 10_000)[Topic.events.name] != nil else {
        throw EventsFailure(description: "there is no topic of events")
    }
    var failed = 0
    for number in 0..<count {
        let event = plainEvent(number, of: Address(ipv4: 0x0a00_0000 + UInt32(number % 10_000)), at: Instant(nanoseconds: Clock.wall)),
            value = event.encoded()
        while try producer.produce(
            topic: Topic.events.name, key: event.sourcePrefix.description, value: value, headers: event.headers, token: UInt64(number))
            == .queueFull
        {
            producer.drain { if case .delivered(_, .some) = $0 { failed += 1 } }
            poll(nil, 0, 1)
        }
        if number % 1000 == 0 { producer.drain { if case .delivered(_, .some) = $0 { failed += 1 } } }
    }
    let left = producer.close(withinMilliseconds: 60_000) { if case .delivered(_, .some) = $0 { failed += 1 } }
    guard left + failed == 0 else { throw EventsFailure(description: "\(left + failed) events were not stored") }
}

/// The baseline: the same consumer as the controller's, and nothing done with what it reads. Prints the seconds from the first record to the last.
func readEvents(_ bootstrap: String, count: Int) throws {
    let consumer = try KafkaConsumer(try KafkaConfiguration(bootstrap: bootstrap), group: "weir-bench", name: "weir-bench")
    try consumer.subscribe([Topic.events.name])
    var read = 0, first: UInt64 = 0, given: [KafkaPartition] = []
    let end = Clock.monotonic + 120_000_000_000
    while read < count {
        guard Clock.monotonic < end else {
            throw EventsFailure(description: "only \(read) of \(count) events were read within two minutes")
        }
        let isMore = consumer.drain { event in
            switch event {
            case .record:
                if read == 0 { first = Clock.monotonic }
                read += 1
            case .assigned(let partitions): given = partitions
            default: break
            }
        }
        if !given.isEmpty {
            try consumer.assign(given.map { KafkaPosition($0, offset: KafkaPosition.beginning) })
            given = []
        }
        guard !isMore else { continue }
        var waiting = pollfd(fd: consumer.eventDescriptor, events: Int16(POLLIN), revents: 0)
        unsafe poll(&waiting, 1, 100)
    }
    print(Double(Clock.monotonic - first) / 1e9)
    consumer.close(withinMilliseconds: 1000)
}

private struct EventsFailure: Error, CustomStringConvertible { let description: String }
