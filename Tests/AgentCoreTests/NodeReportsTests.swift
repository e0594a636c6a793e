import AgentCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

private func time(_ seconds: Double) -> Instant {
    Instant(nanoseconds: 1_795_514_400_000_000_000 + Int64((seconds * 1000).rounded()) * 1_000_000)
}

@Suite struct ReportScheduleTests {
    @Test(
        "The first change is said at once, the next ones at most once a second, the last of them always; and every ten seconds without any")
    func schedule() {
        var schedule = ReportSchedule<Int>(), said: [(Int, at: Int)] = []
        // Ticks of 100 ms for 30 s; the state changes at each from 1.0 to 3.4 and stays.
        for tick in 0..<300 {
            let state = min(max(0, tick - 10), 24)
            if schedule.isDue(state, at: time(Double(tick) / 10)) {
                schedule.reported(state, at: time(Double(tick) / 10))
                said.append((state, tick))
            }
        }
        #expect(said.map(\.at) == [0, 11, 21, 31, 41, 141, 241])
        #expect(said.map(\.0) == [0, 1, 11, 21, 24, 24, 24])
    }

    @Test("A change after a quiet while is said at the very next tick; a report that got lost is made up for, but not at every tick")
    func lost() {
        var schedule = ReportSchedule<Int>()
        schedule.reported(1, at: time(0))
        #expect(!schedule.isDue(1, at: time(5)))
        #expect(schedule.isDue(2, at: time(5)))
        schedule.reported(2, at: time(5))
        schedule.lost()
        #expect(!schedule.isDue(2, at: time(5.9)))
        #expect(schedule.isDue(2, at: time(6)))
    }
}

@Suite struct NodeReportsTests {
    private let key = Limit.Key("203.0.113.7/32|all")!

    private func status(_ node: String, next: Int64, _ change: (inout NodeStatus) -> Void = { _ in }) -> NodeStatus {
        var status = NodeStatus(
            node: node, time: time(0), started: time(-100), version: "1", mode: .enforce, interfaces: [], policyName: "p",
            policyVersion: "v", nextOffset: next)
        change(&status)
        return status
    }

    private func obstacle(_ status: NodeStatus, at offset: Int64 = 5, after seconds: Double = 0) -> NodeReports.Obstacle? {
        var reports = NodeReports()
        reports.take(status, heard: time(0))
        return reports.obstacle(to: key, at: offset, on: reports.all[0], at: time(seconds))
    }

    @Test("A limit holds where everything up to its record has been applied, by a node that enforces, is heard of, and does not lack it")
    func holds() {
        #expect(obstacle(status("a", next: 6)) == nil)
        #expect(obstacle(status("a", next: 5)) == .behind(records: 1))
        #expect(obstacle(status("a", next: 0)) == .behind(records: 6))
        #expect(obstacle(status("a", next: 6) { $0.mode = .observe }) == .observes)
        #expect(obstacle(status("a", next: 6), after: 30) == nil)
        #expect(obstacle(status("a", next: 6), after: 31) == .silent)
        let lack = NodeStatus.Lack(key: key, reason: .allowed),
            other = NodeStatus.Lack(key: Limit.Key("203.0.113.8/32|all")!, reason: .noRoom)
        #expect(obstacle(status("a", next: 6) { ($0.lacking, $0.lacks) = (1, [lack]) }) == .lacks(.allowed))
        #expect(obstacle(status("a", next: 6) { ($0.lacking, $0.lacks) = (1, [other]) }) == nil)
        #expect(
            obstacle(status("a", next: 6) { ($0.lacking, $0.lacks) = (2, [other]) }) == .unknown, "one that is not named may be this one")
    }

    @Test("A node's newest report counts, its tombstone takes it out, and a table that is full counts whom it leaves out")
    func table() {
        var reports = NodeReports(capacity: 2)
        reports.take(status("b", next: 1), heard: time(0))
        reports.take(status("a", next: 9), heard: time(0))
        reports.take(status("b", next: 3), heard: time(1))
        #expect(reports.all.map(\.status.node) == ["a", "b"] && reports.all[1].status.nextOffset == 3)
        #expect(reports.obstacles(to: key, at: 5, at: time(2)).map(\.obstacle) == [.behind(records: 3)])
        reports.take(status("c", next: 1), heard: time(2))
        #expect(reports.count == 2 && reports.unlisted == 1)
        reports.forget("a")
        reports.take(status("c", next: 1), heard: time(2))
        #expect(reports.all.map(\.status.node) == ["b", "c"])
    }
}
