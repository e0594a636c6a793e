internal import AgentCore
internal import BPF
internal import Linux
internal import Log
internal import Units
internal import Vocabulary
internal import Wire

/// The interfaces that the probe is on: those that the patterns name, or those of the default routes, as they come and go.
struct Watch {
    /// Why an interface that should be watched is not, and when that is tried again.
    struct Failure {
        let interface: Interface
        var reason: String
        var attempts = 0
        var retryAt: UInt64 = 0
    }

    /// An interface that is not watched and looks as if it should be.
    struct Unwatched: Equatable {
        let name: String
        let why: String
    }

    let patterns: [String]
    let method: Attachment.Method?
    let attacher: Attacher
    var held: [UInt32: Held] = [:]
    /// Asked for, and no answer yet.
    var pending: [UInt32: Interface] = [:]
    /// What the start left to be done.
    var atStart: Set<UInt32> = []
    private var failures: [UInt32: Failure] = [:]
    /// As of the last listing: a name may change.
    private var names: [UInt32: String] = [:]
    /// Of a kind whose frames we cannot read.
    private var unreadable: [UInt32: Interface] = [:]
    /// Taken away by somebody, and not put back yet.
    private var lost: Set<UInt32> = []
    var programs: HookPrograms?
    private var visibility = Visibility()
    private(set) var directions = OneWay()
    private var lookedAt: UInt64 = 0
    private(set) var unwatched: [Unwatched] = []
    private(set) var putBack = 0
    private(set) var failedAttempts = 0
    private(set) var failedListings = 0
    private var listingFailed = false
    private var isListing = false
    private var attachedNow: [String] = [], failedNow: [String] = []

    /// A start takes no longer than that; what is left is attached while the loop runs. Nanoseconds.
    static let startBudget: UInt64 = 1_000_000_000
    /// Before a failed attachment is tried again, doubled each time. Nanoseconds.
    private static let firstPatience: UInt64 = 1_000_000_000, longestPatience: UInt64 = 60_000_000_000

    init(patterns: [String], method: Attachment.Method?, attacher: Attacher) {
        self.patterns = patterns
        self.method = method
        self.attacher = attacher
    }

    /// By their names of now.
    var interfaces: [Interface] { held.keys.map { Interface(name: name(of: $0), index: $0) }.sorted { $0.name < $1.name } }
    var failed: [Failure] { failures.values.sorted { $0.interface.name < $1.interface.name } }
    var attachMethod: String { held.values.first?.method.rawValue ?? "none" }
    /// At least one is a clsact filter, which only netlink takes away.
    var needsNetlink: Bool { held.values.contains { $0.method == .clsact } }
    func name(of index: UInt32) -> String { names[index] ?? held[index]?.interface.name ?? "" }

    /// Attached, and yet they carry frames of which the probe sees none.
    var blind: [String] { visibility.blind.map { name(of: $0) } }

    /// Names for a line that people read.
    var described: String {
        Self.described(interfaces.map(\.name))
    }

    private static func described(_ names: [String]) -> String {
        let shown = names.prefix(32).joined(separator: ",")
        return names.count > 32 ? "\(shown) and \(names.count - 32) more" : shown
    }

    /// Why this node does not see all that it should; `nil` when it does.
    var lacks: String? {
        if held.isEmpty { return "nothing is attached" }
        if !atStart.isEmpty { return "\(atStart.count) interfaces are not attached yet" }
        if let first = failed.first { return "\(first.reason)\(failures.count > 1 ? "; and \(failures.count - 1) more" : "")" }
        // A pattern takes what it finds, and an uplink that cannot be read is one that nobody watches.
        if patterns.isEmpty, let first = unreadable.values.first { return Self.refusal(first) }
        return nil
    }

    // MARK: As interfaces come and go

    /// Who else looks at an interface's frames. Only the start may ask (CAP_NET_ADMIN); of many interfaces these are enough to know who
    /// is here.
    static let neighboursSought = 64

    func sayNeighbours(of interface: Interface, _ log: Log) {
        guard let ours = programs?.ids else { return }
        for hook in HookEntry.Hook.allCases {
            guard let all = Neighbours.on(interface.index, hook),
                let place = all.firstIndex(where: { ours.contains($0.program) })
            else { continue }
            func fields(_ others: [HookEntry]) -> [(String, String)] {
                [("interface", interface.name), ("hook", hook.rawValue), ("others", others.map(\.description).joined(separator: ", "))]
            }
            let front = all[..<place].filter { !$0.isAgents }, behind = all[(place + 1)...].filter { !$0.isAgents }
            if !front.isEmpty {
                log.write(.warning, "others are in front of the probe, which does not see what they keep", fields(front))
            }
            if !behind.isEmpty { log.write(.info, "others are behind the probe", fields(behind)) }
        }
    }

    /// Has the interfaces listed; what follows comes with the list, to `settle`.
    mutating func follow() {
        guard !isListing else { return }
        isListing = true
        attacher.list()
    }

    private mutating func follow(_ listing: Result<Attacher.Listing, Errno>, _ log: Log) {
        isListing = false
        switch listing {
        case .success(let listing):
            listingFailed = false
            follow(listing.links, listing.uplinks, log)
        case .failure(let error):
            // Nothing is known, which is not the same as that nothing is there.
            failedListings += 1
            if !listingFailed {
                log.write(.warning, "the interfaces cannot be listed; those that are watched stay so", [("reason", "\(error)")])
            }
            listingFailed = true
        }
    }

    /// Attaches what is new and lets go of what does not exist any more. An interface that does is kept, whatever its routes are.
    private mutating func follow(_ links: [Link], _ uplinks: Uplinks, _ log: Log) {
        guard let programs else { return }
        names = Dictionary(links.map { ($0.interface.index, $0.interface.name) }) { $1 }
        let present = Set(names.keys)
        let gone = held.filter { !present.contains($0.key) }
        for (index, held) in gone {
            self.held[index] = nil
            visibility.forget(index)
            log.write(.info, "let go", [("interface", held.interface.name)])
        }
        if !gone.isEmpty { attacher.letGo(Array(gone.values)) }
        failures = failures.filter { present.contains($0.key) }
        unreadable = unreadable.filter { present.contains($0.key) }
        lost.formIntersection(present)
        let now = Clock.monotonic
        var orders: [Attacher.Order] = []
        for link in Self.chosen(links, uplinks, patterns) {
            let index = link.interface.index
            guard held[index] == nil, pending[index] == nil, unreadable[index] == nil else { continue }
            if let failure = failures[index], failure.retryAt > now { continue }
            if link.kind == .unreadable {
                refuse(link, log)
            } else {
                pending[index] = link.interface
                orders.append(Attacher.Order(interface: link.interface, isRaw: link.kind == .ip, programs: programs, method: method))
            }
        }
        if !orders.isEmpty { attacher.attach(orders) }
        lookOut(uplinks, log)
    }

    /// What must be followed though nothing was heard of it.
    var isDue: Bool {
        let now = Clock.monotonic
        return listingFailed || failures.contains { pending[$0.key] == nil && $0.value.retryAt <= now }
    }

    /// What the thread has done. True when something has to be followed.
    /// - Parameter seen: what the probe has seen on an interface; `nil` where it does not count.
    mutating func settle(_ log: Log, seen: (UInt32) -> InterfaceCounts?) -> Bool {
        var again = false
        attachedNow = []
        for outcome in attacher.take() {
            again = settle(outcome, isStart: false, log) || again
            if case .listed(.success(let listing)) = outcome, look(at: listing.links, seen, log) { again = true }
        }
        sayFailures(log)
        // Of a burst one line.
        if attachedNow.count > 3 {
            log.write(.info, "attached", [("interfaces", Self.described(attachedNow)), ("count", "\(attachedNow.count)")])
        } else {
            for name in attachedNow { log.write(.info, "attached", [("interface", name)]) }
        }
        return again
    }

    mutating func sayFailures(_ log: Log) {
        guard let first = failedNow.first else { return }
        log.write(.error, "\(first); it is tried again", failedNow.count > 1 ? [("others", "\(failedNow.count - 1)")] : [])
        failedNow = []
    }

    @discardableResult
    mutating func settle(_ outcome: Attacher.Outcome, isStart: Bool, _ log: Log) -> Bool {
        switch outcome {
        case .attached(let new, let programs):
            let index = new.interface.index
            pending[index] = nil
            atStart.remove(index)
            held[index] = new
            let wasLost = lost.remove(index) != nil
            failures[index] = nil
            if wasLost {
                putBack += 1
                log.write(.info, "put back", [("interface", new.interface.name)])
            } else if !isStart {
                attachedNow.append(new.interface.name)
            }
            // The mode may have changed meanwhile.
            guard let current = self.programs, current != programs else { return false }
            do throws(ProbeError) { try new.use(current) } catch { log.write(.error, "\(error)") }
        case .failed(let interface, let error):
            pending[interface.index] = nil
            atStart.remove(interface.index)
            failedAttempts += 1
            var failure = failures[interface.index] ?? Failure(interface: interface, reason: "")
            if failure.reason != error.description { failedNow.append(error.description) }
            failure.reason = error.description
            failure.retryAt = Clock.monotonic + min(Self.firstPatience << UInt64(min(failure.attempts, 10)), Self.longestPatience)
            failure.attempts += 1
            failures[interface.index] = failure
        case .listed(let listing): follow(listing, log)
        case .lost(let old):
            let index = old.interface.index
            guard held[index] === old else { return false }
            held[index] = nil
            attacher.letGo([old])
            lost.insert(index)
            log.write(.warning, "somebody took the probe from an interface; it is put back", [("interface", old.interface.name)])
            return true
        }
        return false
    }

    /// Between two readings of what interfaces carry. Nanoseconds.
    private static let lookNanoseconds: UInt64 = 9_000_000_000

    /// True when something has to be followed.
    private mutating func look(at links: [Link], _ seen: (UInt32) -> InterfaceCounts?, _ log: Log) -> Bool {
        guard Clock.monotonic &- lookedAt > Self.lookNanoseconds else { return false }
        lookedAt = Clock.monotonic
        var again = false, all: [UInt32: InterfaceCounts] = [:]
        for link in links {
            let index = link.interface.index
            guard let old = held[index], let seen = seen(index) else { continue }
            all[index] = seen
            guard let finding = visibility.note(index, frames: link.frames, seen: seen.frames) else { continue }
            switch finding {
            case .sees: log.write(.info, "the probe sees the interface's frames again", [("interface", link.interface.name)])
            case .blind(let frames):
                // Who came after us and stands in front is behind again when we come anew.
                log.write(
                    .warning, "the probe sees none of the interface's frames; it is attached anew, in front of whoever keeps them",
                    [
                        ("interface", link.interface.name), ("frames", "\(frames)")
                    ])
                held[index] = nil
                lost.insert(index)
                attacher.letGo([old])
                again = true
            }
        }
        for finding in directions.note(all) { say(finding, log) }
        return again
    }

    /// Whether each attachment is still where it was; what is not comes back as an outcome.
    func check() { attacher.check(Array(held.values)) }

    mutating func enforce(_ programs: HookPrograms) throws(ProbeError) {
        guard self.programs != nil else { return }
        self.programs = programs
        for one in held.values { try one.use(programs) }
    }

    /// Off all interfaces. The kernel may take its time with many, and nobody waits for it.
    mutating func letGo() {
        let all = Array(held.values)
        held = [:]
        // Nothing is followed from now on.
        programs = nil
        guard all.count >= Attacher.burst else { return all.forEach { $0.letGo() } }
        GracePeriods.expedited { isExpedited in
            if isExpedited { return all.forEach { $0.letGo() } }
            let links = all.flatMap { $0.giveUp() }
            if !Descriptors.abandon(links) { Descriptors.close(links) }
        }
    }

    // MARK: Which

    static func chosen(_ links: [Link], _ uplinks: Uplinks, _ patterns: [String]) -> [Link] {
        patterns.isEmpty ? uplinks.routed : links.filter { Interfaces.matches($0.interface.name, patterns) }
    }

    static func refusal(_ interface: Interface, _ type: UInt16? = nil) -> String {
        "\(interface.name): frames of its kind\(type.map { " (link type \($0))" } ?? "") cannot be read, so it is not watched"
    }

    mutating func refuse(_ link: Link, _ log: Log) {
        unreadable[link.interface.index] = link.interface
        log.write(.warning, Self.refusal(link.interface, link.type))
    }

    /// What looks like a way out of this node and is not watched.
    mutating func lookOut(_ uplinks: Uplinks, _ log: Log) {
        let found = uplinks.all.filter { held[$0.link.interface.index] == nil && pending[$0.link.interface.index] == nil }
            .map { Unwatched(name: $0.link.interface.name, why: $0.why) }
        for one in found where !unwatched.contains(one) {
            log.write(.warning, "not watched, and looks like an uplink", [("interface", one.name), ("why", one.why)])
        }
        unwatched = found
    }
}
