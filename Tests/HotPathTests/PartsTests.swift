import BPF
import Detection
import Glibc
import Probe
import Startup
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct PartsTests {
    @Test(
        "Programs that were verified by themselves, side by side, are the probe that was loaded whole",
        .enabled(if: geteuid() == 0, "loading BPF needs root"), arguments: [true, false])
    func parts(mayGoto: Bool) throws {
        var settings = ProbeSettings()
        settings.replay = true
        settings.isBare = true
        settings.mayGoto = mayGoto
        var policy = Policy()
        policy.mode = .enforce
        let loading = Provision("probe", of: try KernelProbe(KernelPolicy(policy), settings: settings))
        let limiter = Provision<LoadedPrograms>("limiter"), others = Provision<LoadedPrograms>("others")
        var startup = Startup(limit: 2, trace: Trace(program: "test", version: "1"))
        startup.add("limiter", provides: [limiter]) { _ in
            limiter.fill(try loading.lend { probe throws(ProbeError) in try probe.load([.replayLimiter]) })
        }
        startup.add("others", provides: [others]) { _ in
            others.fill(try loading.lend { probe throws(ProbeError) in try probe.load([.observer, .setLimit, .sweep]) })
        }
        try startup.run()
        var probe = loading.take()
        let bare = [KernelProbe.Program.replayLimiter, .observer, .setLimit, .sweep].map { probe.descriptor(of: $0) }
        #expect(bare.allSatisfy { $0 < 0 })
        probe.add(limiter.take())
        probe.add(others.take())
        for program in [KernelProbe.Program.replayLimiter, .observer, .setLimit, .sweep] {
            #expect(probe.verifiedInstructions(of: program) > 0)
        }
        let lacking = probe.descriptor(of: .limiter), isModern = probe.isModern
        #expect(lacking < 0 && isModern == mayGoto)
        var ring = try Ring(map: probe.ringMap, size: probe.ringSize)
        let c = Conversation(client: Address(ipv4: 0xcb00_7101), clientPort: 1000)
        for frame in c.handshake + [c.data(Hello(serverName: nil, number: 1).stream(), at: 0)] {
            _ = try probe.run(.replayLimiter, over: frame.span.bytes, at: 1_000_000_000)
        }
        var anomalous = 0
        _ = ring.drain(budget: .max) { record in
            if let handshake = Handshake(record), handshake.anomalies.contains(.missingSNI) { anomalous += 1 }
        }
        #expect(anomalous == 1)
    }
}
