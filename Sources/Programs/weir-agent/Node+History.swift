internal import AgentCore
internal import Detection
internal import History
internal import Wire

extension Settings {
    /// As the kernel has it: where a history is kept each hello travels, for its name is what the next policy may ask for.
    func seen(_ policy: Policy) -> Policy {
        var policy = policy
        if history != nil { policy.capture = .all }
        return policy
    }
}

extension Node {
    /// After the verdict: a copy into memory that is there, for a thread that writes it. One of two agents keeps what both see.
    func keep(_ record: RawSpan, of handshake: Handshake) {
        guard let history, place.isPublishing else { return }
        history.add(record.extracting(first: Handshake.size + handshake.rawLength), offset: core.clockOffset)
    }

    /// Once this process is what it will be.
    func startHistory() {
        guard let history else { return }
        noteInHistory(policy)
        history.start()
    }

    /// From the tick.
    func lookAfterHistory(_ ticks: Int) {
        guard let history else { return }
        // Where there was no room.
        if !notedPolicy.isAdded, let policy = notedPolicy.policy { notedPolicy.isAdded = history.buffer.add(policy) }
        if ticks % 10 == 0 { history.flush() }
    }

    /// Which policy judges from here on, in its file's words, so that it can judge again. At once, for the file may be another soon.
    func noteInHistory(_ policy: Policy) {
        let enforces = policy.mode == .enforce
        guard let history, notedPolicy.policy?.version != policy.version || notedPolicy.policy?.enforces != enforces else { return }
        let text = policyOrigin?.text(of: policy) ?? bundleTally.text ?? []
        let noted = HistoryPolicy(name: policy.name, version: policy.version, enforces: enforces, text: text)
        notedPolicy = (noted, history.buffer.add(noted))
    }
}
