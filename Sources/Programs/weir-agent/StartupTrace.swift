internal import Glibc
internal import Linux
internal import Messages

/// Where the time from exec to listening went, for `--startup-trace`: one JSON object a line, in the order of the steps.
struct StartupTrace {
    private var steps: [(name: String, at: UInt64)] = []
    /// Exec, as near as a process can tell: what it has computed so far is the loader's work, and nothing had to be waited for.
    private let start: UInt64

    init() {
        var used = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
        let now = Clock.monotonic
        start = now - UInt64(used.tv_sec) * 1_000_000_000 - UInt64(used.tv_nsec)
        steps.append(("loaded", now))
    }

    /// The step that ends now.
    mutating func ended(_ name: String) { steps.append((name, Clock.monotonic)) }

    /// Whether the file could be written.
    func write(to path: String) -> Bool {
        var lines: [UInt8] = [], last = start
        for step in steps {
            var json = JSONWriter(capacity: 128)
            json.object { json in
                json.member("step", step.name)
                json.member("took_us", Int((step.at - last) / 1000))
                json.member("at_us", Int((step.at - start) / 1000))
            }
            lines += json.bytes + [10]
            last = step.at
        }
        return File.write(path, lines)
    }
}
