internal import Arguments
internal import Bundles
internal import Detection
internal import Front
internal import Glibc
internal import JSON
internal import Kafka
internal import Linux
internal import Messages
internal import PolicyFile
internal import Rollout
internal import Units
internal import WeirCommands

/// `weir policy keygen NAME`.
func makePolicyKey(_ arguments: Arguments<PolicyKeygenOptions>) throws -> CInt {
    let path = arguments.name, name = String(path.split(separator: "/").last ?? "")
    guard Envelope.isName(name) else { throw Refusal.wrong("keygen: the name is \(Envelope.nameForm)") }
    guard let key = PrivateKey(name: name) else { throw Refusal.cannot("keygen: libcrypto makes no Ed25519 key here") }
    do throws(KeyFile.Problem) {
        try KeyFile.write(key.pem, to: "\(path).key", mode: 0o600)
        do throws(KeyFile.Problem) { try KeyFile.write(key.public.pem, to: "\(path).pub", mode: 0o644) } catch {
            // Half a pair is of no use, and would be in the way of the next try.
            unsafe _ = unlink("\(path).key")
            throw error
        }
    } catch { throw Refusal.wrong("keygen: \(error)") }
    print("key \(key.public.id): \(path).key signs and is yours alone; \(path).pub is for agents (--bundle-key)")
    return 0
}

private func signingKey(_ path: String?, _ command: String) throws -> PrivateKey {
    guard let path else { throw Refusal.wrong("\(command): --key FILE is wanted, the private key that signs") }
    do throws(KeyFile.Problem) { return try KeyFile.readPrivate(path) } catch { throw Refusal.wrong("--key \(error)") }
}

private func writeOut(_ bytes: [UInt8]) throws -> CInt {
    guard isatty(1) == 0 else { throw Refusal.wrong("a bundle is nothing for a terminal; > FILE") }
    _ = try Standard.output.write(bytes)
    return 0
}

/// `weir policy sign`: refuses what a node would refuse.
func signPolicy(_ arguments: Arguments<PolicySignOptions>) throws -> CInt {
    let key = try signingKey(arguments.key, "sign")
    guard let sequence = arguments.sequence else {
        throw Refusal.wrong("sign: --sequence N is wanted, above that of the key's last bundle")
    }
    let now = Instant(nanoseconds: Clock.wall), name: String, content: PolicyBundle.Content
    switch (arguments.file, arguments.nextKey) {
    case (let file?, nil):
        // Read once: what was checked is what is signed.
        let text = try contents(of: file), policy: Policy
        do throws(PolicyError) { policy = try PolicyFile.parse(bytes: text, name: file) } catch { throw Refusal.wrong("\(error)") }
        guard Envelope.isName(policy.name) else { throw Refusal.wrong("\(file): metadata.name: a bundle's name is \(Envelope.nameForm)") }
        guard let text = String(validating: text, as: UTF8.self) else { throw Refusal.wrong("\(file): not UTF-8") }
        (name, content) = (policy.name, .policy(text: text, canary: arguments.canary))
    case (nil, let path?):
        guard !arguments.isGiven(\.canary) else { throw Refusal.wrong("--canary: a change of keys is for all nodes") }
        let next: BundleKey
        do throws(KeyFile.Problem) { next = try KeyFile.readPublic(path) } catch { throw Refusal.wrong("--next-key \(error)") }
        guard next.id != key.public.id else { throw Refusal.wrong("--next-key \(path): it is the key that signs") }
        (name, content) = ("\(key.public.name)-to-\(next.name)", .key(next))
    default: throw Refusal.wrong("sign: a policy or --next-key FILE is wanted, and not both")
    }
    return try seal(
        PolicyBundle(name: name, sequence: sequence, signed: now, expires: now + arguments.expires, content: content), key, "sign")
}

private func seal(_ bundle: PolicyBundle, _ key: PrivateKey, _ command: String) throws -> CInt {
    let document = Envelope.seal(bundle, by: key)
    // As a node will read it.
    do throws(BundleRefusal) { _ = try Envelope.open(document, keys: [key.public]) } catch { throw Refusal.wrong("\(command): \(error)") }
    return try writeOut(document)
}

/// `weir policy promote BUNDLE`.
func promotePolicy(_ arguments: Arguments<PolicyPromoteOptions>) throws -> CInt {
    let key = try signingKey(arguments.key, "promote"), document = try contents(of: arguments.bundle)
    let before: SignedBundle
    // Whoever signs again says that it is right; so it has to be what that key has signed.
    do throws(BundleRefusal) { before = try Envelope.open(document, keys: [key.public]) } catch {
        throw Refusal.wrong("\(arguments.bundle): \(error)")
    }
    guard case .policy(let text, _) = before.bundle.content else {
        throw Refusal.wrong("\(arguments.bundle): it changes a key and has no policy")
    }
    do throws(BundleRefusal) { _ = try BundleDesk.policy(of: before.bundle) } catch { throw Refusal.wrong("\(arguments.bundle): \(error)") }
    let now = Instant(nanoseconds: Clock.wall), sequence = arguments.sequence ?? before.bundle.sequence + 1
    guard sequence > before.bundle.sequence, sequence <= PolicyBundle.mostSequence else {
        throw Refusal.wrong("--sequence \(sequence): the bundle has \(before.bundle.sequence), and nodes take none that is not above")
    }
    let bundle = PolicyBundle(
        name: before.bundle.name, sequence: sequence, signed: now, expires: now + arguments.expires, previous: before.digest,
        content: .policy(text: text, canary: 100))
    return try seal(bundle, key, "promote")
}

/// - Parameter path: `-` is standard input.
func contents(of path: String) throws -> [UInt8] {
    if path == "-" {
        guard let text = File.read("/dev/stdin", limit: PolicyBundle.sizeLimit + 1) else {
            throw Refusal.wrong("standard input: cannot be read: \(Errno.current)")
        }
        return Array(text.utf8)
    }
    do throws(Errno) { return try BundleDirectory.read(path) } catch { throw Refusal.wrong("\(path): cannot be read: \(error)") }
}

func publicKeys(_ paths: [String]) throws -> [BundleKey] {
    do throws(KeyFile.Problem) { return try paths.map { path throws(KeyFile.Problem) in try KeyFile.readPublic(path) } } catch {
        throw Refusal.wrong("--key \(error)")
    }
}

/// `weir policy show BUNDLE`: 0 where it can be taken, as far as that can be told here.
func showBundle(_ arguments: Arguments<PolicyShowOptions>) throws -> CInt {
    let document = try contents(of: arguments.bundle), keys = try publicKeys(arguments.keys)
    var refusal: BundleRefusal?
    let found: Envelope.Unverified, bundle: PolicyBundle
    do throws(BundleRefusal) {
        found = try Envelope.read(document)
        bundle = try found.read()
    } catch {
        complain("weir: \(arguments.bundle): \(error.reason.rawValue): \(error)")
        return 1
    }
    if !keys.isEmpty {
        do throws(BundleRefusal) { _ = try Envelope.open(document, keys: keys) } catch { refusal = error }
    }
    if refusal == nil, bundle.expires <= Instant(nanoseconds: Clock.wall) {
        refusal = BundleRefusal(.expired, "it expired at \(bundle.expires.rfc3339)")
    }
    var policy: Policy?
    do throws(BundleRefusal) { policy = try BundleDesk.policy(of: bundle) } catch { refusal = refusal ?? error }
    let signer = keys.first { $0.id == found.key }
    if arguments.text {
        guard refusal == nil, case .policy(let text, _) = bundle.content else {
            complain("weir: \(arguments.bundle): \(refusal.map { "\($0.reason.rawValue): \($0)" } ?? "it has no policy")")
            return 1
        }
        print(text, terminator: "")
        return 0
    }
    if arguments.format == .json {
        _ = try Standard.output.write(describe(bundle, found, isVerified: refusal == nil && !keys.isEmpty, refusal) + [10])
        return refusal == nil ? 0 : 1
    }
    print("\(arguments.bundle): \(summary(of: bundle, policy))")
    print("digest     \(found.digest)")
    print("sequence   \(bundle.sequence)\(bundle.previous.map { ", made from \($0)" } ?? "")")
    print("signed     \(bundle.signed.rfc3339) by key \(found.key)\(signer.map { " (\($0.name))" } ?? "")")
    print("expires    \(bundle.expires.rfc3339)")
    print("signature  \(keys.isEmpty ? "not verified: --key FILE verifies it" : refusal.map { _ in "see below" } ?? "holds")")
    if let refusal { complain("weir: \(arguments.bundle): \(refusal.reason.rawValue): \(refusal)") }
    return refusal == nil ? 0 : 1
}

private func summary(of bundle: PolicyBundle, _ policy: Policy?) -> String {
    switch bundle.content {
    case .policy(_, let canary):
        let share = canary == 100 ? "for all nodes" : "for \(canary)% of the nodes first"
        return "policy \(bundle.name)\(policy.map { ", \($0.mode.rawValue), \($0.version)" } ?? ""), \(share)"
    case .key(let next): return "a change of keys: from now on \(next.id) (\(next.name))"
    }
}

private func describe(_ bundle: PolicyBundle, _ found: Envelope.Unverified, isVerified: Bool, _ refusal: BundleRefusal?) -> [UInt8] {
    var json = JSONWriter(capacity: 512)
    json.object { json in
        json.member("name", bundle.name)
        json.member("digest", found.digest)
        json.member("sequence", bundle.sequence)
        json.member("previous", bundle.previous)
        json.member("key", found.key)
        json.member("signed", bundle.signed)
        json.member("expires", bundle.expires)
        switch bundle.content {
        case .policy(_, let canary):
            json.member("kind", "policy")
            json.member("canary_percent", canary)
        case .key(let next):
            json.member("kind", "key")
            json.member("next_key", next.id)
        }
        json.member("verified", isVerified)
        json.member("refused", refusal?.reason.rawValue)
    }
    return json.bytes
}

/// `weir policy publish BUNDLE`: waits until the broker has it.
func publishBundle(_ arguments: Arguments<PolicyPublishOptions>) throws -> CInt {
    let document = try contents(of: arguments.bundle), keys = try publicKeys(arguments.keys)
    let bundle: PolicyBundle, digest: String, key: String
    do throws(BundleRefusal) {
        let found = try Envelope.read(document)
        bundle = try (keys.isEmpty ? found.read() : Envelope.open(document, keys: keys).bundle)
        (digest, key) = (found.digest, found.key)
    } catch { throw Refusal.wrong("\(arguments.bundle): \(error.reason.rawValue): \(error)") }
    let kafka = try quickBrokers(arguments.brokers), now = Instant(nanoseconds: Clock.wall)
    // With its settings, which a broker that makes topics by itself would not give it.
    _ = try hasTopic(.policies, kafka, makingIt: true)
    let place: String
    // A change of keys stays on the topic as long as nodes may need it; of policies the last one is enough.
    if case .key = bundle.content { place = "key:\(key)" } else { place = "policy" }
    try produce(
        kafka, to: .policies, place, document,
        cloudEventHeaders(id: digest, source: "weir-policy", type: "dev.weir.policy-bundle.v1", time: now, traceID: ""))
    print("\(arguments.bundle): published as \(digest), sequence \(bundle.sequence)")
    return 0
}
