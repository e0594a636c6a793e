import Glibc
import Linux
import Log
import Testing

/// Both ends of something that lines are written to. The writing end is shared with others, so it stays as it was.
private struct Ends {
    let reading: CInt
    let writing: CInt

    static func pipe() -> Ends {
        var ends: [CInt] = [0, 0]
        _ = Glibc.pipe(&ends)
        return Ends(reading: ends[0], writing: ends[1])
    }

    static func socket() -> Ends {
        var ends: [CInt] = [0, 0]
        _ = socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends)
        return Ends(reading: ends[0], writing: ends[1])
    }

    static func terminal() -> Ends {
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var number: CInt = 0
        // TIOCSPTLCK and TIOCGPTN (ioctl_tty(2)), which Swift does not see: unlock the other end, and ask its name.
        _ = ioctl(master, 0x4004_5431, &number)
        _ = ioctl(master, 0x8004_5430, &number)
        let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        var settings = termios()
        tcgetattr(slave, &settings)
        cfmakeraw(&settings)
        tcsetattr(slave, TCSANOW, &settings)
        return Ends(reading: master, writing: slave)
    }

    /// All that can be read now.
    func read() -> String {
        var text: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 1 << 16)
        var target = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        while poll(&target, 1, 50) == 1 {
            let count = Glibc.read(reading, &chunk, chunk.count)
            guard count > 0 else { break }
            text += chunk[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    func close() {
        Glibc.close(reading)
        Glibc.close(writing)
    }
}

@Suite struct LogTests {
    enum Kind: CaseIterable { case pipe, socket, terminal }

    private func ends(_ kind: Kind) -> Ends {
        switch kind {
        case .pipe: .pipe()
        case .socket: .socket()
        case .terminal: .terminal()
        }
    }

    @Test("Lines that nobody reads stop nothing; they are counted, and a line says so once they flow again", arguments: Kind.allCases)
    func unread(kind: Kind) {
        let ends = ends(kind)
        defer { ends.close() }
        let flags = fcntl(ends.writing, F_GETFL)
        let log = Log(program: "test", format: .text, descriptor: ends.writing)
        let filler = String(repeating: "x", count: 100)
        for number in 0..<20_000 { log.write(.info, "line", [("number", "\(number)"), ("filler", filler)]) }
        #expect(log.dropped > 0)
        #expect(fcntl(ends.writing, F_GETFL) == flags, "others share this open file")
        var text = ""
        while true {
            log.flush()
            let more = ends.read()
            if more.isEmpty { break }
            text += more
        }
        let lines = text.split(separator: "\n")
        let numbers = lines.compactMap { line in
            line.split(separator: " ").first { $0.hasPrefix("number=") }.flatMap { Int($0.dropFirst(7)) }
        }
        #expect(numbers == Array(0..<numbers.count), "in order, none cut, none twice")
        #expect(lines.allSatisfy { $0.contains(" test: ") && ($0.hasSuffix(filler) || $0.contains("dropped")) }, "every line is whole")
        #expect(numbers.count + log.dropped == 20_000)
        #expect(lines.last?.hasSuffix("warning: log lines were dropped, because standard error was not read lines=\(log.dropped)") == true)
        #expect(lines.filter { $0.contains("dropped") }.count == 1)
        log.write(.info, "after")
        #expect(ends.read().hasSuffix("test: after\n"))
    }

    @Test("A file takes every line, behind what others have written to it")
    func file() throws {
        let path = "/tmp/weir-log-\(getpid())"
        let descriptor = open(path, O_CREAT | O_RDWR | O_TRUNC, 0o600)
        defer { _ = (close(descriptor), unlink(path)) }
        _ = write(descriptor, "before\n", 7)
        let log = Log(program: "test", format: .json, descriptor: descriptor)
        for number in 0..<5000 { log.write(.info, "line \(number)") }
        let lines = try #require(File.read(path, limit: 1 << 24)).split(separator: "\n")
        #expect(lines.count == 5001 && lines[0] == "before" && lines[5000].contains("line 4999") && log.dropped == 0)
    }

    @Test("A reader that goes away ends nothing: its lines are counted", arguments: [Kind.pipe, .socket])
    func gone(kind: Kind) {
        let ends = ends(kind)
        let log = Log(program: "test", format: .text, descriptor: ends.writing)
        log.write(.info, "read")
        close(ends.reading)
        for _ in 0..<10 { log.write(.info, "unread") }
        #expect(log.dropped == 10)
        close(ends.writing)
    }

    @Test("The end of a program waits for its reader, but not for ever")
    func closing() {
        let ends = Ends.pipe()
        defer { ends.close() }
        let log = Log(program: "test", format: .text, descriptor: ends.writing)
        // More than a pipe holds, less than what may wait besides.
        for _ in 0..<800 { log.write(.info, String(repeating: "x", count: 100)) }
        log.close(withinMilliseconds: 20)
        let before = ends.read()
        log.close(withinMilliseconds: 10_000)
        #expect((before + ends.read()).split(separator: "\n").count == 800 && log.dropped == 0)
    }

    @Test("Of many lines of one kind so many are written, and then their number")
    func folded() {
        let ends = Ends.pipe()
        defer { ends.close() }
        let log = Log(program: "test", format: .text, descriptor: ends.writing)
        let clock = Clockwork()
        var limited = LimitedLog(interval: 1000, lines: 10, now: { clock.time })
        for number in 0..<370 { limited.write(log, .info, "limited", [("number", "\(number)")]) }
        limited.flush(log)
        #expect(ends.read().split(separator: "\n").count == 10)
        clock.time += 1000
        limited.flush(log)
        limited.write(log, .info, "limited", [("number", "370")])
        let lines = ends.read().split(separator: "\n")
        #expect(lines.count == 2 && lines[0].hasSuffix("and 360 more like the last") && lines[1].hasSuffix("number=370"))
    }
}

private final class Clockwork { var time: UInt64 = 5000 }
