import Glibc
import Testing

/// How long each parser is fuzzed. `make fuzz` gives each a share of its seconds; in `make test` it is a number of inputs, always the same.
enum Fuzz {
    static let inputs = 3000
    /// `WEIR_FUZZ_SECONDS`: of each parser.
    static let seconds = getenv("WEIR_FUZZ_SECONDS").flatMap { Int(String(cString: $0)) }
    /// `WEIR_FUZZ_SEED`: which inputs are drawn; a long run draws others each time.
    static let seed = getenv("WEIR_FUZZ_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1

    private static func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec
    }

    /// Peak resident size, in KiB.
    private static var peak: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss
    }

    /// Tries inputs drawn from the seeds, after the seeds themselves. `body` returns what is wrong with what the parser did; a trap leaves the input in the
    /// file that is named at the start.
    static func run(_ name: String, seeds: [[UInt8]], words: [String] = [], growth: Int = 128 << 10, _ body: ([UInt8]) -> String?) {
        let path = "/tmp/weir-fuzz-\(getpid())-\(name)"
        let file = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0o600)
        var mutator = Mutator(seed: seed, seeds: seeds, words: words.map { Array($0.utf8) }), count = 0
        let end = seconds.map { now() + $0 }, before = peak
        defer {
            close(file)
            unlink(path)
        }
        func attempt(_ input: [UInt8]) -> Bool {
            store(input, in: file)
            count += 1
            guard let wrong = body(input) else { return true }
            let bytes = input.prefix(2000).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            Issue.record("\(name): \(wrong); seed \(seed), input \(count): \(bytes)")
            return false
        }
        for seed in seeds where !attempt(seed) { return }
        while end.map({ now() < $0 }) ?? (count < inputs) {
            guard attempt(mutator.input()) else { return }
        }
        // Other suites run beside this one in `make test`; alone, its growth is its own.
        if seconds != nil {
            print("fuzz: \(name): \(count) inputs, \((peak - before) >> 10) MiB more")
            #expect(peak - before < growth, "\(name): memory has a bound")
        }
    }

    static func store(_ bytes: [UInt8], in file: CInt) {
        _ = bytes.withUnsafeBytes { bytes in bytes.baseAddress.map { pwrite(file, $0, bytes.count, 0) } }
        ftruncate(file, bytes.count)
    }

    /// Is an error's text what a log can hold: one line, and not a book?
    static func fault(in error: String) -> String? {
        if error.isEmpty { return "an error without a word" }
        if error.utf8.count > 1000 { return "an error of \(error.utf8.count) bytes" }
        let breaks = error.unicodeScalars.contains { $0.value < 32 || [127, 0x85, 0x2028].contains($0.value) }
        return breaks ? "an error of more than one line: \(error.debugDescription)" : nil
    }
}
