import AgentCore
import Testing

@Suite struct VisibilityTests {
    @Test("An interface that carries frames of which none is seen is blind, once; the first that is seen ends that")
    func blind() {
        var visibility = Visibility()
        #expect(visibility.note(7, frames: 1_000, seen: 50) == nil, "the first reading says nothing")
        #expect(visibility.note(7, frames: 1_500, seen: 51) == nil)
        #expect(visibility.note(7, frames: 1_700, seen: 51) == .blind(frames: 200))
        #expect(visibility.blind == [7])
        #expect(visibility.note(7, frames: 2_700, seen: 51) == nil, "said once")
        #expect(visibility.note(7, frames: 2_701, seen: 52) == .sees)
        #expect(visibility.blind == [])
    }

    @Test("Few frames are gathered over readings, and counters that begin anew say nothing")
    func few() {
        var visibility = Visibility()
        for turn in 0...9 as ClosedRange<UInt64> { #expect(visibility.note(7, frames: turn * 10, seen: 0) == nil) }
        #expect(visibility.note(7, frames: 100, seen: 0) == .blind(frames: 100))
        #expect(visibility.note(7, frames: 5, seen: 0) == nil)
        #expect(visibility.blind == [])
        #expect(visibility.note(8, frames: 0, seen: 0) == nil)
        #expect(visibility.note(8, frames: 500, seen: 0) == .blind(frames: 500), "each for itself")
        visibility.forget(8)
        #expect(visibility.blind == [])
    }
}
