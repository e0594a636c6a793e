internal import CKafka

// What a person can do. librdkafka and OpenSSL name the cause in words of their own, and only there.

extension KafkaError {
    /// The message without the library's notes on how often and how soon.
    package var reason: String {
        // "1/1 brokers are down" says nothing that the line it stands in does not.
        if isAllBrokersDown { return "connections end without a word" }
        guard message.hasSuffix(")"), let note = message.range(ofLast: " (after ") else { return message }
        return String(message[..<note])
    }

    /// The configuration has to change, here or at the broker: waiting does not help.
    package var isOfConfiguration: Bool { isAuthentication || isSSL || (isTransport && isAboutCertificate) || isAuthorization }

    /// What to do about it; `nil` where the library goes on by itself, or the message says all.
    package var advice: String? {
        if isAuthentication {
            return message.contains("mechanism handshake failed") || message.contains("Unsupported SASL mechanism")
                ? "set sasl.mechanisms to one that the broker supports" : "check sasl.username, sasl.password and sasl.mechanisms"
        }
        if isAboutCertificate {
            return
                "the broker refuses this client's certificate: check ssl.certificate.location and ssl.key.location, and that the broker trusts their authority"
        }
        if isSSL {
            return message.contains("certificate verify failed")
                ? "ssl.ca.location must name the authority of the broker's certificate, and that certificate the host in bootstrap.servers"
                : "the broker does not speak TLS as expected: check security.protocol and the port in bootstrap.servers"
        }
        if isAuthorization { return authorizationAdvice }
        if isUnknownTopic {
            return
                "weir-controller makes missing topics where it has the permission; manifests/kafka/topics.yaml lists them with their settings"
        }
        switch code {
        case RD_KAFKA_RESP_ERR__RESOLVE.rawValue: return "check the host names in bootstrap.servers, and DNS"
        case RD_KAFKA_RESP_ERR__TRANSPORT.rawValue where message.contains("Connection refused"):
            return "check that the broker runs, and the port in bootstrap.servers"
        case RD_KAFKA_RESP_ERR__TRANSPORT.rawValue where message.contains("timed out"):
            return "check the network and its firewalls, and the addresses that the broker advertises"
        // Whoever speaks plain text to a port that expects TLS is disconnected, of which the library says nothing more.
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN.rawValue, RD_KAFKA_RESP_ERR__TRANSPORT.rawValue:
            return "the broker closes the connection: check security.protocol, which may have to be SSL or SASL_SSL"
        case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS.rawValue, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND.rawValue:
            return "fewer replicas are in sync than the topic's min.insync.replicas asks for"
        default: return nil
        }
    }

    private var authorizationAdvice: String {
        switch code {
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED.rawValue: "allow READ on the consumer group for this user"
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED.rawValue:
            "allow WRITE on the topics, or IDEMPOTENT_WRITE on the cluster, for this user"
        case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED.rawValue: "allow WRITE on the transactional id for this user"
        default: "allow READ, WRITE and DESCRIBE on this topic for this user"
        }
    }

    package var isAuthorization: Bool {
        [
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        ].contains { $0.rawValue == code }
    }

    private var isSSL: Bool {
        code == RD_KAFKA_RESP_ERR__SSL.rawValue || (isTransport && message.contains("SSL routines") && !isAboutCertificate)
    }

    /// The broker has looked at our certificate and ended the connection (RFC 8446 section 6.2: alerts 42 to 46, 48 and 116).
    private var isAboutCertificate: Bool {
        code == RD_KAFKA_RESP_ERR__SSL.rawValue || isTransport
            ? ["alert bad certificate", "alert unsupported certificate", "alert certificate", "alert unknown ca", "certificate required"]
                .contains { message.contains($0) } : false
    }

    /// It is about the connection to a broker, whatever the cause; the library keeps trying.
    package var isOfConnection: Bool { isBrokerDown || isAuthentication || isSSL }
}

/// Why no broker answers.
package struct KafkaOutage: Sendable, Equatable, CustomStringConvertible {
    package let reason: String
    package let advice: String?
    /// Waiting does not help.
    package let isOfConfiguration: Bool

    init(_ error: KafkaError) {
        isOfConfiguration = error.isOfConfiguration
        reason = error.reason
        advice = error.advice
    }

    package var description: String { advice.map { "\(reason); \($0)" } ?? reason }
}

/// Failures that somebody has to mend, each told once, and again when it is still there after ten minutes.
package struct KafkaTroubles {
    private var told: [String: UInt64] = [:]
    private static let capacity = 64
    private static let interval: UInt64 = 600_000_000_000

    package init() {}

    /// Whether this failure is to be told of now. The connection's own come as `KafkaNotice.disconnected`.
    /// - Parameter now: a monotonic clock, nanoseconds.
    package mutating func isNews(_ error: KafkaError, at now: UInt64) -> Bool {
        guard !error.isOfConnection, !error.isTimeout else { return false }
        let key = error.kind
        if let last = told[key], now - last < Self.interval { return false }
        if told.count >= Self.capacity { told.removeAll(keepingCapacity: true) }
        told[key] = now
        return true
    }

    /// What was wrong is mended: should it come again, it is news.
    package mutating func clear() { told.removeAll(keepingCapacity: true) }
}

extension KafkaError {
    /// The same for failures that one action mends: what to do, and the topic that it begins with.
    fileprivate var kind: String {
        advice.map { advice in "\(reason.split(separator: " ").first.map { $0.last == ":" ? $0.dropLast() : $0 } ?? ""): \(advice)" }
            ?? reason
    }
}

extension String {
    fileprivate func range(ofLast part: String) -> Index? {
        var found: Index?, rest = self[...]
        while let range = rest.firstRange(of: part) {
            found = range.lowerBound
            rest = rest[range.upperBound...]
        }
        return found
    }
}
