internal import CGRPC

/// How a listener proves who it is, and whom it lets in.
package enum Credentials: Sendable {
    case insecure
    /// PEM bytes. With `clientAuthority`, a client has to show a certificate that it signed.
    case tls(certificateChain: [UInt8], privateKey: [UInt8], clientAuthority: [UInt8]?)

    /// The caller releases it.
    func make() -> OpaquePointer? {
        switch self {
        case .insecure:
            return unsafe grpc_insecure_server_credentials_create()
        case .tls(let chain, let key, let authority):
            return unsafe withText(key) { key in
                unsafe withText(chain) { chain in
                    var pair = unsafe grpc_ssl_pem_key_cert_pair(private_key: key, cert_chain: chain)
                    guard let authority else {
                        return unsafe grpc_ssl_server_credentials_create_ex(nil, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, nil)
                    }
                    return unsafe withText(authority) {
                        unsafe grpc_ssl_server_credentials_create_ex(
                            $0, &pair, 1, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, nil)
                    }
                }
            }
        }
    }
}

private func withText<Result>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
    unsafe (bytes + [0]).withUnsafeBufferPointer { unsafe $0.withMemoryRebound(to: CChar.self) { unsafe body($0.baseAddress!) } }
}
