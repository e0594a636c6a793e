import ControllerCore
import Testing

@Suite struct ScaleLedgerTests {
    @Test("Out, never in; back to what was before, unless somebody else has changed the number")
    func outAndBack() {
        var ledger = ScaleLedger()
        #expect(ledger.out(to: 3, from: 2) == 3 && ledger.out(to: 3, from: 7) == 7)
        let isNew = [(2, 3), (3, 5), (3, 5)].map { ledger.note("shop/web", from: $0.0, to: $0.1) }
        #expect(isNew == [true, true, false])
        #expect(ledger.entries["shop/web"] == ScaleLedger.Entry(before: 2, given: 5))
        #expect(ledger.back("shop/web", from: 5) == 2)
        #expect(ledger.back("shop/web", from: 6) == 6, "an operator's")
        #expect(ledger.back("shop/api", from: 6) == 6, "never scaled out")
        let wasThere = [ledger.forget("shop/web"), ledger.forget("shop/web")]
        #expect(wasThere == [true, false])
    }

    @Test("As text it survives, and what is no entry is none")
    func text() {
        var ledger = ScaleLedger()
        _ = ledger.note("shop/web.v2", from: 2, to: 3)
        let texts = ledger.entries.map { (key: ScaleLedger.key(of: $0.key), text: ScaleLedger.text(of: $0.value)) }
        #expect(texts.map(\.key) == ["shop.web.v2"])
        #expect(ScaleLedger(texts) == ledger)
        let wrong = [(key: "shop", text: "2 3"), (key: "a.b", text: "2"), (key: "a.c", text: "2 x"), (key: "a.d", text: "-1 3")]
        #expect(ScaleLedger(wrong) == ScaleLedger())
    }

    @Test("It has a bound, and beyond it nothing is remembered")
    func bound() {
        var ledger = ScaleLedger()
        let taken = (0..<ScaleLedger.most).filter { ledger.note("a/\($0)", from: 1, to: 2) }.count
        let more = ledger.note("a/more", from: 1, to: 2), known = ledger.note("a/0", from: 1, to: 3)
        #expect(taken == ScaleLedger.most && !more && known)
    }
}
