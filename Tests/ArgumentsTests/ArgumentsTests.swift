import Arguments
import Commands
import Testing
import Vocabulary
import WeirCommands
import Units

func parse<Request>(_ line: String, _ command: Command<Request>) throws -> Request {
    guard case .run(let request) = try command.parse(line.split(separator: " ").map(String.init), version: "1.2.3") else { throw Shown() }
    return request
}

struct Shown: Error {}

func refusal(_ line: String, _ command: Command<some Any>) -> String {
    do throws(ArgumentError) {
        _ = try command.parse(line.split(separator: " ").map(String.init), version: "1.2.3")
        return "accepted"
    } catch { return error.description }
}

func refusal(_ line: String) -> String { refusal(line, weirCommand) }

func shown(_ line: String, _ command: Command<some Any>) throws -> String {
    guard case .show(let text) = try command.parse(line.split(separator: " ").map(String.init), version: "1.2.3") else { throw Shown() }
    return text
}

func shown(_ line: String) throws -> String { try shown(line, weirCommand) }

func replay(_ line: String) throws -> Arguments<ReplayOptions> {
    guard case .replay(let arguments) = try parse("replay " + line, weirCommand) else { throw Shown() }
    return arguments
}

@Suite struct ArgumentsTests {
    @Test("Both spellings of a value mean the same", arguments: ["--policy p.yaml a.pcap", "a.pcap --policy=p.yaml"])
    func spellings(line: String) throws {
        let arguments = try replay(line)
        #expect(arguments.files == ["a.pcap"])
        #expect(arguments.policy == "p.yaml" && arguments.isGiven(\.policy))
    }

    @Test("What is not given has its declared default, or none")
    func defaults() throws {
        guard case .limitsAdd(let arguments) = try parse("limits add 203.0.113.7", weirCommand) else { throw Shown() }
        #expect(arguments.perSecond == 3 && arguments.duration == .seconds(600) && arguments.limitClass == .all)
        #expect(!arguments.isGiven(\.perSecond) && arguments.brokers.kafka == nil)
        #expect(arguments.prefix == Prefix("203.0.113.7/32"))
    }

    @Test("A repeatable option keeps its order, another may come once")
    func repeated() throws {
        #expect(try parse("--interface eth1 --interface eth0", agentCommand).interfaces == ["eth1", "eth0"])
        #expect(refusal("--node a --node b", agentCommand) == "weir-agent: --node: given twice")
    }

    @Test("Flags are there or not")
    func flags() throws {
        #expect(try replay("--decap a").decap)
        #expect(try !replay("a").decap)
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
        #expect(try parse("--listen [::1]:0", agentCommand).service.listen == Endpoint(host: "::1", port: 0))
        #expect(try parse("", agentCommand).service.listen == Endpoint(host: "127.0.0.1", port: 9740))
        #expect(
            try parse("--kafka a:1,[2001:db8::1]:65535", agentCommand).service.brokers.kafka?.map(\.description) == [
                "a:1", "[2001:db8::1]:65535"
            ])
        for wrong in ["a", "a:", ":1", "a:65536", "a:-1", "a:+1", "::1:80", "[::1]", "[a]:1", "[::1:80", "a b:1", "a:1 ", "[]:1"] {
            #expect(Endpoint(wrong) == nil, "\(wrong)")
        }
    }

    @Test("A subcommand that is left out is the standard one")
    func standard() throws {
        for line in ["limits", "limits --kafka a:1", "limits list --kafka a:1"] {
            guard case .limitsList(let arguments) = try parse(line, weirCommand) else { throw Shown() }
            #expect(arguments.brokers.kafka?.map(\.description) == (line == "limits" ? nil : ["a:1"]))
        }
        guard case .limitsRelease(let arguments) = try parse("limits release 2001:db8::/64", weirCommand) else { throw Shown() }
        #expect(arguments.prefix == Prefix("2001:db8::/64"))
    }

    @Test("After --, and for - alone, nothing is an option")
    func dashes() throws {
        #expect(try replay("-").files == ["-"])
        #expect(try replay("-- --policy -h").files == ["--policy", "-h"])
        #expect(try replay("--policy - a").policy == "-")
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
                "weir: `frobnicate`: no such command; there are run, replay, policy, doctor, top, startup, stalls, evidence, rewind, verify, tail, explain, query, trace, limits, broker, completion and manual"
            ),
            ("policy", "weir policy: a command is missing; there are check, rehearse, keygen, sign, promote, show, publish and status"),
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
        #expect(try shown("--help", agentCommand).contains("usage: weir-agent [OPTION...]"))
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
            do throws(ArgumentError) { _ = try weirCommand.parse(words, version: "") } catch {
                #expect(!error.description.contains("\n"), "\(words)")
            }
        }
    }

    @Test("A group is help in its place, an option reads as its type, and a rest of words keeps its order")
    func groups() throws {
        struct Inner: OptionGroup {
            let size = Option("size", .size(1024...(1 << 20)), "bytes", standard: "64K")
            let port = Option<UInt16>("port", .number(1...65_535), "where", standard: "1")
        }
        struct Outer: OptionGroup {
            let first = Option(flag: "first", "a flag")
            let inner = Inner()
            let last = Option("last", .choice(["one": 1, "two": 2]), "a number by its word")
            let name = Positional("NAME", .text("NAME"), "a word")
            let rest = Positional(oneOrMore: "REST", .prefix, "blocks")
        }
        let command = Command("try", "nothing", Outer()) { $0 }
        #expect(command.options.map(\.name) == ["first", "size", "port", "last"] && command.positionals.map(\.name) == ["NAME", "REST"])
        let given = try parse("--last two a --port 7 10.0.0.0/8 --first ::1", command)
        #expect(given.first && given.last == 2 && given.inner.port == 7 && given.inner.size == ByteCount(65_536))
        #expect(given.name == "a" && given.rest == [Prefix("10.0.0.0/8"), Prefix("::1/128")])
        #expect(given.isGiven(\.last) && !given.inner.isGiven(\.size))
    }

    @Test("A default that its form refuses, and a group with something else in it, are our own mistakes")
    func mistakes() async {
        await #expect(processExitsWith: .failure) { _ = Option<Int>("top", .number(1...9), "", standard: "10") }
        await #expect(processExitsWith: .failure) {
            struct Wrong: OptionGroup { let number = 3 }
            _ = Command("try", "nothing", Wrong()) { $0 }
        }
    }
}
