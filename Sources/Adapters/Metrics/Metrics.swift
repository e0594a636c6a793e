/// What a program counts, in the order of registration. Registration is at start and checks names; updates index arrays and allocate nothing.
///
/// One owner: it has no lock, and whoever renders is on the thread that counts.
package final class Metrics {
    package static let seriesLimit = 1024

    package struct Counter: Sendable { fileprivate let index: Int }
    package struct Gauge: Sendable { fileprivate let index: Int }
    package struct Histogram: Sendable {
        fileprivate let index: Int
        fileprivate let first: Int
    }
    package typealias Labels = [(name: String, value: String)]

    private var families: [Family] = []
    private var counts: [UInt64] = []
    private var values: [Double] = []
    /// The bounds of all histograms, one after the other; `counts` beyond each family's own are in `buckets`.
    private var bounds: [[Double]] = []
    private var buckets: [UInt64] = []
    private var sums: [Double] = []

    package init() {}

    // MARK: Registration

    /// The name ends in `_total`, and each label set of a name is registered once.
    package func counter(_ name: String, _ help: String, labels: Labels = []) -> Counter {
        precondition(name.hasSuffix("_total"), "a counter's name ends in _total: \(name)")
        register(name, help, .counter, labels, at: counts.count)
        counts.append(0)
        return Counter(index: counts.count - 1)
    }

    package func gauge(_ name: String, _ help: String, labels: Labels = []) -> Gauge {
        register(name, help, .gauge, labels, at: values.count)
        values.append(0)
        return Gauge(index: values.count - 1)
    }

    /// `bounds` are upper bounds, rising; what is above them all falls into `+Inf`.
    package func histogram(_ name: String, _ help: String, bounds: [Double], labels: Labels = []) -> Histogram {
        precondition(
            (1...64).contains(bounds.count) && bounds.allSatisfy(\.isFinite) && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 },
            "bounds rise: \(name)")
        precondition(!labels.contains { $0.name == "le" }, "le is the histogram's own label")
        register(name, help, .histogram, labels, at: self.bounds.count)
        let first = buckets.count
        self.bounds.append(bounds)
        buckets.append(contentsOf: repeatElement(0, count: bounds.count + 1))
        sums.append(0)
        starts.append(first)
        return Histogram(index: sums.count - 1, first: first)
    }

    private var starts: [Int] = []

    private func register(_ name: String, _ help: String, _ kind: Kind, _ labels: Labels, at index: Int) {
        precondition(families.reduce(0) { $0 + $1.series.count } < Self.seriesLimit, "more than \(Self.seriesLimit) series")
        precondition(
            Text.isName(name) && labels.allSatisfy { Text.isName($0.name) && !$0.name.contains(":") && !$0.name.hasPrefix("__") },
            "not a metric name: \(name)")
        let series = Series(labels: Text.labels(labels), index: index)
        if let at = families.firstIndex(where: { $0.name == name }) {
            precondition(families[at].kind == kind && families[at].help == help, "\(name) is registered as something else")
            precondition(!families[at].series.contains { $0.labels == series.labels }, "\(name) is registered twice")
            families[at].series.append(series)
        } else {
            families.append(Family(name: name, help: help, kind: kind, series: [series]))
        }
    }

    // MARK: Updates

    package func add(_ amount: UInt64 = 1, to counter: Counter) { counts[counter.index] &+= amount }

    /// For a count that is kept elsewhere, such as in the kernel.
    package func set(_ counter: Counter, to count: UInt64) { counts[counter.index] = count }
    package func set(_ gauge: Gauge, to value: Double) { values[gauge.index] = value }
    package func add(_ amount: Double, to gauge: Gauge) { values[gauge.index] += amount }

    package func observe(_ value: Double, in histogram: Histogram) {
        var bucket = 0
        while bucket < bounds[histogram.index].count, !(value <= bounds[histogram.index][bucket]) { bucket += 1 }
        buckets[histogram.first + bucket] += 1
        sums[histogram.index] += value
    }

    package subscript(counter: Counter) -> UInt64 { counts[counter.index] }
    package subscript(gauge: Gauge) -> Double { values[gauge.index] }

    /// For a gauge whose labels say something that changes, such as the active policy's version.
    package func relabel(_ gauge: Gauge, labels: Labels) {
        for family in families.indices where families[family].kind == .gauge {
            if let series = families[family].series.firstIndex(where: { $0.index == gauge.index }) {
                families[family].series[series].labels = Text.labels(labels)
            }
        }
    }

    // MARK: Exposition

    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Prometheus text format 0.0.4.
    package func render() -> [UInt8] {
        var text = Text()
        for family in families {
            text.header(family.name, help: family.help, type: family.kind.rawValue)
            for series in family.series {
                switch family.kind {
                case .counter: text.sample(family.name, series.labels, String(counts[series.index]))
                case .gauge: text.sample(family.name, series.labels, Text.number(values[series.index]))
                case .histogram: render(family.name, series, into: &text)
                }
            }
        }
        return text.bytes
    }

    private func render(_ name: String, _ series: Series, into text: inout Text) {
        var count: UInt64 = 0
        for (offset, bound) in (bounds[series.index] + [.infinity]).enumerated() {
            count += buckets[starts[series.index] + offset]
            let bucket = "le=\"\(Text.number(bound))\""
            text.sample(name + "_bucket", series.labels.isEmpty ? bucket : series.labels + "," + bucket, String(count))
        }
        text.sample(name + "_sum", series.labels, Text.number(sums[series.index]))
        text.sample(name + "_count", series.labels, String(count))
    }

    private enum Kind: String { case counter, gauge, histogram }

    private struct Family {
        var name: String
        var help: String
        var kind: Kind
        var series: [Series]
    }

    private struct Series {
        /// As they are printed, without braces.
        var labels: String
        var index: Int
    }
}
