internal import BPF
internal import Linux
internal import Log

// How the interfaces that there are at the start come to be watched.
extension Watch {
    /// What there is to be watched.
    struct Selection: Sendable {
        let readable: [Link]
        let unreadable: [Link]
        let uplinks: Uplinks

        func orders(_ programs: HookPrograms, _ method: Attachment.Method?) -> [Attacher.Order] {
            readable.map { Attacher.Order(interface: $0.interface, isRaw: $0.kind == .ip, programs: programs, method: method) }
        }
    }

    /// Places on the hooks that are held already, by a program that lets every frame pass.
    struct Places {
        let held: [Held]
        /// Of the time for attaching at the start, nanoseconds. The verifier's does not count: it is not the interfaces that take it.
        let timeLeft: UInt64
    }

    /// Throws when that is nothing at all, or when it was asked for by its name and cannot be read.
    static func select(_ patterns: [String]) throws(ProbeError) -> Selection {
        let listing: Attacher.Listing
        do throws(Errno) { listing = try Attacher.Listing() } catch {
            throw ProbeError(error, "the interfaces cannot be listed: \(error)")
        }
        let wanted = chosen(listing.links, listing.uplinks, patterns)
        guard !wanted.isEmpty else {
            let there = listing.links.map(\.interface.name).prefix(32).joined(separator: ", ")
            let asked =
                patterns.isEmpty
                ? "no default route to take an interface from"
                : "\(patterns.joined(separator: ", ")): no such interface"
            throw ProbeError(.noEntry, "\(asked); there are \(there)")
        }
        let readable = wanted.filter { $0.kind != .unreadable }, unreadable = wanted.filter { $0.kind == .unreadable }
        for link in unreadable where readable.isEmpty || patterns.contains(link.interface.name) {
            throw ProbeError(.noEntry, refusal(link.interface, link.type))
        }
        return Selection(readable: readable, unreadable: unreadable, uplinks: listing.uplinks)
    }

    /// Takes places on TCX hooks, which takes a grace period each. Nothing where clsact is asked for: there a successor's filter takes
    /// the place of a killed agent's, which goes on limiting until that moment.
    static func takePlaces(_ selection: Selection, _ method: Attachment.Method?, _ attacher: Attacher) throws(ProbeError) -> Places? {
        guard method != .clsact else { return nil }
        let placeholder = try Placeholder(), end = Clock.monotonic + startBudget
        let (outcomes, _) = attacher.attachNow(selection.orders(placeholder.hooks, .tcx), until: end)
        let now = Clock.monotonic
        return Places(
            held: outcomes.compactMap { if case .attached(let held, _) = $0 { held } else { nil } },
            timeLeft: end > now ? end - now : 0)
    }

    /// Attaches what was selected. Throws when nothing of it can be.
    mutating func begin(_ selection: Selection, _ programs: HookPrograms, _ places: Places?, _ log: Log) throws(ProbeError) {
        self.programs = programs
        for link in selection.unreadable { refuse(link, log) }
        var outcomes: [Attacher.Outcome] = [], placed: Set<UInt32> = []
        for held in places?.held ?? [] {
            do throws(ProbeError) {
                try held.use(programs)
                outcomes.append(.attached(held, programs))
            } catch {
                held.letGo()
                outcomes.append(.failed(held.interface, error))
            }
            placed.insert(held.interface.index)
        }
        // The others: without TCX, gone by now, or too many for the time.
        let orders = selection.orders(programs, method).filter { !placed.contains($0.interface.index) }
        let end = Clock.monotonic + (places?.timeLeft ?? Self.startBudget)
        let (others, left) = orders.isEmpty ? ([], []) : attacher.attachNow(orders, until: end)
        outcomes += others
        var firstError: ProbeError?
        for outcome in outcomes {
            if case .failed(_, let error) = outcome, firstError == nil { firstError = error }
            settle(outcome, isStart: true, log)
        }
        if held.isEmpty, let firstError { throw firstError }
        sayFailures(log)
        if !left.isEmpty {
            for order in left { pending[order.interface.index] = order.interface }
            atStart = Set(left.map(\.interface.index))
            attacher.attach(left)
            log.write(
                .warning, "the kernel takes long to attach; the rest follows while those that are attached are watched",
                [("attached", "\(held.count)"), ("left", "\(left.count)"), ("why", "/sys/kernel/rcu_expedited cannot be written")])
        }
        lookOut(selection.uplinks, log)
        for one in interfaces.prefix(Self.neighboursSought) { sayNeighbours(of: one, log) }
    }

    /// Selects and attaches.
    mutating func start(_ programs: HookPrograms, _ log: Log) throws(ProbeError) { try begin(Self.select(patterns), programs, nil, log) }
}
