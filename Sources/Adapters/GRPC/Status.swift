/// How a call ended, in gRPC's terms (grpc/status.h).
package struct Status: Error, Sendable, Equatable {
    package enum Code: UInt32, Sendable {
        case ok = 0, cancelled = 1, invalidArgument = 3, notFound = 5, resourceExhausted = 8, unimplemented = 12, unavailable = 14
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String = "") {
        self.code = code
        self.message = message
    }

    package static let ok = Status(.ok)
}
