import AgentCore
import Testing

@Suite struct SendOrderTests {
    /// The spool's part: what is kept, by number.
    private struct Kept {
        var order: SendOrder
        var items: [Int64: String] = [:]
        var last: Int64 = 0
        /// What the client was given, in its order.
        var given: [Int64] = []

        mutating func add(_ key: String, clientTakes: Bool = true) {
            last += 1
            items[last] = key
            guard clientTakes, let way = order.way(of: last, key: key) else { return order.wait(key: key) }
            order.sent(last, key: key, size: 10, way)
            given.append(last)
        }

        mutating func handOver(at now: UInt64 = 0) {
            while order.isDue(upTo: last, at: now) {
                let number = order.cursor + 1
                guard let key = items[number], !order.isUnderWay(number) else {
                    order.pass(number)
                    continue
                }
                order.sentWaiting(number, key: key, size: 10)
                given.append(number)
            }
        }

        mutating func deliver(_ number: Int64) { if order.delivered(number) != nil { items[number] = nil } }
    }

    @Test("News of a source that nothing waits of passes a backlog; news of one in it waits behind its own")
    func passing() {
        var kept = Kept(order: SendOrder(mostInTurn: 2, mostPassing: 2))
        for key in ["a", "b", "a"] { kept.add(key, clientTakes: false) }
        kept.add("a")
        kept.add("c")
        #expect(kept.given == [5], "c passes; the fourth waits behind its own source's")
        kept.handOver()
        #expect(kept.given == [5, 1, 2], "no more than two in turn")
        kept.add("b")
        #expect(kept.given.last == 6, "nothing of b waits any more: what is under way is before it")
        kept.add("d")
        #expect(kept.given.last == 6, "two have passed already")
        for number in [1, 2] as [Int64] { kept.deliver(number) }
        kept.handOver()
        #expect(kept.given == [5, 1, 2, 6, 3, 4] && kept.order.underWay == 4)
        for number in 3...6 as ClosedRange<Int64> { kept.deliver(number) }
        kept.handOver()
        #expect(kept.given.last == 7)
        kept.deliver(7)
        #expect(kept.items.isEmpty && kept.order.underWay == 0)
    }

    @Test("A source's events are given in their order, whatever fails, fills up or begins anew", arguments: 1...40)
    func ordered(seed: Int) {
        var dice = UInt64(seed) &* 0x9e37_79b9_7f4a_7c15
        func roll(_ sides: UInt64) -> UInt64 {
            dice = dice &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (dice >> 33) % sides
        }
        // Two lanes, so that strangers share them.
        var kept = Kept(order: SendOrder(mostInTurn: 5, mostPassing: 3, lanes: 2)), delivered: [Int64] = []
        for turn in 0..<400 as Range<UInt64> {
            kept.add("key\(roll(4))", clientTakes: roll(5) > 0)
            if roll(3) == 0 { kept.handOver(at: turn) }
            if roll(30) == 0 {
                kept.order.beginAnew()
                kept.given.removeAll()
            }
            // What the client has it delivers in its order, a source's at least.
            while roll(3) > 0, let number = kept.given.first {
                kept.given.removeFirst()
                guard kept.order.isUnderWay(number) else { continue }
                delivered.append(number)
                let key = kept.items[number]!
                #expect(kept.items.filter { $0.value == key }.keys.min() == number, "\(key) is overtaken by \(number)")
                kept.deliver(number)
            }
        }
        for turn in 0..<400 where !kept.items.isEmpty {
            kept.handOver(at: UInt64(1_000 + turn))
            for number in kept.given { kept.deliver(number) }
            kept.given.removeAll()
        }
        #expect(kept.items.isEmpty && Set(delivered).count == delivered.count)
    }

    @Test("What came back waits again with all of its source; what is given up or refused for what it is lets them go")
    func back() {
        var kept = Kept(order: SendOrder())
        kept.add("a")
        kept.add("a")
        kept.order.failed(1, retryAt: 100)
        kept.add("a")
        kept.add("b")
        #expect(kept.given == [1, 2, 4], "the third waits behind the first")
        kept.handOver(at: 99)
        #expect(kept.given == [1, 2, 4])
        kept.handOver(at: 100)
        #expect(kept.given == [1, 2, 4, 1, 3])
        #expect(kept.order.withdraw(1) == 10 && kept.order.delivered(1) == nil)
        kept.order.failed(3, retryAt: 0)
        // The third makes room.
        kept.order.leave(key: "a")
        kept.items[3] = nil
        kept.add("a")
        #expect(kept.given.last == 5)
    }
}
