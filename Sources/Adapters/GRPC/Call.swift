internal import CGRPC

/// One call of a client: bytes in, bytes out. It lives on the server's thread, and so does whoever answers it.
@safe package final class Call {
    /// What a service does with a call. Everything is called on the server's thread.
    package struct Handler {
        /// The client's next message.
        package var received: ([UInt8]) -> Void
        /// The client has said its last, or is gone; nothing can be sent any more.
        package var ended: () -> Void

        package init(received: @escaping ([UInt8]) -> Void, ended: @escaping () -> Void = {}) {
            self.received = received
            self.ended = ended
        }
    }

    package let method: String
    /// The last message is on its way: wait for `whenWritable`, so that a peer that does not read holds one message and no more.
    package private(set) var isSending = false
    package var whenWritable: () -> Void = {}

    private let raw: OpaquePointer
    private unowned let server: Server
    private var headersSent = false
    private var isOver = false
    private let message: UnsafeMutablePointer<UnsafeMutablePointer<grpc_byte_buffer>?>
    private let cancelled: UnsafeMutablePointer<CInt>
    private var handler: Handler?

    init(adopting raw: OpaquePointer, method: String, server: Server) {
        unsafe self.raw = raw
        self.method = method
        self.server = server
        unsafe message = .allocate(capacity: 1)
        unsafe message.initialize(to: nil)
        unsafe cancelled = .allocate(capacity: 1)
        unsafe cancelled.initialize(to: 0)
    }

    deinit {
        unsafe grpc_call_unref(raw)
        unsafe message.deallocate()
        unsafe cancelled.deallocate()
    }

    /// Begins to listen. The handler is held until the call is over.
    func open(_ handler: Handler) {
        self.handler = handler
        var close = unsafe grpc_op()
        unsafe close.op = GRPC_OP_RECV_CLOSE_ON_SERVER
        unsafe close.data.recv_close_on_server.cancelled = cancelled
        _ = unsafe start([close]) { [self] _ in over() }
        receive()
    }

    private func over() {
        guard !isOver else { return }
        isOver = true
        server.ended()
        let handler = handler
        self.handler = nil
        whenWritable = {}
        handler?.ended()
    }

    private func receive() {
        var operation = unsafe grpc_op()
        unsafe operation.op = GRPC_OP_RECV_MESSAGE
        unsafe operation.data.recv_message.recv_message = message
        let isAccepted = unsafe start([operation]) { [self] succeeded in
            guard succeeded, let buffer = unsafe message.pointee else { return }
            unsafe message.pointee = nil
            let bytes = unsafe Self.bytes(of: buffer)
            unsafe grpc_byte_buffer_destroy(buffer)
            guard !isOver, let handler else { return }
            handler.received(bytes)
            if !isOver { receive() }
        }
        if !isAccepted { over() }
    }

    /// Sends one message. Not while `isSending`.
    package func send(_ bytes: [UInt8]) {
        guard !isOver, !isSending else { return }
        isSending = true
        let buffer = unsafe Self.buffer(of: bytes)
        var send = unsafe grpc_op()
        unsafe send.op = GRPC_OP_SEND_MESSAGE
        unsafe send.data.send_message.send_message = buffer
        let isAccepted = unsafe start(headers() + [send]) { [self] succeeded in
            unsafe grpc_byte_buffer_destroy(buffer)
            isSending = false
            if succeeded { whenWritable() }
        }
        if !isAccepted {
            unsafe grpc_byte_buffer_destroy(buffer)
            isSending = false
        }
    }

    /// Ends the call, with one last message if there is one; in a single batch, for each costs a way through the queue.
    package func finish(_ status: Status = .ok, with last: [UInt8]? = nil) {
        guard !isOver else { return }
        var operations = unsafe headers()
        let buffer = unsafe last.map { unsafe Self.buffer(of: $0) }
        if let buffer = unsafe buffer {
            var send = unsafe grpc_op()
            unsafe send.op = GRPC_OP_SEND_MESSAGE
            unsafe send.data.send_message.send_message = buffer
            unsafe operations.append(send)
        }
        let details = UnsafeMutablePointer<grpc_slice>.allocate(capacity: 1)
        unsafe details.initialize(to: grpc_slice_from_copied_string(status.message))
        var finish = unsafe grpc_op()
        unsafe finish.op = GRPC_OP_SEND_STATUS_FROM_SERVER
        unsafe finish.data.send_status_from_server.status = grpc_status_code(CInt(status.code.rawValue))
        unsafe finish.data.send_status_from_server.status_details = details
        unsafe operations.append(finish)
        let release = {
            if let buffer = unsafe buffer { unsafe grpc_byte_buffer_destroy(buffer) }
            unsafe grpc_slice_unref(details.pointee)
            unsafe details.deallocate()
        }
        if unsafe !start(operations, { [self] _ in withExtendedLifetime(self) { release() } }) { release() }
    }

    private func headers() -> [grpc_op] {
        guard !headersSent else { return unsafe [] }
        headersSent = true
        var op = unsafe grpc_op()
        unsafe op.op = GRPC_OP_SEND_INITIAL_METADATA
        return unsafe [op]
    }

    private func start(_ operations: [grpc_op], _ done: @escaping (Bool) -> Void) -> Bool {
        unsafe server.start(done) { tag in
            unsafe operations.withUnsafeBufferPointer {
                unsafe grpc_call_start_batch(raw, $0.baseAddress, $0.count, tag, nil) == GRPC_CALL_OK
            }
        }
    }

    private static func bytes(of buffer: UnsafeMutablePointer<grpc_byte_buffer>) -> [UInt8] {
        var reader = unsafe grpc_byte_buffer_reader()
        guard unsafe grpc_byte_buffer_reader_init(&reader, buffer) != 0 else { return [] }
        defer { unsafe grpc_byte_buffer_reader_destroy(&reader) }
        var slice = unsafe grpc_byte_buffer_reader_readall(&reader)
        defer { unsafe grpc_slice_unref(slice) }
        return unsafe Array(UnsafeBufferPointer(start: grpc_slice_bytes(&slice), count: grpc_slice_size(&slice)))
    }

    private static func buffer(of bytes: [UInt8]) -> UnsafeMutablePointer<grpc_byte_buffer> {
        var slice = unsafe bytes.withUnsafeBytes { unsafe grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
        defer { unsafe grpc_slice_unref(slice) }
        return unsafe grpc_raw_byte_buffer_create(&slice, 1)
    }
}
