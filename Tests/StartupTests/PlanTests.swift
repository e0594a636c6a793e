import Startup
import Testing

@Suite struct PlanTests {
    private typealias Declaration = Plan.Declaration

    @Test("Components come behind all that they need, and otherwise in the order of their declaration")
    func order() throws {
        let plan = try Plan([
            Declaration("loop", requires: ["probe", "kafka"]), Declaration("probe", requires: ["maps"], provides: ["probe", "ring"]),
            Declaration("kafka", provides: ["kafka"]), Declaration("maps", provides: ["maps"]),
            Declaration(
                "reader",
                requires: [
                    "ring",
                    "probe"
                ])
        ])
        #expect(plan.order.map { plan.components[$0].name } == ["kafka", "maps", "probe", "loop", "reader"])
        #expect(plan.needs == [[1, 2], [3], [], [], [1]])
        #expect(plan.dependants(of: 3).map { plan.components[$0].name } == ["probe", "loop", "reader"])
        #expect(plan.dependants(of: 0) == [])
    }

    @Test("Whatever the graph, each component is ordered once and behind what it needs", arguments: 0..<200 as Range<UInt64>)
    func anyGraph(seed: UInt64) throws {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        func random(_ below: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(below))
        }
        let count = 1 + random(12)
        // Only towards smaller ranks, so that there is no cycle; declared in another order than that.
        let ranks = (0..<count).map { ($0, random(1000)) }.sorted { $0.1 < $1.1 }.map(\.0)
        let declarations = ranks.map { rank in
            Declaration("c\(rank)", requires: (0..<rank).filter { _ in random(3) == 0 }.map { "p\($0)" }, provides: ["p\(rank)"])
        }
        let plan = try Plan(declarations)
        #expect(plan.order.sorted() == Array(0..<count))
        let places = Dictionary(uniqueKeysWithValues: plan.order.enumerated().map { ($1, $0) })
        for index in 0..<count { for need in plan.needs[index] { #expect(places[need]! < places[index]!) } }
    }

    @Test("A cycle names its members, and only them")
    func cycle() {
        #expect(throws: Plan.Fault.cycle(["b", "c", "d"])) {
            try Plan([
                Declaration("a", requires: ["b"], provides: ["a"]), Declaration("b", requires: ["c"], provides: ["b"]),
                Declaration("c", requires: ["d", "e"], provides: ["c"]), Declaration("d", requires: ["b"], provides: ["d"]),
                Declaration("e", provides: ["e"])
            ])
        }
        #expect(Plan.Fault.cycle(["b", "c", "d"]).description == "the start-up graph has a cycle: b needs c needs d needs b")
        #expect(throws: Plan.Fault.cycle(["self"])) { try Plan([Declaration("self", requires: ["it"], provides: ["it"])]) }
    }

    @Test("What nobody provides, and what two provide, are errors that name who is concerned")
    func providers() {
        #expect(throws: Plan.Fault.missing(requirement: "broker", of: "kafka")) { try Plan([Declaration("kafka", requires: ["broker"])]) }
        #expect(throws: Plan.Fault.twoProviders(of: "port", first: "pages", second: "grpc")) {
            try Plan([Declaration("pages", provides: ["port"]), Declaration("grpc", provides: ["port"])])
        }
        #expect(
            Plan.Fault.missing(
                requirement: "broker",
                of: "kafka"
            ).description == "kafka requires broker, which no component provides")
        #expect(Plan.Fault.twoProviders(of: "port", first: "pages", second: "grpc").description == "pages and grpc both provide port")
    }
}
