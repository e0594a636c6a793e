internal import Glibc
package import Linux
internal import Synchronization

/// The consumer's side of a `BPF_MAP_TYPE_RINGBUF`: records are read where the kernel wrote them.
///
/// Layout, from `kernel/bpf/ringbuf.c`: one page with our position, one page with the kernel's, then the data twice in
/// a row, so that a record never wraps. A record's header is eight bytes: its length, with the busy bit 31 and the
/// discard bit 30, then the kernel's own offset.
@safe package struct Ring: ~Copyable {
    private let consumer: UnsafeMutableRawPointer
    private let producer: UnsafeMutableRawPointer
    private let size: Int
    private let pageSize: Int
    /// Where we stand, and where the kernel believes that we do.
    private var position: UInt64
    private var released: UInt64

    /// - Parameters:
    ///   - map: the ring's descriptor, which stays its owner's.
    ///   - size: the ring's bytes, a power of two.
    package init(map: CInt, size: Int) throws(Errno) {
        precondition(size > 0 && size & (size - 1) == 0, "a ring's size is a power of two")
        pageSize = Int(sysconf(CInt(_SC_PAGESIZE)))
        self.size = size
        guard let shared = unsafe mmap(nil, pageSize, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0), unsafe shared != MAP_FAILED else {
            throw .current
        }
        guard let data = unsafe mmap(nil, pageSize + 2 * size, PROT_READ, MAP_SHARED, map, pageSize), unsafe data != MAP_FAILED else {
            let error = Errno.current
            unsafe munmap(shared, pageSize)
            throw error
        }
        unsafe consumer = shared
        unsafe producer = data
        position = unsafe consumer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
        released = position
    }

    deinit {
        unsafe munmap(consumer, pageSize)
        unsafe munmap(producer, pageSize + 2 * size)
    }

    /// Something has been written that we have not read: one acquire load of the shared page, no system call.
    package var hasRecords: Bool {
        unsafe producer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring) != position
    }

    /// Finished records that have not been read, and how many of them there are. Looks at each one's header.
    package var waiting: Int {
        let produced = unsafe producer.assumingMemoryBound(to: Atomic<UInt64>.self)
        let data = unsafe producer + pageSize
        let end = unsafe produced.pointee.load(ordering: .acquiring)
        var place = position, count = 0
        while place < end {
            let header = unsafe data + Int(place & UInt64(size - 1))
            let length = unsafe header.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
            if length & 3 << 30 == 0 { count += 1 }
            place += UInt64((Int(length & ~(3 << 30)) + 8 + 7) & ~7)
        }
        return count
    }

    /// Hands up to `budget` finished records to `body`, and returns how many there were.
    ///
    /// The kernel raises an interrupt for each record that it writes where our position stands, because who has read all may sleep. That costs the
    /// packet's processor microseconds, so who does not mean to sleep keeps the position back: `release` tells it.
    /// - Parameter keeping: bytes read that the kernel need not hear of yet; they count against the ring's size.
    package mutating func drain(budget: Int, keeping: Int = 0, _ body: (RawSpan) -> Void) -> Int {
        let consumed = unsafe consumer.assumingMemoryBound(to: Atomic<UInt64>.self)
        let produced = unsafe producer.assumingMemoryBound(to: Atomic<UInt64>.self)
        let data = unsafe producer + pageSize
        var count = 0
        let end = unsafe produced.pointee.load(ordering: .acquiring)
        while position != end, count < budget {
            let header = unsafe data + Int(position & UInt64(size - 1))
            // Acquire pairs with the kernel's release of the header: past here the record is whole.
            let length = unsafe header.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
            guard length & 1 << 31 == 0 else { break }
            let bytes = Int(length & ~(3 << 30))
            if length & 1 << 30 == 0 {
                // The data is mapped twice in a row, so a record never wraps.
                body(unsafe RawSpan(_unsafeStart: header + 8, byteCount: bytes))
                count += 1
            }
            position += UInt64((bytes + 8 + 7) & ~7)
            if position - released >= UInt64(max(keeping, 1)) {
                released = position
                // Release: the kernel may write over what we have read, and over nothing else.
                unsafe consumed.pointee.store(position, ordering: .releasing)
            }
        }
        return count
    }

    /// Before sleeping: from here on the kernel wakes for the next record. Look at `hasRecords` once more after it: one that came before was not announced.
    package mutating func release() {
        released = position
        // In one order with the kernel's: either it sees our position when it has written a record, or we see that record.
        unsafe consumer.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(position, ordering: .sequentiallyConsistent)
    }
}
