package import Messages

extension MessageReader {
    /// What a report, or an agent's page, says of signed policies; `nil` where it says nothing.
    package static func bundles(in object: borrowing JSONObject) throws(JSONError) -> NodeStatus.Bundles? {
        try object.optionalObject("bundles") { member throws(JSONError) in
            var bundles = NodeStatus.Bundles()
            bundles.running = try member.optionalObject("running", bundle)
            bundles.waiting = try member.optionalObject("waiting", bundle)
            bundles.refused = try member.optionalObject("refused") { refused throws(JSONError) in
                NodeStatus.Bundles.Refused(
                    reason: try refused.string("reason"), sequence: try refused.optionalInteger("sequence"),
                    digest: try refused.optionalString("digest"))
            }
            return bundles
        }
    }

    private static func bundle(_ object: borrowing JSONObject) throws(JSONError) -> NodeStatus.Bundle {
        NodeStatus.Bundle(
            name: try object.string("name"), sequence: try object.integer("sequence"), digest: try object.string("digest"),
            key: try object.string("key"), canaryPercent: try object.integer("canary_percent", in: 1...100))
    }
}
