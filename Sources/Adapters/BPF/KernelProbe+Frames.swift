package import Wire

extension KernelProbe {
    /// What the probe has seen on an interface: its entries in the maps `interfaces` and `ways`, each CPU's added up.
    /// `nil` where the probe does not count; zeros where it has seen nothing.
    package func seen(on interface: UInt32) -> InterfaceCounts? {
        guard let frames = sums(of: interface & 1023, in: "interfaces"),
              let ways = sums(of: interface & 255, InterfaceCounts.ways, in: "ways") else { return nil }
        return InterfaceCounts(frames: frames[0], ways: ways)
    }
}
