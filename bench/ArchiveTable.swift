import Archive
import ArchiveCore
import Detection
import Glibc
import Linux
import Messages
import Units
import Vocabulary

/// Makes a table of so many events for `bench/archive.py`, by the writer of weir-archive: 72 hours of 12 places, 200,000 sources of
/// which few do most, 40 stacks, half of the hellos without a name, a trace of its own each (as `../shared/prototypes/event-archive`
/// has them). Prints how many rows a second it wrote, without making them up, and how many bytes a row takes.
func makeArchive(_ folder: String, count: Int) throws {
    let hours = 72, start = Instant(rfc3339: "2026-11-24T00:00:00Z")!
    var archive = try Archive(folder, cluster: "bench", now: start), chance = SplitMix64(1)
    var offset: Int64 = 0, spent: UInt64 = 0, names: [String] = [], stacks: [String] = []
    for number in 0..<20_000 { names.append("h\(number).shop.example") }
    for number in 0..<40 { stacks.append("t13d\(1000 + number)h2_8daaf6152771_\(String(number * 7919 + 1 << 40, radix: 16).prefix(12))") }
    func share() -> Double { Double(chance.next() >> 11) / 9_007_199_254_740_992 }
    let log = LogPartition(topic: "bench", partition: 0)
    for hour in 0..<hours {
        var batch = ArchiveBatch()
        let many = count * (hour + 1) / hours - count * hour / hours
        for number in 0..<many {
            let time = start + .seconds(hour * 3600) + .nanoseconds(Int64(number) * 3_600_000_000_000 / Int64(many))
            let place = "node-\(chance.below(12))", source = Address(ipv4: 0xcb00_0000 | UInt32(pow(share(), 3) * 200_000))
            var event = ThrottleEvent(
                id: "\(place):6f1c2a90:\(offset)", time: time, node: place, sourceAddress: source,
                sourcePrefix: Prefix(source, length: 128),
                destinationAddress: Address(ipv4: 0xc633_6401 + UInt32(chance.below(20))),
                anomalies: AnomalySet(Anomaly.allCases[Int(pow(share(), 3) * Double(Anomaly.allCases.count - 1))]),
                severity: Severity(rawValue: UInt8(pow(share(), 2) * 5)) ?? .critical,
                traceID: hexadecimal(chance.next()) + hexadecimal(chance.next()))
            (event.interface, event.workload, event.version, event.alpn) = ("eth0", "shop/web", "1.3", ["h2"])
            (event.ja3, event.ja4) = ("d41d8cd98f00b204e9800998ecf8427e", stacks[Int(pow(share(), 2) * 40)])
            event.serverName = chance.below(2) == 0 ? nil : names[Int(pow(share(), 4) * 20_000)]
            (event.sourcePort, event.destinationPort) = (UInt16(1024 + chance.below(64_000)), chance.below(10) == 0 ? 8443 : 443)
            event.limit = ThrottleEvent.Limit(
                limitClass: .anomalous, perSecond: 3, answer: .reset, until: time + .seconds(600), enforced: true)
            (event.action, event.enforcedBy) = (.alreadyLimited, .kernel)
            (event.counts.seen, event.counts.reset) = (1 + Int(pow(share(), 4) * 50), Int(pow(share(), 4) * 48))
            let origin = LogOrigin(partition: 0, offset: offset, appended: Instant(nanoseconds: time.nanoseconds / 1_000_000 * 1_000_000))
            let begun = Clock.monotonic
            batch.take(log, offset: offset, appended: time, bytes: 1000) { $0.append(event, at: origin, in: place) }
            spent += Clock.monotonic - begun
            offset += 1
        }
        let begun = Clock.monotonic
        try archive.commit(batch) { start }
        spent += Clock.monotonic - begun
    }
    print(Double(count) / (Double(spent) / 1e9), Double(archive.counts.bytes) / Double(count), archive.counts.files)
}

private func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}
