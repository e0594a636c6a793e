import CWire
import Testing

/// A window of admissions against a list of all of them.
@Suite struct AdmissionTests {
    private static let second: UInt64 = 1_000_000_000

    private func random(_ state: inout UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    @Test("As many as the number says are admitted in any sliding second, and never one less", arguments: 1...8 as ClosedRange<UInt32>)
    func exact(number: UInt32) {
        var window = weir_window(), admitted: [UInt64] = [], now = Self.second, state = UInt64(number)
        for _ in 0..<4_000 {
            now += random(&state) % (Self.second / 2)
            let recent = admitted.reversed().prefix { now - $0 < Self.second }.count
            let isAdmitted = weir_window_admit(&window, number, now) == 1
            #expect(isAdmitted == (recent < number))
            if isAdmitted { admitted.append(now) }
        }
    }

    @Test(
        "A number that changes forgets nothing: never more than the largest of the last second, and never less than the smallest",
        arguments: 0..<40 as Range<UInt64>)
    func changing(seed: UInt64) {
        var window = weir_window(), admitted: [UInt64] = [], now = Self.second, state = seed, number: UInt32 = 3
        var numbers: [(at: UInt64, number: UInt32)] = [(0, 3)]
        for _ in 0..<2_000 {
            now += random(&state) % (Self.second / 3)
            if random(&state) % 5 == 0 {
                let next = UInt32(random(&state) % 8) + 1
                weir_window_restamp(&window, number, next)
                number = next
                numbers.append((now, next))
            }
            // What counted within this second, and what counted when it began.
            let first = numbers.lastIndex { now - min(now, $0.at) >= Self.second } ?? 0
            let most = numbers[first...].map(\.number).max()!, least = numbers[first...].map(\.number).min()!
            let recent = admitted.reversed().prefix { now - $0 < Self.second }.count
            let isAdmitted = weir_window_admit(&window, number, now) == 1
            if isAdmitted { #expect(recent < most) } else { #expect(recent >= least) }
            if isAdmitted { admitted.append(now) }
        }
    }
}
