import Arguments
import Commands
import Front
import Glibc
import HTTP
import Kafka
import Linux
import Testing

private final class Shown: Pages {
    var unready: String?
    func metricsPage() -> [UInt8] { Array("weir_sum 1\n".utf8) }
    func ownPage(_ path: String) -> Response? { path == "/own" ? Response(text: "own\n") : nil }
}

@Suite struct FrontTests {
    struct OfMachine: Error, CustomStringConvertible { let description = "no such hook" }

    private let program = Program(archiveCommand, isOfMachine: { $0 is OfMachine })

    @Test("An error that ends a program is one line with the program's name, and says by its code whose fault it is")
    func verdicts() throws {
        func expect(_ error: any Error, _ line: String, _ code: Int32) {
            let verdict = program.verdict(on: error)
            #expect(verdict.line == line && verdict.code == code)
        }
        expect(Refusal.wrong("--place `x`: no"), "weir-archive: --place `x`: no", 2)
        expect(Refusal.cannot("no room"), "weir-archive: no room", 3)
        expect(Errno.notPermitted, "weir-archive: \(Errno.notPermitted)", 3)
        expect(OfMachine(), "weir-archive: no such hook", 3)
        expect(KafkaConfiguration.Problem(description: "a:0"), "weir-archive: a:0", 2)
        // The parser has said whose command line it is.
        do throws(ArgumentError) { _ = try archiveCommand.parse(["--plaec"], version: version) } catch {
            expect(error, "weir-archive: `--plaec`: no such option; did you mean --place?", 2)
        }
    }

    @Test("Both options, one of them or none name the brokers; whoever needs them is refused without")
    func brokerOptions() throws {
        func arguments(_ words: String...) throws -> Arguments<BrokerOptions> {
            guard case .run(let arguments) = try archiveCommand.parse(words, version: version) else { throw OfMachine() }
            return arguments.service.brokers
        }
        let file = "/tmp/weir-front-\(getpid())"
        defer { unlink(file) }
        #expect(File.write(file, Array("bootstrap.servers=b:2\nclient.rack=r\n".utf8)))
        #expect(try brokersIfAny(arguments()) == nil)
        #expect(throws: Refusal.self) { try brokers(arguments()) }
        #expect(try brokers(arguments("--kafka", "a:1")).value(of: "bootstrap.servers") == "a:1")
        #expect(try brokers(arguments("--kafka-config", file)).value(of: "bootstrap.servers") == "b:2")
        let both = try brokers(arguments("--kafka-config", file, "--kafka", "a:1"))
        #expect(both.value(of: "bootstrap.servers") == "a:1" && both.value(of: "client.rack") == "r")
        #expect(File.write(file, Array("client.rack=r\n".utf8)))
        #expect(throws: Refusal.self) { try brokersIfAny(arguments("--kafka-config", file)) }
    }

    @Test("Every service has the same pages, and its own behind them")
    func pages() {
        let shown = Shown()
        func text(_ path: String) -> String {
            let answer = shown.answer(path)
            return "\(answer.status) \(String(decoding: answer.body, as: UTF8.self))"
        }
        #expect(text("/metrics") == "200 weir_sum 1\n" && shown.answer("/metrics").contentType.hasPrefix("text/plain; version="))
        #expect(text("/healthz") == "200 ok\n" && text("/readyz") == "200 ok\n" && text("/own") == "200 own\n")
        shown.unready = "Kafka does not answer"
        #expect(text("/readyz") == "503 Kafka does not answer\n" && text("/healthz") == "200 ok\n")
        #expect(text("/nothing").hasPrefix("404"))
    }
}
