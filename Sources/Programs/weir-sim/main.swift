internal import Glibc
internal import Linux
internal import Log
internal import Simulation

let usage = """
    weir-sim: nodes, replicas, a broker, attackers and honest clients on one clock, with faults drawn from a seed

    usage: weir-sim [--seed N] [--runs N] [--keep 0,3,7] [--plant NAME]
        --seed N      the first seed (default: a new one)
        --runs N      as many seeds (default 1)
        --keep LIST   of the seed's faults only these happen
        --plant NAME  a fault in Weir itself, to see that it is found: \(Plant.allCases.map(\.rawValue).joined(separator: ", "))

    Exits 0 when every promise was kept, 1 when one was not, 2 when the command line is wrong.

    """

func refuse(_ message: String) -> Never {
    Log.lastWords("weir-sim: \(message)")
    exit(2)
}

var seed: UInt64?, runs = 1, keep: Set<Int>?, plant: Plant?
var words = CommandLine.arguments.dropFirst()
while let word = words.popFirst() {
    if word == "--help" || word == "-h" {
        print(usage, terminator: "")
        exit(0)
    }
    guard let value = words.popFirst() else { refuse("\(word) wants a value; --help says which there are") }
    switch word {
    case "--seed":
        guard let number = UInt64(value) else { refuse("--seed \(value): a number is wanted") }
        seed = number
    case "--runs":
        guard let number = Int(value), number > 0 else { refuse("--runs \(value): a number from 1 is wanted") }
        runs = number
    case "--keep":
        let numbers = value.split(separator: ",").map { Int($0) }
        guard !numbers.contains(nil) else { refuse("--keep \(value): numbers with commas between them are wanted") }
        keep = Set(numbers.compactMap { $0 })
    case "--plant":
        guard let known = Plant(rawValue: value) else {
            refuse("--plant \(value): it is one of \(Plant.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        plant = known
    default: refuse("\(word) is not known; --help says what is")
    }
}

let first = seed ?? UInt64(bitPattern: Clock.wall) % 1_000_000_000
let began = Clock.monotonic
var totals = (answers: 0, refusals: 0, events: 0, limits: 0)
for number in 0..<UInt64(runs) {
    var scenario = Scenario(seed: first &+ number)
    if let keep { scenario.kept.formIntersection(keep) }
    let outcome = simulate(scenario, plant: plant)
    totals = (
        totals.answers + outcome.answers, totals.refusals + outcome.refusals, totals.events + outcome.events,
        totals.limits + outcome.limits
    )
    guard outcome.rule != nil else { continue }
    let smallest = shrink(outcome, plant: plant)
    print("seed \(scenario.seed) breaks a promise; \(smallest.scenario.kept.count) of \(outcome.scenario.kept.count) faults matter:")
    for fault in smallest.scenario.kept.sorted() { print("  \(fault)  \(smallest.scenario.faults[fault].description)") }
    for violation in smallest.violations { print("  \(violation)") }
    let list = smallest.scenario.kept.sorted().map(String.init).joined(separator: ",")
    print(
        "again: make sim SEED=\(scenario.seed)\(list.isEmpty ? " KEEP=-1" : " KEEP=\(list)")\(plant.map { " PLANT=\($0.rawValue)" } ?? "")")
    exit(1)
}
let seconds = Double(Clock.monotonic - began) / 1e9
print(
    "\(runs) seed\(runs == 1 ? "" : "s") from \(first): every promise kept · \(totals.answers) answers, \(totals.refusals) refusals, \(totals.events) events, \(totals.limits) limits"
)
print(
    "\(Int(Double(runs) / seconds * 10)) seeds in ten seconds, \(Int(Double(runs * Outcome.length) / 1000 / seconds)) times as fast as time"
)
