import Glibc
import JSON
import Linux
import Testing

@Suite struct BrokerTests {
    @Test("A capture rehearsed twice is twice as many events, none of them a duplicate to a consumer")
    func rehearsal() throws {
        let broker = try Child("broker", [program, "broker"], input: true, output: true)
        let address = try #require(lines(1, of: broker).first)
        for _ in 0..<2 { #expect(try replay("--kafka", address, fixture("flood.pcap")).code == 0) }
        let tail = try Child("tail", [program, "tail", "events", "--from-beginning", "--format", "json", "--kafka", address], output: true)
        var parser = JSONParser(), ids: [String] = []
        for line in lines(4, of: tail) {
            let bytes = Array(line.utf8)
            let (id, isRehearsal) = try parser.object(bytes.span.bytes) { object throws(JSONError) in
                (try object.string("id"), try object.boolean("rehearsal"))
            }
            #expect(isRehearsal, "a controller would act on it")
            ids.append(id)
        }
        #expect(ids.count == 4 && Set(ids).count == 4, "\(ids)")
    }
}

/// The child's first `count` lines; fewer when it ends before, or says nothing for half a minute.
private func lines(_ count: Int, of child: borrowing Child) -> [String] {
    var bytes: [UInt8] = [], patience = 30
    while patience > 0, bytes.count(where: { $0 == 10 }) < count, let more = child.take() {
        bytes += more
        if more.isEmpty {
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if poll(&target, 1, 1000) == 0 { patience -= 1 }
        }
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
}
