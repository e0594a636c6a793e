internal import ControllerCore
internal import JSON
internal import Requests
internal import Synchronization
package import Units
internal import Vocabulary

/// Brings Deployments to the number of replicas that is wanted, by their scale subresource, on a thread of its own: an API server may be slow.
///
/// Out only, and back when the decision is over (`ScaleLedger`). What to go back to is in a ConfigMap, for whoever acts after us.
/// An HPA would revert the number; so this is for Deployments that have none.
package final class Deployments: Sendable {
    package enum News: Sendable {
        case scaled(workload: String, from: Int, to: Int)
        case failed(workload: String, String)
    }

    package struct Counts: Sendable, Equatable {
        package var patches = 0
        package var conflicts = 0
        package var failures = 0
    }

    private struct State {
        /// By workload; `nil`: its decision is over.
        var wanted: [String: Int?] = [:]
        var changed: Set<String> = []
        var counts = Counts()
        /// This replica is the one that acts, and how often that has begun or ended.
        var isActing = false
        var life = 0
        /// Addresses of nodes and their pods' networks.
        var nodes: Set<Prefix> = []
    }

    private let state = Mutex(State())
    private let bell: Bell
    let hear: @Sendable (News) -> Void
    let cluster: Cluster
    private static let attempts = 5

    package init(_ cluster: Cluster, hear: @escaping @Sendable (News) -> Void) throws(ClusterError) {
        self.cluster = cluster
        self.hear = hear
        bell = Bell()
        let client = try Client(cluster)
        Worker.start { [self] in run(client) }
    }

    package var counts: Counts { state.withLock { $0.counts } }

    /// Never to be limited: what the API server calls nodes and their pods. Empty until it has answered.
    package var nodes: Set<Prefix> { state.withLock { $0.nodes } }

    /// What each workload wants now; one that is not named any more has nothing in force.
    package func want(_ replicas: [String: Int]) {
        let hasNews = state.withLock { state in
            let before = state.changed.count, begins = !state.isActing
            if begins { (state.isActing, state.life) = (true, state.life + 1) }
            for (workload, count) in replicas where state.wanted[workload] != .some(.some(count)) {
                state.wanted[workload] = .some(count)
                state.changed.insert(workload)
            }
            for (workload, count) in state.wanted where count != nil && replicas[workload] == nil {
                state.wanted[workload] = .some(nil)
                state.changed.insert(workload)
            }
            return begins || state.changed.count > before
        }
        if hasNews { bell.ring() }
    }

    /// Somebody else acts from now on: what was before they read where it is written down.
    package func forget() {
        state.withLock { state in
            guard state.isActing else { return }
            (state.wanted, state.changed, state.isActing, state.life) = ([:], [], false, state.life + 1)
        }
    }

    // MARK: The thread

    private func run(_ client: Client) {
        var ledger: ScaleLedger?, life = 0, nextLook: UInt64 = 0
        while true {
            bell.wait(seconds: 10)
            if Bell.now >= nextLook {
                nextLook = Bell.now + 60
                look(client)
            }
            let now = state.withLock { state in (state.isActing, state.life) }
            // Somebody else has acted meanwhile, or does now.
            if now.1 != life { (ledger, life) = (nil, now.1) }
            guard now.0 else { continue }
            do throws(ClusterError) {
                if ledger == nil { ledger = try load(client) }
            } catch {
                hear(.failed(workload: "all", error.description))
                continue
            }
            guard var known = ledger else { continue }
            for (workload, count) in takeDue(known) { act(client, workload, count, &known) }
            ledger = known
        }
    }

    /// What has changed, and what is to go back though nobody here has scaled it out: an earlier life has.
    private func takeDue(_ ledger: ScaleLedger) -> [(String, Int?)] {
        state.withLock { state in
            defer { state.changed = [] }
            let left = ledger.entries.keys.filter { state.wanted[$0] == nil }
            return state.changed.union(left).map { ($0, state.wanted[$0] ?? nil) }
        }
    }

    private func act(_ client: Client, _ workload: String, _ count: Int?, _ ledger: inout ScaleLedger) {
        do throws(ClusterError) {
            let (from, to) = try change(client, workload, &ledger, count)
            if count == nil, ledger.forget(workload) { try save(client, workload, nil) }
            if to != from { hear(.scaled(workload: workload, from: from, to: to)) }
        } catch {
            hear(.failed(workload: workload, error.description))
            // Tried again with the next look, unless something newer is wanted by then.
            state.withLock { state in
                state.counts.failures += 1
                if state.wanted[workload] != nil { state.changed.insert(workload) }
            }
        }
    }

    /// Reads the scale, and patches it if it is to be another one; again when somebody was faster.
    private func change(
        _ client: Client, _ workload: String, _ ledger: inout ScaleLedger, _ count: Int?
    ) throws(ClusterError) -> (from: Int, to: Int) {
        let parts = workload.split(separator: "/").map(String.init)
        guard parts.count == 2 else { throw ClusterError(description: "\(workload) is no namespace/name") }
        let path = "/apis/apps/v1/namespaces/\(parts[0])/deployments/\(parts[1])/scale"
        for _ in 0..<Self.attempts {
            let answer = try client.request("GET", path)
            guard answer.status == 200 else { throw ClusterError(description: Self.refusal("GET", path, answer)) }
            let (current, version) = try Self.scale(answer.body)
            let wanted = count.map { ledger.out(to: $0, from: current) } ?? ledger.back(workload, from: current)
            guard wanted != current else { return (current, current) }
            if count != nil, ledger.note(workload, from: current, to: wanted) {
                // First written, then done. Under attack what cannot be written is done all the same: until a restart this thread knows it.
                do throws(ClusterError) {
                    try save(client, workload, ledger.entries[workload])
                } catch {
                    hear(.failed(workload: workload, error.description))
                }
            }
            let patch = try client.request(
                "PATCH", path, "{\"metadata\":{\"resourceVersion\":\"\(version)\"},\"spec\":{\"replicas\":\(wanted)}}")
            switch patch.status {
            case 200..<300:
                state.withLock { $0.counts.patches += 1 }
                return (current, wanted)
            case 409: state.withLock { $0.counts.conflicts += 1 }
            default: throw ClusterError(description: Self.refusal("PATCH", path, patch))
            }
        }
        throw ClusterError(description: "\(path): others changed it \(Self.attempts) times in a row")
    }

    static func refusal(_ method: String, _ path: String, _ answer: Client.Answer) -> String {
        let hint =
            switch answer.status {
            case 401: "; is the service account's token valid?"
            case 403: "; its role lacks that: manifests/base/rbac.yaml"
            case 404: "; there is no such Deployment"
            default: ""
            }
        return "\(method) \(path): \(answer.status)\(hint)"
    }

    /// autoscaling/v1 Scale: metadata.resourceVersion and spec.replicas (left out when it is 0).
    private static func scale(_ body: [UInt8]) throws(ClusterError) -> (replicas: Int, version: String) {
        var parser = JSONParser()
        do throws(JSONError) {
            return unsafe try parser.object(body.span.bytes) { object throws(JSONError) in
                let version = try object.object("metadata") { metadata throws(JSONError) in try metadata.string("resourceVersion") }
                guard version.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 34 && $0 != 92 }) else {
                    throw JSONError("metadata.resourceVersion", .wrongValue(wanted: "a version"))
                }
                let replicas = try object.object("spec") { spec throws(JSONError) in try spec.optionalInteger("replicas") ?? 0 }
                return (replicas, version)
            }
        } catch { throw ClusterError(description: "a Scale that cannot be read: \(error)") }
    }

    /// Nodes' addresses and pod networks, for the allow-list.
    private func look(_ client: Client) {
        guard let answer = try? client.request("GET", "/api/v1/nodes"), answer.status == 200 else { return }
        var parser = JSONParser(maximumSize: 4 << 20, maximumItems: 400_000), found: Set<Prefix> = []
        unsafe try? parser.object(answer.body.span.bytes) { list throws(JSONError) in
            try list.objects("items") { node throws(JSONError) in
                if node.has("spec") {
                    try node.object("spec") { spec throws(JSONError) in
                        if spec.has("podCIDRs") { for text in try spec.strings("podCIDRs") { Prefix(text).map { _ = found.insert($0) } } }
                    }
                }
                try node.object("status") { status throws(JSONError) in
                    guard status.has("addresses") else { return }
                    try status.objects("addresses") { entry throws(JSONError) in
                        if let address = Address(try entry.string("address")) { found.insert(Prefix(address, length: 128)) }
                    }
                }
            }
        }
        if !found.isEmpty { state.withLock { $0.nodes = found } }
    }
}
