import ControllerCore
import Detection
import Messages
import Testing
import Units
import Vocabulary

extension LimitTests {
    @Test("Nor is a proxy that the policy trusts, as long as it does")
    func proxies() {
        var script = Script { $0.trust.proxies = [Prefix("203.0.0.1/32")!] }
        #expect(script.flood(0..<20).limits == [])
        #expect(script.controller.counts.limitsAllowed == 20)
        let record = Limit(
            key: key, perSecond: 3, answer: .reset, until: Script.at(60), generation: 1, anomalies: AnomalySet(.missingSNI), traceID: "")
        let isTaken = script.controller.apply(record, id: nil, at: Script.at(0))
        #expect(!isTaken)
        var next = script.controller.policy
        next.trust.proxies = []
        let known = script.controller.use(next, at: Script.at(1))
        #expect(known.contains(key), "what was withheld is known now")
    }
}
