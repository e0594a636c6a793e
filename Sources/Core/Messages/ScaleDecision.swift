package import Detection
package import Units

/// How many replicas of a workload are wanted, and why. When `until` passes and nothing renewed it, the previous count is wanted again.
/// On `security-scale-decisions`, keyed by `namespace/workload` (schema `weir.dev/scale-decision/v1`).
package struct ScaleDecision: Sendable, Equatable {
    package var workload: String
    package var desiredReplicas: Int
    package var previousReplicas: Int
    package var mode: Policy.Mode
    package var sourcePrefix: Prefix
    package var eventsInWindow: Int
    package var windowSeconds: Int
    package var moreThan: Int
    package var sourcesOver: Int
    package var until: Instant
    package var generation: Int
    package var traceID: String

    package init(
        workload: String, desiredReplicas: Int, previousReplicas: Int, mode: Policy.Mode, sourcePrefix: Prefix, eventsInWindow: Int,
        windowSeconds: Int, moreThan: Int, sourcesOver: Int, until: Instant, generation: Int, traceID: String
    ) {
        self.workload = workload
        self.desiredReplicas = desiredReplicas
        self.previousReplicas = previousReplicas
        self.mode = mode
        self.sourcePrefix = sourcePrefix
        self.eventsInWindow = eventsInWindow
        self.windowSeconds = windowSeconds
        self.moreThan = moreThan
        self.sourcesOver = sourcesOver
        self.until = until
        self.generation = generation
        self.traceID = traceID
    }
}
