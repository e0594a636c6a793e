import Arguments
import Testing
import Wire

func parse(_ line: String, _ command: Command = .weir) throws -> Arguments {
    guard case .run(let arguments) = try command.parse(line.split(separator: " ").map(String.init), version: "1.2.3") else { throw Shown() }
    return arguments
}

struct Shown: Error {}

func refusal(_ line: String, _ command: Command = .weir) -> String {
    do throws(ArgumentError) {
        _ = try command.parse(line.split(separator: " ").map(String.init), version: "1.2.3")
        return "accepted"
    } catch { return error.description }
}

func shown(_ line: String, _ command: Command = .weir) throws -> String {
    guard case .show(let text) = try command.parse(line.split(separator: " ").map(String.init), version: "1.2.3") else { throw Shown() }
    return text
}

@Suite struct ArgumentsTests {
    @Test("Both spellings of a value mean the same", arguments: ["replay --policy p.yaml a.pcap", "replay a.pcap --policy=p.yaml"])
    func spellings(line: String) throws {
        let arguments = try parse(line)
        #expect(arguments.path == ["replay"] && arguments.positionals == ["a.pcap"])
        #expect(arguments.text("policy") == "p.yaml" && arguments.has("policy"))
    }

    @Test("What is not given has its declared default, or none")
    func defaults() throws {
        let arguments = try parse("limits add 203.0.113.7")
        #expect(arguments.number("per-second") == 3 && arguments.duration("for") == .seconds(600) && arguments.text("class") == "all")
        #expect(!arguments.has("per-second") && arguments.text("kafka") == nil && arguments.endpoints("kafka").isEmpty)
        #expect(arguments.prefix(at: 0) == Prefix("203.0.113.7/32"))
    }

    @Test("A repeatable option keeps its order, another may come once")
    func repeated() throws {
        #expect(try parse("--interface eth1 --interface eth0", .agent).texts("interface") == ["eth1", "eth0"])
        #expect(refusal("--node a --node b", .agent) == "weir-agent: --node: given twice")
    }

    @Test("Flags are there or not")
    func flags() throws {
        #expect(try parse("run --enforce").has("enforce"))
        #expect(try !parse("run").has("enforce"))
        #expect(refusal("run --enforce=yes") == "weir run: --enforce: takes no value")
    }

    @Test("Loopback is what no other machine reaches; a name that is not localhost may be anything")
    func loopback() {
        for here in ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "LOCALHOST:1", "[::1]:1"] {
            #expect(Endpoint(here)?.isLoopback == true, "\(here)")
        }
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "weir.example:1", "localhost.example:1", "[::ffff:10.0.0.1]:1"] {
            #expect(Endpoint(open)?.isLoopback == false, "\(open)")
        }
    }

    @Test("Endpoints are read, in either family")
    func endpoints() throws {
        #expect(try parse("--listen [::1]:0", .agent).endpoint("listen") == Endpoint(host: "::1", port: 0))
        #expect(try parse("", .agent).endpoint("listen") == Endpoint(host: "127.0.0.1", port: 9740))
        #expect(
            try parse("--kafka a:1,[2001:db8::1]:65535", .agent).endpoints("kafka").map(\.description) == ["a:1", "[2001:db8::1]:65535"])
        for wrong in ["a", "a:", ":1", "a:65536", "a:-1", "a:+1", "::1:80", "[::1]", "[a]:1", "[::1:80", "a b:1", "a:1 ", "[]:1"] {
            #expect(Endpoint(wrong) == nil, "\(wrong)")
        }
    }

    @Test("A subcommand that is left out is the standard one")
    func standard() throws {
        #expect(try parse("limits").path == ["limits", "list"])
        #expect(try parse("limits --kafka a:1").path == ["limits", "list"])
        #expect(try parse("limits release 2001:db8::/64").path == ["limits", "release"])
    }

    @Test("After --, and for - alone, nothing is an option")
    func dashes() throws {
        #expect(try parse("replay -").positionals == ["-"])
        #expect(try parse("replay -- --policy -h").positionals == ["--policy", "-h"])
        #expect(try parse("replay --policy - a").text("policy") == "-")
    }

    @Test(
        "Wrong use gets one line that names what was meant",
        arguments: [
            ("replay --polcy p a", "weir replay: `--polcy`: no such option; did you mean --policy?"),
            ("replay --xyzzy a", "weir replay: `--xyzzy`: no such option; see --help"),
            ("replay -p a", "weir replay: `-p`: options are long here, such as --help"),
            ("reply a", "weir: `reply`: no such command; did you mean replay?"),
            (
                "frobnicate",
                "weir: `frobnicate`: no such command; there are run, replay, policy, doctor, top, startup, stalls, evidence, tail, explain, query, trace, limits, broker, completion and manual"
            ),
            ("policy", "weir policy: a command is missing; there are check and rehearse"),
            ("replay", "weir replay: FILE is missing: a pcap or pcapng capture; - is standard input"),
            ("replay", "weir replay: FILE is missing: a pcap or pcapng capture; - is standard input"),
            ("policy check a b", "weir policy check: `b`: one too many"),
            ("broker now", "weir broker: `now`: nothing is expected here"),
            ("replay a --policy", "weir replay: --policy: needs a value, FILE"),
            ("replay --policy --all a", "weir replay: --policy: needs a value, FILE"),
            ("replay --policy= a", "weir replay: --policy: the value is empty"),
            ("replay --format xml a", "weir replay: --format: `xml`; allowed are table and json"),
            ("run --for 10", "weir run: --for: `10`; a time is a number with ms, s, m, h or d, such as 30s or 10m"),
            ("run --for 5ms", "weir run: --for: `5ms`; from 1s to 365d is allowed"),
            ("run --kafka a:1,b", "weir run: --kafka: `b`; HOST:PORT is expected, such as 127.0.0.1:9092 or [::1]:9092"),
            (
                "limits add 10.0.0.1/8",
                "weir limits add: PREFIX: `10.0.0.1/8`; an address or a block is expected, such as 203.0.113.7 or 2001:db8::/64, with no bits beyond its length"
            ),
            ("limits add 10.0.0.1 --per-second 256", "weir limits add: --per-second: `256`; a whole number from 1 to 255 is expected"),
            ("limits ad 10.0.0.1", "weir limits: `ad`: no such command; did you mean add?"),
            ("tail event", "weir tail: TOPIC: `event`; allowed are events, limits, decisions and nodes")
        ])
    func wrong(line: String, message: String) {
        #expect(refusal(line) == message)
    }

    @Test("Help teaches: usage, each option in one line with its default, examples")
    func help() throws {
        let text = try shown("limits add --help")
        #expect(
            text == """
                weir limits add: limit a source until a time

                usage: weir limits add [OPTION...] PREFIX

                arguments:
                  PREFIX  an address or a block, such as 203.0.113.7 or 2001:db8::/64

                options:
                  --per-second N           what is admitted in any second (default 3)
                  --for TIME               when it ends by itself (default 10m)
                  --class anomalous|all    only anomalous handshakes, or all of them (default all)
                  --wait TIME              until every node that reports has applied it, at most so long; exit code 1 names those that have not
                  --kafka HOST:PORT[,...]  the brokers
                  --kafka-config FILE      librdkafka properties, one name=value a line; secrets belong there
                  --help                   show this and end
                  --version                show the version and end

                examples:
                  weir limits add 203.0.113.7 --for 1h --wait 5s --kafka broker:9092  and end when every node holds it

                """)
        #expect(try shown("") == shown("--help"))
        #expect(try shown("--help", .agent).contains("usage: weir-agent [OPTION...]"))
    }

    @Test("The version is asked for anywhere", arguments: ["--version", "replay --version"])
    func version(line: String) throws {
        #expect(try shown(line) == "weir 1.2.3\n")
    }

    @Test("Whatever is typed gives an answer or one line")
    func noise() {
        var state: UInt64 = 42
        let pieces = [
            "--", "-", "=", "--policy", "--format=json", "limits", "add", "replay", "\u{1b}[0m", "\n", "é", "--é=", "1.2.3.4/0", ""
        ]
        for _ in 0..<5000 {
            var words: [String] = []
            for _ in 0..<6 {
                state = state &* 6_364_136_223_846_793_005 &+ 1
                words.append(pieces[Int(state >> 33) % pieces.count])
            }
            do throws(ArgumentError) { _ = try Command.weir.parse(words, version: "") } catch {
                #expect(!error.description.contains("\n"), "\(words)")
            }
        }
    }
}
