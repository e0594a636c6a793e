internal import CPcap
internal import Glibc
internal import Linux

/// One command run to its end, as the kernel accounts for it.
struct Timed {
    let wallNanoseconds: Int
    let cpuNanoseconds: Int
    let maximumResidentKilobytes: Int
    let code: Int

    /// Its output goes to /dev/null. `nil` when it cannot be started.
    init?(_ words: [String]) {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, mode) in [(0, O_RDONLY), (1, O_WRONLY), (2, O_WRONLY)] as [(CInt, CInt)] {
            unsafe posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", mode, 0)
        }
        var arguments = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var pid: pid_t = 0
        let began = Clock.monotonic
        guard unsafe posix_spawnp(&pid, words[0], &actions, nil, &arguments, environ) == 0 else { return nil }
        var status: CInt = 0, usage = rusage()
        while unsafe wait4(pid, &status, 0, &usage) != pid {}
        wallNanoseconds = Int(Clock.monotonic - began)
        func nanoseconds(_ time: timeval) -> Int { Int(time.tv_sec) * 1_000_000_000 + Int(time.tv_usec) * 1000 }
        cpuNanoseconds = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime)
        maximumResidentKilobytes = Int(usage.ru_maxrss)
        code = status & 0x7f == 0 ? Int(status >> 8 & 0xff) : -1
    }

    /// Of each command the quickest of `turns`, in which they take turns: what the machine can do, whatever else it did meanwhile. `nil` for
    /// one that cannot be started; one that failed is its best.
    static func best(of turns: Int, _ commands: [[String]]) -> [Timed?] {
        var best = [Timed?](repeating: nil, count: commands.count)
        for _ in 0..<turns {
            for (index, words) in commands.enumerated() {
                guard let run = Timed(words) else { continue }
                guard let known = best[index], known.code == 0 else {
                    if best[index] == nil { best[index] = run }
                    continue
                }
                if run.code != 0 || run.wallNanoseconds < known.wallNanoseconds { best[index] = run }
            }
        }
        return best
    }
}
