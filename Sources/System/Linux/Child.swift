internal import CLinux
internal import Glibc

/// A process of ours. It dies with us, `kill -9` included, and is ended when its owner lets go.
package struct Child: ~Copyable {
    package let pid: CInt
    package let name: String
    /// Our ends of its pipes; -1 where there is none.
    private let input: CInt
    private let output: CInt
    private var status: CInt?

    package enum Failure: Error, CustomStringConvertible {
        case start(String, Errno)
        package var description: String {
            switch self {
            case .start(let program, let error): "\(program): \(error)\(error == .noEntry ? "; is it installed?" : "")"
            }
        }
    }

    /// - Parameters:
    ///   - ownNetwork: in a network namespace of its own.
    ///   - pipes: what of standard input and output we hold the other end of; the rest is inherited, or `/dev/null` when `quiet`.
    ///   - errorsToo: standard error goes where standard output goes.
    package init(
        _ name: String, _ words: [String], ownNetwork: Bool = false, input wantsInput: Bool = false, output wantsOutput: Bool = false,
        quiet: Bool = false,
        errorsToo: Bool = false
    ) throws(Failure) {
        var inward: [CInt] = [-1, -1], outward: [CInt] = [-1, -1]
        if wantsInput { unsafe _ = weir_pipe(&inward) }
        if wantsOutput { unsafe _ = weir_pipe(&outward) }
        let null = quiet ? unsafe open("/dev/null", O_RDWR | O_CLOEXEC) : -1
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        let pid = unsafe weir_spawn(
            &arguments, wantsInput ? inward[0] : null, wantsOutput ? outward[1] : null, errorsToo ? outward[1] : null,
            ownNetwork ? WEIR_NEW_NETWORK : 0)
        unsafe arguments.forEach { unsafe free($0) }
        for descriptor in [inward[0], outward[1], null] where descriptor >= 0 { close(descriptor) }
        guard pid > 0 else {
            for descriptor in [inward[1], outward[0]] where descriptor >= 0 { close(descriptor) }
            throw .start(words[0], Errno(rawValue: -pid))
        }
        // Our end of its output alone: the child's standard input has to block.
        if wantsOutput { _ = fcntl(outward[0], F_SETFL, O_NONBLOCK) }
        self.pid = pid
        self.name = name
        input = inward[1]
        output = outward[0]
    }

    deinit {
        for descriptor in [input, output] where descriptor >= 0 { close(descriptor) }
        guard status == nil else { return }
        kill(pid, SIGKILL)
        var ignored: CInt = 0
        unsafe waitpid(pid, &ignored, 0)
    }

    /// Non-blocking; -1 when it is not piped.
    package var outputDescriptor: CInt { output }

    package borrowing func send(_ text: String) {
        guard input >= 0 else { return }
        let bytes = Array(text.utf8)
        _ = unsafe write(input, bytes, bytes.count)
    }

    /// What it has printed, without waiting; `nil` at its end.
    package borrowing func take() -> [UInt8]? {
        guard output >= 0 else { return nil }
        return unsafe withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { buffer in
            let count = unsafe read(output, buffer.baseAddress, buffer.count)
            return count > 0 ? unsafe Array(buffer.prefix(count)) : count < 0 && errno == EAGAIN ? [] : nil
        }
    }

    package func signal(_ signal: CInt) { kill(pid, signal) }

    /// Its exit code (128 and the signal if one ended it), or `nil` while it runs.
    package mutating func poll() -> Int? {
        if let status { return Int(weir_exit_code(status)) }
        var raw: CInt = 0
        guard unsafe waitpid(pid, &raw, WNOHANG) == pid else { return nil }
        status = raw
        return Int(weir_exit_code(raw))
    }

    /// SIGTERM, then a second, then SIGKILL. The exit code.
    @discardableResult
    package mutating func stop(withinMilliseconds milliseconds: Int = 1000) -> Int {
        signal(SIGTERM)
        let end = Clock.monotonic + UInt64(milliseconds) * 1_000_000
        while Clock.monotonic < end {
            if let code = poll() { return code }
            usleep(2000)
        }
        signal(SIGKILL)
        var raw: CInt = 0
        unsafe waitpid(pid, &raw, 0)
        status = raw
        return Int(weir_exit_code(raw))
    }
}

/// Network namespaces.
package enum Network {
    /// A private network for this process and its children from here on; gone with the last of them. Needs CAP_SYS_ADMIN.
    package static func makePrivate() throws(Errno) {
        let result = weir_unshare_network()
        guard result == 0 else { throw Errno(rawValue: -result) }
    }
}
