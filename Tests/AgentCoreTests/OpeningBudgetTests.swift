import AgentCore
import Testing
import Units

@Suite struct OpeningBudgetTests {
    private func address(_ text: String) throws -> Address { try #require(Address(text)) }
    private let start: UInt64 = 10_000_000_000

    @Test("A flood of strangers is opened for half a twentieth of a core, whoever was proven for the other half, and a proof always")
    func budget() throws {
        var budget = OpeningBudget()
        let stranger = try address("192.0.2.1"), friend = try address("198.51.100.7")
        budget.isProven(friend, at: start)
        var now = start, opened = 0
        // A second of datagrams, each of which takes 10 us to open and comes 10 us after the last.
        while now < start + 1_000_000_000 {
            if budget.allows(stranger, proves: false, at: now) {
                budget.spend(10_000)
                opened += 1
            }
            now += 10_000
        }
        let most = 1_000_000_000 / 40 / 10_000
        #expect((most - 10...most + 260).contains(opened), "\(opened) of 100,000")
        #expect(budget.spared == 100_000 - opened && budget.spent == UInt64(opened) * 10_000)
        let again = budget.allows(stranger, proves: false, at: now), proof = budget.allows(stranger, proves: true, at: now)
        let neighbour = budget.allows(try address("198.51.100.200"), proves: false, at: now)
        let other = budget.allows(try address("198.51.101.7"), proves: false, at: now)
        #expect(!again && proof && neighbour && !other, "a neighbour is of the same /24 as somebody who was proven")
        // Five minutes later nobody remembers.
        var later = OpeningBudget()
        later.isProven(friend, at: start)
        while later.allows(stranger, proves: false, at: start + 301_000_000_000) { later.spend(1_000_000) }
        let known = later.allows(friend, proves: false, at: start + 301_000_000_000)
        #expect(!known)
    }

    @Test("The policy says how much of a core that is")
    func percent() throws {
        var budget = OpeningBudget(percent: 20)
        var opened = 0
        while budget.allows(try address("192.0.2.1"), proves: false, at: start) {
            budget.spend(10_000)
            opened += 1
        }
        #expect(opened == 1000, "strangers have half of a tenth of a second's fifth")
    }

    @Test("Nothing is saved up for longer than a tenth of a second")
    func saving() throws {
        var budget = OpeningBudget()
        let stranger = try address("2001:db8::1")
        _ = budget.allows(stranger, proves: false, at: start)
        var opened = 0
        while budget.allows(stranger, proves: false, at: start + 3_600_000_000_000), opened < 10_000 {
            budget.spend(10_000)
            opened += 1
        }
        #expect(opened <= 251, "\(opened)")
    }
}
