internal import CBPF
package import Wire

extension KernelProbe {
    /// What the probe has seen on an interface: its entries in the maps `interfaces` and `ways`, each CPU's added up.
    /// `nil` where the probe does not count; zeros where it has seen nothing.
    package func seen(on interface: UInt32) -> InterfaceCounts? {
        guard let frames = sums(of: interface & 1023, in: "interfaces"),
            let ways = sums(of: interface & 255, InterfaceCounts.ways, in: "ways")
        else { return nil }
        return InterfaceCounts(frames: frames[0], ways: ways)
    }

    /// Frames of this interface begin with their IP header. Before the first of them (`Attachment` does so for what it attaches to).
    package func readAsRaw(_ interface: UInt32) {
        var key = interface & 1023, value = interface
        _ = unsafe bpf_map_update_elem(map("raw_interfaces"), &key, &value, 0)
    }
}
