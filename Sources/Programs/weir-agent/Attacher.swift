internal import BPF
internal import Glibc
internal import Linux
internal import Synchronization

/// An attachment that the loop knows and a thread of its own makes, looks after and lets go.
final class Held: Sendable {
    let interface: Interface
    let method: Attachment.Method
    private let attachment: Mutex<Attachment?>

    init(_ interface: Interface, _ attachment: consuming Attachment) {
        self.interface = interface
        method = attachment.method
        self.attachment = Mutex(attachment)
    }

    func use(_ programs: HookPrograms) throws(ProbeError) {
        try attachment.withLock { held throws(ProbeError) in try held?.use(programs, name: interface.name) }
    }

    /// False when somebody took it from the interface.
    var holds: Bool { attachment.withLock { $0?.holds ?? true } }

    func letGo() { attachment.withLock { $0 = nil } }

    /// Its links, for somebody else to close. Nothing when there are none: then it has been let go.
    func giveUp() -> [CInt] {
        attachment.withLock { held in
            guard let taken = held.take() else { return [] }
            return taken.giveUp() ?? []
        }
    }
}

/// Attaches and lets go on a thread of its own. The kernel waits for a grace period at each hook of each interface, 9 to 16 ms, and the
/// loop
/// must not: verdicts wait for it.
final class Attacher: Sendable {
    struct Order: Sendable {
        let interface: Interface
        let isRaw: Bool
        let programs: HookPrograms
        let method: Attachment.Method?
    }

    struct Listing: Sendable {
        let links: [Link]
        let uplinks: Uplinks

        /// A list of a thousand interfaces takes milliseconds, and waits for whoever changes one.
        init() throws(Errno) {
            links = try Interfaces.links()
            uplinks = try Interfaces.uplinks(among: links)
        }
    }

    enum Outcome: Sendable {
        case attached(Held, HookPrograms)
        case failed(Interface, ProbeError)
        /// Somebody took it away.
        case lost(Held)
        /// What there is, or why that cannot be told.
        case listed(Result<Listing, Errno>)
    }

    private enum Work: Sendable {
        case attach([Order])
        case letGo([Held])
        case check([Held])
        case list
    }

    /// A burst from so many on is worth the machine's switch.
    static let burst = 8

    /// Open files that are not for links: pages, brokers, lists of interfaces, and at the start the maps once more for each part of the
    /// probe that is being loaded.
    private static var reserve: Int { Descriptors.areFew ? 128 : 512 }

    private let work = Mutex<[Work]>([])
    private let outcomes = Mutex<[Outcome]>([])
    private let wake: EventCounter
    private let done: EventCounter
    private let owner: UInt32

    /// - Parameter owner: as `Attachment` wants it.
    init(owner: UInt32) throws(Errno) {
        wake = try EventCounter(blocking: true)
        done = try EventCounter()
        self.owner = owner
    }

    /// Once the capabilities are given up, for a thread inherits what its maker has.
    func start() {
        var thread = pthread_t()
        let me = unsafe Unmanaged.passRetained(self)
        unsafe pthread_create(&thread, nil, attacherThread, me.toOpaque())
        pthread_detach(thread)
    }

    /// Readable when there are outcomes.
    var eventDescriptor: CInt { done.eventDescriptor }

    func take() -> [Outcome] {
        done.take()
        return outcomes.withLock { outcomes in
            defer { outcomes = [] }
            return outcomes
        }
    }

    func attach(_ orders: [Order]) { add(.attach(orders)) }
    func letGo(_ held: [Held]) { add(.letGo(held)) }
    /// What of these is not on its interface any more comes back as lost.
    func check(_ held: [Held]) { add(.check(held)) }

    /// What there is comes back as an outcome.
    func list() { add(.list) }

    private func add(_ item: Work) {
        work.withLock { $0.append(item) }
        wake.raise()
    }

    private func say(_ found: [Outcome]) {
        guard !found.isEmpty else { return }
        outcomes.withLock { $0 += found }
        done.raise()
    }

    /// One after the other: the kernel lets only one thread change a hook at a time anyway.
    /// - Parameter end: the clock's, after which the rest is left.
    /// - Returns: outcomes, and what was left.
    func attachNow(_ orders: [Order], until end: UInt64 = .max) -> (outcomes: [Outcome], left: [Order]) {
        orders.count >= Self.burst ? GracePeriods.expedited { _ in each(orders, until: end) } : each(orders, until: end)
    }

    private func each(_ orders: [Order], until end: UInt64) -> (outcomes: [Outcome], left: [Order]) {
        var found: [Outcome] = []
        // Asked once for all: a machine has thousands of sockets.
        let alive = PeerSocket.all
        var room = Descriptors.left - Self.reserve
        for (index, order) in orders.enumerated() {
            guard Clock.monotonic < end else { return (found, Array(orders[index...])) }
            do throws(ProbeError) {
                guard room >= 2 else {
                    throw ProbeError(
                        Errno(rawValue: EMFILE),
                        "\(order.interface.name): attaching the probe: too few open files are allowed (RLIMIT_NOFILE)")
                }
                room -= 2
                let attachment = try Attachment(
                    order.programs, interface: order.interface.index, name: order.interface.name, isRaw: order.isRaw, method: order.method,
                    owner: owner, isAlive: alive.contains)
                found.append(.attached(Held(order.interface, attachment), order.programs))
            } catch {
                found.append(.failed(order.interface, error))
            }
        }
        return (found, [])
    }

    fileprivate func run() {
        while true {
            wake.take()
            let items = work.withLock { work in
                defer { work = [] }
                return work
            }
            for item in items {
                switch item {
                case .attach(let orders):
                    var left = orders
                    // Told of in between, so that a long list is watched as it grows.
                    while !left.isEmpty {
                        let found: [Outcome]
                        (found, left) = attachNow(left, until: Clock.monotonic + 100_000_000)
                        say(found)
                    }
                case .letGo(let held):
                    func all() { for one in held { one.letGo() } }
                    if held.count >= Self.burst { GracePeriods.expedited { _ in all() } } else { all() }
                case .list:
                    do throws(Errno) { say([.listed(.success(try Listing()))]) } catch { say([.listed(.failure(error))]) }
                case .check(let held):
                    say(held.filter { !$0.holds }.map { .lost($0) })
                }
            }
        }
    }
}

private func attacherThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument = unsafe argument else { return nil }
    unsafe Unmanaged<Attacher>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
