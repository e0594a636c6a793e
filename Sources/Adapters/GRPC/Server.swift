internal import CGRPC
internal import Glibc
internal import Synchronization

/// A gRPC server over bytes, on one thread of its own: the thread takes each finished operation from gRPC's queue and does what was to follow.
/// What services know is touched in turns: the thread's, one an operation, and those that the program takes to tell something new. (gRPC's C core
/// has no way to wake its queue from outside, but takes a batch from any thread; so news are sent by whoever brings them.)
@safe package final class Server: @unchecked Sendable {
    /// Opens a call: says what is done with its messages, or why it ends at once.
    package typealias Method = (Call) throws(Status) -> Call.Handler

    package struct Counts: Sendable, Equatable {
        package var calls = 0
        package var open = 0
        /// Beyond what is held at once, or of a method that there is not.
        package var refused = 0
    }

    /// To be read in a turn.
    package private(set) var counts = Counts()
    package let port: Int

    private let raw: OpaquePointer
    private let queue: OpaquePointer
    private var methods: [String: Method] = [:]
    private let mostCalls: Int
    private let turns = Mutex<Void>(())
    /// Called when nothing has happened for a quarter of a second, and in between.
    private var tick: () -> Void = {}
    private static let accepts = 16
    private static let tickMilliseconds: Int64 = 250

    /// Binds; `run` answers.
    /// - Parameters:
    ///   - address: `host:port`; port 0 takes any.
    ///   - maximumMessageSize: bytes that a client may send in one message; more ends the call with `RESOURCE_EXHAUSTED`.
    ///   - mostCalls: at once; more are refused, which is counted.
    /// - Returns: `nil` when the address cannot be had or the certificates cannot be used.
    package init?(_ address: String, credentials: Credentials = .insecure, maximumMessageSize: Int = 1 << 20, mostCalls: Int = 10_000) {
        unsafe setenv("GRPC_VERBOSITY", "NONE", 0)
        grpc_init()
        guard let queue = unsafe grpc_completion_queue_create_for_next(nil),
            let raw = unsafe withArguments(
                ["grpc.max_receive_message_length": maximumMessageSize, "grpc.so_reuseport": 0], { unsafe grpc_server_create($0, nil) }),
            let made = unsafe credentials.make()
        else { return nil }
        unsafe grpc_server_register_completion_queue(raw, queue, nil)
        let port = unsafe grpc_server_add_http2_port(raw, address, made)
        unsafe grpc_server_credentials_release(made)
        guard port > 0 else { return nil }
        unsafe self.queue = queue
        unsafe self.raw = raw
        self.port = Int(port)
        self.mostCalls = mostCalls
    }

    /// Starts the thread. Methods and `tick` are called on it, in turns.
    package func run(_ methods: [String: Method], tick: @escaping () -> Void) {
        self.methods = methods
        self.tick = tick
        unsafe grpc_server_start(raw)
        var thread = pthread_t()
        let me = unsafe Unmanaged.passRetained(self)
        unsafe pthread_create(&thread, nil, serverThread, me.toOpaque())
        pthread_detach(thread)
    }

    /// Does this as one turn of the server's, now: what services know is touched by one thread at a time. Not from within a service.
    package func turn<Result>(_ work: () -> Result) -> Result {
        turns.withLock { _ in work() }
    }

    fileprivate func loop() {
        turn { for _ in 0..<Self.accepts { accept() } }
        var nextTick = grpc_in_milliseconds(Self.tickMilliseconds)
        while true {
            let event = unsafe grpc_completion_queue_next(queue, nextTick, nil)
            switch unsafe event.type {
            case GRPC_OP_COMPLETE:
                let operation = unsafe Unmanaged<Operation>.fromOpaque(event.tag).takeRetainedValue(), succeeded = unsafe event.success != 0
                turn { operation.done(succeeded) }
            case GRPC_QUEUE_SHUTDOWN: return
            default: break
            }
            if gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), nextTick) >= 0 {
                nextTick = grpc_in_milliseconds(Self.tickMilliseconds)
                turn { tick() }
            }
        }
    }

    /// Starts an operation; `done` is called when it has come back. False when gRPC did not take it, and then `done` never is.
    func start(_ done: @escaping (Bool) -> Void, _ begin: (UnsafeMutableRawPointer) -> Bool) -> Bool {
        let operation = unsafe Unmanaged.passRetained(Operation(done))
        guard unsafe begin(operation.toOpaque()) else {
            unsafe operation.release()
            return false
        }
        return true
    }

    private func accept() {
        let request = Request()
        _ = unsafe start(
            { [self] succeeded in
                guard succeeded, let call = unsafe request.call else { return }
                accept()
                open(unsafe Call(adopting: call, method: request.method, server: self))
            },
            { tag in
                unsafe grpc_server_request_call(raw, &request.call, &request.details, &request.metadata, queue, queue, tag) == GRPC_CALL_OK
            })
    }

    private func open(_ call: Call) {
        counts.calls += 1
        counts.open += 1
        do throws(Status) {
            guard let method = methods[call.method] else { throw Status(.unimplemented, "no method \(call.method)") }
            guard counts.open <= mostCalls else { throw Status(.resourceExhausted, "\(mostCalls) calls are open already") }
            call.open(try method(call))
        } catch {
            counts.refused += 1
            call.open(Call.Handler(received: { _ in }))
            call.finish(error)
        }
    }

    func ended() { counts.open -= 1 }
}

private func serverThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument = unsafe argument { unsafe Unmanaged<Server>.fromOpaque(argument).takeRetainedValue().loop() }
    return nil
}

/// What follows when an operation has come back: gRPC's tag.
private final class Operation {
    let done: (Bool) -> Void
    init(_ done: @escaping (Bool) -> Void) { self.done = done }
}

/// What gRPC fills in for a new call; it has to stay where it is until then.
@safe private final class Request {
    var call: OpaquePointer?
    var details = unsafe grpc_call_details()
    var metadata = unsafe grpc_metadata_array()

    init() {
        unsafe grpc_call_details_init(&details)
        unsafe grpc_metadata_array_init(&metadata)
    }

    deinit {
        unsafe grpc_call_details_destroy(&details)
        unsafe grpc_metadata_array_destroy(&metadata)
    }

    var method: String {
        unsafe String(
            decoding: UnsafeBufferPointer(start: grpc_slice_bytes(&details.method), count: grpc_slice_size(&details.method)), as: UTF8.self)
    }
}

private func withArguments<Result>(_ settings: [String: Int], _ body: (UnsafePointer<grpc_channel_args>) -> Result) -> Result {
    var arguments = unsafe settings.map { key, value in
        var argument = unsafe grpc_arg()
        unsafe argument.type = GRPC_ARG_INTEGER
        unsafe argument.key = strdup(key)
        unsafe argument.value.integer = CInt(clamping: value)
        return unsafe argument
    }
    defer { unsafe arguments.forEach { unsafe free($0.key) } }
    return unsafe arguments.withUnsafeMutableBufferPointer {
        var all = unsafe grpc_channel_args(num_args: $0.count, args: $0.baseAddress)
        return unsafe body(&all)
    }
}
