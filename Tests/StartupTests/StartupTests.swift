import Foundation
import Glibc
import Startup
import Synchronization
import Testing

/// What happened, in the order in which it did.
private final class Diary: Sendable {
    private let lines = Mutex<[String]>([])
    func note(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

private struct Trouble: Error, CustomStringConvertible { let description: String }

/// Lets its visitors go on when as many as were meant to have come.
private final class Meeting: Sendable {
    private let left: Mutex<Int>
    private let gate = DispatchSemaphore(value: 0)
    private let size: Int

    init(_ size: Int) {
        self.size = size
        left = Mutex(size)
    }

    /// False when nobody else came within so long: a bound, so that a test that fails ends.
    func come() -> Bool {
        let isLast = left.withLock { left in
            left -= 1
            return left == 0
        }
        if isLast { for _ in 1..<size { gate.signal() } } else { return gate.wait(timeout: .now() + 20) == .success }
        return true
    }
}

@Suite struct StartupTests {
    private func trace() -> Trace { Trace(program: "a \"program\"", version: "1") }

    @Test("Components that need nothing of each other run at the same time; who needs them runs when they have ended, with what they made")
    func sideBySide() throws {
        var startup = Startup(limit: 3, trace: trace())
        let met = Meeting(3), values = (0..<3).map { Provision<Int>("value \($0)") }, sum = Provision<Int>("sum")
        for (index, value) in values.enumerated() {
            startup.add("maker \(index)", provides: [value]) { _ in value.fill(met.come() ? 1 << index : 0) }
        }
        startup.add("adder", requires: values, provides: [sum]) { _ in sum.fill(values.map { $0.take() }.reduce(0, +)) }
        try startup.run()
        #expect(sum.take() == 7)
    }

    @Test("No more than the limit run at once, and the first that was added comes first", arguments: 1...3)
    func limit(most: Int) throws {
        var startup = Startup(limit: most, trace: trace())
        let running = Mutex(0), diary = Diary()
        for index in 0..<12 {
            startup.add("\(index)") { _ in
                let now = running.withLock { running in
                    running += 1
                    return running
                }
                diary.note(now <= most ? "\(index)" : "too many")
                running.withLock { $0 -= 1 }
            }
        }
        try startup.run()
        #expect(Set(diary.all) == Set((0..<12).map { "\($0)" }))
        if most == 1 { #expect(diary.all == (0..<12).map { "\($0)" }) }
    }

    @Test("No component runs on the thread of its starter, which keeps what they give up")
    func threads() throws {
        var startup = Startup(limit: 1, trace: trace())
        let seen = Mutex<[UInt]>([])
        for index in 0..<3 { startup.add("\(index)") { _ in seen.withLock { $0.append(UInt(pthread_self())) } } }
        try startup.run()
        #expect(!seen.withLock { $0.isEmpty || $0.contains(UInt(pthread_self())) })
    }

    @Test(
        "A component that fails names those that cannot start without it; what had started is ended in reverse order, and the others are not begun"
    )
    func failure() throws {
        var startup = Startup(limit: 1, trace: trace())
        let diary = Diary(), first = Provision<Int>("first"), second = Provision<Int>("second"), third = Provision<Int>("third"),
            fourth = Provision<Int>("fourth")
        func add(_ name: String, _ requires: [any Provided], _ provides: Provision<Int>, fails: Bool = false) {
            startup.add(name, requires: requires, provides: [provides], end: { diary.note("end \(name)") }) { _ in
                diary.note("start \(name)")
                if fails { throw Trouble(description: "the disk is full") }
                provides.fill(0)
            }
        }
        add("a", [], first)
        add("b", [first], second)
        add("c", [second], third, fails: true)
        add("d", [third], fourth)
        add("e", [fourth, first], Provision<Int>("fifth"))
        let failure = #expect(throws: Startup.Failure.self) { try startup.run() }
        #expect(failure?.component == "c" && failure?.dependants == ["d", "e"] && failure?.error is Trouble)
        #expect(failure?.description == "the disk is full (c failed; not started without it: d, e)")
        #expect(diary.all == ["start a", "start b", "start c", "end b", "end a"])
    }

    @Test("Of several that fail the one that comes first in the order is named; those that run meanwhile are waited for and ended")
    func severalFailures() throws {
        var startup = Startup(limit: 3, trace: trace())
        let diary = Diary(), met = Meeting(3)
        for (index, fails) in [false, true, true].enumerated() {
            startup.add("\(index)", end: { diary.note("end \(index)") }) { _ in
                guard met.come() else { return }
                if fails { throw Trouble(description: "\(index)") }
            }
        }
        let failure = #expect(throws: Startup.Failure.self) { try startup.run() }
        #expect(failure?.description == "1")
        #expect(diary.all == ["end 0"])
    }

    @Test("A graph that cannot be ordered starts nothing")
    func faults() {
        var startup = Startup(limit: 1, trace: trace())
        let diary = Diary(), one = Provision<Int>("one"), two = Provision<Int>("two")
        startup.add("fine") { _ in diary.note("fine") }
        startup.add("a", requires: [two], provides: [one]) { _ in diary.note("a") }
        startup.add("b", requires: [one], provides: [two]) { _ in diary.note("b") }
        #expect(throws: Plan.Fault.cycle(["a", "b"])) { try startup.run() }
        #expect(diary.all == [])
    }
}
