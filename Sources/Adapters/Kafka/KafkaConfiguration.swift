internal import CKafka
internal import Glibc
internal import Linux

/// Where the brokers are, and what else librdkafka should know: TLS, credentials, tuning.
package struct KafkaConfiguration: Sendable, Equatable {
    package struct Property: Sendable, Equatable {
        package let name: String
        package let value: String
    }

    /// What is wrong with a bootstrap list or a properties file, in one line that names the place.
    package struct Problem: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
        package init(description: String) { self.description = description }
    }

    /// In the order given; the last of a name wins.
    package private(set) var properties: [Property] = []
    /// What properties name that is in memory only.
    var held: HeldFiles?

    /// Knows no broker yet: a file may name them.
    package init() {}

    /// - Parameter bootstrap: `host:port[,host:port...]`; `[address]:port` for IPv6.
    package init(bootstrap: String) throws(Problem) {
        for broker in bootstrap.split(separator: ",", omittingEmptySubsequences: false) {
            guard let colon = broker.lastIndex(of: ":"), colon != broker.startIndex,
                let port = UInt16(broker[broker.index(after: colon)...]), port > 0
            else {
                throw Problem(
                    description: "'\(bootstrap)' is not a list of brokers: HOST:PORT[,HOST:PORT...] is wanted, and '\(broker)' is none")
            }
        }
        properties = [Property(name: "bootstrap.servers", value: bootstrap)]
    }

    /// Adds the properties of a file: `name=value` lines as librdkafka knows them, `#` comments, empty lines. It may name the brokers
    /// too; what `--kafka` said wins. `sasl.password.file=PATH` and the like name a file that holds a secret.
    ///
    /// Each property is tried on librdkafka at once, so that a mistake is found at start and named with its line.
    package mutating func load(_ path: String) throws(Problem) {
        guard let text = Self.read(path).map({ String(decoding: $0, as: UTF8.self) }) else {
            throw Problem(description: "\(path): \(Errno.current)")
        }
        let trial = unsafe rd_kafka_conf_new()!
        defer { unsafe rd_kafka_conf_destroy(trial) }
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            guard let first = line.first, first != "#" else { continue }
            func problem(_ what: String) -> Problem { Problem(description: "\(path):\(index + 1): \(what)") }
            guard let equals = line.firstIndex(of: "=") else { throw problem("'\(line)' is not name=value") }
            var name = String(line[..<equals].trimmed), value = String(line[line.index(after: equals)...].trimmed)
            if let secret = Self.secret(of: name) {
                do throws(Problem) { (name, value) = (secret, try Self.secret(at: value)) } catch { throw problem("\(name): \(error)") }
            }
            guard !Self.ours.contains(name) else { throw problem("\(name): weir sets this itself, because delivery depends on it") }
            if let message = unsafe Self.set(trial, name, value) { throw problem("\(name): \(message)") }
            if name == "bootstrap.servers", properties.contains(where: { $0.name == name }) { continue }
            properties.append(Property(name: name, value: value))
        }
    }

    /// One more property, checked only when a handle is made of it.
    package func with(_ name: String, _ value: String) -> KafkaConfiguration {
        var copy = self
        copy.properties.append(Property(name: name, value: value))
        return copy
    }

    package func value(of name: String) -> String? { properties.last { $0.name == name }?.value }

    /// What at-least-once delivery and this module's event loop rest on.
    private static let ours: Set<String> = [
        "acks", "request.required.acks", "enable.idempotence", "message.timeout.ms", "delivery.timeout.ms", "enable.auto.commit",
        "enable.auto.offset.store", "auto.offset.reset", "enable.partition.eof", "partition.assignment.strategy", "log.queue",
        "statistics.interval.ms", "isolation.level", "transactional.id"
    ]

    /// `nil`, or librdkafka's message.
    static func set(_ conf: OpaquePointer, _ name: String, _ value: String) -> String? {
        // The buffer is ours for the call, and the library ends its text with a zero.
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
            let result = unsafe rd_kafka_conf_set(conf, name, value, buffer.baseAddress, buffer.count)
            return result == RD_KAFKA_CONF_OK ? nil : unsafe String(cString: buffer.baseAddress!)
        }
    }

    /// `nil` when it cannot be read; then `Errno.current` says why.
    static func read(_ path: String) -> [UInt8]? {
        guard let file = unsafe try? FileDescriptor(owning: open(path, O_RDONLY | O_CLOEXEC)) else { return nil }
        // A properties file is a page or two; a megabyte of it is a mistake.
        var bytes = [UInt8](repeating: 0, count: 1 << 20), size = 0
        while size < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(file.rawValue, $0.baseAddress! + size, $0.count - size) }
            guard count >= 0 else { return nil }
            guard count > 0 else { break }
            size += count
        }
        return Array(bytes[..<size])
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var rest = self
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return rest.drop(while: \.isWhitespace)
    }
}
