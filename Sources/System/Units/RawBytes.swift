extension RawSpan {
    /// Copies all bytes over those of `bytes` that begin at `offset`. They must be there.
    package func copy(to bytes: inout [UInt8], at offset: Int) {
        precondition(offset >= 0 && offset + byteCount <= bytes.count, "a copy ends within its destination")
        // Both ranges were compared with their ends, and an array that is being written is nobody else's memory.
        unsafe withUnsafeBytes { from in
            unsafe bytes.withUnsafeMutableBytes { to in
                guard let source = from.baseAddress, let destination = to.baseAddress else { return }
                unsafe (destination + offset).copyMemory(from: source, byteCount: from.count)
            }
        }
    }
}

extension [UInt8] {
    /// Gives the bytes of this range to `body`. They must be there.
    package func withRawBytes<Result>(_ range: Range<Int>, _ body: (RawSpan) -> Result) -> Result {
        // Bytes are initialised memory of any value; `extracting` compares the range with their end.
        unsafe body(span.bytes.extracting(range))
    }
}
