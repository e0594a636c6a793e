internal import CLinux

package enum Heap {
    /// Gives the kernel back what is free, also of threads that have ended.
    package static func trim() { weir_trim_heap() }
}
