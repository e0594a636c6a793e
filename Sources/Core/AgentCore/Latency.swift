/// A histogram of nanoseconds with a resolution of an eighth: 8 buckets an octave, from 64 ns on. Fixed memory, nothing allocated.
package struct Latency: Sendable {
    private var buckets = [UInt32](repeating: 0, count: 256)
    package private(set) var count = 0

    package init() {}

    package mutating func note(_ nanoseconds: UInt64) {
        let value = max(nanoseconds, 64)
        let octave = 63 - value.leadingZeroBitCount
        let index = (octave - 6) * 8 + Int(value >> UInt64(octave - 3) & 7)
        buckets[min(index, buckets.count - 1)] &+= 1
        count += 1
    }

    /// Upper edge of the bucket that holds the quantile, in microseconds; `nil` without values.
    package func microseconds(at quantile: Double) -> Double? {
        guard count > 0 else { return nil }
        var left = Int((Double(count) * quantile).rounded(.up))
        for (index, bucket) in buckets.enumerated() {
            left -= Int(bucket)
            if left <= 0 { return Double((UInt64(9 + index % 8) << UInt64(index / 8 + 3))) / 1000 }
        }
        return nil
    }
}
