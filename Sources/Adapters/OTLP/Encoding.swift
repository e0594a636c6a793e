internal import Messages
internal import Units

/// OTLP 1.x as JSON (opentelemetry-proto, "JSON Protobuf Encoding"): ids in hexadecimal digits, 64-bit numbers as text.
enum Encoding {
    static func traces(_ tellings: [Telling], version: String) -> [UInt8]? {
        var spans: [(Speaker, Span)] = []
        for case .span(let span, let speaker) in tellings { spans.append((speaker, span)) }
        return body("resourceSpans", "scopeSpans", "spans", spans, version, span)
    }

    static func logs(_ tellings: [Telling], version: String) -> [UInt8]? {
        var logs: [(Speaker, LogRecord)] = []
        for case .log(let log, let speaker) in tellings { logs.append((speaker, log)) }
        return body("resourceLogs", "scopeLogs", "logRecords", logs, version, log)
    }

    /// By speaker, in the order in which they spoke first. `nil` when nobody did.
    private static func body<Item>(
        _ resources: String, _ scopes: String, _ items: String, _ all: [(Speaker, Item)], _ version: String,
        _ write: (inout JSONWriter, Item) -> Void
    ) -> [UInt8]? {
        var order: [Speaker] = [], by: [Speaker: [Item]] = [:]
        for (speaker, item) in all {
            if by[speaker] == nil { order.append(speaker) }
            by[speaker, default: []].append(item)
        }
        guard !order.isEmpty else { return nil }
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.array(resources) { json in
                for speaker in order {
                    json.object { json in
                        json.object("resource") { json in
                            attributes(
                                &json,
                                [
                                    Attribute("service.namespace", "weir"), Attribute("service.name", speaker.service),
                                    Attribute("service.instance.id", speaker.instance), Attribute("service.version", version)
                                ])
                        }
                        json.array(scopes) { json in
                            json.object { json in
                                json.object("scope") { $0.member("name", "weir") }
                                json.array(items) { json in for item in by[speaker] ?? [] { json.object { write(&$0, item) } } }
                            }
                        }
                    }
                }
            }
        }
        return json.bytes
    }

    private static func span(_ json: inout JSONWriter, _ span: Span) {
        json.member("traceId", span.traceID)
        json.member("spanId", span.id)
        if let parent = span.parent { json.member("parentSpanId", parent) }
        json.member("name", span.name)
        json.member("kind", span.kind.rawValue)
        json.member("startTimeUnixNano", "\(span.start.nanoseconds)")
        json.member("endTimeUnixNano", "\(span.end.nanoseconds)")
        attributes(&json, span.attributes)
    }

    private static func log(_ json: inout JSONWriter, _ log: LogRecord) {
        json.member("timeUnixNano", "\(log.time.nanoseconds)")
        json.member("observedTimeUnixNano", "\(log.time.nanoseconds)")
        json.member("severityNumber", log.severity.rawValue)
        json.member("severityText", log.severity == .info ? "INFO" : "WARN")
        json.member("eventName", log.event)
        json.object("body") { $0.member("stringValue", log.body) }
        json.member("traceId", log.traceID)
        json.member("spanId", log.span)
        attributes(&json, log.attributes)
    }

    private static func attributes(_ json: inout JSONWriter, _ all: [Attribute]) {
        json.array("attributes") { json in
            for one in all {
                json.object { json in
                    json.member("key", one.name)
                    json.object("value") { json in
                        switch one.value {
                        case .text(let text): json.member("stringValue", text)
                        case .number(let number): json.member("intValue", "\(number)")
                        case .texts(let texts):
                            json.object("arrayValue") { json in
                                json.array("values") { json in for text in texts { json.object { $0.member("stringValue", text) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}
