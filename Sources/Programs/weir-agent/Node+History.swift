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
        notePolicyInHistory()
        history.start()
    }

    /// From the tick.
    func lookAfterHistory(_ ticks: Int) {
        guard let history else { return }
        if generation != historyGeneration { notePolicyInHistory() }
        if ticks % 10 == 0 { history.flush() }
    }

    /// Which policy judges from here on, in its file's words, so that it can judge again. The thread leaves out what is not new.
    private func notePolicyInHistory() {
        let text = policyOrigin?.text(of: policy) ?? []
        let noted = HistoryPolicy(name: policy.name, version: policy.version, enforces: policy.mode == .enforce, text: text)
        // Where there is no room it is tried again with the next tick.
        if history?.buffer.add(noted) ?? true { historyGeneration = generation }
    }
}
