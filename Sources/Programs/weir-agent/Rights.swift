internal import BPF
internal import Bundles
internal import Detection
internal import Evidence
internal import Front
internal import Glibc
internal import History
internal import Kafka
internal import Linux
internal import Log
internal import PolicyFile
internal import Spool

extension Settings {
    /// Whom the agent becomes when it needs no more rights; and why it stays root, where that is so.
    static func account(_ asked: String?) throws(Refusal) -> (account: Account?, stays: String?) {
        guard Account.current == 0 else {
            guard let asked, Account(asked)?.user != Account.current else { return (nil, nil) }
            let why = "only an agent that root starts can become another user, and this one runs as user \(Account.current)"
            throw Refusal.wrong("--user \(asked): \(why)")
        }
        guard let asked else { return Account.nobody.isPossible ? (.nobody, nil) : (nil, "CAP_SETUID and CAP_SETGID are missing") }
        guard let account = Account(asked) else { throw Refusal.wrong("--user \(asked): no such user") }
        guard account.user != 0 else { return (nil, nil) }
        guard account.isPossible else {
            let needs = "that needs CAP_SETUID and CAP_SETGID, and a user namespace that knows the user"
            throw Refusal.wrong("--user \(asked): cannot be taken on here: \(needs)")
        }
        return (account, nil)
    }
}

extension Settings {
    /// Of this thread, and of those that it starts. What is opened from then on is opened by root without capabilities, or by the user that
    /// we are. What it takes to become another user is kept until that is done.
    func dropCapabilities(keeping kept: [Int] = []) throws(Errno) {
        try Capabilities.drop(keeping: kept, passing: account == nil ? [] : [Capabilities.setUser, Capabilities.setGroup])
    }

    /// Its files are in memory where the agent's later user may not read them again.
    func heldKafka() throws(KafkaConfiguration.Problem) -> KafkaConfiguration? {
        account == nil ? kafka : try kafka?.inMemory()
    }
}

/// The spool's directory. It becomes the agent's user's own, and is found by a descriptor: that user may not come by on its path.
final class StateDirectory {
    private let path: String
    /// Where it is found, as long as it is held.
    let place: String
    private let held: HeldDirectory?
    private let account: Account?
    private let bounds: Outbox.Bounds

    init(_ path: String, _ bounds: Outbox.Bounds, for account: Account?) throws(SpoolError) {
        (self.path, self.bounds, self.account) = (path, bounds, account)
        guard let account else {
            place = path
            held = nil
            return
        }
        do throws(Errno) {
            let directory = try HeldDirectory(making: path)
            let history = (try? HistoryFiles.names(in: directory.path)) ?? []
            try directory.give(Spool.files + EvidenceWriter.names + BundleState.files + AuditFile.names + history, to: account)
            place = directory.path
            held = consume directory
        } catch { throw SpoolError("\(path): cannot be made the directory of user \(account.name): \(error)") }
    }

    /// While we are root, as above. The files stay open.
    func openEvidence(_ size: Int) throws(SpoolError) -> EvidenceBook {
        do throws(Errno) {
            guard let account else { return EvidenceBook(try EvidenceWriter(directory: place, size: size)) }
            let book = try account.handlingFiles { () throws(Errno) in EvidenceBook(try EvidenceWriter(directory: place, size: size)) }
            guard let book else { throw .notPermitted }
            return book
        } catch { throw SpoolError("\(path): the hellos of events cannot be kept there: \(error)") }
    }

    /// The same. Its first segment is made, so that whoever asks for a history learns at once that there can be none.
    func openHistory(_ bounds: HistoryWriter.Bounds, node: String) throws(SpoolError) -> HistoryKeeper {
        func make() throws(Errno) -> HistoryKeeper {
            var writer = HistoryWriter(directory: place, node: node, bounds: bounds)
            try writer.probe(at: Clock.wall)
            return try HistoryKeeper(writer)
        }
        do throws(Errno) {
            guard let account else { return try make() }
            guard let keeper = try account.handlingFiles({ () throws(Errno) in try make() }) else { throw .notPermitted }
            return keeper
        } catch { throw SpoolError("\(path): a history cannot be kept there: \(error)") }
    }

    func open() throws(SpoolError) -> Outbox { try Outbox(place, named: path, bounds, at: Clock.wallSeconds) }

    /// While we are root: as the user who will have to open it again.
    func openAtStart() throws(SpoolError) -> Outbox {
        guard let account else { return try open() }
        guard let opened = try account.handlingFiles({ () throws(SpoolError) in try open() }) else {
            throw SpoolError("\(path): cannot be opened as user \(account.name)")
        }
        return opened
    }
}

/// The policy's file, read again when it changes: by ourselves, or by whoever still may.
final class PolicyOrigin {
    private let path: String
    private var opener: Opener?

    init(_ path: String) { self.path = path }

    /// Before the user changes.
    func prepare(for account: Account) throws(Errno) {
        if !account.canRead(path) { opener = try Opener(path) }
    }

    var needsHelp: Bool { opener != nil }

    private func opened() throws(Errno) -> FileDescriptor {
        guard let file = try opener?.open() else { throw .noEntry }
        return file
    }

    var stamp: FileStamp? {
        guard needsHelp else { return FileStamp(path) }
        guard let file = try? opened() else { return nil }
        return FileStamp(file)
    }

    /// The bytes that this policy was read from, if they are still the file's.
    func text(of policy: Policy) -> [UInt8] {
        do throws(Errno) {
            let file = try needsHelp ? opened() : FileDescriptor(owning: unsafe open(path, O_RDONLY | O_CLOEXEC))
            return PolicyFile.text(of: policy, file) ?? []
        } catch { return [] }
    }

    func load(_ mode: Policy.Mode?) throws(PolicyError) -> Policy {
        guard needsHelp else { return try Settings.load(path, mode) }
        let file: FileDescriptor
        do throws(Errno) { file = try opened() } catch { throw PolicyFile.unreadable(path, error) }
        var policy = try PolicyFile.load(file, name: path)
        if let mode { policy.mode = mode }
        return policy
    }
}

extension Node {
    /// A clsact filter alone outlives us: taking it away at the end is netlink's, and needs its capability. Maps, ring and TCX links work
    /// by descriptor.
    var kept: [Int] { watch.needsNetlink ? [Capabilities.netAdmin] : [] }

    /// Once all is open that only root may open: another user, and no system call but those that the loop and its libraries need.
    func becomeUnprivileged() throws(ProbeError) {
        if let account = settings.account {
            GracePeriods.keepSwitch()
            do throws(Errno) {
                try policyOrigin?.prepare(for: account)
                try account.become(keeping: kept)
            } catch { throw ProbeError(error, "becoming user \(account.name): \(error); --user root stays root") }
        }
        var calls = "those of its list"
        do throws(Errno) { try SystemCalls.keep(.agent) } catch {
            calls = "all"
            log.write(.warning, "system calls are not filtered: \(error)")
        }
        if let why = settings.staysRoot { log.write(.warning, "this agent stays root", [("why", why)]) }
        log.write(
            .info, "rights given up",
            [
                ("user", settings.account?.name ?? (Account.current == 0 ? "root" : "\(Account.current)")),
                ("capabilities", kept.isEmpty ? "none" : "CAP_NET_ADMIN, to take its clsact filters away"), ("calls", calls)
            ] + (policyOrigin?.needsHelp == true ? [("policy", "opened by a child, because the user may not")] : []))
        watch.attacher.start()
        beginBundles()
        if let bundles = settings.bundles { bundleWatch?.start(bundles, policies, state: state?.place) }
    }
}

/// The writer in a place that an optional can hold.
final class EvidenceBook {
    var writer: EvidenceWriter
    init(_ writer: consuming EvidenceWriter) { self.writer = writer }
}

/// The same of the audit log.
final class AuditBook {
    var file: AuditFile
    init(_ file: consuming AuditFile) { self.file = file }
}
