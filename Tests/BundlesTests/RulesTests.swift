import Bundles
import Glibc
import Linux
import Messages
import Rollout
import Testing
import Units

@Suite struct RulesTests {
    let key = PrivateKey(name: "shop")!, next = PrivateKey(name: "next")!

    @Test("Each reason to refuse has its case, and what runs stays")
    func refusals() {
        var desk = BundleDesk(key, floor: 3)
        #expect(desk.offer(key.bundle(5)) == [.runs])
        let good = key.bundle(6)
        let cases: [(document: [UInt8], reason: BundleRefusal.Reason)] = [
            (changed(good, #""signatures":["#, #""signatures":[],"former":["#), .unsigned),
            (changed(good, #""signatures":"#, #""former":"#), .unsigned),
            (next.bundle(6), .unknownKey),
            (changed(key.bundle(6), #""sig":""#, #""sig":"AA"#), .badSignature),
            (forged(good), .badSignature),
            (key.bundle(4), .older),
            (key.bundle(5, text: policy("other")), .older),
            (key.bundle(2), .belowFloor),
            (key.bundle(6, expires: today), .expired),
            (key.bundle(6, text: policy("shop", "{mode: observe, portz: [443]}")), .notParseable),
            (Array(policy().utf8), .notParseable),
            ([], .notParseable),
            ([UInt8](repeating: 32, count: PolicyBundle.sizeLimit + 1), .tooLarge)
        ]
        for (index, one) in cases.enumerated() {
            #expect(desk.refusal(of: one.document) == one.reason, "case \(index)")
            #expect(desk.running == 5)
            #expect(desk.policy?.name == "shop")
        }
        #expect(Set(cases.map(\.reason)).count == BundleRefusal.Reason.allCases.count - 1, "keys without end have a test of their own")
        // All the while nothing was counted by what was refused.
        #expect(desk.offer(good) == [.runs])
    }

    @Test("The schema of a node's report knows each reason")
    func schema() throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        for name in ["node-status", "agent-status"] {
            let schema = try #require(File.read("\(root)/manifests/schemas/\(name).v1.schema.json", limit: 1 << 20))
            for reason in BundleRefusal.Reason.allCases { #expect(schema.contains("\"\(reason.rawValue)\""), "\(name): \(reason)") }
        }
    }

    /// The same claims, signed by somebody else in this key's name.
    private func forged(_ document: [UInt8]) -> [UInt8] { changed(next.bundle(6), next.public.id, key.public.id) }

    @Test("A policy that does not parse is refused with its line and field")
    func line() {
        var desk = BundleDesk(key)
        let verdicts = desk.offer(key.bundle(1, text: policy("shop", "\n  portz: [443]")))
        guard case .refused(let refusal)? = verdicts.first else { return #expect(Bool(false), "\(verdicts)") }
        #expect("\(refusal)".hasPrefix("its policy: shop:5:3: spec.portz: no such field"), "\(refusal)")
    }

    @Test("A number is used once, whatever it is used for, and each key counts its own")
    func sequences() {
        var desk = BundleDesk(key, next)
        #expect(desk.offer(key.bundle(9)) == [.runs])
        #expect(desk.offer(key.bundle(9)).allSatisfy { if case .refused = $0 { false } else { true } }, "the very same is known")
        #expect(desk.refusal(of: key.bundle(9, text: policy("other"))) == .older)
        #expect(desk.offer(next.bundle(1, text: policy("b"))) == [.runs], "of another key")
        #expect(desk.running == 1)
        #expect(desk.refusal(of: key.bundle(8)) == .older)
        #expect(desk.offer(key.bundle(10)) == [.runs])
    }

    @Test("Of a directory with a history the newest runs, and nothing is told of the others")
    func history() {
        var desk = BundleDesk(key)
        #expect(desk.offer(key.bundle(3), key.bundle(1), key.bundle(2)) == [.runs, .runs, .runs])
        #expect(desk.running == 3)
        #expect(desk.offer(key.bundle(1), key.bundle(4)).contains(.runs))
        #expect(desk.running == 4)
    }

    @Test("A key is replaced by a bundle that it signs; then only the next one is believed, also after a restart with the old options")
    func keys() throws {
        var desk = BundleDesk(key)
        #expect(desk.offer(key.bundle(1)) == [.runs])
        #expect(desk.refusal(of: next.bundle(1)) == .unknownKey)
        // In one look, in any order.
        #expect(desk.offer(next.bundle(1, text: policy("b")), key.bundle(2, next: next.public)) == [.changesKey(next.public), .runs])
        #expect(desk.policy?.name == "b")
        #expect(desk.refusal(of: key.bundle(3)) == .unknownKey)
        #expect(desk.refusal(of: key.bundle(3, next: key.public)) == .unknownKey, "a lost key does not come back by itself")
        var again = BundleDesk(key)
        #expect(again.restore(desk.state) == [])
        #expect(again.running == 1 && again.policy?.name == "b")
        #expect(again.refusal(of: key.bundle(3)) == .unknownKey)
        #expect(again.offer(key.bundle(2, next: next.public)).allSatisfy { if case .changesKey = $0 { false } else { true } })
        #expect(again.offer(next.bundle(2)) == [.runs])
        // Whoever can write the state can add no key of his own.
        var state = desk.state, forged = BundleDesk(key)
        let stranger = PrivateKey(name: "stranger")!
        state.changes = [stranger.bundle(1, next: stranger.public), stranger.bundle(2, next: next.public)]
        #expect(forged.restore(state).count == 1, "the bundle of the next key")
        #expect(forged.refusal(of: stranger.bundle(9)) == .unknownKey)
        // And nobody goes back to a key that was replaced.
        #expect(again.refusal(of: next.bundle(3, next: key.public)) == .unknownKey)
    }

    @Test("Keys have a bound")
    func manyKeys() {
        var desk = BundleDesk(key), last = key
        for _ in 1..<BundleBook.mostKeys {
            let one = PrivateKey(name: "one")!
            #expect(desk.offer(last.bundle(1, next: one.public)) == [.changesKey(one.public)])
            last = one
        }
        #expect(desk.refusal(of: last.bundle(1, next: next.public)) == .tooManyKeys)
        #expect(desk.offer(last.bundle(1)) == [.runs])
    }

    @Test("Expiry bounds when a bundle is taken, not how long it runs")
    func expiry() {
        var desk = BundleDesk(key)
        let bundle = key.bundle(1, expires: today + .seconds(1))
        #expect(desk.offer(bundle) == [.runs])
        #expect(desk.offer(bundle, at: tomorrow) == [.known])
        var again = BundleDesk(key)
        #expect(again.restore(desk.state) == [])
        #expect(again.running == 1)
        var late = BundleDesk(key)
        #expect(late.refusal(of: bundle, at: today + .seconds(1)) == .expired)
    }

    @Test(
        "The last good bundles are kept; a floor that was raised, a key that is gone, a policy that cannot be read let the one before run")
    func kept() {
        var desk = BundleDesk(key)
        for sequence in 1...6 { #expect(desk.offer(key.bundle(sequence, text: policy("p\(sequence)"))) == [.runs]) }
        #expect(desk.book.kept.map(\.bundle.sequence) == [3, 4, 5, 6])
        var floored = BundleDesk(key, floor: 7)
        #expect(floored.restore(desk.state).count == 1)
        #expect(floored.running == nil && floored.policy == nil)
        var strange = BundleDesk(next)
        #expect(strange.restore(desk.state).count == 4)
        #expect(strange.running == nil)
        var foreign = BundleState(), misled = BundleDesk(key)
        foreign.kept = [key.bundle(1), key.bundle(9, next: next.public)]
        #expect(misled.restore(foreign).count == 1, "a change of keys is nothing that runs")
        #expect(misled.running == 1)
        var state = desk.state
        state.kept[3] = changed(state.kept[3], #""sig":""#, #""sig":"AA"#)
        var damaged = BundleDesk(key)
        #expect(damaged.restore(state).count == 1)
        #expect(damaged.running == 5 && damaged.policy?.name == "p5")
        #expect(damaged.refusal(of: key.bundle(6, text: policy("again"))) == .older, "the number is used all the same")
    }

    @Test("State is written whole or not at all, and a cut file is told of")
    func state() throws {
        let folder = Folder()
        var desk = BundleDesk(key)
        _ = desk.offer(key.bundle(1), key.bundle(2, next: next.public), next.bundle(4))
        #expect(try BundleState.load(from: folder.path) == nil)
        try desk.state.save(to: folder.path)
        #expect(try BundleState.load(from: folder.path) == desk.state)
        // What a kill leaves of the next one.
        #expect(File.write("\(folder.path)/bundles.json.new", Array("{\"schema\":".utf8)))
        #expect(try BundleState.load(from: folder.path) == desk.state)
        try desk.state.save(to: folder.path)
        let whole = try BundleDirectory.read("\(folder.path)/bundles.json")
        for length in stride(from: 0, to: whole.count, by: 37) {
            #expect(File.write("\(folder.path)/bundles.json", Array(whole[..<length])))
            #expect(throws: BundleState.Damaged.self) { try BundleState.load(from: folder.path) }
        }
    }

    @Test("A directory gives all its documents when one of them is new, and nothing else")
    func directory() throws {
        let folder = Folder()
        var directory = BundleDirectory(folder.path)
        #expect(try directory.news().isEmpty)
        #expect(File.write("\(folder.path)/1.json", key.bundle(1)))
        #expect(File.write("\(folder.path)/README.md", [65]))
        #expect(File.write("\(folder.path)/.hidden.json", [65]))
        #expect(try directory.news().map(\.origin) == ["1.json"])
        #expect(try directory.news().isEmpty)
        #expect(File.write("\(folder.path)/2.json", key.bundle(2)))
        #expect(try directory.news().map(\.isKnown) == [true, false])
        // Nobody waits for whoever may write there.
        #expect(mkfifo("\(folder.path)/3.json", 0o600) == 0)
        #expect(try directory.news().map(\.origin) == ["1.json", "2.json"])
        for number in 10..<90 { #expect(File.write("\(folder.path)/\(number).json", [65])) }
        _ = try directory.news()
        #expect(directory.passedOver == 83 - BundleDirectory.mostFiles)
        var gone = BundleDirectory(folder.path + "/nowhere")
        #expect(throws: Errno.self) { try gone.news() }
    }

    @Test(
        "A share of the nodes is near that share, other nodes for each bundle, and the whole is everybody", arguments: [1, 10, 33, 50, 90])
    func canaries(percent: Int) {
        func chosen(_ digest: String) -> Set<Int> {
            Set((0..<10_000).filter { Canary.takes(Envelope.place(of: "node-\($0).example", in: digest), percent: percent) })
        }
        let one = chosen("sha256:" + String(repeating: "1", count: 64)), other = chosen("sha256:" + String(repeating: "2", count: 64))
        // Five standard deviations of a fair draw.
        let expected = Double(percent) / 100, spread = 5 * (10_000 * expected * (1 - expected)).squareRoot()
        for set in [one, other] { #expect(abs(Double(set.count) - 10_000 * expected) < spread, "\(set.count)") }
        let both = Double(one.intersection(other).count), alike = 10_000 * expected * expected
        #expect(abs(both - alike) < 5 * (10_000 * expected * expected * (1 - expected * expected)).squareRoot(), "\(both), not \(alike)")
        #expect(Canary.takes(.max, percent: 100) && !Canary.takes(.max, percent: 99) && Canary.takes(0, percent: 1))
    }

    @Test("A node that is no canary waits, uses no number, and takes the bundle that is for all")
    func waiting() throws {
        let canary = key.bundle(2, canary: 50), digest = try Envelope.open(canary, keys: [key.public]).digest
        let names = (0..<100).map { "node-\($0)" }
        let chosen = try #require(names.first { Canary.takes(Envelope.place(of: $0, in: digest), percent: 50) }),
            other = try #require(names.first { !Canary.takes(Envelope.place(of: $0, in: digest), percent: 50) })
        var first = BundleDesk(key, node: chosen), second = BundleDesk(key, node: other)
        #expect(first.offer(key.bundle(1), canary) == [.runs, .runs])
        #expect(second.offer(key.bundle(1), canary) == [.runs, .waits])
        #expect(second.running == 1)
        #expect(first.offer(key.bundle(3)) == [.runs] && second.offer(key.bundle(3)) == [.runs])
    }
}
