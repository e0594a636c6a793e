internal import CSender
internal import Glibc
internal import Linux
internal import Pcap
internal import Units
internal import Vocabulary

/// Hellos of distinct flows, prepared once: the lone ones that replay is measured on, a pass of them.
struct PreparedFrames {
    private var bytes: [UInt8] = []
    private var ends: [UInt32] = []
    private var first: [UInt8] = []
    /// As many as `CaptureMaker` has client ports for, so that no two of them are of one flow.
    static let hellos = 60_000
    /// Of the diverse ones, as many as sources.
    static let diverseHellos = 131_072

    init(_ kind: CaptureMaker.Kind) throws {
        let file = try ScratchFile("hellos", "")
        _ = try makeCapture(kind, hellos: kind == .diverse ? Self.diverseHellos : Self.hellos, at: file.path)
        var capture = try Capture(path: file.path)
        var latest: (port: [UInt8], source: [UInt8]) = ([], [])
        while try capture.next({ _, frame in
            let all = unsafe frame.withUnsafeBytes { unsafe Array($0) }
            bytes += all
            ends.append(UInt32(bytes.count))
            let flow = (port: Array(all[34..<36]), source: Array(all[26..<30]))
            first.append(flow == latest ? 0 : 1)
            latest = flow
        }) {}
    }

    /// - Parameter perSecond: 0: as fast as one core can.
    func send(_ hellos: Int, perSecond: Double, by socket: CInt, pass: inout UInt32) throws -> weir_sent {
        var sent = weir_sent()
        let result = unsafe bytes.withUnsafeBufferPointer { bytes in
            unsafe ends.withUnsafeBufferPointer { ends in
                unsafe first.withUnsafeBufferPointer { first in
                    // All three live as long as the call.
                    var sending = unsafe weir_sending(
                        bytes: bytes.baseAddress, ends: ends.baseAddress, first: first.baseAddress, count: UInt32(ends.count))
                    return unsafe weir_send(socket, &sending, &pass, UInt64(hellos), perSecond, &sent)
                }
            }
        }
        guard result == 0 else { throw Errno.current }
        return sent
    }
}

/// `weir-bench send INTERFACE PROCESSOR KIND`: the sender's process, in a network namespace of its own. It waits for the interface, says that it is ready,
/// and then sends what each line of its standard input asks for: hellos, and how many a second. Its answer: hellos, frames, nanoseconds, nanoseconds
/// of processor.
func sendAsAsked(_ name: String, processor: CInt, _ kind: CaptureMaker.Kind) throws {
    let frames = try PreparedFrames(kind)
    guard weir_pin(processor) == 0 else { throw Errno.current }
    let end = Clock.monotonic + 5_000_000_000
    while Interfaces.matching([name]).isEmpty, Clock.monotonic < end { usleep(1000) }
    guard let interface = Interfaces.matching([name]).first else { throw Errno.noEntry }
    var up = try Child("ip", ["ip", "link", "set", name, "up"])
    while up.poll() == nil { usleep(1000) }
    let socket = try FileDescriptor(owning: weir_sender_socket(CInt(interface.index)))
    var pass: UInt32 = 0
    say("ready")
    while let line = readLine() {
        let words = line.split(separator: " ")
        guard words.count == 2, let hellos = Int(words[0]), let perSecond = Double(words[1]) else {
            throw Trouble(description: "'\(line)' is not HELLOS RATE")
        }
        let sent = try frames.send(hellos, perSecond: perSecond, by: socket.rawValue, pass: &pass)
        say("\(sent.hellos) \(sent.frames) \(sent.nanoseconds) \(sent.cpu_nanoseconds)")
    }
}

/// A whole line at once: nobody flushes a pipe for us.
func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    unsafe _ = write(1, bytes, bytes.count)
}
