package import Detection

/// What only the hello's bytes tell, worked out outside this module.
package struct HelloFacts: Sendable, Equatable {
    package var serverName: String?
    package var alpn: [String]
    package var ja3: String?
    package var ja4: String?
    /// IANA's names, GREASE aside.
    package var groups: [String] = []
    package var keyShares: [String] = []
    package var encryptedHello: EncryptedHello?
    /// Of the flow, which needs no byte of the hello.
    package var communityID: String?

    package init(serverName: String? = nil, alpn: [String] = [], ja3: String? = nil, ja4: String? = nil) {
        self.serverName = serverName
        self.alpn = alpn
        self.ja3 = ja3
        self.ja4 = ja4
    }
}
