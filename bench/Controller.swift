internal import ControllerCore
internal import Detection
internal import Envoy
internal import Glibc
internal import JSON
internal import Linux
internal import Messages
internal import Terminal
internal import Units
internal import Vocabulary

/// What reading one event from its JSON costs, the controller's pure core on one thread in events a second, and what a million sources with their windows take.
func measureController(_ report: inout Report) {
    var policy = Policy()
    policy.mode = .enforce
    var target = Policy.Target(workload: "shop/web")
    (target.min, target.max) = (2, 20)
    policy.scaleOut.targets = [target]
    measureReading(&report)
    measureList(&report)

    let start = Instant(nanoseconds: 1_800_000_000_000_000_000)
    func event(_ number: Int, of source: Int) -> ThrottleEvent {
        let address = Address(ipv4: 0x0a00_0000 + UInt32(source))
        var event = ThrottleEvent(
            id: "node-a:6f1c2a90:\(number)", time: start + .microseconds(number * 10), node: "node-a", sourceAddress: address,
            sourcePrefix: Prefix(address, length: 128),
            destinationAddress: Address(ipv4: 1), anomalies: AnomalySet(.missingSNI), severity: .high,
            traceID: "4bf92f3577b34da6a3ce929d0e0e4736")
        event.workload = "shop/web"
        event.proof = .tracked
        return event
    }

    // Made beforehand: whoever reads the topic has them as values too.
    let events = (0..<400_000).map { event($0, of: $0 % 50_000) }
    var controller = Controller(policy: policy, sources: 200_000, limits: 200_000)
    let before = Clock.monotonic
    for (offset, event) in events.enumerated() {
        _ = controller.consider(event, at: LogPosition(partition: offset % 12, offset: Int64(offset)))
    }
    let rate = Int(Double(events.count) * 1e9 / Double(Clock.monotonic - before))
    report.add("controller's core, events a second on one core", Figures.count(rate), goal: "500,000", isMet: rate >= 500_000)

    var many = Controller(policy: policy, sources: 1_000_000, limits: 1000)
    let empty = residentKilobytes()
    for number in 0..<1_000_000 {
        _ = many.consider(event(number, of: number), at: LogPosition(partition: number % 12, offset: Int64(number)))
    }
    let taken = residentKilobytes() - empty
    report.add("a million sources, an event each", "\(taken / 1000) MB", goal: "under 200 MB", isMet: taken < 200_000)
    withExtendedLifetime(many) {}
}

private func measureReading(_ report: inout Report) {
    let event = plainEvent(42, of: Address(ipv4: 0xcb00_7107), at: Instant(nanoseconds: 1_800_000_000_123_456_789))
    let text = event.encoded(), count = 200_000
    var reader = MessageReader(), understood = 0
    let before = Clock.monotonic
    for _ in 0..<count { if (unsafe try? reader.throttleEvent(text.span.bytes)) != nil { understood += 1 } }
    let each = (Clock.monotonic - before) / UInt64(count)
    report.add(
        "an event of \(text.count) bytes read from its JSON", "\(each) ns", goal: "under 2,000 ns",
        isMet: understood == count && each < 2000)
}

/// Envoy's list with 100,000 sources: as it is made for one more of them, beside all of it made anew.
private func measureList(_ report: inout Report) {
    let entry = LimitedSources.Entry(perSecond: 3, until: Instant(nanoseconds: .max)), listed = 100_000
    func source(_ number: Int) -> Prefix {
        Prefix(Address(ipv4: 0x0a00_0000 + UInt32(truncatingIfNeeded: number &* 2_654_435_761) % 0x0100_0000), length: 128)
    }
    var sources = LimitedSources()
    for number in 0..<listed { _ = sources.set(source(number), .anomalous, entry) }
    let before = Clock.monotonic
    var size = Resources.make(sources.settled())[Resources.httpNameless]?.bytes.count ?? 0
    let whole = Clock.monotonic - before
    let each = (listed..<listed + 101).map { number in
        let before = Clock.monotonic
        _ = sources.set(source(number), .anomalous, entry)
        size = Resources.make(sources.settled())[Resources.httpNameless]?.bytes.count ?? 0
        return Clock.monotonic - before
    }.quantile(0.5)
    report.add(
        "one more source in Envoy's list of 100,000 (\(size / 1000) KB)", "\(each / 1000) us",
        baseline: "\(whole / 1000) us, all of it anew", goal: "under 2,000 us", isMet: each < 2_000_000)
}

private func residentKilobytes() -> Int {
    let fields = (File.read("/proc/self/statm", limit: 200) ?? "").split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4 : 0
}
