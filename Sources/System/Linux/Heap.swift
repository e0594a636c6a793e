internal import CLinux

package enum Heap {
    /// Gives the kernel back what is free, also of threads that have ended.
    package static func trim() { weir_trim_heap() }

    /// Large blocks come from the heap as well, and freed memory stays: for programs that read much and soon end, and would else have the
    /// kernel clear pages for each block.
    package static func keepLargeBlocks() { weir_keep_large_blocks() }
}
