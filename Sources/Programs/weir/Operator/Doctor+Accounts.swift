internal import AgentCore
internal import JSON

/// What an agent has to account for, added up here once more: whether all that came in is told, waits, was left out on purpose or is lost.
/// - Parameter status: the agent's `/status`.
func examineAccounts(_ status: borrowing JSONObject, _ say: (Bool?, String, String) -> Void) throws(JSONError) {
    // One of an older version's has none.
    guard status.has("accounts") else { return }
    var accounts = Accounts()
    try status.object("accounts") { all throws(JSONError) in
        for account in Accounts.Account.allCases {
            let read: (borrowing JSONObject) throws(JSONError) -> Void = { terms throws(JSONError) in
                for term in Accounts.Term.allCases where term.account == account { accounts[term] = try terms.integer(term.name) }
            }
            switch account {
            case .records: try all.object("records", read)
            case .events: try all.object("events", read)
            }
        }
    }
    for account in Accounts.Account.allCases {
        func words(_ isIn: (Accounts.Kind) -> Bool) -> String {
            let all = Accounts.Term.allCases.filter { $0.account == account && isIn($0.kind) && accounts[$0] != 0 }
            return all.isEmpty ? "0" : all.map { "\(accounts[$0]) \($0.id)" }.joined(separator: " + ")
        }
        let gap = accounts.imbalance(of: account), sum = "\(words { $0 == .came }) = \(words { $0 != .came })"
        let missing = gap > 0 ? "of \(gap) there is no account" : "\(-gap) more than came in"
        say(gap == 0, "its account of \(account.rawValue)", gap == 0 ? sum : "does not balance: \(missing): \(sum)")
        if accounts.sum(account, .lost) > 0 { say(nil, "lost \(account.rawValue)", words { $0 == .lost }) }
    }
    if accounts[.aside] > 0 {
        say(nil, "events aside", "\(accounts[.aside]), which the broker refuses (docs/operations.md, WeirEventsAside)")
    }
}
