internal import Pcap

/// A capture's frames in their order, each with an Ethernet header.
protocol Frames: AnyObject {
    var name: String { get }
    /// Size of the file; `nil` of a pipe.
    var bytesTotal: Int? { get }
    var bytesRead: Int { get }
    var framesRead: Int { get }
    var unread: Capture.Unread { get }
    /// Hands the next frame to `body`, its bytes only for that long; `false` when there are no more.
    func next(_ body: (Capture.Frame, RawSpan) -> Void) throws(CaptureError) -> Bool
}

/// Read when they are asked for.
final class FramesHere: Frames {
    private var capture: Capture
    private var room: [UInt8] = []

    init(_ capture: consuming Capture) { self.capture = capture }

    var name: String { capture.name }
    var bytesTotal: Int? { capture.bytesTotal }
    var bytesRead: Int { capture.bytesRead }
    var framesRead: Int { capture.framesRead }
    var unread: Capture.Unread { capture.unread }

    func next(_ body: (Capture.Frame, RawSpan) -> Void) throws(CaptureError) -> Bool { try capture.nextEthernet(&room, body) }
}

/// Read by a thread of its own, a few batches ahead.
final class FramesAhead: Frames {
    private final class Batch {
        struct Place {
            let frame: Capture.Frame
            let range: Range<Int>
        }

        var places: [Place] = []
        var bytes: [UInt8] = []
        /// Of the capture behind its last frame.
        var bytesRead = 0, framesRead = 0
        var unread = Capture.Unread()
        var isLast = false
        var error: CaptureError?

        var isFull: Bool { bytes.count >= FramesAhead.most || places.count >= FramesAhead.mostFrames }

        func empty() {
            places.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: true)
        }
    }

    private static let most = 1 << 18, mostFrames = 2048, batches = 4

    let name: String
    let bytesTotal: Int?
    private(set) var bytesRead = 0, framesRead = 0
    private(set) var unread = Capture.Unread()
    private let full = Channel<Batch>(capacity: batches), empty = Channel<Batch>(capacity: batches + 1)
    private var worker: Worker?
    private var batch: Batch?
    private var index = 0

    /// `nil` when no thread is to be had.
    init?(_ capture: FramesHere) {
        name = capture.name
        bytesTotal = capture.bytesTotal
        for _ in 0..<Self.batches { empty.send(Batch()) }
        worker = Worker { [full, empty] in
            var isOver = false
            while !isOver, let batch = empty.receive() {
                isOver = !Self.fill(batch, capture)
                if !full.send(batch) { return }
            }
        }
        if worker == nil { return nil }
    }

    deinit {
        full.close()
        empty.close()
        worker.take()?.join()
    }

    /// False at the end.
    private static func fill(_ batch: Batch, _ capture: FramesHere) -> Bool {
        batch.empty()
        do throws(CaptureError) {
            while !batch.isFull {
                let isMore = try capture.next { frame, bytes in
                    let start = batch.bytes.count
                    unsafe bytes.withUnsafeBytes { unsafe batch.bytes.append(contentsOf: $0) }
                    batch.places.append(Batch.Place(frame: frame, range: start..<batch.bytes.count))
                }
                if !isMore {
                    batch.isLast = true
                    break
                }
            }
        } catch {
            batch.error = error
            batch.isLast = true
        }
        (batch.bytesRead, batch.framesRead, batch.unread) = (capture.bytesRead, capture.framesRead, capture.unread)
        return !batch.isLast
    }

    func next(_ body: (Capture.Frame, RawSpan) -> Void) throws(CaptureError) -> Bool {
        while true {
            if let batch, index < batch.places.count {
                let place = batch.places[index]
                index += 1
                // The batch is ours until it goes back.
                unsafe batch.bytes.withUnsafeBytes { unsafe body(place.frame, RawSpan(_unsafeBytes: $0).extracting(place.range)) }
                return true
            }
            if let done = batch {
                if done.isLast {
                    if let error = done.error { throw error }
                    return false
                }
                empty.send(done)
            }
            batch = full.receive()
            index = 0
            guard let batch else { return false }
            (bytesRead, framesRead, unread) = (batch.bytesRead, batch.framesRead, batch.unread)
        }
    }
}
