package import Linux

/// Why the kernel would not take the probe, in one line that says what to do.
package struct ProbeError: Error, CustomStringConvertible, Equatable {
    package var errno: Errno
    package var description: String

    package init(_ errno: Errno, _ description: String) {
        self.errno = errno
        self.description = description
    }
}
