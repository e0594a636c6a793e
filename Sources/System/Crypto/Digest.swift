internal import CCrypto

/// The two hashes that fingerprints and versions are made of, by OpenSSL's libcrypto (which librdkafka brings anyway).
package enum Digest: Sendable {
    case md5, sha256

    /// The hash of `bytes`, as lower-case hexadecimal.
    package func hex(of bytes: Span<UInt8>) -> String {
        let (hash, size) = (self == .md5) ? unsafe (EVP_md5(), 16) : unsafe (EVP_sha256(), 32)
        let digits = StaticDigits.hexadecimal
        // EVP_MAX_MD_SIZE is 64, so the hash fits whichever it is.
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { output in
            var count: UInt32 = 0
            let done = unsafe bytes.withUnsafeBufferPointer { input in
                unsafe EVP_Digest(input.baseAddress, input.count, output.baseAddress, &count, hash, nil)
            }
            precondition(done == 1 && count == size, "libcrypto refuses a hash: is it in FIPS mode?")
            return unsafe String(unsafeUninitializedCapacity: size * 2) { text in
                for index in 0..<size {
                    unsafe text[index * 2] = digits[Int(output[index] >> 4)]
                    unsafe text[index * 2 + 1] = digits[Int(output[index] & 15)]
                }
                return size * 2
            }
        }
    }

    /// MD5 as two words, its first byte the highest of the first. It allocates nothing.
    package static func md5(of bytes: UnsafeRawBufferPointer) -> (high: UInt64, low: UInt64) {
        var context = MD5_CTX()
        return unsafe withUnsafeTemporaryAllocation(byteCount: Int(MD5_DIGEST_LENGTH), alignment: 8) { output in
            unsafe MD5_Init(&context)
            unsafe MD5_Update(&context, bytes.baseAddress, bytes.count)
            unsafe MD5_Final(output.baseAddress!.assumingMemoryBound(to: UInt8.self), &context)
            return unsafe (
                UInt64(bigEndian: output.load(as: UInt64.self)), UInt64(bigEndian: output.load(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    /// The first eight bytes of SHA-256, its first byte the highest. It allocates nothing.
    package static func startOfSHA256(of bytes: UnsafeRawBufferPointer) -> UInt64 {
        var context = SHA256_CTX()
        return unsafe withUnsafeTemporaryAllocation(byteCount: Int(SHA256_DIGEST_LENGTH), alignment: 8) { output in
            unsafe SHA256_Init(&context)
            unsafe SHA256_Update(&context, bytes.baseAddress, bytes.count)
            unsafe SHA256_Final(output.baseAddress!.assumingMemoryBound(to: UInt8.self), &context)
            return unsafe UInt64(bigEndian: output.load(as: UInt64.self))
        }
    }

    /// SHA-1's twenty bytes, as three words, its first byte the highest. It allocates nothing.
    package static func sha1(of bytes: UnsafeRawBufferPointer) -> (UInt64, UInt64, UInt32) {
        var context = SHA_CTX()
        return unsafe withUnsafeTemporaryAllocation(byteCount: Int(SHA_DIGEST_LENGTH) + 4, alignment: 8) { output in
            unsafe SHA1_Init(&context)
            unsafe SHA1_Update(&context, bytes.baseAddress, bytes.count)
            unsafe SHA1_Final(output.baseAddress!.assumingMemoryBound(to: UInt8.self), &context)
            return unsafe (
                UInt64(bigEndian: output.load(as: UInt64.self)), UInt64(bigEndian: output.load(fromByteOffset: 8, as: UInt64.self)),
                UInt32(bigEndian: output.load(fromByteOffset: 16, as: UInt32.self))
            )
        }
    }

    package func hex(of text: String) -> String {
        let bytes = Array(text.utf8)
        return hex(of: bytes.span)
    }
}

private enum StaticDigits {
    static let hexadecimal = Array("0123456789abcdef".utf8)
}
