extension NodeStatus {
    /// A signed policy, as reports name it (docs/rollout.md).
    package struct Bundle: Sendable, Equatable {
        package var name: String
        package var sequence: Int
        package var digest: String
        /// The id of the key that signed it.
        package var key: String
        /// Percent of the nodes that it is for. Below 100 the node that runs it is one of its canaries.
        package var canaryPercent: Int

        package init(name: String, sequence: Int, digest: String, key: String, canaryPercent: Int) {
            (self.name, self.sequence, self.digest, self.key, self.canaryPercent) = (name, sequence, digest, key, canaryPercent)
        }
    }

    /// What a node does with signed policies.
    package struct Bundles: Sendable, Equatable {
        /// The last one that was refused since one was taken.
        package struct Refused: Sendable, Equatable {
            package var reason: String
            /// Both are `nil` where no signature holds: then nothing that it says is repeated.
            package var sequence: Int?
            package var digest: String?

            package init(reason: String, sequence: Int? = nil, digest: String? = nil) {
                (self.reason, self.sequence, self.digest) = (reason, sequence, digest)
            }
        }

        /// `nil` before the first: the built-in policy runs.
        package var running: Bundle?
        /// One that others try first.
        package var waiting: Bundle?
        package var refused: Refused?

        package init() {}

        /// As a member of a report or of a page.
        package func write(to json: inout JSONWriter) {
            func member(_ name: String, _ bundle: Bundle?, _ json: inout JSONWriter) {
                guard let bundle else { return json.null(name) }
                json.object(name) { json in
                    json.member("name", bundle.name)
                    json.member("sequence", bundle.sequence)
                    json.member("digest", bundle.digest)
                    json.member("key", bundle.key)
                    json.member("canary_percent", bundle.canaryPercent)
                }
            }
            json.object("bundles") { json in
                member("running", running, &json)
                member("waiting", waiting, &json)
                guard let refused else { return json.null("refused") }
                json.object("refused") { json in
                    json.member("reason", refused.reason)
                    json.member("sequence", refused.sequence)
                    json.member("digest", refused.digest)
                }
            }
        }
    }
}
