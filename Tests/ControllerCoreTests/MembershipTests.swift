import ControllerCore
import Detection
import Testing
import Units

@Suite struct MembershipTests {
    @Test("Nothing is answered before the topics are read, partitions are given, and a place to begin is found")
    func life() {
        var membership = Membership()
        #expect(
            !membership.hear(.assigned([0])) && !membership.hear(.begun) && !membership.hear(.revoked) && membership.state == .recollecting)
        #expect(membership.hear(.recollected) && membership.state == .joined)
        #expect(!membership.hear(.begun) && !membership.hear(.recollected))
        #expect(membership.hear(.assigned([0, 2])) && !membership.isAnswering)
        #expect(membership.hear(.begun) && membership.state == .answering([0, 2]) && membership.isAnswering)
        #expect(!membership.hear(.begun) && !membership.hear(.recollected))
        #expect(membership.hear(.assigned([1])) && membership.state == .assigned([1]), "others' words are read again")
        #expect(membership.hear(.revoked) && membership.state == .joined && membership.hear(.revoked))
    }

    @Test("A successor begins a window before the newest event that was answered, and never behind what is committed")
    func succession() {
        let policy = Policy(), now = Instant(nanoseconds: 10_000_000_000_000)
        let span = policy.scaleOut.window + .seconds(120)
        let succession = Succession(
            [2, 0, 1],
            committed: [0: .init(offset: 100, newest: Instant(nanoseconds: 5_000_000_000_000)), 1: .init(offset: 7, newest: nil)],
            under: policy, at: now)
        #expect(succession.times == [0: Instant(nanoseconds: 5_000_000_000_000) - span, 1: now - span])
        #expect(
            succession.starts(found: [0: 40, 1: 9]) == [
                .init(partition: 0, from: 40, liveFrom: 100, newest: Instant(nanoseconds: 5_000_000_000_000)),
                .init(partition: 1, from: 7, liveFrom: 7, newest: .distantPast),
                .init(partition: 2, from: nil, liveFrom: 0, newest: .distantPast)
            ])
        #expect(succession.starts(found: [:]).map(\.from) == [nil, nil, nil], "without an answer the whole log is read")
    }
}
