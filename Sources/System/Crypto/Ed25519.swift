internal import CCrypto

/// Ed25519 (RFC 8032) by libcrypto: signatures of 64 bytes, keys of 32.
package enum Ed25519 {
    package static let keySize = 32, signatureSize = 64

    /// A new private key (RFC 8032 calls it the seed); `nil` where libcrypto gives none.
    package static func newPrivateKey() -> [UInt8]? {
        guard let context = unsafe EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else { return nil }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        var made: OpaquePointer?
        guard unsafe EVP_PKEY_keygen_init(context) == 1, unsafe EVP_PKEY_keygen(context, &made) == 1, let key = unsafe made else {
            return nil
        }
        defer { unsafe EVP_PKEY_free(key) }
        return unsafe raw(key, EVP_PKEY_get_raw_private_key)
    }

    /// `nil` for what is not a key of 32 bytes.
    package static func publicKey(of privateKey: [UInt8]) -> [UInt8]? {
        guard let key = unsafe signer(privateKey) else { return nil }
        defer { unsafe EVP_PKEY_free(key) }
        return unsafe raw(key, EVP_PKEY_get_raw_public_key)
    }

    /// `nil` for what is not a key of 32 bytes.
    package static func signature(of message: [UInt8], by privateKey: [UInt8]) -> [UInt8]? {
        guard let key = unsafe signer(privateKey), let context = unsafe EVP_MD_CTX_new() else { return nil }
        defer {
            unsafe EVP_MD_CTX_free(context)
            unsafe EVP_PKEY_free(key)
        }
        var size = signatureSize, signature = [UInt8](repeating: 0, count: size)
        // No digest is named: Ed25519 has its own.
        guard unsafe EVP_DigestSignInit(context, nil, nil, nil, key) == 1,
            unsafe EVP_DigestSign(context, &signature, &size, message, message.count) == 1, size == signatureSize
        else { return nil }
        return signature
    }

    /// Whether the owner of the key signed exactly these bytes. False for what is not a signature or a key, whatever the bytes are.
    package static func isValid(_ signature: [UInt8], of message: [UInt8], by publicKey: [UInt8]) -> Bool {
        guard signature.count == signatureSize, publicKey.count == keySize,
            let key = unsafe EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, publicKey, publicKey.count)
        else { return false }
        defer { unsafe EVP_PKEY_free(key) }
        guard let context = unsafe EVP_MD_CTX_new() else { return false }
        defer { unsafe EVP_MD_CTX_free(context) }
        let isValid =
            unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        // What failed is left in the thread's list of errors, which nobody else reads.
        if !isValid { ERR_clear_error() }
        return isValid
    }

    private static func signer(_ privateKey: [UInt8]) -> OpaquePointer? {
        guard privateKey.count == keySize else { return nil }
        return unsafe EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, privateKey, privateKey.count)
    }

    private static func raw(
        _ key: OpaquePointer, _ read: (OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<Int>?) -> CInt
    ) -> [UInt8]? {
        var size = keySize, bytes = [UInt8](repeating: 0, count: size)
        guard unsafe read(key, &bytes, &size) == 1, size == keySize else { return nil }
        return bytes
    }
}
