internal import Arguments
internal import BPF
internal import HTTP
internal import JSON
internal import Linux
internal import WeirCommands

/// The interfaces that an agent would watch here, who else is on their hooks, what it would miss, and what the one that runs watches.
func examineInterfaces(_ arguments: Arguments<DoctorOptions>, _ say: (Bool?, String, String) -> Void) {
    let patterns = arguments.interfaces, links: [Link], uplinks: Uplinks
    do throws(Errno) {
        links = try Interfaces.links()
        uplinks = try Interfaces.uplinks(among: links)
    } catch { return say(false, "the interfaces", "cannot be listed: \(error)") }
    let chosen = patterns.isEmpty ? uplinks.routed : links.filter { Interfaces.matches($0.interface.name, patterns) }
    let indices = Set(chosen.map(\.interface.index)), routed = Set(uplinks.routed.map(\.interface.index))
    if chosen.isEmpty {
        say(nil, "interfaces", patterns.isEmpty ? "no default route: name what is to be watched with --interface" : "none has such a name")
    }
    for link in chosen.prefix(16) {
        let what = "\(link.interface.name)\(routed.contains(link.interface.index) ? ", an uplink" : "")"
        switch link.kind {
        case .unreadable: say(false, what, "frames of its kind (link type \(link.type)) cannot be read")
        case .ethernet: say(true, what, neighbours(of: link.interface))
        case .ip: say(true, what, "read from the IP header; \(neighbours(of: link.interface))")
        }
    }
    if chosen.count > 16 { say(nil, "\(chosen.count - 16) more interfaces", "are not shown") }
    for (link, why) in uplinks.all where !indices.contains(link.interface.index) {
        say(nil, link.interface.name, "looks like an uplink (\(why)), and is not watched unless --interface names it")
    }
    examineAgent(arguments.port, say)
}

private func neighbours(of interface: Interface) -> String {
    var said: [String] = []
    for hook in HookEntry.Hook.allCases {
        guard let all = Neighbours.on(interface.index, hook) else { return "who is on its hooks only CAP_NET_ADMIN may ask" }
        let place = all.firstIndex(where: \.isAgents)
        func names(_ entries: some Collection<HookEntry>) -> String { entries.map(\.description).joined(separator: ", ") }
        let others = all.filter { !$0.isAgents }
        if let place, !all[..<place].isEmpty {
            said.append("\(hook.rawValue): in front of an agent, which sees only what they let by: \(names(all[..<place]))")
        } else if !others.isEmpty {
            said.append("\(hook.rawValue): \(names(others)); an agent \(place == nil ? "would come" : "is") first")
        }
        if all.count - others.count > 1 {
            said.append("\(hook.rawValue): \(all.count - others.count) agents, each of which counts every handshake")
        }
    }
    return said.isEmpty ? "nobody else is on its hooks" : said.joined(separator: "; ")
}

private func examineAgent(_ port: UInt16, _ say: (Bool?, String, String) -> Void) {
    guard let page = fetch(port: port, path: "/status") else { return say(nil, "an agent on port \(port)", "does not run here (--port)") }
    var parser = JSONParser()
    do throws(JSONError) {
        try unsafe parser.object(page.span.bytes) { status throws(JSONError) in
            let names = try status.strings("interfaces"), unready = try? status.string("unready")
            let more = names.count > 16 ? " and \(names.count - 16) more" : ""
            let shown = names.isEmpty ? "nothing" : names.prefix(16).joined(separator: ", ") + more
            say(unready == nil, "the agent on port \(port)", "watches \(shown)\(unready.map { "; not ready: \($0)" } ?? "")")
            try examineAccounts(status, say)
            try status.objects("one_way") { one throws(JSONError) in
                let (name, isIn) = (try one.string("interface"), try one.string("way") == "in")
                say(
                    false, "\(name) carries one direction",
                    isIn
                        ? "clients' data come in, and the answers leave by no watched interface: no answer is counted"
                        : "answers leave, and the clients' data come in by no watched interface: no hello is judged")
            }
        }
    } catch { say(false, "the agent on port \(port)", "its /status cannot be read: \(error)") }
}
