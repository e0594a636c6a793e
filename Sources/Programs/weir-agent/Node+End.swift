internal import AgentCore
internal import BPF
internal import Evidence
internal import History
internal import Glibc
internal import Linux
internal import Log
internal import NetPoll
internal import Vocabulary

extension Node {
    /// Within a second: the controller and the nodes learn the rest from the topic. The links go last, so that a successor finds as little as can be unwatched.
    func finish() {
        publishDue()
        evidence?.writer.flush()
        if place.isPublishing { audit?.file.flush() }
        history?.end(withinMilliseconds: 500)
        // What the topic says of this node is the successor's by now.
        if place.isPublishing { publisher?.retire() }
        let (left, kept) = publisher?.close(withinMilliseconds: 500) ?? (0, 0)
        watch.letGo()
        let counters = probe.counters
        log.write(
            .info, "stopped",
            [
                ("handshakes", "\(counters[.seen])"), ("lost", "\(counters[.lost])"), ("events", "\(core.statistics.events)"),
                ("undelivered", "\(left)"), ("spooled", "\(kept)")
            ])
        log.close(withinMilliseconds: 100)
    }
}

/// A file watch in a place that an optional can hold.
final class PolicyWatch {
    let watch: FileWatch
    init?(_ path: String) {
        do { watch = try FileWatch(path: path) } catch { return nil }
    }
}

/// Where nothing is left to do but wait for a peer on the way out.
func pause(milliseconds: Int) { usleep(UInt32(milliseconds * 1000)) }
