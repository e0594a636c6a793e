package import Detection
package import Units

/// How far one node has come with the limits topic, and what it does with what it read there: enough to answer "has node X my limit?".
/// On `security-throttle-nodes`, keyed by the node's name (schema `weir.dev/node-status/v1`); a tombstone is a clean stop.
package struct NodeStatus: Sendable, Equatable {
    /// Why a limit that stands on the topic does not hold on this node.
    package enum Reason: String, Sendable, CaseIterable {
        /// The node's own allow-list covers it.
        case allowed
        /// A table of the node's is full.
        case noRoom = "no_room"
        /// The node could not read it: a newer version's, or none of ours.
        case notUnderstood = "not_understood"
        /// It covers more addresses, or ends later, or has a lower rate or a harder class or answer than the node's own policy allows.
        case tooWide = "too_wide", tooLong = "too_long", tooHard = "too_hard"
        /// The node's own policy limits for none of the anomalies that it claims.
        case notLimiting = "not_limiting"
        /// It comes from a rehearsal, and the node was not started for any.
        case rehearsal
        /// The topic brings more new sources than the node's policy lets it in a minute (trust.newLimits); it holds once a minute has room.
        case overBudget = "over_budget"
    }

    package struct Lack: Sendable, Equatable {
        package var key: Limit.Key
        package var reason: Reason
        package init(key: Limit.Key, reason: Reason) {
            self.key = key
            self.reason = reason
        }
    }

    package var node: String
    package var time: Instant
    /// When this run of the agent began.
    package var started: Instant
    package var version: String
    package var mode: Policy.Mode
    package var interfaces: [String]
    /// By which other nodes know this one, at most `mostAddresses`. Older agents write none.
    package var addresses: [Address] = []
    package var policyName: String
    package var policyVersion: String
    /// Everything on the limits topic before this offset has been applied. The topic has one partition, so this is the generation of
    /// the whole state; a limit's own `generation` counts that limit's versions and says nothing about another's.
    package var nextOffset: Int64
    /// Limits of the topic that hold here (in observe mode: that would).
    package var held = 0
    /// Limits that stand on the topic and do not hold here; `lacks` names the first of them.
    package var lacking = 0
    package var lacks: [Lack] = []
    /// Records of the topic that this run has not applied, those aside that were over when they were read.
    package var refused = 0

    /// What it does with signed policies; `nil` where it reads none, or is older.
    package var bundles: Bundles?

    /// How many of the limits that it lacks a node names: a record stays small whatever happens.
    package static let mostNamed = 32

    /// How many of its addresses a node publishes, and how many of them others believe.
    package static let mostAddresses = 16

    package init(
        node: String, time: Instant, started: Instant, version: String, mode: Policy.Mode, interfaces: [String], policyName: String,
        policyVersion: String, nextOffset: Int64
    ) {
        self.node = node
        self.time = time
        self.started = started
        self.version = version
        self.mode = mode
        self.interfaces = interfaces
        self.policyName = policyName
        self.policyVersion = policyVersion
        self.nextOffset = nextOffset
    }
}
