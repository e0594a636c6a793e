import Glibc
import Kafka
import Messages
import NetPoll
import Testing

@Suite(.timeLimit(.minutes(1))) struct PollerTests {
    @Test(
        "Who had more to do than its turn allowed is named by the next wait, without sleeping, beside those that the kernel names; and once"
    )
    func again() throws {
        var poller = try Poller()
        var ends: [CInt] = [0, 0], byte: UInt8 = 0
        try #require(pipe(&ends) == 0)
        defer { ends.forEach { close($0) } }
        try poller.add(ends[0], as: 3)
        poller.again(5)
        poller.again(63)
        write(ends[1], &byte, 1)
        let first = try poller.wait(milliseconds: -1)
        #expect(first == UInt64(1) << 3 | 1 << 5 | 1 << 63)
        read(ends[0], &byte, 1)
        let second = try poller.wait(milliseconds: 0)
        #expect(second == 0)
    }

    @Test(
        "A long topic is read to its end in short turns by its own descriptor alone: no timer has to come for the rest",
        arguments: [1, 16, 256])
    func longTopic(turn: Int) throws {
        let count = 2000
        let broker = try MockBroker(), configuration = try KafkaConfiguration(bootstrap: broker.bootstrap)
        let producer = try KafkaProducer(configuration, name: "test")
        for token in 0..<UInt64(count) { _ = try producer.produce(topic: Topic.limits.name, key: "\(token)", value: [1], token: token) }
        #expect(producer.close(withinMilliseconds: 10_000) == 0)

        let follower = try KafkaFollower(configuration, topics: [Topic.limits.name], name: "test")
        var poller = try Poller(), read = 0, turns = 0
        try poller.add(follower.eventDescriptor, as: 0)
        while !follower.isCaughtUp {
            let ready = try poller.wait(milliseconds: 10_000)
            guard ready != 0 else { Issue.record("nobody woke the reader; \(read) of \(count) read"); return }
            turns += 1
            let before = read
            let hasMore = follower.drain(atMost: turn) { event in
                switch event {
                case .record: read += 1
                default: break
                }
            }
            #expect(read - before <= turn)
            if hasMore { poller.again(0) }
        }
        #expect(read == count)
        #expect(turns >= count / turn)
    }
}
