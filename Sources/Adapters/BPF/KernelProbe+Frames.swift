internal import CBPF

extension KernelProbe {
    /// Frames of any kind that the probe has seen on an interface, both ways: the first number of its entry in the map `interfaces`,
    /// each CPU's added up.
    /// `nil` where the probe does not count them; 0 where it has seen none.
    package func frames(on interface: UInt32) -> UInt64? { sum(of: interface & 1023, in: "interfaces") }

    /// Frames of this interface begin with their IP header. Before the first of them (`Attachment` does so for what it attaches to).
    package func readAsRaw(_ interface: UInt32) {
        var key = interface & 1023, value = interface
        _ = unsafe bpf_map_update_elem(map("raw_interfaces"), &key, &value, 0)
    }
}
