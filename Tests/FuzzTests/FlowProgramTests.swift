import CFlow
import Glibc
import Testing

private let folder = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/"

/// The programs of fuzz/programs.py, as bytes: each is a trick that has won something once, or what an honest client does.
private let programs: [(name: String, bytes: [UInt8])] = {
    let path = "/tmp/weir-fuzz-\(getpid())-programs", python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "python3"
    guard system("'\(python)' -B '\(folder)fuzz/programs.py' '\(path)'") == 0, let directory = opendir(path) else { return [] }
    defer {
        closedir(directory)
        rmdir(path)
    }
    var found: [(name: String, bytes: [UInt8])] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        guard !name.hasPrefix("."), let stream = fopen("\(path)/\(name)", "r") else { continue }
        var bytes = [UInt8](repeating: 0, count: 1024)
        found.append((name, Array(bytes[..<fread(&bytes, 1, bytes.count, stream)])))
        fclose(stream)
        unlink("\(path)/\(name)")
    }
    return found.sorted { $0.name < $1.name }
}()

/// The flow machine against a model of a server's stack (fuzz/flow): at most so many answers to what is not clean, nobody honest refused.
/// libFuzzer goes further (`make fuzz`).
@Suite(.serialized) struct FlowProgramTests {
    private func wrong(_ program: [UInt8]) -> String? { weir_flow_try(program, program.count).map { String(cString: $0) } }

    @Test("No known trick wins more answers than the limit, and no honest client is refused")
    func known() {
        #expect(programs.count > 25)
        for program in programs { #expect(wrong(program.bytes) == nil, "\(program.name)") }
    }

    @Test("Nor does what is near to them")
    func near() {
        var mutator = Mutator(seed: 1, seeds: programs.map(\.bytes), words: [])
        for number in 0..<1500 {
            let program = Array(mutator.input().prefix(300))
            guard let wrong = wrong(program) else { continue }
            Issue.record("\(wrong): input \(number): \(program.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())")
            return
        }
    }
}
