package import Detection
package import Messages
package import Units
package import Wire

/// What a node's turn asks of the world that it runs in: a kernel and a disk (the agent), a capture (replay), a model of all (the
/// simulation). Calls come one after the other, in the order in which they are to be carried out, and none calls back into the
/// core.
package protocol NodeWorld: AnyObject {
    /// The records' clock, nanoseconds.
    var steady: UInt64 { get }
    var wall: Instant { get }
    /// The name of an interface, for events.
    func interface(_ index: UInt32) -> String

    /// Sets a limit in the kernel. False where its table has no room.
    func limit(_ key: LimitKey, _ entry: LimitEntry) -> Bool
    func release(_ key: LimitKey)
    /// Gives the kernel this policy, and the prefix lengths that it has to look for beyond the policy's own.
    func use(_ policy: Policy, lengths: [UInt8])
    /// What refuses is put on the interfaces, or taken from them.
    func enforce(_ enforcing: Bool)
    /// Never limits this block. False where the kernel's list is full.
    func allow(_ prefix: Prefix) -> Bool
    func disallow(_ prefix: Prefix)
    /// From now on the kernel knows this fingerprint by itself. False where its table is full.
    func deny(_ fingerprint: UInt64) -> Bool
    func admit(_ fingerprint: UInt64)

    /// Keeps a limit of the topic for the next run, or forgets it.
    func keep(_ limit: Limit)
    func forget(_ key: Limit.Key)
    func note(_ news: NodeNews)
}

/// What an operator may want to read of a node's turn.
package enum NodeNews: Sendable, Equatable {
    case allowListFull(Prefix)
    /// Limits of an earlier run hold until the topic has been read.
    case restored(limits: Int)
    /// The topic brought more new sources than the policy lets it; so many of the records wait for a minute that has room.
    case overBudget(limits: Int, waiting: Int)
}

/// What a hello's bytes tell by a hash, which the core has none of.
package protocol HelloFingerprints {
    init(_ policy: Policy)
    /// Whether the policy denies any.
    var isEmpty: Bool { get }
    /// - Parameter hello: its bytes, or nothing where they did not travel.
    mutating func find(_ handshake: Handshake, _ hello: RawSpan, at now: Instant) -> DenialFinding
    /// For an event about this verdict. Its own hash is the kernel's, which covers what JA4 covers; 0 where it has none.
    mutating func facts(of hello: RawSpan, _ handshake: Handshake) -> HelloFacts?
}

package enum DenialFinding: Sendable, Equatable {
    case nothing, thisHello
    /// And every other with this hash, until then; the kernel may know.
    case everyHello(until: Instant?)
}
