import AgentCore
import Testing

@Suite struct NodePortsTests {
    /// As kube-proxy of Kubernetes 1.28 writes it: shop/web has port 443 and pods on 9443, shop/api pods on 8443, shop/old goes straight to its service's chain.
    private static let tables = """
        *nat
        :KUBE-NODEPORTS - [0:0]
        -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        -A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "shop/web:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-WEB
        -A KUBE-SERVICES -d 10.96.0.8/32 -p tcp -m comment --comment "shop/api:tls cluster IP" -m tcp --dport 8000 -j KUBE-SVC-API
        -A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
        -A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:https" -m tcp --dport 31443 -j KUBE-EXT-WEB
        -A KUBE-NODEPORTS -p tcp -m comment --comment "shop/api:tls" -m tcp --dport 30843 -j KUBE-EXT-API
        -A KUBE-NODEPORTS -p tcp -m comment --comment "shop/plain:http" -m tcp --dport 30080 -j KUBE-EXT-PLAIN
        -A KUBE-NODEPORTS -p udp -m comment --comment "shop/quic:h3" -m udp --dport 31444 -j KUBE-EXT-WEB
        -A KUBE-EXT-WEB -m comment --comment "masquerade traffic for shop/web:https external destinations" -j KUBE-MARK-MASQ
        -A KUBE-EXT-WEB -j KUBE-SVC-WEB
        -A KUBE-EXT-API -j KUBE-SVC-API
        -A KUBE-EXT-PLAIN -j KUBE-SVC-PLAIN
        -A KUBE-SVC-WEB -m comment --comment "shop/web:https -> 10.244.1.5:9443" -j KUBE-SEP-WEB1
        -A KUBE-SVC-API -m comment --comment "shop/api:tls -> 10.244.1.6:8443" -m statistic --mode random --probability 0.5 -j KUBE-SEP-API1
        -A KUBE-SVC-API -m comment --comment "shop/api:tls -> 10.244.2.6:8443" -j KUBE-SEP-API2
        -A KUBE-SVC-PLAIN -j KUBE-SEP-PLAIN1
        -A KUBE-SEP-WEB1 -p tcp -m comment --comment "shop/web:https" -m tcp -j DNAT --to-destination 10.244.1.5:9443
        -A KUBE-SEP-API1 -p tcp -m tcp -j DNAT --to-destination 10.244.1.6:8443
        -A KUBE-SEP-API2 -p tcp -m tcp -j DNAT --to-destination [fd00::6]:8443
        -A KUBE-SEP-PLAIN1 -p tcp -m tcp -j DNAT --to-destination 10.244.1.7:8080
        -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
        COMMIT
        """

    @Test(
        "A node port leads to its service's port and its pods' ports; the unwatched ones among those that lead to a watched port are found")
    func iptables() {
        let found = NodePorts(iptables: Self.tables)
        #expect(found.entries.map(\.port) == [30080, 30843, 31443])
        #expect(found.entries.map(\.service) == ["shop/plain:http", "shop/api:tls", "shop/web:https"])
        #expect(found.entries.map(\.leadsTo) == [[8080], [8000, 8443], [443, 9443]])
        #expect(found.unwatched([443, 8443]).map(\.port) == [30843, 31443])
        #expect(found.unwatched([443, 31443]).map(\.port) == [])
        #expect(found.unwatched([9443]).map(\.port) == [31443])
        #expect(NodePorts(iptables: "").entries.isEmpty && NodePorts(iptables: "-A KUBE-NODEPORTS\n-A KUBE-X -j\n").entries.isEmpty)
    }

    @Test("Chains that lead to themselves end")
    func loop() {
        let found = NodePorts(
            iptables:
                "-A KUBE-NODEPORTS -p tcp --dport 30001 -j KUBE-A\n-A KUBE-A -j KUBE-B\n-A KUBE-B -j KUBE-A\n-A KUBE-B -j DNAT --to-destination 10.0.0.1:443\n"
        )
        #expect(found.unwatched([443]).map(\.port) == [30001])
    }

    @Test("IPVS's table has node ports within Kubernetes' range; services' own addresses are none")
    func ipvs() {
        var found = NodePorts(
            ipvs: """
                IP Virtual Server version 1.2.1 (size=4096)
                Prot LocalAddress:Port Scheduler Flags
                  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
                TCP  0A600007:01BB rr
                  -> 0AF40105:20FB      Masq    1      0          0
                TCP  C0A80001:7AD8 rr
                  -> 0AF40105:20FB      Masq    1      0          0
                  -> 0AF40205:20FB      Masq    1      0          0
                UDP  C0A80001:7AD4 rr
                  -> 0AF40105:20FB      Masq    1      0          0
                TCP  [FD000000000000000000000000000001]:7AD5 rr
                  -> [FD000000000000000000000000000002]:01BB      Masq    1      0          0
                """)
        #expect(found.entries.map(\.port) == [0x7ad5, 0x7ad8] && found.entries.map(\.leadsTo) == [[443], [8443]])
        #expect(found.unwatched([8443]).map(\.port) == [0x7ad8])
        found.merge(NodePorts(iptables: Self.tables))
        #expect(found.unwatched([443, 8443]).map(\.port) == [30843, 31443, 0x7ad5, 0x7ad8])
    }
}
