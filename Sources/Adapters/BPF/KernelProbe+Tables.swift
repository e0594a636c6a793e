internal import CBPF
internal import CProbe
internal import Glibc
package import Linux
package import Probe
internal import Synchronization
package import Units
internal import Vocabulary
package import Wire

/// What user space tells the kernel while it runs: the policy, limits, whom it never limits, denied fingerprints.
extension KernelProbe {
    /// Swaps the policy in one store: the slot that nobody reads is filled, then named.
    package mutating func use(_ policy: KernelPolicy) {
        let before = (vouched: vouched, proxies: proxies)
        (vouched, proxies) = (Set(policy.vouched), Set(policy.proxies))
        for prefix in vouched.subtracting(before.vouched) { add(prefix, to: vouchedMap) }
        for prefix in proxies.subtracting(before.proxies) { add(prefix, to: proxiesMap) }
        defer {
            for prefix in before.vouched.subtracting(vouched) { remove(prefix, from: vouchedMap) }
            for prefix in before.proxies.subtracting(proxies) { remove(prefix, from: proxiesMap) }
        }
        let active = unsafe policies.load(as: UInt64.self)
        let next = (active & 1) ^ 1
        unsafe policy.bytes.withUnsafeBytes { bytes in
            unsafe (policies + 8 + Int(next) * bytes.count).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        }
        // A release store, so that no CPU sees the number before the slot.
        unsafe policies.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(next, ordering: .releasing)
    }

    /// Sets a limit; its history stays, so that no order opens a gap. Allocates nothing.
    package func limit(_ key: LimitKey, _ entry: LimitEntry) throws(Errno) {
        guard try LimitOrder.set(key, entry).withBytes({ obey($0) }).get() == 0 else { throw Errno(rawValue: ENOSPC) }
    }

    /// Ends a limit at once, whoever set it.
    package func release(_ key: LimitKey) {
        _ = LimitOrder.end(key).withBytes { obey($0) }
    }

    /// The tables of vouched destinations and of proxies have room for as many as a policy may name.
    func add(_ prefix: Prefix, to map: CInt) {
        var one: UInt8 = 1
        prefix.withAllowKey { key in unsafe key.withUnsafeBytes { _ = unsafe bpf_map_update_elem(map, $0.baseAddress, &one, 0) } }
    }

    private func remove(_ prefix: Prefix, from map: CInt) {
        prefix.withAllowKey { key in unsafe key.withUnsafeBytes { _ = unsafe bpf_map_delete_elem(map, $0.baseAddress) } }
    }

    private func obey(_ order: RawSpan) -> Result<UInt32, Errno> {
        var verdict: UInt32 = 0, duration: UInt32 = 0
        let result = unsafe order.withUnsafeBytes {
            unsafe weir_bpf_run(setLimit, $0.baseAddress, UInt32($0.count), 1, 0, 1, &verdict, &duration)
        }
        return result == 0 ? .success(verdict) : .failure(Errno(rawValue: -result))
    }

    /// Looks at the next limits of the map, in its own order, and forgets those that have nothing more to say. Returns how many it looked at.
    @discardableResult
    package mutating func forgetLimits(atMost most: Int) -> Int {
        var looked = 0
        unsafe withUnsafeTemporaryAllocation(byteCount: LimitKey.size, alignment: 8) { next in
            while looked < most {
                let more = unsafe forgotten.withUnsafeBytes {
                    unsafe bpf_map_get_next_key(limitsMap, $0.isEmpty ? nil : $0.baseAddress, next.baseAddress) == 0
                }
                guard more else {
                    forgotten = []
                    return
                }
                // The limit before it: a key that is gone would begin the walk anew.
                if !forgotten.isEmpty { forget(forgotten) }
                forgotten = unsafe [UInt8](next)
                looked += 1
            }
        }
        return looked
    }

    private func forget(_ key: [UInt8]) {
        guard !LimitOrder.sharedKeys.contains(key) else { return }
        _ = LimitOrder.withForgetting(key: unsafe key.span.bytes) { obey($0) }
    }

    /// Forgets all limits that have ended, and those of the kernel's own that carry no stamp of the last second: others need the room.
    /// Returns how many stay.
    package mutating func makeRoom() -> Int {
        forgotten = []
        return (try? LimitOrder.withMakingRoom { obey($0) }.get()).map { Int($0) } ?? limitsCapacity
    }

    /// How many limits the map has room for.
    package var limitsCapacity: Int { unsafe Int(bpf_map__max_entries(bpf_object__find_map_by_name(object, "limits"))) }

    package func entry(_ key: LimitKey) -> LimitEntry? {
        unsafe withUnsafeTemporaryAllocation(byteCount: LimitEntry.size, alignment: 8) { value in
            let found = key.withBytes { key in
                unsafe key.withUnsafeBytes { unsafe bpf_map_lookup_elem(limitsMap, $0.baseAddress, value.baseAddress) == 0 }
            }
            return found ? LimitEntry(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(value))) : nil
        }
    }

    /// Calls `body` for each limit in the map, once each as long as nothing is removed meanwhile.
    package func eachLimit(_ body: (LimitKey, LimitEntry) -> Void) {
        var keys: [LimitKey] = []
        unsafe withUnsafeTemporaryAllocation(byteCount: LimitKey.size, alignment: 8) { key in
            var more = unsafe bpf_map_get_next_key(limitsMap, nil, key.baseAddress) == 0
            while more {
                if let found = LimitKey(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(key))) { keys.append(found) }
                more = unsafe bpf_map_get_next_key(limitsMap, key.baseAddress, key.baseAddress) == 0
            }
        }
        for key in keys { if let entry = entry(key) { body(key, entry) } }
    }

    /// False when the allow-list is full.
    package func allow(_ prefix: Prefix) -> Bool {
        var one: UInt8 = 1
        return prefix.withAllowKey { key in
            unsafe key.withUnsafeBytes { unsafe bpf_map_update_elem(allowMap, $0.baseAddress, &one, 0) == 0 }
        }
    }

    package func disallow(_ prefix: Prefix) {
        prefix.withAllowKey { key in unsafe key.withUnsafeBytes { _ = unsafe bpf_map_delete_elem(allowMap, $0.baseAddress) } }
    }

    /// Hellos of this fingerprint are `fingerprint_denied` from now on. False when there is no room.
    package func deny(_ fingerprint: UInt64) -> Bool {
        var key = fingerprint, one: UInt8 = 1
        guard unsafe bpf_map_update_elem(deniedMap, &key, &one, 0) == 0 else { return false }
        // From now on those with these last six bits are looked up; never again none, which costs them a lookup and nothing else.
        unsafe (policies + deniedAt).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.bitwiseOr(
            1 << (fingerprint & 63), ordering: .relaxed)
        return true
    }

    package func allowFingerprint(_ fingerprint: UInt64) {
        var key = fingerprint
        _ = unsafe bpf_map_delete_elem(deniedMap, &key)
    }
}
