import CKafka
@testable import Kafka
import Testing

/// Texts of librdkafka 2.0.2 with Apache Kafka 4.3 (`Tests/IntegrationTests/TroubleTests.swift` asks the real ones).
@Suite struct KafkaAdviceTests {
    static let troubles: [(rd_kafka_resp_err_t, String, String)] = [
        (
            RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "sasl_ssl://b:1/bootstrap: SASL authentication error: Authentication failed: Invalid username or password (after 303ms in state AUTH_REQ)",
            "sasl.password"
        ),
        (
            RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "sasl_ssl://b:1/bootstrap: SASL SCRAM-SHA-256 mechanism handshake failed: Broker: Unsupported SASL mechanism (after 3ms in state AUTH_HANDSHAKE)",
            "set sasl.mechanisms"
        ),
        (
            RD_KAFKA_RESP_ERR__SSL,
            "ssl://b:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: (after 14ms in state SSL_HANDSHAKE)",
            "ssl.ca.location"
        ),
        (
            RD_KAFKA_RESP_ERR__SSL,
            "ssl://b:1/bootstrap: SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading (after 2ms in state SSL_HANDSHAKE)",
            "does not speak TLS"
        ),
        (
            RD_KAFKA_RESP_ERR__TRANSPORT,
            "ssl://b:1/bootstrap: error:0A000126:SSL routines::unexpected eof while reading (after 2ms in state SSL_HANDSHAKE)",
            "does not speak TLS"
        ),
        (
            RD_KAFKA_RESP_ERR__TRANSPORT,
            "ssl://b:1/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: SSL alert number 42 (after 0ms in state APIVERSION_QUERY)",
            "refuses this client's certificate"
        ),
        (
            RD_KAFKA_RESP_ERR__TRANSPORT,
            "ssl://b:1/bootstrap: Receive failed: error:0A000416:SSL routines::sslv3 alert certificate unknown: SSL alert number 46",
            "refuses this client's certificate"
        ),
        (
            RD_KAFKA_RESP_ERR__TRANSPORT,
            "b:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, 1 identical error(s) suppressed)",
            "check that the broker runs"
        ),
        (RD_KAFKA_RESP_ERR__RESOLVE, "b:1/bootstrap: Failed to resolve 'b:1': Temporary failure in name resolution", "DNS"),
        (RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down", "check security.protocol"),
        (
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            "security-throttle-limits [0]: topic does not exist (Broker: Unknown topic or partition)", "manifests/kafka/topics.yaml"
        ),
        (
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "security-throttle-events: Broker: Topic authorization failed",
            "allow READ, WRITE and DESCRIBE"
        ),
        (RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "JoinGroup failed: Broker: Group authorization failed", "consumer group"),
        (
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, "Failed to acquire idempotence PID: Broker: Cluster authorization failed",
            "IDEMPOTENT_WRITE"
        )
    ]

    @Test("Each trouble has its reason in one line and what to do about it", arguments: troubles)
    func advice(code: rd_kafka_resp_err_t, text: String, part: String) throws {
        let error = KafkaError(code, text)
        #expect(try #require(error.advice).contains(part))
        #expect(!error.reason.contains("(after") && !error.reason.contains("brokers are down") && !error.reason.contains("\n"))
    }

    @Test("The last broker's loss is told with its cause; a cause that only a configuration mends is told of also later, each once")
    func outage() {
        let connection = Connection()
        let refused = KafkaError(RD_KAFKA_RESP_ERR__TRANSPORT, "b:1/1: Connect failed: Connection refused"),
            down = KafkaError(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down")
        let password = KafkaError(RD_KAFKA_RESP_ERR__AUTHENTICATION, "b:1/1: SASL authentication error: Invalid username or password")
        #expect(connection.lost(refused) == nil)
        #expect(connection.lost(down) == .disconnected(KafkaOutage(refused)))
        for _ in 0..<3 { #expect(connection.lost(refused) == nil && connection.lost(down) == nil) }
        #expect(connection.lost(password) == .disconnected(KafkaOutage(password)))
        for _ in 0..<3 { #expect(connection.lost(password) == nil && connection.lost(refused) == nil && connection.lost(down) == nil) }
        #expect(connection.works() == .connected && connection.works() == nil)
        #expect(connection.lost(down) == .disconnected(KafkaOutage(down)))
    }

    @Test("What somebody has to mend is told once for each topic, again after ten minutes, and at once when it was mended in between")
    func once() {
        var troubles = KafkaTroubles()
        let missing = [
            "limits [0]: topic does not exist", "limits [0]: desired partition is no longer available",
            "limits: Broker: Unknown topic or partition"
        ].map { KafkaError(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, $0) }
        let news = missing.map { troubles.isNews($0, at: 0) }
        #expect(news == [true, false, false])
        let other = troubles.isNews(
            KafkaError(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "events: Broker: Unknown topic or partition"), at: 1)
        let soon = troubles.isNews(missing[0], at: 599_000_000_000), later = troubles.isNews(missing[0], at: 600_000_000_000)
        troubles.clear()
        let mended = troubles.isNews(missing[0], at: 600_000_000_001)
        let connection = troubles.isNews(KafkaError(RD_KAFKA_RESP_ERR__TRANSPORT, "Connection refused"), at: 0)
        #expect(other && !soon && later && mended)
        #expect(!connection, "the connection's own are told of as its loss")
    }
}
