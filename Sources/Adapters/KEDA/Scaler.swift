package import GRPC

/// KEDA's external scaler (package externalscaler, externalscaler.proto): the four released methods. It says how many replicas a workload wants, with a
/// target of one, which the autoscaler turns into exactly that many. Every replica of ours reads the same topic, so each gives the same answer.
///
/// A ScaledObject names its workload by `metadata: {workload: namespace/name}`, else it is the scaled object's own namespace and name.
package final class Scaler {
    package struct Wanted: Sendable, Equatable {
        package var replicas: Int
        /// A decision is in force.
        package var isActive: Bool
        package init(replicas: Int, isActive: Bool) {
            self.replicas = replicas
            self.isActive = isActive
        }
    }

    package struct Counts: Sendable, Equatable {
        package var streams = 0
        package var asked = 0
        package var pushes = 0
        package var unknown = 0
    }

    package static let metric = "weir-replicas"

    package private(set) var counts = Counts()
    private var wanted: [String: Wanted] = [:]
    private var isLoaded = false
    private var streams: [ObjectIdentifier: ActiveStream] = [:]

    package init() {}

    /// What each workload wants now. Streams hear of transitions only: a pushed `false` would be ignored, and a `true` wakes from none to one.
    package func set(_ wanted: [String: Wanted]) {
        isLoaded = true
        self.wanted = wanted
        for stream in streams.values { stream.push() }
    }

    package var methods: [String: Server.Method] {
        func answer(_ make: @escaping ([UInt8]) throws(Status) -> [UInt8]) -> Server.Method {
            { [self] (call) throws(Status) in
                Call.Handler(received: { bytes in
                    self.counts.asked += 1
                    do throws(Status) { call.finish(with: try make(bytes)) } catch {
                        self.counts.unknown += 1
                        call.finish(error)
                    }
                })
            }
        }
        return [
            "/externalscaler.ExternalScaler/IsActive": answer { [self] bytes throws(Status) in
                Self.active(try self.wanted(by: bytes[...]).isActive)
            },
            "/externalscaler.ExternalScaler/GetMetricSpec": answer { [self] bytes throws(Status) in
                _ = try self.wanted(by: bytes[...])
                // GetMetricSpecResponse: metricSpecs 1 { metricName 1, targetSize 2, targetSizeFloat 3 }.
                var writer = ProtobufWriter()
                writer.message(1) { spec in
                    spec.string(1, Self.metric)
                    spec.varint(2, 1)
                    spec.double(3, 1)
                }
                return writer.bytes
            },
            "/externalscaler.ExternalScaler/GetMetrics": answer { [self] bytes throws(Status) in
                // GetMetricsRequest: scaledObjectRef 1, metricName 2. GetMetricsResponse: metricValues 1 { metricName 1, metricValue 2, metricValueFloat 3 }.
                var reader = ProtobufReader(bytes[...]), reference: ArraySlice<UInt8>?
                while let (field, value) = try Self.next(&reader) { if field == 1 { reference = value.bytes } }
                let replicas = try self.wanted(by: reference ?? []).replicas
                var writer = ProtobufWriter()
                writer.message(1) { value in
                    value.string(1, Self.metric)
                    value.varint(2, UInt64(max(0, replicas)))
                    value.double(3, Double(replicas))
                }
                return writer.bytes
            },
            "/externalscaler.ExternalScaler/StreamIsActive": { [self] (call) throws(Status) in
                counts.streams += 1
                let stream = ActiveStream(call, self)
                streams[ObjectIdentifier(stream)] = stream
                return stream.handler
            }
        ]
    }

    fileprivate func gone(_ stream: ActiveStream) {
        counts.streams -= 1
        streams[ObjectIdentifier(stream)] = nil
    }

    fileprivate func pushed() { counts.pushes += 1 }

    static func active(_ isActive: Bool) -> [UInt8] {
        var writer = ProtobufWriter(capacity: 4)
        writer.varint(1, isActive ? 1 : 0)
        return writer.bytes
    }

    fileprivate func wanted(by reference: ArraySlice<UInt8>) throws(Status) -> Wanted {
        let workload = try Self.workload(reference)
        guard isLoaded else { throw Status(.unavailable, "the decisions have not been read yet") }
        guard let wanted = wanted[workload] else { throw Status(.notFound, "the policy's scaleOut.targets name no workload \(workload)") }
        return wanted
    }

    private static func next(_ reader: inout ProtobufReader) throws(Status) -> (field: Int, value: ProtobufReader.Value)? {
        do throws(Malformed) { return try reader.next() } catch { throw Status(.invalidArgument, "no message of externalscaler.proto") }
    }

    /// ScaledObjectRef: name 1, namespace 2, scalerMetadata 3 (map: key 1, value 2).
    private static func workload(_ reference: ArraySlice<UInt8>) throws(Status) -> String {
        var reader = ProtobufReader(reference), name = "", namespace = "", workload = ""
        while let (field, value) = try next(&reader) {
            switch field {
            case 1: name = value.text ?? ""
            case 2: namespace = value.text ?? ""
            case 3:
                var entry = ProtobufReader(value.bytes ?? []), key = "", text = ""
                while let (field, value) = try next(&entry) {
                    if field == 1 { key = value.text ?? "" }
                    if field == 2 { text = value.text ?? "" }
                }
                if key == "workload" { workload = text }
            default: break
            }
        }
        return workload.isEmpty ? "\(namespace)/\(name)" : workload
    }
}

/// KEDA's StreamIsActive of one scaled object.
private final class ActiveStream {
    private let call: Call
    private unowned let scaler: Scaler
    private var reference: [UInt8]?
    private var last = false

    init(_ call: Call, _ scaler: Scaler) {
        self.call = call
        self.scaler = scaler
        call.whenWritable = { [unowned self] in push() }
    }

    var handler: Call.Handler {
        Call.Handler(
            received: { [self] bytes in
                reference = bytes
                push()
            }, ended: { [self] in scaler.gone(self) })
    }

    func push() {
        guard let reference, !call.isSending else { return }
        let isActive: Bool
        do throws(Status) { isActive = try scaler.wanted(by: reference[...]).isActive } catch {
            // Until the decisions have been read there is nothing to say; a workload that there is not ends the stream.
            if error.code == .notFound || error.code == .invalidArgument { call.finish(error) }
            return
        }
        guard isActive != last else { return }
        last = isActive
        scaler.pushed()
        call.send(Scaler.active(isActive))
    }
}
