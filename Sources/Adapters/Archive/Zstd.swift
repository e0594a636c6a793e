internal import CZstd
internal import Parquet

/// libzstd with its contexts kept, for one thread at a time.
@safe package final class Zstd: Codec {
    private let compressor: OpaquePointer
    private let decompressor: OpaquePointer
    private let level: CInt

    /// - Parameter level: 3 is the library's default; higher ones take longer and read as fast.
    package init(level: CInt = 3) {
        guard let compressor = unsafe ZSTD_createCCtx(), let decompressor = unsafe ZSTD_createDCtx() else {
            preconditionFailure("no memory for zstd")
        }
        unsafe self.compressor = compressor
        unsafe self.decompressor = decompressor
        self.level = level
    }

    deinit {
        unsafe ZSTD_freeCCtx(compressor)
        unsafe ZSTD_freeDCtx(decompressor)
    }

    package func compress(_ bytes: [UInt8]) -> [UInt8] {
        let most = ZSTD_compressBound(bytes.count)
        return unsafe [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
            let size = unsafe ZSTD_compressCCtx(compressor, buffer.baseAddress, most, bytes, bytes.count, level)
            // The room is what the library asks for, so nothing is left that could fail.
            precondition(ZSTD_isError(size) == 0, "zstd does not compress")
            count = size
        }
    }

    package func decompress(_ bytes: ArraySlice<UInt8>, to size: Int) -> [UInt8]? {
        // A frame that names its size names this one: nobody gets memory by a lie.
        let said = unsafe bytes.withUnsafeBytes { unsafe ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        guard said == UInt64(size) || said == UInt64.max && size <= bytes.count * 1024 else { return nil }
        var isWhole = false
        let plain = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let got = unsafe bytes.withUnsafeBytes {
                unsafe ZSTD_decompressDCtx(decompressor, buffer.baseAddress, size, $0.baseAddress, $0.count)
            }
            isWhole = ZSTD_isError(got) == 0 && got == size
            count = isWhole ? size : 0
        }
        return isWhole ? plain : nil
    }
}
