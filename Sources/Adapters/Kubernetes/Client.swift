internal import CCurl

/// The API server over libcurl, one request at a time; its certificate is verified by the cluster's authority.
@safe final class Client {
    struct Answer {
        var status: Int
        var body: [UInt8]
    }

    private let cluster: Cluster
    private let curl: OpaquePointer
    private static let most = 4 << 20

    init(_ cluster: Cluster) throws(ClusterError) {
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        guard let curl = unsafe curl_easy_init() else { throw ClusterError(description: "libcurl does not start") }
        self.cluster = cluster
        unsafe self.curl = OpaquePointer(curl)
    }

    deinit { unsafe curl_easy_cleanup(UnsafeMutableRawPointer(curl)) }

    /// - Throws: when there was no answer at all.
    func request(
        _ method: String, _ path: String, _ body: String? = nil,
        type: String = "application/merge-patch+json"
    ) throws(ClusterError) -> Answer {
        let curl = unsafe UnsafeMutableRawPointer(curl)
        unsafe curl_easy_reset(curl)
        let collected = Collected(limit: Self.most)
        var headers = unsafe curl_slist_append(nil, "Authorization: Bearer \(cluster.token)")
        unsafe headers = curl_slist_append(headers, "Accept: application/json")
        if body != nil { unsafe headers = curl_slist_append(headers, "Content-Type: \(type)") }
        defer { unsafe curl_slist_free_all(headers) }
        unsafe weir_curl_text(curl, CURLOPT_URL, cluster.url + path)
        unsafe weir_curl_text(curl, CURLOPT_CUSTOMREQUEST, method)
        unsafe weir_curl_text(curl, CURLOPT_CAINFO, cluster.authority)
        unsafe weir_curl_number(curl, CURLOPT_TIMEOUT_MS, 5000)
        unsafe weir_curl_number(curl, CURLOPT_NOSIGNAL, 1)
        unsafe weir_curl_list(curl, CURLOPT_HTTPHEADER, headers)
        if let body {
            unsafe weir_curl_number(curl, CURLOPT_POSTFIELDSIZE, body.utf8.count)
            unsafe weir_curl_text(curl, CURLOPT_COPYPOSTFIELDS, body)
        }
        unsafe weir_curl_body(curl, collect, Unmanaged.passUnretained(collected).toOpaque())
        let result = unsafe curl_easy_perform(curl)
        guard result == CURLE_OK else {
            throw ClusterError(description: "\(method) \(path): \(unsafe String(cString: curl_easy_strerror(result)))")
        }
        return Answer(status: unsafe weir_curl_status(curl), body: collected.bytes)
    }
}

private final class Collected {
    var bytes: [UInt8] = []
    let limit: Int
    init(limit: Int) { self.limit = limit }
}

// At file scope, so that no actor's isolation travels into C with it.
private func collect(_ bytes: UnsafeMutablePointer<CChar>?, _ one: Int, _ count: Int, _ context: UnsafeMutableRawPointer?) -> Int {
    guard let bytes = unsafe bytes, let context = unsafe context else { return 0 }
    // The collector outlives the request that calls back.
    let collected = unsafe Unmanaged<Collected>.fromOpaque(context).takeUnretainedValue()
    guard collected.bytes.count + one * count <= collected.limit else { return 0 }
    unsafe collected.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: one * count))
    return one * count
}
