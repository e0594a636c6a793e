package import Arguments
package import Commands

// Signed policies: keys, bundles, and which node runs which.

/// How long bundles can be taken.
private let lives = Duration.seconds(1)...(.seconds(3650 * 86_400))
private let key = Option("key", .file, "the private key that signs")
private let sequence = Option<Int?>(
    "sequence", .number(1...Int(Int32.max)), "number of this bundle; nodes take none that is not above the key's last one")
private let expires = Option("expires", .duration(lives), "until when nodes take it; what runs stays beyond", standard: "30d")

/// A share of the nodes: `10%`.
private let share = Form<Int>("PERCENT") { text throws(WrongValue) in
    guard let value = Int(text.hasSuffix("%") ? String(text.dropLast()) : text), (1...100).contains(value), text.utf8.count <= 4 else {
        throw WrongValue("'\(text)'; a share is a whole number of percent from 1% to 100%")
    }
    return value
}

package struct PolicyKeygenOptions: OptionGroup {
    package let name = Positional("NAME", .text("NAME"), "of the files: NAME.key, which signs, and NAME.pub, which nodes get")
}

let policyKeygen = Command<WeirRequest>(
    "keygen", "a pair of keys for signed policies: Ed25519, in PEM as OpenSSL has it", PolicyKeygenOptions(),
    examples: [("weir policy keygen shop", "shop.key, which nobody else may read, and shop.pub")],
    request: WeirRequest.policyKeygen)

package struct PolicySignOptions: OptionGroup {
    package let key = WeirCommands.key
    package let sequence = WeirCommands.sequence
    package let expires = WeirCommands.expires
    package let canary = Option("canary", share, "share of the nodes that run it; the others wait", standard: "100%")
    package let nextKey = Option("next-key", .file, "instead of a policy: the public key that replaces the one that signs")
    package let file = Positional(optional: "POLICY", .file, "the policy; - is standard input")
}

let policySign = Command<WeirRequest>(
    "sign", "a policy as a signed bundle, on standard output", PolicySignOptions(),
    notes: [
        ("canary", "each bundle has other canaries: a node's place is a hash of its name and the bundle's digest"),
        ("next-key", "nodes that take it believe the next key, and never again the one that signed")
    ],
    examples: [
        ("weir policy sign --key shop.key --sequence 7 --canary 10% policy.yaml > 7.json", "for a tenth of the nodes"),
        ("weir policy sign --key shop.key --sequence 9 --next-key new.pub > 9.json", "a change of keys")
    ],
    request: WeirRequest.policySign)

package struct PolicyPromoteOptions: OptionGroup {
    package let key = WeirCommands.key
    package let sequence = WeirCommands.sequence
    package let expires = WeirCommands.expires
    package let bundle = Positional("BUNDLE", .file, "what its canaries run, or an earlier one, to return to it; - is standard input")
}

let policyPromote = Command<WeirRequest>(
    "promote", "a bundle's policy signed again, for all nodes: after its canaries, or to return to an earlier one", PolicyPromoteOptions(),
    examples: [
        ("weir policy promote --key shop.key 7.json > 8.json", "the next number, from what the canaries run"),
        ("weir policy promote --key shop.key --sequence 9 6.json > 9.json", "back to bundle 6's policy")
    ],
    request: WeirRequest.policyPromote)

package struct PolicyShowOptions: OptionGroup {
    package let keys = Option(repeatable: "key", .file, "a public key to verify it with; without one nothing is verified")
    package let text = Option(flag: "policy", "print the policy's text and nothing else")
    package let format = formatOption
    package let bundle = Positional("BUNDLE", .file, "what weir policy sign wrote; - is standard input")
}

let policyShow = Command<WeirRequest>(
    "show", "what a bundle says, and whether its signature holds; exit code 1 where it does not, or where the bundle has expired",
    PolicyShowOptions(),
    examples: [("weir policy show --key shop.pub 7.json", "verify and explain")],
    request: WeirRequest.policyShow)

package struct PolicyPublishOptions: OptionGroup {
    package let brokers = BrokerOptions()
    package let keys = Option(repeatable: "key", .file, "a public key to verify it with before")
    package let bundle = Positional("BUNDLE", .file, "what weir policy sign wrote; - is standard input")
}

let policyPublish = Command<WeirRequest>(
    "publish", "a bundle on the policies topic, which is made if it is not there", PolicyPublishOptions(),
    examples: [("weir policy publish --key shop.pub --kafka broker:9092 7.json", "to every node that follows the topic")],
    request: WeirRequest.policyPublish)

package struct PolicyStatusOptions: OptionGroup {
    package let brokers = BrokerOptions()
    package let port = agentPortOption
    package let format = formatOption
}

let policyStatus = Command<WeirRequest>(
    "status", "which bundle each node runs, waits for or has refused; without --kafka the agent of this machine", PolicyStatusOptions(),
    notes: [
        ("canary", "the node is one of those that try this bundle first"),
        ("waits", "the node has a bundle that others try first"),
        ("refused", "the last one that the node did not take since it took one, and why; what runs stays")
    ],
    examples: [
        ("weir policy status --kafka broker:9092", "every node"),
        ("weir policy status --format json", "this machine's agent")
    ],
    request: WeirRequest.policyStatus)
