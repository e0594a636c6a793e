package import Vocabulary

/// What client and server say on a port before TLS. The client's turns are true.
package struct Talk: Sendable {
    package let kind: Preamble
    package let turns: [(isClient: Bool, bytes: [UInt8])]

    private init(_ kind: Preamble, _ turns: [(Bool, String)]) {
        self.kind = kind
        self.turns = turns.map { (isClient: $0.0, bytes: Array($0.1.utf8)) }
    }

    private init(_ kind: Preamble, bytes: [(Bool, [UInt8])]) {
        self.kind = kind
        turns = bytes.map { (isClient: $0.0, bytes: $0.1) }
    }

    /// As clients and servers of today talk.
    package static let all: [Talk] = [
        Talk(
            .smtp,
            [
                (false, "220 mail.example ESMTP\r\n"), (true, "EHLO me.example\r\n"), (false, "250-mail.example\r\n250 STARTTLS\r\n"),
                (true, "STARTTLS\r\n"), (false, "220 go ahead\r\n")
            ]),
        Talk(
            .imap,
            [
                (false, "* OK ready\r\n"), (true, "a001 CAPABILITY\r\n"), (false, "* CAPABILITY STARTTLS\r\na001 OK\r\n"),
                (true, "a002 STARTTLS\r\n"), (false, "a002 OK begin\r\n")
            ]),
        Talk(.pop3, [(false, "+OK\r\n"), (true, "CAPA\r\n"), (false, "+OK\r\nSTLS\r\n.\r\n"), (true, "STLS\r\n"), (false, "+OK\r\n")]),
        Talk(
            .ftp, [(false, "220 ready\r\n"), (true, "FEAT\r\n"), (false, "211 AUTH TLS\r\n"), (true, "AUTH TLS\r\n"), (false, "234 ok\r\n")]
        ),
        Talk(
            .xmpp,
            [
                (true, "<?xml version='1.0'?><stream:stream to='shop.example'>"), (false, "<stream:features><starttls/></stream:features>"),
                (true, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), (false, "<proceed/>")
            ]),
        Talk(.irc, [(true, "CAP LS 302\r\n"), (false, ":irc CAP * LS :tls\r\n"), (true, "STARTTLS\r\n"), (false, ":irc 670 * :ok\r\n")]),
        Talk(
            .ldap,
            bytes: [
                (true, [0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16] + Array("1.3.6.1.4.1.1466.20037".utf8)),
                (false, [0x30, 0x0c, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0])
            ]),
        Talk(.postgresql, bytes: [(true, [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), (false, [0x53])]),
        Talk(
            .mysql,
            bytes: [
                (false, [74, 0, 0, 0, 10] + Array("8.4.0".utf8) + [UInt8](repeating: 0, count: 68)),
                (true, [32, 0, 0, 1, 0x85, 0xae, 0xff, 0x19, 0, 0, 0, 1, 45] + [UInt8](repeating: 0, count: 23))
            ]),
        Talk(
            .rdp,
            bytes: [
                (true, [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0]),
                (false, [3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0])
            ])
    ]

    /// The conversation's frames up to where TLS begins, and how far both have come.
    package func frames(_ c: Conversation) -> (frames: [[UInt8]], client: Int, server: Int) {
        var frames = c.handshake, client = 0, server = 0
        for turn in turns {
            frames.append(frame(c, turn, client, server))
            if turn.isClient { client += turn.bytes.count } else { server += turn.bytes.count }
        }
        return (frames, client, server)
    }

    private func frame(_ c: Conversation, _ turn: (isClient: Bool, bytes: [UInt8]), _ client: Int, _ server: Int) -> [UInt8] {
        Self.said(c, turn.bytes, fromClient: turn.isClient, client: client, server: server)
    }

    /// Bytes of either, with both numbers as they are then.
    package static func said(_ c: Conversation, _ bytes: [UInt8], fromClient: Bool, client: Int, server: Int) -> [UInt8] {
        let ours = c.clientISN &+ 1 &+ UInt32(client), theirs = c.serverISN &+ 1 &+ UInt32(server)
        return c.frame(
            fromClient: fromClient, sequence: fromClient ? ours : theirs, acknowledged: fromClient ? theirs : ours,
            flags: Conversation.acknowledge | Conversation.push, payload: bytes)
    }
}
