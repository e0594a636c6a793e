import PolicyFile
import Testing
import Units
import Vocabulary

@Suite struct RefusalTests {
    @Test(
        "A wrong field gets one line: where, what was found, what is allowed",
        arguments: [
            (
                "  detections:\n    misssing_sni: {}",
                "policy.yaml:5:5: spec.detections.misssing_sni: no such detection; did you mean missing_sni?"
            ),
            (
                "  detections:\n    port_scan: {}",
                "policy.yaml:5:5: spec.detections.port_scan: no such detection; there are \(Anomaly.allCases.count), such as missing_sni, empty_sni and ip_literal_sni"
            ),
            (
                "  detections:\n    missing_sni: {serverNames: [a.example]}",
                "policy.yaml:5:19: spec.detections.missing_sni.serverNames: no such field; there are enabled, severity and limit"
            ),
            (
                "  detections:\n    unknown_sni: {serverNames: [\"*\"]}",
                "policy.yaml:5:33: spec.detections.unknown_sni.serverNames[0]: `*`; a server name is shop.example, or *.shop.example for all below it (xn-- for other scripts)"
            ),
            (
                "  detections:\n    tls_scan: {moreThan: 201}",
                "policy.yaml:5:26: spec.detections.tls_scan.moreThan: `201`; a whole number from 1 to 200 is expected"
            ),
            (
                "  detections:\n    fingerprint_denied: {ja4: [{value: t13d}]}",
                "policy.yaml:5:40: spec.detections.fingerprint_denied.ja4[0].value: `t13d`; a JA4 looks like t13d1516h2_8daaf6152771_e5627efa2ab1"
            ),
            (
                "  detections:\n    fingerprint_denied: {ja3: [{value: abc}]}",
                "policy.yaml:5:40: spec.detections.fingerprint_denied.ja3[0].value: `abc`; a JA3 is 32 hex digits"
            ),
            (
                "  detections:\n    fingerprint_denied: {ja4: [{value: t13d1516h2_8daaf6152771_e5627efa2ab1, until: tomorrow}]}",
                "policy.yaml:5:85: spec.detections.fingerprint_denied.ja4[0].until: `tomorrow`; a time is written as 2027-01-01T00:00:00Z"
            ),
            (
                "  detections:\n    client_hello_flood: {rate: 0}",
                "policy.yaml:5:32: spec.detections.client_hello_flood.rate: `0`; a whole number from 1 to 1000000 is expected"
            ),
            ("  upgrades: {smpt: [25]}", "policy.yaml:4:14: spec.upgrades.smpt: no such protocol; did you mean smtp?"),
            (
                "  upgrades: {smtp: [25], imap: [25]}",
                "policy.yaml:4:32: spec.upgrades.imap: 25 is another protocol's already"
            ),
            ("  quic: {inPacket: yes}", "policy.yaml:4:20: spec.quic.inPacket: `yes`; allowed are true and false"),
            ("  quic: {budget: 5}", "policy.yaml:4:18: spec.quic.budget: `5`; a share from 1% to 100% is expected"),
            ("  quic: {budget: 101%}", "policy.yaml:4:18: spec.quic.budget: `101%`; a share from 1% to 100% is expected"),
            ("  quic: {answer: reset}", "policy.yaml:4:18: spec.quic.answer: `reset`; allowed is drop"),
            ("  decap: 1", "policy.yaml:4:10: spec.decap: `1`; allowed are true and false"),
            ("  mode: enforced", "policy.yaml:4:9: spec.mode: `enforced`; allowed are observe and enforce"),
            ("  modes: enforce", "policy.yaml:4:3: spec.modes: no such field; did you mean mode?"),
            ("  mode: observe\n  mode: enforce", "policy.yaml:5:3: spec.mode: this field is here twice"),
            ("  mode: [observe]", "policy.yaml:4:9: spec.mode: a list; allowed are observe and enforce"),
            ("  mode:", "policy.yaml:4:8: spec.mode: nothing; allowed are observe and enforce"),
            ("  ports: 443", "policy.yaml:4:10: spec.ports: a list is expected, not `443`"),
            ("  ports: []", "policy.yaml:4:10: spec.ports: the list is empty"),
            ("  ports: [443, https]", "policy.yaml:4:16: spec.ports[1]: `https`; a whole number from 1 to 65535 is expected"),
            ("  ports: [0]", "policy.yaml:4:11: spec.ports[0]: `0`; a whole number from 1 to 65535 is expected"),
            ("  ports: [65536]", "policy.yaml:4:11: spec.ports[0]: `65536`; a whole number from 1 to 65535 is expected"),
            ("  ports: [\"443\"]", "policy.yaml:4:11: spec.ports[0]: `443`; a whole number from 1 to 65535 is expected"),
            ("  ports: [443, 443]", "policy.yaml:4:16: spec.ports[1]: 443 is here twice"),
            ("  proof: any", "policy.yaml:4:10: spec.proof: `any`; allowed are tracked, socket and none"),
            ("  capture: some", "policy.yaml:4:12: spec.capture: `some`; allowed are none, anomalous, new-fingerprint and all"),
            (
                "  detections: {missing_sni: {severity: medium}}",
                "policy.yaml:4:40: spec.detections.missing_sni.severity: `medium`; allowed are info, low, med, high and critical"
            ),
            (
                "  detections: {missing_sni: {limit: {perSecond: 0}}}",
                "policy.yaml:4:49: spec.detections.missing_sni.limit.perSecond: `0`; a whole number from 1 to 255 is expected"
            ),
            (
                "  detections: {missing_sni: {limit: {perSecond: 256}}}",
                "policy.yaml:4:49: spec.detections.missing_sni.limit.perSecond: `256`; a whole number from 1 to 255 is expected"
            ),
            (
                "  detections: {missing_sni: {limit: {for: 10 min}}}",
                "policy.yaml:4:43: spec.detections.missing_sni.limit.for: `10 min`; a duration is a number with ms, s, m, h or d, such as 30s or 10m"
            ),
            (
                "  detections: {missing_sni: {limit: {for: 300ms}}}",
                "policy.yaml:4:43: spec.detections.missing_sni.limit.for: `300ms`; from 1s to 365d is allowed"
            ),
            (
                "  detections: {missing_sni: {limit: {class: every}}}",
                "policy.yaml:4:45: spec.detections.missing_sni.limit.class: `every`; allowed are anomalous and all"
            ),
            (
                "  detections: {missing_sni: {limit: none}}",
                "policy.yaml:4:37: spec.detections.missing_sni.limit: a mapping is expected, not `none`"
            ),
            ("  prefixes: {ipv4: 33}", "policy.yaml:4:20: spec.prefixes.ipv4: `33`; a whole number from 1 to 32 is expected"),
            ("  prefixes: {ipv6: 0}", "policy.yaml:4:20: spec.prefixes.ipv6: `0`; a whole number from 1 to 128 is expected"),
            ("  escalation: [1h, 10m]", "policy.yaml:4:20: spec.escalation[1]: 10m is shorter than the 1h before it; an escalation climbs"),
            ("  escalation: []", "policy.yaml:4:15: spec.escalation: the list is empty"),
            (
                "  allow: {cidrs: [10.0.0.1/8]}",
                "policy.yaml:4:19: spec.allow.cidrs[0]: `10.0.0.1/8` has bits beyond its length; did you mean 10.0.0.0/8?"
            ),
            (
                "  allow: {cidrs: [\"2001:db8::1/64\"]}",
                "policy.yaml:4:19: spec.allow.cidrs[0]: `2001:db8::1/64` has bits beyond its length; did you mean 2001:db8::/64?"
            ),
            (
                "  allow: {cidrs: [10.0.0.0/33]}",
                "policy.yaml:4:19: spec.allow.cidrs[0]: `10.0.0.0/33` is no address block; write it as 203.0.113.0/24 or 2001:db8::/32"
            ),
            (
                "  trust: {proxies: [10.0.0.1/8]}",
                "policy.yaml:4:21: spec.trust.proxies[0]: `10.0.0.1/8` has bits beyond its length; did you mean 10.0.0.0/8?"
            ),
            (
                "  trust: {proxies: 10.0.0.1}", "policy.yaml:4:20: spec.trust.proxies: a list is expected, not `10.0.0.1`"
            ),
            ("  allow: {nodes: yes}", "policy.yaml:4:18: spec.allow.nodes: `yes`; allowed are true and false"),
            ("  scaleOut: {window: 0s}", "policy.yaml:4:22: spec.scaleOut.window: `0s`; from 1s to 1d is allowed"),
            ("  scaleOut: {targets: [{min: 2}]}", "policy.yaml:4:24: spec.scaleOut.targets[0]: workload is missing"),
            (
                "  scaleOut: {targets: [{workload: web}]}",
                "policy.yaml:4:35: spec.scaleOut.targets[0].workload: `web`; a workload is namespace/name, such as shop/web"
            ),
            (
                "  scaleOut: {targets: [{workload: a/b, min: 3, max: 2}]}",
                "policy.yaml:4:45: spec.scaleOut.targets[0].min: min 3 is above max 2"
            ),
            ("  scaleOut: {targets: [{workload: a/b, min: 11}]}", "policy.yaml:4:45: spec.scaleOut.targets[0].min: min 11 is above max 10"),
            (
                "  scaleOut: {targets: [{workload: a/b, match: {serverNames: [\"*\"]}}]}",
                "policy.yaml:4:62: spec.scaleOut.targets[0].match.serverNames[0]: `*`; a server name is shop.example, or *.shop.example for all below it (xn-- for other scripts)"
            )
        ])
    func field(spec: String, line: String) {
        #expect(refusal(spec: spec) == line)
    }

    @Test(
        "What is no policy is refused with its place",
        arguments: [
            ("", "policy.yaml: the file is empty; a policy starts with `apiVersion: weir.dev/v1alpha1`"),
            ("# nothing\n", "policy.yaml: the file is empty; a policy starts with `apiVersion: weir.dev/v1alpha1`"),
            ("hello", "policy.yaml:1:1: a mapping is expected, not `hello`"),
            ("kind: ThrottlePolicy\nspec: {}", "policy.yaml:1:1: apiVersion is missing"),
            ("apiVersion: v1\nkind: ConfigMap", "policy.yaml:1:13: apiVersion: `v1`; allowed is weir.dev/v1alpha1"),
            ("apiVersion: weir.dev/v1alpha1\nkind: ConfigMap\nspec: {}", "policy.yaml:2:7: kind: `ConfigMap`; allowed is ThrottlePolicy"),
            ("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy", "policy.yaml:1:1: spec is missing"),
            (
                "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nspec: {}\nmetadata: {name: Big}",
                "policy.yaml:4:18: metadata.name: `Big`; a name has lower-case letters, digits, - and ."
            ),
            ("a: [1", "policy.yaml:2:1: not YAML: did not find expected ',' or ']' (while parsing a flow sequence)"),
            ("a: b: c", "policy.yaml:1:5: not YAML: mapping values are not allowed in this context"),
            ("a: &x 1\nb: *x", "policy.yaml:1:4: anchors are refused; write the value out where it is needed"),
            ("b: *x", "policy.yaml:1:4: aliases are refused; write the value out"),
            ("b: !!int 3", "policy.yaml:1:4: tags are refused; a policy's fields have their types already"),
            ("{[a]: 1}", "policy.yaml:1:2: a field's name is a word, not a list"),
            ("a: 1\n---\nb: 2", "policy.yaml:2:1: a second document starts here; a file holds one policy"),
            ("\"a\\n.b\": 1", "policy.yaml:1:1: `a\\u{a}.b`: no such field; there are apiVersion, kind, metadata and spec"),
            (String(repeating: "[", count: 100_000), "policy.yaml:1:17: nested deeper than 16 levels")
        ])
    func document(text: String, line: String) {
        #expect(refusal(text) == line)
    }

    @Test("Bytes that are no text are refused by their place")
    func bytes() {
        for bytes in [[0x61, 0x3a, 0x20, 0xff], [0xc3], [0x00], [0x61, 0x07]] as [[UInt8]] {
            do throws(PolicyError) {
                _ = try PolicyFile.parse(bytes: bytes, name: "policy.yaml")
                Issue.record("\(bytes) was accepted")
            } catch { #expect(error.description.hasPrefix("policy.yaml: not UTF-8 text: "), "\(error)") }
        }
    }

    @Test("A large file is refused before it is read as YAML, and the largest allowed one in reasonable work")
    func large() {
        #expect(
            refusal(String(repeating: "#", count: PolicyFile.sizeLimit + 1))
                == "policy.yaml: larger than 1 MiB; a policy is a few kilobytes")
        let ports = String(repeating: "443,", count: (PolicyFile.sizeLimit - 200) / 4)
        #expect(refusal(spec: "  ports: [\(ports)]") == "policy.yaml:4:79975: more than 20000 values; a policy has a few hundred")
        #expect(
            refusal(spec: "  ports: [\(ports.prefix(4 * 1025))]") == "policy.yaml:4:10: spec.ports: 1025 elements; at most 1024 are allowed"
        )
    }

    @Test("Targets have as many destinations together as the kernel's table has room for")
    func destinations() {
        func spec(_ count: Int) -> String {
            let halves = [0..<count / 2, count / 2..<count].map { $0.map { "10.\($0 / 256).\($0 % 256).1/32" }.joined(separator: ",") }
            return "  scaleOut: {targets: [\(halves.map { "{workload: a/b, match: {destinations: [\($0)]}}" }.joined(separator: ", "))]}"
        }
        #expect(refusal(spec: spec(1024)) == "accepted")
        #expect(refusal(spec: spec(1025)) == "policy.yaml:4:23: spec.scaleOut.targets: 1025 destinations; at most 1024")
    }

    @Test(
        "Every prefix of a good policy, and every damaged byte, gives a policy or one line",
        arguments: [UInt8](arrayLiteral: 0, 10, 0x22, 0x7b, 0xff))
    func damage(byte: UInt8) {
        let good = Array(
            "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nspec:\n  detections: {missing_sni: {limit: {for: 10m}}}\n  scaleOut:\n    targets:\n      - {workload: a/b}\n"
                .utf8)
        for index in good.indices {
            var damaged = good
            damaged[index] = byte
            for bytes in [Array(good[..<index]), damaged] {
                do throws(PolicyError) { _ = try PolicyFile.parse(bytes: bytes, name: "p") } catch {
                    #expect(!error.description.contains("\n") && error.description.hasPrefix("p:"))
                }
            }
        }
    }
}
