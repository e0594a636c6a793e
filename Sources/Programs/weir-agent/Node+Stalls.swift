internal import AgentCore
internal import Linux
internal import Log
internal import Messages
internal import Units

// The loop's account of its own time, kept by its clocks and shown.
extension Node {
    func timed<Result>(_ part: Stalls.Part, _ body: () -> Result) -> Result {
        let start = Clock.monotonic
        defer { stalls.note(part, from: start, to: Clock.monotonic, cpu: Clock.threadCPU) }
        return body()
    }

    /// The turn is over.
    func account(at now: UInt64) {
        let turn = stalls.ended(at: now, cpu: Clock.threadCPU)
        guard turn.took >= settings.slowTurn else { return }
        func milliseconds(_ nanoseconds: UInt64) -> String { "\(nanoseconds / 1_000_000)" }
        slowLog.write(
            log, .warning, "a turn of the loop took long",
            [
                ("took_ms", milliseconds(turn.took)), ("longest", turn.longest.map { "\($0.part)" } ?? "other"),
                ("longest_ms", milliseconds(turn.longest?.nanoseconds ?? 0)),
                ("preempted_ms", milliseconds(turn.preempted)), ("records", "\(turn.records)"), ("events", "\(turn.events)"),
                ("reports", "\(turn.reports)")
            ])
    }

    /// The last quarter of an hour, for `weir stalls`.
    func stallsPage() -> [UInt8] {
        let now = Clock.monotonic, wall = Clock.wall
        func instant(_ moment: UInt64) -> Instant { Instant(nanoseconds: wall &- Int64(bitPattern: now &- moment)) }
        var json = JSONWriter(capacity: 65_536)
        json.object { json in
            json.member("node", settings.node)
            json.member("time", instant(now))
            json.member("column_seconds", Int(Stalls.columnNanoseconds / 1_000_000_000))
            json.member("classes", Stalls.classes)
            json.array("total") { json in
                for part in Stalls.Part.allCases {
                    json.object { json in
                        json.member("reason", "\(part)")
                        json.member("counts", Stalls.classes.indices.map { stalls.total(part, $0) })
                        json.member("longest_ns", stalls.longest(part))
                    }
                }
            }
            json.array("columns") { json in
                for column in stalls.history {
                    json.object { json in
                        json.member("began", instant(column.began))
                        for part in Stalls.Part.allCases {
                            let counts = stalls.counts(of: part, in: column.number)
                            if counts.contains(where: { $0 > 0 }) { json.member("\(part)", counts) }
                        }
                    }
                }
            }
            json.array("worst") { json in
                for turn in stalls.worst {
                    json.object { json in
                        json.member("ended", instant(turn.end))
                        json.member("took_ns", Int(clamping: turn.took))
                        json.member("longest", turn.longest.map { "\($0.part)" })
                        json.member("records", turn.records)
                        json.member("events", turn.events)
                        json.member("reports", turn.reports)
                        json.object("parts_ns") { json in
                            for part in Stalls.Part.allCases where turn.parts[part] > 0 {
                                json.member("\(part)", Int(clamping: turn.parts[part]))
                            }
                        }
                    }
                }
            }
        }
        return json.bytes
    }
}
