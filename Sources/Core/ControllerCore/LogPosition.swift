/// Where in the events topic a record stands. What is decided because of it is named after it, so that the same log always gives the
/// same names.
package struct LogPosition: Hashable, Sendable {
    package var partition: Int
    package var offset: Int64

    package init(partition: Int, offset: Int64) {
        self.partition = partition
        self.offset = offset
    }

    /// The CloudEvents id of an output: `weir-controller:<partition>:<offset>`.
    package var id: String { "weir-controller:\(partition):\(offset)" }

    package init?(id: String) {
        let parts = id.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "weir-controller", let partition = Int(parts[1]), let offset = Int64(parts[2]), partition >= 0,
            offset >= 0
        else { return nil }
        self.init(partition: partition, offset: offset)
    }
}
