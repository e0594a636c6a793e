internal import GRPC

/// One Envoy's stream, of ADS or of the extension config service (both are state of the world: each answer has all that was asked for).
///
/// At most one answer is on its way; changes meanwhile come together in the next. What Envoy refuses it keeps from itself, so the same is not sent again.
final class DiscoveryStream {
    private let call: Call
    private unowned let edge: Edge
    /// What it has subscribed to; `nil` before its first request for our type.
    private var names: [String]?
    private var sent: [String: String] = [:]
    private var nonce = 0
    private var awaitsAnswer = false

    init(_ call: Call, _ edge: Edge) {
        self.call = call
        self.edge = edge
        call.whenWritable = { [unowned self] in push() }
    }

    var handler: Call.Handler { Call.Handler(received: { [self] in request($0) }, ended: { [self] in edge.gone(self) }) }

    /// envoy.service.discovery.v3.DiscoveryRequest: version_info 1, resource_names 3, type_url 4, response_nonce 5, error_detail 6.
    private func request(_ bytes: [UInt8]) {
        var reader = ProtobufReader(bytes[...])
        var names: [String] = [], type = "", nonce = "", error: String?
        do throws(Malformed) {
            while let (field, value) = try reader.next() {
                switch field {
                case 3: if names.count < 64, let name = value.text { names.append(name) }
                case 4: type = value.text ?? ""
                case 5: nonce = value.text ?? ""
                case 6: error = value.bytes.map { Self.message(of: $0) }
                default: break
                }
            }
        } catch {
            edge.counts.malformed += 1
            return call.finish(Status(.invalidArgument, "no DiscoveryRequest"))
        }
        // An ADS stream is also asked for what others would serve; the extension config service may leave the type out.
        guard type == Resources.typeURL || type.isEmpty else { return }
        if let error {
            edge.counts.refused += 1
            edge.lastRefusal = String(error.prefix(500))
            edge.hear(.refused(edge.lastRefusal))
        } else if !nonce.isEmpty {
            edge.counts.accepted += 1
        }
        if nonce == "\(self.nonce)" || nonce.isEmpty { awaitsAnswer = false }
        self.names = names.isEmpty && self.names != nil ? self.names : names
        push()
    }

    /// google.rpc.Status: code 1, message 2.
    private static func message(of bytes: ArraySlice<UInt8>) -> String {
        var reader = ProtobufReader(bytes)
        while let (field, value) = try? reader.next() { if field == 2, let text = value.text { return text } }
        return "without a reason"
    }

    /// Sends what has changed since the last answer, if it may.
    func push() {
        guard edge.isLoaded, let names, !call.isSending, !awaitsAnswer else { return }
        let wanted = names.isEmpty ? Resources.names : names.filter(Resources.names.contains)
        let versions = wanted.reduce(into: [String: String]()) { $0[$1] = edge.resources[$1]?.version }
        guard !wanted.isEmpty, versions != sent else { return }
        sent = versions
        nonce += 1
        awaitsAnswer = true
        edge.counts.pushes += 1
        // envoy.service.discovery.v3.DiscoveryResponse: version_info 1, resources 2, type_url 4, nonce 5.
        var response = ProtobufWriter(capacity: 1024)
        response.string(1, wanted.map { versions[$0] ?? "" }.joined(separator: "."))
        for name in wanted {
            response.message(2) { any in
                any.string(1, Resources.typeURL)
                any.data(2, edge.resources[name]?.bytes ?? [])
            }
        }
        response.string(4, Resources.typeURL)
        response.string(5, "\(nonce)")
        call.send(response.bytes)
    }
}
