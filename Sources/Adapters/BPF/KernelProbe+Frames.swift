internal import CBPF

extension KernelProbe {
    /// Frames of any kind that the probe has seen on an interface, both ways: the first number of its entry in the map `interfaces`,
    /// each CPU's added up.
    /// `nil` where the probe does not count them; 0 where it has seen none.
    package func frames(on interface: UInt32) -> UInt64? { sum(of: interface & 1023, in: "interfaces") }
}
