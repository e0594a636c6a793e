import Messages
import Testing

@Suite struct DeliveryWindowTests {
    @Test("What comes next goes at once; behind one that waits it waits, too")
    func order() {
        var window = DeliveryWindow()
        #expect(window.isNext(1))
        window.handOver(1)
        // 2 was refused.
        #expect(window.isNext(2) && !window.isNext(3) && window.isDue(upTo: 3))
        window.handOver(2)
        window.handOver(3)
        #expect(!window.isDue(upTo: 3) && window.count == 3)
    }

    @Test("What came back goes once more, and what is under way behind it does not")
    func failure() {
        var window = DeliveryWindow()
        for number in 1...4 as ClosedRange<Int64> { window.handOver(number) }
        window.delivered(3)
        window.failed(2, retryAt: 100)
        #expect(!window.isDue(upTo: 4, at: 99) && window.isDue(upTo: 4, at: 100))
        var again: [Int64] = []
        while window.isDue(upTo: 4, at: 100) {
            let number = window.handedOver + 1
            // 3 is gone from whatever keeps the records.
            if window.isUnderWay(number) || number == 3 {
                window.pass(number)
            } else {
                again.append(number)
                window.handOver(number)
            }
        }
        #expect(again == [2] && window.count == 3)
    }

    @Test("A peer that has lost everything gets everything once more, from the first that is left")
    func anew() {
        var window = DeliveryWindow()
        for number in 1...5 as ClosedRange<Int64> { window.handOver(number) }
        window.beginAnew(from: 4)
        #expect(window.count == 0 && window.handedOver == 3 && window.isDue(upTo: 5))
    }

    @Test("What passes others that wait leaves them their turn, and counts apart")
    func passing() {
        var window = DeliveryWindow()
        window.handOver(1)
        window.pass(by: 4)
        #expect(window.handedOver == 1 && window.isUnderWay(4) && window.countInTurn == 1 && window.countPassing == 1)
        #expect(window.isDue(upTo: 4) && !window.isNext(5))
        window.delivered(4)
        window.pass(by: 5)
        window.failed(5)
        #expect(window.count == 1 && window.countPassing == 0 && window.handedOver == 1)
    }
}
