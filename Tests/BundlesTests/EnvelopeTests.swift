import Bundles
import Crypto
import Glibc
import Linux
import Messages
import Rollout
import Testing
import Units

@Suite struct EnvelopeTests {
    @Test("Ed25519 is that of RFC 8032, section 7.1, and one bit elsewhere is no signature")
    func vectors() throws {
        func bytes(_ hexadecimal: String) -> [UInt8] {
            let digits = Array(hexadecimal)
            return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16)! }
        }
        let all: [(key: String, own: String, message: String, signature: String)] = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                    + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                    + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            )
        ]
        for vector in all {
            let key = bytes(vector.key), own = bytes(vector.own), message = bytes(vector.message), signature = bytes(vector.signature)
            #expect(Ed25519.publicKey(of: key) == own)
            #expect(Ed25519.signature(of: message, by: key) == signature)
            #expect(Ed25519.isValid(signature, of: message, by: own))
            for bit in 0..<512 {
                var other = signature
                other[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(!Ed25519.isValid(other, of: message, by: own))
            }
            #expect(!Ed25519.isValid(signature, of: message + [0], by: own))
            #expect(!Ed25519.isValid(Array(signature.dropLast()), of: message, by: own))
            #expect(!Ed25519.isValid(signature, of: message, by: Array(own.dropLast())))
        }
        #expect(Ed25519.publicKey(of: [1, 2, 3]) == nil)
        #expect(Ed25519.signature(of: [], by: []) == nil)
    }

    @Test("What is sealed is opened as it was, by its key and no other")
    func round() throws {
        let key = PrivateKey(name: "shop")!, other = PrivateKey(name: "other")!
        let bundle = PolicyBundle(
            name: "shop", sequence: 7, signed: today, expires: tomorrow, previous: "sha256:" + String(repeating: "0a", count: 32),
            content: .policy(text: policy("shop", "{mode: enforce}") + "# \"quoted\", \u{e9}, a tab\t\n", canary: 10))
        let document = Envelope.seal(bundle, by: key)
        let opened = try Envelope.open(document, keys: [other.public, key.public])
        #expect(opened.bundle == bundle)
        #expect(opened.key == key.public.id)
        #expect(opened.digest == Envelope.digest(of: bundle.encoded()))
        let change = PolicyBundle(name: "keys", sequence: 8, signed: today, expires: tomorrow, content: .key(other.public))
        #expect(try Envelope.open(Envelope.seal(change, by: key), keys: [key.public]).bundle == change)
        #expect(throws: BundleRefusal.self) { try Envelope.open(document, keys: [other.public]) }
        // Another key's bytes under this one's id.
        let liar = BundleKey(name: "liar", id: key.public.id, bytes: other.public.bytes)
        #expect { try Envelope.open(document, keys: [liar]) } throws: { ($0 as? BundleRefusal)?.reason == .badSignature }
    }

    @Test("The signed bytes are DSSE's: type and payload with their lengths")
    func encoding() {
        #expect(
            String(decoding: Envelope.signedBytes(type: "http://example.com/HelloWorld", payload: Array("hello world".utf8)), as: UTF8.self)
                == "DSSEv1 29 http://example.com/HelloWorld 11 hello world")
    }

    @Test("OpenSSL's program verifies what we sign, and we believe a key that it made")
    func openssl() throws {
        let folder = Folder(), key = PrivateKey(name: "shop")!
        try KeyFile.write(key.public.pem, to: "\(folder.path)/shop.pub", mode: 0o644)
        try KeyFile.write(key.pem, to: "\(folder.path)/shop.key", mode: 0o600)
        #expect(throws: KeyFile.Problem.self) { try KeyFile.write(key.pem, to: "\(folder.path)/shop.key", mode: 0o600) }
        let payload = PolicyBundle(
            name: "shop", sequence: 1, signed: today, expires: tomorrow, content: .policy(text: policy(), canary: 100)
        ).encoded()
        let document = String(decoding: key.bundle(1), as: UTF8.self)
        let signature = try #require(document.firstMatch(of: /"sig":"([^"]+)"/)).1
        #expect(File.write("\(folder.path)/signed", Envelope.signedBytes(payload: payload)))
        #expect(File.write("\(folder.path)/signature", try #require(Base64.bytes(String(signature)))))
        func openssl(_ words: String...) throws -> Int {
            var child = try Child("openssl", ["openssl"] + words, output: true, errorsToo: true)
            while let more = child.take() { if more.isEmpty { sched_yield() } }
            while true { if let code = child.poll() { return code } }
        }
        func verify() throws -> Int {
            try openssl(
                "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "\(folder.path)/shop.pub", "-in", "\(folder.path)/signed", "-sigfile",
                "\(folder.path)/signature")
        }
        #expect(try verify() == 0)
        #expect(File.write("\(folder.path)/signed", Envelope.signedBytes(payload: payload + [32])))
        #expect(try verify() != 0)
        #expect(try openssl("genpkey", "-algorithm", "ed25519", "-out", "\(folder.path)/theirs.key") == 0)
        #expect(try openssl("pkey", "-in", "\(folder.path)/theirs.key", "-pubout", "-out", "\(folder.path)/theirs.pub") == 0)
        let theirs = try KeyFile.readPrivate("\(folder.path)/theirs.key")
        #expect(try KeyFile.readPublic("\(folder.path)/theirs.pub") == theirs.public)
        #expect(theirs.public.name == "theirs")
        #expect(try Envelope.open(theirs.bundle(1), keys: [theirs.public]).key == theirs.public.id)
        #expect(throws: KeyFile.Problem.self) { try KeyFile.readPublic("\(folder.path)/theirs.key") }
        #expect(throws: KeyFile.Problem.self) { try KeyFile.readPrivate("\(folder.path)/theirs.pub") }
        #expect(throws: KeyFile.Problem.self) { try KeyFile.readPublic("\(folder.path)/nowhere") }
    }

    @Test("No prefix, no changed byte and no other type of a bundle is taken for one")
    func corrupt() throws {
        let key = PrivateKey(name: "shop")!, whole = key.bundle(1)
        for length in 0..<(whole.count - 1) {
            #expect(throws: BundleRefusal.self) { try Envelope.open(Array(whole[..<length]), keys: [key.public]) }
        }
        var taken = 0
        for index in whole.indices {
            for other in [whole[index] ^ 1, whole[index] ^ 0x20, 0, 0xff, 34] where other != whole[index] {
                var bytes = whole
                bytes[index] = other
                // What lies between the members is nobody's word.
                if let opened = try? Envelope.open(bytes, keys: [key.public]) {
                    taken += 1
                    #expect(opened.bundle == (try Envelope.open(whole, keys: [key.public]).bundle))
                }
            }
        }
        #expect(taken < 64, "white space, and bits of base64 that no byte has")
        let other = changed(whole, "policy-bundle.v1", "policy-bundle.v2")
        #expect { try Envelope.open(other, keys: [key.public]) } throws: { ($0 as? BundleRefusal)?.reason == .notParseable }
    }
}
