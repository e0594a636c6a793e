/// Faults that are built in on request, one at a time, to see that the auditor finds each. None is in what Weir runs: they change
/// the models around the cores.
package enum Plant: String, CaseIterable, Sendable {
    /// Now and then an answer leaves that the gate had refused.
    case forgetsAnswers
    /// A node gives up one event in ten, and takes it for delivered.
    case losesEvents
    /// A node gives up one event in ten, says so, and counts nothing.
    case countsNothing
    /// A node tells one event in ten twice, under two ids.
    case doublesEvents
    /// What is released goes on in the kernel.
    case keepsReleased
    /// A node that starts does not know the limits of its disk.
    case forgetsDisk
    /// The kernel is not told whom it never limits.
    case ignoresAllowList
    /// One limit of the topic in three is taken for set, and is not.
    case ignoresOneLimit
    /// A node does not heed tombstones.
    case deafToTombstones
    /// A replica answers, and never commits.
    case neverCommits
    /// A successor begins where its predecessor ended, without the window before.
    case forgetsWindows
    /// A controller's limits end a day later than they should.
    case limitsForever
    /// An Envoy's list keeps what nothing limits any more.
    case edgeForgetsNothing
}
