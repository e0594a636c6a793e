import Detection
import PolicyFile
import Testing
import Units
import Vocabulary

/// A policy with `spec` as its specification, which starts on line 4.
func policy(_ spec: String) throws(PolicyError) -> Policy {
    try PolicyFile.parse(bytes: Array("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nspec:\n\(spec)\n".utf8), name: "policy.yaml")
}

/// The one line that refuses `text`.
func refusal(_ text: String) -> String {
    do throws(PolicyError) {
        _ = try PolicyFile.parse(bytes: Array(text.utf8), name: "policy.yaml")
        return "accepted"
    } catch { return error.description }
}

func refusal(spec: String) -> String { refusal("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nspec:\n\(spec)\n") }

private let manifest = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/manifests/policy.yaml"

@Suite struct PolicyFileTests {
    @Test("The example in manifests/ loads, and says what the defaults say")
    func example() throws {
        var example = try PolicyFile.load(path: manifest)
        #expect(example.version.hasPrefix("sha256:") && example.version.utf8.count == 71)
        #expect(example.detections[.missingSNI]?.limit?.duration == .seconds(600))
        let target = try #require(example.scaleOut.targets.first)
        #expect(target.workload == "shop/web" && target.ports == [443] && target.serverNames == ["*.shop.example", "shop.example"])
        #expect((target.min, target.max, target.step, target.budgetPerHour) == (2, 20, 1, 6) && target.cooldown == .seconds(180))
        example.version = "builtin"
        example.detections[.missingSNI]?.limit?.duration = nil
        example.scaleOut.targets = []
        #expect(example == Policy())
    }

    @Test("An empty specification is the default policy")
    func defaults() throws {
        var empty = try policy("  {}")
        empty.version = "builtin"
        #expect(empty == Policy())
    }

    @Test("QUIC is opened in the packet for as much of a core as is asked")
    func quic() throws {
        let read = try policy("  quic: {inPacket: true, budget: 12%, answer: drop}").quic
        #expect(read.enabled && read.ports == [443] && read.inPacket && read.budget == 12)
    }

    @Test("The version is the hash of the bytes")
    func version() throws {
        #expect(try policy("  {mode: observe}").version == "sha256:2ce0fde6d7156a63e2bf4a4b8ece416ba4c3ec53915be2c884c38dffb6d3d37b")
        #expect(try policy("  {mode: observe}").version != policy("  {mode: observe} ").version)
    }

    @Test("Every field reaches the policy")
    func fields() throws {
        let read = try policy(
            """
              mode: enforce
              ports: [853]
              proof: none
              capture: all
              detections: {missing_sni: {limit: {perSecond: 255, for: 90s, class: all, answer: drop}}}
              prefixes: {ipv4: 24, ipv6: 56}
              escalation: [1m, 1m, 2h]
              allow: {cidrs: [10.0.0.0/8, "2001:db8::/32", 192.0.2.1], nodes: false, kubelet: false, pods: true}
              scaleOut: {window: 90s, moreThan: 3}
              trust: {proxies: [198.51.100.7, "2001:db8:5::/64"]}
            """)
        #expect(read.mode == .enforce && read.ports == [853] && read.proof == .unproven && read.capture == .all)
        let limit = try #require(read.detections[.missingSNI]?.limit)
        #expect(limit.perSecond == 255 && limit.duration == .seconds(90) && limit.limitClass == .all && limit.answer == .drop)
        #expect(read.prefixes.ipv4 == 24 && read.prefixes.ipv6 == 56)
        #expect(read.escalation == [.seconds(60), .seconds(60), .seconds(7200)])
        #expect(read.allow.cidrs == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"].compactMap { Prefix($0) })
        #expect(read.trust.proxies == ["198.51.100.7/32", "2001:db8:5::/64"].compactMap { Prefix($0) })
        #expect(read.neverLimited == read.allow.cidrs + read.trust.proxies)
        #expect(!read.allow.nodes && !read.allow.kubelet && read.allow.pods)
        #expect(read.scaleOut.window == .seconds(90) && read.scaleOut.moreThan == 3)
    }

    @Test("Severities from high on limit by themselves, the others only when told", arguments: Severity.allCases)
    func limits(severity: Severity) throws {
        let rules = try policy(
            "  detections: {not_tls: {severity: \(severity.id)}, missing_sni: {severity: \(severity.id)}, empty_sni: {severity: \(severity.id), limit: {perSecond: 9}}}"
        ).detections
        #expect(rules[.notTLS] == Policy.Rule(severity: severity, limit: severity >= .high ? Policy.LimitRule() : nil))
        #expect(rules[.missingSNI] == rules[.notTLS])
        #expect(rules[.emptySNI]?.limit?.perSecond == 9)
        #expect(rules[.malformedHello] == Policy.defaultRules[.malformedHello])
    }

    @Test("A file that is not there is named")
    func missing() {
        #expect(throws: PolicyError.self) { try PolicyFile.load(path: "/nowhere/policy.yaml") }
        do throws(PolicyError) { _ = try PolicyFile.load(path: "/nowhere/policy.yaml") } catch {
            #expect(error.description == "/nowhere/policy.yaml: cannot be read: No such file or directory")
        }
        do throws(PolicyError) { _ = try PolicyFile.load(path: "/tmp") } catch {
            #expect(error.description == "/tmp: cannot be read: Is a directory")
        }
        do throws(PolicyError) { _ = try PolicyFile.load(path: "/dev/zero") } catch {
            #expect(error.description == "/dev/zero: larger than 1 MiB; a policy is a few kilobytes")
        }
    }
}
