import Glibc

/// A child process with its standard error (and output) in a file. It is killed when the test lets go of it.
final class Process {
    let pid: pid_t
    let log: String
    private var isReaped = false

    init(_ arguments: [String], log: String) throws {
        self.log = log
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // A group of its own, so that a launcher's children end with it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        var words = arguments.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var child: pid_t = 0
        let result = posix_spawnp(&child, arguments[0], &actions, &attributes, &words, environ)
        guard result == 0 else { throw Failure("\(arguments[0]): \(String(cString: strerror(result)))") }
        pid = child
    }

    deinit { kill() }

    func kill() {
        guard !isReaped else { return }
        Glibc.kill(-pid, SIGKILL)
        _ = wait()
    }

    /// SIGTERM, and how it ended: exit code and milliseconds.
    func terminate() -> (code: CInt, milliseconds: Int) {
        let start = milliseconds()
        Glibc.kill(pid, SIGTERM)
        let code = wait()
        return (code, milliseconds() - start)
    }

    /// The exit code, or 128 and the signal.
    func wait() -> CInt {
        var status: CInt = 0
        waitpid(pid, &status, 0)
        isReaped = true
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }

    var output: String { read(log) }
}

/// What a program that ends by itself prints, without the newline at its end; `nil` when it fails.
func output(of arguments: [String]) -> String? {
    let log = Place.temporary("output")
    defer { unlink(log) }
    guard let process = try? Process(arguments, log: log), process.wait() == 0 else { return nil }
    let text = process.output
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

func milliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

func read(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&chunk, 1, chunk.count, file)
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}

func write(_ path: String, _ text: String) {
    guard let file = fopen(path, "w") else { return }
    fputs(text, file)
    fclose(file)
}

/// Asks again every few milliseconds, until it is so or the time is up.
func eventually(within seconds: Int = 30, _ condition: () -> Bool) -> Bool {
    let end = milliseconds() + seconds * 1000
    while milliseconds() < end {
        if condition() { return true }
        poll(nil, 0, 20)
    }
    return condition()
}

enum Place {
    static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

    /// Where the build has put the programs: beside the tests.
    static let programs: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, 4095)
        return buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }.split(separator: 47).dropLast().reduce("") {
            "\($0)/\(String(decoding: $1, as: UTF8.self))"
        }
    }()

    /// Of `make deps`, with its packages.
    static let python = environment("WEIR_PYTHON") ?? "\(root)/.deps/venv/bin/python3"

    static func temporary(_ name: String) -> String {
        "\(directory)/\(UInt32.random(in: 0 ... .max))-\(name)"
    }

    /// Gone with this process. What a test that failed wants to show is in its message.
    private static let directory: String = {
        let path = "/tmp/weir-test-\(getpid())"
        mkdir(path, 0o700)
        atexit { system("rm -rf /tmp/weir-test-\(getpid())") }
        return path
    }()

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    static func freePort() -> Int { freePorts(1) }

    /// The first of so many free ports in a row, below those that the kernel gives to whoever connects: while a broker is away its clients' own attempts, and
    /// everybody else's, would otherwise take its ports now and then, even by connecting to themselves.
    static func freePorts(_ count: Int) -> Int {
        while true {
            let first = Int.random(in: 15_000..<32_000)
            if (first..<first + count).allSatisfy(isFree) { return first }
        }
    }

    private static func isFree(_ port: Int) -> Bool {
        let socket = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        } == 0
    }
}
