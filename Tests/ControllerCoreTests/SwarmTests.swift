import ControllerCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

@Suite struct SwarmTests {
    private static let ja4 = "t13i1516h2_8daaf6152771_e5627efa2ab1"

    private func script(_ change: (inout Policy) -> Void = { _ in }) -> Script {
        Script { policy in
            policy.thresholds.swarm = 20
            change(&policy)
        }
    }

    /// An event that its node had no reason to limit.
    private func event(_ seconds: Double, source: Int, ja4: String? = ja4) -> ThrottleEvent {
        Script.event(seconds, source: source, id: source * 1000 + Int(seconds)) { event in
            event.ja4 = ja4
            event.anomalies = AnomalySet(.obsoleteVersion)
            event.severity = .medium
            event.action = .none
            event.limit = nil
        }
    }

    @Test("A stack that was rare and comes from more prefixes than allowed: those beyond are limited, for that reason")
    func swarm() {
        var script = script()
        let limits = (1...30).flatMap { script.see(event(Double($0), source: $0)).limits }
        #expect(limits.map(\.key.prefix) == (21...30).map(Script.source))
        #expect(limits.allSatisfy { $0.anomalies.contains(.fingerprintSwarm) && $0.perSecond == 3 })
        #expect(script.controller.counts.swarming == 10)
    }

    @Test("A stack that many used in the window before is a popular client")
    func popular() {
        var script = script()
        for source in 1...15 { _ = script.see(event(10, source: source)) }
        let limits = (16...60).flatMap { script.see(event(310, source: $0)).limits }
        #expect(limits.isEmpty)
    }

    @Test("A swarm that goes on stays one, whenever its first window ends; one that is over is forgotten")
    func goesOn() {
        var script = script()
        // The first window read has others' events only.
        _ = script.see(event(10, source: 999, ja4: "t13d_other"))
        #expect((1...30).flatMap { script.see(event(590, source: $0)).limits }.count == 10)
        for window in 2...5 {
            let limits = (1...40).flatMap { script.see(event(Double(window * 300 + 10), source: window * 100 + $0)).limits }
            #expect(limits.count == 20, "window \(window): of forty the first twenty are not yet too many")
        }
        // A window without it, and it is as rare as it was.
        for source in 1...15 { _ = script.see(event(1810, source: 5000 + source)) }
        #expect(
            (1...60).flatMap { script.see(event(2110, source: 6000 + $0)).limits }.count == 0, "fifteen used it before: sixty are no swarm")
    }

    @Test("What began just before a window's end is seen by its growth in the next")
    func straddling() {
        var script = script()
        for source in 1...15 { #expect(script.see(event(299, source: source)).limits.isEmpty) }
        let limits = (1...170).flatMap { script.see(event(301, source: 1000 + $0)).limits }
        #expect(limits.map(\.key.prefix) == (1151...1170).map(Script.source))
    }

    @Test("A controller that starts anew takes for popular what it finds in use")
    func anew() {
        var script = script()
        for source in 1...300 { _ = script.see(event(10, source: source), isReplay: true) }
        #expect((301...600).flatMap { script.see(event(310, source: $0)).limits }.count == 0)
    }

    @Test("Other stacks, the same source again, and no stack at all make no swarm")
    func others() {
        var script = script()
        for number in 1...60 {
            #expect(script.see(event(Double(number), source: 1 + number % 19)).limits.isEmpty)
            #expect(script.see(event(Double(number) + 0.2, source: 100 + number, ja4: "t13d_\(number)")).limits.isEmpty)
            #expect(script.see(event(Double(number) + 0.4, source: 200 + number, ja4: nil)).limits.isEmpty)
        }
    }

    @Test("Switched off, it limits nobody; read again after a restart, it says nothing twice")
    func off() {
        var script = script { $0.detections[.fingerprintSwarm] = nil }
        #expect((1...30).allSatisfy { script.see(event(Double($0), source: $0)).limits.isEmpty })
        var second = self.script()
        for source in 1...25 { #expect(second.see(event(Double(source), source: source), isReplay: true).isEmpty) }
        #expect(second.see(event(26, source: 26)).limits.count == 1)
    }

    @Test("Stacks beyond what is remembered are counted")
    func bounded() {
        var script = script()
        for number in 0..<5000 { _ = script.see(event(1, source: 1 + number, ja4: "t13i_\(number)")) }
        #expect(script.controller.swarmStacks == 4096 && script.controller.swarmsRefused == 904)
        _ = script.see(event(700, source: 9000, ja4: "t13i_later"))
        #expect(script.controller.swarmStacks == 1)
    }
}
