internal import CCurl

/// One peer over libcurl, one request at a time; a connection is kept where the peer keeps it. For one thread.
@safe package final class Requester {
    package struct Answer: Sendable {
        package var status: Int
        package var body: [UInt8]
    }

    /// There was no answer at all: libcurl's words.
    package struct Failure: Error, Sendable, CustomStringConvertible { package let description: String }

    private let curl: OpaquePointer
    private static let most = 4 << 20

    package init() throws(Failure) {
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        guard let curl = unsafe curl_easy_init() else { throw Failure(description: "libcurl does not start") }
        unsafe self.curl = OpaquePointer(curl)
    }

    deinit { unsafe curl_easy_cleanup(UnsafeMutableRawPointer(curl)) }

    /// - Parameters:
    ///   - headers: whole lines, as `Accept: application/json`.
    ///   - authority: a PEM file with who may have signed the peer's certificate; `nil`: the system's.
    package func request(
        _ method: String, _ url: String, headers lines: [String] = [], body: [UInt8]? = nil, authority: String? = nil
    ) throws(Failure) -> Answer {
        let curl = unsafe UnsafeMutableRawPointer(curl)
        unsafe curl_easy_reset(curl)
        let collected = Collected(limit: Self.most)
        var headers: UnsafeMutablePointer<curl_slist>?
        for line in lines { unsafe headers = curl_slist_append(headers, line) }
        defer { unsafe curl_slist_free_all(headers) }
        unsafe weir_curl_text(curl, CURLOPT_URL, url)
        unsafe weir_curl_text(curl, CURLOPT_CUSTOMREQUEST, method)
        if let authority { unsafe weir_curl_text(curl, CURLOPT_CAINFO, authority) }
        unsafe weir_curl_number(curl, CURLOPT_TIMEOUT_MS, 5000)
        unsafe weir_curl_number(curl, CURLOPT_NOSIGNAL, 1)
        unsafe weir_curl_list(curl, CURLOPT_HTTPHEADER, headers)
        if let body {
            unsafe weir_curl_number(curl, CURLOPT_POSTFIELDSIZE, body.count)
            _ = unsafe body.withUnsafeBytes { unsafe weir_curl_copy(curl, $0.baseAddress) }
        }
        unsafe weir_curl_body(curl, collect, Unmanaged.passUnretained(collected).toOpaque())
        let result = unsafe curl_easy_perform(curl)
        guard result == CURLE_OK else { throw Failure(description: unsafe String(cString: curl_easy_strerror(result))) }
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
