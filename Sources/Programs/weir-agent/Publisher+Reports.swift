extension Publisher {
    /// This node's reports of itself, and what became of them.
    struct Reports {
        var delivered = 0
        var lost = 0
        /// The queue was full; tried again at the next tick.
        var refused = 0
        /// One waits for its delivery. There is never a second: what a node was like while no broker answered is of no interest to anybody.
        var isUnderWay = false
        /// The last one will not arrive, and nobody has asked about it yet.
        var isLost = false
        /// There is something on the topic that a clean stop has to take back.
        var isKnown = false
    }
}
